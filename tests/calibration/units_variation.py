"""Whether the parts of `units.variation` hold what was there: simulation-based calibration and a null world.

`priors`: every parameter from the priors of `units.joint` (the level narrower, so that events are neither
absent nor everywhere), three classes, one case-mix factor that units differ in. Placed among the draws: each
part's share of the variance that was observed, the spread between units, and what the units that look worst
would gain, allowing for chance. `units alike`: classes and units do not differ; how much is put down to
them, and what their worst fifth is said to gain. Synthetic data; files: see `replicates`.

    python -m tests.calibration.units_variation
"""

from __future__ import annotations

import sys
from dataclasses import replace
from unittest import mock

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit

from soa_evidence import priors
from soa_evidence.priors.normal import Normal
from soa_evidence.units import variation
from tests.calibration import replicates

NAME, SEED = "units_variation", 43_000_000
REPLICATES = {"priors": 300, "units alike": 60}
GROUPS = np.repeat([0, 1, 2], [5, 14, 11])
NAMES = ("few", "many", "other")
PRIORS = replace(
    priors.joint(), name="calibration", common=Normal(mean=-2.0, sd=0.5, because="as rare as complications")
)
OLDER = 0.5  # log odds ratio of older patients, where it is fixed
QUIET = 0.01  # of units that are alike: log odds
YEARS = 2.0


def layout() -> tuple[np.ndarray, np.ndarray]:
    """Patients of every unit, and how many of them are older: the same for every replicate."""
    rng = np.random.default_rng(14)
    patients = rng.integers(60, 500, len(GROUPS))
    return patients, rng.binomial(patients, rng.uniform(0.2, 0.7, len(GROUPS)))


def levels(name: str, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Levels of the units, and the spread of a unit taken at random."""
    if name == "units alike":
        return rng.normal(-2.0, QUIET, len(GROUPS)), QUIET
    spread = abs(stats.t.rvs(2, random_state=rng)) * PRIORS.spread_scale
    common = rng.normal(PRIORS.common.mean, PRIORS.common.sd)
    of_class = rng.normal(common, PRIORS.class_sd, 3)
    own = spread * np.exp(rng.normal(0, PRIORS.class_log_spread_sd, 3))[GROUPS]
    return rng.normal(of_class[GROUPS], own), float(np.sqrt(np.mean(own**2)))


def one(name: str, seed: int) -> dict[str, float] | None:
    rng = np.random.default_rng(seed)
    patients, older = layout()
    level, tau = levels(name, rng)
    ageing = priors.binomial().case_mix_log_odds
    many = np.column_stack([patients - older, older])
    score = np.array([0.0, OLDER if name == "units alike" else rng.normal(ageing.mean, ageing.sd)])
    score = score - score @ many.sum(axis=0) / many.sum()  # a level is told for everybody's case mix
    seen = rng.binomial(many, expit(level[:, None] + score))
    if seen.sum() < 10 or seen.sum() > many.sum() - 10:
        return None  # by the data alone, which leaves the posteriors of the rest as they are
    j, a = np.indices(many.shape).reshape(2, -1)
    frame = pd.DataFrame(
        {
            "unit": [f"u{k:02d}" for k in j], "group": [NAMES[GROUPS[k]] for k in j],
            "age": np.where(a, "older", "younger"), "n": many[j, a], "y": seen[j, a],
        }
    )  # fmt: skip
    with mock.patch.dict(priors.JOINT_PRIORS, {PRIORS.name: PRIORS}):
        found = variation.fit(
            frame, outcome=variation.Events(label="event", events="y", trials="n", better="lower"),
            unit="unit", group="group", years=YEARS, case_mix=["age"], priors=PRIORS.name, seed=seed,
        )  # fmt: skip
    truth = parts(level, many, score, seen)
    places = {
        f"share, {part}": replicates.place(found.shares.of(part), truth[part]) for part in variation.PARTS
    }
    if name == "priors":
        places["spread between units"] = replicates.place(found.spread.draws[:, 0], tau)
    acted = variation.WAYS[1]
    places["worst fifth, allowing for chance"] = replicates.place(found.worst_fifth.of(acted), truth[acted])
    if name == "units alike":
        table = found.shares.table().set_index("label")["estimate"]
        gain = found.worst_fifth.table().set_index("label")["estimate"]
        places["told: share of class and unit"] = table[list(variation.PARTS[2:])].sum()
        places["told: worst fifth, allowing for chance, of as counted"] = (
            gain[acted] / gain[variation.WAYS[0]]
        )
    unsound = any(check.verdict == "fail" for check in found.checks)
    return places | {replicates.UNSOUND: float(unsound)}


def parts(level: np.ndarray, many: np.ndarray, score: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    """What the shares, and the gain of the units that look worst, truly were."""
    patients = many.sum(axis=1)
    weight = patients / patients.sum()

    def risk(of: np.ndarray) -> np.ndarray:
        return (many * expit(of[:, None] + score)).sum(axis=1) / patients

    crude = seen.sum(axis=1) / patients
    of_class = np.array([np.average(level[g == GROUPS], weights=patients[g == GROUPS]) for g in range(3)])
    middle = np.full(len(level), weight @ level)
    mix, by_class, by_unit = risk(middle), risk(of_class[GROUPS]), risk(level)
    overall = weight @ crude
    apart = crude - overall
    values = (crude - by_unit, mix - overall, by_class - mix, by_unit - by_class)
    variance = weight @ apart**2
    shares = {p: float(weight @ (v * apart) / variance) for p, v in zip(variation.PARTS, values, strict=True)}
    # Which look worst is told from the data with the case mix as fitted; with this many patients, as it is.
    worst = np.argsort(-(crude - mix), kind="stable")[: len(level) // 5]
    gain = float(((by_unit - mix) * patients)[worst].sum() / YEARS)
    return shares | {variation.WAYS[1]: gain}


def main(share: float = 1.0) -> pd.DataFrame:
    return replicates.run(NAME, REPLICATES, one, seed=SEED, share=share)


if __name__ == "__main__":
    sys.stdout.write(main(replicates.share_asked(sys.argv)).to_string() + "\n")
