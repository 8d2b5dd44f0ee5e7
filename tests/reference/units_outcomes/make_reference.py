"""Long runs of the plain models and the records they are of; run as a module from the root.

Writes `records.csv` (synthetic patients) and `long_runs.json` (means, standard deviations, Monte Carlo
errors).
"""

import json
from importlib.metadata import version
from pathlib import Path

import arviz as az
import numpy as np

from soa_evidence.priors import gaussian, ordinal
from soa_evidence.sampling import Settings, sample
from tests.reference.units_outcomes import plain

HERE = Path(__file__).parent
SETTINGS = Settings(draws=2500, tune=1000, chains=4, target_accept=0.95)


def summary(tree, names):
    """Mean, SD, and the Monte Carlo errors of both, of every component."""
    out = {}
    for name in names:
        values = tree["posterior"][name].to_numpy()
        flat = values.reshape(*values.shape[:2], -1)
        out[name] = [
            {
                "mean": float(v.mean()),
                "sd": float(v.std(ddof=1)),
                "mcse_mean": float(az.mcse(v, method="mean")),
                "mcse_sd": float(az.mcse(v, method="sd")),
            }
            for v in np.moveaxis(flat, -1, 0)
        ]
    return out


def main():
    frame = plain.records()
    frame.to_csv(HERE / "records.csv", index=False, lineterminator="\n")
    scale = float(frame["gain"].std(ddof=0))
    named = ["class_level", "class_log_spread", "level", "case_mix"]
    runs = {
        "gaussian": summary(
            sample(plain.gaussian_model(frame, gaussian(), scale), seed=20266, settings=SETTINGS),
            [*named, "log_residual", "log_residual_spread"],
        ),
        "ordinal": summary(
            sample(plain.ordinal_model(frame, ordinal()), seed=20267, settings=SETTINGS),
            [*named, "thresholds"],
        ),
    }
    made = {
        "what": "plain.py, non-centred, one row a patient, sampled by nutpie; priors 'default'; gains in "
        "standard deviations of all patients",
        "settings": {
            "draws": SETTINGS.draws,
            "tune": SETTINGS.tune,
            "chains": SETTINGS.chains,
            "target_accept": 0.95,
        },
        "versions": {name: version(name) for name in ("pymc", "nutpie", "numpy")},
        "scale": scale,
        "runs": runs,
    }
    (HERE / "long_runs.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
