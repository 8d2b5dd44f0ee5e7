r"""Pairwise meta-analysis: one comparison, several studies, common and random effects.

Random effects: :math:`y_i \sim N(\theta_i, v_i)`, :math:`\theta_i \sim N(\mu, \tau^2)`. The pooled mean
:math:`\mu` is the average effect over studies like these; :math:`\tau` is the standard deviation of true
effects between studies, on the scale of the analysis (0.2 in log ratios: true ratios mostly within a factor
of 1.5 of the average); a prediction interval says where the true effect of a new study would lie. Common
effect: :math:`\tau = 0`, an average over these studies only.

When not to use it: for two or three studies as if tau were known (`synthesis.bayes`); for several results of
the same patients; for studies that answer different questions; for risks where many arms have no events
(`synthesis.mantel_haenszel`).

Sampling variances are taken as known. Estimators of tau2 are explained in `heterogeneity`, intervals in
`pooling` and `tau2_interval`.

Checked against: metafor 3.8-1 (tests/reference/synthesis); coverage in tests/calibration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis import heterogeneity
from soa_evidence.synthesis import pairwise_tables as tables
from soa_evidence.synthesis.pooling import (
    INTERVALS,
    PREDICTIONS,
    Pooled,
    pool,
    prediction_dof,
)
from soa_evidence.synthesis.studies import (
    Batch,
    FloatArray,
    Studies,
    read,
    require_choice,
    require_columns,
    require_level,
)

__all__ = ["METHODS", "PairwiseResult", "fit"]

METHOD = "synthesis.pairwise"
METHODS = ("common", *heterogeneity.ESTIMATORS)
FEW_STUDIES = 5
HEAVY_SHARE = 0.5
NO_SPREAD = 1e-12  # a Hartung-Knapp factor below it is rounding: the estimates are all the same


@dataclass(frozen=True, eq=False, kw_only=True)
class PairwiseResult:
    """One meta-analysis.

    Attributes
    ----------
    pooled : Estimates
        The mean, by the chosen method and interval.
    common : Estimates
        The mean if all studies had one true effect, with a normal interval.
    new_study : Estimates or None
        The true effect in a new study like these; None where the number of studies allows no such interval.
    heterogeneity : DataFrame
        quantity (tau2, tau, I2 in %, H2), estimate, lower, upper, level, interval.
    prediction : DataFrame
        Every prediction interval: interval (its name), reference, dof, lower, upper, level.
    tests : DataFrame
        test, statistic, dof, p_value.
    studies : DataFrame
        label, estimate, std_error, lower, upper, weight_percent, weight_common_percent.
    method, interval : str
        How tau2 and the interval were computed.
    checks : tuple of Check
    """

    pooled: Estimates
    common: Estimates
    new_study: Estimates | None
    heterogeneity: pd.DataFrame
    prediction: pd.DataFrame
    tests: pd.DataFrame
    studies: pd.DataFrame
    method: str
    interval: str
    checks: tuple[Check, ...]

    def quantity(self, name: str) -> float:
        """Return the estimate of one quantity of `heterogeneity`, e.g. ``"tau2"``."""
        found = self.heterogeneity.set_index("quantity")["estimate"]
        require_choice(name, list(found.index), "quantity")
        return float(found[name])

    def _repr_html_(self) -> str:
        parts = [self.pooled.table(), self.heterogeneity, self.prediction, checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    method: str = "REML",
    interval: str = "hartung_knapp_floor",
    prediction: str = "t_k_minus_2",
    tau2_intervals: str = "q_profile",
    level: float = 0.95,
    weights: str | None = None,
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
) -> PairwiseResult:
    """Pool the studies of a frame, one row a study.

    Parameters
    ----------
    estimate, std_error, label
        Columns: the effect on the scale of the analysis (log ratios, not ratios), its standard error, the
        study's name.
    method
        ``"common"`` or an estimator of tau2: see `heterogeneity`.
    interval
        ``"wald"``, ``"t"``, ``"hartung_knapp"`` or ``"hartung_knapp_floor"``.
    prediction
        Which prediction interval `new_study` carries; `prediction` of the result shows all.
    tau2_intervals
        ``"q_profile"``, ``"biggerstaff_tweedie"`` or ``"profile_likelihood"``.
    weights
        Column of positive weights for method GENQ.
    estimand, unit
        What is pooled and on which scale, in words, e.g. ``"log risk ratio of revision"``.

    Raises
    ------
    InputError
        On studies that cannot be pooled as asked: see `studies.read`, an unknown choice, a level outside 0
        to 1, one study with random effects, or weights that do not fit the method.
    """
    _require_choices(method, interval, prediction, level)
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    if len(studies) == 1 and method != "common":
        raise InputError(
            f"There is one study ({studies.labels[0]}); the spread between studies needs at least two. "
            "Use method='common' to show it as it is, or synthesis.bayes with a stated prior."
        )
    own = _weights(frame, weights, method, studies)
    batch = studies.batch()
    found = _tau2(batch, method, own)
    tau2 = float(found.value[0])
    chosen = interval if method != "common" else "wald"
    pooled = pool(batch, found.value, chosen)
    common = pool(batch, np.zeros(1), "wald")
    checks = _checks(batch, found, pooled, chosen, method)
    kind = "" if method == "common" else f", random effects ({method}, {chosen})"
    return PairwiseResult(
        pooled=_estimates(f"{estimand}", unit, pooled, checks, f"{METHOD}{kind}"),
        common=_estimates(f"{estimand}, if common to all studies", unit, common, checks, METHOD),
        new_study=_new_study(estimand, unit, pooled, tau2, len(studies), prediction, method, checks),
        heterogeneity=tables.heterogeneity_table(batch, tau2, method, tau2_intervals, level),
        prediction=tables.prediction_table(pooled, tau2, len(studies), level, method),
        tests=tables.tests_table(batch, pooled),
        studies=tables.studies_table(studies, batch, tau2, level),
        method=method,
        interval=chosen,
        checks=checks,
    )


def _require_choices(method: str, interval: str, prediction: str, level: float) -> None:
    require_choice(method, METHODS, "method")
    require_choice(interval, INTERVALS, "interval")
    require_choice(prediction, tuple(PREDICTIONS), "prediction")
    require_level(level)


def _weights(frame: pd.DataFrame, column: str | None, method: str, studies: Studies) -> FloatArray | None:
    if (column is not None) != (method == "GENQ"):
        raise InputError(
            f"method is {method!r} and weights is {column!r}; method 'GENQ' needs weights, "
            "the others take none."
        )
    if column is None:
        return None
    require_columns(frame, [column])
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    broken = ~(np.isfinite(values) & (values > 0))
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(
            f"Column '{column}', row {at} ({studies.labels[at]}): {frame[column].iloc[at]}; "
            "expected a weight above 0."
        )
    return values[None, :]


def _tau2(batch: Batch, method: str, weights: FloatArray | None) -> heterogeneity.Tau2:
    if method == "common":
        return heterogeneity.Tau2(value=np.zeros(1), converged=np.ones(1, dtype=bool))
    return heterogeneity.estimate(batch, method, weights)


def _estimates(estimand: str, unit: str, pooled: Pooled, checks: tuple[Check, ...], method: str) -> Estimates:
    dof = float(pooled.dof[0])
    return Estimates(
        estimand=estimand,
        labels=("pooled",),
        unit=unit,
        method=method,
        mean=pooled.mean,
        covariance=np.diag(pooled.std_error**2),
        dof=dof if np.isfinite(dof) else None,
        interval="confidence",
        checks=checks,
    )


def _new_study(
    estimand: str,
    unit: str,
    pooled: Pooled,
    tau2: float,
    size: int,
    prediction: str,
    method: str,
    checks: tuple[Check, ...],
) -> Estimates | None:
    dof = float(prediction_dof(np.array([float(size)]), prediction)[0])
    if method == "common" or np.isnan(dof):
        return None
    return Estimates(
        estimand=f"{estimand}, true effect in a new study ({PREDICTIONS[prediction]})",
        labels=("new study",),
        unit=unit,
        method=METHOD,
        mean=pooled.mean,
        covariance=np.array([[tau2 + float(pooled.std_error[0]) ** 2]]),
        dof=dof if np.isfinite(dof) else None,
        interval="confidence",
        checks=checks,
    )


def _checks(
    batch: Batch, found: heterogeneity.Tau2, pooled: Pooled, interval: str, method: str
) -> tuple[Check, ...]:
    k, weights = int(batch.size[0]), batch.weights(found.value)[0]
    share = float(weights.max() / weights.sum())
    enough = k >= FEW_STUDIES or method == "common"
    checks = [
        Check(
            name="studies pooled",
            verdict="pass" if enough else "warn",
            observed=str(k),
            expected="any number" if method == "common" else f"at least {FEW_STUDIES}",
            why="with few studies the spread between them is hardly known, whichever estimator is used",
        ),
        Check(
            name="search for the variance between studies",
            verdict="pass" if found.converged[0] else "fail",
            observed="ended" if found.converged[0] else "did not end",
            expected="ended",
            why="an estimate taken half-way depends on where the search began",
        ),
        Check(
            name="weight of the heaviest study",
            verdict="pass" if share <= HEAVY_SHARE or k == 1 else "warn",
            observed=f"{share:.0%}",
            expected=f"at most {HEAVY_SHARE:.0%}",
            why="a pooled mean that is mostly one study is that study's result",
        ),
    ]
    if interval == "hartung_knapp":
        factor = float(pooled.scale[0])
        checks.append(
            Check(
                name="Hartung-Knapp factor",
                verdict="pass" if factor >= 1 else "warn" if factor > NO_SPREAD else "fail",
                observed=f"{factor:.2f}",
                expected="at least 1",
                why="below 1 the interval is narrower than sampling error allows; the floor prevents it",
            )
        )
    return tuple(checks)
