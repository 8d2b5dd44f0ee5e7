"""Whether units.spread keeps its word: simulation-based calibration, and worlds whose truth is fixed.

`priors`: how the spread changes (not at all, steadily, with a turn) and every parameter from their priors;
places of the truth must be uniform and patterns come with the probabilities stated for them. `constant`:
units differ by the same in every year; nobody improves by more than regression to the mean. `falling`: 6 %
less in every year. Made-up data throughout; files: see `replicates`.

    python -m tests.calibration.units_spread
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from soa_evidence import priors
from soa_evidence.units import spread, spread_frame, spread_posterior
from tests.calibration import replicates

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from spread_toys import COLUMNS, world

NAME, SEED = "units_spread", 50_000
REPLICATES = {"priors": 300, "constant": 100, "falling": 100}
UNITS, YEARS, SD, DRAWS = 60, 8, 8.0, 800
SPREADS = {"constant": np.ones(YEARS), "falling": np.exp(-0.06 * np.arange(YEARS))}
PATTERN = {"constant": "no change", "falling": "narrower throughout"}
CHANGED = "a change, at 97.5 %"


def drawn_world(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray, float, float, str]:
    """Return means of units, log spreads of the years, what is kept and carried, and the pattern."""
    blank = world(0, units=UNITS, years=YEARS, sd=SD)
    panel = spread_frame.read(blank, **COLUMNS)
    listed = spread_posterior.ways(panel, priors.spread())
    share = np.array([way.share for way in listed])
    way = listed[rng.choice(len(listed), p=share / share.sum())]
    drawn = np.array([rng.normal(p.mean, p.sd) for p in way.priors])
    log_spread = way.basis @ drawn[:-2]
    pattern = spread.PATTERNS[0]
    if way.name != "constant":
        slopes = drawn[1:-2]
        up, down = (slopes > 0).all(), (slopes < 0).all()
        pattern = spread.PATTERNS[1 if up else 2 if down else 3 if slopes[0] > 0 else 4]
    kept, carried = expit(drawn[-2:])
    frame = world(
        int(rng.integers(2**31)), units=UNITS, spreads=np.exp(log_spread), kept=kept, carried=carried, sd=SD
    )
    return frame, log_spread, kept, carried, pattern


def one(name: str, seed: int) -> dict[str, float]:
    """Return places of the truth, probabilities of patterns, and whether the weights were sound."""
    rng = np.random.default_rng(seed)
    if name == "priors":
        frame, log_spread, kept, carried, pattern = drawn_world(rng)
    else:
        log_spread, kept, carried = np.log(SPREADS[name]), 0.95, 0.93
        frame, pattern = (
            world(seed, units=UNITS, spreads=SPREADS[name], kept=kept, carried=carried),
            PATTERN[name],
        )
    found = spread.fit(frame, seed=seed, draws=DRAWS, **COLUMNS)
    change = found.change.draws[:, 0]
    places = {
        f"spread, {label} year": replicates.place(found.spread.draws[:, t], math.exp(log_spread[t]))
        for label, t in (("first", 0), ("fifth", 4), ("last", YEARS - 1))
    }
    places["log ratio"] = replicates.place(change, log_spread[-1] - log_spread[0], rng)
    after = found.carried_over.draws
    places["kept from year to year"] = replicates.place(after[:, 0], kept * carried)
    places["kept from first to last year"] = replicates.place(after[:, 1], kept * carried ** (YEARS - 1))
    if name != "priors":  # every year by itself is another prior than the one that truth was drawn from
        yearly = found.yearly.draws[:, 0]
        places["spread of one year by itself"] = replicates.place(yearly, math.exp(log_spread[0]))
    if name == "constant":
        places["worst fifth, beyond regression to the mean"] = replicates.place(found.beyond.draws[:, 0], 0.0)
    chance = found.patterns.table().set_index("label")["estimate"]
    for label in spread.PATTERNS:
        places[replicates.CHANCE + label] = chance[label]
        places[replicates.WAS + label] = float(label == pattern)
    places[replicates.BETTER + CHANGED] = 1 - chance["no change"]
    unsound = any(check.verdict == "fail" for check in found.checks)
    return places | {replicates.UNSOUND: float(unsound)}


def main(share: float = 1.0) -> pd.DataFrame:
    return replicates.run(NAME, REPLICATES, one, seed=SEED, share=share)


if __name__ == "__main__":
    sys.stdout.write(main(replicates.share_asked(sys.argv)).to_string() + "\n")
