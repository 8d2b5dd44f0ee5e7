"""An extract read into memory: rows, what is wrong with them, and what the file is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.registry.cells import CellReader
from soa_evidence.evidence.registry.contract import COLUMNS
from soa_evidence.evidence.registry.findings import Finding, gather
from soa_evidence.evidence.registry.rows import NO_DATE, Rows, day_number
from soa_evidence.evidence.registry.rules import impossible
from soa_evidence.evidence.registry.source import digest, open_source
from soa_evidence.evidence.registry.units_table import classes_of, find_units_table

__all__ = ["Extract", "read"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Extract:
    """A file read whole.

    Attributes
    ----------
    name, hash
        Name of the file, without its folder, and its SHA-256 (joined with that of a table of units).
    rows : Rows
    findings : tuple of Finding
        Everything wrong with rows, by rule.
    extract_day : int
        Day number after which nothing can have happened.
    present, unused : tuple of str
        The contract's columns in the file, and columns that were not read.
    """

    name: str
    hash: str
    rows: Rows
    findings: tuple[Finding, ...]
    extract_day: int
    present: tuple[str, ...]
    unused: tuple[str, ...]


def read(path: str | Path, *, units: str | Path | None = None, extract_date: str | None = None) -> Extract:
    """Read an extract and hold every row to the contract and the rules.

    Parameters
    ----------
    path
        CSV or Parquet.
    units
        Table of units with their class (CSV: unit, unit_class), for extracts without `unit_class`; a file of
        the extract's name ending in ``.units.csv`` beside it is found by itself.
    extract_date
        The day on which the data were extracted, YYYY-MM-DD; without it the latest end of follow-up in the
        file, or today where that is later than today.

    Raises
    ------
    EvidenceError
        When the file or the table of units cannot be read, or has no rows.
    """
    source = open_source(path)
    readers = {column.name: CellReader(column) for column in COLUMNS}
    count = 0
    for batch in source.batches():
        for name, reader in readers.items():
            if name in source.present:
                reader.read(batch.column(name), count)
            else:
                reader.skip(len(batch))
        count += len(batch)
    if not count:
        raise EvidenceError(f"'{source.path.name}' has a header and no rows; expected at least one.")
    rows = _rows(readers)
    found = [finding for reader in readers.values() for finding in reader.findings]
    hashed = digest(source.path)
    table = find_units_table(source.path, units, needed="unit_class" not in source.present)
    if table is not None:
        rows, more = classes_of(table, rows)
        found += more
        hashed = f"{hashed} with units {digest(table)}"
    day = _extract_day(rows, extract_date)
    found += impossible(rows, extract_day=day)
    return Extract(
        name=source.path.name,
        hash=hashed,
        rows=rows,
        findings=tuple(gather(found)),
        extract_day=day,
        present=source.present,
        unused=source.unused,
    )


def _rows(readers: Mapping[str, CellReader]) -> Rows:
    values: dict[str, Any] = {
        ("person" if name == "person_id" else name): reader.values() for name, reader in readers.items()
    }
    names = {"units": "unit", "classes": "unit_class", "surgeons": "surgeon"}
    values |= {field: readers[name].names for field, name in names.items()}
    return Rows(**values)


def _extract_day(rows: Rows, given: str | None) -> int:
    if given is not None:
        try:
            return day_number(given)
        except ValueError:
            raise EvidenceError(f"The date of extraction is {given!r}; expected YYYY-MM-DD.") from None
    import datetime

    today = day_number(datetime.datetime.now(tz=datetime.UTC).date().isoformat())
    ends = rows.follow_up_end[rows.follow_up_end != NO_DATE]
    return min(int(ends.max()), today) if len(ends) else today
