"""The same numbers as R, case by case of make.R; see README.md. Tests read expected.json and never need R."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.survival import rate_regression

HERE = Path(__file__).parent
CASES = json.loads((HERE / "expected.json").read_text())["cases"]
OPTIMUM = 1e-6  # both at the maximum; their routes there differ
CURVATURE = 1e-5  # R's curvature by differences of step 1e-3 in log theta
MODELS = {
    "quine": {
        "events": "Days", "covariates": ["Eth", "Sex", "Age", "Lrn"],
        "reference": {"Eth": "A", "Sex": "F", "Age": "F0", "Lrn": "AL"},
    },
    "epil": {"events": "seizures", "covariates": ["treated", "log_base", "fourth"]},
    "insurance": {
        "events": "claims", "covariates": ["district", "group", "age"],
        "reference": {"district": "d1", "group": "<1l", "age": "<25"},
    },
    "veteran": {"events": "status", "covariates": ["celltype", "age"], "reference": {"celltype": "squamous"}},
}  # fmt: skip
FITS = [name for name in CASES if name.startswith(("poisson", "negative"))]


def data(name):
    if name == "veteran":
        frame = pd.read_csv(HERE.parent / "survival" / "data" / "veteran.csv")
        return frame.assign(years=frame["time"] / 365.25)
    return pd.read_csv(HERE / "data" / f"{name}.csv")


def fitted(case):
    family, name, *more = case.split("_")
    family = {"poisson": "poisson", "negative": "negative_binomial"}[family]
    cluster = "subject" if more else None
    return rate_regression.fit(data(name), years="years", family=family, cluster=cluster, **MODELS[name])


def in_our_order(found, terms):
    """Positions of R's coefficients in our order: "AgeF1" is "Age: F1 v F0"."""
    theirs = terms.split("|")
    ours = [
        "(Intercept)" if label == "baseline" else label.split(" v ")[0].replace(": ", "")
        for label in found.coefficients.labels
    ]
    return [theirs.index(label) for label in ours]


def close(ours, theirs, tolerance=OPTIMUM):
    np.testing.assert_allclose(np.asarray(ours, float), np.array(theirs, float), rtol=tolerance, atol=1e-9)


@pytest.mark.parametrize("case", FITS)
def test_coefficients_errors_and_fit(case):
    found, theirs = fitted(case), CASES[case]["values"]
    order = in_our_order(found, theirs["terms"])
    close(found.coefficients.mean, np.array(theirs["coefficients"])[order])
    close(found.coefficients.covariance, np.array(theirs["covariance"])[np.ix_(order, order)])
    close(found.pearson, theirs["pearson"][0])
    assert found.degrees_of_freedom == theirs["dof"][0]
    close(found.log_likelihood, theirs["log_likelihood"][0], 1e-9)


@pytest.mark.parametrize("case", [name for name in FITS if name.startswith("negative")])
def test_over_dispersion_and_its_limits(case):
    found, theirs = fitted(case), CASES[case]["values"]
    close(found.alpha.mean[0], theirs["alpha"][0])
    close(found.alpha.mean[0], theirs["glm_nb"][0])
    close(found.alpha_limits, theirs["limits"])
    close(
        np.sqrt(found.alpha.covariance[0, 0]) / found.alpha.mean[0], theirs["error_log_alpha"][0], CURVATURE
    )
    close(found.test["statistic"][0], theirs["statistic"][0])


def test_no_over_dispersion_is_poisson():
    theirs = CASES["insurance_zero"]["values"]
    assert theirs["slope"][0] < 0
    assert max(theirs["log_likelihood"]) < theirs["poisson"][0]
    found = fitted("negative_insurance")
    assert found.alpha.mean[0] == 0
    close(found.log_likelihood, theirs["poisson"][0], 1e-9)
    close(found.coefficients.mean, fitted("poisson_insurance").coefficients.mean, 1e-12)
    assert found.test["p_value"][0] == 1


def test_rates_predicted_and_standardised():
    theirs = CASES["standardised_epil"]["values"]
    frame = data("epil")
    frame["arm"] = np.where(frame["treated"] == 1, "treated", "control")
    found = rate_regression.fit(
        frame, events="seizures", years="years", covariates=["arm", "log_base"], reference={"arm": "control"}
    )
    standard = found.standardised("arm")
    assert standard.labels == ("control", "treated")
    for k, arm in enumerate(standard.labels):
        close([standard.mean[k], np.sqrt(standard.covariance[k, k])], theirs[arm])
    one = found.log_rates(pd.DataFrame({"arm": ["treated"], "log_base": [0.5]}))
    close([one.mean[0], np.sqrt(one.covariance[0, 0])], theirs["predicted"])
