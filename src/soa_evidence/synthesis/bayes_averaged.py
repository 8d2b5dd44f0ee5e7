r"""Effect, heterogeneity and bias: models with and without each, averaged by how well they predicted.

Every combination of

- effect: absent (:math:`\mu = 0`) or present (:math:`\mu \sim` the normal prior)
- differences between studies: absent (:math:`\tau = 0`) or present (tau by its prior)
- bias: none; ``pet``: :math:`y_i` shifted by :math:`b\, se_i`, :math:`b \sim N(0, s_b^2)`; ``selection``:
  results that are not significant (one-sided p above 0.025, in the stated direction) published
  :math:`\omega` times as often as others, :math:`\omega \sim U(0, 1)`

has a prior probability: each of the three questions is a coin of its own, the two kinds of bias share
theirs. Its marginal likelihood is a sum over tau, mean and omega (no sampling). The inclusion Bayes factor
of a component is its posterior odds over its prior odds; the averaged mean counts each model by its
posterior probability, those without an effect as 0.

When not to use it: with a flat prior of the mean (marginal likelihoods then mean nothing: refused); without
saying how the prior of the mean was chosen, on which every Bayes factor leans.

Source: Gronau et al. 2021, Adv Methods Pract Psychol Sci 4; Maier, Bartoš & Wagenmakers 2023, Psychol
Methods 28:107.

Checked against: closed forms for tau = 0, and brute-force sums (tests/reference/synthesis_models).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import logsumexp, ndtr

from soa_evidence.errors import InputError
from soa_evidence.priors import Normal, SynthesisPriors, synthesis
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis.grid_posterior import tau_grid
from soa_evidence.synthesis.studies import FloatArray, Studies, read, require_choice

__all__ = ["AveragedResult", "fit"]

METHOD = "synthesis.bayes_averaged"
BIASES = ("pet", "selection")
DIRECTIONS = ("greater", "less")
CUT = 0.025
PET_SD = 1.0  # a study of standard error s is shifted by mostly less than two of its own standard errors
DRAWS = 4096
_OMEGA, _OMEGA_WEIGHT = np.polynomial.legendre.leggauss(16)


@dataclass(frozen=True, eq=False, kw_only=True)
class AveragedResult:
    """Models averaged.

    Attributes
    ----------
    models : DataFrame
        effect, heterogeneity, bias, prior, log_marginal_likelihood, posterior, mean, sd (of the effect).
    inclusion : DataFrame
        component, prior, posterior, bayes_factor.
    pooled : Estimates
        The mean averaged over all models, 0 where there is none.
    if_present : Estimates
        The same over the models that have an effect.
    priors : SynthesisPriors
    checks : tuple of Check
    """

    models: pd.DataFrame
    inclusion: pd.DataFrame
    pooled: Estimates
    if_present: Estimates
    priors: SynthesisPriors
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        parts = [self.inclusion, self.if_present.table(), self.models, checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Points:
    """Posterior of the mean in one model as weighted normals, and the log marginal likelihood."""

    mean: FloatArray
    sd: FloatArray
    weights: FloatArray
    log_evidence: float


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    priors: str | SynthesisPriors = "sceptical",
    biases: Sequence[str] = BIASES,
    direction: str = "greater",
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
    seed: int = 1,
) -> AveragedResult:
    """Average models with and without effect, heterogeneity and bias, one row a study.

    Parameters
    ----------
    priors
        A named set with a proper prior of the mean (``"sceptical"``), or one of your own.
    biases
        Kinds of bias that may be: any of ``"pet"``, ``"selection"``; none for no models of bias.
    direction
        Which effects selection would favour: ``"greater"`` or ``"less"`` than 0.

    Raises
    ------
    InputError
        As `studies.read`; on a flat prior of the mean, an unknown or repeated bias, or an unknown direction.
    """
    chosen = synthesis(priors) if isinstance(priors, str) else priors
    require_choice(direction, DIRECTIONS, "direction")
    for name in biases:
        require_choice(name, BIASES, "bias")
    if len(set(biases)) < len(biases) or isinstance(biases, str):
        raise InputError(f"biases is {biases!r}; expected a list without repeats, such as ['pet'].")
    if chosen.effect is None:
        raise InputError(
            f"Priors '{chosen.name}' are flat for the mean; marginal likelihoods then mean nothing. Use "
            f"'sceptical', "
            "or a set of your own with a normal prior of the mean."
        )
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    rows, points = [], []
    for effect, differ, bias in itertools.product((False, True), (False, True), ("none", *biases)):
        found = _model(studies, chosen, effect=effect, differ=differ, bias=bias, direction=direction)
        kinds = 0.5 if bias == "none" else 0.5 / len(biases)
        rows.append(
            {
                "effect": effect,
                "heterogeneity": differ,
                "bias": bias,
                "prior": 0.25 * (kinds if biases else 1.0),
                "log_marginal_likelihood": found.log_evidence,
                "mean": float(found.weights @ found.mean),
                "sd": _sd(found),
            }
        )
        points.append(found)
    models = pd.DataFrame(rows)
    log_post = np.log(models["prior"]) + models["log_marginal_likelihood"]
    models.insert(5, "posterior", np.exp(log_post - logsumexp(log_post)))
    checks = _checks(models, studies)
    post = models["posterior"].to_numpy()
    present = models["effect"].to_numpy()

    def carrier(what: str, weights: FloatArray) -> Estimates:
        return Estimates(
            estimand=what,
            labels=("pooled",),
            unit=unit,
            method=f"{METHOD} (priors: {chosen.name})",
            draws=_draws(points, weights / weights.sum(), seed)[:, None],
            interval="credible",
            checks=checks,
        )

    return AveragedResult(
        models=models,
        inclusion=_inclusion(models, biases),
        pooled=carrier(f"{estimand}, averaged over models with and without one", post),
        if_present=carrier(f"{estimand}, if there is one", post * present),
        priors=chosen,
        checks=checks,
    )


def _model(
    studies: Studies, priors: SynthesisPriors, *, effect: bool, differ: bool, bias: str, direction: str
) -> _Points:
    scale = float(np.sqrt(len(studies) / (1 / studies.variance).sum() + np.var(studies.estimate)))
    tau, log_mass = tau_grid(priors, scale) if differ else (np.zeros(1), np.zeros(1))
    prior = priors.effect if effect else None
    if bias == "selection":
        return _selected(studies, prior, tau, log_mass, sign=1.0 if direction == "greater" else -1.0)
    slope = PET_SD if bias == "pet" else 0.0
    parts = [_linear(studies, prior, value, slope) for value in tau]
    log_l = np.array([part[2] for part in parts]) + log_mass
    evidence = float(logsumexp(log_l))
    return _Points(
        mean=np.array([part[0] for part in parts]),
        sd=np.array([part[1] for part in parts]),
        weights=np.exp(log_l - evidence),
        log_evidence=evidence,
    )


def _linear(studies: Studies, prior: Normal | None, tau: float, slope: float) -> tuple[float, float, float]:
    """Mean and SD of the effect, and log marginal likelihood, where everything is normal given tau."""
    y, v = studies.estimate, studies.variance
    covariance = np.diag(v + tau**2) + slope**2 * np.sqrt(np.outer(v, v))
    inverse = np.linalg.inv(covariance)
    _, log_det = np.linalg.slogdet(covariance)
    ones = np.ones(len(y))
    centre = prior.mean if prior else 0.0
    away = y - centre
    log_l = -0.5 * (len(y) * np.log(2 * np.pi) + log_det + away @ inverse @ away)
    if prior is None:
        return 0.0, 0.0, float(log_l)
    information = float(ones @ inverse @ ones)
    total = information + 1 / prior.sd**2
    score = float(ones @ inverse @ away)
    log_l += 0.5 * score**2 / total - 0.5 * np.log(total * prior.sd**2)
    return centre + score / total, 1 / np.sqrt(total), float(log_l)


def _selected(
    studies: Studies, prior: Normal | None, tau: FloatArray, log_mass: FloatArray, *, sign: float
) -> _Points:
    """Sum over tau, mean and omega; the mean is covered widely around where it lies without selection."""
    y, error = sign * studies.estimate, np.sqrt(studies.variance)
    edge = stats.norm.isf(CUT) * error
    significant = y >= edge
    omega, log_omega = (_OMEGA + 1) / 2, np.log(_OMEGA_WEIGHT / 2)
    means, log_l = [], []
    for value, mass in zip(tau, log_mass, strict=True):
        total = error**2 + value**2
        if prior is None:
            mean, step = np.zeros(1), np.zeros(1)
        else:
            w = 1 / total
            # Selection pulls the mean down, by as much as a standard error of a study: cover both places.
            low, high = (w @ (y - 3 * np.sqrt(total))) / w.sum(), (w @ y) / w.sum()
            width = 1 / np.sqrt(w.sum())
            mean = np.arange(low - 9 * width, high + 9 * width, 0.3 * min(width, prior.sd))
            step = stats.norm.logpdf(mean, sign * prior.mean, prior.sd) + np.log(0.3 * min(width, prior.sd))
        root = np.sqrt(total)
        density = stats.norm.logpdf(y[:, None], mean, root[:, None]).sum(axis=0)
        beyond = ndtr((mean - edge[:, None]) / root[:, None])
        inside = int((~significant).sum()) * np.log(omega)[:, None]
        chance = beyond[None] + omega[:, None, None] * (1 - beyond[None])
        each = density + inside - np.log(chance).sum(axis=1) + log_omega[:, None]
        log_l.append(logsumexp(each, axis=0) + step + mass)
        means.append(sign * mean)
    flat = np.concatenate(log_l)
    evidence = float(logsumexp(flat))
    return _Points(
        mean=np.concatenate(means),
        sd=np.zeros(len(flat)),
        weights=np.exp(flat - evidence),
        log_evidence=evidence,
    )


def _sd(points: _Points) -> float:
    mean = float(points.weights @ points.mean)
    return float(np.sqrt(points.weights @ (points.sd**2 + (points.mean - mean) ** 2)))


def _draws(points: list[_Points], weights: FloatArray, seed: int) -> FloatArray:
    mean = np.concatenate([p.mean for p in points])
    sd = np.concatenate([p.sd for p in points])
    w = np.concatenate([p.weights * share for p, share in zip(points, weights, strict=True)])
    rng = np.random.default_rng(seed)
    edges = (np.arange(DRAWS) + rng.random()) / DRAWS * w.sum()
    at = np.clip(np.searchsorted(np.cumsum(w), edges), 0, len(w) - 1)
    rng.shuffle(at)
    return np.asarray(mean[at] + sd[at] * rng.standard_normal(DRAWS))


def _inclusion(models: pd.DataFrame, biases: Sequence[str]) -> pd.DataFrame:
    components = {"effect": models["effect"], "heterogeneity": models["heterogeneity"]}
    if biases:
        components["bias"] = models["bias"] != "none"
    rows = []
    for name, has in components.items():
        prior, posterior = float(models["prior"][has].sum()), float(models["posterior"][has].sum())
        own = np.log(models["prior"]) + models["log_marginal_likelihood"]
        log_odds = logsumexp(own[has]) - logsumexp(own[~has])
        rows.append((name, prior, posterior, float(np.exp(log_odds)) / (prior / (1 - prior))))
    return pd.DataFrame(rows, columns=["component", "prior", "posterior", "bayes_factor"])


def _checks(models: pd.DataFrame, studies: Studies) -> tuple[Check, ...]:
    top = float(models["posterior"].max())
    return (
        Check(
            name="studies that speak about bias and spread",
            verdict="pass" if len(studies) >= 10 else "warn",
            observed=str(len(studies)),
            expected="at least 10",
            why="with few studies the models hardly differ and the answer is mostly the prior",
        ),
        Check(
            name="posterior probability of the likeliest model",
            verdict="pass",
            observed=f"{top:.2f}",
            expected="any",
            why="where no model stands out the average says more than any one of them",
        ),
    )
