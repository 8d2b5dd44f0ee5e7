"""Rows that cannot be: every rule an extract is held to beyond how its cells are written."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from soa_evidence.evidence.registry.contract import COLUMNS
from soa_evidence.evidence.registry.findings import Finding
from soa_evidence.evidence.registry.rows import DATES, NO_DATE, Rows, code_of, day_number, day_text

__all__ = ["EARLIEST", "impossible"]

Flags = NDArray[np.bool_]
#: The first lasting hip replacements are of the early 1960s.
EARLIEST = "1960-01-01"
#: Of each pair the first may not come before the second.
_ORDER = (
    ("revision_date", "primary_date"),
    ("second_revision_date", "revision_date"),
    ("death_date", "primary_date"),
    ("death_date", "revision_date"),
    ("death_date", "second_revision_date"),
    ("follow_up_end", "primary_date"),
    ("follow_up_end", "revision_date"),
    ("follow_up_end", "second_revision_date"),
    ("follow_up_end", "death_date"),
)
_PARTS_OF = {
    "hip": ("total", "resurfacing", "other"),
    "knee": ("total", "unicompartmental", "patellofemoral", "other"),
}


def impossible(rows: Rows, *, extract_day: int) -> Iterator[Finding]:
    """Yield what is impossible in `rows`; after `extract_day` nothing can have happened."""
    yield from _ranges(rows)
    yield from _times(rows, extract_day)
    yield from _revisions(rows)
    yield from _persons(rows)
    yield from _units(rows)


def _finding(kind: str, column: str, says: str, broken: Flags) -> Iterator[Finding]:
    if broken.any():
        yield Finding(kind=kind, column=column, says=says, rows=np.flatnonzero(broken).astype(np.int64))


def _ranges(rows: Rows) -> Iterator[Finding]:
    for column in COLUMNS:
        if column.least is not None and column.most is not None:
            values = getattr(rows, column.name)
            says = f"{column.name} is outside {column.allowed} {column.unit}"
            yield from _finding(
                "out of range", column.name, says, (values < column.least) | (values > column.most)
            )


def _times(rows: Rows, extract_day: int) -> Iterator[Finding]:
    earliest = day_number(EARLIEST)
    there = {name: getattr(rows, name) != NO_DATE for name in DATES}
    for later, sooner in _ORDER:
        broken = there[later] & there[sooner] & (getattr(rows, later) < getattr(rows, sooner))
        yield from _finding("impossible order", later, f"{later} is before {sooner}", broken)
    for name in DATES:
        says = f"{name} is after the extract ({day_text(extract_day)})"
        yield from _finding("future", name, says, there[name] & (getattr(rows, name) > extract_day))
    says = f"primary_date is before {EARLIEST}"
    broken = there["primary_date"] & (rows.primary_date < earliest)
    yield from _finding("too early", "primary_date", says, broken)


def _revisions(rows: Rows) -> Iterator[Finding]:
    once, twice = rows.revision_date != NO_DATE, rows.second_revision_date != NO_DATE
    yield from _finding(
        "contradiction", "second_revision_date", "second_revision_date without revision_date", twice & ~once
    )
    yield from _finding(
        "contradiction",
        "revision_reasons",
        "revision_reasons without revision_date",
        (rows.revision_reasons != 0) & ~once,
    )
    for joint, parts in _PARTS_OF.items():
        allowed = [code_of("procedure", part) for part in parts]
        broken = (rows.joint == code_of("joint", joint)) & (rows.procedure >= 0)
        broken &= ~np.isin(rows.procedure, allowed)
        says = f"procedure is not one of a {joint}: {', '.join(parts)}"
        yield from _finding("contradiction", "procedure", says, broken)


def _persons(rows: Rows) -> Iterator[Finding]:
    named = rows.person >= 0
    # A joint is a person's, a side and a kind: small enough to sort as one number.
    joint = (rows.person.astype(np.int64) * 16 + np.maximum(rows.joint, 0)) * 2 + np.maximum(rows.side, 0)
    known = named & (rows.joint >= 0) & (rows.side >= 0)
    twice = _in_company(np.where(known, joint, -1 - np.arange(len(rows))))
    yield from _finding("duplicate", "person_id", "the same joint of the same person as another row", twice)
    told = named & (rows.sex >= 0) & (rows.sex != code_of("sex", "not recorded"))
    for column, says, counted in (
        ("sex", "sex is not the same in all rows of the person", told),
        ("death_date", "death_date is not the same in all rows of the person, or missing in some", named),
    ):
        yield from _finding(
            "contradiction", column, says, _at_odds(rows.person, getattr(rows, column), counted)
        )


def _units(rows: Rows) -> Iterator[Finding]:
    known = (rows.unit >= 0) & (rows.unit_class >= 0)
    says = "unit_class is not the same in all rows of the unit"
    yield from _finding("contradiction", "unit_class", says, _at_odds(rows.unit, rows.unit_class, known))


def _in_company(keys: NDArray[np.int64]) -> Flags:
    """Return which rows share their key with another row."""
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    found = np.zeros(len(keys), bool)
    found[order[1:]] |= same
    found[order[:-1]] |= same
    return found


def _at_odds(groups: NDArray[np.int32], values: NDArray[np.integer], known: Flags) -> Flags:
    """Return all rows of groups in which `values` are not one and the same."""
    if not known.any():
        return np.zeros(len(groups), bool)
    size = int(groups[known].max()) + 1
    least, most = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
    np.minimum.at(least, groups[known], values[known])
    np.maximum.at(most, groups[known], values[known])
    return np.asarray(known & (least != most)[np.where(known, groups, 0)])
