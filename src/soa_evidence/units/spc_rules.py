"""Rules of an XmR chart, and how often each speaks falsely of a process that does not change.

Rows of `values` are charts, columns points in order. A rule marks the point at which it comes true:

- beyond limits: a value outside mean ± 2.66 × mean moving range (Shewhart 1931, limits at three sigma);
- range: a moving range above 3.268 × the mean moving range;
- run of 8: the eighth and later of values on one side of the mean (Western Electric 1956);
- trend of 6: the sixth and later of values each above, or each below, the one before (Nelson 1984);
- two of three: a value more than two thirds of the way to a limit, with one of the two before it there too
  and on the same side (Western Electric 1956).

2.66 is 3 / 1.128 and 3.268 is 1 + 3 × 0.853 / 1.128, where 1.128 and 0.853 are mean and standard deviation of
the range of two normal values in sigmas, as rounded in print (unrounded: 2.6587, 3.2665).

When not to use it: by itself; `units.spc` calls it.

Sources: Shewhart (1931), Economic Control of Quality; Western Electric (1956), Statistical Quality Control
Handbook; Nelson (1984), J Qual Technol 16:237; Wheeler (1993), Understanding Variation, for the constants.

Checked against: closed forms in `chance_with_known_limits`, and R's spc, in tests/reference/monitoring.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["LIMIT", "RANGE_LIMIT", "RULES", "chance_with_known_limits", "flags", "limits", "simulate"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LIMIT = 2.66
RANGE_LIMIT = 3.268
RANGE_OF_TWO = 2 / np.sqrt(np.pi)  # mean range of two normal values, in sigmas
RUN, TREND = 8, 6
RULES = ("beyond limits", "range", "run of 8", "trend of 6", "two of three")
CHUNK = 2_000_000  # values simulated at a time


def limits(values: FloatArray, baseline: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and mean moving range of the first `baseline` points, each of shape (charts, 1)."""
    head = values[:, :baseline]
    return head.mean(axis=1, keepdims=True), np.abs(np.diff(head, axis=1)).mean(axis=1, keepdims=True)


def flags(values: FloatArray, centre: FloatArray, mean_range: FloatArray) -> dict[str, BoolArray]:
    """Return, for every rule, which points it marks; each of shape (charts, points)."""
    away = values - centre
    reach = LIMIT * mean_range
    steps = np.diff(values, axis=1)
    ranges = np.zeros(values.shape, dtype=bool)
    ranges[:, 1:] = np.abs(steps) > RANGE_LIMIT * mean_range
    up, down = np.zeros(values.shape, dtype=bool), np.zeros(values.shape, dtype=bool)
    up[:, 1:], down[:, 1:] = steps > 0, steps < 0
    pair = np.zeros(values.shape, dtype=bool)
    for far in (away > 2 / 3 * reach, away < -2 / 3 * reach):
        before = np.zeros(values.shape, dtype=bool)
        before[:, 1:] |= far[:, :-1]
        before[:, 2:] |= far[:, :-2]
        pair |= far & before
    return {
        "beyond limits": np.abs(away) > reach,
        "range": ranges,
        "run of 8": _in_a_row(away > 0, RUN) | _in_a_row(away < 0, RUN),
        # six points in a row are five steps
        "trend of 6": _in_a_row(up, TREND - 1) | _in_a_row(down, TREND - 1),
        "two of three": pair,
    }


def _in_a_row(holds: BoolArray, length: int) -> BoolArray:
    """Return where `holds` is true at a point and at the `length` - 1 before it."""
    found = np.zeros(holds.shape, dtype=bool)
    if holds.shape[1] >= length:
        windows = np.lib.stride_tricks.sliding_window_view(holds, length, axis=1)
        found[:, length - 1 :] = windows.all(axis=2)
    return found


def chance_with_known_limits() -> dict[str, float]:
    """Return each rule's chance at a point far from the start, for normal noise with mean and sigma known.

    With q the chance beyond two thirds of a limit: run 2 / 2⁸, trend 2 / 6!, two of three 2 q (1 - (1 - q)²).
    """
    from scipy import stats

    far = stats.norm.sf(2 / 3 * LIMIT * RANGE_OF_TWO)
    return {
        "beyond limits": float(2 * stats.norm.sf(LIMIT * RANGE_OF_TWO)),
        "range": float(2 * stats.norm.sf(RANGE_LIMIT * RANGE_OF_TWO / np.sqrt(2))),
        "run of 8": 2 / 2**RUN,
        "trend of 6": 2 / 720,
        "two of three": float(2 * far * (1 - (1 - far) ** 2)),
    }


def simulate(points: int, baseline: int, *, charts: int, seed: int) -> pd.DataFrame:
    """Return how often each rule speaks on charts of normal noise, limits estimated as on the chart itself.

    Returns
    -------
    DataFrame
        rule (and "any rule"), per_point (share of points marked), per_chart (share of charts with a mark),
        per_point_error, per_chart_error (Monte Carlo standard errors; charts are independent), points,
        baseline.
    """
    rng = np.random.default_rng(seed)
    shares: dict[str, list[FloatArray]] = {rule: [] for rule in (*RULES, "any rule")}
    left = charts
    while left:
        now = min(left, max(1, CHUNK // points))
        values = rng.standard_normal((now, points))
        marked = flags(values, *limits(values, baseline))
        marked["any rule"] = np.logical_or.reduce(list(marked.values()))
        for rule, where in marked.items():
            shares[rule].append(where.mean(axis=1))
        left -= now
    rows = []
    for rule, parts in shares.items():
        share = np.concatenate(parts)
        some = (share > 0).astype(float)
        error = np.sqrt(charts)
        rows.append((rule, share.mean(), some.mean(), share.std() / error, some.std() / error))
    table = pd.DataFrame(
        rows, columns=["rule", "per_point", "per_chart", "per_point_error", "per_chart_error"]
    )
    return table.assign(points=points, baseline=baseline)
