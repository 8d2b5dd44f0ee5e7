"""Integrals behind the truth of syn-registry: over time, and over the effects of units and surgeons.

With H the cumulative hazard of revision of one person at an average unit, m = exp(unit + surgeon effect),
death's survival D and hazard μ, and F(t) = average over m of 1 - exp(-m H(t)):

    net revision by t   = F(t)                                           if no one could die
    crude revision by t = D(t) F(t) + integral from 0 to t of F(u) μ(u) D(u) du
    years to t without revision = t - integral of F;  without revision or death = integral of (1 - F) D

Time is cut at the times asked for and each piece integrated by Gauss–Legendre; the first is stretched by a
fourth power, because early hazards rise without limit towards 0. A discrete distribution of m is replaced by
the Gauss rule with the same first moments (Lanczos; Golub & Welsch 1969), exact for what is smooth in m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.evidence.syn_registry import hazards
from soa_evidence.evidence.syn_registry.parameters import Parameters
from soa_evidence.evidence.syn_registry.people import HIP, People

__all__ = ["Risks", "TimeRule", "compress", "risks", "time_rule"]

FloatArray = NDArray[np.float64]
_NODES = 24
_STRETCH = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class TimeRule:
    """Nodes and weights in time; `piece` says between which of `times` a node lies."""

    times: FloatArray
    node: FloatArray
    weight: FloatArray
    piece: NDArray[np.int64]

    def cumulated(self, values: FloatArray) -> FloatArray:
        """Integrate values at the nodes, shape (n, nodes), from 0 to each time, shape (n, times)."""
        starts = np.arange(0, len(self.node), _NODES)
        return np.asarray(np.cumsum(np.add.reduceat(values * self.weight, starts, axis=1), axis=1))


def time_rule(times: Sequence[float]) -> TimeRule:
    """Return the rule for increasing `times` above 0."""
    x, w = np.polynomial.legendre.leggauss(_NODES)
    x, w = (x + 1) / 2, w / 2
    edges = np.concatenate([[0.0], np.asarray(times, dtype=float)])
    width = np.diff(edges)[:, None]
    node, weight = edges[:-1, None] + width * x, width * w
    node[0], weight[0] = edges[1] * x**_STRETCH, edges[1] * w * _STRETCH * x ** (_STRETCH - 1)
    piece = np.repeat(np.arange(len(edges) - 1), _NODES)
    return TimeRule(times=edges[1:], node=node.ravel(), weight=weight.ravel(), piece=piece)


def compress(values: FloatArray, weights: FloatArray, nodes: int = 6) -> tuple[FloatArray, FloatArray]:
    """Return the Gauss rule of a discrete distribution: few nodes with the same first 2 × `nodes` moments."""
    if np.ptp(values) < 1e-12 * np.abs(values).max():
        return values[:1], np.ones(1)
    if len(values) <= nodes:
        return values, weights / weights.sum()
    centre, spread = np.average(values, weights=weights), np.ptp(values)
    x = (values - centre) / spread
    q, before = np.sqrt(weights / weights.sum()), np.zeros(len(x))
    alpha, beta, basis = [], [0.0], [np.zeros(len(x))]
    for _ in range(nodes):
        basis.append(q)
        alpha.append(float(q @ (x * q)))
        r = x * q - alpha[-1] * q - beta[-1] * before
        for known in basis:  # again, against rounding
            r = r - (known @ r) * known
        beta.append(float(np.sqrt(r @ r)))
        before, q = q, r / beta[-1] if beta[-1] > 0 else r
        if beta[-1] < 1e-14:
            break
    inner = np.array(beta[1 : len(alpha)])
    at, vectors = np.linalg.eigh(np.diag(alpha) + np.diag(inner, 1) + np.diag(inner, -1))
    return centre + spread * at, vectors[0] ** 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Risks:
    """Each person's risks at each time, arrays of shape (n, times); years for the two last."""

    net: FloatArray
    crude: FloatArray
    unrevised_years: FloatArray
    event_free_years: FloatArray


def risks(
    p: Parameters,
    people: People,
    effects: FloatArray,
    multiplier: tuple[FloatArray, FloatArray],
    times: Sequence[float],
) -> Risks:
    """Return risks of people of one joint, under class `effects` (by reason) and unit and surgeon effects.

    Parameters
    ----------
    effects : array of shape (reasons,)
        Log hazard ratios of the class.
    multiplier
        Values and weights of exp(unit + surgeon effect).
    """
    rule = time_rule(times)
    joint = "hip" if people.joint[0] == HIP else "knee"
    at_nodes = hazards.cumulative_hazard_power(p, joint, rule.node).T
    at_times = hazards.cumulative_hazard_power(p, joint, rule.times).T
    parts = []
    for some in people.pieces():
        scale = hazards.revision_scale(p, some) * np.exp(effects)
        dying = hazards.death(p, some)
        rate, slope = dying.rate[:, None], dying.slope[:, None]
        failed, failed_at = _failed(scale @ at_nodes, multiplier), _failed(scale @ at_times, multiplier)
        growth = np.expm1(slope * rule.node)
        alive = np.exp(-rate / slope * growth)
        alive_at = np.exp(-rate / slope * np.expm1(slope * rule.times))
        crude = alive_at * failed_at + rule.cumulated(failed * rate * (growth + 1) * alive)
        parts.append((failed_at, crude, rule.cumulated(1 - failed), rule.cumulated((1 - failed) * alive)))
    net, crude, unrevised, free = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Risks(net=net, crude=crude, unrevised_years=unrevised, event_free_years=free)


def _failed(hazard: FloatArray, multiplier: tuple[FloatArray, FloatArray]) -> FloatArray:
    found = np.zeros_like(hazard)
    for value, weight in zip(*multiplier, strict=True):
        found -= weight * np.expm1(-value * hazard)
    return found
