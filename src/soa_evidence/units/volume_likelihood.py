"""Likelihood of the volume model with the effects of units and of their years integrated out.

For unit-year r of unit j, with the level h = z_r'g + u_j + e_r and l_r(h) the binomial log likelihood of its
cells at that level::

    L_j = integral Normal(u; 0, s_u^2) prod_r [ integral Normal(e; 0, s_e^2) exp l_r(z_r'g + u + e) de ] du

Both integrals are by Gauss-Hermite quadrature centred and scaled to where the integrand is. l_r is used as
its Taylor polynomial of sixth degree about a fixed level, with coefficients from every cell, which makes a
draw cost one pass over the cells.

When not to use it: by itself; `units.volume` calls it. A level further than about 1.5 from where the
polynomial was taken is clipped in the polynomial's terms; the quadrature does not go there.

Source: Pinheiro and Chao (2006), Journal of Computational and Graphical Statistics 15:58, for the nested
adaptive quadrature.

Checked against: lme4's glmer with 25 nodes (tests/reference/volume), and quadrature over the exact binomial
on a dense grid (tests/unit/test_units_volume.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from soa_evidence.units.volume_frame import VolumeCells

__all__ = ["Expansion", "expand", "marginal"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FARTHEST = 2.5  # log odds from where a polynomial was taken
UNIT_NODES = 11
YEAR_NODES = 9


@dataclass(frozen=True, eq=False, kw_only=True)
class Expansion:
    """Where polynomials are taken: the level of every unit-year, shape (R,)."""

    level: FloatArray


def expand(data: VolumeCells, at: Expansion, case_mix: FloatArray) -> FloatArray:
    """Return value and derivatives, of orders 0 to 6, of l_r at its level; shape (R, 7)."""
    cells = data.cells
    eta = at.level[cells.unit] + (cells.design @ case_mix)[cells.pattern]
    p = expit(eta)
    q = p * (1 - p)
    softplus = np.logaddexp(0.0, eta)
    n, y = cells.trials, cells.events
    return np.column_stack(
        [
            cells.by_unit(y * eta - n * softplus),
            cells.by_unit(y - n * p),
            cells.by_unit(-n * q),
            cells.by_unit(-n * q * (1 - 2 * p)),
            cells.by_unit(-n * q * (1 - 6 * q)),
            cells.by_unit(-n * q * (1 - 2 * p) * (1 - 12 * q)),
            cells.by_unit(-n * q * (1 - 30 * q + 120 * q**2)),
        ]
    )


def marginal(
    data: VolumeCells,
    at: Expansion,
    coefficients: FloatArray,
    fixed: FloatArray,
    unit_sd: float,
    year_sd: float,
) -> float:
    """Log likelihood given the fixed part of every unit-year's level, `fixed` (R,), and the two spreads."""
    return float(
        _kernel()(
            coefficients,
            fixed - at.level,
            data.unit,
            len(data.units),
            unit_sd,
            year_sd,
            *_nodes(UNIT_NODES),
            *_nodes(YEAR_NODES),
        )
    )


@cache
def _nodes(count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes, and log weights for integrands that hold their own normal density."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, np.log(weights) + nodes**2 / 2


@cache
def _kernel() -> Any:
    """Compiled nested quadrature over all units."""
    from numba import njit

    @njit(cache=True)
    def polynomial(c: FloatArray, x: float) -> float:
        t = min(max(x, -FARTHEST), FARTHEST)
        high = c[4] / 24 + t * (c[5] / 120 + t * c[6] / 720)
        inside: float = c[0] + t * (c[1] + t * (c[2] / 2 + t * (c[3] / 6 + t * high)))
        # Beyond, straight on: a log likelihood in log odds is straight far out.
        steep = c[4] / 6 + t * (c[5] / 24 + t * c[6] / 120)
        slope: float = c[1] + t * (c[2] + t * (c[3] / 2 + t * steep))
        return inside + (x - t) * slope

    @njit(cache=True)
    def inner(
        c: FloatArray, x: float, sd: float, nodes: FloatArray, log_weights: FloatArray, room: FloatArray
    ) -> float:
        # log of integral Normal(e; 0, sd^2) exp(polynomial(x + e)) de
        if sd < 1e-8:
            return polynomial(c, x)
        e = 0.0
        precision = 1.0 / sd**2
        for _ in range(2):  # two Newton steps to the middle of the integrand
            t = x + e
            slope = c[1] + t * (c[2] + t * (c[3] / 2 + t * c[4] / 6)) - e * precision
            bend = c[2] + t * (c[3] + t * c[4] / 2)
            e += slope / (precision + max(-bend, 0.0))
        t = x + e
        bend = c[2] + t * (c[3] + t * c[4] / 2)
        width = 1.0 / math.sqrt(precision + max(-bend, 0.0))
        top = -1e300
        for k in range(nodes.shape[0]):
            at = e + width * nodes[k]
            room[k] = log_weights[k] + polynomial(c, x + at) - 0.5 * at * at * precision
            top = max(top, room[k])
        total = 0.0
        for k in range(nodes.shape[0]):
            total += math.exp(room[k] - top)
        return top + math.log(total) + math.log(width / sd) - 0.5 * math.log(2 * math.pi)

    @njit(cache=True)
    def nested(
        coefficients: FloatArray,
        away: FloatArray,
        unit: IntArray,
        n_units: int,
        unit_sd: float,
        year_sd: float,
        nodes_u: FloatArray,
        weights_u: FloatArray,
        nodes_e: FloatArray,
        weights_e: FloatArray,
    ) -> float:
        # Middle and width of each unit's integrand, from the second-degree part of its unit-years.
        slope, bend = np.zeros(n_units), np.zeros(n_units)
        for r in range(unit.shape[0]):
            c = coefficients[r]
            w = max(-(c[2] + away[r] * c[3]), 1e-12)
            g = c[1] + away[r] * (c[2] + away[r] * c[3] / 2)
            damp = 1.0 / (1.0 + w * year_sd**2)
            slope[unit[r]] += g * damp
            bend[unit[r]] += w * damp
        room_e = np.zeros(nodes_e.shape[0])
        centre, width = np.zeros(n_units), np.zeros(n_units)
        for j in range(n_units):
            width[j] = 1.0 / math.sqrt(bend[j] + 1.0 / unit_sd**2)
            centre[j] = slope[j] * width[j] ** 2
        by_node = np.zeros((n_units, nodes_u.shape[0]))
        for r in range(unit.shape[0]):
            j = unit[r]
            for k in range(nodes_u.shape[0]):
                u = centre[j] + width[j] * nodes_u[k]
                by_node[j, k] += inner(coefficients[r], away[r] + u, year_sd, nodes_e, weights_e, room_e)
        total = 0.0
        for j in range(n_units):
            top = -1e300
            for k in range(nodes_u.shape[0]):
                u = centre[j] + width[j] * nodes_u[k]
                by_node[j, k] += weights_u[k] - 0.5 * (u / unit_sd) ** 2
                top = max(top, by_node[j, k])
            mass = 0.0
            for k in range(nodes_u.shape[0]):
                mass += math.exp(by_node[j, k] - top)
            total += top + math.log(mass) + math.log(width[j] / unit_sd) - 0.5 * math.log(2 * math.pi)
        return total

    return nested
