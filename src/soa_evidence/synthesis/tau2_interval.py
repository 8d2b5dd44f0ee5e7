"""Confidence intervals for the variance between studies of one meta-analysis.

``q_profile``
    Values of tau2 at which Q(tau2) lies between its chi-square quantiles. Exact under the model. Viechtbauer
    2007, Stat Med 26:37.
``biggerstaff_tweedie``
    Values at which the Q of fixed inverse-variance weights is not extreme in its own exact distribution, a
    weighted sum of chi-squares. Biggerstaff & Jackson 2008, Stat Med 27:6093.
``profile_likelihood``
    Values whose likelihood (ML or REML) is within the chi-square limit of the highest. Hardy & Thompson 1996.

When not to use it: the profile likelihood interval with few studies, as it leans on large samples. A lower
limit of 0 is where the parameter ends, not a finding.

Checked against: metafor for the first and third; the second by simulation, and against chi-square where all
standard errors are equal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

from soa_evidence.errors import InputError
from soa_evidence.synthesis import chi_square_mixture
from soa_evidence.synthesis.heterogeneity import log_likelihood, solve_q
from soa_evidence.synthesis.studies import Batch, FloatArray, require_choice

__all__ = ["KINDS", "interval", "likelihood_limits", "q_profile_many"]

KINDS = ("q_profile", "biggerstaff_tweedie", "profile_likelihood")
_FURTHEST = 1e12  # times the largest sampling variance or squared distance: never reached by a real limit


def interval(batch: Batch, *, kind: str, level: float, method: str, tau2: float) -> tuple[float, float]:
    """Return lower and upper limit for tau2 of a stack of one meta-analysis with at least two studies.

    Parameters
    ----------
    method, tau2
        The estimator and its value: the profile likelihood needs ML or REML.

    Raises
    ------
    InputError
        On an unknown kind, or a profile likelihood around an estimate that does not maximise one.
    """
    require_choice(kind, KINDS, "tau2_interval")
    if kind == "q_profile":
        lower, upper = q_profile_many(batch, level)
        return float(lower[0]), float(upper[0])
    if kind == "biggerstaff_tweedie":
        return _biggerstaff_tweedie(batch, level)
    if method not in ("ML", "REML"):
        raise InputError(
            f"tau2_interval 'profile_likelihood' needs method 'ML' or 'REML', not {method!r}; "
            "use 'q_profile' with the others."
        )
    return _profile_likelihood(batch, level, tau2, restricted=method == "REML")


def q_profile_many(batch: Batch, level: float) -> tuple[FloatArray, FloatArray]:
    """Q-profile limits of every meta-analysis, shapes (M,); 0 to 0 where even tau2 = 0 fits too well."""
    tail, df = (1 - level) / 2, np.maximum(batch.size - 1, 1)
    lower, _ = solve_q(batch, np.asarray(stats.chi2.ppf(1 - tail, df)))
    upper, _ = solve_q(batch, np.asarray(stats.chi2.ppf(tail, df)))
    return lower, upper


def _biggerstaff_tweedie(batch: Batch, level: float) -> tuple[float, float]:
    variance = batch.variance[0]
    weights = 1 / variance
    q = float(batch.spread(batch.weights(np.zeros(1)))[0])
    projection = np.diag(weights) - np.outer(weights, weights) / weights.sum()

    def below(tau2: float) -> float:
        root = np.sqrt(variance + tau2)
        values = np.linalg.eigvalsh(root[:, None] * projection * root)[1:]
        return chi_square_mixture.cdf(q, values)

    tail = (1 - level) / 2
    start = float(max(variance.max(), np.ptp(batch.estimate[0]) ** 2))
    # Q grows with tau2, so the probability of what was seen or less falls with it.
    lower = _root(lambda tau2: (1 - tail) - below(tau2), start)
    upper = _root(lambda tau2: tail - below(tau2), start)
    return lower, upper


def _profile_likelihood(batch: Batch, level: float, tau2: float, *, restricted: bool) -> tuple[float, float]:
    def log_l(value: float) -> float:
        return float(log_likelihood(batch, np.array([value]), restricted=restricted)[0])

    return likelihood_limits(log_l, tau2, level=level, step=float(max(batch.variance.max(), tau2)))


def likelihood_limits(
    log_l: Callable[[float], float], best: float, *, level: float, step: float
) -> tuple[float, float]:
    """Return where a log-likelihood of a variance falls by the chi-square limit, below and above `best`."""
    top, allowed = log_l(best), 0.5 * float(stats.chi2.ppf(level, 1))

    def beyond(value: float) -> float:
        return (top - log_l(value)) - allowed

    lower = 0.0 if best == 0 or beyond(0.0) <= 0 else _solve(beyond, 0.0, best)
    return lower, best + _root(lambda more: beyond(best + more), step)


def _root(rising: Callable[[float], float], start: float) -> float:
    """Where a rising function crosses 0 on tau2 >= 0; 0 where it starts above."""
    if rising(0.0) >= 0:
        return 0.0
    high = start
    while rising(high) < 0:
        high *= 4
        if high > start * _FURTHEST:
            return float("inf")
    return _solve(rising, 0.0, high)


def _solve(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.brentq(function, low, high, xtol=1e-14 * max(high, 1e-300), rtol=1e-13))
