"""Events and person-time by band of follow-up and pattern of covariates: a registry as a table of cells.

Follow-up is cut at `breaks` b1 < b2 < … into the bands (0, b1], (b1, b2], …, (bK, ∞). A row under observation
from `entry` to `time` spends in the band (a, b]

    person-time = max( 0, min(time, b) - max(entry, a) )

and its event falls in the band that holds `time`: one exactly on a break belongs to the band that ends there.
Rows of the same values of `by` are added up. Where the hazard is constant within a band and given `by`, the
cells are sufficient: the likelihood of a million rows is that of the cells, a Poisson likelihood with events
as counts and the log of person-time as offset (`piecewise_exponential`).

A row that ends at time 0 adds no person-time; its event, if it had one, counts in the first band.

When not to use it: with a continuous covariate in `by`, where every row is a pattern of its own and nothing
collapses; band the covariate, and say so.

Sources: Holford (1980), Biometrics 36:299; Laird & Olivier (1981), JASA 76:231.

Checked against: R survival::survSplit and a plain loop over rows in tests/reference/parametric and
tests/properties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival import columns
from soa_evidence.survival.records import cause_codes, starts

__all__ = ["band_edges", "band_names", "collapse", "patterns"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Columns that `collapse` adds, so that no column of `by` may have their names.
MADE = ("band", "start", "stop", "person_time", "rows")
MOST_CELLS = 50_000_000  # counts kept at once; beyond it the patterns are rows, and collapsing is no help


def collapse(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    breaks: Sequence[float],
    by: str | Sequence[str] | None = None,
    entry: str | None = None,
    weights: str | None = None,
    competing: bool = False,
    causes: Mapping[int, str] | None = None,
) -> pd.DataFrame:
    """Count events and person-time in every band of every pattern.

    Parameters
    ----------
    frame
        One row a person (or an interval of one).
    time, event, entry
        End of observation, what ended it, and its start where later than 0; with `competing`, `event` is 0
        for censored and 1, 2, … for the causes, which `causes` names.
    breaks
        Times at which follow-up is cut: increasing, above 0, in the unit of `time`. The last band is open. An
        empty list leaves one band.
    by
        Columns whose distinct combinations are the patterns; none for one pattern.
    weights
        A column of weights above 0; events and person-time are then sums of weights.

    Returns
    -------
    DataFrame
        One row a cell in which anyone was observed, by pattern and then band: the columns of `by` with their
        own values; `band` (0, 1, …), `start` and `stop` of the band (`stop` of the last is infinite);
        `events`, or with `competing` one column ``events_<cause>`` for each cause; `person_time`; and `rows`,
        how many rows of `frame` were observed in the cell.

    Raises
    ------
    InputError
        Naming column and row, as `records.prepare`; on breaks that do not increase from above 0; on a column
        of `by` with gaps or with the name of a column made here.
    """
    by = columns.as_list(by)
    columns.require(frame, [time, event, *[c for c in (entry, weights) if c is not None], *by])
    for name in by:
        if name in MADE or name.startswith("events"):
            raise InputError(f"Column '{name}' of by= has the name of a column made here; rename it.")
    edges = band_edges(breaks)
    stop = columns.numbers(frame, time, "a time")
    columns.refuse(frame, time, stop < 0, "a time from the start of observation cannot be negative")
    start = np.zeros(len(stop)) if entry is None else starts(frame, entry, time, stop)
    cause, names = cause_codes(frame, event, competing=competing, causes=causes)
    weight = None if weights is None else columns.weights(frame, weights, whole=False)
    code, first = patterns(frame, by)
    bands = len(edges) - 1
    if len(first) * bands * (len(names) + 2) > MOST_CELLS:
        raise InputError(
            f"by= has {len(first):,} patterns and breaks= {bands} bands: too many cells to be worth "
            "collapsing. Band continuous columns first."
        )
    counted = _counted(stop, start, cause, weight, code, len(first), edges, len(names))
    return _cells(frame[by].iloc[first], edges, counted, names if competing else None)


def _counted(
    stop: FloatArray,
    start: FloatArray,
    cause: IntArray,
    weight: FloatArray | None,
    code: IntArray,
    size: int,
    edges: FloatArray,
    causes: int,
) -> tuple[FloatArray, FloatArray, IntArray]:
    from soa_evidence.survival.exposure_kernels import count

    return count(stop, start, cause, np.ones(1) if weight is None else weight, code, size, edges, causes)


def _cells(
    patterns: pd.DataFrame,
    edges: FloatArray,
    counted: tuple[FloatArray, FloatArray, IntArray],
    causes: tuple[str, ...] | None,
) -> pd.DataFrame:
    events, person_time, rows = counted
    pattern, band = np.nonzero(rows)
    cells = patterns.iloc[pattern].reset_index(drop=True)
    cells = cells.assign(band=band, start=edges[band], stop=edges[band + 1])
    for k, name in enumerate(causes or ("",)):
        cells[f"events_{name}" if causes else "events"] = events[pattern, band, k]
    return cells.assign(person_time=person_time[pattern, band], rows=rows[pattern, band])


def band_edges(breaks: Sequence[float]) -> FloatArray:
    """Return 0, the breaks, infinity (shape (K + 1,)), refusing breaks that do not increase from above 0."""
    try:
        cuts = np.asarray(list(breaks), dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"breaks is {breaks!r}; expected increasing times, such as [1, 3, 5, 10].") from None
    if cuts.ndim != 1 or not np.isfinite(cuts).all():
        raise InputError("breaks holds a value that is not a finite time; the last band is open by itself.")
    if (cuts <= 0).any():
        raise InputError(
            f"breaks holds {cuts[cuts <= 0][0]:g}; expected times above 0, the start of follow-up."
        )
    if (np.diff(cuts) <= 0).any():
        at = int(np.argmax(np.diff(cuts) <= 0))
        raise InputError(f"breaks must increase: {cuts[at + 1]:g} comes after {cuts[at]:g}.")
    return np.concatenate([[0.0], cuts, [np.inf]])


def band_names(edges: FloatArray) -> tuple[str, ...]:
    """Return a name for each band: ``"0 to 1"``, …, ``"10 and over"``; ``"all follow-up"`` for one alone."""
    if len(edges) == 2:
        return ("all follow-up",)
    closed = [f"{a:g} to {b:g}" for a, b in pairwise(edges[:-1])]
    return (*closed, f"{edges[-2]:g} and over")


def patterns(frame: pd.DataFrame, names: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Give a number to each of the distinct combinations of columns.

    Returns
    -------
    code : array of shape (n,)
        Pattern of each row, in sorted order of the columns' values.
    first : array of shape (P,)
        A row of each pattern, from which its values can be read.
    """
    code = np.zeros(len(frame), dtype=np.int64)
    size = 1
    for name in names:
        more, distinct = _numbered(frame, name)
        code, size = _dense(code * distinct + more, size * distinct)
    first = np.empty(size, dtype=np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]
    return code, first


def _numbered(frame: pd.DataFrame, name: str) -> tuple[IntArray, int]:
    values = frame[name]
    if pd.api.types.is_numeric_dtype(values) and not values.isna().any():
        # Without a name for each value, which is most of the work where all are distinct.
        codes, distinct = pd.factorize(values, sort=True)
        return codes.astype(np.int64, copy=False), len(distinct)
    codes, labels = columns.factorise(frame, [name])
    return codes, len(labels)


def _dense(joint: IntArray, size: int) -> tuple[IntArray, int]:
    """Renumber so that every number up to the new size occurs, keeping the order."""
    if size <= 4 * len(joint) + 1000:
        seen = np.bincount(joint, minlength=size) > 0
        return (np.cumsum(seen) - 1)[joint], int(seen.sum())
    codes, distinct = pd.factorize(joint, sort=True)
    return codes.astype(np.int64, copy=False), len(distinct)
