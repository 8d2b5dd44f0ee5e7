"""Laws of regression with competing causes and of scores: order, names, units, replication, slow twins."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings

from soa_evidence.errors import InputError
from soa_evidence.survival import cause_specific, cox, fine_gray, scores

RELAXED = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
EXACT = 1e-10  # the same sums in another order
OPTIMUM = 1e-6
SEEDS = st.integers(0, 2**32 - 1)
PROFILES = pd.DataFrame({"x": [0.0, 0.5], "z": [0.0, -0.5]}, index=["a", "b"])
MODEL = {"time": "time", "event": "event", "covariates": ["x", "z"]}


def people(seed, size=80, causes=2, days=12):
    rng = np.random.default_rng(seed)
    time = rng.integers(1, days, size)
    risk = np.sort(rng.random((2, size)).round(1), axis=0)
    return pd.DataFrame(
        {
            "time": time,
            "entry": rng.integers(0, time) * (rng.random(size) < 0.4),
            "event": rng.integers(0, causes + 1, size),
            "stratum": rng.choice(["north", "south"], size),
            "weight": rng.integers(1, 4, size),
            "x": rng.normal(size=size).round(1),
            "z": rng.normal(size=size),
            "first": risk[0],
            "second": risk[1],
        }
    )


FRAMES = st.builds(people, SEEDS)


def fitted(method, frame, **options):
    """Return the fit, leaving out the rare frames whose likelihood has no maximum."""
    try:
        return method.fit(frame, **{**MODEL, **options})
    except InputError:
        assume(False)


def same(first, second, tolerance=OPTIMUM):
    np.testing.assert_allclose(
        np.asarray(first, float), np.asarray(second, float), rtol=tolerance, atol=tolerance
    )


def numbers(found):
    """Coefficients, their covariance, and every predicted curve with its error."""
    curves = found.cumulative_incidence(PROFILES).values()
    return [
        found.log_hazard_ratio.mean,
        found.log_hazard_ratio.covariance,
        *(part for curve in curves for part in (curve.estimate, curve.std_error)),
    ]


def all_same(one, other, tolerance=OPTIMUM):
    for first, second in zip(numbers(one), numbers(other), strict=True):
        same(first, second, tolerance)


METHODS = pytest.mark.parametrize("method", [fine_gray, cause_specific])


# ---- the slow twin ----


def plain_likelihood(frame, beta, *, efron, crr):
    """The weighted partial likelihood from its definition, every risk set counted anew."""
    time, event = frame["time"].to_numpy(), frame["event"].to_numpy()
    r = np.exp(frame[["x", "z"]].to_numpy() @ beta)

    def chance(t):  # of not being censored before t
        G = 1.0
        for u in np.unique(time[(event == 0) & (time < t)]):
            at_risk = (time > u) | ((time == u) & ((event == 0) | crr))
            G *= 1 - ((time == u) & (event == 0)).sum() / at_risk.sum()
        return G

    total = 0.0
    for t in np.unique(time[event == 1]):
        lingering = (time < t) & (event > 1)
        risk = r[time >= t].sum() + sum(r[i] * chance(t) / chance(time[i]) for i in np.flatnonzero(lingering))
        tied = np.flatnonzero((time == t) & (event == 1))
        total += np.log(r[tied]).sum()
        for k in range(len(tied)):
            total -= np.log(risk - (k / len(tied) if efron else 0.0) * r[tied].sum())
    return total


@RELAXED
@given(FRAMES, st.booleans(), st.booleans())
def test_fine_gray_is_the_maximum_of_its_definition(frame, efron, crr):
    options = {"ties": "efron" if efron else "breslow", "censoring": "crr" if crr else "events first"}
    found = fitted(fine_gray, frame, **options)
    at = plain_likelihood(frame, found.coefficients, efron=efron, crr=crr)
    same(found.log_likelihood, at, EXACT)
    same(found.log_likelihood_at_zero, plain_likelihood(frame, np.zeros(2), efron=efron, crr=crr), EXACT)
    for direction in np.eye(2) * 1e-3:
        for sign in (1, -1):
            beside = plain_likelihood(frame, found.coefficients + sign * direction, efron=efron, crr=crr)
            assert beside < at


# ---- laws of both ----


@METHODS
@RELAXED
@given(FRAMES, SEEDS)
def test_row_order_does_not_matter(method, frame, seed):
    one = fitted(method, frame, strata="stratum")
    all_same(one, fitted(method, frame.sample(frac=1, random_state=seed), strata="stratum"))


@METHODS
@RELAXED
@given(FRAMES, st.floats(0.001, 1000))
def test_time_may_be_in_any_unit(method, frame, factor):
    scaled = frame.assign(time=frame["time"] * factor, entry=frame["entry"] * factor)
    one = fitted(method, frame, entry="entry")
    all_same(one, fitted(method, scaled, entry="entry"))


@METHODS
@RELAXED
@given(FRAMES)
def test_frequency_weights_are_replication(method, frame):
    """Breslow's ties: a weighted tie of Efron's counts k / d by rows, as R's does, not by people."""
    twice = frame.loc[frame.index.repeat(frame["weight"])].reset_index(drop=True)
    one = fitted(method, frame, weights="weight", ties="breslow")
    all_same(one, fitted(method, twice, ties="breslow"))


