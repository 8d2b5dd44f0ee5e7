"""Compiled loops of `units.poisson`: a unit's level integrated out, and drawn.

Given its class, a unit's level u has the log density

    h(u) = sum over its rows of log P(y | E exp(u)) - (u - mu)² / (2 sigma²)

with Poisson counts, or negative binomial ones of the given size. Both are log-concave in u, and so is the
probability of at least so many events; so each integral is taken by Gauss-Hermite nodes about the one mode,
and levels are drawn exactly by rejection under Devroye's envelope.

Source: Naylor and Smith (1982), Applied Statistics 31:214, for nodes about the mode; Devroye (1986),
Non-Uniform Random Variate Generation, section VII.2, for the envelope of a log-concave density.

Checked against: R's integrate (tests/reference/poisson). Import only where it is used: it loads numba.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from soa_evidence.units.direct_kernels import compiled, in_parallel

__all__ = ["draw_levels", "log_integrals", "log_selections"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NEWTON_STEPS = 100
LONGEST_STEP = 1.0  # of the log ratio: an exponential rate is not to be overshot
CLOSE = 1e-5  # in standard deviations of the level about its mode


@compiled
def counts_terms(
    count: FloatArray, expected: FloatArray, first: int, last: int, size: float, u: float
) -> tuple[float, float, float]:
    """Return log likelihood of a unit's rows at `u`, without what does not depend on u; slope, curvature.

    `size` is the negative binomial's, infinite for Poisson counts.
    """
    ratio = math.exp(u)
    value, slope, bend = 0.0, 0.0, 0.0
    for row in range(first, last):
        mean, seen = expected[row] * ratio, count[row]
        if math.isinf(size):
            value += seen * u - mean
            slope += seen - mean
            bend -= mean
        else:
            share = mean / (mean + size)
            value += seen * u - (seen + size) * math.log1p(mean / size)
            slope += seen - (seen + size) * share
            bend -= (seen + size) * share * (1 - share)
    return value, slope, bend


@compiled
def size_terms(count: FloatArray, first: int, last: int, size: float) -> float:
    """Return what a negative binomial log likelihood holds of its size alone, beside that of a Poisson."""
    total = 0.0
    if math.isinf(size):
        return total
    for row in range(first, last):
        seen = count[row]
        if seen <= 200:
            for k in range(1, int(seen)):
                total += math.log1p(k / size)
        else:
            total += math.lgamma(seen + size) - math.lgamma(size) - seen * math.log(size)
    return total


@compiled
def least_terms(least: int, expected: float, u: float) -> tuple[float, float, float]:
    """Return the log probability of a Poisson count of at least `least`, its slope and curvature in u."""
    mean = expected * math.exp(u)
    log_at = least * (math.log(expected) + u) - mean - math.lgamma(least + 1.0)
    if mean > least + 12 * math.sqrt(mean) + 12:  # surely so many: less than 1e-20 is missing
        return 0.0, 0.0, 0.0
    if mean < least:
        term, total, k = 1.0, 1.0, least
        while term > 1e-17 * total:
            k += 1
            term *= mean / k
            total += term
        value = log_at + math.log(total)
    else:
        term, total = math.exp(log_at), 0.0
        for k in range(least, 0, -1):
            term *= k / mean
            total += term
        value = math.log1p(-min(total, 1.0 - 1e-16))
    hazard = least * math.exp(log_at - value)
    return value, hazard, hazard * (least - mean - hazard)


@compiled
def terms(
    count: FloatArray, expected: FloatArray, first: int, last: int, size: float, least: int, u: float
) -> tuple[float, float, float]:
    """Return the counts' terms, or with `least` above 0 those of having been so many at least."""
    if least > 0:
        return least_terms(least, expected[first], u)
    return counts_terms(count, expected, first, last, size, u)


@compiled
def mode(
    count: FloatArray,
    expected: FloatArray,
    first: int,
    last: int,
    size: float,
    least: int,
    mu: float,
    sigma: float,
) -> tuple[float, float, float]:
    """Return the mode of h, a width there, and h at the mode."""
    precision = 1 / sigma**2
    seen, due = 0.5, 0.5 * math.exp(-mu)
    for row in range(first, last):
        seen += count[row]
        due += expected[row]
    u = mu
    if least == 0:
        u = (seen * math.log(seen / due) + precision * mu) / (seen + precision)
    width = sigma
    for _ in range(NEWTON_STEPS):
        _, slope, bend = terms(count, expected, first, last, size, least, u)
        slope -= (u - mu) * precision
        width = 1 / math.sqrt(precision - bend)
        step = slope * width**2
        u += min(max(step, -LONGEST_STEP), LONGEST_STEP)
        if abs(step) < CLOSE * width:
            break
    value, _, bend = terms(count, expected, first, last, size, least, u)
    return u, 1 / math.sqrt(precision - bend), value - 0.5 * ((u - mu) / sigma) ** 2


