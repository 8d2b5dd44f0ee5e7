"""Procedures as sufficient statistics: events and time at risk by unit, band of time and case-mix pattern.

With hazards constant within a band, the likelihood of a million procedures is that of counts in cells. The
rows are read once, here; nothing after this knows how many there were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival import columns
from soa_evidence.survival.exposure import collapse, patterns

__all__ = ["Cells", "prepare"]

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
    beyond: int

    def by_group(self, values: FloatArray) -> FloatArray:
        """Sum values, one a unit in their first dimension, over the units of each class."""
        total = np.zeros((len(self.groups), *values.shape[1:]))
        np.add.at(total, self.group_of_unit, values)
        return total

    def units_of(self, groups: Sequence[str]) -> NDArray[np.bool_]:
        """Return a mask over units: those whose class is among `groups`."""
        return np.isin(self.group_of_unit, [self.groups.index(group) for group in groups])


def prepare(
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
    columns.require(frame, [time, event, unit, group, *case_mix])
    stop = columns.numbers(frame, time, "a time")
    columns.refuse(frame, time, stop > LONGEST_YEARS, "expected years; divide days by 365.25, months by 12")
    _require_levels(frame, case_mix)
    by = [unit, group, *case_mix]
    counted = collapse(
        frame,
        time=time,
        event=event,
        breaks=list(breaks[1:]),
        by=by,
        entry=entry,
        competing=True,
        causes=causes,
    )
    unit_at, units = columns.factorise(counted, [unit])
    group_at, groups = columns.factorise(counted, [group])
    group_of_unit = _one_group(unit_at, group_at, units, groups, unit, group)
    pattern_at, first = patterns(counted, case_mix)
    named = counted[list(case_mix)].iloc[first].astype(str).reset_index(drop=True)
    J, B, P, G = len(units), len(breaks) - 1, len(first), len(groups)
    if J * B * P > MOST_CELLS:
        raise InputError(
            f"{J:,} units, {B} bands and {P:,} case-mix patterns make {J * B * P:,} cells; at most "
            f"{MOST_CELLS:,} are worked with. Use fewer or coarser case-mix factors, or fewer bands."
        )
    band = counted["band"].to_numpy()
    inside = band < B

    def add(values: NDArray[Any], key: IntArray, *shape: int) -> FloatArray:
        total = np.bincount(key[inside], weights=values[inside], minlength=int(np.prod(shape)))
        return total.reshape(shape)

    spent = counted["person_time"].to_numpy()
    person_years = add(spent, (unit_at * B + band) * P + pattern_at, J, B, P)
    _require_observed(person_years.sum(axis=(0, 2)), breaks, float(stop.max()))
    revised, died = (counted[f"events_{causes[k]}"].to_numpy() for k in (1, 2))
    if not revised[inside].any():
        raise InputError(
            f"Column '{event}' has no event 1 ({causes[1]}) up to {breaks[-1]:g} years: nothing to compare."
        )
    unit_of_row, _ = columns.factorise(frame, [unit])
    pattern_of_row, _ = patterns(frame, case_mix)
    share = np.bincount(pattern_of_row, minlength=P) / len(frame)
    design, terms = _design(named, share)
    at_risk, events = _numbers(frame, group, event, entry, stop, grid)
    return Cells(
        units=units,
        groups=groups,
        group_of_unit=group_of_unit,
        breaks=breaks,
        patterns=named,
        design=design,
        terms=terms,
        share=share,
        patients=np.bincount(unit_of_row, minlength=J).astype(float),
        person_years=person_years,
        revisions=add(revised, unit_at * B + band, J, B),
        revisions_by_pattern=add(revised, pattern_at, P),
        deaths=add(died, group_at * B + band, G, B),
        deaths_by_pattern=add(died, pattern_at, P),
        causes=(causes[1], causes[2]),
        grid=grid,
        at_risk=at_risk,
        events=events,
        beyond=int(revised[~inside].sum()),
    )


def _numbers(
    frame: pd.DataFrame, group: str, event: str, entry: str | None, stop: FloatArray, grid: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Numbers at risk (G, T) just before each time of `grid`, and events (2, G, T) up to it."""
    of_row, groups = columns.factorise(frame, [group])
    start = np.zeros(len(frame)) if entry is None else frame[entry].to_numpy(float)
    cause = frame[event].to_numpy(float)
    at_risk = _still_at(grid, stop, of_row, len(groups)) - _still_at(grid, start, of_row, len(groups))
    events = np.empty((2, *at_risk.shape))
    for k in (1, 2):
        had = cause == k
        total = np.bincount(of_row[had], minlength=len(groups))
        events[k - 1] = total[:, None] - _after(grid, stop[had], of_row[had], len(groups))
    return at_risk, events


def _still_at(grid: FloatArray, times: FloatArray, of_row: IntArray, n_groups: int) -> FloatArray:
    """How many of each class have `times` at or after each grid time; shape (G, T)."""
    place = np.searchsorted(grid, times, side="right")  # how many grid times are at or before it
    return _beyond(place, len(grid), of_row, n_groups)


def _after(grid: FloatArray, times: FloatArray, of_row: IntArray, n_groups: int) -> FloatArray:
    """How many of each class have `times` after each grid time; shape (G, T)."""
    return _beyond(np.searchsorted(grid, times, side="left"), len(grid), of_row, n_groups)


def _beyond(place: IntArray, size: int, of_row: IntArray, n_groups: int) -> FloatArray:
    counts = np.bincount(of_row * (size + 1) + place, minlength=n_groups * (size + 1))
    return counts.reshape(n_groups, -1)[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:].astype(float)


def _require_levels(frame: pd.DataFrame, case_mix: Sequence[str]) -> None:
    for name in case_mix:
        count = int(frame[name].nunique())
        if count > MOST_LEVELS:
            raise InputError(
                f"Case-mix column '{name}' has {count:,} distinct values; every value is a level. Cut a "
                f"measurement into bands first (at most {MOST_LEVELS} levels)."
            )


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
    unit_at: IntArray,
    group_at: IntArray,
    units: tuple[str, ...],
    groups: tuple[str, ...],
    unit: str,
    group: str,
) -> IntArray:
    pairs = np.flatnonzero(np.bincount(unit_at * len(groups) + group_at))
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
