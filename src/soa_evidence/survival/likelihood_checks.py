"""What every model fitted by likelihood shares: its checks and its robust covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soa_evidence.results import Check
from soa_evidence.survival.newton import Maximum, maximum_check

__all__ = ["checks_of", "clusters_check", "robust_covariance"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
FEW_EVENTS = 10  # events for each coefficient
FEW_CLUSTERS = 30


def robust_covariance(scores: FloatArray, cluster: IntArray, covariance: FloatArray) -> FloatArray:
    """Return V U'U V, with U the scores summed by cluster."""
    summed = np.column_stack([np.bincount(cluster, weights=score) for score in scores.T])
    influence = summed @ covariance
    return np.asarray(influence.T @ influence)


def checks_of(found: Maximum, events: float, size: int, cluster: IntArray | None) -> tuple[Check, ...]:
    """Check that the maximum was reached, and what the coefficients rest on."""
    made = [
        maximum_check(found),
        Check(
            name="events for each coefficient",
            verdict="pass" if events / size >= FEW_EVENTS else "warn",
            observed=f"{events / size:.1f}",
            expected=f"at least {FEW_EVENTS}",
            why="with few events coefficients are biased and their limits, for large samples, too narrow",
        ),
    ]
    return tuple(made) if cluster is None else (*made, clusters_check(cluster))


def clusters_check(cluster: IntArray) -> Check:
    """Check that enough clusters stand behind a robust standard error."""
    count = int(cluster.max()) + 1
    return Check(
        name="clusters behind the robust standard error",
        verdict="pass" if count >= FEW_CLUSTERS else "warn",
        observed=str(count),
        expected=f"at least {FEW_CLUSTERS}",
        why="the robust standard error is too small when there are few clusters",
    )
