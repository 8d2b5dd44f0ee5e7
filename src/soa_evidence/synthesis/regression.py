r"""Meta-regression: how the effect changes with what studies are like.

Mixed-effects model: :math:`y_i \sim N(\theta_i, v_i)`, :math:`\theta_i \sim N(x_i'\beta, \tau^2)`. A
coefficient :math:`\beta` is the change of the average effect per unit of its moderator (against the first
level for a category); :math:`\tau^2` is the variance between studies that the moderators leave unexplained.

=========================  ===============================================  =====================
interval                   covariance of the coefficients                   reference
=========================  ===============================================  =====================
wald                       :math:`(X'WX)^{-1}`, W the inverse variances     normal, chi-square
t                          the same                                         t, F with k - p
hartung_knapp              the same times :math:`q = r'Wr/(k - p)`          t, F with k - p
hartung_knapp_floor        the same times :math:`\max(1, q)`                t, F with k - p
=========================  ===============================================  =====================

R² compares tau² with the tau² of the same estimator without moderators; with few studies it is mostly noise.

When not to use it: with fewer than about ten studies per moderator; to say what would happen to a patient
(studies with more of something are not patients with more of it); with a moderator chosen after looking.

Sources: Knapp & Hartung 2003, Stat Med 22:2693; Raudenbush 2009; Higgins & Thompson 2004 for the dangers.

Checked against: metafor 3.8-1 (tests/reference/synthesis_models).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis import heterogeneity
from soa_evidence.synthesis import regression_tau2 as tau2_of
from soa_evidence.synthesis.design import Design, read_design
from soa_evidence.synthesis.pooling import INTERVALS, quantile
from soa_evidence.synthesis.studies import FloatArray, Studies, read, require_choice, require_level
from soa_evidence.synthesis.tau2_interval import likelihood_limits

__all__ = ["METHODS", "Line", "RegressionResult", "fit", "fit_line"]

METHOD = "synthesis.regression"
METHODS = ("common", *tau2_of.ESTIMATORS)
TAU2_INTERVALS = ("q_profile", "profile_likelihood")
STUDIES_PER_COEFFICIENT = 10
HEAVY_LEVERAGE = 0.8

#: Prediction intervals by their reference distribution.
PREDICTIONS = {"z": "normal", "t_k_minus_p": "t with k - p", "t_k_minus_p_minus_1": "t with k - p - 1"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """Coefficients with their covariance (p, p), reference degrees of freedom, scale q and tau2."""

    coefficients: FloatArray
    covariance: FloatArray
    dof: float
    scale: float
    tau2: float
    converged: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class RegressionResult:
    """A meta-regression.

    Attributes
    ----------
    coefficients : Estimates
        One label a coefficient.
    heterogeneity : DataFrame
        quantity (tau2, tau, I2_percent, H2: residual; R2_percent), estimate, lower, upper, level, interval.
    tests : DataFrame
        test, statistic, dof, dof_2 (of F; infinite for chi-square), p_value.
    studies : DataFrame
        label, estimate, std_error, fitted, residual, standardised_residual, leverage.
    design : Design
    line : Line
    method, interval : str
    checks : tuple of Check
    """

    coefficients: Estimates
    heterogeneity: pd.DataFrame
    tests: pd.DataFrame
    studies: pd.DataFrame
    design: Design
    line: Line
    method: str
    interval: str
    checks: tuple[Check, ...]

    def quantity(self, name: str) -> float:
        """Return the estimate of one quantity of `heterogeneity`, e.g. ``"tau2"``."""
        found = self.heterogeneity.set_index("quantity")["estimate"]
        require_choice(name, list(found.index), "quantity")
        return float(found[name])

    def predict(
        self, frame: pd.DataFrame, *, label: str, level: float = 0.95, prediction: str = "t_k_minus_p"
    ) -> pd.DataFrame:
        """Return the average effect, and where a new study's would lie, at given moderators.

        Parameters
        ----------
        frame
            One row a combination of moderators, with a column `label` that names it.
        prediction
            ``"z"``, ``"t_k_minus_p"`` or ``"t_k_minus_p_minus_1"``.

        Returns
        -------
        DataFrame
            label, estimate, std_error, lower, upper, prediction_lower, prediction_upper, level, prediction.

        Raises
        ------
        InputError
            On a missing moderator or level, an unknown choice, or no degrees of freedom for the prediction.
        """
        require_level(level)
        require_choice(prediction, tuple(PREDICTIONS), "prediction")
        labels = [str(name) for name in frame[label]] if label in frame else None
        if labels is None:
            raise InputError(f"The frame has no column '{label}' to name its rows by.")
        x = self.design.at(frame, labels)
        k, p = self.design.matrix.shape
        dof = {"z": np.inf, "t_k_minus_p": k - p, "t_k_minus_p_minus_1": k - p - 1}[prediction]
        if dof < 1:
            raise InputError(
                f"{k} studies and {p} coefficients leave no degrees of freedom for {prediction!r}."
            )
        mean, variance = x @ self.line.coefficients, np.einsum("ij,jk,ik->i", x, self.line.covariance, x)
        tail = 1 - (1 - level) / 2
        reach = quantile(tail, np.array([self.line.dof])) * np.sqrt(variance)
        further = quantile(tail, np.array([dof])) * np.sqrt(variance + self.line.tau2)
        return pd.DataFrame(
            {
                "label": labels,
                "estimate": mean,
                "std_error": np.sqrt(variance),
                "lower": mean - reach,
                "upper": mean + reach,
                "prediction_lower": mean - further,
                "prediction_upper": mean + further,
                "level": level,
                "prediction": PREDICTIONS[prediction],
            }
        )

    def _repr_html_(self) -> str:
        parts = [self.coefficients.table(), self.heterogeneity, self.tests, checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    moderators: Sequence[str],
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    intercept: bool = True,
    method: str = "REML",
    interval: str = "hartung_knapp_floor",
    tau2_intervals: str = "q_profile",
    level: float = 0.95,
    estimand: str = "change of the effect",
    unit: str = "scale of the studies",
) -> RegressionResult:
    """Regress the effects of studies on what they are like, one row a study.

    Parameters
    ----------
    moderators
        Columns of numbers or categories; none gives the model of `pairwise`.
    intercept
        Without it every level of a category needs a column of its own.
    method
        ``"common"`` (no variance left) or an estimator of tau2: see `regression_tau2`.
    interval
        ``"wald"``, ``"t"``, ``"hartung_knapp"`` or ``"hartung_knapp_floor"``.
    tau2_intervals
        ``"q_profile"``, or ``"profile_likelihood"`` with method ML or REML.

    Raises
    ------
    InputError
        As `studies.read` and `design.read_design`: missing moderators, collinear ones, or too many; and on an
        unknown choice.
    """
    require_choice(method, METHODS, "method")
    require_choice(interval, INTERVALS, "interval")
    require_choice(tau2_intervals, TAU2_INTERVALS, "tau2_intervals")
    require_level(level)
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    design = read_design(frame, moderators=moderators, labels=studies.labels, intercept=intercept)
    if tau2_intervals == "profile_likelihood" and method not in ("ML", "REML"):
        raise InputError(f"tau2_intervals 'profile_likelihood' needs method 'ML' or 'REML', not {method!r}.")
    chosen = interval if method != "common" else "wald"
    line = fit_line(studies, design.matrix, method=method, interval=chosen)
    table = _studies(studies, design, line)
    checks = _checks(studies, design, line, table)
    return RegressionResult(
        coefficients=Estimates(
            estimand=estimand,
            labels=design.terms,
            unit=unit,
            method=f"{METHOD} ({method}, {chosen})",
            mean=line.coefficients,
            covariance=line.covariance,
            dof=line.dof if np.isfinite(line.dof) else None,
            interval="confidence",
            checks=checks,
        ),
        heterogeneity=_heterogeneity(studies, design, line, method, tau2_intervals, level),
        tests=_tests(studies, design, line),
        studies=table,
        design=design,
        line=line,
        method=method,
        interval=chosen,
        checks=checks,
    )


def fit_line(studies: Studies, matrix: FloatArray, *, method: str, interval: str) -> Line:
    """Fit a checked design: tau2, then weighted least squares in an orthonormal basis of the design."""
    basis, triangle = np.linalg.qr(matrix)
    designs = tau2_of.Designs(estimate=studies.estimate, variance=studies.variance, matrix=basis[None])
    tau2, converged = np.zeros(1), np.ones(1, dtype=bool)
    if method != "common":
        tau2, converged = tau2_of.estimate(designs, method)
    fitted = designs.fit(tau2)
    dof = float(designs.dof)
    scale = 1.0
    if interval.startswith("hartung_knapp"):
        scale = float((fitted.weights * fitted.residuals**2).sum() / dof)
        scale = max(scale, 1.0) if interval == "hartung_knapp_floor" else scale
    back = np.linalg.inv(triangle)
    covariance = scale * back @ np.linalg.inv(fitted.information[0]) @ back.T
    return Line(
        coefficients=back @ fitted.coefficients[0],
        covariance=(covariance + covariance.T) / 2,
        dof=np.inf if interval == "wald" else dof,
        scale=scale,
        tau2=float(tau2[0]),
        converged=bool(converged[0]),
    )


def wald_test(line: Line, at: Sequence[int]) -> tuple[float, int, float, float]:
    """Return statistic, its two degrees of freedom and p-value for some coefficients being all 0."""
    b, v = line.coefficients[list(at)], line.covariance[np.ix_(list(at), list(at))]
    value, m = float(b @ np.linalg.solve(v, b)), len(at)
    if np.isfinite(line.dof):
        return value / m, m, line.dof, float(stats.f.sf(value / m, m, line.dof))
    return value, m, np.inf, float(stats.chi2.sf(value, m))


def _designs(studies: Studies, matrix: FloatArray) -> tau2_of.Designs:
    basis = np.linalg.qr(matrix)[0]
    return tau2_of.Designs(estimate=studies.estimate, variance=studies.variance, matrix=basis[None])


def _heterogeneity(
    studies: Studies, design: Design, line: Line, method: str, kind: str, level: float
) -> pd.DataFrame:
    columns = ["quantity", "estimate", "lower", "upper", "level", "interval"]
    if method == "common":
        return pd.DataFrame(columns=columns)
    designs = _designs(studies, design.matrix)
    if kind == "q_profile":
        tail = (1 - level) / 2
        targets = stats.chi2.ppf([1 - tail, tail], designs.dof)
        lower, upper = (float(tau2_of.solve_q(designs, float(target))[0][0]) for target in targets)
    else:

        def log_l(value: float) -> float:
            at = np.array([value])
            return float(tau2_of.log_likelihood(designs, at, restricted=method == "REML")[0])

        step = float(max(studies.variance.max(), line.tau2))
        lower, upper = likelihood_limits(log_l, line.tau2, level=level, step=step)
    values = np.array([line.tau2, lower, upper])
    w, fitted = 1 / studies.variance, designs.fit(np.zeros(1))
    hidden = np.trace(np.linalg.solve(fitted.information[0], designs.weighted(w[None] ** 2)[0]))
    typical = designs.dof / float(w.sum() - hidden)
    rows = {
        "tau2": values,
        "tau": np.sqrt(values),
        "I2_percent": 100 * values / (typical + values),
        "H2": values / typical + 1,
        "R2_percent": np.array([_explained(studies, design, line, method), np.nan, np.nan]),
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "lower", "upper"])
    return table.rename_axis("quantity").reset_index().assign(level=level, interval=kind)[columns]


def _explained(studies: Studies, design: Design, line: Line, method: str) -> float:
    """Per cent of the variance between studies that the moderators explain; missing where there is none."""
    if not design.intercept or len(design.terms) == 1:
        return np.nan
    without = float(heterogeneity.estimate(studies.batch(), method).value[0])
    return max(0.0, 100 * (1 - line.tau2 / without)) if without > 0 else np.nan


def _tests(studies: Studies, design: Design, line: Line) -> pd.DataFrame:
    designs = _designs(studies, design.matrix)
    fitted = designs.fit(np.zeros(1))
    q = float((fitted.weights * fitted.residuals**2).sum())
    rows: list[tuple[str, float, float, float, float]] = [
        ("no differences left between studies (Q)", q, designs.dof, np.inf, stats.chi2.sf(q, designs.dof)),
        ("no moderator matters", *wald_test(line, design.tested)),
    ]
    for each in design.moderators:
        rows.append((f"{each.column} does not matter", *wald_test(line, design.columns_of(each))))
    return pd.DataFrame(rows, columns=["test", "statistic", "dof", "dof_2", "p_value"])


def _studies(studies: Studies, design: Design, line: Line) -> pd.DataFrame:
    total = studies.variance + line.tau2
    basis = np.linalg.qr(design.matrix / np.sqrt(total)[:, None])[0]
    leverage = (basis**2).sum(axis=1)
    fitted = design.matrix @ line.coefficients
    left = np.sqrt(total * np.clip(1 - leverage, 0.0, None))
    residual = studies.estimate - fitted
    return pd.DataFrame(
        {
            "label": list(studies.labels),
            "estimate": studies.estimate,
            "std_error": np.sqrt(studies.variance),
            "fitted": fitted,
            "residual": residual,
            "standardised_residual": np.divide(
                residual, left, out=np.full(len(left), np.nan), where=leverage < 1 - 1e-12
            ),
            "leverage": leverage,
        }
    )


def _checks(studies: Studies, design: Design, line: Line, table: pd.DataFrame) -> tuple[Check, ...]:
    k, moderators = len(studies), max(len(design.terms) - int(design.intercept), 1)
    at = int(table["leverage"].to_numpy().argmax())
    heaviest = float(table["leverage"].iloc[at])
    return (
        Check(
            name="studies per moderator coefficient",
            verdict="pass" if k >= STUDIES_PER_COEFFICIENT * moderators else "warn",
            observed=f"{k / moderators:.1f}",
            expected=f"at least {STUDIES_PER_COEFFICIENT}",
            why="with fewer studies a moderator is easily found by chance, and one that matters easily "
            "missed",
        ),
        Check(
            name="search for the variance between studies",
            verdict="pass" if line.converged else "fail",
            observed="ended" if line.converged else "did not end",
            expected="ended",
            why="an estimate taken half-way depends on where the search began",
        ),
        Check(
            name="leverage of a single study, largest",
            verdict="pass" if heaviest <= HEAVY_LEVERAGE else "warn",
            observed=f"{heaviest:.2f} ({studies.labels[at]})",
            expected=f"at most {HEAVY_LEVERAGE}",
            why="a line that must pass through one study is that study's result",
        ),
    )
