"""Scores of predictions: arithmetic, derivatives in the weights, hostile data, and every complaint."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.survival import scores
from soa_evidence.survival.records import prepare
from soa_evidence.survival.scored import Scored

BASIC = {"time": "time", "event": "event"}


def people(seed=2, n=80, causes=1):
    rng = np.random.default_rng(seed)
    early, late = np.sort(rng.random((2, n)).round(2), axis=0)
    return pd.DataFrame(
        {
            "time": rng.integers(1, 20, n),
            "event": rng.integers(0, causes + 1, n),
            "early": early,
            "late": late,
            "flat": 0.4,
            "w": rng.uniform(0.5, 2, n),
            "unit": rng.integers(0, 9, n),
        }
    )


def fitted(frame, **more):
    return scores.fit(frame, **BASIC, **{"predictions": {"m": ["early", "late"]}, "times": [5, 11], **more})


# ---- arithmetic ----


def test_by_hand():
    frame = pd.DataFrame(
        {"time": [1, 2, 3, 4, 5], "event": [1, 0, 1, 1, 0], "risk": [0.9, 0.5, 0.2, 0.6, 0.2]}
    )
    found = scores.fit(frame, **BASIC, predictions={"m": "risk"}, times=3)
    # G = 1 to 2, then 3/4. Up to 3: events at 1 (weight 1) and 3 (4/3); followed beyond: two of weight 4/3.
    brier = (0.1**2 + 4 / 3 * 0.8**2 + 4 / 3 * (0.6**2 + 0.2**2)) / 5
    share = (1 + 4 / 3) / 5
    null = (1 * (1 - share) ** 2 + 4 / 3 * (1 - share) ** 2 + 8 / 3 * share**2) / 5
    np.testing.assert_allclose(found.brier.mean, [brier, null])
    np.testing.assert_allclose(found.scaled_brier.mean, [1 - brier / null])
    # Pairs: 0.9 beats both; 0.2 loses to 0.6 and ties with 0.2.
    auc = (1 * 4 / 3 * 2 + 4 / 3 * 4 / 3 * 0.5) / ((1 + 4 / 3) * 8 / 3)
    np.testing.assert_allclose(found.auc.mean, [auc])
    # All pairs with one event first: 1 v 4 others (all right); 3 v 4 (wrong), v 5 (tie); 4 v 5 (right).
    harrell = (4 + 0.5 + 1) / 7
    # Of events up to 3, those at 3 with (4/3)²: 2 + 2 pairs of weight 1, and 0.5 of two of weight 16/9.
    uno = (4 + 16 / 9 * 0.5) / (4 + 2 * 16 / 9)
    np.testing.assert_allclose(found.concordance.mean, [harrell, uno])


def test_integrated_is_the_area_by_trapezoids():
    found = fitted(people(), predictions={"m": ["early", "late", "late"]}, times=[4, 6, 12])
    by_time = found.brier.select(["m at 4", "m at 6", "m at 12"]).mean
    area = (2 * (by_time[0] + by_time[1]) / 2 + 6 * (by_time[1] + by_time[2]) / 2) / 8
    np.testing.assert_allclose(found.integrated_brier.select(["m"]).mean, [area])


def test_without_censoring_they_are_plain_averages():
    frame = people().assign(event=1)
    found = fitted(frame)
    for j, (t, name) in enumerate([(5, "early"), (11, "late")]):
        happened = frame["time"] <= t
        np.testing.assert_allclose(found.brier.mean[j], np.mean((happened - frame[name]) ** 2))
        pairs = np.sign(frame.loc[happened, name].to_numpy()[:, None] - frame.loc[~happened, name].to_numpy())
        np.testing.assert_allclose(found.auc.mean[j], (pairs.mean() + 1) / 2)


def test_the_same_risk_for_all_says_nothing():
    found = fitted(people(), predictions={"m": ["flat", "flat"]})
    np.testing.assert_allclose(found.auc.mean, 0.5)
    np.testing.assert_allclose(found.auc.covariance, 0, atol=1e-15)
    np.testing.assert_allclose(found.concordance.mean, 0.5)


def test_difference_is_the_difference():
    found = fitted(people(), predictions={"m": ["early", "late"], "m2": ["flat", "flat"]})
    for score, k in [
        ("brier", 2),
        ("scaled_brier", 2),
        ("auc", 2),
        ("integrated_brier", 1),
        ("concordance", 2),
    ]:
        of = getattr(found, score)
        difference = found.difference(score, "m", "m2")
        assert len(difference) == k
        one = [label for label in of.labels if label == "m" or label.startswith(("m at", "m,"))]
        np.testing.assert_allclose(
            difference.mean, of.select(one).mean - of.select([x.replace("m", "m2", 1) for x in one]).mean
        )
    assert found.difference("brier", "m", scores.NOBODY).labels == (
        "m less same risk for all at 5",
        "m less same risk for all at 11",
    )


# ---- standard errors are derivatives ----


@pytest.mark.parametrize("causes", [1, 2])
def test_influences_are_derivatives_in_the_weights(causes):
    frame = people(n=50, causes=causes)
    risk = frame[["early", "late"]].to_numpy()

    def scored(rows):
        records = prepare(rows, **BASIC, weights="w", weights_are="robust", competing=causes > 1)
        return Scored.of(records, 1, np.array([5.0, 11.0]), "time")

    def both(rows, part):
        made = scored(rows)
        found = [made.brier(risk), made.auc(risk)]
        if causes == 1:
            found += [made.concordance(risk[:, 1], uno=uno) for uno in (False, True)]
        return (
            np.column_stack([np.atleast_2d(each[part].T).T for each in found])
            if part
            else np.hstack([each[0] for each in found])
        )

    influence = both(frame, 1)
    for i in range(0, len(frame), 3):
        up, down = frame.copy(), frame.copy()
        up.loc[i, "w"] += 1e-4
        down.loc[i, "w"] -= 1e-4
        np.testing.assert_allclose(influence[i], (both(up, 0) - both(down, 0)) / 2e-4, atol=1e-8)


def test_clusters_and_tables():
    frame = people()
    alone, together = fitted(frame), fitted(frame, cluster="unit")
    np.testing.assert_allclose(alone.brier.mean, together.brier.mean)
    assert not np.allclose(alone.brier.covariance, together.brier.covariance)
    assert set(alone.table()["estimand"]) == {
        "Brier score", "scaled Brier score", "AUC", "integrated Brier score", "concordance",
    }  # fmt: skip
    assert "Scores of m: " in repr(alone)
    assert "Scores of predictions" in alone._repr_html_()


def test_competing_causes_have_no_concordance():
    found = fitted(people(causes=2), cause=1)
    assert found.concordance is None
    with pytest.raises(InputError, match="There is no concordance in this result"):
        found.difference("concordance", "m", scores.NOBODY)


def test_a_bad_model_is_told():
    frame = people(n=400).assign(early=0.99, late=0.99)
    found = fitted(frame)
    assert [c.verdict for c in found.checks if c.name == "better than the same risk for all"] == ["warn"]


def test_tiny_and_huge():
    frame = pd.DataFrame({"time": [1e9, 2e9, 3e9], "event": [1, 0, 1], "risk": [0.5, 0.5, 0.5]})
    found = scores.fit(frame, **BASIC, predictions={"m": "risk"}, times=1.5e9)
    np.testing.assert_allclose(found.brier.mean[0], 0.25)
    assert found.integrated_brier is None


# ---- complaints ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": []}, "expected one or more times above 0"),
        ({"times": [0, 5]}, "expected one or more times above 0"),
        ({"times": [11, 5]}, "expected increasing times"),
        ({"times": [5]}, "Model 'm' has 2 columns of predictions and there are 1 times"),
        ({"times": [5, 40]}, "No one is followed beyond time 40 .the last of 'time' is 19."),
        ({"times": [0.5, 5]}, "No one has the event by time 0.5"),
        ({"predictions": {}}, "predictions must name the columns of each model"),
        ({"predictions": ["early"]}, "predictions must name the columns of each model"),
        ({"predictions": {"m": ["early", "lat"]}}, "no column 'lat'. Did you mean 'late'?"),
        ({"predictions": {"m": ["late", "early"]}}, "the risk of the event falls with time"),
        ({"predictions": {"m": ["early", "time"]}}, "a predicted risk lies from 0 to 1"),
        ({"predictions": {scores.NOBODY: ["early", "late"]}}, "'same risk for all' is scored anyway"),
        ({"cause": 3}, "has no row with 'cause 3'.*It has: cause 1"),
        ({"weights": "w"}, "a frequency must be a whole number"),
    ],
)
def test_complaints(options, message):
    with pytest.raises(InputError, match=message):
        fitted(people(), **options)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("bier", "m", "n"), "score is 'bier'. Did you mean 'brier'?"),
        (("brier", "m", "m"), "Both models are 'm'; name two"),
        (("brier", "m", "x"), "There is no Brier score of model 'x'|There is no brier of model 'x'"),
    ],
)
def test_complaints_of_a_difference(asked, message):
    with pytest.raises(InputError, match=message):
        fitted(people()).difference(*asked)
