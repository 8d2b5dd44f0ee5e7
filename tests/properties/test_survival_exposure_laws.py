"""Laws of collapsing: order does not matter, weights are replication, nothing is lost, fast = plain loop."""

from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pandas as pd
from hypothesis import given, settings

from soa_evidence.survival import exposure

RELAXED = settings(max_examples=40, deadline=None)
EXACT = 1e-11  # the same sums in another order
BY = ["group", "x"]


def people(seed, size):
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 12, size)
    return pd.DataFrame(
        {
            "time": time / 2,
            "entry": rng.integers(0, time) / 2,
            "cause": rng.integers(0, 3, size),
            "group": rng.choice(["a", "b", "c"], size),
            "x": rng.integers(0, 2, size),
            "weight": rng.integers(1, 4, size),
        }
    )


FRAMES = st.builds(people, st.integers(0, 2**32 - 1), st.integers(1, 60))
BREAKS = st.lists(st.integers(1, 14), unique=True, max_size=5).map(lambda b: sorted(x / 2 for x in b))


def collapsed(frame, breaks, **more):
    return exposure.collapse(
        frame, time="time", event="cause", entry="entry", breaks=breaks, by=BY, competing=True,
        causes={1: "one", 2: "two"}, **more,
    )  # fmt: skip


def plain(frame, breaks):
    """Counts by a loop over rows and bands, from the definition."""
    cells = {}
    edges = [0.0, *breaks, np.inf]
    for row in frame.itertuples():
        for band, (a, b) in enumerate(pairwise(edges)):
            if row.entry < b and row.time > a:
                cell = cells.setdefault((row.group, row.x, band), np.zeros(4))
                ends_here = a < row.time <= b
                cell += [
                    row.weight * (ends_here and row.cause == 1),
                    row.weight * (ends_here and row.cause == 2),
                    row.weight * (min(row.time, b) - max(row.entry, a)),
                    1,
                ]
    keys = sorted(cells)
    return keys, np.array([cells[key] for key in keys])


@RELAXED
@given(FRAMES, BREAKS)
def test_the_kernel_is_the_plain_loop(frame, breaks):
    found = collapsed(frame, breaks, weights="weight")
    keys, values = plain(frame, breaks)
    assert [tuple(key) for key in found[[*BY, "band"]].itertuples(index=False)] == keys
    counts = found[["events_one", "events_two", "person_time", "rows"]].to_numpy(float)
    np.testing.assert_allclose(counts, values, rtol=EXACT)


@RELAXED
@given(FRAMES, BREAKS, st.integers(0, 1000))
def test_order_of_rows_does_not_matter(frame, breaks, seed):
    shuffled = frame.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(collapsed(frame, breaks), collapsed(shuffled, breaks), rtol=EXACT)


@RELAXED
@given(FRAMES, BREAKS)
def test_weights_are_replication(frame, breaks):
    weighted = collapsed(frame, breaks, weights="weight").drop(columns="rows")
    replicated = collapsed(frame.loc[frame.index.repeat(frame["weight"])], breaks).drop(columns="rows")
    pd.testing.assert_frame_equal(weighted, replicated, rtol=EXACT)


@RELAXED
@given(FRAMES, BREAKS, BREAKS)
def test_finer_bands_add_up_to_coarser_ones(frame, breaks, more):
    fine = collapsed(frame, sorted({*breaks, *more}))
    counts = ["events_one", "events_two", "person_time"]
    edges = exposure.band_edges(breaks)
    fine["band"] = np.searchsorted(edges, fine["start"], side="right") - 1
    summed = fine.groupby([*BY, "band"], as_index=False)[counts].sum()
    coarse = collapsed(frame, breaks)[[*BY, "band", *counts]]
    pd.testing.assert_frame_equal(summed, coarse, rtol=EXACT, check_dtype=False)


@RELAXED
@given(FRAMES, BREAKS, st.sampled_from([0.25, 7.0, 365.25]))
def test_the_unit_of_time_scales_person_time_alone(frame, breaks, unit):
    scaled = frame.assign(time=frame["time"] * unit, entry=frame["entry"] * unit)
    found = collapsed(scaled, [b * unit for b in breaks])
    usual = collapsed(frame, breaks)
    np.testing.assert_allclose(found["person_time"], usual["person_time"] * unit, rtol=EXACT)
    assert found["events_one"].tolist() == usual["events_one"].tolist()
