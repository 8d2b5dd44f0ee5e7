r"""One interval between two published numbers at risk: how many events at each point, how many censored.

Within an interval the curve gives the share of those at risk who have the event at each point, and the
numbers at risk give how many leave in all. Censorings C are spread over the interval (the j-th at the share
:math:`((j - 1/2)/C)^{\kappa}` of its length); events at a point are

.. math:: d_k = \text{round}\{n_k (1 - S_k / \hat S_{k-1})\}

with n those still at risk and :math:`\hat S` the *rebuilt* curve so far, so that rounding never adds up. C is
the smallest number with which as many leave as must, found by halving; one who is over goes at the end.

Checked against: a plain loop over every possible number of censorings (tests/properties).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["fill", "fill_to_events", "isotonic", "walk"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@njit(cache=True)
def walk(
    number: int,
    censored: int,
    most: int,
    shown: FloatArray,
    share: FloatArray,
    survival: float,
    power: float,
    events: IntArray,
    before: IntArray,
) -> tuple[int, float]:
    """Count events at each point, given how many are censored; returns their sum and survival at the end.

    Parameters
    ----------
    number, censored, most
        At risk at the start; censored in the interval; the most events there may be.
    shown, share : arrays of shape (K,)
        Survival at the points, and where in the interval they lie, from 0 to 1.
    survival
        The rebuilt curve at the start.
    power
        Of the spread of censorings: 1 even, above 1 early, below 1 late.
    events, before : arrays of shape (K,)
        Filled: events at each point, censorings before it.
    """
    total = 0
    for k in range(len(shown)):
        # a hair less, so that a censoring at the very time of a point comes after it in every unit of time
        early = int(np.ceil(censored * share[k] ** (1.0 / power) + 0.5 - 1e-9)) - 1
        early = min(max(early, 0), censored)
        before[k] = early
        at_risk = number - total - early
        found = 0
        if at_risk > 0 and survival > 0.0:
            found = int(np.floor(at_risk * (1.0 - shown[k] / survival) + 0.5))
            found = min(max(found, 0), at_risk, most - total)
            survival *= 1.0 - found / at_risk
        events[k] = found
        total += found
    return total, survival


@njit(cache=True)
def fill(
    number: int,
    leave: int,
    shown: FloatArray,
    share: FloatArray,
    survival: float,
    power: float,
    events: IntArray,
    before: IntArray,
) -> tuple[int, int, int, float]:
    """Fill an interval of which `leave` is known.

    Returns censored, those whom neither curve nor censoring took (0 or a few, by rounding), events that the
    curve shows beyond those who leave, and survival at the end.
    """
    total, _ = walk(number, 0, number, shown, share, survival, power, events, before)
    if total > leave:
        _, end = walk(number, 0, leave, shown, share, survival, power, events, before)
        return 0, 0, total - leave, end
    low, high = -1, leave  # the fewest censorings with which at least as many leave as must
    while high - low > 1:
        middle = (low + high) // 2
        total, _ = walk(number, middle, number, shown, share, survival, power, events, before)
        if middle + total >= leave:
            high = middle
        else:
            low = middle
    total, end = walk(number, high, number, shown, share, survival, power, events, before)
    censored = high
    if high + total > leave:  # one censored fewer, and those left over go at the end
        censored = high - 1
        total, end = walk(number, censored, number, shown, share, survival, power, events, before)
    return censored, leave - censored - total, 0, end


@njit(cache=True)
def fill_to_events(
    number: int,
    wanted: int,
    shown: FloatArray,
    share: FloatArray,
    survival: float,
    power: float,
    events: IntArray,
    before: IntArray,
) -> tuple[int, int, float]:
    """Fill the last interval so that it holds `wanted` events: censored, events found, survival at the end.

    Events fall as more are censored; the fewest censorings that bring them down to `wanted` are taken.
    """
    low, high = -1, number
    while high - low > 1:
        middle = (low + high) // 2
        total, _ = walk(number, middle, number - middle, shown, share, survival, power, events, before)
        if total <= wanted:
            high = middle
        else:
            low = middle
    total, end = walk(number, high, number - high, shown, share, survival, power, events, before)
    return high, total, end


def isotonic(values: FloatArray) -> FloatArray:
    """Return the falling sequence nearest to `values` in squares: neighbours that rise are averaged."""
    means: list[float] = []
    sizes: list[int] = []
    for value in values:
        mean, size = float(value), 1
        while means and means[-1] < mean:
            mean = (mean * size + means[-1] * sizes[-1]) / (size + sizes[-1])
            size += sizes.pop()
            means.pop()
        means.append(mean)
        sizes.append(size)
    return np.repeat(np.asarray(means), sizes)
