"""Run a study replicate by replicate, keep each as it is made, and sum them up.

A replicate is a dict: for every quantity the *place* of its true value, the share of posterior draws below
it. Over the priors places are uniform; the central 95 % interval holds the truth exactly when its place lies
from 0.025 to 0.975. Keys that begin with ``"better: "`` hold a posterior probability that specialist units
are better: claimed when it is at least 0.975. ``"unsound"`` is 1 where the fit failed a check of its own. A
replicate of None was refused (too few events, say) and is counted.

Each replicate is written to ``<name>_places.part`` as it is made, so that a stop loses nothing: the same
command goes on from there. A whole study leaves ``<name>_places.csv`` (every replicate),
``<name>_calibration.csv`` (the table) and ``<name>_run.json`` (seed, sizes, versions, time).
"""

from __future__ import annotations

import datetime
import json
import resource
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

HERE = Path(__file__).parent
LEVEL, BINS = 0.95, 10
TAIL = (1 - LEVEL) / 2
BETTER, CHANCE, WAS, TOLD, UNSOUND = "better: ", "chance: ", "was: ", "told: ", "unsound"
APART = 1_000_000  # between the seeds of two studies

Replicate = dict[str, float]


def place(draws: np.ndarray, truth: float, rng: np.random.Generator | None = None) -> float:
    """Share of draws below the truth; draws equal to it are shared out at random, or by half."""
    below, same = float(np.mean(draws < truth)), float(np.mean(draws == truth))
    return below + same * (rng.random() if rng is not None else 0.5)


def held(lower: float, upper: float, truth: float) -> float:
    """Place of the truth where only an interval is known: 0 below it, 1 above it, 0.5 inside."""
    return 0.5 if lower <= truth <= upper else float(truth > upper)


def run(
    name: str,
    studies: Mapping[str, int],
    replicate: Callable[[str, int], Replicate | None],
    *,
    seed: int,
    share: float = 1.0,
    uniform: tuple[str, ...] = ("priors",),
) -> pd.DataFrame:
    """Run or finish a study; write its files when `share` is 1. Returns the table."""
    places, refused = gather(name, studies, replicate, seed=seed, share=share)
    table = summarise(places, uniform=uniform)
    if share == 1.0:
        places.to_csv(HERE / f"{name}_places.csv", index=False, float_format="%.4g", lineterminator="\n")
        table.to_csv(HERE / f"{name}_calibration.csv", index=False, float_format="%.4g", lineterminator="\n")
        finish(name, studies, seed, refused)
    return table


def gather(
    name: str,
    studies: Mapping[str, int],
    replicate: Callable[[str, int], Replicate | None],
    *,
    seed: int,
    share: float = 1.0,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Every replicate, a row each, and how many of each study were refused."""
    part = HERE / f"{name}_places.part"
    done: dict[tuple[str, int], Replicate | None] = {}
    if share == 1.0 and part.exists():
        for line in part.read_text().splitlines():
            kept = json.loads(line)
            done[kept["study"], kept["seed"]] = kept["found"]
    for number, (what, wanted) in enumerate(studies.items()):
        count = max(2, round(wanted * share))
        for k in range(count):
            own = seed + APART * number + k
            if (what, own) in done:
                continue
            found = replicate(what, own)
            found = None if found is None else {key: round(float(v), 4) for key, v in found.items()}
            done[what, own] = found
            if share == 1.0:
                with part.open("a") as out:
                    out.write(json.dumps({"study": what, "seed": own, "found": found}) + "\n")
            if (k + 1) % 50 == 0:
                sys.stderr.write(f"{name}, {what}: {k + 1} of {count}\n")
    places = pd.DataFrame(
        [{"study": what, "seed": own} | found for (what, own), found in done.items() if found is not None]
    )
    refused = dict.fromkeys(studies, 0)
    for (what, _), found in done.items():
        refused[what] += found is None
    return places, refused


def finish(name: str, studies: Mapping[str, int], seed: int, refused: Mapping[str, int]) -> None:
    """Write what was run, and do away with the parts."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    record = {
        "seed": seed,
        "replicates": dict(studies),
        "refused": dict(refused),
        "processor_minutes_since_the_last_start": round((used.ru_utime + used.ru_stime) / 60, 1),
        "versions": {p: version(p) for p in ("soa-evidence", "numpy", "scipy", "numba")},
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }
    (HERE / f"{name}_run.json").write_text(json.dumps(record, indent=1) + "\n")
    (HERE / f"{name}_places.part").unlink()


