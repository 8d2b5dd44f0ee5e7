"""Posterior of each way the spread may change over the years: mode, heavy-tailed proposal, exact weights.

Five at most eleven parameters are left once the years' means and units' standings are integrated out, so each
way's posterior is drawn from a multivariate t about its mode and weighted by the exact density; the mean
weight is the way's evidence, by which ways are compared and averaged.

When not to use it: by itself; `units.spread` calls it, and its check says when the weights are not sound.

Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024), JMLR 25:72, for weights and Pareto k; Kass and Raftery
(1995), JASA 90:773, for evidence.

Checked against: a grid over all parameters (tests/unit/test_units_spread.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.special import expit

from soa_evidence.priors import SpreadPriors
from soa_evidence.priors.normal import Normal
from soa_evidence.units import weights
from soa_evidence.units.spread_frame import Panel
from soa_evidence.units.spread_likelihood import log_likelihood

__all__ = ["Way", "Weighted", "draw", "log_density", "ways"]

FloatArray = NDArray[np.float64]

DOF = 5.0  # of the proposal: heavier tails than any posterior here
ROUNDS = 4  # of proposing about the weighted draws, at most
STEP = 1e-3  # of finite differences, in prior standard deviations


@dataclass(frozen=True, eq=False, kw_only=True)
class Way:
    """One way the spread may change: log spread of the years = basis @ parameters.

    Attributes
    ----------
    name, turn
        constant, steady, turning or free; the position of the turning year, -1 where there is none.
    basis : array of shape (T, P)
    priors : tuple of Normal
        Of the P parameters and then of the log odds of `kept` and `carried`.
    share : float
        Prior probability among the ways compared; 0 for the free one, which is only drawn.
    """

    name: str
    turn: int
    basis: FloatArray
    priors: tuple[Normal, ...]
    share: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Weighted:
    """Draws of one way, resampled by weight: parameters (S, P + 2), log evidence, Pareto k."""

    way: Way
    parameters: FloatArray
    log_evidence: float
    pareto_k: float

    @property
    def log_spread(self) -> FloatArray:
        """Log spread of every year; shape (S, T)."""
        return np.asarray(self.parameters[:, :-2] @ self.way.basis.T)

    @property
    def kept(self) -> FloatArray:
        """Lasting share of a unit's standing; shape (S,)."""
        return np.asarray(expit(self.parameters[:, -2]))

    @property
    def carried(self) -> FloatArray:
        """What of it is carried over from a year to the next; shape (S,)."""
        return np.asarray(expit(self.parameters[:, -1]))


def ways(panel: Panel, priors: SpreadPriors) -> tuple[Way, ...]:
    """Return the ways compared: constant, steady, turning in each inner year; and the free one."""
    n = len(panel.years)
    year = np.arange(n, dtype=float)
    level = Normal(
        mean=priors.log_spread.mean + math.log(panel.record_sd), sd=priors.log_spread.sd, because="scaled"
    )
    rest = (priors.kept, priors.carried)
    one = np.ones((n, 1))
    inner = range(1, n - 1)
    turning = [
        Way(
            name="turning",
            turn=c,
            basis=np.column_stack([one, np.minimum(year - c, 0), np.maximum(year - c, 0)]),
            priors=(level, priors.slope, priors.slope, *rest),
            share=1 / 3 / len(inner),
        )
        for c in inner
    ]
    return (
        Way(name="constant", turn=-1, basis=one, priors=(level, *rest), share=1 / 3),
        Way(
            name="steady",
            turn=-1,
            basis=np.column_stack([one, year - year.mean()]),
            priors=(level, priors.slope, *rest),
            share=1 / 3,
        ),
        *turning,
        Way(
            name="free",
            turn=-1,
            basis=np.hstack([one, np.eye(n)]),
            priors=(level, *[priors.year] * n, *rest),
            share=0.0,
        ),
    )


def log_density(panel: Panel, way: Way, parameters: FloatArray) -> FloatArray:
    """Log prior plus log likelihood at `parameters` (S, P + 2); returns (S,)."""
    mean = np.array([p.mean for p in way.priors])
    sd = np.array([p.sd for p in way.priors])
    prior = stats.norm.logpdf(parameters, mean, sd).sum(axis=1)
    log_spread = np.ascontiguousarray(parameters[:, :-2] @ way.basis.T)
    likelihood = log_likelihood(panel, log_spread, expit(parameters[:, -2]), expit(parameters[:, -1]))
    return np.asarray(prior + np.where(np.isfinite(likelihood), likelihood, -np.inf))


def draw(panel: Panel, way: Way, *, draws: int, seed: int) -> Weighted:
    """Draw one way's posterior."""
    mean = np.array([p.mean for p in way.priors])
    sd = np.array([p.sd for p in way.priors])
    k = len(mean)
    offsets = np.vstack([np.zeros(k), np.eye(k), -np.eye(k)]) * STEP

    def slope(z: FloatArray) -> tuple[float, FloatArray]:
        found = -log_density(panel, way, mean + sd * (z + offsets))
        return float(found[0]), (found[1 : k + 1] - found[k + 1 :]) / (2 * STEP)

    found = optimize.minimize(slope, np.zeros(k), jac=True, method="BFGS", options={"gtol": 1e-3})
    centre = found.x
    wide = 0.05  # a step at which curvature is told from rounding
    curvature = np.array(
        [(slope(centre + wide * e)[1] - slope(centre - wide * e)[1]) / (2 * wide) for e in np.eye(k)]
    )
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    # No direction is wider than twice the prior or narrower than a thousandth of it.
    lower = vectors / np.sqrt(np.clip(values, 0.25, 1e6))
    rng = np.random.default_rng(seed)
    parameters, standard, weight = _propose(panel, way, centre, lower, draws, rng)
    tail = math.inf
    for _ in range(ROUNDS):
        # Once more, about where the weighted draws lie: skewed posteriors are met better than from their
        # mode. Again only when the weights are not sound, which with nine ways happens by chance too.
        share = np.exp(weight - weight.max())
        share /= share.sum()
        centre = share @ standard
        spread = (standard - centre).T @ ((standard - centre) * share[:, None])
        lower = np.linalg.cholesky(spread + 1e-4 * np.eye(k))
        parameters, standard, weight = _propose(panel, way, centre, lower, draws, rng)
        tail = weights.pareto_k(weight)
        if tail < weights.PARETO_K_LIMIT:
            break
    return Weighted(
        way=way,
        parameters=parameters[weights.resample(weight, draws, rng)],
        log_evidence=weights.log_mean(weight),
        pareto_k=tail,
    )


def _propose(
    panel: Panel, way: Way, centre: FloatArray, lower: FloatArray, draws: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw from a multivariate t in units of the priors; return parameters, the draws and log weights."""
    mean = np.array([p.mean for p in way.priors])
    sd = np.array([p.sd for p in way.priors])
    k = len(mean)
    noise = rng.standard_normal((draws, k)) / np.sqrt(rng.chisquare(DOF, (draws, 1)) / DOF)
    standard = centre + noise @ lower.T
    log_q = stats.multivariate_t.logpdf(noise, shape=np.eye(k), df=DOF).reshape(draws)
    parameters = mean + sd * standard
    scale = np.log(sd).sum() + np.log(np.abs(np.linalg.det(lower)))
    return parameters, standard, log_density(panel, way, parameters) + scale - log_q
