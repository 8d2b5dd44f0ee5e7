"""The one pass over rows that counts events and person-time by band; imported, and compiled, when used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.cox_kernels import compiled

__all__ = ["count"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@compiled
def count(
    stop: FloatArray,
    start: FloatArray,
    cause: IntArray,
    weight: FloatArray,
    code: IntArray,
    patterns: int,
    edges: FloatArray,
    causes: int,
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return events (P, K, causes), person-time (P, K) and rows (P, K); a `weight` of length 1 is for all.

    A row is in a band (a, b] with entry < b and time > a; one that ends at 0 is in the first.
    """
    bands = len(edges) - 1
    events = np.zeros((patterns, bands, causes))
    person_time = np.zeros((patterns, bands))
    rows = np.zeros((patterns, bands), dtype=np.int64)
    for i in range(len(stop)):
        w = weight[0] if len(weight) == 1 else weight[i]
        g, t, k = code[i], stop[i], 0
        while edges[k + 1] <= start[i]:
            k += 1
        since = start[i]
        while edges[k + 1] < t:
            person_time[g, k] += w * (edges[k + 1] - since)
            rows[g, k] += 1
            since = edges[k + 1]
            k += 1
        person_time[g, k] += w * (t - since)
        rows[g, k] += 1
        if cause[i] > 0:
            events[g, k, cause[i] - 1] += w
    return events, person_time, rows
