"""The committed table of programmes is whole, and says what the documents say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.calibration import programmes

TABLE = pd.read_csv(Path(__file__).parent / "programmes.csv")


def value(world, method, what):
    return TABLE.query("world == @world and method == @method")[what].iloc[0]


def error(share):
    return np.sqrt(max(share * (1 - share), 0.01) / programmes.REPLICATES)


def test_every_world_is_in_the_table():
    assert set(TABLE["world"]) == set(programmes.WORLDS)
    assert (TABLE["replicates"] == programmes.REPLICATES).all()


KNOWN, SHRUNK = "placebo groups, chance known", "beyond regression to the mean, chance known"


@pytest.mark.parametrize("world", ["nothing", "sized"])
@pytest.mark.parametrize("method", [KNOWN, SHRUNK])
def test_where_nothing_happened_little_is_claimed_whatever_the_size_of_those_that_took_part(world, method):
    assert value(world, method, "claimed") <= 0.05 + 3.5 * error(0.05)


def test_the_noisiest_units_taking_part_are_told_by_what_is_known_of_their_chance():
    claimed = [
        value("sized", f"placebo groups, {how}", "claimed") for how in ("chance known", "sizes unknown")
    ]
    assert claimed[0] < claimed[1]
    before = value("sized", "beyond regression to the mean, chance before known", "claimed")
    assert value("sized", SHRUNK, "claimed") < before


def test_cluster_robust_errors_are_too_small_with_three_units():
    assert value("nothing", "cluster-robust", "claimed") > 0.1
    assert value("effect", "cluster-robust", "covers") < 0.9


def test_units_chosen_for_being_low_come_back_and_most_of_it_is_taken_off():
    assert value("low", KNOWN, "estimate") > 0.3
    assert value("low", SHRUNK, "estimate") < 0.2
    assert value("low", SHRUNK, "covers") > 0.95 - 3.5 * error(0.95)


def test_a_real_effect_is_found():
    for method in TABLE["method"].unique():
        assert value("effect", method, "claimed") > 0.9
        assert value("effect", method, "estimate") == pytest.approx(programmes.LIFT, abs=0.2)


def test_the_page_tells_what_the_table_says():
    page = Path(__file__).parents[2] / "docs" / "methods" / "pathways-programme.md"
    text = page.read_text(encoding="utf-8")
    for method in (KNOWN, "placebo groups, sizes known", "cluster-robust", SHRUNK):
        assert f"{100 * value('sized', method, 'claimed'):.0f} %" in text


def test_a_part_simulated_afresh_agrees():
    again = programmes.study({"effect": 2}, seed=5, share=0.5).set_index("method")
    assert (again["estimate"] - programmes.LIFT).abs().max() < 1.5
