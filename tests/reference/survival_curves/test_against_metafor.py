"""The same as metafor's multivariate random-effects model? Values, call and versions in expected.json."""

import json
from pathlib import Path

import numpy as np
import pytest

from soa_evidence.synthesis import survivorship_model
from soa_evidence.synthesis.survivorship_model import Block
from soa_evidence.synthesis.survivorship_source import design

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())["cases"]
MODELS = ("free", "line", "free_0.7", "line_0.7")
#: Both sides search; metafor's Nelder-Mead stops at 1e-15 of the likelihood, which is 1e-7 or so of tau.
SEARCHED = 1e-6
LIKELIHOOD = 1e-7
#: tau2 and rho lie on flat tops: errors there are roots of those in the likelihood.
FLAT = 1e-4


def ours(case, model):
    study, time = np.array(case["study"]).astype(str), np.array(case["time"], dtype=float)
    y, V = np.array(case["y"]), np.array(case["V"])
    blocks = [
        Block(
            label=s, time=time[study == s], value=y[study == s], covariance=V[np.ix_(study == s, study == s)]
        )
        for s in dict.fromkeys(study)
    ]
    designs = [design(block.time, np.unique(time), model.split("_")[0]) for block in blocks]
    rho = float(model.split("_")[1]) if "_" in model else None
    return survivorship_model.maximise(blocks, designs, rho), np.vstack(designs)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", EXPECTED)
def test_the_multivariate_model(name, model):
    expected = EXPECTED[name][model]
    found, X = ours(EXPECTED[name], model)
    scale = np.sqrt(np.diag(np.array(expected["covariance"])))
    assert np.abs((found.coefficients - expected["coefficients"]) / scale).max() < SEARCHED
    np.testing.assert_allclose(
        found.covariance, expected["covariance"], rtol=FLAT, atol=SEARCHED * scale.min() ** 2
    )
    assert found.tau2 == pytest.approx(expected["tau2"], rel=FLAT, abs=1e-9)
    # metafor adds constants to the restricted likelihood
    constant = (
        -0.5 * (expected["n"] - expected["p"]) * np.log(2 * np.pi) + 0.5 * np.linalg.slogdet(X.T @ X)[1]
    )
    assert found.log_likelihood + constant == pytest.approx(expected["log_likelihood"], abs=LIKELIHOOD)
    if "_" not in model and found.tau2 > 1e-6:
        assert found.rho == pytest.approx(expected["rho"], abs=1e-4)
