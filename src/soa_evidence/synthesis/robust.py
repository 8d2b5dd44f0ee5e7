r"""Cluster-robust standard errors: right even where the model's covariance is not.

For a fitted regression or multilevel model with covariance :math:`\Phi` of the results, W its inverse, and
residuals e in clusters g,

:math:`V = M \left(\sum_g X_g' W_g A_g e_g e_g' A_g W_g X_g\right) M`, :math:`M = (X'WX)^{-1}`

- CR0: A = 1; CR1: times J/(J - 1); CR1p: times J/(J - p), for J clusters and p coefficients
- CR2: :math:`A_g = D_g'(D_g B_g D_g')^{-1/2} D_g`, with :math:`B_g = \Phi_g - X_g M X_g'` and D the Cholesky
  root of
  :math:`\Phi_g`: unbiased if the model is right

Degrees of freedom are Satterthwaite's, for every coefficient its own: with few or unequal clusters far fewer
than J - p.

When not to use it: with degrees of freedom below 4 (a check): even CR2 is then unreliable; for a moderator
that hardly varies between clusters.

Sources: Bell & McCaffrey 2002; Tipton 2015, Psychol Methods 20:375; Pustejovsky & Tipton 2018, J Bus Econ
Stat 36:672.

Checked against: clubSandwich 0.5.8 (tests/reference/synthesis_models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis.multilevel import MultilevelResult
from soa_evidence.synthesis.regression import RegressionResult
from soa_evidence.synthesis.studies import FloatArray, require_choice, require_columns, require_level

__all__ = ["RobustResult", "fit"]

METHOD = "synthesis.robust"
CORRECTIONS = ("CR0", "CR1", "CR1p", "CR2")
FEW_DOF = 4  # Tipton 2015
_NOTHING = 1e-10  # an eigenvalue of B below this share of the largest is 0: the cluster is fitted exactly


@dataclass(frozen=True, eq=False, kw_only=True)
class RobustResult:
    """Coefficients with cluster-robust errors.

    Attributes
    ----------
    coefficients : tuple of Estimates
        One a coefficient, each with its own degrees of freedom.
    table : DataFrame
        term, estimate, std_error, std_error_of_model, dof, statistic, p_value, lower, upper, level.
    covariance : array of shape (p, p)
    clusters : int
    correction : str
    checks : tuple of Check
    """

    coefficients: tuple[Estimates, ...]
    table: pd.DataFrame
    covariance: FloatArray
    clusters: int
    correction: str
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        parts = [self.table, checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    fitted: RegressionResult | MultilevelResult,
    cluster: str,
    label: str = "label",
    correction: str = "CR2",
    level: float = 0.95,
) -> RobustResult:
    """Give the coefficients of a fitted model errors that hold within any covariance inside clusters.

    Parameters
    ----------
    frame
        The frame that was fitted, one row a result.
    fitted
        Result of `regression.fit` or `multilevel.fit`.
    cluster
        Column of clusters, e.g. the registry; a multilevel model's outermost level, or one that holds it.

    Raises
    ------
    InputError
        On rows that are not those of the fit, a missing cluster, no more clusters than coefficients, or
        results of two clusters that the model takes as dependent.
    """
    require_choice(correction, CORRECTIONS, "correction")
    require_level(level)
    require_columns(frame, [cluster, label])
    rows = fitted.results if isinstance(fitted, MultilevelResult) else fitted.studies
    if list(rows["label"]) != [str(name) for name in frame[label]]:
        raise InputError(
            f"Column '{label}' of the frame does not name the rows that were fitted, in their order; pass "
            f"the "
            "frame that was given to fit()."
        )
    if frame[cluster].isna().any():
        at = int(np.argmax(frame[cluster].isna().to_numpy()))
        raise InputError(
            f"Column '{cluster}', row {at} ({rows['label'].iloc[at]}): missing; every result needs its "
            f"cluster."
        )
    found, names = pd.factorize(frame[cluster].astype(str))
    codes = np.asarray(found, dtype=np.int64)
    x, b = fitted.design.matrix, fitted.coefficients.mean
    coefficients = np.asarray(b)
    p, clusters = x.shape[1], len(names)
    if clusters <= p:
        raise InputError(f"There are {clusters} clusters for {p} coefficients; expected at least {p + 1}.")
    marginal = _marginal(fitted)
    _require_apart(marginal, codes, cluster)
    y = rows["estimate"].to_numpy()
    covariance, dof = _sandwich(x, y - x @ coefficients, marginal, codes, correction)
    error = np.sqrt(np.diag(covariance))
    checks = _checks(clusters, dof, fitted.design.terms)
    statistic = coefficients / error
    reach = stats.t.ppf(1 - (1 - level) / 2, dof) * error
    table = pd.DataFrame(
        {
            "term": fitted.design.terms,
            "estimate": coefficients,
            "std_error": error,
            "std_error_of_model": np.sqrt(np.diag(np.asarray(fitted.coefficients.covariance))),
            "dof": dof,
            "statistic": statistic,
            "p_value": 2 * stats.t.sf(np.abs(statistic), dof),
            "lower": coefficients - reach,
            "upper": coefficients + reach,
            "level": level,
        }
    )
    carriers = tuple(
        Estimates(
            estimand=fitted.coefficients.estimand,
            labels=(term,),
            unit=fitted.coefficients.unit,
            method=f"{METHOD} ({correction}, {clusters} clusters)",
            mean=coefficients[[j]],
            covariance=covariance[j : j + 1, j : j + 1],
            dof=float(dof[j]),
            interval="confidence",
            checks=checks,
        )
        for j, term in enumerate(fitted.design.terms)
    )
    return RobustResult(
        coefficients=carriers,
        table=table,
        covariance=covariance,
        clusters=clusters,
        correction=correction,
        checks=checks,
    )


def _marginal(fitted: RegressionResult | MultilevelResult) -> FloatArray:
    if isinstance(fitted, MultilevelResult):
        return fitted.marginal
    return np.diag(fitted.studies["std_error"].to_numpy() ** 2 + fitted.line.tau2)


def _require_apart(marginal: FloatArray, codes: NDArray[np.int64], cluster: str) -> None:
    across = (codes[:, None] != codes[None, :]) & (marginal != 0)
    if across.any():
        i, j = np.argwhere(across)[0]
        raise InputError(
            f"The model takes rows {i} and {j} as dependent, but column '{cluster}' puts them in different "
            "clusters; cluster by the model's outermost level, or by one that holds it."
        )


def _sandwich(
    x: FloatArray, e: FloatArray, marginal: FloatArray, codes: NDArray[np.int64], correction: str
) -> tuple[FloatArray, FloatArray]:
    n, p = x.shape
    # An orthonormal basis keeps digits; the answer is turned back at the end.
    basis, triangle = np.linalg.qr(x)
    groups = [np.flatnonzero(codes == g) for g in range(int(codes.max()) + 1)]
    bread = np.linalg.inv(basis.T @ np.linalg.solve(marginal, basis))
    back = np.linalg.inv(triangle)
    meat = np.zeros((p, p))
    vectors = np.zeros((p, len(groups), n))
    for g, at in enumerate(groups):
        own, part = marginal[np.ix_(at, at)], basis[at]
        adjust = _adjustment(own, part, bread) if correction == "CR2" else np.eye(len(at))
        pull = adjust.T @ np.linalg.solve(own, part) @ bread @ back.T  # (n_g, p): what e_g adds to each
        score = pull.T @ e[at]
        meat += np.outer(score, score)
        vectors[:, g, at] = pull.T
    clusters = len(groups)
    factor = {"CR1": clusters / (clusters - 1), "CR1p": clusters / (clusters - p)}.get(correction, 1.0)
    residual = marginal - basis @ bread @ basis.T
    dof = np.empty(p)
    for j in range(p):
        pairs = vectors[j] @ residual @ vectors[j].T
        dof[j] = np.trace(pairs) ** 2 / (pairs**2).sum()
    return factor * (meat + meat.T) / 2, dof


def _adjustment(own: FloatArray, part: FloatArray, bread: FloatArray) -> FloatArray:
    """CR2's A, symmetric, by the pseudo-inverse root where a cluster is fitted exactly."""
    root = np.linalg.cholesky(own).T
    inner = root @ (own - part @ bread @ part.T) @ root.T
    values, vectors = np.linalg.eigh((inner + inner.T) / 2)
    keep = values > _NOTHING * max(values.max(), 1e-300)
    inverse = np.where(keep, 1 / np.sqrt(np.where(keep, values, 1.0)), 0.0)
    return np.asarray(root.T @ (vectors * inverse) @ vectors.T @ root)


def _checks(clusters: int, dof: FloatArray, terms: tuple[str, ...]) -> tuple[Check, ...]:
    at = int(np.argmin(dof))
    return (
        Check(
            name="Satterthwaite degrees of freedom, fewest",
            verdict="pass" if dof[at] >= FEW_DOF else "warn",
            observed=f"{dof[at]:.1f} ({terms[at]}; {clusters} clusters)",
            expected=f"at least {FEW_DOF}",
            why="with fewer the interval may hold the truth less often than it says, corrected or not",
        ),
    )
