"""Rows chosen from a package: what they remember, and that a program finds the same rows again."""

import dataclasses
import io
import json
import re

import pandas as pd
import pytest
from evidence_toys import make_package

from soa_evidence import evidence, reporting
from soa_evidence.errors import EvidenceError, InputError
from soa_evidence.reporting.bundle import MIME
from soa_evidence.results import Basis

ROWS = "AAA,2016/17,10,100,3.5\nAAA,2017/18,20,200,\nBBB,2016/17,30,300,4.5\n"


def add_year(descriptor):
    schema = descriptor["resources"][0]["schema"]
    year = {"name": "period", "type": "string", "title": "Financial year", "description": "of the operation"}
    schema["fields"][1] = year
    schema["primaryKey"] = ["unit", "period"]


@pytest.fixture
def package(tmp_path):
    csv = "unit,period,events,patients,mean_stay_days\n" + ROWS
    folder = make_package(tmp_path, csv=csv, seal=False)
    path = folder / "datapackage.json"
    descriptor = json.loads(path.read_text(encoding="utf-8"))
    add_year(descriptor)
    path.write_text(json.dumps(descriptor), encoding="utf-8")
    evidence.seal(folder)
    return evidence.load("toy", tmp_path)


def test_a_choice_remembers_what_it_is(package):
    chosen = package.select(unit="AAA", period=["2016/17", "2017/18"], counted=["patients", "unit"])
    assert chosen.frame["patients"].tolist() == [100, 200]
    assert (chosen.name, chosen.table) == ("toy", "results")
    basis = chosen.basis
    assert (basis.holder, basis.of, basis.table, basis.file) == (
        "toy", "package", "results", "data/results.csv",
    )  # fmt: skip
    assert basis.where == "unit == 'AAA' and period in ['2016/17', '2017/18']"
    assert (basis.rows, basis.total) == (2, 3)
    assert [(one.column, one.total) for one in basis.counted] == [("patients", 100 + 200), ("unit", 1)]
    assert [one.unit for one in basis.counted][1] == "units"
    assert [one.key for one in basis.members] == ["AAA · 2016/17", "AAA · 2017/18"]
    assert "2 of 3 rows of toy, table results where unit == 'AAA'" in repr(chosen)


def test_a_program_finds_the_same_rows_in_the_file(package):
    for chosen in (
        package.select(unit="AAA"),
        package.select(where="events > 10 and mean_stay_days.isna()"),
        package.select(where="events > 10", period=("2016/17",)),
        package.select(events=30),
    ):
        file = pd.read_csv(package.folder / chosen.basis.file)
        assert len(file.query(chosen.basis.where, engine="python")) == chosen.basis.rows == len(chosen.frame)
        assert 0 < chosen.basis.rows < 3
    assert len(package.select().frame) == package.select().basis.rows == 3
    assert package.select().basis.where == ""


def test_rows_are_a_fresh_copy_and_the_package_stays_as_it_was(package):
    chosen = package.select(unit="AAA")
    mine = chosen.frame
    mine["patients"] = 0
    assert chosen.frame["patients"].sum() == 300
    assert package.table()["patients"].sum() == 600


def test_rows_are_narrowed_by_the_columns_the_table_has(package):
    narrow = package.select(where="events > 10").among(unit=["BBB"], study_id=["not a column"])
    assert (narrow.basis.rows, narrow.frame["unit"].tolist()) == (1, ["BBB"])
    assert narrow.basis.where == "(events > 10) and unit in ['BBB']"
    whole = package.select(unit="AAA")
    assert whole.among(study_id=["x"]) is whole


def test_no_row_is_a_choice_too(package):
    assert package.select(unit="CCC").basis.rows == 0
    assert package.select(unit=[]).frame.empty


def test_a_value_cannot_smuggle_a_choice(package):
    assert package.select(unit="AAA' or unit == 'BBB").basis.rows == 0


def test_many_rows_are_not_named_one_by_one(tmp_path):
    many = "unit,group,events,patients,mean_stay_days\n" + "".join(
        f"U{at:02d},primary,1,20,3\n" for at in range(13)
    )
    make_package(tmp_path, csv=many)
    package = evidence.load("toy", tmp_path)
    assert package.select().basis.members == ()
    assert len(package.select(where="unit < 'U12'").basis.members) == 12


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"unti": "AAA"}, r"table 'results', has no column 'unti'. Did you mean 'unit'\? It has: unit, "),
        ({"counted": "patient"}, r"has no column 'patient'. Did you mean 'patients'\?"),
        ({"unit": None}, r"chosen by unit = None \(NoneType\); expected a text, a number, or a list"),
        ({"unit": [float("nan")]}, r"chosen by unit = nan \(float\); expected a text"),
        ({"unit": object()}, r"\(object\); expected a text, a number, or a list of them"),
        ({"where": "unit =="}, r"cannot be chosen by 'unit ==': .*Write what pandas' query takes"),
        ({"where": "unit == @here"}, r"'here' is not defined.*with values and not names of values"),
        ({"where": "nowhere == 1"}, r"name 'nowhere' is not defined"),
    ],
)
def test_what_cannot_be_chosen_is_refused(package, asked, message):
    with pytest.raises(EvidenceError, match=message):
        package.select(**asked)


def test_an_unknown_table_is_refused(package):
    with pytest.raises(EvidenceError, match=r"has no table 'result'\. Did you mean 'results'\?"):
        package.select("result")


def test_a_basis_goes_to_the_record_and_back(package):
    basis = package.select(unit="AAA", counted="patients").basis
    record = json.loads(json.dumps(basis.record()))
    assert Basis.of_record(record) == basis
    assert re.fullmatch(r"toy\.results\.[0-9a-f]{8}", basis.id)
    assert dataclasses.replace(basis, rows=1).id != basis.id
    with pytest.raises(InputError, match=r"has 4 of 3 rows of 'toy', table 'results'"):
        dataclasses.replace(basis, rows=4)


def test_a_number_carries_its_rows_to_the_ledger(package):
    chosen = package.select(unit="AAA", counted="patients")
    told = {"estimand": "e", "unit": "units", "population": "p", "method": "count"}
    one = reporting.number(1, id="n", evidence=[chosen, chosen, package.select()], **told)
    assert one.evidence == ("toy",)
    assert one.record()["basis"] == [chosen.basis.id, package.select().basis.id]
    payload = one.bundle()[MIME]
    assert [row["id"] for row in payload["basis"]] == one.record()["basis"]
    csv = pd.read_csv(io.StringIO(reporting.Numbers.of(one).frame().to_csv(index=False)))
    assert csv["rows"][0] == (
        "2 of 3 rows of toy, table results where unit == 'AAA' (300 patients); "
        "all 3 rows of toy, table results"
    )
    bare = reporting.number(1, id="n", evidence=[package, "another"], **told)
    assert (bare.evidence, bare.basis) == (("toy", "another"), ())
