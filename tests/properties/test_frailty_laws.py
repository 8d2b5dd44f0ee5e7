"""Laws of frailty models, and slow twins: plain Newton on dense loops, EM, and the integral itself."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from soa_evidence.survival import frailty
from soa_evidence.survival.cox_rows import sort_rows
from soa_evidence.survival.frailty_likelihood import Penalised
from soa_evidence.survival.records import prepare

RELAXED = settings(max_examples=15, deadline=None)
OPTIMUM = 1e-6
MODEL = {"time": "time", "event": "event", "unit": "unit", "covariates": ["x"]}


def people(seed, n=150, units=8, theta=0.8, days=40):
    """Tied whole days, late entry, units that differ a good deal."""
    rng = np.random.default_rng(seed)
    unit = np.concatenate([np.arange(units), rng.integers(0, units, n - units)])
    effect = rng.gamma(1 / theta, theta, units)
    x = rng.normal(size=n).round(1)
    x[0] += 0.1
    time = np.ceil(rng.exponential(days / (effect[unit] * np.exp(0.4 * x)))).clip(max=days)
    event = (rng.random(n) < 0.8).astype(int)
    event[:3] = 1
    return pd.DataFrame(
        {
            "time": time,
            "entry": np.floor(time * rng.random(n) * 0.4),
            "event": event,
            "unit": unit,
            "x": x,
            "stratum": rng.integers(0, 2, n),
        }
    )


FRAMES = st.builds(people, st.integers(0, 2**32 - 1))
KINDS = st.sampled_from(["gamma", "log_normal"])


def same(first, second, tolerance=OPTIMUM):
    np.testing.assert_allclose(
        np.asarray(first, float), np.asarray(second, float), rtol=tolerance, atol=tolerance
    )


@RELAXED
@given(FRAMES, KINDS, st.integers(0, 10))
def test_order_of_rows_names_of_units_and_unit_of_time_do_not_matter(frame, kind, seed):
    found = frailty.fit(frame, **MODEL, entry="entry", distribution=kind)
    other = frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    other["unit"] = [f"h{unit}" for unit in other["unit"]]
    other[["time", "entry"]] *= 365.25
    again = frailty.fit(other, **MODEL, entry="entry", distribution=kind)
    same(again.theta, found.theta, 1e-5)
    same(again.log_hazard_ratio.mean, found.log_hazard_ratio.mean)
    same(again.log_likelihood, found.log_likelihood)
    same(again.units()["estimate"], found.units()["estimate"], 1e-5)


@RELAXED
@given(FRAMES, KINDS, st.floats(-5, 5), st.floats(0.01, 100))
def test_moving_and_scaling_a_covariate_scales_its_coefficient(frame, kind, move, scale):
    found = frailty.fit(frame, **MODEL, distribution=kind)
    again = frailty.fit(frame.assign(x=move + scale * frame["x"]), **MODEL, distribution=kind)
    same(again.log_hazard_ratio.mean * scale, found.log_hazard_ratio.mean)
    same(again.theta, found.theta, 1e-5)


# ---- the likelihood, from its definition ----


def plain_likelihood(frame, beta, w, ties):
    """Log partial likelihood, event time by event time and stratum by stratum."""
    eta = beta * frame["x"].to_numpy() + w[frame["unit"].to_numpy()]
    time, entry = frame["time"].to_numpy(), frame["entry"].to_numpy()
    event, stratum = frame["event"].to_numpy() > 0, frame["stratum"].to_numpy()
    total = 0.0
    for s in np.unique(stratum):
        for t in np.unique(time[event & (stratum == s)]):
            at_risk = (stratum == s) & (entry < t) & (time >= t)
            tied = event & (time == t) & (stratum == s)
            d = tied.sum()
            total += eta[tied].sum()
            for k in range(d):
                share = k / d if ties == "efron" else 0.0
                total -= np.log(np.exp(eta[at_risk]).sum() - share * np.exp(eta[tied]).sum())
    return total


def numeric_information(function, x, h=1e-4):
    """Minus second derivatives by central differences."""
    n = len(x)
    found = np.zeros((n, n))
    for a, b in itertools.combinations_with_replacement(range(n), 2):
        ea, eb = np.eye(n)[a] * h, np.eye(n)[b] * h
        rise = function(x + ea + eb) - function(x + ea - eb) - function(x - ea + eb) + function(x - ea - eb)
        found[a, b] = found[b, a] = -rise / (4 * h * h)
    return found


def model(frame, ties, kind="gamma"):
    records = prepare(frame, time="time", event="event", entry="entry", strata="stratum")
    rows = sort_rows(records, [frame["x"].to_numpy(float)], ("x",))
    unit = frame["unit"].to_numpy()[rows.order]
    deaths = np.bincount(unit, weights=rows.died.astype(float), minlength=int(unit.max()) + 1)
    return Penalised(rows=rows, unit=unit, deaths=deaths, efron=ties == "efron", kind=kind)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("block", [400_000, 1])
def test_gradient_and_information_are_the_likelihoods(ties, block, monkeypatch):
    from soa_evidence.survival import frailty_likelihood

    monkeypatch.setattr(frailty_likelihood, "BLOCK", block)
    frame = people(3, n=60, units=4)
    ours = model(frame, ties)
    scale, centre = ours.rows.scale[0], ours.rows.centre[0]
    x = np.array([0.3, 0.2, -0.4, 0.1, 0.5])

    def plain(x):
        return plain_likelihood(frame.assign(x=(frame["x"] - centre) / scale), x[0], x[1:], ties)

    swept = ours.sweep(x)
    assert swept.likelihood == pytest.approx(plain(x), rel=1e-12)
    slope = [(plain(x + e) - plain(x - e)) / 2e-5 for e in np.eye(5) * 1e-5]
    np.testing.assert_allclose(ours.gradient(swept), slope, atol=1e-6)
    np.testing.assert_allclose(ours.information(swept), numeric_information(plain, x), atol=1e-4)


@pytest.mark.parametrize("kind", ["gamma", "log_normal"])
def test_the_slope_in_the_variance_is_that_of_the_likelihood(kind):
    ours = model(people(5), "efron", kind)
    start = np.zeros(9)
    for tau in (-3.0, -1.0, 0.5):
        h = 1e-3
        rise = ours.at(np.exp(tau + h), start).likelihood - ours.at(np.exp(tau - h), start).likelihood
        assert ours.at(np.exp(tau), start).slope == pytest.approx(rise / (2 * h), rel=1e-4)


# ---- gamma: the EM algorithm on the whole likelihood, baseline included ----


def plain_em(frame, theta, rounds=4000):
    """Coefficient, frailties and marginal log likelihood at theta, by EM with Breslow's baseline."""
    x, unit = frame["x"].to_numpy(), frame["unit"].to_numpy()
    time, event = frame["time"].to_numpy(), frame["event"].to_numpy() > 0
    times = np.unique(time[event])
    at_risk = time[:, None] >= times  # rows by event times
    died = np.array([(event & (time == t)).sum() for t in times])
    units = int(unit.max()) + 1
    d = np.bincount(unit, weights=event, minlength=units)
    beta, u = 0.0, np.ones(units)
    for _ in range(rounds):
        before = beta
        for _ in range(3):
            risk = u[unit] * np.exp(beta * x)
            s0 = at_risk.T @ risk
            mean = at_risk.T @ (risk * x) / s0
            score = x[event].sum() - (died * mean).sum()
            information = (died * (at_risk.T @ (risk * x * x) / s0 - mean**2)).sum()
            beta += score / information
        hazard = died / (at_risk.T @ (u[unit] * np.exp(beta * x)))
        run = np.bincount(unit, weights=(at_risk @ hazard) * np.exp(beta * x), minlength=units)
        new = (d + 1 / theta) / (run + 1 / theta)
        if np.abs(new - u).max() + abs(beta - before) < 1e-13:
            break
        u = new
    # Integrated over the frailties: the density of the data, gamma distributed frailty by frailty.
    from scipy.special import gammaln

    own = np.log(hazard)[np.searchsorted(times, time[event])].sum() + beta * x[event].sum()
    nu = 1 / theta
    each = gammaln(d + nu) - gammaln(nu) + nu * np.log(nu) - (d + nu) * np.log(nu + run)
    return beta, u, own + each.sum()


