r"""Bias-adjusted meta-analysis: what readers of the studies think their biases are, and how unsurely.

Model: :math:`y_i \sim N(\beta_i \theta_i + \delta_i, v_i)` with :math:`\theta_i \sim N(\mu, \tau^2/q_i)`,
additive bias :math:`\delta_i \sim N(a_i, s_i^2)` and proportional bias :math:`\beta_i \sim N(b_i, r_i^2)`. A
study thought to exaggerate by a fifth has b = 1.2. Several biases of a study add up: means and variances of
additive ones are summed; the product is taken of proportional ones. The biases are stated beforehand
(elicited, or estimated from studies of bias), never fitted here.

With :math:`r_i = 0` everything is normal: the study is taken as :math:`(y_i - a_i)/b_i` with variance
:math:`(v_i + s_i^2)/b_i^2`. Else :math:`y_i \mid \theta_i` has variance
:math:`v_i + s_i^2 + r_i^2\theta_i^2`, and each study needs an integral over its theta, done by Gauss-Hermite.

When not to use it: with biases chosen after seeing what they do to the answer; as the only analysis. The
unadjusted result stands beside it.

Source: Turner, Spiegelhalter, Smith & Thompson 2009, J R Stat Soc A 172:21; Spiegelhalter & Best 2003, Stat
Med 22:3687 for quality weights.

Checked against: `synthesis.bayes` where it is normal, and a plain sum over theta
(tests/reference/synthesis_models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from soa_evidence.errors import InputError
from soa_evidence.priors import SynthesisPriors, synthesis
from soa_evidence.results import Check
from soa_evidence.synthesis import bayes
from soa_evidence.synthesis.bayes_robust import normal_around
from soa_evidence.synthesis.grid_posterior import (
    GridResult,
    Likelihood,
    accuracy_check,
    grid_result,
    integrate,
)
from soa_evidence.synthesis.studies import FloatArray, Studies, read, require_columns, require_level

__all__ = ["BiasResult", "fit"]

METHOD = "synthesis.bayes_bias"
NODES = 21
#: Part of a bias, its value where no column is given, and whether it must be above 0 or at least 0.
PARTS = {
    "additive_mean": (0.0, "any"),
    "additive_sd": (0.0, "at least 0"),
    "proportional_mean": (1.0, "above 0"),
    "proportional_sd": (0.0, "at least 0"),
    "quality": (1.0, "above 0"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class BiasResult:
    """Posterior with and without the stated biases.

    Attributes
    ----------
    adjusted : GridResult
    unadjusted : BayesResult
        `synthesis.bayes` of the same studies and priors as they are, without quality weights.
    studies : DataFrame
        label, estimate, std_error, then the five parts of its bias, adjusted_estimate, adjusted_std_error (at
        that estimate).
    checks : tuple of Check
    """

    adjusted: GridResult
    unadjusted: bayes.BayesResult
    studies: pd.DataFrame
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        table = self.studies.to_html(index=False, float_format="{:.4g}".format)
        return self.adjusted._repr_html_() + table + self.unadjusted._repr_html_()


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    additive_mean: str | None = None,
    additive_sd: str | None = None,
    proportional_mean: str | None = None,
    proportional_sd: str | None = None,
    quality: str | None = None,
    priors: str | SynthesisPriors = "default",
    level: float = 0.95,
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
    seed: int = 1,
) -> BiasResult:
    """Compute the bias-adjusted posterior for the studies of a frame, one row a study.

    Parameters
    ----------
    additive_mean, additive_sd, proportional_mean, proportional_sd
        Columns of the stated biases, on the scale of the analysis; no bias where none is named.
    quality
        Column of quality weights, above 0 and at most 1: see `bayes`.

    Raises
    ------
    InputError
        As `bayes.fit`; on no bias at all, or a bias that is not a finite number in its range.
    """
    require_level(level)
    chosen = synthesis(priors) if isinstance(priors, str) else priors
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    named = {
        "additive_mean": additive_mean,
        "additive_sd": additive_sd,
        "proportional_mean": proportional_mean,
        "proportional_sd": proportional_sd,
        "quality": quality,
    }
    if all(column is None for column in named.values()):
        raise InputError("No column of biases is named; use synthesis.bayes for studies taken as unbiased.")
    parts = {part: _part(frame, part, column, studies) for part, column in named.items()}
    shift, factor = parts["additive_mean"], parts["proportional_mean"]
    centre = (studies.estimate - shift) / factor
    noise = studies.variance + parts["additive_sd"] ** 2
    spread = (noise + parts["proportional_sd"] ** 2 * centre**2) / factor**2
    adjusted = Studies(labels=studies.labels, estimate=centre, variance=spread)
    log_l = _likelihood(studies, parts, noise, centre)
    around = normal_around(adjusted)
    scale = float(np.sqrt(len(studies) / (1 / spread).sum() + np.var(centre)))
    posterior = integrate(log_l, around, chosen, scale=scale)
    coarse = integrate(log_l, around, chosen, scale=scale, coarse=True)
    before = bayes.fit(
        frame, estimate=estimate, std_error=std_error, label=label, priors=chosen, level=level, seed=seed
    )
    checks = (accuracy_check(posterior, coarse), _information_check(studies, spread))
    return BiasResult(
        adjusted=grid_result(
            posterior,
            chosen,
            method=METHOD,
            estimand=f"{estimand}, adjusted for stated biases",
            unit=unit,
            level=level,
            seed=seed,
            checks=checks,
        ),
        unadjusted=before,
        studies=pd.DataFrame(
            {
                "label": list(studies.labels),
                "estimate": studies.estimate,
                "std_error": np.sqrt(studies.variance),
                **parts,
                "adjusted_estimate": centre,
                "adjusted_std_error": np.sqrt(spread),
            }
        ),
        checks=checks,
    )


def _part(frame: pd.DataFrame, part: str, column: str | None, studies: Studies) -> FloatArray:
    default, rule = PARTS[part]
    if column is None:
        return np.full(len(studies), default)
    require_columns(frame, [column])
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    broken = ~np.isfinite(values)
    if rule == "above 0":
        broken |= values <= 0
    elif rule == "at least 0":
        broken |= values < 0
    if part == "quality":
        broken |= values > 1
        rule = "above 0 and at most 1"
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(
            f"Column '{column}', row {at} ({studies.labels[at]}): {frame[column].iloc[at]}; {part} is a "
            f"finite "
            f"number, {rule}."
        )
    return values


def _likelihood(
    studies: Studies, parts: dict[str, FloatArray], noise: FloatArray, centre: FloatArray
) -> Likelihood:
    z, w = np.polynomial.hermite_e.hermegauss(NODES)
    log_w = np.log(w) + 0.5 * z**2

    def log_l(mean: FloatArray, tau: FloatArray) -> FloatArray:
        total = np.zeros(len(mean))
        for i, y in enumerate(studies.estimate):
            a, b, r = (parts[p][i] for p in ("additive_mean", "proportional_mean", "proportional_sd"))
            between = tau**2 / parts["quality"][i]
            if r == 0:
                variance = noise[i] + b**2 * between
                total += -0.5 * (np.log(2 * np.pi * variance) + (y - a - b * mean) ** 2 / variance)
                continue
            # Points around where theta would lie if the variance stayed what it is at the study's own
            # estimate.
            own = (noise[i] + r**2 * centre[i] ** 2) / b**2
            precision = 1 / own + 1 / between
            middle, width = (centre[i] / own + mean / between) / precision, 1 / np.sqrt(precision)
            theta = middle[:, None] + width[:, None] * z
            variance = noise[i] + r**2 * theta**2
            value = -0.5 * (np.log(variance) + (y - a - b * theta) ** 2 / variance)
            value -= 0.5 * (theta - mean[:, None]) ** 2 / between[:, None]
            total += logsumexp(value + log_w, axis=1) + np.log(width) - 0.5 * np.log(between)
            total -= np.log(2 * np.pi)
        return total

    return log_l


def _information_check(studies: Studies, spread: FloatArray) -> Check:
    left = float((1 / spread).sum() / (1 / studies.variance).sum())
    return Check(
        name="information left after allowing for bias",
        verdict="pass" if left >= 0.1 else "warn",
        observed=f"{left:.0%}",
        expected="at least 10 %",
        why="where stated biases outweigh the studies, the answer is mostly what was stated",
    )
