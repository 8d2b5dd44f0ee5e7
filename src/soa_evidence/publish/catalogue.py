"""The catalogue: every report there is, read strictly from ``analyses/catalogue.yml``.

::

    primary-hip-readmission:
      notebook: unit_outcomes
      title: Readmission after a first hip replacement
      question: After a first hip replacement, are patients ... readmitted less often than ...?
      evidence: [nhs-proms-units, nhs-units]
      parameters: {joint: hip, procedure: primary}

A key that is not known, a repeated report or a name that leads nowhere is an error, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from soa_evidence.errors import CatalogueError, nearest
from soa_evidence.publish import parameters
from soa_evidence.publish.notebook import Notebook
from soa_evidence.publish.own_data import OwnData
from soa_evidence.publish.project import Project

__all__ = ["ID_PATTERN", "Catalogue", "Report", "load"]

ID_PATTERN = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
REQUIRED = ("notebook", "title", "question", "evidence")
KNOWN = (*REQUIRED, "parameters")


@dataclass(frozen=True, kw_only=True)
class Report:
    """One entry of the catalogue; `values` holds every parameter's value, defaults filled in.

    `own` are files of a researcher's, given on the command line in place of an evidence package.
    """

    id: str
    notebook: str
    title: str
    question: str
    evidence: tuple[str, ...]
    values: Mapping[str, parameters.Value]
    known: Mapping[str, parameters.Parameter] = field(repr=False)
    own: tuple[OwnData, ...] = ()

    @classmethod
    def build(
        cls, report_id: object, raw: object, *, project: Project, notebooks: dict[str, Notebook]
    ) -> Report:
        """Check one raw entry and make a report of it; every fault is a CatalogueError naming the report."""
        where = f"catalogue.yml, report '{report_id}'"
        entry = _entry(report_id, raw, where=where)
        name = _text(entry, "notebook", where=where)
        if name not in notebooks:
            present = project.notebooks()
            if name not in present:
                raise CatalogueError(
                    f"{where}: there is no notebook '{name}' in analyses/.{nearest(name, present)}"
                )
            notebooks[name] = Notebook.read(project.notebook(name))
        known = parameters.of_notebook(notebooks[name])
        given = entry.get("parameters") or {}
        if not isinstance(given, dict):
            raise CatalogueError(f"{where}: parameters is {given!r}; expected a mapping of names to values.")
        return cls(
            id=str(report_id),
            notebook=name,
            title=_text(entry, "title", where=where),
            question=_text(entry, "question", where=where),
            evidence=_evidence(entry["evidence"], project.packages(), where=where),
            values=parameters.resolve(known, given, where=where),
            known=known,
        )

    @property
    def meta(self) -> dict[str, str]:
        """What a page says of the report: id, title, question."""
        return {"id": self.id, "title": self.title, "question": self.question}


@dataclass(frozen=True)
class Catalogue:
    """All reports, in the order of the file."""

    reports: tuple[Report, ...]

    def select(self, ids: list[str]) -> tuple[Report, ...]:
        """Return the reports named, all when none is; an unknown name is an error giving the nearest."""
        known = {report.id: report for report in self.reports}
        for report_id in ids:
            if report_id not in known:
                raise CatalogueError(
                    f"There is no report '{report_id}'.{nearest(report_id, known)} "
                    "`soa-evidence list` shows them all."
                )
        return tuple(known[i] for i in dict.fromkeys(ids)) if ids else self.reports


def load(project: Project) -> Catalogue:
    """Read the project's catalogue.

    Raises
    ------
    CatalogueError
        On anything that is not as the module's docstring says.
    """
    try:
        raw = yaml.load(project.catalogue.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except yaml.YAMLError as error:
        raise CatalogueError(f"catalogue.yml is not valid YAML: {error}") from None
    if not isinstance(raw, dict) or not raw:
        raise CatalogueError("catalogue.yml lists no report; expected a mapping from report ids to entries.")
    notebooks: dict[str, Notebook] = {}
    return Catalogue(
        tuple(Report.build(i, entry, project=project, notebooks=notebooks) for i, entry in raw.items())
    )


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a repeated key, where plain YAML keeps the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise CatalogueError(f"catalogue.yml, line {line}: '{key.value}' is given twice; keep one.")
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _entry(report_id: object, raw: object, *, where: str) -> dict[str, Any]:
    if not isinstance(report_id, str) or not ID_PATTERN.fullmatch(report_id):
        raise CatalogueError(
            f"{where}: the id must be lower-case words joined by hyphens, e.g. 'primary-hip-readmission'."
        )
    if not isinstance(raw, dict):
        raise CatalogueError(f"{where} is {raw!r}; expected a mapping with {', '.join(REQUIRED)}.")
    for key in raw:
        if key not in KNOWN:
            raise CatalogueError(
                f"{where}: '{key}' is not a key of an entry.{nearest(key, KNOWN)} Known: {', '.join(KNOWN)}."
            )
    for key in REQUIRED:
        if key not in raw:
            raise CatalogueError(f"{where}: '{key}' is missing; an entry needs {', '.join(REQUIRED)}.")
    return raw


def _text(entry: dict[str, Any], key: str, *, where: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value.strip():
        raise CatalogueError(f"{where}: {key} is {value!r}; expected text.")
    return value.strip()


def _evidence(names: object, present: list[str], *, where: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise CatalogueError(f"{where}: evidence is {names!r}; expected a list of package names.")
    for name in names:
        if name not in present:
            raise CatalogueError(
                f"{where}: there is no evidence package '{name}'.{nearest(name, present)} "
                f"Packages in evidence/: {', '.join(present) or 'none'}."
            )
        if names.count(name) > 1:
            raise CatalogueError(f"{where}: evidence names '{name}' twice; keep one.")
    return tuple(names)
