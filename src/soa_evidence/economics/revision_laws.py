r"""How the risk of revision enters a decision model: cumulative hazards at the ends of its cycles.

`Weibull`:  :math:`H(t) = \lambda t^{\gamma}`, :math:`\log\lambda = \sum_j x_j \beta_j`, :math:`\log\gamma` a
parameter of its own; the probability of revision in a cycle is :math:`1 - \exp\{H(t) - H(t + 1)\}`.

`Points`: :math:`\log H` known at some times, straight in log time between them. Beyond the last, either the
line goes on (``beyond="same shape"``: with two points, a Weibull curve), or the hazard of the last stretch
stays (``beyond="constant hazard"``).

The hazard is that of revision among the living whose joint has not been revised; death is no part of it.

When not to use it: `Points` on a cumulative incidence, in which deaths are counted already.

Checked against: the printed Weibull model of Briggs and colleagues; closed forms in tests/unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest

__all__ = ["Points", "RevisionLaw", "Weibull", "require_names"]

FloatArray = NDArray[np.float64]
Beyond = Literal["same shape", "constant hazard"]
_FALLING = 0.01  # share of draws that may fall and be levelled before it is an error


class RevisionLaw(Protocol):
    """What a model asks of a law of revision."""

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters it needs."""

    def cumulative(self, values: Mapping[str, FloatArray], times: FloatArray) -> FloatArray:
        """Return cumulative hazards, shape (draws, times)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Weibull:
    """A Weibull model with proportional hazards, by its regression coefficients.

    Parameters
    ----------
    log_shape
        Name of the parameter that holds log gamma.
    terms
        Name of each coefficient of log lambda and the value of its covariate,
        ``{"constant": 1, "age": 60}``.
    """

    log_shape: str
    terms: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.terms:
            raise InputError("A Weibull law has no terms; give at least the constant, as {'constant': 1}.")
        for name, value in self.terms.items():
            if not np.isfinite(value):
                raise InputError(f"The covariate of '{name}' is {value}; expected a finite number.")
        object.__setattr__(self, "terms", MappingProxyType(dict(self.terms)))

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters it needs."""
        return (self.log_shape, *self.terms)

    def cumulative(self, values: Mapping[str, FloatArray], times: FloatArray) -> FloatArray:
        """Return cumulative hazards at `times`, shape (draws, times)."""
        require_names(self.names, values)
        log_rate = np.asarray(sum(x * values[name] for name, x in self.terms.items()))
        shape = np.exp(values[self.log_shape])
        return np.asarray(
            np.exp(log_rate)[:, None] * np.asarray(times, dtype=float)[None, :] ** shape[:, None]
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Points:
    """Logarithms of the cumulative hazard at some times, each a parameter.

    Parameters
    ----------
    times
        Years, increasing, at least two.
    names
        The parameter that holds the value at each time.
    beyond
        ``"same shape"`` or ``"constant hazard"``, after the last time.
    shift
        Name of a parameter added to every point: the log hazard ratio of these patients, by age for instance,
        against those whom the points are about.
    """

    times: Sequence[float]
    names: tuple[str, ...]
    beyond: Beyond
    shift: str | None = None

    def __post_init__(self) -> None:
        times = np.array(self.times, dtype=float)
        object.__setattr__(self, "names", tuple(self.names))
        if len(times) < 2 or len(times) != len(self.names):
            raise InputError(
                f"A law by points has {len(times)} time(s) and {len(self.names)} name(s); expected "
                f"two or more, "
                "as many of each."
            )
        if not (np.isfinite(times).all() and (times > 0).all() and (np.diff(times) > 0).all()):
            raise InputError(
                f"Times of a law by points are {list(self.times)}; expected increasing, above 0."
            )
        if self.beyond not in get_args(Beyond):
            raise InputError(
                f"beyond is {self.beyond!r}.{nearest(self.beyond, get_args(Beyond))} Expected "
                f"one of: {', '.join(get_args(Beyond))}."
            )

    def cumulative(self, values: Mapping[str, FloatArray], times: FloatArray) -> FloatArray:
        """Return cumulative hazards at `times`, shape (draws, times)."""
        require_names(self.names, values)
        known = np.log(np.array(self.times, dtype=float))
        height = np.column_stack([values[name] for name in self.names])
        if self.shift is not None:
            require_names([self.shift], values)
            height = height + np.asarray(values[self.shift])[:, None]
        falls = float(np.mean((np.diff(height, axis=1) < 0).any(axis=1)))
        if falls > _FALLING:
            raise InputError(
                f"In {falls:.1%} of draws the cumulative hazard falls between "
                f"{self.times[0]:g} and {self.times[-1]:g} years, which none can. The points' "
                f"joint uncertainty "
                "is too wide or not joint; take times further apart, or a fitted line."
            )
        height = np.maximum.accumulate(height, axis=1)  # the rare draw that falls stays level instead
        slope = np.diff(height, axis=1) / np.diff(known)
        t = np.asarray(times, dtype=float)
        with np.errstate(divide="ignore"):
            log_t = np.log(t)
        segment = np.clip(np.searchsorted(known, log_t, side="right") - 1, 0, slope.shape[1] - 1)
        with np.errstate(invalid="ignore"):
            inside = np.exp(height[:, segment] + slope[:, segment] * (log_t - known[segment]))
        inside[:, t == 0] = 0.0
        late = t > self.times[-1]
        if self.beyond == "constant hazard" and late.any():
            last = np.exp(height[:, -1:])
            rate = (last - np.exp(height[:, -2:-1])) / (self.times[-1] - self.times[-2])
            inside[:, late] = last + rate * (t[late] - self.times[-1])
        return np.asarray(inside)


def require_names(names: Sequence[str], values: Mapping[str, FloatArray]) -> None:
    """Raise InputError for the first of `names` that `values` does not hold."""
    for name in names:
        if name not in values:
            raise InputError(
                f"The model needs a parameter '{name}', which the inputs do not hold.{nearest(name, values)}"
            )
