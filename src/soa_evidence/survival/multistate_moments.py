"""Counts of moves by group, and from them linear functionals of the process with either variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival.multistate_rows import Stays

__all__ = ["Counted", "Variance", "count", "functionals"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Variance = Literal["robust", "greenwood"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Counted:
    """One group's counts at time 0, every time with a move, and the last time observed.

    Attributes
    ----------
    label : str
    time : array of shape (T,)
    place : array of shape (T,)
        Position of each on the common axis of times (-1 for time 0).
    at_risk, entries : arrays of shape (T, S)
        In each state just before, and moves into it.
    moves : array of shape (T, R)
    begin, begin_covariance : arrays of shape (S,), (S, S)
        State probabilities at time 0; no covariance where all begin in one state.
    beginners : float
        People (weight) from whom `begin` is estimated.
    p, before, variance : arrays of shape (T, S)
        State probabilities after and just before each time, and their Greenwood-type variance.
    last : float
        Last time under observation.
    """

    label: str
    time: FloatArray
    place: IntArray
    at_risk: FloatArray
    entries: FloatArray
    moves: FloatArray
    begin: FloatArray
    begin_covariance: FloatArray
    beginners: float
    p: FloatArray
    before: FloatArray
    variance: FloatArray
    last: float

    def refuse_beyond(self, horizon: float) -> None:
        """Refuse a horizon after the last time at which anyone of the group was observed."""
        if not 0 < horizon <= self.last:
            raise InputError(
                f"Group '{self.label}' is observed from 0 to {self.last:g}; {horizon:g} lies outside, and "
                "nothing is known there."
            )


def count(coded: Stays, start: int | None) -> tuple[Counted, ...]:
    """Count each group; `start` is the state all are in at time 0, or None for where people begin."""
    return tuple(_count(coded, g, start) for g in range(len(coded.records.groups)))


def _count(coded: Stays, g: int, start: int | None) -> Counted:
    from soa_evidence.survival.multistate_kernels import forward

    records = coded.records
    S, R, T = len(coded.states), len(coded.source), len(records.axis)
    mine = np.flatnonzero(records.group == g)
    label = records.groups[g]
    weight = None if records.weight is None else records.weight[mine]
    state, exit_ = coded.state[mine], records.exit[mine]
    # Positions are moved up by one, so that place 0 is time 0 and no one enters before it.
    entered = np.zeros(len(mine), dtype=np.int64) if records.entry is None else records.entry[mine] + 1
    if records.entry is not None and records.axis[0] == 0:
        entered = np.where(records.entry[mine] == 0, 0, entered)
    came = np.bincount(entered * S + state, weights=weight, minlength=(T + 1) * S).reshape(T + 1, S)
    left = np.bincount((exit_ + 1) * S + state, weights=weight, minlength=(T + 1) * S).reshape(T + 1, S)
    present = np.cumsum(came - left, axis=0)  # just after each place
    at_risk = np.vstack([np.zeros((1, S)), present[:-1]])
    moved = coded.move[mine] >= 0
    moves = np.bincount(
        (exit_[moved] + 1) * R + coded.move[mine][moved],
        weights=None if weight is None else weight[moved],
        minlength=(T + 1) * R,
    ).reshape(T + 1, R).astype(float)  # fmt: skip
    if not moved.any():
        raise InputError(f"No one in group '{label}' moves, so nothing can be estimated for it.")
    kept = np.unique(np.concatenate([[0], np.flatnonzero(moves.any(axis=1)), [exit_.max() + 1]]))
    axis = np.concatenate([[0.0], records.axis])
    begin, covariance, beginners = _begin(coded, mine, entered, start, label)
    time, at_risk, moves = axis[kept], at_risk[kept].astype(float), moves[kept]
    gaps = np.diff(time, prepend=0.0)
    D = 2 * S + R
    y, cov = np.zeros(D), np.zeros((D, D))
    y[:S], cov[:S, :S] = begin, covariance
    before, p, variance, _, _ = forward(
        gaps, at_risk, moves, coded.source, coded.target, y, cov, np.zeros(len(time), dtype=bool)
    )
    entries = np.zeros((len(time), S))
    for r in range(R):
        entries[:, coded.target[r]] += moves[:, r]
    return Counted(
        label=label, time=time, place=kept - 1, at_risk=at_risk, entries=entries, moves=moves, begin=begin,
        begin_covariance=covariance, beginners=beginners, p=p, before=before, variance=variance,
        last=float(time[-1]),
    )  # fmt: skip


def _begin(
    coded: Stays, mine: IntArray, entered: IntArray, start: int | None, label: str
) -> tuple[FloatArray, FloatArray, float]:
    """Return state probabilities at time 0, their covariance, and the weight they rest on."""
    S = len(coded.states)
    first = coded.first[mine]
    found = np.unique(coded.state[mine][first])
    if start is None and len(found) == 1:
        start = int(found[0])
    if start is not None:
        return np.eye(S)[start], np.zeros((S, S)), 0.0
    if (entered[first] > entered[first].min()).any():
        raise InputError(
            f"In group '{label}' people come under observation in different states "
            f"({', '.join(coded.states[h] for h in found)}) at different times, so the shares of states at "
            "time 0 are not known; say with start= in which state all begin."
        )
    weight = np.ones(len(mine)) if coded.records.weight is None else coded.records.weight[mine]
    shares = np.bincount(coded.state[mine][first], weights=weight[first], minlength=S)
    total = float(shares.sum())
    shares = shares / total
    return shares, (np.diag(shares) - np.outer(shares, shares)) / total, total


def functionals(
    coded: Stays, counted: tuple[Counted, ...], horizon: float, wanted: FloatArray, variance: Variance
) -> tuple[FloatArray, FloatArray]:
    """Return linear functionals of probabilities, moves and times in state at a horizon, group by group.

    Parameters
    ----------
    wanted : array of shape (S + R + S, K)
        Coefficients of states, moves and times.

    Returns
    -------
    mean : array of shape (G K,)
    covariance : array of shape (G K, G K)
        Robust: groups that share clusters are correlated. Greenwood-type: groups are independent.
    """
    K, size = wanted.shape[1], len(counted) * wanted.shape[1]
    mean, covariance = np.zeros(size), np.zeros((size, size))
    clusters = int(coded.cluster.max()) + 1
    influence = np.zeros((clusters, size)) if variance == "robust" else None
    for g, group in enumerate(counted):
        group.refuse_beyond(horizon)
        mine = slice(g * K, (g + 1) * K)
        if influence is None:
            mean[mine], covariance[mine, mine] = _greenwood(coded, group, horizon, wanted)
        else:
            mean[mine], influence[:, mine] = _influence(coded, g, group, horizon, wanted, clusters)
    if influence is not None:
        weighted = influence
        if coded.records.weight is not None:  # a frequency repeats the person, who is then the cluster
            weight = np.zeros(clusters)
            weight[coded.cluster] = coded.records.weight
            weighted = influence * weight[:, None]
        covariance = weighted.T @ influence
    return mean, (covariance + covariance.T) / 2


def _greenwood(
    coded: Stays, group: Counted, horizon: float, wanted: FloatArray
) -> tuple[FloatArray, FloatArray]:
    from soa_evidence.survival.multistate_kernels import forward

    S, D = len(coded.states), len(wanted)
    up_to = int(np.searchsorted(group.time, horizon, side="right"))
    time = np.append(group.time[:up_to], horizon)
    at_risk = np.vstack([group.at_risk[:up_to], np.ones((1, S))])
    moves = np.vstack([group.moves[:up_to], np.zeros((1, len(coded.source)))])
    y, cov = np.zeros(D), np.zeros((D, D))
    y[:S], cov[:S, :S] = group.begin, group.begin_covariance
    kept = np.zeros(len(time), dtype=bool)
    kept[-1] = True
    *_, ys, covs = forward(
        np.diff(time, prepend=0.0), at_risk, moves, coded.source, coded.target, y, cov, kept
    )
    return ys[0] @ wanted, wanted.T @ covs[0] @ wanted


def _influence(
    coded: Stays, g: int, group: Counted, horizon: float, wanted: FloatArray, clusters: int
) -> tuple[FloatArray, FloatArray]:
    """Return the functionals and each cluster's influence on them, shape (clusters, K)."""
    from soa_evidence.survival.multistate_kernels import backward

    records = coded.records
    up_to = int(np.searchsorted(group.time, horizon, side="right"))
    time = group.time[:up_to]
    moves, stays_, start = backward(
        np.diff(time, prepend=0.0), float(horizon - time[-1]), group.at_risk[:up_to], group.moves[:up_to],
        group.before[:up_to], coded.source, coded.target, np.ascontiguousarray(wanted),
    )  # fmt: skip
    mine = np.flatnonzero(records.group == g)
    state, cluster = coded.state[mine], coded.cluster[mine]
    left = np.searchsorted(group.place[:up_to], records.exit[mine], side="right")
    own = -stays_[left, state]
    if records.entry is not None:
        own += stays_[np.searchsorted(group.place[:up_to], records.entry[mine], side="right"), state]
    at = left - 1
    moved = (coded.move[mine] >= 0) & (group.place[at] == records.exit[mine])
    own[moved] += moves[at[moved], coded.move[mine][moved]]
    if group.beginners:
        first = coded.first[mine]
        own[first] += (start[state[first]] - group.begin @ start) / group.beginners
    summed = np.column_stack(
        [np.bincount(cluster, weights=own[:, k], minlength=clusters) for k in range(own.shape[1])]
    )
    return group.begin @ start, summed
