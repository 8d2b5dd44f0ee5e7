"""Tariff, costs, commissioners and a hospital's own case mix: built from small raw files, and what is
refused."""

import csv
import shutil
from pathlib import Path

import pandas as pd
import pytest

from soa_evidence import evidence
from soa_evidence.__main__ import main
from soa_evidence.errors import EvidenceError, InputError
from soa_evidence.evidence import commissioners, orthopaedic_costs, orthopaedic_hrgs, orthopaedic_tariff
from soa_evidence.evidence.registry.load import OWN_NAME

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "evidence"
RAW = ROOT.parent / "shared"
needs_raw = pytest.mark.skipif(
    not (RAW / "data" / "national_tariff").is_dir(), reason="raw files are not here"
)

PRICE = {
    "hrg": "HN81E", "hrg_name": "Complex, Hip or Knee Procedures for Non-Trauma, with CC Score 0-1",
    "elective_combined_2017_18": "6567.0", "elective_combined_2018_19": "6642.0", "nonelective_2017_18":
    "6567.0",
    "nonelective_2018_19": "6642.0", "elective_trim_days_2018_19": "11.0", "nonelective_trim_days_2017_18":
    "33.0",
    "long_stay_per_day_2017_18": "227.0", "combined_suspect": "False",
}  # fmt: skip
LATER = {"hrg": "HN81E", "elective_price_2025_26": "9817", "elective_combined_2017_18": "6567.0"}
FIGURE = {"id": "T4-04", "estimate": "30 -> 25", "outcome": "x", "support_quote": "x"}
FACT = {
    "fact_id": "T4-04", "number_from": "published_figures.csv", "subject": "top-up", "period": "2011/12",
    "what": "x",
    "low": "25", "high": "30", "unit": "%", "reported_by": "press", "citation": "x", "link": "https://x",
    "note": "",
}  # fmt: skip


def put(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def tariff(tmp_path, price=None, later=None, figure=None, fact=None):
    put(tmp_path / "raw" / orthopaedic_tariff.TWO_YEARS, {**PRICE, **(price or {})})
    put(tmp_path / "raw" / orthopaedic_tariff.ONE_YEAR, {**LATER, **(later or {})})
    put(tmp_path / "raw" / orthopaedic_tariff.FIGURES, {**FIGURE, **(figure or {})})
    put(tmp_path / "out" / "_tariff" / "reported.csv", {**FACT, **(fact or {})})
    return orthopaedic_tariff.build(tmp_path / "raw", tmp_path / "raw", tmp_path / "out")


def test_prices_of_three_years(tmp_path):
    assert tariff(tmp_path).rows == {"prices": 5, "hrgs": 1, "reported": 1}
    package = evidence.load("orthopaedic-tariff", tmp_path / "out")
    prices = package.table("prices").set_index(["year", "admission"])
    assert prices.loc[("2025/26", "elective"), "base_price_gbp"] == 9817
    assert prices.loc[("2017/18", "elective"), "trim_point_days"] == 11
    assert package.table("hrgs").iloc[0][["work", "cc_from", "cc_to"]].tolist() == ["complex", 0, 1]


def test_a_doubtful_combined_price_is_left_out(tmp_path):
    built = tariff(tmp_path, price={"combined_suspect": "True"})
    assert built.rows["prices"] == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"price": {"elective_combined_2018_19": "free"}}, "HN81E, elective_combined_2018_19: 'free' is "
                                                           "not a number above 0"),
        ({"price": {"nonelective_2017_18": "-5"}}, "'-5' is not a number above 0"),
        ({"price": {"hrg_name": "Complex"}}, "HRG HN81E: 'Complex' names no CC score"),
        ({"later": {"elective_combined_2017_18": "6568"}}, "gives £6567, .* £6568. One was copied wrong"),
        ({"later": {"hrg": "HN81D"}}, "HRG HN81D is not in .* Did you mean 'HN81E'"),
        ({"fact": {"low": "24"}}, "24 and 30 are not the figures"),
        ({"fact": {"low": "30", "high": "25"}}, "are not two numbers in order"),
        ({"fact": {"fact_id": "T4-05"}}, "holds no such figure. Did you mean 'T4-04'"),
        ({"fact": {"number_from": "memory"}}, "number_from is 'memory'"),
    ],
)  # fmt: skip
def test_prices_that_cannot_be_are_refused(tmp_path, changes, says):
    with pytest.raises(EvidenceError, match=says):
        tariff(tmp_path, **changes)


def test_missing_files_and_columns(tmp_path):
    with pytest.raises(EvidenceError, match=f"There is no file {orthopaedic_tariff.TWO_YEARS} at"):
        orthopaedic_tariff.build(tmp_path, tmp_path, tmp_path)
    tariff(tmp_path)
    put(tmp_path / "raw" / orthopaedic_tariff.ONE_YEAR, {"hrgs": "x"})
    with pytest.raises(EvidenceError, match=r"has no column 'hrg'\. Did you mean 'hrgs'"):
        orthopaedic_tariff.build(tmp_path / "raw", tmp_path / "raw", tmp_path / "out")


