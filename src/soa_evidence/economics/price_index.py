"""A price index by year: pounds of one year as pounds of another.

    price in year b = price in year a x index(b) / index(a),   index(y) = index(y - 1) x (1 + change(y) / 100)

`PriceIndex` holds the index; `chain` makes one from yearly changes: those of the package
economic-conventions, or a user's own table with a year, a change and a source.

When not to use it: to bring a price to a year whose own price is known; to say what an operation costs now.
An index of all spending moves with what the whole service buys.

Checked against: hand calculation, in tests/unit/test_economics_inputs.py; the index as printed, for a factor
that a published model gives (tests/unit/test_economics_evidence.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, nearest, require_columns

__all__ = ["PriceIndex", "chain"]

_FINANCIAL = re.compile(r"(\d{4})/(\d{2})")


@dataclass(frozen=True, eq=False, kw_only=True)
class PriceIndex:
    """A price index by year, and where it was published.

    Attributes
    ----------
    name, source : str
    values : mapping of year to index
        Any base; only ratios are used.
    """

    name: str
    source: str
    values: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise InputError(f"Price index '{self.name}' has no source; say where it was published.")
        for year, value in self.values.items():
            if not (np.isfinite(value) and value > 0):
                raise InputError(
                    f"Price index '{self.name}' is {value} in {year}; expected a number above 0."
                )

    def factor(self, from_year: str, to_year: str) -> float:
        """Return what a price of `from_year` is multiplied by to be one of `to_year`."""
        for year in (from_year, to_year):
            if year not in self.values:
                raise InputError(
                    f"Price index '{self.name}' has no value for {year}.{nearest(year, self.values)} "
                    f"Known: {', '.join(self.values)}."
                )
        return float(self.values[to_year] / self.values[from_year])


def chain(frame: pd.DataFrame, *, year: str, change_percent: str, name: str, source: str) -> PriceIndex:
    """Chain yearly changes to an index; the year before the first change is 100.

    Parameters
    ----------
    frame
        One row a financial year, in any order.
    year
        Column of financial years, such as 2016/17.
    change_percent
        Column of the change from the year before, per cent.
    name, source
        What the index is, and where it was published.

    Raises
    ------
    InputError
        On a missing column, no row, a year that is no financial year, a year twice or left out, or a change
        that is missing or of -100 or less.
    """
    require_columns(frame.columns, (year, change_percent))
    if frame.empty:
        raise InputError(f"Price index '{name}' was given no year; give at least one change.")
    first = {str(label): _first(str(label), year) for label in frame[year]}
    changes = dict(zip(frame[year].astype(str), frame[change_percent].astype(float), strict=True))
    order = sorted(first, key=lambda label: first[label])
    if len(order) < len(frame):
        twice = frame[year].astype(str)[frame[year].astype(str).duplicated()].iloc[0]
        raise InputError(f"Price index '{name}' has {twice} twice; expected each year once.")
    values = {_label(first[order[0]] - 1): 100.0}
    for label in order:
        before = _label(first[label] - 1)
        if before not in values:
            raise InputError(f"Price index '{name}' goes to {label} without {before}; a chain has no gap.")
        change = changes[label]
        if not (np.isfinite(change) and change > -100):
            raise InputError(
                f"Price index '{name}' changes by {change} per cent in {label}; expected a number above -100."
            )
        values[label] = values[before] * (1 + change / 100)
    return PriceIndex(name=name, source=source, values=values)


def _first(label: str, column: str) -> int:
    found = _FINANCIAL.fullmatch(label)
    if found is None or (int(found[1]) + 1) % 100 != int(found[2]):
        raise InputError(f"Column '{column}' holds '{label}'; expected financial years such as 2016/17.")
    return int(found[1])


def _label(first: int) -> str:
    return f"{first}/{(first + 1) % 100:02d}"
