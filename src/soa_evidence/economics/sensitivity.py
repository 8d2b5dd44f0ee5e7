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

__all__ = ["BreakEven", "break_even", "tornado"]

FloatArray = NDArray[np.float64]
METHOD = "economics.sensitivity"
_LARGEST = np.log(20.0)
_HALVINGS = 40


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
    checks : tuple of Check
    """

    ratio: float
    log_ratio: Estimates | None
    possible: float
    revisions_avoided: float
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
    chosen = {s.label: s for s in model.strategies}
    if strategy not in chosen:
        raise InputError(f"There is no strategy '{strategy}'.{nearest(strategy, chosen)}")
    name = chosen[strategy].log_hazard_ratio
    if name is None:
        raise InputError(f"Strategy '{strategy}' has no hazard ratio to be solved for.")
    drawn = inputs.draw(draws, seed=seed)
    centre = inputs.values()
    values = {key: np.concatenate([centre[key], drawn[key]]) for key in drawn}
    solved, possible = _solve(model, values, name, strategy, threshold)
    at = (
        cohort.run(model, {**{k: v[:1] for k, v in values.items()}, name: solved[:1]})
        if possible[0]
        else None
    )
    first = at.first_revisions[0] if at is not None else np.array([np.nan, np.nan])
    avoided = float(first[0] - first[model_position(model, strategy)]) if at is not None else float("nan")
    share = float(possible[1:].mean())
    check = Check(
        name="draws in which some hazard ratio would pay",
        verdict="pass" if share > 0.95 else "warn",
        observed=f"{share:.1%} of {draws:,}",
        expected="more than 95%",
        why="where none would, the break-even ratio is of the other draws only",
    )
    kept = solved[1:][possible[1:]]
    log_ratio = None
    if len(kept) > 1:
        log_ratio = Estimates(
            estimand="log hazard ratio at which costs and gains are equal",
            labels=(strategy,),
            unit="log hazard ratio",
            method=METHOD,
            draws=kept[:, None],
            interval="credible",
            checks=(check,),
            centre="median",
        )
    return BreakEven(
        ratio=float(np.exp(solved[0])) if possible[0] else 0.0,
        log_ratio=log_ratio,
        possible=share,
        revisions_avoided=avoided,
        checks=(check,),
    )


def model_position(model: cohort.Model, strategy: str) -> int:
    """Return the column of a strategy."""
    return [s.label for s in model.strategies].index(strategy)


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
