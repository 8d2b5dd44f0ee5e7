"""Which covariates act on which parameter of a distribution, as columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.survival import columns
from soa_evidence.survival.cox_rows import Design
from soa_evidence.survival.observations import EXACT, RIGHT, Observations
from soa_evidence.survival.parametric_laws import Distribution

__all__ = ["ParameterDesigns", "of", "refuse_tied", "refuse_time_zero"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class ParameterDesigns:
    """One design for each parameter of a distribution, in its order.

    Attributes
    ----------
    designs : tuple of Design
    names : tuple of tuple of str
        Of the coefficients of each parameter: the parameter itself, then ``"parameter: term"``.
    covariates : tuple of str
        All columns used.
    """

    designs: tuple[Design, ...]
    names: tuple[tuple[str, ...], ...]
    covariates: tuple[str, ...]

    def encode(self, frame: pd.DataFrame) -> tuple[FloatArray, ...]:
        """Return the columns of each parameter for the rows of `frame`, a column of 1 first."""
        columns.require(frame, self.covariates) if self.covariates else None
        return tuple(np.column_stack([np.ones(len(frame)), *design.encode(frame)]) for design in self.designs)


def of(
    frame: pd.DataFrame,
    law: Distribution,
    covariates: str | Sequence[str],
    ancillary: Mapping[str, str | Sequence[str]],
    reference: Mapping[str, str],
    used: set[str],
) -> ParameterDesigns:
    """Decide the columns of every parameter."""
    for name in ancillary:
        if name == law.location:
            raise InputError(
                f"ancillary= names '{name}', the location of the {law.name}; give its columns as covariates=."
            )
        if name not in law.names:
            raise InputError(
                f"ancillary= names '{name}', no parameter of the {law.name}.{nearest(name, law.names)} "
                f"It has: {', '.join(law.names)}."
            )
    chosen = {
        name: columns.as_list(covariates if name == law.location else ancillary.get(name, ()))
        for name in law.names
    }
    every = list(dict.fromkeys(column for listed in chosen.values() for column in listed))
    for listed in chosen.values():
        columns.require(frame, [*listed, *sorted(used)])
    for name in reference:
        if name not in every:
            raise InputError(f"reference= names '{name}', no covariate.{nearest(name, every)}")
    designs = tuple(
        Design.of(frame, listed, {k: v for k, v in reference.items() if k in listed})
        for listed in chosen.values()
    )
    names = tuple(
        (name, *(f"{name}: {term}" for term in design.terms))
        for name, design in zip(law.names, designs, strict=True)
    )
    return ParameterDesigns(designs=designs, names=names, covariates=tuple(every))


def refuse_time_zero(frame: pd.DataFrame, rows: Observations, column: str, distribution: str) -> None:
    """Refuse rows that end at time 0, of which the logarithm is infinite."""
    at_zero = ((rows.kind == EXACT) | (rows.kind == RIGHT)) & (rows.lower <= 0)
    columns.refuse(
        frame,
        column,
        at_zero,
        f"the {distribution} is a law of log time, which time 0 does not have; give the day of the operation "
        "half a day, or leave such rows out and say so",
    )


def refuse_tied(rows: Observations, distribution: str) -> None:
    """Refuse events all at one time with no one observed beyond it: the spread would be 0."""
    had = rows.happened
    if (rows.kind[had] != EXACT).any():
        return
    when = rows.lower[had]
    if when.min() == when.max() and rows.last <= when[0]:
        raise InputError(
            f"All events are at one time ({when[0]:g}) and no one is observed beyond it, so the "
            f"{distribution} would have no spread. Are the times rounded too far? The exponential has one "
            "parameter only."
        )
