"""The posterior of gamma-Poisson rates: Laplace for level and slopes inside a grid over the spread.

    O_i ~ Poisson(E_i r_i),  r_i ~ Gamma(shape a, mean exp(x_i b)),  a = 1 / s²
    p(s | O) ∝ p(s) p(b^ | s) p(O | b^, s) |H|^(-1/2),   b | s, O ~ N(b^, H⁻¹),   r_i | b, s, O gamma

Counts given b and s are negative binomial, in closed form; only level and slopes are approximated, by a
normal at
their mode, which with dozens of places is very near. No sampler is called: draws are made from known laws.

When not to use it: by itself; `pathways.intervention_rates` calls it. With fewer than ten places the normal
is crude.

Checked against: quadrature over level and spread, in tests/unit/test_pathways_rates.py; R, in
tests/reference/intervention_rates; simulation-based calibration, in tests/calibration/rates_calibration.csv.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from soa_evidence.errors import InputError
from soa_evidence.priors import RatePriors

__all__ = ["Posterior", "log_likelihood", "posterior"]

FloatArray = NDArray[np.float64]
SPREADS = (1e-3, 5.0)
_POINTS, _NEGLIGIBLE = 141, 14.0
_STEPS, _CLOSE = 100, 1e-11


@dataclass(frozen=True, eq=False, kw_only=True)
class Posterior:
    """Joint draws, and the grid they came from.

    Attributes
    ----------
    spread : shape (d,)
        s, the coefficient of variation between places.
    coefficients : shape (d, p)
        b; the first is the log of the average ratio.
    ratio : shape (d, n)
        r.
    grid_spread, grid_weight : shape (g,)
        Values of s and their posterior weights, adding up to 1.
    edge_weight : float
        Weight of the widest spread of the grid.
    """

    spread: FloatArray
    coefficients: FloatArray
    ratio: FloatArray
    grid_spread: FloatArray
    grid_weight: FloatArray
    edge_weight: float


def log_likelihood(observed: FloatArray, mean: FloatArray, spread: float) -> float:
    """Return the negative binomial log likelihood of counts with these means and size 1 / spread²."""
    a = 1 / spread**2
    return float(
        (special.gammaln(observed + a) - special.gammaln(a) - special.gammaln(observed + 1)).sum()
        - (a * np.log1p(mean / a)).sum()
        + (special.xlogy(observed, mean) - observed * np.log(a + mean)).sum()
    )


def posterior(
    observed: FloatArray, expected: FloatArray, X: FloatArray, *, priors: RatePriors, draws: int, seed: int
) -> Posterior:
    """Return joint draws.

    Parameters
    ----------
    observed, expected : shape (n,)
        Counts, and what is expected, above 0.
    X : shape (n, p)
        First column ones.
    """
    coarse = np.geomspace(*SPREADS, _POINTS)
    height, _, _ = _profile(coarse, observed, expected, X, priors)
    # on the log scale of s, hence + log s
    dense = height + np.log(coarse)
    near = np.flatnonzero(dense > dense.max() - _NEGLIGIBLE)
    low, high = coarse[max(near[0] - 1, 0)], coarse[min(near[-1] + 1, len(coarse) - 1)]
    grid = np.geomspace(low, high, _POINTS)
    height, centre, root = _profile(grid, observed, expected, X, priors)
    dense = height + np.log(grid)
    weight = np.exp(dense - dense.max())
    weight /= weight.sum()
    rng = np.random.default_rng(seed)
    even = (np.arange(draws) + rng.random(draws)) / draws
    at = rng.permutation(np.minimum(np.searchsorted(np.cumsum(weight), even), len(grid) - 1))
    noise = rng.standard_normal((draws, X.shape[1]))
    coefficients = centre[at] + np.einsum("dij,dj->di", root[at], noise)
    spread = grid[at]
    a = 1 / spread[:, None] ** 2
    ratio = rng.gamma(a + observed) / (a / np.exp(coefficients @ X.T) + expected)
    return Posterior(
        spread=spread, coefficients=coefficients, ratio=ratio, grid_spread=grid, grid_weight=weight,
        edge_weight=float(weight[-1]) if high >= SPREADS[1] else 0.0,
    )  # fmt: skip


def _profile(
    grid: FloatArray, observed: FloatArray, expected: FloatArray, X: FloatArray, priors: RatePriors
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log p(s | O) up to a constant, the modes of b and roots of their covariances."""
    p = X.shape[1]
    mean = np.array([priors.log_level.mean, *[priors.slope.mean] * (p - 1)])
    precision = np.array([priors.log_level.sd, *[priors.slope.sd] * (p - 1)]) ** -2.0
    height, centre, root = np.empty(len(grid)), np.empty((len(grid), p)), np.empty((len(grid), p, p))
    beta = mean.copy()
    beta[0] = np.log(max(observed.sum(), 0.5) / expected.sum())
    for at in range(len(grid) - 1, -1, -1):  # from wide to narrow, each mode the start of the next
        beta, hessian = _mode(beta, float(grid[at]), observed, expected, X, mean, precision)
        value = log_likelihood(observed, expected * np.exp(X @ beta), float(grid[at]))
        value -= 0.5 * float(precision @ (beta - mean) ** 2)
        value -= 0.5 * (grid[at] / priors.spread_scale) ** 2
        factor = np.linalg.cholesky(hessian)
        height[at] = value - float(np.log(np.diag(factor)).sum())
        centre[at], root[at] = beta, np.linalg.inv(factor).T
    return height, centre, root


def _mode(
    beta: FloatArray,
    spread: float,
    observed: FloatArray,
    expected: FloatArray,
    X: FloatArray,
    mean: FloatArray,
    precision: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the mode of b given s, by Newton with steps halved until they climb, and its information."""
    a = 1 / spread**2

    def objective(b: FloatArray) -> float:
        return log_likelihood(observed, expected * np.exp(X @ b), spread) - 0.5 * float(
            precision @ (b - mean) ** 2
        )

    here = objective(beta)
    for _ in range(_STEPS):
        fitted = expected * np.exp(X @ beta)
        score = X.T @ ((observed - fitted) * (a / (a + fitted))) - precision * (beta - mean)
        weight = a * fitted * (a + observed) / (a + fitted) ** 2
        hessian = (X.T * weight) @ X + np.diag(precision)
        step = np.linalg.solve(hessian, score)
        size = 1.0
        while (there := objective(beta + size * step)) < here - 1e-9 and size > 1e-6:
            size /= 2
        beta, here = beta + size * step, there
        if np.abs(step).max() < _CLOSE:
            return beta, hessian
    if float(np.abs(step).max()) > 1e-6:
        raise InputError(
            "The level and slopes of the rates were not found: counts and covariates may separate the places."
        )
    return beta, hessian
