"""Fewer cells for the same likelihood, and the exact likelihood put back at the end.

The log likelihood of counts y out of n in cells c, with linear predictor eta_c = x_c beta + u_unit(c), is

    sum_c y_c eta_c - sum_c n_c log(1 + exp(eta_c)).

The first sum is linear, so the totals of events by unit and of events times x carry all of it, exactly.
Only the second needs cells, and it is smooth. While sampling, the cells of one unit whose x beta lie close
together near the mode are replaced by one with their mean x, and the gradient and the curvature in beta that
are lost thereby at the mode are put back. Afterwards each draw is weighted by the exact over the collapsed
likelihood and the draws are resampled by these weights, so that they come from the exact posterior. The
Pareto k of the weights says whether that was sound (Vehtari, Simpson, Gelman, Yao and Gabry 2024, JMLR 25:72)
and is a check.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from soa_evidence.results import Check
from soa_evidence.units.cells import Cells
from soa_evidence.units.laplace import Laplace
from soa_evidence.units.weights import PARETO_K_LIMIT, pareto_k

__all__ = ["Collapsed", "accuracy_check", "collapse", "exact_log_likelihood", "log_weights", "resample"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BIN_WIDTH = 0.1  # log odds: about fifteen bins a unit
LARGE = 1e100  # a product of three as large as this would overflow
WEIGHT_SD_LIMIT = 0.7  # resampling then keeps at least about 60 % of the draws' worth


@dataclass(frozen=True, eq=False, kw_only=True)
class Collapsed:
    """Sufficient totals of the events, and binned cells of the trials.

    Attributes
    ----------
    unit : array of shape (B,)
        Unit of each bin.
    trials : array of shape (B,)
    design : array of shape (B, K)
        Mean case mix of each bin, weighted by trials.
    events_by_unit : array of shape (J,)
    events_by_term : array of shape (K,)
    mode_case_mix, mode_level : arrays of shapes (K,), (J,)
        Where the lost gradient and curvature were put back.
    lost_by_term, lost_by_unit : arrays of shapes (K,), (J,)
        Gradient of the second sum that the bins lost at the mode.
    lost_curvature : array of shape (K, K)
    """

    unit: IntArray
    trials: FloatArray
    design: FloatArray
    events_by_unit: FloatArray
    events_by_term: FloatArray
    mode_case_mix: FloatArray
    mode_level: FloatArray
    lost_by_term: FloatArray
    lost_by_unit: FloatArray
    lost_curvature: FloatArray

    def softplus_total(self, case_mix: FloatArray, level: FloatArray) -> FloatArray:
        """Stand-in for the sum of n log(1 + exp(eta)): draws (S, K) and (S, J) to (S,)."""
        step, rise = case_mix - self.mode_case_mix, level - self.mode_level
        binned = _softplus_total(case_mix @ self.design.T + level[:, self.unit], self.trials)
        quadratic = 0.5 * np.einsum("sk,kl,sl->s", step, self.lost_curvature, step)
        return np.asarray(binned + step @ self.lost_by_term + rise @ self.lost_by_unit + quadratic)

    def log_likelihood(self, case_mix: FloatArray, level: FloatArray) -> FloatArray:
        """Log likelihood, up to a constant, of draws: `case_mix` (S, K), `level` (S, J); returns (S,)."""
        linear = case_mix @ self.events_by_term + level @ self.events_by_unit
        return linear - self.softplus_total(case_mix, level)


def collapse(cells: Cells, near: Laplace, *, width: float = BIN_WIDTH) -> Collapsed:
    """Bin the cells of every unit by their linear predictor near the mode; `width` 0 keeps every cell."""
    score = cells.design @ near.case_mix
    if width > 0:
        step = np.floor(score / width).astype(np.int64)
        key = cells.unit * (np.ptp(step) + 1) + (step - step.min())[cells.pattern]
    else:
        key = np.arange(len(cells.unit))
    _, first, where = np.unique(key, return_index=True, return_inverse=True)
    trials = np.bincount(where, weights=cells.trials)
    covariates = cells.design[cells.pattern]
    means = [np.bincount(where, weights=cells.trials * column) / trials for column in covariates.T]
    design = np.column_stack(means) if means else np.zeros((len(trials), 0))
    unit = cells.unit[first]
    exact, binned = (
        _gradient_and_curvature(x, n, j, near, len(cells.units))
        for x, n, j in ((covariates, cells.trials, cells.unit), (design, trials, unit))
    )
    return Collapsed(
        unit=unit,
        trials=trials,
        design=design,
        events_by_unit=cells.by_unit(cells.events),
        events_by_term=covariates.T @ cells.events,
        mode_case_mix=near.case_mix,
        mode_level=near.unit_mode,
        lost_by_term=exact[0] - binned[0],
        lost_by_unit=exact[1] - binned[1],
        lost_curvature=exact[2] - binned[2],
    )


def _gradient_and_curvature(
    design: FloatArray, trials: FloatArray, unit: IntArray, near: Laplace, n_units: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gradient by term and by unit, and curvature by term, of the sum of n log(1 + exp(eta)) at the mode."""
    risk = expit(design @ near.case_mix + near.unit_mode[unit])
    expected = trials * risk
    curvature = design.T @ (design * (expected * (1 - risk))[:, None])
    return design.T @ expected, np.bincount(unit, weights=expected, minlength=n_units), curvature


