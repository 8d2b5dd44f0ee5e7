"""Compiled loops of `units.direct`: integrals over one unit's level, and draws from it.

Each loop looks at one unit at a time: its bins' linear predictors, trials and events, and a normal prior
N(mu, sigma²) of its level u. The log density of u is

    h(u) = seen u - sum over bins of n log(1 + exp(eta_b + u)) - (u - mu)² / (2 sigma²).

Loops run over draws or grid points in parallel; each writes its own place, so the number of threads does not
touch the numbers.

Import this module only where it is used: it loads numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["COARSE", "FINE", "class_grid", "compiled", "in_parallel", "place", "unit_levels"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NEWTON_STEPS = 40
CLOSE = 1e-3  # in posterior standard deviations of the level; nodes need to lie about the mode, no more
# Nodes one standard deviation apart: for a bell-shaped integrand the trapezium rule is then good to 1e-8.
NODES = 13
REACH = 6.0
# A level is drawn from its density given at a few points, interpolated on the log scale to many.
COARSE = np.linspace(-5.4, 5.4, 9)
FINE = np.linspace(-5.4, 5.4, 41)


def _interpolation(at: FloatArray, to: FloatArray) -> FloatArray:
    """Matrix that takes values at `at` to the polynomial through them at `to`."""
    return np.array(
        [
            [
                math.prod((x - at[m]) / (at[k] - at[m]) for m in range(len(at)) if m != k)
                for k in range(len(at))
            ]
            for x in to
        ]
    )


INTERPOLATION = _interpolation(COARSE, FINE)


def compiled[F: Callable[..., Any]](function: F) -> F:
    """Compile `function` when first called, and keep the machine code beside the source."""
    return cast(F, numba.njit(cache=True, nogil=True)(function))


def in_parallel[F: Callable[..., Any]](function: F) -> F:
    """Compile `function`, whose `prange` loop is then shared out over the cores."""
    return cast(F, numba.njit(cache=True, nogil=True, parallel=True)(function))


@compiled
def start(own: float, information: float, mu: float, sigma: float) -> float:
    """Return where a normal likelihood and the prior would put the mode; never far out."""
    precision = 1 / sigma**2
    at = (information * own + precision * mu) / (information + precision)
    return min(max(at, mu - 6.0), mu + 6.0)


@compiled
def mode(
    odds: FloatArray,
    trials: FloatArray,
    first: int,
    last: int,
    seen: float,
    mu: float,
    sigma: float,
    u: float,
) -> tuple[float, float]:
    """Return the mode of h and its curvature there, by Newton steps kept within two units of log odds."""
    precision = 1 / sigma**2
    curvature = precision
    for _ in range(NEWTON_STEPS):
        slope, curvature = seen - precision * (u - mu), precision
        lift = math.exp(u)
        for b in range(first, last):
            p = odds[b] * lift / (1 + odds[b] * lift)
            slope -= trials[b] * p
            curvature += trials[b] * p * (1 - p)
        step = min(max(slope / curvature, -2.0), 2.0)
        u += step
        if abs(step) * math.sqrt(curvature) < CLOSE:
            break
    return u, curvature


@compiled
def log_density(
    odds: FloatArray,
    trials: FloatArray,
    first: int,
    last: int,
    seen: float,
    mu: float,
    sigma: float,
    u: float,
) -> float:
    """Return h at `u`."""
    lift = math.exp(u)
    total = seen * u - 0.5 * ((u - mu) / sigma) ** 2
    for b in range(first, last):
        total -= trials[b] * math.log1p(odds[b] * lift)
    return total


@in_parallel
def class_grid(
    mu: FloatArray,
    sigma: FloatArray,
    units: IntArray,
    starts: IntArray,
    odds: FloatArray,
    trials: FloatArray,
    seen: FloatArray,
    own: FloatArray,
    information: FloatArray,
    design: FloatArray,
    derivatives: bool,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log integral over the levels of `units`, with gradient and curvature in the case mix, per point."""
    points, terms = len(mu), design.shape[1]
    value = np.zeros(points)
    gradient = np.zeros((points, terms if derivatives else 0))
    curvature = np.zeros((points, terms if derivatives else 0, terms if derivatives else 0))
    for m in numba.prange(points):
        heights = np.empty(NODES)
        slopes = np.empty((NODES, terms))
        for j in units:
            first, last = starts[j], starts[j + 1]
            u, sharp = mode(
                odds,
                trials,
                first,
                last,
                seen[j],
                mu[m],
                sigma[m],
                start(own[j], information[j], mu[m], sigma[m]),
            )
            sd = 1 / math.sqrt(sharp)
            step = 2 * REACH / (NODES - 1)
            top = log_density(odds, trials, first, last, seen[j], mu[m], sigma[m], u)
            total = 0.0
            for k in range(NODES):
                at = u + sd * (k * step - REACH)
                heights[k] = math.exp(
                    log_density(odds, trials, first, last, seen[j], mu[m], sigma[m], at) - top
                )
                total += heights[k]
            # the prior's own constant is 1 / sigma; 2 pi is the same for all
            value[m] += top + math.log(total * step * sd / sigma[m])
            if not derivatives:
                continue
            slopes[:] = 0.0
            for k in range(NODES):
                heights[k] /= total
            for b in range(first, last):
                bend = 0.0
                for k in range(NODES):
                    lift = odds[b] * math.exp(u + sd * (k * step - REACH))
                    p = lift / (1 + lift)
                    bend += heights[k] * p * (1 - p)
                    for c in range(terms):
                        slopes[k, c] -= trials[b] * p * design[b, c]
                for c in range(terms):
                    part = trials[b] * bend * design[b, c]
                    for d in range(c + 1):
                        curvature[m, c, d] -= part * design[b, d]
            for c in range(terms):
                mean = 0.0
                for k in range(NODES):
                    mean += heights[k] * slopes[k, c]
                gradient[m, c] += mean
                for k in range(NODES):
                    slopes[k, c] -= mean
            for k in range(NODES):
                for c in range(terms):
                    part = heights[k] * slopes[k, c]
                    for d in range(c + 1):
                        curvature[m, c, d] += part * slopes[k, d]
        if derivatives:
            for c in range(terms):
                for d in range(c):
                    curvature[m, d, c] = curvature[m, c, d]
    return value, gradient, curvature


