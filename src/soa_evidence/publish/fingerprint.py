"""What a report was made from, as content hashes: the reason a report is, or is not, up to date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from soa_evidence.publish import imports, own_data, record
from soa_evidence.publish.catalogue import Report
from soa_evidence.publish.project import Project

__all__ = ["FEEDER", "Fingerprint", "Library", "digest", "results", "take"]

#: Parts that only matter to the page; a change in them re-renders a report but does not run it again.
PAGE_ONLY = ("entry", "publishing")
#: How the part of a report that this one comes after is called, before the report's id.
FEEDER = "report "
#: What of a run record other reports may read.
TOLD = ("title", "question", "status", "answer", "evidence", "checks")


@dataclass(frozen=True, kw_only=True)
class Library:
    """The library's source: text of each Python file and hash of any other, by path inside the library."""

    sources: Mapping[str, str]
    others: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> Library:
        """Read every source file under the package `folder`."""
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and "__pycache__" not in p.parts]
        named = {path.relative_to(folder).as_posix(): path for path in files}
        return cls(
            sources={n: p.read_text(encoding="utf-8") for n, p in named.items() if p.suffix == ".py"},
            others={n: _file(p) for n, p in named.items() if p.suffix != ".py"},
        )

    def run_by(self, notebook: Path) -> str:
        """Hash what the cells of a notebook can run of the library; of one that cannot be read, all of it."""
        cells = (record.read(notebook) or {}).get("cells")
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"] if cells else ["?"]
        beside = {name: hash for name, hash in self.others.items() if not _publishes(name)}
        return digest([imports.reached(["\n".join(code)], self.sources), beside])

    @cached_property
    def publishing(self) -> str:
        """Hash of what makes pages from what the cells gave, and of all that it can run of the rest."""
        own = {name: source for name, source in self.sources.items() if _publishes(name)}
        whole = {name: hash for name, hash in self.others.items() if _publishes(name)}
        return digest([own, imports.reached(own.values(), self.sources), whole])


def _publishes(name: str) -> bool:
    return name.split("/")[0] in ("publish", "__main__.py")


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Hash of each thing a report depends on, by name."""

    parts: dict[str, str]

    @property
    def execution(self) -> str:
        """One hash of all that decides what the notebook's cells give."""
        return digest({name: part for name, part in self.parts.items() if name not in PAGE_ONLY})


def digest(value: object) -> str:
    """Return the SHA-256 of `value` written as canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def take(
    report: Report, *, project: Project, library: Library, known: dict[Path, str] | None = None
) -> Fingerprint:
    """Hash the notebook, parameters, library, evidence, environment, entry and feeders of `report`.

    `known` remembers hashes of packages, feeders and what notebooks run where many are taken at one moment.
    """
    known = {} if known is None else known

    def once(folder: Path, made: Callable[[Path], str]) -> str:
        if folder not in known:
            known[folder] = made(folder)
        return known[folder]

    notebook = project.notebook(report.notebook)
    parts = {
        "notebook": _file(notebook),
        "parameters": digest(own_data.told(report.values, report.own)),
        "library": once(notebook, library.run_by),
        "publishing": library.publishing,
        "environment": _file(project.lock),
        "entry": digest([report.meta, list(report.evidence), list(report.after)]),
    }
    named = [name for name in report.evidence if name != own_data.OWN_NAME]
    evidence = {f"evidence {name}": once(project.evidence / name, _package) for name in named}
    fed = {f"{FEEDER}{id}": once(project.report(id), results) for id in report.after}
    own = {f"own data {data.parameter}": data.digest() for data in report.own}
    return Fingerprint(parts=parts | evidence | fed | own)


def results(folder: Path) -> str:
    """Hash what a report has published for others: numbers, answer, checks, tables, derived results."""
    run = record.read(folder / "run.json") or {}
    files = [p for kind in ("tables", "derived") for p in sorted((folder / kind).glob("*"))]
    told = {name: run.get(name) for name in TOLD}
    return digest([told, _file(folder / "numbers.json"), _files(files, folder)])


def _file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"


def _files(paths: Iterable[Path], folder: Path) -> str:
    return digest({path.relative_to(folder).as_posix(): _file(path) for path in paths})


def _package(folder: Path) -> str:
    """Hash a package's descriptor and the files it names; its README and build script make no numbers."""
    descriptor = folder / "datapackage.json"
    try:
        resources = json.loads(descriptor.read_text(encoding="utf-8")).get("resources", [])
    except (OSError, ValueError):
        resources = []  # the loader will say what is wrong; here it only has to count as a change
    named = [r.get("path", []) for r in resources if isinstance(r, dict)]
    paths = [folder / p for path in named for p in (path if isinstance(path, list) else [path])]
    return digest([_file(descriptor), *(_file(path) for path in paths)])
