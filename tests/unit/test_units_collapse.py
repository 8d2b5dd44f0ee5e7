import numpy as np
import pytest
from scipy import stats
from units_toys import counts, log_likelihood, near, prepared, some_draws

from soa_evidence.units.collapse import accuracy_check, collapse, log_weights, resample
from soa_evidence.units.direct_classes import weight_check

EXACT = 1e-9  # relative: sums of a few hundred terms in another order
DIFFERENCE = 1e-5  # central differences in double precision


@pytest.fixture(scope="module")
def case():
    cells = prepared(counts(2, ages=[f"{a:02d}" for a in range(25)], size=40))
    return cells, near(cells)


def gradient(function, at, step=1e-4):
    out = []
    for k in range(len(at)):
        shift = np.zeros(len(at))
        shift[k] = step
        out.append((function(at + shift) - function(at - shift)) / (2 * step))
    return np.array(out)


def curvature(function, at, step=1e-3):
    return gradient(lambda x: gradient(function, x, step), at, step)


def test_with_bins_of_no_width_the_likelihood_is_exact(case):
    cells, mode = case
    collapsed = collapse(cells, mode, width=0)
    draws = some_draws(cells, mode, spread=1.0)
    assert len(collapsed.unit) == len(cells.unit)
    np.testing.assert_allclose(collapsed.log_likelihood(*draws), log_likelihood(cells, *draws), rtol=EXACT)
    np.testing.assert_allclose(log_weights(cells, collapsed, *draws), 0, atol=1e-7)


def test_bins_are_fewer_and_lose_no_patient(case):
    cells, mode = case
    collapsed = collapse(cells, mode, width=0.5)
    assert len(collapsed.unit) < len(cells.unit) / 2
    by_unit = np.bincount(collapsed.unit, weights=collapsed.trials)
    np.testing.assert_allclose(by_unit, cells.by_unit(cells.trials), rtol=EXACT)
    assert collapsed.events_by_unit.tolist() == cells.by_unit(cells.events).tolist()
    np.testing.assert_allclose(
        collapsed.trials @ collapsed.design, cells.trials @ cells.design[cells.pattern], atol=1e-9
    )


@pytest.mark.parametrize("width", [0.1, 0.5, 3.0])
def test_the_gradient_and_the_case_mix_curvature_at_the_mode_are_the_exact_ones(case, width):
    cells, mode = case
    collapsed = collapse(cells, mode, width=width)
    k = len(cells.terms)
    at = np.r_[mode.case_mix, mode.unit_mode]

    def fast(x):
        return collapsed.log_likelihood(x[None, :k], x[None, k:])[0]

    def exact(x):
        return log_likelihood(cells, x[None, :k], x[None, k:])[0]

    np.testing.assert_allclose(gradient(fast, at), gradient(exact, at), atol=DIFFERENCE)
    few = slice(0, 3)  # three terms are enough and keep the test short

    def along(function):
        return curvature(lambda x: function(np.r_[x, at[3:]]), at[few])

    np.testing.assert_allclose(along(fast), along(exact), rtol=1e-3, atol=1e-3)


def test_the_weights_turn_the_collapsed_likelihood_into_the_exact_one(case):
    cells, mode = case
    collapsed = collapse(cells, mode, width=0.5)
    draws = some_draws(cells, mode)
    put_right = collapsed.log_likelihood(*draws) + log_weights(cells, collapsed, *draws)
    np.testing.assert_allclose(put_right, log_likelihood(cells, *draws), rtol=EXACT)


def test_one_logarithm_for_many_cells_is_the_plain_sum():
    """Cells of one or two patients are multiplied up; large odds, many cells and large cells are not lost."""
    from soa_evidence.units.collapse import _exact_total

    rng = np.random.default_rng(5)
    pattern, unit = rng.integers(0, 30, 4000), rng.integers(0, 7, 4000)
    trials = rng.choice([1.0, 2.0, 3.0, 50.0], 4000)
    by_pattern, by_unit = rng.normal(0, 3, (4, 30)), rng.normal(-2, 1, (4, 7))
    by_pattern[1, :5], by_pattern[2] = 240.0, -60.0
    eta = by_pattern[:, pattern] + by_unit[:, unit]
    found = _exact_total()(np.exp(by_pattern), np.exp(by_unit), pattern, unit, trials)
    np.testing.assert_allclose(found, np.logaddexp(0, eta) @ trials, rtol=1e-12, atol=1e-9)


def test_narrower_bins_need_less_correction(case):
    cells, mode = case
    draws = some_draws(cells, mode)
    spread = [np.std(log_weights(cells, collapse(cells, mode, width=w), *draws)) for w in (0.05, 0.3, 2.0)]
    assert spread[0] < spread[1] < spread[2]


def test_without_case_mix_a_unit_is_one_bin_and_nothing_is_lost():
    cells = prepared(case_mix=[])
    collapsed = collapse(cells, near(cells))
    assert collapsed.unit.tolist() == list(range(len(cells.units)))
    draws = some_draws(cells, near(cells))
    np.testing.assert_allclose(collapsed.log_likelihood(*draws), log_likelihood(cells, *draws), rtol=EXACT)
    assert np.abs(log_weights(cells, collapsed, *draws)).max() < 1e-9


# Resampling


