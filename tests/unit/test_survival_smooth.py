"""Parametric, spline and piecewise exponential survival: arithmetic, derivatives, predictions."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, gamma, norm

from soa_evidence.results import Curve, combine_verdicts
from soa_evidence.survival import (
    observations,
    parametric,
    parametric_design,
    piecewise_exponential,
    poisson_cells,
    royston_parmar,
    royston_parmar_likelihood,
)
from soa_evidence.survival.cox_rows import Design
from soa_evidence.survival.generalised_gamma_law import log_density, log_survival
from soa_evidence.survival.parametric_laws import DISTRIBUTIONS
from soa_evidence.survival.parametric_likelihood import Likelihood
from soa_evidence.survival.smooth_model import quadrature

KNOWN = {"time": "years", "event": "revised"}
CLOSED = 1e-10
# Derivatives by central differences of the likelihood itself.
DIFFERENCE = 1e-5


def hips(size=200, seed=5):
    rng = np.random.default_rng(seed)
    age = rng.integers(50, 90, size).astype(float)
    kind = rng.choice(["general", "specialist"], size)
    time = rng.weibull(1.2, size) * 8 * np.exp(-0.02 * (age - 70) + 0.4 * (kind == "specialist"))
    end = rng.uniform(0.5, 12, size)
    return pd.DataFrame(
        {
            "years": np.minimum(time, end),
            "revised": (time <= end).astype(int),
            "age": age,
            "kind": kind,
            "unit": rng.integers(0, 40, size),
        }
    )


HIPS = hips()
PEOPLE = pd.DataFrame({"age": [60.0, 80.0], "kind": ["general", "specialist"]}, index=["young", "old"])
BOTH = {"covariates": ["age", "kind"], "reference": {"kind": "general"}}
FITS = {
    **{name: parametric.fit(HIPS, distribution=name, **KNOWN, **BOTH) for name in DISTRIBUTIONS},
    **{s: royston_parmar.fit(HIPS, df=3, scale=s, **KNOWN, **BOTH) for s in ("hazard", "odds", "normal")},
    "varying": royston_parmar.fit(HIPS, df=3, time_varying={"kind": 2}, **KNOWN, **BOTH),
    "piecewise": piecewise_exponential.fit(HIPS, breaks=[1, 3, 6], interactions="kind", **KNOWN, **BOTH),
}


def test_the_exponential_is_events_over_time():
    found = parametric.fit(HIPS, distribution="exponential", **KNOWN)
    d, T = HIPS["revised"].sum(), HIPS["years"].sum()
    (row,) = found.parameters().to_dict("records")
    assert row["estimate"] == pytest.approx(d / T, rel=CLOSED)
    assert row["std_error"] == pytest.approx(1 / np.sqrt(d), rel=CLOSED)
    assert row["lower"] == pytest.approx(d / T * np.exp(-norm.ppf(0.975) / np.sqrt(d)), rel=CLOSED)
    assert found.log_likelihood == pytest.approx(d * np.log(d / T) - d, rel=CLOSED)
    assert found.aic == pytest.approx(2 - 2 * found.log_likelihood)
    assert found.bic == pytest.approx(np.log(d) - 2 * found.log_likelihood)
    tau = 5.0
    mean = found.model.restricted_mean(None, tau)
    assert mean.mean[0] == pytest.approx((1 - np.exp(-d / T * tau)) / (d / T), rel=CLOSED)
    median = found.model.quantiles(None, [0.5])["estimate"][0]
    assert median == pytest.approx(np.log(2) * T / d, rel=CLOSED)


def test_a_band_is_events_over_its_time_with_garwoods_limits():
    found = piecewise_exponential.fit(HIPS, breaks=[2], **KNOWN)
    d = ((HIPS["years"] <= 2) & (HIPS["revised"] == 1)).sum()
    T = np.minimum(HIPS["years"], 2).sum()
    table = found.hazards(interval="exact", level=0.9)
    assert table["estimate"][0] == pytest.approx(d / T, rel=CLOSED)
    assert table["lower"][0] == pytest.approx(chi2.ppf(0.05, 2 * d) / 2 / T, rel=CLOSED)
    assert table["upper"][0] == pytest.approx(chi2.ppf(0.95, 2 * d + 2) / 2 / T, rel=CLOSED)
    curve = found.survival(None, [1, 2, 4])["all"]
    a, b = found.hazards(interval="wald")["estimate"]
    np.testing.assert_allclose(curve.estimate, np.exp([-a, -2 * a, -2 * a - 2 * b]), rtol=CLOSED)
    # A time on a break has the hazard of the band that ends there.
    np.testing.assert_allclose(found.model.hazard(None, [2, 2.001])["all"].estimate, [a, b])


def test_profile_limits_of_one_rate_solve_their_equation():
    found = piecewise_exponential.fit(HIPS, breaks=[2], **KNOWN)
    d, T = found.bands["events"][0], found.bands["person_time"][0]
    for limit in found.hazards().loc[0, ["lower", "upper"]]:
        fall = (d * np.log(d / T) - d) - (d * np.log(limit) - limit * T)
        assert 2 * fall == pytest.approx(chi2.ppf(0.95, 1), rel=1e-8)


# ---- derivatives ----


def known_in_every_way():
    frame = HIPS.head(40).assign(entry=0.0)
    low, high = frame["years"].to_numpy(), np.where(frame["revised"] == 1, frame["years"], np.inf)
    low[0:5], high[0:5] = 0.0, [2.0, 3, 4, 5, 6]
    low[5:12], high[5:12] = np.arange(1.0, 8), np.arange(2.0, 9)
    entry = np.where(np.arange(40) % 3 == 0, low / 2, 0.0)
    return frame.assign(low=low, high=high, entry=entry)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_gradient_and_second_derivatives_are_those_of_the_likelihood(name):
    law = DISTRIBUTIONS[name]
    frame = known_in_every_way()
    rows = observations.prepare(
        frame, time=None, event=None, lower="low", upper="high", entry="entry", weights="age",
        weights_are="robust", cluster=None,
    )  # fmt: skip
    x = np.column_stack([np.ones(len(frame)), (frame["age"] - 70) / 10])
    likelihood = Likelihood(distribution=law, rows=rows, designs=(x,) * len(law.names), unit=3.0)
    at = np.random.default_rng(1).normal(scale=0.2, size=2 * len(law.names))
    value, gradient, hessian = likelihood.evaluate(at)
    h = 1e-5
    for j, step in enumerate(np.eye(len(at)) * h):
        up, down = likelihood.evaluate(at + step), likelihood.evaluate(at - step)
        assert gradient[j] == pytest.approx((up[0] - down[0]) / (2 * h), rel=DIFFERENCE, abs=1e-3)
        np.testing.assert_allclose(hessian[j], (up[1] - down[1]) / (2 * h), rtol=DIFFERENCE, atol=1e-2)
    np.testing.assert_allclose(likelihood.scores(at).sum(axis=0), gradient, rtol=1e-9, atol=1e-7)
    assert np.isfinite(value)


@pytest.mark.parametrize("q", [-2.0, -0.3, -0.01, 0.0, 5e-4, 0.02, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("z", [-3.0, 0.0, 1.2])
def test_the_generalised_gamma_law_integrates_its_density(z, q):
    def density(x, q=q):
        return float(np.exp(log_density(np.array([x]), np.array([q])).value[0]))

    found = log_survival(np.array([z]), np.array([q]))
    area = quad(density, z, z + 1, epsabs=1e-13)[0] + quad(density, z + 1, 60, epsabs=1e-13, limit=200)[0]
    assert np.exp(found.value[0]) == pytest.approx(area, rel=1e-8)

    def by_q(x):
        at = log_density(np.array([x]), np.array([q]))
        return float(np.exp(at.value[0]) * at.q[0])

    slope = quad(by_q, z, z + 1, epsabs=1e-13)[0] + quad(by_q, z + 1, 60, epsabs=1e-13, limit=200)[0]
    # d log S / dQ is the area under the slope of the density, over S; the code takes differences in Q.
    assert found.q[0] * np.exp(found.value[0]) == pytest.approx(slope, rel=1e-7, abs=1e-9)


def test_special_cases_of_the_generalised_gamma():
    z = np.linspace(-4, 3, 30)
    np.testing.assert_allclose(log_survival(z, np.ones(30)).value, -np.exp(z), rtol=1e-12)
    np.testing.assert_allclose(log_survival(z, np.zeros(30)).value, norm.logsf(z), rtol=1e-9, atol=1e-12)
    t, s = np.exp(z / 2), 0.5  # Q = sigma is the gamma distribution with shape 1 / Q²
    np.testing.assert_allclose(
        log_survival(z, np.full(30, s)).value, gamma.logsf(t, 1 / s**2, scale=s**2), rtol=1e-9
    )


@pytest.mark.parametrize("name", FITS)
def test_the_hazard_is_the_slope_of_the_cumulative_hazard(name):
    model = FITS[name].model
    h = 1e-5
    for t in (0.4, 2.2, 15.0):
        up, down = (model.cumulative_hazard(PEOPLE, [t + d]) for d in (h, -h))
        hazard = model.hazard(PEOPLE, [t])
        for label in PEOPLE.index:
            slope = (up[label].estimate[0] - down[label].estimate[0]) / (2 * h)
            assert hazard[label].estimate[0] == pytest.approx(slope, rel=1e-6)


def moved(name, beta):
    """The function that evaluates a model of FITS, at other coefficients."""
    found = FITS[name]
    if name == "piecewise":
        return poisson_cells.evaluator(found.design, beta)
    if name in DISTRIBUTIONS:
        law = DISTRIBUTIONS[name]
        designs = parametric_design.of(HIPS, law, ["age", "kind"], {}, {"kind": "general"}, set())
        return parametric.evaluator(law, designs, beta)
    design = royston_parmar_likelihood.SplineDesign(
        design=Design.of(HIPS, ["age", "kind"], {"kind": "general"}),
        knots=found.knots,
        varying=found.time_varying_knots,
    )
    return royston_parmar_likelihood.evaluator(design, beta, found.scale)


@pytest.mark.parametrize("name", FITS)
def test_slopes_by_the_coefficients_are_those_of_the_predictions(name):
    beta, times = np.asarray(FITS[name].coefficients.mean), np.array([0.7, 4.0])
    here = moved(name, beta)(PEOPLE, times)
    np.testing.assert_array_equal(here.log_survival, FITS[name].model.evaluate(PEOPLE, times).log_survival)
    for j in range(len(beta)):
        h = 1e-6 * max(1.0, abs(beta[j]))
        step = np.eye(len(beta))[j] * h
        up, down = moved(name, beta + step)(PEOPLE, times), moved(name, beta - step)(PEOPLE, times)
        for value, slope in (("log_survival", "survival_slope"), ("log_hazard", "hazard_slope")):
            difference = (getattr(up, value) - getattr(down, value)) / (2 * h)
            np.testing.assert_allclose(getattr(here, slope)[:, :, j], difference, rtol=1e-5, atol=1e-6)


# ---- predictions ----


@pytest.mark.parametrize("name", FITS)
def test_the_standardised_survival_is_the_average_over_everyone(name):
    found = FITS[name]
    grouped = found.standardised("kind")
    assert grouped.groups == ("general", "specialist")
    for group, estimate in zip(grouped.groups, grouped.at(4.0).mean, strict=True):
        everyone = HIPS[["age"]].assign(kind=group)
        plain = np.mean([c.estimate[0] for c in found.survival(everyone, [4.0]).values()])
        assert estimate == pytest.approx(plain, rel=1e-9)
        assert grouped.curves([4.0])[group].estimate[0] == pytest.approx(plain, rel=1e-9)
    gap = grouped.difference("general", time=4.0)
    assert gap.labels == ("specialist",)
    survival = grouped.at(4.0)
    assert gap.mean[0] == pytest.approx(survival.mean[1] - survival.mean[0])
    variance = survival.covariance
    assert gap.covariance[0, 0] == pytest.approx(variance[0, 0] + variance[1, 1] - 2 * variance[0, 1])


@pytest.mark.parametrize("name", FITS)
def test_restricted_means_and_quantiles_are_those_of_the_curve(name):
    model = FITS[name].model
    area = quad(
        lambda t: model.survival(PEOPLE, [t])["old"].estimate[0],
        0,
        8,
        points=[1, 3, 6],
        epsrel=1e-7,
        limit=200,
    )[0]
    assert model.restricted_mean(PEOPLE, 8.0).mean[1] == pytest.approx(area, rel=1e-6)
    table = model.quantiles(PEOPLE, [0.2])
    for label, time in zip(table["label"], table["estimate"], strict=True):
        assert model.survival(PEOPLE, [time])[label].estimate[0] == pytest.approx(0.8, rel=1e-9)


def test_the_quadrature_is_exact_where_survival_leaves_one_like_a_root():
    for power in (0.3, 1.0, 2.5):
        time, weight = quadrature(7.0, ())
        assert weight @ time**power == pytest.approx(7 ** (power + 1) / (power + 1), rel=1e-9)


def test_beyond_the_data_is_said_in_check_column_and_numbers_at_risk():
    found = FITS["weibull"]
    last = HIPS["years"].max()
    table = found.model.predict(PEOPLE, [1.0, last + 5])
    assert table["beyond_data"].tolist() == [False, True] * 2
    assert table["at_risk"].tolist()[:2] == [(HIPS["years"] >= 1).sum(), 0]
    assert table["events"].tolist()[0] == ((HIPS["years"] <= 1) & (HIPS["revised"] == 1)).sum()
    checks = {c.name: c for c in found.survival(PEOPLE, [1.0, last + 5])["old"].checks}
    assert checks["times beyond the last observed time"].verdict == "warn"
    assert checks["times beyond the last observed time"].observed.startswith("1 of 2")
    assert combine_verdicts(found.survival(PEOPLE)["old"].checks) == "pass"
    assert found.model.restricted_mean(PEOPLE, last + 1).checks[-1].verdict == "warn"
    assert found.model.quantiles(PEOPLE, [0.999])["beyond_data"].all()


def test_a_share_that_is_never_reached_is_infinite_without_limits():
    t = np.array([0.1, 0.2, 0.3, 0.5, 0.8, 1.5, *[10.0] * 30])
    frame = pd.DataFrame({"years": t, "revised": [1] * 6 + [0] * 30})
    found = parametric.fit(frame, distribution="gompertz", **KNOWN)
    assert found.parameters()["estimate"][0] < 0
    (row,) = found.model.quantiles(None, [0.9]).to_dict("records")
    assert np.isinf(row["estimate"])
    assert np.isnan(row["lower"])
    assert row["beyond_data"]


def test_limits_grow_with_coverage_and_default_to_that_of_the_fit():
    found = parametric.fit(HIPS, distribution="weibull", level=0.8, **KNOWN)
    own, wide = (found.survival(None, [3.0], level)["all"] for level in (None, 0.99))
    assert own.level == 0.8
    assert wide.lower[0] < own.lower[0] < own.estimate[0] < own.upper[0] < wide.upper[0]
    assert found.parameters()["level"].tolist() == [0.8, 0.8]


def test_a_hazard_ratio_is_constant_where_the_model_says_so():
    for name in ("exponential", "gompertz", "hazard"):
        found = FITS[name]
        curve = found.model.hazard_ratio(PEOPLE, "young", [0.5, 3, 9])["old"]
        assert np.ptp(curve.estimate) < 1e-9
        values = dict(zip(found.effects.labels, found.effects.mean, strict=True))
        by_hand = np.exp(20 * values["age"] + values["kind: specialist v general"])
        assert curve.estimate[0] == pytest.approx(by_hand)
        assert curve.label == "old v young"
    changing = FITS["varying"].model.hazard_ratio(PEOPLE, "young", [0.5, 3, 9])["old"]
    assert np.ptp(changing.estimate) > 0.01


def test_a_covariate_on_another_parameter_is_the_fit_of_each_group_where_all_differ():
    found = parametric.fit(
        HIPS, distribution="weibull", covariates="kind", ancillary={"shape": "kind"}, **KNOWN
    )
    alone = [
        parametric.fit(part, distribution="weibull", **KNOWN).log_likelihood
        for _, part in HIPS.groupby("kind")
    ]
    assert found.log_likelihood == pytest.approx(sum(alone), rel=1e-10)
    assert [label.split(":")[0] for label in found.coefficients.labels] == ["shape"] * 2 + ["scale"] * 2


def test_clusters_of_one_row_each_are_whites_and_models_say_which_is_in_force():
    fits = [
        parametric.fit(HIPS, distribution="weibull", **KNOWN, **BOTH, cluster="unit"),
        royston_parmar.fit(HIPS, df=2, **KNOWN, **BOTH, cluster="unit"),
        piecewise_exponential.fit(HIPS, breaks=[3], **KNOWN, **BOTH, cluster="unit"),
    ]
    for found in fits:
        assert found.robust_covariance is not None
        np.testing.assert_allclose(found.coefficients.covariance, found.robust_covariance, rtol=1e-8)
        assert "clusters behind the robust standard error" in {c.name for c in found.checks}


def test_comparing_shows_each_distribution_at_each_time():
    compared = parametric.compare(HIPS, times=[5, 30], **KNOWN, **BOTH)
    table = compared.table()
    assert len(table) == 2 * len(DISTRIBUTIONS)
    assert table["aic"].is_monotonic_increasing
    assert table["aic_above_best"].iloc[0] == 0
    assert table.groupby("time")["beyond_data"].first().tolist() == [False, True]
    best = compared.fits[table["distribution"].iloc[0]]
    plain = np.mean([c.estimate[0] for c in best.survival(HIPS[["age", "kind"]], [5.0]).values()])
    assert table["survival"].iloc[0] == pytest.approx(plain, rel=1e-9)
    assert {c.name for c in compared.checks} > {"distributions without a maximum"}
    assert "weibull" in repr(compared)
    assert "<table" in compared._repr_html_()


def test_a_distribution_that_cannot_be_fitted_is_told_and_does_not_stop_the_others():
    frame = pd.DataFrame({"years": [5.0] * 20 + [7.0] * 5, "revised": [1] * 20 + [0] * 5})
    compared = parametric.compare(frame, times=[6], **KNOWN)
    assert list(compared.failed) == ["generalised gamma"]
    row = compared.table().iloc[-1]
    assert row["distribution"] == "generalised gamma"
    assert "no maximum" in row["failure"]
    assert {c.name: c.verdict for c in compared.checks}["distributions without a maximum"] == "warn"


@pytest.mark.parametrize("name", FITS)
def test_results_show_themselves_and_pass_their_checks(name):
    found = FITS[name]
    assert f"{int(found.events)} events" in repr(found)
    assert "<table" in found._repr_html_()
    assert combine_verdicts(found.checks) == ("warn" if name == "piecewise" else "pass")  # few events a term
    assert found.checks[0].verdict == "pass"
    assert found.checks[0].name == "likelihood still to be gained at the maximum"
    assert isinstance(found.survival(PEOPLE)["old"], Curve)


def test_the_last_step_of_follow_up_only_lowers_numbers_at_risk_with_late_entry():
    frame = HIPS.assign(entered=np.where(HIPS["years"] > 2, 1.0, 0.0))
    found = parametric.fit(frame, distribution="weibull", entry="entered", **KNOWN)
    curve = found.survival(None, [0.5, 1.0, 1.5])["all"]
    early = HIPS["years"] <= 2
    assert curve.at_risk.tolist() == [
        (early & (HIPS["years"] >= 0.5)).sum(),
        (early & (HIPS["years"] >= 1.0)).sum(),
        (HIPS["years"] >= 1.5).sum(),
    ]
