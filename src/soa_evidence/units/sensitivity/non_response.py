"""Pattern mixture for patients who did not answer: how different must they be for a comparison to turn.

Of the patients operated on at unit j a share c_j answered, with risk p_j. Suppose the others' odds of the
event are k times those, k by class of unit. The risk of all patients at that unit is then

    p_j(k) = c_j p_j + (1 - c_j) expit(logit p_j + log k),

and a class's is the average over its units, weighted by operations. It is worked out for every posterior draw
of the units' risks. In the result

    surface   the difference over k at the specialist units and k at the comparator
    tipping   the k at which the difference vanishes, and at which the conclusion changes: with the same k in
              both classes, with k at the specialist units alone, and at the comparator alone

k = 1 is the usual assumption that those who did not answer fare as those who did, within their unit. A unit
whose operations are not known is given its class's coverage; coverage above 1 counts as 1.

When not to use it: as a correction: k is not known. Where those who answer differ in case mix only, the
standardised risk already deals with it; k is about what remains.

Sources: Little (1993), JASA 88:125; White, Higgins & Wood (2008), Stat Med 27:711, for odds ratios of
missingness; White, Carpenter & Horton (2012), Clin Trials 9:396, for tipping points.

Checked against: our own R code in tests/reference/unit_sensitivity; brute force in tests/properties.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from soa_evidence.errors import InputError, nearest, require_columns
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["NonResponseResult", "fit"]

FloatArray = NDArray[np.float64]
ODDS_RATIOS = (0.5, 2 / 3, 0.8, 1.0, 1.25, 1.5, 2.0)
FURTHEST = 20.0  # beyond it no odds ratio of non-responders is worth naming
SMALL = 1.25
LEVEL = 0.95
LARGEST_UNKNOWN = 0.1
MOST_DRAWS = 1000  # spread evenly over those given; tipping points need no more


@dataclass(frozen=True, eq=False, kw_only=True)
class NonResponseResult:
    """What other odds among patients who did not answer would do.

    Attributes
    ----------
    surface : DataFrame
        k_specialist, k_reference, estimate, lower, upper (per 1,000 operations), conclusion.
    tipping : DataFrame
        where (both classes, specialist only, comparator only), to_none, to_conclusion: odds ratios nearest to
        1, NaN where none from 1/20 to 20 does it.
    coverage : DataFrame
        class, units, answers, operations (of units where they are known), coverage.
    difference : tuple of float
        Estimate, lower, upper at k = 1, per 1,000, weighted by operations.
    conclusion : str
    checks : tuple of Check
    """

    surface: pd.DataFrame
    tipping: pd.DataFrame
    coverage: pd.DataFrame
    difference: tuple[float, float, float]
    conclusion: str
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{_heading(self)}\n{self.tipping.to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.tipping.to_html(index=False, float_format="{:.3g}".format)
        return (
            f"<p><strong>{_heading(self)}</strong></p>{shown}{checks_frame(self.checks).to_html(index=False)}"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Class:
    """Draws of units' log odds (S, J), the units' coverage and their share of the class's operations."""

    log_odds: FloatArray
    coverage: FloatArray
    share: FloatArray

    def risk(self, k: float) -> FloatArray:
        """Risk of all the class's patients, shape (S,)."""
        answered, others = expit(self.log_odds), expit(self.log_odds + np.log(k))
        return np.asarray((answered * self.coverage + others * (1 - self.coverage)) @ self.share)


