"""Posterior of `units.poisson`: classes' levels and spreads by weighted draws, units' levels exactly.

Units' levels are integrated out one by one, what is common to classes in closed form; left are each class's
level and log spread and, with periods, the spread between them: five to ten numbers. They are drawn from a
multivariate t about where the posterior lies and weighted by its exact density; given them, each unit's level
is drawn exactly. Draws are independent: no chain has to converge. Pareto k of the weights says whether they
are sound.

When not to use it: by itself; `units.poisson` calls it.

Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024), JMLR 25:72, for weights and Pareto k.

Checked against: a grid over all parameters and NUTS on the whole model (tests/reference/poisson).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.special import gammaln

from soa_evidence.priors import PoissonPriors
from soa_evidence.results import Check
from soa_evidence.units import weights
from soa_evidence.units.poisson_frame import Counts

__all__ = ["Posterior", "draw", "log_likelihood", "nodes"]

FloatArray = NDArray[np.float64]

NODES = 13
DOF = 5.0  # of the proposal: heavier tails than the posterior's
STEP = 1e-3  # of finite differences, in prior standard deviations
PILOT = 1000  # draws by which the proposal finds its place
ROUNDS = 4  # attempts at placing it
ENOUGH = 0.5  # worth of the pilot draws at which it lies well
SMALLEST_WORTH = 0.2  # share of draws that weights must leave
WIDEST = 20.0  # log ratio, or log spread, beyond which nothing is evaluated


@dataclass(frozen=True, eq=False, kw_only=True)
class Posterior:
    """Independent draws of the exact posterior.

    Attributes
    ----------
    level : array of shape (S, J)
    class_level, class_log_spread : arrays of shape (S, G)
    common, typical_log_spread, log_period_spread : arrays of shape (S,)
        The last is minus infinity where rows are not periods.
    log_likelihood : array of shape (S,)
        With units' levels integrated out.
    check : Check
        Whether the weights were sound.
    """

    level: FloatArray
    class_level: FloatArray
    class_log_spread: FloatArray
    common: FloatArray
    typical_log_spread: FloatArray
    log_period_spread: FloatArray
    log_likelihood: FloatArray
    check: Check


def nodes(count: int = NODES) -> tuple[FloatArray, FloatArray]:
    """Return Gauss-Hermite nodes and log weights, for integrands with their own exponential left in."""
    at, weight = np.polynomial.hermite_e.hermegauss(count)
    return at, np.log(weight) + 0.5 * at**2


def log_likelihood(
    counts: Counts,
    class_level: FloatArray,
    class_log_spread: FloatArray,
    log_period_spread: FloatArray,
    *,
    count: int = NODES,
) -> FloatArray:
    """Log likelihood with units' levels integrated out, constants included.

    Where counts are cut off, of what was seen given that it was enough to be published.

    Parameters
    ----------
    class_level, class_log_spread : arrays of shape (S, G)
    log_period_spread : array of shape (S,)
        Minus infinity: counts are Poisson given the unit.
    count
        Quadrature nodes.

    Returns
    -------
    array of shape (S,)
    """
    from soa_evidence.units import poisson_kernels as kernels

    at, log_weight = nodes(count)
    level, spread = np.ascontiguousarray(class_level), np.exp(np.ascontiguousarray(class_log_spread))
    rows = (counts.events, counts.expected)
    with np.errstate(over="ignore"):
        size = np.exp(-2 * log_period_spread)
    total = kernels.log_integrals(
        *rows, counts.first, counts.group_of_unit, level, spread, size, at, log_weight
    ).sum(axis=0)
    if counts.least:
        total = total - kernels.log_selections(
            *rows, counts.group_of_unit, counts.least, level, spread, at, log_weight
        ).sum(axis=0)
    constant = counts.events * np.log(counts.expected) - gammaln(counts.events + 1)
    return np.asarray(total + constant.sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class _Target:
    """The posterior of (class levels, class log spreads[, log period spread]), common parts integrated out."""

    counts: Counts
    priors: PoissonPriors
    mean: FloatArray
    covariance: FloatArray

    @classmethod
    def of(cls, counts: Counts, priors: PoissonPriors) -> _Target:
        levels, groups = priors.levels, len(counts.groups)
        size = 2 * groups + counts.by_period
        mean, covariance = np.zeros(size), np.zeros((size, size))
        for at, (common, apart) in enumerate(
            ((levels.common, levels.class_sd), (levels.log_spread, levels.class_log_spread_sd))
        ):
            block = slice(at * groups, (at + 1) * groups)
            mean[block] = common.mean
            covariance[block, block] = common.sd**2 + apart**2 * np.eye(groups)
        if counts.by_period:
            mean[-1], covariance[-1, -1] = priors.log_period_spread.mean, priors.log_period_spread.sd**2
        return cls(counts=counts, priors=priors, mean=mean, covariance=covariance)

    def parts(self, at: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Split (S, P) into class levels, class log spreads and log period spread."""
        groups = len(self.counts.groups)
        period = at[:, -1] if self.counts.by_period else np.full(len(at), -np.inf)
        return at[:, :groups], at[:, groups : 2 * groups], period

    def densities(self, at: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log prior and log likelihood at (S, P); minus infinity far outside."""
        prior = stats.multivariate_normal.logpdf(at, self.mean, self.covariance).reshape(len(at))
        likelihood = np.full(len(at), -np.inf)
        near = np.abs(at - self.mean).max(axis=1) < WIDEST
        if near.any():
            likelihood[near] = log_likelihood(self.counts, *self.parts(at[near]))
        return prior, np.where(np.isfinite(likelihood), likelihood, -np.inf)


def draw(counts: Counts, priors: PoissonPriors, *, draws: int, seed: int) -> Posterior:
    """Draw the posterior."""
    from soa_evidence.units import poisson_kernels as kernels

    target = _Target.of(counts, priors)
    rng = np.random.default_rng(seed)
    centre, lower = _place(target)
    for _ in range(ROUNDS):
        at, weight, _ = _propose(target, centre, lower, PILOT, rng)
        share = np.exp(weight - weight.max())
        share /= share.sum()
        centre = share @ at
        gap = at - centre
        lower = np.linalg.cholesky((gap * share[:, None]).T @ gap + 1e-8 * target.covariance)
        if weights.worth(weight) > ENOUGH:
            break
    at, weight, likelihood = _propose(target, centre, lower, draws, rng)
    check = _check(weight)
    rows = weights.resample(weight, draws, rng)
    class_level, class_log_spread, log_period_spread = target.parts(at[rows])
    with np.errstate(over="ignore"):
        size = np.exp(-2 * log_period_spread)
    level = kernels.draw_levels(
        counts.events,
        counts.expected,
        counts.first,
        counts.group_of_unit,
        np.ascontiguousarray(class_level),
        np.exp(np.ascontiguousarray(class_log_spread)),
        size,
        *nodes(),
        rng,
    )
    levels = priors.levels
    return Posterior(
        level=level,
        class_level=class_level,
        class_log_spread=class_log_spread,
        common=_common(class_level, levels.common.mean, levels.common.sd, levels.class_sd, rng),
        typical_log_spread=_common(
            class_log_spread, levels.log_spread.mean, levels.log_spread.sd, levels.class_log_spread_sd, rng
        ),
        log_period_spread=log_period_spread,
        log_likelihood=likelihood[rows],
        check=check,
    )


def _place(target: _Target) -> tuple[FloatArray, FloatArray]:
    """Mode of the target and a root of its covariance there."""
    scale, k = np.linalg.cholesky(target.covariance), len(target.mean)
    steps = np.vstack([np.zeros(k), np.eye(k), -np.eye(k)]) * STEP

    def slope(z: FloatArray) -> tuple[float, FloatArray]:
        prior, likelihood = target.densities(target.mean + (z + steps) @ scale.T)
        found = -(prior + likelihood)
        return float(found[0]), (found[1 : k + 1] - found[k + 1 :]) / (2 * STEP)

    found = optimize.minimize(slope, np.zeros(k), jac=True, method="BFGS", options={"gtol": 1e-2})
    wide = 0.05  # a step at which curvature is told from rounding
    curvature = np.array(
        [(slope(found.x + wide * e)[1] - slope(found.x - wide * e)[1]) / (2 * wide) for e in np.eye(k)]
    )
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    # No direction is wider than twice the prior or narrower than a thousandth of it.
    root = vectors / np.sqrt(np.clip(values, 0.25, 1e6))
    return np.asarray(target.mean + scale @ found.x), np.asarray(scale @ root)


def _propose(
    target: _Target, centre: FloatArray, lower: FloatArray, draws: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw from a multivariate t; return the draws, their log weights and log likelihoods."""
    k = len(centre)
    noise = rng.standard_normal((draws, k)) / np.sqrt(rng.chisquare(DOF, (draws, 1)) / DOF)
    at = centre + noise @ lower.T
    log_q = stats.multivariate_t.logpdf(noise, shape=np.eye(k), df=DOF).reshape(draws)
    prior, likelihood = target.densities(at)
    return at, prior + likelihood - log_q, likelihood


def _common(values: FloatArray, mean: float, sd: float, apart: float, rng: np.random.Generator) -> FloatArray:
    """Draw what is common to classes given their values, (S, G)."""
    precision = sd**-2 + values.shape[1] * apart**-2
    centre = (mean * sd**-2 + values.sum(axis=1) * apart**-2) / precision
    return np.asarray(centre + rng.standard_normal(len(values)) / np.sqrt(precision))


def _check(weight: FloatArray) -> Check:
    k, worth = weights.pareto_k(weight), weights.worth(weight)
    return Check(
        name="independent draws, Pareto k of the exact correction",
        verdict="pass" if k < weights.PARETO_K_LIMIT and worth > SMALLEST_WORTH else "fail",
        observed=f"k {k:.2f}; {len(weight):,} draws worth {worth:.0%} of as many from the exact posterior",
        expected=f"k below {weights.PARETO_K_LIMIT}, worth above {SMALLEST_WORTH:.0%}",
        why="draws come from a close stand-in of the posterior and are weighted to be exact; were the "
        "stand-in not close, the weights would show it",
    )
