"""Rows for a Cox model: covariates as numbers, sorted once by stratum and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.survival import columns
from soa_evidence.survival.records import Records

__all__ = ["Design", "SortedRows", "sort_rows"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """How covariates become numbers: a number as it is, anything else an indicator a level.

    Attributes
    ----------
    covariates : tuple of str
    levels : mapping of covariate to its levels, the reference first; absent for numbers
    terms : tuple of str
        One a column: the covariate, or ``"covariate: level v reference"``.
    source : tuple of str
        The covariate each column comes from.
    """

    covariates: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    terms: tuple[str, ...]
    source: tuple[str, ...]

    @classmethod
    def of(cls, frame: pd.DataFrame, covariates: Sequence[str], reference: Mapping[str, str]) -> Design:
        """Decide the columns; the reference is the commonest level where none is given."""
        for name in reference:
            if name not in covariates:
                raise InputError(f"reference= names '{name}', no covariate.{nearest(name, covariates)}")
        levels: dict[str, tuple[str, ...]] = {}
        terms, source = [], []
        for name in covariates:
            if _is_number(frame[name]):
                if name in reference:
                    raise InputError(
                        f"Covariate '{name}' is a number and has no reference level; make it text for levels."
                    )
                terms.append(name)
                source.append(name)
                continue
            codes, found = columns.factorise(frame, [name])
            first = reference.get(name, found[int(np.argmax(np.bincount(codes)))])
            if first not in found:
                raise InputError(
                    f"reference= gives '{first}' for '{name}', which has no such level."
                    f"{nearest(first, found)} Levels: {', '.join(found[:12])}."
                )
            levels[name] = (first, *(level for level in found if level != first))
            terms += [f"{name}: {level} v {first}" for level in levels[name][1:]]
            source += [name] * (len(found) - 1)
            if len(found) == 1:
                raise InputError(
                    f"Covariate '{name}' has one level only ({first}), so it can explain nothing."
                )
        return cls(covariates=tuple(covariates), levels=levels, terms=tuple(terms), source=tuple(source))

    def encode(self, frame: pd.DataFrame) -> list[FloatArray]:
        """Return the columns of the design for the rows of `frame`, refusing unknown levels and gaps."""
        found = []
        for name in self.covariates:
            if name not in self.levels:
                found.append(columns.numbers(frame, name, "a number", allow_bool=True))
                continue
            codes, labels = columns.factorise(frame, [name])
            known = self.levels[name]
            for at, label in enumerate(labels):
                if label not in known:
                    columns.refuse(
                        frame, name, codes == at, f"not a level the model knows: {', '.join(known[:12])}"
                    )
            position = np.array([known.index(label) for label in labels])[codes]
            found += [(position == k).astype(float) for k in range(1, len(known))]
        return found


def _is_number(values: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        raise InputError(
            f"Covariate '{values.name}' holds dates; give it as a number with a unit, such as years."
        )
    return bool(pd.api.types.is_numeric_dtype(values))


@dataclass(frozen=True, eq=False, kw_only=True)
class SortedRows:
    """Rows in order of stratum and exit, in m groups of one (stratum, time).

    Attributes
    ----------
    order : array of shape (n,)
        Row of the frame at each place.
    Z : array of shape (n, p)
        Covariates, centred and scaled.
    centre, scale : arrays of shape (p,)
    weight, died : arrays of shape (n,)
    start, stratum, time : arrays of shape (m + 1,), (m,), (m,)
    group, first : arrays of shape (n,)
        The group at which each row leaves, and the first at which it is at risk.
    joined, join_from
        Rows by entry, see `cox_kernels.sweep`; empty without delayed entry.
    """

    order: IntArray
    Z: FloatArray
    centre: FloatArray
    scale: FloatArray
    weight: FloatArray
    died: NDArray[np.bool_]
    start: IntArray
    stratum: IntArray
    time: FloatArray
    group: IntArray
    first: IntArray
    joined: IntArray
    join_from: IntArray

    @property
    def risk_sets(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """What every sweep needs: start, stratum, joined, join_from."""
        return self.start, self.stratum, self.joined, self.join_from


def sort_rows(records: Records, design: list[FloatArray], terms: tuple[str, ...]) -> SortedRows:
    """Sort once, and centre and scale the covariates.

    Raises
    ------
    InputError
        On a covariate that is the same in every row.
    """
    T = len(records.axis)
    key = records.stratum * T + records.exit
    order = _ordered(key, len(records.strata) * T)
    key = key[order]
    change = np.flatnonzero(np.diff(key)) + 1
    start = np.concatenate([[0], change, [len(key)]]).astype(np.int64)
    keys = key[start[:-1]]
    stratum = keys // T
    weight = np.ones(len(key)) if records.weight is None else records.weight[order]
    Z, centre, scale = _standardised(design, terms, order)
    first = np.searchsorted(stratum, stratum)  # the stratum's first group, for each group
    group = np.repeat(np.arange(len(keys)), np.diff(start))
    none = np.zeros(0, dtype=np.int64)
    joined, join_from, row_first = none, none, first[group]
    if records.entry is not None:
        entry = (records.stratum * T + records.entry)[order]
        row_first = np.searchsorted(keys, entry, side="right")
        joined = _ordered(entry, len(records.strata) * T)
        join_from = np.searchsorted(entry[joined], keys, side="left")
    return SortedRows(
        order=order,
        Z=Z,
        centre=centre,
        scale=scale,
        weight=weight,
        died=records.cause[order] > 0,
        start=start,
        stratum=stratum,
        time=records.axis[keys % T],
        group=group,
        first=row_first,
        joined=joined,
        join_from=join_from,
    )


def _standardised(
    design: list[FloatArray], terms: tuple[str, ...], order: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    from soa_evidence.survival.cox_kernels import place_column

    centre = np.array([column.mean() for column in design])
    scale = np.array([column.std() for column in design])
    Z = np.empty((len(order), len(design)))
    for j, column in enumerate(design):
        if scale[j] <= 1e-12 * max(abs(centre[j]), 1e-300):
            raise InputError(
                f"Covariate '{terms[j]}' is {column[0]:g} in every row, so it explains nothing; leave it out."
            )
        place_column(Z, j, np.ascontiguousarray(column), order, centre[j], scale[j])
    return Z, centre, scale


def _ordered(key: IntArray, size: int) -> IntArray:
    if size <= 4 * len(key) + 1000:
        from soa_evidence.survival.cox_kernels import counting_order

        return counting_order(key, size)
    return np.argsort(key, kind="stable")
