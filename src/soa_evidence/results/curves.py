"""Curve: one estimand over time for one group."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.results.arrays import FloatArray, Interval, read_only
from soa_evidence.results.checks import Check

__all__ = ["CURVE_ESTIMANDS", "Curve"]

#: What a `Curve` may estimate; naming it keeps 1 - Kaplan-Meier and cumulative incidence apart.
CURVE_ESTIMANDS = (
    "survival",
    "cumulative incidence",
    "cumulative hazard",
    "net failure (1 - Kaplan-Meier)",
    "hazard",
    "hazard ratio",
    "state occupation probability",
)
#: Those that are 0 or more, with no upper bound; the others are probabilities.
UNBOUNDED = ("cumulative hazard", "hazard", "hazard ratio")


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """One estimand over time for one group, with pointwise limits and numbers at risk.

    Parameters
    ----------
    estimand
        One of `CURVE_ESTIMANDS`: survival, cumulative incidence, cumulative hazard, net failure, hazard,
        hazard ratio, or state occupation probability.
    label
        The group the curve is about.
    time_unit
        Unit of `time`, e.g. ``"years"``.
    time, estimate, lower, upper, std_error, at_risk, events : arrays of shape (m,)
        Times strictly increasing; the estimate just after each time; `at_risk` just before it.
    level
        Coverage of the pointwise interval.
    cause
        The cause of failure, for a cumulative incidence; the state or transition, in a multi-state model.

    Raises
    ------
    InputError
        On an unknown estimand, unequal lengths, times out of order, limits that do not enclose the estimate,
        a probability outside 0 to 1, or no checks.
    """

    estimand: str
    label: str
    time_unit: str
    method: str
    time: FloatArray
    estimate: FloatArray
    lower: FloatArray
    upper: FloatArray
    std_error: FloatArray
    at_risk: FloatArray
    events: FloatArray
    level: float
    interval: Interval
    checks: tuple[Check, ...]
    cause: str | None = None

    def __post_init__(self) -> None:
        if self.estimand not in CURVE_ESTIMANDS:
            raise InputError(
                f"A curve cannot estimate {self.estimand!r}.{nearest(self.estimand, CURVE_ESTIMANDS)} "
                f"Expected one of: {', '.join(CURVE_ESTIMANDS)}."
            )
        if not self.checks:
            raise InputError(
                f"The curve for {self.label!r} carries no checks; a result must say how it was checked."
            )
        names = ("time", "estimate", "lower", "upper", "std_error", "at_risk", "events")
        for name in names:
            object.__setattr__(
                self, name, read_only(getattr(self, name), f"{name} of curve {self.label!r}", 1)
            )
            if len(getattr(self, name)) != len(self.time):
                raise InputError(f"curve {self.label!r}: {name} and time differ in length.")
        if not (np.isfinite(self.time).all() and np.isfinite(self.estimate).all()):
            raise InputError(f"curve {self.label!r}: a time or an estimate is not finite.")
        if (np.diff(self.time) <= 0).any():
            raise InputError(f"curve {self.label!r}: times must increase strictly.")
        known = np.isfinite(self.lower) & np.isfinite(self.upper)
        slack = 1e-9
        outside = (self.lower > self.estimate + slack) | (self.upper < self.estimate - slack)
        if (known & outside).any():
            raise InputError(f"curve {self.label!r}: an interval does not enclose its estimate.")
        if self.estimand not in UNBOUNDED and (
            (self.estimate < -slack).any() or (self.estimate > 1 + slack).any()
        ):
            raise InputError(f"curve {self.label!r}: a probability lies outside 0 to 1.")

    def table(self) -> pd.DataFrame:
        """Return the whole curve, one row a time."""
        return pd.DataFrame(
            {
                "estimand": self.estimand,
                "label": self.label,
                "cause": self.cause,
                "time": self.time,
                "estimate": self.estimate,
                "std_error": self.std_error,
                "lower": self.lower,
                "upper": self.upper,
                "at_risk": self.at_risk,
                "events": self.events,
                "level": self.level,
                "interval": self.interval,
            }
        )

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Return the row in force at each of `times` (a step function, right-continuous).

        A time beyond the last one observed is an error: the curve does not say what happens there.
        """
        if len(self.time) == 0:
            raise InputError(f"curve {self.label!r} is empty.")
        last = float(self.time[-1])
        beyond = [t for t in times if not 0 <= t <= last]
        if beyond:
            raise InputError(
                f"curve {self.label!r} is known from 0 to {last:g} {self.time_unit}; "
                f"{beyond[0]:g} lies outside."
            )
        rows = np.searchsorted(self.time, np.asarray(times, dtype=float), side="right") - 1
        start = {"survival": 1.0, "hazard": np.nan, "hazard ratio": np.nan}.get(self.estimand, 0.0)
        table = self.table().iloc[np.clip(rows, 0, None)].reset_index(drop=True)
        table["time"] = list(times)
        before = rows < 0
        table.loc[before, ["estimate", "lower", "upper"]] = start
        table.loc[before, ["std_error", "events"]] = 0.0
        return table

    def __repr__(self) -> str:
        return f"{self.estimand} of {self.label} ({len(self.time)} times, {self.time_unit}; {self.method})"

    def _repr_html_(self) -> str:
        return f"<p><strong>{html.escape(repr(self))}</strong></p>" + self.table().to_html(
            index=False, max_rows=20
        )
