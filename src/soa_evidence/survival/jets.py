"""Values with their first and second derivatives: what a likelihood needs of a distribution.

A distribution gives the log density and the log survival of each row as functions of its linear predictors
eta_1, …, eta_k; from these two follow the logarithms of what a censored row is known by:

    left     F(u)        = 1 - S(u)
    interval S(l) - S(u)
    delayed entry at e   divides by S(e)

Checked against: numerical derivatives in tests/unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Jet", "log_between", "log_failed"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Jet:
    """A value for each of n rows, with its derivatives by k linear predictors.

    Attributes
    ----------
    value : array of shape (n,)
    gradient : array of shape (k, n)
    hessian : array of shape (k, k, n)
    """

    value: FloatArray
    gradient: FloatArray
    hessian: FloatArray

    def minus(self, other: Jet) -> Jet:
        """Return the difference, row by row."""
        return Jet(
            value=self.value - other.value,
            gradient=self.gradient - other.gradient,
            hessian=self.hessian - other.hessian,
        )


def log_failed(log_survival: Jet) -> Jet:
    """Return log(1 - S) from log S: what a left-censored row is known by."""
    return _log_one_less(log_survival)


def log_between(log_survival_lower: Jet, log_survival_upper: Jet) -> Jet:
    """Return log(S(l) - S(u)): what an interval-censored row is known by."""
    rest = _log_one_less(log_survival_upper.minus(log_survival_lower))
    return Jet(
        value=log_survival_lower.value + rest.value,
        gradient=log_survival_lower.gradient + rest.gradient,
        hessian=log_survival_lower.hessian + rest.hessian,
    )


def _log_one_less(s: Jet) -> Jet:
    """Return log(1 - exp(s)) for s < 0; by s it changes by -r and -r(1 + r), r = 1 / (exp(-s) - 1)."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        # Two forms, each exact where the other loses digits (Mächler, 2012).
        value = np.where(s.value > -np.log(2), np.log(-np.expm1(s.value)), np.log1p(-np.exp(s.value)))
        r = 1 / np.expm1(-s.value)
        outer = s.gradient[:, None, :] * s.gradient[None, :, :]
        hessian = -r * s.hessian - r * (1 + r) * outer
        return Jet(value=value, gradient=-r * s.gradient, hessian=hessian)
