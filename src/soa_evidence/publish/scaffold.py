"""Start a new analysis from the template: a notebook and a catalogue entry that build as they are."""

from __future__ import annotations

from pathlib import Path

from soa_evidence.errors import CatalogueError
from soa_evidence.publish import catalogue
from soa_evidence.publish.notebook import Notebook
from soa_evidence.publish.project import Project

__all__ = ["new"]

ENTRY = """
{id}:
  notebook: {notebook}
  title: {title}
  question: What is asked, as a question a reader would ask?
  evidence: [{evidence}]
  parameters: {{}}
"""


def new(project: Project, report_id: str) -> Path:
    """Make the notebook of `report_id` from the template and add its entry; return the notebook's path.

    Raises
    ------
    CatalogueError
        When the id is not of the right form, or the report or its notebook already exists.
    """
    if not catalogue.ID_PATTERN.fullmatch(report_id):
        raise CatalogueError(
            f"'{report_id}' cannot be a report's id; expected lower-case words joined by hyphens, "
            "e.g. 'shoulder-readmission'."
        )
    if report_id in {report.id for report in catalogue.load(project).reports}:
        raise CatalogueError(f"There already is a report '{report_id}'. Choose another id.")
    name = report_id.replace("-", "_")
    path, template = project.notebook(name), project.analyses / "_template.ipynb"
    if path.exists():
        raise CatalogueError(f"analyses/{path.name} already exists. Choose another id or remove it.")
    if not template.is_file():
        raise CatalogueError("analyses/_template.ipynb is missing; restore it from the repository.")
    path.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    entry = ENTRY.format(
        id=report_id,
        notebook=name,
        title=report_id.replace("-", " ").capitalize(),
        evidence=", ".join(sorted(Notebook.read(template).evidence())),
    )
    text = project.catalogue.read_text(encoding="utf-8").rstrip("\n")
    project.catalogue.write_text(f"{text}\n{entry}", encoding="utf-8")
    return path.relative_to(project.root)
