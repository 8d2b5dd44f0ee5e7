"""The one door to the sampler: seed, cores, and diagnostics turned into checks.

Nothing else in the toolkit calls a sampler. Thresholds live here only.

Sources: Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16:667, for rank-normalised
R-hat and bulk and tail effective sample size; Betancourt (2016), arXiv 1604.00695, for the energy fraction.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from soa_evidence.errors import InputError, require_seed
from soa_evidence.results import Check, Verdict

__all__ = ["Settings", "convergence_checks", "sample"]

R_HAT_LIMIT = 1.01  # Vehtari et al. 2021
R_HAT_FAIL = 1.05  # beyond this the chains have plainly not met
ESS_PER_CHAIN = 100  # Vehtari et al. 2021: below it the diagnostics themselves are unreliable
ENERGY_LIMIT = 0.3  # Betancourt 2016: below it the sampler explores the tails too slowly


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to sample: chains, tuning steps and kept draws per chain, target acceptance.

    Raises
    ------
    InputError
        When a number is too small to give any diagnostics.
    """

    draws: int = 1500
    tune: int = 500
    chains: int = 4
    target_accept: float = 0.8

    def __post_init__(self) -> None:
        if self.chains < 2:
            raise InputError(f"{self.chains} chain cannot show convergence; use at least 2 (4 is usual).")
        if self.draws < 10 or self.tune < 10:
            raise InputError(
                f"draws={self.draws}, tune={self.tune}: use at least 10 of each (1500 and 500 are usual)."
            )
        if not 0.5 < self.target_accept < 1:
            raise InputError(f"target_accept={self.target_accept} lies outside 0.5 to 1.")


def sample(model: Any, *, seed: int, settings: Settings | None = None) -> Any:
    """Sample a PyMC model with nutpie and return an ArviZ data tree.

    Parameters
    ----------
    model
        A `pymc.Model`.
    seed
        Recorded seed; the same seed, model and library versions give the same draws on any number of cores.
    settings
        Chains and lengths.

    Returns
    -------
    xarray.DataTree
        With groups posterior and sample_stats.
    """
    settings = settings or Settings()
    require_seed(seed)
    with warnings.catch_warnings():
        # Numba and PyTensor warn about what they cannot cache between runs; it does not touch the numbers.
        warnings.simplefilter("ignore")
        import nutpie

        compiled = nutpie.compile_pymc_model(model)
        return nutpie.sample(
            compiled,
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=min(settings.chains, os.cpu_count() or 1),
            seed=seed,
            target_accept=settings.target_accept,
            progress_bar=False,
        )


def convergence_checks(tree: Any, *, parameters: list[str] | None = None) -> tuple[Check, ...]:
    """Turn the sampler's diagnostics into checks.

    Parameters
    ----------
    tree
        An ArviZ data tree with groups posterior and sample_stats.
    parameters
        Names to look at; all by default.

    Returns
    -------
    tuple of Check
        R-hat, bulk and tail effective sample size (each the worst over all parameters), divergences, energy.
    """
    import arviz as az

    posterior = tree["posterior"].dataset
    names = parameters or list(posterior.data_vars)
    chosen = posterior[names]
    chains = chosen.sizes["chain"]
    r_hat, r_where = _extreme(az.rhat(chosen), largest=True)
    bulk, bulk_where = _extreme(az.ess(chosen, method="bulk"), largest=False)
    tail, tail_where = _extreme(az.ess(chosen, method="tail"), largest=False)
    divergences = int(np.asarray(tree["sample_stats"]["diverging"]).sum())
    need = ESS_PER_CHAIN * chains
    checks = [
        Check(
            name="R-hat, largest",
            verdict="pass" if r_hat <= R_HAT_LIMIT else "warn" if r_hat <= R_HAT_FAIL else "fail",
            observed=f"{r_hat:.3f} ({r_where})",
            expected=f"at most {R_HAT_LIMIT}",
            why="chains that started apart must agree, or the posterior has not been found",
        )
    ]
    for kind, value, where in (("bulk", bulk, bulk_where), ("tail", tail, tail_where)):
        verdict: Verdict = "pass" if value >= need else "fail" if value < need / 4 else "warn"
        checks.append(
            Check(
                name=f"effective sample size, {kind}, smallest",
                verdict=verdict,
                observed=f"{value:.0f} ({where})",
                expected=f"at least {need}",
                why="too few independent draws make estimates and interval ends noisy",
            )
        )
    checks.append(
        Check(
            name="divergences",
            verdict="pass" if divergences == 0 else "fail",
            observed=str(divergences),
            expected="0",
            why="a divergence shows a region that the sampler could not enter, so the answer may be biased",
        )
    )
    checks.append(_energy_check(tree))
    return tuple(checks)


def _energy_check(tree: Any) -> Check:
    energy = np.asarray(tree["sample_stats"]["energy"], dtype=float)
    variance = energy.var(axis=1)
    fraction = np.square(np.diff(energy, axis=1)).mean(axis=1) / np.where(variance > 0, variance, np.nan)
    # A chain whose energy never moved, or is not a number, is the worst there is.
    worst = float(np.where(np.isfinite(fraction), fraction, 0.0).min())
    return Check(
        name="energy fraction (E-BFMI), smallest over chains",
        verdict="pass" if worst >= ENERGY_LIMIT else "warn",
        observed=f"{worst:.2f}",
        expected=f"at least {ENERGY_LIMIT}",
        why="a low fraction means that the tails of the posterior were explored too slowly",
    )


def _extreme(diagnostic: Any, *, largest: bool) -> tuple[float, str]:
    """Return the worst value of a diagnostic over all parameters, and the parameter's name."""
    worst, where = (-np.inf, "none") if largest else (np.inf, "none")
    for name in diagnostic.data_vars:
        values = np.asarray(diagnostic[name], dtype=float)
        # A diagnostic that cannot be computed is the worst there is, never one to be skipped.
        values = np.where(np.isfinite(values), values, np.inf if largest else 0.0)
        value = float(values.max() if largest else values.min())
        if (value > worst) if largest else (value < worst):
            worst, where = value, str(name)
    return worst, where
