"""Posterior of the volume model: independent draws with exact weights, and the evidence of every shape.

1. The two spreads are placed on a grid by the evidence at each point (`volume_laplace`).
2. A draw takes case mix from a normal about its mode, the spreads from the grid (evenly inside a cell), and
   the shape's coefficients from a normal given both. Several draws share one case mix: it costs a pass over
   the cells, and hardly bears on the rest.
3. Every draw is weighted by the exact density, effects of units and years integrated out, over the density
   it came from, and resampled. The weights' Pareto k and worth say whether that was sound.

Shapes are compared by their evidence, averaged over the spreads' posterior.

When not to use it: by itself; `units.volume` calls it.

Source: Rue, Martino and Chopin (2009), JRSS B 71:319; Vehtari, Simpson, Gelman, Yao and Gabry (2024), JMLR
25:72; Kass and Raftery (1995), JASA 90:773.

Checked against: a grid over all parameters of a small model (tests/unit/test_units_volume.py), lme4's glmer
(tests/reference/volume), simulation-based calibration (tests/calibration/units_volume.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.priors import VolumePriors
from soa_evidence.results import Check
from soa_evidence.units import weights
from soa_evidence.units.volume_frame import VolumeCells
from soa_evidence.units.volume_laplace import Mode, find, log_prior
from soa_evidence.units.volume_likelihood import expand, marginal
from soa_evidence.units.volume_shapes import Shape

__all__ = ["Drawn", "compare", "draw"]

FloatArray = NDArray[np.float64]

CASE_MIXES, EACH = 150, 10
FINE = 9  # points of the grid a side
DROP = 8.0  # log density below the highest at which the grid ends
SMALLEST_WORTH = 0.2


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawn:
    """Draws of one shape, resampled.

    Attributes
    ----------
    shape : Shape
    case_mix, own : arrays of shapes (S, K), (S, G)
        Coefficients of case mix and of the shape.
    log_sd : array of shape (S, 2)
        Log spreads between units, and between years of a unit.
    log_evidence : float
        By the mean weight.
    laplace_evidence : float
        By the grid, as shapes are compared.
    check : Check
    """

    shape: Shape
    case_mix: FloatArray
    own: FloatArray
    log_sd: FloatArray
    log_evidence: float
    laplace_evidence: float
    check: Check


@dataclass(frozen=True, eq=False, kw_only=True)
class _Grid:
    """Cells of the two log spreads with the mode and log density at each middle."""

    points: FloatArray
    width: tuple[float, float]
    modes: list[Mode]
    log_density: FloatArray

    @property
    def share(self) -> FloatArray:
        share = np.exp(self.log_density - self.log_density.max())
        return np.asarray(share / share.sum())


def draw(data: VolumeCells, priors: VolumePriors, shape: Shape, *, seed: int) -> Drawn:
    """Draw the posterior of one shape."""
    rng = np.random.default_rng(seed)
    grid = _grid(data, priors, shape)
    share = grid.share
    k = data.cells.design.shape[1]
    best = grid.modes[int(np.argmax(share))]
    cover = np.linalg.inv(best.precision)
    shift = _shift(data, priors, shape, best, grid.points[int(np.argmax(share))], cover)
    lower = np.linalg.cholesky(cover[:k, :k]) if k else np.zeros((0, 0))
    noise = rng.standard_normal((CASE_MIXES, k))
    case_mixes = best.coefficients[:k] + shift[:k] + noise @ lower.T
    log_beta = -0.5 * np.square(noise).sum(axis=1) - np.log(np.diag(lower)).sum()
    n = CASE_MIXES * EACH
    which = rng.choice(len(share), n, p=share)
    log_sd = grid.points[which] + (rng.random((n, 2)) - 0.5) * np.array(grid.width)
    log_weight, own = np.zeros(n), np.zeros((n, shape.design.shape[1]))
    chances = -0.5 * k * math.log(2 * math.pi)
    conditional: dict[int, tuple[FloatArray, FloatArray]] = {}
    for b in range(CASE_MIXES):
        coefficients = expand(data, best.expansion, case_mixes[b])
        for s in range(b * EACH, (b + 1) * EACH):
            mode = grid.modes[which[s]]
            if which[s] not in conditional:
                block = np.linalg.cholesky(mode.precision[k:, k:])
                conditional[which[s]] = (np.linalg.inv(block).T, mode.precision[k:, :k])
            root, side = conditional[which[s]]
            moved = case_mixes[b] - mode.coefficients[:k] - shift[:k]
            centre = mode.coefficients[k:] + shift[k:] - root @ (root.T @ (side @ moved))
            z = rng.standard_normal(len(centre))
            own[s] = centre + root @ z
            log_q = (
                log_beta[b]
                + chances
                + math.log(share[which[s]] / (grid.width[0] * grid.width[1]))
                - 0.5 * float(z @ z)
                - 0.5 * len(z) * math.log(2 * math.pi)
                - float(np.log(np.abs(np.diag(root))).sum())
            )
            theta = np.concatenate([case_mixes[b], own[s]])[None]
            log_weight[s] = (
                marginal(
                    data,
                    best.expansion,
                    coefficients,
                    shape.design @ own[s],
                    math.exp(log_sd[s, 0]),
                    math.exp(log_sd[s, 1]),
                )
                + log_prior(priors, k, shape, theta)[0]
                + _spread_prior(priors, log_sd[s])
                - log_q
            )
    rows = weights.resample(log_weight, n, rng)
    area = math.log(grid.width[0] * grid.width[1])
    top = float(grid.log_density.max())
    return Drawn(
        shape=shape,
        case_mix=case_mixes[rows // EACH],
        own=own[rows],
        log_sd=log_sd[rows],
        log_evidence=weights.log_mean(log_weight),
        laplace_evidence=top + math.log(float(np.exp(grid.log_density - top).sum())) + area,
        check=_check(shape, log_weight),
    )


def compare(
    data: VolumeCells, priors: VolumePriors, shapes: list[Shape], near: Drawn
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log evidence of `shapes` less that of `near`, their between-unit coefficient, and its SD.

    Averaged over the spreads' posterior under `near`, by nine points. The coefficient is that of the first
    between-unit column (0 where there is none), normal about its mode.
    """
    centre = near.log_sd.mean(axis=0)
    lower = np.linalg.cholesky(np.cov(near.log_sd.T) + 1e-8 * np.eye(2))
    nodes, mass = np.polynomial.hermite_e.hermegauss(3)
    points = [(centre + lower @ np.array([a, b]), wa * wb) for a, wa in zip(nodes, mass, strict=True)
              for b, wb in zip(nodes, mass, strict=True)]  # fmt: skip
    total = sum(m for _, m in points)
    gained = np.zeros((len(points), len(shapes)))
    k = data.cells.design.shape[1]
    effect, variance = np.zeros((len(points), len(shapes))), np.zeros((len(points), len(shapes)))
    start: Mode | None = None
    for row, (point, _) in enumerate(points):
        start = base = find(data, priors, near.shape, (point[0], point[1]), start)
        for at, shape in enumerate(shapes):
            mode = find(data, priors, shape, (point[0], point[1]), base)
            gained[row, at] = mode.log_evidence - base.log_evidence
            first = k + shape.between.start
            if shape.between.stop > shape.between.start:
                effect[row, at] = mode.coefficients[first]
                variance[row, at] = np.linalg.inv(mode.precision)[first, first]
    mass_of = np.array([m for _, m in points]) / total
    top = gained.max(axis=0)
    evidence = top + np.log(mass_of @ np.exp(gained - top))
    return evidence, mass_of @ effect, np.sqrt(mass_of @ variance)


