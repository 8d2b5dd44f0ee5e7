"""The committed calibration of units.poisson says what its README says."""

import json

import numpy as np
import pandas as pd

from tests.calibration import units_poisson

TABLE = pd.read_csv(units_poisson.HERE / "units_poisson_calibration.csv")
RUN = json.loads((units_poisson.HERE / "units_poisson_run.json").read_text())


def test_the_table_is_of_this_study():
    assert set(TABLE["study"]) == set(units_poisson.STUDIES)
    assert [RUN["seed"], RUN["replicates"]] == [units_poisson.SEED, units_poisson.REPLICATES]
    assert TABLE["replicates"].min() >= 0.9 * units_poisson.REPLICATES


def test_intervals_cover_and_ranks_are_uniform():
    off = (TABLE["covered"] - units_poisson.LEVEL).abs() / TABLE["covered_error"]
    assert off.max() < 3.5
    assert TABLE["uniform_p"].min() > 0.05 / len(TABLE) / 5


def test_a_fresh_data_set_is_made_and_drawn_from():
    counts, truth = units_poisson.make("periods", np.random.default_rng(1))
    values, sound = units_poisson.drawn(counts, 1)
    assert sound
    assert set(truth) == set(values)
