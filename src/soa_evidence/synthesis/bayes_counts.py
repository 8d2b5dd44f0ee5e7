r"""Bayesian random-effects meta-analysis of two arms of counts, by their own binomial likelihood.

Model: events x of n in arm j of study i, :math:`g(p_{1i}) = b_i + \theta_i`, :math:`g(p_{2i}) = b_i`, flat
baselines :math:`b_i`, :math:`\theta_i \sim N(\mu, \tau^2/q_i)`. The link g is the logit (theta: log odds
ratio) or the complementary log-log (log hazard ratio, if hazards are proportional, from risks up to one
time). Qualities q as in `bayes`.

Each study's baseline is integrated out once, on a table of theta; its effect then by Gauss-Hermite around
its own mode for every mean and spread. Nothing is added to zero counts. A study without events in both arms
(or with nothing but events) says nothing about theta and is left out, which is told.

When not to use it: with adjusted estimates (they do not follow from the counts: `bayes`); where arms are
matched or clustered.

Source: Smith, Spiegelhalter & Thomas 1995, Stat Med 14:2685; Spiegelhalter & Best 2003, Stat Med 22:3687.

Checked against: the published hips of Spiegelhalter & Best; JAGS (tests/reference/synthesis_models).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import interpolate
from scipy.special import expit, logsumexp

from soa_evidence.errors import InputError
from soa_evidence.priors import SynthesisPriors, synthesis
from soa_evidence.results import Check
from soa_evidence.synthesis import effect_sizes
from soa_evidence.synthesis.grid_posterior import (
    Around,
    GridResult,
    Likelihood,
    accuracy_check,
    grid_result,
    integrate,
)
from soa_evidence.synthesis.studies import FloatArray, require_choice, require_columns, require_level

__all__ = ["CountsResult", "fit"]

METHOD = "synthesis.bayes_counts"
LINKS = {"logit": "log odds ratio", "cloglog": "log hazard ratio"}
NODES = 17
_REACH = 15.0  # log ratios: the table of each study's likelihood ends here
_TABLE = np.linspace(-_REACH, _REACH, 801)
_BASE_NODES = 61
_STEPS = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class CountsResult:
    """Posterior from counts.

    Attributes
    ----------
    result : GridResult
    studies : DataFrame
        label, quality, informative.
    link : str
    checks : tuple of Check
    """

    result: GridResult
    studies: pd.DataFrame
    link: str
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        table = self.studies.to_html(index=False, float_format="{:.4g}".format)
        return self.result._repr_html_() + table


def fit(
    frame: pd.DataFrame,
    *,
    link: str = "logit",
    label: str = "label",
    quality: str | None = None,
    priors: str | SynthesisPriors = "default",
    level: float = 0.95,
    seed: int = 1,
    **columns: str,
) -> CountsResult:
    """Compute the posterior for the counts of a frame, one row a study.

    Parameters
    ----------
    link
        ``"logit"`` or ``"cloglog"``.
    quality
        Column of quality weights, above 0 and at most 1.
    columns
        Which column plays which part (events_1, n_1, events_2, n_2), where it is not of that name.

    Raises
    ------
    InputError
        As `effect_sizes.fit` for counts; on an unknown link or prior, a quality outside 0 to 1, or no study
        that says anything about the effect.
    """
    require_choice(link, tuple(LINKS), "link")
    require_level(level)
    chosen = synthesis(priors) if isinstance(priors, str) else priors
    labels, data = effect_sizes.read_counts(frame, label=label, measure="OR", columns=columns)
    q = _qualities(frame, quality, labels)
    events, total = data["events_1"] + data["events_2"], data["n_1"] + data["n_2"]
    informative = (events > 0) & (events < total)
    if not informative.any():
        raise InputError(
            f"None of the {len(labels)} studies has both events and non-events; counts like these say "
            f"nothing "
            "about a ratio."
        )
    kept = {name: values[informative] for name, values in data.items()}
    tables = [
        _Table.of(x1, n1, x2, n2, link)
        for x1, n1, x2, n2 in zip(kept["events_1"], kept["n_1"], kept["events_2"], kept["n_2"], strict=True)
    ]
    log_l, around = _likelihood(tables, q[informative]), _around(tables, q[informative])
    scale = float(
        np.sqrt(np.mean([t.width**2 for t in tables]) / len(tables) + np.var([t.mode for t in tables]))
    )
    posterior = integrate(log_l, around, chosen, scale=scale)
    coarse = integrate(log_l, around, chosen, scale=scale, coarse=True)
    checks = (
        accuracy_check(posterior, coarse),
        _silent_check(informative),
        _edge_check(posterior.mean, posterior.weights),
    )
    return CountsResult(
        result=grid_result(
            posterior,
            chosen,
            method=f"{METHOD}, {link}",
            estimand=LINKS[link],
            unit=LINKS[link],
            level=level,
            seed=seed,
            checks=checks,
        ),
        studies=pd.DataFrame({"label": labels, "quality": q, "informative": informative}),
        link=link,
        checks=checks,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Table:
    """One study's log-likelihood of its effect, baseline integrated out, as a smooth curve."""

    value: Callable[[FloatArray], FloatArray]
    slope: Callable[[FloatArray], FloatArray]
    curve: Callable[[FloatArray], FloatArray]
    mode: float
    width: float

    @classmethod
    def of(cls, x1: float, n1: float, x2: float, n2: float, link: str) -> _Table:
        log_l = _without_baseline(x1, n1, x2, n2, link)
        log_l -= log_l.max()
        spline = interpolate.CubicSpline(_TABLE, log_l)
        at = int(np.argmax(log_l[1:-1])) + 1
        bend = max(-float(spline(_TABLE[at], 2)), 0.05)
        return cls(
            value=spline,
            slope=spline.derivative(1),
            curve=spline.derivative(2),
            mode=float(np.clip(_TABLE[at], -5.0, 5.0)),
            width=float(1 / np.sqrt(bend)),
        )


