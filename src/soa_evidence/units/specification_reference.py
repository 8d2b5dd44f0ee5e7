"""What a specification curve looks like when classes do not differ: labels of units exchanged at random.

All labels of a unit (its part under every definition of the classes) move together to another unit of its
stratum, the same exchange for every specification. For each, the difference is the specialists' excess of
events over what their patients would have had at the common risks, per patient, less the comparator's:

    Σ_specialist (O - E) / Σ n - Σ_comparator (O - E) / Σ n.

The risks are fitted once without classes (with one intercept a stratum), so that many exchanges cost little.

When not to use it: as the test of the headline. It asks of the specifications together whether their median
is further from none than that of as many units picked at random, and it takes large and small units as
exchangeable: where specialists are larger than most, it claims too little. It is not studentised (Chung and
Romano 2013, Annals of Statistics 41:484, say when that mends unequal sizes): with three specialist units the
standard error would itself rest on two degrees of freedom.

Sources: Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4:1208, for the joint test.

Checked against: complete enumeration of exchanges in tests/unit; its rate of false findings in
tests/calibration/referral_bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.units.logistic import solve
from soa_evidence.units.specification_grid import Counts, Grid

__all__ = ["Reference", "excesses", "reference"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The joint test.

    Attributes
    ----------
    exchanges : int
        How many random exchanges of labels.
    median : float
        Of the differences over specifications, per 1,000 patients, as the units are labelled.
    median_lower, median_upper : float
        Between which 95 % of the medians lie when labels are exchanged.
    p_value : float
        Share of exchanges, the real one among them, whose median is at least as far from none.
    same_sign : float
        Share of specifications on the median's side.
    p_value_same_sign : float
        Share of exchanges with as large a share of specifications on one side.
    """

    exchanges: int
    median: float
    median_lower: float
    median_upper: float
    p_value: float
    same_sign: float
    p_value_same_sign: float


def excesses(
    counts: Counts, strata: NDArray[np.int64], smallest: tuple[int, ...]
) -> list[tuple[FloatArray, FloatArray]]:
    """Observed less expected events, and patients, of every unit, for each smallest unit; shape (J,) each."""
    found = []
    size = counts.trials.sum(axis=1)
    for least in smallest:
        kept = size >= least
        events, trials = (np.where(kept[:, None], values, 0.0) for values in (counts.events, counts.trials))
        present = np.unique(strata[kept])
        member = (strata == present[:, None]).astype(float)
        by_stratum = member @ events, member @ trials
        known = by_stratum[0].sum(axis=1) > 0
        if not known.any():
            found.append((np.zeros(len(size)), np.where(kept, size, 0.0)))
            continue
        model = solve(counts.design, by_stratum[0][known], by_stratum[1][known])
        # A stratum without events expects none.
        expected = np.zeros(len(size))
        for at, code in enumerate(present[known]):
            inside = strata == code
            expected[inside] = trials[inside] @ model.risk[at]
        found.append((events.sum(axis=1) - expected, np.where(kept, size, 0.0)))
    return found


def reference(
    grid: Grid, excess: list[tuple[FloatArray, FloatArray]], *, exchanges: int, seed: int
) -> Reference:
    """Exchange labels and return the joint test."""
    rng = np.random.default_rng(seed)
    over = np.column_stack([difference for difference, _ in excess])
    size = np.column_stack([patients for _, patients in excess])
    order = np.array([np.arange(len(grid.units)), *(_exchange(grid.strata, rng) for _ in range(exchanges))])
    found = []
    for role in grid.roles:
        # row r of `code` gives unit j the role of unit order[r, j]
        code = role.code[order]
        special, other = (code == 0).astype(float), (code == 1).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(special @ over / (special @ size) - other @ over / (other @ size))
    curves = 1000 * np.hstack(found)
    medians = np.nanmedian(curves, axis=1)
    above, below = (curves > 0).sum(axis=1), (curves < 0).sum(axis=1)
    share = np.maximum(above, below) / np.maximum(np.isfinite(curves).sum(axis=1), 1)
    own = above[0] if medians[0] > 0 else below[0]
    own_share = float(own / max(int(np.isfinite(curves[0]).sum()), 1))
    near = 1e-9  # exchanges that leave the same units specialist give the same number but for rounding
    lower, upper = np.quantile(medians[1:], [0.025, 0.975])
    return Reference(
        exchanges=exchanges,
        median=float(medians[0]),
        median_lower=float(lower),
        median_upper=float(upper),
        p_value=float((np.abs(medians) >= abs(medians[0]) - near).mean()),
        same_sign=own_share,
        p_value_same_sign=float((share >= own_share - near).mean()),
    )


def _exchange(strata: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    order = np.arange(len(strata))
    for code in np.unique(strata):
        inside = np.flatnonzero(strata == code)
        order[inside] = rng.permutation(inside)
    return order
