"""Regression of rates: expected values as arithmetic, every refusal matched."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.survival import rate_regression, rates

MODEL = {"events": "events", "years": "years", "covariates": ["group"]}


def counts():
    return pd.DataFrame(
        {"events": [10, 20, 30, 6], "years": [100.0, 150, 400, 50], "group": ["a", "a", "b", "b"]}
    )


def units(seed=1, n=60, alpha=0.5):
    rng = np.random.default_rng(seed)
    years = rng.uniform(50, 400, n)
    x = rng.normal(size=n)
    mu = years * 0.05 * np.exp(0.3 * x)
    spread = rng.gamma(1 / alpha, alpha, n) if alpha else 1.0
    return pd.DataFrame(
        {"events": rng.poisson(mu * spread), "years": years, "x": x, "group": rng.choice(["a", "b"], n)}
    )


def fit(frame, **more):
    return rate_regression.fit(frame, **{**MODEL, **more})


def test_one_covariate_with_levels_gives_the_rates_of_the_groups():
    found = fit(counts(), reference={"group": "a"})
    assert np.exp(found.log_rate_ratio.mean[0]) == pytest.approx((36 / 450) / (30 / 250))
    assert found.log_rate_ratio.covariance[0, 0] == pytest.approx(1 / 36 + 1 / 30)
    plain = rates.fit(counts(), years="years", events="events", by="group").log_ratio("a")
    np.testing.assert_allclose(found.log_rate_ratio.mean, plain.mean, rtol=1e-9)
    np.testing.assert_allclose(found.log_rate_ratio.covariance, plain.covariance, rtol=1e-9)
    shown = found.log_rates(pd.DataFrame({"group": ["a", "b"]}, index=["A", "B"])).table(transform="exp")
    assert shown["label"].tolist() == ["A", "B"]
    assert shown["estimate"].tolist() == pytest.approx([12.0, 8.0])
    np.testing.assert_allclose(found.standardised("group").mean, np.log([12.0, 8.0]), rtol=1e-9)
    per_1000 = found.log_rates(pd.DataFrame({"group": ["a"]}), per=1000)
    assert np.exp(per_1000.mean[0]) == pytest.approx(120)


def test_one_row_a_level_leaves_nothing_to_judge_the_spread_by():
    frame = counts().groupby("group", as_index=False).sum()
    found = fit(frame, reference={"group": "a"})
    assert np.exp(found.log_rate_ratio.mean[0]) == pytest.approx((36 / 450) / (30 / 250))
    assert np.isnan(found.dispersion)
    assert found.checks[1].observed == "unknown: as many coefficients as rows"


def test_dispersion_is_pearsons():
    found = fit(counts(), reference={"group": "a"})
    expected = np.array([12.0, 18, 32, 4])
    assert found.pearson == pytest.approx((np.array([4, 4, 4, 4]) / expected).sum())
    assert found.dispersion == pytest.approx(found.pearson / 2)


def test_a_row_may_be_split_in_two_for_poisson():
    frame = units()
    halves = pd.concat(
        [
            frame.assign(events=frame["events"] // 2),
            frame.assign(events=frame["events"] - frame["events"] // 2),
        ]
    ).assign(years=lambda d: d["years"] / 2)
    whole, split = (fit(d.reset_index(drop=True), covariates=["x"]) for d in (frame, halves))
    np.testing.assert_allclose(split.coefficients.mean, whole.coefficients.mean, rtol=1e-9)
    np.testing.assert_allclose(split.coefficients.covariance, whole.coefficients.covariance, rtol=1e-8)


def test_standardised_rates_average_over_the_years_of_everyone():
    frame = units()
    found = fit(frame, covariates=["group", "x"])
    beta = found.coefficients.mean
    in_b = found.design.levels["group"].index("b")
    level = beta[1] if in_b else 0.0  # whichever level is commonest is the reference
    each = np.exp(beta[0] + level + beta[2] * frame["x"])
    mean = found.standardised("group").mean[in_b]
    assert np.exp(mean) == pytest.approx(100 * np.average(each, weights=frame["years"]), rel=1e-9)


def test_every_row_its_own_cluster_is_the_sandwich():
    frame = units().assign(row=range(60))
    found = fit(frame, covariates=["x"], cluster="row")
    plain = fit(frame, covariates=["x"])
    X = np.column_stack([np.ones(60), frame["x"]])
    mu = frame["years"] * np.exp(X @ np.asarray(plain.coefficients.mean))
    score = X * (frame["events"] - mu).to_numpy()[:, None]
    V = np.asarray(plain.coefficients.covariance)
    np.testing.assert_allclose(found.coefficients.covariance, V @ score.T @ score @ V, rtol=1e-8)


def test_over_dispersion_is_found_tested_and_tabled():
    found = fit(units(alpha=0.5), covariates=["x"], family="negative_binomial")
    lower, upper = found.alpha_limits
    assert 0 < lower < found.alpha.mean[0] < upper
    assert found.test["p_value"][0] < 1e-6
    assert found.alpha_table().loc[0, ["lower", "upper"]].tolist() == [lower, upper]
    wider = fit(units(alpha=0.5), covariates=["x"], family="negative_binomial", level=0.99)
    assert wider.alpha_limits[0] < lower
    assert upper < wider.alpha_limits[1]


def test_no_over_dispersion_is_poisson_and_says_so():
    frame = units(alpha=0).assign(events=lambda d: np.round(d["years"] * 0.05 * np.exp(0.3 * d["x"])))
    found = fit(frame, covariates=["x"], family="negative_binomial")
    poisson = fit(frame, covariates=["x"])
    assert found.alpha.mean[0] == 0
    assert found.alpha_limits[0] == 0
    assert 0 < found.alpha_limits[1] < 1
    assert found.test["p_value"][0] == 1
    np.testing.assert_allclose(found.coefficients.mean, poisson.coefficients.mean, rtol=1e-12)
    assert {check.name: check.verdict for check in found.checks}[
        "over-dispersion above 0, with an upper limit"
    ] == "warn"


def test_counts_in_millions_are_no_trouble():
    frame = units(alpha=0.5)
    found = fit(frame.assign(events=frame["events"] * 10**6), covariates=["x"], family="negative_binomial")
    assert 0 < found.alpha_limits[0] < found.alpha.mean[0] < found.alpha_limits[1] < 5
    assert found.checks[0].verdict == "pass"


def test_it_shows_itself():
    found = fit(units(), covariates=["x"], family="negative_binomial")
    assert repr(found).startswith("negative binomial regression")
    assert "Rate ratios" in found._repr_html_()
    assert "alpha" in found._repr_html_()


def test_checks_see_spread_and_few_clusters():
    frame = units(alpha=1.0).assign(unit=lambda d: np.arange(len(d)) % 5)
    verdicts = {check.name: check.verdict for check in fit(frame, covariates=["x"], cluster="unit").checks}
    assert verdicts["dispersion: Pearson's chi² over its degrees of freedom"] == "warn"
    assert verdicts["clusters behind the robust standard error"] == "warn"


def only_in_a(frame):
    in_a = frame["group"] == "a"
    return frame.assign(events=frame["events"] * in_a, z=1.0 * in_a)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
@pytest.mark.parametrize(
    ("alter", "more", "message"),
    [
        (lambda d: d.assign(events=0), {}, "'events' has no event in any row"),
        (only_in_a, {}, "no events at level 'b' of 'group'"),
        (only_in_a, {"covariates": ["z"]}, "no events where 'z' is 0"),
        (lambda d: d.assign(years=[0.0, *d["years"][1:]]), {}, "'years', row 0: 0.0; time under obs"),
        (lambda d: d.assign(events=[1.5, *d["events"][1:]]), {}, "'events', row 0: 1.5; expected a who"),
        (lambda d: d.assign(y=2 * d["x"] + 1), {"covariates": ["x", "y"]}, "determine one another: 'x', 'y'"),
        (lambda d: d.assign(y=3.0), {"covariates": ["y"]}, "'y' is 3 in every row"),
        (lambda d: d.assign(group="a"), {}, "'group' has one level only"),
        (lambda d: d, {"covariates": []}, "covariates is empty"),
        (lambda d: d, {"covariates": ["grop"]}, "no column 'grop'. Did you mean 'group'"),
        (lambda d: d, {"reference": {"group": "c"}}, "gives 'c' for 'group', which has no such level"),
        (lambda d: d.assign(c=1), {"cluster": "c"}, "puts all rows in one cluster"),
        (lambda d: d.iloc[:1], {"covariates": ["x"]}, "'x' is .* in every row"),
        (lambda d: d.iloc[:2].assign(z=[1, 3]), {"covariates": ["x", "z"]}, "'x', 'z'|There are 2 rows"),
        (lambda d: d, {"level": 2}, "level is 2"),
    ],
)  # fmt: skip
def test_refusals(alter, more, message, family):
    with pytest.raises(InputError, match=message):
        fit(alter(units()).reset_index(drop=True), family=family, **more)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_a_covariate_that_separates_is_refused_by_name(family):
    frame = units()
    frame["events"] *= frame["x"] < 0.5
    frame["z"] = (frame["x"] - 0.5).clip(lower=0)
    with pytest.raises(InputError, match="no maximum: 'z' separates rows with events from rows without"):
        fit(frame, covariates=["z", "group"], family=family)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.log_rates(pd.DataFrame({"group": ["c"]})), "not a level the model knows"),
        (lambda m: m.log_rates(pd.DataFrame({"group": ["a"]}), per=-1), "per is -1"),
        (lambda m: m.standardised("x"), "'x' is not a covariate with levels"),
        (lambda m: m.alpha_table(), "A Poisson model has no over-dispersion alpha"),
        (lambda m: fit(units(), family="quasi"), "family is 'quasi'"),
    ],
)
def test_questions_that_have_no_answer_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(fit(units(), covariates=["group"]))
