"""What a funnel is drawn from: units with a value, a size, a reference and a spread, checked row by row.

When not to use it: by itself; `units.funnel` calls it.

Checked against: every message in tests/unit/test_units_funnel.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest, require_columns
from soa_evidence.units.funnel_limits import Kind

__all__ = ["read"]

FloatArray = NDArray[np.float64]


def read(
    frame: pd.DataFrame,
    *,
    kind: Kind,
    unit: str | Sequence[str],
    size: str,
    events: str | None,
    value: str | None,
    group: str | None,
    reference: str | float | None,
    spread: str | float | None,
) -> pd.DataFrame:
    """Return one row a unit: unit, group, value, size, reference, spread.

    Raises
    ------
    InputError
        Naming column and row, on anything a funnel cannot be drawn from.
    """
    units = _units(frame, unit, kind, size, events, value, group)
    return units.assign(
        reference=_reference(frame, kind, reference, units), spread=_spread(frame, kind, spread)
    )


def _units(
    frame: pd.DataFrame,
    unit: str | Sequence[str],
    kind: Kind,
    size: str,
    events: str | None,
    value: str | None,
    group: str | None,
) -> pd.DataFrame:
    wanted, unwanted = ("value", "events") if kind == "mean" else ("events", "value")
    given = {"value": value, "events": events}
    if given[wanted] is None or given[unwanted] is not None:
        raise InputError(f"kind='{kind}' needs {wanted}= and takes no {unwanted}=.")
    measure = str(given[wanted])
    named = [unit] if isinstance(unit, str) else list(unit)
    require_columns(frame.columns, [*named, size, measure, *([group] if group else [])])
    if len(frame) < 2:
        raise InputError(f"The frame has {len(frame)} row; a funnel needs at least two units.")
    for column in named:
        if frame[column].isna().any():
            raise InputError(
                f"Column '{column}', row {int(np.argmax(frame[column].isna()))}: no unit is named."
            )
    labels = frame[named[0]].astype(str)
    for column in named[1:]:
        labels = labels + " · " + frame[column].astype(str)
    if labels.duplicated().any():
        raise InputError(
            f"Unit {labels[labels.duplicated()].iloc[0]!r} has more than one row; add them up first."
        )
    n, m = _numbers(frame, size), _numbers(frame, measure)
    if (n <= 0).any():
        at = int(np.argmax(n <= 0))
        raise InputError(f"Column '{size}', row {at}: {n[at]:g}; expected a size above 0.")
    if kind != "mean":
        _counts(measure, m, n, whole_size=kind == "proportion", size=size)
        m = m / n
    return pd.DataFrame(
        {
            "unit": labels.to_numpy(),
            "group": frame[group].astype(str).to_numpy() if group else "",
            "value": m,
            "size": n,
        }
    )


def _counts(column: str, counts: FloatArray, n: FloatArray, *, whole_size: bool, size: str) -> None:
    odd = (counts < 0) | (counts != np.round(counts))
    if odd.any():
        at = int(np.argmax(odd))
        raise InputError(f"Column '{column}', row {at}: {counts[at]:g}; expected a whole number of events.")
    if not whole_size:
        return
    if (n != np.round(n)).any():
        at = int(np.argmax(n != np.round(n)))
        raise InputError(f"Column '{size}', row {at}: {n[at]:g}; expected a whole number of patients.")
    if (counts > n).any():
        at = int(np.argmax(counts > n))
        raise InputError(f"Column '{column}', row {at}: {counts[at]:g} events among {n[at]:g} patients.")


def _numbers(frame: pd.DataFrame, column: str) -> FloatArray:
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(float)
    if not np.isfinite(values).all():
        at = int(np.argmax(~np.isfinite(values)))
        raise InputError(
            f"Column '{column}', row {at}: {frame[column].iloc[at]!r}; expected a finite number."
        )
    return np.asarray(values)


def _column_or_number(frame: pd.DataFrame, given: str | float, name: str) -> FloatArray:
    if not isinstance(given, str):
        return np.full(len(frame), float(given))
    if given not in frame.columns:
        raise InputError(f"{name}='{given}' is no column of the frame.{nearest(given, frame.columns)}")
    return _numbers(frame, given)


def _reference(
    frame: pd.DataFrame, kind: Kind, reference: str | float | None, units: pd.DataFrame
) -> FloatArray:
    if reference is None:
        average = float((units["value"] * units["size"]).sum() / units["size"].sum())
        if kind != "mean" and average == 0:
            raise InputError("No unit has an event, so there is no average to judge by; give reference=.")
        found = np.full(len(units), average)
    else:
        found = _column_or_number(frame, reference, "reference")
    bad = ~np.isfinite(found)
    if kind != "mean":
        bad |= found <= 0
    if kind == "proportion":
        bad |= found >= 1
    if bad.any():
        wanted = {"proportion": "above 0 and below 1", "mean": "finite"}.get(kind, "above 0")
        raise InputError(
            f"The reference is {found[int(np.argmax(bad))]:g}; for a {kind} it must be {wanted}."
        )
    return found


def _spread(frame: pd.DataFrame, kind: Kind, spread: str | float | None) -> FloatArray:
    if kind != "mean":
        if spread is not None:
            raise InputError(
                f"spread= is the standard deviation of a record, for means; kind='{kind}' has its own."
            )
        return np.full(len(frame), np.nan)
    if spread is None:
        raise InputError("kind='mean' needs spread=, the standard deviation of one record.")
    found = _column_or_number(frame, spread, "spread")
    if (found <= 0).any():
        raise InputError(f"The spread is {found.min():g}; a standard deviation must be above 0.")
    return found
