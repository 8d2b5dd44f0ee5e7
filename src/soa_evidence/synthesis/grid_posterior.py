r"""Posteriors of a mean and a spread for any likelihood of the studies, on a grid.

For every tau on Gauss-Legendre panels (as in `tau_posterior`) the mean is covered by evenly spaced points
around where a normal approximation puts it, out to `REACH` of its standard deviations: for a smooth
integrand that dies out at both ends evenly spaced points converge as fast as any. The prior densities are
whole, so the sum is also the marginal likelihood, with which models are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats
from scipy.special import logsumexp, sici

from soa_evidence.errors import InputError
from soa_evidence.priors import SynthesisPriors
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis.mixture import NormalMixture
from soa_evidence.synthesis.studies import FloatArray, require_choice
from soa_evidence.synthesis.tau_posterior import TauPosterior

__all__ = ["GridPosterior", "GridResult", "accuracy_check", "grid_result", "integrate", "tau_grid"]

PANELS = 12
REACH = 10.0
STEP = 0.125
DRAWS = 4096
LARGEST_ERROR = 1e-3  # of a posterior mean, in posterior standard deviations, between coarse and fine grid
_POINTS = 16  # as TauPosterior has them
_NEGLIGIBLE = 1e-14
_CHUNK = 4096

#: Log-likelihood of all studies at means and spreads of one shape (n,).
Likelihood = Callable[[FloatArray, FloatArray], FloatArray]
#: Where the mean lies given tau, roughly: centre and standard deviation, shape (S,).
Around = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True, eq=False, kw_only=True)
class GridPosterior:
    """Joint posterior of mean and spread as weighted points.

    Attributes
    ----------
    mean, tau, weights : arrays of shape (n,)
    cell : array of shape (n,)
        Distance between neighbouring points of the mean at the same tau.
    spread : TauPosterior
        The marginal posterior of tau.
    log_evidence : float
        Log marginal likelihood (relative to the flat prior of the mean where that is flat).
    """

    mean: FloatArray
    tau: FloatArray
    weights: FloatArray
    cell: FloatArray
    spread: TauPosterior
    log_evidence: float

    def below(self, value: float) -> float:
        """Return the posterior probability that the mean lies below a value."""
        return float(self.weights @ (0.5 + sici(np.pi * (value - self.mean) / self.cell)[0] / np.pi))

    def quantile(self, probability: float) -> float:
        """Return a quantile of the mean."""
        low, high = float(self.mean.min()), float(self.mean.max())
        return float(
            optimize.brentq(lambda x: self.below(x) - probability, low, high, xtol=1e-10 * (high - low))
        )

    def summary(self, level: float) -> pd.DataFrame:
        """Return quantity (pooled, spread, new study), mean, sd, median, lower, upper, level."""
        tail = (1 - level) / 2
        at = (tail, 0.5, 1 - tail)
        mean = float(self.weights @ self.mean)
        variance = float(self.weights @ (self.mean - mean) ** 2)
        new = NormalMixture(
            means=self.mean[None], sds=np.maximum(self.tau, 1e-12)[None], weights=self.weights
        )
        rows = [
            ("pooled", mean, np.sqrt(variance), *(self.quantile(p) for p in at)),
            ("spread", self.spread.mean(), self.spread.sd(), *(self.spread.quantile(p) for p in at)),
            (
                "new study",
                mean,
                np.sqrt(variance + float(self.weights @ self.tau**2)),
                *(float(new.quantile(p)[0]) for p in at),
            ),
        ]
        order = ["quantity", "mean", "sd", "lower", "median", "upper"]
        table = pd.DataFrame(rows, columns=order).assign(level=level)
        return table[["quantity", "mean", "sd", "median", "lower", "upper", "level"]]

    def sample(self, n: int, seed: int) -> FloatArray:
        """Return `n` evenly spread joint draws of mean, tau and a new study, shape (n, 3)."""
        rng = np.random.default_rng(seed)
        edges = (np.arange(n) + rng.random()) / n
        at = np.clip(np.searchsorted(np.cumsum(self.weights), edges), 0, len(self.weights) - 1)
        rng.shuffle(at)
        # Spread over their cells, which adds a thousandth to the variance and leaves no gaps.
        mean, tau = self.mean[at] + self.cell[at] * (rng.random(n) - 0.5), self.tau[at]
        return np.column_stack([mean, tau, mean + tau * rng.standard_normal(n)])


@dataclass(frozen=True, eq=False, kw_only=True)
class GridResult:
    """Posterior of one meta-analysis by a grid.

    Attributes
    ----------
    pooled, spread, new_study : Estimates
        Joint draws, row by row the same state of the world; sums over the grid are in `summary`.
    summary : DataFrame
        quantity, mean, sd, median, lower, upper, level.
    posterior : GridPosterior
    priors : SynthesisPriors
    checks : tuple of Check
    """

    pooled: Estimates
    spread: Estimates
    new_study: Estimates
    summary: pd.DataFrame
    posterior: GridPosterior
    priors: SynthesisPriors
    checks: tuple[Check, ...]

    def probability(self, of: str, *, above: float | None = None, below: float | None = None) -> float:
        """Return the posterior probability that pooled, spread or new study lies beyond a value."""
        require_choice(of, ("pooled", "spread", "new study"), "of")
        if (above is None) == (below is None):
            raise InputError("probability() needs exactly one of above= or below=.")
        value = float(above if above is not None else below)  # type: ignore[arg-type]
        p = self.posterior
        if of == "new study":
            under = float(p.weights @ stats.norm.cdf((value - p.mean) / np.maximum(p.tau, 1e-12)))
        else:
            under = p.below(value) if of == "pooled" else p.spread.below(value)
        return under if below is not None else 1 - under

    def _repr_html_(self) -> str:
        parts = [self.summary, self.priors.table(), checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def integrate(
    log_l: Likelihood, around: Around, priors: SynthesisPriors, *, scale: float, coarse: bool = False
) -> GridPosterior:
    """Return the posterior on a grid; `scale` is a typical size of tau, `coarse` halves the grid.

    Raises
    ------
    InputError
        If prior and studies contradict each other beyond what numbers can hold.
    """
    panels = PANELS // 2 if coarse else PANELS
    tau, log_mass = tau_grid(priors, scale, panels)
    z = np.arange(-REACH, REACH + 1e-9, 2 * STEP if coarse else STEP)
    centre, width = around(tau)
    mean = centre[:, None] + width[:, None] * z
    log_w = (log_mass + np.log(width) + np.log(z[1] - z[0]))[:, None] + np.zeros(len(z))
    if priors.effect is not None:
        log_w = log_w + stats.norm.logpdf(mean, priors.effect.mean, priors.effect.sd)
    flat, spread = mean.ravel(), np.repeat(tau, len(z))
    total = log_w.ravel() + np.concatenate(
        [log_l(flat[i : i + _CHUNK], spread[i : i + _CHUNK]) for i in range(0, len(flat), _CHUNK)]
    )
    evidence = float(logsumexp(total))
    if not np.isfinite(evidence):
        raise InputError(
            f"Priors '{priors.name}' leave these studies no posterior: their likelihood is 0 wherever the "
            f"prior is "
            "not. Is the prior on the scale of the studies?"
        )
    weights = np.exp(total - evidence)
    inside = weights.reshape(panels, _POINTS, len(z)).sum(axis=2)
    node = inside.ravel() > 0
    kept = weights > _NEGLIGIBLE * weights.max()
    return GridPosterior(
        mean=flat[kept],
        tau=spread[kept],
        weights=weights[kept] / weights[kept].sum(),
        cell=np.repeat(width * (z[1] - z[0]), len(z))[kept],
        spread=TauPosterior(
            nodes=tau[node],
            weights=inside.ravel()[node],
            edges=np.linspace(0.0, _end(priors, scale), panels + 1),
            cumulative=np.concatenate([[0.0], np.cumsum(inside.sum(axis=1))]),
            scale=scale,
            panels=panels,
            inside=inside,
        ),
        log_evidence=evidence,
    )


def tau_grid(priors: SynthesisPriors, scale: float, panels: int = PANELS) -> tuple[FloatArray, FloatArray]:
    """Return points of tau and the logs of their prior masses."""
    nodes, node_weights = np.polynomial.legendre.leggauss(_POINTS)
    edges = np.linspace(0.0, _end(priors, scale), panels + 1)
    half = np.diff(edges)[:, None] / 2
    x = (edges[:-1, None] + half * (nodes + 1)).ravel()
    tau = scale * x / (1 - x)
    log_mass = (
        priors.spread.log_density(tau)
        + priors.spread.log_constant
        + np.log(scale)
        - 2 * np.log1p(-x)
        + np.log((half * node_weights).ravel())
    )
    return tau, log_mass


def _end(priors: SynthesisPriors, scale: float) -> float:
    upper = priors.spread.upper
    return 1.0 if np.isinf(upper) else upper / (scale + upper)


def accuracy_check(fine: GridPosterior, coarse: GridPosterior) -> Check:
    """Compare with half the grid."""
    errors = []
    for name in ("mean", "tau"):
        a, b = getattr(fine, name), getattr(coarse, name)
        mean = float(fine.weights @ a)
        sd = float(np.sqrt(fine.weights @ (a - mean) ** 2))
        errors.append(abs(mean - float(coarse.weights @ b)) / sd)
    return Check(
        name="grid error, in posterior standard deviations",
        verdict="pass" if max(errors) <= LARGEST_ERROR else "fail",
        observed=f"{max(errors):.1e}",
        expected=f"at most {LARGEST_ERROR:.0e}",
        why="half the grid must give the same posterior means",
    )


def grid_result(
    posterior: GridPosterior,
    priors: SynthesisPriors,
    *,
    method: str,
    estimand: str,
    unit: str,
    level: float,
    seed: int,
    checks: tuple[Check, ...],
) -> GridResult:
    """Wrap a posterior as a result."""
    draws = posterior.sample(DRAWS, seed)

    def carrier(what: str, label: str, column: int) -> Estimates:
        return Estimates(
            estimand=what,
            labels=(label,),
            unit=unit,
            method=f"{method} (priors: {priors.name})",
            draws=draws[:, [column]],
            interval="credible",
            checks=checks,
        )

    return GridResult(
        pooled=carrier(estimand, "pooled", 0),
        spread=carrier(f"{estimand}, standard deviation of true effects between studies", "tau", 1),
        new_study=carrier(f"{estimand}, true effect in a new study", "new study", 2),
        summary=posterior.summary(level),
        posterior=posterior,
        priors=priors,
        checks=checks,
    )
