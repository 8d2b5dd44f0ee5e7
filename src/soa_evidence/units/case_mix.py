"""Case mix: what patients like these would be expected to have, and how far a unit's own lie from it.

    events:  logit P(event) = b0 + x'b          value:  value = b0 + x'b + error, variance s²

over covariates x known before the operation: levels, straight lines and splines (`units.case_mix_design`).
Rows are patients, or cells of patients alike with their number, total and (for values) sum of squares: where
the covariates are the cells' keys, both give the same answers. For a unit with n patients, observed total O
and expected total E = Σ P (or Σ (b0 + x'b)):

    excess = (O - E) / n,   variance = (Σ P (1 - P) or n s²) / n² + g' V g,   g the mean derivative of E / n,

V the covariance of the coefficients, by the model or by unit (`covariance="unit"`: patients of a unit are
alike, so that coefficients are less sure than their number says). `adjusted` is the overall mean plus the
excess of a value, and the overall risk times O / E of events. For exact limits of O / E give `expected` to
`units.indirect_standardisation`; for classes under one case mix use `units.g_computation`; for how good the
expectation is, `units.prediction_accuracy`.

When not to use it: to judge units from a model that holds what they do themselves (length of stay, implant);
to rank; with units much larger than the rest, whose own results then shape what is expected of them; as proof
of like with like, since only what was recorded is levelled. Patients of good units are part of the model too:
where good units treat milder patients, some of their merit is taken for case mix (the between-unit part).

Sources: McCullagh & Nelder (1989), Generalized Linear Models; Iezzoni (2013), Risk Adjustment, chapter 11.

Checked against: R's glm, lm and sandwich::vcovCL in tests/reference/case_mix; cells against patients in
tests/properties/test_units_case_mix_laws.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.units import case_mix_design as made
from soa_evidence.units.case_mix_checks import checks_of
from soa_evidence.units.case_mix_design import Design, Kind, Patients
from soa_evidence.units.case_mix_solve import Solution, aliased, clustered, solve

__all__ = ["CaseMixResult", "Covariance", "fit"]

FloatArray = NDArray[np.float64]
Covariance = Literal["model", "unit"]
METHOD = "units.case_mix"


@dataclass(frozen=True, eq=False, kw_only=True)
class CaseMixResult:
    """A fitted case-mix model, and units beside what it expects of them.

    Attributes
    ----------
    coefficients : Estimates
        Log odds ratios (events) or differences (value), the intercept first.
    excess : Estimates or None
        Per unit, observed less expected per patient, jointly; None without units.
    units : DataFrame
        unit, patients, observed, expected (totals), expected_std_error (of the total, from the coefficients),
        crude, adjusted, excess (per patient), std_error and limits of the excess.
    fitted : array of shape (rows,)
        Expected mean of a patient in each row given, NaN in rows without patients.
    overall : float
        Mean of all patients.
    residual_sd : float
        Of a patient's value about the expected; NaN for events.
    explained : float
        Share of the sum of squares (value) or of the deviance (events) that the covariates take away.
    design, covariance_by, patients, level, checks
        What was fitted, and how sure it is.
    """

    kind: Kind
    coefficients: Estimates
    excess: Estimates | None
    units: pd.DataFrame
    fitted: FloatArray
    overall: float
    residual_sd: float
    explained: float
    design: Design
    covariance_by: Covariance
    patients: int
    level: float
    checks: tuple[Check, ...]

    def expected(self, frame: pd.DataFrame) -> FloatArray:
        """Return the expected mean of a patient in each row of `frame`, seen before or not.

        Raises
        ------
        InputError
            When a covariate is missing, or has a level that the model has not seen.
        """
        mean = self.coefficients.mean
        if mean is None:
            raise InputError("These coefficients hold draws, not means.")
        return _mean_of(made.columns_of(made.numbered(frame), self.design), mean, self.kind)

    def __repr__(self) -> str:
        return f"{_heading(self)}\n{self.coefficients.table().to_string(index=False, max_rows=30)}"

    def _repr_html_(self) -> str:
        shown = self.coefficients.table().to_html(index=False, float_format="{:.4g}".format, max_rows=60)
        return (
            f"<p><strong>{_heading(self)}</strong></p>{shown}{checks_frame(self.checks).to_html(index=False)}"
        )


def fit(
    frame: pd.DataFrame,
    *,
    outcome: str,
    kind: Kind,
    covariates: Sequence[str],
    size: str | None = None,
    squares: str | None = None,
    splines: Mapping[str, int] | None = None,
    unit: str | None = None,
    covariance: Covariance = "model",
    level: float = 0.95,
) -> CaseMixResult:
    """Fit a case-mix model, and compare every unit with what it expects.

    Parameters
    ----------
    frame
        One row a patient, or a cell of patients with the same covariates and unit.
    outcome
        Column of the event (0 or 1) or value; with `size`, of the number of events or the sum of values.
    covariates
        Columns. Numbers enter as a straight line (or spline), everything else by level against the commonest.
        A level that the covariates before it determine (age and sex hidden together) is left out, and told.
    size
        Column of patients in a cell; rows with none are left out. Without it a row is one patient.
    squares
        Column with the sum of squared values of a cell, for ``kind="value"`` with `size`.
    splines
        Knots (3 to 7) of numeric covariates that may bend.
    unit
        Column naming the unit.
    covariance
        ``"model"``, or ``"unit"``: robust to patients of a unit being alike; limits then use Student's t with
        units less one degrees of freedom.
    level
        Of limits.

    Raises
    ------
    InputError
        Naming column and row: missing columns or values, counts that cannot be, covariates that do not vary,
        too few patients, no variation of the outcome.
    """
    if covariance not in ("model", "unit"):
        close = nearest(str(covariance), ("model", "unit"))
        raise InputError(f"covariance is {covariance!r}.{close} Expected 'model' or 'unit'.")
    if covariance == "unit" and unit is None:
        raise InputError("covariance='unit' needs unit=, the column that names it.")
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a number above 0 and below 1, such as 0.95.")
    frame = made.numbered(frame)
    patients = made.read(frame, kind=kind, outcome=outcome, size=size, squares=squares)
    kept = frame.iloc[patients.rows]
    design = made.design_of(kept, covariates, splines or {}, patients.size)
    x = made.columns_of(kept, design)
    again, correlation = aliased(x, patients.size)
    if again:
        design, x = design.without(again), np.delete(x, again, axis=1)
    solved = solve(x, patients, kind)
    labels, of_unit = _units(kept, unit)
    by_unit = clustered(x, patients, solved, of_unit, kind) if covariance == "unit" else solved.covariance
    checks = checks_of(
        kept,
        patients,
        design,
        solved,
        correlation,
        kind,
        units=len(labels) if covariance == "unit" else None,
    )
    dof = _freedom(covariance, len(labels), patients, x.shape[1], kind)
    coefficients = Estimates(
        estimand="log odds ratio" if kind == "events" else "difference",
        labels=design.terms,
        unit="log odds" if kind == "events" else "units of the outcome",
        method=METHOD,
        mean=solved.coefficients,
        covariance=by_unit,
        interval="confidence",
        checks=checks,
        dof=dof,
    )
    table, excess = pd.DataFrame(), None
    if unit is not None:
        table, excess = _compare(labels, of_unit, x, patients, solved, by_unit, kind, level, checks)
    fitted = np.full(len(frame), np.nan)
    fitted[patients.rows] = solved.fitted
    fitted.setflags(write=False)
    return CaseMixResult(
        kind=kind,
        coefficients=coefficients,
        excess=excess,
        units=table,
        fitted=fitted,
        overall=float(patients.total.sum() / patients.size.sum()),
        residual_sd=solved.residual_sd,
        explained=1 - solved.deviance / solved.null_deviance if solved.null_deviance > 0 else 0.0,
        design=design,
        covariance_by=covariance,
        patients=int(patients.size.sum()),
        level=level,
        checks=checks,
    )


def _units(frame: pd.DataFrame, unit: str | None) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if unit is None:
        return (), np.zeros(len(frame), np.int64)
    codes, told = made.coded(frame, unit)
    order = np.argsort(told)
    place = np.empty(len(told), np.int64)
    place[order] = np.arange(len(told))
    return tuple(told[k] for k in order), place[codes]


def _freedom(
    covariance: Covariance, units: int, patients: Patients, columns: int, kind: Kind
) -> float | None:
    if covariance == "unit":
        return float(units - 1)
    return float(patients.size.sum() - columns) if kind == "value" else None


def _mean_of(x: FloatArray, coefficients: FloatArray, kind: Kind) -> FloatArray:
    from scipy.special import expit

    linear = x @ coefficients
    return np.asarray(expit(linear) if kind == "events" else linear)


def _compare(
    labels: tuple[str, ...],
    of_unit: NDArray[np.int64],
    x: FloatArray,
    patients: Patients,
    solved: Solution,
    covariance: FloatArray,
    kind: Kind,
    level: float,
    checks: tuple[Check, ...],
) -> tuple[pd.DataFrame, Estimates]:
    from scipy import stats

    def by_unit(values: FloatArray) -> FloatArray:
        return np.bincount(of_unit, weights=values, minlength=len(labels))

    n, observed, expected = (
        by_unit(v) for v in (patients.size, patients.total, patients.size * solved.fitted)
    )
    slope = np.column_stack([by_unit(solved.weight * column) for column in x.T])
    of_expected = slope @ covariance @ slope.T
    own = by_unit(solved.weight) if kind == "events" else n * solved.residual_sd**2
    joint = (np.diag(own) + (of_expected + of_expected.T) / 2) / np.outer(n, n)
    excess = (observed - expected) / n
    error = np.sqrt(np.diag(joint))
    overall = observed.sum() / n.sum()
    adjusted = overall + excess if kind == "value" else overall * observed / np.maximum(expected, 1e-300)
    reach = stats.norm.isf((1 - level) / 2) * error
    table = pd.DataFrame(
        {
            "unit": labels,
            "patients": n.astype(np.int64),
            "observed": observed,
            "expected": expected,
            "expected_std_error": np.sqrt(np.maximum(np.diag(of_expected), 0)),
            "crude": observed / n,
            "adjusted": adjusted,
            "excess": excess,
            "std_error": error,
            "lower": excess - reach,
            "upper": excess + reach,
        }
    )
    return table, Estimates(
        estimand="observed less expected, per patient",
        labels=labels,
        unit="probability" if kind == "events" else "units of the outcome",
        method=METHOD,
        mean=excess,
        covariance=joint,
        interval="confidence",
        checks=checks,
    )


def _heading(result: CaseMixResult) -> str:
    what = "Logistic" if result.kind == "events" else "Linear"
    return (
        f"{what} case-mix model of {result.patients:,} patients, {len(result.design.terms)} coefficients "
        f"(covariance by {result.covariance_by})"
    )
