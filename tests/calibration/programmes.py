"""Do the methods that judge programmes find nothing where nothing happened? Synthetic data.

Run: ``python -m tests.calibration.programmes``; writes programmes.csv beside it (about a minute).

Every simulated country has 40 units over 8 years, 3 of which take part from the sixth. A unit's values hang
together from year to year (0.5), sizes differ tenfold, and chance in a value is 8 / sqrt(size). Worlds:

nothing    units take part at random, nothing happens
sized      the three that take part are the smallest: the noisiest
low        the three lowest of the years before take part, nothing happens: only regression to the mean
effect     taken part at random, values rise by 2

For each method: how often p <= 0.05 (placebo or, for regression to the mean, an interval without 0), cover of
the truth, and mean estimate.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.pathways import difference_in_differences, regression_to_mean, synthetic_control

HERE = Path(__file__).parent
REPLICATES = 60
WORLDS = ("nothing", "sized", "low", "effect")
UNITS, YEARS, START, TOOK, LIFT = 40, 8, 5, 3, 2.0


def country(world: str, rng: np.random.Generator) -> tuple[pd.DataFrame, list[str]]:
    """Return a panel, and who took part."""
    size = np.exp(rng.uniform(np.log(60), np.log(600), UNITS))
    drift = np.empty((UNITS, YEARS))
    drift[:, 0] = rng.standard_normal(UNITS)
    for year in range(1, YEARS):
        drift[:, year] = 0.5 * drift[:, year - 1] + np.sqrt(0.75) * rng.standard_normal(UNITS)
    values = 20 + rng.standard_normal((UNITS, 1)) + 0.5 * drift + 0.2 * np.arange(YEARS)
    values += rng.standard_normal((UNITS, YEARS)) * (8 / np.sqrt(size))[:, None]
    if world == "low":
        took = np.argsort(values[:, :START].mean(axis=1))[:TOOK]
    elif world == "sized":
        took = np.argsort(size)[:TOOK]
    else:
        took = rng.permutation(UNITS)[:TOOK]
    if world == "effect":
        values[took, START:] += LIFT
    frame = pd.DataFrame(
        {
            "unit": np.repeat([f"u{i:02d}" for i in range(UNITS)], YEARS),
            "year": np.tile(np.arange(YEARS), UNITS),
            "value": values.ravel(),
            "n": np.repeat(size, YEARS),
        }
    )
    return frame, [f"u{i:02d}" for i in took]


def replicate(world: str, seed: int) -> list[tuple[str, bool, bool, float]]:
    """Return method, claimed, covers, estimate of one country."""
    frame, took = country(world, np.random.default_rng(seed))
    truth = LIFT if world == "effect" else 0.0
    put = {"unit": "unit", "year": "year", "value": "value", "treated": took, "start": START, "seed": seed}
    change = difference_in_differences.fit(frame, size="n", placebos=499, **put)
    plain = difference_in_differences.fit(frame, placebos=499, **put)
    apart = synthetic_control.fit(frame, size="n", placebos=99, shift=True, **put)
    levels = (
        frame.assign(period=np.where(frame["year"] < START, "before", "after"))
        .pivot_table(index="unit", columns="period", values="value")
        .reset_index()
    )
    levels["error"] = 8 / np.sqrt(frame.groupby("unit")["n"].mean().to_numpy() * START)
    shrunk = regression_to_mean.fit(
        levels, unit="unit", before="before", after="after", treated=took, seed=seed, error_before="error",
        draws=400,
    )  # fmt: skip
    rows = []
    for name, estimates, p in (
        ("placebo groups, sizes known", change.effect, change.p_value),
        ("placebo groups, sizes unknown", plain.effect, plain.p_value),
        ("cluster-robust", change.cluster_robust, None),
        ("synthetic control", apart.effect, apart.p_value),
        ("beyond regression to the mean", shrunk.change.select(["beyond it"]), None),
    ):
        row = estimates.table().iloc[0]
        claimed = p <= 0.05 if p is not None else not row["lower"] <= 0 <= row["upper"]
        rows.append(
            (name, bool(claimed), bool(row["lower"] <= truth <= row["upper"]), float(row["estimate"]))
        )
    return rows


def study(world: str, replicates: int, *, seed: int = 61_000) -> pd.DataFrame:
    """Return one row a method: claimed, covers, estimate, replicates."""
    rows = [
        row for k in range(replicates) for row in replicate(world, seed + 10_000 * WORLDS.index(world) + k)
    ]
    frame = pd.DataFrame(rows, columns=["method", "claimed", "covers", "estimate"])
    table = frame.groupby("method", sort=False).mean().reset_index()
    return table.assign(world=world, replicates=replicates)


def main(share: float = 1.0) -> None:
    """Run all worlds; write the table when whole."""
    table = pd.concat(
        [study(world, max(4, round(share * REPLICATES))) for world in WORLDS], ignore_index=True
    )
    sys.stdout.write(table.to_string() + "\n")
    if share == 1.0:
        table.to_csv(HERE / "programmes.csv", index=False, float_format="%.4g", lineterminator="\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
