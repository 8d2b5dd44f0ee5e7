"""Check a project without building it: catalogue, notebooks, evidence packages."""

from __future__ import annotations

from collections.abc import Iterator

from soa_evidence.errors import SoaEvidenceError
from soa_evidence.publish import catalogue, notebook
from soa_evidence.publish.catalogue import Report
from soa_evidence.publish.notebook import Notebook
from soa_evidence.publish.project import Project

__all__ = ["declared_evidence", "problems"]


def problems(project: Project) -> list[str]:
    """Return everything wrong with the project, as messages; an empty list means it is in order."""
    return [*_notebooks(project), *_catalogue(project), *_evidence(project)]


def declared_evidence(report: Report, written: Notebook) -> Iterator[str]:
    """Yield where the evidence a report declares differs from what its notebook loads by name."""
    for name in sorted(written.reports() - set(report.after)):
        yield f"report '{report.id}': {written.name}.ipynb reads report '{name}', not named under 'after'"
    chosen = {str(report.values[name]) for name in written.registry_parameters() if name in report.values}
    loaded, declared = written.evidence() | chosen, set(report.evidence)
    for name in sorted(loaded - declared):
        yield f"report '{report.id}': {written.name}.ipynb loads '{name}', not declared in the catalogue"
    for name in sorted(declared - loaded):
        yield f"report '{report.id}': declares evidence '{name}', not loaded by {written.name}.ipynb"


def _notebooks(project: Project) -> Iterator[str]:
    for name in project.notebooks():
        try:
            yield from notebook.problems(Notebook.read(project.notebook(name)))
        except SoaEvidenceError as error:
            yield str(error)


def _catalogue(project: Project) -> Iterator[str]:
    try:
        for report in catalogue.load(project).reports:
            yield from declared_evidence(report, Notebook.read(project.notebook(report.notebook)))
    except SoaEvidenceError as error:
        yield str(error)


def _evidence(project: Project) -> Iterator[str]:
    from soa_evidence import evidence

    yield from evidence.check(folder=project.evidence)
