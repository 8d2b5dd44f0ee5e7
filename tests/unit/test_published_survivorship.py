"""published-survivorship: built from lists and coding tables; every contradiction stops the build."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from soa_evidence import __main__ as command
from soa_evidence import evidence
from soa_evidence.errors import EvidenceError
from soa_evidence.evidence import published_survivorship

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = [
    "id", "topic", "follow_up", "n_exposed", "events_exposed", "estimate", "ci_low", "ci_high", "doi_or_url",
    "support_quote", "verified",
]  # fmt: skip
FIGURES = [
    ("T3-01", "3", "10 y", "1000.0", "", "95.6", "95.3", "95.9", "", "", "yes"),
    ("T3-02", "3", "90 d", "1000.0", "4.0", "", "", "", "", "", "yes"),
    ("T3-03", "3", "90 d", "", "", "0.29 vs 0.56", "", "", "", "", "yes"),
    ("T3-04", "3", "", "", "", "37 knee; 23 hip", "", "", "", "", "yes"),
    (
        "T3-F01",
        "3",
        "90 d",
        "135.0",
        "12.0",
        "8.89 (6.04); O/E 1.47",
        "",
        "",
        "",
        "1 135 8.89 6.04 AVERAGE",
        "yes",
    ),
    ("T1-01", "1", "", "", "", "1.2", "", "", "", "", "yes"),
]
BENCHMARKS = pd.DataFrame(
    [("A", "THR", "10", "95.6", "95.3", "95.9", "1000"), ("B", "TKR", "20", "89.7", "87.5", "91.5", "900")],
    columns=["source", "procedure", "years", "estimate", "ci95_low", "ci95_high", "n"],
)
CODE = {
    "number_from": "published_figures.csv", "paper_id": "ames", "study": "Ames", "registry": "ames",
    "source_type": "registry", "joint": "hip", "procedure": "primary", "group": "total", "age": "all",
    "sex": "both", "country": "Norway", "period_start": "1995", "period_end": "",
    "measure": "implant survival",
    "means": "survival", "follow_up_years": "", "estimate_percent": "", "lower_percent": "",
    "upper_percent": "", "estimate_unit": "0.1", "limit_unit": "0.1", "joints": "", "poolable": "yes",
    "not_poolable_because": "",
    "inconsistent": "no", "inconsistency": "", "overlap": "", "read_at_level": "abstract", "verified": "yes",
    "note": "",
}  # fmt: skip
READ = {
    **CODE, "fact_id": "S-01", "number_from": "read by us", "follow_up_years": "15", "estimate_percent": "90",
    "lower_percent": "88", "upper_percent": "92",
}  # fmt: skip


@pytest.fixture
def lists(tmp_path):
    """A folder with both lists and coding tables of a tiny package."""
    pd.DataFrame(FIGURES, columns=COLUMNS).to_csv(tmp_path / "published_figures.csv", index=False)
    BENCHMARKS.to_csv(tmp_path / "benchmarks.csv", index=False)
    coding = tmp_path / "coding"
    coding.mkdir()
    facts = [
        {**CODE, "fact_id": "T3-01"},
        {**CODE, "fact_id": "B02", "number_from": "benchmarks.csv", "joint": "knee"},
        READ,
    ]
    pd.DataFrame(facts).to_csv(coding / "survivorship.csv", index=False)
    papers = [
        ("ames", "Ames", "Ames. Hips.", "", "", "", "1999"),
        ("cjrr-2015", "CJRR", "Patel.", "", "", "", ""),
    ]
    pd.DataFrame(
        papers, columns=["paper_id", "label", "citation", "citation_note", "doi", "link", "year"]
    ).to_csv(coding / "papers.csv", index=False)
    other = [
        ("T3-02", "ames", "Deaths", "2003", ""), ("T3-03", "ames", "Deaths", "2011 v 2003", ""),
        ("T3-04", "ames", "Outliers", "2021", ""),
    ]  # fmt: skip
    pd.DataFrame(other, columns=["fact_id", "paper_id", "what", "period", "note"]).to_csv(
        coding / "other_facts.csv", index=False
    )
    return tmp_path


def build(lists):
    return published_survivorship.build(lists, lists, lists / "out", coding=lists / "coding")


def change(path, row, column, value):
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.loc[row, column] = value
    frame.to_csv(path, index=False)


def test_numbers_come_from_where_the_code_says(lists):
    build(lists)
    package = evidence.load("published-survivorship", lists / "out")
    table = package.table("survivorship").set_index("fact_id")
    assert table.loc["T3-01", "estimate_percent"] == 95.6
    assert table.loc["T3-01", "joints"] == 1000
    assert (table.loc["B02", "follow_up_years"], table.loc["B02", "lower_percent"]) == (20, 87.5)
    assert table.loc["S-01", "upper_percent"] == 92
    assert table["citation"].tolist() == ["Ames. Hips."] * 3


def test_deaths_hospitals_and_counts_are_taken_apart(lists):
    build(lists)
    package = evidence.load("published-survivorship", lists / "out")
    deaths = package.table("mortality").set_index("fact_id")
    assert deaths.loc["T3-02", "percent"] == pytest.approx(100 * 4 / 1000)
    assert deaths.loc["T3-03a", ["period", "percent"]].tolist() == ["2011", 0.29]
    assert deaths.loc["T3-03b", ["period", "percent"]].tolist() == ["2003", 0.56]
    hospital = package.table("hospitals").iloc[0]
    assert hospital[["operations", "complications", "observed_percent", "rated"]].tolist() == [
        135,
        12,
        8.89,
        "average",
    ]
    assert package.table("counts")[["group", "count"]].to_numpy().tolist() == [["knee", 37], ["hip", 23]]


def test_the_same_files_give_the_same_bytes(lists):
    first = build(lists)
    shutil.rmtree(lists / "out")
    assert build(lists).hash == first.hash


BREAKS = [
    ("published_figures.csv", 0, "id", "T3-77", r"figure T3-77: no coding table speaks of it"),
    (
        "published_figures.csv",
        0,
        "estimate",
        "about 95",
        r"survivorship\.csv, T3-01, estimate_percent: 'about 95'",
    ),
    ("published_figures.csv", 4, "estimate", "8.89", r"figure T3-F01: '8\.89' is not 'observed \(expected\)"),
    ("published_figures.csv", 3, "estimate", "many", r"figure T3-04: 'many' holds no count"),
    ("benchmarks.csv", 0, "estimate", "95.9", r"T3-01 is 95\.6 %, benchmarks\.csv row B01 95\.9 %"),
    (
        "coding/survivorship.csv",
        1,
        "fact_id",
        "B09",
        r"benchmarks\.csv holds no figure 'B09'.*Did you mean 'B0",
    ),
    (
        "coding/survivorship.csv",
        0,
        "number_from",
        "memory",
        r"number_from is 'memory'; expected published_figures",
    ),
    ("coding/survivorship.csv", 0, "poolable", "maybe", r"poolable: 'maybe'; expected yes or no"),
    ("coding/survivorship.csv", 0, "poolable", "no", r"a row that is not pooled says why"),
    ("coding/survivorship.csv", 0, "inconsistent", "yes", r"contradict each other, so it may not be pooled"),
    (
        "coding/survivorship.csv",
        0,
        "paper_id",
        "aims",
        r"paper 'aims' is not in papers\.csv\. Did you mean 'ames'",
    ),
    ("coding/survivorship.csv", 0, "source_type", "register", r"'register' is not one of: registry"),
    ("coding/other_facts.csv", 0, "fact_id", "T3-09", r"figure T3-02: no coding table speaks of it"),
]


@pytest.mark.parametrize(
    ("file", "row", "column", "value", "message"), BREAKS, ids=[b[4][:30] for b in BREAKS]
)
def test_what_does_not_fit_stops_the_build(lists, file, row, column, value, message):
    change(lists / file, row, column, value)
    with pytest.raises(EvidenceError, match=message):
        build(lists)


def test_missing_files_and_columns_are_named(lists):
    (lists / "coding" / "papers.csv").unlink()
    with pytest.raises(EvidenceError, match=r"no file papers\.csv"):
        build(lists)
    pd.DataFrame({"id": ["T3-01"]}).to_csv(lists / "published_figures.csv", index=False)
    with pytest.raises(EvidenceError, match=r"published_figures\.csv has no column 'topic'"):
        build(lists)


def test_the_command_wants_two_lists(lists, capsys):
    coding = lists / "out" / "_published_survivorship"
    shutil.copytree(lists / "coding", coding)
    done = command.main(
        ["ingest", "published-survivorship", str(lists), str(lists), "--out", str(lists / "out")]
    )
    assert done == 0
    assert "Built published-survivorship: survivorship 3 rows" in capsys.readouterr().out
    assert command.main(["ingest", "published-survivorship", str(lists), "--out", str(lists / "out")]) == 2
    assert "in this order. 1 were given" in capsys.readouterr().err


def test_what_may_be_pooled_of_the_committed_package():
    table = evidence.load("published-survivorship", ROOT / "evidence").table("survivorship")
    pooled = table[table["poolable"]]
    assert len(pooled) == 14
    assert pooled[["lower_percent", "upper_percent", "follow_up_years"]].notna().all().all()
    assert not pooled["source_type"].str.startswith("review").any()
    assert set(pooled["age"]) == {"all"}
    assert table.loc[table["inconsistent"], "fact_id"].tolist() == ["S-21"]
    evans = table[table["fact_id"].isin(["T3-01", "T3-02"])].set_index("source_type")["estimate_percent"]
    assert evans["review of case series"] - evans["review of registries"] == pytest.approx(19.7)


@pytest.mark.skipif(
    not (ROOT.parent / "shared" / "evidence").is_dir(), reason="the lists of figures are not on this machine"
)
def test_rebuilding_gives_the_committed_bytes(tmp_path):
    shared = ROOT.parent / "shared"
    folder = ROOT / "evidence"
    published_survivorship.build(
        shared / "evidence",
        shared / "data" / "published_benchmarks",
        tmp_path,
        coding=folder / "_published_survivorship",
    )
    for rebuilt in sorted(tmp_path.rglob("*.*")):
        assert rebuilt.read_bytes() == (folder / rebuilt.relative_to(tmp_path)).read_bytes(), rebuilt.name
