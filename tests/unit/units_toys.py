"""Small counts for the tests of units, and the plain slow likelihood that fast ones are held to."""

import numpy as np
import pandas as pd
from scipy.special import expit

from soa_evidence import priors
from soa_evidence.units import cells, laplace

COLUMNS = {"events": "events", "trials": "n", "unit": "unit", "group": "group"}
CASE_MIX = ["age", "sex"]


def counts(seed=1, *, size=60, spread=0.2, ages=("old", "middle", "young"), units=(3, 4, 3, 3)):
    """Counts of four classes of unit by age and sex; risk about 10 %, worse for the old."""
    rng = np.random.default_rng(seed)
    names = ("specialist", "general large", "general small", "independent")
    rows = []
    for group, many in zip(names, units, strict=False):
        for j in range(many):
            level = -2.2 + spread * rng.standard_normal() - 0.3 * (group == "specialist")
            for a, age in enumerate(ages):
                for sex in ("female", "male"):
                    n = int(rng.integers(1, size))
                    risk = expit(level + 0.4 * (1 - a) + 0.2 * (sex == "male"))
                    rows.append((f"{group} {j}", group, age, sex, int(rng.binomial(n, risk)), n))
    return pd.DataFrame(rows, columns=["unit", "group", "age", "sex", "events", "n"])


def prepared(frame=None, case_mix=CASE_MIX):
    return cells.prepare(counts() if frame is None else frame, **COLUMNS, case_mix=case_mix)


def near(made, name="default"):
    return laplace.approximate(made, priors.binomial(name))


def log_likelihood(made, case_mix, level):
    """Exact log likelihood without its constant, cell by cell, one number a draw."""
    eta = case_mix @ made.design[made.pattern].T + level[:, made.unit]
    return (made.events * eta - made.trials * np.logaddexp(0, eta)).sum(axis=1)


def some_draws(made, approximation, *, size=40, spread=0.3, seed=0):
    """Case-mix terms and levels scattered about the mode."""
    rng = np.random.default_rng(seed)
    case_mix = approximation.case_mix + spread * rng.standard_normal((size, len(made.terms)))
    level = approximation.unit_mode + spread * rng.standard_normal((size, len(made.units)))
    return case_mix, level
