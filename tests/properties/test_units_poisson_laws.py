"""Laws of units.poisson."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence import units
from soa_evidence.sampling import Settings
from soa_evidence.units.poisson_frame import prepare
from soa_evidence.units.poisson_posterior import log_likelihood

COLUMNS = {"events": "events", "expected": "expected", "trials": "trials", "unit": "unit", "group": "group"}
ROWS = st.lists(st.tuples(st.integers(0, 60), st.floats(5, 40)), min_size=4, max_size=9)
LAWS = settings(max_examples=15, deadline=None)
POINT = (np.array([[0.1, -0.2]]), np.log(np.array([[0.3, 0.15]])))


def frame_of(rows, first=0):
    return pd.DataFrame(
        {
            "unit": [f"u{j}" for j in range(len(rows))],
            "group": ["a" if j % 2 else "b" for j in range(len(rows))],
            "events": [first + y for y, _ in rows],
            "expected": [e for _, e in rows],
            "trials": 10_000,
        }
    )


def at(frame, *, period=None, log_period=-np.inf, least=None):
    counts = prepare(frame, **COLUMNS, period=period, at_least=least)
    return log_likelihood(counts, *POINT, np.array([log_period]))[0]


@LAWS
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    frame = frame_of([(y + 1, e) for y, e in rows])
    order = list(range(len(frame)))
    random.shuffle(order)
    assert at(frame.iloc[order]) == pytest.approx(at(frame), rel=1e-12)


@LAWS
@given(ROWS)
def test_a_period_spread_near_none_is_no_period_spread(rows):
    frame = frame_of([(y + 1, e) for y, e in rows]).assign(year=1)
    assert at(frame, period="year", log_period=-14.0) == pytest.approx(at(frame), abs=1e-5)


@LAWS
@given(ROWS)
def test_a_poisson_unit_in_two_periods_is_the_unit_summed_but_for_a_constant(rows):
    """Poisson counts of one rate add up: the split adds only its binomial chance."""
    from scipy import stats

    frame = frame_of([(2 * (y + 1), e) for y, e in rows])
    half = frame.assign(events=frame["events"] // 2, expected=frame["expected"] / 2)
    split = pd.concat([half.assign(year=1), half.assign(year=2)])
    chance = stats.binom.logpmf(frame["events"] // 2, frame["events"], 0.5).sum()
    assert at(split, period="year") == pytest.approx(at(frame) + chance, rel=1e-9)


@LAWS
@given(ROWS)
def test_a_cut_off_that_hides_nothing_changes_nothing(rows):
    """At a count of one or more, next to nothing is hidden of units with hundreds expected."""
    frame = frame_of([(y + 200, e + 300) for y, e in rows])
    assert at(frame, least=1) == pytest.approx(at(frame), abs=1e-9)


@LAWS
@given(ROWS)
def test_chances_of_all_counts_beyond_the_cut_add_up_to_one(rows):
    due = rows[0][1] / 2 + 5  # so that hundreds of events have no chance to speak of
    total = 0.0
    frame = pd.DataFrame(
        {"unit": ["x"], "group": ["a"], "events": [11], "expected": [due], "trials": [10_000]}
    )
    one = prepare(frame, **COLUMNS, period=None, at_least=11)
    for seen in range(11, 200):
        counts = replace(one, events=np.array([float(seen)]))
        total += np.exp(log_likelihood(counts, POINT[0][:, :1], POINT[1][:, :1], np.array([-np.inf]))[0])
    assert total == pytest.approx(1.0, abs=1e-5)


def test_names_of_units_and_classes_do_not_matter():
    frame = frame_of([(12, 15.0), (9, 12.0), (30, 25.0), (14, 20.0)])
    other = frame.assign(unit=["w", "x", "y", "z"], group=frame["group"] + " hospital")
    small = {"seed": 3, "settings": Settings(draws=50, chains=2)}
    one = units.poisson.fit(frame, **COLUMNS, reference="a", **small)
    two = units.poisson.fit(other, **COLUMNS, reference="a hospital", **small)
    np.testing.assert_array_equal(one.these_units.difference.draws, two.these_units.difference.draws)
