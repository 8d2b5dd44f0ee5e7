"""The columns of a case-mix model: indicators of levels, straight lines and splines, from patients or counts.

A categorical covariate gives an indicator for each level but its commonest. A numeric one gives a straight
line, or with k knots a restricted cubic spline of k - 1 columns: cubic between knots, straight beyond them,

    s_j(x) = [(x - t_j)+³ - (x - t_{k-1})+³ (t_k - t_j) / (t_k - t_{k-1})
              + (x - t_k)+³ (t_{k-1} - t_j) / (t_k - t_{k-1})] / (t_k - t_1)²,   j = 1 .. k - 2.

Knots lie at equally spaced quantiles from 5 % to 95 % of patients (10 % to 90 % for three), each an observed
value, so that patients and their counts give the same knots.

When not to use it: by itself; `units.case_mix` and `units.g_computation` call it.

Source: Harrell (2015), Regression Modeling Strategies, 2.4.5.

Checked against: Hmisc's rcspline.eval in tests/reference/case_mix; messages in
tests/unit/test_units_case_mix_input.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest, require_columns

__all__ = [
    "Design",
    "Kind",
    "Patients",
    "coded",
    "columns_of",
    "design_of",
    "levels_of",
    "numbered",
    "numbers",
    "read",
]

FloatArray = NDArray[np.float64]
Kind = Literal["events", "value"]
FEWEST_KNOTS, MOST_KNOTS = 3, 7
ROUNDED = (
    1e-3  # sums of squares may have been rounded to three decimals, as those of EQ-5D in nhs-proms-units
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Patients:
    """What a model is fitted to, one row a patient or a cell of patients; rows without patients are out.

    Attributes
    ----------
    rows : array of shape (R,)
        Positions of the rows kept.
    size, total, squares : arrays of shape (R,)
        Patients, the sum of their outcomes, and of the squares.
    """

    rows: NDArray[np.int64]
    size: FloatArray
    total: FloatArray
    squares: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """How columns are made from covariates, so that other patients get the same ones.

    Attributes
    ----------
    covariates : tuple of str
    levels : mapping of str to tuple of str
        Of each categorical covariate, the reference (commonest) first.
    knots : mapping of str to array
        Of each numeric covariate; two or fewer mean a straight line.
    terms : tuple of str
        What each column says, the intercept first.
    owner : tuple of str
        Covariate of each column; "" for the intercept.
    left_out : tuple of int
        Positions, among all columns, of those that say nothing the ones before them do not.
    left_out_terms : tuple of str
    """

    covariates: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    knots: Mapping[str, FloatArray]
    terms: tuple[str, ...]
    owner: tuple[str, ...]
    left_out: tuple[int, ...] = ()
    left_out_terms: tuple[str, ...] = ()

    def without(self, columns: Sequence[int]) -> Design:
        """Return the design without these columns, as after the first look at the patients."""
        kept = [k for k in range(len(self.terms)) if k not in set(columns)]
        return replace(
            self,
            terms=tuple(self.terms[k] for k in kept),
            owner=tuple(self.owner[k] for k in kept),
            left_out=tuple(columns),
            left_out_terms=tuple(self.terms[k] for k in columns),
        )


def read(
    frame: pd.DataFrame,
    *,
    kind: Kind,
    outcome: str,
    size: str | None,
    squares: str | None,
    least: float = 1.0,
) -> Patients:
    """Check outcome, sizes and squares row by row.

    Raises
    ------
    InputError
        Naming column and row.
    """
    if kind not in ("events", "value"):
        raise InputError(
            f"kind is {kind!r}.{nearest(str(kind), ('events', 'value'))} Expected events or value."
        )
    if frame.empty:
        raise InputError("The frame has no rows; expected one a patient, or a cell of patients alike.")
    n = np.ones(len(frame)) if size is None else numbers(frame, size)
    refuse(frame, size, (n < 0) | (n != np.round(n)), "expected a whole number of patients, 0 or more")
    y = numbers(frame, outcome, needed=n > 0)
    rows = np.flatnonzero(n > 0)
    if kind == "events":
        if squares is not None:
            raise InputError("squares= is for kind='value'; events are their own squares, so leave it out.")
        refuse(frame, outcome, (n > 0) & ((y < 0) | (y != np.round(y))), "expected a whole number of events")
        more = "more events than patients" if size else "expected 0 or 1, one row a patient"
        refuse(frame, outcome, (n > 0) & (y > n), more)
        y2 = y
    elif squares is None:
        several = np.flatnonzero(n > 1)
        if len(several):
            raise InputError(
                f"Row {several[0]} holds {n[several[0]]:g} patients, and squares= is not given; their spread "
                "needs the column with the sum of squares."
            )
        y2 = y**2
    else:
        y2 = numbers(frame, squares, needed=n > 0)
        low = y**2 / np.where(n > 0, n, 1)
        refuse(frame, squares, (n > 0) & (y2 < low - ROUNDED - 1e-6 * low), "less than any such sum allows")
        y2 = np.maximum(y2, low)
    if n.sum() < least:
        raise InputError(f"Column '{size}' is 0 in every row; expected patients.")
    return Patients(rows=rows, size=n[rows], total=y[rows], squares=y2[rows])


def design_of(
    frame: pd.DataFrame, covariates: Sequence[str], splines: Mapping[str, int], size: FloatArray
) -> Design:
    """Choose reference levels and knots from the patients, `size` of them in each row."""
    named = [covariates] if isinstance(covariates, str) else [str(name) for name in covariates]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise InputError(f"Covariate '{twice[0]}' is named twice.")
    for name in splines:
        if name not in named:
            raise InputError(f"splines= names '{name}', which is no covariate.{nearest(name, named)}")
    levels: dict[str, tuple[str, ...]] = {}
    knots: dict[str, FloatArray] = {}
    terms, owner = ["intercept"], [""]
    for name in named:
        require(frame, name)
        if is_numeric(frame[name]):
            knots[name] = _knots(name, numbers(frame, name), size, splines.get(name))
            curved = range(1, max(len(knots[name]) - 1, 1))
            terms += [name, *(f"{name}: bend {j}" for j in curved)]
            owner += [name] * (1 + len(curved))
        else:
            if name in splines:
                raise InputError(
                    f"splines= names '{name}', which holds {frame[name].dtype}; expected numbers."
                )
            codes, told = coded(frame, name)
            found = pd.Series(np.bincount(codes, weights=size, minlength=len(told)), index=told).sort_index()
            if len(found) < 2:
                raise InputError(f"Covariate '{name}' is {told[0]!r} for everyone; leave it out.")
            first = str(found.idxmax())
            levels[name] = (first, *(str(level) for level in found.index if level != first))
            terms += [f"{name}: {level} v {first}" for level in levels[name][1:]]
            owner += [name] * (len(levels[name]) - 1)
    return Design(covariates=tuple(named), levels=levels, knots=knots, terms=tuple(terms), owner=tuple(owner))


def columns_of(frame: pd.DataFrame, design: Design, *, fixed: Mapping[str, str] | None = None) -> FloatArray:
    """Return the columns for these patients; shape (rows, terms).

    Parameters
    ----------
    fixed
        Levels that everyone is given instead of their own.

    Raises
    ------
    InputError
        Naming column and row of a level that the model has not seen.
    """
    out = np.zeros((len(frame), len(design.terms) + len(design.left_out)), order="F")
    out[:, 0] = 1
    at = 1
    for name in design.covariates:
        if name in design.levels:
            levels = design.levels[name]
            given = (fixed or {}).get(name)
            if given is None:
                codes = levels_of(frame, name, levels)
                if (codes < 0).any():
                    row = int(np.argmax(codes < 0))
                    value = frame[name].iloc[row]
                    raise InputError(
                        f"Column '{name}', row {frame.index[row]}: the model has no level "
                        f"{value!r}.{nearest(value, levels)}"
                    )
            else:
                codes = np.full(len(frame), levels.index(given))
            for k in range(1, len(levels)):
                out[:, at] = codes == k
                at += 1
        else:
            block = _spline(numbers(frame, name), design.knots[name])
            out[:, at : at + block.shape[1]] = block
            at += block.shape[1]
    return np.delete(out, design.left_out, axis=1) if design.left_out else out


def _knots(name: str, x: FloatArray, size: FloatArray, count: int | None) -> FloatArray:
    if len(np.unique(x)) < 2:
        raise InputError(f"Covariate '{name}' is {x[0]:g} for everyone; leave it out.")
    if count is None:
        return np.array([])
    if not FEWEST_KNOTS <= count <= MOST_KNOTS:
        raise InputError(
            f"splines={{'{name}': {count}}}; expected {FEWEST_KNOTS} to {MOST_KNOTS} knots, or none for a "
            "straight line."
        )
    outer = 0.1 if count == FEWEST_KNOTS else 0.05
    order = np.argsort(x, kind="stable")
    reached = np.cumsum(size[order])
    wanted = np.linspace(outer, 1 - outer, count) * reached[-1]
    knots = np.unique(x[order][np.minimum(np.searchsorted(reached, wanted * (1 - 1e-12)), len(x) - 1)])
    if len(knots) < count:
        raise InputError(
            f"Covariate '{name}' has too few values for {count} knots: they fall on {len(knots)} of them. "
            "Use fewer knots."
        )
    return np.asarray(knots)


def _spline(x: FloatArray, knots: FloatArray) -> FloatArray:
    if len(knots) < FEWEST_KNOTS:
        return x[:, None]
    last, before, scale = knots[-1], knots[-2], (knots[-1] - knots[0]) ** 2
    cubes = [np.maximum(x - knot, 0) ** 3 for knot in knots]
    bends = [
        (
            cubes[j]
            - cubes[-2] * (last - knots[j]) / (last - before)
            + cubes[-1] * (before - knots[j]) / (last - before)
        )
        / scale
        for j in range(len(knots) - 2)
    ]
    return np.column_stack([x, *bends])


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame indexed by position, so that a message can name the row after others were left out."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Expected a pandas frame; got a {type(frame).__name__}.")
    return frame.set_axis(pd.RangeIndex(len(frame)), axis=0)


def is_numeric(values: pd.Series[Any]) -> bool:
    """Tell numbers from levels; yes/no columns are levels."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def require(frame: pd.DataFrame, column: str) -> None:
    """Refuse a column that is not there, or twice."""
    require_columns(frame.columns, [column])
    if list(frame.columns).count(column) > 1:
        raise InputError(f"The frame has more than one column '{column}'; give each its own name.")


