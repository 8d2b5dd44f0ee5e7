"""The tables of a pairwise meta-analysis: heterogeneity, prediction, tests, studies."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.synthesis import tau2_interval
from soa_evidence.synthesis.pooling import PREDICTIONS, Pooled, prediction_dof, quantile, typical_variance
from soa_evidence.synthesis.studies import Batch, Studies, require_choice

__all__ = ["heterogeneity_table", "prediction_table", "studies_table", "tests_table"]


def heterogeneity_table(batch: Batch, tau2: float, method: str, kind: str, level: float) -> pd.DataFrame:
    """Return tau2, tau, I2 and H2 with their limits; no rows for a common effect."""
    require_choice(kind, tau2_interval.KINDS, "tau2_intervals")
    if method == "common":
        return pd.DataFrame(columns=["quantity", "estimate", "lower", "upper", "level", "interval"])
    limits = tau2_interval.interval(batch, kind=kind, level=level, method=method, tau2=tau2)
    values = np.array([tau2, *limits])
    typical = float(typical_variance(batch)[0])
    share = np.where(np.isinf(values), 100.0, 100 * values / np.where(np.isinf(values), 1, typical + values))
    rows = {"tau2": values, "tau": np.sqrt(values), "I2_percent": share, "H2": values / typical + 1}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "lower", "upper"])
    return frame.rename_axis("quantity").reset_index().assign(level=level, interval=kind)


def prediction_table(pooled: Pooled, tau2: float, size: int, level: float, method: str) -> pd.DataFrame:
    """Return every prediction interval that the number of studies allows; none for a common effect."""
    columns = ["interval", "reference", "dof", "lower", "upper", "level"]
    k, rows = np.array([float(size)]), []
    for kind, reference in PREDICTIONS.items():
        dof = float(prediction_dof(k, kind)[0])
        if method != "common" and not np.isnan(dof):
            limits = pooled.prediction(np.array([tau2]), k, kind, level)[:, 0]
            rows.append((kind, reference, dof, *limits, level))
    return pd.DataFrame(rows, columns=columns)


def tests_table(batch: Batch, pooled: Pooled) -> pd.DataFrame:
    """Return the tests of no differences between studies and of no mean effect."""
    q, df = float(batch.spread(batch.weights(np.zeros(1)))[0]), float(batch.size[0] - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(pooled.mean[0] / pooled.std_error[0])
    rows = [
        ("no differences between studies (Cochran's Q)", q, df, float(stats.chi2.sf(q, df)) if df else 1.0),
        (
            "the pooled mean is 0",
            ratio,
            float(pooled.dof[0]),
            float(pooled.p_value()[0]),
        ),
    ]
    return pd.DataFrame(rows, columns=["test", "statistic", "dof", "p_value"])


def studies_table(studies: Studies, batch: Batch, tau2: float, level: float) -> pd.DataFrame:
    """Return every study with its own interval and its weights in per cent."""
    random, common = batch.weights(np.array([tau2]))[0], batch.weights(np.zeros(1))[0]
    error = np.sqrt(studies.variance)
    reach = float(quantile(1 - (1 - level) / 2, np.array([np.inf]))[0]) * error
    return pd.DataFrame(
        {
            "label": list(studies.labels),
            "estimate": studies.estimate,
            "std_error": error,
            "lower": studies.estimate - reach,
            "upper": studies.estimate + reach,
            "weight_percent": 100 * random / random.sum(),
            "weight_common_percent": 100 * common / common.sum(),
        }
    )
