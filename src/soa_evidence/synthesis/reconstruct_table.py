r"""Individual times rebuilt from a table of cumulative percentages with limits, where no curve is published.

Between two published times :math:`t_{j-1} < t_j` the table gives the share who fail,
:math:`q_j = 1 - S_j/S_{j-1}`, and how much the variance of log survival grows, :math:`V_j - V_{j-1}`
(`survivorship_rows`). Greenwood's formula with n people and no one censored before :math:`t_j` adds
:math:`q_j / \{(1 - q_j) n\}`, so

.. math:: n_j = \frac{q_j}{(1 - q_j)(V_j - V_{j-1})}

is the *effective number at risk*: as many people, all followed, would give the published limits. Events are
spread over the interval at a constant hazard; those whom the next interval does not need are censored at its
start. Where limits would need more people later than earlier (rounding, or other patients), neighbours are
taken as one interval.

Replicates draw the published figures anew from within their rounding.

When not to use it: where a curve with numbers at risk is published (`reconstruct.fit`); to learn anything
about the shape between two published times, which is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check
from soa_evidence.synthesis import survivorship_rows
from soa_evidence.synthesis.reconstruct_input import require_settings
from soa_evidence.synthesis.reconstructed import Reconstruction, as_curve, named, steps
from soa_evidence.synthesis.survivorship_rows import Rows

__all__ = ["from_table"]

FloatArray = NDArray[np.float64]
METHOD = "synthesis.reconstruct.from_table"
#: Limits further off than this share of their width are not those that were published.
LIMITS_OFF = 0.10
LIMITS_USELESS = 0.50
#: No study of joint replacement is larger; a larger effective number comes from limits misread.
MOST_PEOPLE = 10_000_000


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Neighbouring intervals with one effective number at risk `people` at the start."""

    first: int
    last: int
    people: float


def from_table(
    frame: pd.DataFrame,
    *,
    time: str,
    percent: str,
    lower: str,
    upper: str,
    means: str = "survival",
    interval: str = "auto",
    level: float = 0.95,
    estimate_unit: str | float | None = None,
    limit_unit: float | None = None,
    replicates: int = 20,
    seed: int,
    label: str = "published table",
    time_unit: str = "years",
) -> Reconstruction:
    """Rebuild individual data of one study from percentages with limits at one time or more.

    Parameters
    ----------
    frame
        One row a time, of one group of patients.
    time, percent, lower, upper, means, interval, level, estimate_unit, limit_unit
        As `survivorship_rows.read` takes them.
    replicates, seed
        As for `reconstruct.fit`; replicates draw from within the rounding.

    Returns
    -------
    Reconstruction
        `at_risk` compares effective numbers at risk with those rebuilt; `published` has the limits too.

    Raises
    ------
    InputError
        As `survivorship_rows.read`; on a time given twice, survival that rises, or limits too narrow for any
        number of people.
    """
    require_settings({}, replicates=replicates, seed=seed)
    rows = survivorship_rows.read(
        frame, time=time, percent=percent, lower=lower, upper=upper, means=means, interval=interval,
        level=level, estimate_unit=estimate_unit, limit_unit=limit_unit,
    )  # fmt: skip
    rows = _in_order(rows, frame, time, percent)
    blocks = _blocks(rows.time, rows.used, rows.log_variance)
    if max(block.people for block in blocks) > MOST_PEOPLE:
        raise InputError(
            f"The limits of {label!r} are those of more than {MOST_PEOPLE:,} people; are they standard "
            "errors, or rounded to nothing?"
        )
    central = _build(rows.time, rows.used, blocks)
    if not (central["event"] == 1).any():
        raise InputError(
            f"The limits of {label!r} are so wide that they are those of less than one event; nothing can be "
            "rebuilt from them. Are they limits of another level or quantity?"
        )
    rng = np.random.default_rng(seed)
    parts = [central.assign(replicate=0)]
    for replicate in range(1, replicates + 1):
        survival, variance = _within_rounding(rows, level, rng)
        parts.append(
            _build(rows.time, survival, _blocks(rows.time, survival, variance)).assign(replicate=replicate)
        )
    people = pd.concat(parts, ignore_index=True)[["replicate", "time", "event", "weight"]]
    return _result(rows, people, blocks, level, label, time_unit)


