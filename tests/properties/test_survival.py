"""Laws of survival: order and names do not matter, weights are replication, fast paths equal plain loops."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from soa_evidence.survival import (
    cox,
    cumulative_incidence,
    gray,
    kaplan_meier,
    logrank,
    nelson_aalen,
    rates,
)

RELAXED = settings(max_examples=40, deadline=None)
EXACT = 1e-10  # the same sums in another order
OPTIMUM = 1e-6


def people(seed, size, *, causes=1, days=12):
    """Tied whole-day times, a few groups and strata, late entry, weights 1 to 3; every group has an event."""
    rng = np.random.default_rng(seed)
    time = rng.integers(1, days, size)
    frame = pd.DataFrame(
        {
            "time": time,
            "entry": rng.integers(0, time),
            "event": rng.integers(0, causes + 1, size),
            "group": rng.choice(["a", "b", "c"], size),
            "stratum": rng.choice(["north", "south"], size),
            "weight": rng.integers(1, 4, size),
            "x": rng.normal(size=size).round(1),
            "z": rng.normal(size=size),
        }
    )
    frame.loc[:2, "group"] = ["a", "b", "c"]
    frame.loc[:2, "event"] = 1
    return frame


SEEDS = st.integers(0, 2**32 - 1)
FRAMES = st.builds(people, SEEDS, st.integers(12, 60))
COMPETING = st.builds(lambda seed, size: people(seed, size, causes=3), SEEDS, st.integers(12, 60))
BIG = st.builds(lambda seed: people(seed, 120, days=30), SEEDS)
BASIC = {"time": "time", "event": "event"}


def same(first, second, tolerance=EXACT):
    np.testing.assert_allclose(
        np.asarray(first, float), np.asarray(second, float), rtol=tolerance, atol=tolerance
    )


def replicate(frame):
    return frame.loc[frame.index.repeat(frame["weight"])].reset_index(drop=True)


# ---- Kaplan-Meier ----


def plain_kaplan_meier(frame):
    """Survival and Greenwood's error of log survival, from the definition, time by time."""
    survival, total, rows = 1.0, 0.0, []
    for t in sorted(frame["time"].unique()):
        at_risk = ((frame["entry"] < t) & (frame["time"] >= t)).sum()
        events = ((frame["time"] == t) & (frame["event"] > 0)).sum()
        survival *= 1 - events / at_risk
        total += events / (at_risk * (at_risk - events)) if at_risk > events else 0.0
        rows.append((t, at_risk, events, survival, np.sqrt(total)))
    return np.array(rows, float).T


@RELAXED
@given(FRAMES)
def test_kaplan_meier_is_its_definition(frame):
    found = kaplan_meier.fit(frame, **BASIC, entry="entry", by="group")
    for group, part in frame.groupby("group"):
        time, at_risk, events, survival, error = plain_kaplan_meier(part)
        curve = found.curves[group]
        same(curve.time, time)
        same(curve.at_risk, at_risk)
        same(curve.events, events)
        same(curve.estimate, survival)
        known = survival > 0
        same(curve.std_error[known], (survival * error)[known])


@RELAXED
@given(FRAMES, SEEDS)
def test_row_order_does_not_matter(frame, seed):
    shuffled = frame.sample(frac=1, random_state=seed % 2**32)
    for one, other in [
        (kaplan_meier.fit(f, **BASIC, entry="entry", by="group", weights="weight") for f in (frame, shuffled))
    ]:
        for group in one.curves:
            same(one.curves[group].estimate, other.curves[group].estimate)


@RELAXED
@given(FRAMES, st.floats(0.001, 1000))
def test_time_may_be_in_any_unit(frame, factor):
    scaled = frame.assign(time=frame["time"] * factor, entry=frame["entry"] * factor)
    for group in ("a", "b", "c"):
        one = kaplan_meier.fit(frame, **BASIC, by="group", entry="entry").curves[group]
        other = kaplan_meier.fit(scaled, **BASIC, by="group", entry="entry").curves[group]
        same(one.estimate, other.estimate)
        same(one.time * factor, other.time)


