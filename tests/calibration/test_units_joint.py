"""The committed table is nominal and follows from the committed ranks, and can be seen to be able to fail."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.calibration import units_joint as study

HERE = Path(__file__).parent
TABLE = pd.read_csv(HERE / "units_joint_calibration.csv")
RANKS = pd.read_csv(HERE / "units_joint_ranks.csv")


def test_the_table_follows_from_the_ranks():
    again = study.summary(RANKS).round(4)
    pd.testing.assert_frame_equal(again, TABLE)
    assert set(TABLE["replicates"]) == {study.REPLICATES}


def test_ranks_are_uniform_and_intervals_nominal():
    """Of a dozen quantities the smallest p value of uniform ranks is seldom below 0.05 / 12."""
    assert TABLE["p_uniform"].min() > 0.05 / len(TABLE)
    assert ((TABLE["coverage"] - 0.95).abs() <= 3 * TABLE["simulation_error"]).all()


def test_ranks_of_draws_too_narrow_would_be_seen():
    narrow = RANKS.assign(rank=np.where(RANKS["rank"] > 49, 99, 0))
    assert study.summary(narrow)["p_uniform"].max() < 1e-6


def test_a_replicate_runs_afresh():
    rows = study.one(0)
    committed = RANKS.query("replicate == 0")
    assert [row["quantity"] for row in rows] == committed["quantity"].tolist()
    assert np.abs(np.array([row["rank"] for row in rows]) - committed["rank"].to_numpy()).max() <= 25
