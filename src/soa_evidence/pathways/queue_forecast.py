"""What becomes of a waiting list when capacity or referrals change.

A list week by week (`pathways.queue_simulation`): people waiting, referrals joining, removals, treatments.
Weekly flows vary with variance `dispersion` times their mean (1: Poisson; more: negative binomial; 0: fixed);
the means themselves are known up to a relative error, one for each draw. Service is by one of two orders:

    longest first   whoever has waited longest is treated next
    random          all who wait are alike

When not to use it
    - Urgent patients pass others by: neither order holds then; the truth lies between.
    - Referrals or removals answer to the length of the list.
    - One list feeds several kinds of operation with capacities of their own.

Source: Little (1961), Operations Research 9:383, for the law that ties list, flow and wait.

Checked against: arithmetic of fixed flows, Little's law (tests/unit, tests/properties).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.pathways import queue_simulation
from soa_evidence.pathways.queue_simulation import ORDERS, Order, Run
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["QueueResult", "fit", "inputs", "luck"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.queue_forecast"
FEWEST_DRAWS = 100
MOST_WEEKS = 520


@dataclass(frozen=True, eq=False, kw_only=True)
class QueueResult:
    """The list to come.

    Attributes
    ----------
    waiting : Estimates
        People waiting after each of the reported weeks.
    wait : Estimates
        Weeks by which each share of those treated at the end of the horizon had been treated.
    balance : Estimates
        Over the horizon: ``"joined"``, ``"treated"``, ``"removed"``.
    weeks : DataFrame
        week, estimate, lower, upper: people waiting.
    checks : tuple of Check
    """

    waiting: Estimates
    wait: Estimates
    balance: Estimates
    weeks: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{self.waiting!r}\n{self.wait!r}"

    def _repr_html_(self) -> str:
        shown = self.wait.table().to_html(index=False, float_format="{:.1f}".format)
        return f"{shown}{checks_frame(self.checks).to_html(index=False)}"


def inputs(
    waiting: int | Sequence[int],
    referrals: float | Sequence[float],
    capacity: float | Sequence[float],
    weeks: int,
    order: str,
    removal: float,
    dispersion: float,
    rate_error: float,
    window: int,
    draws: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Check what describes a list; return who waits by weeks waited, weekly referrals and capacity."""
    if order not in ORDERS:
        raise InputError(f"order={order!r}: expected {' or '.join(ORDERS)}.{nearest(order, ORDERS)}")
    if not (isinstance(weeks, int) and 1 <= weeks <= MOST_WEEKS):
        raise InputError(f"weeks={weeks!r}: expected a whole number from 1 to {MOST_WEEKS}.")
    if not 0 <= removal < 1:
        raise InputError(f"removal={removal!r}: expected the share removed in a week, from 0 and below 1.")
    if not (np.isfinite(dispersion) and (dispersion == 0 or dispersion >= 1)):
        raise InputError(f"dispersion={dispersion!r}: expected 0 (fixed flows), 1 (Poisson) or more.")
    if not 0 <= rate_error < 1:
        raise InputError(f"rate_error={rate_error!r}: expected a relative error from 0 and below 1.")
    if not (isinstance(window, int) and 1 <= window <= weeks):
        raise InputError(f"window={window!r}: expected a whole number of weeks from 1 to {weeks}.")
    if not (isinstance(draws, int) and draws >= FEWEST_DRAWS):
        raise InputError(f"draws={draws!r}: expected a whole number of at least {FEWEST_DRAWS}.")
    each = []
    for name, given in (("referrals", referrals), ("capacity", capacity)):
        values = np.asarray(given, dtype=float)
        if values.ndim == 0:
            values = np.full(weeks, float(values))
        if values.shape != (weeks,) or not (np.isfinite(values).all() and (values >= 0).all()):
            raise InputError(f"{name}: expected one number, or {weeks} (one a week), all 0 or more.")
        each.append(values)
    if each[1].sum() == 0:
        raise InputError("capacity is 0 in every week: nobody would be treated.")
    stock = np.asarray(waiting, dtype=float)
    if not (np.isfinite(stock).all() and (stock >= 0).all() and (stock == np.round(stock)).all()):
        raise InputError(f"waiting={waiting!r}: expected whole numbers of people, 0 or more.")
    if stock.ndim == 0:
        rate = max(float(each[1][0]), 1e-9)
        most = int(min(max(np.ceil(float(stock) / rate) * (1 if order == ORDERS[0] else 6), 1), MOST_WEEKS))
        stock = queue_simulation.start(int(stock), rate, order, most)  # type: ignore[arg-type]
    elif stock.ndim != 1 or len(stock) > MOST_WEEKS:
        raise InputError(f"waiting has shape {stock.shape}; expected people by whole weeks waited so far.")
    return stock, each[0], each[1]


