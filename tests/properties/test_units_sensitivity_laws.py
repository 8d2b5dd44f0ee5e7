"""Laws of sensitivity and of the specification curve."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

from sensitivity_toys import COUNTS, counts, difference, risks, roles

from soa_evidence.units import specification_curve
from soa_evidence.units.sensitivity import e_value, leave_one_out, non_response, unmeasured_severity

FEW = settings(max_examples=12, deadline=None)
MANY = settings(max_examples=50, deadline=None)
WHO = {"group": "group", "specialist": "specialist", "reference": "general", "case_mix": ["age"]}


def curve(frame, **changes):
    choices = {
        "case_mix": {"age": ["age"], "none": []}, "smallest": [0], "headline": difference(),
        "label": "specialist", "seed": 1, "exchanges": 0,
    }  # fmt: skip
    return specification_curve.fit(
        frame, **COUNTS, roles=roles(frame), **{**choices, **changes}
    ).specifications


def numbers(table):
    keys = ["against", "case_mix", "estimator"]
    return table.sort_values(keys)[["estimate", "std_error", "lower", "upper"]].to_numpy()


@FEW
@given(st.integers(0, 1000))
def test_neither_order_nor_names_nor_split_rows_matter(seed):
    frame = counts(seed)
    plain = numbers(curve(frame))
    shuffled = frame.sample(frac=1, random_state=seed)
    renamed = frame.assign(age=frame["age"].map({"old": "b", "young": "a"}), unit="x" + frame["unit"])
    half = frame.assign(events=frame["events"] // 2, n=frame["n"] // 2)
    split = pd.concat([half, frame.assign(events=frame["events"] - half["events"], n=frame["n"] - half["n"])])
    for changed in (shuffled, renamed, split):
        assert numbers(curve(changed)) == pytest.approx(plain, rel=1e-6, abs=1e-6)


@FEW
@given(st.integers(0, 1000), st.integers(2, 5))
def test_more_patients_of_the_same_kind_narrow_these_units_and_leave_estimates(seed, times):
    frame = counts(seed)
    one = curve(frame, estimators=["g_computation", "mantel_haenszel"])
    many = curve(
        frame.assign(events=frame["events"] * times, n=frame["n"] * times),
        estimators=["g_computation", "mantel_haenszel"],
    )
    ratio = numbers(many) / numbers(one)
    assert ratio[:, 0] == pytest.approx(1, rel=1e-6)
    assert ratio[:, 1] == pytest.approx(times**-0.5, rel=1e-6)


@FEW
@given(st.integers(0, 1000))
def test_success_counted_as_failure_turns_every_sign(seed):
    frame = counts(seed)
    other = frame.assign(events=frame["n"] - frame["events"])
    assert numbers(curve(other))[:, 0] == pytest.approx(-numbers(curve(frame))[:, 0], rel=1e-5, abs=1e-5)


@MANY
@given(st.floats(0.05, 20), st.floats(0.0, 2.0), st.floats(0.5, 2))
def test_e_values_are_at_least_one_and_grow_with_the_ratio(ratio, width, true):
    frame = pd.DataFrame({"estimate": [ratio, ratio * 1.1], "lower": [ratio / np.exp(width)] * 2})
    frame["upper"] = [ratio * np.exp(width) * 1.2] * 2
    table = e_value.fit(frame, true=true).table
    assert (table[["e_value", "e_value_limit"]] >= 1).all(axis=None)
    assert (table["e_value_limit"] <= table["e_value"] + 1e-9).all()
    if ratio >= true:
        assert table["e_value"].is_monotonic_increasing


@MANY
@given(st.floats(0.02, 0.3), st.floats(0.02, 0.3), st.floats(1.1, 5), st.floats(0.05, 0.9))
def test_the_tipping_point_is_where_brute_force_finds_it(p1, p0, r, q0):
    rng = np.random.default_rng(1)
    risk = risks([p + 0.002 * rng.standard_normal(200) for p in (p1, p0)], ("s", "g"))
    found = unmeasured_severity.fit(risk, specialist="s", reference="g", severe_share=q0, risk_ratios=[r]).at(
        r
    )
    steps = np.linspace(-q0, 1 - q0, 20001)
    factor = (1 + (r - 1) * q0) / (1 + (r - 1) * (q0 + steps))
    gap = factor * risk.of("s").mean() - risk.of("g").mean()
    crossed = np.flatnonzero(np.sign(gap[1:]) != np.sign(gap[:-1]))
    if len(crossed):
        assert found["to_none"] == pytest.approx(steps[crossed[0]], abs=2e-4)
    else:
        assert np.isnan(found["to_none"]) or min(abs(found["to_none"] - steps[[0, -1]])) < 2e-4


@MANY
@given(st.floats(0.3, 3), st.floats(0.3, 3), st.floats(0.1, 1.0), st.floats(0.1, 1.0))
def test_pattern_mixture_is_the_plain_mixture(k1, k0, c1, c0):
    rng = np.random.default_rng(2)
    risk = risks([p + 0.002 * rng.standard_normal(50) for p in (0.06, 0.08)], ("a", "b"))
    frame = pd.DataFrame(
        {"unit": ["a", "b"], "group": ["s", "g"], "said": [1000, 1000], "done": [1000 / c1, 1000 / c0]}
    )
    result = non_response.fit(
        risk, frame, unit="unit", group="group", operations="done", answers="said", specialist="s",
        reference="g",
        odds_ratios=list(dict.fromkeys([k1, k0])),
    )  # fmt: skip
    plain = [
        c * risk.of(u) + (1 - c) * expit(logit(risk.of(u)) + np.log(k))
        for u, k, c in (("a", k1, c1), ("b", k0, c0))
    ]
    row = result.surface.query("k_specialist == @k1 and k_reference == @k0").iloc[0]
    assert row["estimate"] == pytest.approx(1000 * (plain[0] - plain[1]).mean(), abs=1e-6)
    # more events among those silent at the specialist units, more events there
    by_k = result.surface[result.surface["k_reference"] == k0].sort_values("k_specialist")["estimate"]
    assert (np.diff(by_k) >= -1e-9).all()


@FEW
@given(st.integers(0, 1000))
def test_a_unit_of_no_patients_changes_nothing(seed):
    frame = counts(seed)
    empty = pd.DataFrame([("general 99", "general", "old", "2017", 0, 0, 0)], columns=frame.columns)
    with_it = leave_one_out.fit(pd.concat([frame, empty]), **COUNTS, **WHO)
    without = leave_one_out.fit(frame, **COUNTS, **WHO)
    assert with_it.everything == pytest.approx(without.everything)
    assert "general 99" not in set(with_it.table["unit"])
