"""Rates by place: parts by hand, the posterior against quadrature, a truth got back, hostile counts."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from soa_evidence.pathways import completion, expected_use, intervention_rates
from soa_evidence.pathways.rates_benchmark import held_against
from soa_evidence.pathways.rates_posterior import log_likelihood, posterior
from soa_evidence.priors import rates

DRAWS = 2000


def places(observed, expected=None):
    n = len(observed)
    return pd.DataFrame(
        {
            "unit": [f"p{i:03d}" for i in range(n)],
            "observed": observed,
            "expected": [20.0] * n if expected is None else expected,
        }
    )  # fmt: skip


def drawn(seed=3, n=60, cv=0.3, expected=80.0):
    rng = np.random.default_rng(seed)
    truth = rng.gamma(1 / cv**2, cv**2, n)
    expects = rng.uniform(0.5, 1.5, n) * expected
    return places(rng.poisson(truth * expects), expects), truth


def test_expected_counts_by_hand():
    people = pd.DataFrame(
        {"unit": ["a", "a", "b", "b"], "age": ["young", "old"] * 2, "people": [100, 50, 100, 150]}
    )
    ages = pd.DataFrame({"age": ["young", "old"], "completed": [2, 8]})
    totals = pd.DataFrame({"unit": ["a", "b"], "completed": [4, 16]})
    found = expected_use.fit(people, ages, totals, unit="unit", stratum="age")
    # 10 ages known of 20: rates 2/200 and 8/200, doubled
    assert found.table["expected"].tolist() == pytest.approx(
        [100 * 0.02 + 50 * 0.08, 100 * 0.02 + 150 * 0.08]
    )
    assert found.table["ratio"].tolist() == pytest.approx([4 / 6, 16 / 14])
    assert found.table["crude_per_100000"].tolist() == pytest.approx([4e5 / 150, 16e5 / 250])
    assert found.checks[0].verdict == "warn"  # half of the ages are known
    assert "Observed and expected" in repr(found) + found._repr_html_()


def test_the_likelihood_is_poisson_where_there_is_no_spread():
    observed, mean = np.array([3.0, 0.0, 7.0]), np.array([2.0, 1.0, 9.0])
    plain = (observed * np.log(mean) - mean - special.gammaln(observed + 1)).sum()
    assert log_likelihood(observed, mean, 1e-4) == pytest.approx(plain, abs=1e-5)


def test_the_posterior_is_that_of_quadrature_over_level_and_spread():
    frame, _ = drawn(n=30)
    observed, expected = frame["observed"].to_numpy(float), frame["expected"].to_numpy()
    prior = rates()
    levels, spreads = np.linspace(-0.6, 0.6, 121), np.geomspace(0.02, 1.5, 161)
    height = np.array(
        [
            [
                log_likelihood(observed, expected * np.exp(m), s)
                - m**2 / 2
                - (s / prior.spread_scale) ** 2 / 2
                for s in spreads
            ]
            for m in levels
        ]
    ) + np.log(spreads)
    weight = np.exp(height - height.max())
    weight /= weight.sum()
    a = 1 / spreads**2
    exact = np.array(
        [
            (weight * (a + o) / (a / np.exp(levels)[:, None] + e)).sum()
            for o, e in zip(observed, expected, strict=True)
        ]
    )
    found = posterior(observed, expected, np.ones((30, 1)), priors=prior, draws=8000, seed=1)
    error = found.ratio.std(axis=0) / np.sqrt(8000)
    assert np.abs((found.ratio.mean(axis=0) - exact) / error).max() < 4.5
    spread = (weight.sum(axis=0) * spreads).sum()
    assert found.grid_weight @ found.grid_spread == pytest.approx(spread, rel=0.01)


def test_a_known_spread_and_known_ratios_are_got_back():
    frame, truth = drawn(n=150, cv=0.3)
    found = intervention_rates.fit(frame, draws=DRAWS, seed=1)
    between = found.spread.table().iloc[0]
    assert between["lower"] < np.sqrt(special.polygamma(1, 1 / 0.3**2)) < between["upper"]
    table = found.ratio.table()
    held = ((table["lower"] <= truth) & (truth <= table["upper"])).mean()
    assert 0.90 <= held <= 0.99


def test_places_that_are_alike_are_drawn_together():
    rng = np.random.default_rng(5)
    found = intervention_rates.fit(places(rng.poisson(20, 100)), draws=DRAWS, seed=1)
    raw = found.table["ratio"].std()
    shrunken = found.ratio.table()["estimate"].std()
    assert shrunken < 0.5 * raw
    beyond = found.excess_gbp.table().set_index("label")["estimate"]
    assert beyond[intervention_rates.BEYOND_CHANCE] < 0.8 * found.apparent_gbp
    assert found.apparent_gbp == pytest.approx(beyond[intervention_rates.ALIKE], rel=0.25)


def test_a_slope_is_got_back_and_allowed_for():
    rng = np.random.default_rng(9)
    x = rng.normal(30, 5, 120)
    z = (x - x.mean()) / x.std()
    frame = places(rng.poisson(100 * np.exp(0.3 * z)), np.full(120, 100.0)).assign(score=x)
    plain = intervention_rates.fit(frame, draws=DRAWS, seed=1)
    found = intervention_rates.fit(frame, covariates=["score"], draws=DRAWS, seed=1)
    slope = found.slopes.table().iloc[0]
    assert slope["lower"] < 0.3 < slope["upper"]
    assert found.spread.table()["estimate"].iloc[0] < 0.4 * plain.spread.table()["estimate"].iloc[0]


def test_completion_as_wide_as_the_spread_leaves_nothing():
    frame, _ = drawn(n=100, cv=0.3)
    found = intervention_rates.fit(frame, completion_log_sd=1.0, draws=DRAWS, seed=1)
    assert found.spread.table()["estimate"].tolist()[1] == 0
    assert np.ptp(found.use_ratio.table()["estimate"]) == pytest.approx(0, abs=1e-9)
    assert found.completion_share.of("completion").min() == 1
    left = found.excess_gbp.table().set_index("label")["estimate"]
    assert left[intervention_rates.BEYOND_COMPLETION] == pytest.approx(0, abs=1e-6)
    assert {c.verdict for c in found.checks if "completion" in c.name} == {"warn"}


def test_completion_is_taken_out_of_a_known_mixture():
    """Use differs by 0.2, completion by 0.2: what is left for use is found, and intervals hold the use."""
    rng = np.random.default_rng(21)
    n = 250
    use, share = rng.normal(0, 0.2, n), rng.normal(0, 0.2, n)
    frame = places(rng.poisson(300 * np.exp(use + share)), np.full(n, 300.0))
    found = intervention_rates.fit(frame, completion_log_sd=0.2, draws=DRAWS, seed=1)
    left = found.spread.table().iloc[1]
    assert left["lower"] < 0.2 < left["upper"]
    level = found.use_ratio.draws.mean(axis=1, keepdims=True)
    low, high = np.quantile(found.use_ratio.draws / level, [0.025, 0.975], axis=0)
    true = np.exp(use) / np.exp(use).mean()
    assert 0.90 <= ((low <= true) & (true <= high)).mean() <= 0.99


def test_money_by_hand():
    frame = places([30, 10, 20, 20, 20, 20])
    found = intervention_rates.fit(frame, unit_cost_gbp=5000, counted_share=0.5, draws=DRAWS, seed=1)
    # the first is ten above the average of 20: £100,000 of operations, half of which are counted
    assert found.apparent_gbp == pytest.approx(10 * 5000 / 0.5)
    assert found.table["apparent_gbp"].tolist()[:2] == pytest.approx([100_000, -100_000])
    assert "apparent excess £100,000" in repr(found)
    assert "apparent excess £100,000" in found._repr_html_()


def test_benchmarks_by_hand():
    units = [f"p{i}" for i in range(8)]
    ratio, expected = np.arange(1.0, 9.0)[None, :], np.array([1.0, 1, 1, 1, 1, 1, 1, 3])
    assert held_against("nation", units, None).of(ratio, expected)[0].tolist() == [(28 + 24) / 10] * 8
    peers = {"p0": units[1:], "p1": units[2:7], "p2": units[:3]}
    near = held_against("peers", units, peers)
    assert near.judged.tolist() == [0, 1]  # p2 has two peers beside itself
    assert near.of(ratio, expected)[0].tolist() == pytest.approx([(2 + 3 + 4 + 5 + 6 + 7 + 24) / 9, 5.0])
    lowest = held_against("lowest five peers", units, peers)
    assert lowest.of(ratio, expected)[0].tolist() == pytest.approx([4.0, 5.0])


@pytest.mark.parametrize(
    "observed",
    [
        [0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1],
        [1_000_000, 1, 1, 1, 1, 1],
        [50_000_000, 51_000_000, 49_000_000, 50_500_000, 50_000_000],
    ],
)
def test_hostile_counts_give_finite_answers(observed):
    found = intervention_rates.fit(
        places(observed, np.full(len(observed), float(np.mean(observed)))), draws=200, seed=1
    )
    assert np.isfinite(found.ratio.draws).all()
    assert (found.ratio.table()["estimate"] > 0).all()


def test_completion_by_hand():
    frame = pd.DataFrame(
        {"unit": ["a", "b", "c"], "operations": [1000, 1000, 1000], "answers": [250, 500, 1000]}
    )
    found = completion.fit(frame, unit="unit", operations="operations", answers="answers")
    total = np.log(2) ** 2 * 2 / 3 * 3 / 2 - (3 / 1000 + 1 / 1000 + 0) / 3
    row = found.log_sd.table(transform="exp").iloc[0]
    assert row["estimate"] == pytest.approx(np.sqrt(total))
    assert found.share == pytest.approx(1750 / 3000)
    assert row["upper"] == pytest.approx(np.sqrt(total) * np.exp(1.959964 / np.sqrt(6)), rel=1e-6)


def test_a_known_spread_of_completion_is_got_back():
    rng = np.random.default_rng(2)
    n = rng.integers(50, 800, 400)
    share = np.minimum(0.95, 0.4 * np.exp(rng.normal(0, 0.3, 400)))
    frame = pd.DataFrame(
        {"unit": [f"h{i}" for i in range(400)], "operations": n, "answers": rng.binomial(n, share)}
    )
    row = completion.fit(frame, unit="unit", operations="operations", answers="answers").log_sd.table(
        transform="exp"
    )
    assert row["lower"].iloc[0] < np.log(share).std() < row["upper"].iloc[0]
