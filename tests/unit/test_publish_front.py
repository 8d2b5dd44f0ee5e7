"""Editions, what changed between them, all claims, kinds of numbers and explained words."""

import html
import json
from datetime import date

import pytest
from publish_toys import entry, make
from test_publish_disclosure import GOOD, NUMBER

from soa_evidence.__main__ import main
from soa_evidence.errors import CatalogueError
from soa_evidence.publish import case_graphic, changes, claims, edition, front, glossary, index, kinds
from soa_evidence.publish.bundles import Bundles
from soa_evidence.reporting import number

GAP = NUMBER | {"id": "gap", "estimand": "risk difference", "estimate": -4.0, "lower": -9.0, "upper": 2.0,
                "unit": "per 1,000"}  # fmt: skip


def built(**more):
    """One report of an edition, as `edition.of_report` gives it."""
    values = {"title": "One", "status": "published", "answer": "It is so.", "turns_on": "gap",
              "parameters": {"seed": 1}, "hashes": {"notebook": "a", "evidence x": "b", "entry": "c"},
              "numbers": {"gap": GAP | {"shown": edition.shown(GAP)}}}  # fmt: skip
    return values | more


def moved(**values):
    number = GAP | values
    return {"gap": number | {"shown": edition.shown(number)}}


def publish(project, id, **gap):
    folder = project.report(id)
    folder.mkdir(parents=True, exist_ok=True)
    run = {"title": id, "status": "published", "answer": {"sentence": "So.", "number": "gap"}, "hashes": {}}
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "numbers.json").write_text(json.dumps([GAP | gap]))


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({}, "−4 (−9 to 2)"),
        ({"decimals": 1}, "−4.0 (−9.0 to 2.0)"),
        ({"lower": None, "upper": None, "estimate": 1234.0}, "1,234"),
        ({"lower": None, "upper": None, "unit": "probability", "estimate": 0.82}, "82%"),
        (
            {"lower": 0.1, "upper": 0.3, "unit": "probability", "estimate": 0.2, "decimals": 2},
            "20% (10% to 30%)",
        ),
    ],
)  # fmt: skip
def test_a_number_of_a_record_is_written_as_the_page_wrote_it(given, written):
    record = GAP | given
    assert edition.shown(record) == written
    keys = ("id", "estimand", "label", "unit", "population", "method", "evidence", "lower", "upper", "level")
    made = number(record["estimate"], **{k: record[k] for k in keys}, interval="credible",
                  decimals=record.get("decimals"))  # fmt: skip
    assert made.record()["shown"] == written


def test_a_move_within_rounding_is_no_change():
    new = built(numbers=moved(estimate=-4.04))
    assert changes.compare(built(), new | {"id": "one"}) == []
    rewritten = {"gap": GAP | {"shown": "−4.0 (−9.0 to 2.0)"}}
    assert changes.compare(built(), built(numbers=rewritten) | {"id": "one"}) == []


@pytest.mark.parametrize(
    ("values", "flipped"),
    [
        ({"lower": -9.0, "upper": -1.0}, "cannot tell → lower"),
        ({"estimate": 5.0, "lower": 1.0, "upper": 9.0}, "cannot tell → higher"),
        ({"lower": -8.0}, ""),
    ],
)
def test_a_conclusion_that_flips_is_told_and_one_that_does_not_is_not(values, flipped):
    (change,) = changes.compare(built(), built(numbers=moved(**values)) | {"id": "one"})
    assert (change.flipped, change.turning_point) == (flipped, True)


def test_numbers_that_come_and_go_are_told():
    (change,) = changes.compare(built(), built(numbers={}) | {"id": "one"})
    assert (change.before, change.after) == ("−4 (−9 to 2)", "no longer there")
    (change,) = changes.compare(built(numbers={}), built() | {"id": "one"})
    assert change.before == "not there"


def test_the_reasons_name_what_differs_and_nothing_else():
    new = built(
        hashes={"notebook": "z", "evidence y": "b", "entry": "other", "parameters": "p", "report two": "r"},
        parameters={"seed": 2},
    )
    assert changes.reasons(built(), new) == [
        "the analysis (notebook)", "evidence y added", "parameter seed: 1 → 2", "what report two published",
        "evidence x removed",
    ]  # fmt: skip
    assert changes.reasons(built(), built()) == []


