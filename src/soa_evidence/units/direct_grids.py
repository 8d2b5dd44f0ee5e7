"""Grids over a level and a log spread: placing them, integrating over them, and drawing from them.

When not to use it: by itself; `units.direct` calls it.

Checked against: `units.direct` as a whole, in tests/reference/binomial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.priors import LevelPriors

__all__ = ["ClassGrid", "Grid", "class_shares", "common_density", "draw_cell", "settle", "shares"]

FloatArray = NDArray[np.float64]

GRID = 25  # points a side
SCOUT = 13  # points a side while the grid's place is found
DEEP = 14.0  # log density below its peak beyond which a grid need not reach
SHALLOW = 9.0  # log density below its peak that every edge of a grid must reach
PLACINGS = 8  # attempts at placing a grid


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid:
    """A rectangle of points over level (rows) and log spread (columns)."""

    level: FloatArray
    log_spread: FloatArray

    @property
    def steps(self) -> tuple[float, float]:
        """Distance between neighbouring levels and between neighbouring log spreads."""
        return float(self.level[1] - self.level[0]), float(self.log_spread[1] - self.log_spread[0])

    def points(self) -> tuple[FloatArray, FloatArray]:
        """Return the level and the log spread of every point, row by row."""
        level, log_spread = np.meshgrid(self.level, self.log_spread, indexing="ij")
        return level.ravel(), log_spread.ravel()


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassGrid:
    """A class's log integral over its units on a grid, and its expansion in the case mix about the mode."""

    grid: Grid
    value: FloatArray
    gradient: FloatArray
    curvature: FloatArray

    def at(self, step: FloatArray) -> FloatArray:
        """Values for case-mix steps (S, K): shape (S, points)."""
        squares = np.einsum("sk,sl->skl", step, step).reshape(len(step), -1)
        bend = self.curvature.reshape(len(self.value), -1)
        return np.asarray(self.value + step @ self.gradient.T + 0.5 * squares @ bend.T)


def settle(density: Callable[[Grid], FloatArray], box: Sequence[float]) -> Grid | None:
    """Move the edges of a rectangle until the density has died away at each, and no further."""
    box = list(box)
    for _ in range(PLACINGS):
        grid = _rectangle(box, SCOUT)
        height = density(grid).reshape(SCOUT, SCOUT)
        if not np.isfinite(height).all():
            return None
        height = height - height.max()
        moved = False
        for axis in (0, 1):
            profile = height.max(axis=1 - axis)
            inside = np.flatnonzero(profile > -DEEP)
            step = (box[2 * axis + 1] - box[2 * axis]) / (SCOUT - 1)
            low, high = box[2 * axis], box[2 * axis + 1]
            if profile[0] > -SHALLOW:
                box[2 * axis], moved = low - 3 * step, True
            elif inside[0] > 1:
                box[2 * axis], moved = low + (inside[0] - 1) * step, True
            if profile[-1] > -SHALLOW:
                box[2 * axis + 1], moved = high + 3 * step, True
            elif inside[-1] < SCOUT - 2:
                box[2 * axis + 1], moved = low + (inside[-1] + 1) * step, True
        if not moved:
            break
    edges = (height[0].max(), height[-1].max(), height[:, 0].max(), height[:, -1].max())
    if max(edges) > -SHALLOW:
        return None
    return _rectangle(box, GRID)


def _rectangle(box: Sequence[float], points: int) -> Grid:
    return Grid(level=np.linspace(box[0], box[1], points), log_spread=np.linspace(box[2], box[3], points))


def common_density(
    classes: list[ClassGrid], values: list[FloatArray], grid: Grid, priors: LevelPriors
) -> tuple[FloatArray, list[FloatArray]]:
    """Log density of what is common to classes, shape (S, rows, columns), and each class's share of it.

    A class's integral over its own grid separates into a kernel over levels and one over log spreads.
    """
    level, spread = priors.common, priors.log_spread
    total = (
        -0.5 * ((grid.level - level.mean) / level.sd)[:, None] ** 2
        - 0.5 * ((grid.log_spread - spread.mean) / spread.sd)[None, :] ** 2
    )[None]
    parts = []
    for one, value in zip(classes, values, strict=True):
        rows, columns = len(one.grid.level), len(one.grid.log_spread)
        height = value.reshape(-1, rows, columns)
        top = height.max(axis=(1, 2), keepdims=True)
        by_level = _kernel(grid.level, one.grid.level, priors.class_sd)
        by_spread = _kernel(grid.log_spread, one.grid.log_spread, priors.class_log_spread_sd)
        mass = np.einsum("pa,sab,qb->spq", by_level, np.exp(height - top), by_spread, optimize=True)
        part = np.log(np.maximum(mass, 1e-300)) + top
        parts.append(part)
        total = total + part
    return total, parts


def _kernel(to: FloatArray, at: FloatArray, sd: float) -> FloatArray:
    return np.asarray(np.exp(-0.5 * ((to[:, None] - at[None, :]) / sd) ** 2))


def class_shares(
    one: ClassGrid,
    value: FloatArray,
    part: FloatArray,
    outer: Grid,
    weight: FloatArray,
    priors: LevelPriors,
) -> FloatArray:
    """Posterior share of each point of a class's grid, over what is common to classes."""
    rows, columns = len(one.grid.level), len(one.grid.log_spread)
    height = value.reshape(rows, columns)
    by_level = _kernel(outer.level, one.grid.level, priors.class_sd)
    by_spread = _kernel(outer.log_spread, one.grid.log_spread, priors.class_log_spread_sd)
    top = height.max()
    ratio = weight.reshape(part.shape) / np.exp(part - top)
    share = np.exp(height - top) * (by_level.T @ ratio @ by_spread)
    return np.asarray((share / share.sum()).ravel())


def shares(height: FloatArray) -> FloatArray:
    """Turn log densities into shares that sum to 1 along the last axis."""
    share = np.exp(height - height.max(axis=-1, keepdims=True))
    return np.asarray(share / share.sum(axis=-1, keepdims=True))


def draw_cell(
    height: FloatArray, grid: Grid, uniform: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw a point from log densities (S, rows, columns): a cell, and log-linearly a place inside it."""
    draws, rows, columns = height.shape
    share = shares(height.reshape(draws, -1))
    cell = (np.cumsum(share, axis=1) < uniform[:, :1]).sum(axis=1).clip(max=rows * columns - 1)
    mass = np.take_along_axis(share, cell[:, None], axis=1)[:, 0]
    at = np.arange(draws)
    row, column = np.divmod(cell, columns)
    log_q = np.log(mass)
    places = []
    for axis, (index, size, length) in enumerate(
        ((row, grid.steps[0], rows), (column, grid.steps[1], columns))
    ):
        after, before = np.minimum(index + 1, length - 1), np.maximum(index - 1, 0)
        if axis == 0:
            gap = height[at, after, column] - height[at, before, column]
        else:
            gap = height[at, row, after] - height[at, row, before]
        rise = np.clip(gap / (after - before), -30, 30)  # over one cell
        steep = np.abs(rise) > 1e-6
        safe = np.where(steep, rise, 1.0)
        u = uniform[:, 1 + axis]
        inside = np.where(steep, np.log1p(u * np.expm1(safe)) / safe, u)
        log_q += np.where(steep, np.log(safe / np.expm1(safe)), 0.0) + rise * inside - np.log(size)
        nodes = grid.level if axis == 0 else grid.log_spread
        places.append(nodes[index] + (inside - 0.5) * size)
    return places[0], places[1], log_q
