r"""Bayesian meta-analysis with heavy-tailed study effects: one odd study moves the mean less.

Model: :math:`y_i \sim N(\theta_i, v_i)`, :math:`\theta_i \sim t_\nu(\mu, \tau)`, Student's t with location
mu, scale tau and :math:`\nu` degrees of freedom (4 by default; many give the normal model). As a scale
mixture,
:math:`\theta_i \mid \lambda_i \sim N(\mu, \tau^2/\lambda_i)`, :math:`\lambda_i \sim Gamma(\nu/2, \nu/2)`,
each study needs one integral over :math:`\lambda`, done by generalised Gauss-Laguerre.

The *outlying weight* of a study is the posterior mean of its lambda: well below 1 for one that lies apart.
tau is here a scale, not a standard deviation; for nu = 4 the standard deviation is 1.41 tau.

When not to use it: with few studies, where one cannot tell a heavy tail from a wide one; to hide a study that
should be understood.

Source: Lee & Thompson 2008, Stat Med 27:418; Baker & Jackson 2008, Health Care Manag Sci 11:121.

Checked against: `synthesis.bayes` as nu grows, and a plain three-dimensional sum
(tests/reference/synthesis_models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from soa_evidence.errors import InputError
from soa_evidence.priors import SynthesisPriors, synthesis
from soa_evidence.results import Check
from soa_evidence.synthesis.grid_posterior import (
    Around,
    GridPosterior,
    GridResult,
    Likelihood,
    accuracy_check,
    grid_result,
    integrate,
)
from soa_evidence.synthesis.studies import FloatArray, Studies, read, require_level

__all__ = ["RobustBayesResult", "fit"]

METHOD = "synthesis.bayes_robust"
NODES = 40
APART = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class RobustBayesResult:
    """Posterior with heavy-tailed study effects.

    Attributes
    ----------
    result : GridResult
        pooled, spread (the scale tau), new_study (normal around the mean: its middle, not its tails),
        summary.
    studies : DataFrame
        label, estimate, std_error, outlying_weight.
    degrees_of_freedom : float
    checks : tuple of Check
    """

    result: GridResult
    studies: pd.DataFrame
    degrees_of_freedom: float
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        table = self.studies.to_html(index=False, float_format="{:.4g}".format)
        return self.result._repr_html_() + table


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    degrees_of_freedom: float = 4.0,
    priors: str | SynthesisPriors = "default",
    level: float = 0.95,
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
    seed: int = 1,
) -> RobustBayesResult:
    """Compute the posterior for the studies of a frame, one row a study.

    Parameters
    ----------
    degrees_of_freedom
        Of Student's t, above 2.
    seed
        Of the draws; the summary does not depend on it.

    Raises
    ------
    InputError
        As `studies.read`; on an unknown prior or degrees of freedom of 2 or fewer.
    """
    require_level(level)
    if not 2 < degrees_of_freedom <= 1e4:
        raise InputError(
            f"degrees_of_freedom is {degrees_of_freedom}; expected above 2 (the effects have no variance "
            "otherwise) and at most 10,000 (use synthesis.bayes for normal effects)."
        )
    chosen = synthesis(priors) if isinstance(priors, str) else priors
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    mixing, log_mass = _mixing(degrees_of_freedom)
    log_l = _likelihood(studies, mixing, log_mass)
    scale = float(np.sqrt(len(studies) / (1 / studies.variance).sum() + np.var(studies.estimate)))
    around = normal_around(studies)
    posterior = integrate(log_l, around, chosen, scale=scale)
    coarse = integrate(log_l, around, chosen, scale=scale, coarse=True)
    weights = _outlying(studies, posterior, mixing, log_mass)
    checks = (accuracy_check(posterior, coarse), _apart_check(studies, weights))
    return RobustBayesResult(
        result=grid_result(
            posterior,
            chosen,
            method=f"{METHOD}, t with {degrees_of_freedom:g}",
            estimand=estimand,
            unit=unit,
            level=level,
            seed=seed,
            checks=checks,
        ),
        studies=pd.DataFrame(
            {
                "label": list(studies.labels),
                "estimate": studies.estimate,
                "std_error": np.sqrt(studies.variance),
                "outlying_weight": weights,
            }
        ),
        degrees_of_freedom=degrees_of_freedom,
        checks=checks,
    )


def normal_around(studies: Studies) -> Around:
    """Return where the mean lies given tau if all were normal, made wider for what is not."""

    def around(tau: FloatArray) -> tuple[FloatArray, FloatArray]:
        w = 1 / (studies.variance + tau[:, None] ** 2)
        total = w.sum(axis=1)
        return (w * studies.estimate).sum(axis=1) / total, 1.5 / np.sqrt(total)

    return around


def _mixing(nu: float) -> tuple[FloatArray, FloatArray]:
    """Points of lambda under Gamma(nu/2, nu/2), and the logs of their masses."""
    shape = nu / 2
    if shape > 100:  # nearly normal around 1: Hermite points in log lambda keep their digits
        z, w = np.polynomial.hermite_e.hermegauss(NODES)
        at = np.exp(z / np.sqrt(shape))
        density = shape * np.log(shape) - special.gammaln(shape) + shape * np.log(at) - shape * at
        log_mass = density + np.log(w) + 0.5 * z**2 - 0.5 * np.log(shape)
        return at, np.asarray(log_mass - special.logsumexp(log_mass))
    points, masses = special.roots_genlaguerre(NODES, shape - 1)
    kept = masses > 0
    return points[kept] / shape, np.log(masses[kept]) - special.gammaln(shape)


def _likelihood(studies: Studies, mixing: FloatArray, log_mass: FloatArray) -> Likelihood:
    def log_l(mean: FloatArray, tau: FloatArray) -> FloatArray:
        total = np.zeros(len(mean))
        for y, v in zip(studies.estimate, studies.variance, strict=True):
            total += special.logsumexp(_parts(y, v, mean, tau, mixing) + log_mass, axis=1)
        return total

    return log_l


def _parts(y: float, v: float, mean: FloatArray, tau: FloatArray, mixing: FloatArray) -> FloatArray:
    variance = v + tau[:, None] ** 2 / mixing
    return np.asarray(-0.5 * (np.log(2 * np.pi * variance) + (y - mean[:, None]) ** 2 / variance))


def _outlying(
    studies: Studies, posterior: GridPosterior, mixing: FloatArray, log_mass: FloatArray
) -> FloatArray:
    top = np.argsort(posterior.weights)[::-1][:4000]
    w = posterior.weights[top] / posterior.weights[top].sum()
    out = []
    for y, v in zip(studies.estimate, studies.variance, strict=True):
        share = _parts(y, v, posterior.mean[top], posterior.tau[top], mixing) + log_mass
        share = np.exp(share - special.logsumexp(share, axis=1)[:, None])
        out.append(float(w @ (share @ mixing)))
    return np.array(out)


def _apart_check(studies: Studies, weights: FloatArray) -> Check:
    at = int(np.argmin(weights))
    return Check(
        name="smallest outlying weight of a study",
        verdict="pass" if weights[at] >= APART else "warn",
        observed=f"{weights[at]:.2f} ({studies.labels[at]})",
        expected=f"at least {APART}",
        why="a study that lies apart should be understood, not only weighted down",
    )
