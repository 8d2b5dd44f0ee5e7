"""An evidence package that has passed validation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest

if TYPE_CHECKING:
    from soa_evidence.evidence.selection import Selection

__all__ = ["Package"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Package:
    """An evidence package that has passed validation.

    Parameters
    ----------
    name, title, version
        As in the descriptor.
    kind
        ``"published"``, ``"derived"`` or ``"synthetic"``.
    licence
        Titles of the licences, joined by '; '.
    attribution
        The words the licence asks to be shown, or '' when there are none.
    sources
        One mapping a source, with at least ``title``.
    hash
        ``sha256:`` of the descriptor file, which holds the hash of every data file: it names the content.
    smallest_count
        The smallest count of people that may be shown; 10 when the package does not say.
    caveats
        What a reader must know before believing a number made from the package.
    descriptor
        The whole descriptor.
    folder
        Where the package lies.
    """

    name: str
    title: str
    version: str
    kind: str
    licence: str
    attribution: str
    sources: tuple[Mapping[str, Any], ...]
    hash: str
    smallest_count: int
    caveats: tuple[str, ...]
    descriptor: Mapping[str, Any]
    folder: Path
    frames: Mapping[str, pd.DataFrame] = field(repr=False)

    @property
    def resources(self) -> tuple[str, ...]:
        """Names of the package's tables."""
        return tuple(self.frames)

    def table(self, resource: str | None = None) -> pd.DataFrame:
        """Return a fresh copy of a table, columns typed and ordered as in the schema.

        Parameters
        ----------
        resource
            Name of the table; may be left out when the package has one only.

        Raises
        ------
        EvidenceError
            On an unknown resource, or when several exist and none is named.
        """
        return self.frames[self._resource(resource)].copy()

    def select(
        self,
        resource: str | None = None,
        /,
        *,
        where: str = "",
        counted: str | Iterable[str] = (),
        **equal: Any,
    ) -> Selection:
        """Choose rows of a table: they are the result's `frame`, and it is a number's ``evidence=``.

        Parameters
        ----------
        resource
            Name of the table; may be left out when the package has one only.
        where
            A choice that is more than equality, as ``pandas.DataFrame.query`` takes it, values written out.
        counted
            Columns whose sum (of numbers) or number of different values (of texts) the ledger tells.
        **equal
            By column, the value its rows must have, or a list of values.

        Raises
        ------
        EvidenceError
            On an unknown table or column, a value that is neither text nor number, or a choice that cannot be
            read.
        """
        from soa_evidence.evidence.selection import select  # it needs this class

        return select(self, self._resource(resource), where=where, counted=counted, equal=equal)

    def fields(self, resource: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the field descriptors (title, description, unit, constraints, own keys) by column name."""
        name = self._resource(resource)
        entry = next(r for r in self.descriptor["resources"] if r["name"] == name)
        return {f["name"]: dict(f) for f in entry["schema"]["fields"]}

    def _resource(self, name: str | None) -> str:
        if name is None and len(self.frames) == 1:
            return next(iter(self.frames))
        if name is None or name not in self.frames:
            said = "has several tables" if name is None else f"has no table {name!r}"
            raise EvidenceError(
                f"The package '{self.name}' {said}.{nearest(name, self.frames)} Name one of: "
                f"{', '.join(self.frames)}."
            )
        return name

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} ({len(frame):,} rows)" for name, frame in self.frames.items())
        return f"{self.title} [{self.name}, {self.kind}, {self.licence}]: {sizes}"
