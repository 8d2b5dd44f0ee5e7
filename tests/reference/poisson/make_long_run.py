"""Write long_run.json: NUTS on the model as a textbook writes it, every level and gamma effect a parameter.

python -m tests.reference.poisson.make_long_run
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.priors import poisson
from soa_evidence.sampling import Settings, convergence_checks, sample

HERE = Path(__file__).parent


def records():
    """Synthetic counts: ten units of two classes over four periods."""
    rng = np.random.default_rng(5)
    rows = []
    for j in range(10):
        level = rng.normal(-0.3 if j < 3 else 0.1, 0.35)
        for t in range(4):
            due = float(np.round(rng.uniform(1.5, 12), 2))
            rate = due * np.exp(level) * rng.gamma(1 / 0.3**2, 0.3**2)
            group = "specialist" if j < 3 else "general"
            rows.append((f"u{j}", group, t, int(rng.poisson(rate)), due, int(100 * due)))
    return pd.DataFrame(rows, columns=["unit", "group", "period", "events", "expected", "trials"])


def main():
    """Sample and write."""
    import arviz as az
    import pymc as pm

    frame, priors = records(), poisson()
    levels = priors.levels
    units, unit = np.unique(frame["unit"], return_inverse=True)
    group = (frame.drop_duplicates("unit")["group"].to_numpy() == "specialist").astype(int)
    with pm.Model() as model:
        common = pm.Normal("common", levels.common.mean, levels.common.sd)
        typical = pm.Normal("typical_log_spread", levels.log_spread.mean, levels.log_spread.sd)
        class_level = pm.Normal("class_level", common, levels.class_sd, shape=2)
        log_spread = pm.Normal("class_log_spread", typical, levels.class_log_spread_sd, shape=2)
        z = pm.Normal("z", shape=len(units))
        level = pm.Deterministic("level", class_level[group] + pm.math.exp(log_spread)[group] * z)
        period = pm.Normal("log_period_spread", priors.log_period_spread.mean, priors.log_period_spread.sd)
        size = pm.math.exp(-2 * period)
        moved = pm.Gamma("moved", alpha=size, beta=size, shape=len(frame))
        rate = frame["expected"].to_numpy() * pm.math.exp(level)[unit] * moved
        pm.Poisson("y", rate, observed=frame["events"].to_numpy())
    tree = sample(model, seed=7, settings=Settings(draws=1500, tune=800, chains=2, target_accept=0.95))
    names = ["common", "typical_log_spread", "class_level", "class_log_spread", "level", "log_period_spread"]
    summary = az.summary(tree, var_names=names, round_to="none")
    found = {
        "made_with": {name: version(name) for name in ("pymc", "nutpie", "arviz")},
        "checks": [[c.name, c.verdict, c.observed] for c in convergence_checks(tree)],
        "classes": ["general", "specialist"],
        "mean": summary["mean"].astype(float).to_dict(),
        "sd": summary["sd"].astype(float).to_dict(),
        "mcse": summary["mcse_mean"].astype(float).to_dict(),
    }
    (HERE / "long_run.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