def fit(
    unit_risk: Estimates,
    frame: pd.DataFrame,
    *,
    unit: str,
    group: str,
    operations: str,
    answers: str,
    specialist: str,
    reference: str | Sequence[str],
    odds_ratios: Sequence[float] = ODDS_RATIOS,
) -> NonResponseResult:
    """Return the surface and the tipping points.

    Parameters
    ----------
    unit_risk
        Risk of every unit, with joint draws, such as ``unit_risk`` of `units.binomial`.
    frame
        One row a unit (and year; rows are added up).
    unit, group, operations, answers
        Columns: the unit as labelled in `unit_risk`; its class; patients operated on (may be missing);
        patients who answered.
    specialist, reference
        The class, and the class or classes it is compared with.
    odds_ratios
        Values of k for the surface.

    Raises
    ------
    InputError
        On estimates without draws; a missing column or class; a count that is not a number or is negative; a
        unit without a risk, or in two classes; no known operations in a class; an odds ratio of 0 or below.
    """
    require_columns(frame.columns, (unit, group, operations, answers))
    ks = np.asarray(odds_ratios, dtype=float)
    if ks.size == 0 or not (np.isfinite(ks).all() and (ks > 0).all()):
        raise InputError(f"odds_ratios={list(odds_ratios)}; expected numbers above 0.")
    if unit_risk.draws is None:
        raise InputError("unit_risk holds a mean and covariance; expected joint draws of the units' risks.")
    others = [reference] if isinstance(reference, str) else list(reference)
    table = _by_unit(frame, unit, group, operations, answers)
    for name in (specialist, *others):
        if name not in set(table["group"]):
            raise InputError(f"There is no class {name!r} in '{group}'.{nearest(name, set(table['group']))}")
    if specialist in others:
        raise InputError(f"{specialist!r} is both the class compared and part of the reference.")
    compared = table[table["group"].isin([specialist, *others])].reset_index(drop=True)
    compared["side"] = np.where(compared["group"] == specialist, "specialist", "comparator")
    filled, summary, unknown = _cover(compared)
    draws = unit_risk.sample(min(MOST_DRAWS, len(unit_risk.draws)), seed=0)
    sides = {side: _class(part, unit_risk, draws) for side, part in filled.groupby("side")}
    special, other = sides["specialist"], sides["comparator"]
    by_k = {float(k): (special.risk(k), other.risk(k)) for k in ks}
    rows = []
    for k1 in by_k:
        for k0 in by_k:
            estimate, lower, upper = _summary(by_k[k1][0] - by_k[k0][1])
            rows.append((k1, k0, estimate, lower, upper, _conclusion(lower, upper)))
    at_one = special.risk(1.0) - other.risk(1.0)
    observed = _summary(at_one)
    conclusion = _conclusion(observed[1], observed[2])
    own, theirs = special.risk(1.0), other.risk(1.0)
    ways: dict[str, Callable[[float], FloatArray]] = {
        "both classes": lambda k: special.risk(k) - other.risk(k),
        "specialist only": lambda k: special.risk(k) - theirs,
        "comparator only": lambda k: own - other.risk(k),
    }
    tipping = pd.DataFrame(
        [(where, _tip_none(way), _tip_conclusion(way, conclusion)) for where, way in ways.items()],
        columns=["where", "to_none", "to_conclusion"],
    )
    columns = ["k_specialist", "k_reference", "estimate", "lower", "upper", "conclusion"]
    return NonResponseResult(
        surface=pd.DataFrame(rows, columns=columns),
        tipping=tipping,
        coverage=summary,
        difference=observed,
        conclusion=conclusion,
        checks=_checks(tipping, conclusion, unknown),
    )


def _by_unit(frame: pd.DataFrame, unit: str, group: str, operations: str, answers: str) -> pd.DataFrame:
    if frame.empty:
        raise InputError("The frame has no rows; expected one for each unit.")
    for column in (unit, group):
        if frame[column].isna().any():
            raise InputError(f"Column '{column}', row {int(np.argmax(frame[column].isna()))}: missing.")
    for column in (operations, answers):
        values = pd.to_numeric(frame[column], errors="coerce").to_numpy(float, na_value=np.nan)
        bad = (
            (values < 0)
            | np.isinf(values)
            | (np.isnan(values) & (frame[column].notna() | (column == answers)))
        )
        if bad.any():
            at = int(np.argmax(bad))
            raise InputError(
                f"Column '{column}', row {at}: {frame[column].iloc[at]}; expected a count, 0 or more."
            )
    made = pd.DataFrame(
        {
            "unit": frame[unit].astype(str),
            "group": frame[group].astype(str),
            "answers": pd.to_numeric(frame[answers]).astype(float),
            "operations": pd.to_numeric(frame[operations]).astype(float),
        }
    )
    pairs = made[["unit", "group"]].drop_duplicates()
    if pairs["unit"].duplicated().any():
        twice = pairs.loc[pairs["unit"].duplicated(), "unit"].iloc[0]
        raise InputError(f"Unit {twice!r} is in more than one class of '{group}'.")
    # A year whose operations are hidden takes its answers out of the unit's coverage, not out of its size.
    known = made["operations"].notna() & (made["operations"] > 0)
    made["known_answers"] = made["answers"].where(known, 0.0)
    made["operations"] = made["operations"].where(known, 0.0)
    summed = made.groupby(["unit", "group"], sort=True)[["answers", "known_answers", "operations"]].sum()
    summed = summed.reset_index()
    return summed[summed["answers"] > 0].reset_index(drop=True)


