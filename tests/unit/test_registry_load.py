"""An extract ready for analysis: times, causes and reasons by arithmetic, exclusions counted."""

import numpy as np
import pytest
from registry_toys import GOOD, rows, write

from soa_evidence import survival
from soa_evidence.errors import EvidenceError, InputError
from soa_evidence.evidence import registry
from soa_evidence.evidence.registry import analysis, contract
from soa_evidence.publish import own_data
from soa_evidence.reporting import evidence_used

YEAR = 365.25


@pytest.fixture
def loaded(tmp_path):
    return registry.load(write(tmp_path / "x.csv", rows()))


def days(first, last):
    return float((np.datetime64(last) - np.datetime64(first)).astype(int))


def test_times_and_causes_are_those_of_the_dates(loaded):
    f = loaded.frame()
    assert f["cause"].tolist() == [0, 0, 1, 1, 2, 0, 1, 0]
    assert f["revised"].tolist() == [0, 0, 1, 1, 0, 0, 1, 0]
    expected = [
        days("2015-03-02", "2024-12-31"), days("2017-05-09", "2024-12-31"), days("2016-01-04", "2018-01-04"),
        days("2014-07-01", "2015-07-01"), days("2014-02-03", "2020-02-03"), days("2018-10-10", "2024-12-31"),
        0.5, days("2020-06-05", "2024-12-31"),
    ]  # fmt: skip
    assert f["time_years"].tolist() == pytest.approx([day / YEAR for day in expected], rel=1e-14)
    assert f["died"].tolist() == [0, 0, 0, 0, 1, 0, 1, 0]
    assert f["death_years"][6] == pytest.approx(15 / YEAR)
    assert f["primary_year"].tolist() == [2015, 2017, 2016, 2014, 2014, 2018, 2019, 2020]
    assert f["row"].tolist() == list(range(1, 9))
    assert f["person"].tolist() == [0, 0, 1, 2, 3, 4, 5, 6]


def test_second_revisions_are_timed_from_the_first(loaded):
    f = loaded.frame()
    assert f["rerevision_cause"].dropna().to_dict() == {2: 0.0, 3: 1.0, 6: 2.0}
    expected = {2: days("2018-01-04", "2024-12-31"), 3: days("2015-07-01", "2017-07-01"), 6: 15.0}
    assert f["rerevision_years"].dropna().to_dict() == pytest.approx(
        {k: v / YEAR for k, v in expected.items()}
    )


def test_one_reason_leads(loaded):
    f = loaded.frame()
    never = "not revised"
    assert f["reason"].tolist() == [never, never, "infection", "loosening", never, never, "fracture", never]
    assert [analysis.REASON_CAUSES.get(code, "none") for code in f["reason_cause"]] == [
        "none", "none", "infection", "loosening", "death", "none", "fracture", "none",
    ]  # fmt: skip
    codes = list(contract.BY_NAME["revision_reasons"].codes)
    every = np.array([1 << codes.index(name) for name in codes] + [0, 0b1001], dtype=np.int32)
    groups = [list(contract.REASON_GROUPS)[k] for k in analysis.leading_reason(every)]
    assert groups[:5] == ["infection", "fracture", "dislocation", "loosening", "loosening"]
    assert set(groups[6:-1]) == {"other"}
    assert groups[-1] == "infection"  # with loosening


def test_bands_and_gaps_have_names(loaded):
    f = loaded.frame()
    assert f["age_band"].tolist() == [
        "65 to 74", "65 to 74", "55 to 64", "55 to 64", "75 to 84", "65 to 74", "75 to 84", "65 to 74",
    ]  # fmt: skip
    assert f["bmi_band"].tolist()[2:7] == [
        "under 25",
        "25 to 29.9",
        "30 to 34.9",
        "not recorded",
        "not recorded",
    ]
    assert f["bmi_band"].tolist()[7] == "35 to 39.9"
    assert f["asa"].tolist()[5] == "not recorded"
    assert list(f.columns) == list(analysis.FRAME_COLUMNS) == loaded.columns["column"].tolist()


def test_a_frame_of_one_joint_goes_straight_into_the_methods(loaded):
    hips = loaded.frame("hip", columns=["time_years", "cause", "revised", "unit_class"])
    assert len(hips) == 6
    fitted = survival.kaplan_meier.fit(hips, time="time_years", event="revised")
    assert fitted.at([0.001])["estimate"].tolist() == [1.0]
    assert fitted.at([0.01])["estimate"].tolist() == [pytest.approx(1 - 1 / 6)]
    by_cause = survival.cumulative_incidence.fit(hips, time="time_years", event="cause", causes=loaded.causes)
    assert by_cause.causes == ("revision", "death")
    assert loaded.frame("knee", procedure="total")["unit"].tolist() == ["A"]


