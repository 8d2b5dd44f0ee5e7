"""Whether intervals of `units.area_gradient` and `units.adjusted_gain` hold the truth. Synthetic data.

gradient      areas of unequal size whose outcomes scatter more where few people live, with and without a
              slope: slopes, the exposure that a gap implies, and what it would do to another outcome
few areas     the same with 12 areas
gain          40 units of 20 to 400 patients in one release, expected scores known: adjusted gains of the
              smallest, a middling and the largest unit, and how often one that is as expected is flagged

Files: see `replicates`.

    python -m tests.calibration.units_areas
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from soa_evidence.results import Estimates
from soa_evidence.units import adjusted_gain, area_gradient
from tests.calibration import replicates

NAME, SEED = "units_areas", 44_000_000
REPLICATES = {"gradient": 2000, "few areas": 2000, "gain": 2000}
AREAS = {"gradient": 150, "few areas": 12}
SLOPES = {"shows it": -0.8, "follows it": -0.5, "does not": 0.0}
BEYOND = 0.5  # SD between areas that no exposure explains
GAP, GAP_ERROR = -0.6, 0.1
UNITS, SD = 40, 9.0


def gradient(name: str, rng: np.random.Generator) -> dict[str, float] | None:
    areas = AREAS[name]
    size = np.exp(rng.uniform(np.log(40), np.log(1500), areas)).round()
    exposure = rng.standard_normal(areas)
    rows = []
    for outcome, slope in SLOPES.items():
        chance = 6 / np.sqrt(size)
        mean = slope * exposure + BEYOND * rng.standard_normal(areas) + chance * rng.standard_normal(areas)
        rows.append(
            pd.DataFrame(
                {
                    "area": np.arange(areas),
                    "outcome": outcome,
                    "value": mean,
                    "error": chance,
                    "n": size,
                    "x": exposure,
                }
            )
        )
    found = area_gradient.fit(
        pd.concat(rows),
        area="area",
        outcome="outcome",
        value="value",
        std_error="error",
        size="n",
        exposure="x",
    )
    table = found.slope.table().set_index("label")
    out = {
        f"slope, {label}": replicates.held(table["lower"][label], table["upper"][label], slope)
        for label, slope in SLOPES.items()
    }
    if table["upper"]["shows it"] >= 0:
        return out  # refused to be carried through: the slope may be nought
    gap = Estimates(
        estimand="gap", labels=("gap",), unit="points", method="simulated",
        mean=np.array([rng.normal(GAP, GAP_ERROR)]), covariance=np.array([[GAP_ERROR**2]]),
        interval="confidence", checks=found.checks,
    )  # fmt: skip
    implied = found.implied(gap, through="shows it").table().iloc[0]
    out["exposure a gap implies"] = replicates.held(
        implied["lower"], implied["upper"], GAP / SLOPES["shows it"]
    )
    for outcome in ("follows it", "does not"):
        would = found.consequence(gap, through="shows it", outcome=outcome).table().iloc[0]
        truth = GAP * SLOPES[outcome] / SLOPES["shows it"]
        out[f"what it would do, {outcome}"] = replicates.held(would["lower"], would["upper"], truth)
    return out


def gain(rng: np.random.Generator) -> dict[str, float]:
    size = np.linspace(20, 400, UNITS).astype(int)
    true = rng.normal(0, 1, UNITS)
    unit = np.repeat(np.arange(UNITS), size)
    before = rng.normal(18, 8, len(unit))
    expected = 30 + 0.5 * before
    after = expected + 0.7 + true[unit] + SD * rng.standard_normal(len(unit))  # the model is 0.7 too low
    frame = (
        pd.DataFrame(
            {"unit": unit, "o": after, "e": expected, "b": before, "ss": (after - expected) ** 2, "n": 1}
        )
        .groupby("unit", as_index=False)
        .sum()
    )
    frame["unit"] = [f"u{j:02d}" for j in frame["unit"]]
    found = adjusted_gain.fit(
        frame, unit="unit", size="n", observed="o", expected="e", before="b", residual_squares="ss"
    ).units
    mean_gain = (after - before).mean()
    level = np.average(true, weights=size)
    out = {}
    for label, j in (("smallest", 0), ("middling", UNITS // 2), ("largest", UNITS - 1)):
        row = found.iloc[j]
        out[f"adjusted gain of the {label} unit"] = replicates.held(
            row["lower"], row["upper"], mean_gain + true[j] - level
        )
    off = found.assign(estimate=found["adjusted_gain"] - (mean_gain + true - level))
    flagged = adjusted_gain.flags(off[["estimate", "std_error"]])
    out["told: flagged at 95 % though as expected"] = float((flagged != "within").mean())
    out["told: flagged at 99.8 % though as expected"] = float(flagged.str.contains("99.8").mean())
    return out


def one(name: str, seed: int) -> dict[str, float] | None:
    rng = np.random.default_rng(seed)
    return gain(rng) if name == "gain" else gradient(name, rng)


def main(share: float = 1.0) -> pd.DataFrame:
    return replicates.run(NAME, REPLICATES, one, seed=SEED, share=share)


if __name__ == "__main__":
    sys.stdout.write(main(replicates.share_asked(sys.argv)).to_string() + "\n")