def _without_baseline(x1: float, n1: float, x2: float, n2: float, link: str) -> FloatArray:
    """Integrate the baseline out at every theta of the table, by Gauss-Hermite around its mode there."""
    z, w = np.polynomial.hermite_e.hermegauss(_BASE_NODES)
    p = (x1 + x2) / (n1 + n2)
    base = (
        np.full(len(_TABLE), np.log(p / (1 - p)) if link == "logit" else np.log(-np.log1p(-p))) - _TABLE / 2
    )
    for _ in range(_STEPS):
        first, second = _arm(base + _TABLE, x1, n1, link), _arm(base, x2, n2, link)
        bend = np.maximum(-(first[2] + second[2]), 1e-8)
        step = np.clip((first[1] + second[1]) / bend, -1.0, 1.0)
        base = base + step
        if np.abs(step).max() < 1e-9:
            break
    width = 1 / np.sqrt(bend)
    nodes = base[:, None] + width[:, None] * z
    value = _arm(nodes + _TABLE[:, None], x1, n1, link)[0] + _arm(nodes, x2, n2, link)[0]
    return np.asarray(logsumexp(value + 0.5 * z**2, b=w, axis=1) + np.log(width))


def _arm(eta: FloatArray, x: float, n: float, link: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihood of an arm, with its slope and curvature in eta."""
    if link == "logit":
        p = expit(eta)
        return x * eta - n * np.logaddexp(0.0, eta), x - n * p, -n * p * (1 - p)
    hazard = np.exp(np.clip(eta, -500.0, 6.0))  # a cumulative hazard of 400 is certainty
    shrink = hazard / np.expm1(hazard)
    value = -(n - x) * hazard + (x * np.log(-np.expm1(-hazard)) if x > 0 else 0.0)
    slope = x * shrink - (n - x) * hazard
    return value, slope, slope - x * shrink * hazard / -np.expm1(-hazard)


def _likelihood(tables: list[_Table], q: FloatArray) -> Likelihood:
    z, w = np.polynomial.hermite_e.hermegauss(NODES)
    log_w = np.log(w) + 0.5 * z**2 - 0.5 * np.log(2 * np.pi)

    def log_l(mean: FloatArray, tau: FloatArray) -> FloatArray:
        total = np.zeros(len(mean))
        for table, quality in zip(tables, q, strict=True):
            total += _study(table, mean, tau / np.sqrt(quality), z, log_w)
        return total

    return log_l


def _study(table: _Table, mean: FloatArray, tau: FloatArray, z: FloatArray, log_w: FloatArray) -> FloatArray:
    """Log of the integral over the study's own effect, theta = mean + tau u."""
    own = tau**2 / (tau**2 + table.width**2)
    u = np.clip((table.mode - mean) * own / np.maximum(tau, 1e-12), -30.0, 30.0)
    for _ in range(_STEPS):
        theta = np.clip(mean + tau * u, -_REACH, _REACH)
        bend = 1 - tau**2 * np.minimum(table.curve(theta), 0.0)
        step = np.clip((tau * table.slope(theta) - u) / bend, -2.0, 2.0)
        u = u + step
        if np.abs(step).max() < 1e-3:  # the points need only be near the mode
            break
    theta = np.clip(mean + tau * u, -_REACH, _REACH)
    width = 1 / np.sqrt(1 - tau**2 * np.minimum(table.curve(theta), 0.0))
    nodes = u[:, None] + width[:, None] * z
    theta = np.clip(mean[:, None] + tau[:, None] * nodes, -_REACH, _REACH)
    return np.asarray(logsumexp(table.value(theta) - 0.5 * nodes**2 + log_w, axis=1) + np.log(width))


def _around(tables: list[_Table], q: FloatArray) -> Around:
    mode, variance = np.array([t.mode for t in tables]), np.array([t.width**2 for t in tables])

    def around(tau: FloatArray) -> tuple[FloatArray, FloatArray]:
        w = 1 / (variance + tau[:, None] ** 2 / q)
        total = w.sum(axis=1)
        return (w * mode).sum(axis=1) / total, 1.5 / np.sqrt(total)

    return around


def _qualities(frame: pd.DataFrame, column: str | None, labels: list[str]) -> FloatArray:
    if column is None:
        return np.ones(len(labels))
    require_columns(frame, [column])
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    broken = ~((values > 0) & (values <= 1))
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(
            f"Column '{column}', row {at} ({labels[at]}): {frame[column].iloc[at]}; expected a quality "
            f"above 0 and "
            "at most 1."
        )
    return values


def _silent_check(informative: NDArray[np.bool_]) -> Check:
    silent = int((~informative).sum())
    return Check(
        name="studies that say nothing about the effect",
        verdict="warn" if silent else "pass",
        observed=f"{silent} of {len(informative)}",
        expected="none",
        why="without events in both arms, or with nothing but events, a study adds nothing to a ratio",
    )


def _edge_check(mean: FloatArray, weights: FloatArray) -> Check:
    outside = float(weights @ (np.abs(mean) > 0.8 * _REACH))
    return Check(
        name="posterior near the edge of the table of likelihoods",
        verdict="pass" if outside < 1e-4 else "fail",
        observed=f"{outside:.1e}",
        expected="less than 1e-04",
        why="counts that do not bound the ratio need a prior that does",
    )