def test_an_edition_is_sealed_once_and_compared_with_the_one_before(tmp_path):
    project = make(tmp_path, entry("one"))
    with pytest.raises(CatalogueError, match="No report is published, so nothing can be sealed"):
        edition.seal(project, "2026-10")
    publish(project, "one")
    edition.seal(project, "2026-10", on=date(2026, 10, 1))
    assert edition.before(project, edition.now(project)) is None
    publish(project, "one", estimate=-8.0, upper=-1.0)
    sealed = edition.before(project, edition.now(project))
    assert (sealed["edition"], sealed["sealed"]) == ("2026-10", "2026-10-01")
    edition.seal(project, "2026-11")
    assert edition.before(project, edition.now(project))["edition"] == "2026-10"  # not itself
    with pytest.raises(CatalogueError, match="'2026-11' is sealed already and stays"):
        edition.seal(project, "2026-11")
    with pytest.raises(CatalogueError, match=r"'\.\./x' cannot name an edition; expected its month or day"):
        edition.seal(project, "../x")


def test_seal_is_a_command(tmp_path, monkeypatch, capsys):
    project = make(tmp_path, entry("one"))
    publish(project, "one")
    monkeypatch.chdir(project.root)
    assert main(["seal", "2026-11-22"]) == 0
    assert "Sealed editions/2026-11-22.json. Commit it." in capsys.readouterr().out


def test_the_page_of_changes_says_what_moved_why_and_what_flipped():
    new = {"one": built(numbers=moved(upper=-1.0), hashes={"notebook": "z"}), "two": built(title="Two")}
    old = {
        "edition": "2026-10",
        "sealed": "2026-10-01",
        "reports": {"one": built(), "gone": built(title="Gone")},
    }
    html = changes.render(new, old)
    for told in ("−4 (−9 to 2)", "−4.0 (−9.0 to −1.0)", "cannot tell → lower", "the analysis (notebook)",
                 "New in this edition: Two", "not published now: Gone", "one/index.html#number-gap",
                 ):  # fmt: skip
        assert told in html, told
    assert "There is no earlier edition" in changes.render(new, None)


def test_every_claim_leads_to_its_numbers():
    parts = [{"text": "About <b>", "number": None}, {"text": "4", "number": "gap"}]
    page = claims.render(
        [{"id": "one", "title": "One", "question": "Is it?", "status": "published", "href": "one/index.html",
          "numbers": [GAP], "run": {"claims": [{"role": "headline", "parts": parts}], "evidence": []}},
         {"id": "two", "title": "Two", "question": "?", "status": "failed", "href": "two/index.html"}]
    )  # fmt: skip
    assert 'About &lt;b&gt;<a class="number" href="one/index.html#number-gap">4</a>' in page
    assert "1 sentences and 1 numbers" not in page
    assert "1 sentence and 1 number" in page
    assert "Withheld, and so without claims: Two" in page


def test_kinds_are_told_apart_and_synthetic_numbers_marked_where_they_are_mixed():
    packages = ({"name": "pack", "kind": "published"}, {"name": "syn", "kind": "synthetic"})
    made_up = NUMBER | {"id": "m", "evidence": ["pack", "syn"]}
    taken = NUMBER | {"id": "t", "origin": {"report": "a", "number": "b"}}
    mixed = Bundles(numbers=(NUMBER, made_up, taken), packages=packages)
    assert {k["kind"]: k["count"] for k in kinds.made_of(mixed)} == {
        "estimated": 1, "taken over": 1, "synthetic": 1,
    }  # fmt: skip
    link = '<a class="number" href="#number-{}">4</a>'
    assert 'class="number synthetic"' in kinds.Marks.of(mixed).marked(link.format("m"))
    assert kinds.Marks.of(mixed).marked(link.format("risk.a")) == link.format("risk.a")
    whole = Bundles(numbers=(made_up,), packages=packages)
    assert kinds.Marks.of(whole).marked(link.format("m")) == link.format("m")  # the banner says it
    assert GOOD.cells == {}


