"""Dose-response against the formulas written out in R and metafor's rma.mv (make_network.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.synthesis import dose_covariance, dose_response

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected_network.json").read_text())["dose_response"]
ALCOHOL = pd.read_csv(HERE / "data" / "dose_alcohol.csv")
INVENTED = pd.read_csv(HERE / "data" / "dose_invented.csv")
KNOTS = (5, 25, 60)


def test_covariance_from_counts_by_newton_s_steps():
    """R follows the paper's own iteration; ours solves one equation for the reference's odds."""
    row = ALCOHOL.iloc[1:]
    ours = dose_covariance.greenland_longnecker(
        row["estimate"].to_numpy(),
        row["std_error"].to_numpy() ** 2,
        ALCOHOL["cases"].to_numpy(dtype=float),
        ALCOHOL["size"].to_numpy(dtype=float),
        "case_control",
        "alcohol",
    )
    np.testing.assert_allclose(ours.ravel(), EXPECTED["alcohol"]["covariance"], rtol=1e-9)


def test_alcohol_and_breast_cancer():
    result = dose_response.fit(ALCOHOL, method="common")
    assert result.coefficients.mean[0] == pytest.approx(EXPECTED["alcohol"]["slope"], rel=1e-9)
    assert result.coefficients.covariance[0, 0] ** 0.5 == pytest.approx(EXPECTED["alcohol"]["se"], rel=1e-9)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("stage", ["one", "two"])
def test_lines(method, stage):
    theirs = EXPECTED[f"line.{method}"]
    result = dose_response.fit(INVENTED, method=method, stage=stage)
    assert result.coefficients.mean[0] == pytest.approx(theirs["b"], rel=1e-5)
    assert result.coefficients.covariance[0, 0] ** 0.5 == pytest.approx(theirs["se"], rel=1e-5)
    assert result.between[0, 0] == pytest.approx(theirs["psi"], rel=1e-4)


def test_splines():
    theirs = EXPECTED["spline.common"]
    common = dose_response.fit(INVENTED, method="common", knots=KNOTS)
    np.testing.assert_allclose(common.coefficients.mean, theirs["b"], rtol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(common.coefficients.covariance)), theirs["se"], rtol=1e-8)
    assert common.tests["statistic"].iloc[-1] == pytest.approx(theirs["qe"], rel=1e-8)
    theirs, random = EXPECTED["spline.REML"], dose_response.fit(INVENTED, knots=KNOTS)
    np.testing.assert_allclose(random.coefficients.mean, theirs["b"], rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(np.diag(random.coefficients.covariance)), theirs["se"], rtol=1e-4)
