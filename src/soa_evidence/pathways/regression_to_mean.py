"""What units chosen for their level would have done without any programme, by regression to the mean alone.

From units outside the programme, with x before and y after, and known sampling variance e^2 of x:

    slope_i = C / (T + e_i^2),  C = Cov(x, y),  T = max(Var(x) - mean e^2, 0)
    expected y_i = mean y + slope_i (x_i - mean x)

Without sampling variances this is least squares of y on x. What is left, y - expected, of those that took
part is the change beyond regression to the mean. Uncertainty: units outside drawn again with replacement
(for slope and means), and a residual of theirs for each unit that took part. Where the sampling variance f^2
of y is known too, a residual's own variance is

    Var(y) - mean f^2 - C^2 / (T + e_i^2) + f_i^2

and residuals are scaled to it: a small unit's figure strays more than those of larger units tell.

When not to use it
    - Units outside the programme were chosen for their level too, or moved because of it.
    - The level was a reason for the programme *and* is not what is measured before.

Source: Galton (1886); James (1973), Biometrics 29:121; Morton and Torgerson (2003), BMJ 326:1083.

Checked against: R's predict.lm (tests/reference/programmes); worlds of selection by level, without an
effect (tests/calibration/programmes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.pathways import rates_frame
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["ShrinkageResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.regression_to_mean"
FEWEST_OUTSIDE = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class ShrinkageResult:
    """Change of those that took part, in three parts.

    Attributes
    ----------
    change : Estimates
        Labels ``"as observed"`` (against the mean change outside), ``"by regression to the mean"``,
        ``"beyond it"``.
    slope : Estimates
        Share of a unit's distance from the mean that is expected to last, at the median sampling error.
    units : DataFrame
        unit, before, after, expected.
    checks : tuple of Check
    """

    change: Estimates
    slope: Estimates
    units: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{self.change!r}"

    def _repr_html_(self) -> str:
        shown = self.change.table().to_html(index=False, float_format="{:.4g}".format)
        return f"{shown}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    frame: pd.DataFrame,
    *,
    unit: str,
    before: str,
    after: str,
    treated: Sequence[str],
    seed: int,
    error_before: str | None = None,
    error_after: str | None = None,
    unit_text: str = "points",
    draws: int = 2000,
) -> ShrinkageResult:
    """Split the change of those that took part into what was to be expected and what was not.

    Parameters
    ----------
    frame
        One row a unit.
    unit, before, after
        Columns: its name, and its values.
    treated
        Units that took part.
    seed
        Recorded seed.
    error_before, error_after
        Columns of the sampling standard errors of `before` and `after`, where known.
    unit_text, draws
        What values are measured in, and how many draws.

    Raises
    ------
    InputError
        On a missing column, a value that is no number, a unit twice, an unknown unit, fewer than five units
        outside or no spread among them, or fewer than 100 draws.
    """
    named = [unit, before, after, *(column for column in (error_before, error_after) if column)]
    rates_frame.require_columns(frame, named, "units")
    names = rates_frame.labels(frame, [unit])
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"Unit {twice!r} has two rows; expected one a unit.")
    if isinstance(treated, str) or not len(treated):
        raise InputError(f"treated={treated!r}: expected a list of at least one unit that took part.")
    for name in treated:
        if name not in names:
            raise InputError(f"treated= names {name!r}, which is not in '{unit}'.{nearest(name, names)}")
    if not (isinstance(draws, int) and draws >= 100):
        raise InputError(f"draws={draws!r}: expected a whole number of at least 100.")
    x = rates_frame.amounts(frame, before, signed=True)
    y = rates_frame.amounts(frame, after, signed=True)
    e2 = rates_frame.amounts(frame, error_before) ** 2 if error_before else np.zeros(len(x))
    took = np.isin(names, list(treated))
    outside = ~took
    if outside.sum() < FEWEST_OUTSIDE or np.ptp(x[outside]) == 0:
        raise InputError(
            f"{int(outside.sum())} units outside the programme, or all "
            f"alike before; expected at least {FEWEST_OUTSIDE} that differ."
        )
    estimate = _expected(x[outside], y[outside], e2[outside], x[took], e2[took])
    rng = np.random.default_rng(seed)
    out = np.flatnonzero(outside)
    parts, slopes = np.empty((draws, 3)), np.empty(draws)
    own = y[outside] - _expected(x[outside], y[outside], e2[outside], x[outside], e2[outside])[0]
    own *= np.sqrt(len(out) / (len(out) - 2))
    f2 = rates_frame.amounts(frame, error_after) ** 2 if error_after else None
    strays = np.ones(len(x)) if f2 is None else _strays(x, y, e2, f2, outside)
    own /= strays[outside]
    for at in range(draws):
        again = rng.choice(out, len(out))
        if np.ptp(x[again]) == 0:
            again = out
        expected, slope = _expected(x[again], y[again], e2[again], x[took], e2[took])
        chance = (strays[took] * rng.choice(own, took.sum())).mean()
        observed = (y - x)[took].mean() - (y - x)[again].mean()
        beyond = (y[took] - expected).mean() - chance
        parts[at] = observed - chance, observed - chance - beyond, beyond
        slopes[at] = slope
    distance = float(abs(x[took].mean() - x[outside].mean()) / x[outside].std(ddof=1))
    checks = (
        Check(
            name="distance of those that took part from the others, before",
            verdict="pass" if distance < 1 else "warn",
            observed=f"{distance:.2f} standard deviations",
            expected="below 1",
            why="the further off they began, the more of their change is to be expected without a programme",
        ),
        Check(
            name="units outside the programme that the slope rests on",
            verdict="pass" if len(out) >= 20 else "warn",
            observed=str(len(out)),
            expected="at least 20",
            why="the slope, and so what was to be expected, is uncertain with few",
        ),
    )
    return ShrinkageResult(
        change=Estimates(
            estimand="change against units outside the programme",
            labels=("as observed", "by regression to the mean", "beyond it"),
            unit=unit_text, method=METHOD, draws=parts, interval="confidence", checks=checks,
        ),
        slope=Estimates(
            estimand="share of a distance from the mean that lasts", labels=("units outside the programme",),
            unit="ratio", method=METHOD, draws=slopes[:, None], interval="confidence", checks=checks,
        ),
        units=pd.DataFrame(
            {"unit": np.array(names)[took], "before": x[took], "after": y[took], "expected": estimate[0]}
        ),
        checks=checks,
    )  # fmt: skip


def _strays(
    x: FloatArray, y: FloatArray, e2: FloatArray, f2: FloatArray, outside: NDArray[np.bool_]
) -> FloatArray:
    """Return the standard deviation of every unit's residual, from the variances of units outside."""
    covariance = float(np.cov(x[outside], y[outside])[0, 1])
    first = max(float(np.var(x[outside], ddof=1)) - float(e2[outside].mean()), 0.0)
    second = max(float(np.var(y[outside], ddof=1)) - float(f2[outside].mean()), 0.0)
    left = second - covariance**2 / np.maximum(first + e2, 1e-300)
    return np.sqrt(np.maximum(np.maximum(left, 0.0) + f2, 1e-300))


def _expected(
    x: FloatArray, y: FloatArray, e2: FloatArray, of: FloatArray, of_e2: FloatArray
) -> tuple[FloatArray, float]:
    """Return what is expected after of units at `of` before, and the slope at the median error."""
    covariance = float(np.cov(x, y)[0, 1])
    true = max(float(np.var(x, ddof=1)) - float(e2.mean()), 0.0)
    slope = covariance / np.maximum(true + of_e2, 1e-300)
    middle = covariance / max(true + float(np.median(e2)), 1e-300)
    return np.asarray(y.mean() + slope * (of - x.mean())), middle
