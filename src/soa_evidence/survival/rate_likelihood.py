"""Maxima of the Poisson and the negative binomial likelihood of counts, by statsmodels' GLM.

With y events, mu = years × exp(x'b) expected and variance mu + alpha mu²,

    log likelihood = sum of [ sum over k < y of log(1 + k alpha) + y log mu - (y + 1/alpha) log(1 + alpha mu)
                              - log y! ]

which is Poisson's at alpha = 0. Coefficients are at their maximum for each alpha (iteratively reweighted
least squares, started from the last alpha's), so that the likelihood is a curve in alpha whose slope is
exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival.cancellation import log_excess, summed_logs

__all__ = ["Counts", "Maximum", "alpha_limits", "maximise"]

FloatArray = NDArray[np.float64]
LEAST, MOST = 1e-12, 1e6  # alphas beyond which 0, or no maximum, is the answer
FACTOR = 4.0
PRECISE = 1e-11  # of log alpha
CURVATURE_STEP = 1e-3
MOST_STEPS = 200


@dataclass(eq=False, kw_only=True)
class Counts:
    """Events, years and design (with intercept, columns standardised)."""

    events: FloatArray
    years: FloatArray
    X: FloatArray

    def at(self, alpha: float, start: FloatArray | None = None) -> Maximum:
        """Return the maximum over coefficients at one alpha (0 for Poisson).

        Raises
        ------
        InputError
            Where the steps do not settle, or expected events vanish: some combination of covariates has no
            events.
        """
        import statsmodels.api as sm

        family = sm.families.Poisson() if alpha == 0 else sm.families.NegativeBinomial(alpha=alpha)
        model = sm.GLM(self.events, self.X, family=family, offset=np.log(self.years))
        with np.errstate(all="ignore"):
            found = model.fit(
                start_params=start, maxiter=MOST_STEPS, tol=1e-13, tol_criterion="params", scale=1.0,
                cov_type="nonrobust",
            )  # fmt: skip
        beta = np.asarray(found.params, dtype=float)
        mu = np.asarray(found.mu, dtype=float)
        weight = mu / (1 + alpha * mu)
        if not np.isfinite(beta).all() or np.abs(beta[1:]).max(initial=0.0) > 30:
            raise InputError(
                "The likelihood has no maximum: some combination of covariates holds no events, so a "
                "coefficient would be infinite. Merge levels, or leave a covariate out."
            )
        information = (self.X * weight[:, None]).T @ self.X
        score = self.X.T @ ((self.events - mu) / (1 + alpha * mu))
        covariance = np.linalg.inv(information)
        return Maximum(
            alpha=alpha,
            beta=beta,
            mu=mu,
            covariance=covariance,
            likelihood=self._likelihood(alpha, mu),
            slope=self._slope(alpha, mu),
            left=float(score @ covariance @ score) / 2,
        )

    def _likelihood(self, alpha: float, mu: FloatArray) -> float:
        from scipy.special import gammaln, xlogy

        y = self.events
        if alpha == 0:
            return float((xlogy(y, mu) - mu - gammaln(y + 1)).sum())
        logs, _ = summed_logs(y.astype(np.int64), alpha)
        x = alpha * mu
        each = logs + xlogy(y, mu) - y * np.log1p(x) - mu - log_excess(x) / alpha - gammaln(y + 1)
        return float(each.sum())

    def _slope(self, alpha: float, mu: FloatArray) -> float:
        """Return the derivative in log alpha; at alpha = 0 in alpha itself."""
        y = self.events
        if alpha == 0:
            return float(((y - mu) ** 2 - y).sum()) / 2
        _, slopes = summed_logs(y.astype(np.int64), alpha)
        x = alpha * mu
        return float((slopes + log_excess(x) / alpha + x * (mu - y) / (1 + x)).sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum:
    """Coefficients at one alpha.

    Attributes
    ----------
    alpha : float
    beta, mu : arrays of shape (p,), (n,)
    covariance : array of shape (p, p)
        Inverse expected information, alpha given (in this model the two are independent for large samples).
    likelihood, slope : float
        Slope in log alpha (at 0: in alpha).
    left : float
        Likelihood still to be gained.
    """

    alpha: float
    beta: FloatArray
    mu: FloatArray
    covariance: FloatArray
    likelihood: float
    slope: float
    left: float


def maximise(counts: Counts, poisson: Maximum) -> tuple[Maximum, float]:
    """Return the maximum over alpha too, and minus the second derivative in log alpha there (NaN at 0).

    Raises
    ------
    InputError
        Where the likelihood rises with alpha without end.
    """
    if poisson.slope <= 0:
        return poisson, np.nan
    last = [poisson.beta]

    def slope(log_alpha: float) -> float:
        found = counts.at(float(np.exp(log_alpha)), last[0])
        last[0] = found.beta
        return found.slope

    low = high = float(np.log(0.1))
    if slope(low) > 0:
        while slope(high) > 0:
            low, high = high, high + np.log(FACTOR)
            if np.exp(high) > MOST:
                raise InputError(
                    f"The over-dispersion alpha rises beyond {MOST:g} without a maximum: nearly all events "
                    "stand in a few rows. Look at those rows, or group rows."
                )
    else:
        while slope(low) <= 0:
            low, high = low - np.log(FACTOR), low
            if np.exp(low) < LEAST:
                return poisson, np.nan
    place = _root(slope, low, high)
    curvature = -(slope(place + CURVATURE_STEP) - slope(place - CURVATURE_STEP)) / (2 * CURVATURE_STEP)
    return counts.at(float(np.exp(place)), last[0]), curvature


def alpha_limits(counts: Counts, poisson: Maximum, top: Maximum, fall: float) -> tuple[float, float]:
    """Return the alphas at which the likelihood has fallen by `fall` from its maximum."""
    target = top.likelihood - fall
    start = float(np.log(top.alpha if top.alpha > 0 else 1e-6))

    def excess(log_alpha: float) -> float:
        return counts.at(float(np.exp(log_alpha)), top.beta).likelihood - target

    def limit(step: float) -> float:
        place = start
        while excess(place + step) > 0:
            place += step
            if np.exp(place) > MOST:
                return np.inf
        return float(np.exp(_root(excess, *sorted((place, place + step)))))

    lower = 0.0 if top.alpha == 0 or poisson.likelihood >= target else limit(-np.log(FACTOR))
    return lower, limit(np.log(FACTOR))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=PRECISE, rtol=1e-13))