def fit(
    *,
    waiting: int | Sequence[int],
    referrals: float | Sequence[float],
    capacity: float | Sequence[float],
    weeks: int,
    order: Order,
    seed: int,
    removal: float = 0.0,
    dispersion: float = 1.0,
    rate_error: float = 0.0,
    shares: Sequence[float] = (0.5, 0.92),
    report: Sequence[int] | None = None,
    window: int = 4,
    draws: int = 1000,
) -> QueueResult:
    """Forecast a list.

    Parameters
    ----------
    waiting
        People waiting now: one number (spread as steady flows would have it) or people by whole weeks waited.
    referrals, capacity
        A week, one number or one for each week.
    weeks
        Horizon.
    order
        ``"longest first"`` or ``"random"``.
    seed
        Recorded seed.
    removal
        Share of those waiting removed in a week.
    dispersion
        Variance of weekly flows over their mean.
    rate_error
        Relative standard error of mean referrals and of mean capacity.
    shares
        Of those treated in the last `window` weeks, whose wait is asked for.
    report
        Weeks whose list is reported; the last when not given.
    draws
        How many.

    Raises
    ------
    InputError
        On numbers out of range, an unknown order, series of another length than `weeks`, weeks to report
        beyond the horizon, or nobody treated in some draw's last weeks.
    """
    stock, joining, treating = inputs(
        waiting, referrals, capacity, weeks, order, removal, dispersion, rate_error, window, draws
    )
    told = [weeks] if report is None else list(report)
    if not told or any(not 1 <= week <= weeks for week in told):
        raise InputError(f"report={report!r}: expected weeks from 1 to {weeks}.")
    if not shares or not all(0 < share < 1 for share in shares):
        raise InputError(f"shares={shares!r}: expected numbers above 0 and below 1.")
    chance = luck(draws, weeks, rate_error, seed)
    run = queue_simulation.run(
        stock,
        queue_simulation.flows(joining * chance[2][:, :1], dispersion, chance[0]),
        queue_simulation.flows(treating * chance[2][:, 1:], dispersion, chance[1]),
        removal=removal, order=order, window=window, seed=seed,
    )  # fmt: skip
    waits = np.column_stack([queue_simulation.wait_at(run.treated_by_wait, share) for share in shares])
    if np.isnan(waits).any():
        raise InputError(f"In some draws nobody is treated in the last {window} weeks; widen window=.")
    checks = _checks(run, stock, joining, treating, removal)
    shared = {"method": METHOD, "interval": "Monte Carlo", "checks": checks}
    low, high = np.quantile(run.waiting, [0.025, 0.975], axis=0)
    return QueueResult(
        waiting=Estimates(
            estimand="people waiting", labels=tuple(f"after {week} weeks" for week in told), unit="people",
            draws=run.waiting[:, np.array(told) - 1], **shared,  # type: ignore[arg-type]
        ),
        wait=Estimates(
            estimand="weeks waited by those treated at the end of the horizon",
            labels=tuple(f"{100 * share:g}% treated by" for share in shares), unit="weeks", draws=waits,
            **shared,  # type: ignore[arg-type]
        ),
        balance=Estimates(
            estimand="people over the horizon", labels=("joined", "treated", "removed"), unit="people",
            draws=np.column_stack([flow.sum(axis=1) for flow in (run.added, run.treated, run.removed)]),
            **shared,  # type: ignore[arg-type]
        ),
        weeks=pd.DataFrame(
            {
                "week": np.arange(1, weeks + 1),
                "estimate": run.waiting.mean(axis=0),
                "lower": low,
                "upper": high,
            }
        ),
        checks=checks,
    )  # fmt: skip


def luck(draws: int, weeks: int, rate_error: float, seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return uniforms for referrals and capacity (draws, weeks), and factors of their means (draws, 2)."""
    rng = np.random.default_rng(seed)
    first, second = rng.random((draws, weeks)), rng.random((draws, weeks))
    spread = np.sqrt(np.log1p(rate_error**2))
    return first, second, np.exp(spread * rng.standard_normal((draws, 2)) - spread**2 / 2)


def _checks(
    run: Run, stock: FloatArray, joining: FloatArray, treating: FloatArray, removal: float
) -> tuple[Check, ...]:
    off = stock.sum() + run.added.sum(axis=1) - run.treated.sum(axis=1) - run.removed.sum(axis=1)
    kept = float(np.abs(off - run.waiting[:, -1]).max())
    steady = treating[-1] + removal * run.waiting[:, -1].mean() >= joining[-1]
    return (
        Check(
            name="nobody appears or vanishes",
            verdict="pass" if kept < 0.5 else "fail",
            observed=f"{kept:g} people unaccounted for",
            expected="0",
            why="who waits at the end are those who waited and joined, less those treated and removed",
        ),
        Check(
            name="does the list settle?",
            verdict="pass" if steady else "warn",
            observed=f"{joining[-1]:g} join and {treating[-1]:g} can be treated in the last week",
            expected="as many leave as join",
            why="a list that more people join than leave grows for ever; no wait is then its wait",
        ),
    )
