r"""Pooled mean, its standard error and limits, and prediction limits, over many meta-analyses at once.

:math:`\hat\mu = \sum w_i y_i / \sum w_i` with :math:`w_i = 1/(v_i + \hat\tau^2)`.

=========================  =======================================  ====================
interval                   squared standard error                   reference
=========================  =======================================  ====================
wald                       :math:`1/\sum w_i`                       normal
t                          the same                                 t, k - 1
hartung_knapp              the same times :math:`q`                 t, k - 1
hartung_knapp_floor        the same times :math:`\max(1, q)`        t, k - 1
=========================  =======================================  ====================

with :math:`q = \sum w_i (y_i - \hat\mu)^2/(k-1)`. Without the floor the Hartung-Knapp interval can be
narrower than one that ignores differences between studies. Prediction limits for the true effect of a new
study are :math:`\hat\mu \pm c\sqrt{\hat\tau^2 + se^2}` with c from the normal, or t with k - 1 or k - 2.

Sources: Hartung & Knapp 2001; Knapp & Hartung 2003 for the floor; Higgins, Thompson & Spiegelhalter 2009 for
prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from soa_evidence.synthesis.studies import Batch, FloatArray

__all__ = ["INTERVALS", "PREDICTIONS", "Pooled", "pool", "prediction_dof", "typical_variance"]

INTERVALS = ("wald", "t", "hartung_knapp", "hartung_knapp_floor")

#: What each prediction interval is called wherever it is shown.
PREDICTIONS = {
    "z": "normal",
    "t_k_minus_1": "t with k - 1 degrees of freedom",
    "t_k_minus_2": "t with k - 2 degrees of freedom",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Pooled:
    """Pooled means of M meta-analyses.

    Attributes
    ----------
    mean, std_error, dof, scale : arrays of shape (M,)
        `dof` is infinite for the normal; `scale` is the Hartung-Knapp factor, 1 where not used.
    """

    mean: FloatArray
    std_error: FloatArray
    dof: FloatArray
    scale: FloatArray

    def limits(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Lower and upper confidence limits of the means."""
        reach = quantile(1 - (1 - level) / 2, self.dof) * self.std_error
        return self.mean - reach, self.mean + reach

    def p_value(self) -> FloatArray:
        """Two-sided p-values against a mean of 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.abs(self.mean / self.std_error)
        finite = np.isfinite(self.dof)
        tail = stats.t.sf(ratio, np.where(finite, self.dof, 1.0))
        return np.asarray(2 * np.where(finite, tail, stats.norm.sf(ratio)))

    def prediction(self, tau2: FloatArray, size: FloatArray, kind: str, level: float) -> FloatArray:
        """Lower and upper prediction limits, shape (2, M); missing where k leaves no degrees of freedom."""
        reach = quantile(1 - (1 - level) / 2, prediction_dof(size, kind))
        reach = reach * np.sqrt(tau2 + self.std_error**2)
        return np.stack([self.mean - reach, self.mean + reach])


def pool(batch: Batch, tau2: FloatArray, interval: str) -> Pooled:
    """Pool every meta-analysis given its variance between studies."""
    w, k = batch.weights(tau2), batch.size
    variance = 1 / w.sum(axis=1)
    scale = np.ones(len(k))
    if interval.startswith("hartung_knapp"):
        scale = batch.spread(w) / np.where(k > 1, k - 1, np.nan)
        if interval == "hartung_knapp_floor":
            scale = np.maximum(scale, 1.0)
    dof = np.full(len(k), np.inf) if interval == "wald" else np.where(k > 1, k - 1, np.nan)
    return Pooled(mean=batch.mean(w), std_error=np.sqrt(scale * variance), dof=dof, scale=scale)


def prediction_dof(size: FloatArray, kind: str) -> FloatArray:
    """Degrees of freedom of a prediction interval; infinite for the normal, missing where there are none."""
    if kind == "z":
        return np.full(len(size), np.inf)
    dof = size - (1 if kind == "t_k_minus_1" else 2)
    return np.where(dof >= 1, dof, np.nan)


def typical_variance(batch: Batch) -> FloatArray:
    """Return the typical sampling variance against which I2 and H2 set tau2 (Higgins & Thompson 2002)."""
    w = batch.weights(np.zeros(len(batch.size)))
    total = w.sum(axis=1)
    return np.asarray((batch.size - 1) / (total - (w**2).sum(axis=1) / total))


def quantile(probability: float, dof: FloatArray) -> FloatArray:
    """Quantile of t, or of the normal where `dof` is infinite."""
    finite = np.isfinite(dof)
    value = np.where(
        finite, stats.t.ppf(probability, np.where(finite, dof, 1.0)), stats.norm.ppf(probability)
    )
    return np.where(np.isnan(dof), np.nan, value)
