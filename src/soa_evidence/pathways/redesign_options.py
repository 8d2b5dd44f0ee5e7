"""Three ways to arrange an elective pathway, as scenarios: what each would have to achieve to save a sum.

A place has N operations a year at a price P; of patients seen by a surgeon a share c is operated on, and
each costs a attendances at v. It spends B = N P + (N / c) a v. To save a target T, net of running the option,
which costs a share f of B:

    carry on, and reduce referrals           x = (T + f B) / ((N / c) (a v + k c P))
    an integrator that holds the rate        y = (T + f B) / (N (P - g))
    one provider for the whole pathway       z = (T + f B) / B

x is the share of patients seen who would no longer be referred; k their conversion over that of all (those
who need no operation are easier to keep away); y the share of operations not done, g what is done instead; z
the share of all spending. Every draw is uniform within the ranges that the user states.

When not to use it
    - To say what an option would achieve: it says what would have to be true.
    - Where saved work is not given up: the next patient on the list takes the place, and nothing is saved.
    - To rank options by the share they need: a tenth fewer operations and a tenth fewer referrals are not
      equally hard, nor equally safe.

Checked against: arithmetic, and a law that the saving is got back, in tests/unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["INTEGRATOR", "ONE_PROVIDER", "OPTIONS", "REFERRALS", "OptionsResult", "fit"]

FloatArray = NDArray[np.float64]
Range = tuple[float, float]
METHOD = "pathways.redesign_options"
FEWEST_DRAWS = 100
REFERRALS = "carry on, and reduce referrals"
INTEGRATOR = "an integrator that holds the rate of operations"
ONE_PROVIDER = "one provider for the whole pathway"
#: Each option and what it moves.
OPTIONS: Mapping[str, str] = {
    REFERRALS: "patients referred to a surgeon",
    INTEGRATOR: "operations",
    ONE_PROVIDER: "all spending on the pathway",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class OptionsResult:
    """What each option would have to achieve.

    Attributes
    ----------
    needed : Estimates
        Fall, per cent, of what the option moves; a label an option. Above 100 it cannot be reached.
    reachable : Estimates
        Share of draws in which 100 per cent or less would do.
    units : Estimates
        The same as numbers a year: patients not referred, operations not done, £ not spent.
    base : Estimates
        What there is: patients seen, operations, £ a year.
    target_gbp : float
    checks : tuple of Check
    """

    needed: Estimates
    reachable: Estimates
    units: Estimates
    base: Estimates
    target_gbp: float
    checks: tuple[Check, ...]

    def table(self) -> pd.DataFrame:
        """Return one row an option: option, moves, estimate, lower, upper (per cent), reachable."""
        frame = self.needed.table()[["label", "estimate", "lower", "upper"]]
        chance = self.reachable.table().set_index("label")["estimate"]
        return frame.assign(
            moves=frame["label"].map(dict(OPTIONS)), reachable=frame["label"].map(chance)
        ).rename(columns={"label": "option"})

    def __repr__(self) -> str:
        return f"Fall needed to save £{self.target_gbp:,.0f}, per cent\n{self.table().to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.table().to_html(index=False, float_format="{:,.1f}".format)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>Fall needed to save £{self.target_gbp:,.0f}, per cent</strong></p>{shown}{checks}"


def fit(
    *,
    target_gbp: float,
    operations: Range,
    price_gbp: Range,
    conversion_percent: Range,
    attendances: Range,
    attendance_gbp: Range,
    seed: int,
    avoided_conversion: Range = (0.0, 1.0),
    other_care_gbp: Range = (0.0, 0.0),
    running_percent: Mapping[str, Range] | None = None,
    draws: int = 4000,
) -> OptionsResult:
    """Work out what each option would have to achieve to save `target_gbp` a year, net.

    Parameters
    ----------
    target_gbp
        What is to be saved in a year.
    operations
        Range of operations a year (or their worth in operations of the price).
    price_gbp
        Range of what an operation costs the commissioner.
    conversion_percent
        Range of the share of patients seen who are operated on.
    attendances, attendance_gbp
        Ranges of attendances of a patient seen, and of what one costs.
    seed
        Recorded seed.
    avoided_conversion
        Range of the conversion that patients no longer referred would have had, over that of all.
    other_care_gbp
        Range of what is done instead of an operation costs.
    running_percent
        By option, the range of what running it costs, per cent of spending; none where not named.
    draws
        How many.

    Raises
    ------
    InputError
        On a target not above 0, a range out of order or of the wrong sign, a conversion above 100, other care
        that can cost as much as an operation, an unknown option, or too few draws.
    """
    if not (np.isfinite(target_gbp) and target_gbp > 0):
        raise InputError(f"target_gbp={target_gbp!r}: expected pounds above 0.")
    if not (isinstance(draws, int) and draws >= FEWEST_DRAWS):
        raise InputError(f"draws={draws!r}: expected a whole number of at least {FEWEST_DRAWS}.")
    running = dict(running_percent or {})
    for option in running:
        if option not in OPTIONS:
            raise InputError(
                f"running_percent names '{option}'.{nearest(option, OPTIONS)} Known: {'; '.join(OPTIONS)}."
            )
    above = {
        "operations": operations,
        "price_gbp": price_gbp,
        "conversion_percent": conversion_percent,
        "attendances": attendances,
        "attendance_gbp": attendance_gbp,
    }
    from_nought = {"avoided_conversion": avoided_conversion, "other_care_gbp": other_care_gbp}
    fees = {f"running_percent of '{name}'": running.get(name, (0.0, 0.0)) for name in OPTIONS}
    ranges = {name: _range(name, given, least=0.0, open_below=True) for name, given in above.items()}
    ranges |= {name: _range(name, given, least=0.0) for name, given in (from_nought | fees).items()}
    if ranges["conversion_percent"][1] > 100:
        raise InputError(f"conversion_percent={conversion_percent!r}: expected at most 100.")
    if ranges["avoided_conversion"][1] * ranges["conversion_percent"][1] > 100:
        raise InputError(
            f"avoided_conversion={avoided_conversion!r} with conversion_percent={conversion_percent!r}: "
            "patients no longer referred would be operated on more often than always; expected a lower ratio."
        )
    if ranges["other_care_gbp"][1] >= ranges["price_gbp"][0]:
        raise InputError(
            f"other_care_gbp={other_care_gbp!r} reaches the price of an operation, {price_gbp!r}; nothing "
            "would be saved by not operating."
        )
    rng = np.random.default_rng(seed)
    n, price, share, visits, visit, ratio, other, *fee = (
        low + (high - low) * rng.random(draws) for low, high in ranges.values()
    )
    share = share / 100
    seen = n / share
    spent = n * price + seen * visits * visit
    wanted = target_gbp + np.column_stack(fee) / 100 * spent[:, None]
    worth = np.column_stack([seen * (visits * visit + ratio * share * price), n * (price - other), spent])
    fall = wanted / worth
    there = np.column_stack([seen, n, spent])
    checks = (_stated(ranges), _reach(fall))
    return OptionsResult(
        needed=_made("fall needed of what the option moves", "per cent", 100 * fall, checks),
        reachable=_chance((fall <= 1).sum(axis=0), draws, checks),
        units=_made("fall needed, in numbers a year", "patients, operations, GBP", fall * there, checks),
        base=_made("what there is in a year", "patients, operations, GBP", there, checks),
        target_gbp=float(target_gbp),
        checks=checks,
    )


def _range(name: str, given: object, *, least: float, open_below: bool = False) -> Range:
    try:
        low, high = (float(value) for value in given)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise InputError(f"{name}={given!r}: expected a range, such as (100, 250).") from None
    fine = least <= low <= high < np.inf and not (open_below and low == least)
    if not fine:
        word = "above" if open_below else "from"
        raise InputError(f"{name}={given!r}: expected a range in order, {word} {least:g}.")
    return low, high


def _made(estimand: str, unit: str, draws: FloatArray, checks: tuple[Check, ...]) -> Estimates:
    return Estimates(
        estimand=estimand,
        labels=tuple(OPTIONS),
        unit=unit,
        method=METHOD,
        draws=draws,
        interval="Monte Carlo",
        checks=checks,
    )


def _chance(reached: NDArray[np.int64], draws: int, checks: tuple[Check, ...]) -> Estimates:
    share = (reached + 0.5) / (draws + 1)
    return Estimates(
        estimand="share of draws in which the option could reach it",
        labels=tuple(OPTIONS),
        unit="probability",
        method=METHOD,
        mean=share,
        covariance=np.diag(share * (1 - share) / draws),
        interval="Monte Carlo",
        checks=checks,
    )


def _stated(ranges: Mapping[str, Range]) -> Check:
    told = "; ".join(
        f"{name.replace('_gbp', ', £').replace('_', ' ')} {_shown(low)} to {_shown(high)}"
        for name, (low, high) in ranges.items()
        if high > 0
    )
    return Check(
        name="ranges that the options were worked out for",
        verdict="pass",
        observed=told,
        expected="stated",
        why="the intervals hold these ranges and nothing else",
    )


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"


def _reach(fall: FloatArray) -> Check:
    out = [name for name, values in zip(OPTIONS, fall.T, strict=True) if np.median(values) > 1]
    return Check(
        name="options that could not save it by themselves",
        verdict="warn" if out else "pass",
        observed="; ".join(out) or "none",
        expected="none",
        why="a fall of more than everything there is cannot be had",
    )
