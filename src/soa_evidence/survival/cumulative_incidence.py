"""Cumulative incidence (Aalen–Johansen): the share who have had each kind of event by a time.

With causes k that end follow-up (revision, death), n at risk, d_k events of cause k, d of any cause,

    S(t)   = product over u up to t of (1 - d / n)                     no event of any cause
    F_k(t) = sum over u up to t of S(u-) d_k / n                       with cause k; the F_k sum to 1 - S

    variance of F_k(t) = sum over u of  (F_k(t) - F_k(u))² d / (n (n - d))
                                        + S(u-)² d_k (n - d_k) / n³  -  2 (F_k(t) - F_k(u)) S(u-) d_k / n²

This is the delta-method (Greenwood-type) variance of multinomial steps, as in R's prodlim; without late entry
it is also survfit's infinitesimal jackknife. cmprsk::cuminc uses a variant with n - 1 for n in places (Aalen
1978), slightly larger. Tied times are taken as they are. Weights are frequencies.

Net and crude: `net` gives 1 - Kaplan–Meier with other causes as censoring. It is another estimand and carries
another name.

When not to use it: to say what causes revision: a treatment that kills early has fewer revisions. Look at the
cause-specific hazards as well.

Sources: Aalen & Johansen (1978), Scand J Stat 5:141; Marubini & Valsecchi (1995), p. 341; Choudhury (2002),
Stat Med 21:1129 for the log-log limits.

Checked against: R survival::survfit, prodlim and cmprsk::cuminc in tests/reference/survival.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Curve
from soa_evidence.survival import curves as step
from soa_evidence.survival import influence
from soa_evidence.survival.intervals import IncidenceInterval, limits
from soa_evidence.survival.records import Records, choice, prepare, prepare_level
from soa_evidence.survival.tallies import Tally, tally

__all__ = ["CRUDE_QUESTION", "NET_QUESTION", "CumulativeIncidenceResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "survival.cumulative_incidence"
SUMS_TO = 1e-12  # rounding alone may part the sum of the causes from the total

CRUDE_QUESTION = (
    "Cumulative incidence answers: of all who start, what share will have had this event by then, when "
    "others had another event first?"
)
NET_QUESTION = (
    "1 - Kaplan–Meier answers: what share would have had this event by then, if nothing else could happen "
    "first and the hazard of this event stayed as it is?"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class CumulativeIncidenceResult:
    """Cumulative incidence of each cause, by group.

    Attributes
    ----------
    curves : mapping of (group, cause) to Curve
    total : mapping of group to Curve
        Any cause; the causes sum to it at every time.
    checks : tuple of Check
    records : Records
    """

    curves: Mapping[tuple[str, str], Curve]
    total: Mapping[str, Curve]
    checks: tuple[Check, ...]
    records: Records
    tallies: tuple[Tally, ...]
    interval: IncidenceInterval

    @property
    def causes(self) -> tuple[str, ...]:
        """Names of the causes."""
        return self.records.causes

    def of(self, cause: str) -> dict[str, Curve]:
        """Return the curves of one cause, by group."""
        self._position(cause)
        return {group: curve for (group, name), curve in self.curves.items() if name == cause}

    def at(self, times: Sequence[float], cause: str | None = None) -> pd.DataFrame:
        """Return incidence at `times` in every group, of one cause or all."""
        causes = self.causes if cause is None else (cause,)
        return pd.concat([step.at(self.of(name), self.records, times) for name in causes], ignore_index=True)

    def net(self, cause: str) -> dict[str, Curve]:
        """1 - Kaplan–Meier of one cause, by group, with all other causes taken as censoring."""
        k = self._position(cause)
        found = {}
        for counted in self.tallies:
            d, n = counted.events[k], counted.at_risk
            left = np.where(counted.exhausted & (d == counted.all_events), 0.0, n - d)
            survival = np.cumprod(left / n)
            steps = np.divide(d, n * left, out=np.zeros(len(d)), where=left > 0)
            se = np.where(survival > 0, survival * np.sqrt(np.cumsum(steps)), np.nan)
            found[counted.label] = self._curve(
                counted, 1 - survival, se, d, cause, estimand="net failure (1 - Kaplan-Meier)"
            )
        return found

    def net_and_crude(self, cause: str, times: Sequence[float]) -> pd.DataFrame:
        """Net and crude incidence side by side.

        Returns
        -------
        DataFrame
            label, cause, time, crude and net with their limits, and their difference. `CRUDE_QUESTION` and
            `NET_QUESTION` say which question each answers; they are also in the frame's ``attrs``.
        """
        crude = step.at(self.of(cause), self.records, times)
        net = step.at(self.net(cause), self.records, times)
        table = crude[["label", "cause", "time"]].copy()
        for name, source in (("crude", crude), ("net", net)):
            table[name] = source["estimate"]
            table[f"{name}_lower"], table[f"{name}_upper"] = source["lower"], source["upper"]
        table["net_less_crude"] = table["net"] - table["crude"]
        table.attrs["questions"] = {"crude": CRUDE_QUESTION, "net": NET_QUESTION}
        return table

    def stacked(self, group: str | None = None) -> pd.DataFrame:
        """Return one group's causes side by side over time, and their total, which they sum to."""
        groups = self.records.groups
        group = groups[0] if group is None and len(groups) == 1 else str(group)
        if group not in self.total:
            raise InputError(
                f"There is no group {group!r}.{nearest(group, self.total)} Groups: {', '.join(self.total)}."
            )
        table = pd.DataFrame({"time": self.total[group].time})
        for cause in self.causes:
            table[cause] = self.curves[group, cause].estimate
        return table.assign(total=table[list(self.causes)].sum(axis=1))

    def _position(self, cause: str) -> int:
        if cause not in self.causes:
            raise InputError(
                f"There is no cause {cause!r}.{nearest(cause, self.causes)} Causes: {', '.join(self.causes)}."
            )
        return self.causes.index(cause)

    def _curve(
        self,
        counted: Tally,
        estimate: FloatArray,
        se: FloatArray,
        events: FloatArray,
        cause: str,
        estimand: str,
    ) -> Curve:
        like = self.total[counted.label]
        # On the scale of what remains, as the limits of Kaplan–Meier are.
        lower, upper = limits(1 - estimate, se, like.level, "log-log")
        return _as_curve(
            counted, estimate, (1 - upper, 1 - lower), se, events, like.level, like.time_unit, self.checks,
            cause, estimand,
        )  # fmt: skip

    def _repr_html_(self) -> str:
        named = {f"{group}: {cause}": curve for (group, cause), curve in self.curves.items()}
        return step.as_html(named, self.checks)


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str | Sequence[str] | None = None,
    entry: str | None = None,
    weights: str | None = None,
    causes: Mapping[int, str] | None = None,
    interval: IncidenceInterval = "log-log",
    level: float = 0.95,
    time_unit: str = "years",
) -> CumulativeIncidenceResult:
    """Estimate the cumulative incidence of every cause in each group.

    Parameters
    ----------
    frame, time, by, entry
        As in `kaplan_meier.fit`.
    event
        0 censored, 1, 2, … the cause that ended follow-up.
    weights
        Frequencies: whole numbers, each row standing for that many people.
    causes
        Names of the codes, e.g. ``{1: "infection", 2: "death"}``.
    interval
        Scale of the limits: log-log, complementary log-log, log, plain, logit or arcsine.

    Raises
    ------
    InputError
        See `records.prepare`; also on an unknown interval or level.
    """
    choice("interval", interval, get_args(IncidenceInterval))
    level = prepare_level(level)
    records = prepare(
        frame, time=time, event=event, entry=entry, weights=weights, by=by, competing=True, causes=causes
    )
    tallies = tally(records)
    incidences = [[_incidence(counted, k) for k in range(len(records.causes))] for counted in tallies]
    checks = (*step.checks(records, tallies), _sum_check(tallies, incidences))
    found, total = {}, {}
    for counted, by_cause in zip(tallies, incidences, strict=True):
        for k, (estimate, se) in enumerate(by_cause):
            found[counted.label, records.causes[k]] = _as_curve(
                counted, estimate, limits(estimate, se, level, interval), se, counted.events[k], level,
                time_unit, checks, records.causes[k],
            )  # fmt: skip
        survival = counted.survival()
        se = np.where(survival > 0, survival * np.sqrt(np.cumsum(influence.greenwood_steps(counted))), np.nan)
        total[counted.label] = _as_curve(
            counted, 1 - survival, limits(1 - survival, se, level, interval), se, counted.all_events, level,
            time_unit, checks, "any",
        )  # fmt: skip
    return CumulativeIncidenceResult(
        curves=MappingProxyType(found),
        total=MappingProxyType(total),
        checks=checks,
        records=records,
        tallies=tallies,
        interval=interval,
    )


