"""Hostile data through the whole fit: finite results and checks that say what is wrong, never a crash."""

import numpy as np
import pandas as pd
import pytest
from units_toys import COLUMNS

from soa_evidence.sampling import Settings
from soa_evidence.units import binomial

pytestmark = pytest.mark.slow
SETTINGS = Settings(draws=300, tune=300, chains=2)
EVENTS_CHECK = "events, or patients without, in the class with fewest"


def fit(frame, **changes):
    return binomial.fit(frame, **{**COLUMNS, "seed": 5, "settings": SETTINGS, **changes})


def verdicts(result):
    return {check.name: check.verdict for check in result.checks}


def assert_finite(result):
    parts = [result.spread, result.new_unit_risk, result.unit_risk]
    for comparison in (result.these_units, result.as_a_kind):
        parts += vars(comparison).values()
    for estimates in parts:
        table = estimates.table()
        assert np.isfinite(table[["estimate", "std_error", "lower", "upper"]].to_numpy()).all()
        assert (table["lower"] <= table["upper"]).all()
    for table in (result.units, result.classes, result.predictive):
        assert np.isfinite(table.select_dtypes("number").to_numpy()).all()
    assert result.unit_risk.table()["estimate"].between(0, 1).all()


@pytest.fixture(scope="module")
def nothing():
    """No events at all; two classes of one unit each; no case mix; priors that hold back little."""
    frame = pd.DataFrame({"unit": ["a", "b"], "group": ["X", "Y"], "events": 0, "n": [40, 400]})
    return fit(frame, reference="Y", priors="diffuse")


def test_no_events_in_two_lone_units_is_finite_and_said_to_rest_on_the_prior(nothing):
    assert_finite(nothing)
    assert verdicts(nothing)[EVENTS_CHECK] == "warn"
    # Around the threshold of 0.05: on which side depends on the draws, and they on the processor.
    assert nothing.sensitivity["prior"].max() > 0.02
    assert nothing.case_mix is None
    risk = nothing.unit_risk.table().set_index("label")
    assert risk.loc["a", "upper"] < 0.15  # 3 / 40 by the rule of three, and some slack for shrinkage
    assert risk.loc["b", "upper"] < 0.02


def test_a_lone_unit_says_little_of_its_kind(nothing):
    these, kind = (c.risk.table().set_index("label") for c in (nothing.these_units, nothing.as_a_kind))
    assert kind.loc["Y", "upper"] > 5 * these.loc["Y", "upper"]


NAMES = ["Zürich <b>&amp;", "病院 №1", "a\nb", " ", "nan", 'O\'Brien "x", 50 %', "{x} \\ $e^x$", "مستشفى"]
CLASS_NAMES = ["<script>alert(1)</script>", "class, with: v comma", "ref\ud7ff"]


@pytest.fixture(scope="module")
def everything():
    """Every patient has the event; odd names; a factor of one level, and one of odd levels; a unit of one."""
    rows = []
    for j, name in enumerate(NAMES):
        for level in ("ältere: 80+ v all", "<80"):
            n = 1 if j == 0 else 40
            if j == 0 and level == "<80":
                continue
            rows.append((name, CLASS_NAMES[j % 3], level, "only", n, n))
    frame = pd.DataFrame(rows, columns=["unit", "group", "age: band", "sex", "events", "n"])
    return fit(frame, reference=CLASS_NAMES[2], case_mix=["age: band", "sex"], better="higher")


def test_events_everywhere_and_odd_names_are_finite_and_warned_of(everything):
    assert_finite(everything)
    assert verdicts(everything)[EVENTS_CHECK] == "warn"
    assert everything.unit_risk.table()["estimate"].min() > 0.9


def test_names_come_back_as_they_were_given(everything):
    assert set(everything.units["unit"]) == set(NAMES)
    assert set(everything.classes["group"]) == set(CLASS_NAMES)
    assert everything.case_mix.labels == ("age: band: <80 v ältere: 80+ v all",)
    assert "<script>" not in everything._repr_html_()


def test_a_unit_of_one_patient_is_drawn_to_its_class_and_stays_uncertain(everything):
    table = everything.units.set_index("unit")
    alone = table.loc[NAMES[0]]
    assert alone["trials"] == 1
    assert alone["std_error"] > table.loc[table["group"] == alone["group"], "std_error"].iloc[1:].min()


@pytest.fixture(scope="module")
def huge():
    """A million patients a cell; units tied; one factor that repeats another."""
    rows = []
    for j in range(8):
        for age, risk in (("old", 0.12), ("young", 0.08)):
            bump = 0.002 * (j % 2)  # units of a class are tied in threes and fours
            rows.append((f"u{j}", "XY"[j % 2], age, age.upper(), int(1e6 * (risk + bump)), 1_000_000))
    frame = pd.DataFrame(rows, columns=["unit", "group", "age", "again", "events", "n"])
    return fit(frame, reference="X", case_mix=["age", "again"])


def test_huge_counts_give_a_precise_answer(huge):
    assert_finite(huge)
    found = verdicts(huge)
    assert found["R-hat, largest"] != "fail"
    assert found["divergences"] == "pass"
    assert found[EVENTS_CHECK] == "pass"
    row = huge.these_units.difference.table().iloc[0]
    assert row["estimate"] == pytest.approx(2.0, abs=0.5)  # 0.002 more, per 1,000
    assert row["std_error"] == pytest.approx(1000 * np.sqrt(0.09 * 2 / 8e6), rel=0.3)


def test_tied_units_are_not_told_apart(huge):
    tied = huge.units[huge.units["group"] == "X"]
    assert (tied["rank_upper"] - tied["rank_lower"] >= 2).all()
    assert tied["rank_upper"].max() <= 4  # yet the other class is told apart from them
