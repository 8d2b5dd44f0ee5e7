"""What happened by each time, weighted for censoring: what scores of predictions are made from.

Every score is a function of w W with W = 1 / G at a time of each row's own, so a row moves it in two ways: by
its own part, and by what it does to G, which passes through the weights of all rows evaluated later:

    influence_i = d score / d w_i  -  sum over censoring times u of  Q(u) × what row i does to log G at u
    Q(u)        = sum over rows evaluated after u of  w W × d score / d (w W)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival.censoring import Censoring, estimate
from soa_evidence.survival.records import Records

__all__ = ["Scored"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Scored:
    """Outcomes at T times of n rows, with their weights.

    Attributes
    ----------
    records : Records
    code : int
        The cause predicted.
    times : array of shape (T,)
    happened : array of shape (n, T)
        1 where the event had happened by the time.
    key : array of shape (n, T)
        When G is evaluated for the row, as a key of `observed`; 0 where the row does not count.
    inverse : array of shape (n, T)
        1 / G then, 0 where the row does not count.
    cases : array of shape (T,)
        Rows with the event by each time.
    """

    records: Records
    code: int
    times: FloatArray
    observed: Censoring
    weight: FloatArray
    happened: FloatArray
    key: IntArray
    inverse: FloatArray
    cases: IntArray

    @classmethod
    def of(cls, records: Records, code: int, times: FloatArray, column: str) -> Scored:
        """Weigh the rows of `records` at `times`, refusing times with no one on one side."""
        observed = estimate(records)
        exit_time = records.axis[records.exit]
        by = exit_time[:, None] <= times
        happened = by & (records.cause == code)[:, None]
        for j, t in enumerate(times):
            if by[:, j].all():
                raise InputError(
                    f"No one is followed beyond time {t:g} (the last of '{column}' is {exit_time.max():g}), "
                    "so predictions for it cannot be scored; take an earlier time."
                )
            if not happened[:, j].any():
                raise InputError(
                    f"No one has the event by time {t:g}, so predictions for it cannot be scored; take a "
                    "later time."
                )
        place = np.searchsorted(records.axis, times, side="right")
        own = observed.keys(records.stratum, records.exit)[:, None]
        key = np.where(by, np.where((records.cause > 0)[:, None], own, 0), place + 1)
        inverse = np.zeros(key.shape)
        counts = key > 0
        inverse[counts] = 1 / observed.before(key[counts])
        return cls(
            records=records,
            code=code,
            times=times,
            observed=observed,
            weight=np.ones(len(records)) if records.weight is None else records.weight,
            happened=happened.astype(float),
            key=key,
            inverse=inverse,
            cases=happened.sum(axis=0),
        )

    @property
    def share(self) -> FloatArray:
        """The share who have had the event by each time (the Aalen–Johansen estimate), shape (T,)."""
        return np.asarray(self.weight @ (self.inverse * self.happened) / self.weight.sum())

    def smallest_chance(self) -> float:
        """Return the smallest chance of being observed among the rows that count."""
        return float(1 / self.inverse.max())

    def area_weights(self) -> FloatArray:
        """Return what each time counts for in the mean over time by trapezoids, shape (T,)."""
        widths = np.diff(self.times)
        return np.asarray((np.append(widths, 0) + np.append(0, widths)) / 2 / widths.sum())

    def brier(self, risk: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the Brier score at each time, and the influence of each row, shape (n, T)."""
        loss = self.inverse * np.square(self.happened - risk)
        total = self.weight.sum()
        score = self.weight @ loss / total
        return score, (loss - score) / total + self._through_weights(loss / total, self.key)

    def auc(self, risk: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the AUC at each time, and the influence of each row, shape (n, T)."""
        score, own = np.empty(len(self.times)), np.zeros(risk.shape)
        for j in range(len(self.times)):
            _, rank = np.unique(risk[:, j], return_inverse=True)
            weight = self.weight * self.inverse[:, j]
            case = self.happened[:, j] > 0
            below_cases = _share_below(rank, np.where(case, weight, 0.0))
            below_controls = _share_below(rank, np.where(case, 0.0, weight))
            cases, controls = weight[case].sum(), weight[~case].sum()
            score[j] = weight[case] @ below_controls[case] / (cases * controls)
            higher = cases - below_cases  # of the cases; half of those with the same risk
            part = np.where(case, below_controls - score[j] * controls, higher - score[j] * cases)
            own[:, j] = self.inverse[:, j] * part / (cases * controls)
        return score, own + self._through_weights(own, self.key)

    def concordance(self, risk: FloatArray, *, uno: bool) -> tuple[float, FloatArray]:
        """Return Harrell's or Uno's concordance (of events up to the last time), and the influence, (n,)."""
        from soa_evidence.survival.concordance_kernels import pair_sums

        records, order = self.records, np.argsort(self.records.exit, kind="stable")
        levels, rank = np.unique(risk[order], return_inverse=True)
        codes = records.exit[order]
        start = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]])
        place = codes[start[:-1]]
        died = records.cause[order] > 0
        count = np.ones(len(place))
        if uno:
            died &= records.axis[codes] <= self.times[-1]
            chance = self.observed.before(place + 1)
            count = np.divide(1, chance**2, out=np.zeros(len(place)), where=chance > 0)
        none = np.zeros(0, dtype=np.int64)
        agree, pairs, agree_event, pairs_event = pair_sums(
            rank.astype(np.int64) + 1, len(levels), self.weight[order], died, start,
            np.zeros(len(place), dtype=np.int64), none, none, count,
        )  # fmt: skip
        weight = self.weight[order]
        total = float(weight @ pairs) / 2
        share = float(weight @ agree) / 2 / total
        own, through = np.empty(len(order)), np.zeros((len(order), 1))
        own[order] = (agree - share * pairs) / total
        if not uno:
            return share, own
        through[order, 0] = 2 * (agree_event - share * pairs_event) / total
        key = np.where(records.cause > 0, self.observed.keys(records.stratum, records.exit), 0)[:, None]
        return share, own + self._through_weights(through, key)[:, 0]

    def covariance(self, influence: FloatArray, clusters: IntArray | None) -> FloatArray:
        """Return the covariance of scores from the influence of the rows, or clusters; shape (k, k)."""
        if clusters is None:
            moved = np.sqrt(self.weight)[:, None] * influence
        else:
            weighted = self.weight[:, None] * influence
            moved = np.column_stack([np.bincount(clusters, weights=column) for column in weighted.T])
        found = moved.T @ moved
        return np.asarray((found + found.T) / 2)

    def _through_weights(self, part: FloatArray, key: IntArray) -> FloatArray:
        """Return what each row does to scores by way of G; `part` is W × d score / d (w W), shape (n, T)."""
        k = len(self.observed.key)
        before = np.searchsorted(self.observed.key, key, side="left")
        later = np.empty((k, part.shape[1]))
        for j in range(part.shape[1]):
            sums = np.bincount(before[:, j], weights=self.weight * part[:, j], minlength=k + 1)
            later[:, j] = np.cumsum(sums[:0:-1])[::-1][:k]
        own = self.observed.keys(self.records.stratum, self.records.exit)
        return -self.observed.row_sums(later, own, self.records.cause == 0)


def _share_below(rank: IntArray, weight: FloatArray) -> FloatArray:
    """Return the weight of lower rank plus half of that of equal rank, for each row."""
    sums = np.bincount(rank, weights=weight)
    return np.asarray((np.cumsum(sums) - sums / 2)[rank])
