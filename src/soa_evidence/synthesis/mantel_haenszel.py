r"""Mantel-Haenszel: one common effect from many small tables, without a variance for each.

For events a of n1 and c of n2, N = n1 + n2:

- OR: :math:`\sum ad/N \,/\, \sum bc/N`, variance of its log by Robins, Breslow & Greenland (1986)
- RR: :math:`\sum a n_2/N \,/\, \sum c n_1/N`, variance of its log by Greenland & Robins (1985)
- RD: :math:`\sum (a n_2 - c n_1)/N \,/\, \sum n_1 n_2/N`, variance by Sato, Greenland & Robins (1989)
- IRR, IRD: the same with person-time

No zero cell is corrected: a study with a zero in one arm speaks as it is, one without events in either arm
says nothing about a ratio and adds nothing.

When not to use it: where studies differ in their true effects (look at the tests; pool with
`synthesis.pairwise`), as it is a common-effect method.

Checked against: metafor's rma.mh (tests/reference/synthesis).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates
from soa_evidence.synthesis import tables_by_study
from soa_evidence.synthesis.effect_counts import hypergeometric
from soa_evidence.synthesis.studies import FloatArray, require_choice

__all__ = ["MEASURES", "MantelHaenszelResult", "fit"]

METHOD = "synthesis.mantel_haenszel"
MEASURES = {
    "OR": "log odds ratio",
    "RR": "log risk ratio",
    "RD": "risk difference",
    "IRR": "log rate ratio",
    "IRD": "rate difference",
}
Columns = dict[str, FloatArray]


@dataclass(frozen=True, eq=False, kw_only=True)
class MantelHaenszelResult:
    """A common effect.

    Attributes
    ----------
    pooled : Estimates
    tests : DataFrame
        test, statistic, dof, p_value. For OR: no effect (Cochran-Mantel-Haenszel), and one odds ratio in all
        studies (Tarone's correction of Breslow & Day). Empty for the others.
    checks : tuple of Check
    """

    pooled: Estimates
    tests: pd.DataFrame
    checks: tuple[Check, ...]


def fit(
    frame: pd.DataFrame,
    *,
    measure: str = "OR",
    label: str = "label",
    continuity_correction: bool = False,
    **columns: str,
) -> MantelHaenszelResult:
    """Pool tables of events, one row a study.

    Parameters
    ----------
    measure
        OR, RR, RD, IRR or IRD.
    continuity_correction
        Subtract 0.5 in the test of no effect (metafor's default does; we do not).
    columns
        Which column plays which part, where it is not of that name: events_1, n_1, events_2, n_2; or
        events_1, time_1, events_2, time_2 for rates.

    Raises
    ------
    InputError
        As `effect_sizes.fit` for counts, and where events in all studies together are too few for a ratio.
    """
    require_choice(measure, tuple(MEASURES), "measure")
    labels, data = tables_by_study.read(frame, label=label, rates=measure.startswith("IR"), columns=columns)
    estimate, variance = _POOL[measure](data)
    checks = (tables_by_study.silent_check(data, ratio=measure not in ("RD", "IRD")),)
    if not (np.isfinite(estimate) and np.isfinite(variance) and variance > 0):
        raise InputError(
            f"The {len(labels)} studies together leave no {MEASURES[measure]}: one arm has no events at all, "
            "or nothing but events. A difference (RD, IRD), or a longer follow-up, may have an answer."
        )
    return MantelHaenszelResult(
        pooled=Estimates(
            estimand=MEASURES[measure],
            labels=("pooled",),
            unit=MEASURES[measure],
            method=METHOD,
            mean=np.array([estimate]),
            covariance=np.array([[variance]]),
            interval="confidence",
            checks=checks,
        ),
        tests=_tests(data, estimate, continuity_correction) if measure == "OR" else _NO_TESTS.copy(),
        checks=checks,
    )


_NO_TESTS = pd.DataFrame(columns=["test", "statistic", "dof", "p_value"])


def _ratio(r: float, s: float) -> float:
    return float(np.log(r / s)) if r > 0 and s > 0 else np.nan


def _odds_ratio(data: Columns) -> tuple[float, float]:
    a, c = data["events_1"], data["events_2"]
    b, d = data["n_1"] - a, data["n_2"] - c
    n = data["n_1"] + data["n_2"]
    p, q, r, s = (a + d) / n, (b + c) / n, a * d / n, b * c / n
    total_r, total_s = r.sum(), s.sum()
    if not (total_r > 0 and total_s > 0):
        return np.nan, np.nan
    variance = 0.5 * (
        (p * r).sum() / total_r**2 + (p * s + q * r).sum() / (total_r * total_s) + (q * s).sum() / total_s**2
    )
    return _ratio(total_r, total_s), float(variance)


def _risk_ratio(data: Columns) -> tuple[float, float]:
    a, c, n1, n2 = data["events_1"], data["events_2"], data["n_1"], data["n_2"]
    n = n1 + n2
    r, s = (a * n2 / n).sum(), (c * n1 / n).sum()
    if not (r > 0 and s > 0):
        return np.nan, np.nan
    return _ratio(r, s), float(((n1 / n) * (n2 / n) * (a + c) - a * c / n).sum() / (r * s))


def _risk_difference(data: Columns) -> tuple[float, float]:
    a, c, n1, n2 = data["events_1"], data["events_2"], data["n_1"], data["n_2"]
    n = n1 + n2
    weight = (n1 * n2 / n).sum()
    difference = float(((a * n2 - c * n1) / n).sum() / weight)
    p = (c * (n1 / n) ** 2 - a * (n2 / n) ** 2 + (n1 / n) * (n2 / n) * (n2 - n1) / 2).sum()
    q = (a * (n2 - c) / n + c * (n1 - a) / n).sum() / 2
    return difference, float((difference * p + q) / weight**2)


def _rate_ratio(data: Columns) -> tuple[float, float]:
    x1, x2, t1, t2 = data["events_1"], data["events_2"], data["time_1"], data["time_2"]
    t = t1 + t2
    r, s = (x1 * t2 / t).sum(), (x2 * t1 / t).sum()
    if not (r > 0 and s > 0):
        return np.nan, np.nan
    return _ratio(r, s), float(((t1 / t) * (t2 / t) * (x1 + x2)).sum() / (r * s))


def _rate_difference(data: Columns) -> tuple[float, float]:
    x1, x2, t1, t2 = data["events_1"], data["events_2"], data["time_1"], data["time_2"]
    weight = t1 * t2 / (t1 + t2)
    difference = ((x1 * t2 - x2 * t1) / (t1 + t2)).sum() / weight.sum()
    variance = (weight**2 * (x1 / t1**2 + x2 / t2**2)).sum() / weight.sum() ** 2
    return float(difference), float(variance)


_POOL = {
    "OR": _odds_ratio,
    "RR": _risk_ratio,
    "RD": _risk_difference,
    "IRR": _rate_ratio,
    "IRD": _rate_difference,
}


def _tests(data: Columns, log_odds_ratio: float, corrected: bool) -> pd.DataFrame:
    gap, variance = hypergeometric(data)
    distance = abs(gap.sum()) - (0.5 if corrected else 0.0)
    cmh = distance**2 / variance.sum()
    tarone, k = _tarone(data, float(np.exp(log_odds_ratio)))
    rows = [
        ("no effect in any study (Cochran-Mantel-Haenszel)", cmh, 1, stats.chi2.sf(cmh, 1)),
        (
            "one odds ratio in all studies (Tarone)",
            tarone,
            k - 1,
            stats.chi2.sf(tarone, k - 1) if k > 1 else np.nan,
        ),
    ]
    return pd.DataFrame(rows, columns=list(_NO_TESTS.columns))


def _tarone(data: Columns, odds_ratio: float) -> tuple[float, int]:
    """Distance of the events from those expected under one odds ratio, with margins fixed."""
    n1, n2 = data["n_1"], data["n_2"]
    events, total = data["events_1"] + data["events_2"], data["n_1"] + data["n_2"]
    if abs(odds_ratio - 1) < 1e-12:
        expected = n1 * events / total
    else:
        half = odds_ratio * (n1 + events) + (n2 - events)
        root = np.sqrt(half**2 - 4 * n1 * events * odds_ratio * (odds_ratio - 1))
        expected = (half - root) / (2 * (odds_ratio - 1))
    use = (expected > 0) & (events > 0) & (events < total)
    a, e, n1, n2, m = data["events_1"][use], expected[use], n1[use], n2[use], events[use]
    variance = 1 / (1 / e + 1 / (n1 - e) + 1 / (m - e) + 1 / (n2 - m + e))
    statistic = ((a - e) ** 2 / variance).sum() - (a - e).sum() ** 2 / variance.sum()
    return float(max(statistic, 0.0)), int(use.sum())