@RELAXED
@given(FRAMES)
def test_frequency_weights_are_replication(frame):
    weighted = {**BASIC, "entry": "entry", "weights": "weight"}
    twice = replicate(frame)
    for group in ("a", "b", "c"):
        one = kaplan_meier.fit(frame, **weighted, by="group").curves[group]
        other = kaplan_meier.fit(twice, **BASIC, entry="entry", by="group").curves[group]
        for name in ("estimate", "std_error", "lower", "upper", "at_risk", "events"):
            same(getattr(one, name), getattr(other, name))
        for ties in ("nelson", "fleming_harrington"):
            one = nelson_aalen.fit(frame, **weighted, by="group", ties=ties).curves[group]
            other = nelson_aalen.fit(twice, **BASIC, entry="entry", by="group", ties=ties).curves[group]
            same(one.estimate, other.estimate)
            same(one.std_error, other.std_error)
    arguments = {"by": "group", "strata": "stratum", "family": "peto_peto"}
    one = logrank.fit(frame, **weighted, **arguments)
    other = logrank.fit(twice, **BASIC, entry="entry", **arguments)
    assert one.statistic == pytest.approx(other.statistic, rel=1e-8)


@RELAXED
@given(FRAMES)
def test_entry_at_zero_is_no_late_entry(frame):
    frame = frame.assign(entry=0)
    for group in ("a", "b", "c"):
        one = kaplan_meier.fit(frame, **BASIC, by="group").curves[group]
        other = kaplan_meier.fit(frame, **BASIC, by="group", entry="entry").curves[group]
        same(one.estimate, other.estimate)
        same(one.at_risk, other.at_risk)


@RELAXED
@given(FRAMES)
def test_robust_error_with_equal_weights_is_greenwoods(frame):
    frame = frame.assign(one=1.0)
    one = kaplan_meier.fit(frame, **BASIC, by="group")
    other = kaplan_meier.fit(frame, **BASIC, by="group", weights="one", weights_are="robust")
    tau = float(min(frame.groupby("group")["time"].max()))
    for group in ("a", "b", "c"):
        same(one.curves[group].std_error, other.curves[group].std_error, 1e-8)
    same(one.restricted_mean(tau).mean.covariance, other.restricted_mean(tau).mean.covariance, 1e-8)


@RELAXED
@given(FRAMES, st.floats(0.2, 3))
def test_robust_error_is_the_influence_of_each_row(frame, scale):
    """Moving one weight a little moves the estimate by its influence: the definition, by difference."""
    frame = frame.assign(w=frame["weight"] * scale)
    arguments = {**BASIC, "entry": "entry", "weights": "w", "weights_are": "robust"}
    found = kaplan_meier.fit(frame, **arguments)
    curve = found.curves["all"]
    tau = float(frame["time"].max())
    step = 1e-5
    squares, mean_square = np.zeros(len(curve.time)), 0.0
    for row in frame.index:
        ends = []
        for sign in (1, -1):
            moved = frame.copy()
            moved.loc[row, "w"] *= 1 + sign * step
            moved_fit = kaplan_meier.fit(moved, **arguments)
            ends.append((moved_fit.curves["all"].estimate, moved_fit.restricted_mean(tau).mean.mean[0]))
        squares += ((ends[0][0] - ends[1][0]) / (2 * step)) ** 2
        mean_square += ((ends[0][1] - ends[1][1]) / (2 * step)) ** 2
    known = curve.estimate > 0
    np.testing.assert_allclose(curve.std_error[known], np.sqrt(squares)[known], rtol=1e-4, atol=1e-7)
    assert found.restricted_mean(tau).mean.covariance[0, 0] == pytest.approx(mean_square, rel=1e-4, abs=1e-9)


