"""A digitised curve and its numbers at risk, checked point by point and made to fall.

When not to use it: by itself; `synthesis.reconstruct` calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, require_seed
from soa_evidence.synthesis.reconstruct_steps import isotonic
from soa_evidence.synthesis.studies import require_columns

__all__ = ["Published", "read", "require_settings"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Published:
    """What the publication shows.

    Attributes
    ----------
    time, survival : arrays of shape (K,)
        The points, times increasing after 0, made to fall.
    risk_time, number : arrays of shape (m,)
        Numbers at risk just before each time, up to the first 0.
    end
        Where the curve ends.
    total_events : int or None
    moved
        Furthest that a point was moved to make the curve fall.
    level_after
        Where the drawn curve ended, if people were at risk later.
    dropped
        Points left out because nobody was at risk any more.
    """

    time: FloatArray
    survival: FloatArray
    risk_time: FloatArray
    number: IntArray
    end: float
    total_events: int | None
    moved: float
    level_after: float | None
    dropped: int

    def intervals(self) -> Iterator[tuple[float, float, int, int | None, bool]]:
        """Yield start, end, number at risk, how many leave (None: unknown), and whether it is the last."""
        count = len(self.number)
        for i in range(count - 1):
            upper = float(self.risk_time[i + 1])
            ends = self.number[i + 1] == 0
            if ends and self.risk_time[i] < self.end < upper:
                upper = self.end
            yield (
                float(self.risk_time[i]),
                upper,
                int(self.number[i]),
                int(self.number[i] - self.number[i + 1]),
                bool(ends),
            )
        if self.number[-1] > 0:
            yield float(self.risk_time[-1]), self.end, int(self.number[-1]), None, True


def require_settings(errors: Mapping[str, float], *, replicates: int, seed: int) -> None:
    """Refuse errors of reading below 0, fewer than two replicates and a seed below 0."""
    for name, value in errors.items():
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"{name} is {value}; expected a standard deviation of 0 or more.")
    for name in ("point_error", "axis_error"):
        if errors.get(name, 0.0) > 0.2:
            raise InputError(
                f"{name} is {errors[name]}: a fifth of the whole axis. Expected a share such as 0.005; a "
                "percentage is divided by 100."
            )
    if replicates < 2:
        raise InputError(
            f"replicates is {replicates}; expected at least 2 (20 is usual), or reading errors cannot show."
        )
    require_seed(seed)


def read(
    points: pd.DataFrame,
    time: str,
    survival: str,
    at_risk: pd.DataFrame,
    risk_time: str,
    risk_number: str,
    total_events: int | None,
    point_error: float,
) -> Published:
    """Check points and numbers at risk; see `Published` for what is made of them."""
    when, number = _numbers_at_risk(at_risk, risk_time, risk_number)
    x, y = _points(points, time, survival, point_error)
    _require_total(total_events, int(number[0]))
    dropped = 0
    if number[-1] == 0:
        late = x > when[-1]
        dropped = int(late.sum())
        x, y = x[~late], y[~late]
    falling = np.clip(isotonic(y), 0.0, 1.0)
    if not len(x) or not falling[-1] < 1:
        raise InputError(
            f"Column '{survival}' never falls below 1: the curve shows no event, so nothing can be rebuilt."
        )
    last = float(x[-1])
    ends_early = bool(number[-1] > 0 and last < when[-1])
    return Published(
        time=x,
        survival=falling,
        risk_time=when,
        number=number,
        end=max(last, float(when[-1])) if number[-1] > 0 else last,
        total_events=total_events,
        moved=float(np.abs(falling - np.clip(y, 0.0, 1.0)).max()),
        level_after=last if ends_early else None,
        dropped=dropped,
    )


def _column(frame: pd.DataFrame, name: str, what: str) -> FloatArray:
    values = frame[name]
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        raise InputError(f"Column '{name}' holds {values.dtype} values; expected {what}, as numbers.")
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    broken = ~np.isfinite(numbers)
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(f"Column '{name}', row {at}: {values.iloc[at]}; expected {what}.")
    return numbers


def _require_frame(frame: object, what: str, needed: list[str]) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Expected {what} as a pandas DataFrame; got {type(frame).__name__}.")
    require_columns(frame, needed)
    if frame.empty:
        raise InputError(f"There are no rows of {what}; expected at least one.")


def _points(
    frame: pd.DataFrame, time: str, survival: str, point_error: float
) -> tuple[FloatArray, FloatArray]:
    _require_frame(frame, "digitised points", [time, survival])
    x, y = _column(frame, time, "a time"), _column(frame, survival, "survival from 0 to 1")
    # reading may overshoot the axis by its own error, but not by much more
    slack = 0.01 + 5 * point_error
    bad = (y > 1 + slack) | (y < -slack)
    if bad.any():
        at = int(np.argmax(bad))
        hint = " Are these percentages? Divide them by 100." if y.max() > 1.5 else ""
        raise InputError(f"Column '{survival}', row {at}: {y[at]:g}; expected survival from 0 to 1.{hint}")
    if (x < 0).any():
        at = int(np.argmax(x < 0))
        raise InputError(f"Column '{time}', row {at}: {x[at]:g}; times are counted from 0.")
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    # two points of one time are the top and the foot of a step: the foot is survival from then on
    first = np.concatenate([[True], np.diff(x) > 0])
    later = first & (x > 0)
    return x[later], y[later]


def _numbers_at_risk(frame: pd.DataFrame, time: str, number: str) -> tuple[FloatArray, IntArray]:
    _require_frame(frame, "numbers at risk", [time, number])
    when, count = _column(frame, time, "a time"), _column(frame, number, "a number of people")
    if (np.diff(when) <= 0).any():
        at = int(np.argmax(np.diff(when) <= 0)) + 1
        raise InputError(
            f"Column '{time}', row {at}: {when[at]:g} does not come after {when[at - 1]:g}; expected the "
            "times of the numbers at risk in order, each once."
        )
    if when[0] != 0:
        raise InputError(
            f"The numbers at risk begin at {when[0]:g}; expected a first row at time 0 with everyone in it."
        )
    broken = (count < 0) | (count != np.floor(count))
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(f"Column '{number}', row {at}: {count[at]:g}; expected a whole number of people.")
    if count[0] < 1:
        raise InputError(f"Column '{number}', row 0: nobody is at risk at time 0; expected at least one.")
    if (np.diff(count) > 0).any():
        at = int(np.argmax(np.diff(count) > 0)) + 1
        raise InputError(
            f"Column '{number}', row {at}: {count[at]:g} at risk after {count[at - 1]:g}. Numbers at risk do "
            "not rise; is a figure misread, or do people enter late?"
        )
    if (count == 0).any():
        keep = int(np.argmax(count == 0)) + 1
        when, count = when[:keep], count[:keep]
    return when, count.astype(np.int64)


def _require_total(total: int | None, people: int) -> None:
    if total is None:
        return
    if total != int(total) or total < 0 or total > people:
        raise InputError(
            f"total_events is {total}; expected a whole number from 0 to the {people} at risk at time 0."
        )
