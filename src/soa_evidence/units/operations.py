"""Operations done by unit and year, from published counts that hide the smallest.

A source that hides counts of 1 to 5 also hides what would reveal them. Where the total is published and its
two parts are not, one of the parts is between 1 and 5: the smaller is put at 3 and the larger at the total
less 3, neither wrong by more than 2. Nothing is guessed where the total is hidden too.

When not to use it: where totals are rounded, or where more than two parts make the total.

Checked against: arithmetic in tests/unit/test_units_volume.py.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, nearest, require_columns

__all__ = ["published"]

MIDDLE = 3  # of 1 to 5


def published(
    frame: pd.DataFrame,
    *,
    operations: str,
    unit: str,
    year: str,
    part: str,
    wanted: str,
    other: str,
    smaller: str,
    whole: str = "all",
) -> pd.DataFrame:
    """Return one row per unit and year: unit, year, operations, hidden.

    Parameters
    ----------
    frame
        One row per unit, year and part.
    operations, unit, year, part
        Columns: the count (missing where hidden); the unit; the year; which part the row counts.
    wanted, other, whole
        Values of `part`: the one asked for, the other one, and both together.
    smaller
        Which of `wanted` and `other` is usually the smaller, so the one hidden for its size.

    Raises
    ------
    InputError
        On a missing column or part, or a unit counted twice in a year.
    """
    require_columns(frame.columns, (operations, unit, year, part))
    known = set(frame[part].astype(str))
    for value in (wanted, other, whole):
        if value not in known:
            raise InputError(f"Column '{part}' holds no {value!r}.{nearest(value, known)}")
    if smaller not in (wanted, other):
        raise InputError(f"smaller={smaller!r}: expected {wanted!r} or {other!r}.")
    kept = frame[frame[part].isin([wanted, other, whole])]
    twice = kept.duplicated([unit, year, part]).to_numpy()
    if twice.any():
        row = kept[twice].iloc[0]
        raise InputError(f"Unit {row[unit]!r} is counted twice in {row[year]} ({row[part]}).")
    table = kept.pivot_table(operations, [unit, year], part, aggfunc="first", dropna=False).astype(float)
    both_hidden = table[wanted].isna() & table[other].isna() & table[whole].notna()
    middle = np.minimum(MIDDLE, table[whole] / 2)
    filled = middle if wanted == smaller else table[whole] - middle
    found = table[wanted].where(~both_hidden, filled)
    return (
        pd.DataFrame({"operations": found, "hidden": both_hidden})
        .reset_index()
        .rename(columns={unit: "unit", year: "year"})
        .dropna(subset=["operations"])
    )
