"""Counts by their own likelihood against metafor's rma.glmm, which uses lme4 (make.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.synthesis import exact

HERE = Path(__file__).parent
SHARED = HERE.parent / "synthesis" / "data"
EXPECTED = json.loads((HERE / "expected.json").read_text())["exact"]
MODELS = {
    "UM.FS": "fixed_baseline",
    "UM.RS": "random_baseline",
    "CM.EL": "conditional",
    "CM.AL": "conditional_approximate",
}

#: glmer's optimiser ends within about 1e-3 of tau2 and 1e-4 of the mean; ours is certified.
CLIMBED = 1e-3


@pytest.mark.parametrize("cell", sorted(EXPECTED))
def test_exact(cell):
    name, measure, theirs = cell.split(".", 2)
    model = "conditional" if measure == "PLO" else MODELS[theirs]
    # glmer integrates two directions by Laplace's approximation only: one point.
    points = 1 if model == "random_baseline" else 7 if theirs == "UM.FS" else None
    result = exact.fit(pd.read_csv(SHARED / f"{name}.csv"), measure=measure, model=model, points=points)
    row = result.pooled.table().iloc[0]
    assert row["estimate"] == pytest.approx(EXPECTED[cell]["estimate"], rel=CLIMBED, abs=2e-4)
    assert row["std_error"] == pytest.approx(EXPECTED[cell]["se"], rel=2e-2 if points == 1 else 5e-3)
    assert result.tau2 == pytest.approx(EXPECTED[cell]["tau2"], rel=5e-3, abs=1e-4)
    assert [c.verdict for c in result.checks if c.name.startswith("highest")] == ["pass"]


def test_points_converge():
    frame = pd.read_csv(SHARED / "niel.csv")
    few, more, many = (
        exact.fit(frame, measure="IRR", model="fixed_baseline", points=n).pooled.mean[0] for n in (3, 21, 41)
    )
    assert abs(more - many) < 1e-6 < abs(few - many) < 1e-2


def test_without_a_spread_it_is_that_of_one_table():
    table = pd.DataFrame({"label": ["a", "b"], "events_1": 3, "n_1": 12, "events_2": 6, "n_2": 15})
    found = exact.fit(table, common=True)
    theta = found.pooled.mean[0]
    from math import comb

    j = np.arange(0, 10)
    mass = np.array([comb(12, int(i)) * comb(15, int(9 - i)) for i in j]) * np.exp(theta * j)
    assert (mass * j).sum() / mass.sum() == pytest.approx(
        3.0, abs=1e-6
    )  # score 0: mean of events is what was seen
