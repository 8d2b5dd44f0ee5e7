"""One report as one self-contained page, or the page that says why it is withheld."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soa_evidence.errors import BuildError
from soa_evidence.publish import bundles, glossary, kinds, ledger, sections
from soa_evidence.publish.bundles import Bundles, Item
from soa_evidence.publish.templating import date_in_words, fill
from soa_evidence.reporting import safe
from soa_evidence.reporting.provenance import checks_table, tally

__all__ = ["render", "render_failure"]

RUN_SECTION = "sources-and-run-record"


def render(
    notebook: Any,
    *,
    report: Mapping[str, str],
    run: Mapping[str, Any],
    glossary_file: Path | None = None,
) -> str:
    """Return the page of a report.

    Parameters
    ----------
    notebook
        The executed notebook (nbformat node).
    report
        ``id``, ``title`` and ``question``.
    run
        The run record, as run.json holds it.
    glossary_file
        The glossary whose terms are explained where they first stand.

    Raises
    ------
    BuildError
        When the notebook has no answer, or a link would lead to a number that is not there.
    """
    found = bundles.collect(notebook)
    parts = sections.split(notebook)
    if not parts.answer.strip():
        raise BuildError(
            f"Report '{report['id']}' has no answer: the cell tagged 'headline' shows none. "
            "End it with reporting.headline(sentence, ...)."
        )
    numbers = {number["id"]: number for number in found.numbers}
    _require_bound(report["id"], found, numbers)
    marked = kinds.Marks.of(found)
    words = glossary.Words(glossary.terms(glossary_file))

    def mark(html: str) -> str:
        return words.explained(marked.marked(html))

    checks_at = next((s.id for s in parts.sections if s.id == "checks"), "all-numbers")
    html = fill(
        "page.html.jinja",
        report=report,
        edition=_edition(run),
        synthetic=_synthetic(found),
        mixed=bool(marked.ids),
        answer=_markup(mark(parts.answer)),
        picture=_markup(mark(parts.picture)),
        sections=[
            {"id": section.id, "title": section.title, "html": _markup(mark(section.html))}
            for section in _with_run(parts.sections, run)
        ],
        terms=[{"id": id, "term": term, "meaning": words.terms[term]} for term, id in words.used.items()],
        tally=tally(found.checks),
        checks_at=checks_at,
        ledger=_markup(
            ledger.numbers_table(
                numbers.values(),
                packages=found.packages,
                basis=found.basis,
                cells=found.cells,
                cells_at=RUN_SECTION,
            )
        ),
        kinds=kinds.made_of(found),
        given=_markup(_given(found)),
        listing=_markup(_listing(parts.listing)),
    )
    return _anchored_once(html)


def render_failure(
    report: Mapping[str, str], problems: Sequence[Item] | str, run: Mapping[str, Any] | None = None
) -> str:
    """Return the page of a report that is withheld.

    Parameters
    ----------
    report
        ``id``, ``title`` and ``question``.
    problems
        The failed checks (name, observed, expected, why), or one sentence saying what went wrong.
    run
        The run record, where there is one.
    """
    if isinstance(problems, str):
        reasons = f"<p>{safe.escape(problems)}</p>"
    else:
        failed = [{"verdict": "fail", **dict(problem)} for problem in problems]
        reasons = checks_table(failed, "Reasons")
    return fill(
        "failure.html.jinja",
        report=report,
        edition=_edition(run or {}),
        reasons=_markup(reasons),
        record=_markup(ledger.run_record(run)) if run else "",
    )


def _anchored_once(html: str) -> str:
    """Return the page with each evidence package's anchor at its first row only; feeders show theirs too."""
    seen: set[str] = set()

    def kept(found: re.Match[str]) -> str:
        again = found[0] in seen
        seen.add(found[0])
        return "" if again else found[0]

    return re.sub(r' id="evidence-[^"]*"', kept, html)


def _markup(html: str) -> Any:
    """Mark HTML that this package made, with every foreign text in it escaped, as fit for the template."""
    from markupsafe import Markup

    return Markup(html)


def _edition(run: Mapping[str, Any]) -> str:
    return date_in_words(run.get("this_run", {}).get("started", ""))


def _synthetic(found: Bundles) -> list[str]:
    named = [str(package["title"]) for package in found.packages if package.get("kind") == "synthetic"]
    if not named and any(figure.get("synthetic") for figure in found.figures):
        return ["a figure's data"]
    return named


def _require_bound(report: str, found: Bundles, numbers: Mapping[str, Item]) -> None:
    used = [id for sentence in found.sentences for id in sentence.get("numbers", ())]
    missing = next((id for id in used if id not in numbers), None)
    if missing is not None:
        raise BuildError(
            f"Report '{report}': a sentence speaks of number '{missing}', which the report does not hold. "
            "Show the numbers it belongs to in a cell of the notebook."
        )


def _with_run(found: Sequence[sections.Section], run: Mapping[str, Any]) -> list[sections.Section]:
    """Put the run record at the end of its section, or into one of its own where a notebook lacks it."""
    gathered = list(found)
    place = next((section for section in gathered if section.id == RUN_SECTION), None)
    if place is None:
        place = sections.Section(title="Sources and run record", id=RUN_SECTION)
        gathered.append(place)
    place.pieces.append(f"<h3>Run record</h3>{ledger.run_record(run)}")
    return gathered


def _given(found: Bundles) -> str:
    """List the figures in sentences that are no results, and what they are."""
    if not found.given:
        return ""
    items = "".join(
        f'<li id="given-{id}"><strong>{safe.escape(one["text"])}</strong>: {safe.escape(one["why"])}</li>'
        for id, one in found.given.items()
    )
    return (
        '<h3 id="given-figures">Figures in the text that are not results</h3>'
        f'<p>Marked ◇ where they stand. Each says why it may.</p><ul class="declared-figures">{items}</ul>'
    )


def _listing(listing: str) -> str:
    return (
        '<details class="listing"><summary>All code cells of the notebook, as they were run</summary>'
        f"{listing}</details>"
    )
