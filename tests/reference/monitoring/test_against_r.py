import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.units import cusum, run_length, spc, spc_rules
from soa_evidence.units.run_length import Mix

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())
CLOSED_FORM = 1e-9
MIX = Mix(risk=np.array(EXPECTED["mix"]), share=np.array(EXPECTED["share"]))
#: R's chain has 1,500 intervals, and a jump falls wholly into one: its own error, more so where the many
#: small jumps go upward. The simulations below are with ours.
INTERVALS = {2: 0.02, 0.5: 0.06}
ERRORS = 4


@pytest.mark.parametrize("direction", ["worse", "better"])
def test_the_path_is_that_of_r(direction):
    frame = pd.DataFrame({"unit": "a", "n": range(300), "y": EXPECTED["event"], "p": EXPECTED["risk"]})
    result = cusum.fit(
        frame,
        unit="unit",
        order="n",
        event="y",
        expected="p",
        threshold=5.0,
        direction=direction,
        restart=False,
    )
    np.testing.assert_allclose(
        result.path("a")["statistic"], EXPECTED[f"path_{direction}"], rtol=0, atol=CLOSED_FORM
    )


def test_a_published_weight():
    # Rigdon and Fricker (2015), Innovative Statistical Methods for Public Health Data, p. 225, score 19,
    # no death, odds ratio 1/2, with the logistic model's coefficients as printed.
    risk = 1 / (1 + np.exp(3.67 - 0.077 * 19))
    _, without = run_length.weights(np.array([risk]), 0.5)
    assert without[0] == pytest.approx(0.05083, abs=1e-5)


@pytest.mark.parametrize("case", EXPECTED["lattice"], ids=lambda c: f"{c['k']}-{c['steps']}-{c['truth']}")
def test_where_weights_lie_on_a_lattice_the_chain_is_exact(case):
    mix = Mix(risk=np.array([case["risk"]]), share=np.ones(1))
    length = run_length.average(
        mix,
        alternative=2.0,
        threshold=case["threshold"],
        true_odds_ratio=case["truth"],
        states=case["steps"] * 4,
    )
    assert length == pytest.approx(case["run_length"], rel=CLOSED_FORM)


@pytest.mark.parametrize("case", EXPECTED["chain"], ids=lambda c: f"{c['alternative']}-{c['truth']}")
def test_the_chain_over_a_mix_is_near_that_over_intervals(case):
    length = run_length.average(
        MIX, alternative=case["alternative"], threshold=case["threshold"], true_odds_ratio=case["truth"]
    )
    assert length == pytest.approx(case["interval_chain"], rel=INTERVALS[case["alternative"]])


@pytest.mark.parametrize("case", EXPECTED["simulated"], ids=lambda c: f"{c['alternative']}-{c['truth']}")
def test_the_chain_agrees_with_simulation_in_r_and_here(case):
    setting = {
        "alternative": case["alternative"],
        "threshold": case["threshold"],
        "true_odds_ratio": case["truth"],
    }
    length = run_length.average(MIX, **setting)
    assert abs(length - case["mean"]) < ERRORS * case["error"]
    mean, error = run_length.simulate(MIX, **setting, runs=4000, seed=3)
    assert error < 0.02 * mean
    assert abs(length - mean) < ERRORS * error


@pytest.mark.parametrize(("baseline", "case"), [(None, "chart_all"), (20, "chart_20")])
def test_an_xmr_chart_is_that_of_r(baseline, case):
    expected = EXPECTED[case]
    frame = pd.DataFrame({"unit": "a", "n": range(40), "x": EXPECTED["values"]})
    result = spc.fit(frame, unit="unit", order="n", value="x", baseline=baseline, charts=100)
    assert result.units["mean"][0] == pytest.approx(expected["mean"], rel=CLOSED_FORM)
    assert result.units["mean_range"][0] == pytest.approx(expected["mean_range"], rel=CLOSED_FORM)
    for rule, name in zip(spc_rules.RULES, ["beyond", "range", "run", "trend", "two"], strict=True):
        marked = np.flatnonzero(result.points[rule]) + 1
        assert marked.tolist() == np.atleast_1d(expected[name]).tolist()


@pytest.mark.parametrize(("shift", "case"), [(0.0, "in_control"), (1.0, "shifted")])
def test_values_and_ranges_together_signal_as_often_as_in_spc(shift, case):
    rng = np.random.default_rng(5)
    values = shift + rng.standard_normal((3000, 1200))
    marked = spc_rules.flags(values, np.zeros((3000, 1)), np.full((3000, 1), spc_rules.RANGE_OF_TWO))
    either = marked["beyond limits"] | marked["range"]
    assert either.any(axis=1).mean() > 0.999
    length = np.where(either.any(axis=1), either.argmax(axis=1) + 1, 1200)
    assert abs(length.mean() - EXPECTED["xmr"][case]) < ERRORS * length.std() / np.sqrt(3000)


def test_rules_speak_as_often_as_their_closed_forms_where_limits_are_known():
    values = np.random.default_rng(6).standard_normal((4000, 60))
    marked = spc_rules.flags(values, np.zeros((4000, 1)), np.full((4000, 1), spc_rules.RANGE_OF_TWO))
    for rule, chance in spc_rules.chance_with_known_limits().items():
        share = marked[rule][:, 8:].mean(axis=1)  # points far enough from the start for every rule
        assert abs(share.mean() - chance) < ERRORS * share.std() / np.sqrt(4000), rule
