r"""Individual times rebuilt from a published Kaplan-Meier curve and its numbers at risk, errors included.

The curve gives how large a share has the event at each step, the numbers at risk how many leave between two
times: together they fix how many were censored (`reconstruct_steps`), as Guyot, Ades, Ouwens & Welton showed
(2012, BMC Med Res Methodol 12:9, section "Reconstructing"). Ours solves each interval by halving instead of
stepping, returns every published number at risk exactly, and goes on where theirs must be helped by hand:

- points that rise (digitising noise) become the nearest falling curve, not the running minimum, which sinks;
- a curve that ends before the last number at risk is level from there, and a check says so;
- without the total of events, censoring after the last number at risk goes on at the rate seen before.

The error of reading is carried in replicates. In each, every point moves by its own error (`point_error`),
the axis by a common one (`axis_error`, a share of 1 - S), times by theirs, and censorings fall early or late
within intervals (`tilt`). Estimates made on each replicate combine by `combine`.

When not to use it: to adjust for anything that the figure does not show; where the published table itself
gives the answer; on curves of cumulative incidence with competing deaths, which are no Kaplan-Meier curves.

Checked against: the Kaplan-Meier curves, hazard ratios and restricted means of real data sets
(tests/reference/reconstruct), simulated studies with known truth (tests/calibration), arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check
from soa_evidence.synthesis import reconstruct_input, reconstruct_steps
from soa_evidence.synthesis.reconstruct_input import Published
from soa_evidence.synthesis.reconstruct_table import from_table
from soa_evidence.synthesis.reconstructed import Reconstruction, as_curve, combine, named, steps
from soa_evidence.synthesis.studies import require_choice, require_level

__all__ = ["Reconstruction", "combine", "fit", "from_table"]

FloatArray = NDArray[np.float64]
METHOD = "synthesis.reconstruct"
POINTS_ARE = ("steps", "grid")
#: A rebuilt curve further than this from the published one, anywhere, may not be used.
USELESS = 0.05


@dataclass(frozen=True, eq=False, kw_only=True)
class _Rebuilt:
    """One replicate: its rows, and where the published figures contradict each other."""

    time: list[float]
    event: list[int]
    weight: list[int]
    excess: int
    assumed: int
    unmet: int


def fit(
    points: pd.DataFrame,
    *,
    time: str,
    survival: str,
    at_risk: pd.DataFrame,
    risk_time: str = "time",
    risk_number: str = "number",
    total_events: int | None = None,
    points_are: str = "steps",
    point_error: float = 0.005,
    axis_error: float = 0.005,
    time_error: float = 0.0,
    tilt: float = 0.25,
    replicates: int = 20,
    seed: int,
    label: str = "published curve",
    time_unit: str = "years",
    level: float = 0.95,
) -> Reconstruction:
    """Rebuild individual data from one digitised curve.

    Parameters
    ----------
    points
        One row a digitised point, in any order.
    time, survival
        Columns: time from the start, and survival as a share from 0 to 1 (not a percentage).
    at_risk
        The table beneath the published curve, one row a time, beginning at 0.
    risk_time, risk_number
        Its columns.
    total_events
        Events that the publication reports in all, where it does.
    points_are
        ``"steps"``: each point is the foot of a step, as clicked by hand, and events happen there.
        ``"grid"``: points at chosen times, as tools trace a curve; events happen halfway from the last point.
    point_error, axis_error, time_error
        Standard deviations of reading: of each point's survival; of the axis, common to all points, as a
        share of 1 - survival; of each point's time, in its unit.
    tilt
        Standard deviation of the log power by which a replicate's censorings fall early or late within
        intervals; 0 spreads them evenly always.
    replicates
        Replicates besides the reconstruction of the figures as they stand; at least 2.
    seed
        Of the replicates.

    Returns
    -------
    Reconstruction

    Raises
    ------
    InputError
        On a missing column, a value that is no number, percentages for shares, a curve that never falls,
        numbers at risk that do not begin at 0, rise or are not whole, more events than people, or an error,
        number of replicates or level out of range.
    """
    require_level(level)
    reconstruct_input.require_settings(
        {"point_error": point_error, "axis_error": axis_error, "time_error": time_error, "tilt": tilt},
        replicates=replicates,
        seed=seed,
    )
    require_choice(points_are, POINTS_ARE, "points_are")
    grid = points_are == "grid"
    shown = reconstruct_input.read(
        points, time, survival, at_risk, risk_time, risk_number, total_events, point_error
    )
    rng = np.random.default_rng(seed)
    central = _rebuild(shown, shown.time, shown.survival, 1.0, grid)
    parts = [_frame(central, 0)]
    for replicate in range(1, replicates + 1):
        moved = np.maximum(shown.time + time_error * rng.standard_normal(len(shown.time)), 0.0)
        order = np.argsort(moved, kind="stable")
        stretch = 1 + axis_error * rng.standard_normal()
        values = 1 - (1 - shown.survival) * stretch
        values = values[order] + point_error * rng.standard_normal(len(values))
        values = np.clip(reconstruct_steps.isotonic(values), 0.0, 1.0)
        power = float(np.exp(tilt * rng.standard_normal()))
        rebuilt = _rebuild(shown, np.minimum(moved[order], shown.end), values, power, grid)
        parts.append(_frame(rebuilt, replicate))
    rows = pd.concat(parts, ignore_index=True)
    if not ((rows["replicate"] == 0) & (rows["event"] == 1)).any():
        raise InputError(
            f"The curve of {label!r} falls by less than one event among those at risk, so there is nothing "
            "to rebuild. Were more digits published, or is the number at risk of another group?"
        )
    return _result(shown, rows, central, label, time_unit, level, point_error)


def _rebuild(shown: Published, time: FloatArray, survival: FloatArray, power: float, grid: bool) -> _Rebuilt:
    rows: list[tuple[float, int, int]] = []
    state, excess, assumed, unmet = 1.0, 0, 0, 0
    total, censored_so_far, exposure = 0, 0, 0.0
    halfway = (time + np.concatenate([[0.0], time[:-1]])) / 2 if grid else time
    for lower, upper, number, leave, last in shown.intervals():
        mine = (time >= lower) & ((time <= upper) if last else (time < upper))
        # events never leave the interval that the numbers at risk put them in
        at, values = np.maximum(halfway[mine], lower), survival[mine]
        length = upper - lower
        share = (at - lower) / length if length > 0 else np.ones(len(at))
        events, before = np.zeros(len(at), dtype=np.int64), np.zeros(len(at), dtype=np.int64)
        spare = 0
        if leave is not None:
            censored, spare, more, state = reconstruct_steps.fill(
                number, leave, values, share, state, power, events, before
            )
            excess += more
        elif shown.total_events is not None:
            wanted = max(shown.total_events - total, 0)
            censored, _, state = reconstruct_steps.fill_to_events(
                number, wanted, values, share, state, power, events, before
            )
        else:
            rate = censored_so_far / exposure if exposure > 0 else 0.0
            censored = round(number * -np.expm1(-rate * length))
            assumed += number
            _, state = reconstruct_steps.walk(
                number, censored, number - censored, values, share, state, power, events, before
            )
        found = int(events.sum())
        total += found
        censored_so_far += censored + spare
        exposure += (number + (number - leave if leave is not None else 0)) / 2 * length
        rows += [(float(t), 1, int(d)) for t, d in zip(at, events, strict=True) if d]
        rows += _censorings(lower, length, share, before, censored, spare, power)
        left = number - found - censored - spare
        if leave is None or (last and left):
            rows.append((upper, 0, left))
    if shown.total_events is not None:
        unmet = total - shown.total_events
    kept = [row for row in rows if row[2] > 0]
    return _Rebuilt(
        time=[row[0] for row in kept],
        event=[row[1] for row in kept],
        weight=[row[2] for row in kept],
        excess=excess,
        assumed=assumed,
        unmet=unmet,
    )


def _censorings(
    lower: float,
    length: float,
    share: FloatArray,
    before: NDArray[np.int64],
    censored: int,
    spare: int,
    power: float,
) -> list[tuple[float, int, int]]:
    """Put those censored between two points together, at their mean time, so that time at risk is kept."""
    edges = np.concatenate([[0.0], share, [1.0]])
    counts = np.concatenate([[0], before, [censored]])
    rows = []
    for k in range(len(edges) - 1):
        n = int(counts[k + 1] - counts[k])
        extra = spare if k == len(edges) - 2 else 0
        if n + extra == 0:
            continue
        middle = (edges[k] + edges[k + 1]) / 2
        mean = middle
        if n:
            a, b = counts[k] / censored, counts[k + 1] / censored
            mean = (b ** (power + 1) - a ** (power + 1)) / ((power + 1) * (b - a))
            # rounding of counts can put the mean a hair outside its own stretch, where it would change order
            room = 1e-3 * (edges[k + 1] - edges[k])
            mean = min(max(mean, edges[k] + room), edges[k + 1] - room)
        mean = (n * mean + extra * middle) / (n + extra)
        rows.append((float(lower + length * mean), 0, n + extra))
    return rows


def _frame(rebuilt: _Rebuilt, replicate: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"replicate": replicate, "time": rebuilt.time, "event": rebuilt.event, "weight": rebuilt.weight}
    )


def _result(
    shown: Published,
    rows: pd.DataFrame,
    central: _Rebuilt,
    label: str,
    time_unit: str,
    level: float,
    point_error: float,
) -> Reconstruction:
    own = rows[rows["replicate"] == 0]
    found = steps(own)
    rebuilt, _ = found.read(shown.time)
    published = pd.DataFrame(
        {
            "time": shown.time,
            "published": shown.survival,
            "reconstructed": rebuilt,
            "difference": rebuilt - shown.survival,
        }
    )
    present = [float(own.loc[own["time"] >= t, "weight"].sum()) for t in shown.risk_time]
    numbers = pd.DataFrame({"time": shown.risk_time, "published": shown.number, "reconstructed": present})
    checks = named(_checks(shown, published, numbers, central, point_error), label)
    counted = (
        rows.assign(events=rows["weight"] * rows["event"]).groupby("replicate")[["weight", "events"]].sum()
    )
    far = [
        float(np.abs(steps(mine).read(shown.time)[0] - shown.survival).max(initial=0.0))
        for _, mine in rows.groupby("replicate")
    ]
    return Reconstruction(
        label=label,
        time_unit=time_unit,
        method=METHOD,
        curve=as_curve(rows, label=label, time_unit=time_unit, method=METHOD, level=level, checks=checks),
        published=published,
        at_risk=numbers,
        replicates=counted.rename(columns={"weight": "people"}).assign(largest_difference=far).reset_index(),
        rows=rows,
        checks=checks,
    )


def _checks(
    shown: Published, published: pd.DataFrame, numbers: pd.DataFrame, central: _Rebuilt, point_error: float
) -> tuple[Check, ...]:
    gap = float(published["difference"].abs().max())
    same = int((numbers["published"] == numbers["reconstructed"]).sum())
    allowed = 3 * point_error + 0.5 / max(float(shown.number[shown.number > 0].min()), 1.0)
    checks = [
        Check(
            name="rebuilt curve against the published one, largest difference",
            verdict="pass" if gap <= allowed else "warn" if gap <= USELESS else "fail",
            observed=f"{gap:.4f}",
            expected=f"at most {allowed:.4f}",
            why="people who do not give back the curve they come from are other people",
        ),
        Check(
            name="published points that rise",
            verdict="pass" if shown.moved <= 4 * max(point_error, 1e-9) else "warn",
            observed=f"moved by at most {shown.moved:.4f} to make the curve fall",
            expected=f"at most {4 * point_error:.4f}",
            why="a survival curve cannot rise, so a rise shows how large the error of reading really is",
        ),
        Check(
            name="published numbers at risk",
            verdict="pass" if same == len(numbers) and not central.excess else "warn",
            observed=f"{same} of {len(numbers)} given back; {central.excess} more events than leavers",
            expected="all, and none",
            why="more events than people who leave means that curve and numbers are of different groups",
        ),
    ]
    if central.assumed:
        checks.append(
            Check(
                name="people whose censoring is assumed, not known",
                verdict="warn",
                observed=f"{central.assumed} after time {shown.risk_time[-1]:g}",
                expected="none: a number at risk at the curve's end, or the total of events",
                why="without either, the number of events after the last number at risk is a guess",
            )
        )
    if shown.total_events is not None:
        checks.append(
            Check(
                name="total of events",
                verdict="pass" if abs(central.unmet) <= max(1, 0.01 * shown.total_events) else "warn",
                observed=f"{shown.total_events + central.unmet}",
                expected=f"{shown.total_events}, as published, to within 1 or 1 %",
                why="a total that curve and numbers at risk cannot give shows a misprint or a misreading",
            )
        )
    if shown.level_after is not None:
        checks.append(
            Check(
                name="curve that ends before the last number at risk",
                verdict="warn",
                observed=f"taken as level after {shown.level_after:g}",
                expected="a curve to the last number at risk",
                why="events after the end of the drawn curve cannot be seen",
            )
        )
    if shown.dropped:
        checks.append(
            Check(
                name="points after nobody was at risk",
                verdict="warn",
                observed=f"{shown.dropped} left out",
                expected="none",
                why="a curve does not go on when no one is left; the times of one of them are misread",
            )
        )
    return tuple(checks)
