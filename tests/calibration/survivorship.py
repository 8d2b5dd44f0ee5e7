"""Rebuilt curves and pooled survivorship where the truth is known. Synthetic data throughout.

Run: ``python -m tests.calibration.survivorship``; writes survivorship_round_trip.csv and
survivorship_coverage.csv beside it (a few minutes).

Round trip: two arms with Weibull times are simulated, censored, drawn as Kaplan-Meier curves, read off with
error at a grid of points, rounded numbers at risk beside them, rebuilt, and analysed again. The benchmark is
the analysis of the individual data themselves. Pooling: studies' true survival varies around a line in log
time; each reports two times of one curve.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.survival import cox, kaplan_meier
from soa_evidence.synthesis import reconstruct, survival_curves

HERE = Path(__file__).parent
LEVEL = 0.95
HORIZON = 12.0
MEAN_TIMES = (15.0, 30.0)  # of arm A and arm B, years: 30-50 % fail within the horizon
SHAPE = 1.3
PEOPLE = (100, 500, 3000)
ERRORS = (0.0, 0.005, 0.015)
ROUND_TRIPS = 100
REPLICATES = 20
STUDIES = (3, 5, 10)
TAUS = (0.0, 0.2)
POOLINGS = 500


def arm(people: int, mean_time: float, rng: np.random.Generator) -> pd.DataFrame:
    failure = mean_time * rng.weibull(SHAPE, people)
    leaves = np.minimum(rng.uniform(2, 1.5 * HORIZON, people), HORIZON)
    return pd.DataFrame({"time": np.minimum(failure, leaves), "event": (failure <= leaves).astype(int)})


def publish(data: pd.DataFrame, error: float, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the curve as read off with error, and the numbers at risk."""
    curve = kaplan_meier.fit(data, time="time", event="event").curves["all"]
    grid = np.linspace(0, HORIZON, 161)
    grid = grid[grid <= curve.time[-1]]
    shown = curve.at(list(grid))["estimate"].to_numpy()
    stretched = 1 - (1 - shown) * (1 + error * rng.standard_normal())
    read = np.clip(stretched + error * rng.standard_normal(len(grid)), 0, 1)
    times = np.arange(0, HORIZON + 1, 2.0)
    numbers = [int((data["time"] >= t).sum()) for t in times]
    return pd.DataFrame({"time": grid, "survival": read}), pd.DataFrame({"time": times, "number": numbers})


def estimates(arms: list[pd.DataFrame]) -> dict[str, object]:
    both = pd.concat([data.assign(arm=place) for place, data in enumerate(arms)], ignore_index=True)
    weights = "weight" if "weight" in both else None
    hazard = cox.fit(both, time="time", event="event", covariates=["arm"], weights=weights)
    first = kaplan_meier.fit(arms[0], time="time", event="event", weights=weights)
    return {"log_hazard_ratio": hazard.log_hazard_ratio, "rmst": first.restricted_mean(10.0).mean}


def round_trip(people: int, error: float, seed: int) -> list[dict[str, float | str]]:
    rng = np.random.default_rng(seed)
    arms = [arm(people, mean, rng) for mean in MEAN_TIMES]
    shown = [publish(data, error, rng) for data in arms]
    rebuilt = [
        reconstruct.fit(
            points, time="time", survival="survival", at_risk=numbers, total_events=int(data["event"].sum()),
            points_are="grid", point_error=error, axis_error=error, replicates=REPLICATES, seed=seed + place,
        )
        for place, ((points, numbers), data) in enumerate(zip(shown, arms, strict=True))
    ]  # fmt: skip
    own = estimates(arms)
    each = [estimates([r.counted(k) for r in rebuilt]) for k in range(REPLICATES + 1)]
    truth = {"log_hazard_ratio": -SHAPE * np.log(MEAN_TIMES[1] / MEAN_TIMES[0]), "rmst": true_rmst()}
    at = np.linspace(1, 10, 19)
    km = kaplan_meier.fit(arms[0], time="time", event="event").curves["all"].at(list(at))["estimate"]
    far = float(np.abs(km - rebuilt[0].curve.at(list(at))["estimate"]).max())
    rows = []
    for what, true in truth.items():
        whole = reconstruct.combine([e[what] for e in each[1:]]).table(LEVEL).iloc[0]
        naive, ideal = each[0][what].table(LEVEL).iloc[0], own[what].table(LEVEL).iloc[0]
        rows.append(
            {
                "what": what,
                "error_to_individual": naive["estimate"] - ideal["estimate"],
                "combined_error": whole["estimate"] - ideal["estimate"],
                "to_standard_error": abs(naive["estimate"] - ideal["estimate"]) / ideal["std_error"],
                "combined_covers": whole["lower"] <= true <= whole["upper"],
                "single_covers": naive["lower"] <= true <= naive["upper"],
                "individual_covers": ideal["lower"] <= true <= ideal["upper"],
                "largest_curve_difference": far,
                "events_error": float(rebuilt[0].replicates["events"].iloc[0] - arms[0]["event"].sum()),
            }
        )
    return rows