def _in_order(rows: Rows, frame: pd.DataFrame, time: str, percent: str) -> Rows:
    order = np.argsort(rows.time, kind="stable")
    t, s = rows.time[order], rows.used[order]
    if (np.diff(t) == 0).any():
        at = int(order[int(np.argmax(np.diff(t) == 0)) + 1])
        raise InputError(
            f"Column '{time}', row {at}: {frame[time].iloc[at]} is given twice; one table is of one group, "
            "with one row a time."
        )
    if (np.diff(s) >= 0).any():
        at = int(order[int(np.argmax(np.diff(s) >= 0)) + 1])
        raise InputError(
            f"Column '{percent}', row {at}: {frame[percent].iloc[at]}; survival does not fall from the time "
            "before. In one group it cannot rise, and without a fall nothing is known of the interval."
        )
    names = (
        "time",
        "survival",
        "lower",
        "upper",
        "used",
        "log_variance",
        "rounding",
        "off_centre",
        "estimate_unit",
    )
    taken = {name: getattr(rows, name)[order] for name in names}
    return Rows(interval=rows.interval, limit_unit=rows.limit_unit, **taken)


def _blocks(time: FloatArray, survival: FloatArray, log_variance: FloatArray) -> list[_Block]:
    """Return effective numbers at risk; neighbours that would need more people later become one block."""
    found: list[_Block] = []
    for at in range(len(time)):
        block = _block(at, at, survival, log_variance)
        while found and not block.people <= _left(found[-1], survival):
            block = _block(found.pop().first, at, survival, log_variance)
        found.append(block)
    return found


def _block(first: int, last: int, survival: FloatArray, log_variance: FloatArray) -> _Block:
    before = survival[first - 1] if first else 1.0
    kept = survival[last] / before
    grown = log_variance[last] - (log_variance[first - 1] if first else 0.0)
    people = (1 - kept) / (kept * grown) if grown > 0 else np.inf
    return _Block(first=first, last=last, people=float(people))


def _left(block: _Block, survival: FloatArray) -> float:
    before = survival[block.first - 1] if block.first else 1.0
    return float(block.people * survival[block.last] / before)


def _build(time: FloatArray, survival: FloatArray, blocks: list[_Block]) -> pd.DataFrame:
    when: list[FloatArray] = []
    event: list[FloatArray] = []
    weight: list[FloatArray] = []
    rebuilt, left = 1.0, 0
    for place, block in enumerate(blocks):
        people = max(round(block.people), 1)
        # the rebuilt count before can be short of it by rounding alone
        people = people if place == 0 else min(people, left)
        if place and left > people:
            when.append(np.array([time[block.first - 1]]))
            event.append(np.zeros(1))
            weight.append(np.array([float(left - people)]))
        left = people
        for at in range(block.first, block.last + 1):
            share = min(max(1 - survival[at] / rebuilt, 0.0), 1.0)
            found = min(round(left * share), left)
            if found:
                start = time[at - 1] if at else 0.0
                place_in = np.log1p(-share * (np.arange(found) + 0.5) / found) / np.log1p(
                    -min(share, 1 - 1e-12)
                )
                when.append(start + (time[at] - start) * np.minimum(place_in, 1.0))
                event.append(np.ones(found))
                weight.append(np.ones(found))
                rebuilt *= 1 - found / left
                left -= found
    if left:
        when.append(time[-1:])
        event.append(np.zeros(1))
        weight.append(np.array([float(left)]))
    return pd.DataFrame(
        {
            "time": np.concatenate(when),
            "event": np.concatenate(event).astype(np.int64),
            "weight": np.concatenate(weight).astype(np.int64),
        }
    )


