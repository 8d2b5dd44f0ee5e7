"""Whether waiting-list methods keep their word: known hazards, a list simulated person by person.

individual       people join over two years and are followed to the end of the data; the hazard of being
                 treated jumps and falls again, removal competes (`pathways.waiting_times`)
stock and flow   a list counted every four weeks by length of wait (`pathways.waiting_flow`)
longest first    the future of a list, people simulated one by one (`pathways.queue_forecast`)
random           the same, anybody being next
rates in error   mean referrals and capacity differ from what was told by 5 %, and the forecast knows it
rates untold     the same, and the forecast does not
capacity         whether the capacity that is to suffice with 80 % did (`pathways.capacity_needed`)
saving           months elapsed, pace of the rest and rounding lie within what is stated
                 (`pathways.saving_forecast`)
redesign         printed figures are rounded from true ones (`pathways.redesign`)

Synthetic data throughout; files: see `replicates`.

    python -m tests.calibration.pathways_waiting
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from soa_evidence.pathways import (
    capacity_needed,
    queue_forecast,
    redesign,
    saving_forecast,
    waiting_flow,
    waiting_times,
)
from tests.calibration import replicates

NAME, SEED = "pathways_waiting", 62_000_000
REPLICATES = {
    "individual": 500, "stock and flow": 500, "longest first": 400, "random": 400, "rates in error": 400,
    "rates untold": 400, "capacity": 400, "saving": 500, "redesign": 500,
}  # fmt: skip
#: Studies in which places must be uniform: the forecast's own model is the truth.
UNIFORM = ("longest first", "random", "rates in error", "saving", "redesign")

# Time to treatment: weeks at which the hazard of being treated changes, and hazards a week.
CUTS, TREATED, REMOVED = np.array([0.0, 10.0, 18.0, 200.0]), np.array([0.02, 0.08, 0.04]), 0.01
PEOPLE, WINDOW = 400, 104.0
# Stock and flow: chance of being treated and removed between counts, by band of four weeks.
BAND_TREATED = np.array([0.05, 0.1, 0.15, 0.35, 0.4, 0.3, *[0.3] * 9])
BAND_REMOVED, EARLY, JOINING, COUNTS = 0.04, 0.03, 60, 8
# The list forecast.
LIST = {"referrals": 20.0, "capacity": 19.0, "weeks": 26, "removal": 0.005, "dispersion": 2.0}
STOCK, ERROR, DRAWS, LAST = 240, 0.05, 400, 4
TARGET, ENOUGH = 10.0, 0.8


def incidence(weeks: float) -> tuple[float, float]:
    """Shares treated and still waiting by then."""
    here, treated = 1.0, 0.0
    for start, end, hazard in zip(CUTS[:-1], CUTS[1:], TREATED, strict=True):
        length = min(max(weeks - start, 0.0), end - start)
        total = hazard + REMOVED
        left = here * (1 - np.exp(-total * length))
        treated, here = treated + left * hazard / total, here - left
    return treated, here


def median_weeks(share: float = 0.5) -> float:
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if incidence(middle)[0] < share else (low, middle)
    return low


def individual(rng: np.random.Generator, seed: int) -> dict[str, float]:
    total = np.concatenate([[0.0], np.cumsum((TREATED + REMOVED) * np.diff(CUTS))])
    wait = np.interp(rng.exponential(size=PEOPLE), total, CUTS)
    hazard = TREATED[np.clip(np.searchsorted(CUTS, wait, side="right") - 1, 0, 2)]
    cause = np.where(rng.random(PEOPLE) < hazard / (hazard + REMOVED), "treated", "removed")
    followed = rng.uniform(0, WINDOW, PEOPLE)
    frame = pd.DataFrame(
        {"weeks": np.minimum(wait, followed), "outcome": np.where(wait <= followed, cause, "waiting")}
    )
    found = waiting_times.fit(frame, weeks="weeks", outcome="outcome", seed=seed, draws=1000)
    out = {"half treated by": replicates.place(found.percentile.of("50% treated"), median_weeks())}
    for weeks in (8, 18, 26, 40):
        treated, waiting = incidence(weeks)
        out[f"treated by {weeks} weeks"] = inside(found.treated, weeks, treated)
        out[f"waiting at {weeks} weeks"] = inside(found.waiting, weeks, waiting)
    return out


def inside(curve, weeks: float, truth: float) -> float:
    at = int(np.argmin(np.abs(curve.time - weeks)))
    return replicates.held(curve.lower[at], curve.upper[at], truth)


def stock_and_flow(rng: np.random.Generator, seed: int) -> dict[str, float]:
    bands = len(BAND_TREATED)
    people, rows = np.zeros(bands, int), []
    for time in range(-bands, COUNTS):
        added = int(rng.poisson(JOINING))
        people[0] = added - rng.binomial(added, EARLY)
        treated = rng.binomial(people, BAND_TREATED)
        removed = rng.binomial(people - treated, BAND_REMOVED / (1 - BAND_TREATED))
        if time >= 0:
            rows += [(time, b, people[b], treated[b], added if b == 0 else 0) for b in range(bands)]
        left = people - treated - removed
        people = np.concatenate([[0], left[:-1]])
    frame = pd.DataFrame(rows, columns=["count", "band", "waiting", "treated", "added"])
    # Those in the last band are taken to leave in it: the truth is asked for before it.
    found = waiting_flow.fit(
        frame, count="count", band="band", waiting="waiting", treated="treated", additions="added", seed=seed,
        draws=1000,
    )  # fmt: skip
    stay = np.concatenate([[1 - EARLY], 1 - BAND_TREATED - BAND_REMOVED])
    before = np.concatenate([[1.0], np.cumprod(stay)[:-1]])
    treated = np.cumsum(before * np.concatenate([[0.0], BAND_TREATED]))
    out = {}
    for at in (3, 5, 8):
        out[f"treated by {4 * (at + 1)} weeks"] = replicates.held(
            found.treated.lower[at], found.treated.upper[at], treated[at]
        )
        out[f"waiting at {4 * (at + 1)} weeks"] = replicates.held(
            found.waiting.lower[at], found.waiting.upper[at], float(np.prod(stay[: at + 1]))
        )
    half = np.interp(0.5, np.concatenate([[0.0], treated]), 4.0 * np.arange(len(treated) + 1))
    return out | {"half treated by": replicates.place(found.percentile.of("50% treated"), float(half))}


def future(
    stock: np.ndarray, referrals: float, capacity: float, order: str, rng: np.random.Generator
) -> tuple[np.ndarray, int, np.ndarray]:
    """One future, person by person: people waiting after each week, treated in all, waits of the last."""
    waited = np.repeat(np.arange(len(stock)), stock.astype(int))
    size, treated, last, waiting = 1 / (LIST["dispersion"] - 1), 0, [], []
    p = 1 / LIST["dispersion"]
    for week in range(LIST["weeks"]):
        waited = waited[rng.random(len(waited)) >= LIST["removal"]]
        room = min(rng.negative_binomial(capacity * size, p), len(waited))
        order_now = (
            np.argsort(-waited, kind="stable") if order == "longest first" else rng.permutation(len(waited))
        )
        if week >= LIST["weeks"] - LAST:
            last.append(waited[order_now[:room]])
        treated += room
        joined = np.zeros(rng.negative_binomial(referrals * size, p), int)
        waited = np.concatenate([waited[order_now[room:]] + 1, joined])
        waiting.append(len(waited))
    return np.array(waiting), treated, np.concatenate(last)


def share_waited(last: np.ndarray, share: float) -> float:
    """Weeks by which `share` of those treated were, evenly within a week, half a week more than counted."""
    k = np.sort(last)
    at = int(np.ceil(share * len(k) - 1e-9)) - 1
    same = np.flatnonzero(k == k[at])
    return k[at] + 0.5 + (share * len(k) - same[0]) / len(same)


def lists(name: str, rng: np.random.Generator, seed: int) -> dict[str, float]:
    order = "random" if name == "random" else "longest first"
    off = ERROR if name.startswith("rates") else 0.0
    spread = np.sqrt(np.log1p(off**2))
    factors = np.exp(spread * rng.standard_normal(2) - spread**2 / 2)
    stock = first_stock(order)
    waiting, treated, last = future(
        stock, LIST["referrals"] * factors[0], LIST["capacity"] * factors[1], order, rng
    )
    found = queue_forecast.fit(
        waiting=stock.astype(int).tolist(), order=order, seed=seed, report=[13, 26], draws=DRAWS,
        rate_error=off if name != "rates untold" else 0.0, window=LAST, **LIST,
    )  # fmt: skip
    return {
        "list after 13 weeks": replicates.place(found.waiting.draws[:, 0], waiting[12], rng),
        "list after 26 weeks": replicates.place(found.waiting.draws[:, 1], waiting[25], rng),
        "treated over 26 weeks": replicates.place(found.balance.of("treated"), treated, rng),
        "half of the last treated waited": replicates.place(
            found.wait.draws[:, 0], share_waited(last, 0.5), rng
        ),
        "92 % of the last treated waited": replicates.place(
            found.wait.draws[:, 1], share_waited(last, 0.92), rng
        ),
    }


def first_stock(order: str) -> np.ndarray:
    """People by whole weeks waited: as many weeks as a steady list of this size would have."""
    if order == "longest first":
        return np.repeat(20, STOCK // 20)
    return np.floor(STOCK * 0.08 * 0.92 ** np.arange(60))


def capacity(rng: np.random.Generator, seed: int) -> dict[str, float]:
    stock = first_stock("longest first")
    asked = {k: v for k, v in LIST.items() if k != "capacity"}
    found = capacity_needed.fit(
        waiting=stock.astype(int).tolist(), capacity_now=LIST["capacity"], order="longest first",
        target_weeks=TARGET, probabilities=(0.5, ENOUGH), seed=seed, draws=100, window=LAST, **asked,
    )  # fmt: skip
    out = {}
    for label, p in (("half", 0.5), ("four in five", ENOUGH)):
        enough = float(found.at.table()["estimate"].iloc[0 if p == 0.5 else 1])
        last = future(stock, LIST["referrals"], enough, "longest first", rng)[2]
        out[replicates.CHANCE + f"capacity for {label}"] = p
        out[replicates.WAS + f"capacity for {label}"] = float(share_waited(last, 0.92) <= TARGET + 1e-9)
    return out


def saving(rng: np.random.Generator, seed: int) -> dict[str, float]:
    months, growth = (4.0, 8.0), (-0.2, 0.4)
    true, m, g = rng.uniform(60_000, 140_000), rng.uniform(*months), rng.uniform(*growth)
    full = true + (12 - m) * (1 + g) * true / m
    forecast = rng.uniform(120_000, 320_000)
    frame = pd.DataFrame({"area": ["a"], "saved": [round(true, -3)], "forecast": [forecast]})
    found = saving_forecast.fit(
        frame, area="area", saved_gbp="saved", forecast_gbp="forecast", months=months, growth=growth,
        seed=seed, draws=1000,
    )  # fmt: skip
    return {
        "saving in a full year": replicates.place(found.full_year.of("a"), full),
        "rate needed": replicates.place(found.faster.of("a"), (forecast - true) / (12 - m) / (true / m)),
        replicates.CHANCE + "forecast reached": float(found.probability.table()["estimate"].iloc[0]),
        replicates.WAS + "forecast reached": float(full >= forecast),
    }


def redesigned(rng: np.random.Generator, seed: int) -> dict[str, float]:
    before, after, change = rng.uniform(40, 60), rng.uniform(65, 85), rng.uniform(-40, 0)
    found = redesign.fit(
        activity_change_percent=round(change), conversion_before_percent=round(before),
        conversion_after_percent=round(after), seed=seed, draws=1000,
    )  # fmt: skip
    out = {}
    for reading, k in redesign.READINGS.items():
        grown = 1.0 if np.isinf(k) else (k + after / 100) / (k + before / 100)
        seen = (1 + change / 100) / grown
        out[f"seen, if activity is {reading}"] = replicates.place(found.seen.of(reading), 100 * (seen - 1))
        operated = 100 * (seen * after / before - 1)
        out[f"operations, if activity is {reading}"] = replicates.place(
            found.operations.of(reading), operated
        )
    return out


def one(name: str, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    match name:
        case "individual":
            return individual(rng, seed)
        case "stock and flow":
            return stock_and_flow(rng, seed)
        case "capacity":
            return capacity(rng, seed)
        case "saving":
            return saving(rng, seed)
        case "redesign":
            return redesigned(rng, seed)
        case _:
            return lists(name, rng, seed)


def main(share: float = 1.0) -> pd.DataFrame:
    return replicates.run(NAME, REPLICATES, one, seed=SEED, share=share, uniform=UNIFORM)


if __name__ == "__main__":
    sys.stdout.write(main(replicates.share_asked(sys.argv)).to_string() + "\n")
