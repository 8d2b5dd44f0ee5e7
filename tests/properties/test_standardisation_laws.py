"""Laws of standardisation: order and splitting of rows, units of time and equal strata do not matter."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from soa_evidence.units import direct_standardisation, indirect_standardisation

CELLS = {"unit": "unit", "stratum": "age", "events": "events", "size": "years"}
NUMBERS = ["rate", "std_error", "lower", "upper"]
intervals = st.sampled_from(["fay_feuer", "tiwari", "dobson", "byar", "normal"])
few = settings(max_examples=30, deadline=None)


@st.composite
def frames(draw):
    """Events over years of one to four units in one to four strata, all filled."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    units, strata = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    mean = draw(st.sampled_from([0.0, 0.5, 5.0, 500.0]))
    rows = [
        (f"u{j}", f"s{k}", int(rng.poisson(mean)), float(rng.uniform(1, 100)), float(1 + k))
        for j in range(units)
        for k in range(strata)
    ]
    return pd.DataFrame(rows, columns=["unit", "age", "events", "years", "standard"])


def direct(frame, interval="fay_feuer", **more):
    return direct_standardisation.fit(frame, **CELLS, kind="rate", interval=interval, **more).table


def numbers(table):
    return table[NUMBERS].to_numpy(float)


@few
@given(frames(), intervals, st.integers(0, 1000))
def test_the_order_and_splitting_of_rows_do_not_matter(frame, interval, seed):
    first = frame["events"] // 2
    halves = pd.concat(
        [
            frame.assign(events=first, years=frame["years"] / 2),
            frame.assign(events=frame["events"] - first, years=frame["years"] / 2),
        ]
    ).sample(frac=1, random_state=seed)
    whole, split = (direct(f, interval, standard="standard") for f in (frame, halves))
    assert numbers(split) == pytest.approx(numbers(whole), rel=1e-9, nan_ok=True)


@few
@given(frames(), intervals, st.floats(1e-3, 1e3))
def test_a_longer_unit_of_time_divides_the_rate(frame, interval, factor):
    scaled = direct(frame.assign(years=frame["years"] * factor), interval, standard="standard")
    as_was = direct(frame, interval, standard="standard")
    assert numbers(scaled) * factor == pytest.approx(numbers(as_was), rel=1e-8, nan_ok=True)


@few
@given(frames(), st.floats(1e-3, 1e3), intervals)
def test_only_shares_of_the_standard_matter(frame, factor, interval):
    bigger = frame.assign(standard=frame["standard"] * factor)
    ours, theirs = (numbers(direct(f, interval, standard="standard")) for f in (bigger, frame))
    assert ours == pytest.approx(theirs, rel=1e-8, nan_ok=True)


@few
@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 50), st.integers(1, 9), intervals)
def test_strata_with_one_rate_and_the_units_own_mix_may_be_merged(a, b, per_event, more, interval):
    """With weights proportional to years every w is the same, so that all limits see only the total."""
    strata = pd.DataFrame(
        {"unit": "u", "age": ["x", "y"], "events": [a, b], "years": [a * per_event, b * per_event]}
    ).assign(standard=lambda f: f["years"] * more)
    merged = strata.assign(age="all").groupby(["unit", "age"], as_index=False).sum()
    ours, theirs = (numbers(direct(f, interval, standard="standard")) for f in (strata, merged))
    assert ours == pytest.approx(theirs, rel=1e-8)
    assert ours[0, 0] == pytest.approx(1 / per_event)


@few
@given(frames())
def test_limits_lie_about_the_rate_and_tiwaris_within_fay_and_feuers(frame):
    wide, narrow = (direct(frame, kind, standard="standard") for kind in ("fay_feuer", "tiwari"))
    assert (wide["lower"] <= wide["rate"]).all()
    assert (wide["rate"] < wide["upper"]).all()
    assert narrow["lower"].to_numpy() == pytest.approx(wide["lower"].to_numpy())
    assert (narrow["rate"] < narrow["upper"]).all()


@few
@given(frames(), st.floats(1e-3, 1e3), st.integers(0, 1000))
def test_an_indirect_ratio_knows_neither_order_nor_unit_of_time(frame, factor, seed):
    if frame["events"].sum() == 0:
        frame = frame.assign(events=1)
    other = frame.assign(years=frame["years"] * factor).sample(frac=1, random_state=seed)
    ours, theirs = (indirect_standardisation.fit(f, **CELLS).table for f in (frame, other))
    names = ["observed", "expected", "ratio", "lower", "upper"]
    assert theirs[names].to_numpy() == pytest.approx(ours[names].to_numpy(), rel=1e-8, nan_ok=True)
    assert ours["expected"].sum() == pytest.approx(frame["events"].sum())


@few
@given(frames())
def test_in_one_stratum_direct_and_indirect_agree(frame):
    one = frame.assign(age="all", events=frame["events"] + 1)
    rate = direct(one)
    ratio = indirect_standardisation.fit(one, **CELLS).table
    overall = one["events"].sum() / one["years"].sum()
    names = ["lower", "upper"]
    assert rate[names].to_numpy() / overall == pytest.approx(ratio[names].to_numpy(), rel=1e-8)
