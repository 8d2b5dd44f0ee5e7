"""Every claim of every report on one page, each of its numbers with a link to its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from soa_evidence.publish import edition, kinds
from soa_evidence.publish.templating import fill
from soa_evidence.reporting import safe

__all__ = ["claim_html", "render"]


def render(reports: Sequence[Mapping[str, Any]], *, edition: str = "") -> str:
    """Return the page of claims.

    Parameters
    ----------
    reports
        One entry a report, as the index has them.
    """
    shown = [_report(entry) for entry in reports if entry["status"] == "published"]
    return fill(
        "claims.html.jinja",
        edition=edition,
        reports=shown,
        claims=sum(len(report["claims"]) for report in shown),
        numbers=sum(report["numbers"] for report in shown),
        withheld=[str(entry["title"]) for entry in reports if entry["status"] == "failed"],
    )


def claim_html(parts: Sequence[Mapping[str, Any]], page: str) -> str:
    """Return a sentence whose numbers lead to their records on `page`."""
    return "".join(
        f'<a class="number" href="{page}#number-{part["number"]}">{safe.escape(part["text"])}</a>'
        if part.get("number")
        else _spaced(str(part["text"]))
        for part in parts
    )


def _spaced(text: str) -> str:
    """Escape a piece of a sentence, keeping the spaces that join it to its neighbours."""
    if not text.strip():
        return text
    return " " * (text[0] == " ") + safe.escape(text) + " " * (text[-1] == " ")


def _report(entry: Mapping[str, Any]) -> dict[str, Any]:
    from markupsafe import Markup

    page, run = str(entry["href"]), entry.get("run") or {}
    packages = {str(p.get("name")): str(p.get("kind", "")) for p in run.get("evidence", ())}
    numbers = list(entry.get("numbers", ()))
    return {
        "id": entry["id"],
        "title": entry["title"],
        "question": entry["question"],
        "href": page,
        "claims": [Markup(claim_html(claim["parts"], page)) for claim in run.get("claims", ())],
        "numbers": len(numbers),
        "sources": [
            {"name": str(p["name"]), "title": str(p["title"]), "kind": str(p["kind"])}
            for p in run.get("evidence", ())
        ],
        "listed": Markup("".join(_number(number, page, packages) for number in numbers)),
    }


def _number(number: Mapping[str, Any], page: str, packages: Mapping[str, str]) -> str:
    kind = kinds.kind_of(dict(number), packages)
    mark = ' <span class="kind synthetic">(synthetic)</span>' if kind == kinds.SYNTHETIC else ""
    name = ", ".join(filter(None, [str(number["estimand"]), str(number["label"] or "")]))
    unit = "" if number["unit"] == "probability" else f" {number['unit']}"
    return (
        f'<li><a href="{page}#number-{safe.escape(number["id"])}">{safe.escape(name)}</a>: '
        f"{safe.escape(edition.shown(dict(number)) + unit)}{mark}</li>"
    )
