"""The front page: every report with its answer, its size at a glance, and what its checks said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from soa_evidence.publish import case_graphic
from soa_evidence.publish.bundles import Item
from soa_evidence.publish.templating import date_in_words, fill
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.provenance import VERDICTS, tally

__all__ = ["answer", "no_difference", "render"]

OTHER = "Other reports"
#: The counts of a claim: its side, mark and words.
COUNTED = (("for", "●", "for"), ("against", "◆", "against"), ("cannot_tell", "○", "cannot tell"),
           ("small", "■", "small"))  # fmt: skip


def answer(headlines: Iterable[Item]) -> dict[str, Any]:
    """Return what the index shows of a report's headline: its first sentence and the number it turns on.

    Parameters
    ----------
    headlines
        The headline bundles of the executed notebook.

    Returns
    -------
    dict
        ``sentence``, and ``number``: the id of the first comparison in the headline that has an interval
        (or of the first number with one), and ``parts``: each sentence piece by piece, for other reports.
    """
    found = list(headlines)
    first = next((s["text"] for h in found for s in h.get("sentences", ())), "")
    entries = [e for h in found for e in h.get("ledger", ()) if e.get("lower") is not None]
    entries.sort(key=lambda e: no_difference(e) is None)
    return {
        "sentence": first or next((str(h.get("text", "")) for h in found), ""),
        "number": entries[0]["id"] if entries else None,
        "parts": [s["parts"] for h in found for s in h.get("sentences", ()) if "parts" in s],
    }


def no_difference(number: Mapping[str, Any]) -> float | None:
    """Return the value that means no difference, or None where the number is no comparison."""
    words = f"{number['estimand']} {number['unit']}".lower()
    return 1.0 if "ratio" in words else 0.0 if "difference" in words else None


def render(
    reports: Sequence[Mapping[str, Any]],
    *,
    profiles: Sequence[Mapping[str, str]] = (),
    case: Mapping[str, Any] | None = None,
) -> str:
    """Return the index page.

    Parameters
    ----------
    reports
        One entry a report of the catalogue, in its order: ``id``, ``title``, ``question``, ``status``
        ("published", "failed" or "not built"), ``href``, ``headline`` (texts), ``numbers`` (as in
        numbers.json) and ``run`` (as in run.json, with ``answer`` where there is one).
    profiles
        The pages of single hospitals: ``id``, ``name`` and ``href``, which is '' where the page is not built.
    case
        The claims of the report that weighs them, with its ``href``, where it is published.
    """
    from markupsafe import Markup

    scales = _scales(reports)
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in reports:
        shown = {
            "href": entry["href"],
            "title": entry["title"],
            "question": entry["question"],
            "answer": Markup(_answer(entry)),
            "state": Markup(_state(entry)),
            "glance": Markup(_glance(entry, scales)),
        }
        groups.setdefault(_group(entry), []).append(shown)
    started = [str(_run(entry).get("this_run", {}).get("started") or "") for entry in reports]
    synthetic = [str(entry["title"]) for entry in reports if _is_synthetic(entry)]
    return fill(
        "index.html.jinja",
        edition=date_in_words(max(started, default="")),
        profiles=list(profiles),
        case=_case(case) if case else None,
        banner=f"Made from synthetic data: {'; '.join(synthetic)}." if synthetic else "",
        groups=[
            {"id": safe.slug(title), "title": title, "entries": entries} for title, entries in groups.items()
        ],
    )


def _case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Return each claim with its picture and its counts in words."""
    from markupsafe import Markup

    return {
        "href": case["href"],
        "claims": [
            {
                "id": one["id"],
                "name": one["name"],
                "says": one["says"],
                "answer": one["answer"],
                "certainty": one["certainty"],
                "marks": [
                    {"side": side, "text": f"{one['counts'][side]} {words}", "mark": mark}
                    for side, mark, words in COUNTED
                ],
                "missing": len(one["missing"]),
                "picture": Markup(case_graphic.draw(one)),
            }
            for one in case["claims"]
        ],
    }


def _group(entry: Mapping[str, Any]) -> str:
    """Return the heading for a report: its ``group``, or what its title says after " after "."""
    if entry.get("group"):
        return str(entry["group"])
    _, found, rest = str(entry["title"]).partition(" after ")
    return f"After {rest}" if found else OTHER


