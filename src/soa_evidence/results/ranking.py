"""Ranks of units with their uncertainty: never a position without its interval.

Sources: Goldstein and Spiegelhalter (1996), JRSS A 159:385, on why a league position needs an interval; Laird
and Louis (1989), Journal of Educational Statistics 14:29, for the expected rank, which has the least expected
squared loss; Lin, Louis, Paddock and Ridgeway (2006), Bayesian Analysis 1:915, for the loss itself.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["rank_table"]

FloatArray = NDArray[np.float64]


def rank_table(
    risk: FloatArray, units: tuple[str, ...], *, better: Literal["lower", "higher"], level: float = 0.95
) -> pd.DataFrame:
    """Rank units in every draw and summarise; rank 1 is best.

    Parameters
    ----------
    risk : array of shape (S, J)
        Posterior draws of each unit's risk.
    better
        Whether a lower or a higher risk is better.

    Returns
    -------
    DataFrame
        unit, rank_median, rank_lower, rank_upper, rank_expected (the mean place), rank_loss (by how many
        places even that is off: the root of its expected squared loss), probability_best_fifth,
        probability_worst_fifth.
    """
    order = risk if better == "lower" else -risk
    # argsort of argsort gives each unit's place; continuous draws do not tie.
    places = order.argsort(axis=1).argsort(axis=1).astype(np.int32) + 1
    n_units = risk.shape[1]
    fifth = n_units // 5  # whole places, as many at the bottom as at the top
    tail = (1 - level) / 2
    lower, median, upper = np.quantile(places, [tail, 0.5, 1 - tail], axis=0, method="inverted_cdf")
    return pd.DataFrame(
        {
            "unit": list(units),
            "rank_median": median.astype(int),
            "rank_lower": lower.astype(int),
            "rank_upper": upper.astype(int),
            "rank_expected": places.mean(axis=0),
            "rank_loss": places.std(axis=0),
            "probability_best_fifth": (places <= fifth).mean(axis=0),
            "probability_worst_fifth": (places > n_units - fifth).mean(axis=0),
        }
    )
