"""Laws of the methods that judge programmes and follow waiting lists."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.pathways import (
    difference_in_differences,
    queue_simulation,
    synthetic_control,
    waiting_flow,
    waiting_times,
)

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=15, deadline=None)


def panel(seed, units=9, years=6):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "unit": np.repeat([f"u{i}" for i in range(units)], years),
            "year": np.tile(range(years), units),
            "value": rng.normal(20, 2, units * years),
            "n": np.repeat(rng.integers(30, 500, units), years),
        }
    )


PUT = {"unit": "unit", "year": "year", "value": "value", "treated": ["u1", "u4"], "start": 4, "seed": 1}


@FEW
@given(SEEDS, st.floats(-50, 50), st.floats(0.1, 20))
def test_order_level_and_scale(seed, shift, scale):
    frame = panel(seed)
    for method in (difference_in_differences, synthetic_control):
        put = {**PUT, "size": "n", "placebos": 99}
        first = method.fit(frame, **put)
        other = frame.assign(value=shift + scale * frame["value"]).sample(frac=1, random_state=seed)
        again = method.fit(other, **put)
        assert again.effect.table()["estimate"].iloc[0] == pytest.approx(
            scale * first.effect.table()["estimate"].iloc[0], abs=1e-6 * scale
        )
        assert again.p_value == pytest.approx(first.p_value, abs=0.021)


@FEW
@given(SEEDS, st.floats(0, 2))
def test_simplex_weights_are_a_minimum(seed, ridge):
    rng = np.random.default_rng(seed)
    donors, target = rng.normal(0, 1, (12, 5)), rng.normal(0, 1, 5)
    w = synthetic_control.simplex_weights(target, donors, ridge)
    assert w.min() >= 0
    assert w.sum() == pytest.approx(1)
    # Where a weight is used the slope is smallest, and alike.
    slope = donors @ (w @ donors - target) + ridge * w
    used = w > 1e-9
    assert slope[used] == pytest.approx(np.full(used.sum(), slope[used].mean()), abs=1e-6)
    assert (slope >= slope[used].mean() - 1e-6).all()


@FEW
@given(SEEDS, st.sampled_from(["longest first", "random"]), st.floats(0, 0.1))
def test_nobody_appears_or_vanishes_and_shorter_lists_come_of_more_capacity(seed, order, removal):
    rng = np.random.default_rng(seed)
    first, added = rng.integers(0, 9, 7).astype(float), rng.poisson(8, (50, 15)).astype(float)
    seen = rng.poisson(7, (50, 15)).astype(float)
    run = queue_simulation.run(first, added, seen, removal=removal, order=order, window=4, seed=seed)
    total = first.sum() + np.cumsum(added - run.treated - run.removed, axis=1)
    assert (run.waiting == total).all()
    assert run.treated_by_wait.sum() == run.treated[:, -4:].sum()
    more = queue_simulation.run(first, added, seen + 3, removal=0.0, order=order, window=4, seed=seed)
    base = queue_simulation.run(first, added, seen, removal=0.0, order=order, window=4, seed=seed)
    assert (more.waiting <= base.waiting).all()


@FEW
@given(SEEDS)
def test_people_and_their_counts_tell_the_same(seed):
    # Twenty groups join, one a count; each person leaves after whole bands.
    rng = np.random.default_rng(seed)
    bands, counts, each = 6, 14, 40
    left = np.minimum(rng.geometric(0.35, (counts, each)), bands)
    treated = rng.random((counts, each)) < 0.8
    rows = []
    for at in range(bands - 1, counts):
        for band in range(bands):
            here = left[at - band] > band
            gone = here & (left[at - band] == band + 1) & treated[at - band]
            rows.append((at, band, here.sum(), gone.sum()))
    frame = pd.DataFrame(rows, columns=["count", "band", "waiting", "treated"])
    put = {"count": "count", "band": "band", "waiting": "waiting", "treated": "treated", "seed": 1}
    flow = waiting_flow.fit(frame, weeks_per_band=1, **put)
    hazards = frame[frame["count"] < counts - 1].groupby("band")[["waiting", "treated"]].sum()
    assert flow.bands["at_risk"].tolist() == hazards["waiting"].tolist()
    assert flow.bands["treated"].tolist() == hazards["treated"].tolist()
    people = pd.DataFrame({"weeks": left.ravel(), "outcome": np.where(treated.ravel(), "treated", "removed")})
    whole = waiting_times.fit(people, weeks="weeks", outcome="outcome", seed=1, draws=100)
    total = whole.treated.estimate + whole.removed.estimate + whole.waiting.estimate
    assert total == pytest.approx(np.ones(len(total)))
    assert flow.treated.estimate[-1] == pytest.approx(whole.treated.estimate[-1], abs=0.12)
