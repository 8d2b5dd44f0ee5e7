"""Counts for the tests of sensitivity: three specialist units, eight general, four independent."""

import numpy as np
import pandas as pd
from scipy.special import expit

from soa_evidence.results import Check, Estimates

CHECK = Check(name="made", verdict="pass", observed="-", expected="-", why="a test")
GROUPS = {"specialist": 3, "general": 8, "independent": 4}
COUNTS = {"events": "events", "trials": "n", "unit": "unit"}


def counts(seed=3, *, effect=-0.3, size=120, spread=0.2, groups=None):
    rng = np.random.default_rng(seed)
    rows = []
    for group, many in (groups or GROUPS).items():
        for j in range(many):
            level = -2 + spread * rng.standard_normal() + effect * (group == "specialist")
            for age in ("old", "young"):
                for year in ("2017", "2018"):
                    n = int(rng.integers(size // 2, size))
                    events = int(rng.binomial(n, expit(level + 0.4 * (age == "old"))))
                    other = int(rng.binomial(n, 0.1))
                    rows.append((f"{group} {j}", group, age, year, events, n, other))
    return pd.DataFrame(rows, columns=["unit", "group", "age", "year", "events", "n", "control"])


def roles(frame):
    """Two ways to class units: independent units as a further class, or with the comparator."""
    units = frame[["unit", "group"]].drop_duplicates()
    role = units["group"].map({"specialist": "specialist", "general": "comparator"})
    apart = units[["unit"]].assign(against="general", role=role.fillna("independent"))
    together = units[["unit"]].assign(against="all others", role=role.fillna("comparator"))
    return pd.concat([apart, together], ignore_index=True)


def difference(mean=-20.0, sd=5.0):
    return Estimates(
        estimand="difference", labels=("specialist",), unit="per 1,000 patients", method="made",
        interval="credible", checks=(CHECK,), mean=np.array([mean]), covariance=np.array([[sd**2]]),
    )  # fmt: skip


def risks(columns, labels):
    return Estimates(
        estimand="risk", labels=labels, unit="probability", method="made", interval="credible",
        checks=(CHECK,), draws=np.column_stack(columns),
    )  # fmt: skip
