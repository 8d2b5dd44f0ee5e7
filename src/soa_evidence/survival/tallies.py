"""Counts at each distinct time of each group: all that the non-parametric methods need of the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.records import Records

__all__ = ["Tally", "tally"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Tables of counts up to this many times the number of rows are made in one pass over all groups.
_DENSE = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class Tally:
    """One group counted at its m distinct times of exit.

    Attributes
    ----------
    label : str
    code : array of shape (m,)
        Positions of the times on the axis of the records.
    time : array of shape (m,)
    at_risk : array of shape (m,)
        Weight under observation just before each time.
    events : array of shape (K, m)
        Weight of events of each cause.
    censored : array of shape (m,)
    exhausted : array of bool, shape (m,)
        Whether everyone at risk had an event, decided on counts of rows, so exact whatever the weights.
    rows, event_rows : int
        Unweighted size and events.
    came : (array, array)
        Positions on the axis at which anyone enters, and the weight that has entered so far.
    """

    label: str
    code: IntArray
    time: FloatArray
    at_risk: FloatArray
    events: FloatArray
    censored: FloatArray
    exhausted: NDArray[np.bool_]
    rows: int
    event_rows: int
    came: tuple[IntArray, FloatArray] | None

    @property
    def all_events(self) -> FloatArray:
        """Weight of events of any cause, shape (m,)."""
        return np.asarray(self.events.sum(axis=0))

    @property
    def survivors(self) -> FloatArray:
        """At risk less events, exactly 0 where no one is left; shape (m,)."""
        return np.where(self.exhausted, 0.0, self.at_risk - self.all_events)

    def risk_at(self, codes: IntArray) -> FloatArray:
        """Weight at risk just before positions `codes` of the axis, whether or not anyone leaves there."""
        left = np.concatenate([[0.0], np.cumsum(self.all_events + self.censored)])
        gone = left[np.searchsorted(self.code, codes, side="left")]
        if self.came is None:
            return np.asarray(left[-1] - gone)
        place, so_far = self.came
        return np.asarray(np.concatenate([[0.0], so_far])[np.searchsorted(place, codes, side="left")] - gone)

    def survival(self) -> FloatArray:
        """Product-limit probability of no event of any cause up to and including each time, shape (m,)."""
        return np.cumprod(self.survivors / self.at_risk)


def tally(
    records: Records,
    *,
    group: IntArray | None = None,
    labels: tuple[str, ...] | None = None,
) -> tuple[Tally, ...]:
    """Count `records` by group (or by another coding of the rows), one `Tally` each."""
    group = records.group if group is None else group
    labels = records.groups if labels is None else labels
    cells = len(labels) * (len(records.causes) + 1) * len(records.axis)
    if len(labels) == 1 or cells <= max(_DENSE * len(records), 100_000):
        return _count(records, group, labels, records.exit, records.entry, records.axis)
    found = []
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(len(labels) + 1))
    for at, label in enumerate(labels):
        rows = order[bounds[at] : bounds[at + 1]]
        found.append(_one(records, rows, label))
    return tuple(found)


def _one(records: Records, rows: IntArray, label: str) -> Tally:
    """Count the given rows alone, on their own times only."""
    entry = None if records.entry is None else records.entry[rows]
    exit_ = records.exit[rows]
    used = np.unique(exit_ if entry is None else np.concatenate([exit_, entry]))
    (counted,) = _count(
        records,
        np.zeros(len(rows), dtype=np.int64),
        (label,),
        np.searchsorted(used, exit_),
        None if entry is None else np.searchsorted(used, entry),
        records.axis[used],
        rows=rows,
    )
    came = None if counted.came is None else (used[counted.came[0]], counted.came[1])
    return replace(counted, code=used[counted.code], came=came)


def _count(
    records: Records,
    group: IntArray,
    labels: tuple[str, ...],
    exit_: IntArray,
    entry: IntArray | None,
    axis: FloatArray,
    rows: IntArray | None = None,
) -> tuple[Tally, ...]:
    G, K, T = len(labels), len(records.causes), len(axis)
    cause = records.cause if rows is None else records.cause[rows]
    weight = None if records.weight is None else records.weight[rows] if rows is not None else records.weight
    place = cause * T + exit_ if G == 1 else (group * (K + 1) + cause) * T + exit_
    came = None if entry is None else group * T + entry
    left = np.bincount(place, minlength=G * (K + 1) * T).reshape(G, K + 1, T)
    n_risk = _at_risk(left, came)
    if weight is None:
        left_w, risk_w = left.astype(float), n_risk.astype(float)
    else:
        left_w = np.bincount(place, weights=weight, minlength=G * (K + 1) * T).reshape(G, K + 1, T)
        risk_w = _at_risk(left_w, came, weight)
    found = []
    for g, label in enumerate(labels):
        exits = left[g].sum(axis=0)
        keep = np.flatnonzero(exits)
        deaths = left[g, 1:, keep].sum(axis=1)
        found.append(
            Tally(
                label=label,
                code=keep,
                time=axis[keep],
                at_risk=risk_w[g, keep],
                events=left_w[g, 1:, :][:, keep],
                censored=left_w[g, 0, keep],
                exhausted=deaths == n_risk[g, keep],
                rows=int(exits.sum()),
                event_rows=int(deaths.sum()),
                came=None if came is None else _came(came, weight, g, T),
            )
        )
    return tuple(found)


def _came(came: IntArray, weight: FloatArray | None, g: int, T: int) -> tuple[IntArray, FloatArray]:
    """Where anyone of group `g` enters, and the weight that has entered so far."""
    mine = (came >= g * T) & (came < (g + 1) * T)
    entered = np.bincount(came[mine] - g * T, weights=None if weight is None else weight[mine], minlength=T)
    place = np.flatnonzero(entered)
    return place, np.cumsum(entered[place], dtype=float)


def _at_risk(
    left: NDArray[np.float64] | IntArray, came: IntArray | None, weight: FloatArray | None = None
) -> NDArray[np.float64]:
    """At risk just before every time of the axis, shape (G, T)."""
    G, _, T = left.shape
    exits = left.sum(axis=1)
    if came is None:
        return np.asarray(np.cumsum(exits[:, ::-1], axis=1)[:, ::-1], dtype=float)
    entries = np.bincount(came, weights=weight, minlength=G * T).reshape(G, T)
    # Entered before the time, and not left before it.
    change = np.cumsum(entries - exits, axis=1)
    return np.hstack([np.zeros((G, 1)), change[:, :-1]]).astype(float)
