"""A table of units with their class, for extracts whose rows do not give it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence.registry.contract import UNITS_TABLE_COLUMNS
from soa_evidence.evidence.registry.findings import Finding
from soa_evidence.evidence.registry.rows import Rows

__all__ = ["classes_of", "find_units_table"]

SUFFIX = ".units.csv"


def find_units_table(extract: Path, given: str | Path | None, *, needed: bool) -> Path | None:
    """Return the table of units: the one given, else one of the extract's name beside it, else None.

    Raises
    ------
    EvidenceError
        When the table given is not there.
    """
    if given is not None:
        place = Path(given)
        if not place.is_file():
            raise EvidenceError(f"There is no table of units '{place.name}' in its folder; check the path.")
        return place
    beside = extract.with_name(extract.stem + SUFFIX)
    return beside if needed and beside.is_file() else None


def classes_of(path: Path, rows: Rows) -> tuple[Rows, list[Finding]]:
    """Return the rows with the class that the table gives their unit, and what is wrong.

    Raises
    ------
    EvidenceError
        When the table lacks a column, names a unit twice, or leaves a class empty.
    """
    table = _read(path)
    classes = tuple(dict.fromkeys(table.values()))
    position = np.array([classes.index(table[unit]) if unit in table else -1 for unit in rows.units] + [-1])
    found = position[rows.unit].astype(np.int32)
    lost = np.flatnonzero((found < 0) & (rows.unit >= 0)).astype(np.int64)
    says = "unit is not in the table of units"
    missing = [Finding(kind="contradiction", column="unit", says=says, rows=lost)] if len(lost) else []
    return rows.replace(unit_class=found, classes=classes), missing


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error):
        raise EvidenceError(f"The table of units '{path.name}' is not UTF-8 text in CSV.") from None
    header = list(lines[0]) if lines else []
    for name in UNITS_TABLE_COLUMNS:
        if name not in header:
            raise EvidenceError(
                f"The table of units '{path.name}' has no column '{name}'.{nearest(name, header)} "
                f"It needs: {', '.join(UNITS_TABLE_COLUMNS)}."
            )
    table: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        unit, kind = ((line[name] or "").strip() for name in UNITS_TABLE_COLUMNS)
        if not unit or not kind:
            raise EvidenceError(
                f"The table of units '{path.name}', row {number}: unit or unit_class is empty."
            )
        if unit in table:
            raise EvidenceError(f"The table of units '{path.name}', row {number}: a unit is there already.")
        table[unit] = kind
    return table
