"""Calibration of `units.binomial`, about 10 minutes on one core: `make calibrate`.

Writes `binomial_ranks.csv` (every replicate's ranks), `binomial_calibration.csv` (the table) and
`binomial_run.json` (seed, sizes, versions, date, time).
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

from tests.calibration import study, table

HERE = Path(__file__).parent
SEED = 20260
REPLICATES = {"priors": 500, "no difference": 250, "specialists better": 250}


def main(share=1.0):
    logging.getLogger("arviz_stats").setLevel(logging.ERROR)  # a note on prior sensitivity at every fit
    began, rows = time.perf_counter(), []
    for number, (name, wanted) in enumerate(REPLICATES.items()):
        count = max(2, round(wanted * share))
        for k in range(count):
            rows += study.replicate(name, SEED + 10_000 * number + k)
            if (k + 1) % 50 == 0 or k + 1 == count:
                minutes = (time.perf_counter() - began) / 60
                sys.stderr.write(f"{name}: {k + 1} of {count} fits, {minutes:.1f} minutes\n")
    frame = pd.DataFrame(rows)
    summary = table.summarise(frame)
    sys.stdout.write(summary.to_string(index=False, float_format=lambda x: f"{x:.3f}") + "\n")
    if share == 1.0:
        write(frame, summary, time.perf_counter() - began)


def write(frame, summary, seconds):
    ranks = frame[(frame["study"] == "priors") & (frame["quantity"] != "unit risk")]
    named = ranks.assign(what=ranks["quantity"] + " | " + ranks["label"])
    wide = named.pivot_table(index="seed", columns="what", values="rank", aggfunc="first")
    wide.to_csv(HERE / "binomial_ranks.csv", lineterminator="\n")
    summary.to_csv(HERE / "binomial_calibration.csv", index=False, float_format="%.6g", lineterminator="\n")
    run = {
        "seed": SEED,
        "replicates": REPLICATES,
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
    (HERE / "binomial_run.json").write_text(json.dumps(run, indent=1) + "\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
