"""Nelson–Aalen: the cumulative hazard, the sum of each time's events over those at risk.

    ties="nelson":             H(t) = sum of d / n             variance = sum of d / n²
    ties="fleming_harrington": H(t) = sum over the d tied events, taken one after another, of 1 / (n - k)
                               variance = the same sum of 1 / (n - k)²,     k = 0, …, d - 1

The slope of H is the hazard, so a bend in H is a change of risk with time. Limits are pointwise, on the log
scale (default) or plain and cut at 0. Weights are frequencies.

When not to use it: to read exp(-H) or H as a probability of revision when death competes.

Sources: Nelson (1972), Technometrics 14:945; Aalen (1978), Ann Stat 6:701; Fleming & Harrington (1984).

Checked against: R survival::survfit (cumhaz, std.chaz, ctype 1 and 2) in tests/reference/survival.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.results import Check, Curve
from soa_evidence.survival import curves
from soa_evidence.survival.records import Records, choice, prepare, prepare_level
from soa_evidence.survival.tallies import Tally, tally

__all__ = ["NelsonAalenResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "survival.nelson_aalen"
HazardTies = Literal["nelson", "fleming_harrington"]
HazardInterval = Literal["log", "plain"]


@dataclass(frozen=True, eq=False, kw_only=True)
class NelsonAalenResult:
    """Cumulative hazard by group.

    Attributes
    ----------
    curves : mapping of group to Curve
    checks : tuple of Check
    records : Records
    """

    curves: Mapping[str, Curve]
    checks: tuple[Check, ...]
    records: Records

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Return the cumulative hazard at `times`, with the number at risk just before and events so far."""
        return curves.at(self.curves, self.records, times)

    def _repr_html_(self) -> str:
        return curves.as_html(self.curves, self.checks)


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str | Sequence[str] | None = None,
    entry: str | None = None,
    weights: str | None = None,
    ties: HazardTies = "nelson",
    interval: HazardInterval = "log",
    level: float = 0.95,
    time_unit: str = "years",
) -> NelsonAalenResult:
    """Estimate the cumulative hazard in each group; columns as in `kaplan_meier.fit`.

    Raises
    ------
    InputError
        See `records.prepare`; also on an unknown way with ties, interval or level.
    """
    choice("ties", ties, get_args(HazardTies))
    choice("interval", interval, get_args(HazardInterval))
    level = prepare_level(level)
    records = prepare(frame, time=time, event=event, entry=entry, weights=weights, by=by)
    tallies = tally(records)
    # An emptied risk set does no lasting harm to a sum, unlike to a product.
    checks = tuple(c for c in curves.checks(records, tallies) if not c.name.startswith("risk set emptied"))
    found = {}
    for counted in tallies:
        hazard, se = _hazard(counted, ties)
        lower, upper = _limits(hazard, se, level, interval)
        found[counted.label] = Curve(
            estimand="cumulative hazard",
            label=counted.label,
            time_unit=time_unit,
            method=METHOD,
            time=counted.time,
            estimate=hazard,
            lower=lower,
            upper=upper,
            std_error=se,
            at_risk=counted.at_risk,
            events=counted.all_events,
            level=level,
            interval="confidence",
            checks=checks,
        )
    return NelsonAalenResult(curves=MappingProxyType(found), checks=checks, records=records)


def _hazard(counted: Tally, ties: HazardTies) -> tuple[FloatArray, FloatArray]:
    d, n = counted.all_events, counted.at_risk
    if ties == "nelson":
        return np.cumsum(d / n), np.sqrt(np.cumsum(d / n**2))
    # One entry for each event: its time, and how many events of that time came before it.
    events = d.astype(np.int64)
    place = np.repeat(np.arange(len(d)), events)
    earlier = np.arange(len(place)) - np.repeat(np.cumsum(events) - events, events)
    share = 1.0 / (n[place] - earlier)
    sums = [np.cumsum(np.bincount(place, weights=share**power, minlength=len(d))) for power in (1, 2)]
    return sums[0], np.sqrt(sums[1])


def _limits(
    hazard: FloatArray, se: FloatArray, level: float, kind: HazardInterval
) -> tuple[FloatArray, FloatArray]:
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    if kind == "plain":
        return np.maximum(hazard - z * se, 0.0), hazard + z * se
    # Before the first event the log of the hazard, and so its limits, are not known.
    width = np.divide(z * se, hazard, out=np.full(len(hazard), np.nan), where=hazard > 0)
    return hazard * np.exp(-width), hazard * np.exp(width)
