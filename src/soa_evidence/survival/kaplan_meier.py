"""Kaplan–Meier: the probability of no event by a time, when people are observed for different lengths.

    S(t) = product over times u up to t of (1 - d(u) / n(u))
    se of log S(t) = sqrt( sum over u up to t of d(u) / (n(u) (n(u) - d(u))) )          (Greenwood)

d(u) events at u among the n(u) at risk: entered before u, not left before u. With weights both are weighted
counts. Frequency weights keep Greenwood's formula. Robust weights (inverse probability, standardisation) take
the variance from the influence of each row, sum of w² (dS/dw)², which equals Greenwood's when all are 1 and
no one enters late.

Limits are pointwise, by default on the log-log scale (`intervals`).

When not to use it: for a revision when death competes. 1 - S is then the probability in a world without
death, larger than the share who are ever revised: use `cumulative_incidence`. Nor when leaving observation
goes with the risk of the event.

Sources: Kaplan & Meier (1958), JASA 53:457; Greenwood (1926); Borgan & Liestøl (1990), Scand J Stat 17:35.

Checked against: R survival::survfit in tests/reference/survival.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Curve
from soa_evidence.survival import curves, influence, restricted_mean
from soa_evidence.survival.intervals import SurvivalInterval, limits
from soa_evidence.survival.records import Records, WeightsAre, choice, prepare, prepare_level
from soa_evidence.survival.restricted_mean import RestrictedMeanResult
from soa_evidence.survival.tallies import Tally, tally

__all__ = ["KaplanMeierResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "survival.kaplan_meier"


@dataclass(frozen=True, eq=False, kw_only=True)
class KaplanMeierResult:
    """Survival by group.

    Attributes
    ----------
    curves : mapping of group to Curve
        One row for each distinct time at which anyone's observation ends.
    checks : tuple of Check
    records : Records
        The rows as they were used.
    """

    curves: Mapping[str, Curve]
    checks: tuple[Check, ...]
    records: Records
    tallies: tuple[Tally, ...]

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Return survival at `times` in every group, the number at risk just before, and events so far."""
        return curves.at(self.curves, self.records, times)

    def numbers_at_risk(self, times: Sequence[float]) -> pd.DataFrame:
        """Return who is under observation just before each of `times`: one row a group, one column a time."""
        return curves.numbers_at_risk(self.records, times)

    def quantiles(self, probabilities: Sequence[float] = (0.25, 0.5, 0.75)) -> pd.DataFrame:
        """Return times by which each share has had the event, with limits read from the curve's limits.

        Where the curve runs level at the share asked for, the middle of the level stretch is the time; where
        it never falls so far, the time is missing.

        Returns
        -------
        DataFrame
            label, probability, time, lower, upper, level.
        """
        for p in probabilities:
            if not 0 < p < 1:
                raise InputError(f"quantile {p} was asked for; expected a share above 0 and below 1.")
        rows = [
            (label, p, *(_crossing(curve.time, y, 1 - p) for y in (curve.estimate, curve.lower, curve.upper)))
            for label, curve in self.curves.items()
            for p in probabilities
        ]
        table = pd.DataFrame(rows, columns=["label", "probability", "time", "lower", "upper"])
        return table.assign(level=next(iter(self.curves.values())).level)

    def restricted_mean(self, tau: float) -> RestrictedMeanResult:
        """Return the mean time without the event up to `tau`, per group, with differences and ratios."""
        return restricted_mean.of(self.tallies, self.records, tau, checks=self.checks, method=METHOD)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{t.label}: {t.event_rows} events in {t.rows} rows" for t in self.tallies[:6])
        return f"Kaplan–Meier ({sizes})"

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
    weights_are: WeightsAre = "frequency",
    interval: SurvivalInterval = "log-log",
    level: float = 0.95,
    time_unit: str = "years",
) -> KaplanMeierResult:
    """Estimate survival in each group.

    Parameters
    ----------
    frame
        One row a person (or an interval of one, with `entry`).
    time, event
        End of observation; 1 or True where the event happened then, 0 or False where it had not.
    by
        Column or columns whose values are the groups.
    entry
        Start of observation where it is later than time 0.
    weights, weights_are
        Weights above 0: ``"frequency"`` (whole numbers, Greenwood's variance) or ``"robust"``.
    interval
        Scale of the limits: log-log, log, plain, logit or arcsine.

    Raises
    ------
    InputError
        See `records.prepare`; also on an unknown interval or level.
    """
    choice("interval", interval, get_args(SurvivalInterval))
    level = prepare_level(level)
    records = prepare(
        frame, time=time, event=event, entry=entry, weights=weights, weights_are=weights_are, by=by
    )
    tallies = tally(records)
    checks = curves.checks(records, tallies)
    found = {}
    for at, counted in enumerate(tallies):
        survival = counted.survival()
        log_se = _log_error(records, at, counted)
        # Where no one is left, survival is 0 and Greenwood's formula says nothing of its error.
        se = np.where(survival > 0, survival * log_se, np.nan)
        lower, upper = limits(survival, se, level, interval)
        found[counted.label] = Curve(
            estimand="survival",
            label=counted.label,
            time_unit=time_unit,
            method=METHOD,
            time=counted.time,
            estimate=survival,
            lower=lower,
            upper=upper,
            std_error=se,
            at_risk=counted.at_risk,
            events=counted.all_events,
            level=level,
            interval="confidence",
            checks=checks,
        )
    return KaplanMeierResult(curves=MappingProxyType(found), checks=checks, records=records, tallies=tallies)


def _log_error(records: Records, group: int, counted: Tally) -> FloatArray:
    """Return the standard error of log survival at each time."""
    steps = influence.greenwood_steps(counted)
    if records.weight is None or records.weights_are == "frequency":
        return np.sqrt(np.cumsum(steps))
    return influence.log_survival_error(records, group, counted, steps)


def _crossing(time: FloatArray, values: FloatArray, target: float) -> float:
    """Return the first time at which a falling step curve is at or below `target` (middle of a level)."""
    known = np.isfinite(values)
    slack = 1e-9
    below = np.flatnonzero(known & (values <= target + slack))
    if not len(below):
        return float("nan")
    first = int(below[0])
    if abs(values[first] - target) > slack:
        return float(time[first])
    # A curve that ends level at the target has a middle only as far as it is known: to the last time.
    after = np.flatnonzero(values[first:] < target - slack)
    last = first + int(after[0]) if len(after) else len(time) - 1
    return float((time[first] + time[last]) / 2)
