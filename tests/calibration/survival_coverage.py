"""Do the intervals of survival methods hold the truth, are estimates on it, do tests keep their size?

Run: ``python -m tests.calibration.survival_coverage [share]``; writes survival_coverage.csv and .json beside
it (a few minutes on two cores). A share below 1 tries it out and writes nothing.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from tests.calibration.survival_methods import SIZE, claims
from tests.calibration.survival_worlds import WORLDS, World

HERE = Path(__file__).parent
SEED = 30_000
LEVEL = 0.95
_CHUNK = 25


def replicate(name: str, seeds: range) -> pd.DataFrame:
    """Return the claims of some replicates of a world, one a row."""
    rows = [vars(claim) | {"seed": seed} for seed in seeds for claim in claims(WORLDS[name], seed)]
    return pd.DataFrame(rows)


def summarise(world: World, found: pd.DataFrame, asked: int) -> pd.DataFrame:
    """Return one row a method, quantity, label and interval: bias, coverage or size, with errors.

    `asked` is the number of replicates; what a method refused is counted in the column `refused`.
    """
    truth, rows = world.truth, []
    for (method, quantity, label, interval), part in found.groupby(
        ["method", "quantity", "label", "interval"], sort=False
    ):
        row = {
            "world": world.name,
            "method": method,
            "quantity": quantity,
            "label": label,
            "interval": interval,
        }
        count = len(part)
        row |= {"replicates": count, "refused": asked - count}
        if part["p_value"].notna().all():
            row |= {"nominal": SIZE, "observed": float((part["p_value"] < SIZE).mean())}
        else:
            true = truth[quantity, label]
            estimate = part["estimate"].to_numpy(dtype=float)
            spread = float(estimate.std(ddof=1))
            inside = (part["lower"] <= true) & (true <= part["upper"])
            row |= {
                "nominal": LEVEL,
                "observed": float(inside.mean()),
                "truth": true,
                "bias": float(estimate.mean() - true),
                "bias_error": spread / np.sqrt(count),
                "spread": spread,
                "below": float((part["upper"] < true).mean()),
                "above": float((part["lower"] > true).mean()),
            }
        row["simulation_error"] = float(np.sqrt(row["nominal"] * (1 - row["nominal"]) / count))
        rows.append(row)
    return pd.DataFrame(rows)


def main(share: float = 1.0) -> None:
    began, tables = time.perf_counter(), []
    workers = min(2, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_quiet) as pool:
        for number, (name, world) in enumerate(WORLDS.items()):
            count = max(2 * _CHUNK, round(world.replicates * share))
            first = SEED + 10_000 * number
            starts = range(first, first + count, _CHUNK)
            jobs = [pool.submit(replicate, name, range(s, min(s + _CHUNK, first + count))) for s in starts]
            tables.append(
                summarise(world, pd.concat([job.result() for job in jobs], ignore_index=True), count)
            )
            sys.stderr.write(
                f"{name}: {count} replicates, {(time.perf_counter() - began) / 60:.1f} minutes\n"
            )
    table = pd.concat(tables, ignore_index=True)
    table = table[[*COLUMNS]]
    sys.stdout.write(table.to_string(index=False, float_format=lambda x: f"{x:.4f}") + "\n")
    if share == 1.0:
        table.to_csv(HERE / "survival_coverage.csv", index=False, float_format="%.6g", lineterminator="\n")
        _record(time.perf_counter() - began)


COLUMNS = (
    "world", "method", "quantity", "label", "interval", "replicates", "refused", "nominal", "observed",
    "simulation_error", "below", "above", "truth", "bias", "bias_error", "spread",
)  # fmt: skip


def _quiet() -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    os.nice(5)


def _record(seconds: float) -> None:
    run = {
        "seed": SEED,
        "replicates": {name: world.replicates for name, world in WORLDS.items()},
        "rows": {name: world.rows for name, world in WORLDS.items()},
        "minutes": round(seconds / 60, 1),
        "versions": {name: version(name) for name in ("soa-evidence", "numpy", "numba")},
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }
    (HERE / "survival_coverage.json").write_text(json.dumps(run, indent=1) + "\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
