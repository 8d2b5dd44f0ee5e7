"""Posterior predictive checks told alike: statistics of the data beside those of data made by a model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from soa_evidence.results.checks import Check

__all__ = ["REPLICATES", "SURPRISE", "compared", "predictive_check"]

REPLICATES = 200
SURPRISE = 0.01  # a two-sided predictive probability below this is shown as a warning


def compared(observed: dict[str, float], replicated: pd.DataFrame) -> pd.DataFrame:
    """Table statistics beside those of replicates, one row a replicate; two-sided `probability`."""
    above = (replicated >= pd.Series(observed)).mean()
    below = (replicated <= pd.Series(observed)).mean()
    lower, median, upper = (replicated.quantile(q) for q in (0.025, 0.5, 0.975))
    return pd.DataFrame(
        {
            "statistic": list(observed),
            "observed": list(observed.values()),
            "replicated_lower": lower.to_numpy(),
            "replicated_median": median.to_numpy(),
            "replicated_upper": upper.to_numpy(),
            "probability": np.minimum(1.0, 2 * np.minimum(above, below)).to_numpy(),
        }
    )


def predictive_check(table: pd.DataFrame) -> Check:
    """Turn a table of `compared` into one check, a warning where the model misses the data."""
    odd = table[table["probability"] < SURPRISE]
    worst = table.sort_values("probability").iloc[0]
    return Check(
        name="posterior predictive checks",
        verdict="warn" if len(odd) else "pass",
        observed=(
            "; ".join(f"{row.statistic}: {row.observed:.4g}" for row in odd.itertuples())
            if len(odd)
            else f"smallest probability {worst['probability']:.2f} ({worst['statistic']})"
        ),
        expected=f"every predictive probability at least {SURPRISE}",
        why="data made by the fitted model should look like the real data in ways that matter here",
    )
