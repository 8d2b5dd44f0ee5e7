"""What a report was made from, as content hashes: the reason a report is, or is not, up to date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from soa_evidence.publish import own_data, record
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
    """Hashes of the library's source: the part notebooks run on, and the part that publishes."""

    science: str
    publishing: str

    @classmethod
    def read(cls, folder: Path) -> Library:
        """Hash every source file under the package `folder`."""
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and "__pycache__" not in p.parts]
        publishing = [p for p in files if p.relative_to(folder).parts[0] in ("publish", "__main__.py")]
        science = [p for p in files if p not in set(publishing)]
        return cls(science=_files(science, folder), publishing=_files(publishing, folder))


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

    `known` remembers hashes of packages and feeders where many reports are taken at one moment.
    """
    known = {} if known is None else known

    def once(folder: Path, made: Callable[[Path], str]) -> str:
        if folder not in known:
            known[folder] = made(folder)
        return known[folder]

    parts = {
        "notebook": _file(project.notebook(report.notebook)),
        "parameters": digest(own_data.told(report.values, report.own)),
        "library": library.science,
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
