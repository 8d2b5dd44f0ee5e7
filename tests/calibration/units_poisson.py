"""Simulation-based calibration of `units.poisson`: with periods, and with counts cut off below eleven.

Every parameter is drawn from the default priors, data are made from it, and the truth is ranked among the
draws. Where counts are cut off, each unit is made anew until its count could be published: what the model
says is how counts are, given that they were seen. Writes `units_poisson_calibration.csv` (the table) and
`units_poisson_run.json` (seed, sizes, versions, time).

    python -m tests.calibration.units_poisson
"""

import datetime
import json
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.priors import poisson
from soa_evidence.units.poisson_frame import Counts
from soa_evidence.units.poisson_posterior import draw

HERE = Path(__file__).parent
SEED = 41170
REPLICATES = 80
DRAWS, KEPT, BINS, LEVEL = 500, 49, 5, 0.95
UNITS = {"specialist": 3, "general": 12}
PERIODS = 3
STUDIES = {"periods": 0, "cut off": 11}
TRIES = 3_000_000


def make(study, rng):
    """One truth and its counts; None where a unit would hardly ever be seen."""
    priors, least = poisson(), STUDIES[study]
    levels = priors.levels
    common = rng.normal(levels.common.mean, levels.common.sd)
    typical = rng.normal(levels.log_spread.mean, levels.log_spread.sd)
    class_level = rng.normal(common, levels.class_sd, 2)
    log_spread = rng.normal(typical, levels.class_log_spread_sd, 2)
    moved = rng.normal(priors.log_period_spread.mean, priors.log_period_spread.sd)
    group = np.repeat([0, 1], [UNITS["general"], UNITS["specialist"]])
    periods = 1 if least else PERIODS
    # the same for every replicate: what is expected is no part of what is drawn
    due = np.random.default_rng(9).uniform(*((15, 60) if least else (2, 15)), len(group) * periods)
    level, events = np.empty(len(group)), np.empty(len(due))
    for j, g in enumerate(group):
        for _ in range(TRIES // 10_000 if least else 1):
            tried = class_level[g] + np.exp(log_spread[g]) * rng.standard_normal(10_000 if least else 1)
            if least:
                seen = rng.poisson(due[j] * np.exp(np.minimum(tried, 15)))
                kept = np.flatnonzero(seen >= least)
                if len(kept):
                    level[j], events[j] = tried[kept[0]], seen[kept[0]]
                    break
                continue
            level[j] = tried[0]
            rows = slice(j * periods, (j + 1) * periods)
            size = np.exp(-2 * moved)
            events[rows] = rng.poisson(due[rows] * np.exp(level[j]) * rng.gamma(size, 1 / size, periods))
        else:
            if least:
                return None
    counts = Counts(
        units=tuple(f"u{j:02d}" for j in range(len(group))), groups=("general", "specialist"),
        group_of_unit=group.astype(np.int64), first=(np.arange(len(group) + 1) * periods).astype(np.int64),
        events=events, expected=due, trials=np.full(len(due), 1e6), by_period=not least, least=least,
    )  # fmt: skip
    truth = {
        "class level, general": class_level[0], "class level, specialist": class_level[1],
        "difference of class levels": class_level[1] - class_level[0],
        "log spread, general": log_spread[0], "log spread, specialist": log_spread[1],
        "level of the first unit": level[0], "level of the last unit": level[-1],
    }  # fmt: skip
    return counts, truth | ({} if least else {"log spread between periods": moved})


def drawn(counts, seed):
    """Draws of what `make` calls by the same names, and whether they were sound."""
    found = draw(counts, poisson(), draws=DRAWS, seed=seed)
    values = {
        "class level, general": found.class_level[:, 0], "class level, specialist": found.class_level[:, 1],
        "difference of class levels": found.class_level[:, 1] - found.class_level[:, 0],
        "log spread, general": found.class_log_spread[:, 0],
        "log spread, specialist": found.class_log_spread[:, 1],
        "level of the first unit": found.level[:, 0], "level of the last unit": found.level[:, -1],
        "log spread between periods": found.log_period_spread,
    }  # fmt: skip
    return values, found.check.verdict == "pass"


def main():
    """Run both studies and write the table."""
    rows, told = [], {}
    for study in STUDIES:
        unseen = unsound = 0
        for replicate in range(REPLICATES):
            rng = np.random.default_rng([SEED, len(study), replicate])
            made = make(study, rng)
            if made is None:
                unseen += 1
                continue
            values, sound = drawn(made[0], replicate)
            unsound += not sound
            for name, truth in made[1].items():
                kept = values[name][:: DRAWS // KEPT][:KEPT]
                low, high = np.quantile(values[name], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
                rows.append((study, name, int((kept < truth).sum()), bool(low <= truth <= high)))
        told[study] = {"hardly ever seen, left out": unseen, "draws not sound, kept in": unsound}
    ranks = pd.DataFrame(rows, columns=["study", "quantity", "rank", "covered"])
    table = []
    for (study, name), part in ranks.groupby(["study", "quantity"], sort=False):
        seen = np.bincount(part["rank"] * BINS // (KEPT + 1), minlength=BINS)
        table.append(
            {
                "study": study, "quantity": name, "replicates": len(part), "covered": part["covered"].mean(),
                "covered_error": np.sqrt(LEVEL * (1 - LEVEL) / len(part)),
                "uniform_p": stats.chisquare(seen).pvalue, "mean_rank": part["rank"].mean() / KEPT,
            }
        )  # fmt: skip
    pd.DataFrame(table).round(4).to_csv(HERE / "units_poisson_calibration.csv", index=False)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    record = {
        "seed": SEED, "replicates": REPLICATES, "draws": DRAWS, "kept": KEPT, "bins": BINS, "studies": told,
        "python": sys.version.split()[0], "numpy": version("numpy"), "numba": version("numba"),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime),
    }  # fmt: skip
    (HERE / "units_poisson_run.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
