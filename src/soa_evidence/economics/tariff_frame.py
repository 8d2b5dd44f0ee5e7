"""Columns of prices, costs and spells, checked row by row.

When not to use it: by itself; `economics.tariff` and its siblings call it.

Checked against: every message in tests/unit/test_economics_tariff.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence import errors
from soa_evidence.errors import InputError, nearest

__all__ = ["amounts", "labels", "names", "require_columns"]


def require_columns(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame that is none, has no rows or lacks a column."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Of {what}, a {type(frame).__name__} was given; expected a DataFrame.")
    errors.require_columns(frame.columns, columns, what=f"The table of {what.removeprefix('the ')}")
    if frame.empty:
        raise InputError(f"There are no rows in {what}.")


def amounts(frame: pd.DataFrame, column: str, *, above: float | None = None) -> NDArray[np.float64]:
    """Return a column as finite numbers, 0 or more, or above `above`; the first that is not is named."""
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    bad = ~np.isfinite(values) | ((values < 0) if above is None else (values <= above))
    if bad.any():
        at = int(np.argmax(bad))
        limit = "0 or more" if above is None else f"above {above:g}"
        raise InputError(
            f"Column '{column}', row {at + 1} is {frame[column].iloc[at]!r}; expected a number, {limit}."
        )
    return values


def labels(frame: pd.DataFrame, column: str) -> tuple[str, ...]:
    """Return a column as names; a missing one is an error."""
    missing = frame[column].isna() | (frame[column].astype(str).str.strip() == "")
    if missing.any():
        raise InputError(f"Column '{column}', row {int(np.argmax(missing)) + 1} is empty; expected a name.")
    return tuple(frame[column].astype(str))


def names(says: str, key: Iterable[object], known: Iterable[Iterable[object]]) -> str:
    """Return an error about a key that is not known, with the nearest that is."""
    wanted = " ".join(map(str, key))
    return f"{says} {wanted}.{nearest(wanted, [' '.join(map(str, k)) for k in known])}"
