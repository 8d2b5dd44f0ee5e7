"""The chance of still being under observation, estimated from who was censored, and its own uncertainty.

    G(t-) = product over times u before t of (1 - c / m)

c are censored at u, of m under observation who had no event at u: events come before censorings of the same
time. `events_first=False` divides by all under observation instead, as R's cmprsk::crr does; the two are the
same where no censoring shares its time with an event. With delayed entry G(t-) is multiplied by the chance of
having entered before t, the product over entries at u from t on of 1 - (entering at u) / (under observation
just after u) (Geskus).

What a row does to log G(t-), as a derivative in its weight, is the sum over u before t at which it is at risk
of  c / (m (m - c)),  less 1 / (m - c) at its own censoring; for crr c / m² and 1 / m.

When not to use it: when leaving observation goes with the risk of the event; then weights by it mislead.

Sources: Fine & Gray (1999), JASA 94:496; Geskus (2011), Biometrics 67:39.

Checked against: R survival::finegray and cmprsk::crr in tests/reference/fine_gray.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.records import Records
from soa_evidence.survival.tallies import tally

__all__ = ["Censoring", "estimate"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Censoring:
    """The chance of still being under observation, by stratum.

    Times are keys: stratum × `width` + place on the axis of the records + 1, so that they sort by stratum.

    Attributes
    ----------
    width : int
    key, stratum, after : arrays of shape (k,)
        Times at which anyone is censored (and a first entry for the start of each stratum), and G after them.
    shift, jump : arrays of shape (k,)
        What a row at risk then, and one censored then, do to log G.
    entered_key, entered : arrays of shape (e,), or empty
        With delayed entry, times of entry, and the chance of having entered by then.
    events_first : bool
    """

    width: int
    key: IntArray
    stratum: IntArray
    after: FloatArray
    shift: FloatArray
    jump: FloatArray
    entered_key: IntArray
    entered: FloatArray
    events_first: bool

    def keys(self, stratum: IntArray, place: IntArray) -> IntArray:
        """Return the keys of places on the axis."""
        return stratum * self.width + place + 1

    def before(self, key: IntArray) -> FloatArray:
        """Return the chance of being under observation just before each time."""
        chance = self.after[np.searchsorted(self.key, key, side="left") - 1]
        if len(self.entered_key):
            chance = chance * self.entered[np.searchsorted(self.entered_key, key, side="left") - 1]
        return chance

    def running(self, values: FloatArray) -> FloatArray:
        """Return sums of rows of `values` up to each censoring time, anew in each stratum."""
        from soa_evidence.survival.cox_kernels import running_sums

        return running_sums(np.ascontiguousarray(values), self.stratum)

    def row_sums(self, values: FloatArray, key: IntArray, censored: NDArray[np.bool_]) -> FloatArray:
        """Sum `values` at the censoring times over what each row does to log G at them; shape (n, q).

        Parameters
        ----------
        values : array of shape (k, q)
        key, censored : arrays of shape (n,)
            When each row's observation ends, and whether by censoring.
        """
        total = self.running(values * self.shift[:, None])
        to = np.searchsorted(self.key, key, side="right") - 1
        if self.events_first:  # those with an event are gone when others are censored at the same time
            to = np.where(censored, to, np.searchsorted(self.key, key, side="left") - 1)
        found = total[to]
        own = np.flatnonzero(censored)
        found[own] -= self.jump[to[own], None] * values[to[own]]
        return np.asarray(found)


def estimate(records: Records, *, events_first: bool = True) -> Censoring:
    """Estimate the chance of still being under observation in each stratum of `records`."""
    width = len(records.axis) + 1
    keys, strata, after, shift, jump = [], [], [], [], []
    for s, counted in enumerate(tally(records, group=records.stratum, labels=records.strata)):
        some = counted.censored > 0
        c = counted.censored[some]
        m = counted.at_risk[some] - (counted.all_events[some] if events_first else 0.0)
        left = np.where(_all_censored(c, m), 0.0, m - c)
        keys.append(np.concatenate([[s * width], s * width + counted.code[some] + 1]))
        strata.append(np.full(len(c) + 1, s))
        after.append(np.concatenate([[1.0], np.cumprod(left / m)]))
        below = left if events_first else m
        rate = np.divide(1.0, below, out=np.zeros(len(c)), where=left > 0)
        shift.append(np.concatenate([[0.0], rate * c / m]))
        jump.append(np.concatenate([[0.0], rate]))
    entered_key, entered = _entered(records, width)
    return Censoring(
        width=width,
        key=np.concatenate(keys).astype(np.int64),
        stratum=np.concatenate(strata).astype(np.int64),
        after=np.concatenate(after),
        shift=np.concatenate(shift),
        jump=np.concatenate(jump),
        entered_key=entered_key,
        entered=entered,
        events_first=events_first,
    )


def _all_censored(c: FloatArray, m: FloatArray) -> NDArray[np.bool_]:
    return m - c <= 1e-12 * m  # weighted sums may leave a rounding error of a person


def _entered(records: Records, width: int) -> tuple[IntArray, FloatArray]:
    """Return times of entry as keys (and the start of each stratum), and the chance of entry by then."""
    if records.entry is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    weight = np.ones(len(records)) if records.weight is None else records.weight
    keys, chances = [], []
    for s in range(len(records.strata)):
        mine = records.stratum == s
        size = width - 1
        came = np.bincount(records.entry[mine], weights=weight[mine], minlength=size)
        gone = np.bincount(records.exit[mine], weights=weight[mine], minlength=size)
        just_after = np.cumsum(came - gone)
        at = np.flatnonzero(came)
        stay = 1 - came[at] / just_after[at]
        stay[stay < 1e-12] = 0.0
        later = np.cumprod(np.append(1.0, stay[:0:-1]))[::-1]  # over the entries after each
        keys.append(np.concatenate([[s * width], s * width + at + 1]))
        chances.append(np.concatenate([[1.0], later]))
    return np.concatenate(keys).astype(np.int64), np.concatenate(chances)
