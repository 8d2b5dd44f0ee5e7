"""Bayesian companions against printed posteriors, JAGS, plain sums and each other."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from soa_evidence.priors import Normal, Spread, SynthesisPriors
from soa_evidence.synthesis import (
    bayes,
    bayes_averaged,
    bayes_bias,
    bayes_counts,
    bayes_robust,
    effect_sizes,
)

HERE = Path(__file__).parent
SHARED = HERE.parent / "synthesis" / "data"
JAGS = json.loads((HERE / "expected_jags.json").read_text())
BCG = pd.read_csv(SHARED / "bcg.csv")
RATIOS = effect_sizes.fit(BCG, measure="OR").table
SMALL = pd.DataFrame(
    {"label": list("abcd"), "estimate": [0.4, 0.1, 1.5, 0.2], "std_error": [0.2, 0.3, 0.25, 0.4]}
)
CERTAIN = SynthesisPriors(
    name="test",
    effect=Normal(mean=0.1, sd=0.7, because="test"),
    spread=Spread(family="half-normal", scale=0.5, because="test"),
    because="test",
)


def column(result, name):
    return result.summary.set_index("quantity")[name]


# ---- counts ----------------------------------------------------------------------------------------------


def test_hips_of_spiegelhalter_and_best_as_printed():
    """BUGS: mean 0.6054 (Monte Carlo error 0.0046), SD 0.1584, median 0.5837, 0.3595 to 0.9727."""
    frame = pd.read_csv(SHARED / "stanmore.csv")
    priors = SynthesisPriors(
        name="hips",
        effect=None,
        spread=Spread(family="normal above 0", location=0.2, scale=0.05, because="as printed"),
        because="as printed",
    )
    result = bayes_counts.fit(
        frame,
        link="cloglog",
        label=frame.columns[0],
        quality="quality",
        priors=priors,
        events_1="stanmore_revisions",
        n_1="stanmore_n",
        events_2="charnley_revisions",
        n_2="charnley_n",
    ).result
    ratio = np.exp(result.posterior.mean)
    mean = float(result.posterior.weights @ ratio)
    assert mean == pytest.approx(0.6054, abs=4 * 0.0046)
    assert np.sqrt(result.posterior.weights @ (ratio - mean) ** 2) == pytest.approx(0.1584, abs=0.01)
    printed = {0.5: 0.5837, 0.025: 0.3595, 0.975: 0.9727}
    for (
        probability,
        value,
    ) in printed.items():  # ends of an interval have larger Monte Carlo errors than means
        assert np.exp(result.posterior.quantile(probability)) == pytest.approx(value, abs=0.03)


@pytest.mark.parametrize("cell", sorted(set(JAGS) - {"source"}))
def test_counts_as_jags_samples_them(cell):
    name, link = cell.split(".")
    frame = pd.read_csv(SHARED / f"{name.removesuffix('_quality')}.csv")
    options = {}
    if name.endswith("quality"):
        frame["weight"] = np.where(frame["alloc"] == "random", 1.0, 0.4)
        options = {"quality": "weight"}
    result = bayes_counts.fit(frame, link=link, **options).result
    theirs = JAGS[cell]
    assert abs(column(result, "mean")["pooled"] - theirs["mean"]) < 4 * theirs["mean_error"]
    assert abs(column(result, "mean")["spread"] - theirs["tau"]) < 4 * theirs["tau_error"]
    assert column(result, "sd")["pooled"] == pytest.approx(theirs["sd"], rel=0.02)
    assert column(result, "sd")["spread"] == pytest.approx(theirs["tau_sd"], rel=0.02)


# ---- heavy tails -----------------------------------------------------------------------------------------


def test_many_degrees_of_freedom_are_the_normal_model():
    normal = bayes.fit(RATIOS).summary.set_index("quantity")
    heavy = bayes_robust.fit(RATIOS, degrees_of_freedom=1e4).result.summary.set_index("quantity")
    for name in ("mean", "sd", "median", "lower", "upper"):
        for quantity in ("pooled", "spread"):
            assert heavy.loc[quantity, name] == pytest.approx(normal.loc[quantity, name], abs=2e-4)


def test_heavy_tails_against_a_plain_sum():
    """Each study's effect is summed over with scipy's Student t, mean and tau on plain grids."""
    found = bayes_robust.fit(SMALL, priors=CERTAIN, degrees_of_freedom=4).result
    mean = np.linspace(-2.5, 3.0, 81)
    tau = (np.arange(60) + 0.5) / 60 * 2.4
    theta = np.linspace(-2.5, 4, 651)
    log = stats.norm.logpdf(mean, 0.1, 0.7)[None, :] + stats.halfnorm.logpdf(tau, scale=0.5)[:, None]
    for row in SMALL.itertuples():
        likelihood = stats.norm.pdf(row.estimate, theta, row.std_error)
        for i, t in enumerate(tau):
            kernel = stats.t.pdf((theta[:, None] - mean) / t, 4) / t
            log[i] += np.log(likelihood @ kernel * (theta[1] - theta[0]))
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    centre = (mass * mean).sum()
    assert column(found, "mean")["pooled"] == pytest.approx(centre, abs=1e-3)
    assert column(found, "sd")["pooled"] == pytest.approx(
        np.sqrt((mass * (mean - centre) ** 2).sum()), rel=3e-3
    )
    assert column(found, "mean")["spread"] == pytest.approx((mass * tau[:, None]).sum(), rel=3e-3)


def test_a_study_that_lies_apart_counts_less():
    normal = bayes.fit(SMALL, priors=CERTAIN).summary["mean"].iloc[0]
    heavy = bayes_robust.fit(SMALL, priors=CERTAIN, degrees_of_freedom=2.5)
    assert column(heavy.result, "mean")["pooled"] < normal  # study c, at 1.5, pulls less
    assert heavy.studies["outlying_weight"].idxmin() == 2


# ---- stated biases ---------------------------------------------------------------------------------------


def test_normal_biases_are_the_normal_model_of_adjusted_studies():
    stated = SMALL.assign(a=0.1, s=0.2, b=1.25)
    found = bayes_bias.fit(stated, additive_mean="a", additive_sd="s", proportional_mean="b", priors=CERTAIN)
    by_hand = SMALL.assign(
        estimate=(SMALL["estimate"] - 0.1) / 1.25, std_error=np.sqrt(SMALL["std_error"] ** 2 + 0.04) / 1.25
    )
    expected = bayes.fit(by_hand, priors=CERTAIN).summary.set_index("quantity")
    for name in ("mean", "sd", "median", "lower", "upper"):
        for quantity in ("pooled", "spread", "new study"):
            assert column(found.adjusted, name)[quantity] == pytest.approx(
                expected.loc[quantity, name], abs=5e-5
            )


def test_uncertain_proportional_bias_against_a_plain_sum():
    stated = SMALL.assign(b=1.2, r=0.3)
    found = bayes_bias.fit(stated, proportional_mean="b", proportional_sd="r", priors=CERTAIN).adjusted
    mean = np.linspace(-2.5, 3.0, 81)
    tau = (np.arange(60) + 0.5) / 60 * 2.4
    theta = np.linspace(-2.5, 4, 651)
    log = stats.norm.logpdf(mean, 0.1, 0.7)[None, :] + stats.halfnorm.logpdf(tau, scale=0.5)[:, None]
    for row in SMALL.itertuples():
        spread = np.sqrt(row.std_error**2 + 0.09 * theta**2)
        likelihood = stats.norm.pdf(row.estimate, 1.2 * theta, spread)
        for i, t in enumerate(tau):
            kernel = stats.norm.pdf(theta[:, None], mean, t)
            log[i] += np.log(likelihood @ kernel * (theta[1] - theta[0]))
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    centre = (mass * mean).sum()
    assert column(found, "mean")["pooled"] == pytest.approx(centre, abs=1e-3)
    assert column(found, "mean")["spread"] == pytest.approx((mass * tau[:, None]).sum(), rel=3e-3)


# ---- models averaged -------------------------------------------------------------------------------------


def evidence(result, effect, differ, bias):
    m = result.models
    row = m[(m["effect"] == effect) & (m["heterogeneity"] == differ) & (m["bias"] == bias)]
    return float(row["log_marginal_likelihood"].iloc[0])


def test_marginal_likelihoods_against_closed_forms_and_plain_sums():
    result = bayes_averaged.fit(SMALL, priors=CERTAIN)
    y, s = SMALL["estimate"].to_numpy(), SMALL["std_error"].to_numpy()
    assert evidence(result, False, False, "none") == pytest.approx(
        stats.norm.logpdf(y, 0, s).sum(), abs=1e-10
    )
    joint = np.diag(s**2) + 0.49
    assert evidence(result, True, False, "none") == pytest.approx(
        stats.multivariate_normal.logpdf(y, np.full(4, 0.1), joint), abs=1e-10
    )
    pet = np.diag(s**2) + 0.49 + np.outer(s, s)
    assert evidence(result, True, False, "pet") == pytest.approx(
        stats.multivariate_normal.logpdf(y, np.full(4, 0.1), pet), abs=1e-10
    )

    def given_tau(tau):
        return np.exp(
            stats.multivariate_normal.logpdf(y, np.full(4, 0.1), joint + tau**2 * np.eye(4))
        ) * stats.halfnorm.pdf(tau, scale=0.5)

    assert evidence(result, True, True, "none") == pytest.approx(
        np.log(integrate.quad(given_tau, 0, 6, epsabs=1e-12)[0]), abs=1e-7
    )


def test_the_marginal_likelihood_under_selection_against_a_plain_sum():
    result = bayes_averaged.fit(SMALL, priors=CERTAIN)
    y, s = SMALL["estimate"].to_numpy(), SMALL["std_error"].to_numpy()
    edge, seen = stats.norm.isf(0.025) * s, y >= stats.norm.isf(0.025) * s

    def given(omega, mean):
        above = stats.norm.sf(edge, mean, s)
        chance = above + omega * (1 - above)
        own = stats.norm.pdf(y, mean, s) * np.where(seen, 1.0, omega) / chance
        return own.prod() * stats.norm.pdf(mean, 0.1, 0.7)

    whole = integrate.dblquad(given, -4, 4, 0, 1, epsabs=1e-9)[0]
    assert evidence(result, True, False, "selection") == pytest.approx(np.log(whole), abs=1e-5)


def test_inclusion_is_the_ratio_of_averaged_marginal_likelihoods():
    result = bayes_averaged.fit(SMALL, priors=CERTAIN, biases=[])
    weights = np.exp(result.models["log_marginal_likelihood"])
    has = result.models["effect"]
    factor = result.inclusion.set_index("component").loc["effect", "bayes_factor"]
    assert factor == pytest.approx(weights[has].mean() / weights[~has].mean())
    assert result.models["posterior"].sum() == pytest.approx(1.0)
    assert result.models["prior"].sum() == pytest.approx(1.0)