def costs(tmp_path, old=None, new=None):
    name = "Complex with CC Score 0-1"
    put(tmp_path / orthopaedic_costs.REFERENCE,
        {"sushrg": "HN81E", "description": name, "cost": "8022.98", "type": "Elective", "Year": "2016",
         "Excess_unit_cost": "338.5", **(old or {})})  # fmt: skip
    put(tmp_path / orthopaedic_costs.COLLECTION,
        {"department_code": "Elective Inpatients", "currency_code": "HN81E", "currency_desc": name,
        "activity": "10",
         "unit_cost": "13010", "cost": "130100", **(new or {})})  # fmt: skip
    return orthopaedic_costs.build(tmp_path, tmp_path, tmp_path / "out")


def test_two_collections(tmp_path):
    assert costs(tmp_path).rows == {"reference_costs": 1, "cost_collection": 1, "planned": 1}
    planned = evidence.load("orthopaedic-unit-costs", tmp_path / "out").table("planned")
    assert planned.iloc[0].tolist() == ["hip and knee replacement", "2024/25", 10, 130100]
    row = evidence.load("orthopaedic-unit-costs", tmp_path / "out").table("reference_costs").iloc[0]
    assert row.tolist() == ["HN81E", "elective inpatient", "2016/17", 8022.98, 338.5]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"old": {"type": "Electiv"}}, "type is 'Electiv'. Did you mean 'Elective'"),
        ({"old": {"cost": "0"}}, "'0' is not a number above 0"),
        ({"new": {"cost": "130101"}}, "10 times £13010 is not the total of £130101"),
        ({"new": {"currency_code": "AA22C"}}, "holds no HRG of hip or knee replacement"),
    ],
)
def test_costs_that_cannot_be_are_refused(tmp_path, changes, says):
    with pytest.raises(EvidenceError, match=says):
        costs(tmp_path, **changes)


RECORD = {"Provider Code": "05N", "Procedure": "Hip Replacement", "Revision Flag": "0", "Year": "2018/19",
          "Age Band": "60 to 69", "Gender": "2"}  # fmt: skip


def people_files(tmp_path, records, population=None):
    put(tmp_path / "Hip Replacement CCG 1819.csv", *records)
    put(tmp_path / "p" / commissioners.POPULATION,
        *({"year": "2018/19", "ccg": "05N", "sex": "female", "age_band": b, "patients_est": "100",
        **(population or {})}
          for b in ("45-54", "55-64", "65-74", "75+")))  # fmt: skip
    put(tmp_path / "p" / commissioners.MERGERS, {"old_ccg": "99X", "new_ccg_apr2019": "05N"})
    put(tmp_path / "n" / commissioners.NAMES, {"CCG19CDH": "05N", "CCG19NM": "NHS Shropshire CCG"})
    put(tmp_path / "d" / commissioners.IMD, {"CCGcode": "01V", "IMDscore": "19.5"})
    put(tmp_path / "s" / commissioners.PEERS, {"ccg": "M2L0M", "rank": "1", "similar_ccg": "01V"})
    return commissioners.build(
        [tmp_path / "Hip Replacement CCG 1819.csv"],
        *(tmp_path / folder for folder in "pnds"), tmp_path / "out",
    )  # fmt: skip


def test_questionnaires_and_people_are_counted(tmp_path):
    rows = [RECORD, {**RECORD, "Provider Code": "99X"}, {**RECORD, "Age Band": "*", "Gender": "*"},
            {**RECORD, "Revision Flag": "1"}, {**RECORD, "Provider Code": "13Q"}]  # fmt: skip
    people_files(tmp_path, rows)
    package = evidence.load("commissioner-joint-replacement", tmp_path / "out")
    assert package.table("counts").iloc[0].tolist() == ["05N", "2018/19", "hip", 3, 2]
    population = package.table("population").set_index("age_band")["people"]
    assert population.to_dict() == {"under 50": 50, "50 to 59": 100, "60 to 69": 100, "70 and over": 150}
    row = package.table("commissioners").iloc[0]
    assert (row["name"], row["commissioner_2021"]) == ("Shropshire", "M2L0M")


@pytest.mark.parametrize(
    ("record", "population", "says"),
    [
        ({"Provider Code": "05Q"}, {}, "commissioner is '05Q', which is not known. Did you mean '05N'"),
        ({"Age Band": "60-69"}, {}, "age_band is '60-69', which is not known"),
        ({"Gender": "3"}, {}, "gender is '3'"),
        ({"Year": "2030/31"}, {}, "year is '2030/31'"),
        ({"Procedure": "Elbow Replacement"}, {}, "joint is 'elbow'"),
        ({}, {"patients_est": "-1"}, "patients_est is '-1'; expected a number of people"),
        ({}, {"sex": "both"}, "sex is 'both'"),
        ({}, {"year": "2017/18"}, "gives no people for commissioner 05N in 2018/19"),
    ],
)
def test_questionnaires_and_people_that_cannot_be_are_refused(tmp_path, record, population, says):
    with pytest.raises(EvidenceError, match=says):
        people_files(tmp_path, [{**RECORD, **record}], population)


