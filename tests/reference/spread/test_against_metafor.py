"""The same numbers as metafor; see README.md. Tests read expected.json and never need R."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from soa_evidence.units import spread_frame, spread_likelihood

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
MEANS = pd.read_csv(HERE / "means.csv")
COLUMNS = {"value": "mean", "size": "n", "record_sd": "sd", "unit": "unit", "year": "year"}
CLOSED = 1e-8  # a likelihood at given parameters
OPTIMUM = 1e-5  # two optimisers on a flat top


def likelihood(panel, tau2, kept, carried):
    log_spread = 0.5 * np.log(np.atleast_2d(tau2))
    return float(
        spread_likelihood.log_likelihood(panel, log_spread, np.array([kept]), np.array([carried]))[0]
    )


def test_each_years_spread_alone_is_the_reml_estimate():
    panel = spread_frame.read(MEANS, **COLUMNS)
    expected = np.array([year["tau2"] for year in EXPECTED["by_year"]])

    def height(log_tau2):
        return -likelihood(panel, np.exp(log_tau2), 0.0, 0.0)

    found = optimize.minimize(height, np.zeros(5), method="BFGS", options={"gtol": 1e-9})
    assert np.exp(found.x) == pytest.approx(expected, rel=OPTIMUM)


def test_heterogeneous_autoregression_has_the_same_likelihood():
    panel = spread_frame.read(MEANS, **COLUMNS)
    har = EXPECTED["har"]
    found = likelihood(panel, har["tau2"], 1.0, har["rho"])
    # metafor leaves log|X'X| / 2 in its restricted likelihood; X has one column a year.
    constant = 0.5 * np.log(panel.seen.sum(axis=0)).sum()
    assert found + constant == pytest.approx(har["log_likelihood"], rel=CLOSED)


def test_its_maximum_is_metafors():
    panel = spread_frame.read(MEANS, **COLUMNS)
    har = EXPECTED["har"]

    def height(x):
        return -likelihood(panel, np.exp(x[:5]), 1.0, 1 / (1 + np.exp(-x[5])))

    start = np.append(np.log(har["tau2"]), 0.5)
    found = optimize.minimize(height, start, method="BFGS", options={"gtol": 1e-7})
    assert np.exp(found.x[:5]) == pytest.approx(har["tau2"], rel=1e-3)
    assert -found.fun >= -height(np.append(np.log(har["tau2"]), np.log(har["rho"] / (1 - har["rho"])))) - 1e-9


def test_the_years_means_are_metafors():
    panel = spread_frame.read(MEANS, **COLUMNS)
    har = EXPECTED["har"]
    n = 20_000
    ask = (np.tile(0.5 * np.log(har["tau2"]), (n, 1)), np.ones(n), np.full(n, har["rho"]))
    drawn = spread_likelihood.means(panel, *ask, np.random.default_rng(1))
    assert drawn.mean(axis=0) == pytest.approx(har["means"], abs=5 * drawn.std() / np.sqrt(n))