def _grid(data: VolumeCells, priors: VolumePriors, shape: Shape) -> _Grid:
    sides = (priors.unit_log_spread, priors.year_log_spread)
    coarse = [np.linspace(p.mean - 3 * p.sd, p.mean + 3 * p.sd, 7) for p in sides]
    first = _evaluate(data, priors, shape, coarse[0], coarse[1], None)
    kept = first.log_density > first.log_density.max() - DROP
    edges = []
    for side in range(2):
        inside = first.points[kept, side]
        room = 0.5 * first.width[side]
        edges.append((inside.min() - room, inside.max() + room))
    middles = [np.linspace(a, b, 2 * FINE + 1)[1::2] for a, b in edges]
    return _evaluate(
        data, priors, shape, middles[0], middles[1], first.modes[int(np.argmax(first.log_density))]
    )


def _evaluate(
    data: VolumeCells,
    priors: VolumePriors,
    shape: Shape,
    unit: FloatArray,
    year: FloatArray,
    start: Mode | None,
) -> _Grid:
    points = np.array([(a, b) for a in unit for b in year])
    modes: list[Mode] = []
    for point in points:
        start = find(data, priors, shape, (point[0], point[1]), start)
        modes.append(start)
    density = [mode.log_evidence + _spread_prior(priors, p) for mode, p in zip(modes, points, strict=True)]
    return _Grid(
        points=points,
        width=(float(unit[1] - unit[0]), float(year[1] - year[0])),
        modes=modes,
        log_density=np.array(density),
    )


def _spread_prior(priors: VolumePriors, log_sd: FloatArray) -> float:
    pairs = zip((priors.unit_log_spread, priors.year_log_spread), log_sd, strict=True)
    return math.fsum(
        -0.5 * ((value - p.mean) / p.sd) ** 2 - math.log(p.sd * math.sqrt(2 * math.pi)) for p, value in pairs
    )


def _shift(
    data: VolumeCells, priors: VolumePriors, shape: Shape, mode: Mode, point: FloatArray, cover: FloatArray
) -> FloatArray:
    """How far the mode with effects integrated out lies from the joint one: one Newton step."""
    k = data.cells.design.shape[1]
    coefficients = expand(data, mode.expansion, mode.coefficients[:k])
    sds = np.exp(point)

    def value(own: FloatArray) -> float:
        theta = np.concatenate([mode.coefficients[:k], own])[None]
        seen = marginal(data, mode.expansion, coefficients, shape.design @ own, sds[0], sds[1])
        return seen + float(log_prior(priors, k, shape, theta)[0])

    own = mode.coefficients[k:]
    widths = 0.1 * np.sqrt(np.diag(cover)[k:])
    slope = [(value(own + step) - value(own - step)) / (2 * step.max()) for step in np.diag(widths)]
    return np.asarray(cover[:, k:] @ np.array(slope))


def _check(shape: Shape, log_weight: FloatArray) -> Check:
    k, left = weights.pareto_k(log_weight), weights.worth(log_weight)
    sound = k < weights.PARETO_K_LIMIT and left > SMALLEST_WORTH
    return Check(
        name=f"independent draws ({shape.form} in volume), Pareto k of the exact correction",
        verdict="pass" if sound else "fail",
        observed=f"k {k:.2f}; {len(log_weight):,} draws worth {left:.0%} of as many from the exact posterior",
        expected=f"k below {weights.PARETO_K_LIMIT}, worth above {SMALLEST_WORTH:.0%}",
        why="draws come from a close stand-in of the posterior and are weighted to be exact; were the "
        "stand-in not close, the weights would show it",
    )
