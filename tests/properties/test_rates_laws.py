"""Laws of use by place and of tariff: order, names, scale, splitting, closed forms."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from soa_evidence.economics import Rules, tariff
from soa_evidence.economics.cost_movement import Movement, between_collections
from soa_evidence.pathways import expected_use, intervention_rates

QUICK = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 10_000)
MOVEMENT = Movement(family_sd=0.03, hrg_sd=0.05, growth=0.0, families=4, hrgs=8)


def places(seed, n=12):
    rng = np.random.default_rng(seed)
    expected = rng.uniform(5, 60, n)
    observed = rng.poisson(expected * rng.gamma(8, 1 / 8, n)) + 1
    return pd.DataFrame({"unit": [f"p{i}" for i in range(n)], "observed": observed, "expected": expected})


def hrgs(seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "hrg": [f"h{i}" for i in range(8)],
            "work": ["ordinary"] * 4 + ["complex"] * 4,
            "family": list("AABBCCDD"),
            "base_price_gbp": rng.uniform(1e3, 1e4, 8),
            "unit_cost_gbp": rng.uniform(1e3, 1e4, 8),
            "activity": rng.integers(10, 500, 8),
        }
    )


@QUICK
@given(seeds)
def test_one_who_is_drawn_in_lies_between_the_observed_and_the_average(seed):
    frame = places(seed)
    found = intervention_rates.fit(frame, draws=2000, seed=1)
    level = found.ratio.draws.mean()
    estimate, raw = found.ratio.table()["estimate"].to_numpy(), found.table["ratio"].to_numpy()
    error = 6 * found.ratio.table()["std_error"].to_numpy() / np.sqrt(2000) + 0.05
    assert (np.minimum(raw, level) - error <= estimate).all()
    assert (estimate <= np.maximum(raw, level) + error).all()


@QUICK
@given(seeds, st.floats(1, 1e5), st.floats(0.1, 1))
def test_money_scales_and_ratios_do_not(seed, cost, share):
    frame = places(seed)
    one = intervention_rates.fit(frame, draws=200, seed=1)
    two = intervention_rates.fit(frame, unit_cost_gbp=cost, counted_share=share, draws=200, seed=1)
    np.testing.assert_array_equal(one.ratio.draws, two.ratio.draws)
    np.testing.assert_allclose(two.variance_gbp.draws, one.variance_gbp.draws * cost / share, rtol=1e-9)
    assert two.apparent_gbp == pytest.approx(one.apparent_gbp * cost / share)


@QUICK
@given(seeds)
def test_names_do_not_matter(seed):
    frame = places(seed)
    named = frame.assign(unit=[f"x{i}" for i in range(len(frame))])
    one, two = (intervention_rates.fit(f, draws=200, seed=1) for f in (frame, named))
    np.testing.assert_array_equal(one.ratio.draws, two.ratio.draws)


@QUICK
@given(seeds)
def test_the_variance_of_the_whole_nation_is_nought(seed):
    found = intervention_rates.fit(places(seed), draws=200, seed=1)
    total = found.variance_gbp.draws.sum(axis=1)
    assert np.abs(total).max() < 1e-8 * np.abs(found.variance_gbp.draws).max()


@QUICK
@given(seeds)
def test_excess_by_chance_alone_is_the_closed_form(seed):
    """E max(0, O - m) of a Poisson count with mean m is m P(O = floor m); the benchmark's own error is
    small."""
    rng = np.random.default_rng(seed)
    expected = rng.uniform(20, 60, 80)
    frame = pd.DataFrame(
        {"unit": [f"p{i}" for i in range(80)], "observed": rng.poisson(expected), "expected": expected}
    )
    found = intervention_rates.fit(frame, draws=2000, seed=1)
    mean = expected * found.table["observed"].sum() / expected.sum()
    exact = (mean * stats.poisson.pmf(np.floor(mean), mean)).sum()
    assert found.excess_gbp.of(intervention_rates.ALIKE).mean() == pytest.approx(exact, rel=0.05)


@QUICK
@given(seeds)
def test_rows_may_be_split_and_shuffled(seed):
    rng = np.random.default_rng(seed)
    people = pd.DataFrame(
        [(u, a, float(rng.integers(1, 500))) for u in "abcd" for a in ("young", "old")],
        columns=["unit", "age", "people"],
    )
    ages = pd.DataFrame({"age": ["young", "old"], "completed": [3, 9]})
    totals = pd.DataFrame({"unit": list("abcd"), "completed": [4, 6, 8, 10]})
    by = {"unit": "unit", "stratum": "age"}
    one = expected_use.fit(people, ages, totals, **by)
    halves = pd.concat([people.assign(people=people["people"] / 2)] * 2).sample(frac=1, random_state=seed)
    two = expected_use.fit(halves, ages.iloc[::-1], totals, **by)
    pd.testing.assert_frame_equal(one.table, two.table, rtol=1e-12)
    assert one.table["expected"].sum() == pytest.approx(totals["completed"].sum())


@QUICK
@given(seeds, st.floats(0.5, 2), st.floats(0.5, 2))
def test_the_comparison_of_work_knows_no_level_and_no_order(seed, price_factor, cost_factor):
    frame = hrgs(seed)
    one = tariff.fit(frame, movement=MOVEMENT)
    two = tariff.fit(
        frame.sample(frac=1, random_state=seed).sort_values("work", ascending=False, kind="stable"),
        movement=MOVEMENT, price_factor=price_factor, cost_factor=cost_factor,
    )  # fmt: skip
    for name in ("log_relative", "log_rebased"):
        pd.testing.assert_frame_equal(getattr(one, name).table(), getattr(two, name).table(), rtol=1e-9)


@QUICK
@given(seeds)
def test_an_hrg_may_be_split_by_activity(seed):
    """Two HRGs of one family, alike in price and cost and without error of their own, are as one."""
    frame = hrgs(seed)
    shared = Movement(family_sd=0.05, hrg_sd=0.0, growth=0.0, families=4, hrgs=8)
    halves = pd.concat(
        [
            frame.assign(activity=frame["activity"] * 0.25),
            frame.assign(activity=frame["activity"] * 0.75, hrg=frame["hrg"] + "x"),
        ]
    )
    one, two = tariff.fit(frame, movement=shared), tariff.fit(halves, movement=shared)
    pd.testing.assert_frame_equal(one.log_relative.table(), two.log_relative.table(), rtol=1e-9)


@QUICK
@given(seeds, st.floats(0.2, 5), st.floats(0.2, 5))
def test_movement_knows_no_currency_and_no_growth(seed, scale, growth):
    rng = np.random.default_rng(seed)
    earlier = rng.uniform(1, 10, 8)
    later = earlier * np.exp(rng.normal(0, 0.1, 8))
    family = np.repeat(list("abcd"), 2)
    one = between_collections(earlier, later, family)
    two = between_collections(earlier * scale, later * scale * growth, family)
    assert two.hrg_sd == pytest.approx(one.hrg_sd, rel=1e-4)
    assert two.family_sd == pytest.approx(one.family_sd, rel=1e-3, abs=1e-6)
    assert two.growth == pytest.approx(one.growth + np.log(growth), abs=1e-6)


@QUICK
@given(seeds, st.integers(1, 50))
def test_payment_is_linear_in_spells(seed, times):
    rng = np.random.default_rng(seed)
    prices = pd.DataFrame(
        {
            "hrg": ["a", "b"],
            "admission": "elective",
            "base_price_gbp": rng.uniform(1, 9, 2),
            "long_stay_per_day_gbp": 2.0,
        }
    )
    spells = pd.DataFrame(
        {"hrg": ["b", "a"], "admission": "elective", "spells": [3, 4], "top": [1, 2], "days": [0, 7]}
    )
    many = spells.assign(**{c: spells[c] * times for c in ("spells", "top", "days")})
    rule = Rules(top_up=0.3, market_forces_factor=1.07)
    one, two = (rule.pay(s, prices, top_up_n="top", days="days")["income_gbp"] for s in (spells, many))
    assert two.to_numpy() == pytest.approx(one.to_numpy() * times)
