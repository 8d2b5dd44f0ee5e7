"""Variance over time from the influence of rows that change their form when they enter and when they leave.

Row i moves the estimate at time t by phi(t)'c_i, where c_i is one vector before it enters, another while it
is at risk and a third once it has left. The variance is the sum over clusters of (multiplier × influence,
summed within the cluster) squared, that is phi(t)' M(t) phi(t), with M changed by a rank-one term whenever a
row changes its form. One pass over the rows, whatever the number of times.

Import this module only where it is used: it loads numba.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.cox_kernels import compiled

__all__ = ["moving_squares"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@compiled
def _change(
    M: FloatArray,
    sums: FloatArray,
    cluster: int,
    static: FloatArray,
    old: FloatArray,
    new: FloatArray,
    multiplier: float,
    own: bool,
) -> None:
    """Take a row from one form to another; `own` where it is its cluster's only row."""
    p, q = len(static), len(old)
    if own:
        for a in range(q):
            for b in range(a + 1):
                M[p + a, p + b] += multiplier**2 * (new[a] * new[b] - old[a] * old[b])
            for b in range(p):
                M[p + a, b] += multiplier**2 * (new[a] - old[a]) * static[b]
        return
    for a in range(q):
        step = multiplier * (new[a] - old[a])
        if step == 0.0:
            continue
        # (S + step e)(S + step e)' - S S', for one coordinate after another
        for b in range(p + q):
            if b == p + a:
                M[b, b] += 2 * step * sums[cluster, b] + step**2
            elif b < p + a:
                M[p + a, b] += step * sums[cluster, b]
            else:
                M[b, p + a] += step * sums[cluster, b]
        sums[cluster, p + a] += step


@compiled
def moving_squares(
    static: FloatArray,
    present: FloatArray,
    gone: FloatArray,
    from_group: IntArray,
    to_group: IntArray,
    by_from: IntArray,
    by_to: IntArray,
    multiplier: FloatArray,
    cluster: IntArray,
    clusters: int,
    phi: FloatArray,
) -> FloatArray:
    """Return the variance at each group, shape (m,).

    Parameters
    ----------
    static : array of shape (n, p)
        The part of c_i that never changes.
    present, gone : arrays of shape (n, q)
        The rest while a row is at risk and afterwards; 0 before.
    from_group, to_group : arrays of shape (n,)
        First group at which a row is present, and first at which it is gone; beyond m - 1 for never.
    by_from, by_to : arrays of shape (n,)
        Rows in order of these.
    cluster : array of shape (n,), or empty where each row is its own
    phi : array of shape (m, p + q)
    """
    n, p = static.shape
    q, m = present.shape[1], len(phi)
    own = len(cluster) == 0
    M = np.zeros((p + q, p + q))
    sums = np.zeros((0 if own else clusters, p + q))
    if own:
        for i in range(n):
            for a in range(p):
                for b in range(a + 1):
                    M[a, b] += multiplier[i] ** 2 * static[i, a] * static[i, b]
    else:
        for i in range(n):
            for a in range(p):
                sums[cluster[i], a] += multiplier[i] * static[i, a]
        for c in range(clusters):
            for a in range(p):
                for b in range(a + 1):
                    M[a, b] += sums[c, a] * sums[c, b]
    nothing = np.zeros(q)
    variance = np.empty(m)
    at, to = 0, 0
    for g in range(m):
        while at < n and from_group[by_from[at]] <= g:
            i = by_from[at]
            _change(M, sums, 0 if own else cluster[i], static[i], nothing, present[i], multiplier[i], own)
            at += 1
        while to < n and to_group[by_to[to]] <= g:
            i = by_to[to]
            _change(M, sums, 0 if own else cluster[i], static[i], present[i], gone[i], multiplier[i], own)
            to += 1
        total = 0.0
        for a in range(p + q):
            for b in range(a):
                total += 2 * phi[g, a] * M[a, b] * phi[g, b]
            total += phi[g, a] ** 2 * M[a, a]
        variance[g] = total
    return variance
