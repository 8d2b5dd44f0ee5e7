"""Income and cost of one hospital: sums worked by hand, what is refused, and what the interval holds."""

import math

import numpy as np
import pandas as pd
import pytest

from soa_evidence.economics import Rules, case_mix_income
from soa_evidence.errors import InputError

PRICES = pd.DataFrame(
    {
        "hrg": ["HN12F", "HN81E"],
        "admission": ["elective"] * 2,
        "base_price_gbp": [5000.0, 8000.0],
        "long_stay_per_day_gbp": [200.0, 200.0],
    }
)


def spells(**changes):
    rows = {
        "hrg": ["HN12F", "HN81E"],
        "admission": ["elective"] * 2,
        "work": ["ordinary", "complex"],
        "spells": [100, 40],
        "cost_gbp": [480_000.0, 400_000.0],
        "sd": [1000.0, 5000.0],
        "top": [0, 30],
        "days": [0, 50],
    }
    return pd.DataFrame({**rows, **changes})


def test_income_cost_and_what_breaks_even_by_hand():
    rule = Rules(top_up=0.1, market_forces_factor=1.05)
    found = case_mix_income.fit(spells(), PRICES, rules=rule, cost_sd="sd", top_up_n="top", days="days")
    ordinary, complex_ = 100 * 5000 * 1.05, (40 * 8000 + 30 * 8000 * 0.1 + 50 * 200) * 1.05
    table = found.table.set_index("group")
    assert table["income_gbp"].tolist() == pytest.approx([ordinary, complex_, ordinary + complex_])
    margin = found.margin.table()
    assert margin["estimate"].tolist() == pytest.approx(
        [ordinary - 480_000, complex_ - 400_000, ordinary + complex_ - 880_000]
    )
    errors = [100 * 1000**2, 40 * 5000**2]
    assert (margin["std_error"] ** 2).tolist() == pytest.approx([*errors, sum(errors)])
    without = (100 * 5000 + 40 * 8000 + 50 * 200) * 1.05
    top_up = found.break_even_top_up.table().iloc[0]
    assert top_up["estimate"] == pytest.approx((880_000 - without) / (30 * 8000 * 1.05))
    assert top_up["std_error"] == pytest.approx(math.sqrt(sum(errors)) / (30 * 8000 * 1.05))
    factor = found.break_even_factor.table()["estimate"]
    assert factor.iloc[-1] == pytest.approx(880_000 / (ordinary + complex_))
    assert "complex" in repr(found)
    assert "Income and cost" in found._repr_html_()


def test_paying_the_top_up_found_breaks_even():
    first = case_mix_income.fit(spells(), PRICES, top_up_n="top")
    share = first.break_even_top_up.table()["estimate"].iloc[0]
    again = case_mix_income.fit(spells(), PRICES, rules=Rules(top_up=share), top_up_n="top")
    assert again.margin.table()["estimate"].iloc[-1] == pytest.approx(0, abs=1e-6)


def test_without_eligible_spells_there_is_no_top_up():
    assert case_mix_income.fit(spells(), PRICES).break_even_top_up is None
    assert case_mix_income.fit(spells(top=[0, 0]), PRICES, top_up_n="top").break_even_top_up is None


def test_spread_is_assumed_where_the_file_gives_none():
    some = case_mix_income.fit(spells(sd=[1000.0, np.nan]), PRICES, cost_sd="sd", spell_cv=0.5)
    errors = [100 * 1000**2, 40 * (0.5 * 10_000) ** 2]
    assert (some.margin.table()["std_error"] ** 2).tolist()[:2] == pytest.approx(errors)
    verdict = {check.name: check.verdict for check in some.checks}
    assert verdict["spread of cost between spells"] == "pass"
    none = case_mix_income.fit(spells(), PRICES)
    assert {c.name: c.verdict for c in none.checks}["spread of cost between spells"] == "warn"


def test_few_spells_are_warned_of_and_not_counted_aloud():
    few = case_mix_income.fit(spells(spells=[100, 4], top=[0, 0]), PRICES)
    check = few.checks[0]
    assert (check.verdict, check.observed) == ("warn", "fewer than 10")


@pytest.mark.parametrize(
    ("changes", "more", "says"),
    [
        ({"cost_gbp": [0, 1]}, {}, "Column 'cost_gbp', row 1 is .*0.*above 0"),
        ({"spells": [0, 1]}, {}, "Column 'spells', row 1 is .*0.*above 0"),
        ({"sd": [-1, 1]}, {"cost_sd": "sd"}, "Column 'sd', row 1 is -1; expected £, 0 or more"),
        ({}, {"spell_cv": 54}, "spell_cv is 54; expected a ratio from 0 to 5"),
        ({"work": ["all work", "complex"]}, {}, "A group is called 'all work'"),
        ({"hrg": ["HN12F", "HN81Z"]}, {}, r"Row 2: there is no price for HN81Z elective\. Did you mean"),
        ({"top": [0, 50]}, {"top_up_n": "top"}, "50 spells are eligible for the top-up, of 40 in all"),
        (
            {},
            {"cost": "costs_gbp"},
            r"of spells has no column 'costs_gbp'\. Did you mean 'cost_gbp'",
        ),
    ],
)
def test_a_case_mix_that_cannot_be_is_refused(changes, more, says):
    with pytest.raises(InputError, match=says):
        case_mix_income.fit(spells(**changes), PRICES, **more)


def test_a_group_that_is_paid_nothing():
    free = PRICES.assign(base_price_gbp=[5000.0, 0.0])
    with pytest.raises(InputError, match="The group 'complex' is paid nothing"):
        case_mix_income.fit(spells(), free)


def test_the_interval_holds_the_cost_of_another_year():
    """Skewed costs of single spells: 95 % limits of the margin hold the true mean margin as often as they
    say."""
    rng = np.random.default_rng(11)
    held, runs, n = 0, 120, 200
    mean, cv = 6000.0, 0.5
    shape = 1 / cv**2
    price = PRICES.assign(base_price_gbp=[5500.0, 8000.0])
    for _ in range(runs):
        cost = rng.gamma(shape, mean / shape, n)
        rows = spells().iloc[:1].assign(spells=n, cost_gbp=cost.sum(), sd=cost.std(ddof=1))
        row = case_mix_income.fit(rows, price, cost_sd="sd").margin_per_spell.table().iloc[0]
        held += row["lower"] <= 5500 - mean <= row["upper"]
    assert 0.90 <= held / runs <= 0.995
