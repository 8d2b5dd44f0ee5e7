"""Columns of a frame, checked: every complaint names the column, the row, the value and what to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, require_columns

__all__ = [
    "MOST_CAUSES",
    "as_list",
    "clusters",
    "covariates_of",
    "factorise",
    "numbers",
    "refuse",
    "require",
    "weights",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MOST_CAUSES = 1000  # a larger code is an identifier or a date in the wrong column, not a cause


def as_list(names: str | Sequence[str] | None) -> list[str]:
    """Return column names as a list, whichever way they were given."""
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


def require(frame: pd.DataFrame, needed: Sequence[str]) -> None:
    """Refuse anything but a frame with rows in which every needed column stands once."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Expected a pandas DataFrame, one row a person; got {type(frame).__name__}.")
    repeated = sorted({name for name in needed if list(needed).count(name) > 1})
    if repeated:
        raise InputError(
            f"Column '{repeated[0]}' is named for two purposes; each purpose needs its own column."
        )
    require_columns(frame.columns, needed)
    for name in needed:
        found = int((frame.columns == name).sum())
        if found > 1:
            raise InputError(f"The frame has {found} columns called '{name}'; expected one.")
    if frame.empty:
        raise InputError("The frame has no rows; expected at least one.")


def refuse(frame: pd.DataFrame, column: str, broken: NDArray[np.bool_], rule: str) -> None:
    """Raise for the first row where `broken`, saying the `rule` and how many rows break it."""
    if broken.any():
        at = int(np.argmax(broken))
        more = f" ({int(broken.sum())} such rows)" if broken.sum() > 1 else ""
        raise InputError(f"Column '{column}', row {at}: {frame[column].iloc[at]}; {rule}{more}.")


def numbers(frame: pd.DataFrame, column: str, what: str, *, allow_bool: bool = False) -> FloatArray:
    """Return a column as finite numbers, refusing text, dates, gaps and infinities."""
    values = frame[column]
    is_bool = pd.api.types.is_bool_dtype(values)
    if not pd.api.types.is_numeric_dtype(values) or (is_bool and not allow_bool):
        raise InputError(
            f"Column '{column}' holds {values.dtype} values; expected {what}, as a number in every row."
        )
    array = values.to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(array).all():
        refuse(
            frame, column, np.isnan(array), f"expected {what}; complete it or leave the row out on purpose"
        )
        refuse(frame, column, ~np.isfinite(array), f"expected {what}, and infinity is none")
    return array


def weights(frame: pd.DataFrame, column: str, *, whole: bool) -> FloatArray:
    """Return weights: above 0, and whole numbers where they are frequencies."""
    array = numbers(frame, column, "a weight")
    refuse(frame, column, array <= 0, "a weight must be above 0; leave out rows that count for nothing")
    if whole:
        refuse(
            frame,
            column,
            array != np.floor(array),
            "a frequency must be a whole number; for other weights say weights_are='robust'",
        )
    return array


def covariates_of(names: str | Sequence[str] | None) -> list[str]:
    """Return a model's covariates as a list; a model of competing causes needs at least one."""
    found = as_list(names)
    if not found:
        raise InputError(
            "covariates is empty; expected at least one column (for none: cumulative_incidence)."
        )
    return found


def factorise(frame: pd.DataFrame, names: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
    """Return a number for each distinct combination of columns, and their names; without columns, 'all'."""
    if not names:
        return np.zeros(len(frame), dtype=np.int64), ("all",)
    codes, labels = _factorise_one(frame, names[0])
    for name in names[1:]:
        more, more_labels = _factorise_one(frame, name)
        joint = codes * len(more_labels) + more
        seen = np.flatnonzero(np.bincount(joint))
        labels = tuple(
            f"{labels[at // len(more_labels)]}, {more_labels[at % len(more_labels)]}" for at in seen
        )
        codes = np.searchsorted(seen, joint)
    if len(set(labels)) != len(labels):
        raise InputError(
            f"Two different values of {', '.join(repr(n) for n in names)} read the same as text; rename one."
        )
    return codes, labels


def clusters(frame: pd.DataFrame, name: str) -> IntArray:
    """Return the cluster of each row, refusing fewer than two."""
    require(frame, [name])
    codes, _ = factorise(frame, [name])
    if codes.max() == 0:
        raise InputError(f"Column '{name}' puts all rows in one cluster; expected at least two.")
    return codes


def _factorise_one(frame: pd.DataFrame, name: str) -> tuple[IntArray, tuple[str, ...]]:
    values = frame[name]
    missing = values.isna().to_numpy()
    if missing.any():
        raise InputError(
            f"Column '{name}', row {int(np.argmax(missing))}: missing ({int(missing.sum())} such rows). Name "
            "it as a level of its own, such as 'unknown', so that it is seen."
        )
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.remove_unused_categories()
        known = np.asarray(values.cat.codes, dtype=np.int64)
        return known, tuple(str(level) for level in values.cat.categories)
    try:
        codes, levels = pd.factorize(values, sort=True)
    except TypeError:
        codes, levels = pd.factorize(values.astype(str), sort=True)
    whole = pd.api.types.is_float_dtype(levels) and bool((np.asarray(levels) % 1 == 0).all())
    names = tuple(str(int(level)) if whole else str(level) for level in levels)
    return np.asarray(codes, dtype=np.int64), names
