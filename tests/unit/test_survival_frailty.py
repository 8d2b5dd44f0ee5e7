"""Frailty: expected values written as arithmetic, every refusal matched, hostile data survived."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.results import combine_verdicts
from soa_evidence.survival import cox, frailty
from soa_evidence.survival.cancellation import exp_excess, log_excess, summed_logs
from soa_evidence.survival.frailty_algebra import Nearby, factorise, subtract_outer

MODEL = {"time": "time", "event": "event", "unit": "unit", "covariates": ["x"]}


def rows(seed=1, n=400, units=20, theta=0.3):
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, units, n)
    effect = rng.gamma(1 / theta, theta, units) if theta else np.ones(units)
    x = rng.normal(size=n).round(2)
    time = rng.exponential(1 / (0.1 * effect[unit] * np.exp(0.5 * x)))
    end = rng.uniform(0, 10, n)
    return pd.DataFrame(
        {
            "time": np.ceil(np.minimum(time, end) * 10) / 10,
            "event": (time <= end).astype(int),
            "unit": [f"u{k:02d}" for k in unit],
            "x": x,
        }
    )


# ---- what it gives ----


def test_the_gamma_frailty_is_events_and_prior_over_expected_and_prior():
    found = frailty.fit(rows(), **MODEL)
    prior = 1 / found.theta
    expected = (found.counts["events"] + prior) / (found.counts["expected"] + prior)
    np.testing.assert_allclose(np.exp(found.log_frailty.mean), expected, rtol=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_gamma_frailties_average_1_and_log_normal_ones_0(ties):
    gamma = frailty.fit(rows(), **MODEL, ties=ties)
    assert np.exp(gamma.log_frailty.mean).mean() == pytest.approx(1, abs=1e-7)
    normal = frailty.fit(rows(), **MODEL, ties=ties, distribution="log_normal")
    assert np.mean(normal.log_frailty.mean) == pytest.approx(0, abs=1e-7)


def test_expected_events_add_up_to_those_seen_weighted_by_the_frailty():
    found = frailty.fit(rows(), **MODEL)
    hazard_run = found.counts["expected"] * np.exp(found.log_frailty.mean)
    assert hazard_run.sum() == pytest.approx(found.counts["events"].sum(), rel=1e-8)


def test_limits_of_the_variance_are_where_the_likelihood_has_fallen_enough():
    frame = rows(theta=1.0)
    found = frailty.fit(frame, **MODEL, level=0.9)
    wider = frailty.fit(frame, **MODEL, level=0.99)
    assert 0 < wider.variance_limits[0] < found.variance_limits[0] < found.theta
    assert found.theta < found.variance_limits[1] < wider.variance_limits[1]
    table = found.variance_table()
    assert table.loc[0, ["estimate", "lower", "upper", "level"]].tolist() == [
        found.theta, *found.variance_limits, 0.9,
    ]  # fmt: skip


def test_the_test_of_no_difference_is_half_the_chi_square():
    from scipy.stats import chi2

    found = frailty.fit(rows(theta=1.0), **MODEL)
    statistic = 2 * (found.log_likelihood - found.log_likelihood_no_frailty)
    assert found.test["statistic"][0] == pytest.approx(statistic)
    assert found.test["p_value"][0] == pytest.approx(chi2.sf(statistic, 1) / 2)


def test_units_without_events_have_frailties_below_1():
    frame = rows()
    frame.loc[frame["unit"] == "u03", "event"] = 0
    table = frailty.fit(frame, **MODEL).units()
    mine = table[table["label"] == "u03"].iloc[0]
    assert mine["events"] == 0
    assert 0 < mine["lower"] < mine["estimate"] < 1


@pytest.mark.parametrize("distribution", ["gamma", "log_normal"])
def test_unit_limits_enclose_the_frailty_and_widen_with_the_level(distribution):
    found = frailty.fit(rows(), **MODEL, distribution=distribution)
    narrow, wide = found.units(0.8), found.units(0.99)
    assert (wide["lower"] < narrow["lower"]).all()
    assert (narrow["lower"] < narrow["estimate"]).all()
    assert (narrow["estimate"] < narrow["upper"]).all()


def test_at_no_variance_the_model_is_coxs_and_says_so():
    frame = rows(seed=4, n=600, units=10, theta=0)
    found = frailty.fit(frame, **MODEL)
    plain = cox.fit(frame, time="time", event="event", covariates=["x"])
    assert found.theta == 0
    assert found.log_frailty is None
    np.testing.assert_allclose(found.log_hazard_ratio.mean, plain.coefficients, rtol=1e-10)
    np.testing.assert_allclose(found.log_hazard_ratio.covariance, plain.covariance, rtol=1e-8)
    assert found.log_likelihood == pytest.approx(plain.log_likelihood)
    assert found.variance_limits[0] == 0
    assert 0 < found.variance_limits[1] < 1
    assert found.test["p_value"][0] == 1
    assert found.checks[0].verdict == "warn"
    assert "0 (upper limit" in found.checks[0].observed
    table = found.units()
    assert (table["estimate"] == 1).all()
    assert table["lower"].isna().all()


def test_no_covariates_is_a_model_of_units_alone():
    found = frailty.fit(rows(), time="time", event="event", unit="unit")
    assert len(found.log_hazard_ratio) == 0
    assert found.theta > 0
    assert "frailty" in repr(found)


def test_it_shows_itself():
    found = frailty.fit(rows(), **MODEL)
    assert repr(found).startswith("Cox model with gamma frailty of 20 units")
    assert "Variance of the frailty" in found._repr_html_()
    assert combine_verdicts(found.checks) == "pass"


def test_errors_hold_what_is_not_known_about_the_variance():
    """The same coefficients have wider limits when units differ and it is not known by how much."""
    frame = rows(theta=1.0)
    found = frailty.fit(frame, **MODEL)
    plain = found.log_hazard_ratio_no_frailty
    assert found.log_hazard_ratio.covariance[0, 0] > plain.covariance[0, 0]


def test_more_units_than_are_factorised_in_compiled_loops():
    frame = rows(seed=3, n=3000, units=700, theta=0.8)
    found = frailty.fit(frame, **MODEL)
    assert combine_verdicts(found.checks) == "pass"
    prior = 1 / found.theta
    expected = (found.counts["events"] + prior) / (found.counts["expected"] + prior)
    np.testing.assert_allclose(np.exp(found.log_frailty.mean), expected, rtol=1e-6)


# ---- hostile data ----


@pytest.mark.parametrize("distribution", ["gamma", "log_normal"])
@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.assign(time=1.0),
        lambda d: d.assign(time=1.0, event=1),
        lambda d: d.assign(x=d["x"] * 1e9),
        lambda d: d.assign(time=d["time"] * 1e6),
        lambda d: d.assign(event=d["event"] * (d["unit"] == "u03")),
        lambda d: d.assign(x=(d["unit"] < "u10").astype(float)),
        lambda d: d.assign(unit=np.arange(len(d))),
    ],
    ids=[
        "all tied",
        "all tied events",
        "huge x",
        "huge times",
        "events in one unit",
        "x of units",
        "own unit",
    ],
)
def test_hostile_data_give_finite_numbers_at_a_maximum(change, distribution):
    found = frailty.fit(change(rows()), **MODEL, distribution=distribution)
    assert np.isfinite(found.log_hazard_ratio.mean).all()
    assert "fail" not in {check.verdict for check in found.checks}
    assert found.variance_limits[0] <= found.theta <= found.variance_limits[1]


def test_a_variance_without_an_upper_limit_is_a_warning():
    frame = rows(n=200)
    frame["event"] *= frame["unit"] == "u03"
    frame["event"] *= np.cumsum(frame["event"]) <= 2
    found = frailty.fit(frame, **MODEL, distribution="log_normal")
    assert found.variance_limits[1] == np.inf
    assert found.checks[0].verdict == "warn"


# ---- refusals ----


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        (lambda d: d.assign(unit="u"), {}, "'unit' holds one unit only; a frailty needs at least two"),
        (lambda d: d.assign(s=d["unit"]), {"strata": "s"}, "Each stratum holds one value of 'unit' only"),
        (lambda d: d.assign(event=0), {}, "'event' has no event in any row"),
        (lambda d: d.assign(x=d["event"]), {}, "no events among rows that do not: 'x'"),
        (lambda d: d.assign(x=1.0), {}, "'x' is 1 in every row"),
        (lambda d: d.assign(y=d["x"] * 2), {"covariates": ["x", "y"]}, "determine one another: 'x', 'y'"),
        (lambda d: d, {"distribution": "gama"}, "Did you mean 'gamma'"),
        (lambda d: d, {"ties": "exact"}, "ties is 'exact'"),
        (lambda d: d, {"level": 1.5}, "level is 1.5"),
        (lambda d: d, {"unit": "units"}, "no column 'units'. Did you mean 'unit'"),
        (lambda d: d.assign(unit=[None, *d["unit"][1:]]), {}, "Column 'unit', row 0: missing"),
        (lambda d: d, {"unit": "time"}, "named for two purposes"),
    ],
)
def test_refusals(change, more, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        frailty.fit(change(rows()), **{**MODEL, **more})


def test_too_many_units_are_refused(monkeypatch):
    monkeypatch.setitem(frailty.MOST_UNITS, "gamma", 10)
    with pytest.raises(InputError, match=r"holds 20 units; gamma frailties are given for at most 10"):
        frailty.fit(rows(), **MODEL)


def test_a_likelihood_that_rises_for_ever_is_refused(monkeypatch):
    from soa_evidence.survival import frailty_profile

    monkeypatch.setattr(frailty_profile, "MOST", 1.0)
    frame = rows()
    frame["event"] *= frame["unit"] == "u03"
    with pytest.raises(InputError, match="rises with the variance of the frailty beyond 1"):
        frailty.fit(frame, **MODEL)


# ---- parts ----


def test_small_differences_keep_their_digits():
    tiny = np.array([1e-9, -3e-6])
    np.testing.assert_allclose(exp_excess(tiny), tiny**2 / 2 + tiny**3 / 6, rtol=1e-12)
    np.testing.assert_allclose(log_excess(tiny), -(tiny**2) / 2 + tiny**3 / 3 - tiny**4 / 4, rtol=1e-12)
    either_side = np.array([0.00999999, 0.0100001])
    np.testing.assert_allclose(exp_excess(either_side), np.expm1(either_side) - either_side, rtol=1e-11)
    np.testing.assert_allclose(log_excess(either_side), np.log1p(either_side) - either_side, rtol=1e-11)


@pytest.mark.parametrize("spread", [1e-6, 0.3])
def test_sums_of_logs_are_the_same_counted_or_by_gamma_functions(spread):
    counts = np.array([0, 1, 3, 200_000])
    logs, slopes = summed_logs(counts, spread)
    few = np.arange(3) * spread
    assert logs[0] == 0
    assert logs[2] == pytest.approx(np.log1p(few).sum(), rel=1e-6)
    assert slopes[2] == pytest.approx((few / (1 + few)).sum(), rel=1e-6)
    many = np.arange(200_000) * spread
    assert logs[3] == pytest.approx(np.log1p(many).sum(), rel=1e-10)
    assert slopes[3] == pytest.approx((many / (1 + many)).sum(), rel=1e-10)


@pytest.mark.parametrize("size", [7, 520])
def test_factors_solve_and_refuse_what_is_not_positive_definite(size):
    rng = np.random.default_rng(1)
    half = rng.normal(size=(size, size + 5))
    A = half @ half.T
    right = rng.normal(size=size)
    factor = factorise(A)
    np.testing.assert_allclose(A @ factor.solve(right), right, atol=1e-8)
    np.testing.assert_allclose(factor.solve(np.column_stack([right, right]))[:, 1], factor.solve(right))
    assert factor.log_determinant == pytest.approx(np.linalg.slogdet(A)[1])
    near = Nearby(matrix=A + 0.1 * np.eye(size), factor=factor)
    np.testing.assert_allclose(near.matrix @ near.solve(right), right, atol=1e-5)
    assert factorise(-A) is None
    assert factorise(np.full((size, size), np.nan)) is None
    assert np.isnan(Nearby(matrix=-A, factor=factor).solve(right)).all()


@pytest.mark.parametrize("size", [6, 510])
def test_outer_products_are_taken_from_the_upper_triangle(size):
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(7, size))
    information = np.zeros((size, size))
    subtract_outer(information, vectors)
    np.testing.assert_allclose(information, -np.triu(vectors.T @ vectors), atol=1e-10)
