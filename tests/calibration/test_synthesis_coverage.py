"""The committed coverage table is whole, and a part of it simulated afresh agrees."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.synthesis import many
from tests.calibration import synthesis_coverage as study

TABLE = pd.read_csv(Path(__file__).parent / "synthesis_coverage.csv")


def test_every_cell_is_there():
    cells = TABLE[TABLE["target"] == "mean"].groupby(["studies", "tau2", "method", "interval"]).size()
    random_effects = len(study.METHODS) * 4
    assert len(cells) == len(study.SIZES) * len(study.SPREADS) * (random_effects + 1)
    assert set(TABLE["replications"]) == {study.REPLICATIONS, study.BAYES_REPLICATIONS}


def test_bayes_and_q_profile_hold_the_truth_as_often_as_they_say():
    exact = TABLE[
        TABLE["method"].str.startswith("bayes") | ((TABLE["target"] == "tau2") & (TABLE["tau2"] > 0))
    ]
    assert len(exact) == 6 + 8
    assert ((exact["coverage"] - study.LEVEL).abs() <= 4 * exact["monte_carlo_error"]).all()


def test_hartung_knapp_is_exact_without_differences_between_studies():
    rows = TABLE[
        (TABLE["tau2"] == 0)
        & (TABLE["interval"] == "hartung_knapp")
        & TABLE["method"].isin(["DL", "PM", "REML"])
    ]
    assert ((rows["coverage"] - study.LEVEL).abs() <= 4 * rows["monte_carlo_error"]).all()


@pytest.mark.parametrize("interval", ["wald", "hartung_knapp", "hartung_knapp_floor"])
def test_a_fresh_simulation_agrees_with_the_table(interval):
    frame, _ = study.simulate(5, 0.25, seed=7, replications=2000)
    table = many.fit(frame, analysis="analysis", interval=interval).table
    fresh = np.mean((table["lower"] <= study.TRUTH) & (table["upper"] >= study.TRUTH))
    row = TABLE[
        (TABLE["studies"] == 5)
        & (TABLE["tau2"] == 0.25)
        & (TABLE["method"] == "REML")
        & (TABLE["target"] == "mean")
        & (TABLE["interval"] == interval)
    ]
    committed = row["coverage"].item()
    error = np.sqrt(committed * (1 - committed) * (1 / 2000 + 1 / study.REPLICATIONS))
    assert abs(fresh - committed) < 4 * error
