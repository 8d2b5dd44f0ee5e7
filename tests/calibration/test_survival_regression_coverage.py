"""The committed coverage table is whole and nominal, and a part of it simulated afresh agrees."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.calibration import survival_regression_coverage as study

TABLE = pd.read_csv(Path(__file__).with_name("survival_regression_coverage.csv"))


def test_every_cell_is_there():
    cells = TABLE.groupby(["truth", "times", "target"]).size()
    assert len(cells) == 2 * 2 * 4
    assert set(TABLE["replications"]) == {study.REPLICATIONS}
    assert set(TABLE["rows"]) == {study.SIZE}


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Also the worst interval of each cell; of 44 correlated ones the worst may lie 3 errors off."""
    for column in ("coverage", "least"):
        assert ((TABLE[column] - study.LEVEL).abs() <= 3 * TABLE["monte_carlo_error"]).all()


@pytest.mark.parametrize("truth", ["subdistribution", "cause-specific"])
def test_a_fresh_simulation_agrees(truth):
    rng = np.random.default_rng(7)
    held = [study.one(truth, study.simulate(truth, True, rng, study.SIZE), np.zeros(4)) for _ in range(60)]
    for target in ("coefficients", "incidence"):
        share = np.mean([each[target] for each in held])
        committed = TABLE.query("truth == @truth and times == 'tied' and target == @target")[
            "coverage"
        ].item()
        assert abs(share - committed) < 4 * np.sqrt(0.05 * 0.95 / 60)
