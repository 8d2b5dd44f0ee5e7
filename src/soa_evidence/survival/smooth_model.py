"""What a fitted smooth model says of any profile at any time, with its uncertainty.

Every such model gives log survival and log hazard at a time, with their derivatives by the coefficients. All
else follows, by the delta method with the covariance V in force:

    survival, cumulative hazard   limits symmetric on log(-log S) = log H, so that 0 <= S <= 1
    hazard, hazard ratio          limits symmetric on the log
    quantile t_p                  limits symmetric on log t; d log t_p = (d log S) / (h t) at t_p
    restricted mean to tau        area under S by Gauss-Legendre quadrature; limits symmetric on itself

Nothing is refused beyond the last observed time, and everything there is marked: the model speaks, not the
data. A check on every curve says so, `at_risk` is 0 there, and tables have a column `beyond_data`.

When not to use it: for the share who ever have an event when another competes (`cumulative_incidence`).

Checked against: R predict.survreg, integrate and numerical derivatives in tests/reference/parametric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Curve, Estimates
from soa_evidence.survival.records import prepare_level

if TYPE_CHECKING:
    from soa_evidence.survival.standardised_survival import Standardised

__all__ = ["Evaluated", "Evaluator", "SmoothModel", "distinct", "quadrature"]

FloatArray = NDArray[np.float64]
TIMES = 100  # of a curve where none are asked for
NODES = 24  # of each panel; with the panels below areas are right to about 1e-12
AT_ONCE = 2_000_000  # numbers held when averaging over people
PANELS = (1 / 256, 1 / 64, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8)


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluated:
    """Log survival and log hazard of m profiles at T times, and their derivatives by p coefficients.

    Attributes
    ----------
    log_survival, log_hazard : arrays of shape (m, T)
    survival_slope, hazard_slope : arrays of shape (m, T, p)
    """

    log_survival: FloatArray
    log_hazard: FloatArray
    survival_slope: FloatArray
    hazard_slope: FloatArray


#: From a frame with the covariates and times of shape (T,).
Evaluator = Callable[[pd.DataFrame, FloatArray], Evaluated]


@dataclass(frozen=True, eq=False, kw_only=True)
class SmoothModel:
    """A fitted model as predictions need it.

    Attributes
    ----------
    method : str
    covariance : array of shape (p, p)
        Of all coefficients, robust where asked for.
    covariates : tuple of str
    evaluate
        From a frame with the covariates and times of shape (T,) to `Evaluated`.
    patterns : DataFrame
        The distinct rows of covariates in the data, with their weight in `pattern_weight`.
    pattern_weight : array of shape (P,)
    at_risk, events_up_to
        Weight under observation just before, and with the event up to, times of shape (T,).
    last_time : float
    kinks : tuple of float
        Times at which the hazard is not smooth.
    level : float
        Coverage where none is asked for.
    checks : tuple of Check
    """

    method: str
    covariance: FloatArray
    covariates: tuple[str, ...]
    evaluate: Evaluator
    patterns: pd.DataFrame
    pattern_weight: FloatArray
    at_risk: Callable[[FloatArray], FloatArray]
    events_up_to: Callable[[FloatArray], FloatArray]
    last_time: float
    kinks: tuple[float, ...]
    level: float
    checks: tuple[Check, ...]
    time_unit: str = "unit of time"

    def survival(
        self,
        profiles: pd.DataFrame | None = None,
        times: Sequence[float] | None = None,
        level: float | None = None,
    ) -> dict[str, Curve]:
        """Return survival for each row of `profiles`, named by its index; log-log limits."""
        return self._curves("survival", profiles, times, level)

    def cumulative_hazard(
        self,
        profiles: pd.DataFrame | None = None,
        times: Sequence[float] | None = None,
        level: float | None = None,
    ) -> dict[str, Curve]:
        """Return cumulative hazard for each row of `profiles`; limits symmetric on the log."""
        return self._curves("cumulative hazard", profiles, times, level)

    def hazard(
        self,
        profiles: pd.DataFrame | None = None,
        times: Sequence[float] | None = None,
        level: float | None = None,
    ) -> dict[str, Curve]:
        """Return the hazard for each row of `profiles`; limits symmetric on the log."""
        return self._curves("hazard", profiles, times, level)

    def hazard_ratio(
        self,
        profiles: pd.DataFrame,
        reference: str,
        times: Sequence[float] | None = None,
        level: float | None = None,
    ) -> dict[str, Curve]:
        """Return each profile's hazard over that of the profile `reference`, through time."""
        labels, time = self.labels(profiles), self.times(times)
        base = _known(reference, labels)
        found = self.evaluate(self.rows(profiles), time)
        curves = {}
        for i, label in enumerate(labels):
            if i != base:
                slope = found.hazard_slope[i] - found.hazard_slope[base]
                log_ratio = found.log_hazard[i] - found.log_hazard[base]
                curves[label] = self._curve(
                    "hazard ratio", f"{label} v {reference}", time, log_ratio, self._error(slope), level
                )
        return curves

    def predict(
        self,
        profiles: pd.DataFrame | None,
        times: Sequence[float],
        estimand: str = "survival",
        level: float | None = None,
    ) -> pd.DataFrame:
        """Return survival, hazard or cumulative hazard at `times` as one tidy table.

        Returns
        -------
        DataFrame
            As `Curve.table`, with `beyond_data`: whether the time is beyond the last observed.
        """
        tables = [curve.table() for curve in self._curves(estimand, profiles, times, level).values()]
        table = pd.concat(tables, ignore_index=True)
        return table.assign(beyond_data=table["time"] > self.last_time)

    def quantiles(
        self,
        profiles: pd.DataFrame | None = None,
        p: Sequence[float] = (0.5,),
        level: float | None = None,
    ) -> pd.DataFrame:
        """Return the time by which a share `p` has had the event, for each profile.

        Returns
        -------
        DataFrame
            As `Estimates.table` (std_error of log time), with `p` and `beyond_data`. Infinite, without
            limits, where the model's survival never falls that far.
        """
        from soa_evidence.survival import smooth_quantiles

        return smooth_quantiles.of(self, profiles, p, prepare_level(level or self.level))

    def standardised(self, by: str, values: Sequence[object] | None = None) -> Standardised:
        """Return the groups of the covariate `by` at the case mix of the data (g-computation)."""
        from soa_evidence.survival import standardised_survival

        return standardised_survival.of(self, by, values)

    def restricted_mean(self, profiles: pd.DataFrame | None, tau: float) -> Estimates:
        """Return the mean time without the event up to `tau` for each profile, with joint covariance."""
        labels = self.labels(profiles)
        time, weight = quadrature(tau, self.kinks)
        found = self.evaluate(self.rows(profiles), time)
        survival = np.exp(found.log_survival)
        slope = np.einsum("mt,mtp->mp", survival * weight, found.survival_slope)
        return self.estimates(
            f"restricted mean time without the event, to {tau:g}",
            labels,
            survival @ weight,
            slope,
            unit=self.time_unit,
            horizon=tau,
        )

    def estimates(
        self,
        estimand: str,
        labels: Sequence[str],
        mean: FloatArray,
        slope: FloatArray,
        *,
        unit: str,
        horizon: float,
    ) -> Estimates:
        """Return `mean` with the covariance that follows from its `slope` by the coefficients."""
        covariance = slope @ self.covariance @ slope.T
        return Estimates(
            estimand=estimand,
            labels=tuple(labels),
            unit=unit,
            method=self.method,
            mean=mean,
            covariance=(covariance + covariance.T) / 2,
            interval="confidence",
            checks=(*self.checks, self.beyond(np.array([horizon]))),
        )

    def beyond(self, times: FloatArray) -> Check:
        """Say how many of `times` lie beyond the data."""
        count = int((times > self.last_time).sum())
        return Check(
            name="times beyond the last observed time",
            verdict="warn" if count else "pass",
            observed=f"{count} of {len(times)}, to {float(times.max()):g}",
            expected=f"none beyond {self.last_time:g}",
            why="beyond the data the model speaks alone; others that fit as well say something else there",
        )

    def labels(self, profiles: pd.DataFrame | None) -> list[str]:
        """Return the names of profiles: their index, or 'all' for a model without covariates."""
        if profiles is None:
            if self.covariates:
                raise InputError(
                    "profiles is missing; expected a frame with the covariates "
                    f"({', '.join(self.covariates)}), one row a profile."
                )
            return ["all"]
        if not isinstance(profiles, pd.DataFrame) or profiles.empty:
            raise InputError("profiles must be a DataFrame with the covariates, one row a profile.")
        labels = [str(label) for label in profiles.index]
        if len(set(labels)) != len(labels):
            raise InputError("The index of profiles repeats a label; give each profile its own name.")
        return labels

    def rows(self, profiles: pd.DataFrame | None) -> pd.DataFrame:
        """Return the profiles, or the single one of a model without covariates."""
        return pd.DataFrame(index=[0]) if profiles is None else profiles

    def times(self, times: Sequence[float] | None) -> FloatArray:
        """Return the times asked for, or a grid up to the last observed; above 0 and increasing."""
        if times is None:
            return np.linspace(0, self.last_time, TIMES + 1)[1:]
        found = np.asarray(list(times), dtype=float)
        if not len(found) or not np.isfinite(found).all() or (found <= 0).any():
            raise InputError("times must be finite and above 0, and at least one.")
        if (np.diff(found) <= 0).any():
            raise InputError("times must increase strictly.")
        return found

    def _curves(
        self,
        estimand: str,
        profiles: pd.DataFrame | None,
        times: Sequence[float] | None,
        level: float | None,
    ) -> dict[str, Curve]:
        if estimand not in ("survival", "cumulative hazard", "hazard"):
            raise InputError(
                f"estimand is {estimand!r}.{nearest(estimand, ('survival', 'cumulative hazard', 'hazard'))} "
                "Expected survival, cumulative hazard or hazard."
            )
        labels, time = self.labels(profiles), self.times(times)
        found = self.evaluate(self.rows(profiles), time)
        curves = {}
        for i, label in enumerate(labels):
            if estimand == "hazard":
                log, error = found.log_hazard[i], self._error(found.hazard_slope[i])
            else:
                log, error = self.log_log(found.log_survival[i], found.survival_slope[i])
            curves[label] = self._curve(estimand, label, time, log, error, level)
        return curves

    def log_log(self, log_survival: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log(-log S) and its standard error, from log S and its slope by the coefficients."""
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.where(log_survival < 0, self._error(slope) / -log_survival, 0.0)
            return np.log(-log_survival), error

    def _error(self, slope: FloatArray) -> FloatArray:
        variance = np.einsum("tp,pq,tq->t", slope, self.covariance, slope)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def _curve(
        self,
        estimand: str,
        label: str,
        time: FloatArray,
        log: FloatArray,
        error: FloatArray,
        level: float | None,
    ) -> Curve:
        """Return a curve whose limits are symmetric on `log`: that of a hazard, a ratio, or -log S."""
        from scipy.special import ndtri

        level = prepare_level(self.level if level is None else level)
        width = float(ndtri((1 + level) / 2)) * error
        with np.errstate(over="ignore"):
            middle, low, high = np.exp(log), np.exp(log - width), np.exp(log + width)
        if estimand == "survival":
            middle, low, high = np.exp(-middle), np.exp(-high), np.exp(-low)
            spread = -middle * np.log(np.where(middle > 0, middle, 1.0)) * error
        else:
            spread = middle * error
        counted = self.events_up_to(time)
        return Curve(
            estimand=estimand,
            label=label,
            time_unit=self.time_unit,
            method=self.method,
            time=time,
            estimate=middle,
            lower=np.minimum(low, middle),
            upper=np.maximum(high, middle),
            std_error=spread,
            at_risk=self.at_risk(time),
            events=np.diff(counted, prepend=0.0),
            level=level,
            interval="confidence",
            checks=(*self.checks, self.beyond(time)),
        )

    def average(
        self, frame: pd.DataFrame, share: FloatArray, time: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return survival averaged over the rows of `frame`, and its slope: shapes (T,) and (T, p)."""
        size = len(self.covariance)
        survival, slope = np.zeros(len(time)), np.zeros((len(time), size))
        step = max(1, AT_ONCE // (len(time) * size))
        for at in range(0, len(frame), step):
            found = self.evaluate(frame.iloc[at : at + step], time)
            each = np.exp(found.log_survival) * share[at : at + step, None]
            survival += each.sum(axis=0)
            slope += np.einsum("mt,mtp->tp", each, found.survival_slope)
        return survival, slope

    def curve_of_survival(
        self, label: str, time: FloatArray, survival: FloatArray, slope: FloatArray, level: float | None
    ) -> Curve:
        """Return a curve of survivals that were averaged, with the slope of the average, shape (T, p)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            log, error = self.log_log(np.log(survival), slope / survival[:, None])
        return self._curve("survival", label, time, log, np.nan_to_num(error), level)


def _known(reference: str, labels: list[str]) -> int:
    if reference not in labels:
        raise InputError(
            f"There is no profile '{reference}'.{nearest(reference, labels)} "
            f"Profiles: {', '.join(labels[:8])}."
        )
    return labels.index(reference)


def quadrature(tau: float, kinks: Sequence[float]) -> tuple[FloatArray, FloatArray]:
    """Return times and weights that add up to the area, from 0 to `tau`, of a curve smooth between kinks."""
    if not (np.isfinite(tau) and tau > 0):
        raise InputError(f"tau is {tau}; expected a time above 0.")
    inner = {float(k) for k in kinks if 0 < k < tau} | {share * tau for share in PANELS}
    edges = np.array([0.0, *sorted(inner), tau])
    x, w = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges) / 2
    time = (edges[:-1] + half)[:, None] + half[:, None] * x
    weight = half[:, None] * w
    # Survival may leave 1 like a power of time: the first panel is taken in the eighth root of time.
    u = (x + 1) / 2
    time[0], weight[0] = edges[1] * u**8, edges[1] * 8 * u**7 * w / 2
    return time.ravel(), weight.ravel()


def distinct(
    frame: pd.DataFrame, covariates: Sequence[str], weight: FloatArray
) -> tuple[pd.DataFrame, FloatArray]:
    """Return the distinct rows of covariates and the weight of each."""
    from soa_evidence.survival.exposure import patterns

    if not covariates:
        return pd.DataFrame(index=[0]), np.array([weight.sum()])
    code, first = patterns(frame, covariates)
    found = frame[list(covariates)].iloc[first].reset_index(drop=True)
    return found, np.bincount(code, weights=weight, minlength=len(first))
