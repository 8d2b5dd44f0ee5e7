"""`units.binomial.fit` with case mix against long plain runs of the textbook model (make_reference.py).

This is what holds grids, weights, resampling and interpolated risks (and the sampler with its bins) to
the exact posterior, on simulated data and on the real revision hip replacements.
"""

import hashlib
import json

import arviz as az
import numpy as np
import pandas as pd
import pytest

from soa_evidence import evidence
from soa_evidence.sampling import Settings
from tests.reference.binomial import cases

RUNS = json.loads((cases.HERE / "long_runs.json").read_text())

# Standard errors of the gap between two runs of the same posterior, both Monte Carlo. Four, as elsewhere.
MC_ERRORS = 4.0
# Root mean square of those standardised gaps over one kind of quantity: 1 when only chance is at work. They
# are correlated within a run, so it strays; a bias of a tenth of a posterior sd would give 3 and more.
ROOT_MEAN_SQUARE = 2.0
SETTINGS = Settings(draws=2000, tune=1000, chains=4, target_accept=0.9)
#: The sampler is held to the long runs too, where that is quick: it takes over when independent draws fail.
ENGINES = [("simulated", "direct"), ("simulated", "sampler"), ("revision_hip_readmission", "direct")]
KINDS = {
    "risk, these units": "with reference",
    "risk, units as a kind": "with reference",
    "difference, these units": "differences",
    "difference, units as a kind": "differences",
    "class level": "classes",
    "spread": "classes",
    "case mix": "terms",
    "unit risk": "units",
}


def long_run(case):
    return pd.DataFrame(RUNS[case]["quantities"])


@pytest.fixture(scope="module", params=ENGINES, ids="-".join)
def standardised(request):
    """One row a quantity and label: the gap between fit and long run in standard errors, for mean and sd."""
    case, engine = request.param
    result = cases.fit(case, seed=20263, settings=SETTINGS, engine=engine)
    rows = []
    for quantity, (labels, draws) in cases.fitted_quantities(result).items():
        for k, label in enumerate(labels):
            x = draws[:, :, k]
            rows.append(
                {
                    "quantity": quantity,
                    "label": label,
                    "fit_mean": x.mean(),
                    "fit_sd": x.std(ddof=1),
                    "fit_mcse_mean": float(az.mcse(x, method="mean")),
                    "fit_mcse_sd": float(az.mcse(x, method="sd")),
                }
            )
    expected = long_run(case)
    expected = expected[expected["quantity"] != "class level"]  # in the tree alone: see below
    both = expected.merge(pd.DataFrame(rows), on=["quantity", "label"], how="outer", validate="one_to_one")
    for moment in ("mean", "sd"):
        error = (both[f"mcse_{moment}"] ** 2 + both[f"fit_mcse_{moment}"] ** 2) ** 0.5
        both[f"z_{moment}"] = (both[f"fit_{moment}"] - both[moment]) / error
    return case, result, both


@pytest.mark.slow
def test_every_quantity_agrees(standardised):
    _, _, both = standardised
    assert both.notna().all().all()  # nothing is in one run only
    for moment in ("z_mean", "z_sd"):
        far = both[both[moment].abs() > MC_ERRORS]
        assert far.empty, far[["quantity", "label", moment]]


@pytest.mark.slow
def test_no_kind_of_quantity_is_biased(standardised):
    _, _, both = standardised
    root = both.groupby("quantity")[["z_mean", "z_sd"]].agg(lambda z: (z**2).mean() ** 0.5)
    assert (root < ROOT_MEAN_SQUARE).all().all(), root


@pytest.mark.slow
def test_the_tree_holds_the_same_draws(standardised):
    case, result, _ = standardised
    expected = long_run(case).query("quantity == 'class level'").set_index("label")
    draws = result.tree["posterior"]["class_level"]
    mean, error = draws.mean(["chain", "draw"]).to_numpy(), az.mcse(draws).to_numpy()
    names = list(result.spread.labels)
    gap = (mean - expected.loc[names, "mean"]) / np.hypot(expected.loc[names, "mcse_mean"], error)
    assert (gap.abs() < MC_ERRORS).all(), gap


@pytest.mark.slow
def test_checks_pass(standardised):
    _, result, _ = standardised
    assert not [c for c in result.checks if c.verdict == "fail"]


@pytest.mark.parametrize("case", list(cases.CASES))
def test_every_long_run_is_there_and_sound(case):
    frame, columns, case_mix, asked = cases.CASES[case]()
    frame = frame[frame[columns["trials"]] > 0]
    classes = sorted(frame[columns["group"]].unique())
    labels = {
        "units": sorted(frame[columns["unit"]].unique()),
        "classes": classes,
        "with reference": [*classes, asked["reference_label"]] if len(asked["reference"]) > 1 else classes,
    }
    labels["differences"] = [x for x in labels["with reference"] if x != asked["reference_label"]]
    found = long_run(case).groupby("quantity")["label"].agg(list)
    assert set(found.index) == set(KINDS)
    for quantity, kind in KINDS.items():
        if kind == "terms":
            assert len(found[quantity]) == sum(frame[factor].nunique() - 1 for factor in case_mix)
        else:
            assert sorted(found[quantity]) == sorted(labels[kind]), quantity
    source = RUNS[case]["source"]
    assert {"what", "call", "settings", "evidence", "versions", "date", "checks"} <= set(source)
    assert not [c for c in source["checks"].values() if c.startswith("fail")]
    assert source["patients"] == frame[columns["trials"]].sum()


@pytest.mark.parametrize("case", list(cases.CASES))
def test_long_run_was_made_on_today_s_data(case):
    for name, then in RUNS[case]["source"]["evidence"].items():
        path = cases.HERE / name
        now = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else evidence.load(name).hash
        assert now == then, f"{name} has changed: run make_reference.py again for {case}"


def test_simulated_data_are_what_the_script_makes():
    pd.testing.assert_frame_equal(cases.simulate(), pd.read_csv(cases.HERE / "simulated.csv"))
