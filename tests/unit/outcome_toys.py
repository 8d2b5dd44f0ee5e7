"""Small sums and answers for the tests of `units.gaussian` and `units.ordinal`."""

import numpy as np
import pandas as pd

LEVELS = ["poor", "fair", "good", "excellent"]
STEPS = np.array([-1.6, 0.0, 1.5])
CLASSES = {"specialist": 3, "general": 5, "independent": 4}
COLUMNS = {"unit": "unit", "group": "group", "reference": "general", "seed": 3}


def patients(seed=1, *, each=40, classes=CLASSES, apart=1.5):
    """One row a patient: gain of about 20 points, higher at specialists, and an answer."""
    rng = np.random.default_rng(seed)
    rows = []
    for name, many in classes.items():
        for j in range(many):
            level = 20 + apart * (name == "specialist") + rng.normal(0, 0.7)
            for _ in range(int(rng.integers(2, 2 * each))):
                age = rng.choice(["old", "young"])
                gain = round(level - 2 * (age == "old") + rng.normal(0, 8))
                answer = int((rng.logistic(0.2 * (level - 19) - 0.3 * (age == "old")) > STEPS).sum())
                rows.append((f"{name} {j}", name, age, gain, LEVELS[answer]))
    return pd.DataFrame(rows, columns=["unit", "group", "age", "gain", "answer"])


def sums(frame=None, by=("age",)):
    frame = patients() if frame is None else frame
    made = frame.assign(square=frame["gain"] ** 2).groupby(["unit", "group", *by])
    return made.agg(n=("gain", "size"), total=("gain", "sum"), squares=("square", "sum")).reset_index()


def answers(frame=None, by=("age",)):
    frame = patients() if frame is None else frame
    made = pd.crosstab([frame[k] for k in ("unit", "group", *by)], frame["answer"])
    return made.reindex(columns=LEVELS, fill_value=0).reset_index()
