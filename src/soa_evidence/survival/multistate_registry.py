"""One row a primary, as a registry has it, to the stays that `multistate.fit` counts.

primary -> revised -> re-revised -> ... -> died, with as many revisions as there are columns. What cannot have
happened (a second revision without a first, a revision after death, anything after the end of follow-up) is
refused with its row. Two things at one time leave a stay without length: refused, unless `apart` says by how
much time the later one is to be moved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival import columns

__all__ = ["from_registry"]

FloatArray = NDArray[np.float64]
STATES = ("primary", "revised", "re-revised")
DEAD = "died"


def from_registry(
    frame: pd.DataFrame,
    *,
    id: str,
    end: str,
    revisions: Sequence[str],
    death: str | None = None,
    entry: str | None = None,
    keep: Sequence[str] = (),
    states: Sequence[str] | None = None,
    apart: float | None = None,
) -> pd.DataFrame:
    """Return one row a stay.

    Parameters
    ----------
    frame
        One row a primary.
    id
        Column that names the primary (joint), different in every row.
    end
        Time from the primary to the end of follow-up; death included or not.
    revisions
        Columns of the times of the first, second, ... revision; missing where it did not happen.
    death
        Column of the time of death; missing where alive at the end.
    entry
        Time from which the primary was observed; 0 where not given.
    keep
        Other columns to carry along.
    states
        Names of the states before the first, after the first, second, ... revision, and of death (last, where
        `death` is given). By default primary, revised, re-revised, revised 3 times, ..., died.
    apart
        Time by which the later of two events at one time is moved; None refuses such rows.

    Returns
    -------
    DataFrame
        id, entry, time, from_state, to_state (missing at the end of observation) and `keep`, in order of
        rows.

    Raises
    ------
    InputError
        Naming column and row, on an order of events that is impossible.
    """
    revisions = columns.as_list(revisions)
    if not revisions:
        raise InputError(
            "revisions is empty; name the columns of the times of the first, second, … revision."
        )
    optional = [name for name in (death, entry) if name is not None]
    columns.require(frame, [id, end, *revisions, *optional, *keep])
    repeated = frame[id].duplicated().to_numpy()
    columns.refuse(frame, id, repeated, "named in an earlier row; expected one row a primary")
    names = _names(states, len(revisions), death is not None)
    if apart is not None and not (np.isfinite(apart) and apart > 0):
        raise InputError(f"apart is {apart}; expected a time above 0, such as half a day.")
    last = columns.numbers(frame, end, "the time at which follow-up ended")
    start = np.zeros(len(frame)) if entry is None else columns.numbers(frame, entry, "a time of entry")
    if entry is not None:
        columns.refuse(frame, entry, start < 0, "a time of entry cannot be negative")
    times = [_times(frame, name) for name in revisions]
    died = np.full(len(frame), np.nan) if death is None else _times(frame, death)
    columns.refuse(
        frame, end, last <= start, "follow-up must end after it begins; leave such rows out on purpose"
    )
    _refuse_order(frame, end, revisions, death, last, times, died)
    for name, array in zip(revisions, times, strict=True):
        columns.refuse(frame, name, array < start, f"a revision before observation began (column '{entry}')")
    stop = np.where(np.isnan(died), last, died)
    steps = [*times, died]
    rows = _rows(frame, start, stop, steps, [*revisions, *([death] if death else [])], apart)
    table = frame[[id, *keep]].iloc[rows["row"].astype(np.int64)].reset_index(drop=True)
    table.insert(1, "entry", rows["entry"])
    table.insert(2, "time", rows["time"])
    table.insert(3, "from_state", _named(rows["source"], names))
    table.insert(4, "to_state", _named(rows["target"], names))
    return table


def _named(codes: NDArray[np.generic], names: tuple[str, ...]) -> pd.Series:
    return pd.Series(pd.Categorical.from_codes(codes.astype(np.int64), pd.Index(names)))


def _names(states: Sequence[str] | None, revisions: int, dies: bool) -> tuple[str, ...]:
    count = revisions + 1 + dies
    if states is None:
        more = [f"revised {k} times" for k in range(3, revisions + 1)]
        return (*[*STATES, *more][: revisions + 1], *([DEAD] if dies else []))
    if len(states) != count or len(set(states)) != count:
        raise InputError(
            f"states names {len(states)} states ({', '.join(map(str, states))}); expected {count} different "
            f"ones: before and after each of {revisions} revisions{', and death' if dies else ''}."
        )
    return tuple(str(name) for name in states)


def _times(frame: pd.DataFrame, name: str) -> FloatArray:
    values = frame[name]
    if not pd.api.types.is_numeric_dtype(values):
        raise InputError(
            f"Column '{name}' holds {values.dtype} values; expected times from the primary as numbers, "
            "missing where it did not happen."
        )
    array = values.to_numpy(dtype=float, na_value=np.nan)
    columns.refuse(frame, name, np.isinf(array), "expected a time; leave it missing where it did not happen")
    columns.refuse(frame, name, array < 0, "before the primary; a time cannot be negative")
    return array


def _refuse_order(
    frame: pd.DataFrame,
    end: str,
    revisions: list[str],
    death: str | None,
    last: FloatArray,
    times: list[FloatArray],
    died: FloatArray,
) -> None:
    if death is not None:
        columns.refuse(frame, death, died > last, f"death after follow-up ended (column '{end}')")
    for k, (name, array) in enumerate(zip(revisions, times, strict=True)):
        columns.refuse(frame, name, array > last, f"a revision after follow-up ended (column '{end}')")
        columns.refuse(frame, name, array > died, f"a revision after death (column '{death}')")
        if k:
            before, earlier = times[k - 1], revisions[k - 1]
            columns.refuse(
                frame, name, ~np.isnan(array) & np.isnan(before), f"there is no time in '{earlier}'"
            )
            columns.refuse(frame, name, array < before, f"before the revision of column '{earlier}'")


def _rows(
    frame: pd.DataFrame,
    start: FloatArray,
    stop: FloatArray,
    steps: list[FloatArray],
    named: list[str],
    apart: float | None,
) -> dict[str, NDArray[np.generic]]:
    """Return row, entry, time, source and target of every stay, in order of rows and time."""
    every = np.arange(len(start))
    begun, state = start.copy(), np.zeros(len(start), dtype=np.int64)
    parts: list[tuple[NDArray[np.generic], ...]] = []
    for k, when in enumerate(steps):
        happened = ~np.isnan(when)
        at_once = happened & (when <= begun)
        if at_once.any() and apart is None:
            columns.refuse(
                frame,
                named[k],
                at_once,
                "no later than what came before it, so the stay between has no length; give apart= to move "
                "the later event by that much time",
            )
        moved = np.where(at_once, begun + (apart or 0.0), when)
        reached = np.full(int(happened.sum()), k + 1)
        parts.append((every[happened], begun[happened], moved[happened], state[happened], reached))
        begun = np.where(happened, moved, begun)
        state = np.where(happened, k + 1, state)
    alive = np.isnan(steps[-1]) & (stop > begun)
    parts.append((every[alive], begun[alive], stop[alive], state[alive], np.full(int(alive.sum()), -1)))
    row, entry, time, source, to = (np.concatenate([part[j] for part in parts]) for j in range(5))
    order = np.lexsort((entry, row))
    return {
        "row": row[order],
        "entry": entry[order],
        "time": time[order],
        "source": source[order],
        "target": to[order],
    }
