"""How far each lever of a redesign would have to move to pay for itself.

    units needed = (target + running cost) / saving per unit

Saving per unit, and running cost, are ranges that the user states; every draw is uniform within them. A lever
is anything countable: a referral that is not made, an operation that is not done.

When not to use it: to forecast. It says what would have to be true, not that it will be; and it takes a saved
unit's price as saved, which it is only when capacity is given up as well.

Checked against: arithmetic, in tests/unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, require_columns
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["BreakEvenResult", "fit"]

METHOD = "pathways.break_even"
FEWEST_DRAWS = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class BreakEvenResult:
    """What each lever must bring.

    Attributes
    ----------
    needed : Estimates
        Units of each lever.
    share : Estimates or None
        The same as a share of what there is, per cent, where the frame says how much that is.
    checks : tuple of Check
    """

    needed: Estimates
    share: Estimates | None
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"Units needed to break even\n{self.needed.table().to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.needed.table().to_html(index=False, float_format="{:,.0f}".format)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>Units needed to break even</strong></p>{shown}{checks}"


def fit(
    frame: pd.DataFrame,
    *,
    lever: str,
    saves_low_gbp: str,
    saves_high_gbp: str,
    target_gbp: float,
    seed: int,
    running_cost_gbp: tuple[float, float] = (0.0, 0.0),
    available: str | None = None,
    draws: int = 4000,
) -> BreakEvenResult:
    """Work out how many units of each lever save `target_gbp` net of the running cost.

    Parameters
    ----------
    frame
        One row a lever.
    lever, saves_low_gbp, saves_high_gbp
        Columns: its name, and the range of what one unit saves.
    target_gbp
        What is to be saved, net.
    seed
        Recorded seed.
    running_cost_gbp
        Range of the cost of the new service.
    available
        Column of how many units there are, where known (missing where not).
    draws
        How many.

    Raises
    ------
    InputError
        On a missing column, no lever, one named twice, a range out of order or not above 0, a target not
        above 0, or a negative running cost.
    """
    require_columns(
        frame.columns, (lever, saves_low_gbp, saves_high_gbp, *([available] if available else []))
    )
    names = tuple(frame[lever].astype(str))
    if not names or len(set(names)) < len(names):
        raise InputError(f"Column '{lever}' holds {len(names)} levers; expected at least one, each once.")
    low, high = (frame[column].to_numpy(dtype=float) for column in (saves_low_gbp, saves_high_gbp))
    bad = ~((low > 0) & (low <= high) & np.isfinite(high))
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(
            f"Lever '{names[at]}' saves {low[at]:g} to {high[at]:g} a unit; expected a range above 0, in "
            "order."
        )
    if not (np.isfinite(target_gbp) and target_gbp > 0):
        raise InputError(f"target_gbp={target_gbp!r}: expected pounds above 0.")
    least, most = running_cost_gbp
    if not 0 <= least <= most < np.inf:
        raise InputError(f"running_cost_gbp={running_cost_gbp!r}: expected a range in order, from 0 up.")
    if not (isinstance(draws, int) and draws >= FEWEST_DRAWS):
        raise InputError(f"draws={draws!r}: expected a whole number of at least {FEWEST_DRAWS}.")
    rng = np.random.default_rng(seed)
    cost = least + (most - least) * rng.random((draws, 1))
    units = (target_gbp + cost) / (low + (high - low) * rng.random((draws, len(names))))
    there = np.full(len(names), np.nan) if available is None else frame[available].to_numpy(dtype=float)
    known = np.flatnonzero(there > 0)
    checks = (_stated(names, low, high), _enough(units, there, names))
    needed = Estimates(
        estimand="units needed to break even",
        labels=names,
        unit="units",
        method=METHOD,
        draws=units,
        interval="Monte Carlo",
        checks=checks,
    )
    share = Estimates(
        estimand="units needed of those there are",
        labels=tuple(names[at] for at in known),
        unit="per cent",
        method=METHOD,
        draws=100 * units[:, known] / there[known],
        interval="Monte Carlo",
        checks=checks,
    )
    return BreakEvenResult(needed=needed, share=share if len(known) else None, checks=checks)


def _stated(names: tuple[str, ...], low: np.ndarray, high: np.ndarray) -> Check:
    told = "; ".join(f"{n}: £{a:,.0f} to £{b:,.0f}" for n, a, b in zip(names, low, high, strict=True))
    return Check(
        name="what one unit is taken to save",
        verdict="pass",
        observed=told,
        expected="stated",
        why="a price is saved only when the capacity behind it is given up",
    )


def _enough(units: np.ndarray, there: np.ndarray, names: tuple[str, ...]) -> Check:
    over = [name for at, name in enumerate(names) if there[at] > 0 and np.median(units[:, at]) > there[at]]
    return Check(
        name="levers that cannot reach far enough",
        verdict="warn" if over else "pass",
        observed=", ".join(over) or "none of those whose number is known",
        expected="none",
        why="a lever that would need more units than there are cannot do it alone",
    )
