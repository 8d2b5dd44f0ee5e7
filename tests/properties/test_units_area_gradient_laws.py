"""Laws of gradients over areas: units of measure, and fast against a slow twin."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.units import area_gradient

QUICK = settings(max_examples=15, deadline=None)
COLUMNS = {"area": "a", "outcome": "o", "value": "y", "std_error": "s", "size": "n", "exposure": "x"}
seeds = st.integers(0, 10_000)


def areas(seed, count=12):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": [f"A{k}" for k in range(count)], "o": "y", "s": 0.1})
    frame["x"], frame["n"] = rng.uniform(5, 45, count), rng.integers(20, 500, count)
    return frame.assign(y=-0.03 * frame["x"] + rng.normal(size=count))


@QUICK
@given(seed=seeds, times=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_units_of_measure_do_not_matter(seed, times, shift):
    frame = areas(seed)
    one = area_gradient.fit(frame, **COLUMNS)
    changed = frame.assign(x=frame["x"] * times + shift, y=frame["y"] * 3 - 7, s=0.3)
    two = area_gradient.fit(changed, per=times, **COLUMNS)
    assert two.slope.mean[0] == pytest.approx(3 * one.slope.mean[0], rel=1e-6)
    assert two.slope.covariance[0, 0] == pytest.approx(9 * one.slope.covariance[0, 0], rel=1e-6)
    assert two.correlation.covariance[0, 0] == pytest.approx(one.correlation.covariance[0, 0], rel=1e-5)
    assert two.table["without_chance"][0] == pytest.approx(one.table["without_chance"][0], rel=1e-6)


@QUICK
@given(seed=seeds)
def test_the_jackknife_is_every_area_left_out_in_turn(seed):
    frame = areas(seed)
    z = []
    for k in range(len(frame)):
        rest = frame.drop(index=k)
        dx, dy = (rest[c] - np.average(rest[c], weights=rest["n"]) for c in "xy")
        n = rest["n"]
        z.append(np.arctanh((n * dx * dy).sum() / np.sqrt((n * dx**2).sum() * (n * dy**2).sum())))
    slow = (len(z) - 1) / len(z) * ((np.array(z) - np.mean(z)) ** 2).sum()
    assert area_gradient.fit(frame, **COLUMNS).correlation.covariance[0, 0] == pytest.approx(slow, rel=1e-7)
