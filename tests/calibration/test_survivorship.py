"""The committed tables of rebuilt and pooled survivorship are whole, and say what the documents say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.calibration import survivorship

HERE = Path(__file__).parent
LEVEL = 0.95


@pytest.fixture(scope="module")
def trips():
    return pd.read_csv(HERE / "survivorship_round_trip.csv")


@pytest.fixture(scope="module")
def pooled():
    return pd.read_csv(HERE / "survivorship_coverage.csv")


def test_every_study_is_in_the_tables(trips, pooled):
    assert len(trips) == 2 * len(survivorship.PEOPLE) * len(survivorship.ERRORS)
    assert (trips["simulations"] == survivorship.ROUND_TRIPS).all()
    assert len(pooled) == 2 * len(survivorship.STUDIES) * len(survivorship.TAUS)
    assert (pooled["simulations"] == survivorship.POOLINGS).all()


def test_combined_intervals_cover_where_those_of_one_reconstruction_fall_short(trips):
    # 3.5 Monte Carlo errors: 18 rows, two columns
    slack = 3.5 * np.sqrt(LEVEL * (1 - LEVEL) / trips["simulations"])
    assert (trips["combined_covers"] >= LEVEL - slack).all()
    coarse = trips[(trips["people"] == 3000) & (trips["reading_error"] == 0.015)]
    assert (coarse["combined_covers"] > coarse["single_covers"]).all()


def test_a_rebuilt_study_says_what_the_real_one_does(trips):
    fine = trips[trips["reading_error"] <= 0.005]
    assert (fine["to_standard_error"] < 0.2).all()
    # no bias that a simulation of this size can see
    error = trips["sd_of_error"] / np.sqrt(trips["simulations"])
    assert (trips["error_to_individual"].abs() < 3.5 * error + 0.003).all()


def test_pooled_intervals_cover(pooled):
    slack = 3.5 * pooled["monte_carlo_error"]
    assert (pooled["coverage_of_average"] >= LEVEL - slack).all()
    assert (pooled["coverage_of_one_more"] >= LEVEL - slack).all()


def test_a_part_simulated_afresh_agrees(pooled):
    row = pooled[(pooled["studies"] == 5) & (pooled["tau"] == 0.2) & (pooled["mean"] == "free")].iloc[0]
    count = 60
    again = survivorship.poolings(5, 0.2, "free", seed=7, count=count)
    for name in ("coverage_of_average", "coverage_of_one_more"):
        assert abs(again[name] - row[name]) < 4 * np.sqrt(LEVEL * (1 - LEVEL) / count)
    trip = survivorship.round_trip(500, 0.005, seed=3)
    assert all(abs(r["error_to_individual"]) < 0.1 for r in trip)
