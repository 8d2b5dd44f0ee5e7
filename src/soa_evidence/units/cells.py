"""Counts by unit and case-mix pattern: the checked, compact form that unit comparisons work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence import errors
from soa_evidence.errors import InputError

__all__ = [
    "Cells",
    "design_matrix",
    "prepare",
    "require_columns",
    "require_counts",
    "require_one_group",
    "require_present",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """Events and trials by unit and case-mix pattern.

    Attributes
    ----------
    units, groups : tuple of str
        Names of the J units and the G groups (classes), sorted.
    group_of_unit : array of shape (J,)
        Position in `groups` of each unit's group.
    unit, pattern : arrays of shape (C,)
        Position of the unit and of the case-mix pattern of each cell.
    events, trials : arrays of shape (C,)
    patterns : DataFrame with P rows
        Levels of the case-mix factors of each pattern.
    design : array of shape (P, K)
        One column per level of a factor other than its commonest, centred on the reference population, so
        that the linear predictor of the reference population's average pattern is the unit's own level.
    terms : tuple of str
        What each column of `design` says, as ``"factor: level v reference"``.
    reference_weights : array of shape (P,)
        Share of each pattern in the reference population: all trials of all units.
    """

    units: tuple[str, ...]
    groups: tuple[str, ...]
    group_of_unit: IntArray
    unit: IntArray
    pattern: IntArray
    events: FloatArray
    trials: FloatArray
    patterns: pd.DataFrame
    design: FloatArray
    terms: tuple[str, ...]
    reference_weights: FloatArray

    def by_unit(self, values: FloatArray) -> FloatArray:
        """Sum `values`, one per cell, over the cells of each unit; shape (J,)."""
        return np.bincount(self.unit, weights=values, minlength=len(self.units))

    def units_of(self, groups: Sequence[str]) -> NDArray[np.bool_]:
        """Return a mask over units: those whose group is among `groups`."""
        return np.isin(self.group_of_unit, [self.groups.index(group) for group in groups])


def prepare(
    frame: pd.DataFrame, *, events: str, trials: str, unit: str, group: str, case_mix: Sequence[str]
) -> Cells:
    """Check a frame of counts and return it as `Cells`.

    Rows with no trials are left out, rows of the same unit and pattern are added up; nothing else is dropped.

    Raises
    ------
    InputError
        On a missing column, an empty frame, a count that is missing, negative, fractional or not a number,
        events above trials, a missing unit, group or case-mix level, a unit in two groups, or no trials.
    """
    case_mix = [case_mix] if isinstance(case_mix, str) else list(case_mix)
    require_columns(frame, [events, trials, unit, group, *case_mix])
    if frame.empty:
        raise InputError("The frame of counts is empty; expected at least one row with trials.")
    require_counts(frame, events)
    require_counts(frame, trials)
    require_at_most(frame, events, trials)
    for column in [unit, group, *case_mix]:
        require_present(frame, column)
    require_one_group(frame, unit, group)

    kept = frame.loc[frame[trials].to_numpy() > 0, [unit, group, *case_mix, events, trials]]
    if kept.empty:
        raise InputError(f"Column '{trials}' is 0 in every row: there are no trials to compare.")
    keys = [unit, group, *case_mix]
    text = kept.assign(**{key: kept[key].astype(str) for key in keys})
    summed = text.groupby(keys, observed=True, sort=True)[[events, trials]].sum().reset_index()
    return _assemble(summed, events=events, trials=trials, unit=unit, group=group, case_mix=case_mix)


def _assemble(
    summed: pd.DataFrame, *, events: str, trials: str, unit: str, group: str, case_mix: list[str]
) -> Cells:
    units, unit_at = np.unique(summed[unit].to_numpy(str), return_inverse=True)
    group_by_unit = summed.drop_duplicates(unit).set_index(unit)[group].reindex(units).to_numpy(str)
    groups, group_of_unit = np.unique(group_by_unit, return_inverse=True)
    if case_mix:
        codes = summed.groupby(case_mix, observed=True, sort=True).ngroup().to_numpy()
        patterns = summed[case_mix].drop_duplicates().sort_values(case_mix).reset_index(drop=True)
    else:
        codes, patterns = np.zeros(len(summed), dtype=np.int64), pd.DataFrame(index=[0])
    counts = summed[trials].to_numpy(float)
    weights = np.bincount(codes, weights=counts, minlength=len(patterns))
    weights /= weights.sum()
    design, terms = design_matrix(patterns, weights)
    return Cells(
        units=tuple(map(str, units)),
        groups=tuple(map(str, groups)),
        group_of_unit=group_of_unit.astype(np.int64),
        unit=unit_at.astype(np.int64),
        pattern=codes.astype(np.int64),
        events=summed[events].to_numpy(float),
        trials=counts,
        patterns=patterns,
        design=design,
        terms=terms,
        reference_weights=weights,
    )


def design_matrix(patterns: pd.DataFrame, weights: FloatArray) -> tuple[FloatArray, tuple[str, ...]]:
    """Make indicator columns against each factor's commonest level, centred on the reference."""
    columns, terms = [], []
    for factor in patterns.columns:
        levels = patterns[factor].to_numpy(str)
        share = pd.Series(weights).groupby(levels).sum()
        # The commonest level is the reference: best estimated, and the choice does not touch any risk.
        reference = str(share.idxmax())
        for level in sorted(map(str, set(share.index) - {reference})):
            columns.append((levels == level).astype(float))
            terms.append(f"{factor}: {level} v {reference}")
    design = np.array(columns).T if columns else np.zeros((len(patterns), 0))
    return design - weights @ design, tuple(terms)


