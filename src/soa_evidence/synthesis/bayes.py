r"""Bayesian random-effects meta-analysis by quadrature: exact to many digits, in a fraction of a second.

Model: :math:`y_i \sim N(\theta_i, v_i)`, :math:`\theta_i \sim N(\mu, \tau^2/q_i)`, a flat or normal prior on
:math:`\mu`, any named prior on :math:`\tau`. The weight q of a study is 1 unless a column of qualities is
given: below 1 it lets a weaker study stray further from the mean, so that it counts less (Spiegelhalter &
Best 2003, Stat Med 22:3687).

Given tau everything else is normal, so the posterior is a mixture of normals over tau, and tau itself is one
integral, done by Gauss-Legendre panels. There is no sampling error; draws are made only to be handed on.

What the words mean: *pooled* is the average of true effects over studies like these; *spread* is tau, their
standard deviation; *new study* is the true effect in one more study; a study's own *shrunken* effect borrows
from the others.

When not to use it: where arms with no events make the normal likelihood poor; with a prior on a scale other
than that of the studies (the named ones are for log ratios).

Checked against: a brute-force grid, posteriordb's eight schools, the printed example of bayesmeta, and the
published hips of Spiegelhalter & Best (tests/reference/synthesis).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.priors import SynthesisPriors, synthesis
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis.mixture import NormalMixture
from soa_evidence.synthesis.studies import (
    FloatArray,
    Studies,
    read,
    require_choice,
    require_columns,
    require_level,
)
from soa_evidence.synthesis.tau_posterior import TauPosterior, integrate

__all__ = ["BayesResult", "compare_priors", "fit"]

METHOD = "synthesis.bayes"
LARGEST_ERROR = (
    1e-6  # of any posterior mean, in posterior standard deviations, between coarse and fine panels
)
DRAWS = 4096


@dataclass(frozen=True, eq=False, kw_only=True)
class BayesResult:
    """Posterior of one meta-analysis.

    Attributes
    ----------
    pooled, spread, new_study, shrunken : Estimates
        Joint draws, row by row the same state of the world: the mean, tau, the true effect in a new study,
        and the true effects of the studies. They are evenly spread quasi-random draws; exact figures are in
        `summary`.
    summary : DataFrame
        quantity, mean, sd, median, lower, upper, level; computed, not sampled.
    tau : TauPosterior
        The posterior of tau: quantiles, probabilities, density.
    mixture : NormalMixture
        Posterior of pooled, new study, and every study, in the order of `names`.
    names : tuple of str
    priors : SynthesisPriors
    checks : tuple of Check
    """

    pooled: Estimates
    spread: Estimates
    new_study: Estimates
    shrunken: Estimates
    summary: pd.DataFrame
    tau: TauPosterior
    mixture: NormalMixture
    names: tuple[str, ...]
    priors: SynthesisPriors
    checks: tuple[Check, ...]

    def probability(self, of: str, *, above: float | None = None, below: float | None = None) -> float:
        """Return the posterior probability that a quantity of `summary` lies above, or below, a value."""
        require_choice(of, ("spread", *self.names), "of")
        if (above is None) == (below is None):
            raise InputError("probability() needs exactly one of above= or below=.")
        value = float(above if above is not None else below)  # type: ignore[arg-type]
        if of == "spread":
            under = self.tau.below(value)
        else:
            at = np.full(len(self.names), value)
            under = float(self.mixture.below(at)[self.names.index(of)])
        return under if below is not None else 1 - under

    def _repr_html_(self) -> str:
        parts = [self.summary, self.priors.table(), checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    quality: str | None = None,
    priors: str | SynthesisPriors = "default",
    level: float = 0.95,
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
    seed: int = 1,
) -> BayesResult:
    """Compute the posterior for the studies of a frame, one row a study.

    Parameters
    ----------
    quality
        Column of quality weights, above 0 and at most 1.
    priors
        A name of `priors.SYNTHESIS_PRIORS`, or a set of your own with its name and reasons.
    seed
        Of the draws; the summary does not depend on it.

    Raises
    ------
    InputError
        As `studies.read`; on an unknown prior, a level outside 0 to 1, a quality outside 0 to 1, a study
        named as a quantity, or a posterior that the quadrature cannot find.
    """
    require_level(level)
    chosen = synthesis(priors) if isinstance(priors, str) else priors
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    clash = {"pooled", "new study", "spread"} & set(studies.labels)
    if clash:
        raise InputError(f"A study is named {sorted(clash)[0]!r}, which is the name of a result; rename it.")
    weights = _qualities(frame, quality, studies)
    tau = integrate(studies, weights, chosen)
    mixture = _mixture(studies, weights, chosen, tau)
    names = ("pooled", "new study", *studies.labels)
    checks = _checks(studies, weights, chosen, tau, mixture)
    draws = _draws(studies, weights, chosen, tau, seed)

    def carrier(what: str, labels: Sequence[str], columns: slice) -> Estimates:
        return Estimates(
            estimand=what,
            labels=tuple(labels),
            unit=unit,
            method=f"{METHOD} (priors: {chosen.name})",
            draws=draws[:, columns],
            interval="credible",
            checks=checks,
        )

    return BayesResult(
        pooled=carrier(estimand, ("pooled",), slice(0, 1)),
        spread=carrier(
            f"{estimand}, standard deviation of true effects between studies", ("tau",), slice(1, 2)
        ),
        new_study=carrier(f"{estimand}, true effect in a new study", ("new study",), slice(2, 3)),
        shrunken=carrier(f"{estimand}, true effect in each study", studies.labels, slice(3, None)),
        summary=_summary(names, mixture, tau, level),
        tau=tau,
        mixture=mixture,
        names=names,
        priors=chosen,
        checks=checks,
    )


def compare_priors(
    frame: pd.DataFrame,
    *,
    priors: Sequence[str | SynthesisPriors],
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    level: float = 0.95,
) -> pd.DataFrame:
    """Return pooled, spread and new study under several priors: priors, then the columns of `summary`."""
    parts = []
    for each in priors:
        result = fit(frame, estimate=estimate, std_error=std_error, label=label, priors=each, level=level)
        part = result.summary[result.summary["quantity"].isin(["pooled", "spread", "new study"])]
        parts.append(part.assign(priors=result.priors.name))
    if not parts:
        raise InputError("compare_priors() was given no priors; name at least one.")
    table = pd.concat(parts, ignore_index=True)
    return table[["priors", *[column for column in table.columns if column != "priors"]]]


def _qualities(frame: pd.DataFrame, column: str | None, studies: Studies) -> FloatArray:
    if column is None:
        return np.ones(len(studies))
    require_columns(frame, [column])
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    broken = ~((values > 0) & (values <= 1))
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(
            f"Column '{column}', row {at} ({studies.labels[at]}): {frame[column].iloc[at]}; expected a "
            "quality above 0 and at most 1. A study of quality 0 is left out on purpose instead."
        )
    return values


def _mixture(
    studies: Studies, quality: FloatArray, priors: SynthesisPriors, tau: TauPosterior
) -> NormalMixture:
    centre, variance = tau.mean_given_tau(studies, quality, priors)
    between = tau.nodes[None, :] ** 2 / quality[:, None]
    v = studies.variance[:, None]
    pull = v / (v + between)  # how far a study is drawn to the mean: 1 where studies do not differ
    means = (1 - pull) * studies.estimate[:, None] + pull * centre
    variances = pull * between + pull**2 * variance
    return NormalMixture(
        means=np.vstack([centre, centre, means]),
        sds=np.sqrt(np.vstack([variance, variance + tau.nodes**2, variances])),
        weights=tau.weights,
    )


def _summary(names: tuple[str, ...], mixture: NormalMixture, tau: TauPosterior, level: float) -> pd.DataFrame:
    tail = (1 - level) / 2
    lower, median, upper = (mixture.quantile(p) for p in (tail, 0.5, 1 - tail))
    table = pd.DataFrame(
        {
            "quantity": names,
            "mean": mixture.mean(),
            "sd": mixture.sd(),
            "median": median,
            "lower": lower,
            "upper": upper,
        }
    )
    row = {
        "quantity": "spread",
        "mean": tau.mean(),
        "sd": tau.sd(),
        "median": tau.quantile(0.5),
        "lower": tau.quantile(tail),
        "upper": tau.quantile(1 - tail),
    }
    table = pd.concat([table.iloc[:1], pd.DataFrame([row]), table.iloc[1:]], ignore_index=True)
    return table.assign(level=level)


def _draws(
    studies: Studies, quality: FloatArray, priors: SynthesisPriors, tau: TauPosterior, seed: int
) -> FloatArray:
    """Draw pooled mean, tau, a new study and every study, jointly: columns in that order."""
    k = len(studies)
    uniform = stats.qmc.Sobol(k + 3, seed=seed).random(DRAWS)
    uniform = np.clip(uniform, 1e-12, 1 - 1e-12)
    spread = tau.quantiles(uniform[:, 0])
    normal = stats.norm.ppf(uniform[:, 1:])
    centre, variance = tau.mean_given_tau(studies, quality, priors, at=spread)
    pooled = centre + np.sqrt(variance) * normal[:, 0]
    new = pooled + spread * normal[:, 1]
    between = spread[:, None] ** 2 / quality
    pull = studies.variance / (studies.variance + between)
    own = (1 - pull) * studies.estimate + pull * pooled[:, None] + np.sqrt(pull * between) * normal[:, 2:]
    return np.column_stack([pooled, spread, new, own])


def _checks(
    studies: Studies,
    quality: FloatArray,
    priors: SynthesisPriors,
    tau: TauPosterior,
    mixture: NormalMixture,
) -> tuple[Check, ...]:
    coarse = integrate(studies, quality, priors, panels=tau.panels // 2)
    other = _mixture(studies, quality, priors, coarse)
    error = float(np.max(np.abs(mixture.mean() - other.mean()) / mixture.sd()))
    error = max(error, abs(tau.mean() - coarse.mean()) / tau.sd())
    heavy = priors.spread.family == "half-Cauchy" and len(studies) < 3
    return (
        Check(
            name="quadrature error, in posterior standard deviations",
            verdict="pass" if error <= LARGEST_ERROR else "fail",
            observed=f"{error:.1e}",
            expected=f"at most {LARGEST_ERROR:.0e}",
            why="half as many panels must give the same posterior means",
        ),
        Check(
            name="posterior standard deviations exist",
            verdict="fail" if heavy else "pass",
            observed=f"{len(studies)} studies, {priors.spread}",
            expected="at least 3 studies with a half-Cauchy prior",
            why="with one or two studies the tail of that prior is left as it is, and it has no variance",
        ),
        Check(
            name="studies that speak about the spread",
            verdict="pass" if len(studies) >= 5 else "warn",
            observed=str(len(studies)),
            expected="at least 5",
            why="with few studies the prior of the spread decides much; compare_priors() shows how much",
        ),
    )
