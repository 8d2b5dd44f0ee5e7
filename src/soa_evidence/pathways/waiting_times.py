"""Time on a waiting list until treated or removed, from individual waits.

Treated and removed compete: who is removed will not be treated, and who still waits at the end of the data
may be either. The share treated by t is a cumulative incidence, not the share of those treated:

    F_treated(t) = sum over bands of S(before the band) x (treated in it / at risk)

in bands of stated weeks (`pathways.interval_incidence`); the wait at a percentile is the time by which that
share of *all* who joined the list has been treated.

When not to use it
    - Waits were only recorded for those treated: everyone who joined must be there.
    - Who still waits was censored because of how long the wait was (records closed at a target).

Checked against: R's survival::survfit (tests/reference/waiting).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.pathways import interval_incidence, rates_frame
from soa_evidence.pathways.interval_incidence import Bands
from soa_evidence.results import Check, Curve, Estimates, checks_frame

__all__ = ["OUTCOMES", "WaitingResult", "fit", "result_of"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.waiting_times"
OUTCOMES = ("treated", "removed", "waiting")
SHARES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, eq=False, kw_only=True)
class WaitingResult:
    """Leaving the list by cause.

    Attributes
    ----------
    waiting, treated, removed : Curve
        Share still waiting, treated and removed by the end of each band.
    percentile : Estimates
        Weeks by which each share of all who joined has been treated.
    bands : DataFrame
        to_weeks, at_risk, treated, removed.
    checks : tuple of Check
    """

    waiting: Curve
    treated: Curve
    removed: Curve
    percentile: Estimates
    bands: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{self.percentile!r}"

    def _repr_html_(self) -> str:
        shown = self.percentile.table().to_html(index=False, float_format="{:.1f}".format)
        return f"{shown}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    frame: pd.DataFrame,
    *,
    weeks: str,
    outcome: str,
    seed: int,
    band: float = 1.0,
    shares: Sequence[float] = SHARES,
    label: str = "everyone who joined the list",
    draws: int = 2000,
) -> WaitingResult:
    """Estimate time to treatment from one row a person.

    Parameters
    ----------
    frame
        One row a person who joined the list.
    weeks, outcome
        Columns: weeks from joining to leaving, or to the end of the data; and treated, removed or waiting.
    seed
        Recorded seed.
    band
        Width of a band, weeks.
    shares
        Shares of all who joined, whose weeks are asked for.
    label, draws
        Whom the curve is about, and how many draws.

    Raises
    ------
    InputError
        On a missing column, a negative wait, an unknown outcome, a band not above 0, a share outside 0 to 1,
        or nobody treated.
    """
    rates_frame.require_columns(frame, [weeks, outcome], "the waits")
    waited = rates_frame.amounts(frame, weeks)
    ended = frame[outcome].astype(str).to_numpy()
    for at, value in enumerate(ended):
        if value not in OUTCOMES:
            raise InputError(
                f"Column '{outcome}', row {at + 1} is {value!r}; expected {', '.join(OUTCOMES)}."
                f"{nearest(value, OUTCOMES)}"
            )
    if not (np.isfinite(band) and band > 0):
        raise InputError(f"band={band!r}: expected weeks above 0.")
    # A wait of a whole number of bands ends with the band, one of 0 in the first.
    place = np.maximum(np.ceil(waited / band - 1e-9).astype(int) - 1, 0)
    m = int(place.max()) + 1
    counted = {name: np.bincount(place[ended == name], minlength=m).astype(float) for name in OUTCOMES}
    gone = sum(counted.values())
    entered = len(waited) - np.concatenate([[0.0], np.cumsum(gone)[:-1]])
    # All who still wait at a band's end count in it to the end; within it, for half.
    full = np.bincount(
        place[(ended == "waiting") & (np.abs(waited / band - (place + 1)) < 1e-9)], minlength=m
    )
    at_risk = entered - (counted["waiting"] - full) / 2
    kept = at_risk > 0
    bands = Bands(
        ends=np.asarray(band * np.arange(1, m + 1), dtype=float)[kept],
        at_risk=at_risk[kept],
        left=np.column_stack([counted["treated"], counted["removed"]])[kept],
    )
    return result_of(
        bands, label=label, shares=shares, draws=draws, seed=seed, method=METHOD,
        extra=(
            Check(
                name="people still waiting at the end of the data",
                verdict="pass" if counted["waiting"].sum() < len(waited) / 2 else "warn",
                observed=f"{100 * counted['waiting'].sum() / len(waited):.0f}%",
                expected="fewer than half",
                why="how long they will wait is not in the data",
            ),
        ),
    )  # fmt: skip


def result_of(
    bands: Bands,
    *,
    label: str,
    shares: Sequence[float],
    draws: int,
    seed: int,
    method: str,
    extra: tuple[Check, ...],
) -> WaitingResult:
    """Return the result that bands give; `pathways.waiting_flow` makes its own from it too."""
    if bands.left[:, 0].sum() == 0:
        raise InputError("Nobody was treated, so no time to treatment can be estimated.")
    if not shares or not all(0 < share < 1 for share in shares):
        raise InputError(f"shares={shares!r}: expected numbers above 0 and below 1.")
    if not (isinstance(draws, int) and draws >= 100):
        raise InputError(f"draws={draws!r}: expected a whole number of at least 100.")
    rng = np.random.default_rng(seed)
    weeks, reached = interval_incidence.percentiles(bands, 0, shares, draws, rng)
    checks = (
        *extra,
        Check(
            name="shares reached within the data",
            verdict="pass" if reached.min() > 0.975 else "warn",
            observed=", ".join(f"{100 * s:g}%: {100 * r:.0f}%" for s, r in zip(shares, reached, strict=True)),
            expected="each in nearly every draw",
            why="where a share is not reached, its wait is shown as the end of the data and is longer",
        ),
    )
    waiting, treated, removed = interval_incidence.curves(bands, OUTCOMES[:2], label, method, checks)
    return WaitingResult(
        waiting=waiting, treated=treated, removed=removed,
        percentile=Estimates(
            estimand="weeks until treated", unit="weeks",
            labels=tuple(f"{100 * s:g}% treated" for s in shares),
            method=method, draws=weeks, interval="confidence", checks=checks, centre="median",
        ),
        bands=pd.DataFrame(
            {
                "to_weeks": bands.ends, "at_risk": bands.at_risk,
                "treated": bands.left[:, 0], "removed": bands.left[:, 1],
            }
        ),
        checks=checks,
    )  # fmt: skip
