"""Tests and checks of a fitted Cox model as a whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.results import Check
from soa_evidence.survival.cox_newton import Maximum
from soa_evidence.survival.likelihood_checks import clusters_check

__all__ = ["checks", "tests", "wald"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
FEW_EVENTS = 10  # events for each coefficient
SINGULAR = 1e-12  # smallest eigenvalue of a correlation matrix below which it has no inverse
CONVERGED = 1e-9  # likelihood that may still be gained


def tests(found: Maximum, beta: FloatArray, covariance: FloatArray) -> pd.DataFrame:
    """Return the likelihood ratio, Wald and score tests that all coefficients are 0."""
    from scipy.stats import chi2

    statistics = {
        "likelihood ratio": 2 * (found.likelihood - found.likelihood_at_zero),
        "Wald": _wald(beta, covariance),
        "score": found.score_statistic,
    }
    values = np.array(list(statistics.values()))
    return pd.DataFrame(
        {
            "test": list(statistics),
            "statistic": values,
            "degrees_of_freedom": len(beta),
            "p_value": chi2.sf(values, len(beta)),
        }
    )


def wald(beta: FloatArray, covariance: FloatArray) -> pd.DataFrame:
    """Return the Wald test that all coefficients are 0."""
    from scipy.stats import chi2

    statistic = _wald(beta, covariance)
    return pd.DataFrame(
        {
            "test": ["Wald"],
            "statistic": [statistic],
            "degrees_of_freedom": len(beta),
            "p_value": float(chi2.sf(statistic, len(beta))),
        }
    )


def _wald(beta: FloatArray, covariance: FloatArray) -> float:
    """Return Wald's statistic; missing where a robust covariance of few clusters has no inverse."""
    scale = np.sqrt(np.diag(covariance))
    if not (scale > 0).all():
        return float("nan")
    correlation = covariance / np.outer(scale, scale)
    if np.linalg.eigvalsh(correlation)[0] < SINGULAR:
        return float("nan")
    return float(beta / scale @ np.linalg.solve(correlation, beta / scale))


def checks(found: Maximum, events: int, clusters: IntArray | None) -> tuple[Check, ...]:
    """Check that the maximum was reached, and what the coefficients and their errors rest on."""
    each = events / len(found.beta)
    found_checks = [
        Check(
            name="likelihood still to be gained at the maximum",
            verdict="pass" if found.last_gain <= CONVERGED else "fail",
            observed=f"{found.last_gain:.1e} after {found.steps} steps",
            expected=f"at most {CONVERGED:g}",
            why="coefficients short of the maximum are not the model's",
        ),
        Check(
            name="events for each coefficient",
            verdict="pass" if each >= FEW_EVENTS else "warn",
            observed=f"{each:.1f}",
            expected=f"at least {FEW_EVENTS}",
            why="with few events coefficients are biased away from 0 and their limits too narrow",
        ),
        Check(
            name="collinearity: smallest eigenvalue of the scores' correlation",
            verdict="pass" if found.smallest_eigenvalue >= 1e-3 else "warn",
            observed=f"{found.smallest_eigenvalue:.2g}",
            expected="at least 0.001",
            why="covariates that nearly determine one another have coefficients that mean little apart",
        ),
    ]
    if clusters is not None:
        found_checks.append(clusters_check(clusters))
    return tuple(found_checks)
