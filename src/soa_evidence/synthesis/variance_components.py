r"""Normal models with several variances: likelihood, its maximum, and profile limits.

:math:`y \sim N(X\beta, V + \sum_j s_j K_j)` with known V and known :math:`K_j`, and variances
:math:`s_j \ge 0`. ML or REML by Fisher scoring with steps halved until the likelihood rises; a variance that
would turn negative is held at 0 while its score points outwards. From every start; the highest end is kept,
and certified by its score: 0 for a variance above 0, not above 0 for one that is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, stats

from soa_evidence.synthesis.studies import FloatArray

__all__ = ["Components", "Estimated", "maximise", "profile_limits"]

_ROUNDS = 300
_DONE = 1e-14  # gain in log-likelihood that another step promises
CERTIFIED = 1e-9
_FURTHEST = 1e9


@dataclass(frozen=True, eq=False, kw_only=True)
class Components:
    """The model: y (n,), X (n, p), V (n, n), and the K of every variance, each (n, n)."""

    estimate: FloatArray
    matrix: FloatArray
    known: FloatArray
    pieces: tuple[FloatArray, ...]
    restricted: bool

    def marginal(self, s: FloatArray) -> FloatArray:
        """Return V + sum of s_j K_j."""
        total = self.known.copy()
        for value, piece in zip(s, self.pieces, strict=True):
            total += value * piece
        return total

    def log_likelihood(self, s: FloatArray) -> float:
        """Return the log-likelihood at `s`, coefficients at their best, without constants."""
        try:
            root = linalg.cholesky(self.marginal(s), lower=True)
        except linalg.LinAlgError:
            return -np.inf
        x = linalg.solve_triangular(root, self.matrix, lower=True)
        y = linalg.solve_triangular(root, self.estimate, lower=True)
        basis, triangle = np.linalg.qr(x)
        rest = y - basis @ (basis.T @ y)
        value = -np.log(np.diag(root)).sum() - 0.5 * float(rest @ rest)
        if self.restricted:
            value -= np.log(np.abs(np.diag(triangle))).sum()
        return float(value)

    def score(self, s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the slope of the log-likelihood in `s` and the expected information."""
        inverse = np.linalg.inv(self.marginal(s))
        right = inverse @ self.matrix
        projection = inverse - right @ np.linalg.solve(self.matrix.T @ right, right.T)
        away = projection @ self.estimate
        base = projection if self.restricted else inverse
        products = [base @ piece for piece in self.pieces]
        slope = np.array(
            [
                0.5 * (away @ piece @ away - np.trace(product))
                for piece, product in zip(self.pieces, products, strict=True)
            ]
        )
        information = np.array([[0.5 * (a * b.T).sum() for b in products] for a in products])
        return slope, information

    def coefficients(self, s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return generalised least squares coefficients and their covariance."""
        inverse = np.linalg.inv(self.marginal(s))
        covariance = np.linalg.inv(self.matrix.T @ inverse @ self.matrix)
        covariance = (covariance + covariance.T) / 2
        return covariance @ (self.matrix.T @ (inverse @ self.estimate)), covariance


@dataclass(frozen=True, eq=False, kw_only=True)
class Estimated:
    """Variances at the maximum: value (J,), log-likelihood, and what one more step would add."""

    value: FloatArray
    log_likelihood: float
    breach: float

    @property
    def certified(self) -> bool:
        """Whether it is a maximum, as far as numbers can tell."""
        return self.breach <= CERTIFIED


def maximise(model: Components, starts: Sequence[FloatArray], held: int | None = None) -> Estimated:
    """Climb from every start; the variance at position `held` stays where the start has it."""
    free = np.array([j != held for j in range(len(model.pieces))], dtype=bool)
    ends = [_climb(model, np.asarray(start, dtype=float), free) for start in starts]
    best = max(ends, key=lambda end: end[1])
    slope, information = model.score(best[0])
    active = free & ((best[0] > 0) | (slope > 0))
    breach = 0.0
    if active.any():
        part = slope[active]
        breach = float(part @ np.linalg.pinv(information[np.ix_(active, active)]) @ part / 2)
    return Estimated(value=best[0], log_likelihood=best[1], breach=breach)


def profile_limits(
    model: Components, best: Estimated, at: int, *, level: float, step: float
) -> tuple[float, float]:
    """Return where the profile likelihood of one variance falls by the chi-square limit."""
    allowed = 0.5 * float(stats.chi2.ppf(level, 1))
    others = best.value.copy()

    def beyond(value: float) -> float:
        start = others.copy()
        start[at] = value
        again = np.maximum(start, 0.05 * step * (np.arange(len(start)) != at))
        end = maximise(model, [start, again], held=at)
        return best.log_likelihood - end.log_likelihood - allowed

    own = float(best.value[at])
    lower = 0.0
    if own > 0 and beyond(0.0) > 0:
        lower = float(optimize.brentq(beyond, 0.0, own, xtol=1e-12 * own, rtol=1e-10))
    high = own + step
    while beyond(high) < 0:
        high = own + 2 * (high - own)
        if high > _FURTHEST * step:
            return lower, float("inf")
    return lower, float(optimize.brentq(beyond, own, high, xtol=1e-12 * high, rtol=1e-10))


def scaled(model: Components, by: float) -> Components:
    """Return the model of y / by, whose variances are those of y over by squared."""
    return replace(model, estimate=model.estimate / by, known=model.known / by**2)


def _climb(model: Components, start: FloatArray, free: NDArray[np.bool_]) -> tuple[FloatArray, float]:
    at, value = start.copy(), model.log_likelihood(start)
    for _ in range(_ROUNDS):
        slope, information = model.score(at)
        active = free & ((at > 0) | (slope > 0))
        if not active.any():
            break
        inside = information[np.ix_(active, active)]
        step = np.zeros(len(at))
        step[active] = np.linalg.pinv(inside) @ slope[active]
        if slope[active] @ step[active] / 2 < _DONE:
            break
        share, risen = 1.0, False
        while share > 1e-8:
            new = np.where(active, np.maximum(at + share * step, 0.0), at)
            there = model.log_likelihood(new)
            if there > value:
                at, value, risen = new, there, True
                break
            share /= 2
        if not risen:
            break
    return at, value
