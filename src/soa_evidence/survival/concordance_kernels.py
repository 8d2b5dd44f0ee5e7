"""Compiled counting of comparable pairs in O(n log n), with a binary indexed tree over the scores' ranks.

Import this module only where it is used: it loads numba.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.cox_kernels import compiled

__all__ = ["pair_sums"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@compiled
def _insert(tree: FloatArray, at: int, value: float) -> None:
    while at < len(tree):
        tree[at] += value
        at += at & -at


@compiled
def _up_to(tree: FloatArray, at: int) -> float:
    total = 0.0
    while at > 0:
        total += tree[at]
        at -= at & -at
    return total


@compiled
def _compare(tree: FloatArray, rank: int, sign: float, agree: FloatArray, pairs: FloatArray, i: int) -> None:
    """Add, to row i, the weight in the tree of lower rank plus half of equal, and all of it."""
    below, with_equal = _up_to(tree, rank - 1), _up_to(tree, rank)
    agree[i] += sign * (below + with_equal) / 2
    pairs[i] += sign * _up_to(tree, len(tree) - 1)


@compiled
def pair_sums(
    rank: IntArray,
    ranks: int,
    weight: FloatArray,
    died: BoolArray,
    start: IntArray,
    stratum: IntArray,
    joined: IntArray,
    join_from: IntArray,
    count: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return, for each row, the weight of the comparable pairs it is in, agreeing and altogether.

    Then the same of the pairs in which it has the event first. Pairs count by the product of the two weights
    and of `count`, shape (m,), of the group of the event.

    A pair is comparable when one has its event while the other is under observation and leaves later (or is
    censored at that time); it agrees when the one with the event has the higher rank, and half when equal.
    """
    n, m = len(rank), len(stratum)
    agree, pairs = np.zeros(n), np.zeros(n)
    late = len(joined) > 0
    tree = np.zeros(ranks + 1)
    out = 0
    # Backwards: each event against those who leave later.
    for g in range(m - 1, -1, -1):
        if g == m - 1 or stratum[g] != stratum[g + 1]:
            tree[:] = 0.0
            out = start[g + 1]
        if late:
            while out > join_from[g]:
                out -= 1
                _insert(tree, rank[joined[out]], -weight[joined[out]])
        for i in range(start[g], start[g + 1]):
            if not died[i]:
                _insert(tree, rank[i], weight[i])
        for i in range(start[g], start[g + 1]):
            if died[i]:
                _compare(tree, rank[i], count[g], agree, pairs, i)
        for i in range(start[g], start[g + 1]):
            if died[i]:
                _insert(tree, rank[i], weight[i])
    agree_first, pairs_first = agree.copy(), pairs.copy()
    # Forwards: each row against the events before it leaves, less those before it entered. Ranks are turned
    # round, because here the one with the event is the other.
    for g in range(m):
        if g == 0 or stratum[g] != stratum[g - 1]:
            tree[:] = 0.0
            out = start[g]
        for i in range(start[g], start[g + 1]):
            if died[i]:
                _compare(tree, ranks + 1 - rank[i], 1.0, agree, pairs, i)
        for i in range(start[g], start[g + 1]):
            if died[i]:
                _insert(tree, ranks + 1 - rank[i], count[g] * weight[i])
        for i in range(start[g], start[g + 1]):
            if not died[i]:
                _compare(tree, ranks + 1 - rank[i], 1.0, agree, pairs, i)
        if late:
            while out < join_from[g + 1]:
                i = joined[out]
                _compare(tree, ranks + 1 - rank[i], -1.0, agree, pairs, i)
                out += 1
    return agree, pairs, agree_first, pairs_first
