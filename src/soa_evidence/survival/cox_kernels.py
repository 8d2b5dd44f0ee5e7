"""Compiled sweeps over risk sets: rows sorted once, each sweep one pass of O(n p).

Rows come sorted by stratum and time of exit, in groups of one (stratum, time). Going backwards in time,
running sums over those at risk first lose the rows that enter at the group's time or later, then gain those
that leave at it. Ties are Efron's (each tied event in turn, the earlier ones removed by the share k / d) or
Breslow's.

Import this module only where it is used: it loads numba.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "compiled",
    "counting_order",
    "place_column",
    "predictor",
    "risk_steps",
    "running_sums",
    "score_residuals",
    "weighted_sum",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def compiled[F: Callable[..., Any]](function: F) -> F:
    """Compile `function` when first called, and keep the machine code beside the source."""
    return cast(F, numba.njit(cache=True, nogil=True)(function))


@compiled
def counting_order(key: IntArray, size: int) -> IntArray:
    """Return the stable order that sorts integer keys from 0 to size - 1."""
    place = np.zeros(size + 1, dtype=np.int64)
    for k in key:
        place[k + 1] += 1
    for k in range(size):
        place[k + 1] += place[k]
    order = np.empty(len(key), dtype=np.int64)
    for i in range(len(key)):
        order[place[key[i]]] = i
        place[key[i]] += 1
    return order


@compiled
def place_column(
    Z: FloatArray, j: int, column: FloatArray, order: IntArray, centre: float, scale: float
) -> None:
    """Write a column into Z in the given order, centred and scaled, in one pass."""
    for i in range(len(order)):
        Z[i, j] = (column[order[i]] - centre) / scale


@compiled
def predictor(Z: FloatArray, beta: FloatArray) -> FloatArray:
    """Return Z beta on one thread: the linear algebra library's threads cost more than they gain here."""
    n, p = Z.shape
    eta = np.zeros(n)
    for i in range(n):
        for a in range(p):
            eta[i] += Z[i, a] * beta[a]
    return eta


