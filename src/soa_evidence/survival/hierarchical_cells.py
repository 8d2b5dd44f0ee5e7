"""Procedures as sufficient statistics: events and time at risk by unit, band of time and case-mix pattern.

With hazards constant within a band, the likelihood of a million procedures is that of counts in cells. The
rows are read once, here; nothing after this knows how many there were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival import columns
from soa_evidence.survival.records import prepare

__all__ = ["Cells", "collapse"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_LEVELS = 60  # of one case-mix factor; beyond it the column is a measurement
MOST_CELLS = 20_000_000
LONGEST_YEARS = 100.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """Events and person-years by unit (J), band (B) and case-mix pattern (P); classes G; grid of T times.

    Attributes
    ----------
    units, groups : tuple of str
        Names of the units and of the classes, sorted.
    group_of_unit : array of shape (J,)
    breaks : array of shape (B + 1,)
        Ends of the bands, years, from 0.
    patterns : DataFrame with P rows
        Levels of the case-mix factors of each pattern.
    design : array of shape (P, K)
        Indicators of each level other than its factor's commonest, centred on all patients, so that a unit's
        level is its log hazard for the average case mix.
    terms : tuple of str
        What each column of `design` says, as ``"factor: level v commonest"``.
    share : array of shape (P,)
        Of all patients, the share with each pattern: the reference population.
    patients : array of shape (J,)
    person_years : array of shape (J, B, P)
    revisions : array of shape (J, B)
    revisions_by_pattern : array of shape (P,)
    deaths : array of shape (G, B)
    deaths_by_pattern : array of shape (P,)
    causes : tuple of str
        Names of the event of interest and of the one that competes.
    grid : array of shape (T,)
        Times, years, from above 0 to the last break, that curves are given at.
    at_risk : array of shape (G, T)
        Under observation just before each time.
    events : array of shape (2, G, T)
        Revisions and deaths up to and including each time.
    last_observed : array of shape (G,)
        Longest time, years, that anyone of each class was observed.
    beyond : int
        Revisions after the last break, which the fit leaves out.
    """

    units: tuple[str, ...]
    groups: tuple[str, ...]
    group_of_unit: IntArray
    breaks: FloatArray
    patterns: pd.DataFrame
    design: FloatArray
    terms: tuple[str, ...]
    share: FloatArray
    patients: FloatArray
    person_years: FloatArray
    revisions: FloatArray
    revisions_by_pattern: FloatArray
    deaths: FloatArray
    deaths_by_pattern: FloatArray
    causes: tuple[str, ...]
    grid: FloatArray
    at_risk: FloatArray
    events: FloatArray
    last_observed: FloatArray
    beyond: int

    def by_group(self, values: FloatArray) -> FloatArray:
        """Sum values, one a unit in their first dimension, over the units of each class."""
        total = np.zeros((len(self.groups), *values.shape[1:]))
        np.add.at(total, self.group_of_unit, values)
        return total

    def units_of(self, groups: Sequence[str]) -> NDArray[np.bool_]:
        """Return a mask over units: those whose class is among `groups`."""
        return np.isin(self.group_of_unit, [self.groups.index(group) for group in groups])


def collapse(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    unit: str,
    group: str,
    case_mix: Sequence[str],
    breaks: FloatArray,
    grid: FloatArray,
    entry: str | None,
    causes: Mapping[int, str],
) -> Cells:
    """Check a frame of procedures and return it as `Cells`.

    Raises
    ------
    InputError
        Naming column and row, on a missing column or value, times that are negative or look like days, an
        event that is not 0, 1 or 2, entry at or after the end, a unit in two classes, a factor with too many
        levels, no revisions at all, or a band in which nobody is observed.
    """
    columns.require(frame, [unit, group, *case_mix])
    records = prepare(frame, time=time, event=event, entry=entry, competing=True, causes=causes)
    if records.axis[-1] > LONGEST_YEARS:
        stop = frame[time].to_numpy(float)
        columns.refuse(
            frame, time, stop > LONGEST_YEARS, "expected years; divide days by 365.25, months by 12"
        )
    start = np.zeros(len(frame)) if records.entry is None else records.axis[records.entry]
    stop, cause = records.axis[records.exit], records.cause
    unit_of_row, units = columns.factorise(frame, [unit])
    group_of_row, groups = columns.factorise(frame, [group])
    group_of_unit = _one_group(unit_of_row, group_of_row, units, groups, unit, group)
    pattern, patterns = _patterns(frame, case_mix)
    share = np.bincount(pattern, minlength=len(patterns)) / len(frame)
    design, terms = _design(patterns, share)

    J, B, P = len(units), len(breaks) - 1, len(patterns)
    if J * B * P > MOST_CELLS:
        raise InputError(
            f"{J:,} units, {B} bands and {P:,} case-mix patterns make {J * B * P:,} cells; at most "
            f"{MOST_CELLS:,} are worked with. Use fewer or coarser case-mix factors, or fewer bands."
        )
    person_years = _person_years(start, stop, unit_of_row * P + pattern, breaks, J * P).reshape(B, J, P)
    _require_observed(person_years.sum(axis=(1, 2)), breaks, float(stop.max()))
    # A band is open at its start and closed at its end; an event on day 0 belongs to the first.
    band = np.maximum(np.searchsorted(breaks, stop, side="left") - 1, 0)
    within = stop <= breaks[-1]
    revised, died = ((cause == k) & within for k in (1, 2))
    if not revised.any():
        raise InputError(
            f"Column '{event}' has no event 1 ({causes[1]}) up to {breaks[-1]:g} years: nothing to compare."
        )
    return Cells(
        units=units,
        groups=groups,
        group_of_unit=group_of_unit,
        breaks=breaks,
        patterns=patterns,
        design=design,
        terms=terms,
        share=share,
        patients=np.bincount(unit_of_row, minlength=J).astype(float),
        person_years=np.ascontiguousarray(person_years.transpose(1, 0, 2)),
        revisions=_count(unit_of_row[revised] * B + band[revised], (J, B)),
        revisions_by_pattern=_count(pattern[revised], (P,)),
        deaths=_count(group_of_row[died] * B + band[died], (len(groups), B)),
        deaths_by_pattern=_count(pattern[died], (P,)),
        causes=(causes[1], causes[2]),
        grid=grid,
        at_risk=_still_at(grid, stop, group_of_row, len(groups))
        - _still_at(grid, start, group_of_row, len(groups)),
        events=np.stack(
            [_by_then(grid, stop[cause == k], group_of_row[cause == k], len(groups)) for k in (1, 2)]
        ),
        last_observed=np.array([stop[group_of_row == g].max() for g in range(len(groups))]),
        beyond=int(((cause == 1) & ~within).sum()),
    )


def _person_years(
    start: FloatArray, stop: FloatArray, key: IntArray, breaks: FloatArray, size: int
) -> FloatArray:
    total = np.empty((len(breaks) - 1, size))
    for b, (low, high) in enumerate(zip(breaks[:-1], breaks[1:], strict=True)):
        spent = np.minimum(stop, high)
        spent -= np.maximum(start, low)
        np.maximum(spent, 0.0, out=spent)
        total[b] = np.bincount(key, weights=spent, minlength=size)
    return total


def _count(key: IntArray, shape: tuple[int, ...]) -> FloatArray:
    return np.bincount(key, minlength=int(np.prod(shape))).reshape(shape).astype(float)


def _still_at(grid: FloatArray, times: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """How many of each class have `times` at or after each grid time; shape (G, T)."""
    place = np.searchsorted(grid, times, side="right")  # grid times at or before it
    counts = np.bincount(group * (len(grid) + 1) + place, minlength=n_groups * (len(grid) + 1))
    counts = counts.reshape(n_groups, -1)
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:].astype(float)


def _by_then(grid: FloatArray, times: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    place = np.searchsorted(grid, times, side="left")
    counts = np.bincount(group * (len(grid) + 1) + place, minlength=n_groups * (len(grid) + 1))
    return counts.reshape(n_groups, -1)[:, :-1].cumsum(axis=1).astype(float)


def _patterns(frame: pd.DataFrame, case_mix: Sequence[str]) -> tuple[IntArray, pd.DataFrame]:
    """Code of each row's case-mix pattern, and the patterns that occur."""
    if not case_mix:
        return np.zeros(len(frame), dtype=np.int64), pd.DataFrame(index=[0])
    code, levels = np.zeros(len(frame), dtype=np.int64), []
    for name in case_mix:
        codes, labels = columns.factorise(frame, [name])
        if len(labels) > MOST_LEVELS:
            raise InputError(
                f"Case-mix column '{name}' has {len(labels):,} distinct values; every value is a level. Cut a "
                f"measurement into bands first (at most {MOST_LEVELS} levels)."
            )
        code = code * len(labels) + codes
        levels.append(labels)
    size = int(np.prod([len(labels) for labels in levels]))
    seen = np.flatnonzero(np.bincount(code, minlength=size)) if size < 10**7 else np.unique(code)
    places = np.unravel_index(seen, [len(labels) for labels in levels])
    named = {
        name: np.array(labels, dtype=object)[at]
        for name, labels, at in zip(case_mix, levels, places, strict=True)
    }
    return np.searchsorted(seen, code), pd.DataFrame(named)


