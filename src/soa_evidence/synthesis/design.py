"""Moderators of a frame as a design matrix: numbers as they are, categories against their first level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.synthesis.studies import FloatArray, require_columns

__all__ = ["Design", "Moderator", "read_design", "require_rank"]

INTERCEPT = "intercept"
_RANK = 1e-10  # smallest part of a column, of length 1, that the columns before it must leave unexplained


@dataclass(frozen=True, eq=False, kw_only=True)
class Moderator:
    """One moderator: a column of numbers (`levels` empty), or of categories with its levels in order."""

    column: str
    levels: tuple[str, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of its coefficients."""
        return tuple(f"{self.column}: {level}" for level in self.levels[1:]) or (self.column,)

    def values(self, frame: pd.DataFrame, labels: Sequence[str]) -> FloatArray:
        """Return its columns of the design, shape (k, terms); refuse what it does not know."""
        require_columns(frame, [self.column])
        given = frame[self.column]
        missing = given.isna().to_numpy()
        if missing.any():
            at = int(np.argmax(missing))
            raise InputError(
                f"Column '{self.column}', row {at} ({labels[at]}): missing; a regression needs every "
                f"moderator "
                "of every study. Leave the study out on purpose, and say so."
            )
        if not self.levels:
            return _numbers(given, self.column, labels)[:, None]
        names = given.astype(str).to_numpy()
        for at, name in enumerate(names):
            if name not in self.levels:
                raise InputError(
                    f"Column '{self.column}', row {at} ({labels[at]}): {name!r} is no level of the fitted "
                    f"model.{nearest(name, self.levels)} Expected one of: {', '.join(self.levels)}."
                )
        return np.asarray(names[:, None] == np.array(self.levels[1:])[None, :], dtype=float)


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """A design matrix and how to make another like it.

    Attributes
    ----------
    matrix : array of shape (k, p)
    terms : tuple of str
        Names of the p columns.
    moderators : tuple of Moderator
    intercept : bool
    """

    matrix: FloatArray
    terms: tuple[str, ...]
    moderators: tuple[Moderator, ...]
    intercept: bool

    def at(self, frame: pd.DataFrame, labels: Sequence[str]) -> FloatArray:
        """Return the design of other rows, shape (rows, p)."""
        parts = [np.ones((len(frame), 1))] if self.intercept else []
        return np.hstack([*parts, *(each.values(frame, labels) for each in self.moderators)])

    def columns_of(self, moderator: Moderator) -> list[int]:
        """Return the positions of the coefficients of a moderator."""
        return [self.terms.index(term) for term in moderator.terms]

    @property
    def tested(self) -> list[int]:
        """Positions of the coefficients that the omnibus test is about: all but the intercept."""
        every = range(len(self.terms))
        return [j for j in every if self.terms[j] != INTERCEPT] or list(every)


def read_design(
    frame: pd.DataFrame,
    *,
    moderators: Sequence[str],
    labels: Sequence[str],
    intercept: bool = True,
) -> Design:
    """Check the moderators of a frame and lay them out as a design matrix.

    Categories (text, booleans, pandas categories) are set against their first level: the first in the order
    of a pandas category, else the first in the alphabet.

    Raises
    ------
    InputError
        On a missing column or value, a category with one level, no columns at all, more coefficients than
        studies allow, or a column that the others already determine.
    """
    if isinstance(moderators, str):
        raise InputError(f"moderators is the text {moderators!r}; expected a list, such as [{moderators!r}].")
    require_columns(frame, list(moderators))
    parts = tuple(_moderator(frame[name], name) for name in moderators)
    if not parts and not intercept:
        raise InputError("There is neither a moderator nor an intercept; a model needs at least one.")
    terms = tuple(term for part in parts for term in part.terms)
    if INTERCEPT in terms:
        raise InputError(f"A moderator is named {INTERCEPT!r}, which is the name of a result; rename it.")
    terms = ((INTERCEPT,) if intercept else ()) + terms
    empty = Design(matrix=np.empty((0, 0)), terms=terms, moderators=parts, intercept=intercept)
    matrix = empty.at(frame, labels)
    require_rank(matrix, terms, "studies")
    return Design(matrix=matrix, terms=terms, moderators=parts, intercept=intercept)


def require_rank(matrix: FloatArray, terms: Sequence[str], rows: str) -> None:
    """Refuse a design that the rows cannot tell apart, naming the first column at fault."""
    k, p = matrix.shape
    if k <= p:
        raise InputError(
            f"There are {k} {rows} for {p} coefficients ({', '.join(terms)}); expected at least {p + 1}. "
            "Use fewer moderators."
        )
    length = np.sqrt((matrix**2).sum(axis=0))
    basis = np.empty((k, 0))
    for j, term in enumerate(terms):
        column = matrix[:, j] / length[j] if length[j] > 0 else matrix[:, j]
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        left = float(np.sqrt(rest @ rest))
        if left < _RANK:
            others = "the intercept" if terms[:j] == (INTERCEPT,) else ", ".join(terms[:j]) or "0"
            raise InputError(
                f"Moderator '{term}' says nothing that {others} does not say already: the columns are "
                "collinear. Leave one of them out."
            )
        basis = np.column_stack([basis, rest / left])


def _moderator(values: pd.Series, name: str) -> Moderator:
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if numeric:
        return Moderator(column=name, levels=())
    if isinstance(values.dtype, pd.CategoricalDtype):
        seen = set(values.dropna().astype(str))
        levels = tuple(str(level) for level in values.cat.categories if str(level) in seen)
    else:
        levels = tuple(sorted({str(value) for value in values.dropna()}))
    if len(levels) == 1:
        raise InputError(
            f"Column '{name}' is {levels[0]!r} in every row; a moderator needs at least two levels."
        )
    return Moderator(column=name, levels=levels)


def _numbers(values: pd.Series, name: str, labels: Sequence[str]) -> FloatArray:
    if not pd.api.types.is_numeric_dtype(values):
        raise InputError(f"Column '{name}' holds {values.dtype} values; the fitted model has numbers there.")
    numbers = values.to_numpy(dtype=float)
    broken = ~np.isfinite(numbers)
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(
            f"Column '{name}', row {at} ({labels[at]}): {numbers[at]}; expected a finite number."
        )
    return numbers
