import csv
import io
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from soa_evidence import reporting
from soa_evidence.errors import InputError
from soa_evidence.reporting import safe
from soa_evidence.reporting.bundle import MIME
from soa_evidence.results import Check

HOSTILE = ["<script>alert(1)</script>", '=HYPERLINK("x")', "+44", "-1+1", "@SUM(A1)", "‮gpj", "😀", "N" * 500,
           "\tx", "a\x00b\nc", "＝1"]  # fmt: skip


def test_cells_that_would_run_as_a_formula_are_neutralised_and_numbers_are_not():
    frame = pd.DataFrame(
        {"=name": ["=1+1", "-5", "-cmd", "@x", "+1.5e3"], "value": [-1.5, np.nan, 3.0, 0.1, 2.0]}
    )
    rows = list(csv.reader(io.StringIO(safe.csv_text(frame))))
    assert rows[0] == ["'=name", "value"]
    assert [row[0] for row in rows[1:]] == ["'=1+1", "-5", "'-cmd", "'@x", "+1.5e3"]
    assert [row[1] for row in rows[1:]] == ["-1.5", "", "3", "0.1", "2"]


def test_text_is_one_line_without_controls_or_overrides():
    assert safe.clean("a\x00b\n‮c  d") == "a b c d"
    assert safe.escape('"<&') == "&quot;&lt;&amp;"
    assert safe.verbatim("if x:\n    y = '<'") == "if x:\n    y = &#x27;&lt;&#x27;"
    assert safe.shorten("abcdef", 4) == "abc…"


def test_a_slug_is_never_empty():
    assert safe.slug("NHS general: large (50+)") == "nhs-general-large-50"
    assert safe.slug("مستشفى") == safe.slug("مستشفى")
    assert safe.slug("مستشفى") != safe.slug("😀")


def test_a_table_merges_the_interval_and_keeps_the_csv_whole():
    frame = pd.DataFrame({"unit": HOSTILE, "estimate": -4.123456, "lower": -9.0, "upper": 2.0, "n": 1200})
    shown = reporting.table(frame, id="units", title="Units", units={"n": "patients"})._repr_mimebundle_()
    html = shown["text/html"]
    assert "−4 (−9 to 2)" in html
    assert "N (patients)" in html
    assert "1,200" in html
    assert '<th scope="row">&lt;script&gt;' in html
    assert "<script" not in html
    assert "‮" not in html
    assert 'role="region" tabindex="0" aria-label="Units"' in html
    assert "-4.123456" in shown[MIME]["csv"]
    link = html.split('href="data:text/csv;charset=utf-8,')[1].split('"')[0]
    assert unquote(link) == shown[MIME]["csv"]


def test_long_tables_start_closed():
    frame = pd.DataFrame({"a": range(26)})
    assert "<details" in reporting.table(frame, id="t", title="T").bundle()["text/html"]
    assert "<details" not in reporting.table(frame.head(25), id="t", title="T").bundle()["text/html"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "My Table"}, "such as 'my-table'"),
        ({"units": {"valeu": "x"}}, "no column 'valeu'. Did you mean 'value'"),
        ({"frame": pd.DataFrame({"value": []})}, "has no rows"),
    ],
)
def test_a_table_that_cannot_be_shown_says_why(change, message):
    arguments = {"frame": pd.DataFrame({"value": [1]}), "id": "t", "title": "T", **change}
    with pytest.raises(InputError, match=message):
        reporting.table(arguments.pop("frame"), **arguments)


def check(name, verdict):
    return Check(name=name, verdict=verdict, observed="<o>", expected="e", why="w")


def test_checks_show_the_worst_first_in_words_and_symbols():
    html = reporting.checks([check("a", "pass"), check("b", "fail"), check("c", "warn"), check("a", "pass")])
    html = html.bundle()["text/html"]
    assert html.index("✗") < html.index("!</span> warning") < html.index("✓")
    assert "1 passed, 1 warning, 1 failed" in html
    assert "&lt;o&gt;" in html
    with pytest.raises(InputError, match="given no checks"):
        reporting.checks([])


def test_checks_of_several_fits_are_told_apart_by_their_subject():
    one, other = check("a", "pass"), replace(check("a", "warn"), observed="another")
    with pytest.raises(InputError, match="Check 'a' stands 2 times, with different findings"):
        reporting.checks([one, other])
    shown = reporting.checks({"hips": [one], "knees": [other, other], "": [one]})
    assert [c.name for c in shown.checks] == ["knees: a", "hips: a", "a"]
    assert {c.observed for c in shown.checks} == {"<o>", "another"}
    with pytest.raises(InputError, match="given no checks"):
        reporting.checks({"hips": []})


def test_evidence_shows_its_kind_and_follows_web_addresses_only():
    package = SimpleNamespace(
        name="syn-x", title="T<", kind="synthetic", licence={"title": "OGL"}, hash="ab",
        sources=[{"title": "a", "path": "https://example.org"},
                 {"title": "b", "path": "javascript:alert(1)"}],
    )  # fmt: skip
    shown = reporting.evidence_used(package).bundle()
    assert "SYNTHETIC" in shown["text/html"]
    assert 'href="https://example.org"' in shown["text/html"]
    assert "javascript" not in shown["text/html"]
    assert shown[MIME]["packages"][0]["licence"] == "OGL"
    with pytest.raises(InputError, match="given no package"):
        reporting.evidence_used()
