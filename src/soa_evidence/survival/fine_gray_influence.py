"""What each row does to a Fine–Gray fit: through its own risk, and through the chance of being observed.

Per unit of weight, in sorted order and in standardised covariates,

    eta_i = integral of (x_i - mean x at risk) w_i dM_i                            its own part
    psi_i = sum over censoring times u of  q(u) × what row i does to log G at u
    q(u)  = - sum over those lingering since u or before of  r / G(T-) × integral after u of (x - mean) G dH

r is exp(x'b). Fine & Gray's psi with the derivative of the product-limit estimate itself, or, with
`events_first` False, as cmprsk::crr has it (sums from u on, those lingering since before u).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival import influence_rows
from soa_evidence.survival.censoring import Censoring
from soa_evidence.survival.cox_rows import SortedRows
from soa_evidence.survival.cox_sweep import Sweep, hazards, score_residuals, second_moments
from soa_evidence.survival.records import Records

__all__ = ["ends", "last_group", "of_censoring", "sandwich", "score", "since"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def score(rows: SortedRows, found: Sweep) -> FloatArray:
    """Return eta, shape (n, p)."""
    return score_residuals(rows, found)[0]


def sandwich(
    score: FloatArray, inverse: FloatArray, records: Records, rows: SortedRows, clusters: IntArray | None
) -> FloatArray:
    """Return the robust covariance from score influences."""
    weight = influence_rows.multiplier(records, rows, clusters)
    if clusters is None:
        middle = second_moments(score, weight**2)
    else:
        mine = clusters[rows.order]
        summed = np.column_stack(
            [np.bincount(mine, weights=weight * score[:, j]) for j in range(score.shape[1])]
        )
        middle = second_moments(summed, np.ones(len(summed)))
    found = inverse @ middle @ inverse
    return np.asarray((found + found.T) / 2)


def of_censoring(records: Records, rows: SortedRows, found: Sweep, observed: Censoring) -> FloatArray:
    """Return psi, shape (n, p)."""
    relative = found.risk / rows.weight
    share = (rows.weight * relative * rows.linger)[:, None]
    lingering = since(np.hstack([share, share * rows.Z]), records, rows, observed)
    beyond = after(hazards(rows, found, tilted=True).beyond, records, rows, observed)
    q = lingering[:, :1] * beyond[:, 1:] - lingering[:, 1:] * beyond[:, :1]
    return observed.row_sums(q, *ends(records, rows, observed))


def ends(records: Records, rows: SortedRows, observed: Censoring) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return when each row's observation ends, as keys, and whether by censoring; in sorted order."""
    order = rows.order
    return observed.keys(records.stratum[order], records.exit[order]), records.cause[order] == 0


def since(values: FloatArray, records: Records, rows: SortedRows, observed: Censoring) -> FloatArray:
    """Sum values over those lingering since each censoring time or before (crr: before); shape (k, q)."""
    place = np.flatnonzero(rows.linger)
    key, _ = ends(records, rows, observed)
    side = "left" if observed.events_first else "right"
    at = np.searchsorted(observed.key, key[place], side=side)  # type: ignore[call-overload]
    stratum = records.stratum[rows.order][place]
    k = len(observed.key)
    inside = at < k
    inside[inside] = observed.stratum[at[inside]] == stratum[inside]
    at, place = at[inside], place[inside]
    sums = [np.bincount(at, weights=values[place, j], minlength=k) for j in range(values.shape[1])]
    return observed.running(np.column_stack(sums))


def after(beyond: FloatArray, records: Records, rows: SortedRows, observed: Censoring) -> FloatArray:
    """Return sums over the groups after each (`Hazards.beyond`) at each censoring time; shape (k, q)."""
    return beyond[last_group(records, rows, observed)]


def last_group(records: Records, rows: SortedRows, observed: Censoring) -> IntArray:
    """Return the last group up to (for crr, before) each censoring time; shape (k,)."""
    place = np.where(rows.deaths > 0, np.searchsorted(records.axis, rows.time), -1)
    side = "right" if observed.events_first else "left"
    keys = observed.keys(rows.stratum, place)
    found = np.searchsorted(keys, observed.key, side=side) - 1  # type: ignore[call-overload]
    return np.asarray(np.maximum(found, np.searchsorted(rows.stratum, observed.stratum)))
