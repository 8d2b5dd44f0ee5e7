"""Differences that lose their digits near 0, computed so that they keep them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["exp_excess", "log_excess", "summed_logs"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def exp_excess(w: FloatArray) -> FloatArray:
    """Return exp(w) - 1 - w."""
    series = w * w * (0.5 + w * (1 / 6 + w * (1 / 24 + w * (1 / 120 + w / 720))))
    return np.where(np.abs(w) < 1e-2, series, np.expm1(w) - w)


def log_excess(x: FloatArray) -> FloatArray:
    """Return log(1 + x) - x."""
    series = -x * x * (0.5 - x * (1 / 3 - x * (0.25 - x * (0.2 - x * (1 / 6 - x / 7)))))
    return np.where(np.abs(x) < 1e-2, series, np.log1p(x) - x)


def summed_logs(counts: IntArray, spread: float) -> tuple[FloatArray, FloatArray]:
    """Return, for each count d, the sum over k < d of log(1 + k spread), and its derivative in log spread."""
    steps = np.arange(max(int(counts.max()), 1)) * spread
    logs = np.concatenate([[0.0], np.cumsum(np.log1p(steps))])[counts]
    slopes = np.concatenate([[0.0], np.cumsum(steps / (1 + steps))])[counts]
    return logs, slopes