@compiled
def piece(low: float, high: float, width: float) -> float:
    """Integral of the exponential of a straight line from `low` to `high` over `width`."""
    rise = high - low
    if abs(rise) < 1e-6:
        return width * math.exp(0.5 * (low + high))
    return width * (math.exp(high) - math.exp(low)) / rise


@compiled
def place(known: FloatArray, heights: FloatArray, uniform: float) -> tuple[float, float]:
    """Draw a point from a density given, less a standard normal's, at `COARSE` on the log scale.

    `heights` is room for the finer points. Returns the point and the log density it was drawn from.
    """
    width = FINE[1] - FINE[0]
    for k in range(len(FINE)):
        r = 0.0
        for c in range(len(COARSE)):
            r += INTERPOLATION[k, c] * known[c]
        heights[k] = r - 0.5 * FINE[k] ** 2
    # cells between fine points, the density log-linear inside each
    total = 0.0
    for k in range(len(FINE) - 1):
        total += piece(heights[k], heights[k + 1], width)
    aim = uniform * total
    k = 0
    inside = piece(heights[0], heights[1], width)
    while aim > inside and k < len(FINE) - 2:
        aim -= inside
        k += 1
        inside = piece(heights[k], heights[k + 1], width)
    share = min(max(aim / inside, 0.0), 1.0)
    rise = heights[k + 1] - heights[k]
    # inverse of the log-linear distribution function on the cell
    x = share if abs(rise) < 1e-6 else math.log1p(share * math.expm1(rise)) / rise
    return FINE[k] + x * width, heights[k] + x * rise - math.log(total)


@in_parallel
def unit_levels(
    odds: FloatArray,
    starts: IntArray,
    trials: FloatArray,
    seen: FloatArray,
    group: IntArray,
    mu: FloatArray,
    sigma: FloatArray,
    own: FloatArray,
    information: FloatArray,
    uniform: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Draw every unit's level given its class and the case mix, and the log density it was drawn from.

    odds (S, B) of the bins' case mix; mu, sigma (S, G); uniform (S, J). Returns (S, J) and (S,).
    """
    draws, units = uniform.shape
    level, log_q = np.empty((draws, units)), np.zeros(draws)
    for s in numba.prange(draws):
        known, heights = np.empty(len(COARSE)), np.empty(len(FINE))
        for j in range(units):
            first, last = starts[j], starts[j + 1]
            m, sd_class = mu[s, group[j]], sigma[s, group[j]]
            u, sharp = mode(
                odds[s],
                trials,
                first,
                last,
                seen[j],
                m,
                sd_class,
                start(own[j], information[j], m, sd_class),
            )
            sd = 1 / math.sqrt(sharp)
            top = log_density(odds[s], trials, first, last, seen[j], m, sd_class, u)
            for k in range(len(COARSE)):
                h = log_density(odds[s], trials, first, last, seen[j], m, sd_class, u + sd * COARSE[k])
                known[k] = h - top + 0.5 * COARSE[k] ** 2
            at, log_height = place(known, heights, uniform[s, j])
            level[s, j] = u + sd * at
            log_q[s] += log_height - math.log(sd)
    return level, log_q
