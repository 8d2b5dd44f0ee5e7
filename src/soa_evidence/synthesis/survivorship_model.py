r"""Several studies, each with survival at one time or several, in one multivariate random-effects model.

On the scale g of the analysis, study i says :math:`y_i = (g(S_{i1}), ...)` at its own times:

.. math:: y_i \sim N(X_i \beta,\; W_i + \tau^2 R_i), \qquad R_{i,st} = \rho^{|\log t - \log s|}

W is the sampling covariance, known from the published limits; tau the standard deviation of true survival
between studies; rho how alike a study's deviations are at times a factor e apart (1: a study that is better
is better throughout, in proportion). tau2 and rho maximise the restricted likelihood; beta is then weighted
least squares, with t intervals on (studies - columns of X) degrees of freedom.

Source: Jackson, Riley & White (2011), Stat Med 30:2481 for multivariate pooling; the autoregressive form is
that of metafor's ``struct = "CAR"`` on log time.

Checked against: metafor::rma.mv (tests/reference/survival_curves).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

__all__ = ["Block", "Fitted", "maximise", "solve"]

FloatArray = NDArray[np.float64]
_TAU_GRID = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_RHO_GRID = (0.05, 0.5, 0.9, 0.99)
_LARGEST_RHO = 1.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Block:
    """One study: its times, values on the scale of the analysis, and their sampling covariance."""

    label: str
    time: FloatArray
    value: FloatArray
    covariance: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """Coefficients, their covariance, tau2, rho, restricted log-likelihood, and whether the search ended."""

    coefficients: FloatArray
    covariance: FloatArray
    tau2: float
    rho: float
    log_likelihood: float
    converged: bool


def solve(blocks: Sequence[Block], designs: Sequence[FloatArray], tau2: float, rho: float) -> Fitted:
    """Return the fit at given tau2 and rho."""
    columns = designs[0].shape[1]
    information, score = np.zeros((columns, columns)), np.zeros(columns)
    parts, logs = [], 0.0
    for block, X in zip(blocks, designs, strict=True):
        apart = np.abs(np.subtract.outer(np.log(block.time), np.log(block.time)))
        total = block.covariance + tau2 * rho**apart
        root = np.linalg.cholesky(total)
        left, right = np.linalg.solve(root, X), np.linalg.solve(root, block.value)
        parts.append((left, right))
        information = information + left.T @ left
        score = score + left.T @ right
        logs += 2 * float(np.log(np.diag(root)).sum())
    covariance = np.linalg.inv(information)
    beta = covariance @ score
    rest = sum(float(np.sum((right - left @ beta) ** 2)) for left, right in parts)
    _, log_information = np.linalg.slogdet(information)
    return Fitted(
        coefficients=beta,
        covariance=(covariance + covariance.T) / 2,
        tau2=tau2,
        rho=rho,
        log_likelihood=-0.5 * (logs + float(log_information) + rest),
        converged=True,
    )


def maximise(blocks: Sequence[Block], designs: Sequence[FloatArray], rho: float | None) -> Fitted:
    """Return the fit at the highest restricted likelihood; a given `rho` is kept."""
    if rho is not None:
        return _over_tau(blocks, designs, rho)
    best = max(
        (solve(blocks, designs, tau**2, share) for tau in _TAU_GRID for share in _RHO_GRID),
        key=_likelihood,
    )
    # tau2 for each rho is one search; rho itself is searched over that, then once more from the best
    found = optimize.minimize_scalar(
        lambda share: -_over_tau(blocks, designs, float(share)).log_likelihood,
        bounds=(0.0, _LARGEST_RHO),
        method="bounded",
        options={"xatol": 1e-9, "maxiter": 200},
    )
    ends = [_over_tau(blocks, designs, share) for share in (float(found.x), 0.0, _LARGEST_RHO, best.rho)]
    top = max(ends, key=_likelihood)
    return Fitted(
        coefficients=top.coefficients,
        covariance=top.covariance,
        tau2=top.tau2,
        rho=top.rho,
        log_likelihood=top.log_likelihood,
        converged=bool(found.success) and top.converged,
    )


def _likelihood(fitted: Fitted) -> float:
    return fitted.log_likelihood


def _over_tau(blocks: Sequence[Block], designs: Sequence[FloatArray], rho: float) -> Fitted:
    taus = np.asarray(_TAU_GRID)
    heights = [solve(blocks, designs, tau**2, rho).log_likelihood for tau in taus]
    at = int(np.argmax(heights))
    low, high = taus[max(at - 1, 0)], taus[at + 1] if at + 1 < len(taus) else 5.0
    found = optimize.minimize_scalar(
        lambda tau: -solve(blocks, designs, float(tau) ** 2, rho).log_likelihood,
        bounds=(float(low), float(high)),
        method="bounded",
        options={"xatol": 1e-10, "maxiter": 500},
    )
    inside = solve(blocks, designs, float(found.x) ** 2, rho)
    none = solve(blocks, designs, 0.0, rho)
    top = max((inside, none), key=_likelihood)
    return Fitted(
        coefficients=top.coefficients,
        covariance=top.covariance,
        tau2=top.tau2,
        rho=rho,
        log_likelihood=top.log_likelihood,
        converged=bool(found.success),
    )
