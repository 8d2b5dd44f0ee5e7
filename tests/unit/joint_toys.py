"""Small counts and sums of several outcomes, with a known truth, for the tests of units.joint and
variation."""

import numpy as np
import pandas as pd
from scipy.special import expit

from soa_evidence.units import joint

OUTCOMES = (
    joint.Events(label="wound", events="wound", trials="asked"),
    joint.Events(label="readmission", events="readmission", trials="asked"),
    joint.Score(
        label="gain", patients="asked", total="gain", squares="gain_squares", unit="points", better="higher"
    ),
)
COLUMNS = {"unit": "unit", "group": "group", "case_mix": ["age"]}
ASKED = {"focus": "specialist", "reference": "general", "seed": 3}


def people(seed=1, *, units=(4, 10, 6), patients=120, spread=0.3, gap=0.0, together=0.0, shared=0.0):
    """Patients one by one: three outcomes at units of three classes; `gap` is what specialists do better.

    `together` correlates the units' effects of the first two outcomes, `shared` the patients' own.
    """
    rng = np.random.default_rng(seed)
    names = ("specialist", "general", "independent")
    rows = []
    for group, many in zip(names, units, strict=True):
        for j in range(many):
            both = rng.standard_normal()
            own = spread * (np.sqrt(together) * both + np.sqrt(1 - together) * rng.standard_normal(3))
            better = gap * (group == "specialist")
            old = rng.random(patients) < 0.5
            frail = np.sqrt(shared) * rng.standard_normal(patients)
            hidden = frail[:, None] + np.sqrt(1 - shared) * rng.standard_normal((patients, 2))
            risk = expit(np.array([-1.6, -1.2]) + own[:2] - better + 0.5 * (old[:, None] - 0.5))
            from scipy.stats import norm

            events = norm.cdf(hidden) < risk
            gain = 20 + 8 * (own[2] / 1.8138 + better / 1.8138) - 2 * old + 8 * rng.standard_normal(patients)
            for i in range(patients):
                rows.append((f"{group} {j}", group, "old" if old[i] else "young", *events[i], gain[i]))
    return pd.DataFrame(rows, columns=["unit", "group", "age", "wound", "readmission", "gain"])


def cells(frame=None, **choices):
    """The same, counted by unit and age."""
    made = people(**choices) if frame is None else frame
    made = made.assign(asked=1, gain_squares=made["gain"] ** 2)
    wanted = ["asked", "wound", "readmission", "gain", "gain_squares"]
    counted = made.groupby(["unit", "group", "age"])[wanted].sum().reset_index()
    return counted.astype({"wound": int, "readmission": int})
