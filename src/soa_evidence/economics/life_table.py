r"""Mortality and utility of a cohort as it ages, from tables by single year of age and sex.

For a cohort with share :math:`w_s` of each sex at the start, the probability of dying in year t is
:math:`\sum_s w_s l_s(a + t) q_s(a + t) / \sum_s w_s l_s(a + t)`, with l the share still alive: the sexes are
weighted by who is left, not by who was there at the start.

When not to use it: for patients who are fitter or more ill than the population of their age. People chosen
for a joint replacement are fitter at first; a `ratio` says by how much.

Checked against: life expectancy printed in the ONS table (tests/unit/test_economics_cohort.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest, require_columns

__all__ = ["bands", "by_single_age", "death_probabilities", "relative_utility"]

FloatArray = NDArray[np.float64]


def death_probabilities(
    table: pd.DataFrame,
    *,
    age: str,
    sex: str,
    probability: str,
    start_age: int,
    shares: dict[str, float],
    years: int,
    ratio: float = 1.0,
) -> FloatArray:
    """Return the probability of dying in each year from `start_age`, shape (years,).

    Parameters
    ----------
    table
        One row an age and sex; `probability` is that of dying within the year.
    shares
        Share of each sex at the start; they add up to 1.
    ratio
        What the population's probability is multiplied by, at most to 1.

    Raises
    ------
    InputError
        On a missing column or sex, a probability outside 0 to 1, shares that do not add up to 1, an age that
        is not in the table. Beyond the table's last age its last probability stays.
    """
    require_columns(table.columns, (age, sex, probability), what="The life table")
    if not (shares and abs(sum(shares.values()) - 1) < 1e-9 and min(shares.values()) >= 0):
        raise InputError(f"shares are {shares}; expected shares of each sex, from 0, that add up to 1.")
    if not (np.isfinite(ratio) and ratio > 0):
        raise InputError(f"The ratio of mortality is {ratio}; expected a number above 0.")
    if years < 1:
        raise InputError(f"years is {years}; expected at least 1.")
    alive, dying = np.zeros(years), np.zeros(years)
    for name, share in shares.items():
        q = np.minimum(ratio * _by_age(table, age, sex, probability, name, start_age, years), 1.0)
        left = share * np.concatenate([[1.0], np.cumprod(1 - q)[:-1]])
        alive += left
        dying += left * q
    return np.asarray(np.where(alive > 0, dying / np.where(alive > 0, alive, 1.0), 1.0))


def relative_utility(
    table: pd.DataFrame,
    *,
    age: str,
    sex: str,
    utility: str,
    start_age: int,
    shares: dict[str, float],
    years: int,
) -> FloatArray:
    """Return the population's utility at each age over that at `start_age`, shape (years + 1,).

    It lowers a utility measured soon after the operation as the patient ages. The sexes keep their shares.
    """
    require_columns(table.columns, (age, sex, utility), what="The table of utilities")
    norm = np.zeros(years + 1)
    for name, share in shares.items():
        norm += share * _by_age(table, age, sex, utility, name, start_age, years + 1, limit=1.0)
    return np.asarray(norm / norm[0])


def by_single_age(table: pd.DataFrame, *, first: str, last: str) -> pd.DataFrame:
    """Return a table of bands of age as one row a single year, in a column ``age``; other columns stay."""
    require_columns(table.columns, (first, last), what="The table of bands")
    ages: list[Any] = [range(int(a), int(b) + 1) for a, b in zip(table[first], table[last], strict=True)]
    spread = table.assign(age=pd.Series(ages, index=table.index))
    return spread.explode("age").astype({"age": int}).reset_index(drop=True)


def bands(table: dict[int, float], *, start_age: int, years: int, first: int = 0) -> FloatArray:
    """Return yearly values from bands of age, ``{from_age: value}``.

    `first` is added to the age in the first year.
    """
    if not table or start_age + first < min(table):
        raise InputError(f"Bands start at {min(table, default='no')} years of age; {start_age} lies before.")
    from_age = np.array(sorted(table))
    at = np.searchsorted(from_age, start_age + first + np.arange(years), side="right") - 1
    return np.array([table[int(a)] for a in from_age])[at]


def _by_age(
    table: pd.DataFrame, age: str, sex: str, value: str, name: str, start: int, years: int, limit: float = 1.0
) -> FloatArray:
    rows = table[table[sex] == name].sort_values(age)
    if rows.empty:
        raise InputError(f"The table has no rows for sex '{name}'.{nearest(name, table[sex].unique())}")
    ages = rows[age].to_numpy()
    if (np.diff(ages) != 1).any():
        raise InputError(f"Ages of '{name}' are not every year once; expected single years of age.")
    if not ages[0] <= start <= ages[-1]:
        raise InputError(f"start_age is {start}; the table goes from {ages[0]} to {ages[-1]} years.")
    values = rows[value].to_numpy(float)
    bad = ~((values >= 0) & (values <= limit))
    if bad.any():
        raise InputError(
            f"The table holds {values[bad][0]} in '{value}' at age {ages[bad][0]} of '{name}'; "
            f"expected 0 to {limit:g}."
        )
    return np.asarray(values[np.minimum(start + np.arange(years), ages[-1]) - ages[0]])
