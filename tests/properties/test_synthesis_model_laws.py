"""Laws of the models beyond pooling: order, direction and scale do not matter; special cases agree."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from soa_evidence.synthesis import (
    bayes_robust,
    exact,
    multilevel,
    pairwise,
    regression,
    robust,
    small_study,
    subgroup,
    trim_fill,
)

RELAXED = settings(max_examples=15, deadline=None)
FEW = settings(max_examples=3, deadline=None)
METHODS = ["DL", "HE", "HS", "SJ", "REML", "PM"]
NEAR = 1e-6


@st.composite
def frames(draw, least=6, most=12):
    k = draw(st.integers(least, most))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    return pd.DataFrame(
        {
            "label": [f"s{i}" for i in range(k)],
            "estimate": rng.normal(0, draw(st.sampled_from([0.1, 1.0])), k),
            "std_error": rng.uniform(0.05, 1.0, k),
            "x": rng.normal(0, 1, k),
            "group": [["a", "b", "c"][i % 3] for i in range(k)],
        }
    )


@RELAXED
@given(frames(), st.sampled_from(METHODS))
def test_regression_without_moderators_is_pairwise(frame, method):
    one = regression.fit(frame, moderators=[], method=method)
    two = pairwise.fit(frame, method=method)
    assert one.quantity("tau2") == pytest.approx(two.quantity("tau2"), rel=1e-6, abs=1e-8)
    assert one.coefficients.mean == pytest.approx(two.pooled.mean, rel=NEAR, abs=NEAR)
    assert one.coefficients.covariance[0, 0] == pytest.approx(two.pooled.covariance[0, 0], rel=1e-5)


@RELAXED
@given(frames(), st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_order_and_a_moderator_s_unit_do_not_matter(frame, method, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    first = regression.fit(frame, moderators=["x"], method=method)
    second = regression.fit(
        frame.iloc[order].assign(x=lambda f: 3 + 10 * f["x"]), moderators=["x"], method=method
    )
    assert second.coefficients.mean[1] * 10 == pytest.approx(first.coefficients.mean[1], rel=1e-5, abs=NEAR)
    assert second.quantity("tau2") == pytest.approx(first.quantity("tau2"), rel=1e-5, abs=1e-7)
    assert second.tests["p_value"].to_numpy() == pytest.approx(first.tests["p_value"].to_numpy(), abs=1e-5)


@RELAXED
@given(frames())
def test_turning_the_direction_turns_every_answer(frame):
    turned = frame.assign(estimate=-frame["estimate"])
    one, two = (small_study.fit(f, tests=["egger", "begg"]).tests for f in (frame, turned))
    assert one["asymmetry"].to_numpy() == pytest.approx(-two["asymmetry"].to_numpy(), abs=1e-9)
    assert one["p_value"].to_numpy() == pytest.approx(two["p_value"].to_numpy(), abs=1e-9)
    left, right = trim_fill.fit(frame, side="left"), trim_fill.fit(turned, side="right")
    assert left.filled == right.filled
    assert left.pooled.mean == pytest.approx(-right.pooled.mean, abs=1e-6)


@RELAXED
@given(frames(), st.sampled_from(["shared", "separate"]))
def test_subgroup_means_do_not_depend_on_the_names_of_groups(frame, spread):
    renamed = frame.assign(group=frame["group"].map({"a": "z", "b": "y", "c": "x"}))
    one, two = (subgroup.fit(f, group="group", spread=spread, interval="wald") for f in (frame, renamed))
    assert one.groups["estimate"].to_numpy() == pytest.approx(
        two.groups["estimate"].to_numpy()[::-1], abs=1e-5
    )
    assert one.test["statistic"].iloc[0] == pytest.approx(two.test["statistic"].iloc[0], rel=1e-4, abs=1e-6)


@RELAXED
@given(frames())
def test_clusters_of_one_result_are_the_classic_robust_error(frame):
    """With each result its own cluster and CR0: the sum of squared weighted residuals."""
    fitted = regression.fit(frame, moderators=[], method="DL", interval="wald")
    own = frame.assign(cluster=frame["label"])
    table = robust.fit(own, fitted=fitted, cluster="cluster", correction="CR0").table
    w = 1 / (frame["std_error"] ** 2 + fitted.quantity("tau2"))
    e = frame["estimate"] - fitted.coefficients.mean[0]
    assert table["std_error"].iloc[0] == pytest.approx(np.sqrt((w**2 * e**2).sum()) / w.sum(), rel=1e-9)


@FEW
@given(frames(least=8))
def test_levels_of_the_same_registry_share(frame):
    nested = frame.assign(registry=[i // 2 for i in range(len(frame))])
    result = multilevel.fit(nested, levels=["registry", "label"], limits=False)
    assert (result.components["variance"] >= 0).all()
    assert 0 <= result.components["share_percent"].sum() <= 100
    assert {c.verdict for c in result.checks if c.name.startswith("highest")} == {"pass"}


@FEW
@given(frames())
def test_heavy_tails_are_symmetric(frame):
    turned = frame.assign(estimate=-frame["estimate"])
    one, two = (bayes_robust.fit(f).result.summary for f in (frame, turned))
    assert one["mean"].iloc[0] == pytest.approx(-two["mean"].iloc[0], abs=1e-6)


@FEW
@given(st.integers(0, 10**6))
def test_exchanging_arms_turns_the_exact_odds_ratio(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(20, 200, (2, 8))
    events = rng.binomial(n, 0.1) + 1
    frame = pd.DataFrame(
        {
            "label": list("abcdefgh"),
            "events_1": events[0],
            "n_1": n[0] + 1,
            "events_2": events[1],
            "n_2": n[1] + 1,
        }
    )
    turned = frame.rename(
        columns={"events_1": "events_2", "n_1": "n_2", "events_2": "events_1", "n_2": "n_1"}
    )
    one, two = exact.fit(frame), exact.fit(turned)
    assert one.pooled.mean[0] == pytest.approx(-two.pooled.mean[0], abs=1e-6)
    assert one.tau2 == pytest.approx(two.tau2, abs=1e-6)
