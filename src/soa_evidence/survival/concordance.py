"""Harrell's concordance: of comparable pairs, the share in which the one at higher risk has the event first.

A pair is comparable when one has its event while the other is under observation and remains so beyond it
(censoring at the same time counts as beyond; two events at one time are not comparable). Equal scores count
half. Pairs are compared within strata and weighted by the product of their weights. The variance is the
infinitesimal jackknife: the squared influence of each row (or cluster), summed.

When not to use it: to compare models across populations with different follow-up, since it depends on
censoring; or as a measure of calibration, of which it says nothing.

Sources: Harrell et al (1982), JAMA 247:2543; Therneau & Watson (2015), Mayo technical report 85.

Checked against: R survival::concordance in tests/reference/survival.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from soa_evidence.errors import InputError
from soa_evidence.results import Estimates

if TYPE_CHECKING:
    from soa_evidence.survival.cox import CoxResult

__all__ = ["of_cox"]

METHOD = "survival.concordance"


def of_cox(result: CoxResult) -> Estimates:
    """Return the concordance of a Cox model's linear predictor with its standard error."""
    from soa_evidence.survival.concordance_kernels import pair_sums

    rows = result.sorted_rows
    score = rows.Z @ (result.coefficients * rows.scale)
    # Rounding must not break ties between rows with the same covariates.
    levels, rank = np.unique(np.round(score, 12), return_inverse=True)
    agree, pairs, *_ = pair_sums(
        rank.astype(np.int64) + 1,
        len(levels),
        rows.weight,
        rows.died,
        rows.start,
        rows.stratum,
        *rows.by_entry(),
        np.ones(len(rows.stratum)),
    )
    total = float(rows.weight @ pairs) / 2
    if total <= 0:
        raise InputError("No two rows are comparable, so there is no concordance.")
    share = float(rows.weight @ agree) / 2 / total
    influence = rows.weight * (agree - share * pairs) / total
    if result.clusters is not None:
        influence = np.bincount(result.clusters[rows.order], weights=influence)
    return Estimates(
        estimand="concordance of the linear predictor",
        labels=("concordance",),
        unit="probability",
        method=METHOD,
        mean=np.array([share]),
        covariance=np.array([[influence @ influence]]),
        interval="confidence",
        checks=result.checks,
    )
