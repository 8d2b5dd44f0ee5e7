"""Predicted cumulative incidence from cause-specific Cox models, with limits.

With dF_k = S(u-) (1 - exp(-dH)) dH_k / dH at each event time, a change of the hazards moves F_k(t) by

    sum over u up to t, and causes j, of  (c_jk(u) + F_k(u) - F_k(t)) × change of dH_j(u)
    c_jk = S(u-) ( (1{j = k} - dH_k / dH) (1 - exp(-dH)) / dH + exp(-dH) dH_k / dH )

and a row changes dH_j through b_j, through the baseline while at risk, and by its own event. Each is a
function of time times a constant of the row, so the variance at all times takes one pass
(`influence_kernels`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.results import Curve
from soa_evidence.survival import influence_rows
from soa_evidence.survival.cause_specific import dfbeta
from soa_evidence.survival.cox_prediction import relative_hazard, standardised_profiles
from soa_evidence.survival.intervals import limits
from soa_evidence.survival.tallies import Tally, tally

if TYPE_CHECKING:
    from soa_evidence.survival.cause_specific import CauseSpecificResult

__all__ = ["curves"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
METHOD = "survival.cause_specific"


@dataclass(frozen=True, eq=False, kw_only=True)
class _Predicted:
    """One profile in one stratum of m groups, J causes.

    Attributes
    ----------
    ratio : array of shape (J,)
    incidence : array of shape (m, J)
    change : array of shape (m, J, J)
        c_jk + F_k, by group, j and k.
    """

    ratio: FloatArray
    incidence: FloatArray
    change: FloatArray


def curves(
    result: CauseSpecificResult, profiles: pd.DataFrame, *, level: float, interval: bool
) -> dict[tuple[str, str], Curve]:
    """Return one curve for each profile (and stratum) and cause."""
    first = next(iter(result.models.values()))
    rows, records = first.sorted_rows, result.records
    labels, Z = standardised_profiles(first.design, rows, profiles)
    moved = _Influence(result) if interval else None
    steps = np.column_stack([model.sweep().steps[:, 0] for model in result.models.values()])
    betas = np.array([model.coefficients * rows.scale for model in result.models.values()])
    made: dict[tuple[str, str], Curve] = {}
    counts = tally(records, group=records.stratum, labels=records.strata)
    for s, counted in enumerate(counts):
        mine = np.flatnonzero(rows.stratum == s)
        reach = rows.reach(s, counted.time) - mine[0]
        for label, z in zip(labels, Z, strict=True):
            name = label if len(counts) == 1 else f"{label}, {counted.label}"
            predicted = _predict(steps[mine], np.array([relative_hazard(label, z, beta) for beta in betas]))
            for k, cause in enumerate(result.causes):
                variance = np.full(len(mine), np.nan)
                if moved is not None:
                    variance = moved.variance(s, mine, z, predicted, k)
                se = np.sqrt(np.maximum(variance, 0.0))[reach]
                made[name, cause] = _curve(name, counted, predicted.incidence[reach, k], se, level, result, k)
    return made


def _predict(steps: FloatArray, ratio: FloatArray) -> _Predicted:
    h = steps * ratio
    total = h.sum(axis=1)
    cumulative = np.cumsum(total)
    before = np.exp(-(cumulative - total))[:, None]
    share = np.divide(h, total[:, None], out=np.zeros_like(h), where=total[:, None] > 0)
    happened = -np.expm1(-total)[:, None]
    incidence = np.cumsum(before * happened * share, axis=0)
    # As the step vanishes (1 - exp(-dH)) / dH goes to 1.
    rate = np.divide(happened, total[:, None], out=np.ones_like(happened), where=total[:, None] > 0)
    same = np.eye(len(ratio))
    change = before[:, :, None] * (
        (same - share[:, None, :]) * rate[:, :, None] + np.exp(-total)[:, None, None] * share[:, None, :]
    )
    return _Predicted(ratio=ratio, incidence=incidence, change=change + incidence[:, None, :])


def _curve(
    name: str,
    counted: Tally,
    estimate: FloatArray,
    se: FloatArray,
    level: float,
    result: CauseSpecificResult,
    k: int,
) -> Curve:
    lower, upper = (
        np.where(estimate > 0, bound, np.nan)  # before the first event there is no scale for limits
        for bound in limits(estimate, se, level, "complementary log-log")
    )
    return Curve(
        estimand="cumulative incidence",
        label=name,
        time_unit=result.time_unit,
        method=METHOD,
        time=counted.time,
        estimate=estimate,
        lower=lower,
        upper=upper,
        std_error=se,
        at_risk=counted.at_risk,
        events=counted.events[k],
        level=level,
        interval="confidence",
        checks=result.checks,
        cause=result.causes[k],
    )


class _Influence:
    """What does not depend on the profile: coefficients' influence, relative risks, steps."""

    def __init__(self, result: CauseSpecificResult) -> None:
        self.rows = next(iter(result.models.values())).sorted_rows
        self.clusters = result.clusters
        self.weight = influence_rows.multiplier(result.records, self.rows, result.clusters)
        self.static = dfbeta(result.models)
        self.swept = [model.sweep() for model in result.models.values()]
        self.relative = [found.risk / self.rows.weight for found in self.swept]
        self.died = [model.sorted_rows.died for model in result.models.values()]
        self.jump = [
            np.divide(
                found.steps[:, 0],
                model.sorted_rows.event_weight,
                out=np.zeros(len(found.steps)),
                where=model.sorted_rows.event_weight > 0,
            )
            for found, model in zip(self.swept, result.models.values(), strict=True)
        ]

    def variance(self, s: int, mine: IntArray, z: FloatArray, predicted: _Predicted, k: int) -> FloatArray:
        """Return the variance of the incidence of cause `k` at the groups of stratum `s`."""
        rows, F = self.rows, predicted.incidence[:, k]
        J, n, first = len(self.swept), len(rows.Z), int(mine[0])
        ours = np.flatnonzero(rows.stratum[rows.group] == s)
        group = rows.group[ours] - first
        present, gone = np.zeros((n, J + 2)), np.zeros((n, J + 2))
        through_b, through_baseline = [], []
        for j, (found, relative, ratio) in enumerate(
            zip(self.swept, self.relative, predicted.ratio, strict=True)
        ):
            change = predicted.change[:, j, k]
            steps, means = found.steps[mine], found.means[mine, 0]
            drift = z * steps[:, :1] - means
            through_b.append(
                ratio * (np.cumsum(change[:, None] * drift, axis=0) - F[:, None] * np.cumsum(drift, axis=0))
            )
            A, W = np.cumsum(steps[:, 2]), np.cumsum(change * steps[:, 2])
            through_baseline.append(ratio * (W - F * A))
            r = ratio * relative[ours]
            A0, W0 = np.zeros(len(ours)), np.zeros(len(ours))
            if len(rows.enter):
                entered = rows.enter[ours] - first
                A0, W0 = A[entered], W[entered]
            died = self.died[j][ours]
            own = died * (steps[:, 3] - steps[:, 2])[group]
            jump = died * ratio * self.jump[j][mine][group]
            present[ours, j] = -relative[ours]
            present[ours, J] += r * W0
            present[ours, J + 1] -= r * A0
            gone[ours, J] += change[group] * (jump - r * own) - r * (W[group] - W0)
            gone[ours, J + 1] -= jump - r * own - r * (A[group] - A0)
        phi = np.column_stack([*through_b, *through_baseline, np.ones(len(mine)), F])
        variance: FloatArray = influence_rows.variances(
            rows, s, self.static, present, gone, [phi], self.weight, self.clusters, np.any(self.died, axis=0)
        )[0]
        return variance
