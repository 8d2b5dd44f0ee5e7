"""Do the methods that judge programmes find nothing where nothing happened? Synthetic data.

Run: ``python -m tests.calibration.programmes``; writes programmes.csv beside it.

Every simulated country has 40 units over 8 years, 3 of which take part from the sixth. A unit's values hang
together from year to year (0.5), sizes differ tenfold, and chance in a value is 8 / sqrt(size). Worlds:

nothing    units take part at random, nothing happens
sized      the three that take part are the smallest: the noisiest
low        the three lowest of the years before take part, nothing happens: only regression to the mean
effect     taken part at random, values rise by 2

For each method: how often p <= 0.05 (placebo or, for regression to the mean, an interval without 0), cover of
the truth, and mean estimate. "Chance known" methods are told the standard deviation of a record.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.pathways import difference_in_differences, regression_to_mean, synthetic_control
from tests.calibration import replicates

HERE = Path(__file__).parent
REPLICATES = 400
EVERY = 4  # a synthetic control, with its placebo groups, takes as long as all the rest: in every fourth
NAME, SEED, RECORD_SD = "programmes", 61_000, 8.0
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
    values += rng.standard_normal((UNITS, YEARS)) * (RECORD_SD / np.sqrt(size))[:, None]
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


def replicate(world: str, seed: int) -> dict[str, float]:
    """Return whether each method claims an effect, covers the truth, and its estimate, of one country."""
    frame, took = country(world, np.random.default_rng(seed))
    frame = frame.assign(sd=RECORD_SD)
    truth = LIFT if world == "effect" else 0.0
    put = {"unit": "unit", "year": "year", "value": "value", "treated": took, "start": START, "seed": seed}
    known = {"size": "n", "record_sd": "sd"}
    change = difference_in_differences.fit(frame, size="n", placebos=499, **put)
    plain = difference_in_differences.fit(frame, placebos=499, **put)
    told = difference_in_differences.fit(frame, placebos=499, **known, **put)
    levels = (
        frame.assign(period=np.where(frame["year"] < START, "before", "after"))
        .pivot_table(index="unit", columns="period", values="value")
        .reset_index()
    )
    size = frame.groupby("unit")["n"].mean().to_numpy()
    levels["error"] = RECORD_SD / np.sqrt(size * START)
    levels["error_after"] = RECORD_SD / np.sqrt(size * (YEARS - START))
    level = {
        "unit": "unit", "before": "before", "after": "after", "treated": took, "seed": seed,
        "error_before": "error", "draws": 400,
    }  # fmt: skip
    shrunk = regression_to_mean.fit(levels, **level)
    shrunk_told = regression_to_mean.fit(levels, error_after="error_after", **level)
    found = {}
    methods = [
        ("placebo groups, chance known", told.effect, told.p_value),
        ("placebo groups, sizes known", change.effect, change.p_value),
        ("placebo groups, sizes unknown", plain.effect, plain.p_value),
        ("cluster-robust", change.cluster_robust, None),
        ("beyond regression to the mean, chance known", shrunk_told.change.select(["beyond it"]), None),
        ("beyond regression to the mean, chance before known", shrunk.change.select(["beyond it"]), None),
    ]
    if seed % EVERY == 0:
        for name, more in (("chance known", known), ("sizes known", {"size": "n"})):
            apart = synthetic_control.fit(frame, placebos=99, shift=True, **more, **put)
            methods.append((f"synthetic control, {name}", apart.effect, apart.p_value))
    for name, estimates, p in methods:
        row = estimates.table().iloc[0]
        claimed = p <= 0.05 if p is not None else not row["lower"] <= 0 <= row["upper"]
        covers = row["lower"] <= truth <= row["upper"]
        values = (("claimed", claimed), ("covers", covers), ("estimate", row["estimate"]))
        found |= {f"{what}: {name}": float(value) for what, value in values}
    return found


def study(worlds: dict[str, int], *, seed: int = SEED, share: float = 1.0) -> pd.DataFrame:
    """Return one row a method and world: claimed, covers, estimate, replicates."""
    places, refused = replicates.gather(NAME, worlds, replicate, seed=seed, share=share)
    long = places.melt(id_vars=["study", "seed"])
    long[["what", "method"]] = long["variable"].str.split(": ", n=1, expand=True)
    table = long.pivot_table("value", ["study", "method"], "what", aggfunc="mean", sort=False).reset_index()
    table = table.rename(columns={"study": "world"})[["method", "claimed", "covers", "estimate", "world"]]
    many = long.dropna(subset="value").pivot_table(
        "value", ["study", "method"], "what", aggfunc="size", sort=False
    )
    table["replicates"] = many["claimed"].to_numpy()
    if share == 1.0:
        table.to_csv(HERE / "programmes.csv", index=False, float_format="%.4g", lineterminator="\n")
        replicates.finish(NAME, worlds, seed, refused)
    return table


def main(share: float = 1.0) -> None:
    """Run all worlds; write the table when whole."""
    sys.stdout.write(study(dict.fromkeys(WORLDS, REPLICATES), share=share).to_string() + "\n")


if __name__ == "__main__":
    main(replicates.share_asked(sys.argv))
