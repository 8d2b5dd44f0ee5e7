"""Do the routes through a network agree? Q by design, and direct against indirect evidence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.synthesis.network_studies import Network
from soa_evidence.synthesis.studies import FloatArray

__all__ = ["decomposition", "side_splits"]

_RANK = 1e-9


def decomposition(network: Network, design: FloatArray) -> pd.DataFrame:
    """Split Q of the network: source, statistic, dof, p_value, tau2 it was taken at."""
    saturated = _by_design(network)
    n, p, full = len(network.estimate), design.shape[1], saturated.shape[1]
    total, within = _q(network, design, 0.0), _q(network, saturated, 0.0)
    tau2 = 0.0
    if n > full:
        weights = np.linalg.inv(network.covariance)
        right = weights @ saturated
        projection = weights - right @ np.linalg.solve(saturated.T @ right, right.T)
        tau2 = max(0.0, (within - (n - full)) / float((projection * network.between).sum()))
    between = _q(network, design, tau2) - _q(network, saturated, tau2)
    rows = [
        ("whole network", total, n - p, 0.0),
        ("within designs", within, n - full, 0.0),
        ("between designs", max(total - within, 0.0), full - p, 0.0),
        ("between designs, at the tau2 within them", max(between, 0.0), full - p, tau2),
    ]
    return pd.DataFrame(
        [
            (name, q if dof else 0.0, dof, float(stats.chi2.sf(q, dof)) if dof else np.nan, at)
            for name, q, dof, at in rows
        ],
        columns=["source", "statistic", "dof", "p_value", "tau2"],
    )


def side_splits(
    network: Network,
    reference: str,
    method: str,
    estimate_tau2: Callable[[Network, FloatArray, str], tuple[float, bool]],
    least_squares: Callable[[Network, FloatArray, float], tuple[FloatArray, FloatArray]],
) -> pd.DataFrame:
    """Refit the network for every comparison with evidence of both kinds."""
    base = network.design(reference)
    others = [t for t in network.treatments if t != reference]
    rows = []
    for i, first in enumerate(network.treatments):
        for second in network.treatments[i + 1 :]:
            extra = _split_column(network, first, second)
            matrix = np.column_stack([base, extra])
            if not extra.any() or np.linalg.matrix_rank(matrix, tol=_RANK) < matrix.shape[1]:
                continue
            if matrix.shape[0] <= matrix.shape[1] and method != "common":
                continue
            tau2, _ = estimate_tau2(network, matrix, method)
            mean, covariance = least_squares(network, matrix, tau2)
            indirect = np.zeros(matrix.shape[1])
            for name, sign in ((first, 1.0), (second, -1.0)):
                if name != reference:
                    indirect[others.index(name)] = sign
            direct = indirect.copy()
            direct[-1] = 1.0
            difference = direct - indirect
            pieces = []
            for weights in (direct, indirect, difference):
                pieces += [float(weights @ mean), float(np.sqrt(weights @ covariance @ weights))]
            p = float(2 * stats.norm.sf(abs(pieces[4] / pieces[5])))
            rows.append((first, second, *pieces, p, tau2))
    columns = ["treatment_1", "treatment_2", "direct", "direct_std_error", "indirect", "indirect_std_error"]
    columns += ["difference", "difference_std_error", "p_value", "tau2"]
    return pd.DataFrame(rows, columns=columns)


def _split_column(network: Network, first: str, second: str) -> FloatArray:
    """Return what direct evidence adds, half on each arm, in studies that hold both."""
    column = np.zeros(len(network.estimate))
    share = {first: 0.5, second: -0.5}
    for i, (trial, base, other) in enumerate(network.rows()):
        if first in trial.arms and second in trial.arms:
            column[i] = share.get(other, 0.0) - share.get(base, 0.0)
    return column


def _by_design(network: Network) -> FloatArray:
    """Return the saturated design: every set of arms has effects of its own."""
    keys: list[tuple[tuple[str, ...], str]] = []
    for trial, _, other in network.rows():
        if (trial.arms, other) not in keys:
            keys.append((trial.arms, other))
    matrix = np.zeros((len(network.estimate), len(keys)))
    for i, (trial, _, other) in enumerate(network.rows()):
        matrix[i, keys.index((trial.arms, other))] = 1.0
    return matrix


def _q(network: Network, design: FloatArray, tau2: float) -> float:
    weights = np.linalg.inv(network.covariance + tau2 * network.between)
    right = weights @ design
    away = network.estimate - design @ np.linalg.solve(design.T @ right, right.T @ network.estimate)
    return float(away @ weights @ away)
