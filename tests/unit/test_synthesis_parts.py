"""Do the parts work? Tiny frames, expected values as arithmetic."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from soa_evidence.synthesis import (
    bayes,
    chi_square_mixture,
    effect_sizes,
    estimator_choice,
    influence,
    pairwise,
    peto,
)

TWO = pd.DataFrame({"label": ["A", "B"], "estimate": [0.0, 2.0], "std_error": [1.0, 1.0]})
FIVE = pd.DataFrame(
    {
        "label": list("ABCDE"),
        "estimate": [0.5, 0.1, -0.4, 0.9, 0.3],
        "std_error": [0.2, 0.1, 0.3, 0.25, 0.15],
        "registry": ["X", "X", "Y", "Y", "Z"],
    }
)


def test_equal_precision_by_hand():
    # Q = 2 (each 1 from the mean 1), so DL gives (2 - 1) / (2 - 2 / 2) = 1.
    result = pairwise.fit(TWO, method="DL", interval="wald")
    assert result.quantity("tau2") == pytest.approx((2 - 1) / (2 - 2 / 2))
    row = result.pooled.table().iloc[0]
    assert row["estimate"] == pytest.approx(1.0)
    assert row["std_error"] == pytest.approx(np.sqrt((1 + 1) / 2))
    assert result.quantity("I2_percent") == pytest.approx(100 * 1 / (1 + 1))


def test_every_estimate_is_followed_by_a_named_prediction_interval():
    result = pairwise.fit(FIVE)
    assert list(result.prediction["interval"]) == ["z", "t_k_minus_1", "t_k_minus_2"]
    shown = result.new_study.table().iloc[0]
    assert "k - 2" in result.new_study.estimand
    expected = result.prediction.set_index("interval").loc["t_k_minus_2"]
    assert (shown["lower"], shown["upper"]) == pytest.approx((expected["lower"], expected["upper"]))


def test_two_studies_leave_no_degrees_of_freedom_for_a_new_one():
    result = pairwise.fit(TWO)
    assert result.new_study is None
    assert list(result.prediction["interval"]) == ["z", "t_k_minus_1"]


def test_common_effect_says_nothing_of_heterogeneity_or_new_studies():
    result = pairwise.fit(TWO.iloc[:1], method="common")
    assert result.new_study is None
    assert result.heterogeneity.empty
    assert result.pooled.table().loc[0, "estimate"] == 0.0


def test_hartung_knapp_below_sampling_error_is_flagged_and_floored():
    alike = FIVE.assign(estimate=[0.30, 0.31, 0.29, 0.30, 0.30])
    bare, floored, wald = (
        pairwise.fit(alike, interval=kind) for kind in ("hartung_knapp", "hartung_knapp_floor", "wald")
    )
    errors = [result.pooled.table().loc[0, "std_error"] for result in (bare, floored, wald)]
    assert errors[0] < errors[2]
    assert errors[1] == pytest.approx(errors[2])
    assert {c.name: c.verdict for c in bare.checks}["Hartung-Knapp factor"] == "warn"


def test_identical_studies_have_no_interval_without_the_floor():
    same = FIVE.assign(estimate=0.3)
    result = pairwise.fit(same, interval="hartung_knapp")
    assert {c.name: c.verdict for c in result.checks}["Hartung-Knapp factor"] == "fail"


def test_few_studies_are_a_warning():
    assert {c.name: c.verdict for c in pairwise.fit(TWO).checks}["studies pooled"] == "warn"
    assert {c.name: c.verdict for c in pairwise.fit(FIVE).checks}["studies pooled"] == "pass"


@pytest.mark.parametrize("n", [1, 2, 5, 20, 60, 150])
def test_mixture_of_equal_chi_squares_is_chi_square(n):
    at = stats.chi2.ppf([1e-4, 0.025, 0.5, 0.975, 1 - 1e-4], n)
    ours = [chi_square_mixture.cdf(value / 3, np.full(n, 1 / 3)) for value in at]
    np.testing.assert_allclose(ours, stats.chi2.cdf(at, n), atol=1e-9)
    assert chi_square_mixture.cdf(0.0, np.ones(n)) == 0.0


def test_mixture_of_unequal_chi_squares_by_simulation():
    weights = np.array([0.1, 1.0, 30.0])
    draws = np.random.default_rng(1).standard_normal((400_000, 3)) ** 2 @ weights
    for at in (1, 5, 30, 90):
        expected = np.mean(draws <= at)
        error = np.sqrt(expected * (1 - expected) / len(draws))
        assert abs(chi_square_mixture.cdf(at, weights) - expected) < 4 * error


def test_biggerstaff_tweedie_is_q_profile_when_all_are_equally_precise():
    # Then Q at tau2 is Q at 0 times v / (v + tau2), and both invert the same chi-square.
    equal = FIVE.assign(std_error=0.1)
    limits = [
        pairwise.fit(equal, tau2_intervals=kind).heterogeneity.loc[0, ["lower", "upper"]].astype(float)
        for kind in ("q_profile", "biggerstaff_tweedie")
    ]
    np.testing.assert_allclose(limits[0], limits[1], rtol=1e-8)


def test_biggerstaff_tweedie_covers():
    rng, hits, truth = np.random.default_rng(2), 0, 0.09
    error = np.array([0.1, 0.2, 0.3, 0.15, 0.4, 0.25])
    for _ in range(400):
        frame = pd.DataFrame(
            {
                "label": list("ABCDEF"),
                "estimate": rng.normal(0, np.sqrt(error**2 + truth)),
                "std_error": error,
            }
        )
        row = pairwise.fit(frame, method="DL", tau2_intervals="biggerstaff_tweedie").heterogeneity.iloc[0]
        hits += row["lower"] <= truth <= row["upper"]
    assert abs(hits / 400 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400)


# ---- effect sizes ----------------------------------------------------------------------------------------


def one(**columns):
    return pd.DataFrame({"label": ["A"], **{name: [value] for name, value in columns.items()}})


def test_standard_error_from_a_99_percent_interval():
    table = effect_sizes.fit(one(effect=2.0, lower=1.0, upper=4.0, level=0.99), measure="RATIO").table
    assert table["std_error"].iloc[0] == pytest.approx((np.log(4) - np.log(1)) / (2 * stats.norm.ppf(0.995)))
    assert table["provenance"].iloc[0] == "from the 99 % interval"


def test_standard_error_from_a_p_value_and_from_o_minus_e():
    table = effect_sizes.fit(one(effect=np.exp(0.5), p_value=0.04), measure="RATIO").table
    assert table["std_error"].iloc[0] == pytest.approx(0.5 / stats.norm.ppf(0.98))
    assert table["provenance"].iloc[0] == "from the two-sided p-value"
    table = effect_sizes.fit(one(o_minus_e=-4.0, variance=16.0), measure="RATIO").table
    assert (table["estimate"].iloc[0], table["std_error"].iloc[0]) == pytest.approx((-4 / 16, 1 / 4))


def test_each_study_by_what_it_gives_and_direction_reversed():
    frame = pd.DataFrame(
        {
            "label": ["A", "B"],
            "effect": [0.73, 1.4],
            "lower": [0.53, np.nan],
            "upper": [1.00, np.nan],
            "p_value": [np.nan, 0.01],
            "reverse": [1, 0],
        }
    )
    table = effect_sizes.fit(frame, measure="RATIO").table
    assert list(table["provenance"]) == [
        "from the 95 % interval; direction reversed",
        "from the two-sided p-value",
    ]
    assert np.exp(table["estimate"].iloc[0]) == pytest.approx(1 / 0.73)


def test_a_lopsided_interval_is_flagged_by_name():
    result = effect_sizes.fit(one(effect=2.50, lower=1.53, upper=3.15), measure="RATIO")
    flagged = [check for check in result.checks if check.verdict == "warn"]
    assert flagged[0].observed == "off in A"


def test_published_difference_stays_on_its_scale():
    table = effect_sizes.fit(one(effect=-0.4, lower=-0.6, upper=-0.2), measure="DIFFERENCE").table
    assert table["std_error"].iloc[0] == pytest.approx(0.4 / (2 * stats.norm.ppf(0.975)))


def test_studies_without_events_are_listed_not_lost():
    frame = pd.DataFrame(
        {"label": ["A", "B"], "events_1": [0, 3], "n_1": [9, 30], "events_2": [0, 0], "n_2": [9, 31]}
    )
    result = effect_sizes.fit(frame, measure="OR")
    assert list(result.excluded["label"]) == ["A"]
    assert result.table["provenance"].iloc[0] == "from counts, 0.5 added to every cell"
    kept = effect_sizes.fit(frame, measure="OR", both_zero="keep")
    assert list(kept.table["label"]) == ["A", "B"]
    assert kept.excluded.empty
    assert list(effect_sizes.fit(frame, measure="RD").table["label"]) == ["A", "B"]


def test_peto_warns_of_large_effects_and_lopsided_arms():
    frame = pd.DataFrame({"label": ["A"], "events_1": [20], "n_1": [30], "events_2": [10], "n_2": [300]})
    verdicts = {check.name: check.verdict for check in peto.fit(frame).checks}
    assert verdicts["size of the odds ratio"] == "warn"
    assert verdicts["balance of the arms"] == "warn"
    even = pd.DataFrame({"label": ["A"], "events_1": [10], "n_1": [300], "events_2": [11], "n_2": [300]})
    assert {check.verdict for check in peto.fit(even).checks} == {"pass"}


# ---- choice, influence, Bayes ----------------------------------------------------------------------------


def test_one_call_shows_whether_the_choice_of_estimator_matters():
    table = estimator_choice.fit(FIVE)
    assert len(table.table) == 1 + 11 * 4
    row = table.table[(table.table["method"] == "REML") & (table.table["interval"] == "hartung_knapp")].iloc[
        0
    ]
    alone = pairwise.fit(FIVE, interval="hartung_knapp").pooled.table().iloc[0]
    assert (row["lower"], row["upper"]) == pytest.approx((alone["lower"], alone["upper"]))
    split = estimator_choice.fit(FIVE.assign(estimate=[0.6, 0.1, -0.05, 0.7, 0.3]))
    assert split.checks[0].verdict == "warn"
    clear = estimator_choice.fit(FIVE.assign(estimate=[2.6, 2.1, 2.4, 2.7, 2.3]))
    assert clear.checks[0].verdict == "pass"


def test_leaving_out_a_registry_is_pooling_the_rest():
    result = influence.fit(FIVE, group="registry", order="estimate")
    rest = pairwise.fit(FIVE[FIVE["registry"] != "Y"]).pooled.table().iloc[0]
    row = result.leave_group_out.set_index("label").loc["Y"]
    assert (row["estimate"], row["lower"]) == pytest.approx((rest["estimate"], rest["lower"]))
    assert list(result.cumulative["label"]) == ["C", "B", "E", "A", "D"]


def test_probabilities_agree_with_draws_and_with_quantiles():
    result = bayes.fit(FIVE)
    for of, carrier in (("pooled", result.pooled), ("new study", result.new_study)):
        exact = result.probability(of, above=0)
        assert carrier.probability(of, above=0) == pytest.approx(exact, abs=0.01)
    row = result.summary.set_index("quantity")
    assert result.probability("pooled", below=row.loc["pooled", "upper"]) == pytest.approx(0.975, abs=1e-10)
    assert result.probability("spread", below=row.loc["spread", "lower"]) == pytest.approx(0.025, abs=1e-10)
    assert result.spread.probability("tau", above=0.3) == pytest.approx(
        result.probability("spread", above=0.3), abs=0.01
    )
    assert result.probability("A", above=row.loc["A", "median"]) == pytest.approx(0.5, abs=1e-10)


def test_a_sure_prior_of_no_spread_is_the_common_effect():
    from soa_evidence.priors import Spread, SynthesisPriors

    tiny = SynthesisPriors(
        name="none", effect=None, because="test", spread=Spread(family="uniform", scale=1e-9, because="test")
    )
    row = bayes.fit(FIVE, priors=tiny).summary.iloc[0]
    common = pairwise.fit(FIVE, method="common").pooled.table().iloc[0]
    assert (row["mean"], row["lower"]) == pytest.approx((common["estimate"], common["lower"]), abs=1e-7)


def test_a_half_cauchy_with_two_studies_fails_its_check():
    verdicts = {c.name: c.verdict for c in bayes.fit(TWO, priors="half_cauchy_0_5").checks}
    assert verdicts["posterior standard deviations exist"] == "fail"


def test_priors_compared():
    table = bayes.compare_priors(FIVE, priors=["default", "turner_surgical", "uniform_2"])
    assert list(table["priors"].unique()) == ["default", "turner_surgical", "uniform_2"]
    assert list(table["quantity"].unique()) == ["pooled", "spread", "new study"]


def test_results_show_themselves():
    assert "Hartung" not in pairwise.fit(FIVE, interval="wald")._repr_html_()
    assert "tau2" in pairwise.fit(FIVE)._repr_html_()
    assert "pooled" in bayes.fit(FIVE)._repr_html_()