def test_equal_weights_keep_every_draw_in_its_order():
    assert resample(np.zeros(400), chains=4, seed=5).tolist() == list(range(400))
    assert resample(np.full(400, -1e5), chains=2, seed=5).tolist() == list(range(400))


def test_draws_are_kept_in_proportion_to_their_weights_inside_their_chain():
    rng = np.random.default_rng(0)
    heavy = np.concatenate([rng.permutation(np.repeat([False, True], 100)) for _ in range(2)])
    kept = resample(np.log(np.where(heavy, 3.0, 1.0)), chains=2, seed=1)  # two chains of 200
    assert len(kept) == 400
    assert (kept[:200] < 200).all()
    assert (kept[200:] >= 200).all()
    assert heavy[kept].mean() == pytest.approx(3 / 4, abs=0.03)
    times = np.bincount(kept, minlength=400)
    assert set(times[~heavy]) == {0, 1}  # 0.5 expected of each: systematic, so never two
    assert set(times[heavy]) == {1, 2}  # 1.5 expected of each


def test_a_chain_is_not_punished_for_lying_low():
    weights = np.r_[np.zeros(100), np.full(100, -50.0)]
    assert resample(weights, chains=2, seed=3).tolist() == list(range(200))


def test_one_overwhelming_draw_takes_its_whole_chain():
    weights = np.zeros(100)
    weights[30] = 800.0
    assert set(resample(weights, chains=1, seed=0)) == {30}


def test_resampling_recovers_the_exact_posterior_mean():
    rng = np.random.default_rng(4)
    draws = rng.standard_normal(40_000)
    kept = draws[resample(0.5 * draws, chains=4, seed=9)]  # N(0, 1) times exp(x / 2) is N(1 / 2, 1)
    assert kept.mean() == pytest.approx(0.5, abs=0.03)  # four Monte Carlo standard errors
    assert kept.std() == pytest.approx(1.0, abs=0.03)


# The check


def verdict(weights, case):
    cells, mode = case
    return accuracy_check(np.asarray(weights), cells, collapse(cells, mode))


def test_small_well_behaved_weights_pass(case):
    found = verdict(0.1 * np.random.default_rng(0).standard_normal(2000), case)
    assert found.verdict == "pass"
    assert "standard deviation 0.1" in found.observed
    assert "cells in" in found.observed


def test_nothing_to_correct_passes(case):
    found = verdict(np.full(2000, -3.0), case)
    assert found.verdict == "pass"
    assert found.observed.startswith("k none")


def test_rounding_is_nothing_to_correct(case):
    rounded = np.random.default_rng(0).integers(-2, 3, 2000) * 2.0**-30  # many ties, as in sums of 1e7
    assert verdict(rounded, case).observed.startswith("k none")


def test_wild_weights_fail(case):
    rng = np.random.default_rng(0)
    assert verdict(rng.standard_cauchy(2000), case).verdict == "fail"
    heavy = np.log(rng.pareto(1.0, 2000) + 1)
    assert verdict(heavy, case).verdict == "fail"


def test_weights_too_spread_fail_even_with_thin_tails(case):
    uniform = np.random.default_rng(0).uniform(0, 4, 2000)  # standard deviation 4 / sqrt(12) = 1.15
    found = verdict(uniform, case)
    assert found.verdict == "fail"
    assert float(found.observed.split()[1].rstrip(",")) < 0.7


@pytest.mark.parametrize("index", [0.2, 0.5, 0.9])
def test_k_is_the_tail_index_of_the_weights_and_not_of_their_reciprocals(case, index):
    # exp(x), x exponential of mean k, is Pareto of index k; its reciprocal is bounded, with index -1
    log_weight = np.random.default_rng(2).exponential(index, 20_000)
    by_weight, by_cells = weight_check(log_weight), verdict(log_weight, case)
    for said in (by_weight.observed, by_cells.observed):
        assert float(said.removeprefix("k ").split(",")[0].split(";")[0]) == pytest.approx(index, abs=0.12)
    assert by_weight.verdict == ("pass" if index < 0.7 else "fail")


def test_a_stand_in_with_tails_too_thin_is_refused():
    # Normals stand in for Student's t on 3 degrees of freedom: one in a thousand draws carries the tail,
    # while the reciprocal weights have tails as thin as can be.
    rng = np.random.default_rng(3)
    draw = 0.5 * rng.standard_normal(4000)
    thin = weight_check(stats.t.logpdf(draw, 3) - stats.norm.logpdf(draw, scale=0.5))
    assert thin.verdict == "fail"
    wide = rng.standard_t(3, 4000)
    assert weight_check(stats.norm.logpdf(wide, scale=0.5) - stats.t.logpdf(wide, 3)).verdict == "pass"
    # light upwards though heavy downwards: draws hardly ever wanted do no harm
    assert weight_check(-rng.exponential(0.9, 4000)).verdict == "pass"


def test_the_same_weights_for_all_draws_are_sound_and_missing_ones_are_not():
    assert weight_check(np.zeros(1000)).verdict == "pass"
    assert weight_check(np.r_[np.nan, np.zeros(999)]).verdict == "fail"
    assert weight_check(np.r_[np.inf, np.zeros(999)]).verdict == "fail"


def test_weights_that_are_not_numbers_fail(case):
    assert verdict(np.r_[np.nan, np.zeros(999)], case).verdict == "fail"
    assert verdict(np.full(1000, np.nan), case).verdict == "fail"
