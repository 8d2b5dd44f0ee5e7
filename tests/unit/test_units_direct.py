"""Independent draws: each loop against plain quadrature, and what happens where they are not sound."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats
from units_toys import CASE_MIX, COLUMNS, counts

from soa_evidence.errors import InputError
from soa_evidence.priors import binomial as named_priors
from soa_evidence.sampling import Settings
from soa_evidence.units import binomial, direct, posterior
from soa_evidence.units.cells import prepare
from soa_evidence.units.collapse import collapse
from soa_evidence.units.direct_classes import normal_terms
from soa_evidence.units.direct_grids import Grid, draw_cell, settle
from soa_evidence.units.direct_kernels import class_grid, unit_levels
from soa_evidence.units.laplace import approximate

RNG = np.random.default_rng(5)
STARTS = np.array([0, 3, 5])
ODDS = np.exp(RNG.normal(-0.2, 0.5, 5))
TRIALS = np.array([40.0, 3.0, 10.0, 5.0, 60.0])
SEEN = np.array([6.0, 0.0])  # the second unit has no event
DESIGN = RNG.normal(size=(5, 2))
OWN, INFORMATION = np.array([-1.5, -8.0]), np.array([6.0, 0.01])


def log_density(j, u, mu, sigma, odds=ODDS):
    bins = slice(STARTS[j], STARTS[j + 1])
    likelihood = SEEN[j] * u - (TRIALS[bins] * np.log1p(odds[bins] * np.exp(u))).sum()
    return likelihood + stats.norm.logpdf(u, mu, sigma) + 0.5 * np.log(2 * np.pi)


def log_integral(j, mu, sigma, odds=ODDS):
    top = max(log_density(j, u, mu, sigma, odds) for u in np.linspace(mu - 8, mu + 8, 2000))
    inside = integrate.quad(
        lambda u: np.exp(log_density(j, u, mu, sigma, odds) - top), mu - 12 * sigma, mu + 12 * sigma,
        points=[mu], limit=400, epsabs=0, epsrel=1e-11,
    )[0]  # fmt: skip
    return top + np.log(inside)


def on_grid(mu, sigma, odds=ODDS):
    return class_grid(
        np.array([mu]), np.array([sigma]), np.array([0, 1]), STARTS, odds, TRIALS, SEEN, OWN, INFORMATION,
        DESIGN, True,
    )  # fmt: skip


@pytest.mark.parametrize(("mu", "sigma"), [(-1.5, 0.3), (-3.0, 1.2), (0.5, 0.05)])
def test_the_integral_over_units_is_that_of_plain_quadrature(mu, sigma):
    value = on_grid(mu, sigma)[0][0]
    assert value == pytest.approx(sum(log_integral(j, mu, sigma) for j in (0, 1)), abs=2e-5)


def test_gradient_and_curvature_in_the_case_mix_are_the_finite_differences():
    def shifted(step):
        return on_grid(-1.8, 0.6, ODDS * np.exp(DESIGN @ step))[0][0]

    _, gradient, curvature = on_grid(-1.8, 0.6)
    h = 1e-3
    for c, e in enumerate(np.eye(2) * h):
        assert gradient[0, c] == pytest.approx((shifted(e) - shifted(-e)) / (2 * h), rel=1e-5)
        for d, f in enumerate(np.eye(2) * h):
            mixed = shifted(e + f) - shifted(e - f) - shifted(f - e) + shifted(-e - f)
            assert curvature[0, c, d] == pytest.approx(mixed / (4 * h * h), rel=1e-3, abs=1e-3)


def test_unit_levels_follow_their_density_which_they_report():
    draws = 20_000
    level, log_q = unit_levels(
        np.tile(ODDS, (draws, 1)), STARTS, TRIALS, SEEN, np.array([0, 0]), np.full((draws, 1), -1.8),
        np.full((draws, 1), 0.7), OWN, INFORMATION, np.random.default_rng(1).random((draws, 2)),
    )  # fmt: skip
    for j in (0, 1):
        fine = np.linspace(-8, 4, 6001)
        height = np.exp([log_density(j, u, -1.8, 0.7) for u in fine])
        cumulative = integrate.cumulative_trapezoid(height, fine, initial=0)
        ranks = np.interp(level[:, j], fine, cumulative / cumulative[-1])
        assert stats.kstest(ranks, "uniform").pvalue > 1e-3
    known = [
        sum(log_density(j, u, -1.8, 0.7) - log_integral(j, -1.8, 0.7) for j, u in enumerate(row))
        for row in level[:50]
    ]
    assert log_q[:50] == pytest.approx(np.array(known), abs=0.03)


def test_points_drawn_from_a_grid_have_its_moments_and_report_their_density():
    grid = settle(lambda g: -0.5 * ((g.points()[0] - 2) ** 2 + (g.points()[1] / 0.3) ** 2), [0, 1, -0.1, 5])
    assert isinstance(grid, Grid)
    level, log_spread = grid.points()
    height = (-0.5 * ((level - 2) ** 2 + (log_spread / 0.3) ** 2)).reshape(1, 25, 25)
    uniform = np.random.default_rng(3).random((40_000, 3))
    x, y, log_q = draw_cell(np.repeat(height, 40_000, axis=0), grid, uniform)
    assert (x.mean(), y.mean()) == pytest.approx((2, 0), abs=0.02)
    assert (x.std(), y.std()) == pytest.approx((1, 0.3), rel=0.02)
    exact = stats.norm.logpdf(x, 2, 1) + stats.norm.logpdf(y, 0, 0.3)
    assert np.quantile(np.abs(exact - log_q), 0.99) < 0.12


def test_a_density_that_never_dies_away_has_no_grid():
    assert settle(lambda g: 0.0 * g.points()[0], [0, 1, 0, 1]) is None
    assert settle(lambda g: np.full(len(g.points()[0]), np.nan), [0, 1, 0, 1]) is None


def drawn(seed=1, draws=400):
    cells = prepare(counts(), events="events", trials="n", unit="unit", group="group", case_mix=CASE_MIX)
    priors = named_priors("default")
    near = approximate(cells, priors)
    density = normal_terms(priors.case_mix_log_odds, len(cells.terms))
    return direct.draw(cells, priors, near, collapse(cells, near), density, draws=draws, seed=seed)


def test_the_same_seed_gives_the_same_draws_on_any_number_of_threads():
    import numba

    first = drawn()
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        again = drawn()
    finally:
        numba.set_num_threads(threads)
    assert (first.level == again.level).all()
    assert (first.log_weight == again.log_weight).all()
    assert (drawn(seed=2).level != first.level).any()


FIT = {**COLUMNS, "case_mix": CASE_MIX, "reference": "independent", "seed": 1}
FEW = Settings(draws=50, tune=100, chains=2)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cannot be set up", "is not sound"])
@pytest.mark.filterwarnings("ignore:Number of tail draws:UserWarning")
def test_where_independent_draws_fail_the_sampler_takes_over_and_says_so(monkeypatch, how):
    real = direct.draw

    def unsound(*args, **more):
        found = real(*args, **more)
        return replace(found, check=replace(found.check, verdict="fail", observed="k 0.93"))

    monkeypatch.setattr(posterior.direct, "draw", unsound if how == "is not sound" else lambda *_, **__: None)
    result = binomial.fit(counts(), **FIT, settings=FEW)
    said = {check.name: check.observed for check in result.checks}["independent draws"]
    assert said.startswith("not used: " + ("not sound (k 0.93)" if how == "is not sound" else "they could"))
    assert "R-hat, largest" in {check.name for check in result.checks}
    assert result.tree["posterior"].sizes["draw"] == 50


def test_too_many_case_mix_terms_are_left_to_the_sampler(monkeypatch):
    monkeypatch.setattr(direct, "MOST_TERMS", 1)
    assert drawn() is None


def test_an_unknown_engine_is_refused():
    with pytest.raises(InputError, match="engine='gibbs': expected 'direct' or 'sampler'"):
        binomial.fit(counts(), **FIT, engine="gibbs")
