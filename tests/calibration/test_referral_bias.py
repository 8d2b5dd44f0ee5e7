"""The committed table of referral bias is whole, and says what the documents say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.calibration import referral_bias

TABLE = pd.read_csv(Path(__file__).parent / "referral_bias.csv")
FOOLED = "referral, units alike"


def value(world, what):
    row = TABLE.query("world == @world and what == @what").iloc[0]
    return row["value"], np.sqrt(max(row["value"] * (1 - row["value"]), 0.01) / row["replicates"])


def test_every_world_is_in_the_table():
    assert set(TABLE["world"]) == set(referral_bias.WORLDS)
    assert (TABLE["replicates"] == referral_bias.REPLICATES).all()


@pytest.mark.parametrize("what", ["claimed_clustered", "claimed_unit_means", "claimed_joint"])
def test_where_classes_do_not_differ_no_more_is_claimed_of_units_as_a_kind_than_promised(what):
    seen, error = value("no difference", what)
    assert seen <= 0.05 + 3.5 * error


@pytest.mark.parametrize("world", ["no difference", "effect"])
@pytest.mark.parametrize("estimator", ["g_computation", "mantel_haenszel"])
def test_intervals_of_these_units_cover_the_truth_where_all_is_recorded(world, estimator):
    seen, error = value(world, f"covers_{estimator}")
    assert abs(seen - 0.95) < 3.5 * error


def test_a_real_difference_is_found():
    assert value("effect", "claimed_g_computation")[0] > 0.9
    assert value("effect", "tips_within_truth")[0] == 0


def test_referral_by_severity_fools_the_naive_analysis():
    assert value(FOOLED, "worse_g_computation")[0] > 0.3  # promised at most 2.5 %
    assert value(FOOLED, "covers_g_computation")[0] < 0.7


def test_the_sensitivity_section_says_so():
    # the tipping point of the interval lies within the simulated imbalance where severity alone misleads
    assert value(FOOLED, "tips_within_truth_of_fooled")[0] > 0.9
    assert value(FOOLED, "e_value_within_truth_of_fooled")[0] > 0.95
    for world in ("referral", FOOLED):
        seen, error = value(world, "corrected_covers_truth")
        assert abs(seen - 0.95) < 3.5 * error


def test_a_part_simulated_afresh_agrees():
    again = referral_bias.study(FOOLED, 20, seed=7).set_index("what")["value"]
    seen, _ = value(FOOLED, "worse_g_computation")
    assert abs(again["worse_g_computation"] - seen) < 4 * np.sqrt(0.25 / 20)
    assert again["corrected_covers_truth"] > 0.7
