"""The pages about all reports: the index, every claim, and what changed since the last edition."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Any

from soa_evidence.publish import changes, claims, edition, index
from soa_evidence.publish.project import Project
from soa_evidence.publish.templating import date_in_words

__all__ = ["CASE", "case_rows", "pages", "render"]

#: The report that weighs the claims; its table of this name is the case on one screen.
CASE, CASE_TABLE = "better-outcome-case", "claims"


def render(
    project: Project, entries: Sequence[Mapping[str, Any]], profiles: Sequence[Mapping[str, str]]
) -> dict[str, str]:
    """Return each page by its file's name."""
    built = edition.now(project)
    return pages(
        entries,
        profiles,
        built=built,
        before=edition.before(project, built),
        case=case_rows(project, entries),
    )


def pages(
    entries: Sequence[Mapping[str, Any]],
    profiles: Sequence[Mapping[str, str]],
    *,
    built: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    case: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return each page by its file's name, from what is built and the edition before it."""
    started = [str((entry.get("run") or {}).get("this_run", {}).get("started") or "") for entry in entries]
    told = date_in_words(max(started, default=""))
    return {
        "index.html": index.render(entries, profiles=profiles, case=case),
        "claims.html": claims.render(entries, edition=told),
        "changes.html": changes.render(built, before, edition=told),
    }


def case_rows(project: Project, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the case on one screen, from the table of the report that weighs the claims; None without it."""
    held = next((e for e in entries if e["id"] == CASE and e["status"] == "published"), None)
    path = project.report(CASE) / "tables" / f"{CASE_TABLE}.csv"
    if held is None or not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        heads, *rows = list(csv.reader(file))
    return {"href": held["href"], "heads": [h.replace("_", " ").capitalize() for h in heads], "rows": rows}
