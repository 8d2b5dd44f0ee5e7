"""Scores of predictions: the same numbers as R, case by case of make.R; see README.md."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.survival import scores

HERE = Path(__file__).parent
CASES = json.loads((HERE / "expected.json").read_text())["cases"]

# The same sums in another order.
CLOSED = 1e-8
# riskRegression divides the sum of squares by n - 1; what is left parts the two by less than this.
ERROR = 5e-3
SURVIVAL = ["lung_risks", "pbc_risks", "veteran_risks"]
COMPETING = ["mgus2_risks", "melanoma_risks"]


def numbers(values):
    return np.array(values, dtype=float)


def fitted(case):
    values, frame = CASES[case]["values"], pd.read_csv(HERE / "data" / f"{case}.csv")
    times = numbers(values["times"])
    models = ["fg"] if case in COMPETING else values["models"][1:]
    found = scores.fit(
        frame,
        time="time",
        event="event",
        predictions={m: [f"{m}{j}" for j in range(1, len(times) + 1)] for m in models},
        times=times,
        cause=int(values["cause"][0]) if "cause" in values else None,
    )
    return values, found, models, [f"{t:g}" for t in times]


def picked(estimates, models, times):
    """Estimates and standard errors by time within model."""
    table = estimates.table().set_index("label")
    labels = [f"{model} at {t}" for model in models for t in times]
    return table.loc[labels, "estimate"].to_numpy(), table.loc[labels, "std_error"].to_numpy()


@pytest.mark.parametrize("case", SURVIVAL + COMPETING)
def test_brier(case):
    values, found, models, times = fitted(case)
    estimate, error = picked(found.brier, [scores.NOBODY, *models], times)
    np.testing.assert_allclose(estimate, numbers(values["brier"]), rtol=CLOSED)
    n = values["n"][0]
    # riskRegression takes the same risk for all as learnt anew with each weight; to first order it is fixed.
    own = slice(len(times), None)
    np.testing.assert_allclose(
        error[own] * np.sqrt(n / (n - 1)), numbers(values["brier_se"])[own], rtol=ERROR
    )


@pytest.mark.parametrize("case", SURVIVAL)
def test_auc(case):
    values, found, models, times = fitted(case)
    estimate, error = picked(found.auc, models, times)
    np.testing.assert_allclose(estimate, numbers(values["auc"]), rtol=CLOSED)
    n = values["n"][0]
    np.testing.assert_allclose(error * np.sqrt(n / (n - 1)), numbers(values["auc_se"]), rtol=ERROR)


@pytest.mark.parametrize("case", COMPETING)
def test_auc_with_competing_causes_has_the_error_of_resampling(case):
    values, found, models, times = fitted(case)
    estimate, error = picked(found.auc, models, times)
    np.testing.assert_allclose(estimate, numbers(values["auc"]), rtol=CLOSED)
    # 400 bootstrap samples: their standard deviation is itself uncertain by 1 / sqrt(800), 3.5 %.
    np.testing.assert_allclose(error, numbers(values["auc_bootstrap_se"]), rtol=0.15)


@pytest.mark.parametrize("case", SURVIVAL)
def test_two_models_differ_by_as_much(case):
    values, found, (one, other), _ = fitted(case)
    difference = found.difference("brier", other, one).table()
    # Contrasts come as model less null, other less null, other less model, time by time.
    theirs, theirs_se = numbers(values["delta"])[2::3], numbers(values["delta_se"])[2::3]
    np.testing.assert_allclose(difference["estimate"], theirs, rtol=1e-7)
    n = values["n"][0]
    np.testing.assert_allclose(difference["std_error"] * np.sqrt(n / (n - 1)), theirs_se, rtol=1e-2)


@pytest.mark.parametrize("case", SURVIVAL)
def test_concordance(case):
    values, found, models, _ = fitted(case)
    table = found.concordance.table().set_index("label")
    for model in models:
        for kind in ("harrell", "uno"):
            row = table.loc[f"{model}, {kind.title()}"]
            estimate, error = numbers(values[f"{kind}_{model}"])
            np.testing.assert_allclose(row["estimate"], estimate, rtol=CLOSED)
            # R takes the weights of Uno's as known.
            np.testing.assert_allclose(row["std_error"], error, rtol=CLOSED if kind == "harrell" else 0.05)
