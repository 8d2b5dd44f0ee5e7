"""The pages about all reports: the index, every claim, and what changed since the last edition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from soa_evidence.publish import changes, claims, edition, index
from soa_evidence.publish.project import Project
from soa_evidence.publish.templating import date_in_words

__all__ = ["CASE", "pages", "render", "the_case"]

#: The report that weighs the claims; its run record holds the case, which the index shows on one screen.
CASE = "better-outcome-case"


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
        case=the_case(entries),
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


def the_case(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the claims as the report that weighs them has them, and its address; None without it."""
    held = next((e for e in entries if e["id"] == CASE and e["status"] == "published"), None)
    cases = (held.get("run") or {}).get("case") if held is not None else None
    if held is None or not cases:
        return None
    return {"href": held["href"], "claims": cases[0]["claims"]}
