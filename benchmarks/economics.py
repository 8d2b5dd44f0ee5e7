"""10,000 draws of the total hip model over 60 cycles: an R loop and ours in one run, as a ratio.

Needs Rscript. Timed is the model alone, both strategies, on the same draws: in R a loop over draws with a
matrix
a cycle, as the textbook's exercises and most published models have it, and a version vectorised over
draws; for
ours one `cohort.run`. R's loop runs a tenth of the draws and its time is multiplied.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.economics import cohort, revision_laws

DRAWS, CYCLES, REPEATS, SHARE = 10_000, 60, 5, 10
R_CODE = """
a <- commandArgs(TRUE); d <- read.csv(a[1]); cycles <- 60; dead <- 0.02
one <- function(x, np1) {
  l <- exp(x$cons + x$np1 * np1); g <- exp(x$shape); m <- c(1, 0, 0, 0, 0); cost <- 394; q <- 0
  for (t in 1:cycles) {
    p <- 1 - exp(l * ((t - 1)^g - t^g))
    M <- rbind(c(0, .98, 0, 0, .02), c(0, 1 - p - dead, p, 0, dead), c(0, 0, 0, .98 - dead, .02 + dead),
               c(0, 0, .04, .96 - dead, dead), c(0, 0, 0, 0, 1))
    m <- m %*% M
    cost <- cost + x$cost * m[3] / 1.06^t; q <- q + (m[2] * .85 + m[3] * .3 + m[4] * .75) / 1.015^t
  }
  c(cost, q)
}
all <- function(d, np1) {
  l <- exp(d$cons + d$np1 * np1); g <- exp(d$shape); n <- nrow(d)
  m <- list(rep(1, n), 0, 0, 0); cost <- rep(394, n); q <- 0
  for (t in 1:cycles) {
    p <- 1 - exp(l * ((t - 1)^g - t^g))
    m <- list(0, m[[1]] * .98 + m[[2]] * (1 - p - dead), m[[2]] * p + m[[4]] * .04,
              m[[3]] * (.98 - dead) + m[[4]] * (.96 - dead))
    cost <- cost + d$cost * m[[3]] / 1.06^t; q <- q + (m[[2]] * .85 + m[[3]] * .3 + m[[4]] * .75) / 1.015^t
  }
  cbind(cost, q)
}
few <- d[seq_len(nrow(d) / 10), ]
loop <- system.time(r <- t(sapply(seq_len(nrow(few)), function(i) c(one(few[i, ], 0), one(few[i, ], 1)))))[3]
vector <- median(sapply(1:5, function(i) system.time(v <<- cbind(all(d, 0), all(d, 1)))[3]))
cat(sprintf("%.6f %.6f\\n", loop, vector))
cat(sprintf("%.15g", colMeans(v)), "\\n")
cat(R.version.string, "\\n")
"""


def run() -> pd.DataFrame:
    """Return one row: seconds of each, ratios, and how far apart the means are."""
    rng = np.random.default_rng(1)
    drawn = {
        "cons": rng.normal(-7.69, 0.2, DRAWS), "np1": rng.normal(-1.34, 0.38, DRAWS),
        "shape": rng.normal(0.374, 0.047, DRAWS), "cost": rng.gamma(12.7, 417.0, DRAWS),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path, script = Path(folder) / "draws.csv", Path(folder) / "loop.R"
        pd.DataFrame(drawn).to_csv(path, index=False, float_format="%.17g")
        script.write_text(R_CODE)
        out = subprocess.run(
            ["Rscript", str(script), str(path)], check=True, capture_output=True, text=True
        ).stdout.splitlines()
    loop, vector = (float(x) for x in out[0].split())
    model = cohort.Model(
        strategies=(cohort.Strategy(label="standard"), cohort.Strategy(label="NP1", log_hazard_ratio="np1")),
        revision=revision_laws.Weibull(log_shape="shape", terms={"cons": 1}),
        death=np.full(CYCLES, 0.02), discount_costs=0.06, discount_effects=0.015, counting="end",
        first_cycle="operation only",
    )  # fmt: skip
    constants = {
        "cost_primary": 394.0, "death_primary": 0.02, "death_revision": 0.02, "re_revision": 0.04,
        "utility_primary_year": 0.0, "utility_primary": 0.85, "utility_revision_year": 0.3,
        "utility_revised": 0.75,
    }  # fmt: skip
    values = drawn | {name: np.array([x]) for name, x in constants.items()} | {"cost_revision": drawn["cost"]}
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = cohort.run(model, values)
        seconds.append(time.perf_counter() - start)
    ours = float(np.median(seconds))
    found = np.column_stack(
        [result.costs[:, 0], result.qalys[:, 0], result.costs[:, 1], result.qalys[:, 1]]
    ).mean(axis=0)
    theirs = np.array([float(x) for x in out[1].split()])
    row = {
        "work": f"{DRAWS} draws, 2 strategies, {CYCLES} cycles",
        "r_loop_s": round(loop * SHARE, 2),
        "r_vectorised_s": round(vector, 3),
        "ours_s": round(ours, 4),
        "ratio_to_loop": round(loop * SHARE / ours),
        "ratio_to_vectorised": round(vector / ours, 2),
        "largest_relative_difference": float(np.abs(found / theirs - 1).max()),
        "peer": out[2].strip(),
    }
    return pd.DataFrame([row])
