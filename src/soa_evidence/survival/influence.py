"""Variance of a product-limit estimate from the influence of each row, in one pass over the rows.

Row i moves log S(t) by the sum, over times u up to t at which it is at risk, of d / (n (n - d)), less
1 / (n - d) at its own event. With A the running sum of the first term this is A(min(t, exit)) - A(entry) less
the event's share: rows that have left contribute a constant, rows still at risk A(t) - A(entry), and sums of
squares follow from running sums of w², w² A(entry) and w² A(entry)².

Checked against: R survival::survfit(robust = TRUE), and a plain loop over rows in tests/properties.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.records import Records
from soa_evidence.survival.tallies import Tally

__all__ = ["greenwood_steps", "log_survival_error", "mean_variance"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def greenwood_steps(counted: Tally) -> FloatArray:
    """Return d / (n (n - d)) at each time, 0 where no one is left."""
    return np.divide(
        counted.all_events,
        counted.at_risk * counted.survivors,
        out=np.zeros(len(counted.time)),
        where=counted.survivors > 0,
    )


def log_survival_error(records: Records, group: int, counted: Tally, steps: FloatArray) -> FloatArray:
    """Return the robust standard error of log survival at each time of `counted`."""
    weight, cause, leaves, enters = _rows(records, group, counted)
    running = np.concatenate([[0.0], np.cumsum(steps)])
    at_entry = running[enters]
    gone = running[leaves + 1] - at_entry - _own_share(counted, cause, leaves)
    m, squared = len(counted.time), np.square(weight)
    settled = np.cumsum(np.bincount(leaves, weights=squared * gone**2, minlength=m))
    present = [
        np.cumsum(
            np.bincount(enters, weights=squared * at_entry**power, minlength=m)[:m]
            - np.bincount(leaves, weights=squared * at_entry**power, minlength=m)
        )
        for power in (0, 1, 2)
    ]
    now = running[1:]
    squares = settled + now**2 * present[0] - 2 * now * present[1] + present[2]
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def mean_variance(records: Records, group: int, counted: Tally, remaining: FloatArray) -> float:
    """Return the robust variance of the restricted mean.

    Parameters
    ----------
    remaining : array of shape (m,)
        Area under survival from each time to the horizon, 0 beyond it.
    """
    weight, cause, leaves, enters = _rows(records, group, counted)
    running = np.concatenate([[0.0], np.cumsum(greenwood_steps(counted) * remaining)])
    own = _own_share(counted, cause, leaves) * remaining[leaves]
    moved = running[leaves + 1] - running[enters] - own
    return float(np.sum(np.square(weight * moved)))


def _rows(records: Records, group: int, counted: Tally) -> tuple[FloatArray, IntArray, IntArray, IntArray]:
    """Weight, cause, place of leaving and first place at risk, on the times of `counted`."""
    mine = np.flatnonzero(records.group == group)
    weight = np.ones(len(mine)) if records.weight is None else records.weight[mine]
    leaves = np.searchsorted(counted.code, records.exit[mine])
    if records.entry is None:
        enters = np.zeros(len(mine), dtype=np.int64)
    else:
        enters = np.searchsorted(counted.code, records.entry[mine], side="right")
    return weight, records.cause[mine], leaves, enters


def _own_share(counted: Tally, cause: IntArray, leaves: IntArray) -> FloatArray:
    share = np.divide(1.0, counted.survivors, out=np.zeros(len(counted.time)), where=counted.survivors > 0)
    return np.where(cause > 0, share[leaves], 0.0)