def _design(patterns: pd.DataFrame, share: FloatArray) -> tuple[FloatArray, tuple[str, ...]]:
    made, terms = [], []
    for factor in patterns.columns:
        size = pd.Series(share).groupby(patterns[factor].to_numpy()).sum()
        # The commonest level is the reference: best estimated, and the choice does not touch any risk.
        commonest = str(size.idxmax())
        for level in sorted(set(size.index) - {commonest}):
            made.append((patterns[factor] == level).to_numpy(float))
            terms.append(f"{factor}: {level} v {commonest}")
    design = np.column_stack(made) if made else np.zeros((len(patterns), 0))
    return design - share @ design, tuple(terms)


def _one_group(
    unit_of_row: IntArray,
    group_of_row: IntArray,
    units: tuple[str, ...],
    groups: tuple[str, ...],
    unit: str,
    group: str,
) -> IntArray:
    pairs = np.flatnonzero(np.bincount(unit_of_row * len(groups) + group_of_row))
    of_unit, of_group = pairs // len(groups), pairs % len(groups)
    twice = np.flatnonzero(np.diff(of_unit) == 0)
    if len(twice):
        j = of_unit[twice[0]]
        named = ", ".join(repr(groups[g]) for g in of_group[of_unit == j])
        raise InputError(
            f"Unit '{units[j]}' of '{unit}' is in more than one class of '{group}': {named}. A unit has one "
            "class; name its parts as units of their own if it changed."
        )
    return of_group.astype(np.int64)


def _require_observed(person_years: FloatArray, breaks: FloatArray, last: float) -> None:
    empty = np.flatnonzero(person_years <= 0)
    if len(empty):
        b = int(empty[0])
        raise InputError(
            f"Nobody is observed in the band from {breaks[b]:g} to {breaks[b + 1]:g} years (the last "
            f"observation ends at {last:g}). Give breaks= within what was observed."
        )