@RELAXED
@given(FRAMES)
def test_restricted_mean_is_the_area(frame):
    tau = float(min(frame.groupby("group")["time"].max()))
    found = kaplan_meier.fit(frame, **BASIC, by="group")
    result = found.restricted_mean(tau)
    for group, mean in zip(result.mean.labels, result.mean.mean, strict=True):
        curve = found.curves[group]
        edges = [0.0, *[t for t in curve.time if t < tau], tau]
        area = sum(
            (high - low) * (curve.estimate[curve.time <= low][-1] if (curve.time <= low).any() else 1.0)
            for low, high in itertools.pairwise(edges)
        )
        assert mean == pytest.approx(area)


# ---- log-rank ----


@RELAXED
@given(FRAMES)
def test_logrank_does_not_depend_on_names_and_a_single_stratum_is_none(frame):
    renamed = frame.assign(group=frame["group"].map({"a": "z", "b": "y", "c": "x"}), only="one")
    one = logrank.fit(frame, **BASIC, by="group")
    other = logrank.fit(renamed, **BASIC, by="group", strata="only")
    assert one.statistic == pytest.approx(other.statistic, rel=1e-8)
    assert one.table["expected"].sum() == pytest.approx(frame["event"].sum())
    assert one.excess.mean.sum() == pytest.approx(0, abs=1e-9)


# ---- cumulative incidence ----


def plain_incidence(frame, cause):
    """Incidence and delta-method variance, from the definition: for each time, sums over all times before."""
    times = sorted(frame["time"].unique())
    survival, rows = 1.0, []
    for t in times:
        n = ((frame["entry"] < t) & (frame["time"] >= t)).sum()
        d = ((frame["time"] == t) & (frame["event"] > 0)).sum()
        d_k = ((frame["time"] == t) & (frame["event"] == cause)).sum()
        rows.append((n, d, d_k, survival))
        survival *= 1 - d / n
    F = np.cumsum([s * d_k / n for n, d, d_k, s in rows])
    variance = np.zeros(len(times))
    for at in range(len(times)):
        for u in range(at + 1):
            n, d, d_k, s = rows[u]
            rest = F[at] - F[u]
            if n > d:
                variance[at] += rest**2 * d / (n * (n - d))
            variance[at] += s**2 * d_k * (n - d_k) / n**3 - 2 * rest * s * d_k / n**2
    return F, np.sqrt(np.maximum(variance, 0))


@RELAXED
@given(COMPETING)
def test_cumulative_incidence_is_its_definition(frame):
    found = cumulative_incidence.fit(frame, **BASIC, entry="entry", by="group")
    for (group, cause), curve in found.curves.items():
        code = int(cause.removeprefix("cause "))
        F, error = plain_incidence(frame[frame["group"] == group], code)
        same(curve.estimate, F)
        same(curve.std_error**2, error**2)


@RELAXED
@given(COMPETING)
def test_causes_sum_to_the_total_and_net_is_never_below_crude(frame):
    found = cumulative_incidence.fit(frame, **BASIC, by="group", weights="weight")
    for group, total in found.total.items():
        stacked = found.stacked(group)
        same(stacked["total"], total.estimate, 1e-12)
        assert (stacked[list(found.causes)].diff().dropna() >= 0).all().all()
        for cause in found.causes:
            assert (found.net(cause)[group].estimate >= stacked[cause] - 1e-12).all()


@RELAXED
@given(FRAMES)
def test_one_cause_is_one_less_kaplan_meier(frame):
    incidence = cumulative_incidence.fit(
        frame, **BASIC, by="group", entry="entry", interval="complementary log-log"
    )
    survival = kaplan_meier.fit(frame, **BASIC, by="group", entry="entry")
    for group, curve in survival.curves.items():
        other = incidence.curves[group, "cause 1"]
        same(1 - curve.estimate, other.estimate)
        known = curve.estimate > 0
        same(curve.std_error[known], other.std_error[known])
        same(1 - curve.upper[known], other.lower[known])


