"""The likelihood of a parametric distribution over rows known exactly or within limits, with derivatives.

    row i:  w [ log f(t), log S(t), log F(u) or log(S(l) - S(u)) ]  -  w log S(e)

each a function of the linear predictors of the distribution's parameters, eta_k = X_k b_k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival import jets
from soa_evidence.survival.jets import Jet
from soa_evidence.survival.newton import Derivatives
from soa_evidence.survival.observations import EXACT, INTERVAL, LEFT, RIGHT, Observations
from soa_evidence.survival.parametric_laws import Distribution

__all__ = ["Likelihood"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Likelihood:
    """Rows, their designs, and the distribution.

    Attributes
    ----------
    designs : tuple of arrays, shape (n, p_k) each
        One for each parameter of the distribution.
    unit : float
        Times are divided by it, so that parameters are of moderate size.
    """

    distribution: Distribution
    rows: Observations
    designs: tuple[FloatArray, ...]
    unit: float

    def split(self, beta: FloatArray) -> list[FloatArray]:
        """Return the coefficients of each parameter."""
        return np.split(beta, np.cumsum([X.shape[1] for X in self.designs])[:-1])

    def evaluate(self, beta: FloatArray) -> Derivatives:
        """Return the log likelihood of times in `unit`, its gradient and second derivatives."""
        jet = self._rows(beta)
        if not np.isfinite(jet.value).all() or not np.isfinite(jet.hessian).all():
            return None
        w = self.rows.weight
        gradient = np.concatenate([X.T @ (w * g) for X, g in zip(self.designs, jet.gradient, strict=True)])
        blocks = [
            [
                X.T @ ((w * jet.hessian[k, m])[:, None] * Z) if k <= m else np.empty((X.shape[1], Z.shape[1]))
                for m, Z in enumerate(self.designs)
            ]
            for k, X in enumerate(self.designs)
        ]
        for k in range(len(blocks)):
            for m in range(k):
                blocks[k][m] = blocks[m][k].T
        return float(w @ jet.value), gradient, np.block(blocks)

    def scores(self, beta: FloatArray) -> FloatArray:
        """Return the weighted gradient of each row, shape (n, p)."""
        jet = self._rows(beta)
        parts = [g[:, None] * X for X, g in zip(self.designs, jet.gradient, strict=True)]
        return np.asarray(self.rows.weight[:, None] * np.hstack(parts))

    def _rows(self, beta: FloatArray) -> Jet:
        eta = np.array([X @ b for X, b in zip(self.designs, self.split(beta), strict=True)])
        k, n = eta.shape
        value, gradient, hessian = np.zeros(n), np.zeros((k, n)), np.zeros((k, k, n))
        rows, law = self.rows, self.distribution.jets
        lower, upper, entry = (times / self.unit for times in (rows.lower, rows.upper, rows.entry))

        def put(at: NDArray[np.intp], jet: Jet) -> None:
            value[at] = jet.value
            gradient[:, at] = jet.gradient
            hessian[:, :, at] = jet.hessian

        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            for kind in (EXACT, RIGHT, LEFT, INTERVAL):
                at = np.flatnonzero(rows.kind == kind)
                if not len(at):
                    continue
                if kind == EXACT:
                    put(at, law(lower[at], eta[:, at], "density"))
                elif kind == RIGHT:
                    put(at, law(lower[at], eta[:, at], "survival"))
                elif kind == LEFT:
                    put(at, jets.log_failed(law(upper[at], eta[:, at], "survival")))
                else:
                    both = (law(times[at], eta[:, at], "survival") for times in (lower, upper))
                    put(at, jets.log_between(*both))
            late = np.flatnonzero(entry > 0)
            if len(late):
                before = law(entry[late], eta[:, late], "survival")
                value[late] -= before.value
                gradient[:, late] -= before.gradient
                hessian[:, :, late] -= before.hessian
        return Jet(value=value, gradient=gradient, hessian=hessian)
