"""Every claim of every report on one page, each of its numbers with a link to its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from soa_evidence.publish import edition, evidence_rows, kinds
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
        else _declared(part, page)
        for part in parts
    )


def _declared(part: Mapping[str, Any], page: str) -> str:
    """Return a piece that is no number; a figure declared to be no result keeps its mark and its reason."""
    text, id = str(part["text"]), part.get("declared")
    if not id:
        return _spaced(text)
    told = safe.escape(f"Declared, no result: {part['given']}")
    return f'<a class="given" href="{page}#given-{safe.escape(id)}" title="{told}">{_spaced(text)}</a>'


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
    rows = list(run.get("basis", ()))
    places = {str(one["id"]): at for at, one in enumerate(rows, start=1)}
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
        "rows": [Markup(link) for link in evidence_rows.numbered(rows, page)],
        "listed": Markup("".join(_number(number, page, packages, places) for number in numbers)),
    }


def _number(
    number: Mapping[str, Any], page: str, packages: Mapping[str, str], places: Mapping[str, int]
) -> str:
    kind = kinds.kind_of(dict(number), packages)
    mark = ' <span class="kind synthetic">(synthetic)</span>' if kind == kinds.SYNTHETIC else ""
    name = ", ".join(filter(None, [str(number["estimand"]), str(number["label"] or "")]))
    unit = "" if number["unit"] == "probability" else f" {number['unit']}"
    at = sorted(places[id] for id in number.get("basis") or () if id in places)
    rows = f" (rows {_listed(at)})" if at else ""
    return (
        f'<li><a href="{page}#number-{safe.escape(number["id"])}">{safe.escape(name)}</a>: '
        f"{safe.escape(edition.shown(dict(number)) + unit)}{mark}{rows}</li>"
    )


def _listed(places: Sequence[int]) -> str:
    """Return "1, 2" or, of many in a row, "1 to 14, 17"."""
    spans: list[list[int]] = []
    for place in places:
        if spans and place == spans[-1][-1] + 1:
            spans[-1].append(place)
        else:
            spans.append([place])
    return ", ".join(
        f"{span[0]} to {span[-1]}" if len(span) > 2 else ", ".join(map(str, span)) for span in spans
    )
