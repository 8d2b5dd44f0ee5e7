"""A report run on a researcher's own extract: found, kept apart from the edition, and not told of by path.

``-p registry=extract.csv`` puts a file where the catalogue names an evidence package. Such a run has an id
and a folder of its own, its evidence is the extract under one fixed name with a cautious limit on small
counts, and what is recorded of it is the file's hash; its folder stays out of pages and records.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soa_evidence.errors import CatalogueError, nearest
from soa_evidence.publish.notebook import Notebook

if TYPE_CHECKING:
    from soa_evidence.publish.catalogue import Report

__all__ = ["OWN_NAME", "SUFFIX", "OwnData", "brought_in", "concealed", "told", "without_paths"]

#: The name under which `evidence.registry.load` gives a file to reporting.
OWN_NAME = "own-registry-extract"
#: Reports on own data are named and kept apart by this ending.
SUFFIX = "-own-data"


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """A file given for a parameter that names a registry."""

    parameter: str
    path: Path

    def digest(self) -> str:
        """Return one hash of the file and of a table of units beside it; 'absent' where the file has gone."""
        beside = self.path.with_name(self.path.stem + ".units.csv")
        hashes = [_sha256(path) for path in (self.path, beside) if path.is_file()]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest() if hashes else "absent"


def brought_in(report: Report, written: Notebook, *, packages: list[str]) -> Report:
    """Return `report` as it runs on the files given for its registry parameters; unchanged where none is.

    Raises
    ------
    CatalogueError
        When a value is neither an evidence package nor a file.
    """
    own, evidence, values = [], list(report.evidence), dict(report.values)
    for name in sorted(written.registry_parameters() & set(values)):
        value, default = str(values[name]), str(report.known[name].default)
        if value in packages:
            continue
        path = Path(value).expanduser()
        if not path.is_file():
            raise CatalogueError(
                f"report '{report.id}': {name} is {value!r}, which is neither an evidence package nor a file."
                f"{nearest(value, packages)} Expected '{default}', or the path of a CSV or Parquet file."
            )
        own.append(OwnData(parameter=name, path=path.resolve()))
        values[name] = str(path.resolve())
        # a notebook that also opens the package by its own name still rests on it
        stays = default in written.evidence()
        evidence = [OWN_NAME if package == default and not stays else package for package in evidence]
        evidence += [OWN_NAME] if stays else []
    if not own:
        return report
    return replace(
        report,
        id=f"{report.id}{SUFFIX}",
        title=f"{report.title} (own data)",
        evidence=tuple(evidence),
        values=values,
        own=tuple(own),
    )


def told(values: Mapping[str, Any], own: tuple[OwnData, ...]) -> dict[str, Any]:
    """Return parameters as they may be recorded: a hash in place of each path."""
    hidden = {data.parameter: f"own extract, sha256 of files {data.digest()}" for data in own}
    return {name: hidden.get(name, value) for name, value in values.items()}


def concealed(executed: Any, own: tuple[OwnData, ...]) -> Any:
    """Return an executed notebook in which no path of own data is left, neither in cells nor in outputs."""
    if not own:
        return executed
    import nbformat

    text = nbformat.writes(executed)  # type: ignore[no-untyped-call]
    return nbformat.reads(without_paths(text, own), as_version=4)  # type: ignore[no-untyped-call]


def without_paths(text: str, own: tuple[OwnData, ...]) -> str:
    """Return `text` with the paths of own data and of their folders replaced."""
    for data in own:
        for path, word in ((str(data.path), "own extract"), (str(data.path.parent), "folder of own extract")):
            once = json.dumps(path, ensure_ascii=False)[1:-1]  # as JSON writes it, and a literal within JSON
            for written in (json.dumps(once, ensure_ascii=False)[1:-1], once, path):
                text = text.replace(written, word) if len(written) > 1 else text
    return text


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
