"""Laws of multi-state estimates and of regressions of rates; the fast path equals plain loops over people."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
from hypothesis import given, settings

from soa_evidence.survival import multistate, rate_regression

RELAXED = settings(max_examples=25, deadline=None)
EXACT = 1e-10  # the same sums in another order
OPTIMUM = 1e-6
STATES = ("a", "b", "c", "d")
STAYS = {
    "id": "id",
    "time": "time",
    "entry": "entry",
    "from_state": "from",
    "to_state": "to",
    "states": STATES,
}


def histories(seed, people, *, late=False):
    """People moving among a, b and c, back and forth, some to d for good; tied whole days; some seen late."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        state, now = "a", 0
        end = int(rng.integers(2, 14))
        seen_from = int(rng.integers(0, 4)) if late and person > 2 else 0
        group, weight = rng.choice(["x", "y"]), int(rng.integers(1, 4))
        while now < end and state != "d":
            stop = now + int(rng.integers(1, 5))
            if stop > end:
                stop, to = end, None
            else:
                to = str(rng.choice([s for s in STATES if s != state]))
            if stop > seen_from:
                rows.append((person, max(now, seen_from), stop, state, to, group, weight))
            now = stop
            state = to or "d"
    frame = pd.DataFrame(rows, columns=["id", "entry", "time", "from", "to", "group", "weight"])
    frame["to"] = frame["to"].astype(object).where(frame["to"].notna(), None)
    if frame["to"].isna().all():
        frame.loc[0, "to"] = "d" if frame.loc[0, "from"] != "d" else "a"
    return frame


SEEDS, SIZES = st.integers(0, 2**32 - 1), st.integers(5, 25)
PEOPLE = st.builds(histories, SEEDS, SIZES)
LATE = st.builds(lambda seed, size: histories(seed, size, late=True), SEEDS, SIZES)
VARIANCES = st.sampled_from(["robust", "greenwood"])


def same(first, second, tolerance=EXACT):
    np.testing.assert_allclose(
        np.asarray(first, float), np.asarray(second, float), rtol=tolerance, atol=tolerance
    )


def everything(found, horizon, variance):
    """All that is estimated at a horizon, with its covariance."""
    parts = [
        found.occupation(horizon, variance=variance),
        found.expected_moves(horizon, per=1, variance=variance),
        found.mean_time(horizon, variance=variance),
    ]
    return np.concatenate([p.mean for p in parts]), [p.covariance for p in parts]


# ---- plain twins ----


def plain_values(frame, weight, horizon, start="a"):
    """Probabilities, moves and times in state at a horizon, each person weighted, from the definition."""
    pairs = sorted({(f, t) for f, t in zip(frame["from"], frame["to"], strict=True) if t is not None})
    pairs.sort(key=lambda pair: (STATES.index(pair[0]), STATES.index(pair[1])))
    w = np.array([weight[person] for person in frame["id"]])
    p = np.array([1.0 if s == start else 0.0 for s in STATES])
    moves, stay, last = np.zeros(len(pairs)), np.zeros(4), 0.0
    for t in sorted(set(frame.loc[frame["to"].notna(), "time"])):
        if t > horizon:
            break
        stay += p * (t - last)
        last = t
        step = np.eye(4)
        for k, (source, target) in enumerate(pairs):
            a, b = STATES.index(source), STATES.index(target)
            at_risk = ((frame["from"] == source) & (frame["entry"] < t) & (frame["time"] >= t)).to_numpy()
            moved = at_risk & ((frame["time"] == t) & (frame["to"] == target)).to_numpy()
            if moved.any():
                hazard = w[moved].sum() / w[at_risk].sum()
                step[a, a] -= hazard
                step[a, b] += hazard
                moves[k] += p[a] * hazard
        p = p @ step
    return np.concatenate([p, moves, stay + p * (horizon - last)])


