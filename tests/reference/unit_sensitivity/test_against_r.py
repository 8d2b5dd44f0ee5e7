"""Sensitivity of class comparisons beside R; see README.md for what agrees."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.results import Check, Estimates
from soa_evidence.units import class_contrast
from soa_evidence.units.cells import prepare
from soa_evidence.units.sensitivity import (
    e_value,
    leave_one_out,
    negative_control,
    non_response,
    unmeasured_severity,
)
from soa_evidence.units.sensitivity.leave_one_out import tables_of

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())
CELLS = pd.DataFrame(EXPECTED["cells"])
CLOSED = 1e-8  # closed forms
OPTIMISED = 1e-6  # of glm's maximum, and of R's numerical gradient of the standardised difference
CHECK = Check(name="made", verdict="pass", observed="-", expected="-", why="a test")
WHO = {
    "unit": "unit",
    "group": "group",
    "specialist": "specialist",
    "reference": "general",
    "case_mix": ["age", "sex"],
}


def draws(columns, labels):
    return Estimates(
        estimand="risk", labels=labels, unit="probability", method="made", interval="credible",
        checks=(CHECK,),
        draws=np.column_stack(columns),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found():
    cells = prepare(CELLS, events="events", trials="n", unit="unit", group="group", case_mix=["age", "sex"])
    return class_contrast.contrasts(tables_of(cells, "specialist", "general"), class_contrast.ESTIMATORS)[0]


@pytest.mark.parametrize("estimator", class_contrast.ESTIMATORS)
def test_every_estimator_agrees(found, estimator):
    one, r = found[estimator], EXPECTED[estimator]
    r = {**EXPECTED["g_computation"], **r}
    tolerance = CLOSED if estimator == "mantel_haenszel" else OPTIMISED
    assert one.estimate == pytest.approx(r["estimate"], rel=tolerance)
    assert one.std_error == pytest.approx(r["std_error"], rel=tolerance)
    if "dof" in r:
        assert one.dof == pytest.approx(r["dof"], rel=tolerance)


def test_leaving_one_out_is_the_fit_without_it():
    table = leave_one_out.fit(CELLS, events="events", trials="n", **WHO).table.set_index("unit")
    for r in EXPECTED["leave_one_out"]:
        row = table.loc[r["unit"]]
        assert row["estimate"] == pytest.approx(1000 * r["estimate"], rel=OPTIMISED)
        reach = 1.959963984540054 * 1000 * r["std_error"]
        assert row["upper"] - row["estimate"] == pytest.approx(reach, rel=OPTIMISED)


def test_the_negative_control_agrees():
    result = negative_control.fit(
        CELLS, events="events", trials="n", control_events="control", control_trials="n", **WHO
    )
    names = {
        "outcome": "outcome",
        "control": "negative control",
        "corrected": "outcome less negative control",
    }
    for key, name in names.items():
        one, r = result.log_odds_ratio[name], EXPECTED["negative_control"][key]
        row = one.table().iloc[0]
        assert row["estimate"] == pytest.approx(r["estimate"], rel=OPTIMISED)
        assert row["std_error"] == pytest.approx(r["std_error"], rel=OPTIMISED)
        assert one.dof == pytest.approx(r["dof"], rel=OPTIMISED)


def e_of(estimate, lower, upper, **choices):
    frame = pd.DataFrame({"estimate": [estimate], "lower": [lower], "upper": [upper]})
    return e_value.fit(frame, **choices).table.iloc[0]


def test_published_worked_examples_of_the_e_value():
    # VanderWeele and Ding (2017): 3.9 (1.8 to 8.7), breastfeeding; 0.80 (0.71 to 0.91), leukaemia
    breast = e_of(3.9, 1.8, 8.7)
    assert (round(breast["e_value"], 2), round(breast["e_value_limit"], 2)) == (7.26, 3.0)
    leukaemia = e_of(0.80, 0.71, 0.91)
    assert (round(leukaemia["e_value"], 2), round(leukaemia["e_value_limit"], 2)) == (1.81, 1.43)


def test_e_values_of_every_measure_agree():
    r = EXPECTED["e_value"]
    rr = e_of(3.9, 1.8, 8.7)
    protective = e_of(0.80, 0.71, 0.91)
    odds = e_of(0.71, 0.5, 1.2, measure="odds_ratio", common=True)
    hazard = e_of(0.56, 0.46, 0.69, measure="hazard_ratio", common=True)
    z = 1.959963984540054
    gap = e_of(0.4, 0.4 - z * 0.1, 0.4 + z * 0.1, measure="standardised_difference")
    pairs = [
        (rr["e_value"], r["rr"]), (rr["e_value_limit"], r["rr_limit"]),
        (protective["e_value"], r["protective"]), (protective["e_value_limit"], r["protective_limit"]),
        (odds["e_value"], r["or_common"]), (odds["e_value_limit"], 1.0),
        (hazard["e_value"], r["hr_common"]), (hazard["e_value_limit"], r["hr_common_limit"]),
        (gap["e_value"], r["difference"]), (gap["e_value_limit"], r["difference_limit"]),
        (e_of(2.0, 1.5, 3.0, true=1.2)["e_value"], r["not_none"]),
    ]  # fmt: skip
    for ours, theirs in pairs:
        assert ours == pytest.approx(theirs, rel=CLOSED)


def test_unrecorded_severity_agrees():
    s = np.arange(1, 501)
    risk = draws([0.058 + 0.004 * np.sin(s), 0.066 + 0.002 * np.cos(3 * s)], ("a", "b"))
    r = EXPECTED["severity"]
    result = unmeasured_severity.fit(risk, specialist="a", reference="b", risk_ratios=[2, 3], steps=51)
    surface = result.surface.set_index(["risk_ratio", "imbalance"])[["estimate", "lower", "upper"]]
    for at, expected in zip([(2.0, -0.1), (3.0, 0.15)], r["surface"], strict=True):
        rows = [surface.loc[place] for place in surface.index if np.allclose(place, at)]
        assert rows[0].to_numpy() == pytest.approx(expected, rel=CLOSED)
    assert result.at(2)["to_none"] == pytest.approx(r["to_none"], rel=CLOSED)
    # the interval lies below none as observed, and comes to hold it here
    assert result.conclusion == "lower"
    assert result.at(3)["to_interval"] == pytest.approx(
        r["to_interval_low"], rel=1e-4
    )  # draws are few near it


def test_patients_who_did_not_answer_agree():
    s = np.arange(1, 501)
    unit_risk = draws([0.06 + 0.003 * j + 0.005 * np.sin(s * j) for j in range(1, 6)], tuple("12345"))
    frame = pd.DataFrame(
        {"unit": list("12345"), "group": list("aabbb"), "done": [200, 300, 150, 400, 500],
         "answered": [120, 90, 100, 200, 300]}
    )  # fmt: skip
    result = non_response.fit(
        unit_risk, frame, unit="unit", group="group", operations="done", answers="answered", specialist="a",
        reference="b", odds_ratios=[0.5, 1, 1.5, 2],
    )  # fmt: skip
    surface = result.surface.set_index(["k_specialist", "k_reference"])[["estimate", "lower", "upper"]]
    r = EXPECTED["non_response"]
    for at, expected in zip([(1, 1), (2, 0.5), (1.5, 1.5)], r["at"], strict=True):
        assert surface.loc[at].to_numpy() == pytest.approx(expected, rel=CLOSED)
    tipping = result.tipping.set_index("where")["to_none"]
    assert tipping["specialist only"] == pytest.approx(r["specialist_only"], rel=OPTIMISED)
    assert tipping["comparator only"] == pytest.approx(r["comparator_only"], rel=OPTIMISED)
