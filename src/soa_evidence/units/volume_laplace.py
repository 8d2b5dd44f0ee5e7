"""Mode and curvature of the volume model given its two spreads, and its evidence there.

The coefficients and the effects of units and their years are found together by Newton steps; effects are
eliminated unit by unit, so a step costs one pass over the cells. The evidence uses the exact marginal
likelihood at the mode, and the curvature with the effects eliminated.

When not to use it: by itself; `units.volume_posterior` calls it and corrects it by exact weights.

Source: Breslow and Clayton (1993), JASA 88:9; Tierney and Kadane (1986), JASA 81:82.

Checked against: importance-sampled evidence, in every run (a check of the result).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import expit

from soa_evidence.priors import VolumePriors
from soa_evidence.units.volume_frame import VolumeCells
from soa_evidence.units.volume_likelihood import Expansion, expand, marginal
from soa_evidence.units.volume_shapes import Shape

__all__ = ["Mode", "find", "log_prior"]

FloatArray = NDArray[np.float64]

MOST_STEPS = 60
CLOSE = 1e-4  # of a log odds; the posterior standard deviations are a hundred times as large


@dataclass(frozen=True, eq=False, kw_only=True)
class Mode:
    """Mode given the spreads.

    Attributes
    ----------
    coefficients : array of shape (K + G,)
        Case mix, then the shape's.
    effect : array of shape (J, T)
        Units' and years' effects together.
    precision : array of shape (K + G, K + G)
        Of the coefficients, effects eliminated.
    expansion : Expansion
    log_evidence : float
        With the priors of coefficients, not of the spreads.
    """

    coefficients: FloatArray
    effect: FloatArray
    precision: FloatArray
    expansion: Expansion
    log_evidence: float


def find(
    data: VolumeCells,
    priors: VolumePriors,
    shape: Shape,
    log_sd: tuple[float, float],
    start: Mode | None = None,
) -> Mode:
    """Find the mode at log spreads `log_sd` (between units, between years of a unit)."""
    cells = data.cells
    unit_sd, year_sd = math.exp(log_sd[0]), math.exp(log_sd[1])
    n_terms, n_years = cells.design.shape[1], len(data.years)
    mean, sd = _prior(priors, n_terms, shape)
    whole = (len(data.units), n_years)
    inner = np.linalg.inv(np.eye(n_years) * year_sd**2 + np.full((n_years, n_years), unit_sd**2))
    theta, effect = np.zeros(len(mean)), np.zeros(whole)
    rate = (cells.events.sum() + 0.5) / (cells.trials.sum() + 1)
    theta[n_terms] = math.log(rate / (1 - rate))
    if start is not None:
        effect = start.effect.copy()
        if len(start.coefficients) == len(theta):
            theta = start.coefficients.copy()
        else:  # another shape: keep case mix, level and years
            kept = n_terms + shape.between.start
            theta[:kept] = start.coefficients[:kept]

    def height(theta: FloatArray, effect: FloatArray) -> float:
        eta = _level(data, shape, theta, effect)[cells.unit] + (cells.design @ theta[:n_terms])[cells.pattern]
        seen = float(cells.events @ eta - cells.trials @ np.logaddexp(0.0, eta))
        apart = float(np.einsum("jt,ts,js->", effect, inner, effect))
        return seen - 0.5 * apart - 0.5 * float(np.square((theta - mean) / sd).sum())

    now = -math.inf
    for _ in range(MOST_STEPS):
        eta = _level(data, shape, theta, effect)[cells.unit] + (cells.design @ theta[:n_terms])[cells.pattern]
        p = expit(eta)
        weight, residual = cells.trials * p * (1 - p), cells.events - cells.trials * p
        by_row = csr_matrix((weight, (cells.unit, cells.pattern)), (len(data.unit), len(cells.design)))
        w, g = cells.by_unit(weight), cells.by_unit(residual)
        cross = np.hstack([by_row @ cells.design, w[:, None] * shape.design])
        by_pattern = np.bincount(cells.pattern, weight, len(cells.design))
        top = cells.design.T @ (cells.design * by_pattern[:, None])
        side = cross[:, :n_terms].T @ shape.design
        bottom = shape.design.T @ (shape.design * w[:, None])
        own = np.block([[top, side], [side.T, bottom]]) + np.diag(1 / sd**2)
        score = np.concatenate(
            [cells.design.T @ np.bincount(cells.pattern, residual, len(cells.design)), shape.design.T @ g]
        )
        score -= (theta - mean) / sd**2
        padded_w, padded_g = np.zeros(whole), np.zeros(whole)
        padded_c = np.zeros((*whole, len(theta)))
        padded_w[data.unit, data.year], padded_g[data.unit, data.year] = w, g
        padded_c[data.unit, data.year] = cross
        cover = np.linalg.inv(inner + np.eye(n_years) * padded_w[:, :, None])
        pull = padded_g - effect @ inner
        eased = cover @ padded_c
        precision = own - np.einsum("jtp,jtq->pq", padded_c, eased)
        step = np.linalg.solve(precision, score - np.einsum("jtp,jt->p", eased, pull))
        move = np.einsum("jst,jt->js", cover, pull) - eased @ step
        theta, effect, now = _ahead(height, theta, effect, step, move, now)
        if max(np.abs(step).max(), np.abs(move).max()) < CLOSE:
            break
    at = Expansion(level=_level(data, shape, theta, effect))
    value = marginal(
        data, at, expand(data, at, theta[:n_terms]), shape.design @ theta[n_terms:], unit_sd, year_sd
    )
    evidence = (
        value + log_prior(priors, n_terms, shape, theta[None])[0] + 0.5 * len(theta) * math.log(2 * math.pi)
    )
    return Mode(
        coefficients=theta,
        effect=effect,
        precision=precision,
        expansion=at,
        log_evidence=float(evidence - 0.5 * np.linalg.slogdet(precision)[1]),
    )


def log_prior(priors: VolumePriors, n_terms: int, shape: Shape, theta: FloatArray) -> FloatArray:
    """Log prior of coefficients `theta` (S, K + G); returns (S,)."""
    mean, sd = _prior(priors, n_terms, shape)
    z = (theta - mean) / sd
    return np.asarray(-0.5 * np.square(z).sum(axis=1) - np.log(sd * math.sqrt(2 * math.pi)).sum())


def _ahead(
    height: Callable[[FloatArray, FloatArray], float],
    theta: FloatArray,
    effect: FloatArray,
    step: FloatArray,
    move: FloatArray,
    now: float,
) -> tuple[FloatArray, FloatArray, float]:
    """Go along a Newton step, halved until it goes up: on few events the whole of it may overshoot."""
    if now == -math.inf:
        now = height(theta, effect)
    share = 1.0
    for _ in range(12):
        there = height(theta + share * step, effect + share * move)
        if there >= now - 1e-9 * abs(now):
            return theta + share * step, effect + share * move, there
        share /= 2
    return theta, effect, now


def _prior(priors: VolumePriors, n_terms: int, shape: Shape) -> tuple[FloatArray, FloatArray]:
    own = priors.case_mix_log_odds
    return (
        np.concatenate([np.full(n_terms, own.mean), shape.prior_mean]),
        np.concatenate([np.full(n_terms, own.sd), shape.prior_sd]),
    )


def _level(data: VolumeCells, shape: Shape, theta: FloatArray, effect: FloatArray) -> FloatArray:
    return np.asarray(shape.design @ theta[data.cells.design.shape[1] :] + effect[data.unit, data.year])
