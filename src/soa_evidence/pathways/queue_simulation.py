"""A waiting list week by week: who waits how long, who joins, who is removed, who is treated.

Each week, of A_k people who have waited k weeks: binomial(A_k, removal) are removed; min(capacity drawn,
waiting) are treated, the longest waiting first or anyone alike; the rest grow a week older; referrals join.
A draw's flows come from uniform numbers fixed by the seed, so two capacities meet the same luck.

When not to use it: by itself; `pathways.queue_forecast` and `pathways.capacity_needed` call it.

Checked against: arithmetic of fixed flows, Little's law (tests/unit, tests/properties).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORDERS", "Order", "Run", "flows", "run", "start", "wait_at"]

FloatArray = NDArray[np.float64]
Order = Literal["longest first", "random"]
ORDERS = ("longest first", "random")


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """waiting, treated, removed, added: (draws, weeks); treated_by_wait: (draws, waits), last weeks only."""

    waiting: FloatArray
    treated: FloatArray
    removed: FloatArray
    added: FloatArray
    treated_by_wait: FloatArray


def flows(mean: FloatArray, dispersion: float, chance: FloatArray) -> FloatArray:
    """Return flows with variance `dispersion` times the mean, from uniforms; 0 rounds so totals are kept."""
    from scipy import stats

    if dispersion == 0:
        total = np.floor(np.cumsum(mean, axis=1) + 1e-9)
        return np.diff(total, axis=1, prepend=0.0)
    if dispersion == 1:
        return np.asarray(stats.poisson.ppf(chance, mean), dtype=float)
    size = mean / (dispersion - 1)
    return np.asarray(stats.nbinom.ppf(chance, size, 1 / dispersion), dtype=float)


def start(waiting: int, per_week: float, order: Order, most: int) -> FloatArray:
    """Return how long `waiting` people have waited, under steady flows: counts by weeks, shape (most,)."""
    if order == "longest first":
        share = np.clip(waiting - per_week * np.arange(most), 0, per_week)
    else:
        share = (1 - min(per_week / max(waiting, 1), 1.0)) ** np.arange(most, dtype=float)
    total = share.sum()
    if waiting == 0 or total == 0:
        return np.zeros(most)
    exact = np.cumsum(share / total) * waiting
    return np.diff(np.round(exact), prepend=0.0)


def run(
    first: FloatArray,
    referrals: FloatArray,
    capacity: FloatArray,
    *,
    removal: float,
    order: Order,
    window: int,
    seed: int,
) -> Run:
    """Run the list; `first` (waits,), `referrals` and `capacity` (draws, weeks) whole numbers."""
    draws, weeks = referrals.shape
    most = len(first) + weeks
    rng = np.random.default_rng(seed)
    ages = np.zeros((draws, most))
    ages[:, : len(first)] = first
    waiting, treated, removed = (np.empty((draws, weeks)) for _ in range(3))
    by_wait = np.zeros((draws, most))
    for week in range(weeks):
        if removal > 0:
            lost = rng.binomial(ages.astype(np.int64), removal)
            ages = ages - lost
            removed[:, week] = lost.sum(axis=1)
        else:
            removed[:, week] = 0.0
        total = ages.sum(axis=1)
        served = np.minimum(capacity[:, week], total)
        done = _longest(ages, served) if order == "longest first" else _anyone(ages, served, rng)
        treated[:, week] = served
        if week >= weeks - window:
            by_wait += done
        ages = ages - done
        ages[:, 1:] = ages[:, :-1].copy()
        ages[:, 0] = referrals[:, week]
        waiting[:, week] = ages.sum(axis=1)
    return Run(waiting=waiting, treated=treated, removed=removed, added=referrals, treated_by_wait=by_wait)


def _longest(ages: FloatArray, served: FloatArray) -> FloatArray:
    longer = np.cumsum(ages[:, ::-1], axis=1)[:, ::-1] - ages
    return np.asarray(np.clip(served[:, None] - longer, 0, ages))


def _anyone(ages: FloatArray, served: FloatArray, rng: np.random.Generator) -> FloatArray:
    done = np.zeros_like(ages)
    left, rest = served.astype(np.int64), ages.sum(axis=1).astype(np.int64)
    for k in np.flatnonzero(ages.any(axis=0)):
        here = ages[:, k].astype(np.int64)
        rest = rest - here
        taken = rng.hypergeometric(here, rest, left)
        done[:, k] = taken
        left = left - taken
    return done


def wait_at(by_wait: FloatArray, share: float) -> FloatArray:
    """Return weeks by which `share` of those treated had been, shape (draws,); nan where none was treated.

    Who was counted with k weeks waited between k and k + 1 weeks, and about half a week more until treated.
    """
    total = by_wait.sum(axis=1)
    reached = np.cumsum(by_wait, axis=1)
    wanted = share * total
    at = (reached >= wanted[:, None] - 1e-9).argmax(axis=1)
    rows = np.arange(len(by_wait))
    here = by_wait[rows, at]
    low = reached[rows, at] - here
    part = np.where(here > 0, (wanted - low) / np.where(here > 0, here, 1), 1.0)
    return np.where(total > 0, at + 0.5 + np.clip(part, 0, 1), np.nan)