@RELAXED
@given(COMPETING)
def test_frequency_weights_are_replication_for_incidence(frame):
    one = cumulative_incidence.fit(frame, **BASIC, by="group", weights="weight", entry="entry")
    other = cumulative_incidence.fit(replicate(frame), **BASIC, by="group", entry="entry")
    for key, curve in one.curves.items():
        same(curve.estimate, other.curves[key].estimate)
        same(curve.std_error, other.curves[key].std_error, 1e-8)


@RELAXED
@given(COMPETING)
def test_gray_does_not_depend_on_the_order_of_rows_and_groups(frame):
    renamed = frame.assign(group=frame["group"].map({"a": "z", "b": "x", "c": "y"})).iloc[::-1]
    one = gray.fit(frame, **BASIC, by="group")
    other = gray.fit(renamed, **BASIC, by="group")
    assert one.statistic == pytest.approx(other.statistic, rel=1e-7, abs=1e-9)


# ---- rates ----


@RELAXED
@given(FRAMES)
def test_rates_of_rows_are_rates_of_their_sums(frame):
    rows = rates.fit(frame, years="time", events="event", by="group").table()
    summed = frame.groupby("group", as_index=False)[["time", "event"]].sum()
    same(
        rows[["estimate", "lower", "upper"]],
        rates.fit(summed, years="time", events="event", by="group").table()[["estimate", "lower", "upper"]],
    )
    assert (rows["lower"] <= rows["estimate"]).all()
    assert (rows["estimate"] <= rows["upper"]).all()


# ---- Cox ----


def plain_likelihood(frame, beta, *, efron):
    """Log partial likelihood by its definition: for every event time, sums over those at risk."""
    X = frame[["x", "z"]].to_numpy()
    r = frame["weight"].to_numpy() * np.exp(X @ beta)
    total = 0.0
    for (_, t), part in frame[frame["event"] > 0].groupby(["stratum", "time"]):
        stratum = part["stratum"].iloc[0]
        at_risk = (frame["stratum"] == stratum) & (frame["entry"] < t) & (frame["time"] >= t)
        rows = part.index
        weights = frame["weight"].to_numpy()[rows]
        total += weights @ (X[rows] @ beta)
        for k in range(len(rows)):
            removed = k / len(rows) * r[rows].sum() if efron else 0.0
            total -= weights.mean() * np.log(r[at_risk.to_numpy()].sum() - removed)
    return total


COX = {**BASIC, "covariates": ["x", "z"], "entry": "entry", "strata": "stratum"}


