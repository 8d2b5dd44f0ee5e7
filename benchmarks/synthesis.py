"""1,000 REML meta-analyses of 20 studies: metafor and ours in one run, as a ratio.

Needs Rscript with metafor. Timed is the model call only: for metafor
a loop over `rma`, for ours one `many.fit` from a long frame, which also gives Q-profile limits, prediction
intervals and Hartung-Knapp. metafor is timed bare, and with those three as well. Data are simulated with a
fixed seed.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.synthesis import many

ANALYSES, STUDIES, REPEATS = 1000, 20, 5
R_CODE = """
suppressPackageStartupMessages(library(metafor))
d <- read.csv(commandArgs(TRUE)[1]); s <- split(d, d$analysis); s <- s[order(as.integer(names(s)))]
a <- system.time(r <- lapply(s, function(x)
  try(rma(x$estimate, x$std_error^2, method = "REML"), silent = TRUE)))[3]
b <- system.time(lapply(s, function(x) try({
  f <- rma(x$estimate, x$std_error^2, method = "REML", test = "knha")
  predict(f); confint(f) }, silent = TRUE)))[3]
cat(a, b, "\\n")
cat(sapply(r, function(x) if (inherits(x, "rma")) sprintf("%.17g", x$tau2) else "nan"), "\\n")
cat(R.version.string, ", metafor", as.character(packageVersion("metafor")), "\\n")
"""


def simulated() -> pd.DataFrame:
    """Simulate log odds ratios with a spread of 0.3 between studies and standard errors of 0.1 to 0.8."""
    rng = np.random.default_rng(20)
    error = rng.uniform(0.1, 0.8, (ANALYSES, STUDIES))
    estimate = rng.normal(0.2, 0.3, error.shape) + error * rng.standard_normal(error.shape)
    which = np.repeat(np.arange(ANALYSES), STUDIES)
    return pd.DataFrame({"analysis": which, "estimate": estimate.ravel(), "std_error": error.ravel()})


def run() -> pd.DataFrame:
    """Return one row: seconds of both, ratios, and how far apart the estimates are."""
    frame = simulated()
    with tempfile.TemporaryDirectory() as folder:
        path, script = Path(folder) / "data.csv", Path(folder) / "metafor.R"
        script.write_text(R_CODE)
        frame.to_csv(path, index=False, float_format="%.17g")
        out = subprocess.run(
            ["Rscript", str(script), str(path)], check=True, capture_output=True, text=True
        ).stdout.splitlines()
    bare, full = (float(x) for x in out[0].split())
    theirs = np.array([float(x) for x in out[1].split()])
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = many.fit(frame, analysis="analysis", interval="hartung_knapp")
        seconds.append(time.perf_counter() - start)
    ours = float(np.median(seconds))
    # metafor stops by default when tau2 moves by less than 1e-5, which sets how near the two can be.
    apart = float(np.nanmax(np.abs(result.table["tau2"] - theirs)))
    row = {
        "work": f"{ANALYSES} REML meta-analyses of {STUDIES} studies",
        "metafor_bare_s": round(bare, 3),
        "metafor_with_intervals_s": round(full, 3),
        "ours_with_intervals_s": round(ours, 4),
        "ratio_to_bare": round(bare / ours, 1),
        "ratio_to_with_intervals": round(full / ours, 1),
        "metafor_did_not_converge": int(np.isnan(theirs).sum()),
        "ours_did_not_converge": int((~result.table["converged"]).sum()),
        "largest_difference_in_tau2": f"{apart:.1e}",
        "peer": out[2].strip(),
    }
    return pd.DataFrame([row])
