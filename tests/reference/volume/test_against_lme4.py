"""The same numbers as lme4; see README.md. Tests read expected.json and never need R."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence import priors
from soa_evidence.units import volume_frame, volume_likelihood, volume_posterior, volume_shapes

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
UNITS = pd.read_csv(HERE / "units.csv")
# Taylor polynomials of sixth degree and 11 nodes, over 60 units.
QUADRATURE = 2e-3


@pytest.fixture(scope="module")
def data():
    columns = {"events": "y", "trials": "n", "unit": "unit", "year": "year", "volume": "volume"}
    return volume_frame.read(UNITS, **columns, case_mix=[])


def fixed(data, coefficients):
    c = coefficients
    year = np.array([0.0, c["f2017"], c["f2018"]])[data.year]
    between = c["x"] * (data.mean_log2[data.unit] - EXPECTED["middle"])
    return c["(Intercept)"] + year + between + c["within"] * data.within


def test_volume_is_split_alike(data):
    assert data.mean_log2.mean() == pytest.approx(EXPECTED["middle"], rel=1e-12)


def test_the_likelihood_with_unit_effects_is_that_of_integrate(data):
    one = EXPECTED["one"]
    level = fixed(data, one["coefficients"])
    n, y = data.cells.by_unit(data.cells.trials), data.cells.by_unit(data.cells.events)
    at = volume_likelihood.Expansion(level=0.7 * level + 0.3 * np.log((y + 0.5) / (n - y + 0.5)))
    found = volume_likelihood.marginal(
        data, at, volume_likelihood.expand(data, at, np.zeros(0)), level, one["sd"]["unit"], 1e-9
    )
    assert found + EXPECTED["constant"] == pytest.approx(EXPECTED["whole_log_likelihood"], abs=QUADRATURE)


def test_two_levels_are_near_glmers_laplace(data):
    two = EXPECTED["two"]
    level = fixed(data, two["coefficients"])
    at = volume_likelihood.Expansion(level=level)
    found = volume_likelihood.marginal(
        data, at, volume_likelihood.expand(data, at, np.zeros(0)), level, two["sd"]["unit"], two["sd"]["row"]
    )
    # glmer has one node a unit-year here; ours has 99.
    assert found + EXPECTED["constant"] == pytest.approx(two["log_likelihood"], abs=0.3)


def test_the_posterior_is_near_the_maximum_where_priors_say_little(data):
    prior = priors.volume("diffuse")
    shape = volume_shapes.shape_of(data, prior, "linear")
    drawn = volume_posterior.draw(data, prior, shape, seed=1)
    two = EXPECTED["two"]
    for name, column in (("x", shape.between.start), ("within", -1)):
        error = two["std_errors"][name]
        assert abs(drawn.own[:, column].mean() - two["coefficients"][name]) < 0.25 * error
        assert drawn.own[:, column].std() == pytest.approx(error, rel=0.15)
    assert drawn.check.verdict == "pass"
