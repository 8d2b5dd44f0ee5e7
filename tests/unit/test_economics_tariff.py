"""What is paid under the rule, and cost against price: sums worked by hand, and what is refused."""

import math

import numpy as np
import pandas as pd
import pytest

from soa_evidence.economics import Rules, tariff
from soa_evidence.economics.cost_movement import Movement, between_collections
from soa_evidence.economics.tariff_rules import days_beyond
from soa_evidence.errors import InputError

#: Prices of 2017/18 as published: base price, trim point (11 days for HN81E), £227 a day beyond.
PRICES = pd.DataFrame(
    {
        "hrg": ["HN12F", "HN81E", "HN80A"],
        "admission": ["elective"] * 3,
        "base_price_gbp": [5431.0, 6567.0, 21803.0],
        "long_stay_per_day_gbp": [227.0, 227.0, None],
    }
)
SURE = Movement(family_sd=0.0, hrg_sd=0.0, growth=0.0, families=2, hrgs=4)


def spells(**columns):
    return pd.DataFrame({"hrg": ["HN81E"], "admission": ["elective"], "spells": [1], **columns})


def frame(**changes):
    rows = {
        "hrg": ["A1", "A2", "B1", "B2"],
        "work": ["ordinary", "ordinary", "complex", "complex"],
        "family": ["A", "A", "B", "B"],
        "base_price_gbp": [100.0, 200.0, 300.0, 400.0],
        "unit_cost_gbp": [110.0, 200.0, 450.0, 500.0],
        "activity": [10, 20, 5, 5],
        "cc_from": [0, 4, 0, 4],
    }
    return pd.DataFrame({**rows, **changes})


def test_a_stay_beyond_the_trim_point_with_top_up_and_market_forces():
    beyond = days_beyond(np.array([16.0]), 11)
    assert beyond.tolist() == [5.0]
    paid = (
        Rules(top_up=0.25, market_forces_factor=1.1)
        .pay(spells(top=[1], days=beyond), PRICES, top_up_n="top", days="days")
        .iloc[0]
    )
    assert paid["base_gbp"] == pytest.approx(6567 * 1.1)
    assert paid["top_up_gbp"] == pytest.approx(6567 * 0.25 * 1.1)
    assert paid["long_stay_gbp"] == pytest.approx(5 * 227 * 1.1)
    assert paid["income_gbp"] == pytest.approx((6567 * 1.25 + 5 * 227) * 1.1)


def test_a_stay_up_to_the_trim_point_is_paid_the_base_price():
    assert days_beyond(np.array([0.0, 11.0]), 11).tolist() == [0, 0]
    paid = Rules().pay(spells(days=[0]), PRICES, days="days")
    assert paid["income_gbp"].tolist() == [6567]


