"""The Poisson likelihood of cells of events and person-time, its limits, and the predictions that follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival.cox_rows import Design
from soa_evidence.survival.exposure import band_names
from soa_evidence.survival.newton import Derivatives
from soa_evidence.survival.smooth_model import Evaluated, Evaluator

__all__ = ["BandDesign", "CellLikelihood", "evaluator", "exact_limits", "profile_limits"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MOST_STEPS = 100
FURTHEST = 60  # doublings outwards in search of a limit


@dataclass(frozen=True, eq=False, kw_only=True)
class BandDesign:
    """The columns of the model: an indicator for each band, the covariates, and those that differ by band.

    Attributes
    ----------
    design : Design
    edges : array of shape (K + 1,)
    interactions : tuple of str
        Covariates whose columns also stand once for each band but the first.
    """

    design: Design
    edges: FloatArray
    interactions: tuple[str, ...]

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands."""
        return band_names(self.edges)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        names = [f"band {name}" for name in self.band_names] + list(self.design.terms)
        for term, source in zip(self.design.terms, self.design.source, strict=True):
            if source in self.interactions:
                names += [f"{term} × band {name}" for name in self.band_names[1:]]
        return tuple(names)

    def columns(self, covariates: list[FloatArray], band: IntArray) -> FloatArray:
        """Return the columns for rows of the given bands, shape (n, p)."""
        inside = (band[:, None] == np.arange(len(self.edges) - 1)).astype(float)
        parts = [inside, *covariates]
        for column, source in zip(covariates, self.design.source, strict=True):
            if source in self.interactions:
                parts.append(column[:, None] * inside[:, 1:])
        return np.column_stack(parts)

    def hazards_of(self, profile: pd.DataFrame) -> FloatArray:
        """Return the contrast of the coefficients that is the log hazard of each band; shape (K, p)."""
        bands = np.arange(len(self.edges) - 1)
        return self.columns([np.repeat(c, len(bands)) for c in self.design.encode(profile)], bands)


@dataclass(frozen=True, eq=False, kw_only=True)
class CellLikelihood:
    """Cells and their columns, shape (n, p)."""

    X: FloatArray
    events: FloatArray
    person_time: FloatArray

    def evaluate(self, beta: FloatArray) -> Derivatives:
        """Return the log likelihood (of the times), its gradient and second derivatives."""
        eta = self.X @ beta
        with np.errstate(over="ignore"):
            expected = self.person_time * np.exp(eta)
        value = float(self.events @ eta - expected.sum())
        if not np.isfinite(value):
            return None
        gradient = self.X.T @ (self.events - expected)
        return value, gradient, -(self.X.T @ (expected[:, None] * self.X))

    def scores(self, beta: FloatArray) -> FloatArray:
        """Return the gradient of each cell, shape (n, p)."""
        expected = self.person_time * np.exp(self.X @ beta)
        return np.asarray((self.events - expected)[:, None] * self.X)


def exact_limits(events: ArrayLike, person_time: ArrayLike, level: float) -> tuple[FloatArray, FloatArray]:
    """Return Garwood's limits of rates."""
    from scipy.stats import chi2

    d, T, tail = np.asarray(events, float), np.asarray(person_time, float), (1 - level) / 2
    return np.asarray(chi2.ppf(tail, 2 * d) / 2 / T), np.asarray(chi2.isf(tail, 2 * d + 2) / 2 / T)


def profile_limits(
    likelihood: CellLikelihood, at: FloatArray, contrast: FloatArray, error: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return limits of exp(contrast b) from the profile likelihood: where it has fallen by half of chi².

    Parameters
    ----------
    at : array of shape (p,)
        The maximum.
    contrast : array of shape (K, p)
    error : array of shape (K,)
        Standard errors of the contrasts, as a first step outwards.
    """
    from scipy.optimize import brentq
    from scipy.stats import chi2

    top = likelihood.evaluate(at)
    if top is None:
        raise InputError("The likelihood is not finite at its maximum; rescale the covariates.")
    fall = float(chi2.ppf(level, 1)) / 2
    limits = np.empty((2, len(contrast)))
    for k, (row, step) in enumerate(zip(contrast, error, strict=True)):
        middle = float(row @ at)

        def below(value: float, row: FloatArray = row) -> float:
            return top[0] - fall - _restricted(likelihood, at, row, value)

        for side, sign in enumerate((-1.0, 1.0)):
            outer = sign * step
            for _ in range(FURTHEST):
                if below(middle + outer) > 0:
                    break
                outer *= 1.5
            limits[side, k] = brentq(below, middle, middle + outer, xtol=1e-12, rtol=1e-12)
    return np.exp(limits[0]), np.exp(limits[1])


def _restricted(likelihood: CellLikelihood, start: FloatArray, row: FloatArray, value: float) -> float:
    """Return the greatest log likelihood among coefficients with row'b equal to `value`."""
    # A basis of the directions that leave row'b as it is.
    free = np.linalg.svd(row[None])[2][1:].T
    beta = start + row * ((value - row @ start) / (row @ row))
    here = likelihood.evaluate(beta)
    for _ in range(MOST_STEPS):
        if here is None or not free.shape[1]:
            break
        gradient, information = free.T @ here[1], -free.T @ here[2] @ free
        step = np.linalg.lstsq(information, gradient, rcond=None)[0]
        gain = float(gradient @ step) / 2
        if gain < 1e-13 * max(1.0, abs(here[0])):
            break
        length = 1.0
        while length > 1e-8:
            tried = likelihood.evaluate(beta + length * (free @ step))
            if tried is not None and tried[0] >= here[0]:
                break
            length /= 2
        else:
            break
        beta, here = beta + length * (free @ step), tried
    return -np.inf if here is None else here[0]


def evaluator(design: BandDesign, beta: FloatArray) -> Evaluator:
    """Return the function that gives log survival and log hazard of any profile at any time."""
    edges = design.edges
    bands = np.arange(len(edges) - 1)

    def evaluate(profiles: pd.DataFrame, times: FloatArray) -> Evaluated:
        m, K = len(profiles), len(bands)
        covariates = [np.repeat(column, K) for column in design.design.encode(profiles)]
        X = design.columns(covariates, np.tile(bands, m))
        eta = (X @ beta).reshape(m, K)
        hazard, columns = np.exp(eta), X.reshape(m, K, -1)
        # A time on a break belongs to the band that ends there.
        band = np.searchsorted(edges[1:-1], times, side="left")
        spent = np.clip(np.minimum(times[:, None], edges[1:]) - edges[:-1], 0.0, None)
        return Evaluated(
            log_survival=-hazard @ spent.T,
            log_hazard=eta[:, band],
            survival_slope=-np.einsum("mk,tk,mkp->mtp", hazard, spent, columns, optimize=True),
            hazard_slope=columns[:, band],
        )

    return evaluate
