"""Survival at registry scale beside R and lifelines, in one run on one machine.

    python -m benchmarks.survival [--scale 1.0] [--runs 3] [--quick]

Seconds are the best of the runs, model call only, frame in and result out, compilation outside. Only ratios
may be compared between machines. R and lifelines are left out where not installed; lifelines is run on
Kaplan–Meier and the plain Cox model alone: its robust and delayed-entry fits grow too fast for this size.

Cox is timed on whole-day times and on continuous ones, because lifelines then goes another way (batches of
tied times, or row by row) and takes several times as long. Fine–Gray at 20,000 rows stands beside crr (a
minute) and finegray with coxph (`fine_gray_rows`, half a minute); `--quick` leaves these two out.
"""

import argparse
import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.survival import cox, cumulative_incidence, fine_gray, kaplan_meier

COVARIATES = list("abcdef")


def best(call, runs, compiles=True):
    """Seconds of the quickest of `runs` calls, after one that compiles where something does."""
    if compiles:
        call()
    took = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return min(took)


def km_rows(n, seed=1):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n)
    event = np.ceil(rng.exponential(40_000 / (1 + 0.3 * group)))
    censored = rng.integers(1, 5001, n)
    return pd.DataFrame(
        {"time": np.minimum(event, censored), "event": (event <= censored).astype(int), "group": group}
    )


def cox_rows(n, seed=2):
    """Six covariates, about 6 % events in whole days, a competing cause, 150 units, delayed entry."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    X[:, 2] = rng.random(n) < 0.3
    X[:, 3] = rng.integers(0, 4, n)
    hazard = np.exp(X @ np.array([0.2, -0.1, 0.4, 0.05, 0.0, 0.1])) * 2e-5
    event = np.ceil(rng.exponential(1 / hazard))
    other = np.ceil(rng.exponential(20_000, n))
    end = rng.integers(1, 5001, n)
    frame = pd.DataFrame(X, columns=COVARIATES)
    frame["time"] = np.minimum(np.minimum(event, other), end)
    frame["cause"] = np.select([event == frame["time"], other == frame["time"]], [1, 2], 0)
    frame["event"] = (frame["cause"] == 1).astype(int)
    frame["group"] = rng.integers(0, 2, n)
    frame["unit"] = rng.integers(0, 150, n)
    frame["entry"] = np.floor(frame["time"] * rng.random(n) * 0.5)
    return frame


def continuous(rows, seed=3):
    """The same rows with times spread over their day, so that hardly any tie."""
    return rows.assign(time=rows["time"] - 0.999 * np.random.default_rng(seed).random(len(rows)))


def ours(km, rows, few, runs):
    competing = {"time": "time", "event": "cause", "covariates": COVARIATES[:4]}
    model = {"time": "time", "event": "event", "covariates": COVARIATES}
    spread = continuous(rows)
    fine = best(lambda: fine_gray.fit(few, **competing), runs)
    return {
        "km": best(lambda: kaplan_meier.fit(km, time="time", event="event", by="group"), runs),
        "cox": best(lambda: cox.fit(rows, **model), runs),
        "cox_continuous": best(lambda: cox.fit(spread, **model), runs),
        "cox_cluster": best(lambda: cox.fit(rows, **model, cluster="unit"), runs),
        "cox_entry": best(lambda: cox.fit(rows, **model, entry="entry"), runs),
        "aj": best(lambda: cumulative_incidence.fit(rows, time="time", event="cause", by="group"), runs),
        "fine_gray": fine,
        "fine_gray_rows": fine,
        "fine_gray_million": best(lambda: fine_gray.fit(rows, **competing), runs),
    }


def lifelines(km, rows):
    try:
        from lifelines import CoxPHFitter, KaplanMeierFitter
    except ImportError:
        return {}

    def each_group():
        for _, part in km.groupby("group"):
            KaplanMeierFitter().fit(part["time"], part["event"])

    columns = rows[[*COVARIATES, "time", "event"]]
    return {
        "km": best(each_group, 1, compiles=False),
        "cox": best(lambda: CoxPHFitter().fit(columns, "time", "event"), 1, compiles=False),
        "cox_continuous": best(
            lambda: CoxPHFitter().fit(continuous(columns), "time", "event"), 1, compiles=False
        ),
    }


def in_r(km, rows, few, runs, quick):
    rscript = shutil.which("Rscript")
    if rscript is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        km.to_csv(Path(folder) / "km.csv", index=False)
        rows.to_csv(Path(folder) / "cox.csv", index=False)
        if not quick:
            few.to_csv(Path(folder) / "fine_gray.csv", index=False)
        script = Path(__file__).with_name("survival_peers.R")
        done = subprocess.run(
            [rscript, str(script), folder, str(runs)], capture_output=True, text=True, check=True
        )
    lines = [line.split() for line in done.stdout.splitlines()]
    return {line[0]: float(line[1]) for line in lines if len(line) == 2}


def run(scale=1.0, runs=3, quick=False):
    """Return one row a piece of work: seconds and ratios."""
    km, rows = km_rows(int(3_000_000 * scale)), cox_rows(int(1_000_000 * scale))
    few = cox_rows(int(20_000 * scale), seed=4)
    took = ours(km, rows, few, runs)
    sizes = {"km": len(km), "fine_gray": len(few), "fine_gray_rows": len(few)}
    table = pd.DataFrame(
        {
            "rows": {work: sizes.get(work, len(rows)) for work in took},
            "ours_s": took,
            "r_s": in_r(km, rows, few, 1, quick),
            "lifelines_s": lifelines(km, rows),
        }
    )
    table["r_over_ours"] = table["r_s"] / table["ours_s"]
    table["lifelines_over_ours"] = table["lifelines_s"] / table["ours_s"]
    return table.rename_axis("work").reset_index()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full number of rows")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="leave out Fine–Gray in R, which takes minutes")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    table = run(chosen.scale, chosen.runs, chosen.quick)
    table["machine"] = f"{os.cpu_count()} CPUs, {platform.machine()}, load before {load:.1f}"
    print(table.to_string(index=False))
    table.to_csv(
        Path(__file__).with_name("survival.csv"), index=False, float_format="%.4g", lineterminator="\n"
    )


if __name__ == "__main__":
    main()
