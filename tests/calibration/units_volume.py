"""Whether units.volume keeps its word: simulation-based calibration, and worlds whose truth is fixed.

`priors`: every parameter from the default priors (the level and years from narrower ones, which are then
the fit's too, so that events are neither absent nor everywhere), a straight relation; places of the truth
must be uniform. `any shape`: the shape too is drawn from its prior, and the probabilities given to no
relation, a straight one and a threshold are held against what it was. `no within effect`: large units do
better only because of whom they treat. `nothing`: volume has to do with nothing. Made-up data throughout;
files: see `replicates`.

    python -m tests.calibration.units_volume
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import expit

from soa_evidence import priors
from soa_evidence.priors.normal import Normal
from soa_evidence.units import volume_frame, volume_posterior, volume_shapes
from tests.calibration import replicates

NAME, SEED = "units_volume", 40_000
REPLICATES = {"priors": 300, "any shape": 150, "no within effect": 150, "nothing": 150}
UNITS, YEARS = 25, 3
OLDER = 0.4  # share of older patients
PRIORS = replace(
    priors.volume(),
    level=Normal(mean=-2.0, sd=0.5, because="as rare as complications"),
    case_mix_log_odds=Normal(mean=0.0, sd=0.3, because="years and ages that differ little"),
)
COLUMNS = {"events": "y", "trials": "n", "unit": "unit", "year": "year", "volume": "volume"}
KINDS = ("no relation", "straight", "threshold")


def layout(rng: np.random.Generator) -> pd.DataFrame:
    """Units, years and ages with their volumes and patients; half of all operations were followed up."""
    log2 = rng.normal(7, 1.2, (UNITS, 1)) + rng.normal(0, 0.4, (UNITS, YEARS))
    volume = np.maximum(2, np.round(2**log2))
    known = np.maximum(2, np.round(0.5 * volume)).astype(int)
    older = np.clip(rng.binomial(known, OLDER), 1, known - 1)
    j, t, a = np.indices((UNITS, YEARS, 2)).reshape(3, -1)
    many = np.stack([known - older, older], axis=2)[j, t, a]
    return pd.DataFrame(
        {
            "unit": [f"u{k:02d}" for k in j], "year": t, "age": np.where(a, "older", "younger"),
            "volume": volume[j, t], "n": many, "y": many // 2,
        }
    )  # fmt: skip


def read(frame: pd.DataFrame):
    return volume_frame.read(frame, **COLUMNS, case_mix=["age"])


def world(name: str, rng: np.random.Generator):
    """Return data, the truth of every quantity, and which kind of relation it was."""
    frame = layout(rng)
    data, p = read(frame), PRIORS  # counts are made below: design and order do not hang on them
    shape, kind = volume_shapes.shape_of(data, p, "linear"), "straight"
    if name == "any shape":
        listed = volume_shapes.candidates(data, p)
        kind = KINDS[rng.integers(3)]
        shape = listed[{"no relation": 0, "straight": 1}.get(kind) or int(rng.integers(2, len(listed)))]
        if kind == "no relation":
            shape = listed[0]
    case_mix = rng.normal(p.case_mix_log_odds.mean, p.case_mix_log_odds.sd, data.cells.design.shape[1])
    own = rng.normal(shape.prior_mean, shape.prior_sd)
    log_sd = np.array([rng.normal(q.mean, q.sd) for q in (p.unit_log_spread, p.year_log_spread)])
    if name in ("no within effect", "nothing"):
        own[:] = 0.0
        own[0] = -2.0
        own[shape.between] = -0.15 if name == "no within effect" else 0.0
        log_sd = np.log([0.2, 0.1])
    level = shape.design @ own + np.exp(log_sd[0]) * rng.standard_normal(len(data.units))[data.unit]
    level = level + np.exp(log_sd[1]) * rng.standard_normal(len(level))
    cells = data.cells
    events = rng.binomial(
        cells.trials.astype(int), expit(level[cells.unit] + (cells.design @ case_mix)[cells.pattern])
    )
    truth = {"within a unit": own[-1], "unit log spread": log_sd[0], "year log spread": log_sd[1]}
    if kind == "straight":
        truth["between units"] = own[shape.between.start]
    if len(case_mix):
        truth["case mix"] = case_mix[0]
    return replace(data, cells=replace(cells, events=events.astype(float))), truth, kind


def one(name: str, seed: int) -> dict[str, float]:
    """Return places of the truth, probabilities, and whether the draws were sound."""
    data, truth, kind = world(name, np.random.default_rng(seed))
    shape = volume_shapes.shape_of(data, PRIORS, "linear")
    drawn = volume_posterior.draw(data, PRIORS, shape, seed=seed)
    unsound = {replicates.UNSOUND: float(drawn.check.verdict != "pass")}
    if name == "any shape":
        listed = volume_shapes.candidates(data, PRIORS)
        evidence = volume_posterior.compare(data, PRIORS, listed, drawn)[0]
        n = len(listed) - 2
        chance = np.array([1 / 3, 1 / 3, *[1 / 3 / n] * n]) * np.exp(evidence - evidence.max())
        by_kind = np.array([chance[0], chance[1], chance[2:].sum()]) / chance.sum()
        found = dict(zip([replicates.CHANCE + k for k in KINDS], by_kind, strict=True))
        return found | {replicates.WAS + k: float(k == kind) for k in KINDS} | unsound
    between, within = drawn.own[:, shape.between.start], drawn.own[:, -1]
    values = {
        "between units": between, "within a unit": within, "unit log spread": drawn.log_sd[:, 0],
        "year log spread": drawn.log_sd[:, 1], "case mix": drawn.case_mix[:, 0],
    }  # fmt: skip
    found = {quantity: replicates.place(values[quantity], true) for quantity, true in truth.items()}
    claims = {"between units": (between < 0).mean(), "within a unit": (within < 0).mean()}
    return found | {replicates.BETTER + k: float(v) for k, v in claims.items()} | unsound


def main(share: float = 1.0) -> pd.DataFrame:
    return replicates.run(NAME, REPLICATES, one, seed=SEED, share=share)


if __name__ == "__main__":
    sys.stdout.write(main(replicates.share_asked(sys.argv)).to_string() + "\n")
