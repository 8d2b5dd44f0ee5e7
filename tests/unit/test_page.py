import base64
import hashlib
import re
from html.parser import HTMLParser

import nbformat
import pandas as pd
import pytest

from soa_evidence import reporting
from soa_evidence.errors import BuildError
from soa_evidence.publish import bundles, index, page
from soa_evidence.reporting import figures
from soa_evidence.results import Check

REPORT = {
    "id": "hip-readmission",
    "title": "Readmission after a first hip replacement",
    "question": "Are <they> better?",
}
CHECKS = [
    Check(name="R-hat", verdict="pass", observed="1.00", expected="at most 1.01", why="Chains agree."),
    Check(name="Spread", verdict="warn", observed="p 0.03", expected="0.05 to 0.95", why="Too narrow."),
]
FAILED = [{"name": "R-hat", "verdict": "fail", "observed": "<1.3>", "expected": "1.01", "why": "w"}]
RUN = {
    "status": "published",
    "parameters": {"joint": "hip", "years": ["2016/17"]},
    "overrides": {"joint": "hip"},
    "seed": 7,
    "hashes": {"notebook": "ab" * 32},
    "versions": {"python": "3.13"},
    "checks": [{"name": c.name, "verdict": c.verdict} for c in CHECKS],
    "this_run": {
        "started": "2026-11-22T01:20:11",
        "duration_seconds": 41.3,
        "git_commit": "abcdef0123456789",
    },
}


def number(id="difference.specialist", label="specialist <b>", **more):
    values = {"estimate": -4.1, "lower": -9.2, "upper": 1.9, **more}
    return reporting.number(
        values.pop("estimate"),
        id=id,
        label=label,
        estimand="risk difference",
        unit="per 1,000 patients",
        method="units.binomial",
        checks=CHECKS,
        population="all patients",
        evidence=["nhs-proms-units"],
        level=0.95,
        interval="credible",
        estimand_kind="these units",
        **values,
    )


def code(source, shown=None, tags=(), outputs=()):
    made = [] if shown is None else [nbformat.v4.new_output("display_data", data=shown._repr_mimebundle_())]
    return nbformat.v4.new_code_cell(source, outputs=[*made, *outputs], metadata={"tags": list(tags)})


def forest(id="forest", **more):
    rows = pd.DataFrame({"label": ["<i>x</i>"], "estimate": [1.0], "lower": [0.0], "upper": [2.0]})
    return figures.forest(rows, unit_text="u", id=id, title=f"Finding {id}", subtitle="s", **more)


def notebook(*extra):
    text = nbformat.v4.new_markdown_cell
    answer = reporting.headline(
        reporting.sentence("About {d:fewer} per 1,000.", d=number()),
        reporting.sentence("A caveat in {y}.", y=reporting.given("2017", why="a year")),
    )
    return nbformat.v4.new_notebook(
        cells=[
            text(
                "# Own title\n\n## Question\n\n<script>alert(1)</script> [x](javascript:alert(1)) ![i](https://e.org/i.png)"
            ),
            code("joint = 'hip'  # <which>", tags=["parameters"]),
            text("## Checks"),
            code("show(checks)", reporting.checks(CHECKS)),
            text("## Results\n\n### Detail"),
            code("answer", answer, tags=["headline"]),
            code("picture", forest("picture"), tags=["picture"]),
            code("more", forest("more"), tags=["analyst"]),
            *extra,
            text("## Checks"),
            text("## Sources and run record\n\nFrom published data."),
        ]
    )


class Outline(HTMLParser):
    """Ids, links, headings and open tags of a page."""

    VOID = ("meta", "br", "link", "img", "input", "hr")

    def __init__(self, html):
        super().__init__()
        self.ids, self.links, self.tags, self.open, self.sources = [], [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        self.tags.append(tag)
        if "id" in held:
            self.ids.append(held["id"])
        if "href" in held:
            self.links.append(held["href"])
        self.sources += [held[name] for name in ("src", "srcset", "data") if name in held]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag


@pytest.fixture(scope="module")
def html():
    return page.render(notebook(), report=REPORT, run=RUN)


def test_every_tag_closes_every_id_is_unique_and_every_link_leads_somewhere(html):
    outline = Outline(html)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    inside = {link[1:] for link in outline.links if link.startswith("#")}
    assert inside <= set(outline.ids)
    assert "number-difference.specialist" in inside


def test_the_page_asks_nothing_of_anyone_and_runsnothing(html):
    outline = Outline(html)
    # one script, and the policy lets no other run
    script = html[html.index("<script>") + len("<script>") : html.index("</script>")]
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'" in html
    assert outline.tags.count("script") == 1
    assert not re.search(r"fetch|XMLHttp|import|eval|localStorage|cookie", script)
    assert not {"img", "iframe", "link", "object", "form"} & set(outline.tags)
    assert outline.sources == []
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert all(link.startswith(("#", "../", "data:text/csv", "https://")) for link in outline.links)


def test_one_heading_of_the_first_rank_and_the_answer_comes_first(html):
    outline = Outline(html)
    assert outline.tags.count("h1") == 1
    assert "<h1>Are &lt;they&gt; better?</h1>" in html
    assert "Own title" not in html
    order = [
        html.index(mark)
        for mark in (
            'id="answer"',
            'id="figure-picture"',
            'class="contents"',
            'id="question"',
            'id="results"',
            'id="all-numbers"',
            'id="for-analysts"',
        )
    ]
    assert order == sorted(order)
    assert html.count('class="headline"') == 2
    assert 'lang="en-GB"' in html
    assert '<a class="skip" href="#main">' in html


def test_markdown_cannot_bring_html_scripts_or_pictures(html):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert 'href="javascript' not in html


def test_a_number_has_a_row_with_all_it_rests_on(html):
    row = html[html.index('<tr role="row" id="number-difference.specialist"') :].split("</tr>")[0]
    for words in (
        "specialist &lt;b&gt;",
        "risk difference",
        "−4 (−9 to 2)",
        "95% credible interval",
        "per 1,000 patients",
        "all patients",
        "units.binomial",
        "nhs-proms-units",
        "these units",
        "1 of 2 gave a warning",
        "Spread",
    ):
        assert words in row, words
    assert 'download="numbers.csv"' in html


def test_checks_code_run_record_and_declared_figures_are_there(html):
    assert "1 passed, 1 warning, 0 failed" in html
    assert "joint = &#x27;hip&#x27;  # &lt;which&gt;" in html
    for words in (
        "abababababab<",
        "41.3 seconds",
        "22 November 2026",
        "(set on the command line)",
        "<strong>2017</strong>: a year",
    ):
        assert words in html, words
    assert '<details class="analyst"><summary>For analysts' in html


def test_only_our_own_output_is_shown_as_html():
    foreign = {"text/html": "<script>alert(2)</script>", "text/plain": "<plain>\x1b[31mred\x1b[0m"}
    outputs = [
        nbformat.v4.new_output("execute_result", data=foreign, execution_count=1),
        nbformat.v4.new_output("error", ename="KeyError", evalue="secret", traceback=["Traceback secret"]),
        nbformat.v4.new_output("stream", name="stdout", text="<printed>"),
    ]
    html = page.render(notebook(code("x", outputs=outputs)), report=REPORT, run=RUN)
    assert "alert(2)" not in html
    assert "&lt;plain&gt;red" in html
    assert "secret" not in html
    assert "&lt;printed&gt;" in html


def test_a_report_without_answer_is_refused():
    bare = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("## Question")])
    with pytest.raises(BuildError, match="has no answer: the cell tagged 'headline' shows none"):
        page.render(bare, report=REPORT, run=RUN)


