"""Units counted by their rate, beside what chance alone would give: for looking at a spread, not for fitting.

Unit j has n_j patients. Were units alike but for case mix, its events would be Binomial(n_j, p_j), with p_j
the risk that case mix alone gives it (`VariationResult.units`, column expected). The number of units expected
in a bin is the sum over units of the probability that k / n_j falls into it: exact, nothing is simulated. The
risk p_j is taken as known: it rests on all units' patients.

When not to use it: for scores, which have no bins of events; and not to tell which unit is apart, for which
there is `units.funnel`.

Checked against: simulation and arithmetic (tests/unit/test_units_variation_bins.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.units.summaries import Events

if TYPE_CHECKING:
    from soa_evidence.units.variation import VariationResult

__all__ = ["bins"]

#: Keeps a rate that lies on an edge from falling below it by a rounding error.
_EDGE = 1e-9


def bins(
    results: Mapping[str, VariationResult], *, width_per_1000: float = 20.0, most_per_1000: float = 300.0
) -> pd.DataFrame:
    """Count units by crude rate, and how many chance alone would put there.

    Parameters
    ----------
    results
        By name, "operation: outcome", as `variation.table` takes them; of yes/no outcomes.
    width_per_1000
        Width of a bin, events per 1,000 patients, above 0.
    most_per_1000
        Where the last bin, which holds all rates from there up, begins: a whole number of widths, at most
        1,000.

    Returns
    -------
    DataFrame
        operation, outcome, from_per_1000, to_per_1000 (1,000 in the last bin), units, by_chance. Over the
        bins of a result both add up to its units.

    Raises
    ------
    InputError
        When there is no result, one is of a score, or the widths do not fit.
    """
    if not results:
        raise InputError("results is empty; give at least one result of units.variation.fit.")
    many = most_per_1000 / width_per_1000 if width_per_1000 > 0 else 0.0
    if not (many >= 1 and float(many).is_integer() and most_per_1000 <= 1000):
        raise InputError(
            f"width_per_1000={width_per_1000:g} and most_per_1000={most_per_1000:g} do not fit; expected a "
            "width above 0, and a whole number of widths up to at most 1,000."
        )
    edges = np.arange(int(many) + 1, dtype=np.float64) * np.float64(width_per_1000)
    found = []
    for name, result in results.items():
        if not isinstance(result.outcome, Events):
            raise InputError(f"'{name}' is a score; only yes/no outcomes are counted by their rate.")
        operation, _, outcome = name.rpartition(": ")
        seen, by_chance = _counted(result.units, edges)
        found.append(
            pd.DataFrame(
                {
                    "operation": operation,
                    "outcome": outcome,
                    "from_per_1000": edges,
                    "to_per_1000": [*edges[1:], 1000.0],
                    "units": seen,
                    "by_chance": by_chance,
                }
            )
        )
    return pd.concat(found, ignore_index=True)


def _counted(
    units: pd.DataFrame, edges: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    patients = units["patients"].to_numpy(float)
    events = np.round(units["crude"].to_numpy(float) * patients)
    # fewest events with which a unit reaches each edge
    reach = np.ceil(np.outer(patients, edges) / 1000 - _EDGE)
    place = (events[:, None] >= reach).sum(axis=1) - 1
    seen = np.bincount(place, minlength=len(edges))
    below = stats.binom.cdf(reach - 1, patients[:, None], units["expected"].to_numpy(float)[:, None])
    below = np.column_stack([below, np.ones(len(below))])
    return seen, np.asarray(np.diff(below, axis=1).sum(axis=0))
