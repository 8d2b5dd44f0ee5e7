"""Multilevel models against metafor's rma.mv, cluster-robust errors against clubSandwich (make.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.synthesis import multilevel, regression, robust

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())

#: rma.mv's optimiser ends within about 1e-6 of the variances; ours is certified by its score.
CLIMBED = 2e-5
#: confint.rma.mv walks on refits at its optimiser's tolerance.
PROFILED = 2e-4  # of the upper limit


def data(name):
    frame = pd.read_csv(HERE / "data" / f"{name}.csv")
    return frame.assign(estimate=frame["yi"], std_error=np.sqrt(frame["vi"]), result=range(len(frame)))


KON, ASSINK, BERKEY = data("konstantopoulos"), data("assink"), data("berkey")
MODELS = {
    "kon": (KON, {"levels": ["district", "school"]}),
    "kon_year": (KON, {"levels": ["district", "school"], "moderators": ["year"]}),
    "assink": (ASSINK, {"levels": ["study", "esid"]}),
    "assink_rho": (ASSINK, {"levels": ["study", "esid"], "correlation": 0.6, "correlated_within": "study"}),
    "berkey_rho": (
        BERKEY,
        {
            "levels": ["trial", "result"],
            "moderators": ["outcome"],
            "correlation": 0.4,
            "correlated_within": "trial",
        },
    ),
}


def fitted(cell, **options):
    name, method = cell.split(".")[:2]
    frame, own = MODELS[name]
    return frame, multilevel.fit(frame, method=method, interval="wald", **own, **options)


@pytest.mark.parametrize("cell", sorted(EXPECTED["multilevel"]))
def test_multilevel(cell):
    theirs = EXPECTED["multilevel"][cell]
    _, result = fitted(cell, limits=False)
    table = result.coefficients.table()
    np.testing.assert_allclose(table["estimate"], np.atleast_1d(theirs["b"]), rtol=CLIMBED, atol=1e-7)
    np.testing.assert_allclose(table["std_error"], np.atleast_1d(theirs["se"]), rtol=CLIMBED)
    np.testing.assert_allclose(result.components["variance"], theirs["sigma2"], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(result.tests["statistic"].iloc[0], theirs["qe"], rtol=1e-8)


@pytest.mark.parametrize("cell", sorted(EXPECTED["multilevel_profile"]))
def test_profile_limits(cell):
    _, result = fitted(cell)
    row = result.components.iloc[int(cell.rsplit(".", 1)[1]) - 1]
    theirs = EXPECTED["multilevel_profile"][cell]
    ours = row[["lower", "upper"]].astype(float)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=PROFILED * theirs[1])


@pytest.mark.parametrize("cell", sorted(EXPECTED["robust"]))
def test_cluster_robust(cell):
    name, method, correction = cell.split(".")
    theirs = EXPECTED["robust"][cell]
    if name.startswith("assink_plain"):
        frame, moderators = ASSINK, ["year"] if name.endswith("year") else []
        model = regression.fit(frame, moderators=moderators, method=method, interval="wald")
    else:
        frame, model = fitted(f"{name}.{method}", limits=False)
    cluster = {"kon": "district", "assink": "study", "berkey": "trial"}[name.split("_")[0]]
    table = robust.fit(frame, fitted=model, cluster=cluster, correction=correction).table
    np.testing.assert_allclose(table["std_error"], np.atleast_1d(theirs["se"]), rtol=CLIMBED)
    np.testing.assert_allclose(table["dof"], np.atleast_1d(theirs["df"]), rtol=1e-4)
    np.testing.assert_allclose(table["p_value"], np.atleast_1d(theirs["p"]), rtol=1e-3)
