"""Rows chosen from a table of a package, that remember what they were chosen by.

A number names the rows it rests on (``evidence=[selection]``); the ledger tells them to the reader, and
run.json to programs: the choice is written so that ``pandas.DataFrame.query`` on the table's file finds the
same rows again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.results import Basis, Counted, Member

if TYPE_CHECKING:
    from soa_evidence.evidence.package import Package

__all__ = ["FEW", "Selection", "select"]

#: Up to so many rows are named one by one.
FEW = 12
#: Columns that cite a row's own source, the first that a table has; and columns that give its address.
CITING = ("citation", "source", "reported_by", "doi")
LINKING = ("link",)
DOI = "https://doi.org/"


@dataclass(frozen=True, eq=False, kw_only=True)
class Selection:
    """Rows of one table, and what they were chosen by.

    Parameters
    ----------
    package
        The package.
    table
        Name of the table.
    basis
        The choice, for the ledger.
    """

    package: Package
    table: str
    basis: Basis
    held: pd.DataFrame = field(repr=False)

    @property
    def name(self) -> str:
        """The package's name."""
        return self.package.name

    @property
    def frame(self) -> pd.DataFrame:
        """A fresh copy of the rows, columns as in the schema."""
        return self.held.copy()

    def among(self, **values: Iterable[str]) -> Selection:
        """Return those of these rows whose columns have one of `values`; columns it lacks are ignored.

        For a number that rests on some rows of a table only, such as those of its own studies.
        """
        equal = {column: list(wanted) for column, wanted in values.items() if column in self.held.columns}
        if not equal:
            return self
        return select(self.package, self.table, where=self.basis.where, equal=equal)

    def __repr__(self) -> str:
        chosen = f" where {self.basis.where}" if self.basis.where else ""
        return f"{self.basis.rows:,} of {self.basis.total:,} rows of {self.name}, table {self.table}{chosen}"


def select(
    package: Package,
    table: str,
    *,
    where: str = "",
    counted: str | Iterable[str] = (),
    equal: Mapping[str, Any] | None = None,
) -> Selection:
    """Choose rows of `table`; see `Package.select`."""
    whole = package.frames[table]
    terms = _terms(package, table, equal or {})
    asked = " and ".join([f"({where})", *terms]) if where and terms else where or " and ".join(terms)
    chosen = _queried(package, table, whole, asked)
    resource = next(r for r in package.descriptor["resources"] if r["name"] == table)
    columns = [counted] if isinstance(counted, str) else list(counted)
    basis = Basis(
        holder=package.name,
        table=table,
        file=str(resource["path"]),
        where=asked,
        rows=len(chosen),
        total=len(whole),
        counted=tuple(_counted(package, table, chosen, column) for column in columns),
        members=_members(chosen, resource["schema"].get("primaryKey", ())),
    )
    return Selection(package=package, table=table, basis=basis, held=chosen)


def _terms(package: Package, table: str, equal: Mapping[str, Any]) -> list[str]:
    terms = []
    for column, value in equal.items():
        _require(package, table, column)
        if isinstance(value, str | bool | Real):
            terms.append(f"{column} == {_literal(package, column, value)}")
        elif isinstance(value, Iterable):
            values = [_literal(package, column, one) for one in value]
            terms.append(f"{column} in [{', '.join(values)}]")
        else:
            terms.append(_literal(package, column, value))
    return terms


def _literal(package: Package, column: str, value: object) -> str:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, str | bool | int | float) and value == value:
        return repr(value)
    raise EvidenceError(
        f"Rows of '{package.name}' are to be chosen by {column} = {value!r} ({type(value).__name__}); "
        "expected a text, a number, or a list of them."
    )


def _queried(package: Package, table: str, whole: pd.DataFrame, asked: str) -> pd.DataFrame:
    if not asked:
        return whole
    try:
        chosen = whole.query(asked, engine="python", local_dict={}, global_dict={})
    except (ValueError, SyntaxError, TypeError, NameError, AttributeError, KeyError) as error:
        raise EvidenceError(
            f"Rows of '{package.name}', table '{table}', cannot be chosen by {asked!r}: {error}. Write what "
            "pandas' query takes, of the table's own columns, with values and not names of values; give "
            "plain equality as column=value."
        ) from None
    return pd.DataFrame(chosen)


def _counted(package: Package, table: str, rows: pd.DataFrame, column: str) -> Counted:
    _require(package, table, column)
    told = package.fields(table)[column]
    if told["type"] in ("integer", "number"):
        return Counted(column=column, total=float(rows[column].sum()), unit=str(told.get("unit", "")))
    title = str(told.get("title", column))
    noun = title if title.isupper() else title[:1].lower() + title[1:]
    several = f"different values of {noun}" if title[-1:] in "sy" else f"{noun}s"
    return Counted(column=column, total=float(rows[column].nunique()), unit=several)


def _require(package: Package, table: str, column: str) -> None:
    known = list(package.frames[table].columns)
    if column not in known:
        raise EvidenceError(
            f"The package '{package.name}', table '{table}', has no column {column!r}."
            f"{nearest(column, known)} It has: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}."
        )


def _members(rows: pd.DataFrame, key: str | Iterable[str]) -> tuple[Member, ...]:
    columns = [key] if isinstance(key, str) else list(key)
    if len(rows) > FEW or not columns:
        return ()
    citing = next((name for name in CITING if name in rows.columns), None)
    linking = next((name for name in LINKING if name in rows.columns), None)
    return tuple(
        Member(
            key=" · ".join(str(row[name]) for name in columns),
            citation=_text(row, citing),
            link=_text(row, linking) or (f"{DOI}{doi}" if (doi := _text(row, "doi")) else ""),
        )
        for row in rows.to_dict("records")
    )


def _text(row: Mapping[Any, Any], column: str | None) -> str:
    value = row.get(column) if column else None
    return value if isinstance(value, str) else ""
