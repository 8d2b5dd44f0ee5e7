"""Sealed editions: what was published, kept small, for later editions to be compared with.

``soa-evidence seal NAME`` writes ``editions/NAME.json`` from what is built: the answer, numbers, parameters
and hashes of every published report. The files are committed, so a comparison needs no history of the
repository. What is built is compared with the newest sealed edition that differs from it: just sealed, an
edition is still compared with the one before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from soa_evidence.errors import CatalogueError
from soa_evidence.publish import catalogue, record
from soa_evidence.publish.project import Project
from soa_evidence.reporting import formats

__all__ = ["NAME", "before", "now", "of_report", "seal", "shown"]

NAME = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?(-[a-z0-9]+)?")
#: What is kept of each number.
KEPT = ("estimand", "label", "unit", "estimate", "lower", "upper")


def now(project: Project) -> dict[str, Any]:
    """Return what is built: for each published report of the edition its answer, numbers and hashes."""
    return {report.id: of_report(project, report.id) for report in catalogue.load(project).reports}


def seal(project: Project, name: str, *, on: date | None = None) -> Path:
    """Write what is built as the edition `name`; return the file.

    Raises
    ------
    CatalogueError
        When the name is not of the right form or taken, or nothing is published.
    """
    if not NAME.fullmatch(name):
        raise CatalogueError(
            f"'{name}' cannot name an edition; expected its month or day, e.g. '2026-11' or '2026-11-22'."
        )
    path = project.editions / f"{name}.json"
    if path.exists():
        raise CatalogueError(f"The edition '{name}' is sealed already and stays. Choose another name.")
    reports = {id: held for id, held in now(project).items() if held["status"] == "published"}
    if not reports:
        raise CatalogueError("No report is published, so nothing can be sealed. Run `soa-evidence build`.")
    path.parent.mkdir(exist_ok=True)
    made = {"edition": name, "sealed": str(on or date.today()), "reports": reports}
    path.write_text(record.to_json(made), encoding="utf-8")
    return path


def before(project: Project, built: dict[str, Any]) -> dict[str, Any] | None:
    """Return the newest sealed edition that differs from what is `built`, or None where there is none."""
    for path in sorted(project.editions.glob("*.json"), reverse=True):
        sealed = record.read(path)
        if isinstance(sealed, dict) and _essence(sealed.get("reports", {})) != _essence(built):
            return sealed
    return None


def _essence(reports: dict[str, Any]) -> dict[str, Any]:
    """Return what makes one edition another: the numbers as shown and the answers."""
    return {
        id: [held["answer"], {name: number["shown"] for name, number in held["numbers"].items()}]
        for id, held in reports.items()
        if held["status"] == "published"
    }


def of_report(project: Project, id: str) -> dict[str, Any]:
    """Return what an edition keeps of one report."""
    folder = project.report(id)
    run = record.read(folder / "run.json") or {}
    records = record.read(folder / "numbers.json") or []
    answer = run.get("answer") or {}
    return {
        "title": run.get("title", id),
        "status": run.get("status", "not built"),
        "answer": answer.get("sentence") or "",
        "turns_on": answer.get("number"),
        "parameters": run.get("parameters", {}),
        "hashes": run.get("hashes", {}),
        "numbers": {r["id"]: {**{k: r.get(k) for k in KEPT}, "shown": shown(r)} for r in records},
    }


def shown(number: Mapping[str, Any]) -> str:
    """Return a number of numbers.json as pages write it, with its interval."""
    estimate, places = float(number["estimate"]), number.get("decimals")
    if number.get("lower") is None or number.get("upper") is None:
        if number.get("unit") == "probability":
            return formats.percent(estimate)
        return formats.fixed(estimate, formats.significant_decimals(estimate) if places is None else places)
    low, high = float(number["lower"]), float(number["upper"])
    if places is None:
        places = formats.decimals_for(low, high)
    if number.get("unit") == "probability":
        written = [formats.percent(value, max(0, places - 2)) for value in (estimate, low, high)]
    else:
        written = [formats.fixed(value, places) for value in (estimate, low, high)]
    return f"{written[0]} ({formats.span(written[1], written[2])})"
