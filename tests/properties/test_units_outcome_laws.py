"""Laws of `units.gaussian` and `units.ordinal`: what must not matter does not, and what must, does."""

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soa_evidence.priors import ordinal
from soa_evidence.units.collapse import collapse, exact_log_likelihood
from soa_evidence.units.gaussian_direct import log_likelihood
from soa_evidence.units.laplace import climb
from soa_evidence.units.ordered import density_of, prepare_ordered
from soa_evidence.units.sums import prepare

QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LEVELS = ["poor", "fair", "good"]
SUMS = {"count": "n", "total": "t", "squares": "s", "unit": "unit", "group": "group", "case_mix": ["age"]}
ORDERED = {"levels": LEVELS, "cut": "good", "unit": "unit", "group": "group", "case_mix": ["age"]}


def gains(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(f"u{j}", f"g{j % 2}", age) for j in range(5) for age in ("old", "young") for _ in range(6)]
    )
    frame.columns = ["unit", "group", "age"]
    return frame.assign(n=1, t=rng.normal(20, 8, len(frame))).assign(s=lambda d: d["t"] ** 2)


def replies(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame([(f"u{j}", f"g{j % 2}", age) for j in range(4) for age in ("old", "young")])
    frame.columns = ["unit", "group", "age"]
    return frame.assign(**{name: rng.integers(1, 30, len(frame)) for name in LEVELS})


def at_one_place(made):
    """Likelihood of sums at some fixed state."""
    level = 2.0 + 0.1 * np.arange(len(made.units))
    return log_likelihood(made, np.array([[0.3]]), level[None], np.array([-0.1]), np.array([-2.0]))[0]


@QUICK
@given(st.integers(0, 10**6))
def test_sums_do_not_know_how_records_were_gathered(seed):
    frame = gains(seed)
    gathered = frame.groupby(["unit", "group", "age"])[["n", "t", "s"]].sum().reset_index()
    shuffled = frame.sample(frac=1, random_state=seed % 1000)
    scale = 8.0
    one, two, three = (prepare(f, **SUMS, scale=scale) for f in (frame, gathered, shuffled))
    assert np.isclose(at_one_place(one), at_one_place(two), rtol=1e-9)
    assert np.isclose(at_one_place(one), at_one_place(three), rtol=1e-9)


@QUICK
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_a_change_of_unit_changes_only_the_scale(seed, factor):
    frame = gains(seed)
    other = frame.assign(t=frame["t"] * factor, s=frame["s"] * factor**2)
    one, two = prepare(frame, **SUMS, scale=None), prepare(other, **SUMS, scale=None)
    assert np.isclose(two.scale, one.scale * factor, rtol=1e-9)
    assert np.allclose(one.mean, two.mean, rtol=1e-8)
    assert np.allclose(one.within_outcome, two.within_outcome, rtol=1e-6, atol=1e-9)


@QUICK
@given(st.integers(0, 10**6), st.floats(-50, 50))
def test_a_shift_of_the_outcome_shifts_levels_alone(seed, shift):
    frame = gains(seed)
    other = frame.assign(t=frame["t"] + shift, s=(frame["t"] + shift) ** 2)
    one, two = prepare(frame, **SUMS, scale=8.0), prepare(other, **SUMS, scale=8.0)
    assert np.allclose(one.mean + shift / 8, two.mean)
    assert np.allclose(one.within_outcome, two.within_outcome, atol=1e-6)
    assert np.allclose(one.within_cross, two.within_cross, atol=1e-6)


def ordered_value(frame, terms, level):
    made = prepare_ordered(frame, **ORDERED)
    density = density_of(made, ordinal())
    near = climb(made.stacked, ordinal(), density, start=made.start())
    likelihood = exact_log_likelihood(made.stacked, collapse(made.stacked, near), terms, level)
    return likelihood[0], density.value(terms)[0]


@QUICK
@given(st.integers(0, 10**6))
def test_answers_do_not_know_the_order_of_rows_or_how_they_were_split(seed):
    frame = replies(seed)
    terms, level = np.array([[0.2, -1.1]]), np.array([[0.1, -0.3, 0.4, 0.0]])
    halves = frame.assign(**{name: frame[name] // 2 for name in LEVELS})
    rest = frame.assign(**{name: frame[name] - halves[name] for name in LEVELS})
    split = pd.concat([rest, halves]).sample(frac=1, random_state=seed % 1000)
    assert np.allclose(ordered_value(frame, terms, level), ordered_value(split, terms, level), rtol=1e-10)


@QUICK
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_answers_given_so_many_times_weigh_as_much(seed, times):
    frame = replies(seed)
    terms, level = np.array([[0.2, -1.1]]), np.array([[0.1, -0.3, 0.4, 0.0]])
    more = frame.assign(**{name: frame[name] * times for name in LEVELS})
    one, many = ordered_value(frame, terms, level), ordered_value(more, terms, level)
    prior = ordered_value(frame.assign(fair=0 * frame["fair"] + 1), terms, level)
    assert np.isclose(many[0], times * one[0], rtol=1e-10)
    assert prior[1] > many[1]  # the thresholds' part grows with the answers between them
