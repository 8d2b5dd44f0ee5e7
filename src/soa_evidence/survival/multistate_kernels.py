"""Compiled recursions over the times of moves: probabilities, counts, time in state, their covariance.

y holds S state probabilities, then R expected counts of transitions, then S times in state. Between
transitions time in state grows; at a time with transitions, with dA(r) = N(r) / Y(from r),

    y  <-  y + sum over r of p(from r) dA(r) v(r),      v(r) = to - from in the states, 1 in the count of r

which is linear in y, so its covariance follows exactly, given that of each dA (multinomial within a state).

Import this module only where it is used: it loads numba.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.cox_kernels import compiled

__all__ = ["backward", "forward", "transitions"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@compiled
def forward(
    gaps: FloatArray,
    at_risk: FloatArray,
    counts: FloatArray,
    source: IntArray,
    target: IntArray,
    y: FloatArray,
    cov: FloatArray,
    kept: BoolArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Carry `y`, shape (D,), and `cov`, shape (D, D), over T times, and return them where `kept`.

    Parameters
    ----------
    gaps : array of shape (T,)
        Time since the one before.
    at_risk, counts : arrays of shape (T, S) and (T, R)
    source, target : arrays of shape (R,)
        States that each transition leaves and reaches.

    Returns
    -------
    before, p, variance : arrays of shape (T, S)
        Probabilities just before and after each time, and the variance of the latter.
    ys, covs : arrays of shape (k, D) and (k, D, D)
    """
    T, S = at_risk.shape
    R, D, keep = len(source), len(y), kept.sum()
    before, p, variance = np.zeros((T, S)), np.zeros((T, S)), np.zeros((T, S))
    ys, covs = np.zeros((keep, D)), np.zeros((keep, D, D))
    y, cov = y.copy(), cov.copy()
    G, noise, at = np.zeros((S, D)), np.zeros((R, D)), 0
    for r in range(R):
        noise[r, source[r]] -= 1.0
        noise[r, target[r]] += 1.0
        noise[r, S + r] += 1.0
    for t in range(T):
        before[t] = y[:S]
        moved = False
        G[:, :] = 0.0
        for h in range(S):
            G[h, S + R + h] = gaps[t]
        _apply(y, cov, G)
        G[:, :] = 0.0
        for r in range(R):
            if counts[t, r] > 0:
                moved = True
                h = source[r]
                step = counts[t, r] / at_risk[t, h]
                G[h, h] -= step
                G[h, target[r]] += step
                G[h, S + r] += step
        if moved:
            now = y[:S].copy()
            _apply(y, cov, G)
            for r in range(R):
                for q in range(R):
                    h = source[r]
                    if counts[t, r] == 0 or counts[t, q] == 0 or source[q] != h:
                        continue
                    n = at_risk[t, h]
                    own = counts[t, r] * n if r == q else 0.0
                    c = now[h] ** 2 * (own - counts[t, r] * counts[t, q]) / n**3
                    for a in range(D):
                        if noise[r, a] != 0.0:
                            for b in range(D):
                                cov[a, b] += c * noise[r, a] * noise[q, b]
        p[t] = y[:S]
        for h in range(S):
            variance[t, h] = max(cov[h, h], 0.0)
        if kept[t]:
            ys[at], covs[at] = y, cov
            at += 1
    return before, p, variance, ys, covs


@compiled
def _apply(y: FloatArray, cov: FloatArray, G: FloatArray) -> None:
    """Replace y by (I + G)' y and cov by (I + G)' cov (I + G), G having rows for the states alone."""
    S, D = G.shape
    new = np.zeros(D)
    for h in range(S):
        for b in range(D):
            new[b] += y[h] * G[h, b]
    y += new
    grown = np.zeros((D, D))
    for a in range(D):
        for h in range(S):
            if cov[a, h] != 0.0:
                for b in range(D):
                    grown[a, b] += cov[a, h] * G[h, b]
    cov += grown
    grown[:, :] = 0.0
    for h in range(S):
        for a in range(D):
            if G[h, a] != 0.0:
                for b in range(D):
                    grown[a, b] += G[h, a] * cov[h, b]
    cov += grown


@compiled
def backward(
    gaps: FloatArray,
    last_gap: float,
    at_risk: FloatArray,
    counts: FloatArray,
    before: FloatArray,
    source: IntArray,
    target: IntArray,
    wanted: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what one person's moves and stays do to `wanted` (D, K) linear functions of y at the horizon.

    Returns
    -------
    moves : array of shape (T, R, K)
        Effect of one more transition r at each time, for one person.
    stays : array of shape (T + 1, S, K)
        Effect of having been at risk in a state, summed up to each time.
    start : array of shape (S, K)
        What the functions would be for a person who starts in each state.
    """
    T, S = at_risk.shape
    R, K = len(source), wanted.shape[1]
    moves, stays = np.zeros((T, R, K)), np.zeros((T + 1, S, K))
    value, gain = wanted[:S].copy(), np.zeros((S, K))
    for h in range(S):
        value[h] += last_gap * wanted[S + R + h]
    for t in range(T - 1, -1, -1):
        gain[:, :] = 0.0
        for r in range(R):
            h = source[r]
            if counts[t, r] > 0:
                for k in range(K):
                    effect = wanted[S + r, k] + value[target[r], k] - value[h, k]
                    gain[h, k] += counts[t, r] / at_risk[t, h] * effect
                    moves[t, r, k] = before[t, h] / at_risk[t, h] * effect
        for h in range(S):
            for k in range(K):
                if gain[h, k] != 0.0:
                    stays[t + 1, h, k] = before[t, h] / at_risk[t, h] * gain[h, k]
                value[h, k] += gain[h, k] + gaps[t] * wanted[S + R + h, k]
    for t in range(T):
        stays[t + 1] += stays[t]
    return moves, stays, value


@compiled
def transitions(
    at_risk: FloatArray, counts: FloatArray, source: IntArray, target: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return transition probabilities, shape (S, S), and their covariance, shape (S, S, S, S).

    The covariance of P[g, a] with P[h, b] stands at [g, a, h, b].
    """
    T, S = at_risk.shape
    R = len(source)
    P, V, F = np.eye(S), np.zeros((S, S, S, S)), np.eye(S)
    for t in range(T):
        F[:, :] = np.eye(S)
        for r in range(R):
            if counts[t, r] > 0:
                step = counts[t, r] / at_risk[t, source[r]]
                F[source[r], source[r]] -= step
                F[source[r], target[r]] += step
        for g in range(S):
            for h in range(S):
                V[g, :, h, :] = F.T @ np.ascontiguousarray(V[g, :, h, :]) @ F
        for r in range(R):
            for q in range(R):
                i = source[r]
                if counts[t, r] == 0 or counts[t, q] == 0 or source[q] != i:
                    continue
                n = at_risk[t, i]
                own = counts[t, r] * n if r == q else 0.0
                c = (own - counts[t, r] * counts[t, q]) / n**3
                for g in range(S):
                    for h in range(S):
                        both = P[g, i] * P[h, i] * c
                        V[g, target[r], h, target[q]] += both
                        V[g, target[r], h, i] -= both
                        V[g, i, h, target[q]] -= both
                        V[g, i, h, i] += both
        P[:, :] = P @ F
    return P, V