def _incidence(counted: Tally, k: int) -> tuple[FloatArray, FloatArray]:
    """Cumulative incidence of cause `k` and its standard error at each time."""
    n, d_k = counted.at_risk, counted.events[k]
    before = np.concatenate([[1.0], counted.survival()[:-1]])
    rise = before * d_k / n
    steps = influence.greenwood_steps(counted)
    # Running sums of steps × (F(t) - F(u))^power are renewed by what F rises, so nothing large is subtracted.
    m0 = _before(np.cumsum(steps))
    m1 = _before(np.cumsum(rise * m0))
    m2 = np.cumsum(2 * rise * m1 + rise**2 * m0)
    own = np.cumsum(before**2 * d_k * (n - d_k) / n**3)
    cross = np.cumsum(rise * _before(np.cumsum(before * d_k / n**2)))
    return np.cumsum(rise), np.sqrt(np.maximum(m2 + own - 2 * cross, 0.0))


def _before(sums: FloatArray) -> FloatArray:
    return np.concatenate([[0.0], sums[:-1]])


def _sum_check(tallies: tuple[Tally, ...], incidences: list[list[tuple[FloatArray, FloatArray]]]) -> Check:
    gap = max(
        float(np.abs(np.sum([estimate for estimate, _ in by_cause], axis=0) - (1 - counted.survival())).max())
        for counted, by_cause in zip(tallies, incidences, strict=True)
    )
    return Check(
        name="causes sum to all events",
        verdict="pass" if gap <= SUMS_TO else "fail",
        observed=f"largest gap {gap:.1e}",
        expected=f"at most {SUMS_TO:g} (rounding)",
        why="every event has one cause, so the incidences of the causes must add up to that of any event",
    )


def _as_curve(
    counted: Tally,
    estimate: FloatArray,
    bounds: tuple[FloatArray, FloatArray],
    se: FloatArray,
    events: FloatArray,
    level: float,
    time_unit: str,
    checks: tuple[Check, ...],
    cause: str,
    estimand: str = "cumulative incidence",
) -> Curve:
    return Curve(
        estimand=estimand,
        label=counted.label,
        time_unit=time_unit,
        method=METHOD,
        time=counted.time,
        estimate=np.minimum(estimate, 1.0),
        lower=bounds[0],
        upper=bounds[1],
        std_error=se,
        at_risk=counted.at_risk,
        events=events,
        level=level,
        interval="confidence",
        checks=checks,
        cause=cause,
    )
