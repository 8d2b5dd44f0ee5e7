"""Shared frailty beside R's coxph, in one run on one machine.

    python -m benchmarks.survival_frailty [--scale 1.0] [--runs 3]

100,000 rows, four covariates, about 6 % events in whole days, 150 units. Seconds are the best of the runs,
model call only, compilation outside; ours include the profile limits of the variance, the joint covariance of
the units and the checks, which coxph does not give. coxph is run with its defaults and with tight control;
`theta` and `log_likelihood` (both marginal) say how far each came. A million rows are ours alone.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.survival import best
from soa_evidence.survival import frailty

COVARIATES = list("abcd")


def rows(n, units=150, theta=0.19, seed=3):
    """Gamma frailties of variance `theta`, whole days up to 5,000."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    X[:, 2] = rng.random(n) < 0.3
    unit = rng.integers(0, units, n)
    effect = rng.gamma(1 / theta, theta, units)[unit]
    hazard = 2e-5 * effect * np.exp(X[:, :3] @ np.array([0.2, -0.1, 0.4]))
    event, end = np.ceil(rng.exponential(1 / hazard)), rng.integers(1, 5001, n)
    frame = pd.DataFrame(X, columns=COVARIATES)
    return frame.assign(time=np.minimum(event, end), event=(event <= end).astype(int), unit=unit)


def ours(frame, distribution, runs):
    def call():
        return frailty.fit(
            frame, time="time", event="event", unit="unit", covariates=COVARIATES, distribution=distribution
        )

    found = call()
    return {"seconds": best(call, runs), "theta": found.theta, "log_likelihood": found.log_likelihood}


def in_r(frame, runs):
    rscript = shutil.which("Rscript")
    if rscript is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        frame.to_csv(Path(folder) / "frailty.csv", index=False)
        script = Path(__file__).with_name("survival_frailty_peers.R")
        done = subprocess.run(
            [rscript, str(script), folder, str(runs)], capture_output=True, text=True, check=True
        )
    lines = [line.split() for line in done.stdout.splitlines()]
    names = ("seconds", "theta", "log_likelihood")
    return {line[0]: dict(zip(names, map(float, line[1:]), strict=True)) for line in lines if len(line) == 4}


def run(scale=1.0, runs=3):
    """Return one row a way of doing it: seconds, theta, marginal likelihood, ratio to our gamma model."""
    frame, many = rows(int(100_000 * scale)), rows(int(1_000_000 * scale))
    found = {
        "gamma": ours(frame, "gamma", runs),
        "log_normal": ours(frame, "log_normal", runs),
        "gamma_million": ours(many, "gamma", 1),
        **in_r(frame, runs),
    }
    table = pd.DataFrame.from_dict(found, orient="index").rename_axis("work").reset_index()
    table.insert(1, "rows", [len(many) if "million" in work else len(frame) for work in table["work"]])
    table["over_ours"] = table["seconds"] / found["gamma"]["seconds"]
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full number of rows")
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    print(run(chosen.scale, chosen.runs).to_string(index=False))


if __name__ == "__main__":
    main()
