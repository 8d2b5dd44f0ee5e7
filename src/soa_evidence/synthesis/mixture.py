"""Mixtures of normals: what a posterior is once the spread between studies has been integrated out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["NormalMixture"]

FloatArray = NDArray[np.float64]
_STEPS = 200


@dataclass(frozen=True, eq=False, kw_only=True)
class NormalMixture:
    """J mixtures over the same S weights.

    Attributes
    ----------
    means, sds : arrays of shape (J, S)
    weights : array of shape (S,)
        They sum to 1.
    """

    means: FloatArray
    sds: FloatArray
    weights: FloatArray

    def mean(self) -> FloatArray:
        """Return the mean of each mixture, shape (J,)."""
        return np.asarray(self.means @ self.weights)

    def sd(self) -> FloatArray:
        """Return the standard deviation of each mixture, shape (J,)."""
        away = self.means - self.mean()[:, None]
        return np.sqrt((self.sds**2 + away**2) @ self.weights)

    def below(self, value: FloatArray) -> FloatArray:
        """Return the probability that each mixture lies below its `value` (J,)."""
        return np.asarray(ndtr((value[:, None] - self.means) / self.sds) @ self.weights)

    def density(self, value: FloatArray) -> FloatArray:
        """Return the density of each mixture at its `value` (J,)."""
        z = (value[:, None] - self.means) / self.sds
        return np.asarray((np.exp(-0.5 * z**2) / self.sds) @ self.weights / np.sqrt(2 * np.pi))

    def quantile(self, probability: float) -> FloatArray:
        """Quantile of each mixture, shape (J,): Newton's steps held between bounds that close in."""
        z = float(ndtri(probability))
        ends = self.means + z * self.sds
        # A mixture's quantile lies between the least and the greatest of its parts'.
        low, high = ends.min(axis=1), ends.max(axis=1)
        value = np.clip(self.mean() + z * self.sd(), low, high)
        for _ in range(_STEPS):
            gap = self.below(value) - probability
            low, high = np.where(gap < 0, value, low), np.where(gap >= 0, value, high)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                newton = value - gap / self.density(value)
            inside = np.isfinite(newton) & (newton > low) & (newton < high)
            new = np.where(inside, newton, (low + high) / 2)
            done = np.abs(new - value) <= 1e-13 * (np.abs(value) + self.sd())
            value = new
            if done.all():
                break
        return value
