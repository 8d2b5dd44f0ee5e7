"""What is wrong with an extract: one finding a rule and column, with the rows that break it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["REMEDIES", "Finding", "broken_rows", "gather"]

#: What a researcher does about each kind of finding.
REMEDIES = {
    "missing": "complete the value, or leave the row out",
    "unreadable": "correct the value; docs/registry-extract.md says how each column is written",
    "unknown code": "recode it to one of the values allowed",
    "out of range": "correct the value; leave it empty where it is not known and not required",
    "impossible order": "one of the two dates is wrong, or the columns are exchanged",
    "future": "correct the date, or give the extract's true date with --extract-date",
    "too early": "correct the date; it is before joint replacement as it is known",
    "duplicate": "keep one row for each joint; a later operation on it is a revision",
    "contradiction": "make the rows agree",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Finding:
    """Rows that break one rule. It names rows, never what they hold.

    Attributes
    ----------
    kind
        One of `REMEDIES`.
    column
        The column at fault.
    says
        The rule that is broken, such as "revision_date is before primary_date".
    rows : int64 array
        Positions of the rows, from 0, increasing.
    """

    kind: str
    column: str
    says: str
    rows: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many rows break the rule."""
        return len(self.rows)

    def first(self, many: int) -> list[int]:
        """Return the numbers of the first rows, counted from 1 without the header."""
        return [int(row) + 1 for row in self.rows[:many]]

    def text(self, many: int) -> str:
        """Return the finding as a line: rule, count, first row numbers."""
        shown = ", ".join(f"{row:,}" for row in self.first(many)) + (", …" if self.count > many else "")
        rows = "row" if self.count == 1 else "rows"
        return f"{self.says}: {self.count:,} {rows}" + (f" ({shown})" if many else "")

    def record(self, many: int) -> dict[str, Any]:
        """Return the finding for programs."""
        return {
            "kind": self.kind,
            "column": self.column,
            "says": self.says,
            "count": self.count,
            "first_rows": self.first(many),
            "do": REMEDIES[self.kind],
        }


def gather(pieces: Iterable[Finding]) -> list[Finding]:
    """Join findings of the same rule, and order them: by kind as in `REMEDIES`, then as they came."""
    joined: dict[tuple[str, str, str], list[NDArray[np.int64]]] = {}
    for piece in pieces:
        if piece.count:
            joined.setdefault((piece.kind, piece.column, piece.says), []).append(piece.rows)
    made = [
        Finding(kind=kind, column=column, says=says, rows=np.sort(np.concatenate(rows)))
        for (kind, column, says), rows in joined.items()
    ]
    return sorted(made, key=lambda finding: list(REMEDIES).index(finding.kind))


def broken_rows(findings: Iterable[Finding], count: int) -> NDArray[np.bool_]:
    """Return which of `count` rows break any rule."""
    broken = np.zeros(count, bool)
    for finding in findings:
        broken[finding.rows] = True
    return broken
