"""Prior sensitivity by power-scaling: what a slightly stronger or weaker prior would have said.

Source: Kallioinen, Paananen, Bürkner and Vehtari (2024), Statistics and Computing 34:57.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.priors import BinomialPriors
from soa_evidence.results import Check

__all__ = ["check", "log_prior", "power_scaling"]

FloatArray = NDArray[np.float64]

THRESHOLD = 0.05  # Kallioinen et al. 2024: above it the posterior visibly follows the prior


def log_prior(posterior: Any, priors: BinomialPriors) -> FloatArray:
    """Log density of the priors (not of the units' levels) at every draw; shape (chain, draw)."""
    common, spread = posterior["common"].to_numpy(), posterior["typical_log_spread"].to_numpy()
    total = stats.norm.logpdf(common, priors.common_log_odds.mean, priors.common_log_odds.sd)
    total = total + stats.norm.logpdf(spread, priors.common_log_spread.mean, priors.common_log_spread.sd)
    centre = posterior["class_level"].to_numpy() - common[..., None]
    total = total + stats.norm.logpdf(centre, 0, priors.class_log_odds_sd).sum(axis=-1)
    wide = posterior["class_log_spread"].to_numpy() - spread[..., None]
    total = total + stats.norm.logpdf(wide, 0, priors.class_log_spread_sd).sum(axis=-1)
    if "case_mix" in posterior:
        terms, prior = posterior["case_mix"].to_numpy(), priors.case_mix_log_odds
        total = total + stats.norm.logpdf(terms, prior.mean, prior.sd).sum(axis=-1)
    return np.asarray(total)


def power_scaling(
    quantities: dict[str, FloatArray], *, log_prior: FloatArray, log_likelihood: FloatArray
) -> pd.DataFrame:
    """How much each quantity follows the prior and the likelihood.

    Parameters
    ----------
    quantities
        Name to draws of shape (chain, draw).
    log_prior, log_likelihood : arrays of shape (chain, draw)

    Returns
    -------
    DataFrame
        quantity, prior, likelihood (cumulative Jensen–Shannon distance per unit of log2 scaling), reading.
    """
    import arviz as az

    tree = az.from_dict(
        {
            # By number: a name may hold any character, a data tree's may not.
            "posterior": {f"q{at}": draws for at, draws in enumerate(quantities.values())},
            "log_prior": {"log_prior": log_prior},
            "log_likelihood": {"log_likelihood": log_likelihood},
        }
    )
    table = az.psense_summary(tree, threshold=THRESHOLD)
    prior, likelihood = table["prior"].astype(float), table["likelihood"].astype(float)
    follows = prior > THRESHOLD
    reading = np.select(
        [prior.isna(), follows & (likelihood > THRESHOLD), follows],
        ["cannot be computed", "prior and data pull apart", "the prior matters"],
        default="the data decide",
    )
    return pd.DataFrame(
        {
            "quantity": list(quantities),
            "prior": prior.to_numpy(),
            "likelihood": likelihood.to_numpy(),
            "reading": reading,
        }
    )


def check(table: pd.DataFrame) -> Check:
    """Turn the table of `power_scaling` into one check."""
    # What cannot be computed is not known to be small, so it counts as following the prior and comes last.
    follows = table[~(table["prior"] <= THRESHOLD)]
    worst = table.sort_values("prior").iloc[-1]
    return Check(
        name="prior sensitivity by power-scaling, largest",
        verdict="warn" if len(follows) else "pass",
        observed=f"{worst['prior']:.3f} ({worst['quantity']})"
        + (f"; {len(follows)} of {len(table)} quantities follow the prior" if len(follows) else ""),
        expected=f"at most {THRESHOLD} for every headline quantity",
        why="where the prior matters, a reader must know that the data alone would not say as much",
    )
