"""Log-rank and its weighted family: tests of whether groups differ in their hazard at any time.

At each time t with d events among n at risk, group g is expected to have d n_g / n. With a weight w(t)

    U_g  = sum of w (d_g - d n_g / n)
    V_gh = sum of w² d (n - d) / (n - 1) (n_g / n) ([g = h] - n_h / n)
    chi² = U' V⁻ U  on (groups - 1) degrees of freedom

    family                  w(t)                          looks hardest at
    log-rank                1                             proportional hazards
    gehan_breslow           n                             early differences; depends on censoring
    tarone_ware             sqrt n                        between the two
    peto_peto               S~(t) = product 1 - d/(n+1)   early differences, whatever the censoring
    fleming_harrington      S(t-)^p (1 - S(t-))^q         early (p > 0), late (q > 0)

Stratified: U and V are summed over strata, with S, n and d within each. Trend: for scores c, (c'U)² / c'Vc
on 1 degree of freedom. With delayed entry n counts those who have entered.

When not to use it: to say how large a difference is; give curves, restricted means or a hazard ratio as well.
When hazards cross, choose the weight before seeing the data. For a competing cause use Gray's test when the
question is about incidence.

Sources: Mantel (1966); Peto & Peto (1972), JRSS A 135:185; Fleming & Harrington (1991); Klein & Moeschberger
(2003), chapter 7.

Checked against: R survival::survdiff and coxph's exact score test; Klein & Moeschberger's table 7.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates
from soa_evidence.survival.records import Records, choice, prepare
from soa_evidence.survival.tallies import Tally, tally

__all__ = ["LogrankResult", "fit", "test"]

FloatArray = NDArray[np.float64]
METHOD = "survival.logrank"
Family = Literal["logrank", "gehan_breslow", "tarone_ware", "peto_peto", "fleming_harrington"]
FEW_EXPECTED = 5  # expected events below which chi-squared is a poor approximation


@dataclass(frozen=True, eq=False, kw_only=True)
class LogrankResult:
    """A test of equal hazards.

    Attributes
    ----------
    statistic, degrees_of_freedom, p_value
        Chi-squared test of any difference, or of the trend when scores were given.
    excess : Estimates
        Weighted observed less expected events per group, with their covariance under no difference.
    table : DataFrame
        label, rows, observed, expected (unweighted events).
    family : str
    checks : tuple of Check
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float
    excess: Estimates
    table: pd.DataFrame
    family: str
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return (
            f"{self.family}: chi² {self.statistic:.4g} on {self.degrees_of_freedom} df, "
            f"p = {self.p_value:.4g}\n{self.table.to_string(index=False)}"
        )


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str | Sequence[str],
    entry: str | None = None,
    weights: str | None = None,
    strata: str | Sequence[str] | None = None,
    family: Family = "logrank",
    p: float = 1.0,
    q: float = 0.0,
    trend: Mapping[str, float] | None = None,
) -> LogrankResult:
    """Test whether groups have the same hazard.

    Parameters
    ----------
    frame, time, event, entry
        As in `kaplan_meier.fit`.
    weights
        Frequencies: whole numbers, each row standing for that many people.
    by, strata
        Groups to compare, and strata within which to compare them.
    family
        The weight given to each time, see above.
    p, q
        Powers of the Fleming–Harrington weight, 0 or more.
    trend
        A score for every group label, for a test of trend with the score.

    Raises
    ------
    InputError
        See `records.prepare`; also with fewer than two groups, no events, scores that do not fit the groups,
        or no time at which groups with events can be compared.
    """
    choice("family", family, get_args(Family))
    if p < 0 or q < 0:
        raise InputError(f"p is {p} and q is {q}; the powers of the Fleming–Harrington weight are 0 or more.")
    records = prepare(frame, time=time, event=event, entry=entry, weights=weights, by=by, strata=strata)
    k = len(records.groups)
    if k < 2:
        raise InputError(f"There is one group only ({records.groups[0]}); expected at least two to compare.")
    scores = None if trend is None else _scores(trend, records.groups)
    joint = tuple(f"{s}|{g}" for s in range(len(records.strata)) for g in range(k))
    cells = tally(records, group=records.stratum * k + records.group, labels=joint)
    observed, expected, excess, covariance = np.zeros(k), np.zeros(k), np.zeros(k), np.zeros((k, k))
    for s in range(len(records.strata)):
        parts = _one_stratum(cells[s * k : (s + 1) * k], family, p, q)
        for total, part in zip((observed, expected, excess, covariance), parts, strict=True):
            total += part
    statistic, dof = _statistic(excess, covariance, scores)
    return _result(
        records, statistic, dof, (observed, expected, excess, covariance), _named(family, p, q, trend)
    )


