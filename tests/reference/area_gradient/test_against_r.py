"""The line over areas, its errors, the correlation and what follows from a gap, against R."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.results import Check, Estimates
from soa_evidence.units import area_gradient

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
DONE = Check(name="made", verdict="pass", observed="yes", expected="yes", why="a gap needs a check")


@pytest.fixture(scope="module")
def result():
    wide = pd.read_csv(HERE / "areas.csv")
    parts = [
        wide[["area", "exposure"]].assign(outcome=name, value=wide[name], n=wide[f"n_{name}"], se=0.1)
        for name in ("first", "second")
    ]
    return area_gradient.fit(
        pd.concat(parts),
        area="area",
        outcome="outcome",
        value="value",
        std_error="se",
        size="n",
        exposure="exposure",
    )


@pytest.fixture(scope="module")
def gap():
    return Estimates(
        estimand="gap", labels=("class",), unit="points", method="given", interval="confidence",
        checks=(DONE,),         mean=np.array([0.3]), covariance=np.array([[0.05**2]]),
    )  # fmt: skip


@pytest.mark.parametrize(("k", "name"), [(0, "first"), (1, "second")])
def test_slopes_and_correlations(result, k, name):
    expected = EXPECTED[name]
    assert result.slope.mean[k] == pytest.approx(expected["slope"], rel=1e-8)
    assert result.slope.covariance[k, k] ** 0.5 == pytest.approx(expected["se"], rel=1e-8)
    assert np.tanh(result.correlation.mean[k]) == pytest.approx(expected["r"], rel=1e-8)
    assert result.correlation.covariance[k, k] ** 0.5 == pytest.approx(expected["se_z"], rel=1e-8)


def test_outcomes_are_joint(result):
    assert result.slope.covariance[0, 1] == pytest.approx(EXPECTED["covariance"], rel=1e-8)


def test_what_follows_from_a_gap(result, gap):
    implied = result.implied(gap, through="first")
    led_to = result.consequence(gap, through="first", outcome="second")
    for found, expected in ((implied, EXPECTED["implied"]), (led_to, EXPECTED["consequence"])):
        assert found.mean[0] == pytest.approx(expected[0], rel=1e-8)
        assert found.covariance[0, 0] ** 0.5 == pytest.approx(expected[1], rel=1e-8)
