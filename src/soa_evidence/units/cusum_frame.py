"""What a CUSUM is run over: procedures by unit and in order, each with its outcome and expected risk.

When not to use it: by itself; `units.cusum` calls it.

Checked against: every message in tests/unit/test_units_cusum.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, require_columns

__all__ = ["Procedures", "ordered", "read"]

FloatArray = NDArray[np.float64]
DAYS = 365.25
SHORTEST = 0.25  # years of a unit's record from which its volume a year is taken


@dataclass(frozen=True, eq=False, kw_only=True)
class Procedures:
    """Rows sorted by unit, then order; ties of one day uneventful first, then by rising risk.

    Attributes
    ----------
    names : list of str
        Units; unit u is rows ``starts[u]`` to ``starts[u + 1]``.
    order : Series
        Dates or numbers, as sorted.
    event, risk : arrays of shape (n,)
    per_year : array of shape (units,)
        Procedures a year; NaN where unknown.
    tied : int
        Rows whose place within a day is not known.
    """

    names: list[str]
    starts: NDArray[np.int64]
    order: pd.Series
    event: FloatArray
    risk: FloatArray
    per_year: FloatArray
    tied: int


def read(
    frame: pd.DataFrame, *, unit: str, order: str, event: str, expected: str, per_year: str | float | None
) -> Procedures:
    """Return the procedures, sorted.

    Raises
    ------
    InputError
        Naming column and row, on anything a CUSUM cannot be run over.
    """
    named = [unit, order, event, expected, *([per_year] if isinstance(per_year, str) else [])]
    present(frame, named)
    risk, happened = _numbers(frame, expected), _numbers(frame, event)
    if ((risk <= 0) | (risk >= 1)).any():
        at = int(np.argmax((risk <= 0) | (risk >= 1)))
        raise InputError(
            f"Column '{expected}', row {at}: {risk[at]:g}; an expected risk must lie above 0 and below 1."
        )
    if not np.isin(happened, (0.0, 1.0)).all():
        at = int(np.argmax(~np.isin(happened, (0.0, 1.0))))
        raise InputError(
            f"Column '{event}', row {at}: {happened[at]:g}; expected 0 or 1, one row a procedure."
        )
    labels, when = ordered(frame, unit, order)
    codes, names = pd.factorize(labels, sort=True)
    stamps = when.astype("int64").to_numpy() if _dated(when) else when.to_numpy(float)
    rows = np.lexsort((risk, happened, stamps, codes))
    sorted_codes, sorted_stamps = codes[rows], stamps[rows]
    starts = np.searchsorted(sorted_codes, np.arange(len(names) + 1)).astype(np.int64)
    same = (np.diff(sorted_codes) == 0) & (np.diff(sorted_stamps) == 0)
    if same.any() and not _dated(when):
        at = int(rows[int(np.argmax(same))])
        raise InputError(
            f"Unit {labels.iloc[at]!r} has more than one row at {order} {stamps[at]:g}; a sequence numbers "
            "each procedure of a unit once (dates may repeat)."
        )
    sorted_order = when.iloc[rows].reset_index(drop=True)
    return Procedures(
        names=[str(name) for name in names],
        starts=starts,
        order=sorted_order,
        event=happened[rows],
        risk=risk[rows],
        per_year=_volumes(frame, per_year, rows, starts, sorted_order, [str(name) for name in names]),
        tied=int(np.sum(np.concatenate([same, [False]]) | np.concatenate([[False], same]))),
    )


def present(frame: pd.DataFrame, columns: list[str]) -> None:
    """Raise on a column that is not there, and on a frame without rows."""
    require_columns(frame.columns, columns)
    if not len(frame):
        raise InputError("The frame has no rows; give one row a procedure or a point in time.")


def ordered(frame: pd.DataFrame, unit: str, order: str) -> tuple[pd.Series, pd.Series]:
    """Return units as text, and the order as dates or finite numbers.

    Raises
    ------
    InputError
        On a missing unit, or an order that is missing or neither dates nor numbers.
    """
    if frame[unit].isna().any():
        raise InputError(f"Column '{unit}', row {int(np.argmax(frame[unit].isna()))}: no unit is named.")
    when = frame[order]
    if not (pd.api.types.is_datetime64_any_dtype(when) or pd.api.types.is_numeric_dtype(when)):
        raise InputError(
            f"Column '{order}' holds {when.dtype} values, which have no sure order; turn them into dates "
            "(pandas.to_datetime) or numbers."
        )
    if when.isna().any() or (not _dated(when) and not np.isfinite(when.to_numpy(float)).all()):
        bad = when.isna() if _dated(when) else ~np.isfinite(when.to_numpy(float))
        raise InputError(f"Column '{order}', row {int(np.argmax(bad))}: missing; every row needs its place.")
    return frame[unit].astype(str), when


def _dated(when: pd.Series) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(when))


def _numbers(frame: pd.DataFrame, column: str) -> FloatArray:
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(float)
    if not np.isfinite(values).all():
        at = int(np.argmax(~np.isfinite(values)))
        shown = frame[[column]].astype(object).iloc[at, 0]
        raise InputError(f"Column '{column}', row {at}: {shown!r}; expected a finite number.")
    return np.asarray(values)


def _volumes(
    frame: pd.DataFrame,
    per_year: str | float | None,
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    when: pd.Series,
    names: list[str],
) -> FloatArray:
    """Procedures a year: as given, or those between a unit's first and last date."""
    if per_year is None:
        if not _dated(when):
            return np.full(len(names), np.nan)
        first, last = when.to_numpy()[starts[:-1]], when.to_numpy()[starts[1:] - 1]
        years = (last - first) / np.timedelta64(1, "D") / DAYS
        gaps = np.diff(starts) - 1
        return np.where(years >= SHORTEST, gaps / np.maximum(years, SHORTEST), np.nan)
    if isinstance(per_year, str):
        values = _numbers(frame, per_year)[rows]
        low, high = np.minimum.reduceat(values, starts[:-1]), np.maximum.reduceat(values, starts[:-1])
        if (low != high).any():
            at = int(np.argmax(low != high))
            raise InputError(
                f"Column '{per_year}': unit {names[at]!r} has both {low[at]:g} and {high[at]:g}; expected "
                "one number a unit."
            )
    else:
        low = np.full(len(names), float(per_year))
    if not (low > 0).all() or not np.isfinite(low).all():
        raise InputError(
            f"per_year is {low[~(low > 0)][0] if (~(low > 0)).any() else low[0]:g}; expected above 0."
        )
    return np.asarray(low)
