"""What a hospital is paid for its spells under the national tariff, as a stated rule.

    payment = [n P + n' P t + d L] m

    n    spells, of which n' are eligible for the specialist top-up
    P    base price of the HRG and kind of admission, £
    t    top-up, a share of the base price: 0.25 is 25 %
    d    days beyond the trim point, in all spells together; from one stay: max(0, days - trim point)
    L    long-stay payment, £ a day
    m    market forces factor of the hospital; 1 is the hospital in the cheapest place

The top-up is a share of the base price and not of long-stay payments; the factor multiplies everything.

When not to use it: for block or aligned contracts, where spells are not paid one by one; for short-stay
reductions
of emergency spells and best-practice payments, which are not in it: give the price that was paid.

Source: HFMA, Introduction to payment by results (4), 5 May 2011; trim point and long-stay payment as in the
national tariff workbooks.

Checked against: payments worked by hand, in tests/unit/test_economics_tariff.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.economics.tariff_frame import amounts, names, require_columns
from soa_evidence.errors import InputError

__all__ = ["Rules", "days_beyond"]

FloatArray = NDArray[np.float64]
#: Beyond this a top-up or a factor was surely given in per cent.
LARGEST_TOP_UP, FACTORS = 2.0, (0.5, 2.0)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rule of payment.

    Parameters
    ----------
    top_up
        Share of the base price added for eligible spells, 0.25 for 25 %.
    market_forces_factor
        Multiplies all payments; 1 leaves them as in the workbook.

    Raises
    ------
    InputError
        On a top-up below 0 or above 2, a factor outside 0.5 to 2, or a value that is not finite.
    """

    top_up: float = 0.0
    market_forces_factor: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.top_up) and 0 <= self.top_up <= LARGEST_TOP_UP):
            raise InputError(
                f"top_up is {self.top_up}; expected a share of the base price from 0 to {LARGEST_TOP_UP:g}, "
                "such as 0.25 for 25 %."
            )
        low, high = FACTORS
        if not (math.isfinite(self.market_forces_factor) and low <= self.market_forces_factor <= high):
            raise InputError(
                f"market_forces_factor is {self.market_forces_factor}; expected a factor from {low:g} to "
                f"{high:g}, such as 1.08."
            )

    def pay(
        self,
        spells: pd.DataFrame,
        prices: pd.DataFrame,
        *,
        hrg: str = "hrg",
        admission: str = "admission",
        n: str = "spells",
        top_up_n: str | None = None,
        days: str | None = None,
        price: str = "base_price_gbp",
        per_day: str = "long_stay_per_day_gbp",
    ) -> pd.DataFrame:
        """Return what is paid for each row of `spells`.

        Parameters
        ----------
        spells
            One row an HRG and kind of admission.
        prices
            One row an HRG and kind of admission of one year: base price and long-stay payment.
        hrg, admission
            Columns of both frames; the pair must be in `prices` once.
        n, top_up_n, days
            Columns of `spells`: number; of these eligible for the top-up (none); days beyond the trim point.
        price, per_day
            Columns of `prices`, £.

        Returns
        -------
        DataFrame
            The key columns, spells, base_gbp, top_up_gbp, long_stay_gbp, income_gbp (all with the market
            forces
            factor), in the order of `spells`.

        Raises
        ------
        InputError
            Naming column and row: missing columns, an HRG without a price or with two, numbers below 0, more
            eligible spells than spells, days without a long-stay payment.
        """
        key = [hrg, admission]
        require_columns(spells, [*key, n, *(c for c in (top_up_n, days) if c)], "the spells")
        require_columns(prices, [*key, price, *([per_day] if days else [])], "the prices")
        found = _priced(spells, prices, key)
        number = amounts(spells, n)
        eligible = amounts(spells, top_up_n) if top_up_n else np.zeros(len(spells))
        beyond = amounts(spells, days) if days else np.zeros(len(spells))
        if (more := eligible > number).any():
            at = int(np.argmax(more))
            raise InputError(
                f"Column '{top_up_n}', row {at + 1}: {eligible[at]:g} spells are eligible for the top-up, of "
                f"{number[at]:g} in all."
            )
        base = amounts(prices, price)[found]
        daily = pd.to_numeric(prices[per_day], errors="coerce").to_numpy(float)[found] if days else beyond
        if (lost := (beyond > 0) & ~np.isfinite(daily)).any():
            at = int(np.argmax(lost))
            raise InputError(
                f"Row {at + 1} has {beyond[at]:g} days beyond the trim point, but {spells[hrg].iloc[at]} "
                f"has no "
                f"long-stay payment in '{per_day}'. Give one, or leave the days out."
            )
        factor = self.market_forces_factor
        paid = {
            "base_gbp": number * base * factor,
            "top_up_gbp": eligible * base * self.top_up * factor,
            "long_stay_gbp": np.where(beyond > 0, beyond * np.nan_to_num(daily), 0.0) * factor,
        }
        table = spells[key].reset_index(drop=True).assign(spells=number, **paid)
        return table.assign(income_gbp=sum(paid.values()))


def _priced(spells: pd.DataFrame, prices: pd.DataFrame, key: list[str]) -> NDArray[np.int64]:
    """Return the row of `prices` for each row of `spells`."""
    known = pd.MultiIndex.from_frame(prices[key].astype(str))
    if known.has_duplicates:
        twice = known[known.duplicated()][0]
        raise InputError(
            f"The prices hold {' '.join(map(str, twice))} more than once; give the prices of one year."
        )
    wanted = pd.MultiIndex.from_frame(spells[key].astype(str))
    found = known.get_indexer(wanted)
    if (found < 0).any():
        at = int(np.argmax(found < 0))
        raise InputError(names(f"Row {at + 1}: there is no price for", wanted[at], known))
    return np.asarray(found, dtype=np.int64)


def days_beyond(days: FloatArray, trim_point: float) -> FloatArray:
    """Return the days of each stay that lie beyond the trim point; shape as `days`."""
    stays = np.asarray(days, dtype=float)
    if not np.isfinite(stays).all() or (stays < 0).any():
        raise InputError("A length of stay is missing or below 0; expected days, 0 or more.")
    if not (math.isfinite(trim_point) and trim_point >= 0):
        raise InputError(f"trim_point is {trim_point}; expected days, 0 or more.")
    return np.maximum(0.0, stays - trim_point)
