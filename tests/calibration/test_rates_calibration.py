"""The committed calibration of rates by place is whole and nominal, and simulates afresh."""

from pathlib import Path

import pandas as pd

from tests.calibration import rates_calibration as study

TABLE = pd.read_csv(Path(__file__).parent / "rates_calibration.csv")


def test_intervals_hold_the_truth_as_often_as_they_say():
    off = (TABLE["coverage"] - 0.95).abs() / TABLE["monte_carlo_error"]
    assert off.max() < 4, TABLE.to_string()
    assert (TABLE["replications"] >= 0.99 * study.REPLICATIONS).all()


def test_ranks_over_the_priors_are_uniform():
    # four tests: a p value under 0.005 would be seen by accident in one table of fifty
    assert (TABLE[TABLE["study"] == "priors"]["p_uniform"] > 0.005).all(), TABLE.to_string()


def test_the_table_is_that_of_the_study():
    fresh = study.study(6, seed=1)
    names = ["study", "quantity"]
    assert fresh[names].to_numpy().tolist() == TABLE[names].to_numpy().tolist()
    assert fresh["coverage"].mean() > 0.7
