r"""Variance between studies, by twelve estimators, over many meta-analyses at once.

Model: :math:`y_i \sim N(\mu, v_i + \tau^2)` with known sampling variances :math:`v_i`. Write
:math:`w_i = 1/(v_i + \tau^2)` and :math:`Q(\tau^2) = \sum w_i (y_i - \hat\mu)^2`.

===== =========================================================== ==========================================
name  defined by                                                  source
===== =========================================================== ==========================================
DL    expectation of Q(0)                                         DerSimonian & Laird 1986
DLIT  the same with its own weights, repeated until it stays      as metafor
HE    expectation of the unweighted variance                      Hedges & Olkin 1985
HS    Q(0) against k, no allowance for the estimated mean         Hunter & Schmidt 1990
HSk   the same with that allowance                                Brannick et al. 2019
SJ    one step from the crude variance of the estimates           Sidik & Jonkman 2005
ML    highest likelihood                                          Hardy & Thompson 1996
REML  highest likelihood of what is left once the mean is known   Harville 1977, Raudenbush 2009
EB    empirical Bayes; its equation is that of PM                 Morris 1983
PM    Q equals its expectation, k - 1                             Paule & Mandel 1982
PMM   Q equals its median under chi-square                        Viechtbauer 2021
GENQ  expectation of Q with weights of your own choice            DerSimonian & Kacker 2007
===== =========================================================== ==========================================

Negative solutions are set to 0. ML and REML are searched from the Hedges estimate by Fisher scoring and then
compared with a grid, because their likelihood can have two peaks; the highest is kept.

When not to use it: with fewer than five studies every one of these is little more than a guess; use
`synthesis.bayes` with a stated prior, and show `compare_estimators`.

Checked against: metafor (tests/reference/synthesis).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.synthesis.studies import Batch, FloatArray

__all__ = ["ESTIMATORS", "Tau2", "estimate", "log_likelihood", "solve_q"]

_ITERATIONS = 2000
_UNDAMPED = 200  # Fisher scoring may swing between two values; after so many steps it is damped
_TOLERANCE = 1e-14  # relative to a typical sampling variance: as far as doubles go
_GRID = 24


@dataclass(frozen=True, eq=False, kw_only=True)
class Tau2:
    """Estimates of the variance between studies.

    Attributes
    ----------
    value : array of shape (M,)
        At least 0; missing where there is one study only.
    converged : array of shape (M,)
    """

    value: FloatArray
    converged: NDArray[np.bool_]


def estimate(batch: Batch, method: str, weights: FloatArray | None = None) -> Tau2:
    """Estimate the variance between studies of each meta-analysis by one of `ESTIMATORS`.

    Parameters
    ----------
    weights : array of shape (M, K), optional
        For GENQ only; by default 1, which is HE. The pairwise methods check what users give.
    """
    several = batch.size > 1
    value, converged = np.full(len(batch.size), np.nan), np.ones(len(batch.size), dtype=bool)
    if several.any():
        part = batch.take(several)
        if method == "GENQ":
            own: FloatArray = part.present.astype(float) if weights is None else weights[several]
            found, done = _generalised(part, own), np.ones(len(own), dtype=bool)
        else:
            found, done = ESTIMATORS[method](part)
        value[several], converged[several] = np.maximum(found, 0.0), done
    return Tau2(value=value, converged=converged)


def log_likelihood(batch: Batch, tau2: FloatArray, *, restricted: bool) -> FloatArray:
    """Log-likelihood of each meta-analysis at `tau2` (M,), the mean at its best, without constants."""
    w = batch.weights(tau2)
    logs = np.where(batch.present, np.log(batch.variance + tau2[:, None]), 0.0).sum(axis=1)
    value = -0.5 * (logs + batch.spread(w))
    return np.asarray(value - 0.5 * np.log(w.sum(axis=1)) if restricted else value)


def solve_q(batch: Batch, target: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Solve Q(tau2) = `target` for each meta-analysis; 0 where Q(0) is already below it.

    Q falls and is convex in tau2, so Newton's steps from 0 approach the solution from below and cannot
    overshoot.
    """

    def step(part: Batch, tau2: FloatArray, rows: NDArray[np.int64]) -> FloatArray:
        w = part.weights(tau2)
        away = part.estimate - part.mean(w)[:, None]
        slope = (w**2 * away**2).sum(axis=1)
        gap = (w * away**2).sum(axis=1) - target[rows]
        return np.where(gap > 0, gap / np.where(slope > 0, slope, 1.0), 0.0)

    return _iterate(batch, np.zeros(len(batch.size)), step)


def _typical(batch: Batch) -> FloatArray:
    # The harmonic mean: the scale on which the most precise studies can tell tau2 from 0.
    return batch.size / (batch.present / batch.variance).sum(axis=1)


