"""Rows known exactly or within limits, checked: what a fully parametric likelihood works on.

A row is known by one of four facts, and by not having had the event at its entry e (delayed entry):

    exact      the event at t                       f(t) / S(e)
    right      no event up to t                     S(t) / S(e)
    left       the event at some time up to u       (S(e) - S(u)) / S(e)
    interval   the event after l and up to u        (S(l) - S(u)) / S(e)

With `lower` and `upper`: equal for an exact time, `upper` infinite where the event had not happened by
`lower`, `lower` 0 where it is only known to have happened by `upper`.

When not to use it: `records` serves methods that need no more than exact and right-censored times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival import columns
from soa_evidence.survival.records import WeightsAre, cause_codes, starts

__all__ = ["EXACT", "INTERVAL", "LEFT", "RIGHT", "Observations", "clusters", "prepare"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
EXACT, RIGHT, LEFT, INTERVAL = range(4)


@dataclass(frozen=True, eq=False, kw_only=True)
class Observations:
    """Rows and what is known of them.

    Attributes
    ----------
    kind : array of shape (n,)
        EXACT, RIGHT, LEFT or INTERVAL.
    lower, upper : arrays of shape (n,)
        The time itself, twice, where exact; infinite `upper` where right-censored; 0 `lower` where
        left-censored.
    entry : array of shape (n,)
        Start of observation, 0 where it is that of time.
    weight : array of shape (n,)
    weights_are : {"frequency", "robust"} or None
        None without weights.
    cluster : array of shape (n,) or None
        Which rows are not independent, for the robust covariance; None for the model's.
    """

    kind: IntArray
    lower: FloatArray
    upper: FloatArray
    entry: FloatArray
    weight: FloatArray
    weights_are: WeightsAre | None
    cluster: IntArray | None

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def happened(self) -> NDArray[np.bool_]:
        """Rows that had the event, at whatever time; shape (n,)."""
        return np.asarray(self.kind != RIGHT)

    @property
    def events(self) -> float:
        """Weight of rows that had the event."""
        return float(self.weight[self.happened].sum())

    @property
    def last(self) -> float:
        """The last time at which anyone is known to have been observed."""
        return float(np.where(np.isfinite(self.upper), self.upper, self.lower).max())

    def merged(self) -> Observations:
        """Return one row for all that are known by the same times, with their weights added up."""
        frame = pd.DataFrame({"kind": self.kind, "l": self.lower, "u": self.upper, "e": self.entry})
        code = np.asarray(frame.groupby(["kind", "l", "u", "e"], sort=False).ngroup())
        first = np.unique(code, return_index=True)[1]
        return replace(self._rows(first), weight=np.bincount(code, weights=self.weight))

    def rounded(self, unit: float) -> Observations:
        """Return the rows with times in the middle of steps of `unit`: to search with, never to fit."""
        if not np.isin(self.kind, (EXACT, RIGHT)).all():
            return self

        def middles(times: FloatArray) -> FloatArray:
            return np.where(np.isfinite(times), (np.floor(times / unit) + 0.5) * unit, np.inf)

        entry = np.floor(self.entry / unit) * unit
        return replace(self, lower=middles(self.lower), upper=middles(self.upper), entry=entry, cluster=None)

    def _rows(self, at: NDArray[np.int64] | NDArray[np.intp]) -> Observations:
        return replace(
            self,
            kind=self.kind[at],
            lower=self.lower[at],
            upper=self.upper[at],
            entry=self.entry[at],
            weight=self.weight[at],
            cluster=None,
        )

    def middle(self) -> FloatArray:
        """Return a time for every row, the middle where known within limits: to start from, never to fit."""
        return np.where(self.kind == RIGHT, self.lower, (self.lower + np.minimum(self.upper, self.last)) / 2)

    def at_risk(self, times: FloatArray) -> FloatArray:
        """Return the weight under observation and known without the event just before each time."""
        entered, left = (_sums(at, self.weight, times) for at in (self.entry, self.lower))
        late = self.entry > 0
        entered = entered + float(self.weight[~late].sum()) * (times <= 0)
        return np.asarray(np.maximum(entered - left, 0.0))

    def events_up_to(self, times: FloatArray) -> FloatArray:
        """Return the weight known to have had the event up to and including each time."""
        had = self.happened
        return _sums(self.upper[had], self.weight[had], times, including=True)


def _sums(
    values: FloatArray, weight: FloatArray, times: FloatArray, *, including: bool = False
) -> FloatArray:
    order = np.argsort(values, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(weight[order])])
    place = np.searchsorted(values[order], times, side="right" if including else "left")
    return np.asarray(total[place])


def prepare(
    frame: pd.DataFrame,
    *,
    time: str | None,
    event: str | None,
    lower: str | None,
    upper: str | None,
    entry: str | None,
    weights: str | None,
    weights_are: WeightsAre,
    cluster: str | None,
) -> Observations:
    """Check a frame and return it as `Observations`; give `time` and `event`, or `lower` and `upper`.

    Raises
    ------
    InputError
        Naming column and row; where neither or both pairs are given; where nothing has had the event.
    """
    exact, within = (time is not None and event is not None), (lower is not None and upper is not None)
    given = [name for name in (time, event, lower, upper, entry, weights, cluster) if name is not None]
    if exact == within or len([n for n in (time, event, lower, upper) if n is not None]) != 2:
        raise InputError(
            "Give either time= and event=, or lower= and upper= where the event is only known to lie between "
            "two times."
        )
    columns.require(frame, given)
    if exact:
        low = columns.numbers(frame, str(time), "a time")
        columns.refuse(frame, str(time), low < 0, "a time from the start of observation cannot be negative")
        cause, _ = cause_codes(frame, str(event), competing=False, causes=None)
        kind = np.where(cause > 0, EXACT, RIGHT).astype(np.int64)
        high = np.where(cause > 0, low, np.inf)
        start = np.zeros(len(low)) if entry is None else starts(frame, entry, str(time), low)
    else:
        low, high, kind = _within(frame, str(lower), str(upper))
        start = np.zeros(len(low)) if entry is None else _entered(frame, entry, str(lower), low)
    if (kind == RIGHT).all():
        raise InputError(
            f"Column '{event or upper}' has no event in any row, so nothing can be said of when it happens."
        )
    weight = np.ones(len(low))
    if weights is not None:
        weight = columns.weights(frame, weights, whole=weights_are == "frequency")
    robust = weights is not None and weights_are == "robust"
    return Observations(
        kind=kind,
        lower=low,
        upper=high,
        entry=start,
        weight=weight,
        weights_are=None if weights is None else weights_are,
        cluster=clusters(frame, cluster, each_row=robust),
    )


def clusters(frame: pd.DataFrame, cluster: str | None, *, each_row: bool) -> IntArray | None:
    """Return the cluster of each row; without `cluster` each row its own, or None for the model's error."""
    if cluster is None:
        return np.arange(len(frame), dtype=np.int64) if each_row else None
    codes, _ = columns.factorise(frame, [cluster])
    if codes.max() == 0:
        raise InputError(f"Column '{cluster}' puts all rows in one cluster; expected at least two.")
    return codes


