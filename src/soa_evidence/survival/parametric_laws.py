"""The distributions of `parametric`: parameters, hazards, and the derivatives of their logarithms.

    exponential       h(t) = rate
    gompertz          h(t) = rate exp(shape t)
    weibull           h(t) = (shape / scale) (t / scale)^(shape - 1)
    log-logistic      h(t) = (shape / scale) (t / scale)^(shape - 1) / (1 + (t / scale)^shape)
    log-normal        log t is normal with mean `meanlog` and standard deviation `sdlog`
    generalised gamma log t = mu + sigma W, W of the generalised gamma law with shape Q

Four of them have log t of one law: z = (log t - location) / spread, log S(t) = log S0(z) and
log f(t) = log f0(z) - log spread - log t. Parameters are named as in R's flexsurv.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.generalised_gamma_law import ShapedLaw, log_density, log_survival
from soa_evidence.survival.jets import Jet
from soa_evidence.survival.standard_laws import Law, Triple, Want, extreme_value, logistic, normal

__all__ = ["DISTRIBUTIONS", "Distribution", "Parameter"]

FloatArray = NDArray[np.float64]
#: Log survival, or log density, at times (n,) for linear predictors (k, n).
Jets = Callable[[FloatArray, FloatArray, Want], Jet]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a distribution.

    Attributes
    ----------
    name : str
    link
        ``"log"``: covariates act on its logarithm; ``"identity"``: on itself.
    meaning : str
    shift : int
        When every time is multiplied by c, the linear predictor moves by this many log c.
    per_time : bool
        When every time is multiplied by c, the parameter is divided by c.
    """

    name: str
    link: Literal["log", "identity"]
    meaning: str
    shift: int = 0
    per_time: bool = False


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A distribution of times.

    Attributes
    ----------
    name : str
    parameters : tuple of Parameter
    location : str
        The parameter that `covariates` act on.
    effect : str
        What exp(coefficient) of a covariate on the location is: a hazard ratio or a ratio of times.
    jets
        Log survival, or log density, with derivatives by the linear predictors.
    needs_positive : bool
        Whether the law is one of log time, so that an event at time 0 is impossible.
    starts : tuple of tuples
        Where the search starts, with time in units that make the overall rate of events 1; each is tried and
        the best maximum kept.
    """

    name: str
    parameters: tuple[Parameter, ...]
    location: str
    effect: str
    jets: Jets
    needs_positive: bool
    starts: tuple[tuple[float, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)


def _exponential(t: FloatArray, eta: FloatArray, want: Want) -> Jet:
    with np.errstate(over="ignore"):
        hazard = t * np.exp(eta[0])
    if want == "survival":
        return Jet(value=-hazard, gradient=-hazard[None], hessian=-hazard[None, None])
    return Jet(value=eta[0] - hazard, gradient=1 - hazard[None], hessian=-hazard[None, None])


def _gompertz(t: FloatArray, eta: FloatArray, want: Want) -> Jet:
    """H = rate t E(shape t) with E(x) = (e^x - 1) / x, smooth through shape 0."""
    shape, log_rate = eta
    with np.errstate(over="ignore", invalid="ignore"):
        e0, e1, e2 = _gompertz_parts(shape * t)
        scale = t * np.exp(log_rate)
        H, slope, bend = scale * e0, scale * t * e1, scale * t * t * e2
        gradient = np.array([-slope, -H])
        hessian = np.array([[-bend, -slope], [-slope, -H]])
        if want == "survival":
            return Jet(value=-H, gradient=gradient, hessian=hessian)
        more = np.array([t, np.ones_like(t)])
        return Jet(value=log_rate + shape * t - H, gradient=more + gradient, hessian=hessian)


def _gompertz_parts(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (e^x - 1) / x and its two derivatives."""
    near = np.clip(x, -1.0, 1.0)
    e0, e1, e2 = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    factorial, power = 1.0, [np.zeros_like(x), np.zeros_like(x), np.ones_like(x)]
    for k in range(22):
        factorial *= k + 1
        e0 += power[2] / factorial
        e1 += k * power[1] / factorial
        e2 += k * (k - 1) * power[0] / factorial
        power = [power[1], power[2], power[2] * near]
    far = np.abs(x) > 1
    if far.any():
        y = x[far]
        e, one_less = np.exp(y), np.expm1(y)
        e0[far] = one_less / y
        e1[far] = e / y - one_less / y**2
        e2[far] = e / y - 2 * e / y**2 + 2 * one_less / y**3
    return e0, e1, e2


def _on_log_time(law: Law, *, location: int, spread: int, sign: float) -> Jets:
    """Return the jets of a law of log time; the `spread` predictor is that of sign × log(1 / spread)."""

    def jets(t: FloatArray, eta: FloatArray, want: Want) -> Jet:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            log_t, a = np.log(t), sign * eta[spread]
            e = np.exp(a)
            z = e * (log_t - eta[location])
            jet = _chain(law(z, want), z, e, location, spread, sign)
            return jet if want == "survival" else _with_jacobian(jet, a, log_t, spread, sign)

    return jets