def test_procedures_are_counted_and_small_counts_of_own_data_withheld(tmp_path, loaded):
    key = ["joint", "procedure", "unit_class"]
    counts = ["primaries", "revisions", "deaths"]
    assert loaded.procedures()[counts].isna().all().all()
    people = [row | {"person_id": f"{row['person_id']}-{k}"} for k in range(5) for row in GOOD]
    table = registry.load(write(tmp_path / "many.csv", people)).procedures().set_index(key)
    assert table.loc[("hip", "total", "general"), counts].tolist() == [20, 10, 0]
    assert table.loc[("hip", "total", "specialist")].isna().all()
    made = registry.load("syn-registry", size=300).procedures()
    assert made["primaries"].sum() == 300
    assert made[counts].notna().all().all()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"joint": "hipp"}, "joint is 'hipp'. Did you mean 'hip'?"),
        ({"joint": "elbow"}, "has no elbow replacement that may be analysed"),
        ({"procedure": "half"}, "procedure is 'half'. Expected one of: total"),
        ({"columns": ["time_year"]}, "has no column 'time_year'. Did you mean 'time_years'?"),
    ],
)
def test_a_wrong_question_is_answered_in_words(loaded, choices, message):
    with pytest.raises(InputError) as caught:
        loaded.frame(**choices)
    assert message in str(caught.value)


def test_impossible_rows_stop_the_load_or_are_left_out_and_counted(tmp_path):
    many = [dict(GOOD[7]) | {"person_id": f"q{k}"} for k in range(992)]
    path = write(tmp_path / "x.csv", [*rows(age="5", bmi="500"), *many])
    with pytest.raises(EvidenceError) as caught:
        registry.load(path)
    told = str(caught.value)
    assert "1 of 1,000 rows of 'x.csv' cannot be right:" in told
    assert "age is outside 10 to 110 years: 1 row (1)" in told
    assert "leave them out with on_impossible='exclude'" in told
    made = registry.load(path, on_impossible="exclude")
    assert (made.rows, len(made.frame())) == (1000, 999)
    assert made.frame()["row"].tolist()[:2] == [2, 3]
    assert made.excluded == {"age is outside 10 to 110 years": 1, "bmi is outside 10 to 80 kg/m²": 1}
    (check,) = [c for c in made.checks if c.name.startswith("rows left out")]
    assert check.verdict == "warn"
    assert check.observed.startswith("fewer than 10 of 1,000: age is outside")
    assert repr(made).endswith("1,000 primaries, 1 left out")


def test_too_many_left_out_fails_the_check(tmp_path):
    made = registry.load(write(tmp_path / "x.csv", rows(age="5")), on_impossible="exclude")
    assert [c.verdict for c in made.checks if c.name.startswith("rows left out")] == ["fail"]


def test_an_extract_without_a_usable_row_is_refused(tmp_path):
    path = write(tmp_path / "x.csv", [row | {"age": "5"} for row in rows()])
    with pytest.raises(EvidenceError, match=r"No row of 'x\.csv' may be used"):
        registry.load(path, on_impossible="exclude")


def test_an_extract_without_deaths_is_warned_of(tmp_path):
    alive = [row | {"death_date": ""} for row in rows()]
    made = registry.load(write(tmp_path / "x.csv", alive))
    (check,) = [c for c in made.checks if c.name.startswith("revisions and deaths")]
    assert (check.verdict, check.observed) == ("warn", "some revisions, no deaths")


def test_gaps_in_case_mix_are_warned_of(tmp_path):
    made = registry.load(write(tmp_path / "x.csv", [row | {"bmi": ""} for row in rows()]))
    (check,) = [c for c in made.checks if c.name == "case mix not recorded"]
    assert (check.verdict, check.observed) == ("warn", "bmi 100%")


def test_own_data_are_told_by_hash_and_size_and_never_by_place(loaded, tmp_path):
    assert (loaded.name, loaded.kind, loaded.synthetic) == (own_data.OWN_NAME, "own data", False)
    assert loaded.smallest_count == 10
    assert loaded.truth is None
    shown = str(evidence_used(loaded).bundle()) + repr(loaded) + loaded._repr_html_()
    assert str(tmp_path) not in shown
    assert loaded.hash in shown
    assert "Extract of 8 rows" in shown


def test_few_at_risk_are_not_shown(loaded):
    f = loaded.frame()
    assert loaded.times_shown(f, [0, 1, 20]) == [20.0]  # eight rows are fewer than ten; none is none
    many = f.loc[f.index.repeat(3)]
    assert loaded.times_shown(many, [0, 1, 5, 20]) == [0.0, 1.0, 5.0, 20.0]
    assert loaded.times_shown(many, [0, 1, 5, 20], by="unit_class") == [20.0]
