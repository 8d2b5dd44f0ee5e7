"""Posterior predictive checks of `units.gaussian`: could the fitted model have made these sums.

Replicates are *mixed*: every unit's level and residual spread are drawn anew from what units have in
common, so that the distributions of units are on trial and a unit's own data are not used twice.

Source: Marshall and Spiegelhalter (2007), Bayesian Analysis 2:409, for mixed replication.

Checked against: data with an outlying unit, in tests/unit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.results.predictive import REPLICATES, compared
from soa_evidence.units.gaussian_direct import dof_of
from soa_evidence.units.sums import Sums

__all__ = ["replicate"]

FloatArray = NDArray[np.float64]

ENOUGH = 30  # patients from which a unit's own standard deviation is looked at


def replicate(sums: Sums, draws: dict[str, FloatArray], *, seed: int) -> pd.DataFrame:
    """Compare statistics of the data with the same of data made by the fitted model.

    Returns
    -------
    DataFrame
        As `predictive.replicate`.
    """
    rng = np.random.default_rng(seed)
    group = sums.group_of_unit
    total = len(draws["common"])
    at = np.linspace(0, total - 1, min(REPLICATES, total)).astype(int)
    # What the statistics compare with is fixed, so that data and replicates are judged alike.
    case_mix = draws["case_mix"].mean(axis=0)
    middle = draws["class_level"].mean(axis=0)[group]
    usual = float(np.exp(draws["log_residual"]).mean())
    spare = np.maximum(sums.count - 1, 1)
    seen = np.sqrt(sums.residual_squares(case_mix[None])[0] / spare)
    observed = _statistics(sums, sums.adjusted(case_mix[None])[0], seen, middle, usual)
    rows = []
    for draw in at:
        dof = float(dof_of(draws["log_residual_spread"][draw]))
        spread = np.exp(draws["log_residual"][draw]) * np.sqrt(dof / rng.chisquare(dof, len(group)))
        level = draws["class_level"][draw][group] + np.exp(draws["class_log_spread"][draw])[group] * (
            rng.standard_normal(len(group))
        )
        mean = level + spread / np.sqrt(sums.count) * rng.standard_normal(len(group))
        mean = mean + sums.case_mix_mean @ (draws["case_mix"][draw] - case_mix)
        rows.append(_statistics(sums, mean, spread * np.sqrt(rng.chisquare(spare) / spare), middle, usual))
    return compared(observed, pd.DataFrame(rows))


def _statistics(
    sums: Sums, mean: FloatArray, spread: FloatArray, middle: FloatArray, usual: float
) -> dict[str, float]:
    error = (mean - middle) / (usual / np.sqrt(sums.count))
    found = {
        "standard deviation of units' adjusted means": float(
            np.sqrt(np.cov(mean, aweights=sums.count)) * sums.scale
        ),
        "largest excess of a unit over its class, standard errors": float(error.max()),
        "largest shortfall of a unit, standard errors": float(error.min()),
    }
    large = sums.count >= ENOUGH
    if large.sum() >= 2:
        share = spread[large] / usual
        found["smallest standard deviation at a unit, against the typical"] = float(share.min())
        found["largest standard deviation at a unit, against the typical"] = float(share.max())
    return found
