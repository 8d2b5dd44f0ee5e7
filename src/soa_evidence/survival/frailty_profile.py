"""The variance of the frailty: its maximum, and the limits at which the likelihood has fallen enough.

The likelihood is maximised over everything else at each theta, so it is a curve in theta alone. Its slope is
exact, and the maximum is where the slope is 0, found in log theta by secants. At theta = 0 the slope in
theta has a closed form, with r_i events less expected events of unit i in the Cox model without frailty:

    gamma       ½ sum of (r_i² - d_i)            log-normal       ½ sum of (r_i² - A_ii)

Where it is not above 0, and no larger theta has a higher likelihood, the maximum is at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival.frailty_likelihood import Penalised, Point

__all__ = ["Profile"]

FloatArray = NDArray[np.float64]
FIRST = 0.1  # the first theta tried where nothing suggests another
FACTOR = 4.0  # the most by which theta grows or shrinks in one step
MOST_TRIES = 100
LEAST, MOST = 1e-10, 1e4  # thetas beyond which 0, or no maximum, is the answer
LOOKED_AT = (0.01, 0.1, 1.0)  # thetas at which a higher likelihood is looked for when the slope at 0 is down
PRECISE, ROUGH = 1e-9, 1e-7  # of log theta, at the maximum and at the limits
CURVATURE_STEP = 1e-3  # in log theta


@dataclass(eq=False, kw_only=True)
class Profile:
    """The likelihood as a curve in theta.

    Parameters
    ----------
    model
    at_zero : float
        Log partial likelihood without frailty.
    x_zero : array of shape (p + q,)
        Coefficients without frailty, and zeros.
    slope_at_zero : float
        Derivative in theta at 0.
    first : float
        The first theta tried.
    """

    model: Penalised
    at_zero: float
    x_zero: FloatArray
    slope_at_zero: float
    first: float = FIRST
    _last: Point | None = field(default=None, init=False)
    evaluations: int = field(default=0, init=False)

    def at(self, log_theta: float) -> Point:
        """Return the maximum at a variance, starting from where the last one leads."""
        theta = float(np.exp(log_theta))
        start = self.x_zero
        if self._last is not None:
            ahead = log_theta - np.log(self._last.theta)
            start = self._last.x + np.clip(ahead, -2.0, 2.0) * self._last.drift
        self._last = self.model.at(theta, start)
        self.evaluations += 1
        return self._last

    def maximum(self) -> Point | None:
        """Return the maximum, or None where it is at 0.

        Raises
        ------
        InputError
            Where the likelihood rises with the variance without end.
        """
        start = self.first
        if self.slope_at_zero <= 0:
            found = [self.at(float(np.log(theta))) for theta in LOOKED_AT]
            best = max(found, key=lambda point: point.likelihood)
            if best.likelihood <= self.at_zero + 1e-9 * abs(self.at_zero):
                return None
            start = best.theta
        try:
            found_at = _root(lambda place: (self.at(place).slope, np.nan), float(np.log(start)), PRECISE, +1)
        except _BeyondError as beyond:
            if beyond.side < 0:
                return None
            raise InputError(
                f"The likelihood rises with the variance of the frailty beyond {MOST:g}: units with events "
                "and units without are two kinds apart. Compare them as groups, or merge small units."
            ) from None
        return self.at(found_at)

    def curvature(self, top: Point) -> float:
        """Return minus the second derivative of the likelihood in log theta at its maximum."""
        place = float(np.log(top.theta))
        ahead, behind = (self.at(place + step).slope for step in (CURVATURE_STEP, -CURVATURE_STEP))
        return -(ahead - behind) / (2 * CURVATURE_STEP)

    def limits(self, top: Point | None, curvature: float, fall: float) -> tuple[float, float]:
        """Return the thetas below and above the maximum at which the likelihood has fallen by `fall`."""
        target = (self.at_zero if top is None else top.likelihood) - fall
        start = np.log(FIRST / 10 if top is None else top.theta)
        away = 0.0 if top is None else float(np.clip(np.sqrt(2 * fall / curvature), 0.0, np.log(FACTOR)))

        def excess(place: float) -> tuple[float, float]:
            point = self.at(place)
            return point.likelihood - target, point.slope

        def limit(side: int) -> float:
            self._last = top
            try:
                return float(np.exp(_root(excess, float(start + side * away), ROUGH, side)))
            except _BeyondError:
                return np.inf if side > 0 else 0.0

        return (0.0 if top is None or self.at_zero >= target else limit(-1)), limit(+1)


class _BeyondError(Exception):
    """The root lies beyond the variances looked at: above (side 1) or below (side -1)."""

    def __init__(self, side: int) -> None:
        super().__init__(side)
        self.side = side


def _root(
    function: Callable[[float], tuple[float, float]], place: float, precision: float, side: int
) -> float:
    """Return where a function of log theta passes from above 0 to below 0 in the direction `side`.

    Newton's steps where the function gives its derivative, otherwise secants; bisection where they leave what
    is known to hold the root.
    """
    above, below = -side * np.inf, side * np.inf  # places known to lie on either hand of the root
    last_place, last_value = np.nan, np.nan
    for _ in range(MOST_TRIES):
        value, slope = function(place)
        if value > 0:
            above = place
        else:
            below = place
        if not np.isfinite(slope):
            slope = (value - last_value) / (place - last_place) if place != last_place else np.nan
        last_place, last_value = place, value
        onward = side * np.log(FACTOR) * (1 if value > 0 else -1)
        step = -value / slope if np.isfinite(slope) and slope * side < 0 else onward
        step = float(np.clip(step, -abs(onward), abs(onward)))
        if abs(step) <= precision:
            return place + step
        low, high = min(above, below), max(above, below)
        following = place + step
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - place) <= precision:
            return following
        if not np.log(LEAST) < following < np.log(MOST):
            raise _BeyondError(1 if following > place else -1)
        place = following
    return place