def true_rmst() -> float:
    t = np.linspace(0, 10, 200_001)
    return float(np.trapezoid(np.exp(-((t / MEAN_TIMES[0]) ** SHAPE)), t))


def round_trips(share: float = 1.0) -> pd.DataFrame:
    tables = []
    for i, people in enumerate(PEOPLE):
        for j, error in enumerate(ERRORS):
            count = max(4, round(share * ROUND_TRIPS))
            rows = [r for k in range(count) for r in round_trip(people, error, 10_000 * (3 * i + j) + k)]
            frame = pd.DataFrame(rows)
            grouped = frame.groupby("what", sort=False)
            table = grouped.mean().assign(sd_of_error=grouped["error_to_individual"].std()).reset_index()
            tables.append(table.assign(people=people, reading_error=error, simulations=count))
            sys.stderr.write(f"{people} people, error {error}: done\n")
    return pd.concat(tables, ignore_index=True)


def poolings(k: int, tau: float, mean: str, seed: int, count: int) -> dict[str, float | str]:
    """Coverage of the average at ten years, and of one more study's, by studies of two to four times."""
    rng = np.random.default_rng(seed)
    inside, predicted = [], []
    for _ in range(count):
        rows, people = [], rng.integers(500, 20_000, k)
        for study in range(k):
            shift = tau * rng.standard_normal()
            times = np.array([5.0, 10.0, 15.0])[: rng.integers(2, 4)]
            hazard = np.exp(np.log(0.07) + 1.4 * np.log(times / 10) + shift)
            # independent increments, as the curve of one group of people has
            added = np.diff(np.concatenate([[0.0], hazard]))
            seen = np.cumsum(added + np.sqrt(added / people[study]) * rng.standard_normal(len(added)))
            seen = np.maximum.accumulate(np.maximum(seen, 1e-6))
            error = np.sqrt(np.cumsum(added / people[study]))
            s = np.exp(-seen)
            reach = 1.959964 * error / seen
            for t, value, r in zip(times, s, reach, strict=True):
                rows.append(
                    (f"study {study}", t, 100 * value, 100 * value ** np.exp(r), 100 * value ** np.exp(-r))
                )
        frame = pd.DataFrame(rows, columns=["study", "time", "percent", "lower", "upper"]).assign(
            source="registry"
        )
        found = survival_curves.fit(
            frame, study="study", source="source", time="time", percent="percent", lower="lower",
            upper="upper",
            limits="log-log", estimate_unit=0.001, limit_unit=0.001, mean=mean, correlation=1.0,
        ).source("registry")  # fmt: skip
        truth = -np.log(0.07)
        average = found.at([10.0]).table(LEVEL).iloc[0]
        new = found.new_registry([10.0]).table(LEVEL).iloc[0]
        inside.append(average["lower"] <= truth <= average["upper"])
        predicted.append(new["lower"] <= truth - tau * rng.standard_normal() <= new["upper"])
    return {
        "studies": k,
        "tau": tau,
        "mean": mean,
        "coverage_of_average": float(np.mean(inside)),
        "coverage_of_one_more": float(np.mean(predicted)),
        "monte_carlo_error": float(np.sqrt(LEVEL * (1 - LEVEL) / count)),
        "simulations": count,
    }


def coverage(share: float = 1.0) -> pd.DataFrame:
    count = max(10, round(share * POOLINGS))
    rows = []
    for i, k in enumerate(STUDIES):
        for j, tau in enumerate(TAUS):
            for m, mean in enumerate(survival_curves.MEANS):
                rows.append(poolings(k, tau, mean, 90_000 + 100 * i + 10 * j + m, count))
        sys.stderr.write(f"{k} studies: done\n")
    return pd.DataFrame(rows)


def main(share: float = 1.0) -> None:
    trips, pooled = round_trips(share), coverage(share)
    sys.stdout.write(trips.to_string() + "\n" + pooled.to_string() + "\n")
    if share == 1.0:
        keep = {"index": False, "float_format": "%.5g", "lineterminator": "\n"}
        trips.to_csv(HERE / "survivorship_round_trip.csv", **keep)
        pooled.to_csv(HERE / "survivorship_coverage.csv", **keep)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
