"""Rows for a Cox model: covariates as numbers, sorted once by stratum and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.survival import columns
from soa_evidence.survival.parallel import side_by_side, spans
from soa_evidence.survival.records import Records

__all__ = ["Design", "SortedRows", "sort_rows"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_DENSE = 4  # tables up to this many times the rows are counted rather than sorted
_PLACED = 262_144  # rows of covariates a thread writes at a time


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """How covariates become numbers: a number as it is, anything else an indicator a level.

    Attributes
    ----------
    covariates : tuple of str
    levels : mapping of covariate to its levels, the reference first; absent for numbers
    terms : tuple of str
        One a column: the covariate, or ``"covariate: level v reference"``.
    source : tuple of str
        The covariate each column comes from.
    """

    covariates: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    terms: tuple[str, ...]
    source: tuple[str, ...]

    @classmethod
    def of(cls, frame: pd.DataFrame, covariates: Sequence[str], reference: Mapping[str, str]) -> Design:
        """Decide the columns; the reference is the commonest level where none is given."""
        for name in reference:
            if name not in covariates:
                raise InputError(f"reference= names '{name}', no covariate.{nearest(name, covariates)}")
        levels: dict[str, tuple[str, ...]] = {}
        terms, source = [], []
        for name in covariates:
            if _is_number(frame[name]):
                if name in reference:
                    raise InputError(
                        f"Covariate '{name}' is a number and has no reference level; make it text for levels."
                    )
                terms.append(name)
                source.append(name)
                continue
            codes, found = columns.factorise(frame, [name])
            first = reference.get(name, found[int(np.argmax(np.bincount(codes)))])
            if first not in found:
                raise InputError(
                    f"reference= gives '{first}' for '{name}', which has no such level."
                    f"{nearest(first, found)} Levels: {', '.join(found[:12])}."
                )
            levels[name] = (first, *(level for level in found if level != first))
            terms += [f"{name}: {level} v {first}" for level in levels[name][1:]]
            source += [name] * (len(found) - 1)
            if len(found) == 1:
                raise InputError(
                    f"Covariate '{name}' has one level only ({first}), so it can explain nothing."
                )
        return cls(covariates=tuple(covariates), levels=levels, terms=tuple(terms), source=tuple(source))

    def encode(self, frame: pd.DataFrame) -> list[FloatArray]:
        """Return the columns of the design for the rows of `frame`, refusing unknown levels and gaps."""
        found = []
        for name in self.covariates:
            if name not in self.levels:
                found.append(columns.numbers(frame, name, "a number", allow_bool=True))
                continue
            codes, labels = columns.factorise(frame, [name])
            known = self.levels[name]
            for at, label in enumerate(labels):
                if label not in known:
                    columns.refuse(
                        frame, name, codes == at, f"not a level the model knows: {', '.join(known[:12])}"
                    )
            position = np.array([known.index(label) for label in labels])[codes]
            found += [(position == k).astype(float) for k in range(1, len(known))]
        return found


def _is_number(values: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        raise InputError(
            f"Covariate '{values.name}' holds dates; give it as a number with a unit, such as years."
        )
    return bool(pd.api.types.is_numeric_dtype(values))


@dataclass(frozen=True, eq=False, kw_only=True)
class SortedRows:
    """Rows in order of stratum and of the last event time they were under observation for, in m groups.

    The first group of each stratum holds the rows that left before its first event; every other group has an
    event.

    Attributes
    ----------
    order : array of shape (n,)
        Row of the frame at each place.
    Z : array of shape (n, p)
        Covariates, centred and scaled.
    centre, scale : arrays of shape (p,)
    weight, died : arrays of shape (n,)
    start, stratum, time : arrays of shape (m + 1,), (m,), (m,)
        First row, stratum and event time of each group (of a group without events the first event time).
    group : array of shape (n,)
        The last group at which each row is at risk.
    enter : array of shape (n,), or empty
        With delayed entry, the last group at which each row is not yet at risk.
    present, deaths, event_weight : arrays of shape (m,)
        Rows under observation, number of events and their weight.
    observed : array of shape (p,)
        Sum of weight × covariates over the events.
    linger : array of shape (n,), or empty
        What a row that stays in later risk sets after it left counts there, to be multiplied by `remaining`;
        0 for others. Only for subdistribution hazards.
    remaining : array of shape (m,), or empty
    """

    order: IntArray
    Z: FloatArray
    centre: FloatArray
    scale: FloatArray
    weight: FloatArray
    died: NDArray[np.bool_]
    start: IntArray
    stratum: IntArray
    time: FloatArray
    group: IntArray
    enter: IntArray
    present: IntArray
    deaths: IntArray
    event_weight: FloatArray
    observed: FloatArray
    linger: FloatArray
    remaining: FloatArray

    def by_entry(self) -> tuple[IntArray, IntArray]:
        """Return rows by the group after which they are at risk, and how many are there at each group.

        The second has shape (m + 1,); both are empty, or 0, without delayed entry.
        """
        joined = _ordered(self.enter, len(self.stratum))
        return joined, np.searchsorted(self.enter[joined], np.arange(len(self.stratum) + 1), side="left")

    def reach(self, stratum: int, time: FloatArray) -> IntArray:
        """Return the last group of `stratum` at or before each time."""
        first, last = np.searchsorted(self.stratum, [stratum, stratum + 1])
        return np.asarray(first + np.searchsorted(self.time[first + 1 : last], time, side="right"))


def sort_rows(
    records: Records, design: list[FloatArray], terms: tuple[str, ...], *, cause: int | None = None
) -> SortedRows:
    """Sort once, and centre and scale the covariates.

    Parameters
    ----------
    cause
        The position of the cause counted as the event; without it any cause is.

    Raises
    ------
    InputError
        On a covariate that is the same in every row.
    """
    T = len(records.axis)
    died = records.cause > 0 if cause is None else records.cause == cause
    key = records.stratum * T + records.exit
    keys, group, enter = _groups(records, key, died)
    m = len(keys) + len(records.strata)
    order = _ordered(group, m)
    group, died, enter = group[order], died[order], enter[order] if len(enter) else enter
    counts = np.bincount(group, minlength=m)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    weight = np.ones(len(key)) if records.weight is None else records.weight[order]
    Z, centre, scale = _standardised(design, terms, order)
    place = np.flatnonzero(died)
    stratum, time = _times(records, keys)
    return SortedRows(
        order=order,
        Z=Z,
        centre=centre,
        scale=scale,
        weight=weight,
        died=died,
        start=start,
        stratum=stratum,
        time=time,
        group=group,
        enter=enter,
        present=_present(counts, enter, stratum),
        deaths=np.bincount(group[place], minlength=m),
        event_weight=np.bincount(group[place], weights=weight[place], minlength=m),
        observed=weight[place] @ Z[place],
        linger=np.zeros(0),
        remaining=np.zeros(0),
    )


def _groups(records: Records, key: IntArray, died: NDArray[np.bool_]) -> tuple[IntArray, IntArray, IntArray]:
    """Return the distinct (stratum, event time), each row's group, and the group after which it enters."""
    T = len(records.axis)
    size = len(records.strata) * T
    begins = None if records.entry is None else records.stratum * T + records.entry
    if size <= _DENSE * len(key) + 1000:
        flag = np.zeros(size, dtype=bool)
        flag[key[died]] = True
        so_far = np.cumsum(flag)
        keys = np.flatnonzero(flag)
        left = so_far[key]
        came = None if begins is None else so_far[begins]
    else:
        keys = np.unique(key[died])
        left = np.searchsorted(keys, key, side="right")
        came = None if begins is None else np.searchsorted(keys, begins, side="right")
    # One group more in each stratum, for the rows that left before its first event.
    if len(records.strata) > 1:
        left = left + records.stratum
        came = None if came is None else came + records.stratum
    return keys, left, np.zeros(0, dtype=np.int64) if came is None else came