def _run(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return entry.get("run") or {}


def _is_synthetic(entry: Mapping[str, Any]) -> bool:
    return any(package.get("kind") == "synthetic" for package in _run(entry).get("evidence", ()))


def _answer(entry: Mapping[str, Any]) -> str:
    if entry["status"] != "published":
        return ""
    texts = list(entry.get("headline") or [""])
    text = (_run(entry).get("answer") or {}).get("sentence") or texts[0]
    return f"<p>{safe.escape(text)}</p>"


def _state(entry: Mapping[str, Any]) -> str:
    run = _run(entry)
    if entry["status"] == "failed":
        names = "; ".join(safe.escape(reason.get("name", "")) for reason in run.get("failed", ()))
        symbol = VERDICTS["fail"][0]
        which = f" Not passed: {names}" if names else ""
        return f'<p class="withheld"><span aria-hidden="true">{symbol}</span> Withheld.{which}</p>'
    if entry["status"] != "published":
        return '<p class="state">Not built in this edition.</p>'
    checks = list(run.get("checks", ()))
    worst = "warn" if any(check["verdict"] == "warn" for check in checks) else "pass"
    symbol, _ = VERDICTS[worst]
    return (
        f'<p class="state"><span class="verdict {worst}"><span aria-hidden="true">{symbol}</span> '
        f"Checks: {tally(checks) or 'none recorded'}</span></p>"
    )


def _number(entry: Mapping[str, Any]) -> Item | None:
    """Return the number that a report's answer turns on, if it is known and has an interval."""
    if entry["status"] != "published":
        return None
    id = (_run(entry).get("answer") or {}).get("number")
    return next(
        (n for n in entry.get("numbers", ()) if n["id"] == id and n.get("lower") is not None),
        None,
    )


def _scales(reports: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Return one scale a unit, holding no difference, so that reports can be compared by eye."""
    scales: dict[str, tuple[float, float]] = {}
    for number in filter(None, map(_number, reports)):
        nothing = no_difference(number)
        held = [number["lower"], number["upper"], *([] if nothing is None else [nothing])]
        held += scales.get(number["unit"], ())
        scales[number["unit"]] = (min(held), max(held))
    return scales


def _glance(entry: Mapping[str, Any], scales: Mapping[str, tuple[float, float]]) -> str:
    number = _number(entry)
    if number is None:
        return ""
    low, high = scales[number["unit"]]
    room = 0.06 * (high - low) or 1.0
    places = formats.decimals_for(number["lower"], number["upper"])
    estimate, lower, upper = (formats.fixed(number[key], places) for key in ("estimate", "lower", "upper"))
    text = f"{estimate} ({formats.span(lower, upper)})"
    level = f", {formats.percent(number['level'])} interval" if number.get("level") else ""
    return (
        f"{_svg(number, low - room, high + room)}"
        f"<strong>{safe.escape(text)}</strong> {safe.escape(number['unit'])}{level}"
        f"<br>{safe.escape(number['label'])}: {safe.escape(number['estimand'])}"
    )


def _svg(number: Item, low: float, high: float) -> str:
    """Draw the interval; the words beneath say the same, so it is hidden from screen readers."""

    def x(value: float) -> str:
        return f"{320 * (value - low) / (high - low):.1f}"

    hue = style.mark_of(number["label"]).hue
    nothing = no_difference(number)
    line = ""
    if nothing is not None:
        at = x(nothing)
        side = "end" if float(at) > 210 else "start" if float(at) < 110 else "middle"
        line = (
            f'<line x1="{at}" x2="{at}" y1="16" y2="46" stroke="{style.INK}" stroke-dasharray="4 3"/>'
            f'<text x="{at}" y="11" text-anchor="{side}" font-size="13" fill="{style.MUTED}">'
            "no difference</text>"
        )
    return (
        '<svg viewBox="0 0 320 50" aria-hidden="true" focusable="false">'
        f'<line x1="0" x2="320" y1="42" y2="42" stroke="#d3dae4"/>{line}'
        f'<line x1="{x(number["lower"])}" x2="{x(number["upper"])}" y1="30" y2="30" stroke="{hue}" '
        'stroke-width="4" stroke-linecap="round"/>'
        f'<circle cx="{x(number["estimate"])}" cy="30" r="6.5" fill="{hue}"/></svg>'
    )
