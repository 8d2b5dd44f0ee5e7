"""Interrupted time series: whether a series stepped or turned when a programme began.

Segmented regression of one series at times t = 1..n, with s the first time after the start:

    y_t = level + trend t + step [t >= s] + turn (t - s) [t >= s]

by least squares, with Newey-West errors (Bartlett weights up to `lags`, small-sample factor n / (n - k)) and
a t distribution on n - k. The effect is the mean of step + turn (t - s) over the times after the start.

Placebo in time: the same at every other time that leaves enough on both sides, on times before the start
only, where there are enough; the p value is the place of the true |t| among these.

When not to use it
    - Fewer than about eight times on either side: errors are then too small (told as a check).
    - Something else began at the same time: a series by itself cannot tell them apart.

Source: Newey and West (1987), Econometrica 55:703; Bernal, Cummins and Gasparrini (2017), IJE 46:348.

Checked against: R's lm with sandwich's NeweyWest (tests/reference/programmes), and statsmodels (tests/unit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.pathways import rates_frame
from soa_evidence.pathways.placebo import p_value
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["SeriesResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.interrupted_series"
ENOUGH = 8  # times on each side


@dataclass(frozen=True, eq=False, kw_only=True)
class SeriesResult:
    """What changed when the programme began.

    Attributes
    ----------
    terms : Estimates
        Labels level, trend, step and (unless left out) turn.
    effect : Estimates
        Mean over the times after the start, against the earlier trend carried on.
    p_value : float or None
        Place of the effect's |t| among placebo starts; None where the series is too short for any.
    placebo_starts : DataFrame
        start, effect, t.
    fitted : DataFrame
        time, value, fitted, without.
    checks : tuple of Check
    """

    terms: Estimates
    effect: Estimates
    p_value: float | None
    placebo_starts: pd.DataFrame
    fitted: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{self.terms!r}\n{self.effect!r}"

    def _repr_html_(self) -> str:
        shown = self.terms.table().to_html(index=False, float_format="{:.4g}".format)
        return f"{shown}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    value: str,
    start: object,
    turn: bool = True,
    lags: int | None = None,
    unit_text: str = "points",
) -> SeriesResult:
    """Fit a segmented regression to one series.

    Parameters
    ----------
    frame
        One row a time, equally spaced.
    time, value
        Columns; times must sort in order.
    start
        First time after the start.
    turn
        Whether the trend may change as well as the level.
    lags
        Up to which errors hang together; 4 (n / 100)^(2/9), rounded down, when not given.
    unit_text
        What values are measured in.

    Raises
    ------
    InputError
        On a missing column, a value that is no number, a time twice, an unknown start, too few times on a
        side or lags out of range.
    """
    rates_frame.require_columns(frame, [time, value], "the series")
    ordered = frame.sort_values(time).reset_index(drop=True)
    if (twice := ordered[time].duplicated()).any():
        raise InputError(f"Time {ordered[time][twice].iloc[0]} has two rows; expected one a time.")
    y = rates_frame.amounts(ordered, value, signed=True)
    times = list(ordered[time])
    if start not in times:
        raise InputError(f"start={start!r} is not in '{time}' ({times[0]} to {times[-1]}).")
    n, s = len(y), times.index(start)
    least = 2 if turn else 1
    if s < 2 or n - s < least or n < (5 if turn else 4):
        raise InputError(
            f"{s} times before and {n - s} after the start; expected at least 2 and {least}, and "
            f"{5 if turn else 4} in all."
        )
    lags = int(4 * (n / 100) ** (2 / 9)) if lags is None else lags
    if not (isinstance(lags, int) and 0 <= lags < n):
        raise InputError(f"lags={lags!r}: expected a whole number from 0 to {n - 1}.")
    beta, covariance, fitted = _newey_west(y, _design(n, s, turn), lags)
    average = _average(n, s, turn)
    placebos = _placebos(y[:s], turn, lags, times)
    error = float(np.sqrt(max(float(average @ covariance @ average), 0.0)))
    judged = None
    if len(placebos) and error > 0:
        judged = p_value(float(average @ beta) / error, placebos["t"].to_numpy())
    checks = _checks(y - fitted, s, n, judged, len(placebos))
    labels = ("level", "trend", "step", "turn")[: len(beta)]
    shared = {"unit": unit_text, "method": METHOD, "interval": "confidence", "checks": checks}
    dof = float(n - len(beta))
    without = beta[0] + beta[1] * np.arange(1, n + 1)
    return SeriesResult(
        terms=Estimates(
            estimand="segmented regression", labels=labels, mean=beta, covariance=covariance, dof=dof,
            **shared,  # type: ignore[arg-type]
        ),
        effect=Estimates(
            estimand="mean change after the start, against the earlier trend", labels=("the series",),
            mean=np.array([average @ beta]), covariance=np.array([[error**2]]), dof=dof,
            **shared,  # type: ignore[arg-type]
        ),
        p_value=judged,
        placebo_starts=placebos,
        fitted=pd.DataFrame({"time": times, "value": y, "fitted": fitted, "without": without}),
        checks=checks,
    )  # fmt: skip


def _design(n: int, s: int, turn: bool) -> FloatArray:
    t = np.arange(n, dtype=float)
    after = (t >= s).astype(float)
    columns = [np.ones(n), t + 1, after, *([(t - s) * after] if turn else [])]
    return np.column_stack(columns)


def _average(n: int, s: int, turn: bool) -> FloatArray:
    return np.array([0.0, 0.0, 1.0, *([(n - s - 1) / 2] if turn else [])])


def _newey_west(y: FloatArray, x: FloatArray, lags: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    n, k = x.shape
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    fitted = x @ beta
    score = x * (y - fitted)[:, None]
    meat = score.T @ score
    for lag in range(1, lags + 1):
        cross = score[lag:].T @ score[:-lag]
        meat += (1 - lag / (lags + 1)) * (cross + cross.T)
    covariance = inverse @ meat @ inverse * (n / (n - k) if n > k else 1.0)
    return beta, (covariance + covariance.T) / 2, fitted


def _placebos(before: FloatArray, turn: bool, lags: int, times: list[object]) -> pd.DataFrame:
    n, rows = len(before), []
    for s in range(4, n - 3):
        beta, covariance, _ = _newey_west(before, _design(n, s, turn), min(lags, n - 1))
        average = _average(n, s, turn)
        error = float(np.sqrt(max(float(average @ covariance @ average), 0.0)))
        if error > 0:
            rows.append((times[s], float(average @ beta), float(average @ beta) / error))
    return pd.DataFrame(rows, columns=["start", "effect", "t"])


def _checks(residual: FloatArray, s: int, n: int, judged: float | None, tried: int) -> tuple[Check, ...]:
    squares = float(residual @ residual)
    lagged = float(residual[1:] @ residual[:-1]) / squares if squares > 0 else 0.0
    return (
        Check(
            name="length of the series",
            verdict="pass" if min(s, n - s) >= ENOUGH else "warn",
            observed=f"{s} times before the start, {n - s} after",
            expected=f"at least {ENOUGH} on each side",
            why="with few times a step cannot be told from a trend, and errors are too small",
        ),
        Check(
            name="how far errors hang together",
            verdict="pass" if abs(lagged) < 0.5 else "warn",
            observed=f"{lagged:.2f} from one time to the next",
            expected="below 0.5 either way",
            why="errors are robust to some of it, not to much in a short series",
        ),
        Check(
            name="placebo in time",
            verdict="warn" if judged is None else "pass",
            observed="series too short for any"
            if judged is None
            else f"p = {judged:.2f} among {tried} starts",
            expected="at least one placebo start",
            why="an effect no larger than at times when nothing began is no effect",
        ),
    )
