"""Income and cost of one hospital's case mix under a stated rule, and what would make it break even.

    income I = Σ payments of `tariff_rules`            cost C = Σ of the hospital's own costs
    margin   = I - C
    top-up that breaks even  t* = t + (C - I) / (m Σ n' P)
    factor on all prices that breaks even = C / I
    Var C    = Σ n s²       s: standard deviation of cost between spells of one HRG

The interval asks what another year of the same spells, the patients drawn anew, would cost: s is the
hospital's own
where the file gives it, else a stated share of the mean. Prices and rule are taken as known.

When not to use it: to judge efficiency, since a loss may be a low price or a high cost; on costs that leave
out what
the price pays for, such as outpatient visits in the pathway or capital.

Checked against: examples worked by hand, in tests/unit/test_economics_case_mix.py; simulation there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.economics.tariff_frame import amounts, labels, require_columns
from soa_evidence.economics.tariff_rules import Rules
from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["CaseMixIncome", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "economics.case_mix_income"
FEW_SPELLS = 30
ALL = "all work"


@dataclass(frozen=True, eq=False, kw_only=True)
class CaseMixIncome:
    """Income and cost.

    Attributes
    ----------
    table : DataFrame
        One row a group, and all work: spells, base_gbp, top_up_gbp, long_stay_gbp, income_gbp, cost_gbp.
    margin : Estimates
        Income less cost by group and of all work, £ a year.
    margin_per_spell : Estimates
        The same a spell, £.
    break_even_top_up : Estimates or None
        Share of the base price of eligible spells; None where no spell is eligible.
    break_even_factor : Estimates
        Factor on all payments by group and of all work.
    checks : tuple of Check
    """

    table: pd.DataFrame
    margin: Estimates
    margin_per_spell: Estimates
    break_even_top_up: Estimates | None
    break_even_factor: Estimates
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"Income and cost of a case mix\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        body = self.table.to_html(index=False, float_format="{:,.0f}".format)
        return (
            f"<p><strong>Income and cost</strong></p>{body}{checks_frame(self.checks).to_html(index=False)}"
        )


def fit(
    spells: pd.DataFrame,
    prices: pd.DataFrame,
    *,
    rules: Rules | None = None,
    hrg: str = "hrg",
    admission: str = "admission",
    group: str = "work",
    n: str = "spells",
    cost: str = "cost_gbp",
    cost_sd: str | None = None,
    spell_cv: float = 0.54,
    top_up_n: str | None = None,
    days: str | None = None,
) -> CaseMixIncome:
    """Work out income, cost and what breaks even.

    Parameters
    ----------
    spells
        One row an HRG and kind of admission.
    prices
        Prices of one year, as `Rules.pay` takes them.
    rules
        Top-up and market forces factor; neither, when not given.
    hrg, admission, group, n, cost
        Columns of `spells`: HRG, kind of admission, kind of work, number above 0, total cost in £ above 0.
    cost_sd
        Column: standard deviation of cost between spells, £; missing values fall back on `spell_cv`.
    spell_cv
        Standard deviation of cost between spells over its mean, 0 to 5.
    top_up_n, days
        As `Rules.pay` takes them.

    Raises
    ------
    InputError
        Naming column and row: what `Rules.pay` refuses, a cost or number not above 0, a `spell_cv` out of
        range,
        a group called "all work".
    """
    rule = rules if rules is not None else Rules()
    require_columns(spells, [hrg, admission, group, n, cost, *([cost_sd] if cost_sd else [])], "the spells")
    if not (math.isfinite(spell_cv) and 0 <= spell_cv <= 5):
        raise InputError(f"spell_cv is {spell_cv}; expected a ratio from 0 to 5, such as 0.5.")
    kinds = labels(spells, group)
    if ALL in kinds:
        raise InputError(
            f"A group is called '{ALL}', which is the name of the total; call it something else."
        )
    number, total = amounts(spells, n, above=0), amounts(spells, cost, above=0)
    paid = rule.pay(spells, prices, hrg=hrg, admission=admission, n=n, top_up_n=top_up_n, days=days)
    deviation, own = _deviation(spells, cost_sd, spell_cv, total / number)
    variance = number * deviation**2
    names = (*dict.fromkeys(kinds), ALL)
    inside = np.array([[name in (kind, ALL) for kind in kinds] for name in names], dtype=float)
    money = {
        c: inside @ paid[c].to_numpy() for c in ("base_gbp", "top_up_gbp", "long_stay_gbp", "income_gbp")
    }
    table = pd.DataFrame({"group": names, "spells": inside @ number, **money, "cost_gbp": inside @ total})
    checks = _checks(table, own, spell_cv)
    spread = inside @ np.diag(variance) @ inside.T
    income, spent, counted = (table[c].to_numpy() for c in ("income_gbp", "cost_gbp", "spells"))
    if (income <= 0).any():
        raise InputError(
            f"The group '{names[int(np.argmax(income <= 0))]}' is paid nothing, so nothing breaks even."
        )

    def carry(estimand: str, unit: str, mean: FloatArray, scale: FloatArray) -> Estimates:
        return Estimates(
            estimand=estimand, labels=names, unit=unit, method=METHOD, interval="confidence", checks=checks,
            mean=mean, covariance=spread * np.outer(scale, scale),
        )  # fmt: skip

    ones = np.ones(len(names))
    return CaseMixIncome(
        table=table,
        margin=carry("income less cost", "GBP a year", income - spent, ones),
        margin_per_spell=carry("income less cost", "GBP a spell", (income - spent) / counted, 1 / counted),
        break_even_factor=carry(
            "factor on all payments that breaks even", "factor", spent / income, 1 / income
        ),
        break_even_top_up=_top_up(spells, paid, number, total, variance, top_up_n, checks),
        checks=checks,
    )


def _deviation(
    spells: pd.DataFrame, cost_sd: str | None, spell_cv: float, mean: FloatArray
) -> tuple[FloatArray, int]:
    """Return the standard deviation of cost for each row, and for how many the file gave it."""
    assumed = spell_cv * mean
    if cost_sd is None:
        return assumed, 0
    given = pd.to_numeric(spells[cost_sd], errors="coerce").to_numpy(float)
    if (given < 0).any():
        at = int(np.argmax(given < 0))
        raise InputError(f"Column '{cost_sd}', row {at + 1} is {given[at]:g}; expected £, 0 or more.")
    have = np.isfinite(given)
    return np.where(have, given, assumed), int(have.sum())


def _top_up(
    spells: pd.DataFrame,
    paid: pd.DataFrame,
    number: FloatArray,
    total: FloatArray,
    variance: FloatArray,
    top_up_n: str | None,
    checks: tuple[Check, ...],
) -> Estimates | None:
    if top_up_n is None:
        return None
    eligible = amounts(spells, top_up_n)
    topped = float((paid["base_gbp"].to_numpy() * eligible / number).sum())
    if topped == 0:
        return None
    without = float((paid["base_gbp"] + paid["long_stay_gbp"]).sum())
    return Estimates(
        estimand="top-up on eligible spells at which all work breaks even",
        labels=(ALL,),
        unit="share of the base price",
        method=METHOD,
        interval="confidence",
        checks=checks,
        mean=np.array([(float(total.sum()) - without) / topped]),
        covariance=np.array([[float(variance.sum()) / topped**2]]),
    )


def _checks(table: pd.DataFrame, own: int, spell_cv: float) -> tuple[Check, ...]:
    parts = table[table["group"] != ALL]
    fewest = parts.iloc[int(np.argmin(parts["spells"].to_numpy()))]
    return (
        Check(
            name="spells in the kind of work with fewest",
            verdict="pass" if fewest["spells"] >= FEW_SPELLS else "warn",
            observed=f"{fewest['spells']:,.0f} ({fewest['group']})"
            if fewest["spells"] >= 10
            else "fewer than 10",
            expected=f"at least {FEW_SPELLS}",
            why="the total of few skewed costs is not normal, and one costly case decides it",
        ),
        Check(
            name="spread of cost between spells",
            verdict="pass" if own else "warn",
            observed=f"from the file for {own} rows" if own else f"assumed: {spell_cv:g} of the mean",
            expected="from the file",
            why="the interval rests on it; how costs were shared out between patients is not in it",
        ),
    )
