"""Compiled sums for a frailty model: the information on coefficients and units together.

The information of the partial likelihood on (b, w), w one log frailty a unit, is

    sum over rows of exposure × x x'  -  sum over events of (mean x at risk)(mean x at risk)'

with x = (z, indicator of the unit). At a time with tied events the means differ by how much of the tied rows
Efron's ties leave out, so their outer products are A s s' - B (s d' + d s') + C d d', with s and d the sums
over those at risk and over the tied events: two vectors a time, however many events it has.

Import this module only where it is used: it loads numba.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.cox_kernels import compiled

__all__ = ["add_exposures", "event_vectors"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@compiled
def add_exposures(Z: FloatArray, unit: IntArray, exposure: FloatArray, information: FloatArray) -> None:
    """Add the exposure × x x' of every row to `information`, shape (p + q, p + q), upper triangle only."""
    n, p = Z.shape
    for i in range(n):
        u = p + unit[i]
        information[u, u] += exposure[i]
        for a in range(p):
            information[a, u] += exposure[i] * Z[i, a]
            for b in range(a, p):
                information[a, b] += exposure[i] * Z[i, a] * Z[i, b]


@compiled
def event_vectors(
    Z: FloatArray,
    unit: IntArray,
    risk: FloatArray,
    weight: FloatArray,
    died: BoolArray,
    start: IntArray,
    stratum: IntArray,
    joined: IntArray,
    join_from: IntArray,
    efron: bool,
    at_risk: FloatArray,
    place: IntArray,
    information: FloatArray,
    vectors: FloatArray,
) -> int:
    """Fill `vectors` with one row a time with events, going back in time, and return how many were filled.

    Parameters
    ----------
    Z, weight, died, start, stratum
        As in `SortedRows`; `risk` is weight × exp(eta), `unit` each row's unit, 0 to q - 1.
    joined, join_from
        As `SortedRows.by_entry` gives them.
    at_risk : array of shape (1 + p + q,)
        Running sums of risk, and of risk × x; carried from call to call, 0 at first.
    place : array of shape (3,)
        Next group, rows present, next of `joined`; carried from call to call, (m - 1, 0, 0) at first.
    information : array of shape (p + q, p + q)
        The outer products of the tied events, less what `vectors` holds, are taken from its upper triangle.
    vectors : array of shape (k, p + q)
        The sum of the outer products of its filled rows is to be taken from the information.
    """
    p, m = Z.shape[1], len(stratum)
    size = len(at_risk) - 1
    tied = np.zeros(size)
    touched = np.empty(len(died) + p, dtype=np.int64)
    touched[:p] = np.arange(p)
    filled, g = 0, place[0]
    present, out = place[1], place[2]
    while g >= 0 and filled < len(vectors):
        if g == m - 1 or stratum[g] != stratum[g + 1]:
            present, out = 0, start[g + 1]
        if len(joined) > 0:
            while out > join_from[g]:
                out -= 1
                present -= 1
                i = joined[out]
                at_risk[0] -= risk[i]
                at_risk[1 + p + unit[i]] -= risk[i]
                for a in range(p):
                    at_risk[1 + a] -= risk[i] * Z[i, a]
        if present == 0:
            at_risk[:] = 0.0
        d0, dw, deaths, known = 0.0, 0.0, 0, p
        for i in range(start[g], start[g + 1]):
            at_risk[0] += risk[i]
            at_risk[1 + p + unit[i]] += risk[i]
            for a in range(p):
                at_risk[1 + a] += risk[i] * Z[i, a]
            if died[i]:
                deaths += 1
                d0 += risk[i]
                dw += weight[i]
                if tied[p + unit[i]] == 0.0:
                    touched[known] = p + unit[i]
                    known += 1
                tied[p + unit[i]] += risk[i]
                for a in range(p):
                    tied[a] += risk[i] * Z[i, a]
        present += start[g + 1] - start[g]
        if deaths > 0:
            A, B, C = 0.0, 0.0, 0.0
            for k in range(deaths):
                f = k / deaths if efron else 0.0
                share = dw / deaths / (at_risk[0] - f * d0) ** 2
                A += share
                B += share * f
                C += share * f * f
            root = np.sqrt(A)
            for a in range(size):
                vectors[filled, a] = root * at_risk[1 + a]
            for k in range(known):
                vectors[filled, touched[k]] -= B / root * tied[touched[k]]
            filled += 1
            rest = C - B * B / A
            for k in range(known):
                for j in range(known):
                    if rest > 0.0 and touched[k] <= touched[j]:
                        information[touched[k], touched[j]] -= rest * tied[touched[k]] * tied[touched[j]]
            for k in range(known):
                tied[touched[k]] = 0.0
        g -= 1
    place[0], place[1], place[2] = g, present, out
    return filled
