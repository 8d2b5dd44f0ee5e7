"""Make `simulated.csv` and `long_runs.json`: long runs of the textbook model, once, by hand.

    nice python -m tests.reference.binomial.make_reference [case ...]

Tests read what this leaves and never run it.
"""

import datetime
import json
import sys
from importlib.metadata import version

from soa_evidence import evidence
from soa_evidence.priors import binomial
from soa_evidence.sampling import convergence_checks
from tests.reference.binomial import cases, textbook

RUN = {"draws": 5000, "tune": 2000, "chains": 4, "cores": 1, "target_accept": 0.9}
SEED = {"simulated": 7001, "revision_hip_readmission": 7002}
USED = {"simulated": ["simulated.csv"], "revision_hip_readmission": ["nhs-proms-units", "nhs-units"]}
TARGET = cases.HERE / "long_runs.json"
PACKAGES = ("pymc", "nutpie", "numpy", "arviz")


def run(case):
    frame, columns, case_mix, asked = cases.CASES[case]()
    d = textbook.data(frame, **columns, case_mix=case_mix)
    tree = textbook.sample(textbook.model(d, binomial("default")), **RUN, seed=SEED[case])
    table = textbook.summary(textbook.quantities(d, tree["posterior"].dataset, **asked))
    return {
        "source": {
            "what": "textbook.py, non-centred, all cells, sampled by nutpie; priors 'default'",
            "call": f"python -m tests.reference.binomial.make_reference {case}",
            "settings": RUN | {"seed": SEED[case]},
            "cells": len(d.trials),
            "patients": int(d.trials.sum()),
            "evidence": {name: _hash(name) for name in USED[case]},
            "versions": {name: version(name) for name in PACKAGES},
            "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            "checks": {c.name: f"{c.verdict}: {c.observed}" for c in convergence_checks(tree)},
        },
        "quantities": [
            {key: float(f"{value:.8g}") if isinstance(value, float) else value for key, value in row.items()}
            for row in table.to_dict("records")
        ],
    }


def _hash(name):
    if name.endswith(".csv"):
        import hashlib

        return hashlib.sha256((cases.HERE / name).read_bytes()).hexdigest()
    return evidence.load(name).hash


def write(runs):
    body = []
    for case, made in runs.items():
        rows = ",\n".join("   " + json.dumps(row) for row in made["quantities"])
        source = json.dumps(made["source"], indent=1).replace("\n", "\n  ")
        body.append(f' "{case}": {{\n  "source": {source},\n  "quantities": [\n{rows}\n  ]\n }}')
    TARGET.write_text("{\n" + ",\n".join(body) + "\n}\n")


def main(chosen):
    cases.simulate().to_csv(cases.HERE / "simulated.csv", index=False, lineterminator="\n")
    runs = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    for case in chosen or cases.CASES:
        runs[case] = run(case)
        write(runs)


if __name__ == "__main__":
    main(sys.argv[1:])
