"""Independent draws from the posterior of `units.gaussian`, without a Markov chain and without PyMC.

Every unit's own variance integrates out in closed form, so its data say of its level u, given case mix, what
a t distribution says. From the outside in:

1. what units' variances have in common (typical residual spread, and how far units differ in it) from a grid;
2. case mix from a normal about its mode with everything else integrated out;
3. what is common to classes, then each class's level and log spread, from grids (`direct_classes`);
4. each unit's level from its own one-dimensional density;
5. each unit's residual spread from its inverse chi-square.

Every draw is weighted by the exact posterior density over the one it was drawn from, and a check says whether
that was sound. Steps 1 and 2 use a normal stand-in and all else is exact, so weights are nearly equal.

When not to use it: its own check says so, and `units.gaussian` then falls back to the sampler.

Sources: Lindley and Smith (1972), JRSS B 34:1, for the hierarchy; Gelman and others (2013), Bayesian Data
Analysis, section 3.3, for the variance that integrates out; `units.direct` for the weights.

Checked against: quadrature and long runs of a textbook model in tests/reference/units_outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from soa_evidence.priors import GaussianPriors
from soa_evidence.results import Check
from soa_evidence.units.direct_classes import (
    draw_hyper,
    log_prior,
    normal_terms,
    place_class,
    place_common,
    term_mode,
    weight_check,
)
from soa_evidence.units.direct_grids import ClassGrid, Grid, draw_cell, settle
from soa_evidence.units.sums import Sums

__all__ = ["GaussianDirect", "Near", "approximate", "draw", "log_likelihood", "log_residual_prior"]

FloatArray = NDArray[np.float64]

MOST_TERMS = 60  # beyond it the expansion's memory is too large, and the sampler is used
STEPS = 60
PRIOR_UNITS = 3.0  # how many units' worth the prior spread counts in each class: keeps small classes sane
SMALLEST_SPREAD = 1e-4  # share of the outcome's own spread: residuals that leave nothing are not that exact


@dataclass(frozen=True, eq=False, kw_only=True)
class GaussianDirect:
    """Draws with their weights; see `direct.Direct`. Residual spreads are of shape (S, J)."""

    case_mix: FloatArray
    level: FloatArray
    class_level: FloatArray
    class_log_spread: FloatArray
    common: FloatArray
    typical_log_spread: FloatArray
    log_residual: FloatArray
    log_residual_spread: FloatArray
    log_weight: FloatArray
    check: Check


@dataclass(frozen=True, eq=False, kw_only=True)
class Near:
    """Where the posterior lies: case mix (K,), units' levels and variances (J,), spreads (G,)."""

    case_mix: FloatArray
    level: FloatArray
    variance: FloatArray
    group_spread: FloatArray
    log_residual: float
    log_residual_spread: float


def dof_of(log_residual_spread: FloatArray) -> FloatArray:
    """Degrees of freedom under which units' standard deviations differ by about that share of themselves."""
    return np.asarray(0.5 * np.exp(-2.0 * log_residual_spread))


def approximate(sums: Sums, priors: GaussianPriors) -> Near:
    """Find the mode by turns: case mix and levels given spreads, spreads given these."""
    k, group = len(sums.terms), sums.group_of_unit
    size = np.bincount(group, minlength=len(sums.groups))
    typical = float(np.exp(priors.levels.log_spread.mean))
    spread = np.full(len(sums.groups), typical)
    dof = float(dof_of(np.array(priors.log_residual_spread.mean)))
    beta = np.zeros(k)
    level = np.full(len(sums.units), float(np.average(sums.mean, weights=sums.count)))
    centre = np.full(len(sums.groups), level[0])
    pooled = max(float(np.exp(2 * priors.log_residual.mean)), SMALLEST_SPREAD**2)
    variance = np.full(len(sums.units), pooled)
    for _ in range(STEPS):
        error = variance / sums.count
        penalty = 1 / spread[group] ** 2
        weight = 1 / (error + spread[group] ** 2)
        matrix = (
            np.einsum("j,jkl->kl", 1 / variance, sums.within_case_mix) + np.eye(k) / priors.case_mix.sd**2
        )
        matrix = matrix + (sums.case_mix_mean * weight[:, None]).T @ sums.case_mix_mean
        right = sums.within_cross.T @ (1 / variance)
        right = right + sums.case_mix_mean.T @ (weight * (sums.mean - centre[group]))
        new = np.linalg.solve(matrix, right)
        adjusted = sums.adjusted(new[None])[0]
        precision = 1 / error + penalty
        to = (adjusted / error + penalty * centre[group]) / precision
        moved = max(np.abs(new - beta).max(initial=0.0), float(np.abs(to - level).max()))
        beta, level = new, to
        centre = np.bincount(group, weights=level, minlength=len(sums.groups)) / size
        square = (level - centre[group]) ** 2 + 1 / precision
        total = np.bincount(group, weights=square, minlength=len(sums.groups))
        spread = np.sqrt((total + PRIOR_UNITS * typical**2) / (size + PRIOR_UNITS))
        left = sums.residual_squares(beta[None])[0] + sums.count * (adjusted - level) ** 2
        pooled = max(float(left.sum() / sums.count.sum()), SMALLEST_SPREAD**2)
        variance = (dof * pooled + left) / (dof + sums.count)
        if moved < 1e-6:
            break
    return Near(
        case_mix=beta,
        level=level,
        variance=variance,
        group_spread=spread,
        log_residual=0.5 * float(np.log(pooled)),
        log_residual_spread=priors.log_residual_spread.mean,
    )