def _within(frame: pd.DataFrame, lower: str, upper: str) -> tuple[FloatArray, FloatArray, IntArray]:
    low = columns.numbers(frame, lower, "a time, 0 where only an upper limit is known")
    columns.refuse(frame, lower, low < 0, "a time from the start of observation cannot be negative")
    known = frame[upper]
    if pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known):
        high = known.to_numpy(dtype=float, na_value=np.nan)
        columns.refuse(
            frame, upper, np.isnan(high), "expected a time, infinite (inf) where the event had not happened"
        )
    else:
        high = columns.numbers(frame, upper, "a time, infinite (inf) where the event had not happened")
    crossed = low > high
    if crossed.any():
        at = int(np.argmax(crossed))
        raise InputError(
            f"Row {at}: the lower limit {low[at]:g} ('{lower}') is above the upper limit {high[at]:g} "
            f"('{upper}') ({int(crossed.sum())} such rows). Are the two columns exchanged?"
        )
    unknown = (low == 0) & np.isinf(high)
    columns.refuse(
        frame, upper, unknown, "between 0 and infinity says nothing; leave such rows out on purpose"
    )
    kind = np.where(np.isinf(high), RIGHT, np.where(low == high, EXACT, np.where(low == 0, LEFT, INTERVAL)))
    return low, high, kind.astype(np.int64)


def _entered(frame: pd.DataFrame, entry: str, lower: str, low: FloatArray) -> FloatArray:
    start = columns.numbers(frame, entry, "a time")
    columns.refuse(frame, entry, start < 0, "a time of entry cannot be negative")
    late = (start > low) | ((start == low) & (start > 0))
    if late.any():
        at = int(np.argmax(late))
        raise InputError(
            f"Row {at}: enters at {start[at]:g} ('{entry}'), not before its lower limit {low[at]:g} "
            f"('{lower}') ({int(late.sum())} such rows)."
        )
    return start
