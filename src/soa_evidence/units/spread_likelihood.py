"""Exact likelihood of units' means over years: spread of each year, standing that lasts, sampling error.

For unit j, with the years it was seen in::

    y_j ~ Normal(mean of the years, V_j)
    V_j[s, t] = spread_s spread_t c(|s - t|) + [s = t] sampling variance_jt
    c(0) = 1,  c(d) = kept carried^d

The years' means have a flat prior and are integrated out, so this is a restricted likelihood: with every year
of its own and nothing carried over, its maximum is the REML estimate.

When not to use it: by itself; `units.spread` calls it.

Checked against: metafor's rma.mv (struct "HAR") and rma.uni, and a multivariate normal density
(tests/reference/spread).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soa_evidence.units.spread_frame import Panel

__all__ = ["log_likelihood", "means"]

FloatArray = NDArray[np.float64]


def log_likelihood(panel: Panel, log_spread: FloatArray, kept: FloatArray, carried: FloatArray) -> FloatArray:
    """Log restricted likelihood of draws: log spread (S, T), shares kept and carried (S,); returns (S,)."""
    return np.asarray(_integrate(panel, log_spread, kept, carried)[0])


def means(
    panel: Panel, log_spread: FloatArray, kept: FloatArray, carried: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Draw the years' means given the rest; shape (S, T)."""
    _, centre, precision = _integrate(panel, log_spread, kept, carried)
    lower = np.linalg.cholesky(np.linalg.inv(precision))
    return np.asarray(centre + (lower @ rng.standard_normal(centre.shape)[:, :, None])[:, :, 0])


def _integrate(
    panel: Panel, log_spread: FloatArray, kept: FloatArray, carried: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    # Values are taken from the years' averages first, so that large means cost no digits.
    seen = panel.seen
    level = (panel.value * seen).sum(axis=0) / seen.sum(axis=0)
    quadratic, right, precision = _kernel()(
        panel.value - level, np.where(seen, panel.variance, 0.0), seen, np.exp(log_spread), kept, carried
    )
    centre = np.linalg.solve(precision, right[:, :, None])[:, :, 0]
    _, log_det = np.linalg.slogdet(precision)
    constant = (seen.sum() - seen.shape[1]) * math.log(2 * math.pi)
    total = -0.5 * (quadratic - (right * centre).sum(axis=1) + log_det + constant)
    return total, centre + level, precision


@cache
def _kernel() -> Any:
    """Compiled sums over units: y'V^-1 y + log|V|, V^-1 y and V^-1 by year."""
    from numba import njit

    @njit(cache=True)
    def sums(
        value: FloatArray,
        variance: FloatArray,
        seen: NDArray[np.bool_],
        spread: FloatArray,
        kept: FloatArray,
        carried: FloatArray,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        n_draws, n_years = spread.shape
        quadratic, right = np.zeros(n_draws), np.zeros((n_draws, n_years))
        precision = np.zeros((n_draws, n_years, n_years))
        at = np.zeros(n_years, np.int64)
        lower, inverse = np.zeros((n_years, n_years)), np.zeros((n_years, n_years))
        shared = np.zeros((n_years, n_years))
        for s in range(n_draws):
            for a in range(n_years):
                for b in range(a + 1):
                    c = 1.0 if a == b else kept[s] * carried[s] ** (a - b)
                    shared[a, b] = spread[s, a] * spread[s, b] * c
            for j in range(value.shape[0]):
                m = 0
                for t in range(n_years):
                    if seen[j, t]:
                        at[m] = t
                        m += 1
                for a in range(m):  # Cholesky of V
                    for b in range(a + 1):
                        total = shared[at[a], at[b]]
                        if a == b:
                            total += variance[j, at[a]]
                        for k in range(b):
                            total -= lower[a, k] * lower[b, k]
                        lower[a, b] = math.sqrt(total) if a == b else total / lower[b, b]
                for b in range(m):  # its inverse
                    inverse[b, b] = 1.0 / lower[b, b]
                    for a in range(b + 1, m):
                        total = 0.0
                        for k in range(b, a):
                            total -= lower[a, k] * inverse[k, b]
                        inverse[a, b] = total / lower[a, a]
                for a in range(m):
                    quadratic[s] += 2.0 * math.log(lower[a, a])
                    z = 0.0
                    for b in range(a + 1):
                        z += inverse[a, b] * value[j, at[b]]
                    quadratic[s] += z * z
                    for b in range(a + 1):
                        right[s, at[b]] += inverse[a, b] * z
                        for k in range(a + 1):
                            precision[s, at[b], at[k]] += inverse[a, b] * inverse[a, k]
        return quadratic, right, precision

    return sums
