"""Importance weights: how sound they are, and draws kept in proportion to them.

When not to use it: on draws of a Markov chain; those have `sampling`'s own diagnostics.

Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024), JMLR 25:72.

Checked against: weights whose tail index is known (tests/unit/test_units_spread.py, test_units_collapse.py).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["PARETO_K_LIMIT", "log_mean", "pareto_k", "resample", "worth"]

FloatArray = NDArray[np.float64]

PARETO_K_LIMIT = 0.7


def pareto_k(log_weight: FloatArray) -> float:
    """Return the estimated tail index of the weights; below 0.7 they are sound.

    Parameters
    ----------
    log_weight : array of shape (S,)
        Log of the density wanted over the density drawn from, up to a constant; -inf is a weight of nought.

    Returns
    -------
    float
        -inf when all weights are the same. With fewer than about 2,000 draws k itself is uncertain, and
        Vehtari et al. would have it below 1 - 1 / log10(S): 0.67 with 1,000.
    """
    from arviz_stats.base.array import array_stats  # not yet at the top level of ArviZ

    known = np.where(np.isfinite(log_weight), log_weight, -745.0 + np.nanmax(log_weight))
    if np.ptp(known) < 1e-9:
        return -math.inf
    # psislw takes log densities left out, that is minus the log weights, and negates them itself.
    return float(array_stats.psislw(known.max() - known)[1])  # type: ignore[no-untyped-call]


def worth(log_weight: FloatArray) -> float:
    """Return how many independent draws the weighted ones are worth, as a share of their number."""
    share = np.exp(log_weight - log_weight.max())
    return float(share.sum() ** 2 / np.square(share).sum() / len(share))


def log_mean(log_weight: FloatArray) -> float:
    """Return the log of the mean weight: the log evidence where densities are whole."""
    top = float(log_weight.max())
    return top + math.log(float(np.exp(log_weight - top).mean()))


def resample(log_weight: FloatArray, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which draws to keep, systematically, then shuffled so that any part is a fair sample."""
    share = np.cumsum(np.exp(log_weight - log_weight.max()))
    points = (np.arange(draws) + rng.random()) / draws
    rows = np.searchsorted(share / share[-1], points).clip(max=len(log_weight) - 1)
    return np.asarray(rng.permutation(rows))
