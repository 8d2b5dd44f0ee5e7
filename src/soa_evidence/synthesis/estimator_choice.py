"""Whether the choice of estimator matters: every estimator of tau2 with every interval, in one table.

A specification curve for one meta-analysis. If rows disagree on whether the interval excludes no effect, the
data do not settle the question and the choice of one row would.

When not to use it: to pick the row one likes. Name the method beforehand and show this beside it.

Checked against: `synthesis.pairwise`, row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.results import Check
from soa_evidence.synthesis import heterogeneity
from soa_evidence.synthesis.pooling import INTERVALS, pool
from soa_evidence.synthesis.studies import Batch, read, require_level

__all__ = ["EstimatorChoice", "fit"]

METHODS = tuple(name for name in heterogeneity.ESTIMATORS if name != "GENQ")


@dataclass(frozen=True, eq=False, kw_only=True)
class EstimatorChoice:
    """The same studies pooled in every way.

    Attributes
    ----------
    table : DataFrame
        method, interval, tau2, tau, estimate, std_error, lower, upper, p_value, excludes (``"above 0"``,
        ``"below 0"`` or ``"neither"``), level. The common-effect row comes first.
    checks : tuple of Check
    """

    table: pd.DataFrame
    checks: tuple[Check, ...]


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    level: float = 0.95,
) -> EstimatorChoice:
    """Pool the studies of a frame by every estimator and interval.

    Raises
    ------
    InputError
        As `studies.read`, and on a level outside 0 to 1.
    """
    require_level(level)
    batch = read(frame, estimate=estimate, std_error=std_error, label=label).batch()
    rows = [_row(batch, "common", "wald", np.zeros(1), level)]
    if batch.size[0] > 1:
        for method in METHODS:
            tau2 = heterogeneity.estimate(batch, method).value
            rows += [_row(batch, method, interval, tau2, level) for interval in INTERVALS]
    table = pd.DataFrame(rows)
    return EstimatorChoice(table=table, checks=(_check(table.iloc[1:] if len(table) > 1 else table),))


def _row(
    batch: Batch, method: str, interval: str, tau2: np.ndarray[tuple[int], np.dtype[np.float64]], level: float
) -> dict[str, object]:
    pooled = pool(batch, tau2, interval)
    lower, upper = (float(limit[0]) for limit in pooled.limits(level))
    return {
        "method": method,
        "interval": interval,
        "tau2": float(tau2[0]),
        "tau": float(np.sqrt(tau2[0])),
        "estimate": float(pooled.mean[0]),
        "std_error": float(pooled.std_error[0]),
        "lower": lower,
        "upper": upper,
        "p_value": float(pooled.p_value()[0]),
        "excludes": "above 0" if lower > 0 else "below 0" if upper < 0 else "neither",
        "level": level,
    }


def _check(random: pd.DataFrame) -> Check:
    counts = random["excludes"].value_counts()
    spread = f"estimates {random['estimate'].min():.3g} to {random['estimate'].max():.3g}"
    said = ", ".join(f"{name} in {count}" for name, count in counts.items())
    return Check(
        name="choice of estimator and interval",
        verdict="pass" if len(counts) == 1 else "warn",
        observed=f"{said} of {len(random)}; {spread}, tau {random['tau'].min():.3g} to "
        f"{random['tau'].max():.3g}",
        expected="one conclusion, whichever is used",
        why="a conclusion that hangs on the choice of estimator is not in the data",
    )
