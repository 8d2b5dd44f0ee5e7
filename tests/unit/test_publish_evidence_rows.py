"""The rows of evidence behind a number, as the ledger shows them."""

import pytest

from soa_evidence.publish import evidence_rows, ledger

ROWS = {
    "id": "pack.cells.1", "holder": "pack", "of": "package", "table": "cells", "file": "data/cells.parquet",
    "where": "joint == 'hip' and year in ['2016/17', '2017/18'] and (records > 0)", "rows": 63_803,
    "total": 141_938, "counted": [{"column": "valid", "total": 116_621.0, "unit": "records"}], "members": [],
}  # fmt: skip
STUDY = ROWS | {
    "id": "studies.studies.2", "holder": "studies", "table": "studies", "where": "", "rows": 1, "total": 1,
    "counted": [],
    "members": [
        {"key": "a-2020", "citation": "A <b>. A study.", "link": "https://example.org/a"},
        {"key": "b", "citation": "B", "link": "javascript:alert(1)"},
    ],
}  # fmt: skip
OF_REPORT = ROWS | {"id": "one.units.3", "holder": "one", "of": "report", "table": "units", "counted": []}
PACKAGE = {
    "name": "pack", "title": "Pack", "kind": "derived", "licence": "OGL", "hash": "x",
    "sources": [{"title": "Records <i>", "path": "", "files": ["Hip 1617.csv", "Knee 1617.csv"]}],
}  # fmt: skip
NUMBER = {
    "id": "n", "label": "a", "estimand": "risk", "estimate": 1.0, "unit": "per 1,000", "population": "p",
    "method": "m", "evidence": ["pack"], "checks": [], "basis": ["pack.cells.1", "studies.studies.2"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("joint == 'hip'", "joint = hip"),
        ("joint == 'hip' and procedure == 'primary'", "joint = hip, procedure = primary"),
        ("year in ['2016/17', '2017/18', '2018/19']", "year = 2016/17, 2017/18 or 2018/19"),
        ("(records > 0) and year in ['2016/17']", "(records > 0), year = 2016/17"),
        ("release == 3", "release == 3"),
        ("year in []", "year = "),
        ("", ""),
    ],
)
def test_a_choice_is_said_in_words(where, words):
    assert evidence_rows.in_words(where) == words


def test_a_number_leads_to_its_rows_and_they_tell_where_they_come_from():
    table = ledger.numbers_table([NUMBER], packages=[PACKAGE], basis=[ROWS, STUDY])
    assert (
        '<a href="#rows-pack.cells.1">63,803 of 141,938 rows of pack cells</a> '
        "(joint = hip, year = 2016/17 or 2017/18, (records &gt; 0))"
    ) in table
    assert 'id="rows-pack.cells.1"' in table
    assert "116,621 records" in table
    assert "<code>joint == &#x27;hip&#x27; and year in" in table
    assert "Records &lt;i&gt;: Hip 1617.csv, Knee 1617.csv" in table
    assert '<a href="#evidence-pack"><code>pack</code></a>' in table
    assert (
        '<code>a-2020</code>: <a href="https://example.org/a" rel="noreferrer">A &lt;b&gt;. A study.</a>'
        in table
    )
    assert "javascript:" not in table
    assert "the one row" in table


def test_rows_of_a_report_lead_to_the_report():
    table = evidence_rows.listed([OF_REPORT])
    assert '<a href="../one/index.html"><code>one</code></a>, table units' in table
    assert "Source files" not in table
    assert "of report one units" in evidence_rows.named([OF_REPORT])


def test_many_choices_fold_and_none_say_nothing():
    many = [ROWS | {"id": f"pack.cells.{at}"} for at in range(5)]
    named = evidence_rows.named(many)
    assert named.startswith('<details class="rows"><summary>Rows: 5 choices of rows</summary>')
    assert named.count("<li>") == 5
    assert evidence_rows.named([]) == evidence_rows.listed([]) == ""


def test_a_long_choice_is_cut_in_the_ledger_and_whole_in_the_list():
    long = ROWS | {"where": "code in [" + ", ".join(f"'C{at:03d}'" for at in range(90)) + "]"}
    assert "C089" not in evidence_rows.named([long])
    assert "…" in evidence_rows.named([long])
    assert "C089" in evidence_rows.listed([long])
