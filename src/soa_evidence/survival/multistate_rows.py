"""Stays in a state, checked row by row and coded: what the multi-state estimator counts.

A row is one stay of one person: in `from_state` after `entry` up to and including `time`, when the person
moves to `to_state`, or observation ends there (`to_state` missing). A person's rows follow one another: they
may not overlap, and a stay begins in the state in which the last one ended, also after a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.survival import columns
from soa_evidence.survival.records import Records, prepare

__all__ = ["Stays", "arrow", "stays"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MOST_STATES = 30  # more are identifiers in the wrong column, not states


@dataclass(frozen=True, eq=False, kw_only=True)
class Stays:
    """Coded stays.

    Attributes
    ----------
    records : Records
        Times on one axis, groups and weights; `cause` is the state moved to, plus 1, or 0.
    states : tuple of str
    state : array of shape (n,)
        Position of the state of each stay.
    move : array of shape (n,)
        Position of its transition among `source` and `target`, or -1.
    source, target : arrays of shape (R,)
        Transitions seen, by states left and reached.
    person, cluster : arrays of shape (n,)
    first : array of shape (n,)
        Whether it is the person's first stay.
    """

    records: Records
    states: tuple[str, ...]
    state: IntArray
    move: IntArray
    source: IntArray
    target: IntArray
    person: IntArray
    cluster: IntArray
    first: NDArray[np.bool_]

    @property
    def transitions(self) -> tuple[str, ...]:
        """Names of the transitions seen, as ``"from -> to"``."""
        return tuple(
            arrow(self.states[a], self.states[b]) for a, b in zip(self.source, self.target, strict=True)
        )


def arrow(source: str, target: str) -> str:
    """Return the name of a transition."""
    return f"{source} -> {target}"


def stays(
    frame: pd.DataFrame,
    *,
    id: str,
    time: str,
    from_state: str,
    to_state: str,
    entry: str | None,
    states: Sequence[str] | None,
    by: str | Sequence[str] | None,
    weights: str | None,
    cluster: str | None,
) -> Stays:
    """Check and code a frame of stays.

    Raises
    ------
    InputError
        Naming column and row, on anything that is not as the module says.
    """
    others = [name for name in (entry, weights, cluster) if name is not None]
    columns.require(frame, [id, time, from_state, to_state, *others, *columns.as_list(by)])
    if weights is not None and cluster is not None:
        raise InputError(
            "weights= and cluster= together are not defined: a weight repeats a person, not a cluster. Give "
            "one."
        )
    names, source, target = _states(frame, from_state, to_state, states)
    columns.refuse(
        frame, to_state, source == target, f"the state that '{from_state}' has already; a move goes elsewhere"
    )
    keep = [name for name in (time, entry, weights) if name is not None]
    small = frame[[*keep, *columns.as_list(by)]].assign(**{to_state: target + 1})
    records = prepare(
        small,
        time=time,
        event=to_state,
        entry=entry,
        weights=weights,
        by=by,
        competing=True,
        causes={k + 1: name for k, name in enumerate(names)},
    )
    if (records.cause == 0).all():
        raise InputError(
            f"Column '{to_state}' is missing in every row: no one moves, so nothing can be estimated."
        )
    columns.refuse(frame, time, records.axis[records.exit] <= 0, "a stay must last: its end must be above 0")
    person, _ = columns.factorise(frame, [id])
    first = _follow(frame, id, from_state, records, person, source, target)
    pairs = np.where(target >= 0, source * len(names) + target, -1)
    seen = np.unique(pairs[pairs >= 0])
    if weights is not None:
        _refuse_unequal_weights(frame, weights, records, person)
    return Stays(
        records=records,
        states=names,
        state=source,
        move=np.where(pairs >= 0, np.searchsorted(seen, pairs), -1),
        source=seen // len(names),
        target=seen % len(names),
        person=person,
        cluster=person if cluster is None else columns.factorise(frame, [cluster])[0],
        first=first,
    )


def _states(
    frame: pd.DataFrame, from_state: str, to_state: str, given: Sequence[str] | None
) -> tuple[tuple[str, ...], IntArray, IntArray]:
    """Return the states, and each row's state and the one moved to (-1 for none)."""
    source, source_names = columns.factorise(frame, [from_state])
    values = frame[to_state]
    moved = values.notna().to_numpy()
    target, target_names = (
        columns.factorise(frame.loc[moved, [to_state]], [to_state]) if moved.any() else (source[:0], ())
    )
    if given is None:
        names = (*source_names, *(name for name in target_names if name not in source_names))
    else:
        names = tuple(str(name) for name in given)
        if len(set(names)) != len(names):
            raise InputError(f"states names a state twice: {', '.join(names)}.")
        for column, found in ((from_state, source_names), (to_state, target_names)):
            for name in found:
                if name not in names:
                    raise InputError(
                        f"Column '{column}' holds the state '{name}', which states= does not name."
                        f"{nearest(name, names)} States: {', '.join(names)}."
                    )
    if len(names) > MOST_STATES:
        raise InputError(
            f"There are {len(names)} states; expected at most {MOST_STATES}. Is '{from_state}' an identifier?"
        )
    place = {name: at for at, name in enumerate(names)}
    to = np.full(len(frame), -1, dtype=np.int64)
    to[moved] = np.array([place[name] for name in target_names], dtype=np.int64)[target]
    return names, np.array([place[name] for name in source_names], dtype=np.int64)[source], to


def _follow(
    frame: pd.DataFrame,
    id: str,
    from_state: str,
    records: Records,
    person: IntArray,
    source: IntArray,
    target: IntArray,
) -> NDArray[np.bool_]:
    """Refuse a person's rows that overlap or do not follow; return which rows are a person's first."""
    entry = np.full(len(person), -1, dtype=np.int64) if records.entry is None else records.entry
    order = np.argsort(person * (len(records.axis) + 1) + entry + 1, kind="stable")
    last, this = order[:-1], order[1:]
    same = person[last] == person[this]
    overlap = np.zeros(len(person), dtype=bool)
    overlap[this] = same & (entry[this] < records.exit[last])
    columns.refuse(
        frame,
        id,
        overlap,
        "this stay begins before the person's last one ended; stays of a person may not overlap",
    )
    ends_in = np.where(target >= 0, target, source)
    strange = np.zeros(len(person), dtype=bool)
    strange[this] = same & (source[this] != ends_in[last])
    if strange.any():
        columns.refuse(
            frame,
            from_state,
            strange,
            "not the state in which the person's last stay ended, so a move is missing",
        )
    first = np.ones(len(person), dtype=bool)
    first[this] = ~same
    return first


def _refuse_unequal_weights(frame: pd.DataFrame, weights: str, records: Records, person: IntArray) -> None:
    weight = np.asarray(records.weight)
    of_person = np.zeros(int(person.max()) + 1)
    of_person[person] = weight
    columns.refuse(
        frame,
        weights,
        of_person[person] != weight,
        "a person's rows must have one weight: it repeats the person",
    )