@METHODS
@RELAXED
@given(FRAMES)
def test_codes_of_causes_are_names_only(method, frame):
    swapped = frame.assign(event=frame["event"].map({0: 0, 1: 7, 2: 3}))
    if method is fine_gray:
        all_same(fitted(method, frame, cause=1), fitted(method, swapped, cause=7))
        return
    one, other = fitted(method, frame), fitted(method, swapped)
    same(one.models["cause 1"].coefficients, other.models["cause 7"].coefficients)
    curves, turned = one.cumulative_incidence(PROFILES), other.cumulative_incidence(PROFILES)
    for name in PROFILES.index:
        same(curves[name, "cause 2"].estimate, turned[name, "cause 3"].estimate)
        same(curves[name, "cause 2"].std_error, turned[name, "cause 3"].std_error)


@RELAXED
@given(FRAMES)
def test_without_censoring_fine_gray_is_cox_with_competing_events_at_the_end(frame):
    frame = frame.assign(event=frame["event"].replace(0, 2))
    found = fitted(fine_gray, frame)
    later = frame.assign(time=np.where(frame["event"] == 2, 99, frame["time"]), event=frame["event"] == 1)
    plain = fitted(cox, later)
    same(found.coefficients, plain.coefficients)
    same(found.model_covariance, plain.model_covariance)
    robust = fitted(cox, later.assign(one=np.arange(len(later))), cluster="one")
    same(found.log_hazard_ratio.covariance, robust.covariance)


@RELAXED
@given(FRAMES)
def test_causes_and_survival_sum_to_one(frame):
    found = fitted(cause_specific, frame, entry="entry")
    hazards = [model.cumulative_hazard(PROFILES) for model in found.models.values()]
    curves = found.cumulative_incidence(PROFILES, interval=False)
    for name in PROFILES.index:
        total = sum(curves[name, cause].estimate for cause in found.causes)
        same(total, 1 - np.exp(-sum(each[name].estimate for each in hazards)), EXACT)
        assert (total <= 1).all()


@METHODS
@RELAXED
@given(FRAMES)
def test_incidence_rises_within_its_limits(method, frame):
    for curve in fitted(method, frame).cumulative_incidence(PROFILES).values():
        assert (np.diff(curve.estimate) >= -1e-15).all()
        known = np.isfinite(curve.lower)
        assert (curve.lower[known] <= curve.estimate[known]).all()
        assert (curve.estimate[known] <= curve.upper[known]).all()


# ---- Cox, since groups are by event times ----


