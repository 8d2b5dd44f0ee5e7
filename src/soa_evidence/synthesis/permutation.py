r"""Permutation test of a meta-regression: how often a shuffled moderator looks as strong.

Rows of the design are exchanged among the studies; each exchange is refitted with the same estimator of
tau2 and the same interval. The p-value is the share of exchanges whose statistic is at least as far from 0 as
that of the data: |t| or |z| for a coefficient, QM or F for all moderators together. Where distinct exchanges
are few they are all done and the test is exact; else a seeded sample is drawn that counts the data themselves
as one of the exchanges, so that p is never 0. Without moderators the signs of the estimates are turned
instead.

When not to use it: where studies are not exchangeable under no effect of the moderators, e.g. when large
studies alone have it; it then tests that too.

Source: Higgins & Thompson 2004, Stat Med 23:1663; Follmann & Proschan 1999 for turning signs; Phipson & Smyth
2010 for counting the data.

Checked against: metafor's permutest, exact (tests/reference/synthesis_models).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, require_seed
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis import regression
from soa_evidence.synthesis import regression_tau2 as tau2_of
from soa_evidence.synthesis.design import Design
from soa_evidence.synthesis.studies import FloatArray

__all__ = ["PermutationResult", "fit"]

METHOD = "synthesis.permutation"
CHUNK = 500
_TIE = 1e-8  # statistics within this share of each other are the same: rounding must not decide


@dataclass(frozen=True, eq=False, kw_only=True)
class PermutationResult:
    """A permutation test.

    Attributes
    ----------
    p_values : Estimates
        The p-value of each coefficient (the intercept is left out where there are moderators) and of
        ``"all moderators"``, with its Monte Carlo error (0 if exact).
    exchanges : int
        How many were done, the data's own included.
    exact : bool
    regression : RegressionResult
        The fit that was tested.
    checks : tuple of Check
    """

    p_values: Estimates
    exchanges: int
    exact: bool
    regression: regression.RegressionResult
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        parts = [self.p_values.table(), checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    moderators: Sequence[str],
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    method: str = "REML",
    interval: str = "hartung_knapp",
    seed: int,
    exchanges: int = 5000,
) -> PermutationResult:
    """Test moderators by exchanging them among the studies.

    Parameters
    ----------
    seed
        Of the sample of exchanges; not used where the test is exact.
    exchanges
        How many to draw; if there are no more than this many distinct ones, all are done instead.

    Raises
    ------
    InputError
        As `regression.fit`, and on fewer than 99 exchanges or a negative seed.
    """
    if exchanges < 99:
        raise InputError(f"exchanges is {exchanges}; fewer than 99 cannot give a p-value near 0.01.")
    require_seed(seed)
    fitted = regression.fit(
        frame,
        moderators=moderators,
        estimate=estimate,
        std_error=std_error,
        label=label,
        method=method,
        interval=interval,
    )
    y, v = fitted.studies["estimate"].to_numpy(), fitted.studies["std_error"].to_numpy() ** 2
    tested = fitted.design.tested
    turn = tested == [0] and fitted.design.intercept
    patterns, exact = _signs(len(y), exchanges, seed) if turn else _orders(fitted.design, exchanges, seed)
    statistics = np.vstack(
        [
            _statistics(y, v, fitted, patterns[i : i + CHUNK], turn=turn)
            for i in range(0, len(patterns), CHUNK)
        ]
    )
    own = statistics[0]
    p = (statistics >= own * (1 - _TIE)).mean(axis=0)
    error = np.zeros(len(p)) if exact else np.sqrt(p * (1 - p) / len(patterns))
    checks = _checks(len(patterns), exact)
    labels = (*(fitted.design.terms[j] for j in tested), "all moderators")
    return PermutationResult(
        p_values=Estimates(
            estimand="permutation p-value",
            labels=labels,
            unit="probability",
            method=METHOD,
            mean=p,
            covariance=np.diag(error**2),
            interval="Monte Carlo",
            checks=checks,
        ),
        exchanges=len(patterns),
        exact=exact,
        regression=fitted,
        checks=checks,
    )


def _signs(k: int, wanted: int, seed: int) -> tuple[FloatArray, bool]:
    """Return rows of signs, the data's own first."""
    if 2**k <= wanted:
        return np.array(list(itertools.product([1.0, -1.0], repeat=k))), True
    drawn = np.random.default_rng(seed).choice([1.0, -1.0], size=(wanted - 1, k))
    return np.vstack([np.ones(k), drawn]), False


