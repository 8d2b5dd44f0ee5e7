"""Laplace approximation of the hierarchical binomial model: its mode, curvature and spread.

Used to give the sampler well-scaled coordinates. It is never the answer: a poor approximation costs time, not
truth, because the transforms built on it are exact changes of variable.

Source: Breslow and Clayton (1993), JASA 88:9, for the penalised mode; the spread by their equation's EM form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from soa_evidence.priors import BinomialPriors, HasLevels
from soa_evidence.units.cells import Cells
from soa_evidence.units.direct_classes import NOWHERE, TermDensity, normal_terms

__all__ = ["Laplace", "approximate", "climb"]

FloatArray = NDArray[np.float64]

_MOST_STEPS = 40
_CLOSE_ENOUGH = 1e-3  # on the log-odds scale; far below any posterior standard deviation
_HALVINGS = 30
_PRIOR_UNITS = 3.0  # how many units' worth the prior spread counts in each class: keeps small classes sane


@dataclass(frozen=True, eq=False, kw_only=True)
class Laplace:
    """Approximate posterior of the case-mix terms and the units' levels.

    Attributes
    ----------
    case_mix : array of shape (K,)
        Mode of the case-mix log odds ratios.
    case_mix_covariance : array of shape (K, K)
        Their covariance with the units' levels integrated out.
    unit_mode : array of shape (J,)
        Mode of the units' log odds.
    unit_level : array of shape (J,)
        What each unit's own data say of its log odds: the working observation of the last step.
    unit_information : array of shape (J,)
        Fisher information of each unit's data on its log odds, 1 / variance.
    group_spread : array of shape (G,)
        Approximate standard deviation between units, per group.
    """

    case_mix: FloatArray
    case_mix_covariance: FloatArray
    unit_mode: FloatArray
    unit_level: FloatArray
    unit_information: FloatArray
    group_spread: FloatArray


def approximate(cells: Cells, priors: BinomialPriors) -> Laplace:
    """Find the penalised mode by Newton steps, with the spread updated between them."""
    terms = len(cells.terms)
    density = normal_terms(priors.case_mix_log_odds, terms)
    return climb(cells, priors, density, start=np.zeros(terms))


def climb(cells: Cells, priors: HasLevels, density: TermDensity, *, start: FloatArray) -> Laplace:
    """Find the mode from `start` (terms, shape (K,)) under any density of the shared terms."""
    n_terms, n_units = cells.design.shape[1], len(cells.units)
    covariates = cells.design[cells.pattern]
    rate = (cells.events.sum() + 0.5) / (cells.trials.sum() + 1.0)
    beta, level = start, np.full(n_units, np.log(rate / (1 - rate)))
    typical = float(np.exp(priors.levels.log_spread.mean))
    spread = np.full(len(cells.groups), typical)
    centre = np.full(len(cells.groups), level[0])
    for _ in range(_MOST_STEPS):
        risk = expit(covariates @ beta + level[cells.unit])
        weight, residual = cells.trials * risk * (1 - risk), cells.events - cells.trials * risk
        penalty = 1 / spread[cells.group_of_unit] ** 2
        curvature = cells.by_unit(weight) + penalty
        cross = np.column_stack(
            [cells.by_unit(weight * covariates[:, k]) for k in range(n_terms)] or [np.empty(0)]
        )
        cross = cross.reshape(n_units, n_terms)
        gradient = cells.by_unit(residual) - penalty * (level - centre[cells.group_of_unit])
        prior_gradient, prior_curvature = density.slope(beta)
        schur = (
            covariates.T @ (covariates * weight[:, None])
            - prior_curvature
            - cross.T @ (cross / curvature[:, None])
        )
        gradient_beta = covariates.T @ residual + prior_gradient - cross.T @ (gradient / curvature)
        step = np.linalg.solve(schur, gradient_beta)
        step_level = (gradient - cross @ step) / curvature
        # A Newton step on tiny or all-zero data may overshoot; two units of log odds is plenty at once.
        beta, level = _inside(density, beta, np.clip(step, -2, 2)), level + np.clip(step_level, -2, 2)
        centre, spread = _update_groups(cells, level, curvature, typical)
        if max(np.abs(step).max(initial=0), np.abs(step_level).max()) < _CLOSE_ENOUGH:
            break
    risk = expit(covariates @ beta + level[cells.unit])
    information = cells.by_unit(cells.trials * risk * (1 - risk))
    return Laplace(
        case_mix=beta,
        case_mix_covariance=np.linalg.inv(schur),
        unit_mode=level,
        unit_level=level + cells.by_unit(cells.events - cells.trials * risk) / information,
        unit_information=information,
        group_spread=spread,
    )


def _inside(density: TermDensity, beta: FloatArray, step: FloatArray) -> FloatArray:
    """Take the step, or as much of it as stays where the density is not all but nought."""
    for _ in range(_HALVINGS):
        if density.value((beta + step)[None])[0] > NOWHERE:
            break
        step = step / 2
    return beta + step


def _update_groups(
    cells: Cells, level: FloatArray, curvature: FloatArray, typical: float
) -> tuple[FloatArray, FloatArray]:
    """One EM step for the centre and spread of every group."""
    size = np.bincount(cells.group_of_unit, minlength=len(cells.groups))
    centre = np.bincount(cells.group_of_unit, weights=level, minlength=len(cells.groups)) / size
    square = (level - centre[cells.group_of_unit]) ** 2 + 1 / curvature
    total = np.bincount(cells.group_of_unit, weights=square, minlength=len(cells.groups))
    return centre, np.sqrt((total + _PRIOR_UNITS * typical**2) / (size + _PRIOR_UNITS))
