"""What `soa-evidence check-registry` says of an extract: counts and row numbers, nothing that a row holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from soa_evidence.evidence.registry.contract import COLUMNS
from soa_evidence.evidence.registry.findings import REMEDIES, Finding, broken_rows
from soa_evidence.evidence.registry.read import Extract, read
from soa_evidence.evidence.registry.rows import DATES, NO_DATE, Rows, day_text

__all__ = ["ROWS_SHOWN", "RegistryReport", "check"]

ROWS_SHOWN = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class RegistryReport:
    """The check of one extract.

    Attributes
    ----------
    name, hash
        The file, without its folder, and its SHA-256.
    rows, usable
        Rows in the file, and rows that break no rule.
    extract_day
        The day after which nothing can have happened.
    findings : tuple of Finding
    not_recorded : dict of str to float
        Share of rows in which an optional column is empty, of the columns the file has.
    absent, unused : tuple of str
        Optional columns the file does not have, and columns that are not read.
    """

    name: str
    hash: str
    rows: int
    usable: int
    extract_day: str
    findings: tuple[Finding, ...]
    not_recorded: dict[str, float]
    absent: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def in_order(self) -> bool:
        """Whether every row may be used."""
        return not self.findings

    def text(self, rows: int = ROWS_SHOWN) -> str:
        """Return the report to read, with the numbers of the first `rows` rows of each finding."""
        lines = [
            f"{self.name}: {self.rows:,} rows, {self.usable:,} usable, nothing later than {self.extract_day}",
            f"  {self.hash}",
        ]
        for kind, remedy in REMEDIES.items():
            found = [finding for finding in self.findings if finding.kind == kind]
            if found:
                lines += ["", f"{kind[0].upper()}{kind[1:]}: {remedy}."]
                lines += [f"  {finding.text(rows)}" for finding in found]
        lines.append("")
        empty = [f"{name} {share:.1%}" for name, share in self.not_recorded.items() if share > 0]
        if empty:
            lines.append(f"Not recorded: {', '.join(empty)}")
        if self.absent:
            lines.append(f"Optional columns not in the file: {', '.join(self.absent)}")
        if self.unused:
            lines.append(f"Columns not read: {', '.join(self.unused)}")
        left_out = self.rows - self.usable
        lines.append(
            "Every row may be used."
            if self.in_order
            else f"{left_out:,} of {self.rows:,} rows break a rule. Correct them, or leave them out with "
            "on_impossible='exclude': they are then counted in the report."
        )
        return "\n".join(lines)

    def record(self, rows: int = ROWS_SHOWN) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "file": self.name,
            "hash": self.hash,
            "rows": self.rows,
            "usable": self.usable,
            "extract_day": self.extract_day,
            "in_order": self.in_order,
            "findings": [finding.record(rows) for finding in self.findings],
            "not_recorded": self.not_recorded,
            "absent": list(self.absent),
            "unused": list(self.unused),
        }

    def __repr__(self) -> str:
        return self.text()


def check(
    path: str | Path, *, units: str | Path | None = None, extract_date: str | None = None
) -> RegistryReport:
    """Check an extract against the contract and the rules; arguments as of `read.read`.

    Raises
    ------
    EvidenceError
        When the file cannot be read at all; what is wrong with single rows is in the report.
    """
    return of_extract(read(path, units=units, extract_date=extract_date))


def of_extract(extract: Extract) -> RegistryReport:
    """Return the report of an extract already read."""
    count = len(extract.rows)
    optional = [column.name for column in COLUMNS if not column.required]
    recorded = [name for name in optional if name in extract.present and name not in _EVENTS]
    return RegistryReport(
        name=extract.name,
        hash=extract.hash,
        rows=count,
        usable=count - int(broken_rows(extract.findings, count).sum()),
        extract_day=day_text(extract.extract_day),
        findings=extract.findings,
        not_recorded={name: _empty_share(extract.rows, name) for name in recorded},
        absent=tuple(name for name in optional if name not in extract.present),
        unused=extract.unused,
    )


#: Empty because nothing happened, not because it was not recorded.
_EVENTS = ("revision_date", "revision_reasons", "second_revision_date", "death_date")


def _empty_share(rows: Rows, name: str) -> float:
    values = getattr(rows, name)
    if name in DATES:
        return float((values == NO_DATE).mean())
    empty = np.isnan(values) if values.dtype.kind == "f" else values < 0
    return round(float(empty.mean()), 6)
