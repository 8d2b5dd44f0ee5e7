"""Predicted hazards and survival of a Cox model, with limits.

    H(t | x) = exp(x'b) H0(t),      S(t | x) = exp(-H(t | x))
    variance of H = exp(2 x'b) ( sum of var(dH0) + q' V q ),   q(t) = sum up to t of (x - mean at risk) dH0

with H0 stepping as the ties do (Efron or Breslow), and V the covariance in force. Limits are symmetric on
log H, which is the log-log scale of S, so both agree and S stays between 0 and 1.

When not to use it: for the share who are ever revised when death competes; see `cumulative_incidence`.

Checked against: R survfit.coxph in tests/reference/survival.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Curve
from soa_evidence.survival import columns
from soa_evidence.survival.records import prepare_level
from soa_evidence.survival.tallies import Tally, tally

if TYPE_CHECKING:
    from soa_evidence.survival.cox import CoxResult
    from soa_evidence.survival.cox_rows import Design, SortedRows

__all__ = ["curves", "relative_hazard", "standardised_profiles"]

FloatArray = NDArray[np.float64]
METHOD = "survival.cox"
FARTHEST = 300.0  # exp of twice this is still a number


def curves(
    result: CoxResult,
    profiles: pd.DataFrame | None,
    *,
    level: float,
    estimand: Literal["survival", "cumulative hazard"],
    time_unit: str = "unit of time",
) -> dict[str, Curve]:
    """Return one curve for each profile and stratum, named by the profile's index (and the stratum)."""
    prepare_level(level)
    rows, records = result.sorted_rows, result.records
    labels, Z = standardised_profiles(result.design, rows, profiles)
    beta = result.coefficients * rows.scale
    found = result.sweep()
    covariance = result.covariance * np.outer(rows.scale, rows.scale)
    counts = tally(records, group=records.stratum, labels=records.strata)
    made: dict[str, Curve] = {}
    for s, counted in enumerate(counts):
        mine, reach = rows.stratum == s, rows.reach(s, counted.time)
        reach = reach - int(np.argmax(mine))
        hazard = np.cumsum(found.steps[mine, 0])[reach]
        own = np.cumsum(found.steps[mine, 2])[reach]
        tilted = np.cumsum(found.means[mine, 0], axis=0)[reach]
        for label, z in zip(labels, Z, strict=True):
            name = (
                label
                if len(counts) == 1
                else counted.label
                if profiles is None
                else f"{label}, {counted.label}"
            )
            ratio = relative_hazard(label, z, beta)
            q = hazard[:, None] * z - tilted
            variance = ratio**2 * (own + np.einsum("ti,ij,tj->t", q, covariance, q))
            made[name] = _curve(
                name, counted, ratio * hazard, np.sqrt(variance), level, estimand, time_unit, result
            )
    return made


def standardised_profiles(
    design: Design, rows: SortedRows, profiles: pd.DataFrame | None
) -> tuple[list[str], FloatArray]:
    """Return the names of profiles and their standardised covariates; the mean where there are none."""
    if profiles is None:
        return ["mean"], np.zeros((1, len(rows.scale)))
    columns.require(profiles, design.covariates)
    labels = [str(label) for label in profiles.index]
    if len(set(labels)) != len(labels):
        raise InputError("The index of profiles repeats a label; give each profile its own name.")
    X = np.column_stack(design.encode(profiles))
    return labels, (X - rows.centre) / rows.scale


def relative_hazard(label: str, z: FloatArray, beta: FloatArray) -> float:
    """Return exp(z'b), refusing a profile so far from the data that it overflows."""
    linear = float(z @ beta)
    if not abs(linear) < FARTHEST:
        raise InputError(
            f"Profile '{label}' has a log relative hazard of {linear:.3g} against the average row, beyond "
            "what can be computed; are its covariates in the units of the data?"
        )
    return float(np.exp(linear))


def _curve(
    name: str,
    counted: Tally,
    hazard: FloatArray,
    se: FloatArray,
    level: float,
    estimand: Literal["survival", "cumulative hazard"],
    time_unit: str,
    result: CoxResult,
) -> Curve:
    from scipy.special import ndtri

    width = np.divide(
        float(ndtri((1 + level) / 2)) * se, hazard, out=np.full(len(se), np.nan), where=hazard > 0
    )
    with np.errstate(over="ignore"):  # a limit without bound is one
        low, high = hazard * np.exp(-width), hazard * np.exp(width)
    survival = estimand == "survival"
    return Curve(
        estimand=estimand,
        label=name,
        time_unit=time_unit,
        method=METHOD,
        time=counted.time,
        estimate=np.exp(-hazard) if survival else hazard,
        lower=np.exp(-high) if survival else low,
        upper=np.exp(-low) if survival else high,
        std_error=np.exp(-hazard) * se if survival else se,
        at_risk=counted.at_risk,
        events=counted.all_events,
        level=level,
        interval="confidence",
        checks=result.checks,
    )