def test_no_file_by_commissioner(tmp_path):
    with pytest.raises(EvidenceError, match="No PROMs file by commissioner was found"):
        commissioners.build([put(tmp_path / "x.csv", {"a": 1})], *[tmp_path] * 5)


def own(tmp_path, *rows):
    return put(tmp_path / "mine.csv", *rows)


ROW = {"hrg": "HN81E", "admission": "elective", "spells": "40", "cost_gbp": "500000"}


def test_a_hospitals_own_file(tmp_path):
    path = own(tmp_path, {**ROW, "top_up_spells": "30", "cost_sd_gbp": ""})
    mine = evidence.case_mix.load(path)
    assert (mine.name, mine.own, mine.smallest_count) == (OWN_NAME, True, 10)
    assert "mine.csv" not in f"{mine.title} {mine.sources} {mine.caveats}"
    row = mine.frame.iloc[0]
    assert (row["spells"], row["top_up_spells"], row["long_stay_days"]) == (40, 30, 0)
    assert pd.isna(row["cost_sd_gbp"])


def test_england_by_name():
    england = evidence.case_mix.load("orthopaedic-unit-costs", folder=PACKAGES)
    assert not england.own
    assert england.frame.set_index("hrg").loc["HN12F", "spells"] == 19_106


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{**ROW, "spels": "1"}], "has the column 'spels', which is not known. Did you mean 'spells'"),
        ([{k: v for k, v in ROW.items() if k != "cost_gbp"}], r"has no column 'cost_gbp' \(total cost"),
        ([{**ROW, "hrg": "AA22C"}], "Row 1: HRG 'AA22C' is not of hip or knee replacement"),
        ([{**ROW, "admission": "electve"}], "Row 1: admission is 'electve'. Did you mean 'elective'"),
        ([ROW, ROW], "Row 2 repeats an HRG and admission; add them up"),
        ([{**ROW, "spells": "0"}], "Row 1, column 'spells': '0'; expected the whole number of spells"),
        ([{**ROW, "spells": "1.5"}], "column 'spells': '1.5'"),
        ([{**ROW, "cost_gbp": "lots"}], "column 'cost_gbp': 'lots'"),
        ([{**ROW, "cost_gbp": ""}], "column 'cost_gbp': ''"),
        ([{**ROW, "long_stay_days": "-1"}], "column 'long_stay_days': '-1'"),
        ([{**ROW, "top_up_spells": "41"}], "Row 1: more spells are eligible for the top-up than there are"),
    ],
)
def test_an_own_file_that_cannot_be_is_refused(tmp_path, rows, says):
    with pytest.raises(EvidenceError, match=says):
        evidence.case_mix.load(own(tmp_path, *rows))


def test_what_is_no_case_mix(tmp_path):
    with pytest.raises(InputError, match=r"There is no case mix 'orthopaedic-unit-cost'. Did you mean"):
        evidence.case_mix.load("orthopaedic-unit-cost")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(EvidenceError, match="The case-mix file cannot be read"):
        evidence.case_mix.load(tmp_path / "empty.csv")
    (tmp_path / "bare.csv").write_text("hrg,admission,spells,cost_gbp\n")
    with pytest.raises(EvidenceError, match="has no rows"):
        evidence.case_mix.load(tmp_path / "bare.csv")


def test_levels_of_comorbidity_are_read_from_names():
    table = orthopaedic_hrgs.table({"HN12A": "x with CC Score 10+", "HN80D": "y, with CC score 0-2"})
    assert table["cc_from"].tolist() == [10, 0]
    assert pd.isna(table["cc_to"].iloc[0])


@pytest.mark.parametrize("source", ["tariff", "costs", "commissioners"])
def test_the_command_says_what_each_is_made_from(source, capsys):
    assert main(["ingest", source, "only-one"]) == 2
    assert f"{source} is made from" in capsys.readouterr().err


@needs_raw
def test_packages_are_what_their_raw_files_give(tmp_path):
    data = RAW / "data"
    shutil.copytree(PACKAGES / "_tariff", tmp_path / "_tariff")
    orthopaedic_tariff.build(data / "national_tariff", RAW / "evidence", tmp_path)
    orthopaedic_costs.build(data / "reference_costs", data / "ncc_costs", tmp_path)
    near = (data / f"ccg_{name}" for name in ("populations", "lookups", "deprivation", "similar10"))
    commissioners.build([data / "nhs_proms" / "raw_zips"], *near, tmp_path)
    for name in ("orthopaedic-tariff", "orthopaedic-unit-costs", "commissioner-joint-replacement"):
        assert evidence.load(name, tmp_path).hash == evidence.load(name, PACKAGES).hash


def test_totals_are_those_of_the_release():
    counts = evidence.load("commissioner-joint-replacement", PACKAGES).table("counts")
    total = counts.groupby(["year", "joint"])["completed"].sum()
    # first replacements in the release, less the 20, 15, 21, ... of the national hub
    assert total.loc[("2018/19", "hip")] == 38_467 - 21
    assert total.loc[("2018/19", "knee")] == 43_102 - 11
    assert counts["commissioner"].nunique() == 191
