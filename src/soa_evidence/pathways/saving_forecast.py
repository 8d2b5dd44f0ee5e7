"""A full year's saving from what was saved so far: what the figure to date does and does not say.

With S saved in m months, and the rate of the rest of the year (1 + g) times that so far,

    full year  F(m, g) = S + (12 - m) (1 + g) S / m
    needed     g* = (F - S) / (12 - m) / (S / m) - 1       for the forecast F to come true

m is often not stated and g never is: both are ranges that the user states, and every draw is uniform within
them. S is uniform within its rounding.

When not to use it
    - As evidence that anything was saved: it takes S as reported, with the reporter's own comparison.
    - When months differ much by season: one total holds no information on that.

Checked against: arithmetic, in tests/unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["SavingForecastResult", "fit"]

METHOD = "pathways.saving_forecast"
YEAR = 12.0
FEWEST_DRAWS = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class SavingForecastResult:
    """A full year, by area.

    Attributes
    ----------
    full_year : Estimates
        Saving in a full year, GBP.
    steady : Estimates
        The same were the rate of the rest of the year that so far (g = 0), GBP.
    faster : Estimates
        How many times as fast as so far the rest of the year must save for the reported forecast to come
        true.
    probability : Estimates
        Share of draws that reach the reported forecast, with its Monte Carlo error.
    table : DataFrame
        area, saved, forecast, months_low, months_high, months_if_steady (elapsed months at which the forecast
        is a plain continuation).
    checks : tuple of Check
    """

    full_year: Estimates
    steady: Estimates
    faster: Estimates
    probability: Estimates
    table: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"Saving in a full year\n{self.full_year.table().to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.full_year.table().to_html(index=False, float_format="{:,.0f}".format)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>Saving in a full year</strong></p>{shown}{checks}"


def fit(
    frame: pd.DataFrame,
    *,
    area: str,
    saved_gbp: str,
    forecast_gbp: str,
    months: tuple[float, float] | Sequence[tuple[float, float]],
    growth: tuple[float, float] = (0.0, 0.0),
    seed: int,
    rounded_to_gbp: float = 1000.0,
    draws: int = 4000,
) -> SavingForecastResult:
    """Forecast a full year's saving for each area.

    Parameters
    ----------
    frame
        One row an area.
    area, saved_gbp, forecast_gbp
        Columns: its name, the saving so far, the saving that was forecast for the full year.
    months
        Months the saving so far may stand for, as a range above 0 and below 12, one for all areas or one an
        area.
    growth
        Range of g, the rate of the rest of the year over that so far, less 1.
    seed
        Recorded seed.
    rounded_to_gbp
        What the saving so far is rounded to.
    draws
        How many.

    Raises
    ------
    InputError
        On a missing column, no rows, an area named twice, a saving or forecast that is not above 0, months
        outside 0 to 12, a growth of -1 or less, or a range out of order.
    """
    for column in (area, saved_gbp, forecast_gbp):
        if column not in frame.columns:
            raise InputError(f"The frame has no column '{column}'.")
    if frame.empty:
        raise InputError("The frame has no rows; give one an area.")
    names = tuple(frame[area].astype(str))
    if len(set(names)) < len(names):
        raise InputError(f"Column '{area}' names an area twice; give one row each.")
    saved, forecast = (_pounds(frame, column) for column in (saved_gbp, forecast_gbp))
    spans = _months(months, len(names))
    low, high = growth
    if not (-1 < low <= high < np.inf):
        raise InputError(f"growth={growth!r}: expected a range in order, above -1.")
    if not (np.isfinite(rounded_to_gbp) and rounded_to_gbp >= 0):
        raise InputError(f"rounded_to_gbp={rounded_to_gbp!r}: expected pounds, from 0 up.")
    if not (isinstance(draws, int) and draws >= FEWEST_DRAWS):
        raise InputError(f"draws={draws!r}: expected a whole number of at least {FEWEST_DRAWS}.")
    rng = np.random.default_rng(seed)
    uniform = rng.random((3, draws, len(names)))
    s = np.maximum(saved + rounded_to_gbp * (uniform[0] - 0.5), 1e-9)
    m = spans[:, 0] + (spans[:, 1] - spans[:, 0]) * uniform[1]
    g = low + (high - low) * uniform[2]
    full, steady = s + (YEAR - m) * (1 + g) * s / m, s * YEAR / m
    needed = (forecast - s) / (YEAR - m) / (s / m)
    reached = full >= forecast
    checks = (_stated(spans, growth), _beyond(full, forecast, names))
    share = (reached.sum(axis=0) + 0.5) / (draws + 1)

    def made(estimand: str, unit: str, values: np.ndarray) -> Estimates:
        return Estimates(
            estimand=estimand, labels=names, unit=unit, method=METHOD, draws=values, interval="Monte Carlo",
            checks=checks,
        )  # fmt: skip

    return SavingForecastResult(
        full_year=made("saving in a full year", "GBP", full),
        steady=made("saving in a full year at the rate so far", "GBP", steady),
        faster=made("rate needed in the rest of the year over that so far", "ratio", needed),
        probability=Estimates(
            estimand="probability that the reported forecast is reached",
            labels=names,
            unit="probability",
            method=METHOD,
            mean=share,
            covariance=np.diag(share * (1 - share) / draws),
            interval="Monte Carlo",
            checks=checks,
        ),
        table=pd.DataFrame(
            {
                "area": names,
                "saved": saved,
                "forecast": forecast,
                "months_low": spans[:, 0],
                "months_high": spans[:, 1],
                "months_if_steady": YEAR * saved / forecast,
            }
        ),
        checks=checks,
    )


def _pounds(frame: pd.DataFrame, column: str) -> np.ndarray:
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(f"Column '{column}', row {at}: '{frame[column].iloc[at]}'; expected pounds above 0.")
    return values


def _months(months: object, areas: int) -> np.ndarray:
    try:
        spans = np.asarray(months, dtype=float).reshape(-1, 2)
    except (TypeError, ValueError):
        raise InputError(f"months={months!r}: expected a range such as (4, 8), or one an area.") from None
    if len(spans) not in (1, areas):
        raise InputError(f"months= holds {len(spans)} ranges for {areas} areas; give one, or one an area.")
    if not ((spans > 0) & (spans < YEAR)).all() or (spans[:, 0] > spans[:, 1]).any():
        raise InputError(f"months={months!r}: expected ranges in order, above 0 and below 12.")
    return np.broadcast_to(spans, (areas, 2))


def _stated(spans: np.ndarray, growth: tuple[float, float]) -> Check:
    return Check(
        name="what is assumed and not reported",
        verdict="pass",
        observed=f"{spans.min():g} to {spans.max():g} months elapsed; rate of the rest {1 + growth[0]:g} to "
        f"{1 + growth[1]:g} times that so far",
        expected="stated",
        why="one total cannot say over how long it arose, nor whether it speeds up",
    )


def _beyond(full: np.ndarray, forecast: np.ndarray, names: tuple[str, ...]) -> Check:
    out = [
        n
        for n, f, top, low in zip(names, forecast, full.max(0), full.min(0), strict=True)
        if not low <= f <= top
    ]
    return Check(
        name="reported forecasts within what the assumptions allow",
        verdict="warn" if out else "pass",
        observed=f"{len(names) - len(out)} of {len(names)}" + (f"; not {', '.join(out)}" if out else ""),
        expected="all, or the report says why not",
        why="a forecast outside needs a reason that the figures do not hold",
    )
