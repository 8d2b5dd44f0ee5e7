"""Which rows of which table stand behind a number, so that a reader, or a program, can go and look."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from soa_evidence.errors import InputError

__all__ = ["Basis", "Counted", "Member"]

HASH_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What the rows hold: the sum of a column that counts, or how many different values a column has."""

    column: str
    total: float
    unit: str


@dataclass(frozen=True, kw_only=True)
class Member:
    """One row, where they are few: its key, and what it cites."""

    key: str
    citation: str = ""
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Basis:
    """A choice of rows of one table.

    Parameters
    ----------
    holder
        The evidence package, or the report, whose table it is.
    of
        ``"package"`` or ``"report"``.
    table, file
        The table's name, and its file within the holder's folder ('' where it is not kept as a file).
    where
        The choice, as ``pandas.DataFrame.query`` takes it; '' for every row.
    rows, total
        Rows chosen, and rows of the table.
    counted
        What the rows chosen hold.
    members
        The rows one by one, where they are few.
    """

    holder: str
    of: Literal["package", "report"] = "package"
    table: str
    file: str
    where: str
    rows: int
    total: int
    counted: tuple[Counted, ...] = ()
    members: tuple[Member, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.rows <= self.total:
            raise InputError(
                f"A basis has {self.rows} of {self.total} rows of '{self.holder}', table '{self.table}'; "
                "expected from none to all of them."
            )

    @property
    def id(self) -> str:
        """A name that changes with anything it says: ``<holder>.<table>.<hash>``."""
        told = json.dumps(self._told(), sort_keys=True, ensure_ascii=False)
        return f"{self.holder}.{self.table}.{hashlib.sha256(told.encode()).hexdigest()[:HASH_SHOWN]}"

    def record(self) -> dict[str, Any]:
        """Return it as run.json holds it."""
        return {"id": self.id, **self._told()}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Basis:
        """Return what `record` gave."""
        held = {key: value for key, value in record.items() if key != "id"}
        held["counted"] = tuple(Counted(**one) for one in held["counted"])
        held["members"] = tuple(Member(**one) for one in held["members"])
        return cls(**held)

    def _told(self) -> dict[str, Any]:
        return {
            "holder": self.holder,
            "of": self.of,
            "table": self.table,
            "file": self.file,
            "where": self.where,
            "rows": self.rows,
            "total": self.total,
            "counted": [vars(one) for one in self.counted],
            "members": [vars(one) for one in self.members],
        }