def require_columns(frame: pd.DataFrame, needed: Sequence[str]) -> None:
    """Refuse a frame that lacks a column, has it twice, or uses one for two purposes."""
    repeated = sorted({name for name in needed if needed.count(name) > 1})
    if repeated:
        raise InputError(
            f"Column '{repeated[0]}' is named for two purposes; each purpose needs its own column."
        )
    errors.require_columns(frame.columns, needed)
    for name in needed:
        if list(frame.columns).count(name) > 1:
            raise InputError(f"The frame has more than one column '{name}'; give each its own name.")


def require_counts(frame: pd.DataFrame, column: str) -> None:
    """Refuse values that are not whole numbers from 0 up."""
    values = frame[column]
    kinds = pd.api.types
    if not (kinds.is_integer_dtype(values) or kinds.is_float_dtype(values)):
        raise InputError(f"Column '{column}' holds {values.dtype} values; expected whole-number counts.")
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    rules = [
        (~np.isfinite(numbers), "expected a count; fill it or leave the row out on purpose"),
        (numbers < 0, "a count cannot be negative"),
        (numbers != np.round(numbers), "a count must be a whole number"),
    ]
    for broken, rule in rules:
        if broken.any():
            at = int(np.argmax(broken))
            more = f" ({int(broken.sum())} such rows)" if broken.sum() > 1 else ""
            raise InputError(f"Column '{column}', row {at}: {values.iloc[at]}; {rule}{more}.")


def require_at_most(frame: pd.DataFrame, events: str, trials: str) -> None:
    """Refuse more events than trials."""
    above = frame[events].to_numpy(float) > frame[trials].to_numpy(float)
    if above.any():
        at = int(np.argmax(above))
        raise InputError(
            f"Row {at}: {frame[events].iloc[at]} events in '{events}' out of {frame[trials].iloc[at]} trials "
            f"in '{trials}'; events cannot exceed trials. Are the two columns exchanged?"
        )


def require_present(frame: pd.DataFrame, column: str) -> None:
    """Refuse a missing unit, class or case-mix level."""
    missing = frame[column].isna().to_numpy()
    if missing.any():
        raise InputError(
            f"Column '{column}', row {int(np.argmax(missing))}: missing. Name it as a level of its own, such "
            "as 'unknown', so that it is seen."
        )


def require_one_group(frame: pd.DataFrame, unit: str, group: str) -> None:
    """Refuse a unit that is in two classes."""
    pairs = frame[[unit, group]].astype(str).drop_duplicates()
    twice = pairs[pairs.duplicated(unit, keep=False)].sort_values([unit, group])
    if len(twice):
        name = twice[unit].iloc[0]
        named = ", ".join(repr(g) for g in twice.loc[twice[unit] == name, group])
        raise InputError(
            f"Unit '{name}' is in more than one group of '{group}': {named}. A unit has one class."
        )
