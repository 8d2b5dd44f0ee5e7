"""One input moved at a time (tornado), and the difference that would have to hold (break-even).

`tornado` runs the same model with one input, or jointly drawn group of one kind, at its lower and upper limit
and all others at their centre. `break_even` finds, for every draw of the other inputs, the hazard ratio of
revision at which two strategies have the same net benefit, by bisection.

When not to use it: a tornado as a measure of uncertainty; inputs that were estimated together do not move
alone. A break-even ratio is what would have to be, not what is.

Checked against: single runs of the model; the closed form of one cycle
(tests/unit/test_economics_decision.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.economics import cohort
from soa_evidence.economics.inputs import Inputs
from soa_evidence.economics.outcomes import Outcomes
from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates

__all__ = ["BreakEven", "break_even", "choices", "per_revision", "solve", "tornado"]

FloatArray = NDArray[np.float64]
METHOD = "economics.sensitivity"
_LARGEST = np.log(5.0)  # a ratio beyond which no one would look for a break-even
_HALVINGS = 26


def tornado(
    model: cohort.Model, inputs: Inputs, *, strategy: str, threshold: float, reference: str | None = None
) -> pd.DataFrame:
    """Return incremental net benefit with each uncertain input at its limits, widest first.

    Returns
    -------
    DataFrame
        name, kind, unit, low_input, high_input, at_low, at_high (GBP per patient), centre.
    """
    base, table = inputs.values(), inputs.table()
    lower, upper = table["lower"].to_numpy(float), table["upper"].to_numpy(float)
    moved = [at for at in range(len(table)) if lower[at] < upper[at]]
    if not moved:
        raise InputError("Every input is fixed; a tornado needs one that is uncertain.")
    values: dict[str, FloatArray] = {k: np.repeat(one, 2 * len(moved) + 1) for k, one in base.items()}
    for place, at in enumerate(moved):
        values[inputs.names[at]][2 * place : 2 * place + 2] = lower[at], upper[at]
    gain = _gain(cohort.run(model, values), strategy, threshold, reference)
    frame = table.loc[moved, ["name", "kind", "unit"]].assign(
        low_input=lower[moved],
        high_input=upper[moved],
        at_low=gain[:-1:2],
        at_high=gain[1:-1:2],
        centre=gain[-1],
    )
    width = (frame["at_high"] - frame["at_low"]).abs()
    return frame.loc[width.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


@dataclass(frozen=True, eq=False, kw_only=True)
class BreakEven:
    """The hazard ratio at which two strategies have the same net benefit.

    Attributes
    ----------
    ratio : float
        With all other inputs at their centre; 0 where even no revision at all would not pay.
    log_ratio : Estimates or None
        Over draws in which some ratio pays; None when there is none.
    possible : float
        Share of draws in which some ratio, however low, would pay.
    revisions_avoided : float
        First revisions per patient that would have to be avoided, at the centre.
    avoided : Estimates or None
        The same over the draws of `log_ratio`.
    checks : tuple of Check
    """

    ratio: float
    log_ratio: Estimates | None
    possible: float
    revisions_avoided: float
    avoided: Estimates | None
    checks: tuple[Check, ...]


def break_even(
    model: cohort.Model,
    inputs: Inputs,
    *,
    strategy: str,
    threshold: float,
    draws: int,
    seed: int,
) -> BreakEven:
    """Find the hazard ratio of `strategy` at which it pays for itself against the first strategy.

    Parameters
    ----------
    strategy
        Must have a ``log_hazard_ratio``, whose own value is not used.

    Raises
    ------
    InputError
        On an unknown strategy, or one without a hazard ratio.
    """
    name = str(_strategy(model, strategy).log_hazard_ratio)
    drawn = inputs.draw(draws, seed=seed)
    centre = inputs.values()
    values = {key: np.concatenate([centre[key], drawn[key]]) for key in drawn}
    solved, possible = _solve(model, values, name, strategy, threshold)
    first = cohort.run(model, {**values, name: solved}).first_revisions
    column = [s.label for s in model.strategies].index(strategy)
    avoided = first[:, 0] - first[:, column]
    share = float(possible[1:].mean())
    check = Check(
        name="draws in which some hazard ratio would pay",
        verdict="pass" if share > 0.95 else "warn",
        observed=f"{share:.1%} of {draws:,}",
        expected="more than 95%",
        why="where none would, the break-even ratio is of the other draws only",
    )
    return BreakEven(
        ratio=float(np.exp(solved[0])) if possible[0] else 0.0,
        log_ratio=_over(solved, possible, strategy, "log hazard ratio", check),
        possible=share,
        revisions_avoided=float(avoided[0]) if possible[0] else float("nan"),
        avoided=_over(avoided, possible, strategy, "first revisions per patient", check),
        checks=(check,),
    )


def per_revision(
    model: cohort.Model,
    inputs: Inputs,
    *,
    strategy: str,
    threshold: float,
    draws: int,
    seed: int,
    ratio: float = 0.8,
) -> Estimates:
    """Return what one first revision avoided gains over a lifetime.

    The strategy's hazard ratio is set to `ratio` and its extra cost to nothing; what it gains against the
    first
    strategy is divided by the first revisions it avoids.

    Returns
    -------
    Estimates
        ``QALYs gained``, ``GBP saved``, ``worth in GBP`` (at the threshold), per first revision avoided.
    """
    chosen = _strategy(model, strategy)
    if not (np.isfinite(ratio) and 0 < ratio < 1):
        raise InputError(f"ratio is {ratio}; expected a hazard ratio above 0 and below 1.")
    drawn = inputs.draw(draws, seed=seed)
    drawn[str(chosen.log_hazard_ratio)] = np.full(draws, np.log(ratio))
    if chosen.extra_cost:
        drawn[chosen.extra_cost] = np.zeros(draws)
    out = cohort.run(model, drawn)
    column = out.position(strategy)
    avoided = out.first_revisions[:, 0] - out.first_revisions[:, column]
    if not (avoided > 0).all():
        raise InputError("In some draws nobody is ever revised, so that no revision can be avoided.")
    gained = (out.qalys[:, column] - out.qalys[:, 0]) / avoided
    saved = (out.costs[:, 0] - out.costs[:, column]) / avoided
    return Estimates(
        estimand="gain over a lifetime per first revision avoided",
        labels=("QALYs gained", "GBP saved", "worth in GBP"),
        unit="per first revision avoided",
        method=METHOD,
        draws=np.column_stack([gained, saved, threshold * gained + saved]),
        interval="credible",
        checks=out.checks,
    )


def solve(
    model: cohort.Model, inputs: Inputs, *, name: str, measure: str, target: float, low: float, high: float
) -> float:
    """Return the value of one input at which the first strategy's `measure` is `target`.

    All other inputs are at their centre.

    Raises
    ------
    InputError
        On an unknown measure, or when the target is not between what `low` and `high` give.
    """
    values = inputs.values() | {name: np.array([low, high])}
    ends = cohort.run(model, values).of(measure)[:, 0]
    if not min(ends) <= target <= max(ends):
        raise InputError(
            f"{measure} is {ends[0]:.4g} with '{name}' at {low:g} and {ends[1]:.4g} at {high:g}; "
            f"the target of "
            f"{target:g} is not between them."
        )
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = float(cohort.run(model, values | {name: np.array([middle])}).of(measure)[0, 0])
        low, high = (middle, high) if (found < target) == (ends[0] < ends[1]) else (low, middle)
    return (low + high) / 2


def choices(
    cases: Mapping[str, tuple[cohort.Model, Inputs]],
    *,
    strategy: str,
    threshold: float,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """Return the break-even of each of several models or sets of inputs, to see which choice decides.

    Returns
    -------
    DataFrame
        choice, ever_revised (first strategy, per 1,000); estimate, lower, upper: first revisions that would
        have to be avoided, per 1,000; ratio: the hazard ratio; possible: share of draws in which some
        ratio pays.
    """
    rows = []
    for label, (model, inputs) in cases.items():
        found = break_even(model, inputs, strategy=strategy, threshold=threshold, draws=draws, seed=seed)
        ever = cohort.run(model, inputs.values()).first_revisions[0, 0]
        limits = np.full(2, np.nan)
        if found.avoided is not None:
            limits = found.avoided.table()[["lower", "upper"]].to_numpy(float)[0]
        low, high = 1000 * limits
        rows.append(
            {
                "choice": label,
                "ever_revised": 1000 * ever,
                "estimate": 1000 * found.revisions_avoided,
                "lower": low,
                "upper": high,
                "ratio": found.ratio,
                "possible": found.possible,
            }
        )
    return pd.DataFrame(rows)


def _strategy(model: cohort.Model, strategy: str) -> cohort.Strategy:
    chosen = {s.label: s for s in model.strategies}
    if strategy not in chosen:
        raise InputError(f"There is no strategy '{strategy}'.{nearest(strategy, chosen)}")
    if chosen[strategy].log_hazard_ratio is None:
        raise InputError(f"Strategy '{strategy}' has no hazard ratio; give it a log_hazard_ratio.")
    return chosen[strategy]


def _over(
    values: FloatArray, possible: NDArray[np.bool_], strategy: str, unit: str, check: Check
) -> Estimates | None:
    kept = values[1:][possible[1:]]
    if len(kept) < 2:
        return None
    return Estimates(
        estimand=f"{unit} at which costs and gains are equal",
        labels=(strategy,),
        unit=unit,
        method=METHOD,
        draws=kept[:, None],
        interval="credible",
        checks=(check,),
        centre="median",
    )


def _solve(
    model: cohort.Model, values: Mapping[str, FloatArray], name: str, strategy: str, threshold: float
) -> tuple[FloatArray, NDArray[np.bool_]]:
    n = len(values[name])

    def gain(log_ratio: FloatArray) -> FloatArray:
        return _gain(cohort.run(model, {**values, name: log_ratio}), strategy, threshold, None)

    low, high = np.full(n, -30.0), np.full(n, _LARGEST)
    possible = np.asarray(gain(low) >= 0)
    always = gain(high) >= 0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        pays = gain(middle) >= 0
        low, high = np.where(pays, middle, low), np.where(pays, high, middle)
    return np.where(always, _LARGEST, low), possible


def _gain(outcomes: Outcomes, strategy: str, threshold: float, reference: str | None) -> FloatArray:
    gain = outcomes.net_benefit(threshold)
    base = outcomes.position(reference or outcomes.strategies[0])
    return np.asarray(gain[:, outcomes.position(strategy)] - gain[:, base])
