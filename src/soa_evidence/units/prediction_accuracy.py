"""Discrimination and calibration of expected risks or values, from patients or counts.

    events, expected risk p:                              value, expected value m:
    c = P(p of one with > p of one without the event)     explained = 1 - Σ (y - m)² / Σ (y - ȳ)²
    in the large: a of  logit P = a + logit p             in the large: mean of y - m
    slope: b of         logit P = a + b logit p           slope: b of  y = a + b m + error
    Brier = mean (y - p)²,  scaled = 1 - Brier / (ȳ (1 - ȳ))
    both: observed and expected in `groups` equal groups of patients by what was expected of them

The c statistic counts ties a half; its standard error is DeLong's. A slope of 1 and an intercept of 0 say
that expectations are neither too extreme nor too high or low; in the very patients a model was fitted to they
are so by construction, and only c statistic, explained share and groups tell anything.

When not to use it: on the patients a model was fitted to, to say how good it will be in others (fit on some
years, look at another); to choose between units; as proof that a case-mix model levels what it should: one
that discriminates poorly may be all there is to adjust for, one that discriminates well may hold the units'
own doing.

Sources: DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837; Cox (1958), Biometrika 45:562 (slope);
Steyerberg (2019), Clinical Prediction Models, chapter 15.

Checked against: R's pROC, glm and lm, in tests/reference/case_mix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.units import case_mix_design as made
from soa_evidence.units.case_mix_design import Kind, Patients
from soa_evidence.units.case_mix_solve import solve

__all__ = ["AccuracyResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "units.prediction_accuracy"
LEAST_SLOPE, MOST_SLOPE = 0.9, 1.1
FEWEST_EVENTS = 100.0


@dataclass(frozen=True, eq=False, kw_only=True)
class AccuracyResult:
    """How good expectations were.

    Attributes
    ----------
    summary : DataFrame
        measure, estimate, std_error, lower, upper: c statistic, calibration in the large, calibration slope,
        Brier score, scaled Brier score (events); explained, calibration in the large, slope, residual
        standard deviation (value). Limits are NaN where no standard error is given.
    discrimination : Estimates or None
        The c statistic; None for values.
    calibration : Estimates
        In the large, and slope (independent fits, so no covariance between them is given).
    groups : DataFrame
        group, patients, expected, observed (means), lower and upper limits of observed (Wilson or normal).
    checks : tuple of Check
    """

    kind: Kind
    summary: pd.DataFrame
    discrimination: Estimates | None
    calibration: Estimates
    groups: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"Accuracy of expected {self.kind}\n{self.summary.to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.summary.to_html(index=False, float_format="{:.4g}".format)
        head = f"<p><strong>Accuracy of expected {self.kind}</strong></p>"
        return head + shown + checks_frame(self.checks).to_html(index=False)


def fit(
    frame: pd.DataFrame,
    *,
    outcome: str,
    expected: str,
    kind: Kind,
    size: str | None = None,
    squares: str | None = None,
    groups: int = 10,
    level: float = 0.95,
) -> AccuracyResult:
    """Compare outcomes with what was expected.

    Parameters
    ----------
    frame, outcome, kind, size, squares
        As for `units.case_mix.fit`.
    expected
        Column of the expected risk or value of **one** patient in the row.
    groups
        Groups of patients, 2 to 100, for the table of calibration.
    level
        Of limits.

    Raises
    ------
    InputError
        As `units.case_mix.fit`; on a risk that is not between 0 and 1, or expectations that are all the same.
    """
    if not 2 <= groups <= 100:
        raise InputError(f"groups is {groups}; expected 2 to 100.")
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a number above 0 and below 1, such as 0.95.")
    frame = made.numbered(frame)
    patients = made.read(frame, kind=kind, outcome=outcome, size=size, squares=squares)
    kept = frame.iloc[patients.rows]
    p = made.numbers(kept, expected)
    if kind == "events":
        made.refuse(kept, expected, (p <= 0) | (p >= 1), "expected a risk above 0 and below 1")
    if np.ptp(p) == 0:
        raise InputError(f"Column '{expected}' is {p[0]:g} for everyone; there is nothing to discriminate.")
    rows = _events(p, patients) if kind == "events" else _value(p, patients)
    from scipy import stats

    reach = stats.norm.isf((1 - level) / 2)
    summary = pd.DataFrame(rows, columns=["measure", "estimate", "std_error"])
    summary["lower"] = summary["estimate"] - reach * summary["std_error"]
    summary["upper"] = summary["estimate"] + reach * summary["std_error"]
    by_name = summary.set_index("measure")
    checks = _checks(by_name, patients, kind)

    def carrier(estimand: str, names: list[str], unit: str) -> Estimates:
        part = by_name.loc[names]
        return Estimates(
            estimand=estimand,
            labels=tuple(names),
            unit=unit,
            method=METHOD,
            mean=part["estimate"].to_numpy(),
            covariance=np.diag(part["std_error"].to_numpy() ** 2),
            interval="confidence",
            checks=checks,
        )

    scale = "log odds; slope" if kind == "events" else "units of the outcome; slope"
    return AccuracyResult(
        kind=kind,
        summary=summary,
        discrimination=carrier("c statistic", ["c statistic"], "probability") if kind == "events" else None,
        calibration=carrier("calibration", ["in the large", "slope"], scale),
        groups=_groups(p, patients, kind, groups, level),
        checks=checks,
    )


def _events(p: FloatArray, patients: Patients) -> list[tuple[str, float, float]]:
    n, y = patients.size, patients.total
    if not 0 < y.sum() < n.sum():
        raise InputError("Everyone has the event, or nobody: there is nothing to discriminate.")
    c, c_error = _c_statistic(p, y, n - y)
    logit = np.log(p) - np.log1p(-p)
    large, large_error = _in_the_large(logit, patients)
    x = np.column_stack([np.ones(len(p)), logit])
    slope = solve(x, patients, "events")
    squared = y * (1 - p) ** 2 + (n - y) * p**2
    fourth = y * (1 - p) ** 4 + (n - y) * p**4
    total, mean = n.sum(), y.sum() / n.sum()
    brier = squared.sum() / total
    brier_error = np.sqrt(max(fourth.sum() / total - brier**2, 0) / total)
    return [
        ("c statistic", c, c_error),
        ("in the large", large, large_error),
        ("slope", float(slope.coefficients[1]), float(np.sqrt(slope.covariance[1, 1]))),
        ("Brier score", float(brier), float(brier_error)),
        ("scaled Brier score", float(1 - brier / (mean * (1 - mean))), np.nan),
    ]


def _value(p: FloatArray, patients: Patients) -> list[tuple[str, float, float]]:
    n, y, total = patients.size, patients.total, patients.size.sum()
    error = float(y.sum() - n @ p) / float(total)
    squared = float((patients.squares - 2 * y * p + n * p**2).sum())
    about_mean = patients.squares.sum() - y.sum() ** 2 / total
    if about_mean <= 0:
        raise InputError("Everyone has the same value; there is nothing to explain.")
    slope = solve(np.column_stack([np.ones(len(p)), p]), patients, "value")
    spread = float(np.sqrt(np.maximum(squared / total - error**2, 0.0)))
    return [
        ("explained", float(1 - squared / about_mean), np.nan),
        ("in the large", float(error), float(spread / np.sqrt(total))),
        ("slope", float(slope.coefficients[1]), float(np.sqrt(slope.covariance[1, 1]))),
        ("residual standard deviation", float(spread), float(spread / np.sqrt(2 * total))),
    ]


def _c_statistic(p: FloatArray, events: FloatArray, others: FloatArray) -> tuple[float, float]:
    """Share of pairs in the right order, and DeLong's standard error, rows counted as often as patients."""
    values, at = np.unique(p, return_inverse=True)
    with_event = np.bincount(at, weights=events, minlength=len(values))
    without = np.bincount(at, weights=others, minlength=len(values))
    m, k = with_event.sum(), without.sum()
    below = (np.cumsum(without) - without / 2) / k  # of an event at each value: others that lie lower
    above = 1 - (np.cumsum(with_event) - with_event / 2) / m  # of a non-event: events that lie higher
    c = float(with_event @ below / m)
    if m < 2 or k < 2:
        return c, float("nan")
    spread = with_event @ (below - c) ** 2 / (m - 1) / m + without @ (above - c) ** 2 / (k - 1) / k
    return c, float(np.sqrt(spread))