def test_a_link_to_a_number_that_is_not_there_is_refused():
    broken = notebook()
    data = broken.cells[5].outputs[0].data[bundles.MIME]
    data["ledger"] = []
    with pytest.raises(
        BuildError, match=r"speaks of number 'difference.specialist', which the report does not hold"
    ):
        page.render(broken, report=REPORT, run=RUN)


def test_synthetic_evidence_is_announced():
    html = page.render(notebook(code("x", forest("syn", synthetic=True))), report=REPORT, run=RUN)
    assert '<p class="banner"><strong>Synthetic data.' in html
    assert "Synthetic data.</strong>" not in page.render(notebook(), report=REPORT, run=RUN)


def test_a_withheld_report_says_why_and_shows_no_number():
    html = page.render_failure(REPORT, FAILED, RUN)
    outline = Outline(html)
    assert outline.open == []
    assert "Report withheld" in html
    assert "✗</span> failed" in html
    assert "&lt;1.3&gt;" in html
    assert 'id="number-' not in html
    assert "cell 3 stopped &lt;here&gt;" in page.render_failure(REPORT, "cell 3 stopped <here>")


def entry(id, title, status="published", **more):
    found = bundles.collect(notebook())
    run = {**RUN, "answer": index.answer(found.headlines), "failed": FAILED}
    return {
        "id": id,
        "title": title,
        "question": "Q<?",
        "status": status,
        "href": f"{id}/index.html",
        "headline": [h["text"] for h in found.headlines],
        "numbers": list(found.numbers),
        "run": run,
        **more,
    }


def test_the_index_groups_reports_and_says_what_each_found():
    html = index.render(
        [
            entry("a", "Readmission after a first hip replacement"),
            entry("b", "Wounds <i> after a first knee replacement", "failed"),
            entry("c", "Costs", "not built", run={}),
        ]
    )
    outline = Outline(html)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert [html.index(t) for t in ("After a first hip", "After a first knee", "Other reports")] == sorted(
        html.index(t) for t in ("After a first hip", "After a first knee", "Other reports")
    )
    assert html.count("About 4 fewer per 1,000.") == 1
    assert "A caveat" not in html
    assert "−4 (−9 to 2)</strong> per 1,000 patients, 95% interval" in html
    assert html.count("<svg") == 1
    assert "no difference</text>" in html
    assert "Withheld. Not passed: R-hat" in html
    assert "Not built in this edition." in html
    assert "Wounds &lt;i&gt;" in html
    assert "Edition of 22 November 2026" in html


def test_the_index_prefers_a_comparison_and_knows_what_nothing_is():
    def headline(*ids):
        kinds = {
            "level": ("risk", "per 1,000"),
            "ratio": ("odds ratio", "odds ratio"),
            "gap": ("risk difference", "u"),
        }
        ledger = [{"id": i, "estimand": kinds[i][0], "unit": kinds[i][1], "lower": 0.0} for i in ids]
        return [{"text": "t", "ledger": ledger, "sentences": [{"text": "first"}]}]

    assert index.answer(headline("level", "gap")) == {"sentence": "first", "number": "gap", "parts": []}
    assert index.answer(headline("level"))["number"] == "level"
    assert index.answer([]) == {"sentence": "", "number": None, "parts": []}
    assert index.no_difference({"estimand": "odds ratio", "unit": "odds ratio"}) == 1.0


def test_an_index_of_old_records_still_stands():
    old = entry("a", "Readmission", run={"checks": []})
    html = index.render([old])
    assert "About 4 fewer per 1,000. A caveat in 2017." in html
    assert "<svg" not in html
