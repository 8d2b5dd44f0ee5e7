"""Laws of pooling: order, direction and scale do not matter; thousands at once are thousands one by one."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings

from soa_evidence.synthesis import bayes, effect_sizes, heterogeneity, many, pairwise
from soa_evidence.synthesis.heterogeneity import ESTIMATORS, estimate, log_likelihood
from soa_evidence.synthesis.studies import Batch

METHODS = [name for name in ESTIMATORS if name != "GENQ"]
INTERVALS = ["wald", "t", "hartung_knapp", "hartung_knapp_floor"]
RELAXED = settings(max_examples=60, deadline=None)
NEAR = 1e-6  # iterated estimators meet from different directions


@st.composite
def frames(draw, least=2, most=12):
    k = draw(st.integers(least, most))
    value = st.floats(-3, 3, allow_nan=False)
    error = st.floats(0.05, 2.0)
    return pd.DataFrame(
        {
            "label": [f"study {i}" for i in range(k)],
            "estimate": draw(st.lists(value, min_size=k, max_size=k)),
            "std_error": draw(st.lists(error, min_size=k, max_size=k)),
        }
    )


def row(frame, **options):
    return pairwise.fit(frame, **options).pooled.table().iloc[0]


def tau2_of(frame, method):
    return pairwise.fit(frame, method=method).quantity("tau2")


@RELAXED
@given(frames(), st.sampled_from(METHODS), st.sampled_from(INTERVALS), st.randoms(use_true_random=False))
def test_order_of_studies_does_not_matter(frame, method, interval, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    first, second = (row(f, method=method, interval=interval) for f in (frame, frame.iloc[order]))
    for key in ("estimate", "lower", "upper"):
        assert first[key] == pytest.approx(second[key], rel=NEAR, abs=NEAR)


@RELAXED
@given(frames(), st.sampled_from(METHODS), st.sampled_from(INTERVALS))
def test_turning_the_direction_turns_the_answer(frame, method, interval):
    first = row(frame, method=method, interval=interval)
    second = row(frame.assign(estimate=-frame["estimate"]), method=method, interval=interval)
    assert first["estimate"] == pytest.approx(-second["estimate"], rel=NEAR, abs=NEAR)
    assert first["lower"] == pytest.approx(-second["upper"], rel=NEAR, abs=NEAR)


@RELAXED
@given(frames(), st.sampled_from(METHODS), st.sampled_from([1e-3, 0.5, 100.0]))
def test_another_unit_scales_the_answer(frame, method, by):
    first = row(frame, method=method)
    scaled = frame.assign(estimate=frame["estimate"] * by, std_error=frame["std_error"] * by)
    second = row(scaled, method=method)
    for key in ("estimate", "lower", "upper"):
        assert first[key] * by == pytest.approx(second[key], rel=NEAR, abs=NEAR * by)


@RELAXED
@given(frames(), st.sampled_from(METHODS), st.floats(-50, 50))
def test_a_shift_of_all_studies_shifts_the_mean_and_leaves_the_spread(frame, method, by):
    moved = frame.assign(estimate=frame["estimate"] + by)
    assert tau2_of(moved, method) == pytest.approx(tau2_of(frame, method), rel=1e-5, abs=1e-6)
    assert row(moved, method=method)["estimate"] == pytest.approx(
        row(frame, method=method)["estimate"] + by, rel=NEAR, abs=NEAR
    )


@RELAXED
@given(frames(), st.sampled_from(METHODS))
def test_spread_is_never_negative_and_limits_enclose(frame, method):
    result = pairwise.fit(frame, method=method, interval="hartung_knapp_floor")
    assert result.quantity("tau2") >= 0
    assert 0 <= result.quantity("I2_percent") <= 100
    mean = result.pooled.table().iloc[0]
    assert mean["lower"] <= mean["estimate"] <= mean["upper"]
    for limits in result.prediction.itertuples():
        assert limits.lower <= mean["estimate"] <= limits.upper


@RELAXED
@given(frames(), st.sampled_from(METHODS))
def test_the_floor_never_narrows_and_never_undercuts_sampling_error(frame, method):
    bare, floored, t = (
        row(frame, method=method, interval=kind)["std_error"]
        for kind in ("hartung_knapp", "hartung_knapp_floor", "t")
    )
    assert floored >= bare - 1e-12
    assert floored >= t - 1e-12


@RELAXED
@given(
    st.lists(frames(least=1), min_size=1, max_size=6), st.sampled_from(METHODS), st.sampled_from(INTERVALS)
)
def test_many_at_once_are_many_one_by_one(parts, method, interval):
    long = pd.concat([part.assign(analysis=f"a{i}") for i, part in enumerate(parts)], ignore_index=True)
    table = many.fit(long, analysis="analysis", method=method, interval=interval).table
    assert list(table["analysis"]) == [f"a{i}" for i in range(len(parts))]
    for part, ours in zip(parts, table.itertuples(), strict=True):
        assert ours.studies == len(part)
        if len(part) == 1:
            assert np.isnan(ours.tau2)
            assert np.isnan(ours.estimate)
            continue
        alone = pairwise.fit(part, method=method, interval=interval)
        expected = alone.pooled.table().iloc[0]
        assert ours.tau2 == pytest.approx(alone.quantity("tau2"), rel=NEAR, abs=NEAR)
        for key in ("estimate", "lower", "upper"):
            assert getattr(ours, key) == pytest.approx(expected[key], rel=NEAR, abs=NEAR)
        limits = alone.heterogeneity.loc[0, ["lower", "upper"]].astype(float)
        assert (ours.tau2_lower, ours.tau2_upper) == pytest.approx(tuple(limits), rel=NEAR, abs=NEAR)


@RELAXED
@given(frames(least=2), st.booleans())
def test_no_higher_likelihood_lies_on_a_fine_grid(frame, restricted):
    batch = Batch(
        estimate=frame["estimate"].to_numpy()[None, :],
        variance=frame["std_error"].to_numpy()[None, :] ** 2,
        present=np.ones((1, len(frame)), dtype=bool),
    )
    found = estimate(batch, "REML" if restricted else "ML")
    assume(found.converged[0])
    top = log_likelihood(batch, found.value, restricted=restricted)[0]
    for tau2 in np.concatenate([[0.0], np.geomspace(1e-5, 100, 200)]):
        assert log_likelihood(batch, np.array([tau2]), restricted=restricted)[0] <= top + 1e-7


@RELAXED
@given(frames(least=2))
def test_two_equal_roads_to_one_equation(frame):
    assert tau2_of(frame, "EB") == tau2_of(frame, "PM")
    weights = frame.assign(own=1.0)
    generalised = pairwise.fit(weights, method="GENQ", weights="own").quantity("tau2")
    assert generalised == pytest.approx(tau2_of(frame, "HE"), rel=1e-9, abs=1e-12)
    inverse = frame.assign(own=1 / frame["std_error"] ** 2)
    generalised = pairwise.fit(inverse, method="GENQ", weights="own").quantity("tau2")
    assert generalised == pytest.approx(tau2_of(frame, "DL"), rel=1e-7, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(frames(least=3, most=8), st.sampled_from(["default", "uniform_2", "turner_general", "sceptical"]))
def test_posteriors_are_ordered_shrunk_and_symmetric(frame, priors):
    result = bayes.fit(frame, priors=priors)
    table = result.summary
    assert (table["lower"] < table["median"]).all()
    assert (table["median"] < table["upper"]).all()
    turned = bayes.fit(frame.assign(estimate=-frame["estimate"]), priors=priors).summary
    assert table["mean"].iloc[0] == pytest.approx(-turned["mean"].iloc[0], abs=1e-9)
    widths = (table["upper"] - table["lower"]).to_numpy()
    assert widths[2] >= widths[0]  # a new study is less certain than the mean of studies
    lowest, highest = frame["estimate"].min(), frame["estimate"].max()
    if result.priors.effect is None:
        assert table["mean"].iloc[3:].between(lowest - 1e-9, highest + 1e-9).all()


@RELAXED
@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.integers(0, 50),
    st.integers(0, 50),
    st.sampled_from(["OR", "RD", "AS"]),
)
def test_exchanging_arms_or_events_turns_the_sign(n1, n2, a, c, measure):
    a, c = min(a, n1), min(c, n2)

    def effect(**counts):
        return effect_sizes.fit(
            pd.DataFrame({"label": ["x"], **{k: [v] for k, v in counts.items()}}),
            measure=measure,
            both_zero="keep",
            zero_cells="all",
        ).table.iloc[0]

    first = effect(events_1=a, n_1=n1, events_2=c, n_2=n2)
    arms = effect(events_1=c, n_1=n2, events_2=a, n_2=n1)
    events = effect(events_1=n1 - a, n_1=n1, events_2=n2 - c, n_2=n2)
    for other in (arms, events):
        assert first["estimate"] == pytest.approx(-other["estimate"], abs=1e-9)
        assert first["std_error"] == pytest.approx(other["std_error"], abs=1e-9)


def test_the_estimators_are_twelve():
    assert len(heterogeneity.ESTIMATORS) == 12
