"""The loops over draws, case-mix patterns and time behind standardised curves; compiled when first used."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

__all__ = ["standardise"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Cumulative hazard within a piece of time below which first-order terms do: they are off by half of it.
NEARLY_FLAT = 1e-7


@njit(parallel=True, cache=True)
def standardise(
    level: FloatArray,
    time_hazard: FloatArray,
    death_hazard: FloatArray,
    kinds: FloatArray,
    death_kinds: FloatArray,
    share: FloatArray,
    band: IntArray,
    width: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Average over the reference population what each kind of patient may expect at units of given levels.

    Parameters
    ----------
    level : array of shape (S, G, N)
        Levels at which each class is looked at, per draw.
    time_hazard, death_hazard : arrays of shape (S, G, B)
        Hazard of revision over that of the level, and hazard of death, for the average case mix.
    kinds, death_kinds : arrays of shape (S, P)
        Hazard ratio of each pattern against the average.
    share : array of shape (P,)
    band, width : arrays of shape (T,)
        Band and length, years, of the piece of time that ends at each time of the grid.

    Returns
    -------
    net : array of shape (S, G, N, T)
        Probability of revision by each time, were nobody to die.
    crude, dead : arrays of shape (S, G, N, T)
        Probability of having been revised, and of having died unrevised, by each time.
    years : array of shape (S, G, N, 2)
        Mean years to the end of the grid lost to revision, were nobody to die; and spent alive and unrevised.
    """
    S, G, N = level.shape
    P, T = len(share), len(band)
    net, crude, dead = np.zeros((S, G, N, T)), np.zeros((S, G, N, T)), np.zeros((S, G, N, T))
    years = np.zeros((S, G, N, 2))
    for s in prange(S):
        rise2 = np.empty(T)
        alive = np.empty(T)
        rise1 = np.empty(T)
        for g in range(G):
            for k in range(T):
                rise1[k] = time_hazard[s, g, band[k]] * width[k]
            for p in range(P):
                total = 0.0
                for k in range(T):
                    rise2[k] = death_hazard[s, g, band[k]] * death_kinds[s, p] * width[k]
                    total += rise2[k]
                    alive[k] = np.exp(-total)
                for n in range(N):
                    factor = np.exp(level[s, g, n]) * kinds[s, p]
                    total, revised, died = 0.0, 0.0, 0.0
                    before, before_joint, lost, free = 0.0, 1.0, 0.0, 0.0
                    for k in range(T):
                        rise = factor * rise1[k]
                        total += rise
                        risk = -np.expm1(-total)
                        # Mean of 1 - exp(-x) over the piece, from its ends and its rise.
                        if rise > NEARLY_FLAT:
                            lost += width[k] * (1.0 - (risk - before) / rise)
                        else:
                            lost += width[k] * (before + (1.0 - before) * rise / 2)
                        joint = (1.0 - risk) * alive[k]
                        left = before_joint - joint
                        both = rise + rise2[k]
                        if both > NEARLY_FLAT:
                            rate = left / both
                            revised += rate * rise
                            died += rate * rise2[k]
                            free += rate * width[k]
                        else:
                            revised += before_joint * rise
                            died += before_joint * rise2[k]
                            free += width[k] * (before_joint + joint) / 2
                        before, before_joint = risk, joint
                        net[s, g, n, k] += share[p] * risk
                        crude[s, g, n, k] += share[p] * revised
                        dead[s, g, n, k] += share[p] * died
                    years[s, g, n, 0] += share[p] * lost
                    years[s, g, n, 1] += share[p] * free
    return net, crude, dead, years
