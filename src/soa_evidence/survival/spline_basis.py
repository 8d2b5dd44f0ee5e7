"""Restricted cubic splines: cubic between knots, straight beyond the first and the last.

With knots k_1 < … < k_m the functions of x are x itself and, for each inner knot k,

    v(x) = (x - k)³₊ - l (x - k_1)³₊ - (1 - l) (x - k_m)³₊,      l = (k_m - k) / (k_m - k_1)

so that m knots give m - 1 functions.

Sources: Royston & Parmar (2002), Stat Med 21:2175; Durrleman & Simon (1989), Stat Med 8:551.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["basis", "knots_at_centiles"]

FloatArray = NDArray[np.float64]


def basis(x: FloatArray, knots: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the functions at `x` and their slopes, each of shape (n, m - 1) for m knots."""
    first, last = knots[0], knots[-1]
    values, slopes = [x], [np.ones_like(x)]
    for k in knots[1:-1]:
        share = (last - k) / (last - first)
        parts = [np.maximum(x - at, 0.0) for at in (k, first, last)]
        weights = (1.0, -share, share - 1.0)
        values.append(np.sum([w * part**3 for w, part in zip(weights, parts, strict=True)], axis=0))
        slopes.append(np.sum([3 * w * part**2 for w, part in zip(weights, parts, strict=True)], axis=0))
    return np.column_stack(values), np.column_stack(slopes)


def knots_at_centiles(x: FloatArray, df: int, weight: FloatArray) -> FloatArray:
    """Return df + 1 knots: the least and greatest of `x`, and equally spaced centiles between.

    A weight of 2 is the same as the value twice; centiles are interpolated as R's default (type 7).
    """
    order = np.argsort(x, kind="stable")
    values, upto = x[order], np.cumsum(weight[order])
    place = np.linspace(0, 1, df + 1) * (upto[-1] - 1)
    low = np.floor(place + 1e-9)
    # Position p of the replicated values is the first whose running weight exceeds p.
    at = values[np.minimum(np.searchsorted(upto, low, side="right"), len(values) - 1)]
    above = values[np.minimum(np.searchsorted(upto, low + 1, side="right"), len(values) - 1)]
    return np.asarray(at + np.clip(place - low, 0.0, 1.0) * (above - at))
