"""The weekly capacity that brings waits down to a target by the end of a horizon, with a stated probability.

For each draw of a list's flows, the least capacity at which `share` of those treated in the last weeks had
waited at most `target_weeks`, found by halving (a capacity more never makes waits longer under the same
luck). A capacity that suffices with probability p is then the p quantile of these.

When not to use it: as `pathways.queue_forecast`; and where more capacity brings more referrals.

Checked against: arithmetic of fixed flows, and `pathways.queue_forecast` at the capacity found (tests/unit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.pathways import queue_forecast, queue_simulation
from soa_evidence.pathways.queue_simulation import Order
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["CapacityResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.capacity_needed"
HALVINGS = 14


@dataclass(frozen=True, eq=False, kw_only=True)
class CapacityResult:
    """Capacity needed.

    Attributes
    ----------
    needed : Estimates
        Treatments a week that would have sufficed, over draws of the flows.
    at : Estimates
        The capacity that suffices with each stated probability (error: of the finite number of draws).
    checks : tuple of Check
    """

    needed: Estimates
    at: Estimates
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{self.at!r}"

    def _repr_html_(self) -> str:
        shown = self.at.table().to_html(index=False, float_format="{:.1f}".format)
        return f"{shown}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    *,
    waiting: int | Sequence[int],
    referrals: float | Sequence[float],
    capacity_now: float,
    weeks: int,
    order: Order,
    target_weeks: float,
    seed: int,
    share: float = 0.92,
    probabilities: Sequence[float] = (0.5, 0.8, 0.95),
    removal: float = 0.0,
    dispersion: float = 1.0,
    rate_error: float = 0.0,
    window: int = 4,
    draws: int = 400,
) -> CapacityResult:
    """Find the capacity that a target takes.

    Parameters
    ----------
    capacity_now
        Treatments a week so far; only tells how long those waiting have waited.
    target_weeks, share
        `share` of those treated in the last `window` weeks are to have waited at most so long.
    probabilities
        With which the target is to be met.
    waiting, referrals, weeks, order, seed, removal, dispersion, rate_error, window, draws
        As `pathways.queue_forecast`.

    Raises
    ------
    InputError
        As `pathways.queue_forecast`, and on a target below one and a half weeks, a share or a probability
        outside 0 to 1.
    """
    stock, joining, _ = queue_forecast.inputs(
        waiting, referrals, capacity_now, weeks, order, removal, dispersion, rate_error, window, draws
    )
    if not (np.isfinite(target_weeks) and target_weeks >= 1.5):
        raise InputError(
            f"target_weeks={target_weeks!r}: expected at least 1.5, the shortest that weeks can show."
        )
    if not 0 < share < 1 or not probabilities or not all(0 < p < 1 for p in probabilities):
        raise InputError(f"share={share!r}, probabilities={probabilities!r}: expected above 0 and below 1.")
    chance = queue_forecast.luck(draws, weeks, rate_error, seed)
    added = queue_simulation.flows(joining * chance[2][:, :1], dispersion, chance[0])

    def met(capacity: FloatArray) -> NDArray[np.bool_]:
        mean = np.repeat(capacity[:, None], weeks, axis=1) * chance[2][:, 1:]
        treated = queue_simulation.flows(np.maximum(mean, 1e-9), dispersion, chance[1])
        run = queue_simulation.run(
            stock, added, treated, removal=removal, order=order, window=window, seed=seed
        )
        wait = queue_simulation.wait_at(run.treated_by_wait, share)
        # Nobody treated because nobody waits is a target met.
        return np.where(np.isnan(wait), run.waiting[:, -1] <= added[:, -1], wait <= target_weeks + 1e-9)

    low = np.zeros(draws)
    high = np.full(draws, 2.0 * (stock.sum() + joining.max() + 5))
    possible = met(high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = met(middle)
        high, low = np.where(enough, middle, high), np.where(enough, low, middle)
    checks = (
        Check(
            name="the target can be met",
            verdict="pass" if possible.all() else "fail",
            observed=f"{100 * possible.mean():.0f}% of draws",
            expected="all",
            why="where no capacity suffices, what is shown is only the most that was tried",
        ),
        Check(
            name="capacity now",
            verdict="pass" if np.median(high) <= capacity_now else "warn",
            observed=f"{capacity_now:g} a week; half of the draws need {np.median(high):.1f} or less",
            expected="told, whatever it is",
            why="says whether the target takes more than there is",
        ),
    )
    rng = np.random.default_rng(seed)
    again = high[rng.integers(0, draws, (400, draws))]
    shared = {"unit": "treatments a week", "method": METHOD, "interval": "confidence", "checks": checks}
    return CapacityResult(
        needed=Estimates(
            estimand="capacity that the target takes", labels=("over draws of the flows",),
            draws=high[:, None],
            centre="median", **shared,  # type: ignore[arg-type]
        ),
        at=Estimates(
            estimand="capacity that meets the target",
            labels=tuple(f"with probability {100 * p:g}%" for p in probabilities),
            draws=np.quantile(again, list(probabilities), axis=1).T,
            **shared,  # type: ignore[arg-type]
        ),
        checks=checks,
    )  # fmt: skip
