"""Standard laws on the whole line: log survival and log density of z, with two derivatives.

    extreme value   S(z) = exp(-exp(z))        log time of the Weibull; log cumulative hazard
    logistic        S(z) = 1 / (1 + exp(z))    log time of the log-logistic; log cumulative odds
    normal          S(z) = Phi(-z)             log time of the log-normal; minus the probit of survival

They serve twice: as laws of log time in `parametric`, and as links of the spline in `royston_parmar`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAWS", "Law", "Triple", "Want", "extreme_value", "logistic", "normal"]

FloatArray = NDArray[np.float64]
#: A function's value, first and second derivative, each of the shape of z.
Triple = tuple[FloatArray, FloatArray, FloatArray]
Want = Literal["survival", "density"]
Law = Callable[[FloatArray, Want], Triple]


def extreme_value(z: FloatArray, want: Want) -> Triple:
    """Return log survival or log density of the least-extreme-value law."""
    with np.errstate(over="ignore"):
        e = np.exp(z)
    return (-e, -e, -e) if want == "survival" else (z - e, 1 - e, -e)


def logistic(z: FloatArray, want: Want) -> Triple:
    """Return log survival or log density of the logistic law."""
    from scipy.special import expit

    failed = expit(z)
    slope = failed * expit(-z)
    log_survival = -np.logaddexp(0.0, z)
    if want == "survival":
        return log_survival, -failed, -slope
    return z + 2 * log_survival, 1 - 2 * failed, -2 * slope


def normal(z: FloatArray, want: Want) -> Triple:
    """Return log survival or log density of the normal law."""
    from scipy.special import log_ndtr

    log_density = -0.5 * (z * z + np.log(2 * np.pi))
    if want == "density":
        return log_density, -z, np.full_like(z, -1.0)
    log_survival = log_ndtr(-z)
    with np.errstate(invalid="ignore"):
        mills = np.exp(log_density - log_survival)
    return log_survival, -mills, -mills * (mills - z)


LAWS: dict[str, Law] = {"extreme value": extreme_value, "logistic": logistic, "normal": normal}