@RELAXED
@given(st.one_of(PEOPLE, LATE), st.integers(1, 4))
def test_values_and_jackknife_are_those_of_plain_loops(frame, share):
    found = multistate.fit(frame, **STAYS, start="a")
    horizon = found.counted[0].last * share / 4
    ours, covariances = everything(found, horizon, "robust")
    one = dict.fromkeys(frame["id"], 1.0)
    same(ours, plain_values(frame, one, horizon))
    # The infinitesimal jackknife: derivatives in each person's weight.
    slopes, h = [], 1e-5
    for person in frame["id"].unique():
        up, down = (plain_values(frame, {**one, person: 1.0 + step}, horizon) for step in (h, -h))
        slopes.append((up - down) / (2 * h))
    whole = np.array(slopes).T @ np.array(slopes)
    at = 0
    for covariance in covariances:
        size = len(covariance)
        same(covariance, whole[at : at + size, at : at + size], 1e-7)
        at += size


@RELAXED
@given(PEOPLE)
def test_greenwoods_covariance_of_transitions_is_that_of_the_product_step_by_step(frame):
    found = multistate.fit(frame, **STAYS, start="a")
    end = found.counted[0].last
    ours = found.transition(0, end).probability.covariance
    group = found.counted[0]
    P, V = np.eye(4), np.zeros((16, 16))
    for t in range(len(group.time)):
        step, noise = np.eye(4), np.zeros((16, 16))
        for h in range(4):
            n = group.at_risk[t, h]
            hazard = np.zeros(4)
            for r in np.flatnonzero(found.stays.source == h):
                hazard[found.stays.target[r]] = group.moves[t, r] / n if n else 0.0
            stays = np.append(np.delete(hazard, h), 1 - hazard.sum())
            step[h] += hazard
            step[h, h] -= hazard.sum()
            share = hazard.copy()
            share[h] = stays[-1]
            if n:
                noise[h * 4 : h * 4 + 4, h * 4 : h * 4 + 4] = (np.diag(share) - np.outer(share, share)) / n
        carry, spread = np.kron(np.eye(4), step), np.kron(P.T, np.eye(4))
        V = carry.T @ V @ carry + spread.T @ noise @ spread
        P = P @ step
    same(found.transition(0, end).matrix, P)
    same(ours, V)
    occupied = found.occupation(end, variance="greenwood").covariance
    same(occupied, V[:4, :4])


# ---- laws ----


@RELAXED
@given(LATE, VARIANCES, st.integers(0, 5))
def test_order_of_rows_names_and_the_unit_of_time_do_not_matter(frame, variance, seed):
    found = multistate.fit(frame, **STAYS, start="a")
    other = frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    other["id"] = [f"p{k}" for k in other["id"]]
    names = {"a": "primary", "b": "revised", "c": "re-revised", "d": "died"}
    other["from"], other["to"] = other["from"].map(names), other["to"].map(lambda s: names.get(s))
    other[["entry", "time"]] = other[["entry", "time"]] / 365.25
    again = multistate.fit(other, **{**STAYS, "states": list(names.values())}, start="primary")
    horizon = found.counted[0].last
    for kind, scale in (("occupation", 1.0), ("mean_time", 365.25)):
        one = getattr(found, kind)(horizon, variance=variance)
        two = getattr(again, kind)(again.counted[0].last, variance=variance)
        same(np.asarray(two.mean) * scale, one.mean)
        same(np.asarray(two.covariance) * scale**2, one.covariance)


@RELAXED
@given(LATE)
def test_probabilities_sum_to_1_times_to_the_horizon_and_limits_enclose(frame):
    found = multistate.fit(frame, **STAYS, start="a")
    horizon = found.counted[0].last
    assert abs(sum(found.occupation(horizon).mean) - 1) < EXACT
    assert abs(sum(found.mean_time(horizon).mean) - horizon) < 1e-8
    assert np.abs(found.occupation(horizon).covariance.sum(axis=0)).max() < EXACT
    for curve in found.curves.values():
        assert ((curve.estimate >= 0) & (curve.estimate <= 1)).all()
        same(curve.std_error[0], 0)
    same(found.transition(0, horizon).matrix.loc["a"], found.occupation(horizon).mean)


@RELAXED
@given(PEOPLE, VARIANCES)
def test_a_weight_is_that_many_people(frame, variance):
    copies = []
    for k in range(3):
        part = frame[frame["weight"] > k]
        copies.append(part.assign(id=part["id"] + 1000 * k))
    replicated = pd.concat(copies, ignore_index=True)
    weighted = multistate.fit(frame, **STAYS, weights="weight")
    whole = multistate.fit(replicated, **STAYS)
    horizon = whole.counted[0].last
    for first, second in zip(
        everything(weighted, horizon, variance), everything(whole, horizon, variance), strict=True
    ):
        for one, two in zip(first, second, strict=True):
            same(one, two)


