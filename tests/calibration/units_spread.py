"""Whether units.spread keeps its word: worlds with a constant and a falling spread (a turn: tests/unit).

Asked of each: do intervals cover the spread of every year, the ratio of last to first, and the change of the
worst fifth beyond regression to the mean (0 where the spread is constant); how often is a change claimed that
is not there; how probable is the true pattern. Made-up data throughout.

    python -m tests.calibration.units_spread     (half a minute of one core; small)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.units import spread

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "unit"))
from spread_toys import COLUMNS, world  # noqa: E402  a test's toys are no package

TABLE = HERE / "units_spread_coverage.csv"
REPLICATIONS, SEED, LEVEL = 12, 50_000, 0.95
UNITS = 60
WORLDS = {
    "constant": (np.ones(8), "no change"),
    "falling": (np.exp(-0.06 * np.arange(8)), "narrower throughout"),
}
CLAIM = 0.95


def one(name, seed):
    """Return whether first, middle, last year's spread, ratio and worst fifth are covered; probabilities."""
    spreads, pattern = WORLDS[name]
    found = spread.fit(world(seed, units=UNITS, spreads=spreads), seed=seed, draws=500, **COLUMNS)
    table = found.spread.table()
    inside = ((table["lower"] <= spreads) & (spreads <= table["upper"])).to_numpy()
    ratio = found.change.table().iloc[0]
    truth = np.log(spreads[-1] / spreads[0])
    worst = found.beyond.table().iloc[0]
    chance = found.patterns.table().set_index("label")["estimate"]
    changed = 1 - chance["no change"]
    return {
        "spread, first year": inside[0],
        "spread, fifth year": inside[4],
        "spread, last year": inside[-1],
        "log ratio": ratio["lower"] <= truth <= ratio["upper"],
        "worst fifth is as predicted": worst["lower"] <= 0 <= worst["upper"],
        "change claimed": changed > CLAIM,
        "true pattern, probability": chance[pattern],
        "sound": all(check.verdict != "fail" for check in found.checks),
    }


def study(replications=REPLICATIONS, seed=SEED):
    """Return one row a world and quantity: the share or mean over replications, with its error."""
    rows = []
    for at, name in enumerate(WORLDS):
        found = pd.DataFrame([one(name, seed + 1000 * at + r) for r in range(replications)]).astype(float)
        for quantity in found:
            rows.append(
                {
                    "world": name,
                    "quantity": quantity,
                    "replications": replications,
                    "share": found[quantity].mean(),
                    "monte_carlo_error": np.sqrt(LEVEL * (1 - LEVEL) / replications),
                }
            )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    study().to_csv(TABLE, index=False, float_format="%.4f")
