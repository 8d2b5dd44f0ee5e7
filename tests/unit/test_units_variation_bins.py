"""Units counted by rate beside chance alone: arithmetic, laws, and a truth that is got back."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.units import variation

READMISSION = variation.Events(label="readmission", events="e", trials="n")


def result(patients, events, expected, outcome=READMISSION):
    n, k = np.asarray(patients, float), np.asarray(events, float)
    units = pd.DataFrame({"patients": n.astype(int), "crude": k / n, "expected": expected})
    return SimpleNamespace(units=units, outcome=outcome)


def counted(*given, **asked):
    return variation.bins({"hip, primary: readmission": result(*given)}, **asked)


def test_two_units_by_hand():
    found = counted([10, 2], [1, 2], [0.1, 0.5], width_per_1000=100, most_per_1000=500)
    assert found.loc[0, ["operation", "outcome"]].tolist() == ["hip, primary", "readmission"]
    assert found["from_per_1000"].tolist() == [0, 100, 200, 300, 400, 500]
    assert found["to_per_1000"].tolist() == [100, 200, 300, 400, 500, 1000]
    # one in ten lies on an edge and belongs above it; two of two is in the open bin
    assert found["units"].tolist() == [0, 1, 0, 0, 0, 1]
    ten = stats.binom.pmf(range(11), 10, 0.1)
    # of the two patients none (0), one (500) or both (1,000) may have it
    two = np.array([0.25, 0, 0, 0, 0, 0.75])
    np.testing.assert_allclose(found["by_chance"], np.array([*ten[:5], ten[5:].sum()]) + two)


@settings(max_examples=40, deadline=None)
@given(
    units=st.lists(
        st.tuples(st.integers(1, 400), st.floats(0, 1), st.floats(0.001, 0.999)), min_size=1, max_size=20
    ),
    width=st.sampled_from([10.0, 20.0, 50.0, 250.0]),
)
def test_both_counts_add_up_to_the_units_in_any_order(units, width):
    patients = [n for n, _, _ in units]
    events = [round(share * n) for n, share, _ in units]
    expected = [p for _, _, p in units]
    found = counted(patients, events, expected, width_per_1000=width, most_per_1000=500)
    assert found["units"].sum() == len(units)
    assert found["by_chance"].sum() == pytest.approx(len(units))
    turned = counted(patients[::-1], events[::-1], expected[::-1], width_per_1000=width, most_per_1000=500)
    assert turned["units"].tolist() == found["units"].tolist()
    np.testing.assert_allclose(turned["by_chance"], found["by_chance"])


def test_units_that_do_not_differ_are_where_chance_puts_them():
    rng = np.random.default_rng(3)
    patients = rng.integers(5, 400, 4000)
    events = rng.binomial(patients, 0.07)
    found = counted(patients, events, np.full(4000, 0.07))
    z = (found["units"] - found["by_chance"]) / np.sqrt(found["by_chance"].clip(lower=1))
    assert z.abs().max() < 4


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"width_per_1000": 0},
            "width_per_1000=0 and most_per_1000=300 do not fit; expected a width above 0",
        ),
        ({"width_per_1000": 70}, "a whole number of widths up to at most 1,000"),
        ({"most_per_1000": 1200}, "do not fit"),
        ({"most_per_1000": 0}, "do not fit"),
    ],
)
def test_bins_that_do_not_fit_are_refused(asked, message):
    with pytest.raises(InputError, match=message):
        counted([10], [1], [0.1], **asked)


def test_no_result_and_a_score_are_refused():
    with pytest.raises(InputError, match="results is empty"):
        variation.bins({})
    score = variation.Score(label="gain", patients="n", total="t", squares="s", unit="points")
    with pytest.raises(InputError, match="'hip: gain' is a score; only yes/no outcomes"):
        variation.bins({"hip: gain": result([10], [1], [0.1], outcome=score)})
