"""Network meta-analysis against metafor's rma.mv (make_network.R) and netmeta's printed diabetes example."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.synthesis import network

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected_network.json").read_text())
REFERENCE = {"senn": "placebo", "smoking": "no_contact", "copd": "Placebo"}

CLOSED = 1e-8
CLIMBED = 1e-5  # rma.mv's optimiser


def contrasts(name):
    arms = pd.read_csv(HERE / "data" / f"network_{name}.csv", dtype={"study": str})
    return network.pairs(
        arms, study="study", treatment="treatment", estimate="estimate", std_error="std_error"
    )


def fitted(name, method):
    return network.fit(contrasts(name), reference=REFERENCE[name], method=method)


@pytest.mark.parametrize("cell", sorted(EXPECTED["network"]))
def test_network(cell):
    name, method = cell.split(".")
    theirs = EXPECTED["network"][cell]
    result = fitted(name, method)
    tolerance = CLOSED if method in ("common", "DL") else CLIMBED
    np.testing.assert_allclose(result.effects.mean, theirs["b"], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(np.sqrt(np.diag(result.effects.covariance)), theirs["se"], rtol=tolerance)
    if "tau2" in theirs:
        np.testing.assert_allclose(
            result.heterogeneity["estimate"].iloc[0], theirs["tau2"], rtol=1e-5, atol=1e-6
        )
    else:
        q = result.consistency.set_index("source")
        whole, within = q.loc["whole network"], q.loc["within designs"]
        np.testing.assert_allclose(
            [whole["statistic"], within["statistic"]], [theirs["q"], theirs["q_within"]]
        )
        assert (whole["dof"], within["dof"]) == (theirs["df"], theirs["df_within"])


@pytest.mark.parametrize("cell", sorted(EXPECTED["splits"]))
def test_side_splits(cell):
    name, first, second = cell.split("|")
    table = fitted(name, "REML").splits.set_index(["treatment_1", "treatment_2"])
    row, theirs = table.loc[(first, second)], EXPECTED["splits"][cell]
    np.testing.assert_allclose(
        row[["difference", "difference_std_error", "p_value", "tau2"]].astype(float),
        [theirs["difference"], theirs["se"], theirs["p"], theirs["tau2"]],
        rtol=1e-4,
    )
    assert row["direct"] - row["indirect"] == pytest.approx(row["difference"])


def test_the_diabetes_network_as_netmeta_prints_it():
    """decomp.design and netrank of Senn2013 in netmeta's manual: Q 96.99, 74.46, 22.53; at tau2 0.1442: 2.19.

    netmeta's data hold rounded contrasts, metadat's the arms: the first two differ by 0.01.
    """
    result = fitted("senn", "DL")
    q = result.consistency.set_index("source")
    assert q["statistic"].to_list() == pytest.approx([96.99, 74.46, 22.53, 2.19], abs=0.011)
    assert q["dof"].to_list() == [18, 11, 7, 7]
    assert q["p_value"].to_list()[2:] == pytest.approx([0.0021, 0.9483], abs=5e-5)
    assert q["tau2"].iloc[3] == pytest.approx(0.1442, abs=5e-5)
    assert result.heterogeneity["estimate"].to_list() == pytest.approx([0.1087, 0.3297, 81.4], abs=0.05)
    best = result.ranking.iloc[0]
    assert (best["treatment"], round(best["p_score"], 4)) == ("rosiglitazone", 0.8934)
    assert best["rank_lower"] < best["rank_upper"]  # never a bare rank
