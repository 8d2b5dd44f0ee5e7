"""One unit's outcomes and trend: figures by arithmetic, every error, and units of which little is known."""

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates
from soa_evidence.units import every_unit, profile_outcomes, profile_trend
from soa_evidence.units.binomial_result import BinomialResult, unit_table
from soa_evidence.units.cells import prepare
from soa_evidence.units.gaussian_result import GaussianResult

# What a comparison publishes of every unit


CHECKS = (Check(name="toy", verdict="pass", observed="1", expected="1", why="A check for the tests."),)


def estimates(draws, labels):
    return Estimates(
        estimand="x",
        labels=tuple(labels),
        unit="u",
        method="m",
        draws=draws,
        interval="credible",
        checks=CHECKS,
    )


CELLS = pd.DataFrame({"u": ["A", "B", "C"], "g": ["s", "s", "t"], "e": [1, 3, 5], "n": [10, 30, 60]})
DRAWS = np.array([[0.10, 0.20, 0.30], [0.20, 0.10, 0.30], [0.10, 0.20, 0.20], [0.35, 0.10, 0.40]])


def result(kind=BinomialResult, better="lower", **changes):
    cells = prepare(CELLS, events="e", trials="n", unit="u", group="g", case_mix=[])
    given = dict.fromkeys(f.name for f in fields(kind))
    classes = SimpleNamespace(**{name: estimates(DRAWS[:, :2], ("s", "t")) for name in ("risk", "mean")})
    question = SimpleNamespace(better=better, outcome_unit="points")
    given |= {"these_units": classes, "units": unit_table(cells, DRAWS, better), "question": question}
    return kind(
        **(given | {"unit_risk": estimates(DRAWS, "ABC")} if kind is BinomialResult else given) | changes
    )


def test_the_nation_is_the_mean_of_units_by_their_patients_in_every_draw():
    rows = every_unit.table(result()).set_index("unit")
    assert list(every_unit.table(result()).columns) == list(every_unit.COLUMNS)
    nation = DRAWS @ np.array([10, 30, 60]) / 100
    assert rows["nation"].tolist() == pytest.approx([1000 * nation.mean()] * 3)
    assert rows["nation_lower"].iloc[0] == pytest.approx(1000 * np.quantile(nation, 0.025))
    assert rows.loc["A", "probability_better"] == (DRAWS[:, 0] < nation).mean() == 3 / 4
    assert rows.loc["B", ["patients", "events", "ranked"]].tolist() == [30, 3, 3]
    assert rows.loc["B", "crude"] == pytest.approx(100)
    assert rows.loc["B", "class_estimate"] == pytest.approx(1000 * DRAWS[:, 0].mean())
    assert rows.loc["C", "class_upper"] == pytest.approx(1000 * np.quantile(DRAWS[:, 1], 0.975))
    assert set(rows["measured_in"]) == {"per 1,000 patients"}


def test_more_may_be_better():
    rows = every_unit.table(result(better="higher")).set_index("unit")
    assert rows.loc["A", "probability_better"] == 1 / 4


def test_means_stay_in_their_unit_and_count_no_events():
    table = result().units.rename(columns={"trials": "patients", "crude_risk": "crude_mean"})
    means = result(
        GaussianResult, "higher", units=table.drop(columns="events"), unit_mean=estimates(DRAWS, "ABC")
    )
    rows = every_unit.table(means)
    assert rows["estimate"].tolist() == pytest.approx(DRAWS.mean(axis=0).tolist())
    assert rows["events"].isna().all()
    assert set(rows["measured_in"]) == {"points"}


def test_another_result_is_refused():
    with pytest.raises(InputError, match=r"was given dict; expected what units\.binomial\.fit"):
        every_unit.table({})


# One unit's outcomes


def rows(**changes):
    """Two outcomes of four units; unit A is apart from the nation in both."""
    made = pd.DataFrame(
        {
            "outcome": ["Readmission after a"] * 4 + ["Gain after a"] * 3,
            "unit": ["A", "B", "C", "D", "A", "B", "C"],
            "patients": [50, 40, 0, 30, 40, 30, 30],
            "estimate": [60.0, 30.0, 10.0, 40.0, 18.0, 20.0, 17.0],
            "lower": [50.0, 20.0, 5.0, 30.0, 16.0, 18.0, 15.0],
            "upper": [70.0, 45.0, 15.0, 50.0, 19.0, 22.0, 19.0],
            "nation": [45.0] * 4 + [15.0] * 3,
            "better": ["lower"] * 4 + ["higher"] * 3,
            "measured_in": ["per 1,000 patients"] * 4 + ["points"] * 3,
            "ranked": 4,
        }
    )
    return made.assign(**dict.fromkeys(set(every_unit.COLUMNS) - set(made.columns), 1.0)).assign(**changes)


def fit(frame=None, *, of="A", alike=("B", "C", "D")):
    return profile_outcomes.fit(rows() if frame is None else frame, of=of, alike=alike)


def test_apart_is_an_interval_that_leaves_out_the_nation_on_the_side_that_is_better():
    found = fit()
    assert found.table["verdict"].tolist() == ["worse", "better"]
    assert found.better["outcome"].tolist() == ["Gain after a"]
    assert found.worse["outcome"].tolist() == ["Readmission after a"]
    assert found.by_chance == pytest.approx(0.05 * 2)
    other = fit(of="B", alike=("A",))
    assert other.table["verdict"].tolist() == [
        "within",
        "better",
    ]  # its upper limit touches the nation's value


