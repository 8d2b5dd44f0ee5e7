"""Every kind of bad input to the models beyond pooling is refused; arithmetic by hand; hostile data."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.priors import SYNTHESIS_PRIORS, Spread
from soa_evidence.sampling import Settings
from soa_evidence.synthesis import (
    bayes_averaged,
    bayes_bias,
    bayes_counts,
    bayes_mcmc,
    bayes_robust,
    exact,
    multilevel,
    permutation,
    pet_peese,
    regression,
    robust,
    selection,
    small_study,
    subgroup,
    trim_fill,
)

K = 12
GOOD = pd.DataFrame(
    {
        "label": [f"s{i}" for i in range(K)],
        "estimate": [0.10, -0.20, 0.40, 0.55, 0.10, 0.30, -0.10, 0.62, 0.20, 0.05, 0.33, 0.41],
        "std_error": [0.20, 0.10, 0.30, 0.25, 0.12, 0.18, 0.22, 0.35, 0.15, 0.11, 0.28, 0.31],
        "year": [2001, 1999, 2010, 2012, 2003, 2005, 2007, 2015, 2004, 2000, 2011, 2014],
        "design": list("aabbabacabcc"),
        "registry": list("AABBCCDDEEFF"),
    }
)
COUNTS = pd.DataFrame(
    {
        "label": list("uvwxyz"),
        "events_1": [3, 0, 5, 0, 2, 8],
        "n_1": [30, 20, 50, 25, 40, 90],
        "events_2": [6, 2, 9, 0, 1, 12],
        "n_2": [31, 22, 48, 25, 41, 88],
    }
)


def having(frame, column, value, row=0):
    values = list(frame[column])
    values[row] = value
    return frame.assign(**{column: values})


BAD = {
    "regression: a moderator that is not there": (
        regression.fit,
        GOOD,
        {"moderators": ["yaer"]},
        r"no column 'yaer'\. Did you mean 'year'",
    ),
    "regression: text for a list": (
        regression.fit,
        GOOD,
        {"moderators": "year"},
        r"expected a list, such as \['year'\]",
    ),
    "regression: missing": (
        regression.fit,
        having(GOOD, "year", np.nan, 3),
        {"moderators": ["year"]},
        r"row 3 \(s3\): missing; a regression",
    ),
    "regression: infinite": (
        regression.fit,
        having(GOOD, "year", np.inf, 2),
        {"moderators": ["year"]},
        r"row 2 \(s2\): inf; expected a finite",
    ),
    "regression: collinear": (
        regression.fit,
        GOOD.assign(again=GOOD["year"] * 2 + 1),
        {"moderators": ["year", "again"]},
        "'again' says nothing that intercept, year does not say",
    ),
    "regression: constant number": (
        regression.fit,
        GOOD.assign(one=1.0),
        {"moderators": ["one"]},
        "'one' says nothing that the intercept",
    ),
    "regression: constant category": (
        regression.fit,
        GOOD.assign(one="x"),
        {"moderators": ["one"]},
        "'one' is 'x' in every row",
    ),
    "regression: too many": (
        regression.fit,
        GOOD.iloc[:3],
        {"moderators": ["year", "design"]},
        "3 studies for 3 coefficients.*Use fewer",
    ),
    "regression: nothing at all": (
        regression.fit,
        GOOD,
        {"moderators": [], "intercept": False},
        "neither a moderator nor an intercept",
    ),
    "regression: a clash of names": (
        regression.fit,
        GOOD.rename(columns={"year": "intercept"}),
        {"moderators": ["intercept"]},
        "name of a result",
    ),
    "regression: an estimator": (
        regression.fit,
        GOOD,
        {"moderators": ["year"], "method": "RELM"},
        "Did you mean 'REML'",
    ),
    "regression: profile of a moment": (
        regression.fit,
        GOOD,
        {"moderators": ["year"], "method": "DL", "tau2_intervals": "profile_likelihood"},
        "needs method 'ML' or 'REML', not 'DL'",
    ),
    "permutation: few": (
        permutation.fit,
        GOOD,
        {"moderators": ["year"], "seed": 1, "exchanges": 20},
        "fewer than 99",
    ),
    "permutation: seed": (permutation.fit, GOOD, {"moderators": ["year"], "seed": -1}, "seed=-1"),
    "subgroup: one group": (subgroup.fit, GOOD.assign(g="x"), {"group": "g"}, "at least two groups"),
    "subgroup: missing": (
        subgroup.fit,
        having(GOOD, "design", None, 4),
        {"group": "design"},
        r"row 4 \(s4\): missing",
    ),
    "subgroup: alone": (
        subgroup.fit,
        having(GOOD, "design", "z", 5),
        {"group": "design", "spread": "separate"},
        r"'z'.*one study \(s5\)",
    ),
    "subgroup: spread": (subgroup.fit, GOOD, {"group": "design", "spread": "own"}, "spread is 'own'"),
    "small study: a test": (small_study.fit, GOOD, {"tests": ["eger"]}, "Did you mean 'egger'"),
    "small study: no list": (small_study.fit, GOOD, {"tests": "egger"}, "expected a list"),
    "small study: two": (small_study.fit, GOOD.iloc[:2], {}, "needs at least 3"),
    "small study: one size": (small_study.fit, GOOD.assign(std_error=0.2), {}, "where all are of one size"),
    "small study: silent": (
        small_study.fit,
        GOOD.iloc[:3].assign(events_1=0, n_1=9, events_2=0, n_2=9),
        {"tests": ["harbord"]},
        "0 studies have both events and non-events; the harbord test",
    ),
    "trim and fill: estimator": (trim_fill.fit, GOOD, {"estimator": "L1"}, "estimator is 'L1'"),
    "trim and fill: side": (trim_fill.fit, GOOD, {"side": "up"}, "side is 'up'"),
    "trim and fill: weights": (trim_fill.fit, GOOD, {"method": "GENQ"}, "which a mirror image has not"),
    "pet-peese: one size": (pet_peese.fit, GOOD.assign(std_error=0.2), {}, "where all are of one size"),
    "selection: cut points": (selection.fit, GOOD, {"steps": (0.5, 0.05)}, "expected rising cut points"),
    "selection: an empty step": (
        selection.fit,
        GOOD,
        {"steps": (1e-9, 0.5)},
        "No study has a p-value between 0 and 1e-09",
    ),
    "selection: few": (
        selection.fit,
        GOOD.iloc[[1, 3, 4]],
        {"steps": (0.025,)},
        "3 studies for 3 parameters",
    ),
    "selection: weight": (selection.fit, GOOD, {"weight": "beta"}, "weight is 'beta'"),
    "multilevel: no list": (multilevel.fit, GOOD, {"levels": "registry"}, "expected a list of columns"),
    "multilevel: one unit": (multilevel.fit, GOOD.assign(r="x"), {"levels": ["r"]}, r"one unit only \('x'\)"),
    "multilevel: the same units": (
        multilevel.fit,
        GOOD.assign(r=GOOD["registry"]),
        {"levels": ["registry", "r"]},
        "same 6 units as 'registry'",
    ),
    "multilevel: missing": (
        multilevel.fit,
        having(GOOD, "registry", None, 1),
        {"levels": ["registry"]},
        r"row 1 \(s1\): missing",
    ),
    "multilevel: correlation": (
        multilevel.fit,
        GOOD,
        {"levels": ["registry"], "correlation": 1.0, "correlated_within": "registry"},
        "expected a number from 0 up to, not including, 1",
    ),
    "multilevel: half a correlation": (
        multilevel.fit,
        GOOD,
        {"levels": ["registry"], "correlation": 0.5},
        "give both or neither",
    ),
    "exact: model": (
        exact.fit,
        COUNTS,
        {"measure": "IRR", "model": "conditional_approximate"},
        "has no model",
    ),
    "exact: points": (exact.fit, COUNTS, {"points": 0}, "points is 0"),
    "exact: nothing": (
        exact.fit,
        COUNTS.assign(events_1=0, events_2=0),
        {},
        "0 studies have events that say anything",
    ),
    "exact: infinite": (exact.fit, COUNTS.assign(events_1=0), {}, "log odds ratio is infinite"),
    "robust Bayes: no variance": (
        bayes_robust.fit,
        GOOD,
        {"degrees_of_freedom": 2},
        "the effects have no variance",
    ),
    "stated biases: none": (bayes_bias.fit, GOOD, {}, "No column of biases is named"),
    "stated biases: negative": (
        bayes_bias.fit,
        GOOD.assign(s=-0.1),
        {"additive_sd": "s"},
        r"row 0 \(s0\): -0.1; additive_sd is a finite",
    ),
    "stated biases: nought": (
        bayes_bias.fit,
        GOOD.assign(b=0.0),
        {"proportional_mean": "b"},
        "proportional_mean is a finite number, above 0",
    ),
    "stated biases: quality": (bayes_bias.fit, GOOD.assign(q=2.0), {"quality": "q"}, "above 0 and at most 1"),
    "counts: link": (bayes_counts.fit, COUNTS, {"link": "probit"}, "link is 'probit'"),
    "counts: quality": (
        bayes_counts.fit,
        COUNTS.assign(q=0.0),
        {"quality": "q"},
        r"row 0 \(u\): 0.0; expected a quality",
    ),
    "counts: silent": (
        bayes_counts.fit,
        COUNTS.assign(events_1=0, events_2=0),
        {},
        "None of the 6 studies has both events",
    ),
    "averaged: flat": (
        bayes_averaged.fit,
        GOOD,
        {"priors": "default"},
        "marginal likelihoods then mean nothing",
    ),
    "averaged: bias": (bayes_averaged.fit, GOOD, {"biases": ["pett"]}, "Did you mean 'pet'"),
    "averaged: twice": (bayes_averaged.fit, GOOD, {"biases": ["pet", "pet"]}, "without repeats"),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_refused(kind):
    method, frame, options, message = BAD[kind]
    with pytest.raises(InputError, match=message):
        method(frame, **options)


PREDICTED = regression.fit(GOOD, moderators=["design"])


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (pd.DataFrame({"design": ["a"]}), {}, "no column 'label' to name its rows by"),
        (pd.DataFrame({"label": ["x"], "design": ["k"]}), {}, "'k' is no level of the fitted"),
        (pd.DataFrame({"label": ["x"]}), {}, "no column 'design'"),
        (pd.DataFrame({"label": ["x"], "design": ["a"]}), {"prediction": "t"}, "prediction is 't'"),
    ],
)
def test_predict_refuses(frame, options, message):
    with pytest.raises(InputError, match=message):
        PREDICTED.predict(frame, label="label", **options)


def test_no_degrees_of_freedom_for_a_prediction():
    result = regression.fit(GOOD.iloc[:3], moderators=["year"])
    with pytest.raises(InputError, match="leave no degrees of freedom for 't_k_minus_p_minus_1'"):
        result.predict(GOOD.iloc[:1], label="label", prediction="t_k_minus_p_minus_1")


def test_a_number_is_asked_of_a_numeric_moderator():
    result = regression.fit(GOOD, moderators=["year"])
    with pytest.raises(InputError, match="the fitted model has numbers there"):
        result.predict(pd.DataFrame({"label": ["x"], "year": ["late"]}), label="label")


@pytest.mark.parametrize(
    ("frame", "cluster", "message"),
    [
        (GOOD.iloc[::-1], "registry", "does not name the rows that were fitted"),
        (
            having(GOOD, "registry", None, 2),
            "registry",
            r"row 2 \(s2\): missing; every result needs its cluster",
        ),
        (GOOD.assign(one="x"), "one", "1 clusters for 1 coefficients"),
        (GOOD, "design", "puts them in different clusters"),
    ],
)
def test_robust_refuses(frame, cluster, message):
    fitted = multilevel.fit(GOOD, levels=["registry"], limits=False)
    with pytest.raises(InputError, match=message):
        robust.fit(frame, fitted=fitted, cluster=cluster)


# ---- by hand ---------------------------------------------------------------------------------------------


def test_two_groups_of_exact_studies_are_two_means():
    frame = pd.DataFrame(
        {"label": list("abcd"), "estimate": [0.0, 2.0, 5.0, 7.0], "std_error": 1.0, "group": list("xxyy")}
    )
    result = regression.fit(frame, moderators=["group"], method="HE", interval="hartung_knapp")
    assert result.coefficients.mean == pytest.approx([1.0, 5.0])
    assert result.quantity("tau2") == pytest.approx(
        2.0 - 1.0
    )  # residual variance 4/2 less the sampling variance
    assert result.line.scale == pytest.approx(1.0)  # 4/(1 + 1)/2
    table = subgroup.fit(frame, group="group", method="HE", interval="wald").groups
    assert list(table["estimate"]) == pytest.approx([1.0, 6.0])
    assert list(table["q"]) == pytest.approx([2.0, 2.0])


def test_permutations_of_two_groups_of_two_are_six():
    frame = pd.DataFrame(
        {"label": list("abcd"), "estimate": [0.0, 2.0, 5.0, 7.0], "std_error": 1.0, "group": list("xxyy")}
    )
    result = permutation.fit(frame, moderators=["group"], method="HE", seed=1, exchanges=99)
    assert result.exact
    assert result.exchanges == 6
    assert result.p_values.mean[0] == pytest.approx(2 / 6)  # itself and its mirror image
    assert result.p_values.covariance.max() == 0


def test_egger_is_a_straight_line():
    frame = pd.DataFrame({"label": list("abc"), "estimate": [1.0, 2.0, 3.5], "std_error": [1.0, 2.0, 3.0]})
    row = small_study.fit(frame, tests=["egger"]).tests.iloc[0]
    x, y, w = np.array([1.0, 2, 3]), np.array([1.0, 2, 3.5]), np.array([1, 1 / 4, 1 / 9])
    slope = np.polyfit(x, y, 1, w=np.sqrt(w))[0]
    assert row["asymmetry"] == pytest.approx(slope)


def test_a_symmetric_funnel_is_left_alone():
    frame = pd.DataFrame(
        {"label": list("abcde"), "estimate": [-2.0, -1, 0, 1, 2], "std_error": [0.5, 0.3, 0.1, 0.3, 0.5]}
    )
    result = trim_fill.fit(frame, method="common")
    assert result.filled == 0
    assert result.pooled.mean[0] == pytest.approx(result.before.mean[0])
    assert small_study.fit(frame, tests=["begg"]).tests["p_value"].iloc[0] == pytest.approx(1.0)


def test_no_selection_is_the_plain_maximum_likelihood():
    """The step model contains it: its likelihood is never lower."""
    result = selection.fit(GOOD, steps=(0.1,), direction="greater")
    assert result.test["statistic"].iloc[0] >= 0
    assert result.selection["estimate"].iloc[0] == 1.0


def test_one_level_is_the_random_effects_model():
    from soa_evidence.synthesis import pairwise

    one = multilevel.fit(GOOD, levels=["label"], interval="wald", limits=False)
    two = pairwise.fit(GOOD, interval="wald")
    assert one.coefficients.mean == pytest.approx(two.pooled.mean, abs=1e-8)
    assert one.components["variance"].iloc[0] == pytest.approx(two.quantity("tau2"), abs=1e-8)


def test_studies_that_say_nothing_are_told_and_change_nothing():
    with_silent, without = exact.fit(COUNTS), exact.fit(COUNTS[COUNTS["label"] != "x"])
    assert with_silent.pooled.mean == pytest.approx(without.pooled.mean)
    assert list(with_silent.studies["informative"]) == [True, True, True, False, True, True]
    assert "5 of 6" in with_silent.checks[0].observed
    random = exact.fit(COUNTS, model="random_baseline")
    assert random.pooled.mean[0] != pytest.approx(without.pooled.mean[0], abs=1e-6)


def test_few_studies_and_asymmetry_warn():
    few = small_study.fit(GOOD.iloc[:4], tests=["egger"])
    verdicts = {check.name: check.verdict for check in few.checks}
    assert verdicts["studies in the funnel"] == "warn"
    assert "asymmetry is not proof of bias" in verdicts
    assert {c.verdict for c in selection.fit(GOOD, steps=(0.1,)).checks if "proof" in c.name} == {"warn"}


# ---- hostile data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_tiny_and_huge_values(scale):
    frame = GOOD.assign(estimate=GOOD["estimate"] * scale, std_error=GOOD["std_error"] * scale)
    plain, scaled = (multilevel.fit(f, levels=["registry"], limits=False) for f in (GOOD, frame))
    assert scaled.coefficients.mean / scale == pytest.approx(plain.coefficients.mean)
    plain, scaled = (regression.fit(f, moderators=["year"]) for f in (GOOD, frame))
    assert scaled.coefficients.mean / scale == pytest.approx(plain.coefficients.mean, rel=1e-6)
    plain, scaled = (selection.fit(f, steps=(0.1,)) for f in (GOOD, frame))
    assert scaled.pooled.mean / scale == pytest.approx(plain.pooled.mean, rel=1e-4)


def test_estimates_that_are_all_the_same():
    same = GOOD.assign(estimate=0.3)
    assert regression.fit(same, moderators=["year"]).quantity("tau2") == 0
    assert multilevel.fit(same, levels=["registry", "label"], limits=False).components["variance"].max() == 0
    assert trim_fill.fit(same, method="common").pooled.mean[0] == pytest.approx(0.3)
    line = small_study.fit(same, tests=["egger"]).tests.iloc[0]
    assert line["asymmetry"] == pytest.approx(0.0, abs=1e-9)


def test_results_show_themselves():
    fitted = multilevel.fit(GOOD, levels=["registry"], limits=False)
    shown = [
        regression.fit(GOOD, moderators=["year"]),
        permutation.fit(GOOD, moderators=["year"], seed=1, exchanges=99, method="DL"),
        subgroup.fit(GOOD, group="design"),
        small_study.fit(GOOD),
        trim_fill.fit(GOOD),
        pet_peese.fit(GOOD),
        selection.fit(GOOD, steps=(0.1,)),
        fitted,
        robust.fit(GOOD, fitted=fitted, cluster="registry"),
        exact.fit(COUNTS),
        bayes_robust.fit(GOOD),
        bayes_bias.fit(GOOD.assign(s=0.1), additive_sd="s"),
        bayes_averaged.fit(GOOD),
        bayes_counts.fit(COUNTS),
    ]
    for result in shown:
        assert "<table" in result._repr_html_()
        assert len(result.checks) >= 1


# ---- priors and the sampled twin ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SYNTHESIS_PRIORS))
def test_prior_densities_are_whole(name):
    spread = SYNTHESIS_PRIORS[name].spread
    log_tau = np.linspace(-60, 40, 400001)
    tau = np.exp(log_tau)
    with np.errstate(over="ignore"):
        density = np.exp(spread.log_density(tau) + spread.log_constant + log_tau)
    assert np.nansum(density) * (log_tau[1] - log_tau[0]) == pytest.approx(1.0, abs=1e-3)


def test_a_cut_normal_prior_is_whole():
    spread = Spread(family="normal above 0", location=0.1, scale=0.2, because="test")
    tau = (np.arange(200000) + 0.5) / 200000 * 3
    assert np.exp(spread.log_density(tau) + spread.log_constant).mean() * 3 == pytest.approx(1.0, abs=1e-6)


def test_rhodes_is_for_standardised_mean_differences():
    prior = SYNTHESIS_PRIORS["rhodes_general"]
    assert (prior.spread.location, prior.spread.scale) == (-3.44, 2.59)
    assert "log tau² ~ t5(-3.44, 2.59)" in str(prior.spread)
    assert "standardised" in prior.because


@pytest.mark.slow
def test_the_sampled_twin_meets_the_quadrature():
    result = bayes_mcmc.fit(
        GOOD, seed=3, settings=Settings(draws=500, tune=300, chains=2, target_accept=0.95)
    )
    assert (result.comparison["errors_apart"] < 4).all()
    assert result.shrunken.labels == tuple(GOOD["label"])
    assert {c.verdict for c in result.checks if c.name.startswith("distance")} == {"pass"}
    assert result.pooled.draws.shape == result.new_study.draws.shape


@pytest.mark.parametrize(
    "name", ["default", "half_cauchy_0_5", "uniform_2", "turner_general", "rhodes_general"]
)
def test_the_twin_has_every_kind_of_prior(name):
    from soa_evidence.synthesis.studies import read

    studies = read(GOOD, estimate="estimate", std_error="std_error", label="label")
    model = bayes_mcmc.build(studies, np.ones(K), SYNTHESIS_PRIORS[name])
    assert {v.name for v in model.deterministics} >= {"theta"}
