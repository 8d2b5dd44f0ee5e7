"""Logistic regression with an intercept for each class of unit, from counts by class and case-mix pattern.

    y_gp ~ Binomial(n_gp, r_gp)        logit r_gp = intercept_g + x_p terms

solved by Newton's method to the maximum of the likelihood; with a few thousand patterns and twenty terms in
some milliseconds. It serves the many refits of sensitivity analyses, where the hierarchical model of
`units.binomial` would take hours.

When not to use it: by itself, for a class of unit. It takes patients of one unit as independent.

Checked against: R's glm in tests/reference/unit_sensitivity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["Logistic", "solve"]

FloatArray = NDArray[np.float64]

MOST_STEPS = 40
LEAST_INFORMATION = (
    1e-9  # of the largest eigenvalue: terms that say the same (age and sex hidden together), or ran away
)
SMALLEST_DECREMENT = 1e-12  # of the log likelihood: far below what moves any printed digit
LONGEST_STEP = 4.0  # log odds at once; a separated level would otherwise overshoot


@dataclass(frozen=True, eq=False, kw_only=True)
class Logistic:
    """The maximum of the likelihood.

    Attributes
    ----------
    intercept : array of shape (G,)
    terms : array of shape (K,)
    inverse : array of shape (G + K, G + K)
        Generalised inverse of the information, intercepts first; 0 for a term that no patient has.
    risk : array of shape (G, P)
        Fitted risk of every pattern in every class, also where the class has no such patient.
    converged : bool
    """

    intercept: FloatArray
    terms: FloatArray
    inverse: FloatArray
    risk: FloatArray
    converged: bool


def solve(
    design: FloatArray, events: FloatArray, trials: FloatArray, *, start: Logistic | None = None
) -> Logistic:
    """Maximise the likelihood.

    Parameters
    ----------
    design : array of shape (P, K)
    events, trials : arrays of shape (G, P)
        Every class needs at least one event and one patient without, or its intercept runs away.
    start
        Where to begin.
    """
    found = _newton(design, events, trials, start)
    if start is not None and not found.converged:
        # A level that ran away in the last data may not in these, and Newton cannot find back from there.
        found = _newton(design, events, trials, None)
    return found


def _newton(design: FloatArray, events: FloatArray, trials: FloatArray, start: Logistic | None) -> Logistic:
    classes, used = len(events), (trials.sum(axis=0) @ design**2) > 0
    x = design[:, used]
    size = trials.sum(axis=1)
    rate = (events.sum(axis=1) + 0.5) / (size + 1.0)
    intercept = np.log(rate / (1 - rate)) if start is None else start.intercept.copy()
    terms = np.zeros(x.shape[1]) if start is None else start.terms[used].copy()
    seen = np.concatenate([events.sum(axis=1), x.T @ events.sum(axis=0)])
    converged = False
    for _ in range(MOST_STEPS):
        risk = expit(intercept[:, None] + x @ terms)
        expected = trials * risk
        score = seen - np.concatenate([expected.sum(axis=1), x.T @ expected.sum(axis=0)])
        covariance = _inverse(_information(x, expected * (1 - risk)))
        step = covariance @ score
        if float(step @ score) < SMALLEST_DECREMENT:
            converged = True
            break
        longest = float(np.abs(step).max())
        step = step * min(1.0, LONGEST_STEP / longest) if longest > 0 else step
        intercept, terms = intercept + step[:classes], terms + step[classes:]
    kept = np.concatenate([np.ones(classes, dtype=bool), used])
    inverse = np.zeros((len(kept), len(kept)))
    inverse[np.ix_(kept, kept)] = covariance
    every = np.zeros(len(used))
    every[used] = terms
    return Logistic(intercept=intercept, terms=every, inverse=inverse, risk=risk, converged=converged)


def _inverse(information: FloatArray) -> FloatArray:
    """Inverse over what the data tell of; the rest is left where it is."""
    values, vectors = np.linalg.eigh(information)
    known = values > LEAST_INFORMATION * values[-1]
    return np.asarray((vectors[:, known] / values[known]) @ vectors[:, known].T)


def _information(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Information of intercepts and terms from each cell's weight n r (1 - r), shape (G, P)."""
    cross = weight @ x
    total = weight.sum(axis=0)
    upper = np.hstack([np.diag(weight.sum(axis=1)), cross])
    lower = np.hstack([cross.T, x.T @ (x * total[:, None])])
    return np.vstack([upper, lower])
