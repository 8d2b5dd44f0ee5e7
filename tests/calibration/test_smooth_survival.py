"""The committed coverage of smooth survival models is whole and nominal, and simulates afresh."""

from pathlib import Path

import pandas as pd

from tests.calibration import smooth_survival

TABLE = pd.read_csv(Path(__file__).parent / "smooth_survival_coverage.csv")


def test_every_interval_holds_the_truth_as_often_as_it_says():
    assert set(TABLE["replications"]) == {smooth_survival.REPLICATIONS}
    off = (TABLE["coverage"] - smooth_survival.LEVEL).abs() / TABLE["monte_carlo_error"]
    # Of 22 quantities none should be beyond 4 errors, whatever the seed.
    assert off.max() < 4, TABLE[off >= 4].to_string()


def test_the_table_is_that_of_the_study():
    fresh = smooth_survival.study(4, seed=1)
    names = ["model", "quantity"]
    assert fresh[names].to_numpy().tolist() == TABLE[names].to_numpy().tolist()
    # 4 × 22 intervals of 95 %: a quarter of them missing the truth would be no accident.
    assert fresh["coverage"].mean() > 0.75
