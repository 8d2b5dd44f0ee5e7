"""What standardisation is done from: events and sizes by unit and stratum, checked row by row and added up.

When not to use it: by itself; `units.direct_standardisation` and `units.indirect_standardisation` call it.

Checked against: every message in tests/unit/test_units_standardisation_input.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest, require_columns

__all__ = [
    "Cells",
    "Kind",
    "amounts",
    "by_stratum",
    "choose",
    "counts",
    "labels",
    "prepare_level",
    "read",
]

FloatArray = NDArray[np.float64]
Kind = Literal["proportion", "rate"]
JOIN = " · "


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """Counts by unit and stratum, both sorted by name; a cell without a row has size 0.

    Attributes
    ----------
    units, strata : tuple of str
    events, size : array of shape (units, strata)
    """

    units: tuple[str, ...]
    strata: tuple[str, ...]
    events: FloatArray
    size: FloatArray


def read(
    frame: pd.DataFrame,
    *,
    unit: str | Sequence[str],
    stratum: str | Sequence[str],
    events: str,
    size: str,
    kind: Kind,
    more_strata: Mapping[str, float] | None = None,
) -> Cells:
    """Return the counts of each unit in each stratum; rows of one cell are added up.

    Parameters
    ----------
    more_strata
        By name, strata that count even where no unit has a row in them.

    Raises
    ------
    InputError
        Naming column and row.
    """
    if not _as_list(stratum):
        raise InputError("stratum names no column; give at least one, such as the age band.")
    if events == size:
        raise InputError(f"events and size are both '{events}'; expected two columns.")
    units, strata = labels(frame, unit, "unit"), labels(frame, stratum, "stratum")
    happened, at_risk = counts(frame, events), amounts(frame, size)
    if kind == "proportion":
        _refuse(frame, size, at_risk != np.round(at_risk), "expected a whole number of patients")
        _refuse(frame, events, happened > at_risk, "more events than the row has patients")
    _refuse(frame, events, (happened > 0) & (at_risk == 0), f"events where '{size}' is 0")
    named = sorted({*strata, *(more_strata or {})})
    known = sorted(set(units))
    row, column = ({name: at for at, name in enumerate(names)} for names in (known, named))
    cell = np.array([row[u] * len(named) + column[k] for u, k in zip(units, strata, strict=True)])
    shape = (len(known), len(named))
    total = np.bincount(cell, weights=at_risk, minlength=shape[0] * shape[1]).reshape(shape)
    if not total.any():
        raise InputError(f"Column '{size}' is 0 in every row, so there is nothing to standardise.")
    return Cells(
        units=tuple(known),
        strata=tuple(named),
        events=np.bincount(cell, weights=happened, minlength=total.size).reshape(shape),
        size=total,
    )


def by_stratum(
    frame: pd.DataFrame, given: str | pd.DataFrame, stratum: str | Sequence[str], *, name: str
) -> dict[str, float]:
    """Return one number, 0 or more, for each stratum, from a column of `frame` or a frame of its own.

    Raises
    ------
    InputError
        When a stratum has several numbers, or the frame is not of strata and one number each.
    """
    named = _as_list(stratum)
    if isinstance(given, str):
        _require(frame, [given])
        source, column = frame, given
    elif isinstance(given, pd.DataFrame):
        require_columns(given.columns, named, what=f"{name}=")
        others = [str(c) for c in given.columns if c not in named]
        if len(others) != 1:
            raise InputError(
                f"{name}= has {len(others)} columns beside {', '.join(named)}; expected one, the numbers."
            )
        source, column = given, others[0]
    else:
        raise InputError(f"{name}= is a {type(given).__name__}; expected a column's name or a frame.")
    keys, values = labels(source, named, "stratum"), amounts(source, column)
    if source is given and len(set(keys)) < len(keys):
        twice = pd.Series(keys)[pd.Series(keys).duplicated()].iloc[0]
        raise InputError(f"{name}= has stratum {twice!r} more than once.")
    found = pd.Series(values).groupby(np.asarray(keys, dtype=object)).agg(["min", "max"])
    differing = found.index[found["min"] != found["max"]]
    if len(differing):
        low, high = found.loc[differing[0]]
        raise InputError(
            f"Column '{column}' has several values in stratum {differing[0]!r} ({low:g} to {high:g}); "
            "expected one number for each stratum."
        )
    return {str(key): float(value) for key, value in found["min"].items()}


def counts(frame: pd.DataFrame, column: str) -> FloatArray:
    """Return a column of whole numbers, 0 or more."""
    values = _numbers(frame, column)
    odd = (values < 0) | (values != np.round(values))
    _refuse(frame, column, odd, "expected a whole number of events, 0 or more")
    return values


def amounts(frame: pd.DataFrame, column: str) -> FloatArray:
    """Return a column of numbers, 0 or more."""
    values = _numbers(frame, column)
    _refuse(frame, column, values < 0, "expected 0 or more")
    return values


def labels(frame: pd.DataFrame, given: str | Sequence[str], what: str) -> list[str]:
    """Return each row's unit or stratum, the columns joined by a middle dot."""
    named = _as_list(given)
    _require(frame, named)
    if frame.empty:
        raise InputError("The frame has no rows; expected one for each unit and stratum.")
    for column in named:
        if frame[column].isna().any():
            at = int(np.argmax(frame[column].isna()))
            raise InputError(
                f"Column '{column}', row {at}: no {what} is named; leave the row out or name it 'unknown'."
            )
    parts = [frame[column].astype(str) for column in named]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + JOIN + part
    if len(parts) > 1 and joined.nunique() < len(pd.concat(parts, axis=1).drop_duplicates()):
        raise InputError(f"Columns {', '.join(named)} hold '{JOIN}', so that two names are written alike.")
    return [str(label) for label in joined]


def _as_list(given: str | Sequence[str]) -> list[str]:
    """Return the names of columns as a list."""
    return [given] if isinstance(given, str) else [str(name) for name in given]


def choose(name: str, given: str, known: Sequence[str]) -> None:
    """Refuse a choice that is not known."""
    if given not in known:
        raise InputError(
            f"{name}={given!r}.{nearest(str(given), known)} Expected one of: {', '.join(known)}."
        )


def prepare_level(level: float) -> float:
    """Return the level as a share, refusing what is none."""
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a number above 0 and below 1, such as 0.95.")
    return float(level)


def _require(frame: Any, named: Sequence[str]) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Expected a pandas frame; got a {type(frame).__name__}.")
    require_columns(frame.columns, named)


def _numbers(frame: pd.DataFrame, column: str) -> FloatArray:
    _require(frame, [column])
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(float, na_value=np.nan)
    if not np.isfinite(values).all():
        at = int(np.argmax(~np.isfinite(values)))
        raise InputError(
            f"Column '{column}', row {at}: {frame[column].iloc[at]!r}; expected a finite number."
        )
    return np.asarray(values)


def _refuse(frame: pd.DataFrame, column: str, bad: NDArray[np.bool_], expected: str) -> None:
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(f"Column '{column}', row {at}: {frame[column].iloc[at]}; {expected}.")
