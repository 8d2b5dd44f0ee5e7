r"""Peto's one-step odds ratio: sum of observed minus expected events over the sum of their variances.

:math:`\sum (a_i - E_i) / \sum V_i` with standard error :math:`1/\sqrt{\sum V_i}`, E and V hypergeometric.
Studies with a zero in one arm need no correction; studies without events in either arm add nothing.

When not to use it: for large effects (odds ratios beyond about 0.5 to 2) or arms of very unequal size, where
it is biased towards no effect or away from it; where studies differ in their true effects.

Source: Yusuf et al. 1985, Prog Cardiovasc Dis 27:335.

Checked against: metafor's rma.peto (tests/reference/synthesis).
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
from soa_evidence.synthesis.studies import FloatArray

__all__ = ["PetoResult", "fit"]

METHOD = "synthesis.peto"
LARGEST_LOG_ODDS_RATIO = 0.7  # about 2: beyond it the one step falls short
LARGEST_IMBALANCE = 3.0  # patients in one arm for each in the other, over all studies


@dataclass(frozen=True, eq=False, kw_only=True)
class PetoResult:
    """A common odds ratio.

    Attributes
    ----------
    pooled : Estimates
        Log odds ratio.
    tests : DataFrame
        test, statistic, dof, p_value: differences between studies.
    checks : tuple of Check
    """

    pooled: Estimates
    tests: pd.DataFrame
    checks: tuple[Check, ...]


def fit(frame: pd.DataFrame, *, label: str = "label", **columns: str) -> PetoResult:
    """Pool tables of events, one row a study.

    Parameters
    ----------
    columns
        Which column plays which part, where it is not of that name: events_1, n_1, events_2, n_2.

    Raises
    ------
    InputError
        As `effect_sizes.fit` for counts, and where no study has both events and patients without one.
    """
    labels, data = tables_by_study.read(frame, label=label, rates=False, columns=columns)
    gap, variance = hypergeometric(data)
    total = float(variance.sum())
    if not total > 0:
        raise InputError(
            f"None of the {len(labels)} studies has both patients with the event and patients without it."
        )
    estimate, speaks = float(gap.sum()) / total, variance > 0
    q = max(float((gap[speaks] ** 2 / variance[speaks]).sum() - gap[speaks].sum() ** 2 / total), 0.0)
    dof = int(speaks.sum()) - 1
    row = ("no differences between studies", q, dof, float(stats.chi2.sf(q, dof)) if dof else 1.0)
    checks = _checks(data, estimate)
    return PetoResult(
        pooled=Estimates(
            estimand="log odds ratio (Peto)",
            labels=("pooled",),
            unit="log odds ratio",
            method=METHOD,
            mean=np.array([estimate]),
            covariance=np.array([[1 / total]]),
            interval="confidence",
            checks=checks,
        ),
        tests=pd.DataFrame([row], columns=["test", "statistic", "dof", "p_value"]),
        checks=checks,
    )


def _checks(data: dict[str, FloatArray], estimate: float) -> tuple[Check, ...]:
    ratio = float(data["n_1"].sum() / data["n_2"].sum())
    imbalance = max(ratio, 1 / ratio)
    return (
        Check(
            name="size of the odds ratio",
            verdict="pass" if abs(estimate) <= LARGEST_LOG_ODDS_RATIO else "warn",
            observed=f"{np.exp(estimate):.2f}",
            expected="about 0.5 to 2",
            why="Peto's one step is biased where the effect is large",
        ),
        Check(
            name="balance of the arms",
            verdict="pass" if imbalance <= LARGEST_IMBALANCE else "warn",
            observed=f"{imbalance:.1f} patients to 1",
            expected=f"at most {LARGEST_IMBALANCE:g} to 1",
            why="Peto's one step is biased where arms differ much in size",
        ),
        tables_by_study.silent_check(data, ratio=True),
    )
