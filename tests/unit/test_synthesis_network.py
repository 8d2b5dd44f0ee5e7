"""Networks that cannot be analysed are refused; a triangle by hand; a pair is a pairwise meta-analysis."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.synthesis import network, pairwise

TRIANGLE = pd.DataFrame(
    {
        "study": ["s1", "s2", "s3"],
        "treatment_1": ["b", "c", "c"],
        "treatment_2": ["a", "b", "a"],
        "estimate": [1.0, 1.0, 3.0],
        "std_error": [1.0, 1.0, 1.0],
    }
)
ARMS = pd.DataFrame(
    {
        "study": ["x", "x", "x", "y", "y"],
        "treatment": ["a", "b", "c", "a", "b"],
        "estimate": [0.1, 0.3, 0.9, 0.0, 0.4],
        "std_error": [0.1, 0.2, 0.3, 0.2, 0.2],
    }
)


def made(arms):
    return network.pairs(
        arms, study="study", treatment="treatment", estimate="estimate", std_error="std_error"
    )


def changed(column, value, row=0, frame=TRIANGLE):
    values = list(frame[column])
    values[row] = value
    return frame.assign(**{column: values})


BAD = {
    "a reference no study holds": (TRIANGLE, {"reference": "d"}, "reference is 'd', which no study holds"),
    "an unknown method": (TRIANGLE, {"method": "RELM"}, "Did you mean 'REML'"),
    "an unknown direction": (TRIANGLE, {"better": "less"}, "better is 'less'"),
    "no rows": (TRIANGLE.iloc[:0], {}, "frame of contrasts is empty"),
    "a missing estimate": (changed("estimate", np.nan, 1), {}, "'estimate', row 1: missing"),
    "no error": (changed("std_error", 0.0, 2), {}, "row 2: 0; a standard error is above 0"),
    "an infinite estimate": (changed("estimate", np.inf), {}, "row 0: inf; expected a finite"),
    "text": (TRIANGLE.assign(estimate="1"), {}, "holds object values; expected numbers"),
    "against itself": (changed("treatment_2", "b"), {}, "'s1' compares 'b' with itself"),
    "a pair twice": (pd.concat([TRIANGLE, TRIANGLE.iloc[:1]]), {}, "'a' against 'b' twice"),
    "two parts": (
        pd.concat([TRIANGLE, changed("study", "s9").assign(treatment_1="k", treatment_2="l").iloc[:1]]),
        {},
        "in separate parts: no chain of studies joins a, b, c with k, l",
    ),
    "nothing to tell tau2 by": (TRIANGLE.iloc[:2], {}, "2 independent contrasts for 2 effects"),
    "a multi-arm study without a pair": (made(ARMS).iloc[1:], {}, "no contrast of 'a' with 'b'"),
    "contrasts that do not add up": (changed("estimate", 5.0, 0, made(ARMS)), {}, "do not add up"),
    "impossible errors": (changed("std_error", 9.0, 2, made(ARMS)), {}, "no variances of its arms"),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_refused(kind):
    frame, options, message = BAD[kind]
    with pytest.raises(InputError, match=message):
        network.fit(frame, **({"reference": "a"} | options))


def test_a_study_of_one_arm():
    with pytest.raises(InputError, match="'z' has one arm"):
        made(pd.concat([ARMS, ARMS.iloc[:1].assign(study="z")]))


def test_a_triangle_by_hand():
    """a-b 1, b-c 1, a-c 3, equal errors: the gap of 1 is shared equally, b = 4/3, c = 8/3."""
    result = network.fit(TRIANGLE, reference="a", method="common")
    assert result.effects.mean == pytest.approx([4 / 3, 8 / 3])
    assert np.diag(result.effects.covariance) == pytest.approx([2 / 3, 2 / 3])
    q = result.consistency.set_index("source")
    assert q.loc["whole network", "statistic"] == pytest.approx(1 / 3)  # three residuals of a third
    assert q.loc["between designs", "statistic"] == pytest.approx(1 / 3)
    split = result.splits.iloc[0]
    assert (split["direct"], split["indirect"]) == pytest.approx(
        (-1.0, -2.0)
    )  # a against b: direct, round by c
    assert split["difference_std_error"] == pytest.approx(np.sqrt(3))


def test_two_treatments_are_a_pairwise_meta_analysis():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"label": list("abcdefg"), "estimate": rng.normal(0.3, 0.5, 7), "std_error": 0.2})
    pair = frame.rename(columns={"label": "study"}).assign(treatment_1="new", treatment_2="old")
    one = network.fit(pair, reference="old", method="REML")
    two = pairwise.fit(frame, interval="wald")
    assert one.effects.mean == pytest.approx(two.pooled.mean)
    assert one.heterogeneity["estimate"].iloc[0] == pytest.approx(two.quantity("tau2"))
    assert one.splits.empty
    assert one.checks[0].verdict == "warn"  # nothing could disagree, so nothing was tested


def test_the_reference_and_the_order_of_rows_change_nothing():
    contrasts = pd.concat([TRIANGLE, made(ARMS)], ignore_index=True)
    first = network.fit(contrasts, reference="a").league.set_index(["treatment_1", "treatment_2"])
    second = network.fit(contrasts.iloc[::-1], reference="c").league.set_index(["treatment_1", "treatment_2"])
    for pair in first.index:
        assert first.loc[pair, "estimate"] == pytest.approx(second.loc[pair, "estimate"], abs=1e-6)
        assert first.loc[pair, "std_error"] == pytest.approx(second.loc[pair, "std_error"], abs=1e-6)
        assert first.loc[pair, "estimate"] == pytest.approx(-first.loc[pair[::-1], "estimate"])


def test_p_scores_average_one_half_and_turn_with_the_direction():
    lower = network.fit(TRIANGLE, reference="a", method="common").ranking.set_index("treatment")
    higher = network.fit(TRIANGLE, reference="a", method="common", better="higher").ranking.set_index(
        "treatment"
    )
    assert lower["p_score"].mean() == pytest.approx(0.5)
    assert (lower["p_score"] + higher["p_score"]).to_numpy() == pytest.approx(1.0)
    assert "<table" in network.fit(TRIANGLE, reference="a", method="common")._repr_html_()