@RELAXED
@given(FRAMES)
def test_when_exactly_the_censored_leave_between_events_does_not_matter(frame):
    """Also the slow half of `cox_rows`: distinct times by counting and by sorting give the same."""
    frame = frame.assign(event=(frame["event"] == 1) * 1, time=frame["time"].astype(float))
    moved = frame.copy()
    censored = moved["event"] == 0
    moved.loc[censored, "time"] += np.linspace(0.1, 0.9, int(censored.sum()))
    one, other = fitted(cox, frame, entry="entry"), fitted(cox, moved, entry="entry")
    same(one.coefficients, other.coefficients)
    same(one.residuals().martingale, other.residuals().martingale)
    same(one.residuals().score, other.residuals().score)
    same(one.concordance().mean, other.concordance().mean, EXACT)
    same(one.concordance().covariance, other.concordance().covariance, EXACT)


# ---- scores ----


def scored(frame, **options):
    try:
        return scores.fit(
            frame, time="time", event="event", predictions={"m": ["first", "second"]}, times=[4, 8], **options
        )
    except InputError:
        assume(False)


def score_numbers(found):
    parts = [found.brier, found.scaled_brier, found.auc, found.integrated_brier, found.concordance]
    return [each for part in parts if part is not None for each in (part.mean, part.covariance)]


@RELAXED
@given(st.builds(people, SEEDS, st.just(60), st.sampled_from([1, 2])), SEEDS)
def test_scores_do_not_depend_on_order_and_weights_are_replication(frame, seed):
    options = {} if frame["event"].max() < 2 else {"cause": 1}
    one = scored(frame, **options)
    for first, second in zip(
        score_numbers(one),
        score_numbers(scored(frame.sample(frac=1, random_state=seed), **options)),
        strict=True,
    ):
        same(first, second, EXACT)
    twice = frame.loc[frame.index.repeat(frame["weight"])].reset_index(drop=True)
    weighted, replicated = scored(frame, weights="weight", **options), scored(twice, **options)
    for first, second in zip(score_numbers(weighted), score_numbers(replicated), strict=True):
        same(first, second, EXACT)


@RELAXED
@given(st.builds(people, SEEDS, st.just(60), st.sampled_from([1, 2])))
def test_scores_are_their_definitions(frame):
    options = {} if frame["event"].max() < 2 else {"cause": 1}
    found = scored(frame, **options)
    time, event = frame["time"].to_numpy(), frame["event"].to_numpy()

    def chance(t):
        G = 1.0
        for u in np.unique(time[(event == 0) & (time < t)]):
            at_risk = (time > u) | ((time == u) & (event == 0))
            G *= 1 - ((time == u) & (event == 0)).sum() / at_risk.sum()
        return G

    for j, (t, name) in enumerate([(4, "first"), (8, "second")]):
        weight = [
            1 / chance(t + 0.5) if s > t else 1 / chance(s) if e else 0.0
            for s, e in zip(time, event, strict=True)
        ]
        happened = (time <= t) & (event == 1)
        risk = frame[name].to_numpy()
        same(found.brier.mean[j], np.mean(weight * (happened - risk) ** 2), EXACT)
        above, all_pairs = 0.0, 0.0
        for i in np.flatnonzero(happened):
            for k in np.flatnonzero(~happened):
                pair = weight[i] * weight[k]
                all_pairs += pair
                above += pair * ((risk[i] > risk[k]) + 0.5 * (risk[i] == risk[k]))
        same(found.auc.mean[j], above / all_pairs, EXACT)


@RELAXED
@given(st.builds(people, SEEDS, st.just(60), st.just(1)))
def test_opposite_risks_have_the_opposite_rank(frame):
    def ranks(risk):
        found = scores.fit(
            frame.assign(risk=risk), time="time", event="event", predictions={"m": "risk"}, times=8
        )
        return np.concatenate([found.auc.mean, found.concordance.mean])

    assume((frame["time"] > 8).any() and (frame.loc[frame["time"] <= 8, "event"] == 1).any())
    same(ranks(frame["first"]) + ranks(1 - frame["first"]), 1, EXACT)
