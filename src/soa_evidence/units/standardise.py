"""Case-mix standardised risk by g-computation, for any unit level, quickly.

The standardised risk of a unit whose level is t (log odds) is the average, over the reference population's
case mix, of the risk that each kind of patient would have there:

    S(t) = sum_p w_p expit(x_p beta + t).

For one draw of beta, g(t) = logit S(t) - t is a bounded and very smooth function of t alone, flat where risks
are near 0 or 1. It is computed exactly at Chebyshev points of s = tanh(t / 4) and interpolated between them.
In s the whole line of levels is short and the poles of expit keep their distance, so that few points do for
any range; the stronger the case mix, the more points are taken. The error is below 1e-9 while no kind of
patient has more than exp(8) times the odds of the average one, and below 1e-3 whatever happens (tests/unit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["RiskCurve", "risk_curve"]

FloatArray = NDArray[np.float64]

_TOLERANCE = 1e-8  # of the bound, which real errors stay well below
_FEWEST_NODES, _MOST_NODES = 16, 96
_CHUNK = 500  # draws at a time, to bound memory


@dataclass(frozen=True, eq=False, kw_only=True)
class RiskCurve:
    """Standardised risk as a function of the unit's level, one curve per posterior draw.

    Attributes
    ----------
    nodes : array of shape (N,)
        Chebyshev points on the scale of tanh(level / 4).
    shift : array of shape (S, N)
        Log odds of the standardised risk less the level, at each point, per draw.
    """

    nodes: FloatArray
    shift: FloatArray

    def risk(self, level: FloatArray) -> FloatArray:
        """Standardised risk of levels (S, m), one row per draw; same shape."""
        count = len(self.nodes)
        weight = (-1.0) ** np.arange(count) * np.sin((2 * np.arange(count) + 1) * np.pi / (2 * count))
        at = np.tanh(level / 4)
        numerator, denominator = np.zeros_like(at), np.zeros_like(at)
        for k, node in enumerate(self.nodes):
            gap = at - node
            # A level that falls on a node is moved by far less than rounding matters.
            share = weight[k] / np.where(np.abs(gap) < 1e-13, 1e-13, gap)
            numerator += share * self.shift[:, k, None]
            denominator += share
        return np.asarray(expit(level + numerator / denominator))


def risk_curve(
    design: FloatArray, weights: FloatArray, case_mix: FloatArray, *, lowest: float, highest: float
) -> RiskCurve:
    """Prepare `RiskCurve` for levels between `lowest` and `highest`.

    Parameters
    ----------
    design : array of shape (P, K)
    weights : array of shape (P,)
        Share of each pattern in the reference population; sums to 1.
    case_mix : array of shape (S, K)
        Posterior draws of the case-mix log odds ratios.
    """
    linear = [case_mix[start : start + _CHUNK] @ design.T for start in range(0, len(case_mix), _CHUNK)]
    count = _enough_nodes(max(float(np.abs(part).max(initial=0.0)) for part in linear))
    angle = (2 * np.arange(count) + 1) * np.pi / (2 * count)
    low, high = np.tanh(lowest / 4), np.tanh(highest / 4)
    nodes = (low + high) / 2 + max((high - low) / 2, 1e-3) * np.cos(angle)
    return RiskCurve(nodes=nodes, shift=np.vstack([_shift(np.exp(part), weights, nodes) for part in linear]))


def _shift(odds: FloatArray, weights: FloatArray, nodes: FloatArray) -> FloatArray:
    """Log odds of the average risk less the level, from patterns' odds ratios (S, P); returns (S, N).

    With exp(t) = ((1 + s) / (1 - s))^2 both risk and its complement are sums of positive fractions without
    any overflow or cancellation, however high or low the level.
    """
    shift = np.empty((len(odds), len(nodes)))
    for k, node in enumerate(nodes):
        share = 1 / ((1 - node) ** 2 + odds * (1 + node) ** 2)
        shift[:, k] = np.log((odds * share) @ weights) - np.log(share @ weights)
    return shift


def _enough_nodes(furthest: float) -> int:
    """Points for the tolerance when patterns reach `furthest` from the average, log odds.

    The nearest singularity in s lies on the unit circle, its height the sech of half the reach; the ellipse
    with foci -1 and 1 through it sets the rate at which Chebyshev interpolation converges.
    """
    short = np.sqrt(1 / np.cosh(min(furthest, 100.0) / 2))
    rate = short + np.sqrt(1 + short**2)
    return int(np.clip(np.ceil(-np.log(_TOLERANCE) / np.log(rate)), _FEWEST_NODES, _MOST_NODES))
