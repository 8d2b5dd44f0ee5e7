"""programme-facts: every listed fact is coded, every code has its fact, numbers are numbers."""

from pathlib import Path

import pandas as pd
import pytest

from soa_evidence import __main__ as command
from soa_evidence import evidence
from soa_evidence.errors import EvidenceError
from soa_evidence.evidence import programmes
from soa_evidence.evidence.load import open_folder

ROOT = Path(__file__).resolve().parents[2]
FACTS = pd.DataFrame(
    [("X-01", "78", "51", "a study"), ("X-02", "some words", "", "same")],
    columns=["id", "value", "comparator_value", "source"],
)
CODES = pd.DataFrame(
    [
        ("X-01", "conversion_after", "reported", "percent", "0"),
        ("X-01b", "conversion_before", "reported", "percent", "0"),
        ("X-02", "words", "described", "", ""),
    ],
    columns=["fact_id", "quantity", "kind", "unit", "decimals_of_source"],
).assign(programme="P", area="A", period="then", what="what", note="")


def build(tmp_path, facts=FACTS, codes=CODES):
    facts.to_csv(tmp_path / "facts.csv", index=False)
    codes.to_csv(tmp_path / "codes.csv", index=False)
    programmes.build(tmp_path / "facts.csv", tmp_path / "out", coding=tmp_path / "codes.csv")
    return open_folder(tmp_path / "out" / programmes.NAME, foreign=False).table()


def test_values_and_comparators_become_rows_and_sources_are_carried_down(tmp_path):
    table = build(tmp_path).set_index("fact_id")
    assert table.loc[["X-01", "X-01b"], "value"].tolist() == [78, 51]
    assert pd.isna(table.loc["X-02", "value"])
    assert set(table["source"]) == {"a study"}


@pytest.mark.parametrize(
    ("facts", "codes", "message"),
    [
        (FACTS, CODES.iloc[:2], "X-02 is listed but not coded"),
        (FACTS.iloc[:1], CODES, "X-02 speaks of no listed fact"),
        (FACTS.assign(value="many"), CODES, "has the value 'many'"),
        (FACTS, CODES.assign(kind="guessed"), "of kind 'guessed'"),
        (FACTS.drop(columns="source"), CODES, "no column 'source'"),
        (FACTS, CODES.drop(columns="unit"), "no column 'unit'"),
    ],
)
def test_what_does_not_fit_stops_the_build(tmp_path, facts, codes, message):
    with pytest.raises(EvidenceError, match=message):
        build(tmp_path, facts, codes)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"no file absent\.csv"):
        programmes.build(tmp_path / "absent.csv", tmp_path)


def test_the_command_wants_one_list(tmp_path, capsys):
    assert command.main(["ingest", "programmes", "a.csv", "b.csv", "--out", str(tmp_path)]) != 0
    assert "one list" in capsys.readouterr().err


def test_the_committed_package_tells_kinds_apart():
    table = evidence.load(programmes.NAME, ROOT / "evidence").table()
    assert set(table["kind"]) == set(programmes.KINDS)
    assert table.loc[table["kind"] == "described", "value"].isna().all()
    assert table.loc[table["kind"] != "described", "value"].notna().all()
