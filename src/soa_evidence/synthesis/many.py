"""Thousands of pairwise meta-analyses in one sweep; each is what `synthesis.pairwise` gives alone.

When not to use it: for one meta-analysis that is to be read; this returns no figures by study.

Checked against: `synthesis.pairwise`, one by one (tests/properties); metafor's speed in benchmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.results import Check
from soa_evidence.synthesis import heterogeneity
from soa_evidence.synthesis.pooling import INTERVALS, PREDICTIONS, pool, typical_variance
from soa_evidence.synthesis.studies import FloatArray, read_many, require_choice, require_level
from soa_evidence.synthesis.tau2_interval import q_profile_many

__all__ = ["ManyResult", "fit"]

METHODS = ("common", *(name for name in heterogeneity.ESTIMATORS if name != "GENQ"))


@dataclass(frozen=True, eq=False, kw_only=True)
class ManyResult:
    """Many meta-analyses.

    Attributes
    ----------
    table : DataFrame
        One row a meta-analysis: its name, studies, estimate, std_error, lower, upper, p_value, tau2,
        tau2_lower, tau2_upper (Q-profile), i2_percent, q, q_p_value, prediction_lower, prediction_upper,
        prediction, level, method, interval, converged. With one study and random effects everything
        between `studies` and `prediction` is missing.
    checks : tuple of Check
    """

    table: pd.DataFrame
    checks: tuple[Check, ...]


def fit(
    frame: pd.DataFrame,
    *,
    analysis: str,
    estimate: str = "estimate",
    std_error: str = "std_error",
    method: str = "REML",
    interval: str = "hartung_knapp_floor",
    prediction: str = "t_k_minus_2",
    level: float = 0.95,
) -> ManyResult:
    """Pool every meta-analysis of a long frame, one row a study.

    Parameters
    ----------
    analysis
        Column that names the meta-analysis a row belongs to.

    Raises
    ------
    InputError
        As `pairwise.fit`.
    """
    require_choice(method, METHODS, "method")
    require_choice(interval, INTERVALS, "interval")
    require_choice(prediction, tuple(PREDICTIONS), "prediction")
    require_level(level)
    names, batch = read_many(frame, analysis=analysis, estimate=estimate, std_error=std_error)
    k = batch.size
    if method == "common":
        interval, tau2, converged = "wald", np.zeros(len(k)), np.ones(len(k), dtype=bool)
    else:
        found = heterogeneity.estimate(batch, method)
        tau2, converged = found.value, found.converged
    pooled = pool(batch, tau2, interval)
    columns: dict[str, FloatArray] = {"estimate": pooled.mean, "std_error": pooled.std_error}
    columns["lower"], columns["upper"] = pooled.limits(level)
    columns["p_value"] = pooled.p_value()
    q = batch.spread(batch.weights(np.zeros(len(k))))
    if method != "common":
        limits = np.stack(q_profile_many(batch, level))
        columns["tau2"] = tau2
        columns["tau2_lower"], columns["tau2_upper"] = np.where(k > 1, limits, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns["i2_percent"] = 100 * tau2 / (tau2 + typical_variance(batch))
        columns["prediction_lower"], columns["prediction_upper"] = pooled.prediction(
            tau2, k, prediction, level
        )
    columns["q"], columns["q_p_value"] = q, np.asarray(stats.chi2.sf(q, np.maximum(k - 1, 1)))
    table = pd.DataFrame({"studies": k.astype(int), **columns})
    table.insert(0, analysis, names)
    table = table.assign(
        prediction=PREDICTIONS[prediction], level=level, method=method, interval=interval, converged=converged
    )
    return ManyResult(table=table, checks=(_check(int((~converged).sum()), len(k)),))


def _check(unfinished: int, total: int) -> Check:
    return Check(
        name="searches for the variance between studies that did not end",
        verdict="fail" if unfinished else "pass",
        observed=f"{unfinished} of {total}",
        expected="none",
        why="an estimate taken half-way depends on where the search began",
    )