@settings(max_examples=15, deadline=None)
@given(BIG, st.sampled_from(["efron", "breslow"]))
def test_cox_is_the_maximum_of_its_definition(frame, ties):
    found = cox.fit(frame, **COX, weights="weight", ties=ties)
    beta = found.coefficients
    at = plain_likelihood(frame, beta, efron=ties == "efron")
    assert found.log_likelihood == pytest.approx(at, rel=1e-10)
    assert found.log_likelihood_at_zero == pytest.approx(
        plain_likelihood(frame, np.zeros(2), efron=ties == "efron"), rel=1e-10
    )
    step = 1e-4
    hessian = np.zeros((2, 2))
    for i, j in [(0, 0), (0, 1), (1, 1)]:
        e = np.eye(2) * step
        corners = [
            plain_likelihood(frame, beta + a * e[i] + b * e[j], efron=ties == "efron")
            for a, b in [(1, 1), (1, -1), (-1, 1), (-1, -1)]
        ]
        hessian[i, j] = hessian[j, i] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * step**2)
        assert max(corners) < at + 1e-9
    np.testing.assert_allclose(np.linalg.inv(-hessian), found.model_covariance, rtol=1e-3, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(BIG)
def test_cox_order_units_and_replication(frame):
    one = cox.fit(frame, **COX, weights="weight", ties="breslow")
    shuffled = frame.sample(frac=1, random_state=1)
    same(one.coefficients, cox.fit(shuffled, **COX, weights="weight", ties="breslow").coefficients, OPTIMUM)
    other = cox.fit(replicate(frame), **COX, ties="breslow")
    same(one.coefficients, other.coefficients, OPTIMUM)
    same(one.covariance, other.covariance, OPTIMUM)
    scaled = frame.assign(time=frame["time"] / 365.25, entry=frame["entry"] / 365.25, x=frame["x"] * 1000 + 7)
    third = cox.fit(scaled, **COX, weights="weight", ties="breslow")
    same(one.coefficients, third.coefficients * [1000, 1], OPTIMUM)
    zph = [f.proportional_hazards("km").table["statistic"] for f in (one, other, third)]
    same(zph[0], zph[1], 1e-5)
    same(zph[0], zph[2], 1e-5)


@settings(max_examples=15, deadline=None)
@given(BIG)
def test_an_interval_cut_in_two_is_the_same_person(frame):
    cut = (frame["entry"] + frame["time"]) / 2
    halves = pd.concat(
        [frame.assign(time=cut, event=0, id=frame.index), frame.assign(entry=cut, id=frame.index)],
        ignore_index=True,
    )
    one = cox.fit(frame.assign(id=frame.index), **COX, cluster="id")
    other = cox.fit(halves, **COX, cluster="id")
    same(one.coefficients, other.coefficients, OPTIMUM)
    same(one.covariance, other.covariance, OPTIMUM)
    martingale = other.residuals().martingale
    same(one.residuals().martingale, martingale[: len(frame)] + martingale[len(frame) :], OPTIMUM)


@settings(max_examples=15, deadline=None)
@given(BIG)
def test_cox_residuals_sum_to_nothing(frame):
    found = cox.fit(frame, **COX, weights="weight", cluster="group")
    residuals = found.residuals()
    weight = frame["weight"].to_numpy()
    assert weight @ residuals.martingale == pytest.approx(0, abs=1e-8)
    same(weight @ residuals.score.to_numpy(), [0, 0], 1e-6)
    schoenfeld = found.proportional_hazards().schoenfeld
    assert len(schoenfeld) == (frame["event"] > 0).sum()


def plain_concordance(frame, score):
    agree = total = 0.0
    for i in frame.index[frame["event"] > 0]:
        a = frame.loc[i]
        for j in frame.index:
            b = frame.loc[j]
            later = b["time"] > a["time"] or (b["time"] == a["time"] and b["event"] == 0)
            if i != j and a["stratum"] == b["stratum"] and b["entry"] < a["time"] and later:
                pair = a["weight"] * b["weight"]
                total += pair
                agree += pair * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    return agree / total


@settings(max_examples=8, deadline=None)
@given(st.builds(lambda seed: people(seed, 60), SEEDS))
def test_concordance_is_its_definition(frame):
    frame["z"] = frame["z"].round()
    found = cox.fit(frame, **COX, weights="weight")
    score = np.round(frame[["x", "z"]].to_numpy() @ found.coefficients, 10)
    assert found.concordance().mean[0] == pytest.approx(plain_concordance(frame, score), rel=1e-10)


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_strata_with_hazards_far_apart_do_not_cost_digits(seed):
    """Linear predictors from -30 to 30 in 50 strata: each is as exact as if it were alone."""
    rng = np.random.default_rng(seed)
    n = 1500
    x = rng.normal(size=n) * 3
    event, censored = rng.exponential(np.exp(-2 * x)), rng.exponential(1, n)
    frame = pd.DataFrame({"time": np.minimum(event, censored), "event": event < censored, "x": x})
    frame["time"] = frame["time"].rank()
    frame["stratum"] = rng.integers(0, 50, n)
    found = cox.fit(frame, **BASIC, covariates=["x"], strata="stratum")
    assert all(check.verdict == "pass" for check in found.checks)
    residuals = found.residuals()
    by_stratum = pd.Series(residuals.martingale).groupby(frame["stratum"]).sum()
    same(by_stratum, np.zeros(50), 1e-9)
    assert residuals.score["x"].sum() == pytest.approx(0, abs=1e-6)
