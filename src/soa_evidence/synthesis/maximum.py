"""The highest point of a smooth log-likelihood, with the evidence that it is one.

From every start quasi-Newton steps, then Newton's own; the best end is kept. It is certified if the slope is
nothing beside the curvature (the next Newton step gains less than `GAIN` in log-likelihood) and the curvature
is negative in every direction. Derivatives are extrapolated central differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from soa_evidence.results import Check
from soa_evidence.synthesis.studies import FloatArray

__all__ = ["Maximum", "gradient", "hessian", "maximise", "maximum_check"]

GAIN = 1e-7
_STEP = 1e-3  # of a parameter's scale; the error of extrapolated differences is its sixth power
_NEWTON = 30
_HUGE = 1e300

Function = Callable[[FloatArray], float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum:
    """Where a log-likelihood is highest.

    Attributes
    ----------
    point : array of shape (n,)
    value : float
    hessian : array of shape (n, n)
    gain : float
        What one more Newton step would add to the log-likelihood; infinite where it is not curved downwards.
    ends : int
        How many of the starts ended at this value.
    starts : int
    """

    point: FloatArray
    value: float
    hessian: FloatArray
    gain: float
    ends: int
    starts: int

    @property
    def certified(self) -> bool:
        """Whether it is a maximum, as far as numbers can tell."""
        return self.gain <= GAIN

    def covariance(self) -> FloatArray:
        """Return the inverse of the observed information."""
        inverse = np.linalg.inv(-self.hessian)
        return np.asarray((inverse + inverse.T) / 2)


def maximise(log_l: Function, starts: Sequence[FloatArray], scale: FloatArray) -> Maximum:
    """Climb from every start; `scale` (n,) says what a sizeable change of each parameter is."""

    def downhill(u: FloatArray) -> float:
        value = log_l(u * scale)
        return -value if np.isfinite(value) else _HUGE

    found = []
    for start in starts:
        done = optimize.minimize(downhill, np.asarray(start) / scale, method="BFGS", options={"gtol": 1e-6})
        found.append(_polish(log_l, np.asarray(done.x * scale), scale))
    best = max(found, key=lambda each: each[1])
    curvature = hessian(log_l, best[0], scale)
    return Maximum(
        point=best[0],
        value=best[1],
        hessian=curvature,
        gain=_gain(gradient(log_l, best[0], scale), curvature),
        ends=sum(abs(each[1] - best[1]) < 1e-5 for each in found),
        starts=len(found),
    )


def gradient(log_l: Function, at: FloatArray, scale: FloatArray) -> FloatArray:
    """Slope, shape (n,)."""
    n = len(at)
    steps = np.diag(scale * _STEP)

    def central(h: float, i: int) -> float:
        return float((log_l(at + h * steps[i]) - log_l(at - h * steps[i])) / (2 * h * steps[i, i]))

    return np.array([(4 * central(1.0, i) - central(2.0, i)) / 3 for i in range(n)])


def hessian(log_l: Function, at: FloatArray, scale: FloatArray) -> FloatArray:
    """Curvature, shape (n, n)."""
    n, steps = len(at), np.diag(scale * _STEP * 10)
    middle = log_l(at)

    def mixed(h: float, i: int, j: int) -> float:
        a, b = h * steps[i], h * steps[j]
        if i == j:
            return float((log_l(at + a) - 2 * middle + log_l(at - a)) / a[i] ** 2)
        corners = log_l(at + a + b) - log_l(at + a - b) - log_l(at - a + b) + log_l(at - a - b)
        return float(corners / (4 * a[i] * b[j]))

    curvature = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            # Errors of order h², h⁴ cancel between steps of h, h/2 and h/4 (Richardson).
            first, second, third = (mixed(h, i, j) for h in (1.0, 0.5, 0.25))
            once, twice = (4 * second - first) / 3, (4 * third - second) / 3
            curvature[i, j] = curvature[j, i] = (16 * twice - once) / 15
    return curvature


def maximum_check(found: Maximum) -> Check:
    """Say whether a maximum is one."""
    return Check(
        name="highest point of the likelihood",
        verdict="pass" if found.certified else "fail",
        observed=f"one more Newton step would add {found.gain:.1e}; {found.ends} of {found.starts} starts "
        f"end here",
        expected=f"at most {GAIN:.0e}, curved downwards",
        why="a search that stopped elsewhere gives the search's answer, not that of the data",
    )


def _polish(log_l: Function, at: FloatArray, scale: FloatArray) -> tuple[FloatArray, float]:
    value = log_l(at)
    for _ in range(_NEWTON):
        slope, curvature = gradient(log_l, at, scale), hessian(log_l, at, scale)
        if not np.isfinite(curvature).all() or _gain(slope, curvature) <= 1e-13:
            break
        if not _downward(curvature, scale):
            break
        step = -np.linalg.solve(curvature, slope)
        for share in (1.0, 0.5, 0.1):
            new = log_l(at + share * step)
            if new > value:
                at, value = at + share * step, new
                break
        else:
            break
    return at, float(value)


def _downward(curvature: FloatArray, scale: FloatArray) -> bool:
    return bool(np.linalg.eigvalsh(-curvature * np.outer(scale, scale)).min() > 0)


def _gain(slope: FloatArray, curvature: FloatArray) -> float:
    try:
        root = np.linalg.cholesky(-curvature)
    except np.linalg.LinAlgError:
        return float("inf")
    half = np.linalg.solve(root, slope)
    return float(half @ half / 2)
