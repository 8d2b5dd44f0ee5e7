"""What all sets of priors are made of, and how one is found by its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from soa_evidence.errors import InputError, nearest

__all__ = ["LOG_0_2", "Normal", "Row", "named", "prior_table"]

#: Parameter, distribution, and why.
Row = tuple[str, str, str]
LOG_0_2 = -1.6094379124341003  # log of 0.2, a usual standard deviation between units


@dataclass(frozen=True, kw_only=True)
class Normal:
    """A normal prior: mean, standard deviation, and why they are what they are."""

    mean: float
    sd: float
    because: str

    def __post_init__(self) -> None:
        if not self.sd > 0:
            raise InputError(f"A normal prior needs a standard deviation above 0, not {self.sd}.")

    def row(self, parameter: str) -> Row:
        """Return the row of a table of priors that tells this one: parameter, distribution, because."""
        return parameter, f"Normal({self.mean:.3g}, {self.sd:g})", self.because


def prior_table(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as the table that every set of priors gives: parameter, distribution, because."""
    return pd.DataFrame(list(rows), columns=["parameter", "distribution", "because"])


def named[Priors](known: dict[str, Priors], name: str, method: str) -> Priors:
    """Return the set of that name for a method; an unknown one is an error naming the nearest."""
    if name not in known:
        raise InputError(
            f"There is no set of priors {name!r} for {method}.{nearest(name, known)} "
            f"Expected one of: {', '.join(known)}."
        )
    return known[name]