def _times(records: Records, keys: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the stratum and time of each group."""
    T, S = len(records.axis), len(records.strata)
    stratum = np.concatenate([keys // T, np.arange(S)])
    time = np.concatenate([records.axis[keys % T], np.full(S, -np.inf)])
    order = np.lexsort([time, stratum])
    stratum, time = stratum[order], time[order]
    earliest = time[np.isfinite(time)].min()
    return stratum, np.where(np.isfinite(time), time, earliest)


def _present(counts: IntArray, enter: IntArray, stratum: IntArray) -> IntArray:
    change = counts if not len(enter) else counts - np.bincount(enter, minlength=len(counts))
    total = np.cumsum(change[::-1])[::-1]
    after = np.concatenate([total, [0]])[np.searchsorted(stratum, stratum, side="right")]
    return np.asarray(total - after)


def _standardised(
    design: list[FloatArray], terms: tuple[str, ...], order: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    from soa_evidence.survival.cox_kernels import column_moments, place_rows

    if not design:
        return np.zeros((len(order), 0)), np.zeros(0), np.zeros(0)
    columns_ = np.empty((len(design), len(order)))

    def take(j: int) -> tuple[float, float]:
        columns_[j] = design[j]
        return column_moments(columns_[j])

    centre, scale = (np.array(each) for each in zip(*side_by_side(take, range(len(design))), strict=True))
    for j, term in enumerate(terms):
        if scale[j] <= 1e-12 * max(abs(centre[j]), 1e-300):
            raise InputError(
                f"Covariate '{term}' is {design[j][0]:g} in every row, so it explains nothing; leave it out."
            )
    Z = np.empty((len(order), len(design)))
    side_by_side(
        lambda span: place_rows(Z, columns_, order, *span, centre, scale), spans(len(order), _PLACED)
    )
    return Z, centre, scale


def _ordered(key: IntArray, size: int) -> IntArray:
    if size <= _DENSE * len(key) + 1000:
        from soa_evidence.survival.cox_kernels import counting_order

        return counting_order(key, size)
    return np.argsort(key, kind="stable")
