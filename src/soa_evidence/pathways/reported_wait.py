"""What a reported wait says, and leaves open, about the list behind it and about other waits.

With r people joining (and leaving) a week, and the list steady:

    longest first   everybody waits w: the usual wait and the longest are the same, and r w people wait
    random          waits are exponential with rate h: the usual (median) wait is ln 2 / h, r / h people
                    wait, and the longest of them has waited H(r / h) / h, H the harmonic number

so one reported figure, usual or longest, gives the others under each order.

When not to use it: when the list grows or shrinks; real lists lie between the orders.

Checked against: simulation by `pathways.queue_simulation` (tests/unit).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["ReportedWaitResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.reported_wait"
MEANINGS = ("usual", "longest")
ORDERS = ("longest first", "random")


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportedWaitResult:
    """The other waits and the list, by order of service: labels ``"longest first"`` and ``"random"``.

    Attributes
    ----------
    usual, longest : Estimates
        Median wait of those treated, and longest of those waiting, weeks.
    waiting : Estimates
        People waiting.
    checks : tuple of Check
    """

    usual: Estimates
    longest: Estimates
    waiting: Estimates
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{self.usual!r}\n{self.longest!r}\n{self.waiting!r}"

    def _repr_html_(self) -> str:
        shown = self.usual.table().to_html(index=False, float_format="{:.1f}".format)
        return f"{shown}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    *,
    weeks: float,
    meaning: Literal["usual", "longest"],
    per_week: tuple[float, float],
    seed: int,
    rounded_to: float = 1.0,
    draws: int = 2000,
) -> ReportedWaitResult:
    """Work out what a reported wait goes with.

    Parameters
    ----------
    weeks
        The reported wait.
    meaning
        ``"usual"`` or ``"longest"``.
    per_week
        Range of people joining the list a week.
    seed, draws
        Recorded seed, and how many draws within rounding and range.
    rounded_to
        Unit the wait is rounded to, weeks.

    Raises
    ------
    InputError
        On a wait not above its rounding, an unknown meaning, a range out of order, or too few draws.
    """
    if meaning not in MEANINGS:
        raise InputError(
            f"meaning={meaning!r}: expected {' or '.join(MEANINGS)}.{nearest(meaning, MEANINGS)}"
        )
    if not (np.isfinite(weeks) and 0 <= rounded_to < 2 * weeks):
        raise InputError(
            f"weeks={weeks!r}, rounded_to={rounded_to!r}: expected a wait above half its rounding."
        )
    if not 0 < per_week[0] <= per_week[1] < np.inf:
        raise InputError(f"per_week={per_week!r}: expected a range above 0, in order.")
    if not (isinstance(draws, int) and draws >= 100):
        raise InputError(f"draws={draws!r}: expected a whole number of at least 100.")
    rng = np.random.default_rng(seed)
    wait = rng.uniform(weeks - rounded_to / 2, weeks + rounded_to / 2, draws)
    rate = rng.uniform(*per_week, draws)
    mean = wait / np.log(2) if meaning == "usual" else _mean_of(wait, rate)
    usual = np.column_stack([wait, np.log(2) * mean])
    longest = np.column_stack([wait, mean * _harmonic(rate * mean)])
    people = np.column_stack([rate * wait, rate * mean])
    apart = float(np.median(longest[:, 1] / usual[:, 1]))
    checks = (
        Check(
            name="longest over usual wait, served at random",
            verdict="pass" if apart < 2 else "warn",
            observed=f"{apart:.1f} times",
            expected="below 2",
            why="the further apart, the less one of the two says of the other",
        ),
    )

    def made(estimand: str, unit: str, values: FloatArray) -> Estimates:
        return Estimates(
            estimand=estimand, labels=ORDERS, unit=unit, method=METHOD, draws=values, interval="Monte Carlo",
            checks=checks,
        )  # fmt: skip

    return ReportedWaitResult(
        usual=made("usual wait of those treated", "weeks", usual),
        longest=made("longest wait of those waiting", "weeks", longest),
        waiting=made("people waiting", "people", people),
        checks=checks,
    )


def _harmonic(n: FloatArray) -> FloatArray:
    from scipy.special import digamma

    return np.asarray(digamma(np.maximum(n, 1.0) + 1) + np.euler_gamma)


def _mean_of(longest: FloatArray, rate: FloatArray) -> FloatArray:
    """Return the mean wait m with m H(rate m) = longest, by halving."""
    low, high = np.zeros_like(longest), longest.copy()
    for _ in range(60):
        middle = (low + high) / 2
        over = middle * _harmonic(rate * middle) > longest
        high, low = np.where(over, middle, high), np.where(over, low, middle)
    return np.asarray((low + high) / 2)