def _chain(law: Triple, z: FloatArray, e: FloatArray, location: int, spread: int, sign: float) -> Jet:
    value, d1, d2 = law
    gradient, hessian = np.empty((2, len(z))), np.empty((2, 2, len(z)))
    gradient[location], gradient[spread] = -e * d1, sign * z * d1
    hessian[location, location] = e * e * d2
    hessian[location, spread] = hessian[spread, location] = -sign * e * (z * d2 + d1)
    hessian[spread, spread] = z * z * d2 + z * d1
    return Jet(value=value, gradient=gradient, hessian=hessian)


def _with_jacobian(jet: Jet, a: FloatArray, log_t: FloatArray, spread: int, sign: float) -> Jet:
    gradient = jet.gradient.copy()
    gradient[spread] += sign
    return Jet(value=jet.value + a - log_t, gradient=gradient, hessian=jet.hessian)


def _generalised_gamma(t: FloatArray, eta: FloatArray, want: Want) -> Jet:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        log_t, a = np.log(t), -eta[1]
        e = np.exp(a)
        z = e * (log_t - eta[0])
        if want == "survival":
            return _chain_shaped(log_survival(z, eta[2]), z, e)
        return _with_jacobian(_chain_shaped(log_density(z, eta[2]), z, e), a, log_t, 1, -1.0)


def _chain_shaped(law: ShapedLaw, z: FloatArray, e: FloatArray) -> Jet:
    two = _chain((law.value, law.z, law.zz), z, e, 0, 1, -1.0)
    gradient, hessian = np.empty((3, len(z))), np.empty((3, 3, len(z)))
    gradient[:2], gradient[2] = two.gradient, law.q
    hessian[:2, :2], hessian[2, 2] = two.hessian, law.qq
    hessian[0, 2] = hessian[2, 0] = -e * law.zq
    hessian[1, 2] = hessian[2, 1] = -z * law.zq
    return Jet(value=law.value, gradient=gradient, hessian=hessian)


_SHAPE = Parameter(name="shape", link="log", meaning="above 1 the hazard rises with time, below 1 it falls")
HAZARD, TIMES = "hazard ratio", "time ratio"

DISTRIBUTIONS: dict[str, Distribution] = {
    d.name: d
    for d in (
        Distribution(
            name="exponential",
            parameters=(
                Parameter(
                    name="rate",
                    link="log",
                    meaning="events per unit of time, the same at all times",
                    shift=-1,
                ),
            ),
            location="rate",
            effect=HAZARD,
            jets=_exponential,
            needs_positive=False,
            starts=((0.0,),),
        ),
        Distribution(
            name="weibull",
            parameters=(
                _SHAPE,
                Parameter(
                    name="scale",
                    link="log",
                    meaning="time by which 63 % have had the event",
                    shift=1,
                ),
            ),
            location="scale",
            effect=TIMES,
            jets=_on_log_time(extreme_value, location=1, spread=0, sign=1.0),
            needs_positive=True,
            starts=((0.0, 0.0),),
        ),
        Distribution(
            name="gompertz",
            parameters=(
                Parameter(
                    name="shape",
                    link="identity",
                    meaning="rise of the log hazard per unit of time; below 0 some never have the event",
                    per_time=True,
                ),
                Parameter(
                    name="rate",
                    link="log",
                    meaning="events per unit of time at time 0",
                    shift=-1,
                ),
            ),
            location="rate",
            effect=HAZARD,
            jets=_gompertz,
            needs_positive=False,
            starts=((0.0, 0.0),),
        ),
        Distribution(
            name="log-normal",
            parameters=(
                Parameter(name="meanlog", link="identity", meaning="log of the median time", shift=1),
                Parameter(name="sdlog", link="log", meaning="standard deviation of log time"),
            ),
            location="meanlog",
            effect=TIMES,
            jets=_on_log_time(normal, location=0, spread=1, sign=-1.0),
            needs_positive=True,
            starts=((0.0, 0.2),),
        ),
        Distribution(
            name="log-logistic",
            parameters=(
                Parameter(
                    name="shape",
                    link="log",
                    meaning="above 1 the hazard rises and then falls, otherwise it falls throughout",
                ),
                Parameter(name="scale", link="log", meaning="median time", shift=1),
            ),
            location="scale",
            effect=TIMES,
            jets=_on_log_time(logistic, location=1, spread=0, sign=1.0),
            needs_positive=True,
            starts=((0.2, -0.3),),
        ),
        Distribution(
            name="generalised gamma",
            parameters=(
                Parameter(name="mu", link="identity", meaning="location of log time", shift=1),
                Parameter(name="sigma", link="log", meaning="spread of log time"),
                Parameter(
                    name="Q",
                    link="identity",
                    meaning="shape: 0 is the log-normal, 1 the Weibull, sigma the gamma",
                ),
            ),
            location="mu",
            effect=TIMES,
            jets=_generalised_gamma,
            needs_positive=True,
            starts=((0.0, 0.0, 1.0), (0.0, 0.2, 0.2), (0.0, 0.5, -0.5)),
        ),
    )
}
