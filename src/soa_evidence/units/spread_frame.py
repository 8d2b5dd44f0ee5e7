"""Units' published means by year, checked row by row and laid out as a table of units by years.

When not to use it: by itself; `units.spread` calls it.

Checked against: every message in tests/unit/test_units_spread.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest

__all__ = ["Panel", "read"]

FloatArray = NDArray[np.float64]

FEWEST_YEARS = 3
FEWEST_UNITS = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """Means by unit and year; what was not seen has an infinite variance.

    Attributes
    ----------
    units, years : tuple of str
        Sorted; J units, T years.
    value, variance : arrays of shape (J, T)
        The mean (0 where not seen), and its sampling variance (infinite where not seen).
    record_sd : float
        Standard deviation of one record, averaged over the years: the scale that priors are told in.
    """

    units: tuple[str, ...]
    years: tuple[str, ...]
    value: FloatArray
    variance: FloatArray
    record_sd: float

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether the unit has a mean that year; shape (J, T)."""
        return np.isfinite(self.variance)


def read(frame: pd.DataFrame, *, value: str, size: str, record_sd: str, unit: str, year: str) -> Panel:
    """Check the frame and lay it out; rows whose `value` is missing are units not published that year.

    Raises
    ------
    InputError
        On a missing or repeated column name, an empty frame, a value, size or standard deviation that is no
        finite number or out of range, a missing unit or year, a unit twice in a year, too few units or years.
    """
    named = [value, size, record_sd, unit, year]
    for column in named:
        if named.count(column) > 1:
            raise InputError(f"Column '{column}' is named for two purposes; each needs its own.")
        if column not in frame.columns:
            raise InputError(f"The frame has no column '{column}'.{nearest(column, frame.columns)}")
    for column in (unit, year):
        missing = frame[column].isna().to_numpy()
        if missing.any():
            raise InputError(f"Column '{column}', row {int(np.argmax(missing))}: missing; name it.")
    kept = frame[frame[value].notna()]
    if kept.empty:
        raise InputError(f"Column '{value}' holds no value at all; expected a mean for units and years.")
    y, n, sd = (_numbers(kept, column) for column in (value, size, record_sd))
    _above(kept, size, n, 1.0, "a mean of no records")
    _above(kept, record_sd, sd, np.nextafter(0, 1), "a standard deviation must be above 0")
    text = pd.DataFrame({"unit": kept[unit].astype(str), "year": kept[year].astype(str)})
    twice = text.duplicated().to_numpy()
    if twice.any():
        row = text[twice].iloc[0]
        raise InputError(f"Unit {row['unit']!r} has two rows in {row['year']}; expected one a year.")
    units, unit_at = np.unique(text["unit"].to_numpy(str), return_inverse=True)
    years, year_at = np.unique(text["year"].to_numpy(str), return_inverse=True)
    if len(years) < FEWEST_YEARS:
        raise InputError(f"{len(years)} years with values; a trend in spread needs at least {FEWEST_YEARS}.")
    by_year = np.bincount(year_at)
    if by_year.min() < FEWEST_UNITS:
        thin = years[int(np.argmin(by_year))]
        raise InputError(
            f"Year {thin} has {by_year.min()} units; a spread needs at least {FEWEST_UNITS} in every year."
        )
    values, variance = np.zeros((len(units), len(years))), np.full((len(units), len(years)), np.inf)
    values[unit_at, year_at], variance[unit_at, year_at] = y, sd**2 / n
    return Panel(
        units=tuple(map(str, units)),
        years=tuple(map(str, years)),
        value=values,
        variance=variance,
        record_sd=float(sd.mean()),
    )


def _numbers(frame: pd.DataFrame, column: str) -> FloatArray:
    found = pd.to_numeric(frame[column], errors="coerce").to_numpy(float)
    if not np.isfinite(found).all():
        at = int(np.argmax(~np.isfinite(found)))
        raise InputError(
            f"Column '{column}', row labelled {frame.index[at]!r}: {frame[column].iloc[at]!r}; "
            "expected a finite number wherever there is a mean."
        )
    return np.asarray(found)


def _above(frame: pd.DataFrame, column: str, values: FloatArray, least: float, why: str) -> None:
    if (values < least).any():
        at = int(np.argmax(values < least))
        raise InputError(f"Column '{column}', row labelled {frame.index[at]!r}: {values[at]:g}; {why}.")