@RELAXED
@given(PEOPLE, VARIANCES)
def test_groups_are_fitted_as_if_alone(frame, variance):
    if frame.groupby("group")["to"].count().min() == 0 or frame["group"].nunique() < 2:
        return
    both = multistate.fit(frame, **STAYS, by="group", start="a")
    for group in ("x", "y"):
        alone = multistate.fit(frame[frame["group"] == group].reset_index(drop=True), **STAYS, start="a")
        horizon = min(counted.last for counted in both.counted)
        p, q = both.occupation(horizon, variance=variance), alone.occupation(horizon, variance=variance)
        labels = [f"{group}: {state}" for state in STATES]
        mine = p.select(labels)
        same(mine.mean, q.mean)
        same(mine.covariance, q.covariance)


# ---- regression of rates ----


def rows(seed, size):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "events": rng.poisson(rng.gamma(2, 4, size)),
            "years": rng.uniform(1, 20, size).round(2),
            "x": rng.normal(size=size).round(2),
            "group": rng.choice(["a", "b"], size),
        }
    )
    frame.loc[:1, "group"] = ["a", "b"]
    frame.loc[:1, "events"] += 1
    return frame


FAMILIES = st.sampled_from(["poisson", "negative_binomial"])
COUNTS = st.builds(rows, SEEDS, st.integers(15, 60))
RATES = {"events": "events", "years": "years", "covariates": ["x", "group"], "reference": {"group": "a"}}


@RELAXED
@given(COUNTS, FAMILIES, st.integers(0, 5), st.floats(-3, 3), st.floats(0.05, 20))
def test_order_and_scale_of_rows_do_not_matter_to_rates(frame, family, seed, move, scale):
    found = rate_regression.fit(frame, **RATES, family=family)
    other = frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    other["x"] = move + scale * other["x"]
    other["years"] *= 365.25
    again = rate_regression.fit(other, **RATES, family=family)
    factor = np.array([scale, 1.0])
    same(again.log_rate_ratio.mean * factor, found.log_rate_ratio.mean, OPTIMUM)
    same(again.log_rate_ratio.covariance * np.outer(factor, factor), found.log_rate_ratio.covariance, OPTIMUM)
    same(again.pearson, found.pearson, 1e-5)


@RELAXED
@given(COUNTS, FAMILIES)
def test_poisson_scores_are_0_and_negative_binomial_is_no_less_likely(frame, family):
    found = rate_regression.fit(frame, **RATES, family=family)
    poisson = rate_regression.fit(frame, **RATES)
    assert found.log_likelihood >= poisson.log_likelihood - 1e-8
    expected = np.exp(found.log_rates(frame[["x", "group"]], per=1).mean) * frame["years"]
    if family == "poisson":
        same(expected.sum() / frame["events"].sum(), 1, 1e-8)


@RELAXED
@given(COUNTS)
def test_the_negative_binomial_maximum_is_higher_than_what_is_near_it(frame):
    from scipy.special import gammaln

    found = rate_regression.fit(frame, **RATES, family="negative_binomial")
    alpha = float(found.alpha.mean[0])
    if alpha < 1e-3:
        return
    y = frame["events"].to_numpy()
    X = np.column_stack([np.ones(len(y)), frame["x"], frame["group"] == "b"])

    def likelihood(beta, alpha):
        mu, nu = frame["years"].to_numpy() * np.exp(X @ beta), 1 / alpha
        return (
            gammaln(y + nu)
            - gammaln(nu)
            - gammaln(y + 1)
            + nu * np.log(nu / (nu + mu))
            + y * np.log(mu / (nu + mu))
        ).sum()

    beta = np.asarray(found.coefficients.mean)
    top = likelihood(beta, alpha)
    assert abs(top - found.log_likelihood) < 1e-7
    for step in np.vstack([np.eye(3), -np.eye(3)]) * 1e-3:
        assert likelihood(beta + step, alpha) < top
    assert max(likelihood(beta, alpha * 1.01), likelihood(beta, alpha / 1.01)) < top
