"""The pooled curve of one source of data, and where a new registry or a new result would lie on it.

When not to use it: by itself; `synthesis.survival_curves` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Curve, Estimates
from soa_evidence.synthesis import survivorship_model
from soa_evidence.synthesis.survivorship_model import Block, Fitted

__all__ = ["MEANS", "SourceCurve", "as_survival", "pool", "slope"]

FloatArray = NDArray[np.float64]
MEANS = ("free", "line")
METHOD = "synthesis.survival_curves"
CORRELATIONS = (0.0, 0.5, 0.9, 1.0)
FEW_STUDIES = 5
FEW_REPEATED = 3
_GRID = 60
_NOBODY = 700.0  # a log cumulative hazard beyond which survival is 0 to every digit


def as_survival(value: FloatArray, scale: str = "log-log") -> FloatArray:
    """Return survival from 0 to 1 of a value on the scale of the analysis."""
    value = np.asarray(value, dtype=float)
    if scale == "logit":
        return np.asarray(special.expit(value))
    return np.asarray(np.exp(-np.exp(np.minimum(-value, _NOBODY))))


def slope(survival: FloatArray, scale: str) -> FloatArray:
    """Return how fast the scale of the analysis rises with survival."""
    if scale == "logit":
        return np.asarray(1 / (survival * (1 - survival)))
    return np.asarray(-1 / (survival * np.log(survival)))


@dataclass(frozen=True, eq=False, kw_only=True)
class SourceCurve:
    """Pooled survivorship by one kind of data.

    Attributes
    ----------
    source, scale, mean, time_unit : str
    level : float
    studies : tuple of str
    times : array of shape (T,)
        Times that any study reports.
    fitted : Fitted
        Coefficients on the scale of the analysis, tau2 and rho.
    dof : float or None
        Of the t intervals; None where one study is shown as it is.
    correlations : DataFrame
        What other correlations within studies would give: correlation, tau, time, estimate, new_lower,
        new_upper (shares).
    checks : tuple of Check
    """

    source: str
    scale: str
    mean: str
    time_unit: str
    level: float
    studies: tuple[str, ...]
    times: FloatArray
    fitted: Fitted
    dof: float | None
    correlations: pd.DataFrame
    checks: tuple[Check, ...]

    @property
    def tau(self) -> float:
        """Standard deviation of true survival between studies, on the scale of the analysis."""
        return float(np.sqrt(self.fitted.tau2))

    def at(self, times: Sequence[float]) -> Estimates:
        """Return average survival at `times` on the scale of the analysis; show with ``as_survival``."""
        return self._estimates(times, "average survival of studies like these", 0.0, "average")

    def new_registry(self, times: Sequence[float]) -> Estimates:
        """Return the true survival of one more study of this kind, on the scale of the analysis.

        A prediction interval, of t with as many degrees of freedom as that of the average.

        Raises
        ------
        InputError
            Where one study only is known: nothing then says how far studies differ.
        """
        if self.dof is None:
            raise InputError(
                f"There is one study of source '{self.source}' ({self.studies[0]}); how far another would "
                "lie from it cannot be known from one."
            )
        return self._estimates(
            times, "survival in one more study (prediction, t)", self.fitted.tau2, "one more"
        )

    def place(
        self, survival: float, time: float, *, std_error: float = 0.0, draws: int = 20000, seed: int
    ) -> Estimates:
        """Return a new result minus what one more study would have, as a share.

        Parameters
        ----------
        survival, std_error
            The new result at `time` and its standard error, both as shares.

        Returns
        -------
        Estimates
            With draws: ``.probability("new result", above=0)`` is how probable it is that another study would
            have done less well.
        """
        if not 0 < survival < 1:
            raise InputError(f"survival is {survival}; expected a share above 0 and below 1, such as 0.95.")
        if not (np.isfinite(std_error) and std_error >= 0):
            raise InputError(f"std_error is {std_error}; expected a share of 0 or more.")
        other = as_survival(self.new_registry([time]).sample(draws, seed=seed), self.scale)
        rng = np.random.default_rng(seed + 1)
        centre = -np.log(-np.log(survival)) if self.scale == "log-log" else np.log(survival / (1 - survival))
        spread = std_error * float(slope(np.array([survival]), self.scale)[0])
        own = as_survival(centre + spread * rng.standard_normal((draws, 1)), self.scale)
        return Estimates(
            estimand=f"new result at {time:g} {self.time_unit} minus survival in one more study",
            labels=("new result",),
            unit="share of joints",
            method=METHOD,
            draws=own - other,
            interval="confidence",
            checks=self.checks,
            centre="median",
        )

    def curve(self, *, predict: bool = False) -> Curve:
        """Return the pooled curve from first to last time reported; with `predict`, of one more study.

        A free mean is known at the reported times only; a line at every time between.
        """
        times = self.times if self.mean == "free" else np.linspace(self.times[0], self.times[-1], _GRID)
        found = self.new_registry(list(times)) if predict else self.at(list(times))
        table = found.table(self.level)
        mean = np.asarray(found.mean)
        value = as_survival(mean, self.scale)
        return Curve(
            estimand="survival",
            label=f"one more {self.source}" if predict else f"average {self.source}",
            time_unit=self.time_unit,
            method=METHOD,
            time=times,
            estimate=value,
            lower=as_survival(table["lower"].to_numpy(), self.scale),
            upper=as_survival(table["upper"].to_numpy(), self.scale),
            std_error=table["std_error"].to_numpy() / slope(value, self.scale),
            at_risk=np.full(len(times), np.nan),
            events=np.full(len(times), np.nan),
            level=self.level,
            interval="confidence",
            checks=self.checks,
        )

    def table(self) -> pd.DataFrame:
        """Return shares at reported times: source, time, estimate, limits, and those of one more study."""
        found = self.at(list(self.times)).table(self.level)
        shown = {
            name: as_survival(found[name].to_numpy(), self.scale) for name in ("estimate", "lower", "upper")
        }
        table = pd.DataFrame({"source": self.source, "time": self.times, **shown})
        if self.dof is None:
            return table.assign(new_lower=np.nan, new_upper=np.nan)
        new = self.new_registry(list(self.times)).table(self.level)
        return table.assign(
            new_lower=as_survival(new["lower"].to_numpy(), self.scale),
            new_upper=as_survival(new["upper"].to_numpy(), self.scale),
        )

    def _estimates(self, times: Sequence[float], what: str, extra: float, short: str) -> Estimates:
        at = np.asarray([float(t) for t in times])
        X = self._design(at)
        apart = np.abs(np.subtract.outer(np.log(at), np.log(at)))
        return Estimates(
            estimand=f"{what}, {self.source}",
            labels=tuple(f"{short} {self.source}, {t:g} {self.time_unit}" for t in at),
            unit="-log(-log survival)" if self.scale == "log-log" else "log odds of survival",
            method=METHOD,
            mean=X @ self.fitted.coefficients,
            covariance=X @ self.fitted.covariance @ X.T + extra * self.fitted.rho**apart,
            dof=self.dof,
            interval="confidence",
            checks=self.checks,
        )

    def _design(self, at: FloatArray) -> FloatArray:
        low, high = float(self.times[0]), float(self.times[-1])
        if self.mean == "free":
            unknown = [t for t in at if not np.isclose(self.times, t).any()]
            if unknown:
                raise InputError(
                    f"No study of source '{self.source}' reports {unknown[0]:g} {self.time_unit}. Reported: "
                    f"{', '.join(f'{t:g}' for t in self.times)}; mean='line' reads between them."
                )
        outside = [t for t in at if not low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
        if outside:
            raise InputError(
                f"Studies of source '{self.source}' report from {low:g} to {high:g} {self.time_unit}; "
                f"{outside[0]:g} lies outside, and the curve is not drawn on."
            )
        return design(at, self.times, self.mean)

    def __repr__(self) -> str:
        return (
            f"{self.source}: {len(self.studies)} studies, {self.times[0]:g} to {self.times[-1]:g} "
            f"{self.time_unit}, tau {self.tau:.3g}"
        )


def design(at: FloatArray, times: FloatArray, mean: str) -> FloatArray:
    """Return the design matrix of a study's times: an indicator of each time, or a line in log time."""
    if mean == "free":
        return np.isclose(at[:, None], times[None, :]).astype(float)
    return np.column_stack([np.ones(len(at)), np.log(at)])


