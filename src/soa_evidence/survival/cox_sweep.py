"""The partial likelihood of sorted rows, its gradient and its information, from one sweep over risk sets.

With H_i the hazard that row i is exposed to while at risk (its own tied events counted as the ties say),

    gradient    = sum of w_i (d_i - exp(eta_i) H_i) z_i
    information = sum of w_i exp(eta_i) H_i z_i z_i'  -  sum over events of w mean mean'

so that second moments are needed once a row, not once a risk set, and are a matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.cox_rows import SortedRows

__all__ = ["Sweep", "derivatives", "exposures", "information", "score_residuals", "sweep"]

FloatArray = NDArray[np.float64]
# Products of blocks no larger than this stay in the processor's cache, and below the size at which the linear
# algebra library would split each among threads, which costs far more than it gains on a busy machine.
_BLOCK = 200_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Sweep:
    """One sweep at given coefficients; `steps`, `means` and `outer` as `cox_kernels.risk_steps` gives them.

    Attributes
    ----------
    eta, relative : arrays of shape (n,)
        Linear predictor, and its exponential.
    likelihood : float
    scale : array of shape (m,)
    """

    eta: FloatArray
    relative: FloatArray
    likelihood: float
    steps: FloatArray
    means: FloatArray
    outer: FloatArray
    scale: FloatArray


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
    from soa_evidence.survival.cox_kernels import predictor, risk_steps

    scale = np.ones(len(rows.stratum)) if scale is None else scale
    eta = predictor(rows.Z, beta)
    if offset is not None:
        eta += offset
    with np.errstate(over="ignore"):
        relative = np.exp(eta)
    risk = rows.weight * relative
    if not np.isfinite(risk.sum()):
        return None
    logs, steps, means, outer = risk_steps(
        rows.Z, risk, rows.weight, rows.died, *rows.risk_sets, efron, scale
    )
    likelihood = float(rows.weight[rows.died] @ eta[rows.died] - logs)
    return Sweep(
        eta=eta, relative=relative, likelihood=likelihood, steps=steps, means=means, outer=outer, scale=scale
    )


def exposures(rows: SortedRows, found: Sweep, power: int = 0) -> FloatArray:
    """Return weight × exp(eta) × hazard each row is exposed to, its steps weighted by scale to a power."""
    from soa_evidence.survival.cox_kernels import running_sums

    step = found.steps if power == 0 else found.steps * found.scale[:, None] ** power
    before, after = running_sums(step[:, :1], rows.stratum)
    exposure: FloatArray = after[rows.group, 0]
    if len(rows.joined):
        exposure -= before[rows.first, 0]
    own = rows.group[rows.died]
    exposure[rows.died] += step[own, 1] - step[own, 0]
    exposure *= rows.weight
    exposure *= found.relative
    return exposure


def derivatives(rows: SortedRows, found: Sweep) -> tuple[FloatArray, FloatArray]:
    """Return the gradient, shape (p,), and the information, shape (p, p)."""
    from soa_evidence.survival.cox_kernels import weighted_sum

    run = exposures(rows, found)
    information_ = _second_moments(rows.Z, run) - found.outer[0]
    run *= -1
    run[rows.died] += rows.weight[rows.died]
    return weighted_sum(rows.Z, run), information_


def information(rows: SortedRows, found: Sweep, power: int) -> FloatArray:
    """Return the information with each event weighted by scale to `power`, shape (p, p)."""
    return np.asarray(_second_moments(rows.Z, exposures(rows, found, power)) - found.outer[power])


def _second_moments(Z: FloatArray, weight: FloatArray) -> FloatArray:
    total = np.zeros((Z.shape[1], Z.shape[1]))
    rows = max(_BLOCK // Z.shape[1] ** 2, 64)
    for low in range(0, len(Z), rows):
        block = Z[low : low + rows]
        total += (block * weight[low : low + rows, None]).T @ block
    return (total + total.T) / 2


def score_residuals(rows: SortedRows, found: Sweep) -> tuple[FloatArray, FloatArray]:
    """Return score residuals, shape (n, p), and hazards run, shape (n,), in sorted order."""
    from soa_evidence.survival import cox_kernels

    hazard = cox_kernels.running_sums(found.steps[:, :1], rows.stratum)
    tilted = cox_kernels.running_sums(found.means[:, 0], rows.stratum)
    return cox_kernels.score_residuals(
        rows.Z, found.relative, rows.died, rows.group, rows.first, found.steps, found.means, *hazard, *tilted
    )
