"""The likelihood of the Royston-Parmar model, and its predictions.

With eta = g(S), eta' its slope in log time and S0, f0 the standard law of the scale (see `standard_laws`),

    event at t     log f0(eta) + log eta' - log t
    censored at t  log S0(eta)
    entered at e   less log S0(eta(e))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.survival.cox_rows import Design
from soa_evidence.survival.newton import Derivatives
from soa_evidence.survival.observations import Observations
from soa_evidence.survival.smooth_model import Evaluated, Evaluator
from soa_evidence.survival.spline_basis import basis
from soa_evidence.survival.standard_laws import Law, extreme_value, logistic, normal

__all__ = ["LAW_OF", "SplineDesign", "SplineLikelihood", "evaluator", "lowest_slope"]

FloatArray = NDArray[np.float64]
LAW_OF: dict[str, Law] = {"hazard": extreme_value, "odds": logistic, "normal": normal}


@dataclass(frozen=True, eq=False, kw_only=True)
class SplineDesign:
    """The columns of the model.

    Attributes
    ----------
    design : Design
        Of the covariates.
    knots : array of shape (df + 1,)
        In log time.
    varying : mapping of covariate to its knots
    """

    design: Design
    knots: FloatArray
    varying: Mapping[str, FloatArray]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        names = [f"gamma{j}" for j in range(len(self.knots))] + list(self.design.terms)
        for name, knots in self.varying.items():
            for term, source in zip(self.design.terms, self.design.source, strict=True):
                if source == name:
                    names += [f"{term} × log time {j}" for j in range(1, len(knots))]
        return tuple(names)

    def columns(self, covariates: list[FloatArray], x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the columns at log times `x`, and their slopes in log time; each of shape (n, p)."""
        values, slopes = basis(x, self.knots)
        one, zero = np.ones(len(x)), np.zeros(len(x))
        X, D = [one, *values.T, *covariates], [zero, *slopes.T, *(zero for _ in covariates)]
        for name, knots in self.varying.items():
            own, own_slopes = basis(x, knots)
            for column, source in zip(covariates, self.design.source, strict=True):
                if source == name:
                    X += [column * v for v in own.T]
                    D += [column * v for v in own_slopes.T]
        return np.column_stack(X), np.column_stack(D)


@dataclass(frozen=True, eq=False, kw_only=True)
class SplineLikelihood:
    """Rows and columns of the model.

    Attributes
    ----------
    X, slope : arrays of shape (n, p)
        Columns at the end of observation, and their slopes in log time.
    late : array of shape (m,)
        Rows that entered late; `before` their columns at entry, shape (m, p).
    """

    law: Law
    rows: Observations
    X: FloatArray
    slope: FloatArray
    late: NDArray[np.intp]
    before: FloatArray

    def evaluate(self, beta: FloatArray) -> Derivatives:
        """Return log likelihood, gradient and second derivatives; None where a hazard is not above 0."""
        w, had = self.rows.weight, self.rows.happened
        rising = self.slope[had] @ beta
        if not (rising > 0).all():
            return None
        value, first, second = self._rows(beta)
        total = float(w @ value) + float(w[had] @ (np.log(rising) - np.log(self.rows.lower[had])))
        gradient = self.X.T @ (w * first) + self.slope[had].T @ (w[had] / rising)
        D = self.slope[had] / rising[:, None]
        hessian = self.X.T @ ((w * second)[:, None] * self.X) - D.T @ (w[had][:, None] * D)
        if len(self.late):
            log, d1, d2 = self.law(self.before @ beta, "survival")
            v = w[self.late]
            total -= float(v @ log)
            gradient -= self.before.T @ (v * d1)
            hessian -= self.before.T @ ((v * d2)[:, None] * self.before)
        if not (np.isfinite(total) and np.isfinite(hessian).all()):
            return None
        return total, gradient, hessian

    def scores(self, beta: FloatArray) -> FloatArray:
        """Return the weighted gradient of each row, shape (n, p)."""
        had = self.rows.happened
        _, first, _ = self._rows(beta)
        score = first[:, None] * self.X
        score[had] += self.slope[had] / (self.slope[had] @ beta)[:, None]
        if len(self.late):
            score[self.late] -= self.law(self.before @ beta, "survival")[1][:, None] * self.before
        return np.asarray(self.rows.weight[:, None] * score)

    def _rows(self, beta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Log density or log survival of each row by eta alone, with two derivatives."""
        eta, had = self.X @ beta, self.rows.happened
        density, survival = self.law(eta[had], "density"), self.law(eta[~had], "survival")
        value, first, second = (np.empty(len(eta)) for _ in range(3))
        for into, dead, alive in zip((value, first, second), density, survival, strict=True):
            into[had], into[~had] = dead, alive
        return value, first, second


def lowest_slope(likelihood: SplineLikelihood, beta: FloatArray) -> tuple[float, float]:
    """Return the least slope of the fitted curve in log time over all rows, and the time of it."""
    slopes = likelihood.slope @ beta
    at = int(np.argmin(slopes))
    return float(slopes[at]), float(likelihood.rows.lower[at])


def evaluator(design: SplineDesign, beta: FloatArray, scale: str) -> Evaluator:
    """Return the function that gives log survival and log hazard of any profile at any time."""
    law = LAW_OF[scale]

    def evaluate(profiles: pd.DataFrame, times: FloatArray) -> Evaluated:
        m, T = len(profiles), len(times)
        covariates = [np.repeat(column, T) for column in design.design.encode(profiles)]
        log_time = np.tile(np.log(times), m)
        X, D = design.columns(covariates, log_time)
        eta, rising = X @ beta, D @ beta
        log_survival, s1, _ = law(eta, "survival")
        log_density, f1, _ = law(eta, "density")
        with np.errstate(divide="ignore", invalid="ignore"):
            log_hazard = log_density - log_survival + np.log(rising) - log_time
            hazard_slope = (f1 - s1)[:, None] * X + D / rising[:, None]
        return Evaluated(
            log_survival=log_survival.reshape(m, T),
            log_hazard=log_hazard.reshape(m, T),
            survival_slope=(s1[:, None] * X).reshape(m, T, -1),
            hazard_slope=hazard_slope.reshape(m, T, -1),
        )

    return evaluate
