r"""Variance left between studies once moderators are allowed for, by the estimators of `heterogeneity`.

Model: :math:`y_i \sim N(x_i'\beta, v_i + \tau^2)`. With :math:`w_i = 1/(v_i + \tau^2)`, p coefficients,
residuals r and :math:`Q_E(\tau^2) = \sum w_i r_i^2`, the estimators are those of the model without
moderators with k - 1 replaced by k - p and sums of weights by traces (Raudenbush 2009; Viechtbauer,
López-López, Sánchez-Meca & Marín-Martínez 2015, Psychol Methods 20:360).

The estimates and their variances are fixed, the designs are a stack: a permutation test refits thousands of
them in one sweep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.synthesis.studies import FloatArray

__all__ = ["ESTIMATORS", "Designs", "Fitted", "estimate", "log_likelihood", "solve_q"]

BoolArray = NDArray[np.bool_]
_ITERATIONS = 2000
_UNDAMPED = 200
_TOLERANCE = 1e-14
_GRID = 24


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """Weighted least squares of M designs: all arrays have M rows."""

    weights: FloatArray
    coefficients: FloatArray
    residuals: FloatArray
    information: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Designs:
    """K estimates with their variances, and M designs of p columns for them, shape (M, K, p)."""

    estimate: FloatArray
    variance: FloatArray
    matrix: FloatArray

    @property
    def dof(self) -> int:
        """Studies less coefficients."""
        return int(self.matrix.shape[1] - self.matrix.shape[2])

    def take(self, rows: NDArray[np.int64]) -> Designs:
        """Return the same for some of the designs."""
        return Designs(estimate=self.estimate, variance=self.variance, matrix=self.matrix[rows])

    def fit(self, tau2: FloatArray) -> Fitted:
        """Fit every design given the variance between studies `tau2` (M,)."""
        return self.fit_weights(1 / (self.variance + tau2[:, None]))

    def fit_weights(self, w: FloatArray) -> Fitted:
        """Fit every design with the weights `w` (M, K)."""
        information = self.weighted(w)
        right = np.einsum("mkp,mk,k->mp", self.matrix, w, self.estimate)
        coefficients = np.linalg.solve(information, right[..., None])[..., 0]
        residuals = self.estimate - np.einsum("mkp,mp->mk", self.matrix, coefficients)
        return Fitted(weights=w, coefficients=coefficients, residuals=residuals, information=information)

    def weighted(self, w: FloatArray) -> FloatArray:
        """Return X'WX of every design, shape (M, p, p)."""
        return np.asarray(np.einsum("mkp,mk,mkq->mpq", self.matrix, w, self.matrix))


def estimate(designs: Designs, method: str) -> tuple[FloatArray, BoolArray]:
    """Estimate tau2 (M,), at least 0, by one of `ESTIMATORS`; and say whether each search ended."""
    value, converged = ESTIMATORS[method](designs)
    return np.maximum(value, 0.0), converged


def log_likelihood(designs: Designs, tau2: FloatArray, *, restricted: bool) -> FloatArray:
    """Log-likelihood of each design at `tau2` (M,), coefficients at their best, without constants."""
    fitted = designs.fit(tau2)
    value = 0.5 * np.log(fitted.weights).sum(axis=1) - 0.5 * _squares(fitted)
    if restricted:
        value = value - 0.5 * np.linalg.slogdet(fitted.information)[1]
    return np.asarray(value)


def solve_q(designs: Designs, target: float) -> tuple[FloatArray, BoolArray]:
    """Solve Q_E(tau2) = `target`; 0 where Q_E(0) is already below it. Newton's steps cannot overshoot."""

    def step(part: Designs, tau2: FloatArray) -> FloatArray:
        fitted = part.fit(tau2)
        slope = (fitted.weights**2 * fitted.residuals**2).sum(axis=1)
        gap = _squares(fitted) - target
        return np.where(gap > 0, gap / np.where(slope > 0, slope, 1.0), 0.0)

    return _iterate(designs, _zeros(designs), step)


def _iterate(
    designs: Designs, start: FloatArray, step: Callable[[Designs, FloatArray], FloatArray]
) -> tuple[FloatArray, BoolArray]:
    value, scale = start.copy(), float(1 / np.mean(1 / designs.variance))
    rows, part = np.arange(len(value)), designs
    for iteration in range(_ITERATIONS):
        old = value[rows]
        new = np.maximum(old + step(part, old) * (1.0 if iteration < _UNDAMPED else 0.5), 0.0)
        value[rows] = new
        going = np.abs(new - old) > _TOLERANCE * (scale + new)
        if not going.all():
            rows = rows[going]
            if rows.size == 0:
                break
            part = designs.take(rows)
    converged = np.ones(len(value), dtype=bool)
    converged[rows] = rows.size == 0
    return value, converged


def _zeros(designs: Designs) -> FloatArray:
    return np.zeros(len(designs.matrix))


def _closed(value: FloatArray) -> tuple[FloatArray, BoolArray]:
    return value, np.ones(len(value), dtype=bool)


def _squares(fitted: Fitted) -> FloatArray:
    return np.asarray((fitted.weights * fitted.residuals**2).sum(axis=1))


def _inside(designs: Designs, fitted: Fitted, w: FloatArray) -> FloatArray:
    """(X'WX)^-1 X'wX of every design, for other weights `w`."""
    return np.linalg.solve(fitted.information, designs.weighted(w))


