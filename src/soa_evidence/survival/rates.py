"""Incidence rates: events per 100 (or 1,000) years of observation, such as prosthesis-time incidence rates.

With d events in T years:

    rate          = d / T
    exact limits  = chi²(alpha/2; 2d) / 2T   to   chi²(1 - alpha/2; 2d + 2) / 2T        (Garwood, Poisson)
    rate ratio    : given d1 + d2, d1 is binomial with p = ratio T1 / (ratio T1 + T2); exact limits are
                    Clopper–Pearson's for p, put back. Wald: log ratio ± z sqrt(1/d1 + 1/d2).

A rate of 1 per 100 years says nothing of when; two groups with one rate may have early and late failures.

When not to use it: where the hazard changes with time and groups are followed for different lengths: the rate
then depends on the length of follow-up. Compare within bands of time, or use curves. Counts that vary more
than Poisson (units, repeated events of a person) need a model with that variation.

Sources: Garwood (1936), Biometrika 28:437; Clopper & Pearson (1934); Rothman et al, Modern Epidemiology.

Checked against: R poisson.test in tests/reference/survival.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import TABLE_COLUMNS, Check, Estimates
from soa_evidence.survival import columns
from soa_evidence.survival.records import choice, prepare_level

__all__ = ["RatesResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "survival.rates"
RatioInterval = Literal["exact", "wald"]
FEW_EVENTS = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class RatesResult:
    """Rates by group.

    Attributes
    ----------
    rate : Estimates
        Events per `per` years. Its covariance is Poisson's; with no events, that which puts the upper normal
        limit at the exact one. For limits use `table`, which is exact.
    counts : DataFrame
        label, events, years.
    per : float
    checks : tuple of Check
    """

    rate: Estimates
    counts: pd.DataFrame
    per: float
    checks: tuple[Check, ...]

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Return rates with exact (Garwood) limits, in the shape of `Estimates.table`."""
        events, years = self.counts["events"].to_numpy(), self.counts["years"].to_numpy()
        lower, upper = _garwood(events, prepare_level(level))
        table = self.rate.table(level)
        return table.assign(lower=lower / years * self.per, upper=upper / years * self.per)

    def ratio(
        self, reference: str, *, interval: RatioInterval = "exact", level: float = 0.95
    ) -> pd.DataFrame:
        """Return every other group's rate over the reference's.

        Returns
        -------
        DataFrame
            As `Estimates.table`; std_error is of the log ratio (NaN where a group has no events), with the
            exact or Wald limits and `p_value` (exact: two-sided binomial; Wald: normal).
        """
        choice("interval", interval, get_args(RatioInterval))
        prepare_level(level)
        base = self._row(reference)
        rows = [_ratio(row, base, interval, level) for row in self._rows() if row["label"] != base["label"]]
        table = pd.DataFrame(rows).assign(
            estimand=f"rate ratio against {reference}", level=level, interval="confidence"
        )
        return table[[*TABLE_COLUMNS, "p_value"]]

    def log_ratio(self, reference: str) -> Estimates:
        """Log of every other group's rate over the reference's, with their joint (Wald) covariance.

        Raises
        ------
        InputError
            Where a group has no events: the log of its ratio is not finite. `ratio` has exact limits.
        """
        base = self._row(reference)
        for row in self._rows():
            if row["events"] == 0:
                raise InputError(
                    f"Group '{row['label']}' has no events, so a log rate ratio with it is not finite; use "
                    "ratio(), whose exact limits hold."
                )
        others = [row for row in self._rows() if row["label"] != base["label"]]
        log_base = np.log(base["events"] / base["years"])
        # The reference's own error is shared by all ratios against it.
        covariance = np.diag(np.array([1 / row["events"] for row in others])) + 1 / base["events"]
        return Estimates(
            estimand=f"log rate ratio against {reference}",
            labels=tuple(row["label"] for row in others),
            unit="log rate ratio",
            method=METHOD,
            mean=np.array([np.log(row["events"] / row["years"]) - log_base for row in others]),
            covariance=covariance,
            interval="confidence",
            checks=self.checks,
        )

    def _rows(self) -> list[dict[str, Any]]:
        return [{str(k): v for k, v in row.items()} for row in self.counts.to_dict("records")]

    def _row(self, reference: str) -> dict[str, Any]:
        labels = list(self.counts["label"])
        if reference not in labels:
            raise InputError(
                f"There is no group '{reference}'.{nearest(reference, labels)} "
                f"Groups: {', '.join(labels[:8])}."
            )
        if len(labels) < 2:
            raise InputError("There is one group only, so nothing to compare it with; give by=.")
        return self._rows()[labels.index(reference)]

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False)