def summarise(places: pd.DataFrame, *, uniform: tuple[str, ...] = ("priors",)) -> pd.DataFrame:
    """One row a study and quantity.

    Returns
    -------
    DataFrame
        study, quantity, replicates, coverage (of 95 % intervals), simulation_error, missed_below,
        missed_above (truth below or above the interval), p_uniform (of uniform places, in `uniform` studies),
        claimed (share of replicates that claim specialists better, of "better" rows), stated and found (mean
        probability and how often it was so, of "chance" rows) with p_stated of their agreement, unsound.
    """
    rows = []
    for what, part in places.groupby("study", sort=False):
        unsound = part[UNSOUND].mean() if UNSOUND in part else 0.0
        for quantity in part.columns.difference(["study", "seed", UNSOUND], sort=False):
            if quantity.startswith(WAS) or (quantity.startswith(BETTER) and what in uniform):
                continue
            at = part[quantity].dropna().to_numpy()
            if not len(at):
                continue
            row = {"study": what, "quantity": quantity, "replicates": len(at)}
            if quantity.startswith(BETTER):
                row |= {"claimed": (at >= 1 - TAIL).mean()}
            elif quantity.startswith(CHANCE):
                was = part[WAS + quantity.removeprefix(CHANCE)].dropna().to_numpy()
                row |= {"stated": at.mean(), "found": was.mean(), "p_stated": as_stated(at, was)}
            elif quantity.startswith(TOLD):
                row |= {"stated": at.mean()}
            else:
                below, above = (at < TAIL).mean(), (at > 1 - TAIL).mean()
                row |= {
                    "coverage": 1 - below - above,
                    "missed_below": below,
                    "missed_above": above,
                    "p_uniform": uniformity(at) if what in uniform else np.nan,
                }
            spread = TAIL if quantity.startswith(BETTER) else 1 - LEVEL
            rows.append(row | {"simulation_error": error(len(at), spread), "unsound": unsound})
    columns = [
        "study", "quantity", "replicates", "coverage", "simulation_error", "missed_below", "missed_above",
        "p_uniform", "claimed", "stated", "found", "p_stated", "unsound",
    ]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=columns)


def error(count: int, share: float) -> float:
    """Simulation error of a share seen in `count` replicates."""
    return float(np.sqrt(share * (1 - share) / count))


def uniformity(places: np.ndarray) -> float:
    """p value of a chi-square test over ten equal bins."""
    counts = np.histogram(places, bins=BINS, range=(0, 1))[0]
    return float(stats.chisquare(counts).pvalue)


def as_stated(chance: np.ndarray, was: np.ndarray) -> float:
    """p value that events come with the probabilities stated for them, against too often or too seldom."""
    spread = np.sqrt((chance * (1 - chance)).sum())
    return float(2 * stats.norm.sf(abs((was - chance).sum()) / max(spread, 1e-12)))


def read(name: str) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, object]]:
    """The committed places, table and record of a study."""
    places = pd.read_csv(HERE / f"{name}_places.csv")
    table = pd.read_csv(HERE / f"{name}_calibration.csv")
    return places, table, json.loads((HERE / f"{name}_run.json").read_text())


def share_asked(arguments: list[str]) -> float:
    """The share of a study that a command asks for; the whole of it when nothing is said."""
    return float(arguments[1]) if len(arguments) > 1 else 1.0