def test_only_eligible_spells_are_topped_up():
    many = pd.DataFrame(
        {"hrg": ["HN12F", "HN81E"], "admission": "elective", "spells": [100, 20], "top": [0, 15]}
    )
    paid = Rules(top_up=0.24).pay(many, PRICES, top_up_n="top")
    assert paid["top_up_gbp"].tolist() == pytest.approx([0, 15 * 6567 * 0.24])
    assert paid["income_gbp"].sum() == pytest.approx(100 * 5431 + 20 * 6567 + 15 * 6567 * 0.24)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"top_up": -0.1}, r"top_up is -0\.1; expected a share of the base price from 0 to 2"),
        ({"top_up": 25}, r"top_up is 25; .* such as 0\.25 for 25 %"),
        ({"top_up": math.nan}, "top_up is nan"),
        ({"market_forces_factor": 0}, r"market_forces_factor is 0; expected a factor from 0\.5 to 2"),
        ({"market_forces_factor": 108}, "market_forces_factor is 108"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(given, says):
    with pytest.raises(InputError, match=says):
        Rules(**given)


@pytest.mark.parametrize(
    ("row", "prices", "more", "says"),
    [
        ({"hrg": ["HN81X"]}, PRICES, {}, r"Row 1: there is no price for HN81X elective\. Did you mean "
                                         r"'HN81E elective'"),
        ({"spells": [-1]}, PRICES, {}, r"Column 'spells', row 1 is .*-1.*; expected a number, 0 or more"),
        ({"spells": ["many"]}, PRICES, {}, "Column 'spells', row 1 is 'many'"),
        ({"spells": [math.inf]}, PRICES, {}, "Column 'spells', row 1 is .*inf"),
        ({"top": [2]}, PRICES, {"top_up_n": "top"}, "2 spells are eligible for the top-up, of 1 in all"),
        ({"hrg": ["HN80A"], "days": [3]}, PRICES, {"days": "days"}, "3 days beyond the trim point, but "
                                                                    "HN80A has no long-stay"),
        ({}, pd.concat([PRICES, PRICES]), {}, "The prices hold HN12F elective more than once; give the "
                                              "prices of one year"),
        ({}, PRICES.drop(columns="base_price_gbp"), {}, "The table of prices has no column 'base_price_gbp'"),
        ({}, PRICES.iloc[:0], {}, "There are no rows in the prices"),
        ({}, PRICES, {"n": "spell"}, r"The table of spells has no column 'spell'\. Did you mean 'spells'"),
    ],
)  # fmt: skip
def test_spells_that_cannot_be_paid_are_refused(row, prices, more, says):
    with pytest.raises(InputError, match=says):
        Rules().pay(spells().assign(**row), prices, **more)


def test_not_a_frame():
    with pytest.raises(InputError, match="Of the spells, a list was given; expected a DataFrame"):
        Rules().pay([1], PRICES)


@pytest.mark.parametrize(
    ("days", "trim", "says"),
    [
        ([-1.0], 3, "missing or below 0"),
        ([math.nan], 3, "missing or below 0"),
        ([1.0], -1, "trim_point is -1"),
    ],
)
def test_stays_that_cannot_be_are_refused(days, trim, says):
    with pytest.raises(InputError, match=says):
        days_beyond(np.array(days), trim)


def test_ratios_margins_and_totals_by_hand():
    found = tariff.fit(frame(), movement=SURE, level="cc_from")
    ordinary, complex_ = (
        (10 * 110 + 20 * 200) / (10 * 100 + 20 * 200),
        (5 * 450 + 5 * 500) / (5 * 300 + 5 * 400),
    )
    everything = (10 * 110 + 20 * 200 + 5 * 950) / (10 * 100 + 20 * 200 + 5 * 700)
    ratio = found.log_ratio_of_group.table(transform="exp")["estimate"]
    assert ratio.tolist() == pytest.approx([ordinary, complex_])
    top_up = found.log_relative.table(transform=tariff.as_top_up)["estimate"]
    assert top_up.tolist() == pytest.approx([complex_ / ordinary - 1])
    rebased = found.log_rebased.table(transform=tariff.as_top_up)["estimate"]
    assert rebased.tolist() == pytest.approx([ordinary / everything - 1, complex_ / everything - 1])
    # re-basing pays out what is there: price changes weighted by income add up to nothing
    assert rebased.to_numpy() @ [5000, 3500] == pytest.approx(0, abs=1e-9)
    assert found.margin.table()["estimate"].tolist() == pytest.approx([-100 / 30, -1250 / 10])
    assert found.total.table()["estimate"].tolist() == pytest.approx([-100e-6, -1250e-6])
    within = found.log_within.table(transform="exp")
    assert within["label"].tolist() == ["A: A2 against A1", "B: B2 against B1"]
    assert within["estimate"].tolist() == pytest.approx([1.0 / 1.1, 1.25 / 1.5])
    assert found.chance_underpaid == {"complex": 1.0}
    assert "Cost for each pound of price" in repr(found)
    assert "Cost for each pound" in found._repr_html_()


def test_errors_by_hand():
    movement = Movement(family_sd=0.03, hrg_sd=0.04, growth=0.0, families=4, hrgs=4)
    found = tariff.fit(frame(), movement=movement, level="cc_from")
    a = 1100 / 5100
    shared, own = 0.03**2, 0.04**2
    ordinary = shared + own * (a**2 + (1 - a) ** 2)
    b = 2250 / 4750
    complex_ = shared + own * (b**2 + (1 - b) ** 2)
    errors = found.log_ratio_of_group.table()["std_error"] ** 2
    assert errors.tolist() == pytest.approx([ordinary, complex_])
    assert found.log_relative.table()["std_error"].iloc[0] ** 2 == pytest.approx(ordinary + complex_)
    # what a family shares cancels within it
    assert (found.log_within.table()["std_error"] ** 2).tolist() == pytest.approx([2 * own, 2 * own])
    assert found.log_relative.dof == 3


def test_factors_move_the_level_and_not_the_comparison():
    movement = Movement(family_sd=0.03, hrg_sd=0.04, growth=0.0, families=4, hrgs=4)
    plain = tariff.fit(frame(), movement=movement)
    moved = tariff.fit(frame(), movement=movement, price_factor=1.1, cost_factor=1.3)
    for name in ("log_relative", "log_rebased"):
        one, two = getattr(plain, name).table(), getattr(moved, name).table()
        pd.testing.assert_frame_equal(one, two, rtol=1e-12)
    shift = moved.log_ratio.table()["estimate"] - plain.log_ratio.table()["estimate"]
    assert shift.tolist() == pytest.approx([math.log(1.3 / 1.1)] * 4)


@pytest.mark.parametrize(
    ("changes", "more", "says"),
    [
        ({"hrg": ["A1", "A1", "B1", "B2"]}, {}, "HRG A1 is there twice; expected one row each"),
        (
            {"base_price_gbp": [0, 1, 1, 1]},
            {},
            r"Column 'base_price_gbp', row 1 is .*0.*; expected a number, above 0",
        ),
        ({"unit_cost_gbp": [1, np.nan, 1, 1]}, {}, "Column 'unit_cost_gbp', row 2 is .*nan"),
        ({"activity": [1, 1, -3, 1]}, {}, "Column 'activity', row 3"),
        ({"work": ["ordinary"] * 4}, {}, "All HRGs are of the group 'ordinary'; a comparison needs two"),
        ({"work": ["a", "a", None, "b"]}, {}, "Column 'work', row 3 is empty; expected a name"),
        ({}, {"reference": "ordinry"}, r"No HRG is of the group 'ordinry'\. Did you mean 'ordinary'"),
        ({}, {"price_factor": 0}, "price_factor is 0; expected a factor above 0"),
        ({}, {"cost_factor": math.inf}, "cost_factor is inf"),
        ({}, {"movement": None}, "Give either earlier_cost= or movement="),
        ({}, {"earlier_cost": "unit_cost_gbp"}, "Give either earlier_cost= or movement="),
        ({"cc_from": [1, 1, 2, 2]}, {"level": "cc_from"}, "No family has two levels of comorbidity"),
        ({}, {"level": "cc"}, "The table of HRGs has no column 'cc'"),
    ],
)
def test_prices_and_costs_that_cannot_be_are_refused(changes, more, says):
    with pytest.raises(InputError, match=says):
        tariff.fit(frame(**changes), **{"movement": SURE, **more})


@pytest.mark.parametrize(
    ("earlier", "later", "family", "says"),
    [
        ([1, 2], [1, 2, 3], "aab", "2 earlier costs, 3 later ones and 3 families"),
        ([1, 2, 0], [1, 2, 3], "aab", "missing or not above 0"),
        ([1, 2, 3], [1, 2, 3], "aaa", "3 HRGs in 1 families; expected at least two families"),
        ([1, 2, 3], [1, 2, 3], "abc", "one with two HRGs"),
    ],
)
def test_movement_that_cannot_be_judged_is_refused(earlier, later, family, says):
    with pytest.raises(InputError, match=says):
        between_collections(earlier, later, list(family))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"hrg_sd": 1.5}, "hrg_sd is 1.5; expected a standard deviation of log cost from 0 to 1"),
        ({"family_sd": -0.1}, "family_sd is -0.1"),
        ({"families": 1}, "1 families of 4 HRGs were given"),
    ],
)
def test_movement_that_cannot_be_is_refused(given, says):
    with pytest.raises(InputError, match=says):
        Movement(**{"family_sd": 0.1, "hrg_sd": 0.1, "growth": 0.0, "families": 2, "hrgs": 4, **given})


