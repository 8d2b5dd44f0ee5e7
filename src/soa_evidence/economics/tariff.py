"""Tariff against national unit cost, HRG by HRG and by kind of work.

    r_h = c_h u / (p_h m)             cost of HRG h for each pound of its price
    R_g = Σ n c u / Σ n p m           the same for a kind of work g, n its activity in England
    break-even top-up of g  = R_g - 1
    equal-cover top-up of g = R_g / R_0 - 1      0 the ordinary work
    re-based price of g     = R_g / R - 1        R all work: paid for within the same total

    log c_h ~ N(log true c_h, V),  V = s_family² (same family) + s_hrg² (same HRG)

c, p: national unit cost and base price, £; u and m: factors between price years and of market forces. The
last two
lines of ratios do not change with u or m, nor with anything else that moves all costs, or all prices, alike:
they
answer whether funding reflects case mix, where the break-even top-up also needs the level to be right.
V is from how far relative unit costs moved between two collections (`economics.cost_movement`): national
files give
neither quartiles nor the number of hospitals. Intervals are of Student's t; for kinds of work by the delta
method.

When not to use it: to say what a named hospital loses: its costs are not the national ones
(`case_mix_income`). When
price and cost are of different things, such as an elective price with day cases in it against inpatients
only.

Checked against: R, in tests/reference/tariff; worked examples in tests/unit/test_economics_tariff.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.economics.cost_movement import Movement, between_collections
from soa_evidence.economics.tariff_frame import amounts, labels, require_columns
from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["TariffResult", "as_top_up", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "economics.tariff"
FEW_FAMILIES, SMALL_ACTIVITY = 5, 100


def as_top_up(log_ratio: FloatArray) -> FloatArray:
    """Return the top-up, a share of the price, that a log ratio of cost to price asks for."""
    return np.expm1(log_ratio)


@dataclass(frozen=True, eq=False, kw_only=True)
class TariffResult:
    """Cost against price.

    Attributes
    ----------
    hrgs : DataFrame
        hrg, group, family, activity, price_gbp, cost_gbp (with the factors), ratio, margin_gbp a case.
    log_ratio : Estimates
        log r of each HRG.
    log_ratio_of_group, log_relative, log_rebased : Estimates
        log R of each group; against the reference group (which it leaves out); against all work. Show them
        with ``transform="exp"`` or, as a top-up, with ``transform=as_top_up``.
    chance_underpaid : dict of str to float
        Probability, under a flat prior, that a group is paid for worse than the reference group.
    log_within : Estimates or None
        log r of the highest level of comorbidity against the lowest, by family; errors that a family shares
        cancel.
    margin : Estimates
        Price less cost of an average case of each group, £.
    total : Estimates
        Price less cost of all cases of each group, £ million a year.
    movement : Movement
    checks : tuple of Check
    """

    hrgs: pd.DataFrame
    log_ratio: Estimates
    log_ratio_of_group: Estimates
    log_relative: Estimates
    chance_underpaid: dict[str, float]
    log_rebased: Estimates
    log_within: Estimates | None
    margin: Estimates
    total: Estimates
    movement: Movement
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        shown = self.log_ratio_of_group.table(transform="exp")[["label", "estimate", "lower", "upper"]]
        return f"Cost for each pound of price\n{shown.to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.log_ratio_of_group.table(transform="exp")[["label", "estimate", "lower", "upper"]]
        body = shown.to_html(index=False, float_format="{:.3f}".format)
        return (
            f"<p><strong>Cost for each pound of price</strong></p>{body}"
            f"{checks_frame(self.checks).to_html(index=False)}"
        )


def fit(
    frame: pd.DataFrame,
    *,
    hrg: str = "hrg",
    group: str = "work",
    family: str = "family",
    price: str = "base_price_gbp",
    cost: str = "unit_cost_gbp",
    activity: str = "activity",
    earlier_cost: str | None = None,
    movement: Movement | None = None,
    level: str | None = None,
    reference: str = "ordinary",
    price_factor: float = 1.0,
    cost_factor: float = 1.0,
) -> TariffResult:
    """Set unit costs beside prices.

    Parameters
    ----------
    frame
        One row an HRG.
    hrg, group, family
        Columns: code; kind of work; family of HRGs whose costs err together.
    price, cost, activity
        Columns: base price and unit cost, £, above 0; cases a year, above 0.
    earlier_cost
        Column of unit costs of an earlier collection, missing where there is none, from which V is judged.
    movement
        Given in place of `earlier_cost`: how far unit costs err, as judged before.
    level
        Column of the level of comorbidity, a number, to compare the highest with the lowest within families.
    reference
        The group that others are compared with.
    price_factor, cost_factor
        m and u.

    Raises
    ------
    InputError
        Naming column and row: missing columns or names, numbers not above 0, an HRG twice, a family in two
        groups, an unknown reference, one group only, factors not above 0, both or neither way to V, no
        family with two levels.
    """
    require_columns(
        frame,
        [hrg, group, family, price, cost, activity, *(c for c in (earlier_cost, level) if c)],
        "the HRGs",
    )
    code, kinds, families = labels(frame, hrg), labels(frame, group), labels(frame, family)
    if len(set(code)) < len(code):
        raise InputError(
            f"HRG {next(c for c in code if code.count(c) > 1)} is there twice; expected one row each."
        )
    for name, factor in (("price_factor", price_factor), ("cost_factor", cost_factor)):
        if not (math.isfinite(factor) and factor > 0):
            raise InputError(f"{name} is {factor}; expected a factor above 0, such as 1.08.")
    groups = tuple(dict.fromkeys(kinds))
    if reference not in groups:
        raise InputError(f"No HRG is of the group {reference!r}.{nearest(reference, groups)}")
    if len(groups) < 2:
        raise InputError(f"All HRGs are of the group {reference!r}; a comparison needs two.")
    paid = amounts(frame, price, above=0) * price_factor
    spent = amounts(frame, cost, above=0) * cost_factor
    cases = amounts(frame, activity, above=0)
    if (movement is None) == (earlier_cost is None):
        raise InputError("Give either earlier_cost= or movement=, to say how sure unit costs are.")
    if movement is None:
        before = pd.to_numeric(frame[earlier_cost], errors="coerce").to_numpy(float)
        have = np.isfinite(before)
        movement = between_collections(before[have], spent[have], np.array(families, dtype=object)[have])
    covariance = movement.covariance(families)
    checks = _checks(movement, earlier_cost is not None, cases, code)

    def carry(
        estimand: str, unit: str, of: tuple[str, ...], mean: FloatArray, slope: FloatArray
    ) -> Estimates:
        spread = slope @ covariance @ slope.T
        return Estimates(
            estimand=estimand, labels=of, unit=unit, method=METHOD, interval="confidence", checks=checks,
            mean=mean, covariance=(spread + spread.T) / 2, dof=movement.dof,
        )  # fmt: skip

    inside = np.array([[kind == name for kind in kinds] for name in groups], dtype=float)
    costs, incomes, counts = inside @ (cases * spent), inside @ (cases * paid), inside @ cases
    share = inside * (cases * spent) / costs[:, None]
    all_share = cases * spent / costs.sum()
    log_group = np.log(costs / incomes)
    log_all = math.log(costs.sum() / incomes.sum())
    others = [at for at, name in enumerate(groups) if name != reference]
    base = groups.index(reference)
    table = pd.DataFrame(
        {
            "hrg": code, "group": kinds, "family": families, "activity": cases, "price_gbp": paid,
            "cost_gbp": spent, "ratio": spent / paid, "margin_gbp": paid - spent,
        }
    )  # fmt: skip
    ratio = "log cost for each pound of price"
    within = None
    if level is not None:
        named, slope = _within(families, amounts(frame, level), code)
        own = max(1.0, float(movement.hrgs - movement.families))
        within = replace(
            carry(f"{ratio}, highest level of comorbidity against lowest", "log ratio", named,
                  slope @ np.log(spent / paid), slope),
            dof=own,
        )  # fmt: skip
    return TariffResult(
        hrgs=table,
        log_ratio=carry(ratio, "log ratio", code, np.log(spent / paid), np.eye(len(code))),
        log_ratio_of_group=carry(ratio, "log ratio", groups, log_group, share),
        log_relative=carry(
            f"log cost for each pound of price, against {reference} work", "log ratio",
            tuple(groups[at] for at in others), log_group[others] - log_group[base], share[others] -
            share[base],
        ),
        log_rebased=carry(
            "log change of price that would follow cost within the same total", "log ratio", groups,
            log_group - log_all, share - all_share,
        ),
        log_within=within,
        chance_underpaid=_chances(others, groups, log_group - log_group[base],
                                  share - share[base], covariance, movement.dof),
        margin=carry(
            "price less cost of an average case", "GBP a case", groups, (incomes - costs) / counts,
            -inside * (cases * spent) / counts[:, None],
        ),
        total=carry(
            "price less cost of all cases", "GBP million a year", groups, (incomes - costs) / 1e6,
            -inside * (cases * spent) / 1e6,
        ),
        movement=movement,
        checks=checks,
    )  # fmt: skip


def _within(
    families: tuple[str, ...], level: FloatArray, code: tuple[str, ...]
) -> tuple[tuple[str, ...], FloatArray]:
    """Return the contrasts of the highest with the lowest level of each family with two levels."""
    named, slopes = [], []
    for name in dict.fromkeys(families):
        at = np.flatnonzero(np.array(families, dtype=object) == name)
        low, high = at[np.argmin(level[at])], at[np.argmax(level[at])]
        if level[low] < level[high]:
            slope = np.zeros(len(code))
            slope[[low, high]] = -1.0, 1.0
            named.append(f"{name}: {code[high]} against {code[low]}")
            slopes.append(slope)
    if not named:
        raise InputError("No family has two levels of comorbidity; leave level= out.")
    return tuple(named), np.array(slopes)


def _chances(
    others: list[int],
    groups: tuple[str, ...],
    gap: FloatArray,
    slope: FloatArray,
    covariance: FloatArray,
    dof: float,
) -> dict[str, float]:
    from scipy import stats

    error = np.sqrt(np.diag(slope @ covariance @ slope.T))
    certain = (gap > 0).astype(float)
    return {
        groups[at]: float(stats.t.cdf(gap[at] / error[at], dof)) if error[at] > 0 else float(certain[at])
        for at in others
    }


def _checks(movement: Movement, judged: bool, cases: FloatArray, code: tuple[str, ...]) -> tuple[Check, ...]:
    least = int(np.argmin(cases))
    found = [
        Check(
            name="cases behind the unit cost with fewest",
            verdict="pass" if cases[least] >= SMALL_ACTIVITY else "warn",
            observed=f"{cases[least]:,.0f} ({code[least]})",
            expected=f"at least {SMALL_ACTIVITY}",
            why="an average of few cases moves with a single costly one",
        )
    ]
    if judged:
        found.append(
            Check(
                name="families of HRGs from which the error of unit costs is judged",
                verdict="pass" if movement.families >= FEW_FAMILIES else "warn",
                observed=f"{movement.families} families, {movement.hrgs} HRGs",
                expected=f"at least {FEW_FAMILIES} families",
                why="from few families it is not known well; intervals are Student's, and wide, for this "
                "reason",
            )
        )
    return tuple(found)
