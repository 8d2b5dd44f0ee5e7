"""What there is to build: each report with its parameters, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from soa_evidence.publish import catalogue, record
from soa_evidence.publish.catalogue import Report
from soa_evidence.publish.project import Project

__all__ = ["as_text", "describe", "families"]


def describe(project: Project) -> list[dict[str, Any]]:
    """Return every report: id, title, question, notebook, evidence, status and parameters.

    Each parameter has name, type (as Python writes it), words (the type as a person says it), value (what the
    report uses), default (what the notebook says), allowed (a list, or None where open) and meaning.
    """
    return [_row(project, report) for report in catalogue.load(project).reports]


def families(project: Project) -> list[str]:
    """Return a line for each family: how many reports it stands for, and how to build them."""
    return [
        f"{name}  (a family of {len(members)} reports, {sum(r.sample for r in members)} of them in the list "
        f"above)\n    soa-evidence build --family {name}"
        for name, members in catalogue.load(project).families.items()
    ]


def as_text(rows: Iterable[dict[str, Any]]) -> str:
    """Return the rows as text for a terminal; parameters common to a notebook are told once, at its end."""
    by_notebook: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_notebook.setdefault(row["notebook"], []).append(row)
    return "\n\n".join(_notebook(name, reports) for name, reports in by_notebook.items())


def _row(project: Project, report: Report) -> dict[str, Any]:
    run = record.read(project.report(report.id) / "run.json") or {}
    return {
        **report.meta,
        "notebook": report.notebook,
        "evidence": list(report.evidence),
        "status": run.get("status", "not built"),
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type,
                "words": parameter.words,
                "value": report.values[parameter.name],
                "default": parameter.default,
                "allowed": parameter.allowed,
                "meaning": parameter.meaning,
            }
            for parameter in report.known.values()
        ],
    }


def _notebook(name: str, reports: list[dict[str, Any]]) -> str:
    lines = []
    for report in reports:
        lines.append(f"{report['id']}  ({report['status']})")
        lines.append(f"    {report['title']}")
        own = [p for p in report["parameters"] if p["value"] != p["default"]]
        if own:
            lines.append("    " + ", ".join(f"{p['name']}={_text(p['value'])}" for p in own))
    lines.append(f"  Parameters of {name}, to set with -p name=value:")
    parameters = reports[0]["parameters"]
    width = max((len(p["name"]) for p in parameters), default=0)
    for p in parameters:
        lines.append(f"    {p['name']:<{width}}  {p['meaning']}")
        lines.append(f"    {'':<{width}}  {p['words']}; default {_text(p['default'])}")
    return "\n".join(lines)


def _text(value: object) -> str:
    """Return a value as `-p` takes it."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
