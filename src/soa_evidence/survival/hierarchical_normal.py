"""The likelihood near its peak as a normal one: what makes the sampler's coordinates good.

At the posterior mode for typical spreads, the log likelihood of the units' levels u and of phi is expanded to
second order::

    b_u' u + b' phi - (u' diag(I) u + 2 u' C phi + phi' H phi) / 2.

With a normal prior given the spreads, the posterior given the spreads is then nearly normal too, and
`coordinates` gives its mean and its Cholesky factor for any spreads. The sampler moves in standard normal
coordinates of that; the change of variable is exact, so a poor expansion costs time, never truth.

Sources: Breslow and Clayton (1993), JASA 88:9, for the penalised mode; Papaspiliopoulos, Roberts and Sköld
(2007), Statistical Science 22:59, for coordinates between centred and non-centred.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from soa_evidence.priors import HierarchicalPriors
from soa_evidence.survival.hierarchical_cells import Cells
from soa_evidence.survival.hierarchical_layout import Block

__all__ = ["Peak", "death_peak", "revision_peak"]

FloatArray = NDArray[np.float64]

_MOST_STEPS = 60
_CLOSE_ENOUGH = 1e-4
_LARGEST_STEP = 2.0  # log hazard at once: a Newton step on very few events may overshoot
_PRIOR_UNITS = 3.0  # how many units' worth the prior spread counts in each class: keeps small classes sane


@dataclass(frozen=True, eq=False, kw_only=True)
class Peak:
    """Second-order expansion of the log likelihood, in the notation of the module.

    Attributes
    ----------
    unit_linear, unit_information : arrays of shape (J,)
        b_u and I; empty for deaths.
    cross : array of shape (J, M)
        C.
    linear : array of shape (M,)
        b.
    information : array of shape (M, M)
        H.
    log_spread, spread_information : arrays of shape (G,)
        Mode of the log spread between units of each class, and what the data say of it, 1 / variance.
    """

    unit_linear: FloatArray
    unit_information: FloatArray
    cross: FloatArray
    linear: FloatArray
    information: FloatArray
    log_spread: FloatArray
    spread_information: FloatArray


def revision_peak(cells: Cells, block: Block, priors: HierarchicalPriors) -> Peak:
    """Find the mode for revision by Newton steps, with the units' spreads updated between them."""
    J, G = len(cells.units), len(cells.groups)
    own = cells.group_of_unit
    basis = block.time_basis[own]
    precision = _prior_precision(block, priors)
    typical = float(np.exp(priors.typical_log_spread.mean))
    spread = np.full(G, typical)
    start = np.log(cells.revisions.sum() / cells.person_years.sum())
    u, phi = np.full(J, start), _start(block, start)
    size = np.bincount(own, minlength=G)
    peak = _expand_revision(cells, block, basis, u, phi)
    for _ in range(_MOST_STEPS):
        tight = 1 / spread[own] ** 2
        prior_cross = np.zeros((J, block.size))
        prior_cross[np.arange(J), 1 + own] = -tight
        full = precision.copy()
        full[range(1, 1 + G), range(1, 1 + G)] += np.bincount(own, weights=tight, minlength=G)
        # Gradient of the log posterior: likelihood's at the point, and the prior's.
        slope_u = peak.unit_linear - peak.unit_information * u - peak.cross @ phi
        slope = peak.linear - peak.information @ phi - peak.cross.T @ u
        slope_u = slope_u - tight * u - prior_cross @ phi
        slope = slope - full @ phi + precision @ block.prior_mean - prior_cross.T @ u
        q, V = peak.unit_information + tight, peak.cross + prior_cross
        schur = full + peak.information - V.T @ (V / q[:, None])
        step = np.linalg.solve(schur, slope - V.T @ (slope_u / q))
        step_u = (slope_u - V @ step) / q
        shrink = min(1.0, _LARGEST_STEP / max(np.abs(step).max(), np.abs(step_u).max(), 1e-300))
        u, phi = u + shrink * step_u, phi + shrink * step
        square = (u - phi[1 + own]) ** 2 + 1 / q
        total = np.bincount(own, weights=square, minlength=G)
        spread = np.sqrt((total + _PRIOR_UNITS * typical**2) / (size + _PRIOR_UNITS))
        peak = _expand_revision(cells, block, basis, u, phi)
        if max(np.abs(step).max(), np.abs(step_u).max()) < _CLOSE_ENOUGH:
            break
    told_by_unit = spread[own] ** 2 * peak.unit_information
    share = told_by_unit / (1 + told_by_unit)
    told = 2 * np.bincount(own, weights=share**2, minlength=G)
    return replace(peak, log_spread=np.log(spread), spread_information=told)