def fit(
    frame: pd.DataFrame,
    *,
    years: str,
    events: str,
    by: str | Sequence[str] | None = None,
    per: float = 100.0,
) -> RatesResult:
    """Count events and years in each group.

    Parameters
    ----------
    frame
        One row a person, or already counted: rows of a group are added up.
    years
        Time under observation, 0 or more (not the date it ended).
    events
        Events in that time: whole numbers, 0 or more.
    by
        Column or columns whose values are the groups.
    per
        Years that the rate is per: 100 or 1,000.

    Raises
    ------
    InputError
        On a missing column, a number that is not what is expected, or a group without any time.
    """
    by = columns.as_list(by)
    columns.require(frame, [years, events, *by])
    if not (np.isfinite(per) and per > 0):
        raise InputError(f"per is {per}; expected a number of years above 0, such as 100 or 1000.")
    time = columns.numbers(frame, years, "years of observation")
    columns.refuse(frame, years, time < 0, "time under observation cannot be negative")
    count = columns.numbers(frame, events, "a count of events", allow_bool=True)
    columns.refuse(
        frame,
        events,
        (count < 0) | (count != np.floor(count)),
        "expected a whole number of events, 0 or more",
    )
    group, labels = columns.factorise(frame, by)
    total = np.bincount(group, weights=time, minlength=len(labels))
    happened = np.bincount(group, weights=count, minlength=len(labels))
    if (total <= 0).any():
        empty = labels[int(np.argmin(total))]
        raise InputError(f"Group '{empty}' has no time under observation, so it has no rate.")
    return _result(labels, happened, total, per)


def _result(labels: tuple[str, ...], happened: FloatArray, total: FloatArray, per: float) -> RatesResult:
    least = int(np.argmin(happened))
    checks = (
        Check(
            name="events in the group with fewest",
            verdict="pass" if happened[least] >= FEW_EVENTS else "warn",
            observed=f"{happened[least]:.0f} ({labels[least]})",
            expected=f"at least {FEW_EVENTS}",
            why="a rate from a handful of events is uncertain; exact limits hold, normal ones do not",
        ),
    )
    _, upper = _garwood(happened, 0.95)
    error = np.where(happened > 0, np.sqrt(happened), upper / 1.959963984540054)
    return RatesResult(
        rate=Estimates(
            estimand="incidence rate",
            labels=labels,
            unit=f"events per {per:,g} years",
            method=METHOD,
            mean=happened / total * per,
            covariance=np.diag(np.square(error / total * per)),
            interval="confidence",
            checks=checks,
        ),
        counts=pd.DataFrame({"label": list(labels), "events": happened, "years": total}),
        per=per,
        checks=checks,
    )


def _garwood(events: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    from scipy.stats import chi2

    tail = (1 - level) / 2
    lower = np.where(events > 0, chi2.ppf(tail, 2 * np.maximum(events, 1)) / 2, 0.0)
    return lower, np.asarray(chi2.isf(tail, 2 * events + 2) / 2)


def _ratio(
    row: dict[str, Any], base: dict[str, Any], interval: RatioInterval, level: float
) -> dict[str, Any]:
    from scipy.stats import beta, binomtest, norm

    d1, d2, t1, t2 = (float(source[key]) for key in ("events", "years") for source in (row, base))
    tail = (1 - level) / 2
    ratio = (d1 / t1) / (d2 / t2) if d2 > 0 else (np.inf if d1 > 0 else np.nan)
    error = np.sqrt(1 / d1 + 1 / d2) if d1 > 0 and d2 > 0 else np.nan
    if interval == "wald":
        z = norm.isf(tail)
        lower, upper = ratio * np.exp(-z * error), ratio * np.exp(z * error)
        p_value = 2 * norm.sf(abs(np.log(ratio)) / error) if np.isfinite(error) else np.nan
    else:
        low = beta.ppf(tail, d1, d2 + 1) if d1 > 0 else 0.0
        high = beta.isf(tail, d1 + 1, d2) if d2 > 0 else 1.0
        lower = low / (1 - low) * t2 / t1
        upper = high / (1 - high) * t2 / t1 if high < 1 else np.inf
        p_value = binomtest(int(d1), int(d1 + d2), t1 / (t1 + t2)).pvalue if d1 + d2 > 0 else 1.0
    return {
        "label": row["label"],
        "estimate": ratio,
        "std_error": error,
        "lower": lower,
        "upper": upper,
        "p_value": float(p_value),
    }