#: The name readers look for.
test = fit


def _one_stratum(
    cells: tuple[Tally, ...], family: Family, p: float, q: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Observed, expected, weighted excess and its covariance within one stratum."""
    codes = np.unique(np.concatenate([cell.code[cell.all_events > 0] for cell in cells]))
    d_g, n_g = np.zeros((len(cells), len(codes))), np.zeros((len(cells), len(codes)))
    for g, cell in enumerate(cells):
        if cell.rows == 0:
            continue
        here = np.isin(codes, cell.code)
        d_g[g, here] = cell.all_events[np.searchsorted(cell.code, codes[here])]
        n_g[g] = cell.risk_at(codes)
    d, n = d_g.sum(axis=0), n_g.sum(axis=0)
    w = _weight(family, d, n, p, q)
    share = n_g / n
    # A last person alone has no variance: n - d is then 0 as well.
    spread = w**2 * d * (n - d) / np.maximum(n - 1, 1)
    covariance = np.diag(share @ spread) - (share * spread) @ share.T
    return d_g.sum(axis=1), share @ d, (d_g - d * share) @ w, covariance


def _weight(family: Family, d: FloatArray, n: FloatArray, p: float, q: float) -> FloatArray:
    if family == "logrank":
        return np.ones(len(d))
    if family == "gehan_breslow":
        return n
    if family == "tarone_ware":
        return np.sqrt(n)
    if family == "peto_peto":
        return np.cumprod(1 - d / (n + 1))
    before = np.concatenate([[1.0], np.cumprod(1 - d / n)[:-1]]) if len(d) else d
    return np.asarray(before**p * (1 - before) ** q)


def _scores(trend: Mapping[str, float], groups: tuple[str, ...]) -> FloatArray:
    given = {str(label): score for label, score in trend.items()}
    for label in groups:
        if label not in given:
            raise InputError(f"trend= has no score for group '{label}'.{nearest(label, given)}")
    for label in given:
        if label not in groups:
            raise InputError(f"trend= scores '{label}', which is no group.{nearest(label, groups)}")
    scores = np.array([float(given[label]) for label in groups])
    if not np.isfinite(scores).all() or np.ptp(scores) == 0:
        raise InputError("trend= needs finite scores that are not all the same.")
    return scores


def _statistic(excess: FloatArray, covariance: FloatArray, scores: FloatArray | None) -> tuple[float, int]:
    known = np.diag(covariance) > 0
    if known.sum() < 2:
        raise InputError(
            "There is no time at which two groups are at risk together and events are left to compare."
        )
    if scores is not None:
        return float((scores @ excess) ** 2 / (scores @ covariance @ scores)), 1
    # The excesses sum to 0, so any one group may be left out.
    used = np.flatnonzero(known)[:-1]
    return float(excess[used] @ np.linalg.solve(covariance[np.ix_(used, used)], excess[used])), len(used)


def _named(family: Family, p: float, q: float, trend: Mapping[str, float] | None) -> str:
    name = f"fleming_harrington({p:g}, {q:g})" if family == "fleming_harrington" else family
    return name if trend is None else f"{name}, trend"


def _result(
    records: Records,
    statistic: float,
    dof: int,
    sums: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    family: str,
) -> LogrankResult:
    from scipy.stats import chi2

    observed, expected, excess, covariance = sums
    least = int(np.argmin(expected))
    checks = (
        Check(
            name="expected events in the group with fewest",
            verdict="pass" if expected[least] >= FEW_EXPECTED else "warn",
            observed=f"{expected[least]:.1f} ({records.groups[least]})",
            expected=f"at least {FEW_EXPECTED}",
            why="with few expected events the chi-squared distribution is a poor approximation",
        ),
    )
    return LogrankResult(
        statistic=statistic,
        degrees_of_freedom=dof,
        p_value=float(chi2.sf(statistic, dof)),
        excess=Estimates(
            estimand="weighted events observed less expected",
            labels=records.groups,
            unit="weighted events",
            method=METHOD,
            mean=excess,
            covariance=(covariance + covariance.T) / 2,
            interval="confidence",
            checks=checks,
        ),
        table=pd.DataFrame(
            {
                "label": list(records.groups),
                "rows": np.bincount(records.group, minlength=len(records.groups)),
                "observed": observed,
                "expected": expected,
            }
        ),
        family=family,
        checks=checks,
    )
