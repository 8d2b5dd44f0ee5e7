"""Probabilistic sensitivity analysis: the same model run on joint draws of every input.

The result keeps the draws of inputs beside the outcomes, row by row, so that what an input's uncertainty
matters for can be asked afterwards (`economics.information`).

When not to use it: to hide a choice of structure; draws say nothing about what the model leaves out.

Checked against: the deterministic model (its mean, where the model is linear), a slow loop over single runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.economics import cohort
from soa_evidence.economics.inputs import Inputs
from soa_evidence.economics.outcomes import Outcomes
from soa_evidence.errors import InputError
from soa_evidence.results import Check

__all__ = ["PSA", "run"]

FloatArray = NDArray[np.float64]
_FEWEST = 100
_PRECISE = 0.05  # Monte Carlo error as a share of the standard deviation of incremental net benefit


@dataclass(frozen=True, eq=False, kw_only=True)
class PSA:
    """Draws of inputs and outcomes, row by row, and the deterministic run beside them.

    Attributes
    ----------
    model, inputs : what was run
    drawn : mapping of name to array of shape (draws,)
    outcomes : Outcomes
        One row a draw.
    deterministic : Outcomes
        At the inputs' central values.
    seed : int
    checks : tuple of Check
    """

    model: cohort.Model
    inputs: Inputs
    drawn: Mapping[str, FloatArray]
    outcomes: Outcomes
    deterministic: Outcomes
    seed: int
    checks: tuple[Check, ...]

    def frame(self) -> pd.DataFrame:
        """Return the draws of all inputs, one column each."""
        return pd.DataFrame(dict(self.drawn))

    def __repr__(self) -> str:
        return f"PSA of {self.outcomes.draws:,} draws, seed {self.seed}\n{self.outcomes!r}"

    def _repr_html_(self) -> str:
        return self.outcomes._repr_html_()


def run(model: cohort.Model, inputs: Inputs, *, draws: int, seed: int) -> PSA:
    """Run `model` on joint draws of `inputs`.

    Parameters
    ----------
    draws
        At least 100. Draws that came from other methods keep their row where their number is the same.

    Raises
    ------
    InputError
        On too few draws, and whatever `cohort.run` refuses.
    """
    if draws < _FEWEST:
        raise InputError(f"A sensitivity analysis of {draws} draws says little; ask for at least {_FEWEST}.")
    drawn = inputs.draw(draws, seed=seed)
    outcomes = cohort.run(model, drawn)
    unused = sorted(set(inputs.names) - set(model.names) - set(cohort.FALLBACKS))
    checks = (
        *inputs.checks,
        *outcomes.checks,
        *_precision(outcomes),
        Check(
            name="every input is used",
            verdict="warn" if unused else "pass",
            observed=", ".join(unused) if unused else f"all {len(inputs.names)}",
            expected="all",
            why="an input that the model does not read may be a misspelt one",
        ),
    )
    return PSA(
        model=model,
        inputs=inputs,
        drawn=MappingProxyType(drawn),
        outcomes=outcomes,
        deterministic=cohort.run(model, inputs.values()),
        seed=seed,
        checks=checks,
    )


def _precision(outcomes: Outcomes) -> tuple[Check, ...]:
    if len(outcomes.strategies) < 2:
        return ()
    found = []
    for measure in ("costs", "qalys"):
        gap = outcomes.of(measure)[:, 1:] - outcomes.of(measure)[:, :1]
        error = gap.std(axis=0, ddof=1) / np.sqrt(len(gap))
        found.append(f"{measure} {error.max():.2g}")
    return (
        Check(
            name="Monte Carlo error of mean differences",
            verdict="pass" if 1 / np.sqrt(outcomes.draws) <= _PRECISE else "warn",
            observed="; ".join(found),
            expected=f"at most {_PRECISE:.0%} of their standard deviation",
            why="with few draws the answer would move from run to run",
        ),
    )
