"""Predicted cumulative incidence of a Fine–Gray model, with limits.

    F(t | x) = 1 - exp(-H(t | x)),     H(t | x) = exp(x'b) H0(t)

What row i does to H(t | x), in units of exp(x'b), is the sum of

    q(t)' B_i                       through the coefficients; q = sum up to t of (x - mean at risk) dH0
    dN_i / S0 - r_i A(t)            through the baseline while at risk; A = sum of dH0 / S0
    - r_i (K(t) - K(T)) / G(T-)     while lingering after T; K = sum of G dH0 / S0
    - sum over u of D_i(u) R(u) (K(t) - K(u))     through G; D_i what the row does to log G at u, R the sum of
                                                  r / G(T-) over those lingering since u or before

which is a few functions of time times constants of the row, so the variance at all times takes one pass
(`influence_kernels`). Limits are symmetric on log H.

Checked against: derivatives in the weights by differences, refitting, in tests/unit; R's predict.crr and
survfit.coxph (estimates) in tests/reference/fine_gray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.results import Curve
from soa_evidence.survival import fine_gray_influence, influence_rows
from soa_evidence.survival.cox_prediction import relative_hazard, standardised_profiles
from soa_evidence.survival.cox_sweep import Sweep, hazards, times_matrix
from soa_evidence.survival.intervals import limits
from soa_evidence.survival.tallies import Tally, tally

if TYPE_CHECKING:
    from soa_evidence.survival.fine_gray import FineGrayResult

__all__ = ["curves"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
METHOD = "survival.fine_gray"


def curves(
    result: FineGrayResult, profiles: pd.DataFrame, *, level: float, interval: bool
) -> dict[str, Curve]:
    """Return one curve for each profile and stratum, named by the profile's index (and the stratum)."""
    rows, records = result.sorted_rows, result.records
    labels, Z = standardised_profiles(result.design, rows, profiles)
    beta = result.coefficients * rows.scale
    found = result.sweep()
    hazard = hazards(rows, found, tilted=True).total
    moved = _Influence(result, found) if interval else None
    made: dict[str, Curve] = {}
    counts = tally(records, group=records.stratum, labels=records.strata)
    for s, counted in enumerate(counts):
        mine = np.flatnonzero(rows.stratum == s)
        reach = rows.reach(s, counted.time)
        q = hazard[mine, :1] * Z[:, None, :] - hazard[mine, 1:]
        variances = np.full((len(Z), len(mine)), np.nan) if moved is None else moved.variances(s, mine, q)
        for label, z, variance in zip(labels, Z, variances, strict=True):
            name = label if len(counts) == 1 else f"{label}, {counted.label}"
            ratio = relative_hazard(label, z, beta)
            H, se = ratio * hazard[reach, 0], ratio * np.sqrt(np.maximum(variance, 0.0))[reach - mine[0]]
            made[name] = _curve(name, counted, -np.expm1(-H), np.exp(-H) * se, level, result)
    return made


def _curve(
    name: str, counted: Tally, estimate: FloatArray, se: FloatArray, level: float, result: FineGrayResult
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
        events=counted.events[result.records.causes.index(result.cause)],
        level=level,
        interval="confidence",
        checks=result.checks,
        cause=result.cause,
    )


class _Influence:
    """The constants of every row, made once for all profiles and strata."""

    def __init__(self, result: FineGrayResult, found: Sweep) -> None:
        from soa_evidence.survival.cox_kernels import running_sums

        rows, records, observed = result.sorted_rows, result.records, result.censoring
        self.rows, self.records, self.clusters = rows, records, result.clusters
        score = fine_gray_influence.score(rows, found)
        known = records.entry is not None
        if not known:
            score += fine_gray_influence.of_censoring(records, rows, found, observed)
        inverse = result.model_covariance * np.outer(rows.scale, rows.scale)
        self.dfbeta = times_matrix(score, inverse)
        r = found.risk / rows.weight
        step = found.steps[:, 2]
        A, K = running_sums(np.column_stack([step, step * rows.remaining]), rows.stratum).T
        began = A[rows.enter] if len(rows.enter) else np.zeros(len(r))
        own = rows.died * (found.steps[:, 3] - found.steps[:, 2])[rows.group]
        jump = np.divide(
            found.steps[:, 0], rows.event_weight, out=np.zeros(len(A)), where=rows.event_weight > 0
        )
        ended = r * (began - A[rows.group] - own) + rows.died * jump[rows.group]
        lingers = r * rows.linger
        of_G = np.zeros((len(A), 2))
        through_G = np.zeros((len(r), 2))
        if not known:
            weight = (rows.weight * lingers)[:, None]
            R = fine_gray_influence.since(weight, records, rows, observed)
            last = fine_gray_influence.last_group(records, rows, observed)
            values = R * np.column_stack([np.ones(len(last)), K[last]])
            through_G = observed.row_sums(values, *fine_gray_influence.ends(records, rows, observed))
            so_far = observed.running(values * observed.shift[:, None])
            keys = observed.keys(rows.stratum, np.searchsorted(records.axis, rows.time))
            of_G = so_far[np.searchsorted(observed.key, keys, side="left") - 1]
            of_G[rows.deaths == 0] = 0.0
        # Coordinates: a constant, A, K, and what G does to those still at risk.
        one, zero = np.ones(len(r)), np.zeros(len(r))
        self.present = np.column_stack([r * began, -r, zero, one])
        self.gone = np.column_stack(
            [ended + lingers * K[rows.group] + through_G[:, 1], zero, -lingers - through_G[:, 0], zero]
        )
        self.time = np.column_stack([np.ones(len(A)), A, K, of_G[:, 1] - K * of_G[:, 0]])

    def variances(self, s: int, mine: IntArray, q: FloatArray) -> FloatArray:
        """Return the variance of H / exp(x'b) in stratum `s` for each profile; shape (profiles, m_s)."""
        weight = influence_rows.multiplier(self.records, self.rows, self.clusters)
        phi = [np.hstack([each, self.time[mine]]) for each in q]
        return influence_rows.variances(
            self.rows, s, self.dfbeta, self.present, self.gone, phi, weight, self.clusters
        )
