"""A flow of records that adds up: every box the sum of its parts, every declared number the number counted.

The flow is a tree of boxes in the manner of PRISMA 2020 (Page et al. 2021, BMJ 372:n71): what was identified,
examined, left out and why, kept, and used. Nothing is drawn from a flow that does not add up.

When not to use it: to make a search look like one that was not done. A box may hold 0, and says so.

Checked against: counts made by hand (tests/unit).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check
from soa_evidence.synthesis.studies import require_columns

__all__ = ["Flow", "count", "fit", "with_use"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Flow:
    """A flow that adds up.

    Attributes
    ----------
    boxes : DataFrame
        box, part_of (None for a beginning), same_as, count.
    checks : tuple of Check
    """

    boxes: pd.DataFrame
    checks: tuple[Check, ...]

    def count(self, box: str) -> int:
        """Return the number in a box."""
        found = self.boxes.set_index("box")["count"]
        if box not in found.index:
            raise InputError(
                f"The flow has no box {box!r}.{nearest(box, found.index)} It has: {', '.join(found.index)}."
            )
        return int(found[box])

    def parts(self, box: str) -> pd.DataFrame:
        """Return the boxes that add up to `box`, largest first; none where it is not divided."""
        self.count(box)
        own = self.boxes[self.boxes["part_of"] == box]
        return own.sort_values("count", ascending=False, kind="stable").reset_index(drop=True)


def fit(
    boxes: pd.DataFrame,
    *,
    box: str = "box",
    count: str = "figures",
    part_of: str = "part_of",
    same_as: str | None = "same_as",
    counted: Mapping[str, int] | None = None,
) -> Flow:
    """Reconcile a flow, one row a box.

    Parameters
    ----------
    box, count, part_of, same_as
        Columns: name, number, the box it is a part of (missing for none), the box it must equal.
    counted
        Numbers counted from the log of records, by box, which the declared ones must agree with.

    Raises
    ------
    InputError
        Naming the box: on a missing column, no rows, a name that repeats or is unknown, a count that is not a
        whole number of at least 0, a box that is part of itself, parts that do not add up, boxes that should
        be equal and are not, or a declared number that is not the number counted.
    """
    require_columns(boxes, [box, count, part_of, *([same_as] if same_as else [])])
    if boxes.empty:
        raise InputError("The frame of boxes is empty; expected one row a box.")
    frame = pd.DataFrame(
        {
            "box": boxes[box].astype(str),
            "part_of": boxes[part_of].astype(object).where(boxes[part_of].notna(), None),
            "same_as": boxes[same_as].astype(object).where(boxes[same_as].notna(), None) if same_as else None,
        }
    ).reset_index(drop=True)
    repeated = frame.loc[frame["box"].duplicated(), "box"]
    if len(repeated):
        raise InputError(f"Box '{repeated.iloc[0]}' is there twice; every box is counted once.")
    frame["count"] = [_whole(value, name) for value, name in zip(boxes[count], frame["box"], strict=True)]
    _require_known(frame)
    _require_sums(frame)
    if counted is not None:
        _require_counted(frame, counted)
    inner = int(frame["box"].isin(frame["part_of"]).sum())
    log = "declared numbers are those counted in the log" if counted is not None else "no log was compared"
    return Flow(
        boxes=frame,
        checks=(
            Check(
                name="flow of records adds up",
                verdict="pass",
                observed=f"{inner} boxes are the sum of their parts; {log}",
                expected="every box",
                why="a record that is lost on the way would not be missed anywhere else",
            ),
        ),
    )


def count(log: pd.DataFrame, *, stage: str = "stage", reason: str = "reason") -> dict[str, int]:
    """Count a log of records, one row a record: by stage, and by reason where one is given.

    Raises
    ------
    InputError
        On a missing column, or a record without a stage.
    """
    require_columns(log, [stage, reason])
    if log[stage].isna().any():
        at = int(log[stage].isna().to_numpy().argmax())
        raise InputError(f"Column '{stage}', row {at}: missing; every record must have gone somewhere.")
    parts = (log[stage], log[reason].dropna())
    return {str(name): int(number) for part in parts for name, number in part.value_counts().items()}


def with_use(
    boxes: pd.DataFrame, *, of: str, used: Iterable[str], records: Iterable[str], count: str = "figures"
) -> pd.DataFrame:
    """Return the boxes with `of` divided into records used in a pooled figure and records shown singly.

    Raises
    ------
    InputError
        When a record was used that is not among `records`, the records of the box `of`.
    """
    mine, pooled = set(records), set(used)
    strangers = sorted(pooled - mine)
    if strangers:
        raise InputError(
            f"Record '{strangers[0]}' was pooled, but it is not one of the {len(mine)} records of the box "
            f"'{of}'."
        )
    rows = [("in a pooled result", len(pooled)), ("shown by itself", len(mine - pooled))]
    more = pd.DataFrame([{"box": name, "part_of": of, count: number} for name, number in rows])
    return pd.concat([boxes, more], ignore_index=True)


def _whole(value: object, name: str) -> int:
    number = pd.to_numeric(pd.Series([value]), errors="coerce").iloc[0]
    if pd.isna(number) or number != round(number) or number < 0:
        raise InputError(f"Box '{name}' holds {value!r}; expected a whole number of at least 0.")
    return int(number)


def _require_known(frame: pd.DataFrame) -> None:
    for column in ("part_of", "same_as"):
        for name, other in zip(frame["box"], frame[column], strict=True):
            if other is None:
                continue
            if other == name:
                raise InputError(f"Box '{name}' names itself in '{column}'.")
            if other not in set(frame["box"]):
                raise InputError(
                    f"Box '{name}' names the unknown box {other!r} in "
                    f"'{column}'.{nearest(other, frame['box'])}"
                )


def _require_sums(frame: pd.DataFrame) -> None:
    counts = dict(zip(frame["box"], frame["count"], strict=True))
    for name, parts in frame.groupby("part_of", sort=False):
        total = int(parts["count"].sum())
        if total != counts[str(name)]:
            listed = " + ".join(f"{row.count_} {row.box}" for row in parts.rename(
                columns={"count": "count_"}).itertuples())  # fmt: skip
            raise InputError(
                f"Box '{name}' holds {counts[str(name)]}, but its parts add up to {total} ({listed}). "
                "A record was lost or counted twice."
            )
    for name, other in zip(frame["box"], frame["same_as"], strict=True):
        if other is not None and counts[name] != counts[other]:
            raise InputError(
                f"Box '{name}' holds {counts[name]} and box '{other}' {counts[other]}; they must be the same."
            )


def _require_counted(frame: pd.DataFrame, counted: Mapping[str, int]) -> None:
    declared = dict(zip(frame["box"], frame["count"], strict=True))
    for name, number in counted.items():
        if name not in declared:
            raise InputError(
                f"The log counts {number} for '{name}', which is no box.{nearest(name, declared)}"
            )
        if declared[name] != number:
            raise InputError(f"Box '{name}' declares {declared[name]}, but the log counts {number}.")
