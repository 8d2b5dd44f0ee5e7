"""Laws of units.volume and units.spread: order of rows, names of units, splitting of cells, relabelling."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.units import spread_frame, spread_likelihood, volume_frame, volume_likelihood

SAME = 1e-9
FEW = settings(max_examples=25, deadline=None)


def means(rng, units=8, years=4):
    j, t = np.indices((units, years)).reshape(2, -1)
    return pd.DataFrame(
        {
            "unit": [f"u{k}" for k in j], "year": 2000 + t, "mean": rng.normal(20, 2, j.size),
            "n": rng.integers(30, 300, j.size), "sd": 8.0,
        }
    )  # fmt: skip


def height(frame, log_spread, kept, carried):
    panel = spread_frame.read(frame, value="mean", size="n", record_sd="sd", unit="unit", year="year")
    return spread_likelihood.log_likelihood(
        panel, np.atleast_2d(log_spread), np.array([kept]), np.array([carried])
    )[0]


@FEW
@given(st.integers(0, 2**32 - 1))
def test_spread_knows_no_order_and_no_names(seed):
    rng = np.random.default_rng(seed)
    frame = means(rng)
    ask = (rng.normal(0, 0.5, 4), rng.random(), rng.random())
    base = height(frame, *ask)
    shuffled = frame.sample(frac=1, random_state=seed % 1000)
    names = dict(zip(frame["unit"].unique(), rng.permutation([f"x{k}" for k in range(8)]), strict=True))
    assert height(shuffled, *ask) == pytest.approx(base, rel=SAME)
    assert height(frame.assign(unit=frame["unit"].map(names)), *ask) == pytest.approx(base, rel=SAME)


@FEW
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100.0))
def test_a_change_of_scale_is_only_that(seed, scale):
    rng = np.random.default_rng(seed)
    frame = means(rng)
    spread, kept, carried = rng.normal(0, 0.5, 4), rng.random(), rng.random()
    scaled = frame.assign(mean=frame["mean"] * scale, sd=frame["sd"] * scale)
    jacobian = (32 - 4) * np.log(scale)
    assert height(scaled, spread + np.log(scale), kept, carried) + jacobian == pytest.approx(
        height(frame, spread, kept, carried), rel=1e-7
    )


def counts(rng, units=12, years=2):
    j, t = np.indices((units, years)).reshape(2, -1)
    n = rng.integers(2, 80, j.size)
    return pd.DataFrame(
        {
            "unit": [f"u{k:02d}" for k in j], "year": t, "volume": 2 * n + rng.integers(0, 9, j.size), "n": n,
            "y": rng.binomial(n, 0.15), "mix": "a",
        }
    )  # fmt: skip


def marginal(frame, case_mix=()):
    data = volume_frame.read(
        frame, events="y", trials="n", unit="unit", year="year", volume="volume", case_mix=list(case_mix)
    )
    fixed = -2 - 0.1 * data.mean_log2[data.unit] + 0.2 * data.within
    at = volume_likelihood.Expansion(level=fixed)
    return volume_likelihood.marginal(
        data, at, volume_likelihood.expand(data, at, np.zeros(0)), fixed, 0.3, 0.1
    )


@FEW
@given(st.integers(0, 2**32 - 1))
def test_volume_knows_no_order_no_names_and_no_cutting_of_cells(seed):
    rng = np.random.default_rng(seed)
    frame = counts(rng)
    base = marginal(frame)
    names = dict(zip(frame["unit"].unique(), rng.permutation([f"x{k}" for k in range(12)]), strict=True))
    first = (frame["n"] // 2).rename("n")
    hit = np.minimum(frame["y"], first)
    halves = pd.concat([frame.assign(n=first, y=hit), frame.assign(n=frame["n"] - first, y=frame["y"] - hit)])
    kept = halves[halves["y"] <= halves["n"]]
    assert marginal(frame.sample(frac=1, random_state=seed % 1000)) == pytest.approx(base, rel=SAME)
    assert marginal(frame.assign(unit=frame["unit"].map(names))) == pytest.approx(base, rel=SAME)
    if len(kept) == len(halves):
        assert marginal(kept) == pytest.approx(base, rel=SAME)
