"""The five methods of `units.sensitivity`, on counts small enough to check by hand, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sensitivity_toys import COUNTS, counts, risks

from soa_evidence.errors import InputError
from soa_evidence.results import Estimates
from soa_evidence.units.cells import prepare
from soa_evidence.units.class_contrast import contrasts
from soa_evidence.units.sensitivity import (
    e_value,
    leave_one_out,
    negative_control,
    non_response,
    unmeasured_severity,
)
from soa_evidence.units.sensitivity.leave_one_out import tables_of

WHO = {"group": "group", "specialist": "specialist", "reference": "general", "case_mix": ["age", "year"]}
CONTROL = {"control_events": "control", "control_trials": "n"}


def ratio(estimate=2.0, lower=1.5, upper=3.0):
    return pd.DataFrame({"estimate": [estimate], "lower": [lower], "upper": [upper], "label": ["x"]})


def test_an_e_value_by_hand():
    row = e_value.fit(ratio(), label="label").table.iloc[0]
    assert row["e_value"] == pytest.approx(2 + np.sqrt(2 * 1))
    assert row["e_value_limit"] == pytest.approx(1.5 + np.sqrt(1.5 * 0.5))
    assert e_value.fit(ratio(1.1, 0.9, 1.4)).table["e_value_limit"].iloc[0] == 1.0
    # of a target beyond the estimate, the other limit is the nearer one
    assert e_value.fit(ratio(), true=4.0).table["e_value_limit"].iloc[0] == pytest.approx(
        (4 / 3) + np.sqrt((4 / 3) * (1 / 3))
    )


def test_the_e_value_is_the_same_for_a_ratio_and_its_inverse():
    up, down = (e_value.fit(f).table.iloc[0] for f in (ratio(), ratio(1 / 2, 1 / 3, 1 / 1.5)))
    assert up["e_value"] == pytest.approx(down["e_value"])
    assert up["e_value_limit"] == pytest.approx(down["e_value_limit"])


@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (ratio(), {"measure": "risk_rato"}, "Did you mean 'risk_ratio'"),
        (ratio(), {"true": 0}, "true=0; expected a risk ratio above 0"),
        (ratio(), {"estimate": "estimat"}, "no column 'estimat'. Did you mean 'estimate'"),
        (ratio().iloc[:0], {}, "no rows"),
        (ratio(np.nan), {}, "row 0: nan; expected a finite number"),
        (ratio(-0.7, -1, 0.2), {}, "expected a ratio above 0, not its logarithm"),
        (ratio(2, 2.5, 3), {}, "interval 2.5 to 3 does not hold the estimate 2"),
    ],
)
def test_what_the_e_value_refuses(frame, choices, message):
    with pytest.raises(InputError, match=message):
        e_value.fit(frame, **choices)


def two(p1=0.05, p0=0.07, sd=0.002, n=400):
    rng = np.random.default_rng(0)
    return risks([p1 + sd * rng.standard_normal(n), p0 + sd * rng.standard_normal(n)], ("s", "g"))


def test_a_tipping_point_takes_the_difference_to_none():
    risk = two(0.06)
    result = unmeasured_severity.fit(risk, specialist="s", reference="g", risk_ratios=[2.0, 3.0])
    assert result.conclusion == "lower"
    for r in (2.0, 3.0):
        step = result.at(r)["to_none"]
        assert step < 0  # fewer severe patients at the specialist units explain fewer events there
        factor = (1 + (r - 1) * 0.2) / (1 + (r - 1) * (0.2 + step))
        assert (risk.of("s") * factor - risk.of("g")).mean() == pytest.approx(0, abs=1e-12)
        assert abs(result.at(r)["to_interval"]) < abs(step)
    # a severe patient's risk less another's: p0 = u (1 + (r - 1) q), so u (r - 1)
    assert result.at(3.0)["per_1000_severe"] == pytest.approx(1000 * risk.of("g").mean() * 2 / 1.4)


def test_without_imbalance_nothing_is_corrected():
    result = unmeasured_severity.fit(two(), specialist="s", reference="g", steps=51)
    rows = result.surface[np.isclose(result.surface["imbalance"], 0)]
    assert len(rows) == result.surface["risk_ratio"].nunique()
    assert np.allclose(rows[["estimate", "lower", "upper"]], result.difference)


def test_too_weak_severity_cannot_explain_a_large_difference():
    result = unmeasured_severity.fit(two(0.02, 0.2), specialist="s", reference="g", risk_ratios=[1.25])
    assert np.isnan(result.at(1.25)["to_none"])
    assert "no imbalance would" in result.checks[0].observed


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"specialist": "g"}, "both 'g'"),
        ({"specialist": "x"}, "no label 'x'"),
        ({"severe_share": 1.0}, "severe_share=1.0; expected a share above 0"),
        ({"risk_ratios": [1.0]}, "expected numbers above 1"),
        ({"risk_ratios": []}, "expected numbers above 1"),
        ({"risk_ratios": [2, 2]}, "holds a value twice"),
        ({"steps": 2}, "at least 3 points"),
    ],
)
def test_what_unrecorded_severity_refuses(choices, message):
    with pytest.raises(InputError, match=message):
        unmeasured_severity.fit(two(), **{"specialist": "s", "reference": "g", **choices})
    per_1000 = risks([np.full(5, 50.0), np.full(5, 70.0)], ("s", "g"))
    with pytest.raises(InputError, match="not per 1,000"):
        unmeasured_severity.fit(per_1000, specialist="s", reference="g")
    with pytest.raises(InputError, match="no tipping point for a risk ratio of 7"):
        unmeasured_severity.fit(two(), specialist="s", reference="g").at(7)


def test_benchmarks_are_crude_ratios_and_differences_of_shares():
    frame = counts()
    table = unmeasured_severity.benchmarks(
        frame, events="events", trials="n", group="group", specialist="specialist", reference=["general"],
        case_mix=["age"],
    ).set_index("label")  # fmt: skip
    general, special = (frame[frame["group"] == g] for g in ("general", "specialist"))
    by_age = general.groupby("age")[["events", "n"]].sum()
    risk = by_age["events"] / by_age["n"]
    row = table.loc["age: old"]
    assert row["risk_ratio"] == pytest.approx(risk["old"] / risk["young"])
    share = [f.loc[f["age"] == "old", "n"].sum() / f["n"].sum() for f in (special, general)]
    assert row["imbalance"] == pytest.approx(share[0] - share[1])
    assert table.loc["age: not young"].to_numpy(float) == pytest.approx(row.to_numpy(float))
    with pytest.raises(InputError, match="no class 'specialst'"):
        unmeasured_severity.benchmarks(
            frame, events="events", trials="n", group="group", specialist="specialst", reference=["general"],
            case_mix=["age"],
        )  # fmt: skip
    with pytest.raises(InputError, match=r"no column 'grup'\. Did you mean 'group'"):
        unmeasured_severity.benchmarks(
            frame, events="events", trials="n", group="grup", specialist="s", reference=["g"], case_mix=[]
        )


PEOPLE = pd.DataFrame(
    {"unit": ["a", "b", "c"], "group": ["s", "g", "g"], "done": [100.0, 200.0, np.nan], "said": [50, 120, 30]}
)
NAMES = {
    "unit": "unit",
    "group": "group",
    "operations": "done",
    "answers": "said",
    "specialist": "s",
    "reference": "g",
}


def by_unit():
    rng = np.random.default_rng(1)
    return risks([p + 0.003 * rng.standard_normal(300) for p in (0.05, 0.07, 0.08)], ("a", "b", "c"))


def test_pattern_mixture_by_hand():
    risk = by_unit()
    result = non_response.fit(risk, PEOPLE, **NAMES, odds_ratios=[1, 2])
    p = {name: risk.of(name) for name in "abc"}

    def mixed(p, k, cover):
        return cover * p + (1 - cover) * expit(logit(p) + np.log(k))

    # unit c's operations are hidden: it is given the comparator's coverage, 120 / 200
    weight = np.array([200, 30 / 0.6])
    weight = weight / weight.sum()
    expected = mixed(p["a"], 2, 0.5) - (weight[0] * mixed(p["b"], 1, 0.6) + weight[1] * mixed(p["c"], 1, 0.6))
    row = result.surface.set_index(["k_specialist", "k_reference"]).loc[(2, 1)]
    assert row["estimate"] == pytest.approx(1000 * expected.mean())
    assert result.coverage.set_index("class").loc["specialist", "coverage"] == 0.5
    assert result.conclusion == "lower"
    tipping = result.tipping.set_index("where")
    assert 1 < tipping.loc["specialist only", "to_conclusion"] < tipping.loc["specialist only", "to_none"]
    assert tipping.loc["comparator only", "to_none"] < 1


def test_full_coverage_leaves_nothing_to_suppose():
    whole = PEOPLE.assign(done=PEOPLE["said"])
    result = non_response.fit(by_unit(), whole, **NAMES)
    assert np.ptp(result.surface["estimate"]) == pytest.approx(0, abs=1e-9)
    assert result.tipping[["to_none", "to_conclusion"]].isna().all(axis=None)
    assert "none from 1/20" in result.checks[0].observed


@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (PEOPLE, {"operations": "don"}, "no column 'don'"),
        (PEOPLE, {"odds_ratios": [0]}, "expected numbers above 0"),
        (PEOPLE, {"specialist": "t"}, "no class 't'"),
        (PEOPLE, {"reference": ["g", "s"]}, "'s' is both the class compared and part of the reference"),
        (PEOPLE.assign(said=[50, -1, 30]), {}, "'said', row 1: -1; expected a count"),
        (PEOPLE.assign(done=["many", 1, 2]), {}, "'done', row 0: many; expected a count"),
        (PEOPLE.assign(group=["s", None, "g"]), {}, "'group', row 1: missing"),
        (pd.concat([PEOPLE, PEOPLE.assign(group="s")]), {}, "in more than one class"),
        (PEOPLE.assign(done=[np.nan, 200, 10]), {}, "operations of no unit of the specialist are known"),
        (PEOPLE.assign(unit=["a", "b", "z"]), {}, "no label 'z'"),
        (PEOPLE.iloc[:0], {}, "no rows"),
    ],
)
def test_what_pattern_mixture_refuses(frame, choices, message):
    with pytest.raises(InputError, match=message):
        non_response.fit(by_unit(), frame, **{**NAMES, **choices})


def test_pattern_mixture_needs_draws():
    fixed = Estimates(
        estimand="risk", labels=("a", "b", "c"), unit="probability", method="made", interval="confidence",
        checks=by_unit().checks, mean=np.array([0.1, 0.1, 0.1]), covariance=np.eye(3) * 1e-4,
    )  # fmt: skip
    with pytest.raises(InputError, match="expected joint draws"):
        non_response.fit(fixed, PEOPLE, **NAMES)


def test_leaving_one_out_equals_a_fresh_fit():
    frame = counts()
    result = leave_one_out.fit(frame, **COUNTS, **WHO)
    assert set(result.table["class"]) == {"specialist", "general"}
    assert len(result.table) == 11
    name = result.table["unit"].iloc[0]
    rest = frame[frame["unit"] != name]
    cells = prepare(rest, **COUNTS, group="group", case_mix=WHO["case_mix"])
    fresh = contrasts(tables_of(cells, "specialist", "general"), ("g_computation",))[0]["g_computation"]
    row = result.table.iloc[0]
    assert row["estimate"] == pytest.approx(1000 * fresh.estimate, abs=1e-6)
    assert row["change"] == pytest.approx(row["estimate"] - result.everything[0])
    assert name in result.checks[0].observed


def test_a_class_of_one_unit_cannot_lose_it():
    result = leave_one_out.fit(counts(groups={"specialist": 1, "general": 5}), **COUNTS, **WHO)
    assert result.not_fitted["reason"].tolist() == ["the first class has no patients"]
    assert len(result.table) == 5


@pytest.mark.parametrize(
    ("change", "choices", "message"),
    [
        ({}, {"specialist": "specialists"}, "no class 'specialists'"),
        ({}, {"reference": ["general", "specialist"]}, "both the class compared"),
        ({}, {"case_mix": ["ag"]}, "no column 'ag'"),
        ({"events": 0}, {}, "the first class has no events"),
        ({"n": 0, "events": 0}, {}, "there are no trials"),
    ],
)
def test_what_leaving_one_out_refuses(change, choices, message):
    with pytest.raises(InputError, match=message):
        leave_one_out.fit(counts().assign(**change), **COUNTS, **{**WHO, **choices})


def test_an_outcome_that_differs_as_its_control_does_is_corrected_to_none():
    frame = counts(effect=-0.5, size=2000)
    rng = np.random.default_rng(0)
    same = frame.assign(control=rng.binomial(frame["n"], frame["events"] / frame["n"]))
    table = negative_control.fit(same, **COUNTS, **WHO, **CONTROL).table.set_index("label")
    assert table.loc["outcome", "estimate"] < 0.8
    assert table.loc["outcome less negative control", "estimate"] == pytest.approx(1, abs=0.1)
    twin = frame.assign(control=frame["events"], n2=frame["n"])
    with pytest.raises(
        InputError, match="outcome less negative control has no standard error: units do not vary"
    ):
        negative_control.fit(twin, **COUNTS, **WHO, control_events="control", control_trials="n2")


def test_a_control_without_a_difference_passes():
    result = negative_control.fit(counts(size=400), **COUNTS, **CONTROL, **WHO)
    assert result.checks[0].verdict == "pass"
    b, b_c, both = (result.log_odds_ratio[n].mean[0] for n in result.table["label"])
    assert both == pytest.approx(b - b_c)
    assert [e.dof < 3 for e in result.log_odds_ratio.values()] == [True] * 3  # three specialist units


@pytest.mark.parametrize(
    ("change", "choices", "message"),
    [
        ({}, {"control_events": "events", "control_trials": "n"}, "the outcome itself"),
        ({"control": 0}, {}, "cannot be compared on the negative control: the first class has no events"),
        ({}, {"control_events": "contrl"}, "no column 'contrl'. Did you mean 'control'"),
        ({}, {"reference": "genral"}, "no class 'genral'"),
    ],
)
def test_what_a_negative_control_refuses(change, choices, message):
    with pytest.raises(InputError, match=message):
        negative_control.fit(counts().assign(**change), **{**COUNTS, **CONTROL, **WHO, **choices})


def test_one_specialist_unit_has_no_standard_error_as_a_kind():
    with pytest.raises(InputError, match="the first class has one unit"):
        negative_control.fit(counts(groups={"specialist": 1, "general": 5}), **COUNTS, **CONTROL, **WHO)


@pytest.mark.parametrize("result", [
    e_value.fit(ratio()),
    unmeasured_severity.fit(two(), specialist="s", reference="g"),
    non_response.fit(by_unit(), PEOPLE, **NAMES),
    leave_one_out.fit(counts(), **COUNTS, **WHO),
    negative_control.fit(counts(), **COUNTS, **CONTROL, **WHO),
], ids=lambda r: type(r).__name__)  # fmt: skip
def test_every_result_shows_itself(result):
    assert len(repr(result).splitlines()) > 1
    assert "<table" in result._repr_html_()
    assert result.checks
