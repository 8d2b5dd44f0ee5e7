"""Simulation-based calibration of `units.poisson`: with periods, and with counts cut off below eleven.

Every parameter is drawn from the default priors, data are made from it, and the truth is placed among the
draws. Where counts are cut off, every unit's level and count are drawn given that its count could be
published, exactly, however seldom that is: what the model says is how counts are, given that they were seen.
Two more studies fix the truth: two classes that do not differ, and specialist units with three tenths fewer
events. Files: see `replicates`.

    python -m tests.calibration.units_poisson
"""

import sys

import numpy as np
from scipy import stats

from soa_evidence.priors import poisson
from soa_evidence.units.poisson_frame import Counts
from soa_evidence.units.poisson_posterior import draw
from tests.calibration import replicates

NAME, SEED = "units_poisson", 41_170_000
REPLICATES = {"periods": 400, "cut off": 400, "no difference": 200, "specialists better": 200}
DRAWS = 500
UNITS = {"specialist": 3, "general": 12}
PERIODS = 3
LEAST = {"cut off": 11}
FIXED = {"no difference": 0.0, "specialists better": float(np.log(0.7))}
GRID, MOST = 4001, 4000


def make(study, rng):
    """One truth and its counts."""
    priors, least = poisson(), LEAST.get(study, 0)
    levels = priors.levels
    common = rng.normal(levels.common.mean, levels.common.sd)
    typical = rng.normal(levels.log_spread.mean, levels.log_spread.sd)
    class_level = rng.normal(common, levels.class_sd, 2)
    log_spread = rng.normal(typical, levels.class_log_spread_sd, 2)
    moved = rng.normal(priors.log_period_spread.mean, priors.log_period_spread.sd)
    if study in FIXED:
        class_level, log_spread = np.array([0.0, FIXED[study]]), np.full(2, levels.log_spread.mean)
        moved = priors.log_period_spread.mean
    group = np.repeat([0, 1], [UNITS["general"], UNITS["specialist"]])
    periods = 1 if least else PERIODS
    # the same for every replicate: what is expected is no part of what is drawn
    due = np.random.default_rng(9).uniform(*((15, 60) if least else (2, 15)), len(group) * periods)
    level, events = np.empty(len(group)), np.empty(len(due))
    for j, g in enumerate(group):
        spread = np.exp(log_spread[g])
        if least:
            level[j], events[j] = seen(class_level[g], spread, due[j], least, rng)
            continue
        level[j] = rng.normal(class_level[g], spread)
        rows = slice(j * periods, (j + 1) * periods)
        size = np.exp(-2 * moved)
        events[rows] = rng.poisson(due[rows] * np.exp(level[j]) * rng.gamma(size, 1 / size, periods))
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


def seen(middle, spread, due, least, rng):
    """A level and a count of at least `least`, given that the count is so high."""
    # The chance of being seen rises at most `least`-fold with the level, which moves it so far at most.
    at = np.linspace(middle - 9 * spread, middle + 9 * spread + least * spread**2, GRID)
    log_mass = -0.5 * ((at - middle) / spread) ** 2 + stats.poisson.logsf(least - 1, due * np.exp(at))
    log_mass = np.where(np.isfinite(log_mass), log_mass, -np.inf)
    mass = np.exp(log_mass - log_mass.max())
    level = rng.choice(at, p=mass / mass.sum()) + (rng.random() - 0.5) * (at[1] - at[0])
    mean = due * np.exp(level)
    most = max(MOST, int(2 * mean))
    count = np.arange(least, most)
    log_p = stats.poisson.logpmf(count, mean)
    p = np.exp(log_p - log_p.max())
    return level, rng.choice(count, p=p / p.sum())


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


def one(study, seed):
    """Places of the truth, and the probability that specialists do better."""
    counts, truth = make(study, np.random.default_rng(seed))
    values, sound = drawn(counts, seed)
    found = {name: replicates.place(values[name], true) for name, true in truth.items()}
    better = float((values["difference of class levels"] < 0).mean())
    return found | {replicates.BETTER + "as a kind": better, replicates.UNSOUND: float(not sound)}


def main(share=1.0):
    """Run all studies and write the table."""
    uniform = tuple(name for name in REPLICATES if name not in FIXED)
    return replicates.run(NAME, REPLICATES, one, seed=SEED, share=share, uniform=uniform)


if __name__ == "__main__":
    sys.stdout.write(main(replicates.share_asked(sys.argv)).to_string() + "\n")