def _within_rounding(rows: Rows, level: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw figures that would be printed as these are, survival falling and within its limits."""
    tiny = 1e-9
    for _ in range(_TRIES):
        unit = np.minimum(rows.estimate_unit, np.maximum(rows.limit_unit, 2 * rows.rounding * np.sqrt(3)))
        s = rows.used + unit * (rng.random(len(rows)) - 0.5)
        low = rows.lower + rows.limit_unit * (rng.random(len(rows)) - 0.5)
        high = rows.upper + rows.limit_unit * (rng.random(len(rows)) - 0.5)
        low, high = np.clip(low, tiny, 1 - tiny), np.clip(high, tiny, 1 - tiny)
        possible = (np.diff(np.concatenate([[1.0], s])) < 0).all() and (low < s).all() and (s < high).all()
        if possible and (s > 0).all():
            return s, survivorship_rows.variance(s, low, high, rows.interval, level)
    return rows.used, rows.log_variance


_TRIES = 200


def _result(
    rows: Rows, people: pd.DataFrame, blocks: list[_Block], level: float, label: str, time_unit: str
) -> Reconstruction:
    own = people[people["replicate"] == 0]
    rebuilt, log_variance = steps(own).read(rows.time)
    low, high = survivorship_rows.limits(rebuilt, log_variance, rows.interval, level)
    published = pd.DataFrame(
        {
            "time": rows.time,
            "published": rows.used,
            "reconstructed": rebuilt,
            "difference": rebuilt - rows.used,
            "published_lower": rows.lower,
            "reconstructed_lower": low,
            "published_upper": rows.upper,
            "reconstructed_upper": high,
        }
    )
    starts = np.array([rows.time[b.first - 1] if b.first else 0.0 for b in blocks])
    present = [float(own.loc[(own["time"] > start), "weight"].sum()) for start in starts]
    numbers = pd.DataFrame(
        {"time": starts, "published": [b.people for b in blocks], "reconstructed": present}
    )
    checks = named(_checks(rows, published, blocks), label)
    counted = people.assign(events=people["weight"] * people["event"])
    far = [
        float(np.abs(steps(mine).read(rows.time)[0] - rows.used).max())
        for _, mine in people.groupby("replicate")
    ]
    table = counted.groupby("replicate")[["weight", "events"]].sum().rename(columns={"weight": "people"})
    return Reconstruction(
        label=label,
        time_unit=time_unit,
        method=METHOD,
        curve=as_curve(people, label=label, time_unit=time_unit, method=METHOD, level=level, checks=checks),
        published=published,
        at_risk=numbers,
        replicates=table.assign(largest_difference=far).reset_index(),
        rows=people,
        checks=checks,
    )


def _checks(rows: Rows, published: pd.DataFrame, blocks: list[_Block]) -> tuple[Check, ...]:
    gap = np.abs(published["difference"].to_numpy())
    allowed = rows.estimate_unit / 2 + 0.5 / min(block.people for block in blocks)
    width = (rows.upper - rows.lower) + rows.limit_unit
    off = np.maximum(
        np.abs(published["reconstructed_lower"] - published["published_lower"]),
        np.abs(published["reconstructed_upper"] - published["published_upper"]),
    )
    share = float(np.max(np.maximum(off - rows.limit_unit / 2, 0.0) / width))
    merged = sum(block.last - block.first for block in blocks)
    worst = float(np.max(gap - allowed))
    return (
        Check(
            name="published percentages returned, largest difference",
            verdict="pass" if worst <= 0 else "warn" if gap.max() <= 0.01 else "fail",
            observed=f"{100 * gap.max():.3f} percentage points",
            expected=f"at most {100 * allowed.min():.3f}, half the last digit and half a person",
            why="people who do not give back the percentages they come from are other people",
        ),
        Check(
            name="published limits returned, largest difference beyond rounding",
            verdict="pass" if share <= LIMITS_OFF else "warn" if share <= LIMITS_USELESS else "fail",
            observed=f"{share:.1%} of an interval's width ({rows.interval} limits)",
            expected=f"at most {LIMITS_OFF:.0%}",
            why="limits are the only thing that says how many people stand behind a percentage",
        ),
        Check(
            name="published limits that need more people later than before",
            verdict="warn" if merged else "pass",
            observed=f"{merged} of {len(rows)} times taken together with the one before",
            expected="none",
            why="people do not come back: limits are rounded, misprinted or of other patients",
        ),
    )
