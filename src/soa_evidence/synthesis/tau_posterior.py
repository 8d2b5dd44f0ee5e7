r"""The posterior of tau, the spread between studies, as one integral.

With the mean integrated out,
:math:`p(\tau \mid y) \propto p(\tau)\, P^{-1/2} \prod_i (v_i + \tau^2/q_i)^{-1/2} \exp(-S/2)`, where P is the
precision of the mean given tau and S the weighted sum of squares around it (with its prior's). The half-line
is mapped to (0, 1) by tau = c x/(1 - x) and covered by panels of Gauss-Legendre points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from soa_evidence.errors import InputError
from soa_evidence.priors import SynthesisPriors
from soa_evidence.synthesis import heterogeneity
from soa_evidence.synthesis.studies import FloatArray, Studies

__all__ = ["TauPosterior", "integrate"]

PANELS = 64
_POINTS = 16
_NEGLIGIBLE = 1e-18  # relative weight below which a point is left out of the mixtures


@dataclass(frozen=True, eq=False, kw_only=True)
class TauPosterior:
    """Posterior of tau.

    Attributes
    ----------
    nodes, weights : arrays of shape (S,)
        Quadrature points with their posterior probabilities.
    edges, cumulative : arrays of shape (panels + 1,)
        Values of x between panels, where tau = scale x / (1 - x), and the probability below each.
    scale, panels
        The c of the map, and how many panels there are.
    inside : array of shape (panels, 16)
        Posterior weights by panel, before negligible ones were left out.
    """

    nodes: FloatArray
    weights: FloatArray
    edges: FloatArray
    cumulative: FloatArray
    scale: float
    panels: int
    inside: FloatArray

    def mean(self) -> float:
        """Posterior mean."""
        return float(self.nodes @ self.weights)

    def sd(self) -> float:
        """Posterior standard deviation."""
        return float(np.sqrt((self.nodes - self.mean()) ** 2 @ self.weights))

    def below(self, value: float) -> float:
        """Posterior probability that tau is below `value`."""
        if value <= 0:
            return 0.0
        x = value / (self.scale + value)
        if x >= self.edges[-1]:
            return 1.0
        at = int(np.searchsorted(self.edges, x, side="right")) - 1
        left, right = self.edges[at], self.edges[at + 1]
        share = (x - left) / (right - left)
        return float(self.cumulative[at] + self._within(at, 2 * share - 1))

    def quantile(self, probability: float) -> float:
        """Posterior quantile."""
        at = int(np.clip(np.searchsorted(self.cumulative, probability, side="right") - 1, 0, self.panels - 1))
        want = probability - self.cumulative[at]
        mass = self.cumulative[at + 1] - self.cumulative[at]
        root = 1.0 if want >= mass else optimize.brentq(lambda u: self._within(at, u) - want, -1.0, 1.0)
        left, right = self.edges[at], self.edges[at + 1]
        x = left + (right - left) * (root + 1) / 2
        return float(self.scale * x / (1 - x))

    def quantiles(self, probability: FloatArray) -> FloatArray:
        """Posterior quantiles by interpolation between eighths of the panels: for draws, not for tables."""
        points = np.linspace(-1, 1, 9)
        at, share = np.divmod(np.arange(self.panels * 8 + 1), 8)
        at, share = np.minimum(at, self.panels - 1), np.where(at == self.panels, 8, share)
        below = np.array(
            [
                self.cumulative[i] + self._within(int(i), float(points[j]))
                for i, j in zip(at, share, strict=True)
            ]
        )
        place = self.edges[at] + (self.edges[at + 1] - self.edges[at]) * share / 8
        found = np.interp(probability, np.maximum.accumulate(below), place)
        return np.asarray(self.scale * found / (1 - found))

    def mean_given_tau(
        self, studies: Studies, quality: FloatArray, priors: SynthesisPriors, at: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return mean and variance of the pooled effect given tau, at the nodes or at other values."""
        mean, precision, _ = _given(studies, quality, priors, self.nodes if at is None else at)
        return mean, 1 / precision

    def _within(self, panel: int, u: float) -> float:
        """Probability between the left edge of a panel and u in (-1, 1): its interpolating polynomial's."""
        return float(_integral_weights(u) @ self.inside[panel])


