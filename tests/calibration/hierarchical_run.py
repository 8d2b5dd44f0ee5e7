"""Calibration of `survival.hierarchical`, part of `make calibrate`; with a number, that share of it.

Writes `hierarchical_ranks.csv` (every replicate's ranks), `hierarchical_calibration.csv` (the table) and
`hierarchical_run.json` (seed, sizes, versions, date, time).
"""

import datetime
import json
import logging
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from soa_evidence.errors import InputError
from tests.calibration import hierarchical_study, study, table

HERE = Path(__file__).parent
SEED = 30260
REPLICATES = {"priors": 150, "no difference": 75}


def main(share=1.0):
    logging.getLogger("arviz_stats").setLevel(logging.ERROR)  # a note on prior sensitivity at every fit
    began, rows, refused = time.perf_counter(), [], 0
    for number, (name, wanted) in enumerate(REPLICATES.items()):
        count = max(2, round(wanted * share))
        with hierarchical_study.compiled_once():
            for k in range(count):
                try:
                    rows += hierarchical_study.replicate(name, SEED + 10_000 * number + k)
                except InputError:  # no revision at all, or nobody left in a band
                    refused += 1
                if (k + 1) % 20 == 0 or k + 1 == count:
                    minutes = (time.perf_counter() - began) / 60
                    sys.stderr.write(f"{name}: {k + 1} of {count} fits, {minutes:.1f} minutes\n")
    frame = pd.DataFrame(rows)
    summary = table.summarise(frame)
    sys.stdout.write(summary.to_string(index=False, float_format=lambda x: f"{x:.3f}") + "\n")
    sys.stdout.write(f"refused: {refused}\n")
    if share == 1.0:
        write(frame, summary, refused, time.perf_counter() - began)


def write(frame, summary, refused, seconds):
    ranks = frame[(frame["study"] == "priors") & (frame["quantity"] != "unit risk")]
    named = ranks.assign(what=ranks["quantity"] + " | " + ranks["label"])
    wide = named.pivot_table(index="seed", columns="what", values="rank", aggfunc="first")
    wide.to_csv(HERE / "hierarchical_ranks.csv", lineterminator="\n")
    summary.to_csv(
        HERE / "hierarchical_calibration.csv", index=False, float_format="%.6g", lineterminator="\n"
    )
    run = {
        "seed": SEED,
        "replicates": REPLICATES,
        "refused": refused,
        "settings": {
            "chains": study.SETTINGS.chains,
            "draws": study.SETTINGS.draws,
            "tune": study.SETTINGS.tune,
        },
        "minutes": round(seconds / 60, 1),
        "processor_minutes": round(resource.getrusage(resource.RUSAGE_SELF).ru_utime / 60, 1),
        "versions": {name: version(name) for name in ("soa-evidence", "pymc", "nutpie", "numpy")},
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }
    (HERE / "hierarchical_run.json").write_text(json.dumps(run, indent=1) + "\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
