"""Limits of counts and of weighted sums of counts, each count Poisson.

For one count x, by the exact chi-square form (Garwood) or Byar's approximation of it:

    Garwood   chi²(a; 2x) / 2              to   chi²(1 - a; 2x + 2) / 2,   a = (1 - level) / 2
    Byar      x (1 - 1/9x - z/(3√x))³      to   y (1 - 1/9y + z/(3√y))³,   y = x + 1

For T = Σ w x with X = Σ x, V = Σ w² x, and gamma(m, v) the gamma distribution with that mean and variance:

    dobson, byar   T + √(V / X) (X_limit - X), X's limits being Garwood's or Byar's
    fay_feuer      lower: quantile a of gamma(T, V); upper: 1 - a of gamma(T + max w, V + (max w)²)
    tiwari         lower: the same; upper: 1 - a of gamma(T + mean w, V + mean w²)

Without events Dobson's √(V / X) is 0 / 0; it is then what it would be at one rate in all strata. Limits below
0 are cut there: with very unequal weights Dobson's lower limit may be.

When not to use it: Dobson's and Byar's, where one event in a thin stratum weighs much beside the rate: they
then hold the truth far too seldom (docs/methods/units-standardisation.md has figures). Any, for counts that
vary more than Poisson, or for common events among few patients, for which Poisson limits are too wide.

Sources: Garwood (1936), Biometrika 28:437; Breslow & Day (1987), vol II, eq. 2.13 to 2.15; Dobson et al
(1991), Stat Med 10:457; Fay & Feuer (1997), Stat Med 16:791; Tiwari, Clegg & Zou (2006), SMMR 15:547.

Checked against: R's distributions and epitools in tests/reference/standardisation.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["SumInterval", "byar", "garwood", "weighted_sum"]

FloatArray = NDArray[np.float64]
SumInterval = Literal["fay_feuer", "tiwari", "dobson", "byar"]


def garwood(counts: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Exact limits of Poisson means, by count."""
    from scipy.stats import chi2

    tail = (1 - level) / 2
    lower = np.where(counts > 0, chi2.ppf(tail, 2 * np.maximum(counts, 1)) / 2, 0.0)
    return lower, np.asarray(chi2.isf(tail, 2 * counts + 2) / 2)


def byar(counts: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Byar's approximate limits of Poisson means, by count; 0 below none."""
    from scipy.stats import norm

    z = float(norm.isf((1 - level) / 2))
    some, next_one = np.maximum(counts, 1), counts + 1
    lower = some * np.maximum(1 - 1 / (9 * some) - z / (3 * np.sqrt(some)), 0) ** 3
    upper = next_one * (1 - 1 / (9 * next_one) + z / (3 * np.sqrt(next_one))) ** 3
    return np.where(counts > 0, lower, 0.0), upper


def weighted_sum(
    events: FloatArray, weight: FloatArray, size: FloatArray, *, interval: SumInterval, level: float
) -> tuple[FloatArray, FloatArray]:
    """Limits of Σ w x, one for each row.

    Parameters
    ----------
    events, weight, size : array of shape (n, k)
        Counts, their weights and what they are of; cells of weight 0 take no part.
    """
    used = weight > 0
    x = np.where(used, events, 0.0)
    total, variance = (weight * x).sum(axis=1), (weight**2 * x).sum(axis=1)
    if interval in ("dobson", "byar"):
        count = x.sum(axis=1)
        at_risk = np.where(used, size, 0.0)
        even = (weight**2 * at_risk).sum(axis=1) / at_risk.sum(axis=1)
        scale = np.sqrt(np.where(count > 0, variance / np.maximum(count, 1), even))
        low, high = (garwood if interval == "dobson" else byar)(count, level)
        return np.maximum(total + scale * (low - count), 0.0), total + scale * (high - count)
    share = used.sum(axis=1)
    if interval == "fay_feuer":
        more = weight.max(axis=1)
        more_squared = more**2
    else:
        more, more_squared = weight.sum(axis=1) / share, (weight**2).sum(axis=1) / share
    tail = (1 - level) / 2
    lower = np.where(total > 0, _gamma(tail, total, variance), 0.0)
    return lower, _gamma(1 - tail, total + more, variance + more_squared)


def _gamma(share: float, mean: FloatArray, variance: FloatArray) -> FloatArray:
    from scipy.stats import gamma

    some = mean > 0
    m, v = np.where(some, mean, 1.0), np.where(some, variance, 1.0)
    return np.asarray(gamma.ppf(share, m**2 / v, scale=v / m))
