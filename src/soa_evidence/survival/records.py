"""Times to event, checked row by row and coded as integers: what every survival method works on.

A row is a person (or a hip, or an interval of one): under observation after `entry` up to and including
`time`, at which the event happens or observation ends. Distinct times are numbered once, here; everything
after that counts on integers, so ties are exact and a million rows cost little.

Events come before censorings of the same time, and entries after both: a person entering at t is at risk only
for events after t.

When not to use it: for interval-censored times, where the event is only known to lie between two dates.

Checked against: arithmetic in tests/unit and the laws in tests/properties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.survival import columns

__all__ = ["Records", "WeightsAre", "cause_codes", "choice", "prepare", "prepare_level", "starts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
WeightsAre = Literal["frequency", "robust"]

#: Times closer than this share of the longest time are one time: rounding of the same day, not two days.
SAME_TIME = 1e-13


@dataclass(frozen=True, eq=False, kw_only=True)
class Records:
    """Rows of observation with times coded on one common axis.

    Attributes
    ----------
    axis : array of shape (T,)
        Distinct times, increasing.
    exit : array of shape (n,)
        Position on `axis` of the end of observation.
    entry : array of shape (n,) or None
        Position of the start; a row is at risk at positions above `entry` up to and including `exit`. None
        where all are observed from the start.
    cause : array of shape (n,)
        0 for censored, otherwise the cause's position in `causes` plus 1.
    weight : array of shape (n,) or None
    weights_are
        ``"frequency"``: a row stands for that many people. ``"robust"``: a row counts that much (inverse
        probability, standardisation), with the variance from the rows as sampled.
    group, stratum : arrays of shape (n,)
        Positions in `groups` and `strata`.
    causes, groups, strata : tuple of str
    merged : int
        How many distinct times were joined to a neighbour because they differed by rounding alone.
    """

    axis: FloatArray
    exit: IntArray
    entry: IntArray | None
    cause: IntArray
    weight: FloatArray | None
    weights_are: WeightsAre
    group: IntArray
    stratum: IntArray
    causes: tuple[str, ...]
    groups: tuple[str, ...]
    strata: tuple[str, ...]
    merged: int

    def __len__(self) -> int:
        return len(self.exit)


def prepare(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    entry: str | None = None,
    weights: str | None = None,
    weights_are: WeightsAre = "frequency",
    by: str | Sequence[str] | None = None,
    strata: str | Sequence[str] | None = None,
    competing: bool = False,
    causes: Mapping[int, str] | None = None,
) -> Records:
    """Check a frame of times and events and return it as `Records`.

    Parameters
    ----------
    frame
        One row a person, or an interval of one.
    time, event
        End of observation, and what ended it: 0 or False censored, 1 or True the event; with `competing`,
        0 censored and 1, 2, … the causes.
    entry
        Start of observation where it is later than time 0 (delayed entry, left truncation).
    weights, weights_are
        A column of weights above 0, and what they mean (see `Records`); frequencies are whole numbers.
    by, strata
        Columns whose distinct values are the groups compared, and the strata within which they are.
    causes
        Names of the cause codes, e.g. ``{1: "infection", 2: "loosening"}``.

    Raises
    ------
    InputError
        Naming column and row, on anything that is not the above.
    """
    by, strata = columns.as_list(by), columns.as_list(strata)
    named = [time, event, *[name for name in (entry, weights) if name is not None], *by, *strata]
    columns.require(frame, named)
    choice("weights_are", weights_are, get_args(WeightsAre))
    stop = columns.numbers(frame, time, "a time")
    columns.refuse(frame, time, stop < 0, "a time from the start of observation cannot be negative")
    start = None if entry is None else starts(frame, entry, time, stop)
    codes, names = cause_codes(frame, event, competing=competing, causes=causes)
    axis, exit_, entry_, merged = _on_one_axis(stop, start)
    if entry is not None and entry_ is not None:
        columns.refuse(frame, entry, entry_ >= exit_, f"the same time as '{time}' but for rounding")
    group, groups = columns.factorise(frame, by)
    stratum, strata_names = columns.factorise(frame, strata)
    return Records(
        axis=axis,
        exit=exit_,
        entry=entry_,
        cause=codes,
        weight=None if weights is None else columns.weights(frame, weights, whole=weights_are == "frequency"),
        weights_are=weights_are,
        group=group,
        stratum=stratum,
        causes=names,
        groups=groups,
        strata=strata_names,
        merged=merged,
    )


def prepare_level(level: float) -> float:
    """Return the coverage asked for, refusing one outside 0 to 1."""
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a number above 0 and below 1, such as 0.95.")
    return level


def choice(name: str, value: str, options: Sequence[str]) -> None:
    """Refuse a `value` that is not among the `options` of the argument `name`."""
    if value not in options:
        raise InputError(
            f"{name} is {value!r}.{nearest(value, options)} Expected one of: {', '.join(options)}."
        )


def starts(frame: pd.DataFrame, entry: str, time: str, stop: FloatArray) -> FloatArray:
    """Return times of entry, refusing any that is not before the end of observation `stop`."""
    start = columns.numbers(frame, entry, "a time")
    columns.refuse(frame, entry, start < 0, "a time of entry cannot be negative")
    late = start >= stop
    if late.any():
        at = int(np.argmax(late))
        raise InputError(
            f"Row {at}: enters at {start[at]:g} ('{entry}') and leaves at {stop[at]:g} ('{time}'); entry "
            f"must come before the end ({int(late.sum())} such rows). Are the two columns exchanged?"
        )
    return start


def cause_codes(
    frame: pd.DataFrame, event: str, *, competing: bool, causes: Mapping[int, str] | None
) -> tuple[IntArray, tuple[str, ...]]:
    """Return 0 for censored or the position of the cause plus 1 for each row, and the causes' names."""
    values = columns.numbers(frame, event, "0 for censored, 1 for the event", allow_bool=True)
    if not competing:
        columns.refuse(
            frame, event, (values != 0) & (values != 1), "expected 0 for censored or 1 for the event"
        )
        return values.astype(np.int64), ("event",)
    columns.refuse(
        frame,
        event,
        (values < 0) | (values != np.floor(values)),
        "expected 0 for censored, or a cause 1, 2, …",
    )
    codes = values.astype(np.int64)
    if codes.max() > columns.MOST_CAUSES:
        columns.refuse(
            frame, event, codes > columns.MOST_CAUSES, f"expected a cause from 1 to {columns.MOST_CAUSES}"
        )
    seen = np.flatnonzero(np.bincount(codes))
    known = sorted(causes) if causes is not None else [int(code) for code in seen if code > 0] or [1]
    strange = [int(code) for code in seen if code > 0 and code not in known]
    if strange:
        at = int(np.argmax(codes == strange[0]))
        raise InputError(
            f"Column '{event}', row {at}: cause {strange[0]} has no name in causes= "
            f"({', '.join(f'{code}: {name}' for code, name in sorted((causes or {}).items()))})."
        )
    if min(known) < 1:
        raise InputError(f"causes= names the code {min(known)}; 0 means censored, and causes start at 1.")
    names = tuple(str(causes[code]) if causes is not None else f"cause {code}" for code in known)
    if len(set(names)) != len(names):
        raise InputError(f"causes= gives two codes one name: {', '.join(names)}.")
    position = np.zeros(max(int(codes.max()), max(known)) + 1, dtype=np.int64)
    position[known] = np.arange(1, len(known) + 1)
    return position[codes], names