def draw(sums: Sums, priors: GaussianPriors, near: Near, *, draws: int, seed: int) -> GaussianDirect | None:
    """Draw from the posterior; None where a grid cannot be placed or there are too many case-mix terms."""
    if len(sums.terms) > MOST_TERMS:
        return None
    from soa_evidence.units.gaussian_kernels import unit_levels

    levels = priors.levels
    found = _residual_grid(sums, priors, near)
    if found is None:
        return None
    grid, height = found
    at = int(np.argmax(height))
    log_residual, log_differ = (float(axis[at]) for axis in grid.points())
    classes = _class_grids(sums, priors, near, log_residual, log_differ)
    if classes is None:
        return None
    outer = place_common(classes, levels, float(near.level.mean()), float(np.log(near.group_spread).mean()))
    if outer is None:
        return None
    terms = normal_terms(priors.case_mix, len(sums.terms))
    precision = _dof_and_left(sums, near.case_mix[None], np.array([log_residual]), np.array([log_differ]))
    inverse = (precision[0] / precision[1])[0]

    def slope(step: FloatArray) -> tuple[FloatArray, FloatArray]:
        gradient, curvature = terms.slope(step + near.case_mix)
        within = np.einsum("j,jkl->kl", inverse, sums.within_case_mix)
        gradient = gradient + sums.within_cross.T @ inverse - within @ (step + near.case_mix)
        return gradient, curvature - within

    mode = term_mode(classes, outer, levels, slope, len(sums.terms))
    if mode is None:
        return None
    centre, lower = mode
    rng = np.random.default_rng(seed)
    residual, differ, log_q = draw_cell(
        np.repeat(height.reshape(1, len(grid.level), -1), draws, axis=0), grid, rng.random((draws, 3))
    )
    noise = rng.standard_normal((draws, len(sums.terms)))
    # Case mix is known the better, the less like patients differ.
    wider = residual - log_residual
    log_q = log_q - 0.5 * np.square(noise).sum(axis=1) - len(sums.terms) * wider
    step = centre + (noise * np.exp(wider)[:, None]) @ lower.T
    hyper, log_hyper = draw_hyper(classes, outer, levels, step, rng)
    case_mix = step + near.case_mix
    dof, left = _dof_and_left(sums, case_mix, residual, differ)
    level, log_levels = unit_levels(
        sums.count,
        sums.group_of_unit,
        sums.adjusted(case_mix),
        left,
        dof,
        hyper.class_level,
        np.exp(hyper.class_log_spread),
        rng.random((draws, len(sums.units))),
    )
    target = log_likelihood(sums, case_mix, level, residual, differ)
    target += log_prior(hyper, level, sums.group_of_unit, levels) + terms.value(case_mix)
    target += log_residual_prior(residual, differ, priors)
    weight = target - (log_q + log_hyper + log_levels)
    return GaussianDirect(
        case_mix=case_mix,
        level=level,
        class_level=hyper.class_level,
        class_log_spread=hyper.class_log_spread,
        common=hyper.common,
        typical_log_spread=hyper.typical_log_spread,
        log_residual=residual,
        log_residual_spread=differ,
        log_weight=weight,
        check=weight_check(weight),
    )