def exact_log_likelihood(
    cells: Cells, collapsed: Collapsed, case_mix: FloatArray, level: FloatArray
) -> FloatArray:
    """Log likelihood over every cell, up to a constant: draws (S, K) and (S, J) to (S,)."""
    linear = case_mix @ collapsed.events_by_term + level @ collapsed.events_by_unit
    return np.asarray(linear - _exact_softplus(cells, case_mix, level))


def log_weights(cells: Cells, collapsed: Collapsed, case_mix: FloatArray, level: FloatArray) -> FloatArray:
    """Exact minus collapsed log likelihood for draws `case_mix` (S, K), `level` (S, J); returns (S,)."""
    return np.asarray(collapsed.softplus_total(case_mix, level) - _exact_softplus(cells, case_mix, level))


def _exact_softplus(cells: Cells, case_mix: FloatArray, level: FloatArray) -> FloatArray:
    odds_by_pattern, odds_by_unit = np.exp(case_mix @ cells.design.T), np.exp(level)
    return np.asarray(_exact_total()(odds_by_pattern, odds_by_unit, cells.pattern, cells.unit, cells.trials))


def accuracy_check(weights: FloatArray, cells: Cells, collapsed: Collapsed) -> Check:
    """Check from the log weights that the exact posterior could be recovered from the collapsed draws."""
    # Nothing was collapsed, so nothing is to be corrected: what differs is rounding, which grows with counts.
    constant = float(np.ptp(weights)) < 1e-6
    known = bool(np.isfinite(weights).all())
    k = -math.inf if constant else pareto_k(weights) if known else math.nan
    spread = float(np.std(weights))
    return Check(
        name="collapsed cells, Pareto k of the exact correction",
        verdict="pass" if k < PARETO_K_LIMIT and spread < WEIGHT_SD_LIMIT else "fail",
        observed=f"k {'none' if constant else f'{k:.2f}'}, log weights' standard deviation {spread:.3f} "
        f"({len(cells.unit):,} cells in {len(collapsed.unit):,} bins)",
        expected=f"k below {PARETO_K_LIMIT} and standard deviation below {WEIGHT_SD_LIMIT:g}",
        why="similar patients of one unit are counted together for speed and the result corrected exactly; "
        "the correction must be small to be sound",
    )


def resample(weights: FloatArray, *, chains: int, seed: int) -> NDArray[np.int64]:
    """Return which draws to keep, by systematic resampling inside each chain; shape (S,).

    With nearly equal weights nearly every draw is kept once, in its order.
    """
    rng = np.random.default_rng(seed)
    keep = []
    by_chain = weights.reshape(chains, -1)
    size = by_chain.shape[1]
    for chain, log_weight in enumerate(by_chain):
        share = np.cumsum(np.exp(log_weight - log_weight.max()))
        points = (np.arange(size) + rng.random()) / size
        keep.append(chain * size + np.searchsorted(share / share[-1], points).clip(max=size - 1))
    return np.concatenate(keep)


def _softplus_total(eta: FloatArray, trials: FloatArray) -> FloatArray:
    # max(eta, 0) + log1p(exp(-|eta|)) never overflows.
    values = np.log1p(np.exp(-np.abs(eta)))
    values += np.maximum(eta, 0)
    return np.asarray(values @ trials)


@cache
def _exact_total() -> Any:
    """Compiled sum of n log(1 + exp(eta)) over all cells, per draw: the one loop that sees every cell."""
    import math

    from numba import njit, prange

    @njit(parallel=True, cache=True)
    def total(
        odds_by_pattern: FloatArray,
        odds_by_unit: FloatArray,
        pattern: IntArray,
        unit: IntArray,
        trials: FloatArray,
    ) -> FloatArray:
        sums = np.zeros(odds_by_unit.shape[0])
        for draw in prange(odds_by_unit.shape[0]):
            by_pattern, by_unit = odds_by_pattern[draw], odds_by_unit[draw]
            found, product = 0.0, 1.0
            for cell in range(trials.shape[0]):
                odds, n = by_pattern[pattern[cell]] * by_unit[unit[cell]], trials[cell]
                # one logarithm for many small cells: that of the product of their factors
                if odds < LARGE and (n == 1.0 or n == 2.0):
                    factor = 1.0 + odds
                    product *= factor if n == 1.0 else factor * factor
                    if product > LARGE:
                        found += math.log(product)
                        product = 1.0
                else:
                    found += n * math.log1p(odds)
            sums[draw] = found + math.log(product)
        return sums

    return total