def death_peak(cells: Cells, block: Block, priors: HierarchicalPriors) -> Peak:
    """Find the mode for death by Newton steps."""
    person_years = cells.by_group(cells.person_years)
    precision = _prior_precision(block, priors)
    phi = _start(block, np.log((cells.deaths.sum() + 0.5) / person_years.sum()))
    peak = _expand_death(cells, block, person_years, phi)
    for _ in range(_MOST_STEPS):
        slope = peak.linear - peak.information @ phi + precision @ (block.prior_mean - phi)
        step = np.linalg.solve(precision + peak.information, slope)
        phi = phi + step * min(1.0, _LARGEST_STEP / max(np.abs(step).max(), 1e-300))
        peak = _expand_death(cells, block, person_years, phi)
        if np.abs(step).max() < _CLOSE_ENOUGH:
            break
    return peak


def _prior_precision(block: Block, priors: HierarchicalPriors) -> FloatArray:
    step = np.exp(-2 * priors.log_smoothing.mean) * block.step_scale
    departure = np.exp(-2 * priors.log_period_spread.mean) * block.departure_scale
    return np.asarray(block.precision + np.diag(step + departure))


def _start(block: Block, level: float) -> FloatArray:
    phi = np.zeros(block.size)
    phi[: 1 + block.groups] = level
    return phi


def _expand_revision(cells: Cells, block: Block, basis: FloatArray, u: FloatArray, phi: FloatArray) -> Peak:
    """Second-order expansion at u (J,) and phi (M,); `basis` (J, B, .) is each unit's class's."""
    time = basis @ phi[block.time]
    kinds = np.exp(cells.design @ phi[block.case_mix])
    # Expected events by unit, band and pattern, never held whole but for one weight matrix at a time.
    by_band = np.exp(u[:, None] + time) * (cells.person_years @ kinds)
    rate = np.exp(u[:, None] + time)
    by_unit_pattern = np.einsum("jb,jbp->jp", rate, cells.person_years) * kinds
    by_class_band_pattern = cells.by_group(rate[:, :, None] * cells.person_years) * kinds
    cross = np.zeros((len(u), block.size))
    cross[:, block.time] = np.einsum("jb,jbm->jm", by_band, basis)
    cross[:, block.case_mix] = by_unit_pattern @ cells.design
    events = _events(cells, block, cells.by_group(cells.revisions), cells.revisions_by_pattern)
    information = _information(cells, block, by_class_band_pattern)
    expected = by_band.sum(axis=1)
    slope = events - cross.sum(axis=0)
    return Peak(
        unit_linear=cells.revisions.sum(axis=1) - expected + expected * u + cross @ phi,
        unit_information=expected,
        cross=cross,
        linear=slope + information @ phi + cross.T @ u,
        information=information,
        log_spread=np.zeros(0),
        spread_information=np.zeros(0),
    )


def _expand_death(cells: Cells, block: Block, person_years: FloatArray, phi: FloatArray) -> Peak:
    log_rate = phi[block.classes][:, None] + block.time_basis @ phi[block.time]
    kinds = np.exp(cells.design @ phi[block.case_mix])
    expected = np.exp(log_rate)[:, :, None] * person_years * kinds
    information = _information(cells, block, expected, with_classes=True)
    by_class = expected.sum(axis=(1, 2))
    slope = _events(cells, block, cells.deaths, cells.deaths_by_pattern)
    slope[block.classes] = cells.deaths.sum(axis=1) - by_class
    slope[block.time] -= np.einsum("gb,gbm->m", expected.sum(axis=2), block.time_basis)
    slope[block.case_mix] -= expected.sum(axis=(0, 1)) @ cells.design
    none = np.zeros(0)
    return Peak(
        unit_linear=none,
        unit_information=none,
        cross=np.zeros((0, block.size)),
        linear=slope + information @ phi,
        information=information,
        log_spread=none,
        spread_information=none,
    )


def _events(cells: Cells, block: Block, by_class_band: FloatArray, by_pattern: FloatArray) -> FloatArray:
    """Sum of the events' rows of the design: what the likelihood is linear in."""
    total = np.zeros(block.size)
    total[block.time] = np.einsum("gb,gbm->m", by_class_band, block.time_basis)
    total[block.case_mix] = by_pattern @ cells.design
    return total


def _information(
    cells: Cells, block: Block, expected: FloatArray, *, with_classes: bool = False
) -> FloatArray:
    """Fisher information from expected events by class, band and pattern."""
    by_band, by_pattern = expected.sum(axis=2), expected.sum(axis=(0, 1))
    basis, design = block.time_basis, cells.design
    made = np.zeros((block.size, block.size))
    time, mix, classes = block.time, block.case_mix, block.classes
    made[time, time] = np.einsum("gbm,gb,gbn->mn", basis, by_band, basis)
    made[mix, mix] = design.T @ (design * by_pattern[:, None])
    made[time, mix] = np.einsum("gbm,gbk->mk", basis, expected @ design)
    if with_classes:
        made[classes, classes] = np.diag(by_band.sum(axis=1))
        made[classes, time] = np.einsum("gb,gbm->gm", by_band, basis)
        made[classes, mix] = expected.sum(axis=1) @ design
        made[time, classes] = made[classes, time].T
        made[mix, classes] = made[classes, mix].T
    made[mix, time] = made[time, mix].T
    return made
