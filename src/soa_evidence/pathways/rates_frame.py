"""Columns of people, counts and peers, checked row by row.

When not to use it: by itself; `pathways.expected_use` and `pathways.intervention_rates` call it.

Checked against: every message in tests/unit/test_pathways_input.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence import errors
from soa_evidence.errors import InputError, nearest

__all__ = ["amounts", "counts", "labels", "peers_of", "require_columns"]

FloatArray = NDArray[np.float64]


def require_columns(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame that is none, has no rows or lacks a column."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"For {what}, a {type(frame).__name__} was given; expected a DataFrame.")
    errors.require_columns(frame.columns, columns, what=f"The table of {what.removeprefix('the ')}")
    if frame.empty:
        raise InputError(f"There are no rows in {what}.")


def amounts(frame: pd.DataFrame, column: str, *, signed: bool = False, zero: bool = True) -> FloatArray:
    """Return a column as finite numbers, 0 or more unless `signed`, above 0 unless `zero`."""
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    bad = ~np.isfinite(values)
    if not signed:
        bad |= (values < 0) if zero else (values <= 0)
    if bad.any():
        at = int(np.argmax(bad))
        expected = "a number" if signed else f"a number {'0 or more' if zero else 'above 0'}"
        raise InputError(
            f"Column '{column}', row {at + 1} is {frame[column].iloc[at]!r}; expected {expected}."
        )
    return values


def counts(frame: pd.DataFrame, column: str) -> FloatArray:
    """Return a column as whole numbers, 0 or more."""
    values = amounts(frame, column)
    if (part := values != np.round(values)).any():
        at = int(np.argmax(part))
        raise InputError(f"Column '{column}', row {at + 1} is {values[at]:g}; expected a whole number.")
    return values


def labels(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return names from columns, joined by ' · '; an empty one is an error."""
    for column in columns:
        missing = frame[column].isna() | (frame[column].astype(str).str.strip() == "")
        if missing.any():
            raise InputError(
                f"Column '{column}', row {int(np.argmax(missing)) + 1} is empty; expected a name."
            )
    return [" · ".join(map(str, row)) for row in frame[list(columns)].itertuples(index=False, name=None)]


def peers_of(
    units: Sequence[str], peers: Mapping[str, Sequence[str]] | None, fewest: int
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Return the positions of units with at least `fewest` known peers, and of each one's peers.

    A unit is no peer of itself; peers that are not among the units are passed over.
    """
    if not isinstance(peers, Mapping):
        raise InputError("This benchmark needs peers=, a mapping of each place to the names of its peers.")
    place = {name: at for at, name in enumerate(units)}
    unknown = [name for name in peers if name not in place]
    if unknown:
        raise InputError(
            f"peers= speaks of {unknown[0]!r}, which is not in the data.{nearest(unknown[0], units)}"
        )
    judged, found = [], []
    for name in units:
        known = [place[p] for p in dict.fromkeys(peers.get(name, ())) if p in place and p != name]
        if len(known) >= fewest:
            judged.append(place[name])
            found.append(np.array(known, dtype=np.int64))
    if not judged:
        raise InputError(f"No place has {fewest} peers in the data, so none can be compared with its peers.")
    return np.array(judged, dtype=np.int64), found
