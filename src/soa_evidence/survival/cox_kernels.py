"""Compiled sweeps over risk sets: rows sorted once, each sweep one pass of O(n p).

Rows come sorted by stratum and then by group: the last event time that they were under observation for.
Whoever leaves between two events leaves, as far as any risk set knows, at the first of them. Group by group,
sums over the rows that leave, enter and linger (see `cox_rows.SortedRows`) become sums over those at risk by
one running total. Ties are Efron's (each tied event in turn, the earlier ones removed by the share k / d) or
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
    "column_moments",
    "compiled",
    "counting_order",
    "group_sums",
    "hazard_steps",
    "place_rows",
    "risk_sums",
    "running_sums",
    "runs",
    "score_residuals",
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
def column_moments(column: FloatArray) -> tuple[float, float]:
    """Return the mean and standard deviation, in two passes of four sums each."""
    n = len(column)
    whole = n - n % 4
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(0, whole, 4):
        a += column[i]
        b += column[i + 1]
        c += column[i + 2]
        d += column[i + 3]
    for i in range(whole, n):
        a += column[i]
    mean = (a + b + c + d) / n
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(0, whole, 4):
        a += (column[i] - mean) ** 2
        b += (column[i + 1] - mean) ** 2
        c += (column[i + 2] - mean) ** 2
        d += (column[i + 3] - mean) ** 2
    for i in range(whole, n):
        a += (column[i] - mean) ** 2
    return mean, np.sqrt((a + b + c + d) / n)


@compiled
def place_rows(
    Z: FloatArray,
    columns: FloatArray,
    order: IntArray,
    low: int,
    high: int,
    centre: FloatArray,
    scale: FloatArray,
) -> None:
    """Write rows low to high of Z from `columns`, shape (p, n), in the given order, centred and scaled.

    Column by column, because one column's values stay in the processor's cache while they are looked up.
    """
    for j in range(len(columns)):
        for i in range(low, high):
            Z[i, j] = (columns[j, order[i]] - centre[j]) / scale[j]


@compiled
def running_sums(values: FloatArray, stratum: IntArray) -> FloatArray:
    """Return sums of the rows of `values` up to each, anew in each stratum; shape (m, k).

    Begun anew, because a hazard of one stratum many times another's would take the other's digits with it.
    """
    m, k = values.shape
    total = np.empty((m, k))
    for g in range(m):
        anew = g == 0 or stratum[g] != stratum[g - 1]
        for a in range(k):
            total[g, a] = values[g, a] + (0.0 if anew else total[g - 1, a])
    return total


@compiled
def group_sums(
    Z: FloatArray,
    beta: FloatArray,
    weight: FloatArray,
    died: BoolArray,
    start: IntArray,
    enter: IntArray,
    linger: FloatArray,
    offset: FloatArray,
    low: int,
    high: int,
    risk: FloatArray,
    left: FloatArray,
    events: FloatArray,
    lingering: FloatArray,
    entered: FloatArray,
) -> float:
    """Sum weight × exp(Z beta) × (1, covariates) over the rows of groups low to high.

    Returns the sum over events of weight × Z beta.

    Parameters
    ----------
    enter, linger : arrays of shape (n,), or empty
        See `SortedRows`.
    offset : array of shape (n,), or empty
        Added to Z beta.
    risk : array of shape (n,), written
        Weight × exp(Z beta).
    left, events, lingering : arrays of shape (m, p + 1), written
        Over rows that leave in each group; over those with an event; over rows that linger, each × linger.
    entered : array of shape (m, p + 1), added to
        Over rows by the group after which they are at risk.
    """
    p = Z.shape[1]
    late, lingers, shifted = len(enter) > 0, len(linger) > 0, len(offset) > 0
    total = 0.0
    row, own = np.zeros(p + 1), np.zeros(p + 1)
    for g in range(low, high):
        own[:] = 0.0
        for i in range(start[g], start[g + 1]):
            eta = offset[i] if shifted else 0.0
            for a in range(p):
                eta += Z[i, a] * beta[a]
            r = weight[i] * np.exp(eta)
            risk[i] = r
            own[0] += r
            for a in range(p):
                own[a + 1] += r * Z[i, a]
            if died[i]:
                total += weight[i] * eta
                events[g, 0] += r
                for a in range(p):
                    events[g, a + 1] += r * Z[i, a]
            if late or lingers:
                row[0] = r
                for a in range(p):
                    row[a + 1] = r * Z[i, a]
                if late:
                    for a in range(p + 1):
                        entered[enter[i], a] += row[a]
                if lingers and linger[i] > 0:
                    for a in range(p + 1):
                        lingering[g, a] += linger[i] * row[a]
        left[g] = own
    return total


@compiled
def risk_sums(
    left: FloatArray,
    entered: FloatArray,
    lingering: FloatArray,
    remaining: FloatArray,
    present: IntArray,
    stratum: IntArray,
) -> FloatArray:
    """Turn sums by group into sums over those at risk, in place of `left`; returned too.

    Parameters
    ----------
    entered, lingering : arrays of shape (m, p + 1), or empty
    remaining : array of shape (m,)
        By which those who linger are multiplied at each group.
    present : array of shape (m,)
        Number of rows under observation: an empty risk set is exactly empty, whatever rounding has left.
    """
    m, k = left.shape
    for g in range(m - 1, -1, -1):
        last = g == m - 1 or stratum[g] != stratum[g + 1]
        for a in range(k):
            if not last:
                left[g, a] += left[g + 1, a]
            if len(entered) > 0:  # they are counted where they leave, and were not yet there
                left[g, a] -= entered[g, a]
            if present[g] == 0:
                left[g, a] = 0.0
    if len(lingering) > 0:
        so_far = np.zeros(k)
        for g in range(m):
            if g == 0 or stratum[g] != stratum[g - 1]:
                so_far[:] = 0.0
            for a in range(k):
                left[g, a] += remaining[g] * so_far[a]
                so_far[a] += lingering[g, a]
    return left


@compiled
def hazard_steps(
    at_risk: FloatArray,
    events: FloatArray,
    event_weight: FloatArray,
    deaths: IntArray,
    efron: bool,
    scale: FloatArray,
) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    """Return what each group adds to the likelihood and the hazard; zeros in groups without events.

    Parameters
    ----------
    at_risk, events : arrays of shape (m, p + 1)
        Sums of weight × exp(linear predictor) × (1, covariates) over those at risk and over the events.
    event_weight, deaths : arrays of shape (m,)
        Weight and number of the events.
    scale : array of shape (m,), or empty
        A function of time by which the outer products are weighted, to the power 0, 1 and 2.

    Returns
    -------
    logs
        Sum over events of weight × log(weight at risk).
    steps : array of shape (m, 4)
        Step of the cumulative hazard; the part of it that the group's own events run; step of its variance;
        the part of that for the group's own events.
    means : array of shape (m, 3, p)
        Step × mean covariates at risk; the part for the group's own events; mean covariates over tied events.
    outer : array of shape (3, p, p)
        Sum over events of weight × outer product of the mean covariates, weighted by `scale`.
    """
    m, p = at_risk.shape[0], at_risk.shape[1] - 1
    logs, steps, means, outer = 0.0, np.zeros((m, 4)), np.zeros((m, 3, p)), np.zeros((3, p, p))
    mean = np.zeros(p)
    scaled = len(scale) > 0
    for g in range(m):
        for k in range(deaths[g]):
            f = k / deaths[g] if efron else 0.0
            below = at_risk[g, 0] - f * events[g, 0]
            share = event_weight[g] / deaths[g]
            step = share / below
            logs += share * np.log(below)
            steps[g, 0] += step
            steps[g, 1] += (1 - f) * step
            steps[g, 2] += step / below
            steps[g, 3] += (1 - f) * step / below
            for a in range(p):
                mean[a] = (at_risk[g, a + 1] - f * events[g, a + 1]) / below
                means[g, 0, a] += step * mean[a]
                means[g, 1, a] += (1 - f) * step * mean[a]
                means[g, 2, a] += mean[a] / deaths[g]
            for a in range(p):
                for b in range(a + 1):
                    outer[0, a, b] += share * mean[a] * mean[b]
            if scaled:
                for a in range(p):
                    for b in range(a + 1):
                        product = share * mean[a] * mean[b]
                        outer[1, a, b] += scale[g] * product
                        outer[2, a, b] += scale[g] ** 2 * product
    for a in range(p):
        for b in range(a):
            for power in range(3):
                outer[power, b, a] = outer[power, a, b]
    return logs, steps, means, outer


@compiled
def runs(
    risk: FloatArray,
    died: BoolArray,
    group: IntArray,
    enter: IntArray,
    linger: FloatArray,
    hazard: FloatArray,
    own: FloatArray,
    beyond: FloatArray,
    low: int,
    high: int,
    run: FloatArray,
) -> None:
    """Write `risk` × the hazard that rows low to high are exposed to.

    Parameters
    ----------
    hazard : array of shape (m,)
        Cumulative hazard up to each group.
    own : array of shape (m,)
        What a group's own events run of its step, less the step.
    beyond : array of shape (m,), or empty
        Hazard × remaining, summed over the groups after each, to which those who linger are exposed.
    """
    late, lingers = len(enter) > 0, len(linger) > 0
    for i in range(low, high):
        g = group[i]
        exposure = hazard[g]
        if late:
            exposure -= hazard[enter[i]]
        if died[i]:
            exposure += own[g]
        if lingers:
            exposure += linger[i] * beyond[g]
        run[i] = risk[i] * exposure


@compiled
def score_residuals(
    Z: FloatArray,
    relative: FloatArray,
    died: BoolArray,
    group: IntArray,
    enter: IntArray,
    linger: FloatArray,
    own: FloatArray,
    own_means: FloatArray,
    hazard: FloatArray,
    tilted: FloatArray,
    beyond: FloatArray,
    tilted_beyond: FloatArray,
    low: int,
    high: int,
    residual: FloatArray,
    run: FloatArray,
) -> None:
    """Write score residuals, shape (n, p), and the hazard each row has run, shape (n,), of rows low to high.

    Parameters
    ----------
    relative : array of shape (n,)
        exp(linear predictor), unweighted.
    hazard, own, beyond : arrays of shape (m,)
        As for `runs`.
    tilted, tilted_beyond : arrays of shape (m, p)
        The same sums of step × mean covariates.
    own_means : array of shape (m, 2, p)
        The part of step × mean covariates for the group's own events less the whole; mean over tied events.
    """
    p = Z.shape[1]
    late, lingers = len(enter) > 0, len(linger) > 0
    for i in range(low, high):
        g = group[i]
        exposure = hazard[g]
        if late:
            exposure -= hazard[enter[i]]
        if died[i]:
            exposure += own[g]
        if lingers:
            exposure += linger[i] * beyond[g]
        run[i] = relative[i] * exposure
        for a in range(p):
            drift = tilted[g, a]
            if late:
                drift -= tilted[enter[i], a]
            if died[i]:
                drift += own_means[g, 0, a]
            if lingers:
                drift += linger[i] * tilted_beyond[g, a]
            residual[i, a] = relative[i] * (drift - Z[i, a] * exposure)
            if died[i]:
                residual[i, a] += Z[i, a] - own_means[g, 1, a]
