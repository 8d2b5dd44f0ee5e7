"""What the numbers of a page are: published by others, derived by us, synthetic, or declared by hand.

A reader must never take one kind for another. The page says how many there are of each, and where a page
mixes synthetic data with real ones every synthetic number carries its mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from soa_evidence.publish.bundles import Bundles, Item

__all__ = ["Marks", "kind_of", "made_of"]

SYNTHETIC = "synthetic"
#: Kind to the words of the page, in the order shown.
MEANING = {
    "estimated": "estimated by us from data that others published",
    "own data": "estimated from data of those who ran the report, which are not published",
    "taken over": "taken from another report, where its record is",
    SYNTHETIC: "made from synthetic data: it says nothing about real patients",
    "declared": "no result, marked ◇ in the text: a year, a margin chosen, the name of an instrument",
}
_LINK = re.compile(r'<a class="number" href="#number-([^"]+)">')


def kind_of(number: Item, packages: Mapping[str, str]) -> str:
    """Return which kind a number is, given the kind of each evidence package."""
    kinds = {packages.get(str(name), "") for name in number.get("evidence") or ()}
    if SYNTHETIC in kinds:
        return SYNTHETIC
    if number.get("origin"):
        return "taken over"
    return "own data" if "own data" in kinds else "estimated"


def made_of(found: Bundles) -> list[dict[str, Any]]:
    """Return each kind of number on the page that there is: its name, how many, and what it means."""
    packages = _kinds(found.packages)
    counted = dict.fromkeys(MEANING, 0)
    for number in found.numbers:
        counted[kind_of(number, packages)] += 1
    counted["declared"] = len(found.given)
    return [
        {"kind": kind, "count": count, "meaning": MEANING[kind], "mark": kind.replace(" ", "-")}
        for kind, count in counted.items()
        if count
    ]


@dataclass(frozen=True)
class Marks:
    """The ids of numbers to be marked as synthetic; none where the whole page is, which has a banner."""

    ids: frozenset[str]

    @classmethod
    def of(cls, found: Bundles) -> Marks:
        """Choose the numbers to be marked on a page."""
        packages = _kinds(found.packages)
        made = {str(n["id"]) for n in found.numbers if kind_of(n, packages) == SYNTHETIC}
        mixed = len(made) < len(found.numbers)
        return cls(frozenset(made if mixed else ()))

    def marked(self, html: str) -> str:
        """Return `html` with the mark on the links of those numbers."""
        if not self.ids:
            return html
        return _LINK.sub(self._mark, html)

    def _mark(self, link: re.Match[str]) -> str:
        if link[1] not in self.ids:
            return link[0]
        return f'<a class="number synthetic" href="#number-{link[1]}">'


def _kinds(packages: Iterable[Item]) -> dict[str, str]:
    return {str(package.get("name")): str(package.get("kind", "")) for package in packages}
