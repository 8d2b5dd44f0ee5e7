"""The partial likelihood of sorted rows, its gradient and its information, from one sweep over risk sets.

With H_i the hazard that row i is exposed to while at risk (its own tied events counted as the ties say),

    gradient    = sum over events of w (z - mean at risk)
    information = sum of w_i exp(eta_i) H_i z_i z_i'  -  sum over events of w mean mean'

so that second moments are needed once a row, not once a risk set, and are a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.cox_rows import SortedRows
from soa_evidence.survival.parallel import side_by_side, spans

__all__ = [
    "Hazards",
    "Sweep",
    "derivatives",
    "exposures",
    "hazards",
    "information",
    "score_residuals",
    "second_moments",
    "sweep",
    "times_matrix",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Products of blocks no larger than this stay in the processor's cache, and below the size at which the linear
# algebra library would split each among threads, which costs far more than it gains on a busy machine.
_BLOCK = 200_000
TINY = 1e-150  # weight at risk whose inverse squared is still a number
_PIECE = 65_536  # rows a thread takes at a time
_LATE_PIECES = 4  # with delayed entry each piece of work needs a table of its own


@dataclass(frozen=True, eq=False, kw_only=True)
class Sweep:
    """One sweep at given coefficients; `steps`, `means` and `outer` as `cox_kernels.hazard_steps` gives them.

    Attributes
    ----------
    risk : array of shape (n,)
        Weight × exp(linear predictor).
    likelihood : float
    at_risk : array of shape (m, p + 1)
        Sum of `risk` × (1, covariates) over those at risk.
    scale : array of shape (m,), or empty
    """

    risk: FloatArray
    likelihood: float
    at_risk: FloatArray
    steps: FloatArray
    means: FloatArray
    outer: FloatArray
    scale: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Hazards:
    """Cumulative hazards at the groups; the columns are the hazard, then hazard × mean covariates at risk.

    Attributes
    ----------
    total : array of shape (m, 1 or p + 1)
        Up to each group.
    own : array of the same shape
        What a group's own events run of its step, less the step.
    beyond : array of the same shape, or without rows where no one lingers
        Remaining × step, summed over the groups after each.
    """

    total: FloatArray
    own: FloatArray
    beyond: FloatArray


def sweep(
    rows: SortedRows,
    beta: FloatArray,
    *,
    efron: bool,
    scale: FloatArray | None = None,
    offset: FloatArray | None = None,
) -> Sweep | None:
    """Return the sweep at standardised coefficients `beta`, or None where it overflows.

    `offset` is added to the linear predictor, row by row in sorted order.
    """
    from soa_evidence.survival.cox_kernels import group_sums, hazard_steps, risk_sums

    n, m, k = len(rows.Z), len(rows.stratum), rows.Z.shape[1] + 1
    none = np.zeros((0, k))
    risk, left, events = np.empty(n), np.empty((m, k)), np.zeros((m, k))
    lingering = np.zeros((m, k)) if len(rows.linger) else none
    late = len(rows.enter) > 0
    offset = np.zeros(0) if offset is None else offset

    def add_up(span: tuple[int, int]) -> tuple[float, FloatArray]:
        entered = np.zeros((m, k)) if late else none
        linear = group_sums(
            rows.Z, beta, rows.weight, rows.died, rows.start, rows.enter, rows.linger, offset, *span,
            risk, left, events, lingering, entered,
        )  # fmt: skip
        return linear, entered

    parts = side_by_side(add_up, _whole_groups(rows, -(-n // _LATE_PIECES) if late else _PIECE))
    entered = np.sum([part for _, part in parts], axis=0) if late else none
    at_risk = risk_sums(left, entered, lingering, rows.remaining, rows.present, rows.stratum)
    if not np.isfinite(at_risk).all():
        return None
    # The least that ties leave at risk: 0 where relative risks are too small, or late entry rounds them away.
    tied = np.flatnonzero(rows.deaths)
    least = at_risk[tied, 0] - events[tied, 0] * (1 - 1 / rows.deaths[tied] if efron else 0.0)
    if (least <= TINY).any():
        return None
    scale = np.zeros(0) if scale is None else scale
    logs, steps, means, outer = hazard_steps(at_risk, events, rows.event_weight, rows.deaths, efron, scale)
    return Sweep(
        risk=risk,
        likelihood=float(sum(linear for linear, _ in parts) - logs),
        at_risk=at_risk,
        steps=steps,
        means=means,
        outer=outer,
        scale=scale,
    )


def _whole_groups(rows: SortedRows, piece: int) -> list[tuple[int, int]]:
    """Return bounds that cut the groups in pieces of about as many rows."""
    cuts = np.searchsorted(rows.start, np.arange(piece, len(rows.Z), piece))
    bounds = [0, *np.unique(cuts[(cuts > 0) & (cuts < len(rows.stratum))]).tolist(), len(rows.stratum)]
    return list(pairwise(bounds))


def hazards(rows: SortedRows, found: Sweep, power: int = 0, *, tilted: bool = False) -> Hazards:
    """Return cumulative hazards, their steps weighted by scale to `power`; without `tilted` hazards alone."""
    from soa_evidence.survival.cox_kernels import running_sums

    step, own = found.steps[:, :1], (found.steps[:, 1] - found.steps[:, 0])[:, None]
    if tilted:
        step = np.hstack([step, found.means[:, 0]])
        own = np.hstack([own, found.means[:, 1] - found.means[:, 0]])
    if power:
        factor = found.scale[:, None] ** power
        step, own = step * factor, own * factor
    total = running_sums(np.ascontiguousarray(step), rows.stratum)
    if not len(rows.linger):
        return Hazards(total=total, own=own, beyond=np.zeros((0, step.shape[1])))
    so_far = running_sums(step * rows.remaining[:, None], rows.stratum)
    last = np.searchsorted(rows.stratum, rows.stratum, side="right") - 1
    return Hazards(total=total, own=own, beyond=so_far[last] - so_far)


def derivatives(rows: SortedRows, found: Sweep) -> tuple[FloatArray, FloatArray]:
    """Return the gradient, shape (p,), and the information, shape (p, p)."""
    return rows.observed - rows.event_weight @ found.means[:, 2], information(rows, found, 0)


def exposures(rows: SortedRows, found: Sweep, power: int = 0) -> FloatArray:
    """Return weight × exp(eta) × hazard each row is exposed to, its steps weighted by scale to `power`."""
    run, expose = _exposing(rows, found, power)
    side_by_side(expose, spans(len(run), _PIECE))
    return run


def _exposing(
    rows: SortedRows, found: Sweep, power: int
) -> tuple[FloatArray, Callable[[tuple[int, int]], None]]:
    """Return the exposures, still to be filled, and what fills those of a span of rows."""
    from soa_evidence.survival.cox_kernels import runs

    run_by = hazards(rows, found, power)
    total, own = run_by.total[:, 0].copy(), run_by.own[:, 0].copy()
    beyond = run_by.beyond[:, 0].copy()
    run = np.empty(len(rows.Z))

    def expose(span: tuple[int, int]) -> None:
        runs(found.risk, rows.died, rows.group, rows.enter, rows.linger, total, own, beyond, *span, run)

    return run, expose


def information(rows: SortedRows, found: Sweep, power: int) -> FloatArray:
    """Return the information with each event weighted by scale to `power`, shape (p, p)."""
    run, expose = _exposing(rows, found, power)
    return np.asarray(second_moments(rows.Z, run, first=expose) - found.outer[power])


def second_moments(
    values: FloatArray, weight: FloatArray, *, first: Callable[[tuple[int, int]], None] | None = None
) -> FloatArray:
    """Return the weighted sum of outer products of the rows, shape (p, p).

    `first`, where given, is called with the bounds of each piece before it is read, in the same thread.
    """
    p = values.shape[1]
    block = max(_BLOCK // p**2, 64)

    def moments(span: tuple[int, int]) -> FloatArray:
        if first is not None:
            first(span)
        sums = np.zeros((p, p))
        for low, high in spans(span[1] - span[0], block):
            part = slice(span[0] + low, span[0] + high)
            sums += (values[part] * weight[part, None]).T @ values[part]
        return sums

    total = np.sum(side_by_side(moments, spans(len(values), _PIECE)), axis=0)
    return np.asarray((total + total.T) / 2)


def times_matrix(values: FloatArray, matrix: FloatArray) -> FloatArray:
    """Return `values` @ `matrix`, block by block, in threads of our own."""
    made = np.empty((len(values), matrix.shape[1]))
    block = max(_BLOCK // matrix.size, 64)

    def multiply(span: tuple[int, int]) -> None:
        for low, high in spans(span[1] - span[0], block):
            part = slice(span[0] + low, span[0] + high)
            np.matmul(values[part], matrix, out=made[part])

    side_by_side(multiply, spans(len(values), _PIECE))
    return made


def score_residuals(rows: SortedRows, found: Sweep) -> tuple[FloatArray, FloatArray]:
    """Return score residuals, shape (n, p), and hazards run, shape (n,), in sorted order, unweighted."""
    from soa_evidence.survival import cox_kernels

    by = hazards(rows, found, tilted=True)
    own = np.ascontiguousarray(by.own[:, 0])
    own_means = np.stack([by.own[:, 1:], found.means[:, 2]], axis=1)
    hazard, tilted = np.ascontiguousarray(by.total[:, 0]), np.ascontiguousarray(by.total[:, 1:])
    beyond, tilted_beyond = np.ascontiguousarray(by.beyond[:, 0]), np.ascontiguousarray(by.beyond[:, 1:])
    relative = found.risk / rows.weight
    residual, run = np.empty_like(rows.Z), np.empty(len(rows.Z))

    def fill(span: tuple[int, int]) -> None:
        cox_kernels.score_residuals(
            rows.Z, relative, rows.died, rows.group, rows.enter, rows.linger, own, own_means,
            hazard, tilted, beyond, tilted_beyond, span[0], span[1], residual, run,
        )  # fmt: skip

    side_by_side(fill, spans(len(rows.Z), _PIECE))
    return residual, run