def pool(
    blocks: list[Block],
    *,
    source: str,
    scale: str,
    mean: str,
    correlation: float | None,
    level: float,
    time_unit: str,
) -> SourceCurve:
    """Pool the studies of one source; one study alone is shown as it is."""
    times = np.unique(np.concatenate([block.time for block in blocks]))
    if mean == "line" and len(times) < 2:
        raise InputError(
            f"All studies of source '{source}' report {times[0]:g} {time_unit}; a line needs two times. "
            "Use mean='free'."
        )
    designs = [design(block.time, times, mean) for block in blocks]
    repeated = sum(len(block.time) > 1 for block in blocks)
    alone = len(blocks) == 1
    # without a study of several times nothing speaks about the correlation, and it changes nothing
    rho = 1.0 if correlation is None and repeated == 0 else correlation
    if alone:
        fitted = survivorship_model.solve(blocks, designs, 0.0, 1.0)
    else:
        fitted = survivorship_model.maximise(blocks, designs, rho)
    dof = (
        None
        if alone
        else float(max(len(blocks) - designs[0].shape[1], 1) if mean == "line" else len(blocks) - 1)
    )
    checks = _checks(blocks, times, fitted, source, repeated, correlation)
    made = SourceCurve(
        source=source,
        scale=scale,
        mean=mean,
        time_unit=time_unit,
        level=level,
        studies=tuple(block.label for block in blocks),
        times=times,
        fitted=fitted,
        dof=dof,
        correlations=_correlations(blocks, designs, times, mean, scale, dof, level),
        checks=checks,
    )
    return made


