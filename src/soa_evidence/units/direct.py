"""Independent draws from the posterior of `units.binomial`, without a Markov chain.

Given the case mix (beta), classes know of each other only through what is common to them, and units of a
class only through its level and spread. So the posterior is drawn from the outside in:

1. beta from a normal about its mode, its two sides of different width where it is skewed, with everything
   else integrated out: the log integral over a class's units, L(level, log spread; beta), is worked out on a
   grid at the mode, with its gradient and curvature in beta.
2. given beta, what is common to classes (level, log spread) from a grid, over which the classes are
   integrated; then each class's level and log spread from its own grid. Inside a cell the density is
   log-linear.
3. given these, each unit's level from its own one-dimensional density.

Every draw is weighted by the exact posterior density (all cells, nothing binned) over the density it was
drawn from, and resampled. The weights repair what grids and expansions left out; their Pareto k and what they
leave of the draws' worth say whether that was sound. Draws are independent: no chain has to converge.

When not to use it: its own check says so, and `units.binomial` then falls back to the sampler.

Sources: Rue, Martino and Chopin (2009), JRSS B 71:319, for integrating inside a grid over spreads; Vehtari,
Simpson, Gelman, Yao and Gabry (2024), JMLR 25:72, for weights and k.

Checked against: long runs of a textbook model under NUTS, and the twin by quadrature, in
tests/reference/binomial.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from soa_evidence.priors import BinomialPriors
from soa_evidence.results import Check
from soa_evidence.units.cells import Cells
from soa_evidence.units.collapse import Collapsed, exact_log_likelihood
from soa_evidence.units.direct_grids import (
    ClassGrid,
    Grid,
    class_shares,
    common_density,
    draw_cell,
    settle,
    shares,
)
from soa_evidence.units.laplace import Laplace

__all__ = ["Direct", "draw"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_TERMS = 60  # beyond it the expansion's memory is too large, and the sampler is used
NEWTON_STEPS = 8
PARETO_K_LIMIT = 0.7
SMALLEST_WORTH = 0.2  # share of draws that weights must leave


@dataclass(frozen=True, eq=False, kw_only=True)
class Direct:
    """Draws with their weights.

    Attributes
    ----------
    case_mix, level : arrays of shapes (S, K), (S, J)
    class_level, class_log_spread : arrays of shape (S, G)
    common, typical_log_spread : arrays of shape (S,)
    log_weight : array of shape (S,)
        Exact posterior over the density drawn from, up to a constant.
    check : Check
        Whether the weights are sound; "fail" means that the draws must not be used.
    """

    case_mix: FloatArray
    level: FloatArray
    class_level: FloatArray
    class_log_spread: FloatArray
    common: FloatArray
    typical_log_spread: FloatArray
    log_weight: FloatArray
    check: Check


def draw(
    cells: Cells, priors: BinomialPriors, near: Laplace, collapsed: Collapsed, *, draws: int, seed: int
) -> Direct | None:
    """Draw from the posterior; None where a grid cannot be placed or there are too many case-mix terms.

    Parameters
    ----------
    near
        Where the posterior lies, roughly.
    collapsed
        The likelihood's bins; exact cells enter through the weights.
    draws
        How many draws, all independent.
    """
    if len(cells.terms) > MOST_TERMS:
        return None
    bins = _Bins.of(collapsed, cells, near)
    placed = [_place_class(bins, g, near, priors) for g in range(len(cells.groups))]
    if any(grid is None for grid in placed):
        return None
    classes = [bins.expand(g, grid) for g, grid in enumerate(placed) if grid is not None]
    outer = _place_common(classes, priors, near)
    if outer is None:
        return None
    rng = np.random.default_rng(seed)
    found = _case_mix_mode(classes, outer, priors, collapsed)
    if found is None:
        return None
    centre, lower = found
    noise, log_q = _skewed_normal(_third_derivative(cells, near, lower), (draws, len(cells.terms)), rng)
    step = centre + noise @ lower.T
    hyper, log_hyper = _draw_hyper(classes, outer, priors, step, rng)
    case_mix = step + near.case_mix
    from soa_evidence.units.direct_kernels import unit_levels

    level, log_levels = unit_levels(
        np.exp(case_mix @ bins.design.T),
        bins.starts,
        bins.trials,
        bins.seen,
        cells.group_of_unit,
        hyper.class_level,
        np.exp(hyper.class_log_spread),
        near.unit_level,
        near.unit_information,
        rng.random((draws, len(cells.units))),
    )
    target = exact_log_likelihood(cells, collapsed, case_mix, level)
    target += _log_prior(hyper, case_mix, level, cells, priors)
    weight = target - (log_q + log_hyper + log_levels)
    return Direct(
        case_mix=case_mix,
        level=level,
        class_level=hyper.class_level,
        class_log_spread=hyper.class_log_spread,
        common=hyper.common,
        typical_log_spread=hyper.typical_log_spread,
        log_weight=weight,
        check=_check(weight),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Bins:
    """The likelihood's bins in the order of units, and the events that go with them."""

    units_of: tuple[IntArray, ...]
    starts: IntArray
    trials: FloatArray
    design: FloatArray
    odds: FloatArray
    seen: FloatArray
    own: FloatArray
    information: FloatArray

    @classmethod
    def of(cls, collapsed: Collapsed, cells: Cells, near: Laplace) -> _Bins:
        order = np.argsort(collapsed.unit, kind="stable")
        counts = np.bincount(collapsed.unit, minlength=len(cells.units))
        design = np.ascontiguousarray(collapsed.design[order])
        return cls(
            units_of=tuple(np.flatnonzero(cells.group_of_unit == g) for g in range(len(cells.groups))),
            starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            trials=collapsed.trials[order],
            design=design,
            odds=np.exp(design @ collapsed.mode_case_mix),
            seen=collapsed.events_by_unit - collapsed.lost_by_unit,
            own=near.unit_level,
            information=near.unit_information,
        )

    def integrate(
        self, g: int, grid: Grid, *, derivatives: bool
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        level, log_spread = grid.points()
        from soa_evidence.units.direct_kernels import class_grid

        value, gradient, curvature = class_grid(
            level,
            np.exp(log_spread),
            self.units_of[g],
            self.starts,
            self.odds,
            self.trials,
            self.seen,
            self.own,
            self.information,
            self.design,
            derivatives,
        )
        return value, gradient, curvature

    def expand(self, g: int, grid: Grid) -> ClassGrid:
        value, gradient, curvature = self.integrate(g, grid, derivatives=True)
        return ClassGrid(grid=grid, value=value, gradient=gradient, curvature=curvature)


def _place_class(bins: _Bins, g: int, near: Laplace, priors: BinomialPriors) -> Grid | None:
    """Find the rectangle that holds a class's posterior, with the classes' common parts at their prior."""
    units = bins.units_of[g]
    typical, wide = priors.common_log_spread, priors.class_log_spread_sd
    centre, spread = float(near.unit_mode[units].mean()), float(near.group_spread[g])
    spread_sd = 1 / np.sqrt(2.0 * len(units) + 1 / (typical.sd**2 + wide**2))
    level_sd = np.sqrt((spread**2 + np.mean(1 / (near.unit_information[units] + spread**-2))) / len(units))
    outer_sd = np.hypot(typical.sd, wide)

    def density(grid: Grid) -> FloatArray:
        value, _, _ = bins.integrate(g, grid, derivatives=False)
        level, log_spread = grid.points()
        # the common level is all but free, so a class's own prior is as wide as the common one and its own
        value = value - 0.5 * ((log_spread - typical.mean) / outer_sd) ** 2
        return np.asarray(
            value
            - 0.5
            * (
                (level - priors.common_log_odds.mean)
                / np.hypot(priors.common_log_odds.sd, priors.class_log_odds_sd)
            )
            ** 2
        )

    box = [
        centre - 6 * level_sd - 0.01, centre + 6 * level_sd + 0.01,
        np.log(spread) - 6 * spread_sd, np.log(spread) + 5 * spread_sd,
    ]  # fmt: skip
    return settle(density, box)


def _place_common(classes: list[ClassGrid], priors: BinomialPriors, near: Laplace) -> Grid | None:
    level_sd = priors.class_log_odds_sd / np.sqrt(len(classes))
    spread_sd = 1 / np.sqrt(len(classes) / priors.class_log_spread_sd**2 + priors.common_log_spread.sd**-2)
    centre = float(near.unit_mode.mean())
    none = np.zeros((1, classes[0].gradient.shape[1]))
    values = [c.at(none) for c in classes]

    def density(grid: Grid) -> FloatArray:
        return common_density(classes, values, grid, priors)[0].ravel()

    log_spread = float(np.log(near.group_spread).mean())
    box = [
        centre - 6 * level_sd, centre + 6 * level_sd,
        log_spread - 6 * spread_sd, log_spread + 6 * spread_sd,
    ]  # fmt: skip
    return settle(density, box)


def _case_mix_mode(
    classes: list[ClassGrid], outer: Grid, priors: BinomialPriors, collapsed: Collapsed
) -> tuple[FloatArray, FloatArray] | None:
    """Mode of the case mix (as a step from the expansion's centre) and the root of its covariance."""
    terms = len(collapsed.mode_case_mix)
    step = np.zeros(terms)
    if terms == 0:
        return step, np.zeros((0, 0))
    prior = np.eye(terms) / priors.case_mix_log_odds.sd**2
    linear = collapsed.events_by_term - collapsed.lost_by_term
    for _ in range(NEWTON_STEPS):
        values = [one.at(step[None]) for one in classes]
        total, parts = common_density(classes, values, outer, priors)
        weight = shares(total[0].ravel())
        by_class = [
            class_shares(one, value, part[0], outer, weight, priors)
            for one, value, part in zip(classes, values, parts, strict=True)
        ]
        gradient = linear - collapsed.lost_curvature @ step
        gradient = gradient - prior @ (step + collapsed.mode_case_mix - priors.case_mix_log_odds.mean)
        curvature = -collapsed.lost_curvature - prior
        for one, share in zip(classes, by_class, strict=True):
            slopes = one.gradient + one.curvature @ step
            mean = share @ slopes
            gradient = gradient + mean
            spare = slopes - mean
            curvature = curvature + np.tensordot(share, one.curvature, 1) + (spare * share[:, None]).T @ spare
        try:
            lower = np.linalg.cholesky(np.linalg.inv(-curvature))
        except np.linalg.LinAlgError:
            return None
        move = lower @ (lower.T @ gradient)
        step = step + move
        if np.abs(move / np.sqrt(np.diag(lower @ lower.T))).max() < 1e-4:
            break
    return step, lower


def _third_derivative(cells: Cells, near: Laplace, directions: FloatArray) -> FloatArray:
    """Of the sum of n log(1 + exp(eta)) at the mode along each column of `directions`; shape (K,).

    Over every cell: a rare level is what is skewed, and bins average it away.
    """
    risk = expit((cells.design @ near.case_mix)[cells.pattern] + near.unit_mode[cells.unit])
    bend = cells.trials * risk * (1 - risk) * (1 - 2 * risk)
    by_pattern = np.bincount(cells.pattern, weights=bend, minlength=len(cells.design))
    return np.asarray(by_pattern @ (cells.design @ directions) ** 3)


def _skewed_normal(
    third: FloatArray, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw standard normals with a wider side where the third derivative asks for it; with log densities.

    exp(-z²/2 - t z³/6) is matched at z = ±2.5 by a normal of one width below 0 and of another above.
    """
    tilt = np.clip(third * 2.5 / 3, -0.6, 0.6)
    below, above = (1 - tilt) ** -0.5, (1 + tilt) ** -0.5
    size = np.abs(rng.standard_normal(shape))
    up = rng.random(shape) < above / (below + above)
    log_q = -0.5 * np.square(size).sum(axis=1) - np.log(below + above).sum()
    return size * np.where(up, above, -below), log_q


@dataclass(frozen=True, eq=False, kw_only=True)
class _Hyper:
    common: FloatArray
    typical_log_spread: FloatArray
    class_level: FloatArray
    class_log_spread: FloatArray


def _draw_hyper(
    classes: list[ClassGrid], outer: Grid, priors: BinomialPriors, step: FloatArray, rng: np.random.Generator
) -> tuple[_Hyper, FloatArray]:
    """Draw what is common to classes, then every class's level and log spread; with their log density."""
    values = [one.at(step) for one in classes]
    total, _ = common_density(classes, values, outer, priors)
    common, typical, log_q = draw_cell(total, outer, rng.random((len(step), 3)))
    levels, spreads = [], []
    for one, value in zip(classes, values, strict=True):
        height = value.reshape(len(step), len(one.grid.level), len(one.grid.log_spread))
        height = (
            height
            - 0.5 * ((one.grid.level - common[:, None]) / priors.class_log_odds_sd)[:, :, None] ** 2
            - 0.5 * ((one.grid.log_spread - typical[:, None]) / priors.class_log_spread_sd)[:, None, :] ** 2
        )
        level, log_spread, log_cell = draw_cell(height, one.grid, rng.random((len(step), 3)))
        levels.append(level)
        spreads.append(log_spread)
        log_q = log_q + log_cell
    hyper = _Hyper(
        common=common,
        typical_log_spread=typical,
        class_level=np.column_stack(levels),
        class_log_spread=np.column_stack(spreads),
    )
    return hyper, log_q


def _log_prior(
    hyper: _Hyper, case_mix: FloatArray, level: FloatArray, cells: Cells, priors: BinomialPriors
) -> FloatArray:
    """Log density of all priors, those of the units included, up to a constant."""
    g = cells.group_of_unit
    spread = np.exp(hyper.class_log_spread)
    terms = priors.case_mix_log_odds
    total = (
        -0.5 * ((hyper.common - priors.common_log_odds.mean) / priors.common_log_odds.sd) ** 2
        - 0.5
        * ((hyper.typical_log_spread - priors.common_log_spread.mean) / priors.common_log_spread.sd) ** 2
        - 0.5 * np.square((hyper.class_level - hyper.common[:, None]) / priors.class_log_odds_sd).sum(axis=1)
        - 0.5
        * np.square(
            (hyper.class_log_spread - hyper.typical_log_spread[:, None]) / priors.class_log_spread_sd
        ).sum(axis=1)
        - 0.5 * np.square((case_mix - terms.mean) / terms.sd).sum(axis=1)
    )
    units = np.bincount(g, minlength=spread.shape[1])
    apart = np.square((level - hyper.class_level[:, g]) / spread[:, g]).sum(axis=1)
    return np.asarray(total - 0.5 * apart - hyper.class_log_spread @ units)


def _check(weight: FloatArray) -> Check:
    from arviz_stats.base.array import array_stats  # not yet at the top level of ArviZ

    share = shares(weight)
    worth = float(1 / np.square(share).sum() / len(weight))
    k = float(array_stats.psislw(weight - weight.max())[1])  # type: ignore[no-untyped-call]
    sound = np.isfinite(weight).all() and k < PARETO_K_LIMIT and worth > SMALLEST_WORTH
    return Check(
        name="independent draws, Pareto k of the exact correction",
        verdict="pass" if sound else "fail",
        observed=f"k {k:.2f}; {len(weight):,} draws worth {worth:.0%} of as many from the exact posterior",
        expected=f"k below {PARETO_K_LIMIT}, worth above {SMALLEST_WORTH:.0%}",
        why="draws come from a close stand-in of the posterior and are weighted to be exact; were the "
        "stand-in not close, the weights would show it",
    )
