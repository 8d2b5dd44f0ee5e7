"""What independent draws share whatever the outcome: classes' levels and spreads around what is common.

The log integral over a class's units is given on a grid of (level, log spread) with its expansion in the
terms of the model that all units share (case mix, cut points). From there on nothing depends on the kind of
outcome: where the grids lie, the mode of the terms, draws of what is common and of each class, their prior,
and whether the weights that make the draws exact are sound.

When not to use it: by itself; `units.direct` and `units.gaussian_direct` call it.

Checked against: the engines as a whole, in tests/reference/binomial and tests/reference/units_outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.priors import LevelPriors, Normal
from soa_evidence.results import Check
from soa_evidence.units.direct_grids import (
    ClassGrid,
    Grid,
    class_shares,
    common_density,
    draw_cell,
    settle,
    shares,
)
from soa_evidence.units.weights import PARETO_K_LIMIT, pareto_k
from soa_evidence.units.weights import worth as worth_of

__all__ = [
    "NOWHERE",
    "Hyper",
    "TermDensity",
    "draw_hyper",
    "log_prior",
    "normal_terms",
    "place_class",
    "place_common",
    "term_mode",
    "weight_check",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NEWTON_STEPS = 8
NOWHERE = -1e9  # log density, at most, of terms that cannot be
SMALLEST_WORTH = 0.2  # share of draws that weights must leave


@dataclass(frozen=True, kw_only=True)
class TermDensity:
    """Log density of the shared terms: their prior, and any part of the likelihood that is theirs alone.

    Attributes
    ----------
    value
        Terms (S, K) to log densities (S,), up to a constant.
    slope
        Terms (K,) to gradient (K,) and curvature (K, K).
    """

    value: Callable[[FloatArray], FloatArray]
    slope: Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def normal_terms(prior: Normal, count: int) -> TermDensity:
    """Independent normal priors of `count` terms."""
    precision = prior.sd**-2.0
    return TermDensity(
        value=lambda terms: np.asarray(-0.5 * precision * np.square(terms - prior.mean).sum(axis=1)),
        slope=lambda terms: (-precision * (terms - prior.mean), -precision * np.eye(count)),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Hyper:
    """Draws of what is common to classes, (S,), and of each class, (S, G)."""

    common: FloatArray
    typical_log_spread: FloatArray
    class_level: FloatArray
    class_log_spread: FloatArray


def place_class(
    integral: Callable[[Grid], FloatArray],
    *,
    centre: float,
    spread: float,
    information: FloatArray,
    levels: LevelPriors,
    spread_sd: float | None = None,
) -> Grid | None:
    """Find the rectangle that holds a class's posterior, with the classes' common parts at their prior.

    Parameters
    ----------
    integral
        Log integral over the levels of the class's units at every point of a grid.
    centre, spread
        About where the class's level lies, and its spread.
    information : array
        What each of its units' data say of its level, 1 / variance.
    spread_sd
        How uncertain the log spread may be; from the number of units unless given.
    """
    units = len(information)
    typical, wide = levels.log_spread, levels.class_log_spread_sd
    if spread_sd is None:
        spread_sd = 1 / np.sqrt(2.0 * units + 1 / (typical.sd**2 + wide**2))
    level_sd = np.sqrt((spread**2 + np.mean(1 / (information + spread**-2))) / units)
    outer_sd = np.hypot(typical.sd, wide)

    def density(grid: Grid) -> FloatArray:
        value = integral(grid)
        level, log_spread = grid.points()
        # the common level is all but free, so a class's own prior is as wide as the common one and its own
        value = value - 0.5 * ((log_spread - typical.mean) / outer_sd) ** 2
        free = np.hypot(levels.common.sd, levels.class_sd)
        return np.asarray(value - 0.5 * ((level - levels.common.mean) / free) ** 2)

    margin = 0.02 * levels.class_sd
    box = [
        centre - 6 * level_sd - margin, centre + 6 * level_sd + margin,
        np.log(spread) - 6 * spread_sd, np.log(spread) + 5 * spread_sd,
    ]  # fmt: skip
    return settle(density, box)


def place_common(
    classes: list[ClassGrid], levels: LevelPriors, centre: float, log_spread: float
) -> Grid | None:
    """Find the rectangle that holds the posterior of what is common to classes."""
    level_sd = levels.class_sd / np.sqrt(len(classes))
    spread_sd = 1 / np.sqrt(len(classes) / levels.class_log_spread_sd**2 + levels.log_spread.sd**-2)
    none = np.zeros((1, classes[0].gradient.shape[1]))
    values = [c.at(none) for c in classes]

    def density(grid: Grid) -> FloatArray:
        return common_density(classes, values, grid, levels)[0].ravel()

    box = [
        centre - 6 * level_sd, centre + 6 * level_sd,
        log_spread - 6 * spread_sd, log_spread + 6 * spread_sd,
    ]  # fmt: skip
    return settle(density, box)


def term_mode(
    classes: list[ClassGrid],
    outer: Grid,
    levels: LevelPriors,
    slope: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    count: int,
) -> tuple[FloatArray, FloatArray] | None:
    """Mode of the shared terms (a step from the expansion's centre) and the root of their covariance.

    Parameters
    ----------
    slope
        Gradient and curvature, at a step, of everything that the classes' grids leave out.
    count
        How many terms there are.
    """
    step = np.zeros(count)
    if count == 0:
        return step, np.zeros((0, 0))
    lower = np.zeros((count, count))
    for _ in range(NEWTON_STEPS):
        values = [one.at(step[None]) for one in classes]
        total, parts = common_density(classes, values, outer, levels)
        weight = shares(total[0].ravel())
        by_class = [
            class_shares(one, value, part[0], outer, weight, levels)
            for one, value, part in zip(classes, values, parts, strict=True)
        ]
        gradient, curvature = slope(step)
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


def draw_hyper(
    classes: list[ClassGrid], outer: Grid, levels: LevelPriors, step: FloatArray, rng: np.random.Generator
) -> tuple[Hyper, FloatArray]:
    """Draw what is common to classes, then every class's level and log spread; with their log density.

    Parameters
    ----------
    step : array of shape (S, K)
        Drawn terms, as steps from the expansion's centre.
    """
    values = [one.at(step) for one in classes]
    total, _ = common_density(classes, values, outer, levels)
    common, typical, log_q = draw_cell(total, outer, rng.random((len(step), 3)))
    drawn, spreads = [], []
    for one, value in zip(classes, values, strict=True):
        height = value.reshape(len(step), len(one.grid.level), len(one.grid.log_spread))
        height = (
            height
            - 0.5 * ((one.grid.level - common[:, None]) / levels.class_sd)[:, :, None] ** 2
            - 0.5 * ((one.grid.log_spread - typical[:, None]) / levels.class_log_spread_sd)[:, None, :] ** 2
        )
        level, log_spread, log_cell = draw_cell(height, one.grid, rng.random((len(step), 3)))
        drawn.append(level)
        spreads.append(log_spread)
        log_q = log_q + log_cell
    hyper = Hyper(
        common=common,
        typical_log_spread=typical,
        class_level=np.column_stack(drawn),
        class_log_spread=np.column_stack(spreads),
    )
    return hyper, log_q


def log_prior(hyper: Hyper, level: FloatArray, group: IntArray, levels: LevelPriors) -> FloatArray:
    """Log density of levels and spreads of units, classes and what is common to them, up to a constant."""
    spread = np.exp(hyper.class_log_spread)
    apart = hyper.class_log_spread - hyper.typical_log_spread[:, None]
    total = (
        -0.5 * ((hyper.common - levels.common.mean) / levels.common.sd) ** 2
        - 0.5 * ((hyper.typical_log_spread - levels.log_spread.mean) / levels.log_spread.sd) ** 2
        - 0.5 * np.square((hyper.class_level - hyper.common[:, None]) / levels.class_sd).sum(axis=1)
        - 0.5 * np.square(apart / levels.class_log_spread_sd).sum(axis=1)
    )
    units = np.bincount(group, minlength=spread.shape[1])
    from_class = np.square((level - hyper.class_level[:, group]) / spread[:, group]).sum(axis=1)
    return np.asarray(total - 0.5 * from_class - hyper.class_log_spread @ units)


def weight_check(weight: FloatArray) -> Check:
    """Check from log weights whether draws can stand for the exact posterior."""
    known = bool(np.isfinite(weight).all())
    k, worth = (pareto_k(weight), worth_of(weight)) if known else (math.nan, 0.0)
    sound = known and k < PARETO_K_LIMIT and worth > SMALLEST_WORTH
    return Check(
        name="independent draws, Pareto k of the exact correction",
        verdict="pass" if sound else "fail",
        observed=f"k {k:.2f}; {len(weight):,} draws worth {worth:.0%} of as many from the exact posterior",
        expected=f"k below {PARETO_K_LIMIT}, worth above {SMALLEST_WORTH:.0%}",
        why="draws come from a close stand-in of the posterior and are weighted to be exact; were the "
        "stand-in not close, the weights would show it",
    )
