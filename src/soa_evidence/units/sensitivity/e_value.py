"""The E-value: how strong unrecorded confounding must be, at the least, to explain a ratio away.

For a risk ratio RR above 1 (below 1: its inverse) and a true value t that would change the conclusion,

    E = R + sqrt(R (R - 1)),   R = RR / t  (never below 1).

Something unrecorded would have to be tied to both the class of unit and the outcome by a risk ratio of at
least E each, beyond what is adjusted for. The same for the limit nearer to t; 1 where the interval holds t.
Other measures are first turned into an approximate risk ratio:

    odds ratio, outcome in under 15 % of patients    OR
    odds ratio, common outcome                       sqrt(OR)
    hazard ratio, rare outcome                       HR
    hazard ratio, common outcome                     (1 - 0.5^sqrt(HR)) / (1 - 0.5^sqrt(1 / HR))
    standardised difference d                        exp(0.91 d), limits exp(0.91 d ± 1.78 s)

When not to use it: as a verdict. It says how strong confounding must be, not whether there is any: a small
E-value in a study that recorded much may be safer than a large one in a study that recorded little. For the
share of severe patients in absolute terms use `units.sensitivity.unmeasured_severity`.

Sources: VanderWeele & Ding (2017), Ann Intern Med 167:268; Ding & VanderWeele (2016), Epidemiology 27:368;
VanderWeele (2017), Am J Epidemiol 186:1007 (odds ratios) and 2020, Biometrics 76:746 (hazard ratios);
Chinn (2000), Stat Med 19:3127 (standardised differences).

Checked against: the published worked examples, and our own R code, in tests/reference/unit_sensitivity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest, require_columns
from soa_evidence.results import Check, checks_frame

__all__ = ["EValueResult", "Measure", "fit"]

FloatArray = NDArray[np.float64]
Measure = Literal["risk_ratio", "odds_ratio", "hazard_ratio", "standardised_difference"]
SMALL = 1.25  # a confounder this weakly tied to class and outcome is quite usual


@dataclass(frozen=True, eq=False, kw_only=True)
class EValueResult:
    """E-values.

    Attributes
    ----------
    table : DataFrame
        label, risk_ratio, lower, upper (as approximate risk ratios), e_value, e_value_limit.
    measure : str
    common : bool
    true : float
        The risk ratio to be reached; 1 is no difference.
    checks : tuple of Check
    """

    table: pd.DataFrame
    measure: Measure
    common: bool
    true: float
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"E-values against a true risk ratio of {self.true:g}\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.table.to_html(index=False, float_format="{:.3g}".format)
        return (
            f"<p><strong>E-values against a true risk ratio of {self.true:g}</strong></p>{shown}"
            f"{checks_frame(self.checks).to_html(index=False)}"
        )


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    lower: str = "lower",
    upper: str = "upper",
    label: str | None = None,
    measure: Measure = "risk_ratio",
    common: bool = False,
    true: float = 1.0,
) -> EValueResult:
    """Return the E-value of each estimate and of its limit.

    Parameters
    ----------
    frame
        One row an estimate: ratios (not their logs), or standardised differences.
    estimate, lower, upper, label
        Columns.
    measure
        What the estimates are.
    common
        Whether 15 % of patients or more have the outcome; matters for odds and hazard ratios only.
    true
        The risk ratio that would change the conclusion.

    Raises
    ------
    InputError
        On an unknown measure or column, no rows, a value that is no finite number, a ratio of 0 or below,
        limits that do not hold the estimate, or a true ratio of 0 or below.
    """
    if measure not in get_args(Measure):
        raise InputError(
            f"measure={measure!r}.{nearest(str(measure), get_args(Measure))} "
            f"Expected one of: {', '.join(get_args(Measure))}."
        )
    if not (np.isfinite(true) and true > 0):
        raise InputError(f"true={true}; expected a risk ratio above 0, such as 1.")
    require_columns(frame.columns, (estimate, lower, upper, *([label] if label else [])))
    if frame.empty:
        raise InputError("The frame has no rows; expected one for each estimate.")
    values = np.column_stack([_numbers(frame, column, measure) for column in (lower, estimate, upper)])
    crossed = (values[:, 0] > values[:, 1]) | (values[:, 1] > values[:, 2])
    if crossed.any():
        at = int(np.argmax(crossed))
        low, middle, high = values[at]
        raise InputError(f"Row {at}: the interval {low:g} to {high:g} does not hold the estimate {middle:g}.")
    ratios = _as_risk_ratio(values, measure, common=common)
    low, middle, high = ratios.T
    above = middle >= true
    near = np.where(above, low, high)
    # The limit on the side of the true value; where it lies beyond, nothing is left to explain away.
    reached = np.where(above, near <= true, near >= true)
    table = pd.DataFrame(
        {
            "label": frame[label].astype(str).to_numpy() if label else [str(i) for i in range(len(frame))],
            "risk_ratio": middle,
            "lower": low,
            "upper": high,
            "e_value": _e(middle / true),
            "e_value_limit": np.where(reached, 1.0, _e(near / true)),
        }
    )
    weakest = table.sort_values("e_value_limit").iloc[0]
    check = Check(
        name="E-value of the limit, smallest",
        verdict="pass" if weakest["e_value_limit"] >= SMALL else "warn",
        observed=f"{weakest['e_value_limit']:.2f} ({weakest['label']})",
        expected=f"at least {SMALL:g}",
        why="weak confounding by what was not recorded would bring the interval to the true value",
    )
    return EValueResult(table=table, measure=measure, common=common, true=float(true), checks=(check,))


def _e(ratio: FloatArray) -> FloatArray:
    r = np.maximum(ratio, 1 / ratio)
    return np.asarray(r + np.sqrt(r * (r - 1)))


def _as_risk_ratio(values: FloatArray, measure: str, *, common: bool) -> FloatArray:
    if measure == "standardised_difference":
        lower, middle, upper = values.T
        # 1.78 rather than 0.91 x 1.96: the published approximation, with the standard error of d.
        error = (upper - lower) / (2 * 1.959963984540054)
        return np.exp(
            np.column_stack([0.91 * middle - 1.78 * error, 0.91 * middle, 0.91 * middle + 1.78 * error])
        )
    if not common or measure == "risk_ratio":
        return values
    if measure == "odds_ratio":
        return np.asarray(np.sqrt(values))
    return np.asarray((1 - 0.5 ** np.sqrt(values)) / (1 - 0.5 ** np.sqrt(1 / values)))


def _numbers(frame: pd.DataFrame, column: str, measure: str) -> FloatArray:
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(float, na_value=np.nan)
    bad, expected = ~np.isfinite(values), "a finite number"
    if not bad.any() and measure != "standardised_difference":
        bad, expected = values <= 0, "a ratio above 0, not its logarithm"
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(f"Column '{column}', row {at}: {frame[column].iloc[at]}; expected {expected}.")
    return np.asarray(values)