def _in_the_large(logit: FloatArray, patients: Patients) -> tuple[float, float]:
    """Intercept of a logistic model with the expected log odds as offset."""
    from scipy.optimize import brentq
    from scipy.special import expit

    n, total = patients.size, patients.total.sum()

    def gap(a: float) -> float:
        return float(n @ expit(a + logit) - total)

    a = float(brentq(gap, -80.0 - np.abs(logit).max(), 80.0 + np.abs(logit).max(), xtol=1e-13, rtol=1e-14))
    risk = expit(a + logit)
    return a, float(1 / np.sqrt(n @ (risk * (1 - risk))))


def _groups(p: FloatArray, patients: Patients, kind: Kind, groups: int, level: float) -> pd.DataFrame:
    """Equal groups by expectation; patients expected alike stay together, so groups may be fewer."""
    from scipy import stats

    _, at = np.unique(p, return_inverse=True)
    n = np.bincount(at, weights=patients.size)
    middle = (np.cumsum(n) - n / 2) / n.sum()
    _, group = np.unique(np.minimum((middle * groups).astype(int), groups - 1), return_inverse=True)
    of = group[at]
    count, total, squares, hoped = (
        np.bincount(of, weights=v)
        for v in (patients.size, patients.total, patients.squares, patients.size * p)
    )
    mean, z = total / count, stats.norm.isf((1 - level) / 2)
    if kind == "events":
        centre = (mean + z**2 / (2 * count)) / (1 + z**2 / count)
        reach = z * np.sqrt(mean * (1 - mean) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    else:
        centre = mean
        spread = np.maximum(squares - total**2 / count, 0) / np.maximum(count - 1, 1)
        reach = z * np.sqrt(spread / count)
    return pd.DataFrame(
        {
            "group": np.arange(1, len(count) + 1),
            "patients": count.astype(np.int64),
            "expected": hoped / count,
            "observed": mean,
            "lower": centre - reach,
            "upper": centre + reach,
        }
    )


def _checks(summary: pd.DataFrame, patients: Patients, kind: Kind) -> tuple[Check, ...]:
    slope = summary.loc["slope"]
    out = slope["lower"] > MOST_SLOPE or slope["upper"] < LEAST_SLOPE
    large = summary.loc["in the large"]
    apart = large["lower"] > 0 or large["upper"] < 0
    found = [
        Check(
            name="calibration slope",
            verdict="warn" if out else "pass",
            observed=f"{slope['estimate']:.2f} ({slope['lower']:.2f} to {slope['upper']:.2f})",
            expected=f"limits that reach {LEAST_SLOPE:g} to {MOST_SLOPE:g}",
            why="below 1, differences between patients are expected too large; above 1, too small",
        ),
        Check(
            name="calibration in the large",
            verdict="warn" if apart else "pass",
            observed=f"{large['estimate']:.3f} ({large['lower']:.3f} to {large['upper']:.3f})",
            expected="limits around 0",
            why="otherwise outcomes are better or worse than expected on the whole",
        ),
    ]
    if kind == "events":
        fewer = min(patients.total.sum(), (patients.size - patients.total).sum())
        found.append(
            Check(
                name="events (or non-events, if fewer) behind the accuracy",
                verdict="pass" if fewer >= FEWEST_EVENTS else "warn",
                observed=f"{fewer:,.0f}",
                expected=f"at least {FEWEST_EVENTS:g}",
                why="with fewer, slope and c statistic are too unsure to judge a model by",
            )
        )
    return tuple(found)
