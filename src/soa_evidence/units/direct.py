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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from soa_evidence.priors import HasLevels, LevelPriors
from soa_evidence.results import Check
from soa_evidence.units.cells import Cells
from soa_evidence.units.collapse import Collapsed, exact_log_likelihood
from soa_evidence.units.direct_classes import (
    TermDensity,
    draw_hyper,
    log_prior,
    place_class,
    place_common,
    term_mode,
    weight_check,
)
from soa_evidence.units.direct_grids import ClassGrid, Grid
from soa_evidence.units.laplace import Laplace

__all__ = ["Direct", "draw"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_TERMS = 60  # beyond it the expansion's memory is too large, and the sampler is used


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
    cells: Cells,
    priors: HasLevels,
    near: Laplace,
    collapsed: Collapsed,
    density: TermDensity,
    *,
    draws: int,
    seed: int,
) -> Direct | None:
    """Draw from the posterior; None where a grid cannot be placed or there are too many case-mix terms.

    Parameters
    ----------
    near
        Where the posterior lies, roughly.
    collapsed
        The likelihood's bins; exact cells enter through the weights.
    density
        Of the case-mix terms: their prior, and any part of the likelihood that is theirs alone.
    draws
        How many draws, all independent.
    """
    if len(cells.terms) > MOST_TERMS:
        return None
    levels = priors.levels
    bins = _Bins.of(collapsed, cells, near)
    placed = [_place_class(bins, g, near, levels) for g in range(len(cells.groups))]
    if any(grid is None for grid in placed):
        return None
    classes = [bins.expand(g, grid) for g, grid in enumerate(placed) if grid is not None]
    outer = place_common(
        classes, levels, float(near.unit_mode.mean()), float(np.log(near.group_spread).mean())
    )
    if outer is None:
        return None
    rng = np.random.default_rng(seed)
    found = term_mode(classes, outer, levels, _case_mix_slope(collapsed, density), len(cells.terms))
    if found is None:
        return None
    centre, lower = found
    noise, log_q = _skewed_normal(_third_derivative(cells, near, lower), (draws, len(cells.terms)), rng)
    step = centre + noise @ lower.T
    hyper, log_hyper = draw_hyper(classes, outer, levels, step, rng)
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
    target += log_prior(hyper, level, cells.group_of_unit, levels) + density.value(case_mix)
    weight = target - (log_q + log_hyper + log_levels)
    return Direct(
        case_mix=case_mix,
        level=level,
        class_level=hyper.class_level,
        class_log_spread=hyper.class_log_spread,
        common=hyper.common,
        typical_log_spread=hyper.typical_log_spread,
        log_weight=weight,
        check=weight_check(weight),
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


def _place_class(bins: _Bins, g: int, near: Laplace, levels: LevelPriors) -> Grid | None:
    return place_class(
        lambda grid: bins.integrate(g, grid, derivatives=False)[0],
        centre=float(near.unit_mode[bins.units_of[g]].mean()),
        spread=float(near.group_spread[g]),
        information=near.unit_information[bins.units_of[g]],
        levels=levels,
    )


def _case_mix_slope(
    collapsed: Collapsed, density: TermDensity
) -> Callable[[FloatArray], tuple[FloatArray, FloatArray]]:
    """Gradient and curvature, at a step of the case mix, of what the classes' grids leave out."""
    linear = collapsed.events_by_term - collapsed.lost_by_term

    def slope(step: FloatArray) -> tuple[FloatArray, FloatArray]:
        gradient, curvature = density.slope(step + collapsed.mode_case_mix)
        gradient = gradient + linear - collapsed.lost_curvature @ step
        return gradient, curvature - collapsed.lost_curvature

    return slope


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