def _correlations(
    blocks: list[Block],
    designs: list[FloatArray],
    times: FloatArray,
    mean: str,
    scale: str,
    dof: float | None,
    level: float,
) -> pd.DataFrame:
    columns = ["correlation", "tau", "time", "estimate", "new_lower", "new_upper"]
    if dof is None:
        return pd.DataFrame(columns=columns)
    X = design(times, times, mean)
    reach = stats.t.ppf(1 - (1 - level) / 2, dof)
    tables = []
    for rho in CORRELATIONS:
        other = survivorship_model.maximise(blocks, designs, rho)
        value = X @ other.coefficients
        error = np.sqrt(np.diag(X @ other.covariance @ X.T) + other.tau2)
        tables.append(
            pd.DataFrame(
                {
                    "correlation": rho,
                    "tau": np.sqrt(other.tau2),
                    "time": times,
                    "estimate": as_survival(value, scale),
                    "new_lower": as_survival(value - reach * error, scale),
                    "new_upper": as_survival(value + reach * error, scale),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)[columns]


def _checks(
    blocks: list[Block],
    times: FloatArray,
    fitted: Fitted,
    source: str,
    repeated: int,
    correlation: float | None,
) -> tuple[Check, ...]:
    count = len(blocks)
    fewest = min(sum(np.isclose(block.time, t).any() for block in blocks) for t in times)
    checks = [
        Check(
            name=f"studies pooled, {source}",
            verdict="pass" if count >= FEW_STUDIES else "warn",
            observed=str(count),
            expected=f"at least {FEW_STUDIES}",
            why="with few studies the spread between them is hardly known",
        ),
        Check(
            name=f"studies at the time with fewest, {source}",
            verdict="pass" if fewest >= 2 else "warn",
            observed=str(fewest),
            expected="at least 2",
            why="where one study reports, the curve is that study's, drawn on from the others",
        ),
        Check(
            name=f"search for the spread between studies, {source}",
            verdict="pass" if fitted.converged else "fail",
            observed="ended" if fitted.converged else "did not end",
            expected="ended",
            why="an estimate taken half-way depends on where the search began",
        ),
    ]
    if count > 1 and correlation is None:
        checks.append(
            Check(
                name=f"studies that report several times, {source}",
                verdict="pass" if repeated >= FEW_REPEATED or repeated == 0 else "warn",
                observed=f"{repeated}; correlation estimated at {fitted.rho:.2f}" if repeated else "none",
                expected=f"at least {FEW_REPEATED}, or none",
                why="only they show whether a study that is better early stays better; see `correlations`",
            )
        )
    return tuple(checks)