def _integrals() -> tuple[FloatArray, FloatArray, NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    values = np.polynomial.legendre.legvander(nodes, _POINTS - 1)
    return nodes, weights, values * (2 * np.arange(_POINTS) + 1) / 2


_NODES, _WEIGHTS, _BASIS = _integrals()


def _integral_weights(u: float) -> FloatArray:
    """Return what turns weighted values at the nodes into the integral from -1 to u.

    The integral of the Legendre polynomial of degree n from -1 to u is (P[n+1](u) - P[n-1](u)) / (2n + 1).
    """
    p = np.polynomial.legendre.legvander(np.array([u]), _POINTS)[0]
    n = np.arange(1, _POINTS)
    integral = np.concatenate([[u + 1.0], (p[n + 1] - p[n - 1]) / (2 * n + 1)])
    return np.asarray(_BASIS @ integral)


def integrate(
    studies: Studies, quality: FloatArray, priors: SynthesisPriors, *, panels: int = PANELS
) -> TauPosterior:
    """Compute the posterior of tau.

    Raises
    ------
    InputError
        If prior and studies contradict each other beyond what numbers can hold.
    """
    batch = studies.batch()
    found = heterogeneity.estimate(batch, "PM").value[0]
    typical = len(studies) / (1 / studies.variance).sum()
    scale = float(np.sqrt(typical + (0.0 if np.isnan(found) else found)))
    end = 1.0 if np.isinf(priors.spread.upper) else priors.spread.upper / (scale + priors.spread.upper)
    x_edges = np.linspace(0.0, end, panels + 1)
    half = np.diff(x_edges)[:, None] / 2
    x = x_edges[:-1, None] + half * (_NODES + 1)
    tau = scale * x / (1 - x)
    flat = tau.ravel()
    _, _, log_likelihood = _given(studies, quality, priors, flat)
    log_density = (log_likelihood + priors.spread.log_density(flat)).reshape(tau.shape)
    log_density += np.log(scale) - 2 * np.log1p(-x)
    top = log_density.max()
    if not np.isfinite(top):
        raise InputError(
            f"Priors '{priors.name}' leave these studies no posterior: their likelihood is 0 wherever the "
            "prior of the spread is not. Is the prior on the scale of the studies?"
        )
    mass = np.exp(log_density - top) * half * _WEIGHTS
    mass /= mass.sum()
    kept = mass > _NEGLIGIBLE * mass.max()
    weights = mass[kept] / mass[kept].sum()
    return TauPosterior(
        nodes=tau[kept],
        weights=weights,
        edges=x_edges,
        cumulative=np.concatenate([[0.0], np.cumsum(mass.sum(axis=1))]),
        scale=scale,
        panels=panels,
        inside=mass,
    )


def _given(
    studies: Studies, quality: FloatArray, priors: SynthesisPriors, tau: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean and precision of the pooled effect, and log-likelihood, at every tau; shapes (S,)."""
    total = studies.variance[:, None] + tau[None, :] ** 2 / quality[:, None]
    weight = 1 / total
    own = 0.0 if priors.effect is None else 1 / priors.effect.sd**2
    centre = 0.0 if priors.effect is None else priors.effect.mean
    precision = weight.sum(axis=0) + own
    mean = ((weight * studies.estimate[:, None]).sum(axis=0) + own * centre) / precision
    squares = (weight * (studies.estimate[:, None] - mean) ** 2).sum(axis=0) + own * (mean - centre) ** 2
    return mean, precision, -0.5 * (np.log(total).sum(axis=0) + np.log(precision) + squares)