def _iterate(
    batch: Batch,
    start: FloatArray,
    step: Callable[[Batch, FloatArray, NDArray[np.int64]], FloatArray],
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Add steps until they vanish, dropping each meta-analysis from the work when it is done."""
    value, scale = start.copy(), _typical(batch)
    rows = np.arange(len(value))
    part = batch
    for iteration in range(_ITERATIONS):
        old = value[rows]
        change = step(part, old, rows) * (1.0 if iteration < _UNDAMPED else 0.5)
        new = np.maximum(old + change, 0.0)
        value[rows] = new
        going = np.abs(new - old) > _TOLERANCE * (scale[rows] + new)
        if not going.all():
            rows = rows[going]
            if rows.size == 0:
                break
            part = batch.take(rows)
    converged = np.ones(len(value), dtype=bool)
    converged[rows] = rows.size == 0
    return value, converged


def _closed(value: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    return value, np.ones(len(value), dtype=bool)


def _generalised(batch: Batch, a: FloatArray) -> FloatArray:
    """Moment estimate from weights `a` that do not depend on tau2."""
    total = a.sum(axis=1)
    expected = (a * batch.variance).sum(axis=1) - (a**2 * batch.variance).sum(axis=1) / total
    return np.asarray((batch.spread(a) - expected) / (total - (a**2).sum(axis=1) / total))


def _dersimonian_laird(batch: Batch) -> tuple[FloatArray, NDArray[np.bool_]]:
    return _closed(_generalised(batch, batch.weights(np.zeros(len(batch.size)))))


def _dersimonian_laird_repeated(batch: Batch) -> tuple[FloatArray, NDArray[np.bool_]]:
    def step(part: Batch, tau2: FloatArray, _rows: NDArray[np.int64]) -> FloatArray:
        w = part.weights(tau2)
        total = w.sum(axis=1)
        moment = (part.spread(w) - (part.size - 1)) / (total - (w**2).sum(axis=1) / total)
        return np.asarray(moment - tau2)

    return _iterate(batch, np.zeros(len(batch.size)), step)


def _hedges(batch: Batch) -> tuple[FloatArray, NDArray[np.bool_]]:
    return _closed(_generalised(batch, batch.present.astype(float)))


def _hunter_schmidt(batch: Batch) -> tuple[FloatArray, NDArray[np.bool_]]:
    w = batch.weights(np.zeros(len(batch.size)))
    return _closed((batch.spread(w) - batch.size) / w.sum(axis=1))


def _hunter_schmidt_k(batch: Batch) -> tuple[FloatArray, NDArray[np.bool_]]:
    w, k = batch.weights(np.zeros(len(batch.size))), batch.size
    return _closed((k / (k - 1) * batch.spread(w) - k) / w.sum(axis=1))


def _sidik_jonkman(batch: Batch) -> tuple[FloatArray, NDArray[np.bool_]]:
    crude = batch.spread(batch.present.astype(float)) / batch.size
    return _closed(crude * batch.spread(batch.weights(crude)) / (batch.size - 1))


def _paule_mandel(batch: Batch) -> tuple[FloatArray, NDArray[np.bool_]]:
    return solve_q(batch, batch.size - 1)


def _paule_mandel_median(batch: Batch) -> tuple[FloatArray, NDArray[np.bool_]]:
    return solve_q(batch, np.asarray(stats.chi2.median(batch.size - 1)))


def _ml_step(part: Batch, tau2: FloatArray, _rows: NDArray[np.int64]) -> FloatArray:
    w = part.weights(tau2)
    score = _score(part, w) - w.sum(axis=1)
    return np.asarray(score / (w**2).sum(axis=1))


def _reml_step(part: Batch, tau2: FloatArray, _rows: NDArray[np.int64]) -> FloatArray:
    w = part.weights(tau2)
    s1, s2, s3 = w.sum(axis=1), (w**2).sum(axis=1), (w**3).sum(axis=1)
    score = _score(part, w) - (s1 - s2 / s1)
    return np.asarray(score / (s2 - 2 * s3 / s1 + (s2 / s1) ** 2))


def _score(part: Batch, w: FloatArray) -> FloatArray:
    """Sum of squared, twice weighted distances from the mean: the part of the score the data drive."""
    return np.asarray((w**2 * (part.estimate - part.mean(w)[:, None]) ** 2).sum(axis=1))


def _likelihood(batch: Batch, *, restricted: bool) -> tuple[FloatArray, NDArray[np.bool_]]:
    step = _reml_step if restricted else _ml_step
    start = np.maximum(_hedges(batch)[0], 0.0)
    value, converged = _iterate(batch, start, step)
    best, best_at = _highest_on_grid(batch, restricted=restricted)
    reached = log_likelihood(batch, value, restricted=restricted)
    other = np.flatnonzero(best > reached + 1e-9)
    if other.size:
        part = batch.take(other)
        again, done = _iterate(part, best_at[other], step)
        better = log_likelihood(part, again, restricted=restricted) > reached[other]
        value[other[better]], converged[other[better]] = again[better], done[better]
    return value, converged


def _highest_on_grid(batch: Batch, *, restricted: bool) -> tuple[FloatArray, FloatArray]:
    """Highest log-likelihood on a grid from 0 to well above the crude variance, and where."""
    crude = batch.spread(batch.present.astype(float)) / (batch.size - 1)
    low, high = 1e-3 * _typical(batch), 2 * crude + 1e-2 * _typical(batch)
    best_at = np.zeros(len(low))
    best = log_likelihood(batch, best_at, restricted=restricted)
    for share in np.linspace(0.0, 1.0, _GRID):
        at = low ** (1 - share) * high**share
        value = log_likelihood(batch, at, restricted=restricted)
        best_at, best = np.where(value > best, at, best_at), np.maximum(value, best)
    return best, best_at


def _ml(batch: Batch) -> tuple[FloatArray, NDArray[np.bool_]]:
    return _likelihood(batch, restricted=False)


def _reml(batch: Batch) -> tuple[FloatArray, NDArray[np.bool_]]:
    return _likelihood(batch, restricted=True)


#: Every estimator by the name that metafor, and most papers, use.
ESTIMATORS: dict[str, Callable[[Batch], tuple[FloatArray, NDArray[np.bool_]]]] = {
    "DL": _dersimonian_laird,
    "DLIT": _dersimonian_laird_repeated,
    "HE": _hedges,
    "HS": _hunter_schmidt,
    "HSk": _hunter_schmidt_k,
    "SJ": _sidik_jonkman,
    "ML": _ml,
    "REML": _reml,
    "EB": _paule_mandel,
    "PM": _paule_mandel,
    "PMM": _paule_mandel_median,
    "GENQ": _hedges,
}
