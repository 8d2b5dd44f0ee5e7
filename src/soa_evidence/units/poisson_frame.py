"""Counts beside what was expected, by unit and period: the checked form that `units.poisson` works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.units.cells import (
    require_at_most,
    require_columns,
    require_counts,
    require_one_group,
    require_present,
)

__all__ = ["Counts", "prepare"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FURTHEST = 20.0  # seen over expected, of all units together: beyond it expected numbers are not such
MOST_LEAST = 1000  # a publisher that hides counts as large as this hides nearly all


@dataclass(frozen=True, eq=False, kw_only=True)
class Counts:
    """Events and expected events by row: a unit, or a unit in one period.

    Attributes
    ----------
    units, groups : tuple of str
        Names of the J units and the G classes, sorted.
    group_of_unit : array of shape (J,)
    first : array of shape (J + 1,)
        Rows of unit j are ``first[j]`` up to, and without, ``first[j + 1]``.
    events, expected, trials : arrays of shape (R,)
    by_period : bool
        Whether rows are periods of a unit, between which its ratio may move.
    least : int
        Rows with fewer events cannot be among these; 0 where any may be.
    terms : tuple of str
        None: these models have no case mix beyond what is expected.
    """

    units: tuple[str, ...]
    groups: tuple[str, ...]
    group_of_unit: IntArray
    first: IntArray
    events: FloatArray
    expected: FloatArray
    trials: FloatArray
    by_period: bool
    least: int
    terms: tuple[str, ...] = ()

    def by_unit(self, values: FloatArray) -> FloatArray:
        """Sum `values`, one a row, over each unit's rows; shape (J,)."""
        return np.asarray(np.add.reduceat(values, self.first[:-1]))

    @property
    def unit(self) -> IntArray:
        """Position of each row's unit; shape (R,)."""
        return np.repeat(np.arange(len(self.units)), np.diff(self.first))

    @property
    def average_per_1000(self) -> float:
        """Expected events per 1,000 procedures, all units together."""
        return float(1000 * self.expected.sum() / self.trials.sum())


def prepare(
    frame: pd.DataFrame,
    *,
    events: str,
    expected: str,
    trials: str,
    unit: str,
    group: str,
    period: str | None,
    at_least: int | None,
) -> Counts:
    """Check a frame of counts and return it as `Counts`; without periods a unit's rows are added up.

    Raises
    ------
    InputError
        On missing columns, counts or classes; expected numbers that are not above 0, or all far from what was
        seen; a period twice; several rows a unit, or a count too small, where counts are cut off.
    """
    keys = [unit, group] if period is None else [unit, group, period]
    require_columns(frame, [events, expected, trials, *keys])
    if frame.empty:
        raise InputError("The frame of counts is empty; expected at least one row a unit.")
    require_counts(frame, events)
    require_counts(frame, trials)
    require_at_most(frame, events, trials)
    _require_expected(frame, expected)
    empty = frame[trials].to_numpy(float) == 0
    if empty.any():
        raise InputError(
            f"Column '{trials}', row {int(np.argmax(empty))}: 0; events cannot be expected without procedures. "
            "Leave the row out."
        )
    for column in keys:
        require_present(frame, column)
    require_one_group(frame, unit, group)
    least = _require_least(frame, events, unit, period, at_least)
    seen, due = float(frame[events].sum()), float(frame[expected].sum())
    if not 1 / FURTHEST <= max(seen, 0.5) / due <= FURTHEST:
        raise InputError(
            f"'{events}' add up to {seen:g} and '{expected}' to {due:g}, a ratio beyond {FURTHEST:g}; expected "
            "events are counts on the scale of those seen. For time at risk, give it times a reference rate."
        )
    kept = frame[[*keys, events, expected, trials]].assign(**{key: frame[key].astype(str) for key in keys})
    if period is not None:
        twice = kept.duplicated([unit, period]).to_numpy()
        if twice.any():
            at = int(np.argmax(twice))
            raise InputError(
                f"Row {at}: unit '{kept[unit].iloc[at]}' has period '{kept[period].iloc[at]}' twice; "
                "expected one row a unit and period. Add them up first."
            )
    rows = kept.groupby(keys, observed=True, sort=True)[[events, expected, trials]].sum().reset_index()
    rows = rows.sort_values([unit, *keys[2:]], kind="stable")
    units, first = np.unique(rows[unit].to_numpy(str), return_index=True)
    groups, group_of_unit = np.unique(rows[group].to_numpy(str)[first], return_inverse=True)
    return Counts(
        units=tuple(map(str, units)),
        groups=tuple(map(str, groups)),
        group_of_unit=group_of_unit.astype(np.int64),
        first=np.append(first, len(rows)).astype(np.int64),
        events=rows[events].to_numpy(float),
        expected=rows[expected].to_numpy(float),
        trials=rows[trials].to_numpy(float),
        by_period=period is not None,
        least=least,
    )


def _require_expected(frame: pd.DataFrame, column: str) -> None:
    values = frame[column]
    kinds = pd.api.types
    if kinds.is_bool_dtype(values) or not kinds.is_numeric_dtype(values):
        raise InputError(
            f"Column '{column}' holds {values.dtype} values; expected numbers of events above 0."
        )
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    broken = ~(np.isfinite(numbers) & (numbers > 0))
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(
            f"Column '{column}', row {at}: {values.iloc[at]}; expected a number of events above 0. Leave a row "
            "without patients out."
        )


def _require_least(
    frame: pd.DataFrame, events: str, unit: str, period: str | None, at_least: int | None
) -> int:
    if at_least is None:
        return 0
    whole = isinstance(at_least, int | np.integer) and not isinstance(at_least, bool)
    if not (whole and 1 <= at_least <= MOST_LEAST):
        raise InputError(
            f"at_least={at_least!r}: expected the smallest count that is published, a whole number from 1 to "
            f"{MOST_LEAST:,}; leave it out where every count is."
        )
    if period is not None:
        raise InputError("at_least is for one count a unit; leave period out, or give no at_least.")
    below = frame[events].to_numpy(float) < at_least
    if below.any():
        at = int(np.argmax(below))
        raise InputError(
            f"Column '{events}', row {at}: {frame[events].iloc[at]}, yet at_least={at_least} says that no "
            "smaller count is published. Is at_least right?"
        )
    twice = frame[unit].duplicated().to_numpy()
    if twice.any():
        raise InputError(
            f"Row {int(np.argmax(twice))}: unit {frame[unit].iloc[int(np.argmax(twice))]!r} has several rows; "
            "with at_least each unit has one, because each count was cut off by itself."
        )
    return int(at_least)
