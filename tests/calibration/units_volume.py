"""Whether units.volume keeps its word: simulation-based calibration, and worlds whose truth is fixed.

`priors`: every parameter from the default priors; ranks of the truth among the draws must be uniform, and
intervals cover as they say. `no within effect`: large units do better only because of whom they treat.
`nothing`: volume has to do with nothing at all. Made-up data throughout.

    python -m tests.calibration.units_volume     (a quarter of a minute of one core; small)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit

from soa_evidence import priors
from soa_evidence.units import volume_frame, volume_posterior, volume_shapes

HERE = Path(__file__).parent
TABLE = HERE / "units_volume_coverage.csv"
REPLICATIONS, SEED, LEVEL = 10, 40_000, 0.95
UNITS, YEARS = 25, 3
PRIORS = priors.volume()
QUANTITIES = ("between units", "within a unit", "unit log spread", "year log spread")
WORLDS = ("priors", "no within effect", "nothing")


def world(name, rng):
    """Return made-up counts and the truth of every quantity."""
    p = PRIORS
    unit_log, year_log = (rng.normal(q.mean, q.sd) for q in (p.unit_log_spread, p.year_log_spread))
    between, within = rng.normal(0, p.doubling.sd, 2)
    years = rng.normal(0, 0.3, YEARS)
    level = rng.normal(-2.0, 0.5)
    if name != "priors":
        unit_log, year_log, level, years = np.log(0.2), np.log(0.1), -2.0, np.zeros(YEARS)
        between, within = (-0.15 if name == "no within effect" else 0.0), 0.0
    v = np.log2(
        np.maximum(2, np.round(2 ** (rng.normal(7, 1.2, (UNITS, 1)) + rng.normal(0, 0.4, (UNITS, YEARS)))))
    )
    m = v.mean(axis=1, keepdims=True)
    eta = level + years + between * (m - m.mean()) + within * (v - m)
    eta = eta + rng.normal(0, np.exp(unit_log), (UNITS, 1)) + rng.normal(0, np.exp(year_log), v.shape)
    n = np.maximum(1, np.round(0.5 * 2**v)).astype(int)
    j, t = np.indices(v.shape).reshape(2, -1)
    frame = pd.DataFrame(
        {
            "unit": [f"u{k:02d}" for k in j],
            "year": t,
            "volume": np.round(2 ** v[j, t]),
            "n": n[j, t],
            "y": rng.binomial(n, expit(eta))[j, t],
        }
    )
    return frame, np.array([between, within, unit_log, year_log])


def one(name, seed):
    """Return rank of the truth, whether it is covered, sides claimed, and whether the draws were sound."""
    rng = np.random.default_rng(seed)
    frame, truth = world(name, rng)
    data = volume_frame.read(
        frame, events="y", trials="n", unit="unit", year="year", volume="volume", case_mix=[]
    )
    shape = volume_shapes.shape_of(data, PRIORS, "linear")
    drawn = volume_posterior.draw(data, PRIORS, shape, seed=seed)
    values = np.column_stack([drawn.own[:, shape.between.start], drawn.own[:, -1], drawn.log_sd])
    rank = (values < truth).mean(axis=0)
    lower, upper = np.quantile(values, [0.025, 0.975], axis=0)
    return rank, (lower <= truth) & (truth <= upper), (lower > 0) | (upper < 0), drawn.check.verdict == "pass"


def study(replications=REPLICATIONS, seed=SEED):
    """Return one row a world and quantity: coverage, its simulation error, uniformity of ranks, claims."""
    rows = []
    for at, name in enumerate(WORLDS):
        found = [one(name, seed + 10_000 * at + r) for r in range(replications)]
        ranks, covered, claimed, sound = (np.array(part) for part in zip(*found, strict=True))
        for q, quantity in enumerate(QUANTITIES):
            counts = np.histogram(ranks[:, q], np.linspace(0, 1, 6))[0]
            rows.append(
                {
                    "world": name,
                    "quantity": quantity,
                    "replications": replications,
                    "coverage": covered[:, q].mean(),
                    "monte_carlo_error": np.sqrt(LEVEL * (1 - LEVEL) / replications),
                    "rank_p_value": stats.chisquare(counts).pvalue if name == "priors" else np.nan,
                    "claimed": claimed[:, q].mean() if q < 2 else np.nan,
                    "sound": sound.mean(),
                }
            )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    study().to_csv(TABLE, index=False, float_format="%.4f")
