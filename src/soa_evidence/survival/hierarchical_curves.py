"""Standardised curves by g-computation for units of any level, quickly.

A kind of patient with hazard ratio r, at a unit of level u of class g, has the hazard

    h(t) = exp(u) r f_g(t)      of revision, and a hazard d(t) of death;

the standardised curve averages its probabilities over the reference population. They are smooth functions of
u: for each draw and class they are computed at Chebyshev points that span the levels asked for, and the log
of each, less u, is interpolated between them. The number of points follows from how far the nearest
singularity (where the probability is 0, at a cumulative hazard of 2 pi i) lies from the span.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.hierarchical_cells import Cells
from soa_evidence.survival.hierarchical_draws import Draws

__all__ = ["Curves", "What", "curves_for"]

FloatArray = NDArray[np.float64]
What = Literal["net", "crude", "dead", "lost", "free"]

REACH = 5.2  # spreads from a class's level; beyond the outermost of 11 quadrature points
_TOLERANCE = 1e-4  # of a bound, for the draw with the widest span; other draws come far nearer
_FEWEST_NODES, _MOST_NODES = 6, 48
_CHUNK = 500  # draws at a time, to bound memory
_SMALLEST = 1e-300


@dataclass(frozen=True, eq=False, kw_only=True)
class Curves:
    """Standardised probabilities as functions of the unit's level, one a draw, class and time of the grid.

    Attributes
    ----------
    centre, reach : arrays of shape (S, G)
        Middle and half-width of the span of levels of each draw and class.
    nodes : array of shape (N,)
        Chebyshev points in the span, from -1 to 1.
    logs : dict of arrays of shape (S, G, N, T) or (S, G, N, 1)
        Logarithms at the points: ``net`` and ``crude`` probability of revision and years ``lost`` to revision
        were nobody to die (these less the level), probability of being ``dead``, and years ``free``, alive
        and unrevised.
    """

    centre: FloatArray
    reach: FloatArray
    nodes: FloatArray
    logs: dict[str, FloatArray]

    def at(
        self, what: What, level: FloatArray, group: int, times: slice | list[int] = slice(None)
    ) -> FloatArray:
        """Values for levels (S, m) of one class, at the grid times chosen; shape (S, m, T)."""
        logs = self.logs[what][:, group]
        logs = logs[:, :, times] if what in ("net", "crude", "dead") else logs
        share = self._shares(level, group)
        value = np.matmul(share, logs)
        if what not in ("dead", "free"):
            value = value + level[:, :, None]
        # Between points a probability that is nearly 1 may come out above it.
        return np.asarray(np.exp(np.minimum(value, 0.0) if what in ("net", "crude", "dead") else value))

    def average(self, what: What, level: FloatArray, group: int, weight: FloatArray) -> FloatArray:
        """Weighted mean over levels (S, m) of one class with weights (m,), at all times; shape (S, T)."""
        parts = []
        for start in range(0, len(level), _CHUNK):
            rows = slice(start, start + _CHUNK)
            parts.append(np.einsum("smt,m->st", self._rows(rows).at(what, level[rows], group), weight))
        return np.concatenate(parts)

    def _rows(self, rows: slice) -> Curves:
        return Curves(
            centre=self.centre[rows],
            reach=self.reach[rows],
            nodes=self.nodes,
            logs={what: logs[rows] for what, logs in self.logs.items()},
        )

    def _shares(self, level: FloatArray, group: int) -> FloatArray:
        """Barycentric shares of the points for levels (S, m); shape (S, m, N)."""
        count = len(self.nodes)
        weight = (-1.0) ** np.arange(count) * np.sin((2 * np.arange(count) + 1) * np.pi / (2 * count))
        at = (level - self.centre[:, [group]]) / self.reach[:, [group]]
        gap = at[:, :, None] - self.nodes
        # A level that falls on a point is moved by far less than rounding matters.
        share = weight / np.where(np.abs(gap) < 1e-13, 1e-13, gap)
        return np.asarray(share / share.sum(axis=2, keepdims=True))


def curves_for(cells: Cells, draws: Draws, new_level: FloatArray) -> Curves:
    """Prepare `Curves` over the levels of the units, of new units (S, G), and of each class's population."""
    from soa_evidence.survival.hierarchical_kernels import standardise

    G = len(cells.groups)
    far = REACH * draws.class_spread
    low = np.minimum(draws.class_level - far, new_level)
    high = np.maximum(draws.class_level + far, new_level)
    for g in range(G):
        own = draws.level[:, cells.group_of_unit == g]
        low[:, g] = np.minimum(low[:, g], own.min(axis=1))
        high[:, g] = np.maximum(high[:, g], own.max(axis=1))
    centre, reach = (low + high) / 2, np.maximum((high - low) / 2, 1e-3)
    width = np.diff(np.concatenate([[0.0], cells.grid]))
    band = np.searchsorted(cells.breaks, cells.grid, side="left") - 1
    kinds, death_kinds = (np.exp(mix @ cells.design.T) for mix in (draws.case_mix, draws.death_case_mix))
    hazard = np.exp(draws.log_time)
    most = (hazard[:, :, band] @ width) * kinds.max(axis=1)[:, None]
    count = _enough_nodes(centre + np.log(most), reach)
    nodes = np.cos((2 * np.arange(count) + 1) * np.pi / (2 * count))
    level = centre[:, :, None] + reach[:, :, None] * nodes
    net, crude, dead, years = standardise(
        level, hazard, np.exp(draws.log_death), kinds, death_kinds, cells.share, band, width
    )
    rise = level[:, :, :, None]
    logs = {
        "net": _log(net) - rise,
        "crude": _log(crude) - rise,
        "dead": _log(dead),
        "lost": _log(years[..., :1]) - rise,
        "free": _log(years[..., 1:]),
    }
    return Curves(centre=centre, reach=reach, nodes=nodes, logs=logs)


def _log(values: FloatArray) -> FloatArray:
    return np.log(np.maximum(values, _SMALLEST))


def _enough_nodes(log_hazard: FloatArray, reach: FloatArray) -> int:
    """Points for the tolerance; exp(`log_hazard`) is the cumulative hazard at the middle of the span."""
    nearest = np.minimum(np.log(2 * np.pi) - log_hazard, 100.0)
    at = (np.maximum(nearest, 0.0) + 0.5j * np.pi) / reach
    rate = np.abs(at + np.sqrt(at - 1) * np.sqrt(at + 1)).min()
    return int(np.clip(np.ceil(-np.log(_TOLERANCE) / np.log(rate)), _FEWEST_NODES, _MOST_NODES))
