"""Compiled loops of `units.gaussian_direct`: one unit's level, its residual spread integrated out.

For a unit with n patients, adjusted mean r, residual sum of squares S and a scaled inverse chi-square prior
of its variance (nu degrees of freedom about s0²), the log density of its level u under N(mu, sigma²) is

    h(u) = -(nu + n)/2 log(nu s0² + S + n (u - r)²) - (u - mu)² / (2 sigma²).

Import this module only where it is used: it loads numba.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from soa_evidence.units.direct_kernels import COARSE, FINE, compiled, in_parallel, place

__all__ = ["class_grid", "unit_levels"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NEWTON_STEPS = 60
CLOSE = 1e-6
NODES = 21
REACH = 7.0


@compiled
def log_density(n: float, r: float, left: float, dof: float, mu: float, sigma: float, u: float) -> float:
    """Return h at `u`; `left` is nu s0² + S and `dof` is nu + n."""
    return -0.5 * dof * math.log(left + n * (u - r) ** 2) - 0.5 * ((u - mu) / sigma) ** 2


@compiled
def mode(n: float, r: float, left: float, dof: float, mu: float, sigma: float) -> tuple[float, float]:
    """Return a mode of h and a width there.

    The likelihood's weight is that of a t distribution: iterated weighting climbs from the normal answer and
    cannot overshoot.
    """
    u = r
    precision = dof * n / left
    for _ in range(NEWTON_STEPS):
        precision = dof * n / (left + n * (u - r) ** 2)
        to = (precision * r + mu / sigma**2) / (precision + 1 / sigma**2)
        moved = abs(to - u)
        u = to
        if moved * math.sqrt(precision + 1 / sigma**2) < CLOSE:
            break
    squared = left + n * (u - r) ** 2
    curvature = dof * n * (left - n * (u - r) ** 2) / squared**2 + 1 / sigma**2
    # Between a unit's data and its class there may be a plateau; then the weights' width serves.
    return u, 1 / math.sqrt(max(curvature, 0.3 * (precision + 1 / sigma**2)))


@in_parallel
def class_grid(
    mu: FloatArray,
    sigma: FloatArray,
    units: IntArray,
    count: FloatArray,
    adjusted: FloatArray,
    left: FloatArray,
    dof: FloatArray,
) -> FloatArray:
    """Log integral over the levels of `units` at each (mu, sigma); arrays by unit, shape (J,)."""
    value = np.zeros(len(mu))
    for m in numba.prange(len(mu)):
        for j in units:
            u, sd = mode(count[j], adjusted[j], left[j], dof[j], mu[m], sigma[m])
            top = log_density(count[j], adjusted[j], left[j], dof[j], mu[m], sigma[m], u)
            step = 2 * REACH / (NODES - 1)
            total = 0.0
            for k in range(NODES):
                at = u + sd * (k * step - REACH)
                total += math.exp(
                    log_density(count[j], adjusted[j], left[j], dof[j], mu[m], sigma[m], at) - top
                )
            value[m] += top + math.log(total * step * sd / sigma[m])
    return value


@in_parallel
def unit_levels(
    count: FloatArray,
    group: IntArray,
    adjusted: FloatArray,
    left: FloatArray,
    dof: FloatArray,
    mu: FloatArray,
    sigma: FloatArray,
    uniform: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Draw every unit's level, and the log density it was drawn from.

    adjusted, left, dof, uniform (S, J); mu, sigma (S, G). Returns (S, J) and (S,).
    """
    draws, units = uniform.shape
    level, log_q = np.empty((draws, units)), np.zeros(draws)
    for s in numba.prange(draws):
        known, heights = np.empty(len(COARSE)), np.empty(len(FINE))
        for j in range(units):
            m, spread = mu[s, group[j]], sigma[s, group[j]]
            n, r, a, v = count[j], adjusted[s, j], left[s, j], dof[s, j]
            u, sd = mode(n, r, a, v, m, spread)
            top = log_density(n, r, a, v, m, spread, u)
            for k in range(len(COARSE)):
                known[k] = log_density(n, r, a, v, m, spread, u + sd * COARSE[k]) - top + 0.5 * COARSE[k] ** 2
            at, log_height = place(known, heights, uniform[s, j])
            level[s, j] = u + sd * at
            log_q[s] += log_height - math.log(sd)
    return level, log_q
