"""A pathway before and after its redesign: what reported changes of activity and conversion imply together.

Of R patients referred, a share p is passed on to a surgeon; of those seen, a share c (conversion) is operated
on. With s = (R p after) / (R p before), the ratio of patients seen:

    operations, after over before     = s c_after / c_before
    activity, after over before       = s (k + c_after) / (k + c_before)

k is how much a patient seen counts in what is called activity, against 1 for an operation: k = 0 when
activity means operations, k without bound when it means patients seen. Reports seldom say which; a change of
activity and two conversions therefore fix s only for each reading, and s only says

    (referrals, after over before) x (share passed on, after over before) = s.

What was printed is known to half a unit of its last digit: every draw is uniform within that.

When not to use it
    - To say what a redesign caused: this is arithmetic on what was reported, without a counterfactual.
    - When conversion counts operations of patients seen in another period: with long waits the two drift.

Checked against: arithmetic, in tests/unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["READINGS", "RedesignResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.redesign"

#: What "activity" may mean, and how much a patient seen counts in it against an operation.
READINGS: Mapping[str, float] = {
    "operations": 0.0,
    "a patient seen counts like an operation": 1.0,
    "three attendances to an operation": 3.0,
    "patients seen by a surgeon": np.inf,
}
REFERRAL_CHANGES = tuple(float(change) for change in range(-60, 41, 10))
FEWEST_DRAWS = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class RedesignResult:
    """What the reported changes imply.

    Attributes
    ----------
    seen, operations : Estimates
        Change, per cent, in patients seen by a surgeon and in operations; a label a reading of activity.
    operations_per_100 : Estimates
        Operations for every 100 patients who were seen before: ``"before"``, and after by reading.
    passed_on : DataFrame
        reading, referral_change (per cent), estimate, lower, upper: the share of referrals passed on to a
        surgeon, after over before, that each change of referrals requires.
    by_weight : DataFrame
        weight k, seen, operations: the changes at the printed figures, from one end of the readings to the
        other.
    checks : tuple of Check
    """

    seen: Estimates
    operations: Estimates
    operations_per_100: Estimates
    passed_on: pd.DataFrame
    by_weight: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        shown = self.operations.table()[["label", "estimate", "lower", "upper"]].to_string(index=False)
        return f"Change in operations, per cent, by what activity means\n{shown}"

    def _repr_html_(self) -> str:
        shown = self.operations.table().to_html(index=False, float_format="{:.1f}".format)
        checks = checks_frame(self.checks).to_html(index=False)
        return (
            f"<p><strong>Change in operations, per cent, by what activity means</strong></p>{shown}{checks}"
        )


def fit(
    *,
    activity_change_percent: float,
    conversion_before_percent: float,
    conversion_after_percent: float,
    seed: int,
    rounded_to: float = 1.0,
    readings: Mapping[str, float] | None = None,
    referral_changes_percent: Sequence[float] = REFERRAL_CHANGES,
    draws: int = 4000,
) -> RedesignResult:
    """Work out what the reported figures imply for patients seen, operations and referrals.

    Parameters
    ----------
    activity_change_percent
        Reported change of activity, such as -20.
    conversion_before_percent, conversion_after_percent
        Reported share of patients seen who are operated on.
    seed
        Recorded seed, for draws within the rounding.
    rounded_to
        Unit, in percentage points, that the figures are rounded to; 0 takes them as exact.
    readings
        Names of readings of activity, and the weight k of each; `READINGS` when not given.
    referral_changes_percent
        Changes of referrals for which the share passed on is worked out.
    draws
        How many.

    Raises
    ------
    InputError
        On conversions outside 0 to 100, a change of -100 or less, a negative weight, rounding or number of
        draws, or a change of referrals of -100 or less.
    """
    readings = dict(READINGS if readings is None else readings)
    before, after, change = _checked(
        activity_change_percent,
        conversion_before_percent,
        conversion_after_percent,
        rounded_to,
        readings,
        draws,
    )
    rng = np.random.default_rng(seed)

    def around(value: float) -> FloatArray:
        return value + rounded_to * (rng.random(draws) - 0.5)

    a = 1 + around(change) / 100
    c0 = np.clip(around(before), 1e-6, 100) / 100
    c1 = np.clip(around(after), 1e-6, 100) / 100
    seen = np.column_stack([a / _growth(k, c0, c1) for k in readings.values()])
    operations = seen * (c1 / c0)[:, None]
    checks = (_agree(operations), _stated(readings), _bounds(after, before))
    return RedesignResult(
        seen=_estimates("change in patients seen by a surgeon", readings, 100 * (seen - 1), checks),
        operations=_estimates("change in operations", readings, 100 * (operations - 1), checks),
        operations_per_100=Estimates(
            estimand="operations for every 100 patients seen before the redesign",
            labels=("before", *(f"after, if activity means {name}" for name in readings)),
            unit="operations",
            method=METHOD,
            draws=100 * np.column_stack([c0, seen * c1[:, None]]),
            interval="Monte Carlo",
            checks=checks,
        ),
        passed_on=_passed_on(readings, seen, referral_changes_percent),
        by_weight=_by_weight(1 + change / 100, before / 100, after / 100),
        checks=checks,
    )


def _growth(weight: float, before: FloatArray, after: FloatArray) -> FloatArray:
    """Activity of a patient seen, after over before, at a weight."""
    if np.isinf(weight):
        return np.ones_like(before)
    return np.asarray((weight + after) / (weight + before))


def _checked(
    change: float, before: float, after: float, rounded_to: float, readings: Mapping[str, float], draws: int
) -> tuple[float, float, float]:
    for name, value in (("conversion_before_percent", before), ("conversion_after_percent", after)):
        if not 0 < value <= 100:
            raise InputError(f"{name}={value!r}: expected a percentage above 0 and up to 100.")
    if not (np.isfinite(change) and change > -100):
        raise InputError(f"activity_change_percent={change!r}: expected a change above -100.")
    if not (np.isfinite(rounded_to) and 0 <= rounded_to < 100):
        raise InputError(f"rounded_to={rounded_to!r}: expected percentage points, from 0 up.")
    if not readings:
        raise InputError("readings= is empty; give at least one meaning of activity and its weight.")
    for name, weight in readings.items():
        if not weight >= 0:
            raise InputError(f"Reading '{name}' has weight {weight!r}; expected 0 or more.")
    if not (isinstance(draws, int) and draws >= FEWEST_DRAWS):
        raise InputError(f"draws={draws!r}: expected a whole number of at least {FEWEST_DRAWS}.")
    return float(before), float(after), float(change)


def _estimates(
    estimand: str, readings: Mapping[str, float], draws: FloatArray, checks: tuple[Check, ...]
) -> Estimates:
    return Estimates(
        estimand=estimand,
        labels=tuple(readings),
        unit="per cent",
        method=METHOD,
        draws=draws,
        interval="Monte Carlo",
        checks=checks,
    )


def _passed_on(readings: Mapping[str, float], seen: FloatArray, changes: Sequence[float]) -> pd.DataFrame:
    rows = []
    for change in changes:
        if not (np.isfinite(change) and change > -100):
            raise InputError(f"referral_changes_percent holds {change!r}; expected changes above -100.")
        needed = seen / (1 + change / 100)
        low, high = np.quantile(needed, [0.025, 0.975], axis=0)
        for at, name in enumerate(readings):
            rows.append((name, float(change), float(needed[:, at].mean()), float(low[at]), float(high[at])))
    return pd.DataFrame(rows, columns=["reading", "referral_change", "estimate", "lower", "upper"])


def _by_weight(activity: float, before: float, after: float) -> pd.DataFrame:
    share = np.linspace(0, 1, 41)  # of activity before the redesign that patients seen make up
    with np.errstate(divide="ignore"):
        weight = np.where(share < 1, before * share / np.maximum(1 - share, 1e-300), np.inf)
    seen = np.array([activity / float(_growth(k, np.array([before]), np.array([after]))[0]) for k in weight])
    return pd.DataFrame(
        {
            "weight": weight,
            "attendance_share": share,
            "seen": 100 * (seen - 1),
            "operations": 100 * (seen * after / before - 1),
        }
    )


def _agree(operations: FloatArray) -> Check:
    up = (operations > 1).mean(axis=0)
    sure = np.maximum(up, 1 - up).min() > 0.95
    same = sure and len(set(np.round(up))) == 1
    return Check(
        name="do all readings of activity agree on whether operations rose?",
        verdict="pass" if same else "warn",
        observed="yes" if same else f"no: risen in {int((up > 0.5).sum())} of {len(up)} readings",
        expected="yes",
        why="a change of activity says little while nobody says what was counted",
    )


def _stated(readings: Mapping[str, float]) -> Check:
    return Check(
        name="readings of activity that were tried",
        verdict="pass",
        observed=", ".join(readings),
        expected="both ends: operations, and patients seen",
        why="the answer is given for each, not for the most convenient",
    )


def _bounds(after: float, before: float) -> Check:
    return Check(
        name="conversion moved",
        verdict="pass" if after != before else "warn",
        observed=f"{before:g}% to {after:g}%",
        expected="a change",
        why="without one, activity, patients seen and operations all change alike",
    )