def numbers(frame: pd.DataFrame, column: str, *, needed: NDArray[np.bool_] | None = None) -> FloatArray:
    """Return a column as floats, finite where `needed` (everywhere by default)."""
    require(frame, column)
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(float, na_value=np.nan)
    bad = ~np.isfinite(values) & (True if needed is None else needed)
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(
            f"Column '{column}', row {frame.index[at]}: {frame[column].iloc[at]}; expected a finite "
            "number. Leave patients without it out, or make it a level 'unknown'."
        )
    return np.asarray(np.where(np.isfinite(values), values, 0.0))


def coded(frame: pd.DataFrame, column: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return a column of names as codes, and the names; refuses a row without one."""
    require(frame, column)
    codes, values = pd.factorize(frame[column])
    if (codes < 0).any():
        row = frame.index[int(np.argmax(codes < 0))]
        raise InputError(
            f"Column '{column}', row {row}: missing. Name it as a level of its own, such as 'unknown', so "
            "that it is seen."
        )
    told = [str(value) for value in values]
    if len(set(told)) < len(told):  # 1 and "1" are one name
        again, joined = pd.factorize(np.array(told, dtype=object))
        return again[codes].astype(np.int64), [str(name) for name in joined]
    return codes.astype(np.int64), told


def levels_of(frame: pd.DataFrame, column: str, levels: Sequence[str]) -> NDArray[np.int64]:
    """Return each row's position among `levels`, -1 for one that is not there."""
    codes, told = coded(frame, column)
    place = {level: k for k, level in enumerate(levels)}
    return np.array([place.get(name, -1) for name in told], dtype=np.int64)[codes]


def refuse(frame: pd.DataFrame, column: str | None, bad: NDArray[np.bool_], expected: str) -> None:
    """Refuse the first row in which `bad` holds."""
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(f"Column '{column}', row {frame.index[at]}: {frame[column].iloc[at]}; {expected}.")