def _trace(matrices: FloatArray) -> FloatArray:
    return np.asarray(np.trace(matrices, axis1=1, axis2=2))


def _trace_p(designs: Designs, fitted: Fitted) -> FloatArray:
    """Trace of P = W - WX(X'WX)^-1X'W."""
    w = fitted.weights
    return np.asarray(w.sum(axis=1) - _trace(_inside(designs, fitted, w**2)))


def _dersimonian_laird(designs: Designs) -> tuple[FloatArray, BoolArray]:
    fitted = designs.fit(_zeros(designs))
    return _closed((_squares(fitted) - designs.dof) / _trace_p(designs, fitted))


def _dersimonian_laird_repeated(designs: Designs) -> tuple[FloatArray, BoolArray]:
    def step(part: Designs, tau2: FloatArray) -> FloatArray:
        fitted = part.fit(tau2)
        return np.asarray((_squares(fitted) - part.dof) / _trace_p(part, fitted) - tau2)

    return _iterate(designs, _zeros(designs), step)


def _hedges(designs: Designs) -> tuple[FloatArray, BoolArray]:
    w = np.ones(designs.matrix.shape[:2])
    fitted = designs.fit_weights(w)
    variance = np.broadcast_to(designs.variance, w.shape)
    expected = variance.sum(axis=1) - _trace(_inside(designs, fitted, variance))
    return _closed((_squares(fitted) - expected) / designs.dof)


def _hunter_schmidt(designs: Designs) -> tuple[FloatArray, BoolArray]:
    fitted = designs.fit(_zeros(designs))
    return _closed((_squares(fitted) - len(designs.variance)) / fitted.weights.sum(axis=1))


def _hunter_schmidt_k(designs: Designs) -> tuple[FloatArray, BoolArray]:
    fitted, k = designs.fit(_zeros(designs)), len(designs.variance)
    return _closed((k / designs.dof * _squares(fitted) - k) / fitted.weights.sum(axis=1))


def _sidik_jonkman(designs: Designs) -> tuple[FloatArray, BoolArray]:
    crude = np.full(len(designs.matrix), np.var(designs.estimate))
    return _closed(crude * _squares(designs.fit(crude)) / designs.dof)


def _paule_mandel(designs: Designs) -> tuple[FloatArray, BoolArray]:
    return solve_q(designs, designs.dof)


def _paule_mandel_median(designs: Designs) -> tuple[FloatArray, BoolArray]:
    return solve_q(designs, float(stats.chi2.median(designs.dof)))


def _ml_step(part: Designs, tau2: FloatArray) -> FloatArray:
    fitted = part.fit(tau2)
    w = fitted.weights
    score = (w**2 * fitted.residuals**2).sum(axis=1) - w.sum(axis=1)
    return np.asarray(score / (w**2).sum(axis=1))


def _reml_step(part: Designs, tau2: FloatArray) -> FloatArray:
    fitted = part.fit(tau2)
    w = fitted.weights
    second, third = _inside(part, fitted, w**2), _inside(part, fitted, w**3)
    score = (w**2 * fitted.residuals**2).sum(axis=1) - (w.sum(axis=1) - _trace(second))
    information = (w**2).sum(axis=1) - 2 * _trace(third) + _trace(second @ second)
    return np.asarray(score / information)


def _likelihood(designs: Designs, *, restricted: bool) -> tuple[FloatArray, BoolArray]:
    """Fisher scoring from the Hedges estimate; then a grid, since there can be two peaks."""
    step = _reml_step if restricted else _ml_step
    value, converged = _iterate(designs, np.maximum(_hedges(designs)[0], 0.0), step)
    best_at = _zeros(designs)
    best = log_likelihood(designs, best_at, restricted=restricted)
    low = 1e-3 / np.mean(1 / designs.variance)
    high = 2 * np.var(designs.estimate, ddof=1) + 10 * low
    for at in np.geomspace(low, high, _GRID):
        here = log_likelihood(designs, np.full(len(best), at), restricted=restricted)
        best_at, best = np.where(here > best, at, best_at), np.maximum(here, best)
    reached = log_likelihood(designs, value, restricted=restricted)
    other = np.flatnonzero(best > reached + 1e-9)
    if other.size:
        again, done = _iterate(designs.take(other), best_at[other], step)
        better = log_likelihood(designs.take(other), again, restricted=restricted) > reached[other]
        value[other[better]], converged[other[better]] = again[better], done[better]
    return value, converged


def _ml(designs: Designs) -> tuple[FloatArray, BoolArray]:
    return _likelihood(designs, restricted=False)


def _reml(designs: Designs) -> tuple[FloatArray, BoolArray]:
    return _likelihood(designs, restricted=True)


#: As in `heterogeneity`, without GENQ.
ESTIMATORS: dict[str, Callable[[Designs], tuple[FloatArray, BoolArray]]] = {
    "DL": _dersimonian_laird,
    "DLIT": _dersimonian_laird_repeated,
    "HE": _hedges,
    "HS": _hunter_schmidt,
    "HSk": _hunter_schmidt_k,
    "SJ": _sidik_jonkman,
    "ML": _ml,
    "REML": _reml,
    "EB": _paule_mandel,
    "PM": _paule_mandel,
    "PMM": _paule_mandel_median,
}
