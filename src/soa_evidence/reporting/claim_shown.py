"""A weighed claim as a reader sees it: on the page, and in the part from which the briefing is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import records, safe
from soa_evidence.reporting.evidence_lines import described
from soa_evidence.reporting.sentences import sentence
from soa_evidence.reporting.tables import html_table

if TYPE_CHECKING:
    from soa_evidence.reporting.case import Case
    from soa_evidence.reporting.claim import Claim
    from soa_evidence.reporting.evidence_lines import Line
    from soa_evidence.reporting.sentences import Sentence

__all__ = ["bundle", "case_bundle"]

#: Marks of the two answers to a question about certainty; never told apart by colour alone.
_WELL = {True: ("✓", "pass", "yes"), False: ("✗", "warn", "no")}


def bundle(one: Claim) -> dict[str, Any]:
    """Return the MIME bundle of a claim."""
    told = _sentences(one)
    rows = [
        ("What the evidence says", f"<p><strong>{one.found.html}</strong></p><p>{one.by_luck.html}</p>"),
        ("Strongest for", f"<p>{one.case_for.html}</p>"),
        ("Strongest against", _against(one)),
        *([("Read with care", "".join(f"<p>{said.html}</p>" for said in one.care))] if one.care else []),
        ("Size", "".join(f"<p>{said.html}</p>" for said in one.size) or "<p>No report gives a size.</p>"),
        ("Missing", _listed(one.missing)),
        ("What would settle it", f"<p>{safe.escape(one.settles)}</p>"),
        ("What would change our mind", f"<p>{safe.escape(one.change)}</p>"),
        ("Certainty", f"<p><strong>{safe.escape(one.certainty)}</strong></p>{_asked(one)}"),
    ]
    body = "".join(f"<dt>{head}</dt><dd>{html}</dd>" for head, html in rows)
    frame = one.frame()
    caption = f"{one.name}: every line of evidence, and where the rule puts it"
    table = (
        f'<details class="table"><summary>All {len(frame)} lines of evidence</summary>'
        f"{bundles.region(html_table(frame, caption), caption)}"
        f"<p>{bundles.download_link(frame, f'lines-{one.id}')}</p></details>"
    )
    html = (
        f'<section class="claim" id="claim-{one.id}" aria-labelledby="claim-{one.id}-title">'
        f'<h3 id="claim-{one.id}-title">{safe.escape(one.name)}</h3>'
        f'<p class="says">{safe.escape(one.says)}</p>'
        f'<dl class="weighed">{body}</dl>{table}</section>'
    )
    return bundles.bundle(
        text=f"{one.name}: {one.says}\n" + "\n".join(said.text for _, said in told),
        html=html,
        payload=[
            # listed away from its claim, a sentence has to say whose it is
            *[
                sentence("{name}, {role}: {said}", name=one.name, role=role, said=said).payload("text")
                for role, said in told
            ],
            records.payload(one.numbers.values()),
        ],
    )


def case_bundle(case: Case) -> dict[str, Any]:
    """Return the MIME bundle of the whole case: every claim, and what the briefing is made from."""
    shown = [bundle(one) for one in case.claims]
    brief = '<p>The same in brief, on one side of A4: <a href="briefing.html">the briefing</a>.</p>'
    parts: list[dict[str, Any]] = [part for one in shown for part in one[bundles.MIME]]
    totals = records.payload(case.totals.values())
    return bundles.bundle(
        text="\n\n".join(one["text/plain"] for one in shown),
        html=brief + "".join(one["text/html"] for one in shown),
        payload=[*parts, totals, {"kind": "case", "claims": [_brief(one) for one in case.claims]}],
    )


def _brief(one: Claim) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "says": one.says,
        "found": one.found.html,
        "for": one.case_for.html,
        "against": one.case_against.html,
        "care": " ".join(said.html for said in one.care),
        "answer": f"{one.answer}.",
        "printed": one.printed_counted.html if one.printed_counted is not None else "",
        "lines": [_line(line) for line in one.lines],
        "size": " ".join(said.html for said in one.size),
        "missing": list(one.missing),
        "settles": one.settles,
        "certainty": one.certainty,
        "well": sum(asked.well for asked in one.asked),
        "asked": len(one.asked),
        "counts": {side.replace(" ", "_"): count for side, count in one.counts.items()},
    }


def _line(one: Line) -> dict[str, Any]:
    """Return a line as the small graphic of its claim takes it: in margins, positive for the claim."""
    lower, upper = one.interval
    return {
        "what": one.what,
        "shown": f"{described(one)} {one.number.unit}",
        "side": one.side,
        "direct": one.direct,
        "estimate": one.estimate,
        "lower": lower,
        "upper": upper,
    }


def _sentences(one: Claim) -> list[tuple[str, Sentence]]:
    """Return every sentence on the claim, each with the part it plays."""
    said = [
        ("what the evidence says", one.found),
        ("by luck alone", one.by_luck),
        ("strongest for", one.case_for),
        ("strongest against", one.case_against),
        *[("read with care", each) for each in one.care],
        *[("size", each) for each in one.size],
    ]
    return said + ([("single published results", one.printed_said)] if one.printed_said is not None else [])


def _against(one: Claim) -> str:
    printed = one.printed_said
    return f"<p>{one.case_against.html}</p>" + (f"<p>{printed.html}</p>" if printed is not None else "")


def _asked(one: Claim) -> str:
    items = []
    for asked in one.asked:
        mark, kind, word = _WELL[asked.well]
        items.append(
            f'<li><span class="verdict {kind}"><span aria-hidden="true">{mark}</span> {word}</span> '
            f'{safe.escape(asked.question)} <span class="why">{safe.escape(asked.seen)}</span></li>'
        )
    return f'<ul class="asked">{"".join(items)}</ul>'


def _listed(texts: tuple[str, ...]) -> str:
    return f"<ul>{''.join(f'<li>{safe.escape(text)}</li>' for text in texts)}</ul>"