@compiled
def weighted_sum(Z: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the weighted sum of the rows of Z, on one thread."""
    n, p = Z.shape
    total = np.zeros(p)
    for i in range(n):
        for a in range(p):
            total[a] += weight[i] * Z[i, a]
    return total


@compiled
def running_sums(values: FloatArray, stratum: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return sums of the rows of `values` before and up to each, anew in each stratum; shape (m, k) each.

    Begun anew, because a hazard of one stratum many times another's would take the other's digits with it.
    """
    m, k = values.shape
    before, after = np.zeros((m, k)), np.zeros((m, k))
    for g in range(m):
        for a in range(k):
            if g > 0 and stratum[g] == stratum[g - 1]:
                before[g, a] = after[g - 1, a]
            after[g, a] = before[g, a] + values[g, a]
    return before, after


@compiled
def risk_steps(
    Z: FloatArray,
    risk: FloatArray,
    weight: FloatArray,
    died: BoolArray,
    start: IntArray,
    stratum: IntArray,
    joined: IntArray,
    join_from: IntArray,
    efron: bool,
    scale: FloatArray,
) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    """Return what each group adds to the likelihood and the hazard; zeros in groups without events.

    Parameters
    ----------
    Z : array of shape (n, p)
    risk, weight, died : arrays of shape (n,)
        Weight × exp(linear predictor), weight, whether an event.
    start : array of shape (m + 1,)
        First row of each group.
    stratum : array of shape (m,)
    joined : array of shape (n,), or empty
        Rows in order of stratum and entry; empty where all are observed from the start.
    join_from : array of shape (m,), or empty
        For each group, the place in `joined` from which rows of its stratum enter at its time or later.
    scale : array of shape (m,)
        A function of time by which the outer products are weighted, to the power 0, 1 and 2.

    Returns
    -------
    logs
        Sum over events of weight × log(weight at risk).
    steps : array of shape (m, 3)
        Step of the cumulative hazard; the part of it that the group's own events run; step of its variance.
    means : array of shape (m, 3, p)
        Step × mean covariates at risk; the part for the group's own events; mean covariates over tied events.
    outer : array of shape (3, p, p)
        Sum over events of weight × outer product of the mean covariates, weighted by `scale`.
    """
    p, m = Z.shape[1], len(stratum)
    logs, steps, means, outer = 0.0, np.zeros((m, 3)), np.zeros((m, 3, p)), np.zeros((3, p, p))
    s0, s1, d1, mean = 0.0, np.zeros(p), np.zeros(p), np.zeros(p)
    present, out = 0, 0
    for g in range(m - 1, -1, -1):
        if g == m - 1 or stratum[g] != stratum[g + 1]:
            present, out = 0, start[g + 1]
        if len(joined) > 0:
            while out > join_from[g]:
                out -= 1
                present -= 1
                s0 -= risk[joined[out]]
                for a in range(p):
                    s1[a] -= risk[joined[out]] * Z[joined[out], a]
        if present == 0:  # an empty risk set is exactly empty, whatever rounding has left
            s0 = 0.0
            s1[:] = 0.0
        d0, dw, deaths = 0.0, 0.0, 0
        for i in range(start[g], start[g + 1]):
            s0 += risk[i]
            for a in range(p):
                s1[a] += risk[i] * Z[i, a]
            if died[i]:
                if deaths == 0:
                    d1[:] = 0.0
                deaths += 1
                d0 += risk[i]
                dw += weight[i]
                for a in range(p):
                    d1[a] += risk[i] * Z[i, a]
        present += start[g + 1] - start[g]
        for k in range(deaths):
            f = k / deaths if efron else 0.0
            below = s0 - f * d0
            share = dw / deaths
            step = share / below
            logs += share * np.log(below)
            steps[g, 0] += step
            steps[g, 1] += (1 - f) * step
            steps[g, 2] += step / below
            for a in range(p):
                mean[a] = (s1[a] - f * d1[a]) / below
                means[g, 0, a] += step * mean[a]
                means[g, 1, a] += (1 - f) * step * mean[a]
                means[g, 2, a] += mean[a] / deaths
            for a in range(p):
                for b in range(p):
                    product = share * mean[a] * mean[b]
                    outer[0, a, b] += product
                    outer[1, a, b] += scale[g] * product
                    outer[2, a, b] += scale[g] ** 2 * product
    return logs, steps, means, outer


@compiled
def score_residuals(
    Z: FloatArray,
    relative: FloatArray,
    died: BoolArray,
    group: IntArray,
    first: IntArray,
    steps: FloatArray,
    means: FloatArray,
    hazard_before: FloatArray,
    hazard_after: FloatArray,
    tilted_before: FloatArray,
    tilted_after: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return score residuals, shape (n, p), and the cumulative hazard each row has run, shape (n,).

    Parameters
    ----------
    relative : array of shape (n,)
        exp(linear predictor), unweighted.
    group, first : arrays of shape (n,)
        The group at which each row leaves, and the first at which it is at risk.
    hazard_before, hazard_after, tilted_before, tilted_after : arrays of shape (m, 1) and (m, p)
        Sums of the hazard's steps, and of step × mean covariates, before and up to each group.
    """
    n, p = Z.shape
    residual, run = np.empty((n, p)), np.empty(n)
    for i in range(n):
        g, f = group[i], first[i]
        exposure = hazard_after[g, 0] - hazard_before[f, 0]
        if died[i]:
            exposure += steps[g, 1] - steps[g, 0]
        run[i] = relative[i] * exposure
        for a in range(p):
            drift = tilted_after[g, a] - tilted_before[f, a]
            if died[i]:
                drift += means[g, 1, a] - means[g, 0, a]
            residual[i, a] = relative[i] * (drift - Z[i, a] * exposure)
            if died[i]:
                residual[i, a] += Z[i, a] - means[g, 2, a]
    return residual, run
