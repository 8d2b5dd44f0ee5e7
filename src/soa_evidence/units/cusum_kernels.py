"""Compiled loops of `units.cusum`: the path of every unit's statistic, and simulated run lengths.

A statistic within a rounding error (1e-9) of the threshold counts as having reached it, as in the Markov
chain.

Import this module only where it is used: it loads numba.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["paths", "run_lengths"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SLACK = 1e-9


def compiled[F: Callable[..., Any]](function: F) -> F:
    """Compile `function` when first called, and keep the machine code beside the source."""
    return cast(F, numba.njit(cache=True, nogil=True)(function))


@compiled
def paths(
    weight: FloatArray, starts: IntArray, threshold: float, restart: bool
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the statistic after each procedure, and whether it signals there.

    weight (n,) sorted by unit and order; unit u is rows starts[u] to starts[u + 1]. With `restart` the
    statistic starts again from 0 after a signal; otherwise a unit signals once, when it first crosses.
    """
    statistic = np.empty(len(weight))
    signal = np.zeros(len(weight), dtype=np.bool_)
    for u in range(len(starts) - 1):
        x, done = 0.0, False
        for i in range(starts[u], starts[u + 1]):
            x = max(0.0, x + weight[i])
            statistic[i] = x
            if x >= threshold - SLACK and not done:
                signal[i] = True
                if restart:
                    x = 0.0
                else:
                    done = True
    return statistic, signal


@compiled
def run_lengths(
    rng: np.random.Generator,
    cumulative: FloatArray,
    happens: FloatArray,
    event: FloatArray,
    without: FloatArray,
    threshold: float,
    runs: int,
    most: int,
) -> IntArray:
    """Procedures until each of `runs` charts signals; -1 for those left when `most` are used up."""
    lengths = np.full(runs, -1, dtype=np.int64)
    used = 0
    for r in range(runs):
        x, n = 0.0, 0
        while x < threshold - SLACK:
            k = min(int(np.searchsorted(cumulative, rng.random(), side="right")), len(cumulative) - 1)
            x = max(0.0, x + (event[k] if rng.random() < happens[k] else without[k]))
            n += 1
            used += 1
            if used > most:
                return lengths
        lengths[r] = n
    return lengths
