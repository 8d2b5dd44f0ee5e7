"""Posterior predictive checks: could the fitted model have made these data.

Replicates are *mixed*: every unit's level is drawn anew from its class, so that the class distribution
itself is on trial and a unit's own data are not used twice.

Sources: Gelman, Meng and Stern (1996), Statistica Sinica 6:733; Marshall and Spiegelhalter (2007), Bayesian
Analysis 2:409, for mixed replication.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from soa_evidence.results.predictive import REPLICATES, compared
from soa_evidence.units.cells import Cells

__all__ = ["replicate"]

FloatArray = NDArray[np.float64]


def replicate(
    cells: Cells, case_mix: FloatArray, class_level: FloatArray, class_spread: FloatArray, *, seed: int
) -> pd.DataFrame:
    """Compare statistics of the data with the same statistics of data made by the fitted model.

    Parameters
    ----------
    case_mix : array of shape (S, K)
    class_level, class_spread : arrays of shape (S, G)
        Posterior draws; up to `REPLICATES` of them, evenly spread, are used.

    Returns
    -------
    DataFrame
        statistic, observed, replicated_lower, replicated_median, replicated_upper (central 95 %),
        probability (two-sided posterior predictive).
    """
    rng = np.random.default_rng(seed)
    at = np.linspace(0, len(case_mix) - 1, min(REPLICATES, len(case_mix))).astype(int)
    trials = cells.trials.astype(np.int64)
    group = cells.group_of_unit
    # What the statistics compare with is fixed, so that data and replicates are judged alike.
    middle = class_level.mean(axis=0)[group]
    usual = expit((cells.design @ case_mix.mean(axis=0))[cells.pattern] + middle[cells.unit])
    tenth = _risk_tenths(usual, cells.trials)
    observed = _statistics(cells, cells.events, usual, tenth)
    rows = []
    for draw in at:
        level = class_level[draw][group] + class_spread[draw][group] * rng.standard_normal(len(group))
        risk = expit((cells.design @ case_mix[draw])[cells.pattern] + level[cells.unit])
        rows.append(_statistics(cells, rng.binomial(trials, risk).astype(float), usual, tenth))
    return compared(observed, pd.DataFrame(rows))


def _statistics(
    cells: Cells, events: FloatArray, usual: FloatArray, tenth: NDArray[np.int64]
) -> dict[str, float]:
    unit_events, unit_trials = cells.by_unit(events), cells.by_unit(cells.trials)
    expected = cells.by_unit(cells.trials * usual)
    rate = (unit_events + 0.5) / (unit_trials + 1.0)
    residual = (unit_events - expected) / np.sqrt(np.maximum(expected, 0.5))
    by_tenth = np.bincount(tenth, weights=events, minlength=10)
    return {
        "standard deviation of units' crude rates": float(np.sqrt(np.cov(rate, aweights=unit_trials))),
        "largest excess of a unit over its expectation, standard errors": float(residual.max()),
        "largest shortfall of a unit, standard errors": float(residual.min()),
        "units with no event": float((unit_events == 0).sum()),
        "events in the tenth of patients at lowest predicted risk": float(by_tenth[0]),
        "events in the tenth of patients at highest predicted risk": float(by_tenth[9]),
    }


def _risk_tenths(risk: FloatArray, trials: FloatArray) -> NDArray[np.int64]:
    order = np.argsort(risk, kind="stable")
    share = np.cumsum(trials[order]) / trials.sum()
    tenth = np.empty(len(risk), dtype=np.int64)
    tenth[order] = np.minimum((share * 10 - 1e-12).astype(np.int64), 9)
    return tenth
