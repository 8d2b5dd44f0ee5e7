"""Does a table keep the rules of its schema? Every breach is named by row and field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["foreign_problems", "problems"]

Json = Mapping[str, Any]
Rows = NDArray[np.bool_]
#: Sums of rounded values may differ from their total by this much (half a unit in the sixth decimal).
SUM_SLACK = 5e-7


def problems(frame: pd.DataFrame, schema: Json) -> list[str]:
    """List the broken rules of `schema` in `frame`, one sentence a rule with the first row that breaks it.

    Parameters
    ----------
    frame
        Typed table, as `tables.read` returns it.
    schema
        The resource's ``schema``: fields with constraints, ``soa:atMost``, ``soa:sumOf``; ``primaryKey``.
    """
    place = _Place(frame, schema)
    found: list[str] = []
    for field in schema["fields"]:
        found += _constraint_problems(frame[field["name"]], field, place)
        found += _row_rule_problems(frame, field, place)
    return found + _key_problems(frame, place)


class _Place:
    """Names a row by its number (from 1, header not counted) and by its primary key."""

    def __init__(self, frame: pd.DataFrame, schema: Json) -> None:
        self.frame = frame
        key = schema.get("primaryKey", [])
        self.key: list[str] = [key] if isinstance(key, str) else list(key)

    def __call__(self, breaks: Rows, field: str, says: str) -> list[str]:
        """Say which row breaks a rule first; in `says`, ``{value}`` and ``{row[name]}`` are its values."""
        rows = np.flatnonzero(breaks)
        if not len(rows):
            return []
        row = self.frame.iloc[rows[0]]
        named = ", ".join(f"{name} {row[name]}" for name in self.key)
        which = f"row {rows[0] + 1}" + (f" ({named})" if named else "")
        also = f" {len(rows):,} rows break this rule." if len(rows) > 1 else ""
        return [f"{which}, field '{field}': {says.format(value=_shown(row[field]), row=row)}.{also}"]


def _shown(value: object) -> str:
    if isinstance(value, str) or value is None:
        return repr(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _constraint_problems(column: pd.Series[Any], field: Json, place: _Place) -> list[str]:
    name, rules = field["name"], field.get("constraints", {})
    missing = column.isna().to_numpy()
    found = []
    if rules.get("required"):
        found += place(missing, name, "is missing, but the field is required")
    if "minimum" in rules:
        found += place(
            (column < rules["minimum"]).to_numpy(), name, f"{{value}} is below the minimum {rules['minimum']}"
        )
    if "maximum" in rules:
        found += place(
            (column > rules["maximum"]).to_numpy(), name, f"{{value}} is above the maximum {rules['maximum']}"
        )
    if "enum" in rules:
        levels = _braced(", ".join(map(str, rules["enum"])))
        allowed = column.isin(rules["enum"]).to_numpy()
        found += place(~allowed & ~missing, name, f"{{value}} is not one of: {levels}")
    if "pattern" in rules:
        kinds = pd.Series(column.dropna().unique(), dtype=object)
        bad = kinds[~kinds.astype(str).str.fullmatch(rules["pattern"])]
        found += place(
            column.isin(bad).to_numpy(), name, f"{{value}} does not match {_braced(rules['pattern'])}"
        )
    if rules.get("unique"):
        found += place(
            column.duplicated().to_numpy() & ~missing, name, "{value} is there already; values are unique"
        )
    return found


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _row_rule_problems(frame: pd.DataFrame, field: Json, place: _Place) -> list[str]:
    name, found = field["name"], []
    column = frame[name]
    if "soa:atMost" in field:
        other = field["soa:atMost"]
        found += place(
            (column > frame[other]).to_numpy(), name, f"{{value}} is above '{other}' ({{row[{other}]}})"
        )
    if "soa:sumOf" in field:
        parts = list(field["soa:sumOf"])
        total = frame[parts].sum(axis=1, skipna=False)
        off = ((column - total).abs() > SUM_SLACK).to_numpy()
        found += place(off, name, f"{{value}} is not the sum of {', '.join(parts)}")
    return found


def _key_problems(frame: pd.DataFrame, place: _Place) -> list[str]:
    if not place.key:
        return []
    twice = frame.duplicated(place.key).to_numpy()
    return place(
        twice, place.key[0], f"the primary key ({', '.join(place.key)}) is there already; rows repeat"
    )


def foreign_problems(
    frame: pd.DataFrame,
    schema: Json,
    fields: Sequence[str],
    target: pd.DataFrame,
    to: Sequence[str],
    name: str,
) -> list[str]:
    """Name the first row whose `fields` are not among the columns `to` of `target`, called `name`."""
    known = pd.MultiIndex.from_frame(target[list(to)])
    here = pd.MultiIndex.from_frame(frame[list(fields)])
    absent = ~here.isin(known) & ~frame[list(fields)].isna().any(axis=1).to_numpy()
    return _Place(frame, schema)(absent, fields[0], f"{{value}} is unknown to {name}")