def test_the_best_alike_has_an_answer_and_the_better_estimate():
    best = fit().best_alike.set_index("outcome")
    assert best.loc["Readmission after a", ["unit", "own", "ahead", "among"]].tolist() == ["B", 60.0, True, 2]
    assert best.loc["Gain after a", ["unit", "estimate", "ahead", "among"]].tolist() == ["B", 20.0, True, 2]
    lone = fit(of="B", alike=("C", "D")).best_alike.set_index("outcome")
    assert not lone.loc["Gain after a", "ahead"]


def test_the_main_outcome_is_the_first_of_the_operation_with_most_patients():
    more = pd.concat(
        [rows(), rows(outcome="Wound after b", patients=99)[:4], rows(outcome="Other after a")[:4]]
    )
    found = fit(more)
    assert found.main("per 1,000 patients")["outcome"].tolist() == ["Wound after b"]
    assert found.main("points")["outcome"].tolist() == ["Gain after a"]
    assert found.main("per cent").empty


def test_a_unit_without_answers_has_no_rows_and_is_warned_of():
    found = fit(of="Z")
    assert found.table.empty
    assert found.best_alike.empty
    assert found.absent == ("Readmission after a", "Gain after a")
    assert found.by_chance == 0
    assert found.main("points").empty
    assert [check.verdict for check in found.checks] == ["warn", "pass"]


def test_no_answer_is_not_an_outcome_and_few_are_warned_of():
    found = fit(of="C", alike=("A",))
    assert found.absent == ("Readmission after a",)
    assert fit(rows(patients=29), of="C", alike=("A",)).checks[1].observed == "2 with fewer than 30"


def test_a_unit_with_few_answers_is_never_the_best():
    few = rows().assign(patients=rows()["patients"].where(rows()["unit"] != "B", 29))
    best = fit(few).best_alike.set_index("outcome")
    assert best.loc["Readmission after a", ["unit", "among"]].tolist() == ["D", 1]
    assert fit(few, alike=("B",)).best_alike.empty


@pytest.mark.parametrize(
    ("frame", "given", "message"),
    [
        (rows().drop(columns="nation"), {}, "no column 'nation'"),
        (rows(estimate=np.nan), {}, "Column 'estimate', row 0: .*nan.*; expected a finite number"),
        (rows(better="up"), {}, "Column 'better', row 0: 'up'; expected lower or higher"),
        (pd.concat([rows(), rows()]), {}, "Unit 'A' has two rows of 'Readmission after a'; expected one"),
        (rows(), {"alike": ("A", "B")}, "alike= holds 'A', the unit itself"),
    ],
)
def test_a_bad_frame_is_told(frame, given, message):
    with pytest.raises(InputError, match=message):
        fit(frame, **given)


def test_an_outcome_shows_itself():
    assert "worse" in repr(fit())
    assert "<table" in fit()._repr_html_()


# One unit's trend


def years(**changes):
    made = pd.DataFrame(
        {
            "s": ["hip", "hip", "knee"],
            "y": ["2016", "2015", "2015"],
            "x": [21.0, 20.0, np.nan],
            "N": 20.0,
            "n": 25,
            "sd": 10.0,
        }
    )
    return made.assign(**changes)


NAMED = {
    "value": "x",
    "nation": "N",
    "size": "n",
    "record_sd": "sd",
    "series": "s",
    "year": "y",
    "unit": "points",
}


def test_a_gap_and_its_limits_are_arithmetic():
    found = profile_trend.fit(years(), **NAMED)
    assert found.table["label"].tolist() == ["2015", "2016"]
    assert found.table["estimate"].tolist() == [0, 1]
    assert found.table["upper"].iloc[1] == pytest.approx(1 + 1.959963984540054 * 10 / 5)
    assert found.gap.table()["lower"].tolist() == pytest.approx(found.table["lower"].tolist())
    assert (found.checks[0].verdict, found.checks[0].observed) == ("warn", "2 of 3")
    assert "hip" in repr(found)
    assert "<table" in found._repr_html_()


def test_nothing_published_is_no_trend():
    found = profile_trend.fit(years(x=np.nan), **NAMED)
    assert found.gap is None
    assert found.table.empty


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (years().drop(columns="sd"), "no column 'sd'"),
        (years(n=0), "Column 'n', hip, 2015: .*0.*; expected a finite number of at least 1"),
        (years(sd=0.0), r"Column 'sd', hip, 2015: .*0\.0.*; expected a finite number above 0"),
        (years(N=np.inf), "Column 'N', hip, 2015: .*inf.*; expected a finite number"),
        (years(y="2015"), "'hip' has two values in 2015; expected one a year"),
    ],
)
def test_a_bad_series_is_told(frame, message):
    with pytest.raises(InputError, match=message):
        profile_trend.fit(frame, **NAMED)


def test_units_whose_interval_leaves_a_value_out():
    table = pd.DataFrame(
        {"unit": list("abcd"), "lower": [0.0, 2.0, 1.0, -3.0], "upper": [2.0, 3.0, 1.5, 0.9]}
    )
    assert every_unit.apart_from(table, 1.0)["unit"].tolist() == ["b", "d"]
    with pytest.raises(InputError, match=r"The table of units has no column 'upper'"):
        every_unit.apart_from(table.drop(columns="upper"), 1.0)
