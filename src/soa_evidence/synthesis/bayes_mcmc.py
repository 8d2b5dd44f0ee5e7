r"""The model of `synthesis.bayes` by sampling: its twin, and where models no quadrature does can grow.

:math:`y_i \sim N(\theta_i, v_i)`, :math:`\theta_i = \mu + (\tau/\sqrt{q_i})\, z_i`,
:math:`z_i \sim N(0, 1)`, with the named priors of `priors`. A flat prior of the mean is flat here too. The
quadrature is its oracle: a check compares pooled mean and spread with it and fails beyond 4 Monte Carlo
standard errors.

When not to use it: for the normal model itself; `synthesis.bayes` gives the same without sampling error in a
hundredth of the time.

Checked against: `synthesis.bayes` (tests/unit).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.priors import Spread, SynthesisPriors, synthesis
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.sampling import Settings, convergence_checks, sample
from soa_evidence.synthesis import bayes
from soa_evidence.synthesis.studies import FloatArray, Studies, read

__all__ = ["McmcResult", "build", "fit"]

METHOD = "synthesis.bayes_mcmc"
FURTHEST = 4.0  # Monte Carlo standard errors from the quadrature


@dataclass(frozen=True, eq=False, kw_only=True)
class McmcResult:
    """Posterior of one meta-analysis, sampled.

    Attributes
    ----------
    pooled, spread, new_study, shrunken : Estimates
        Joint draws, row by row the same state of the world.
    tree : DataTree
        As ArviZ knows it: posterior and sample_stats.
    comparison : DataFrame
        quantity, sampled, quadrature, monte_carlo_error, errors_apart.
    priors : SynthesisPriors
    checks : tuple of Check
    """

    pooled: Estimates
    spread: Estimates
    new_study: Estimates
    shrunken: Estimates
    tree: Any
    comparison: pd.DataFrame
    priors: SynthesisPriors
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        parts = [self.pooled.table(), self.spread.table(), self.comparison, checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def build(studies: Studies, quality: FloatArray, priors: SynthesisPriors) -> Any:
    """Return the PyMC model of the module docstring."""
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model(coords={"study": list(studies.labels)}) as model:
        if priors.effect is None:
            mean = pm.Flat("mean", initval=float(np.average(studies.estimate, weights=1 / studies.variance)))
        else:
            mean = pm.Normal("mean", priors.effect.mean, priors.effect.sd)
        tau = _spread(priors.spread)
        z = pm.Normal("z", dims="study")
        theta = pm.Deterministic("theta", mean + tau / pt.sqrt(quality) * z, dims="study")
        pm.Normal("estimate", theta, np.sqrt(studies.variance), observed=studies.estimate, dims="study")
    return model


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    quality: str | None = None,
    priors: str | SynthesisPriors = "default",
    seed: int,
    settings: Settings | None = None,
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
) -> McmcResult:
    """Sample the posterior for the studies of a frame, one row a study.

    Raises
    ------
    InputError
        As `bayes.fit`.
    """
    chosen = synthesis(priors) if isinstance(priors, str) else priors
    oracle = bayes.fit(
        frame, estimate=estimate, std_error=std_error, label=label, quality=quality, priors=chosen
    )
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    q = np.ones(len(studies)) if quality is None else frame[quality].to_numpy(dtype=float)
    settings = settings or Settings(target_accept=0.95)
    tree = sample(build(studies, q, chosen), seed=seed, settings=settings)
    posterior = tree["posterior"]
    mean, tau = (np.asarray(posterior[name]).reshape(-1) for name in ("mean", "tau"))
    theta = np.asarray(posterior["theta"]).reshape(-1, len(studies))
    new = mean + tau * np.random.default_rng(seed).standard_normal(len(mean))
    comparison = _compare(tree, oracle)
    checks = (*convergence_checks(tree, parameters=["mean", "tau", "theta"]), _oracle_check(comparison))

    def carrier(what: str, labels: tuple[str, ...], draws: FloatArray) -> Estimates:
        return Estimates(
            estimand=what,
            labels=labels,
            unit=unit,
            method=f"{METHOD} (priors: {chosen.name})",
            draws=draws,
            interval="credible",
            checks=checks,
        )

    return McmcResult(
        pooled=carrier(estimand, ("pooled",), mean[:, None]),
        spread=carrier(
            f"{estimand}, standard deviation of true effects between studies", ("tau",), tau[:, None]
        ),
        new_study=carrier(f"{estimand}, true effect in a new study", ("new study",), new[:, None]),
        shrunken=carrier(f"{estimand}, true effect in each study", studies.labels, theta),
        tree=tree,
        comparison=comparison,
        priors=chosen,
        checks=checks,
    )


def _spread(prior: Spread) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    if prior.family == "half-normal":
        return pm.HalfNormal("tau", prior.scale)
    if prior.family == "half-Cauchy":
        return pm.HalfCauchy("tau", prior.scale)
    if prior.family == "uniform":
        return pm.Uniform("tau", 0.0, prior.scale)
    if prior.family == "normal above 0":
        return pm.TruncatedNormal("tau", prior.location, prior.scale, lower=0.0)
    if prior.family == "log-normal of the square":
        return pm.LogNormal("tau", prior.location / 2, prior.scale / 2)
    log_tau = pm.StudentT("log_tau", nu=5, mu=prior.location / 2, sigma=prior.scale / 2)
    return pm.Deterministic("tau", pt.exp(log_tau))


def _compare(tree: Any, oracle: bayes.BayesResult) -> pd.DataFrame:
    import arviz as az

    exact = oracle.summary.set_index("quantity")["mean"]
    rows = []
    for name, quantity in (("mean", "pooled"), ("tau", "spread")):
        draws = tree["posterior"][name]
        error = float(az.mcse(draws, method="mean"))
        sampled = float(draws.mean())
        apart = abs(sampled - float(exact[quantity])) / error
        rows.append((quantity, sampled, float(exact[quantity]), error, apart))
    return pd.DataFrame(
        rows, columns=["quantity", "sampled", "quadrature", "monte_carlo_error", "errors_apart"]
    )


def _oracle_check(comparison: pd.DataFrame) -> Check:
    worst = float(comparison["errors_apart"].max())
    return Check(
        name="distance from the quadrature, in Monte Carlo standard errors",
        verdict="pass" if worst <= FURTHEST else "fail",
        observed=f"{worst:.1f}",
        expected=f"at most {FURTHEST:g}",
        why="two computations of one posterior must agree",
    )
