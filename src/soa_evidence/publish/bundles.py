"""What an executed notebook says: numbers, checks, sentences, figures and tables in its outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from soa_evidence.errors import BuildError, nearest

__all__ = ["MIME", "Bundles", "collect"]

MIME = "application/vnd.soa-evidence.v1+json"
KINDS = ("numbers", "checks", "evidence", "figure", "table", "derived", "reports", "sentence", "case")
#: Kinds that bring a list of items, not one.
WITH_ITEMS = ("numbers", "checks", "evidence", "reports")

Item = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Bundles:
    """All bundles of one executed notebook, in the order of its cells.

    `basis` tells which rows of evidence stand behind the numbers, which name them by id; `cells` in which
    cell, counted from 1 with those of text, each number is first shown.
    """

    numbers: tuple[Item, ...] = ()
    checks: tuple[Item, ...] = ()
    packages: tuple[Item, ...] = ()
    figures: tuple[Item, ...] = ()
    tables: tuple[Item, ...] = ()
    derived: tuple[Item, ...] = ()
    reports: tuple[Item, ...] = ()
    sentences: tuple[Item, ...] = ()
    cases: tuple[Item, ...] = ()
    basis: tuple[Item, ...] = ()
    cells: Mapping[str, int] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, Item]:
        """By id, what sentences and titles declare to be no result."""
        return {str(g["id"]): g for one in (*self.sentences, *self.figures) for g in one.get("given", ())}

    @property
    def headlines(self) -> tuple[Item, ...]:
        """The sentences of the answer."""
        return tuple(s for s in self.sentences if s.get("role") == "headline")

    @property
    def failed(self) -> tuple[Item, ...]:
        """Checks whose verdict forbids publication."""
        return tuple(c for c in self.checks if c.get("verdict") == "fail")


def collect(notebook: Any) -> Bundles:
    """Gather the bundles from an executed notebook (nbformat node); the same item shown twice counts once."""
    found: dict[str, list[Item]] = {kind: [] for kind in KINDS}
    cells: dict[str, int] = {}
    rows: dict[str, Item] = {}
    for cell, bundle in _outputs(notebook):
        kind = bundle.get("kind")
        if kind not in KINDS:
            raise BuildError(
                f"An output has the kind {kind!r}.{nearest(kind, KINDS)} Known: {', '.join(KINDS)}."
            )
        inner = "packages" if kind == "evidence" else kind
        _add(found[kind], bundle[inner] if kind in WITH_ITEMS else [bundle])
        # a sentence brings the entries of the numbers it speaks of
        _add(found["numbers"], bundle.get("ledger", []))
        rows |= {str(one["id"]): one for one in bundle.get("basis", [])}
        for number in [*(bundle[inner] if kind == "numbers" else ()), *bundle.get("ledger", [])]:
            cells.setdefault(str(number.get("id")), cell)
    return Bundles(
        numbers=tuple(found["numbers"]),
        checks=tuple(found["checks"]),
        packages=tuple(found["evidence"]),
        figures=tuple(found["figure"]),
        tables=tuple(found["table"]),
        derived=tuple(found["derived"]),
        reports=tuple(found["reports"]),
        sentences=tuple(found["sentence"]),
        cases=tuple(found["case"]),
        basis=tuple(rows[id] for id in sorted(rows)),
        cells=cells,
    )


def _add(found: list[Item], items: list[Item]) -> None:
    found.extend(item for item in items if item not in found)


def _outputs(notebook: Any) -> Iterator[tuple[int, Item]]:
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            bundle = output.get("data", {}).get(MIME)
            if bundle is not None:
                yield from ((number, one) for one in (bundle if isinstance(bundle, list) else [bundle]))
