"""Which parameters the model has, where each stands, and how it acts on the log hazard.

Given the spreads, everything else in the model is normal a priori: the common level, the classes' levels, the
steps of the hazard from band to band, the departures of a class in a period, and the case mix. They stand
together in one vector, `phi`, whose prior precision is a fixed matrix plus two diagonals that the spreads
scale. Deaths have a vector of their own of the same kind, without periods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.priors import HierarchicalPriors, Normal
from soa_evidence.survival.hierarchical_cells import Cells

__all__ = ["Block", "death_block", "period_of_band", "revision_block"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Block:
    """One vector of parameters that are normal given the spreads.

    Attributes
    ----------
    groups, steps, departures, terms : int
        How many classes G, steps between bands, class-by-period departures and case-mix terms there are, in
        the order in which `phi` holds them after the common level; M in all.
    time_basis : array of shape (G, B, steps + departures)
        What steps and departures add to the log hazard of each class in each band.
    prior_mean : array of shape (M,)
    precision : array of shape (M, M)
        Prior precision but for what the spreads scale.
    step_scale : array of shape (M,)
        Prior precision of the steps where log smoothing is 0; elsewhere 0.
    departure_scale : array of shape (M,)
        The same of the departures.
    """

    groups: int
    steps: int
    departures: int
    terms: int
    time_basis: FloatArray
    prior_mean: FloatArray
    precision: FloatArray
    step_scale: FloatArray
    departure_scale: FloatArray

    @property
    def size(self) -> int:
        """Length of `phi`."""
        return 1 + self.groups + self.steps + self.departures + self.terms

    @property
    def classes(self) -> slice:
        """Where the classes' levels stand in `phi`."""
        return slice(1, 1 + self.groups)

    @property
    def time(self) -> slice:
        """Where steps and departures stand."""
        return slice(1 + self.groups, 1 + self.groups + self.steps + self.departures)

    @property
    def case_mix(self) -> slice:
        """Where the case-mix terms stand."""
        return slice(self.size - self.terms, self.size)

    def time_effect(self, phi: FloatArray) -> FloatArray:
        """Log hazard over the class's or unit's level: `phi` (S, M) to (S, G, B)."""
        return np.asarray(np.einsum("gbm,sm->sgb", self.time_basis, phi[:, self.time]))


def revision_block(cells: Cells, period: IntArray, priors: HierarchicalPriors) -> Block:
    """Lay out the parameters of revision; `period` (B,) is each band's period."""
    G, B = len(cells.groups), len(cells.breaks) - 1
    n_periods = int(period.max()) + 1
    n_departures = G * n_periods if n_periods > 1 else 0
    departures = np.zeros((G, B, n_departures))
    if n_departures:
        g, b = np.ix_(range(G), range(B))
        departures[g, b, g * n_periods + period[b]] = 1.0
    return _block(cells, departures, priors.common_level, priors.class_level, priors.case_mix)


def death_block(cells: Cells, priors: HierarchicalPriors) -> Block:
    """Lay out the parameters of death."""
    none = np.zeros((len(cells.groups), len(cells.breaks) - 1, 0))
    return _block(cells, none, priors.death_level, priors.death_class, priors.death_case_mix)


def period_of_band(breaks: FloatArray, periods: Sequence[float]) -> IntArray:
    """Return the period of each band, given the years at which a new period begins.

    Raises
    ------
    InputError
        When a period begins elsewhere than at a break between two bands.
    """
    for at in periods:
        if not np.isclose(breaks[1:-1], at, rtol=0, atol=1e-12).any():
            raise InputError(
                f"periods= has a new period begin at {at:g} years, which is no break between two bands. "
                f"Breaks: {', '.join(f'{x:g}' for x in breaks)}."
            )
    return np.searchsorted(np.sort(np.asarray(periods, dtype=float)), breaks[:-1] + 1e-12).astype(np.int64)


def _block(cells: Cells, departures: FloatArray, common: Normal, around: Normal, case_mix: Normal) -> Block:
    G, B = len(cells.groups), len(cells.breaks) - 1
    n_terms, n_departures = len(cells.terms), departures.shape[2]
    basis = np.concatenate([np.broadcast_to(_steps(cells.breaks), (G, B, B - 1)), departures], axis=2)
    size = 1 + G + B - 1 + n_departures + n_terms
    mean, precision = np.zeros(size), np.zeros((size, size))
    mean[0] = common.mean
    # (class level - common) has precision 1 / sd^2: a block over the common level and the classes.
    tight = 1 / around.sd**2
    precision[0, 0] = 1 / common.sd**2 + G * tight
    precision[0, 1 : 1 + G] = precision[1 : 1 + G, 0] = -tight
    precision[range(1, 1 + G), range(1, 1 + G)] = tight
    mean[1 : 1 + G] = common.mean
    terms = np.arange(size - n_terms, size)
    precision[terms, terms] = 1 / case_mix.sd**2
    step_scale, departure_scale = np.zeros(size), np.zeros(size)
    middle = (cells.breaks[1:] + cells.breaks[:-1]) / 2
    step_scale[1 + G : G + B] = 1 / np.diff(np.log(middle))
    departure_scale[G + B : G + B + n_departures] = 1.0
    return Block(
        groups=G, steps=B - 1, departures=n_departures, terms=n_terms, time_basis=basis, prior_mean=mean,
        precision=precision, step_scale=step_scale, departure_scale=departure_scale,
    )  # fmt: skip


def _steps(breaks: FloatArray) -> FloatArray:
    """Log hazard of each band from the steps between bands (B, B - 1), its mean over all years being 0."""
    width = np.diff(breaks)
    total = np.tril(np.ones((len(width), len(width))))[:, 1:]
    return np.asarray(total - (width / width.sum()) @ total)
