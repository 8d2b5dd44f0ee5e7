"""Prior sensitivity by power-scaling: what a slightly stronger or weaker prior would have said.

Source: Kallioinen, Paananen, Bürkner and Vehtari (2024), Statistics and Computing 34:57.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from soa_evidence.results.arrays import FloatArray
from soa_evidence.results.checks import Check

__all__ = ["check", "power_scaling"]

THRESHOLD = 0.05  # Kallioinen et al. 2024: above it the posterior visibly follows the prior


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