def test_words_are_explained_once_and_only_in_running_text(tmp_path):
    file = tmp_path / "glossary.md"
    file.write_text("**Credible interval** – A `range`, see [there](x.md).\n\n**R-hat** – Agreement.\n")
    words = glossary.Words(glossary.terms(file))
    html = words.explained(
        "<h2>Credible interval</h2><p>A credible interval is <a href='#'>R-hat</a>.</p>"
        "<p>A credible interval; <code>R-hat</code>; credible interval; incredible intervals.<br/> R-hat</p>"
        "<table><tr><td>R-hat</td></tr></table>"
    )
    assert html.count("<button") == 2
    assert html.index("<button") > html.index("</a>")  # not in a paragraph with a link
    assert words.terms["Credible interval"] == "A range, see there."
    assert words.used == {"Credible interval": "term-credible-interval", "R-hat": "term-r-hat"}
    assert glossary.terms(None) == glossary.terms(tmp_path / "none.md") == {}
    assert glossary.Words({}).explained("<p>x</p>") == "<p>x</p>"


def weighed(**more):
    """A claim with a line on each side, as the run record of the case holds it."""
    sides = {"for": (2.0, 1.0, 9.0), "small": (0.2, 0.1, 0.3), "cannot tell": (-0.5, -8.0, 3.0),
             "against": (-7.0, -9.0, -6.0)}  # fmt: skip
    lines = [
        {"what": f"Line <{side}>", "shown": "4 (1 to 9) days", "side": side, "direct": side == "for",
         "estimate": at, "lower": low, "upper": high}
        for side, (at, low, high) in reversed(sides.items())
    ]  # fmt: skip
    return {
        "id": "better", "name": "Better <b>", "says": "They fare better.", "answer": "It points both ways.",
        "certainty": "low", "missing": ["a", "b"], "lines": lines,
        "counts": {"for": 1, "against": 1, "cannot_tell": 1, "small": 1}, **more,
    }  # fmt: skip


def test_the_case_on_one_screen_is_what_its_report_recorded():
    entries = [{"id": front.CASE, "status": "published", "href": "x"}]
    assert front.the_case(entries) is None
    with_case = [{**entries[0], "run": {"case": [{"kind": "case", "claims": [weighed()]}]}}]
    assert front.the_case(with_case) == {"href": "x", "claims": [weighed()]}
    assert front.the_case([{**with_case[0], "status": "failed"}]) is None


def test_a_claim_is_drawn_with_every_line_and_names_itself_from_the_data():
    drawn = case_graphic.draw(weighed())
    title, described = case_graphic.describe(weighed())
    assert title == (
        "Better <b>: 4 lines of evidence, 1 for, 1 any difference is small, 1 cannot tell, 1 against"
    )
    assert "Line <for>: 4 (1 to 9) days, for; Line <small>" in described  # those for first
    assert "cut off at 5 of them" in described
    assert f'<title id="lines-of-better-title">{html.escape(title)}</title>' in drawn
    assert 'role="img"' in drawn
    assert drawn.count('stroke-width="2.6"') == 1  # the direct line alone is thick
    # three limits lie beyond the scale on their own side: an arrow head each; so does one estimate, unmarked
    assert drawn.count("-3v6z") == 3
    assert drawn.count("<circle") == 2
    assert drawn.count("3.6-3.6z") == 0


def test_a_line_is_drawn_on_its_side_of_nothing_at_its_size():
    line = {
        "what": "w",
        "shown": "s",
        "side": "for",
        "direct": True,
        "estimate": 2.5,
        "lower": 1.0,
        "upper": 4.0,
    }
    drawn = case_graphic.draw(weighed(lines=[line]))
    middle, width = case_graphic.WIDTH / 2, case_graphic.WIDTH / 2 - 8
    assert f'cx="{middle + 2.5 / 5 * width:.1f}"' in drawn
    assert f'<line x1="{middle + width / 5:.1f}" x2="{middle + 4 * width / 5:.1f}"' in drawn


def test_the_index_shows_each_claim_with_its_counts_its_picture_and_what_is_missing():
    page = index.render([], case={"href": "case/index.html", "claims": [weighed()]})
    assert 'href="case/index.html#claim-better"' in page
    assert "Better &lt;b&gt;" in page
    assert "<b>" not in page
    assert "Certainty: <strong>low</strong>" in page
    assert "2 missing" in page
    for text in ("1 for", "1 against", "1 cannot tell", "1 small"):
        assert f"</span> {text}</span>" in page