@compiled
def log_integral(
    count: FloatArray,
    expected: FloatArray,
    first: int,
    last: int,
    size: float,
    least: int,
    mu: float,
    sigma: float,
    nodes: FloatArray,
    log_weights: FloatArray,
) -> tuple[float, float, float]:
    """Return the log integral of exp(h) over u, its mode and h there; `log_weights` hold exp(z²/2)."""
    at, width, top = mode(count, expected, first, last, size, least, mu, sigma)
    total = 0.0
    for k in range(len(nodes)):
        u = at + width * nodes[k]
        value, _, _ = terms(count, expected, first, last, size, least, u)
        total += math.exp(log_weights[k] + value - 0.5 * ((u - mu) / sigma) ** 2 - top)
    return top + math.log(total) + math.log(width), at, top


@in_parallel
def log_integrals(
    count: FloatArray,
    expected: FloatArray,
    first: IntArray,
    group: IntArray,
    level: FloatArray,
    spread: FloatArray,
    size: FloatArray,
    nodes: FloatArray,
    log_weights: FloatArray,
) -> FloatArray:
    """Return for every unit and draw, (J, S), the log likelihood with its level integrated out.

    Up to a constant of the data; `level` and `spread` are (S, G), `size` (S,).
    """
    found = np.empty((len(group), len(size)))
    for j in numba.prange(len(group)):
        g = group[j]
        for s in range(len(size)):
            integral, _, _ = log_integral(
                count, expected, first[j], first[j + 1], size[s], 0,
                level[s, g], spread[s, g], nodes, log_weights,
            )  # fmt: skip
            found[j, s] = integral - math.log(spread[s, g]) - 0.5 * math.log(2 * math.pi)
            found[j, s] += size_terms(count, first[j], first[j + 1], size[s])
    return found


@in_parallel
def log_selections(
    count: FloatArray,
    expected: FloatArray,
    group: IntArray,
    least: int,
    level: FloatArray,
    spread: FloatArray,
    nodes: FloatArray,
    log_weights: FloatArray,
) -> FloatArray:
    """Return for every unit and draw, (J, S), the log probability of `least` Poisson events or more."""
    found = np.empty((len(group), len(level)))
    for j in numba.prange(len(group)):
        g = group[j]
        for s in range(len(level)):
            integral, _, _ = log_integral(
                count, expected, j, j + 1, np.inf, least, level[s, g], spread[s, g], nodes, log_weights
            )
            found[j, s] = integral - math.log(spread[s, g]) - 0.5 * math.log(2 * math.pi)
    return found


@compiled
def draw_levels(
    count: FloatArray,
    expected: FloatArray,
    first: IntArray,
    group: IntArray,
    level: FloatArray,
    spread: FloatArray,
    size: FloatArray,
    nodes: FloatArray,
    log_weights: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw every unit's level given its class, (S, J), exactly."""
    found = np.empty((len(size), len(group)))
    for s in range(len(size)):
        for j in range(len(group)):
            mu, sigma = level[s, group[j]], spread[s, group[j]]
            total, at, top = log_integral(
                count, expected, first[j], first[j + 1], size[s], 0, mu, sigma, nodes, log_weights
            )
            height = math.exp(top - total)  # of the density at its mode
            while True:
                side, lift = rng.random(), rng.random()
                if side < 0.5:
                    y, log_cover = 4 * side - 1, 0.0
                else:
                    away = -math.log(1.0 - rng.random())
                    y, log_cover = (1 + away if side < 0.75 else -1 - away), -away
                u = at + y / height
                value, _, _ = counts_terms(count, expected, first[j], first[j + 1], size[s], u)
                if math.log(1.0 - lift) + log_cover <= value - 0.5 * ((u - mu) / sigma) ** 2 - top:
                    break
            found[s, j] = u
    return found
