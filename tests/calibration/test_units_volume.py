"""The committed calibration of units.volume is whole and nominal, and simulates afresh."""

import pandas as pd

from tests.calibration import units_volume

TABLE = pd.read_csv(units_volume.TABLE)


def of(world):
    return TABLE[TABLE["world"] == world].set_index("quantity")


def test_the_table_is_whole():
    assert set(TABLE["replications"]) == {units_volume.REPLICATIONS}
    assert len(TABLE) == len(units_volume.WORLDS) * len(units_volume.QUANTITIES)
    assert (TABLE["sound"] >= 0.97).all()


def test_over_the_priors_intervals_cover_and_ranks_are_uniform():
    found = of("priors")
    off = (found["coverage"] - units_volume.LEVEL).abs() / found["monte_carlo_error"]
    assert off.max() < 3.5, found.to_string()
    assert (found["rank_p_value"] > 0.001).all(), found.to_string()


def test_without_a_within_effect_none_is_claimed_more_than_promised():
    for world in ("no within effect", "nothing"):
        false = of(world).loc["within a unit"]
        assert false["claimed"] <= 0.05 + 3 * false["monte_carlo_error"]
        assert false["coverage"] >= units_volume.LEVEL - 3 * false["monte_carlo_error"]


def test_the_table_is_that_of_the_study():
    fresh = units_volume.study(1, seed=7)
    names = ["world", "quantity"]
    assert fresh[names].to_numpy().tolist() == TABLE[names].to_numpy().tolist()
    assert fresh["coverage"].mean() > 0.6