def test_movement_of_costs_that_all_grow_alike_is_nought():
    found = between_collections([1, 2, 3, 4], [2, 4, 6, 8], list("aabb"))
    assert found.hrg_sd == pytest.approx(0, abs=1e-8)
    assert found.growth == pytest.approx(math.log(2))


def test_intervals_hold_the_truth():
    """Costs that err as the model says: nominal limits of the comparison hold it, few families and all."""
    rng = np.random.default_rng(7)
    held, runs, k = 0, 100, 8
    family = np.repeat([f"f{i}" for i in range(k)], 4)
    work = np.where(np.isin(family, ["f0", "f1", "f2"]), "complex", "ordinary")
    true = np.linspace(100, 300, len(family))
    price = true * np.where(work == "complex", 0.8, 1.0)

    def seen():
        shared = np.repeat(rng.normal(0, 0.05, k), 4)
        return true * np.exp(shared + rng.normal(0, 0.05, len(true)))

    for _ in range(runs):
        rows = pd.DataFrame(
            {"hrg": [f"h{i}" for i in range(len(true))], "work": work, "family": family, "base_price_gbp":
            price,
             "unit_cost_gbp": seen(), "activity": 10, "earlier": seen()}
        )  # fmt: skip
        row = tariff.fit(rows, earlier_cost="earlier").log_relative.table().iloc[0]
        held += row["lower"] <= math.log(1 / 0.8) <= row["upper"]
    assert 0.91 <= held / runs <= 1
