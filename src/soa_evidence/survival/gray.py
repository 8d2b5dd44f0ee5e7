"""Gray's test of whether groups differ in the cumulative incidence of one cause.

A person who had another event stays, for this test, among those who may yet have this one. In group g with
Y_g under observation, S_g free of any event and F_g the incidence of the cause, that risk set is estimated by

    R_g(t) = Y_g(t) (1 - F_g(t-)) / S_g(t-)
    z_g    = sum over times of W(t) ( d_g - d R_g / R ),     W(t) = (1 - F(t-))^rho

where sums without g run over groups and F is the incidence pooled as dF = d / sum of Y_g / S_g(t-). The
covariance of z has one part for each kind of event: an event of the cause moves z_g directly, and any event
moves it through the estimates S_g and F_g in later risk sets; both are squared and summed over events, with
the finite-population factor for ties. rho = 0 weighs all times alike.

When not to use it: for a question about the hazard among those still free of any event; that is `logrank`
with the other causes censored. It takes neither delayed entry nor weights.

Source: Gray (1988), Ann Stat 16:1141.

Checked against: R cmprsk::cuminc in tests/reference/survival.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates
from soa_evidence.survival.records import Records, prepare
from soa_evidence.survival.tallies import Tally, tally

__all__ = ["GrayResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "survival.gray"
FEW_EVENTS = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class GrayResult:
    """Gray's test for one cause.

    Attributes
    ----------
    cause : str
    statistic, degrees_of_freedom, p_value
    excess : Estimates
        z: weighted events beyond those expected, for every group but the last (they sum to 0).
    checks : tuple of Check
    """

    cause: str
    statistic: float
    degrees_of_freedom: int
    p_value: float
    excess: Estimates
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return (
            f"Gray's test, {self.cause}: chi² {self.statistic:.4g} on {self.degrees_of_freedom} df, "
            f"p = {self.p_value:.4g}"
        )


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str | Sequence[str],
    cause: str | int = 1,
    strata: str | Sequence[str] | None = None,
    causes: Mapping[int, str] | None = None,
    rho: float = 0.0,
) -> GrayResult:
    """Test whether groups have the same cumulative incidence of one cause.

    Parameters
    ----------
    frame, time, event, by, causes
        As in `cumulative_incidence.fit`.
    cause
        The cause asked about: its code, or its name.
    strata
        Strata within which groups are compared.
    rho
        Power of 1 - F in the weight; above 0 looks harder at early times.

    Raises
    ------
    InputError
        See `records.prepare`; also with fewer than two groups, an unknown cause, or groups never at risk
        together.
    """
    records = prepare(frame, time=time, event=event, by=by, strata=strata, competing=True, causes=causes)
    groups = len(records.groups)
    if groups < 2:
        raise InputError(f"There is one group only ({records.groups[0]}); expected at least two to compare.")
    k = _position(records, frame, event, cause, causes)
    joint = tuple(f"{s}|{g}" for s in range(len(records.strata)) for g in range(groups))
    cells = tally(records, group=records.stratum * groups + records.group, labels=joint)
    score, covariance = np.zeros(groups), np.zeros((groups, groups))
    for s in range(len(records.strata)):
        part, spread = _one_stratum(cells[s * groups : (s + 1) * groups], k, rho)
        score += part
        covariance += spread
    return _result(records, k, score[:-1], covariance[:-1, :-1])


def _position(
    records: Records, frame: pd.DataFrame, event: str, cause: str | int, causes: Mapping[int, str] | None
) -> int:
    if isinstance(cause, int):
        seen = (
            sorted(int(code) for code in frame[event].unique() if code > 0)
            if causes is None
            else sorted(causes)
        )
        if cause not in seen:
            raise InputError(f"There is no cause {cause} in '{event}'; it has {', '.join(map(str, seen))}.")
        return seen.index(cause)
    if cause not in records.causes:
        raise InputError(
            f"There is no cause {cause!r}.{nearest(cause, records.causes)} "
            f"Causes: {', '.join(records.causes)}."
        )
    return records.causes.index(cause)


def _one_stratum(cells: tuple[Tally, ...], k: int, rho: float) -> tuple[FloatArray, FloatArray]:
    """Score of every group and its covariance within one stratum."""
    codes = np.unique(np.concatenate([cell.code[cell.all_events > 0] for cell in cells]))
    G, m = len(cells), len(codes)
    risk, own, other = np.zeros((G, m)), np.zeros((G, m)), np.zeros((G, m))
    for g, cell in enumerate(cells):
        if cell.rows:
            here = np.isin(codes, cell.code)
            at = np.searchsorted(cell.code, codes[here])
            own[g, here] = cell.events[k, at]
            other[g, here] = cell.all_events[at] - cell.events[k, at]
            risk[g] = cell.risk_at(codes)
    there = risk > 0
    n = np.where(there, risk, 1.0)
    after = np.cumprod(1 - (own + other) / n, axis=1)
    before = np.hstack([np.ones((G, 1)), after[:, :-1]])
    free = np.where(there & (before > 0), before, 1.0)
    incidence = np.cumsum(before * own / n, axis=1)
    incidence_before = np.hstack([np.zeros((G, 1)), incidence[:, :-1]])
    inverse = np.where(there, risk / free, 0.0)  # Y / S(t-): the size a group would have without events
    return _score_and_covariance(own, other, n, there, after, free, inverse, incidence_before, rho)


def _score_and_covariance(
    own: FloatArray,
    other: FloatArray,
    n: FloatArray,
    there: NDArray[np.bool_],
    after: FloatArray,
    free: FloatArray,
    inverse: FloatArray,
    incidence_before: FloatArray,
    rho: float,
) -> tuple[FloatArray, FloatArray]:
    G = len(own)
    d = own.sum(axis=0)
    size = inverse.sum(axis=0)
    pooled = np.cumsum(d / size)
    pooled_before = np.concatenate([[0.0], pooled[:-1]])
    weight = (1 - pooled_before) ** rho
    still = inverse * (1 - incidence_before)
    score = (np.where(there, own - d * still / still.sum(axis=0), 0.0)) @ weight

    # direct[i, g]: what an event of the cause in g does at once to z_i, per unit of Y / S.
    share = inverse / size
    direct = weight * inverse[None] * (np.eye(G)[:, :, None] - share[:, None])
    rate = d / (size * (1 - pooled_before))
    running = np.cumsum(direct * rate, axis=2)
    later = running[:, :, -1:] - running

    left = np.divide(1 - pooled, after, out=np.zeros_like(after), where=after > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        tied = np.where(d > 1, 1 - (d - 1) / (size * free - 1), 1.0)
        tied_other = np.where(other > 1, 1 - (other - 1) / (n - 1), 1.0)
    spread_own = np.where(there, tied * free * d / (size * n), 0.0)
    spread_other = np.where(there, tied_other * free**2 * other / n**2, 0.0)
    through_own = np.where(after > 0, 1 - left, 1.0)
    moved = direct + through_own * later
    moved_other = left * later
    covariance = np.einsum("igt,jgt,gt->ij", moved, moved, spread_own)
    covariance += np.einsum("igt,jgt,gt->ij", moved_other, moved_other, spread_other)
    return score, covariance


def _result(records: Records, k: int, score: FloatArray, covariance: FloatArray) -> GrayResult:
    from scipy.stats import chi2

    if not (np.diag(covariance) > 0).all():
        raise InputError(
            f"Group '{records.groups[int(np.argmin(np.diag(covariance)))]}' is never at risk together with "
            f"others when '{records.causes[k]}' happens, so it cannot be compared."
        )
    events = np.bincount(records.group[records.cause == k + 1], minlength=len(records.groups))
    least = int(np.argmin(events))
    checks = (
        Check(
            name="events of the cause in the group with fewest",
            verdict="pass" if events[least] >= FEW_EVENTS else "warn",
            observed=f"{events[least]} ({records.groups[least]})",
            expected=f"at least {FEW_EVENTS}",
            why="with few events the chi-squared distribution is a poor approximation",
        ),
    )
    statistic = float(score @ np.linalg.solve(covariance, score))
    return GrayResult(
        cause=records.causes[k],
        statistic=statistic,
        degrees_of_freedom=len(score),
        p_value=float(chi2.sf(statistic, len(score))),
        excess=Estimates(
            estimand=f"events observed less expected, {records.causes[k]}",
            labels=records.groups[:-1],
            unit="weighted events",
            method=METHOD,
            mean=score,
            covariance=(covariance + covariance.T) / 2,
            interval="confidence",
            checks=checks,
        ),
        checks=checks,
    )
