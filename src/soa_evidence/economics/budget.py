"""Budget impact: what a change of practice costs year by year, undiscounted, and when it has paid back.

Each year `patients` more people have their operation the new way. Those operated on in year j are in their
year k of follow-up in calendar year j + k - 1, so year t costs the sum over cohorts of the difference in cost
in their year. Costs are counted when they fall; money is not discounted.

When not to use it: as a measure of value; it leaves out what patients gain.

Checked against: hand calculation of two years (tests/unit/test_economics_decision.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.economics import cohort
from soa_evidence.economics.psa import PSA
from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates

__all__ = ["BudgetImpact", "impact"]

FloatArray = NDArray[np.float64]
METHOD = "economics.budget"


@dataclass(frozen=True, eq=False, kw_only=True)
class BudgetImpact:
    """Extra spending by calendar year.

    Attributes
    ----------
    yearly, running : Estimates
        GBP in each year, and up to and with it.
    break_even_year : int or None
        First year by which mean running spending is no longer above 0; None within the years looked at.
    probability_paid_back : float
        Share of draws in which it is not above 0 by the last year.
    checks : tuple of Check
    """

    yearly: Estimates
    running: Estimates
    break_even_year: int | None
    probability_paid_back: float
    checks: tuple[Check, ...]

    def table(self) -> pd.DataFrame:
        """Return year, estimate, lower, upper (running) and the mean of the year itself."""
        table = self.running.table()[["label", "estimate", "lower", "upper"]].rename(
            columns={"label": "year"}
        )
        return table.assign(in_the_year=self.yearly.table()["estimate"].to_numpy())


def impact(psa: PSA, *, strategy: str, patients_per_year: float, years: int) -> BudgetImpact:
    """Return what doing `patients_per_year` operations by `strategy` instead of the first adds to spending.

    Raises
    ------
    InputError
        On an unknown strategy, no patients, or more years than the model has.
    """
    if not (np.isfinite(patients_per_year) and patients_per_year > 0):
        raise InputError(f"patients_per_year is {patients_per_year}; expected a number above 0.")
    if not 1 <= years <= psa.model.cycles:
        raise InputError(f"years is {years}; expected 1 to {psa.model.cycles}, the model's cycles.")
    at = psa.outcomes.position(strategy)
    follow = []
    for until in range(1, years + 1):
        short = replace(
            psa.model,
            death=psa.model.death[:until],
            discount_costs=0.0,
            discount_effects=0.0,
            utility_by_age=np.asarray(psa.model.utility_by_age)[: until + 1],
        )
        costs = cohort.run(short, psa.drawn).costs
        follow.append(costs[:, at] - costs[:, 0])
    # what all operated on in years 1 to t have cost by the end of year t: each cohort has its own follow-up
    running = patients_per_year * np.cumsum(np.column_stack(follow), axis=1)
    yearly = np.diff(running, axis=1, prepend=0.0)
    labels = tuple(str(year) for year in range(1, years + 1))
    paid = np.flatnonzero(running.mean(axis=0) <= 0)
    checks = (
        Check(
            name="money is counted when it is spent",
            verdict="pass",
            observed="not discounted",
            expected="not discounted",
            why="a budget is of one year",
        ),
        *psa.checks,
    )

    def made(what: str, draws: FloatArray) -> Estimates:
        return Estimates(
            estimand=what,
            labels=labels,
            unit="GBP",
            method=METHOD,
            draws=draws,
            interval="credible",
            checks=checks,
        )

    return BudgetImpact(
        yearly=made("extra spending in the year", yearly),
        running=made("extra spending up to the year", running),
        break_even_year=int(paid[0]) + 1 if len(paid) else None,
        probability_paid_back=float((running[:, -1] <= 0).mean()),
        checks=checks,
    )
