"""Several states in turn, as primary, revised, re-revised, died: who is where, and how often people move.

Aalen-Johansen, for any states and moves, with time counted from one origin (clock forward):

    dA[h, j](t)  = moves from h to j at t / number in h just before t
    P(s, t)      = product over times in (s, t] of (I + dA)              transition probabilities
    p(t)         = p(0) P(0, t)                                          state occupation probabilities
    E[moves h to j up to t] = sum of p[h](u-) dA[h, j](u);    E[time in h up to t] = integral of p[h]

p(t), expected moves and time in state hold whatever the past does to the hazards (Datta & Satten), as long as
censoring is independent. P(s, t), which speaks of people by the state they are in at s, holds only where the
hazard depends on state and time alone (Markov); `markov` tests that.

Two variances. ``"robust"``: the infinitesimal jackknife by person (or `cluster`), which does not need Markov,
as in R's survfit. ``"greenwood"``: steps taken as independent multinomials, as in etm; it needs Markov beyond
a first move, and is the one of the curves and of P(s, t).

When not to use it: for the time *since* revision as the clock (use curves from the time of revision); where
states are seen only at visits (interval-censored); to compare units at the same case mix, which needs a
model.

Sources: Aalen & Johansen (1978), Scand J Stat 5:141; Andersen et al (1993), Statistical Models Based on
Counting Processes, IV.4.1; Datta & Satten (2001), Stat Probab Lett 55:403.

Checked against: R survival::survfit (multi-state) and etm in tests/reference/multistate; coverage in
tests/calibration.
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
from soa_evidence.results import TABLE_COLUMNS, Check, Curve, Estimates, checks_frame
from soa_evidence.survival import multistate_checks
from soa_evidence.survival.intervals import IncidenceInterval, limits
from soa_evidence.survival.lifetime_risk import lifetime_risk
from soa_evidence.survival.multistate_moments import Counted, Variance, count, functionals
from soa_evidence.survival.multistate_registry import from_registry
from soa_evidence.survival.multistate_rows import Stays, stays
from soa_evidence.survival.records import choice, prepare_level

__all__ = ["MultistateResult", "TransitionResult", "fit", "from_registry", "lifetime_risk"]

FloatArray = NDArray[np.float64]
METHOD = "survival.multistate"


@dataclass(frozen=True, eq=False, kw_only=True)
class TransitionResult:
    """Transition probabilities of one group between two times.

    Attributes
    ----------
    probability : Estimates
        Labels ``"from -> to"`` for every pair of states, staying included, with their joint covariance.
    matrix : DataFrame
        The same as a square, rows from, columns to.
    start, end : float
    """

    probability: Estimates
    matrix: pd.DataFrame
    start: float
    end: float

    def _repr_html_(self) -> str:
        return self.matrix.to_html(float_format="{:.4f}".format)


@dataclass(frozen=True, eq=False, kw_only=True)
class MultistateResult:
    """State probabilities, moves and time in state, by group.

    Attributes
    ----------
    curves : mapping of (group, state) to Curve
        State occupation probability at every time of transition; errors are Greenwood-type.
    hazards : mapping of (group, transition) to Curve
        Cumulative hazard of each transition (Nelson-Aalen), limits on the log scale.
    markov : DataFrame
        Test, for each transition out of a state entered at different times, of whether its hazard depends on
        when (log hazard ratio a unit of time): transition, log_hazard_ratio, std_error, p_value, events.
    stays : Stays
    counted : tuple of Counted
        Counts by group.
    interval, level, time_unit, checks
    """

    curves: Mapping[tuple[str, str], Curve]
    hazards: Mapping[tuple[str, str], Curve]
    markov: pd.DataFrame
    stays: Stays
    counted: tuple[Counted, ...]
    interval: IncidenceInterval
    level: float
    time_unit: str
    checks: tuple[Check, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states."""
        return self.stays.states

    @property
    def transitions(self) -> tuple[str, ...]:
        """Names of the transitions seen, ``"from -> to"``."""
        return self.stays.transitions

    def occupation(self, time: float, *, variance: Variance = "robust") -> Estimates:
        """Return the probability of each state at a time, labels ``"group: state"``."""
        return self._estimates(
            "state occupation probability", "probability", time, self._states_wanted(0), self.states, variance
        )

    def at(
        self, times: Sequence[float], *, variance: Variance = "robust", level: float | None = None
    ) -> pd.DataFrame:
        """Return state probabilities at times, with limits on the scale of `interval`.

        Returns
        -------
        DataFrame
            As `Estimates.table`, with group, state and time.
        """
        level = self.level if level is None else prepare_level(level)
        tables = []
        for time in times:
            found = self.occupation(time, variance=variance)
            p, error = np.asarray(found.mean), np.sqrt(np.diag(np.asarray(found.covariance)))
            lower, upper = limits(p, error, level, self.interval)
            table = found.table(level).assign(lower=lower, upper=upper, time=time)
            table["group"] = np.repeat([counted.label for counted in self.counted], len(self.states))
            table["state"] = list(self.states) * len(self.counted)
            tables.append(table)
        return pd.concat(tables, ignore_index=True)[[*TABLE_COLUMNS, "group", "state", "time"]]

    def mean_time(self, horizon: float, *, variance: Variance = "robust") -> Estimates:
        """Return the mean time spent in each state up to a horizon, labels ``"group: state"``."""
        return self._estimates(
            f"mean time in state up to {horizon:g} {self.time_unit}", self.time_unit, horizon,
            self._states_wanted(len(self.states) + len(self.transitions)), self.states, variance,
        )  # fmt: skip

    def expected_moves(
        self,
        horizon: float,
        *,
        to: str | Sequence[str] | None = None,
        per: float = 1000.0,
        variance: Variance = "robust",
    ) -> Estimates:
        """Return how many moves `per` people are expected to make up to a horizon.

        Parameters
        ----------
        to
            States whose every entry is counted, together: ``["revised", "re-revised"]`` gives all revisions,
            one label a group. Without it each transition is a label of its own, ``"group: from -> to"``.
        """
        if not (np.isfinite(per) and per > 0):
            raise InputError(f"per is {per}; expected a number of people above 0, such as 1000.")
        S, R = len(self.states), len(self.transitions)
        each = np.zeros((2 * S + R, R))
        each[S : S + R] = np.eye(R) * per
        labels = self.transitions
        if to is not None:
            targets = [self._state(name) for name in ([to] if isinstance(to, str) else to)]
            each = each[:, np.isin(self.stays.target, targets)].sum(axis=1, keepdims=True)
            labels = ("moves to " + ", ".join([to] if isinstance(to, str) else to),)
        return self._estimates(
            f"expected moves up to {horizon:g} {self.time_unit}", f"per {per:,g} "
            "people", horizon, each, labels,
            variance,
        )  # fmt: skip

    def transition(self, start: float, end: float, group: str | None = None) -> TransitionResult:
        """Return P(start, end) of one group, with Greenwood-type covariance; it needs Markov."""
        from soa_evidence.survival.multistate_kernels import transitions

        if not 0 <= start < end:
            raise InputError(
                f"Transition from {start:g} to {end:g}: expected 0 or later, and an end after the start."
            )
        counted = self._group(group)
        counted.refuse_beyond(end)
        between = (counted.time > start) & (counted.time <= end)
        P, V = transitions(
            counted.at_risk[between], counted.moves[between], self.stays.source, self.stays.target
        )
        S = len(self.states)
        return TransitionResult(
            probability=Estimates(
                estimand=f"transition probability from {start:g} to {end:g} {self.time_unit}",
                labels=tuple(f"{a} -> {b}" for a in self.states for b in self.states),
                unit="probability",
                method=METHOD,
                mean=P.ravel(),
                covariance=V.reshape(S * S, S * S),
                interval="confidence",
                checks=self.checks,
            ),
            matrix=pd.DataFrame(P, index=pd.Index(self.states, name="from"), columns=list(self.states)),
            start=start,
            end=end,
        )

    def _states_wanted(self, first: int) -> FloatArray:
        S = len(self.states)
        wanted = np.zeros((2 * S + len(self.transitions), S))
        wanted[first : first + S] = np.eye(S)
        return wanted

    def _estimates(
        self,
        estimand: str,
        unit: str,
        horizon: float,
        wanted: FloatArray,
        labels: tuple[str, ...],
        variance: Variance,
    ) -> Estimates:
        choice("variance", variance, get_args(Variance))
        mean, covariance = functionals(self.stays, self.counted, horizon, wanted, variance)
        return Estimates(
            estimand=estimand,
            labels=tuple(f"{counted.label}: {label}" for counted in self.counted for label in labels),
            unit=unit,
            method=METHOD,
            mean=mean,
            covariance=covariance,
            interval="confidence",
            checks=self.checks,
        )

    def _group(self, group: str | None) -> Counted:
        labels = [counted.label for counted in self.counted]
        group = labels[0] if group is None and len(labels) == 1 else str(group)
        if group not in labels:
            raise InputError(
                f"There is no group {group!r}.{nearest(group, labels)} Groups: {', '.join(labels)}."
            )
        return self.counted[labels.index(group)]

    def _state(self, name: str) -> int:
        if name not in self.states:
            raise InputError(
                f"There is no state {name!r}.{nearest(name, self.states)} States: {', '.join(self.states)}."
            )
        return self.states.index(name)

    def __repr__(self) -> str:
        moves = {
            name: int(sum(counted.moves[:, r].sum() for counted in self.counted))
            for r, name in enumerate(self.transitions)
        }
        return (
            f"multi-state, {int(self.stays.person.max()) + 1} people; "
            f"{', '.join(f'{name}: {n}' for name, n in moves.items())}"
        )

    def _repr_html_(self) -> str:
        last = min(counted.last for counted in self.counted)
        shown = self.at([last]).to_html(index=False, float_format="{:.4g}".format)
        return f"<p><strong>{repr(self).replace('>', '&gt;')}</strong></p>{shown}" + checks_frame(
            self.checks
        ).to_html(index=False)