def _cover(compared: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Fill in coverage and operations of units, with a summary by side and the share of answers unknown."""
    totals = compared.groupby("side")[["answers", "known_answers", "operations"]].sum()
    for side, row in totals.iterrows():
        if row["operations"] <= 0:
            raise InputError(f"The operations of no unit of the {side} are known, so there is no coverage.")
    coverage_of = (totals["known_answers"] / totals["operations"]).clip(upper=1.0)
    own = compared["known_answers"] / compared["operations"].where(compared["operations"] > 0)
    usual = compared["side"].map(coverage_of)
    coverage = own.clip(upper=1.0).where(own > 0, usual)
    filled = compared.assign(coverage=coverage, size=compared["answers"] / coverage)
    units = compared.groupby("side")["unit"].nunique()
    summary = pd.DataFrame(
        {
            "class": list(totals.index),
            "units": units.reindex(totals.index).to_numpy(),
            "answers": totals["answers"].to_numpy(),
            "operations": totals["operations"].to_numpy(),
            "coverage": coverage_of.to_numpy(),
        }
    )
    unknown = 1 - float(totals["known_answers"].sum() / totals["answers"].sum())
    return filled, summary, unknown


def _class(part: pd.DataFrame, unit_risk: Estimates, draws: FloatArray) -> _Class:
    risks = draws[:, [unit_risk.position(name) for name in part["unit"]]]
    if risks.min() <= 0 or risks.max() >= 1:
        raise InputError("unit_risk holds values that are not between 0 and 1; expected probabilities.")
    size = part["size"].to_numpy(float)
    return _Class(
        log_odds=np.asarray(logit(risks)), coverage=part["coverage"].to_numpy(float), share=size / size.sum()
    )


def _tip_none(way: Callable[[float], FloatArray]) -> float:
    return _root(lambda k: float(way(k).mean()))


def _tip_conclusion(way: Callable[[float], FloatArray], conclusion: str) -> float:
    """Return the k nearest to 1 at which the interval's end that decides crosses none."""
    ends = {"lower": [(1 + LEVEL) / 2], "higher": [(1 - LEVEL) / 2]}.get(
        conclusion, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    )
    found = [_root(lambda k, end=end: float(np.quantile(way(k), end))) for end in ends]  # type: ignore[misc]
    known = [k for k in found if np.isfinite(k)]
    return min(known, key=lambda k: abs(np.log(k))) if known else float("nan")


def _root(value: Callable[[float], float]) -> float:
    """Return the odds ratio nearest to 1 at which `value` crosses 0, or NaN: a walk, then bisection."""
    best = float("nan")
    for direction in (1.0, -1.0):
        walk = np.exp(direction * np.linspace(0, np.log(FURTHEST), 13))
        seen = value(1.0)
        if seen == 0:
            return 1.0
        for near, far in pairwise(walk):
            after = value(float(far))
            if np.sign(after) != np.sign(seen):
                found = _bisect(value, np.log(near), np.log(far))
                if not np.isfinite(best) or abs(np.log(found)) < abs(np.log(best)):
                    best = found
                break
    return best


def _bisect(value: Callable[[float], float], near: float, far: float) -> float:
    sign = np.sign(value(float(np.exp(near))))
    for _ in range(24):
        middle = (near + far) / 2
        if np.sign(value(float(np.exp(middle)))) == sign:
            near = middle
        else:
            far = middle
    return float(np.exp((near + far) / 2))


def _summary(draws: FloatArray) -> tuple[float, float, float]:
    lower, upper = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return 1000 * float(draws.mean()), 1000 * float(lower), 1000 * float(upper)


def _conclusion(lower: float, upper: float) -> str:
    return "lower" if upper < 0 else "higher" if lower > 0 else "cannot tell"


def _checks(tipping: pd.DataFrame, conclusion: str, unknown: float) -> tuple[Check, ...]:
    known = tipping[np.isfinite(tipping["to_conclusion"])]
    nearest_one = known.iloc[int(np.log(known["to_conclusion"]).abs().argmin())] if len(known) else None
    small = nearest_one is not None and abs(np.log(nearest_one["to_conclusion"])) < np.log(SMALL)
    return (
        Check(
            name="odds of patients who did not answer that would change the conclusion, nearest",
            verdict="warn" if small else "pass",
            observed="none from 1/20 to 20 times"
            if nearest_one is None
            else f"{nearest_one['to_conclusion']:.2f} times ({nearest_one['where']}; {conclusion})",
            expected=f"beyond {1 / SMALL:g} and {SMALL:g} times",
            why="patients who do not answer often fare a little otherwise",
        ),
        Check(
            name="answers from units or years whose operations are not known",
            verdict="pass" if unknown <= LARGEST_UNKNOWN else "warn",
            observed=f"{unknown:.1%}",
            expected=f"at most {LARGEST_UNKNOWN:.0%}",
            why="they are given their class's coverage, or that of their other years",
        ),
    )


def _heading(result: NonResponseResult) -> str:
    estimate, lower, upper = result.difference
    return (
        f"Patients who did not answer: difference {estimate:.3g} ({lower:.3g} to {upper:.3g}) per 1,000 "
        "at equal odds"
    )
