"""The choices of a specification curve, checked, and the counts that each combination of them needs.

When not to use it: by itself; `units.specification_curve` calls it.

Checked against: every message in tests/unit/test_units_specification_input.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest, require_columns
from soa_evidence.units.cells import prepare as prepare_cells

__all__ = ["COMPARATOR", "SPECIALIST", "Counts", "Grid", "Role", "prepare", "size_name"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SPECIALIST, COMPARATOR = "specialist", "comparator"
MOST_SPECIFICATIONS = 20_000
LEFT_OUT = -1
#: Columns of the result that a choice may not be called.
TAKEN = {"case_mix", "smallest_unit", "estimator", "estimand_kind", "estimate", "std_error", "lower", "upper"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Role:
    """One way to put units into classes.

    Attributes
    ----------
    options : dict
        Choice to option.
    code : array of shape (J,)
        0 specialist, 1 comparator, 2 and above further classes, -1 left out.
    names : tuple of str
        Of the classes, by code.
    """

    options: dict[str, str]
    code: IntArray
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Counts:
    """Counts by unit and pattern for one choice of rows and of case mix."""

    options: dict[str, str]
    columns: tuple[str, ...]
    rows: NDArray[np.bool_]
    design: FloatArray
    events: FloatArray
    trials: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid:
    """Everything that is varied.

    Attributes
    ----------
    units : tuple of str
    strata : array of shape (J,)
        Within which labels of units may be exchanged.
    roles : tuple of Role
    smallest : tuple of int
    choices : dict
        Choice to its options, in the order given; the first of each is the headline's.
    """

    frame: pd.DataFrame
    unit: str
    units: tuple[str, ...]
    unit_of_row: IntArray
    events: FloatArray
    trials: FloatArray
    strata: IntArray
    roles: tuple[Role, ...]
    case_mix: dict[str, tuple[str, ...]]
    leave_out: dict[str, dict[str, dict[str, tuple[str, ...]]]]
    smallest: tuple[int, ...]
    choices: dict[str, tuple[str, ...]]

    def counts(self) -> Iterator[Counts]:
        """Yield counts for every choice of rows and case mix, one by one: all at once would be large."""
        for name, columns in self.case_mix.items():
            pattern, design = _patterns(self.frame, columns, self.trials)
            shape = (len(self.units), len(design))
            cell = self.unit_of_row * shape[1] + pattern
            for options, rows in self._subsets():
                many = shape[0] * shape[1]
                events, trials = (
                    np.bincount(cell[rows], weights=values[rows], minlength=many).reshape(shape)
                    for values in (self.events, self.trials)
                )
                some = trials.sum(axis=0) > 0
                yield Counts(
                    options={"case_mix": name, **options},
                    columns=columns,
                    rows=rows,
                    design=design[some],
                    events=events[:, some],
                    trials=trials[:, some],
                )

    def _subsets(self) -> Iterator[tuple[dict[str, str], NDArray[np.bool_]]]:
        for chosen in product(*(options.items() for options in self.leave_out.values())):
            rows = np.ones(len(self.frame), dtype=bool)
            for _, without in chosen:
                for column, values in without.items():
                    rows &= ~self.frame[column].isin(values).to_numpy()
            yield dict(zip(self.leave_out, (name for name, _ in chosen), strict=True)), rows


def _patterns(frame: pd.DataFrame, columns: Sequence[str], trials: FloatArray) -> tuple[IntArray, FloatArray]:
    """Code of each row's case-mix pattern, and one column for each level but each factor's commonest."""
    if not columns:
        return np.zeros(len(frame), dtype=np.int64), np.zeros((1, 0))
    codes = frame.groupby(list(columns), sort=True, observed=True).ngroup().to_numpy()
    first = frame[list(columns)].iloc[np.unique(codes, return_index=True)[1]]
    made = []
    for column in columns:
        share = pd.Series(trials).groupby(frame[column].to_numpy()).sum()
        levels = first[column].to_numpy()
        made += [(levels == level).astype(float) for level in sorted(set(share.index) - {share.idxmax()})]
    design = np.column_stack(made) if made else np.zeros((len(first), 0))
    return codes.astype(np.int64), np.asarray(design, dtype=float)


def prepare(
    frame: pd.DataFrame,
    *,
    events: str,
    trials: str,
    unit: str,
    roles: pd.DataFrame,
    case_mix: Mapping[str, Sequence[str]],
    leave_out: Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]],
    smallest: Sequence[int],
    estimators: Sequence[str],
    known_estimators: Sequence[str],
) -> Grid:
    """Check the frame and the choices and return them as a `Grid`.

    Raises
    ------
    InputError
        See `specification_curve.fit`.
    """
    _require_named(case_mix, "case_mix")
    columns = list(dict.fromkeys(column for named in case_mix.values() for column in named))
    without = {
        choice: {name: {c: tuple(v) for c, v in rule.items()} for name, rule in options.items()}
        for choice, options in leave_out.items()
    }
    columns += [
        column
        for options in without.values()
        for rule in options.values()
        for column in rule
        if column not in columns
    ]
    # The checks of counts and names are those of the model; one class stands in for all of them.
    everything = frame.assign(_one_class="all") if isinstance(frame, pd.DataFrame) else None
    if everything is None:
        raise InputError(f"Expected a pandas frame; got a {type(frame).__name__}.")
    prepare_cells(everything, events=events, trials=trials, unit=unit, group="_one_class", case_mix=columns)
    kept = frame.loc[frame[trials].to_numpy() > 0]
    text = kept[[unit, *columns]].astype(str).reset_index(drop=True)
    _require_levels(text, without)
    units, at = np.unique(text[unit].to_numpy(str), return_inverse=True)
    read, strata = _roles(roles, unit, tuple(map(str, units)))
    sizes = _smallest(smallest)
    for name in estimators:
        if name not in known_estimators:
            raise InputError(
                f"There is no estimator {name!r}.{nearest(name, known_estimators)} "
                f"Expected some of: {', '.join(known_estimators)}."
            )
    if not estimators:
        raise InputError("estimators is empty; name at least one.")
    choices = {
        **{choice: tuple(dict.fromkeys(r.options[choice] for r in read)) for choice in read[0].options},
        "case_mix": tuple(case_mix),
        **{choice: tuple(options) for choice, options in without.items()},
        "smallest_unit": tuple(map(size_name, sizes)),
        "estimator": tuple(estimators),
    }
    many = len(read) * len(case_mix) * len(sizes) * len(estimators)
    many *= int(np.prod([len(options) for options in without.values()] or [1]))
    if many > MOST_SPECIFICATIONS:
        raise InputError(
            f"The choices make {many:,} specifications; at most {MOST_SPECIFICATIONS:,} are run. "
            "Leave some out."
        )
    return Grid(
        frame=text,
        unit=unit,
        units=tuple(map(str, units)),
        unit_of_row=at.astype(np.int64),
        events=kept[events].to_numpy(float),
        trials=kept[trials].to_numpy(float),
        strata=strata,
        roles=read,
        case_mix={name: tuple(named) for name, named in case_mix.items()},
        leave_out=without,
        smallest=sizes,
        choices=choices,
    )


def _require_named(given: Mapping[str, Sequence[str]], what: str) -> None:
    if not isinstance(given, Mapping) or not given:
        raise InputError(f"{what} is {given!r}; expected names of choices, each with its columns.")
    for name, columns in given.items():
        if isinstance(columns, str):
            raise InputError(f"{what} {name!r} is the text {columns!r}; expected a list of columns.")


def _require_levels(
    text: pd.DataFrame, leave_out: Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]]
) -> None:
    for choice, options in leave_out.items():
        if choice in TAKEN:
            raise InputError(
                f"leave_out has a choice {choice!r}, which is the name of a column of the result."
            )
        if not options:
            raise InputError(f"leave_out {choice!r} has no options; give at least one.")
        for name, rule in options.items():
            for column, values in rule.items():
                known = set(text[column])
                for value in values:
                    if value not in known:
                        raise InputError(
                            f"leave_out {choice!r}, option {name!r}: column '{column}' never is {value!r}."
                            f"{nearest(value, known)} It is: {', '.join(sorted(known)[:8])}."
                        )
                if known <= set(values):
                    raise InputError(
                        f"leave_out {choice!r}, option {name!r} leaves out every value of '{column}'."
                    )


def _smallest(given: Sequence[int]) -> tuple[int, ...]:
    if isinstance(given, int) or not given:
        raise InputError(f"smallest is {given!r}; expected a list of numbers of patients, such as [0, 30].")
    for value in given:
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
            raise InputError(f"smallest holds {value!r}; expected whole numbers of patients, 0 or more.")
    return tuple(dict.fromkeys(max(int(value), 1) for value in given))


def size_name(least: int) -> str:
    """Return the option of counting units from so many patients on."""
    return "every unit" if least <= 1 else f"{least:,} patients or more"


def _roles(roles: pd.DataFrame, unit: str, units: tuple[str, ...]) -> tuple[tuple[Role, ...], IntArray]:
    if not isinstance(roles, pd.DataFrame):
        raise InputError(
            f"roles is a {type(roles).__name__}; expected a frame, such as units.classes.roles()."
        )
    require_columns(roles.columns, (unit, "role"), what="roles")
    named = [str(c) for c in roles.columns if c not in (unit, "role", "stratum")]
    for choice in named:
        if choice in TAKEN:
            raise InputError(f"roles has a choice {choice!r}, which is the name of a column of the result.")
    strata = _strata(roles, unit, units)
    parts = [((), roles)] if not named else list(roles.groupby(named, sort=False))
    read = []
    for key, part in parts:
        options = dict(zip(named, map(str, key if isinstance(key, tuple) else (key,)), strict=True))
        shown = ", ".join(options.values()) or "the only one"
        if part[unit].duplicated().any():
            twice = part.loc[part[unit].duplicated(), unit].iloc[0]
            raise InputError(f"roles ({shown}): unit {str(twice)!r} is listed twice.")
        known = part.set_index(part[unit].astype(str))["role"]
        absent = [name for name in units if name not in known.index]
        if absent:
            raise InputError(
                f"roles ({shown}): unit {absent[0]!r} of the frame is not listed; give it a role, or None to "
                "leave it out."
            )
        of_unit = known.reindex(list(units))
        present = [str(name) for name in of_unit.dropna().unique()]
        for needed in (SPECIALIST, COMPARATOR):
            if needed not in present:
                raise InputError(f"roles ({shown}): no unit with data has the role '{needed}'.")
        names = (SPECIALIST, COMPARATOR, *sorted(set(present) - {SPECIALIST, COMPARATOR}))
        code = of_unit.map({name: at for at, name in enumerate(names)}).fillna(LEFT_OUT).to_numpy(int)
        read.append(Role(options=options, code=code.astype(np.int64), names=names))
    return tuple(read), strata


def _strata(roles: pd.DataFrame, unit: str, units: tuple[str, ...]) -> IntArray:
    if "stratum" not in roles.columns:
        return np.zeros(len(units), dtype=np.int64)
    pairs = roles[[unit, "stratum"]].astype(str).drop_duplicates()
    if pairs[unit].duplicated().any():
        twice = pairs.loc[pairs[unit].duplicated(), unit].iloc[0]
        raise InputError(f"roles: unit {twice!r} is in more than one stratum.")
    known = pairs.set_index(unit)["stratum"].reindex(list(units))
    return known.fillna("").astype("category").cat.codes.to_numpy().astype(np.int64)