def fit(
    frame: pd.DataFrame,
    *,
    id: str,
    time: str,
    from_state: str,
    to_state: str,
    entry: str | None = None,
    states: Sequence[str] | None = None,
    start: str | None = None,
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    cluster: str | None = None,
    interval: IncidenceInterval = "log-log",
    level: float = 0.95,
    time_unit: str = "years",
) -> MultistateResult:
    """Estimate a multi-state process.

    Parameters
    ----------
    frame
        One row a stay (see `from_registry`).
    id
        Column that says whose stay it is.
    entry, time
        Start (0 where not given) and end of the stay, from one origin.
    from_state, to_state
        The state, and the one moved to at `time`: missing where observation ended.
    states
        Names and order of the states; by default as found, those that are left first.
    start
        State all are in at time 0. Needed where people come under observation in different states; otherwise
        the state (or shares of states) in which people begin.
    by
        Columns whose values are the groups.
    weights
        Frequencies: whole numbers, each person standing for that many.
    cluster
        Column of what is independent where that is not the person in `id` (two hips of one person).
    interval
        Scale of the limits of probabilities, see `intervals`.

    Raises
    ------
    InputError
        Naming column and row, on stays that overlap or do not follow one another, on unknown states, without
        moves, and where people begin in different states at different times and `start` is not given.
    """
    choice("interval", interval, get_args(IncidenceInterval))
    level = prepare_level(level)
    coded = stays(
        frame, id=id, time=time, from_state=from_state, to_state=to_state, entry=entry, states=states, by=by,
        weights=weights, cluster=cluster,
    )  # fmt: skip
    if start is not None and start not in coded.states:
        raise InputError(
            f"start is {start!r}, no state.{nearest(start, coded.states)} States: {', '.join(coded.states)}."
        )
    counted = count(coded, None if start is None else coded.states.index(start))
    markov = multistate_checks.markov(coded)
    checks = multistate_checks.checks(coded, counted, markov)
    curves, hazards = {}, {}
    for group in counted:
        for h, state in enumerate(coded.states):
            curves[group.label, state] = _occupation(group, h, state, interval, level, time_unit, checks)
        for r, name in enumerate(coded.transitions):
            hazards[group.label, name] = _hazard(
                group, r, int(coded.source[r]), name, level, time_unit, checks
            )
    return MultistateResult(
        curves=MappingProxyType(curves),
        hazards=MappingProxyType(hazards),
        markov=markov,
        stays=coded,
        counted=counted,
        interval=interval,
        level=level,
        time_unit=time_unit,
        checks=checks,
    )


