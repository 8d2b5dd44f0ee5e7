"""The same numbers as R, case by case of make.R; see README.md. Tests read expected.json and never need R."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.survival import frailty

HERE = Path(__file__).parent
ELSEWHERE = HERE.parent / "survival" / "data"
CASES = json.loads((HERE / "expected.json").read_text())["cases"]
# Both at the maximum to the last digits; their routes there differ.
OPTIMUM = 1e-6
# Curvatures: R's by differences of step 1e-3 in log theta, whose square is the error.
CURVATURE = 1e-5
KINDS = {"gamma": "gamma", "gauss": "log_normal"}
MODELS = {
    "rats_female": {"time": "time", "event": "status", "unit": "litter", "covariates": ["rx"]},
    "rats_female_breslow": {
        "time": "time", "event": "status", "unit": "litter", "covariates": ["rx"], "ties": "breslow",
    },
    "rats_strata": {
        "time": "time", "event": "status", "unit": "litter", "covariates": ["rx"], "strata": "sex",
    },
    "kidney": {"time": "time", "event": "status", "unit": "id", "covariates": ["age", "sex"]},
    "diabetic": {"time": "time", "event": "status", "unit": "id", "covariates": ["trt", "adult", "both"]},
    "cgd": {
        "time": "tstop", "event": "status", "entry": "tstart", "unit": "id", "covariates": ["treated", "age"],
    },
    "bladder2": {
        "time": "stop", "event": "event", "entry": "start", "unit": "id",
        "covariates": ["treated", "number", "size"],
    },
}  # fmt: skip


def data(name):
    path = HERE / "data" / f"{name}.csv"
    return pd.read_csv(path if path.exists() else ELSEWHERE / f"{name}.csv")


def fitted(case):
    model, kind = case.rsplit("_", 1)
    frame = data(CASES[case]["data"])
    if model.startswith("rats_female"):
        frame = frame[frame["sex"] == "f"].reset_index(drop=True)
    return frailty.fit(frame, **MODELS[model], distribution=KINDS[kind])


def close(ours, theirs, tolerance=OPTIMUM):
    np.testing.assert_allclose(np.ravel(ours), np.array(theirs, dtype=float), rtol=tolerance, atol=1e-9)


@pytest.mark.parametrize("case", [name for name in CASES if name != "lung_zero"])
def test_the_maximum_and_its_errors(case):
    found, theirs = fitted(case), CASES[case]["values"]
    close(found.theta, theirs["theta"])
    close(found.log_hazard_ratio.mean, theirs["beta"])
    close(np.sqrt(np.diag(found.log_hazard_ratio.covariance)), theirs["std_error"], CURVATURE)
    close(found.log_frailty.mean, theirs["log_frailty"])
    close(found.log_likelihood, theirs["log_likelihood"], 1e-9)
    close(found.log_likelihood_no_frailty, theirs["without"], 1e-9)
    close(found.variance_limits, [0.0 if v is None else v for v in theirs["limits"]])
    close(np.sqrt(found.variance.covariance[0, 0]) / found.theta, theirs["error_log_theta"], CURVATURE)
    assert {check.verdict for check in found.checks[:3]} == {"pass"}


@pytest.mark.parametrize("case", [name for name in CASES if name.endswith("gamma")])
def test_the_gamma_likelihood_is_the_one_that_coxph_reports(case):
    close(fitted(case).log_likelihood, CASES[case]["values"]["reported"], 1e-9)


@pytest.mark.parametrize("case", ["kidney_gamma", "cgd_gauss", "rats_female_gamma"])
def test_errors_are_larger_than_with_the_variance_taken_as_known(case):
    found, theirs = fitted(case), CASES[case]["values"]
    ours = np.sqrt(np.diag(found.log_frailty.covariance))
    known = np.array(theirs["frailty_error_theta_fixed"])
    assert (ours >= known * (1 - OPTIMUM)).all()
    assert (ours > known * (1 + 1e-3)).any()
    beta = np.sqrt(np.diag(found.log_hazard_ratio.covariance))
    assert (beta >= np.array(theirs["std_error_theta_fixed"]) * (1 - OPTIMUM)).all()


def test_the_published_rats():
    """Gamma frailty, Breslow's ties: rx 0.906, variance 0.474."""
    found = fitted("rats_female_breslow_gamma")
    assert round(float(found.log_hazard_ratio.mean[0]), 3) == 0.906
    assert round(found.theta, 3) == 0.474


def test_a_variance_of_zero_is_found_where_the_likelihood_falls_from_zero_on():
    theirs = CASES["lung_zero"]["values"]
    assert max(theirs["log_likelihood"]) < theirs["without"][0]
    found = frailty.fit(data("lung"), time="time", event="dead", unit="inst", covariates=["age", "sex"])
    assert found.theta == 0
    close(found.log_likelihood, theirs["without"], 1e-10)
    close(found.log_hazard_ratio.mean, theirs["beta"])