def log_likelihood(
    sums: Sums, case_mix: FloatArray, level: FloatArray, residual: FloatArray, differ: FloatArray
) -> FloatArray:
    """Log likelihood, units' variances integrated out, up to a constant: draws to (S,)."""
    dof, left = _dof_and_left(sums, case_mix, residual, differ)
    left = left + sums.count * np.square(sums.adjusted(case_mix) - level)
    prior = dof - sums.count
    by_unit = gammaln(dof / 2) - gammaln(prior / 2) + 0.5 * prior * np.log(prior) + prior * residual[:, None]
    return np.asarray((by_unit - 0.5 * dof * np.log(left)).sum(axis=1))


def log_residual_prior(residual: FloatArray, differ: FloatArray, priors: GaussianPriors) -> FloatArray:
    """Log prior of what units' variances have in common, up to a constant."""
    size, share = priors.log_residual, priors.log_residual_spread
    return np.asarray(
        -0.5 * ((residual - size.mean) / size.sd) ** 2 - 0.5 * ((differ - share.mean) / share.sd) ** 2
    )


def _dof_and_left(
    sums: Sums, case_mix: FloatArray, residual: FloatArray, differ: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Degrees of freedom nu + n and sums of squares nu s0² + S of every unit, (S, J)."""
    prior = dof_of(differ)[:, None]
    left = prior * np.exp(2 * residual)[:, None] + sums.residual_squares(case_mix)
    return prior + sums.count, left


def _residual_grid(sums: Sums, priors: GaussianPriors, near: Near) -> tuple[Grid, FloatArray] | None:
    """Grid over the typical residual spread and how far units differ in it, levels integrated out flat."""
    squares = sums.residual_squares(near.case_mix[None])[0]
    # A unit's mean, drawn towards its class, leaves less than a whole degree of freedom to its level.
    shrunk = near.group_spread[sums.group_of_unit] ** 2
    used = shrunk / (shrunk + near.variance / sums.count)
    squares = squares + sums.count * np.square(sums.adjusted(near.case_mix[None])[0] - near.level)

    def density(grid: Grid) -> FloatArray:
        residual, differ = grid.points()
        prior = dof_of(differ)[:, None]
        dof = prior + sums.count - used
        left = prior * np.exp(2 * residual)[:, None] + squares
        by_unit = gammaln(dof / 2) - gammaln(prior / 2) + 0.5 * prior * np.log(prior)
        by_unit = by_unit + prior * residual[:, None] - 0.5 * dof * np.log(left)
        return np.asarray(by_unit.sum(axis=1) + log_residual_prior(residual, differ, priors))

    tight = 1 / np.sqrt(2 * sums.count.sum() + priors.log_residual.sd**-2) + 0.1 / np.sqrt(len(sums.units))
    wide = priors.log_residual_spread.sd
    box = [
        near.log_residual - 5 * tight, near.log_residual + 5 * tight,
        near.log_residual_spread - 4 * wide, near.log_residual_spread + 3 * wide,
    ]  # fmt: skip
    grid = settle(density, box)
    return None if grid is None else (grid, density(grid))


def _class_grids(
    sums: Sums, priors: GaussianPriors, near: Near, log_residual: float, log_differ: float
) -> list[ClassGrid] | None:
    from soa_evidence.units.gaussian_kernels import class_grid

    one = np.array([log_residual]), np.array([log_differ])
    dof, left = (values[0] for values in _dof_and_left(sums, near.case_mix[None], *one))
    adjusted = sums.adjusted(near.case_mix[None])[0]
    error = left / dof / sums.count
    out = []
    for g in range(len(sums.groups)):
        units = np.flatnonzero(sums.group_of_unit == g)

        def integral(grid: Grid, units: NDArray[np.int64] = units) -> FloatArray:
            level, log_spread = grid.points()
            return np.asarray(class_grid(level, np.exp(log_spread), units, sums.count, adjusted, left, dof))

        grid = place_class(
            integral,
            centre=float(near.level[units].mean()),
            spread=float(near.group_spread[g]),
            information=1 / error[units],
            levels=priors.levels,
        )
        if grid is None:
            return None
        level, log_spread = grid.points()
        weight = 1 / (np.exp(2 * log_spread)[:, None] + error[units])
        apart = weight * (adjusted[units] - level[:, None])
        mean = sums.case_mix_mean[units]
        squares = np.einsum("jk,jl->jkl", mean, mean).reshape(len(units), -1)
        terms = mean.shape[1]
        out.append(
            ClassGrid(
                grid=grid,
                value=integral(grid),
                gradient=apart @ mean,
                curvature=-(weight @ squares).reshape(len(weight), terms, terms),
            )
        )
    return out