def _occupation(
    group: Counted,
    h: int,
    state: str,
    interval: str,
    level: float,
    time_unit: str,
    checks: tuple[Check, ...],
) -> Curve:
    p = np.clip(group.p[:, h], 0.0, 1.0)
    error = np.sqrt(group.variance[:, h])
    lower, upper = limits(p, error, level, interval)
    return Curve(
        estimand="state occupation probability",
        label=group.label,
        time_unit=time_unit,
        method=METHOD,
        time=group.time,
        estimate=p,
        lower=lower,
        upper=upper,
        std_error=error,
        at_risk=group.at_risk[:, h],
        events=group.entries[:, h],
        level=level,
        interval="confidence",
        checks=checks,
        cause=state,
    )


def _hazard(
    group: Counted, r: int, source: int, name: str, level: float, time_unit: str, checks: tuple[Check, ...]
) -> Curve:
    from scipy.special import ndtri

    n, d = group.at_risk[:, source], group.moves[:, r]
    safe = np.where(n > 0, n, 1.0)
    hazard = np.cumsum(np.where(d > 0, d / safe, 0.0))
    error = np.sqrt(np.cumsum(np.where(d > 0, d / safe**2, 0.0)))
    with np.errstate(all="ignore"):
        width = np.exp(ndtri((1 + level) / 2) * error / hazard)
    return Curve(
        estimand="cumulative hazard",
        label=group.label,
        time_unit=time_unit,
        method=METHOD,
        time=group.time,
        estimate=hazard,
        lower=hazard / width,
        upper=hazard * width,
        std_error=error,
        at_risk=n,
        events=d,
        level=level,
        interval="confidence",
        checks=checks,
        cause=name,
    )
