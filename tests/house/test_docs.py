"""Decisions, glossary, methods and changelog keep their form, and know every method there is."""

import re
from datetime import date

import pytest
from house_files import ROOT, methods

from soa_evidence.reporting.words import YARDSTICK

DOCS = ROOT / "docs"
DECISION = re.compile(r"^## (\d+)\. (.+?)$", re.MULTILINE)
PARTS = ("Date", "Decision", "Because", "Instead of", "Would change if")
TERM = re.compile(r"^\*\*(.+?)\*\* – (.+)$", re.MULTILINE)
METHOD_PARTS = ("Question", "Formula", "When not to use it", "Checked against", "Known limits")
PAGES = sorted(path for path in (DOCS / "methods").glob("*.md") if path.name != "README.md")


def text(path):
    return path.read_text(encoding="utf-8")


def sentences(entry):
    return len(re.findall(r"[.!?](?:\s|$)", re.sub(r"\([^)]*\)", "", entry)))


def decisions():
    """Number, title and text of every decision."""
    pieces = DECISION.split(text(DOCS / "decisions.md"))[1:]
    return [(int(n), title, body) for n, title, body in zip(*(pieces[i::3] for i in range(3)), strict=True)]


def test_decisions_are_numbered_in_order_and_dated():
    found = decisions()
    assert [number for number, _, _ in found] == list(range(1, len(found) + 1))
    dates = [date.fromisoformat(re.search(r"^Date: (\S+)$", body, re.MULTILINE)[1]) for *_, body in found]
    assert dates == sorted(dates)


@pytest.mark.parametrize(("number", "title", "body"), decisions(), ids=lambda value: str(value)[:40])
def test_a_decision_has_every_part_in_order(number, title, body):
    places = [body.find(f"\n{part}: ") for part in PARTS]
    assert -1 not in places, f"decision {number} lacks {PARTS[places.index(-1)]}"
    assert places == sorted(places)


def test_the_glossary_is_short_and_says_each_term_once():
    terms = TERM.findall(text(DOCS / "glossary.md"))
    assert len(terms) > 40
    names = [name.lower() for name, _ in terms]
    assert len(set(names)) == len(names)
    assert {name: sentences(entry) for name, entry in terms if not 1 <= sentences(entry) <= 3} == {}


@pytest.mark.parametrize(
    "term",
    [
        "credible interval", "standardised risk", "case mix", "funnel plot", "these units", "units as a kind",
        "r-hat", "effective sample size", "posterior predictive check", "power-scaling", "over-dispersion",
        "odds ratio", "monte carlo error", "coverage", "proms", "oxford score", "eq-5d", "nhs trust",
        "independent sector",
    ],
)  # fmt: skip
def test_the_glossary_explains_the_words_of_the_reports(term):
    assert term in {name.lower() for name, _ in TERM.findall(text(DOCS / "glossary.md"))}


def test_the_yardstick_is_told_as_it_is_used():
    (told,) = (body for _, title, body in decisions() if "yardstick" in title.lower())
    glossary = text(DOCS / "glossary.md")
    for upper, word in YARDSTICK:
        assert word in glossary
        bound = "from 95 %" if upper == 1 else f"{upper:.0%}".replace("%", " %")
        assert re.search(rf"{bound} {word}", told), f"{bound} {word}"


def test_there_are_methods():
    assert {"units.binomial", "units.coverage"} <= set(methods())


@pytest.mark.parametrize("method", methods())
def test_a_method_has_a_page_and_a_line_in_the_glossary(method):
    heads = [line for page in PAGES for line in text(page).splitlines() if line.startswith("#")]
    assert any(f"`{method}`" in head for head in heads), f"no page in docs/methods is headed `{method}`"
    assert f"`{method}`" in text(DOCS / "glossary.md")
    assert f"`{method}`" in text(DOCS / "methods" / "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_method_page_answers_what_a_reader_asks(page):
    heads = re.findall(r"^#{2,3} (.+)$", text(page), re.MULTILINE)
    assert [part for part in METHOD_PARTS if part not in heads] == []
    assert page.name in text(DOCS / "methods" / "README.md")


def test_the_changelog_keeps_its_form():
    changelog = text(ROOT / "CHANGELOG.md")
    assert re.search(r"^## \[", changelog, re.MULTILINE)
    for edition in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        assert "### Numbers that changed" in edition
