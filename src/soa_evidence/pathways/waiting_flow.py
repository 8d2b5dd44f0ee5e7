"""Time to treatment from stock and flow: who waited how long at successive counts, and how many were treated.

Counts are one band apart (bands of 4 weeks, counts every 4 weeks), so those in band b at one count are in
band b + 1 at the next, unless they left in between. Over all pairs of counts,

    left_b = waiting_b(count) - waiting_(b+1)(next count),  removed_b = left_b - treated_b

and the first band's people are those added. Hazards of each band are pooled over the pairs: the result is
what somebody would meet who waited through the list as it was in that period (`pathways.interval_incidence`).

When not to use it
    - Counts are not one band apart, or the clock of a wait may be reset or paused.
    - Treatments are counted on another list than waits: removals come out below 0 (told as an error).

Source: the period life table; Chiang (1968).

Checked against: individual waits counted both ways (tests/properties).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.pathways import rates_frame
from soa_evidence.pathways.interval_incidence import Bands
from soa_evidence.pathways.waiting_times import SHARES, WaitingResult, result_of
from soa_evidence.results import Check

__all__ = ["fit"]

METHOD = "pathways.waiting_flow"


def fit(
    frame: pd.DataFrame,
    *,
    count: str,
    band: str,
    waiting: str,
    treated: str,
    seed: int,
    additions: str | None = None,
    weeks_per_band: float = 4.0,
    shares: Sequence[float] = SHARES,
    label: str = "somebody joining a list that stays as it was",
    draws: int = 2000,
) -> WaitingResult:
    """Estimate time to treatment from counts by length of wait.

    Parameters
    ----------
    frame
        One row a count and band.
    count, band
        Columns: number of the count (whole, one apart), and of the band (0 for the shortest waits).
    waiting
        Column: people in that band at that count.
    treated
        Column: people treated between this count and the next who were in that band at this count.
    seed
        Recorded seed.
    additions
        Column of people added between the count before and this one, given in the row of band 0; those who
        left within their first band are then counted (as treated or removed in the column's shares unknown,
        so as removed unless they were treated). Without it, the clock starts at the first count.
    weeks_per_band, shares, label, draws
        Width of a band, shares whose weeks are asked for, whom the curve is about, and how many draws.

    Raises
    ------
    InputError
        On a missing column, counts that are not whole or not one apart, bands missing, people who appear from
        nowhere, or more treated than left.
    """
    needed = [count, band, waiting, treated, *([additions] if additions else [])]
    rates_frame.require_columns(frame, needed, "the counts")
    if not (np.isfinite(weeks_per_band) and weeks_per_band > 0):
        raise InputError(f"weeks_per_band={weeks_per_band!r}: expected weeks above 0.")
    numbered = frame.assign(
        **{column: rates_frame.counts(frame, column) for column in (count, band, waiting, treated)}
    )
    if numbered.duplicated([count, band]).any():
        row = numbered[numbered.duplicated([count, band])].iloc[0]
        raise InputError(f"Count {row[count]:g} has band {row[band]:g} twice; expected once.")
    stock = numbered.pivot_table(index=count, columns=band, values=waiting)
    flow = numbered.pivot_table(index=count, columns=band, values=treated)
    times, bands = stock.index.to_numpy(), stock.columns.to_numpy()
    if len(times) < 2 or (np.diff(times) != 1).any():
        raise InputError(f"Column '{count}' holds {times.tolist()}; expected at least two counts, one apart.")
    if (bands != np.arange(len(bands))).any() or stock.isna().any().any():
        raise InputError(f"Column '{band}' must hold every band from 0 up at every count.")
    here = stock.to_numpy()[:-1]
    later = np.hstack([stock.to_numpy()[1:, 1:], np.zeros((len(times) - 1, 1))])
    left, done = here - later, flow.to_numpy()[:-1]
    _refuse(left < 0, "more people in the next band at the next count", times, bands)
    _refuse(done > left, "more people treated than left", times, bands)
    at_risk, treated_in = here.sum(axis=0), done.sum(axis=0)
    removed_in = left.sum(axis=0) - treated_in
    if additions:
        added = rates_frame.counts(numbered[numbered[band] == 0].sort_values(count), additions)[1:]
        early = added - stock.to_numpy()[1:, 0]
        if (early < 0).any():
            at = times[1:][int(np.argmax(early < 0))]
            raise InputError(f"At count {at:g} more people are in band 0 than were added.")
        at_risk = np.concatenate([[added.sum()], at_risk])
        treated_in = np.concatenate([[0.0], treated_in])
        removed_in = np.concatenate([[early.sum()], removed_in])
    kept = np.cumprod(at_risk > 0).astype(bool)
    if not kept.any():
        raise InputError("Nobody waits in band 0 at any count but the last.")
    made = Bands(
        ends=weeks_per_band * np.arange(1, len(at_risk) + 1)[kept],
        at_risk=at_risk[kept],
        left=np.column_stack([treated_in, removed_in])[kept],
    )
    last = float(here[:, -1].sum() / max(here.sum(), 1))
    return result_of(
        made, label=label, shares=shares, draws=draws, seed=seed, method=METHOD,
        extra=(
            Check(
                name="people in the last band",
                verdict="pass" if last < 0.05 else "warn",
                observed=f"{100 * last:.1f}% of those waiting",
                expected="fewer than 5%",
                why="those in the last band are taken to leave in it",
            ),
        ),
    )  # fmt: skip


def _refuse(bad: np.ndarray, what: str, times: np.ndarray, bands: np.ndarray) -> None:
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"Count {times[row]:g}, band {bands[column]:g}: {what}; expected counts of one list, "
            "one band apart."
        )
