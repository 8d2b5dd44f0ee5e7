"""Coefficients of a logistic or linear regression, and their covariance, from patients or counts of them.

With n patients, total y and mean m(x'b) in a row, both models solve Σ x (y - n m) = 0 by Newton steps

    b ← b + (X' W X)⁻¹ X' (y - n m),   W = n m (1 - m) (logistic), n (linear),

columns scaled to unit length first. Covariance A = (X' W X)⁻¹, times the residual variance where linear; or
by unit, A M A with M = Σ_u s_u s_u', s_u the unit's part of the sum above, times G / (G - 1) for G units, and
(N - 1) / (N - K) as well where linear.

When not to use it: by itself; `units.case_mix` and `units.g_computation` call it.

Sources: McCullagh & Nelder (1989), 2.5; Liang & Zeger (1986), Biometrika 73:13.

Checked against: R's glm, lm and sandwich::vcovCL, in tests/reference/case_mix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from soa_evidence.errors import InputError
from soa_evidence.units.case_mix_design import Kind, Patients

__all__ = ["Solution", "aliased", "clustered", "solve"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MOST_STEPS = 40
SETTLED = 1e-12  # of the deviance, relative; Newton's next step is then far below rounding of the estimates
ALIASED = 1e-9  # share of a column's squared length that the others leave


@dataclass(frozen=True, eq=False, kw_only=True)
class Solution:
    """Fitted model.

    Attributes
    ----------
    coefficients, covariance : arrays of shape (K,), (K, K)
        By the model itself, not by unit.
    bread : array of shape (K, K)
        (X' W X)⁻¹.
    fitted, weight : arrays of shape (R,)
        Mean of a patient in each row, and the derivative of the row's expected total by the linear predictor.
    residual_sd : float
        Of a patient, where linear; NaN where logistic.
    deviance, null_deviance : float
        Minus twice the log likelihood; residual and total sum of squares where linear.
    steps : int
    converged : bool
    """

    coefficients: FloatArray
    covariance: FloatArray
    bread: FloatArray
    fitted: FloatArray
    weight: FloatArray
    residual_sd: float
    deviance: float
    null_deviance: float
    steps: int
    converged: bool


def solve(x: FloatArray, patients: Patients, kind: Kind) -> Solution:
    """Fit the model.

    Raises
    ------
    InputError
        When patients are not more than coefficients, or no or every patient has the event.
    """
    n, y = patients.size, patients.total
    if n.sum() <= x.shape[1]:
        raise InputError(f"{n.sum():g} patients cannot tell {x.shape[1]} coefficients; use fewer covariates.")
    mean = y.sum() / n.sum()
    if kind == "events" and (mean <= 0 or mean >= 1):
        raise InputError(
            f"{'No patient' if mean <= 0 else 'Every patient'} has the event, so there is nothing to model."
        )
    scale = np.sqrt((n[:, None] * x**2).sum(axis=0) / n.sum())
    z = x / scale
    beta = np.zeros(x.shape[1])
    beta[0] = np.log(mean / (1 - mean)) if kind == "events" else mean
    before, last, converged, steps = beta, np.inf, False, 0
    while True:
        linear = z @ beta
        m = expit(linear) if kind == "events" else linear
        weight = n * m * (1 - m) if kind == "events" else n
        deviance = _deviance(linear, patients, kind)
        if kind == "events" and np.isfinite(last) and deviance > last * (1 + 1e-10) and steps < MOST_STEPS:
            beta, steps = (beta + before) / 2, steps + 1  # a step too far: go half the way
            continue
        settled = abs(last - deviance) <= SETTLED * (abs(deviance) + 1e-12)
        information = z.T @ (weight[:, None] * z)
        bread = _inverse(information)
        if (settled and steps >= 2) or steps >= MOST_STEPS:
            converged = bool(settled)
            break
        before, last = beta, deviance
        beta, steps = beta + bread @ (z.T @ (y - n * m)), steps + 1
    left = n.sum() - x.shape[1]
    spread = np.sqrt(max(deviance, 0.0) / left) if kind == "value" else np.nan
    bread = bread / np.outer(scale, scale)
    null = np.full(len(n), np.log(mean / (1 - mean)) if kind == "events" else mean)
    return Solution(
        coefficients=beta / scale,
        covariance=bread * (spread**2 if kind == "value" else 1.0),
        bread=bread,
        fitted=m,
        weight=weight,
        residual_sd=float(spread),
        deviance=deviance,
        null_deviance=_deviance(null, patients, kind),
        steps=steps,
        converged=converged,
    )


def clustered(
    x: FloatArray, patients: Patients, solution: Solution, unit: IntArray, kind: Kind
) -> FloatArray:
    """Return the covariance of the coefficients that allows for patients of a unit being alike."""
    score = x * (patients.total - patients.size * solution.fitted)[:, None]
    groups = int(unit.max()) + 1
    if groups < 2:
        raise InputError("covariance='unit' needs at least two units; there is one.")
    by_unit = np.column_stack([np.bincount(unit, weights=column, minlength=groups) for column in score.T])
    factor = groups / (groups - 1)
    if kind == "value":
        factor *= (patients.size.sum() - 1) / (patients.size.sum() - x.shape[1])
    middle = factor * by_unit.T @ by_unit
    covariance = solution.bread @ middle @ solution.bread
    return np.asarray((covariance + covariance.T) / 2)


def _deviance(linear: FloatArray, patients: Patients, kind: Kind) -> float:
    if kind == "events":
        return float(2 * (patients.size * np.logaddexp(0, linear) - patients.total * linear).sum())
    n = patients.size
    within = (patients.squares - patients.total**2 / n).sum()
    return float(within + (n * (patients.total / n - linear) ** 2).sum())


def _inverse(information: FloatArray) -> FloatArray:
    from scipy import linalg

    try:
        inverse = linalg.cho_solve(linalg.cho_factor(information), np.eye(len(information)))
    except linalg.LinAlgError:  # weights of 0 under separation, which the checks report
        inverse = np.linalg.pinv(information, hermitian=True)
    return np.asarray((inverse + inverse.T) / 2)


def aliased(x: FloatArray, n: FloatArray) -> tuple[list[int], FloatArray]:
    """Return the columns that those before them determine, by elimination, and the others' correlation.

    The intercept is column 0, and no part of the correlation.
    """
    correlation = _correlation(x, n)
    left, found = correlation.copy(), []
    for k in range(len(left)):
        if left[k, k] < ALIASED:
            found.append(k + 1)
            continue
        left[k + 1 :, k + 1 :] -= np.outer(left[k + 1 :, k], left[k, k + 1 :]) / left[k, k]
    kept = [k for k in range(len(left)) if k + 1 not in found]
    return found, correlation[np.ix_(kept, kept)]


def _correlation(x: FloatArray, n: FloatArray) -> FloatArray:
    """Return the correlation between the columns but the intercept, as patients have them."""
    z = (x[:, 1:] - (n @ x[:, 1:]) / n.sum()) * np.sqrt(n)[:, None]
    spread = np.sqrt((z**2).sum(axis=0))
    z /= np.where(spread > 0, spread, 1.0)
    return np.asarray(z.T @ z)