def _on_one_axis(
    stop: FloatArray, start: FloatArray | None
) -> tuple[FloatArray, IntArray, IntArray | None, int]:
    """Return the distinct times and each row's place among them, joining those that differ by rounding."""
    every = stop if start is None else np.concatenate([stop, start])
    axis, codes = _distinct(every)
    joins = np.diff(axis) <= SAME_TIME * axis[-1]
    merged = int(joins.sum())
    if merged:
        new = np.concatenate([[0], np.cumsum(~joins)])
        codes, axis = new[codes], axis[np.concatenate([[True], ~joins])]
    if start is None:
        return axis, codes, None, merged
    return axis, codes[: len(stop)], codes[len(stop) :], merged


def _distinct(values: FloatArray) -> tuple[FloatArray, IntArray]:
    # Whole days in a modest range are counted; everything else is sorted.
    if values.max() <= 4 * len(values) + 1000:
        whole = values.astype(np.int64)
        if (whole == values).all():
            present = np.bincount(whole) > 0
            position = np.cumsum(present) - 1
            return np.flatnonzero(present).astype(float), position[whole]
    order = np.argsort(values)
    sorted_ = values[order]
    new = np.ones(len(values), dtype=bool)
    np.not_equal(sorted_[1:], sorted_[:-1], out=new[1:])
    codes = np.empty(len(values), dtype=np.int64)
    codes[order] = np.cumsum(new) - 1
    return sorted_[new], codes