def _orders(design: Design, wanted: int, seed: int) -> tuple[NDArray[np.int64], bool]:
    """Return rows of positions, the data's own first; orders that exchange equal rows count once."""
    k = len(design.matrix)
    kinds = np.unique(design.matrix, axis=0, return_inverse=True)[1].ravel()
    distinct = factorial(k)
    for size in np.bincount(kinds):
        distinct //= factorial(int(size))
    if distinct <= wanted:
        of_kind = {int(kind): int(np.flatnonzero(kinds == kind)[0]) for kind in kinds}
        rows = [[of_kind[kind] for kind in order] for order in _arrangements(list(map(int, kinds)))]
        own = [of_kind[int(kind)] for kind in kinds]
        return np.array([own, *(row for row in rows if row != own)], dtype=np.int64), True
    rng = np.random.default_rng(seed)
    drawn = rng.permuted(np.tile(np.arange(k), (wanted - 1, 1)), axis=1)
    return np.vstack([np.arange(k), drawn]), False


def _arrangements(kinds: list[int]) -> list[list[int]]:
    """Every distinct order of a list with repeats."""
    left = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    done: list[list[int]] = []

    def extend(so_far: list[int]) -> None:
        if len(so_far) == len(kinds):
            done.append(list(so_far))
            return
        for kind, count in left.items():
            if count:
                left[kind] -= 1
                so_far.append(kind)
                extend(so_far)
                so_far.pop()
                left[kind] += 1

    extend([])
    return done


def _statistics(
    y: FloatArray,
    v: FloatArray,
    fitted: regression.RegressionResult,
    patterns: FloatArray | NDArray[np.int64],
    *,
    turn: bool,
) -> FloatArray:
    """Absolute statistic of every tested coefficient, then of all of them, for each exchange."""
    basis, triangle = np.linalg.qr(fitted.design.matrix)
    if turn:
        # Turning the sign of an estimate is turning that of its row: squares and sums are the same.
        designs = tau2_of.Designs(estimate=y, variance=v, matrix=basis[None] * patterns[:, :, None])
    else:
        designs = tau2_of.Designs(estimate=y, variance=v, matrix=basis[patterns.astype(np.int64)])
    tau2 = np.zeros(len(patterns))
    if fitted.method != "common":
        tau2, _ = tau2_of.estimate(designs, fitted.method)
    found = designs.fit(tau2)
    back = np.linalg.inv(triangle)
    coefficients = found.coefficients @ back.T
    covariance = back @ np.linalg.inv(found.information) @ back.T
    if fitted.interval.startswith("hartung_knapp"):
        scale = (found.weights * found.residuals**2).sum(axis=1) / designs.dof
        scale = np.maximum(scale, 1.0) if fitted.interval == "hartung_knapp_floor" else scale
        covariance = covariance * scale[:, None, None]
    at = fitted.design.tested
    b, c = coefficients[:, at], covariance[np.ix_(range(len(patterns)), at, at)]
    single = np.abs(b) / np.sqrt(np.diagonal(c, axis1=1, axis2=2))
    together = (b * np.linalg.solve(c, b[..., None])[..., 0]).sum(axis=1)
    return np.column_stack([single, together])


def _checks(done: int, exact: bool) -> tuple[Check, ...]:
    return (
        Check(
            name="exchanges of the moderators",
            verdict="pass" if done >= 100 else "warn",
            observed=f"{done}, {'all there are' if exact else 'a sample'}",
            expected="at least 100",
            why="with fewer distinct exchanges no p-value can be small, whatever the data",
        ),
    )
