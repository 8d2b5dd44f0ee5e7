"""Simulation-based calibration of `pathways.intervention_rates`, and coverage with known completion.

Run: ``python -m tests.calibration.rates_calibration``; writes rates_calibration.csv beside it (minutes).
Priors: level, spread and slope drawn from the default priors, counts from them; where each true value falls
among
its posterior draws must be uniform. Completion: use and completion differ by known spreads; intervals of use
must
hold it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.pathways import intervention_rates
from soa_evidence.priors import rates

REPLICATIONS, PLACES, DRAWS, BINS = 400, 40, 399, 10
SEED = 60206
#: Studies, and the quantities of each.
QUANTITIES = {
    "priors": ("level", "spread", "slope", "ratio of one place"),
    "completion": ("use of one place", "spread of use"),
}


def from_priors(rng: np.random.Generator, seed: int) -> dict[str, float]:
    prior = rates()
    level = rng.normal(prior.log_level.mean, prior.log_level.sd)
    spread = abs(rng.normal(0, prior.spread_scale))
    slope = rng.normal(prior.slope.mean, prior.slope.sd)
    x = rng.normal(size=PLACES)
    z = (x - x.mean()) / x.std()
    expected = rng.uniform(20, 200, PLACES)
    shape = 1 / max(spread, 1e-3) ** 2
    true = rng.gamma(shape, np.exp(level + slope * z) / shape)
    frame = pd.DataFrame(
        {
            "unit": [f"p{i}" for i in range(PLACES)],
            "observed": rng.poisson(expected * true),
            "expected": expected,
            "x": x,
        }
    )
    if not frame["observed"].any():
        return {}
    found = intervention_rates.fit(frame, covariates=["x"], draws=DRAWS, seed=seed)
    adjusted = true / np.exp(slope * z)
    return {
        "spread": float((found.level.of("coefficient of variation") < spread).mean()),
        "slope": float((found.slopes.of("x") < slope).mean()),
        "ratio of one place": float((found.ratio.of("p0") < adjusted[0]).mean()),
        "level": float((found.level.of("average ratio") < np.exp(level)).mean()),
    }


def with_completion(rng: np.random.Generator, seed: int) -> dict[str, float]:
    n, w = 150, 0.2
    use, share = rng.normal(0, 0.25, n), rng.normal(0, w, n)
    frame = pd.DataFrame(
        {
            "unit": [f"p{i}" for i in range(n)],
            "observed": rng.poisson(200 * np.exp(use + share)),
            "expected": 200.0,
        }
    )
    found = intervention_rates.fit(frame, completion_log_sd=w, draws=DRAWS, seed=seed)
    theirs = found.use_ratio.draws / np.exp(np.log(found.use_ratio.draws).mean(axis=1, keepdims=True))
    return {
        "use of one place": float((theirs[:, 0] < np.exp(use[0] - use.mean())).mean()),
        "spread of use": float((found.spread.of("left for use") < 0.25).mean()),
    }


STUDIES = {"priors": from_priors, "completion": with_completion}


def study(replications: int, *, seed: int) -> pd.DataFrame:
    """Run both studies; one row a quantity."""
    rows = []
    for name, run in STUDIES.items():
        ranks = pd.DataFrame(
            [run(np.random.default_rng([seed, k]), seed + k) for k in range(replications)]
        ).dropna()
        for quantity in QUANTITIES[name]:
            rank = ranks[quantity].to_numpy()
            held = float(((rank > 0.025) & (rank < 0.975)).mean())
            counts = np.histogram(rank, bins=BINS, range=(0, 1))[0]
            rows.append(
                {
                    "study": name,
                    "quantity": quantity,
                    "replications": len(rank),
                    "coverage": round(held, 4),
                    "monte_carlo_error": round(float(np.sqrt(0.95 * 0.05 / len(rank))), 4),
                    "p_uniform": round(float(stats.chisquare(counts).pvalue), 4),
                }
            )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    study(REPLICATIONS, seed=SEED).to_csv(Path(__file__).parent / "rates_calibration.csv", index=False)
