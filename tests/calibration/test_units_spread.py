"""The committed calibration of units.spread is whole and nominal, and simulates afresh."""

import pandas as pd

from tests.calibration import units_spread

TABLE = pd.read_csv(units_spread.TABLE)
INTERVALS = ("spread, first year", "spread, fifth year", "spread, last year", "log ratio")


def of(world):
    return TABLE[TABLE["world"] == world].set_index("quantity")


def test_the_table_is_whole():
    assert set(TABLE["replications"]) == {units_spread.REPLICATIONS}
    assert set(TABLE["world"]) == set(units_spread.WORLDS)
    assert (TABLE.loc[TABLE["quantity"] == "sound", "share"] >= 0.97).all()


def test_a_constant_spread_is_seldom_called_a_change():
    found = of("constant")
    assert found.loc["change claimed", "share"] <= 0.05 + 3 * found.loc["change claimed", "monte_carlo_error"]
    assert found.loc["true pattern, probability", "share"] > 0.5
    worst = found.loc["worst fifth is as predicted"]
    assert worst["share"] >= units_spread.LEVEL - 3 * worst["monte_carlo_error"]


def test_intervals_cover_where_the_spread_is_constant():
    found = of("constant").loc[list(INTERVALS)]
    assert (found["share"] >= units_spread.LEVEL - 3.5 * found["monte_carlo_error"]).all(), found.to_string()


def test_the_table_is_that_of_the_study():
    fresh = units_spread.study(1, seed=7)
    names = ["world", "quantity"]
    assert fresh[names].to_numpy().tolist() == TABLE[names].to_numpy().tolist()
