"""Variance of predictions from the influence of sorted rows: what a row counts, when it changes its form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.cox_rows import SortedRows
from soa_evidence.survival.records import Records

__all__ = ["multiplier", "variances"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def multiplier(records: Records, rows: SortedRows, clusters: IntArray | None) -> FloatArray:
    """Return what each row's influence counts for: a row of frequency w is w independent people."""
    if clusters is None and records.weights_are == "frequency":
        return np.sqrt(rows.weight)
    return rows.weight


def variances(
    rows: SortedRows,
    stratum: int,
    static: FloatArray,
    present: FloatArray,
    gone: FloatArray,
    phi: Sequence[FloatArray],
    weight: FloatArray,
    clusters: IntArray | None,
    died: NDArray[np.bool_] | None = None,
) -> FloatArray:
    """Return the variance at every group of a stratum, for each of `phi`; see `influence_kernels`.

    Parameters
    ----------
    static, present, gone : arrays of shape (n, p), (n, q), (n, q)
        In sorted order.
    phi : arrays of shape (m_s, p + q)
    weight : array of shape (n,)
        From `multiplier`.
    clusters : array of shape (n,) or None
        In the order of the frame.
    died : array of shape (n,), optional
        Who is gone from their own group on, because they had an event in it; by default, who had the event
        that the rows tell of.

    Returns
    -------
    array of shape (len(phi), m_s)
    """
    from soa_evidence.survival.influence_kernels import moving_squares

    first, last = np.searchsorted(rows.stratum, [stratum, stratum + 1])
    ours = rows.stratum[rows.group] == stratum
    begins = rows.enter + 1 if len(rows.enter) else np.full(len(ours), first)
    # Whoever was never at risk acts through the coefficients alone, unless they linger.
    begins = np.where(begins > rows.group, rows.group if len(rows.linger) else last, begins)
    ends = np.where(rows.died if died is None else died, rows.group, rows.group + 1)
    from_ = np.where(ours, begins, last) - first
    to = np.where(ours & (begins < last), ends, last) - first
    cluster = np.zeros(0, dtype=np.int64) if clusters is None else clusters[rows.order]
    found = [
        moving_squares(
            static,
            present,
            gone,
            from_,
            to,
            np.argsort(from_, kind="stable"),
            np.argsort(to, kind="stable"),
            weight,
            cluster,
            int(cluster.max(initial=-1)) + 1,
            np.ascontiguousarray(each),
        )
        for each in phi
    ]
    return np.array(found)
