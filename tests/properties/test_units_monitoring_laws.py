"""Laws of watching results over time: order matters, names do not; restarts; time reversal."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
from hypothesis import given, settings

from soa_evidence.units import run_length, spc_rules
from soa_evidence.units.cusum_frame import read
from soa_evidence.units.cusum_kernels import paths

few = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
ROUNDING = 1e-9


def procedures(seed, n=80):
    rng = np.random.default_rng(seed)
    risk = rng.uniform(0.02, 0.5, n)
    return pd.DataFrame(
        {
            "unit": rng.choice(list("abc"), n),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 40, n), "D"),
            "y": (rng.random(n) < risk).astype(int),
            "p": risk,
        }
    )


def chart(frame, threshold=1.0, restart=True):
    data = read(frame, unit="unit", order="when", event="y", expected="p", per_year=None)
    event, without = run_length.weights(data.risk, 2.0)
    weight = np.where(data.event == 1, event, without)
    return data, weight, *paths(weight, data.starts, threshold, restart)


@few
@given(seed=seeds)
def test_row_order_and_names_do_not_matter(seed):
    frame = procedures(seed)
    first, _, statistic, signal = chart(frame)
    shuffled = frame.sample(frac=1, random_state=seed % 1000)
    _, _, again, signal_again = chart(shuffled)
    np.testing.assert_array_equal(statistic, again)
    np.testing.assert_array_equal(signal, signal_again)
    renamed = frame.assign(unit=frame["unit"].map({"a": "z", "b": "y", "c": "x"}))
    other, _, turned, _ = chart(renamed)
    for old, new in zip("abc", "zyx", strict=True):
        if old in first.names:
            i, j = first.names.index(old), other.names.index(new)
            np.testing.assert_array_equal(
                statistic[first.starts[i] : first.starts[i + 1]],
                turned[other.starts[j] : other.starts[j + 1]],
            )


@few
@given(seed=seeds)
def test_a_unit_alone_is_as_in_company(seed):
    frame = procedures(seed)
    data, _, statistic, _ = chart(frame)
    for u, name in enumerate(data.names):
        _, _, alone, _ = chart(frame[frame["unit"] == name])
        np.testing.assert_array_equal(alone, statistic[data.starts[u] : data.starts[u + 1]])


@few
@given(seed=seeds)
def test_the_highest_point_is_the_heaviest_stretch_forward_and_backward(seed):
    # Without restarts the highest point is the largest sum over any stretch, which reversal leaves alone.
    rng = np.random.default_rng(seed)
    weight = rng.normal(-0.1, 1, 60)
    starts = np.array([0, 60])
    forward, _ = paths(weight, starts, 1e9, False)
    backward, _ = paths(weight[::-1].copy(), starts, 1e9, False)
    sums = np.concatenate([[0], np.cumsum(weight)])
    heaviest = max(0.0, max(sums[j] - sums[i] for i in range(60) for j in range(i + 1, 61)))
    np.testing.assert_allclose([forward.max(), backward.max()], heaviest, atol=ROUNDING)


def test_order_matters():
    up, down = np.log(2 / 1.1), -np.log(1.1)
    spell = np.array([up, up, down, down, down, down] * 2)
    spread = np.array([up, down, down] * 4)
    starts = np.array([0, 12])
    assert paths(spell, starts, 1.1, True)[1].sum() == 2
    assert paths(spread, starts, 2.0, True)[1].sum() == 0
    assert paths(np.sort(spell), starts, 2.0, True)[1].sum() == 1


@few
@given(seed=seeds, threshold=st.floats(0.3, 3))
def test_a_restart_is_a_new_unit(seed, threshold):
    weight = np.random.default_rng(seed).normal(0, 0.6, 70)
    statistic, signal = paths(weight, np.array([0, 70]), threshold, True)
    cuts = np.unique(np.concatenate([[0], np.flatnonzero(signal) + 1, [70]]))
    apart, signal_apart = paths(weight, cuts, threshold, False)
    np.testing.assert_array_equal(statistic, apart)
    np.testing.assert_array_equal(signal, signal_apart)


@few
@given(seed=seeds, threshold=st.floats(0.2, 3), truth=st.sampled_from([1.0, 1.5, 2.0]))
def test_run_lengths_rise_with_the_threshold_and_fall_with_worse_care(seed, threshold, truth):
    mix = run_length.mix_of(np.random.default_rng(seed).uniform(0.02, 0.4, 20))
    setting = {"alternative": 2.0, "true_odds_ratio": truth, "states": 100}
    length = run_length.average(mix, threshold=threshold, **setting)
    assert length >= 1
    assert run_length.average(mix, threshold=1.5 * threshold, **setting) >= length * (1 - 1e-2)
    worse = run_length.average(mix, threshold=threshold, **{**setting, "true_odds_ratio": 3.0})
    assert worse < length


@few
@given(seed=seeds, scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_rules_of_a_chart_know_neither_scale_nor_sign(seed, scale, shift):
    values = np.random.default_rng(seed).normal(size=(5, 30))
    marked = spc_rules.flags(values, *spc_rules.limits(values, 30))
    for turned in (shift + scale * values, -values):
        again = spc_rules.flags(turned, *spc_rules.limits(turned, 30))
        for rule in spc_rules.RULES:
            np.testing.assert_array_equal(marked[rule], again[rule])


@few
@given(seed=seeds)
def test_reversed_in_time_limits_and_single_points_stay(seed):
    values = np.random.default_rng(seed).normal(size=(5, 30))
    back = values[:, ::-1]
    for a, b in zip(spc_rules.limits(values, 30), spc_rules.limits(back, 30), strict=True):
        np.testing.assert_allclose(a, b, rtol=ROUNDING)
    one, two = (spc_rules.flags(v, *spc_rules.limits(v, 30)) for v in (values, back))
    np.testing.assert_array_equal(one["beyond limits"], two["beyond limits"][:, ::-1])
    for rule in ("range", "run of 8", "trend of 6"):  # as many marks, at the other end of each stretch
        np.testing.assert_array_equal(one[rule].sum(axis=1), two[rule].sum(axis=1))
