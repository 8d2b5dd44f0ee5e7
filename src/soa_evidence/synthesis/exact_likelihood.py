r"""Likelihoods of counts with random effects, by adaptive Gauss-Hermite quadrature, over all studies at once.

Each study's true effect is :math:`\theta = \mu + \tau u`, u standard normal. The integrand over u is
log-concave, so its mode is found by Newton's steps; the nodes are set around the mode by the curvature there
(Pinheiro & Bates 1995). One node is Laplace's approximation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammaln, logsumexp

from soa_evidence.synthesis.studies import FloatArray

__all__ = ["Arms", "Conditional", "binomial", "hypergeometric"]

_STEPS = 200
_DONE = 1e-12
_MODE = 1e-7
_FAR = 25.0  # log odds or log rates beyond which nothing changes


@dataclass(frozen=True, eq=False, kw_only=True)
class OneParameter:
    """Log-likelihood of K studies: `value` at effects (K, Q), `slopes` (slope, curvature) at effects (K,)."""

    studies: int
    value: Callable[[FloatArray], FloatArray]
    slopes: Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def binomial(x: FloatArray, m: FloatArray, offset: FloatArray) -> OneParameter:
    """X of m with log odds of the effect plus `offset`."""

    def value(theta: FloatArray) -> FloatArray:
        eta = theta + offset[:, None]
        return np.asarray(x[:, None] * eta - m[:, None] * np.logaddexp(0.0, eta))

    def slopes(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        p = expit(theta + offset)
        return x - m * p, -m * p * (1 - p)

    return OneParameter(studies=len(x), value=value, slopes=slopes)


def hypergeometric(x: FloatArray, n1: FloatArray, n2: FloatArray, m: FloatArray) -> OneParameter:
    """X of m events in the arm of n1, given both margins: Fisher's non-central distribution.

    Supports differ in length from tens to thousands, so they lie end to end in one array.
    """
    low, high = np.maximum(0, m - n2), np.minimum(n1, m)
    length = (high - low + 1).astype(int)
    first = np.concatenate([[0], np.cumsum(length)[:-1]])
    of = np.repeat(np.arange(len(x)), length)
    j = np.arange(len(of)) - first[of] + low[of]

    def choose(n: FloatArray, r: FloatArray) -> FloatArray:
        return np.asarray(gammaln(n + 1) - gammaln(r + 1) - gammaln(n - r + 1))

    weight = choose(n1[of], j) + choose(n2[of], m[of] - j)
    weight = weight - np.maximum.reduceat(weight, first)[of]
    weight = weight - np.log(np.add.reduceat(np.exp(weight), first))[of]
    away = j - x[of]

    def masses(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        log_mass = weight + theta[of] * away
        top = np.maximum.reduceat(log_mass, first)
        return np.exp(log_mass - top[of]), top

    def value(theta: FloatArray) -> FloatArray:
        total = np.empty(theta.shape)
        for q in range(theta.shape[1]):
            mass, top = masses(theta[:, q])
            total[:, q] = -(top + np.log(np.add.reduceat(mass, first)))
        return total

    def slopes(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        mass, _ = masses(theta)
        whole = np.add.reduceat(mass, first)
        mean = np.add.reduceat(mass * away, first) / whole
        square = np.add.reduceat(mass * (away - mean[of]) ** 2, first) / whole
        return -mean, -square

    return OneParameter(studies=len(x), value=value, slopes=slopes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Conditional:
    """Studies whose likelihood holds nothing but their own effect."""

    likelihood: OneParameter
    points: int

    def log_likelihood(self, mu: float, tau: float) -> FloatArray:
        """Return the log marginal likelihood of every study, shape (K,)."""
        z, log_w = _hermite(self.points)
        u = np.zeros(self.likelihood.studies)
        for _ in range(_STEPS):
            first, second = self.likelihood.slopes(mu + tau * u)
            step = np.clip((tau * first - u) / (1 - tau**2 * second), -3.0, 3.0)
            u = u + step
            if np.abs(step).max() < _MODE:  # the nodes need not be centred to the last digit
                break
        spread = 1 / np.sqrt(1 - tau**2 * second)
        nodes = u[:, None] + spread[:, None] * z
        value = self.likelihood.value(mu + tau * nodes) - 0.5 * nodes**2
        return np.asarray(logsumexp(value + log_w, axis=1) + np.log(spread))


@dataclass(frozen=True, eq=False, kw_only=True)
class Arms:
    """Both arms of every study: events x, and patients n (odds) or time at risk (rates), each (2, K)."""

    events: FloatArray
    size: FloatArray
    rates: bool
    points: int

    def fixed(self, mu: float, tau: float) -> FloatArray:
        """Return each study's log-likelihood with its baseline at its best, shape (K,)."""
        z, log_w = _hermite(self.points)
        total = self.events.sum(axis=0) / self.size.sum(axis=0)
        base = np.log(total) if self.rates else np.log(total / (1 - total))
        u = np.zeros(len(base))
        for _ in range(_STEPS):
            u, spread = self._mode(base, u, mu, tau)
            nodes = u[:, None] + spread[:, None] * z
            value, score, curvature = self._at(base[:, None], mu + tau * nodes)
            weights = value - 0.5 * nodes**2 + log_w
            log_sum = logsumexp(weights, axis=1)
            share = np.exp(weights - log_sum[:, None])
            # The derivative of the log of an integral is the mean derivative of its logarithm (Fisher).
            slope = (share * score).sum(axis=1)
            bend = (share * (curvature + (score - slope[:, None]) ** 2)).sum(axis=1)
            step = np.clip(-slope / np.minimum(bend, 1e-3 * curvature.mean(axis=1)), -2.0, 2.0)
            if np.abs(step).max() < 1e-10:
                break
            base = base + step
        return np.asarray(log_sum + np.log(spread))

    def random(self, centre: float, width: float, mu: float, tau: float) -> FloatArray:
        """Return each study's log-likelihood with a normal baseline (centre, width) integrated out too."""
        z, log_w = _hermite(self.points)
        a, b = np.zeros(self.events.shape[1]), np.zeros(self.events.shape[1])
        for _ in range(_STEPS):
            slope, bend = self._both(a, b, centre, width, mu, tau)
            step = np.clip(np.linalg.solve(bend, slope[..., None])[..., 0], -2.0, 2.0)
            a, b = a + step[:, 0], b + step[:, 1]
            if np.abs(step).max() < _DONE:
                break
        _, bend = self._both(a, b, centre, width, mu, tau)
        root = np.linalg.cholesky(np.linalg.inv(bend))
        grid = np.stack(np.meshgrid(z, z, indexing="ij")).reshape(2, -1)
        log_weight = (log_w[:, None] + log_w[None, :]).ravel()
        moved = np.einsum("kij,jq->kiq", root, grid)
        first, second = a[:, None] + moved[:, 0], b[:, None] + moved[:, 1]
        value = self._at(centre + width * first, mu + tau * second)[0] - 0.5 * (first**2 + second**2)
        half = np.log(root[:, 0, 0]) + np.log(root[:, 1, 1])
        return np.asarray(logsumexp(value + log_weight, axis=1) + half)

    def _at(self, base: FloatArray, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value, slope and curvature in the baseline; log constants of the counts are left out."""
        value, score, curvature = (np.zeros(np.broadcast(base, theta).shape) for _ in range(3))
        for arm, sign in ((0, 0.5), (1, -0.5)):
            part = self._arm(arm, base + sign * theta)
            value, score, curvature = value + part[0], score + part[1], curvature + part[2]
        return value, score, curvature

    def _arm(self, arm: int, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        x, n = self.events[arm][:, None], self.size[arm][:, None]
        if self.rates:
            mean = n * np.exp(np.clip(eta, -40 * _FAR, _FAR))
            return x * eta - mean, x - mean, -mean
        p = expit(eta)
        return x * eta - n * np.logaddexp(0.0, eta), x - n * p, -n * p * (1 - p)

    def _mode(self, base: FloatArray, u: FloatArray, mu: float, tau: float) -> tuple[FloatArray, FloatArray]:
        """Mode over u at given baselines, and the width of the integrand there."""
        for _ in range(_STEPS):
            theta = (mu + tau * u)[:, None]
            parts = [self._arm(arm, base[:, None] + sign * theta) for arm, sign in ((0, 0.5), (1, -0.5))]
            slope = 0.5 * tau * (parts[0][1] - parts[1][1])[:, 0] - u
            bend = 1 - 0.25 * tau**2 * (parts[0][2] + parts[1][2])[:, 0]
            step = np.clip(slope / bend, -3.0, 3.0)
            u = u + step
            if np.abs(step).max() < _DONE:
                break
        return u, 1 / np.sqrt(bend)

    def _both(
        self, a: FloatArray, b: FloatArray, centre: float, width: float, mu: float, tau: float
    ) -> tuple[FloatArray, FloatArray]:
        """Slope (K, 2) and negative curvature (K, 2, 2) in the standard normal baseline and effect."""
        base, theta = (centre + width * a)[:, None], (mu + tau * b)[:, None]
        first, second = self._arm(0, base + theta / 2), self._arm(1, base - theta / 2)
        s1, s2, c1, c2 = (part[:, 0] for part in (first[1], second[1], first[2], second[2]))
        slope = np.stack([width * (s1 + s2) - a, 0.5 * tau * (s1 - s2) - b], axis=1)
        cross = -0.5 * width * tau * (c1 - c2)
        bend = np.stack(
            [
                np.stack([1 - width**2 * (c1 + c2), cross], axis=1),
                np.stack([cross, 1 - 0.25 * tau**2 * (c1 + c2)], axis=1),
            ],
            axis=1,
        )
        return slope, bend


def _hermite(points: int) -> tuple[FloatArray, FloatArray]:
    """Nodes for a standard normal, and log weights with the normal density divided out of them."""
    z, w = np.polynomial.hermite_e.hermegauss(points)
    return z, np.log(w) + 0.5 * z**2 - 0.5 * np.log(2 * np.pi)