def test_gamma_is_the_maximum_of_the_likelihood_integrated_over_frailties():
    frame = people(11, n=200, units=10, theta=1.0).assign(entry=0, stratum=0)
    found = frailty.fit(frame, **MODEL, ties="breslow")
    beta, u, top = plain_em(frame, found.theta)
    assert found.log_hazard_ratio.mean[0] == pytest.approx(beta, rel=1e-6)
    same(np.exp(found.log_frailty.mean), u)
    for theta in (found.theta * 0.97, found.theta * 1.03):
        assert plain_em(frame, theta)[2] < top
    # The likelihood reported differs from the integral by a constant: the same fall between two thetas.
    ours = frailty.fit(frame, **MODEL, ties="breslow", level=0.8)
    fall = top - plain_em(frame, ours.variance_limits[1])[2]
    assert fall == pytest.approx(1.6423744 / 2, rel=1e-5)  # chi-square, 80 %, 1 degree of freedom


# ---- log-normal: the integral of the partial likelihood itself ----


def test_laplace_is_close_to_the_integral_where_units_are_few_and_large():
    frame = people(2, n=240, units=3, theta=0.4)
    ours = model(frame, "efron", "log_normal")
    scale, centre = ours.rows.scale[0], ours.rows.centre[0]
    standard = frame.assign(x=(frame["x"] - centre) / scale)
    theta = 0.3
    point = ours.at(theta, np.zeros(4))
    nodes, weights = np.polynomial.hermite.hermgauss(9)
    inverse = ours.inverse(point)
    beta, mode = point.x[0], point.x[1:]
    information = np.linalg.inv(inverse)[1:, 1:]
    half = np.linalg.cholesky(np.linalg.inv(information))
    peak = plain_likelihood(standard, beta, mode, "efron") - mode @ mode / (2 * theta)
    total = 0.0
    for at in itertools.product(range(9), repeat=3):
        z = nodes[list(at)]
        w = mode + np.sqrt(2) * half @ z
        value = plain_likelihood(standard, beta, w, "efron") - w @ w / (2 * theta)
        total += np.prod(weights[list(at)]) * np.exp(value - peak + z @ z)
    size = np.linalg.slogdet(half)[1] + 1.5 * np.log(2) - 1.5 * np.log(2 * np.pi * theta)
    integral = peak + np.log(total) + size
    # Laplace errs by about 1 over the events of a unit, in the log likelihood of each unit.
    assert point.likelihood == pytest.approx(integral, abs=0.05)
    assert (
        abs(point.likelihood - integral) > 1e-8
    )  # it is an approximation, and this shows that both were done
