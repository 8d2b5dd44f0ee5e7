import numpy as np
import pytest

from soa_evidence.results.ranking import rank_table

#                 a    b    c    d    e
RISK = np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.3, 0.2, 0.4, 0.5], [0.2, 0.1, 0.3, 0.5, 0.4]])
UNITS = ("a", "b", "c", "d", "e")


def test_ranks_and_their_intervals_by_hand():
    table = rank_table(RISK, UNITS, better="lower").set_index("unit")
    assert table["rank_median"].tolist() == [1, 2, 3, 4, 5]
    assert table["rank_lower"].tolist() == [1, 1, 2, 4, 4]
    assert table["rank_upper"].tolist() == [2, 3, 3, 5, 5]
    assert table["rank_expected"].tolist() == pytest.approx([4 / 3, 2, 8 / 3, 13 / 3, 14 / 3])
    assert table["rank_loss"].tolist() == pytest.approx(
        [np.std(places) for places in ([1, 1, 2], [2, 3, 1], [3, 2, 3], [4, 4, 5], [5, 5, 4])]
    )
    assert table["probability_best_fifth"].tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0, 0])
    assert table["probability_worst_fifth"].tolist() == pytest.approx([0, 0, 0, 1 / 3, 2 / 3])


def test_the_other_direction_turns_the_table_round():
    low, high = (rank_table(RISK, UNITS, better=way).set_index("unit") for way in ("lower", "higher"))
    assert (high["rank_median"] == 6 - low["rank_median"]).all()
    assert (high["rank_lower"] == 6 - low["rank_upper"]).all()
    assert (high["probability_best_fifth"] == low["probability_worst_fifth"]).all()


@pytest.mark.parametrize(("n_units", "places"), [(4, 0), (7, 1), (12, 2), (272, 54)])
def test_the_fifths_are_whole_places_as_many_at_the_bottom_as_at_the_top(n_units, places):
    risk = np.random.default_rng(2).standard_normal((50, n_units))
    table = rank_table(risk, tuple(map(str, range(n_units))), better="lower")
    assert table["probability_best_fifth"].sum() == pytest.approx(places)
    assert table["probability_worst_fifth"].sum() == pytest.approx(places)


def test_the_interval_has_the_level_that_was_asked_for():
    rng = np.random.default_rng(0)
    risk = rng.standard_normal((4000, 20))
    narrow, wide = (
        rank_table(risk, tuple("abcdefghijklmnopqrst"), better="lower", level=v) for v in (0.5, 0.95)
    )
    # Twenty exchangeable units: ranks are uniform on 1 to 20.
    assert narrow["rank_lower"].between(5, 6).all()
    assert wide["rank_lower"].eq(1).all()
    assert wide["rank_upper"].eq(20).all()


def test_tied_units_share_every_place_between_them():
    risk = np.random.default_rng(1).standard_normal((2000, 4))
    table = rank_table(risk, tuple("abcd"), better="lower")
    assert table["rank_median"].between(2, 3).all()
    assert (table["rank_lower"] == 1).all()
    assert (table["rank_upper"] == 4).all()


def test_no_other_place_has_a_smaller_expected_squared_loss_than_the_expected_rank():
    risk = np.random.default_rng(3).normal(np.arange(6) / 3, 1, (500, 6))
    table = rank_table(risk, tuple("abcdef"), better="lower")
    places = risk.argsort(axis=1).argsort(axis=1) + 1
    for other in np.linspace(1, 6, 21):
        assert (((places - other) ** 2).mean(axis=0) >= table["rank_loss"].to_numpy() ** 2 - 1e-12).all()


def test_with_fewer_than_five_units_there_is_no_best_fifth():
    table = rank_table(RISK[:, :2], ("a", "b"), better="lower")
    assert table["probability_best_fifth"].tolist() == [0, 0]
    assert table["rank_median"].tolist() == [1, 2]
