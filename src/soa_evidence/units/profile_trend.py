"""One unit's published mean beside the nation's, year by year.

    gap_t = x_t - X_t,    se_t = s_t / sqrt(n_t)

x_t mean of the unit's n_t records in year t, X_t the nation's, s_t the standard deviation of one record. The
nation's own error is left out: it rests on hundreds of times as many records.

When not to use it: to say that a unit changed. Rises and falls within an interval are what chance does;
`units.spread` tells what lasts.

Checked against: arithmetic in tests/unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, require_columns
from soa_evidence.results import Check, Estimates

__all__ = ["ProfileTrendResult", "fit"]

METHOD = "units.profile_trend"
Z95 = 1.959963984540054


@dataclass(frozen=True, eq=False, kw_only=True)
class ProfileTrendResult:
    """A unit's gap to the nation by year.

    Attributes
    ----------
    gap : Estimates or None
        Labelled ``"series, year"``; None when no year is known.
    table : DataFrame
        label (the year), group (the series), records, estimate, lower, upper; by series, then year.
    checks : tuple of Check
    """

    gap: Estimates | None
    table: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"A unit beside the nation, by year\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, float_format="{:.2f}".format)


def fit(
    frame: pd.DataFrame,
    *,
    value: str,
    nation: str,
    size: str,
    record_sd: str,
    series: str,
    year: str,
    unit: str,
) -> ProfileTrendResult:
    """Set a unit's means beside the nation's.

    Parameters
    ----------
    frame
        One row a series and year of one unit; rows whose `value` is missing were not published.
    value, nation
        Columns of the unit's mean and of the nation's.
    size, record_sd
        Columns of the records behind the mean, and of the standard deviation of one record.
    series, year
        Columns naming what is followed (such as the joint) and the year.
    unit
        What the values are measured in.

    Raises
    ------
    InputError
        On a missing column, a series twice in a year, a size below 1, or a value that is no finite number.
    """
    require_columns(frame.columns, (value, nation, size, record_sd, series, year))
    seen = frame[frame[value].notna()].sort_values([series, year]).reset_index(drop=True)
    if seen.duplicated([series, year]).any():
        row = seen[seen.duplicated([series, year])].iloc[0]
        raise InputError(f"{row[series]!r} has two values in {row[year]}; expected one a year.")
    for column, least in ((value, -np.inf), (nation, -np.inf), (size, 1.0), (record_sd, np.nextafter(0, 1))):
        held = pd.to_numeric(seen[column], errors="coerce").to_numpy(float)
        bad = ~(np.isfinite(held) & (held >= least))
        if bad.any():
            at = int(np.argmax(bad))
            raise InputError(
                f"Column '{column}', {seen[series].iloc[at]}, {seen[year].iloc[at]}: "
                f"{seen[column].iloc[at]!r}; expected a finite number"
                + (f" of at least {least:g}." if least == 1.0 else " above 0." if least > 0 else ".")
            )
    gap = (seen[value] - seen[nation]).to_numpy(float)
    error = seen[record_sd].to_numpy(float) / np.sqrt(seen[size].to_numpy(float))
    table = pd.DataFrame(
        {
            "label": seen[year].astype(str),
            "group": seen[series].astype(str),
            "records": seen[size].astype(int),
            "estimate": gap,
            "lower": gap - Z95 * error,
            "upper": gap + Z95 * error,
        }
    )
    wanted = len(frame[[series, year]].drop_duplicates())
    checks = (
        Check(
            name="years with a published mean",
            verdict="pass" if len(table) == wanted else "warn",
            observed=f"{len(table)} of {wanted}",
            expected="all",
            why="means of few records are not published, so the years shown may be its busier ones",
        ),
    )
    estimates = Estimates(
        estimand="mean less the nation's",
        labels=tuple(table["group"] + ", " + table["label"]),
        unit=unit,
        method=METHOD,
        mean=gap,
        covariance=np.diag(error**2),
        interval="confidence",
        checks=checks,
    ) if len(table) else None  # fmt: skip
    return ProfileTrendResult(gap=estimates, table=table, checks=checks)
