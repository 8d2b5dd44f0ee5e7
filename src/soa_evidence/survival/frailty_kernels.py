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

__all__ = ["add_exposures", "event_vectors", "solve_upper", "subtract_outer_products", "upper_factor"]

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


@compiled
def subtract_outer_products(information: FloatArray, vectors: FloatArray) -> None:
    """Take the outer products of the rows of `vectors` from the upper triangle, four rows at a time."""
    k, size = vectors.shape
    whole = k - k % 4
    for g in range(0, whole, 4):
        one, two, three, four = vectors[g], vectors[g + 1], vectors[g + 2], vectors[g + 3]
        for a in range(size):
            w, x, y, z = one[a], two[a], three[a], four[a]
            row = information[a]
            for b in range(a, size):
                row[b] -= w * one[b] + x * two[b] + y * three[b] + z * four[b]
    for g in range(whole, k):
        one = vectors[g]
        for a in range(size):
            row = information[a]
            for b in range(a, size):
                row[b] -= one[a] * one[b]


@compiled
def upper_factor(A: FloatArray) -> bool:
    """Replace the upper triangle of A by its Cholesky factor; False where A is not positive definite."""
    n = len(A)
    for k in range(n):
        if not A[k, k] > 0.0:
            return False
        A[k, k:] /= np.sqrt(A[k, k])
        top = A[k]
        for i in range(k + 1, n):
            factor = top[i]
            if factor != 0.0:
                row = A[i]
                for j in range(i, n):
                    row[j] -= factor * top[j]
    return True


@compiled
def solve_upper(U: FloatArray, X: FloatArray) -> None:
    """Replace the columns of X by the solutions of U'U x = column."""
    n, m = X.shape
    for k in range(n):
        for c in range(m):
            X[k, c] /= U[k, k]
        for j in range(k + 1, n):
            factor = U[k, j]
            for c in range(m):
                X[j, c] -= factor * X[k, c]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            factor = U[k, j]
            for c in range(m):
                X[k, c] -= factor * X[j, c]
        for c in range(m):
            X[k, c] /= U[k, k]
