"""The likelihood of a frailty model at one variance, and its slope in the log of that variance.

For a given variance theta the coefficients b and log frailties w are at the maximum of

    PPL(b, w) = log partial likelihood(b, w) - penalty(w)
    gamma       penalty = sum of (exp(w) - 1 - w) / theta
    log-normal  penalty = sum of w² / (2 theta)

found by Newton's method with an information that is kept while steps with it shrink fast. The marginal
likelihood follows, with d_i the events of unit i and A the information of the partial likelihood on w:

    gamma       PPL + sum over units of [ d_i + l_i - (d_i + 1/theta) log(1 + d_i theta) ],
                l_i = sum over k < d_i of log(1 + k theta)
    log-normal  PPL - ½ log |I + theta A|        (Laplace's approximation)

Both tend to the partial likelihood without frailty as theta goes to 0. For gamma, the maximum of PPL over w
equals the marginal likelihood but for terms without b, so the inverse information is that of the marginal
likelihood too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival.cancellation import exp_excess, log_excess, summed_logs
from soa_evidence.survival.cox_rows import SortedRows
from soa_evidence.survival.cox_sweep import Sweep, exposures, sweep
from soa_evidence.survival.frailty_algebra import Factor, factorise, subtract_outer

__all__ = ["Distribution", "Penalised", "Point"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Distribution = Literal["gamma", "log_normal"]

MOST_STEPS = 200
GAIN = 1e-18  # share of the likelihood left to gain at which the climb ends: about 1e-7 standard errors
SLOW = 0.02  # share of the last gain still to be had after a step, above which the information is renewed
BLOCK = 400_000  # numbers in a block of event vectors: fits the processor's cache
ALONG = 1e-4  # step along the path of w, in log theta, for the change of the information


@dataclass(frozen=True, eq=False, kw_only=True)
class Point:
    """The maximum at one theta.

    Attributes
    ----------
    theta : float
    x : array of shape (p + q,)
        Coefficients (standardised columns), then log frailties.
    likelihood, slope : float
        Marginal log likelihood, and its derivative in log theta.
    drift : array of shape (p + q,)
        Derivative of x in log theta.
    left : float
        How much likelihood the next step would have gained.
    """

    theta: float
    x: FloatArray
    likelihood: float
    slope: float
    drift: FloatArray
    left: float


@dataclass(eq=False, kw_only=True)
class Penalised:
    """The penalised likelihood of sorted rows; keeps the last information to climb with.

    Parameters
    ----------
    rows
    unit : array of shape (n,)
        Unit of each row, in sorted order.
    deaths : array of shape (q,)
        Events of each unit.
    efron, kind
    """

    rows: SortedRows
    unit: IntArray
    deaths: FloatArray
    efron: bool
    kind: Distribution
    _kept: FloatArray | None = field(default=None, init=False)

    @property
    def p(self) -> int:
        """Number of coefficients."""
        return int(self.rows.Z.shape[1])

    def sweep(self, x: FloatArray) -> Sweep | None:
        """Return the sweep at coefficients and log frailties `x`."""
        return sweep(self.rows, x[: self.p], efron=self.efron, offset=x[self.p :][self.unit])

    def gradient(self, swept: Sweep) -> FloatArray:
        """Return the gradient of the log partial likelihood in x."""
        left = -exposures(self.rows, swept)
        left[self.rows.died] += self.rows.weight[self.rows.died]
        units = np.bincount(self.unit, weights=left, minlength=len(self.deaths))
        return np.concatenate([left @ self.rows.Z, units])

    def information(self, swept: Sweep) -> FloatArray:
        """Return the information of the log partial likelihood on x, shape (p + q, p + q)."""
        from soa_evidence.survival.frailty_kernels import add_exposures, event_vectors

        rows = self.rows
        size = self.p + len(self.deaths)
        found = np.zeros((size, size))
        add_exposures(rows.Z, self.unit, exposures(rows, swept), found)
        joined, before = rows.by_entry()
        at_risk, place = np.zeros(1 + size), np.array([len(rows.stratum) - 1, 0, 0])
        vectors = np.empty((max(BLOCK // size, 16), size))
        while place[0] >= 0:
            filled = event_vectors(
                rows.Z, self.unit, swept.risk, rows.weight, rows.died, rows.start, rows.stratum,
                joined, before, self.efron,
                at_risk, place, found, vectors,
            )  # fmt: skip
            subtract_outer(found, vectors[:filled])
        return found + np.triu(found, 1).T

    def penalty(self, w: FloatArray, theta: float) -> tuple[float, FloatArray, FloatArray]:
        """Return the penalty, its gradient and its curvature in w."""
        if self.kind == "log_normal":
            return float(w @ w) / (2 * theta), w / theta, np.full(len(w), 1 / theta)
        return float(exp_excess(w).sum()) / theta, np.expm1(w) / theta, np.exp(w) / theta

    def at(self, theta: float, x: FloatArray) -> Point:
        """Climb from `x` to the maximum at `theta`.

        Raises
        ------
        InputError
            Where the likelihood cannot be raised to a maximum.
        """
        x, value, factor, left = self._climb(theta, x)
        w = x[self.p :]
        change = np.zeros(len(x))  # minus the derivative of the penalty's gradient in log theta
        change[self.p :] = self.penalty(w, theta)[1]
        if self.kind == "gamma":
            drift = factor.solve(change)
            likelihood, slope = self._gamma(w, theta, value)
        else:
            information = self._renew(x)
            drift = self._factor(information, w, theta).solve(change)
            likelihood, slope = self._log_normal(x, theta, value, information, drift)
        return Point(theta=theta, x=x, likelihood=likelihood, slope=slope, drift=drift, left=left)

    def inverse(self, point: Point) -> FloatArray:
        """Return the inverse of the penalised information at a maximum, shape (p + q, p + q)."""
        factor = self._factor(self._renew(point.x), point.x[self.p :], point.theta)
        return factor.solve(np.eye(len(point.x)))

    def _renew(self, x: FloatArray) -> FloatArray:
        swept = self.sweep(x)
        if swept is None:
            raise InputError("The partial likelihood overflows; rescale the covariates.")
        self._kept = self.information(swept)
        return self._kept

    def _factor(self, information: FloatArray, w: FloatArray, theta: float) -> Factor:
        total = information.copy()
        inside = np.arange(self.p, len(total))
        total[inside, inside] += self.penalty(w, theta)[2]
        factor = factorise(total)
        if factor is None:
            raise InputError(
                f"With a frailty variance of {theta:.3g} the likelihood has no maximum: covariates and units "
                "together separate those with the event from all others. Leave a covariate out or merge "
                "units."
            )
        return factor

    def _climb(self, theta: float, x: FloatArray) -> tuple[FloatArray, float, Factor, float]:
        value, gradient = self._evaluate(theta, x)
        if self._kept is None:
            self._renew(x)
        fresh, last = False, np.inf
        for _ in range(MOST_STEPS):
            factor = self._factor(self._kept, x[self.p :], theta)  # type: ignore[arg-type]
            step = factor.solve(gradient)
            gain = float(gradient @ step) / 2
            if gain <= GAIN * max(1.0, abs(value)):
                return x, value, factor, gain
            if gain > SLOW * last and not fresh:
                self._renew(x)
                fresh, last = True, np.inf
                continue
            length = 1.0
            while True:
                tried, there = self._evaluate(theta, x + length * step)
                if tried >= value - 1e-13 * abs(value):
                    break
                length /= 2
                if length < 1e-8:
                    break
            if length < 1e-8:
                if fresh:
                    return x, value, factor, gain
                self._renew(x)
                fresh, last = True, np.inf
                continue
            x, value, gradient = x + length * step, tried, there
            last, fresh = gain, False
        return x, value, factor, gain

    def _evaluate(self, theta: float, x: FloatArray) -> tuple[float, FloatArray]:
        swept = self.sweep(x)
        if swept is None:
            return -np.inf, np.zeros(len(x))
        penalty, slope, _ = self.penalty(x[self.p :], theta)
        gradient = self.gradient(swept)
        gradient[self.p :] -= slope
        return swept.likelihood - penalty, gradient

    def _gamma(self, w: FloatArray, theta: float, value: float) -> tuple[float, float]:
        d = self.deaths.astype(np.int64)
        logs, ratios = summed_logs(d, theta)
        x = self.deaths * theta
        constant = logs - d * np.log1p(x) - log_excess(x) / theta
        slope = exp_excess(w).sum() / theta + (ratios + log_excess(x) / theta).sum()
        return value + float(constant.sum()), float(slope)

    def _log_normal(
        self, x: FloatArray, theta: float, value: float, information: FloatArray, drift: FloatArray
    ) -> tuple[float, float]:
        p, w = self.p, x[self.p :]
        A = information[p:, p:]
        whole = factorise(np.eye(len(w)) + theta * A)
        ahead, behind = (self.sweep(x + h * drift) for h in (ALONG, -ALONG))
        if ahead is None or behind is None or whole is None:
            raise InputError("The partial likelihood overflows; rescale the covariates.")
        change = (self.information(ahead) - self.information(behind))[p:, p:] / (2 * ALONG)
        trace = float(np.trace(whole.solve(A + change)))
        slope = float(w @ w) / (2 * theta) - 0.5 * theta * trace
        return value - 0.5 * whole.log_determinant, slope
