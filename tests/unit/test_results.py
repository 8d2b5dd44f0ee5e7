import dataclasses

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import CheckFailedError, InputError
from soa_evidence.results import (
    TABLE_COLUMNS,
    Check,
    Curve,
    Estimates,
    checks_frame,
    combine_verdicts,
    none_missing,
    require_passed,
)

EXACT = 1e-12  # arithmetic on a few numbers


def a_check(verdict="pass", name="R-hat"):
    return Check(name=name, verdict=verdict, observed="1.20", expected="at most 1.01", why="Chains agree.")


def estimates(**changes):
    given = {
        "estimand": "log risk ratio",
        "labels": ("one", "two"),
        "unit": "log risk ratio",
        "method": "toy",
        "interval": "credible",
        "checks": (a_check(),),
    }
    if not {"mean", "covariance", "draws"} & set(changes):
        changes["draws"] = [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]]
    return Estimates(**{**given, **changes})


def moments(**changes):
    return estimates(**{"mean": [1.0, 2.0], "covariance": [[4.0, 1.0], [1.0, 9.0]], **changes})


def curve(**changes):
    given = {
        "estimand": "survival",
        "label": "hip",
        "time_unit": "years",
        "method": "toy",
        "time": [1.0, 2.0, 4.0],
        "estimate": [0.9, 0.8, 0.6],
        "lower": [0.8, 0.7, 0.4],
        "upper": [1.0, 0.9, 0.8],
        "std_error": [0.05, 0.05, 0.1],
        "at_risk": [10, 9, 4],
        "events": [1, 1, 1],
        "level": 0.95,
        "interval": "confidence",
        "checks": (a_check(),),
    }
    return Curve(**{**given, **changes})


# Checks


def test_a_check_with_an_unknown_verdict_is_refused():
    with pytest.raises(InputError, match="Check 'R-hat' has verdict 'ok'; use 'pass', 'warn' or 'fail'"):
        a_check("ok")


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [([], "pass"), (["pass"], "pass"), (["warn", "pass"], "warn"), (["pass", "fail", "warn"], "fail")],
)
def test_the_worst_verdict_counts(verdicts, worst):
    assert combine_verdicts(map(a_check, verdicts)) == worst


def test_checks_are_tabled_one_a_row():
    table = checks_frame([a_check("warn")])
    assert list(table.columns) == ["name", "verdict", "observed", "expected", "why"]
    assert table.iloc[0].tolist() == ["R-hat", "warn", "1.20", "at most 1.01", "Chains agree."]
    assert checks_frame([]).empty


def test_a_failed_check_stops_publication_and_every_failure_is_named():
    require_passed([a_check(), a_check("warn")], "the report")
    with pytest.raises(
        CheckFailedError,
        match=r"the report may not be published. Failed: R-hat: observed 1.20, expected at most 1.01; ESS:",
    ):
        require_passed([a_check("fail"), a_check(), a_check("fail", name="ESS")], "the report")


# Estimates from draws


def test_the_table_of_draws_is_their_mean_spread_and_quantiles():
    table = estimates().table(level=0.5)
    assert list(table.columns) == TABLE_COLUMNS
    one = table.iloc[0]
    assert one["estimate"] == pytest.approx((1 + 2 + 3 + 4) / 4, abs=EXACT)
    assert one["std_error"] == pytest.approx(np.sqrt((1.5**2 + 0.5**2 + 0.5**2 + 1.5**2) / 3), abs=EXACT)
    assert (one["lower"], one["upper"]) == (1 + 0.25 * 3, 1 + 0.75 * 3)
    assert (one["level"], one["interval"], one["label"]) == (0.5, "credible", "one")


def test_the_centre_may_be_the_median():
    draws = [[0.0, 0.0], [1.0, 1.0], [8.0, 8.0]]
    assert estimates(draws=draws).table()["estimate"].tolist() == [3.0, 3.0]
    assert estimates(draws=draws, centre="median").table()["estimate"].tolist() == [1.0, 1.0]


def test_a_transform_of_draws_is_made_before_they_are_summarised():
    draws = np.log([[1.0, 1.0], [3.0, 9.0]])
    table = estimates(draws=draws).table(transform="exp")
    assert table["estimand"].unique().tolist() == ["risk ratio"]
    assert table["estimate"].tolist() == pytest.approx([(1 + 3) / 2, (1 + 9) / 2])
    assert estimates(draws=draws).table(transform=lambda x: 1000 * x)["estimate"].iloc[0] == pytest.approx(
        1000 * np.log(3) / 2
    )


def test_one_draw_has_no_standard_error():
    assert np.isnan(estimates(draws=[[1.0, 2.0]]).table()["std_error"]).all()


def test_draws_of_a_label_and_probabilities():
    made = estimates()
    assert made.of("two").tolist() == [10, 20, 30, 40]
    assert made.probability("one", above=1.5) == 3 / 4
    assert made.probability("one", below=1.0) == 0
    with pytest.raises(InputError, match="needs exactly one of above= or below="):
        made.probability("one")
    with pytest.raises(InputError, match="needs exactly one of above= or below="):
        made.probability("one", above=0, below=1)


def test_selection_keeps_order_and_names_the_nearest_when_unknown():
    assert estimates().select(["two"]).draws.tolist() == [[10], [20], [30], [40]]
    assert moments().select(["two", "one"]).covariance.tolist() == [[9, 1], [1, 4]]
    with pytest.raises(InputError, match=r"has no label 'tow'. Did you mean 'two'\? Known: one, two."):
        estimates().select(["tow"])
    with pytest.raises(InputError, match="repeat the label 'one'"):
        estimates().select(["one", "one"])


def test_draws_are_handed_on_jointly_whatever_their_number():
    made = estimates()
    assert made.sample(4, seed=0).tolist() == made.draws.tolist()
    assert made.sample(2, seed=0).tolist() == [[1, 10], [4, 40]]
    more = made.sample(50, seed=0)
    assert (more[:, 1] == 10 * more[:, 0]).all()
    assert set(more[:, 0]) == {1, 2, 3, 4}
    with pytest.raises(InputError, match="asked for 0 draws"):
        made.sample(0, seed=0)


def test_arrays_are_copies_that_cannot_be_written():
    given = np.array([[1.0, 2.0], [3.0, 4.0]])
    made = estimates(draws=given)
    given[0, 0] = 99
    assert made.draws[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        made.draws[0, 0] = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.unit = "another"


# Estimates from moments


def test_the_table_of_moments_is_normal_or_t():
    table = moments().table()
    assert table["lower"].tolist() == pytest.approx([1 - 1.959963985 * 2, 2 - 1.959963985 * 3])
    assert table["std_error"].tolist() == [2, 3]
    wide = moments(dof=4).table()
    assert wide["upper"].iloc[0] == pytest.approx(1 + 2.776445105 * 2)
    shown = moments().table(transform="exp")
    assert shown["upper"].iloc[0] == pytest.approx(np.exp(1 + 1.959963985 * 2))
    assert shown["std_error"].tolist() == [2, 3]  # stays on the analysis scale


def test_moments_are_sampled_jointly_and_the_same_each_time():
    draws = moments().sample(40_000, seed=3)
    np.testing.assert_array_equal(draws, moments().sample(40_000, seed=3))
    # Four Monte Carlo standard errors: 4 * 3 / 200 for the means, about 4 * sqrt(2) * 9 / 200 for variances.
    assert draws.mean(axis=0) == pytest.approx([1, 2], abs=0.06)
    assert np.cov(draws.T).ravel() == pytest.approx([4, 1, 1, 9], abs=0.26)


def test_a_t_distribution_has_heavier_tails():
    normal, heavy = moments().sample(20_000, seed=1), moments(dof=3).sample(20_000, seed=1)
    assert (np.abs(heavy[:, 0] - 1) > 6).mean() > 3 * (np.abs(normal[:, 0] - 1) > 6).mean()


def test_a_singular_covariance_is_allowed():
    draws = moments(covariance=[[1.0, 1.0], [1.0, 1.0]]).sample(100, seed=0)
    assert draws[:, 1] - draws[:, 0] == pytest.approx(np.ones(100))


def test_moments_have_no_draws():
    with pytest.raises(InputError, match="holds a mean and covariance, not draws; use sample"):
        moments().of("one")


# What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("one", "one")}, "repeat the label 'one'; labels must be unique"),
        ({"checks": ()}, "carry no checks; a result must say how it was checked"),
        (
            {"interval": "bayesian"},
            "interval is 'bayesian'; expected one of confidence, credible, Monte Carlo",
        ),
        ({"centre": "mode"}, "centre is 'mode'; expected 'mean' or 'median'"),
        ({"draws": None}, "need either draws, or mean with covariance"),
        ({"draws": [[1.0, 2.0]], "mean": [1.0, 2.0]}, "need either draws, or mean with covariance"),
        ({"draws": [1.0, 2.0]}, r"has 1 dimensions \(shape \(2,\)\); expected 2"),
        ({"draws": [[1.0], [2.0]]}, "have 2 rows and 1 columns; .* a column for each of 2 labels"),
        ({"draws": np.empty((0, 2))}, "have 0 rows and 2 columns; expected at least one row"),
        ({"draws": [[1.0, np.nan]]}, "for 'two' hold values that are not finite"),
        ({"draws": [[np.inf, 0.0]]}, "for 'one' hold values that are not finite"),
        ({"mean": [1.0, 2.0]}, "give a mean without a covariance"),
        ({"mean": [1.0], "covariance": [[1.0]]}, "do not fit 2 labels"),
        ({"mean": [1.0, np.nan], "covariance": np.eye(2)}, "mean or covariance holds values that are not"),
        ({"mean": [1.0, 2.0], "covariance": [[1.0, 0.5], [0.0, 1.0]]}, "is not symmetric"),
        ({"mean": [1.0, 2.0], "covariance": [[1.0, 2.0], [2.0, 1.0]]}, "has a negative eigenvalue"),
        (
            {"mean": [1.0, 2.0], "covariance": np.eye(2), "dof": 0},
            "dof is 0; degrees of freedom must be above",
        ),
    ],
)
def test_estimates_that_cannot_be_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        estimates(**changes)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan")])
def test_a_level_outside_0_to_1_is_refused(level):
    with pytest.raises(InputError, match=r"expected a number above 0 and below 1, such as 0.95"):
        estimates().table(level=level)


def test_estimates_show_themselves_as_text_and_as_a_page_with_hostile_labels_made_harmless():
    made = estimates(labels=("<script>x</script>", "two"), checks=(a_check("warn"),))
    assert "log risk ratio (log risk ratio; credible 95 %; toy)" in repr(made)
    page = made._repr_html_()
    assert "<script>" not in page
    assert "checks: warn" in page
    assert "at most 1.01" in page
    assert len(made) == 2


# Curves


def test_a_curve_is_a_step_function_continuous_from_the_right():
    at = curve().at([0.0, 0.999, 1.0, 3.9, 4.0])
    assert at["estimate"].tolist() == [1.0, 1.0, 0.9, 0.8, 0.6]
    assert at["std_error"].tolist() == [0, 0, 0.05, 0.05, 0.1]
    assert at["time"].tolist() == [0.0, 0.999, 1.0, 3.9, 4.0]
    incidence = curve(estimand="cumulative incidence", cause="infection").at([0.5])
    assert incidence["estimate"].tolist() == [0.0]
    assert incidence["cause"].tolist() == ["infection"]


@pytest.mark.parametrize("time", [4.01, -0.1, float("nan")])
def test_a_curve_says_nothing_where_it_was_not_observed(time):
    with pytest.raises(InputError, match=r"known from 0 to 4 years; .* lies outside"):
        curve().at([time])


def test_an_empty_curve_has_no_value_anywhere():
    empty = {k: [] for k in ("time", "estimate", "lower", "upper", "std_error", "at_risk", "events")}
    with pytest.raises(InputError, match="is empty"):
        curve(**empty).at([0.0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimand": "survivel"}, r"cannot estimate 'survivel'. Did you mean 'survival'\?"),
        ({"checks": ()}, "the curve for 'hip' carries no checks"),
        ({"events": [1, 1]}, "events and time differ in length"),
        ({"time": [1.0, 1.0, 2.0]}, "times must increase strictly"),
        ({"time": [1.0, 2.0, np.nan]}, "a time or an estimate is not finite"),
        ({"estimate": [0.9, np.nan, 0.6]}, "a time or an estimate is not finite"),
        ({"upper": [0.85, 0.9, 0.8]}, "does not enclose its estimate"),
        ({"lower": [0.8, 0.85, 0.4]}, "does not enclose its estimate"),
        ({"estimate": [1.1, 0.8, 0.6], "upper": [1.2, 0.9, 0.8]}, "a probability lies outside 0 to 1"),
        ({"time": [[1.0, 2.0, 4.0]]}, r"time of curve 'hip' has 2 dimensions"),
    ],
)
def test_curves_that_cannot_be_are_refused(changes, message):
    with pytest.raises(InputError, match=f"(?i){message}"):
        curve(**changes)


def test_a_hazard_may_exceed_one_and_unknown_limits_are_allowed():
    high = curve(estimand="cumulative hazard", estimate=[0.5, 1.0, 2.0], lower=[0.1, 0.5, 1], upper=[1, 2, 3])
    assert high.at([0.0, 4.0])["estimate"].tolist() == [0.0, 2.0]
    assert np.isnan(curve(lower=[0.8, 0.7, np.nan]).table()["lower"].iloc[-1])


def test_a_curve_shows_itself_harmlessly():
    made = curve(label="<b>")
    assert repr(made) == "survival of <b> (3 times, years; toy)"
    assert "<b>" not in made._repr_html_()
    with pytest.raises(ValueError, match="read-only"):
        made.estimate[0] = 1


@pytest.mark.parametrize(
    ("values", "verdict", "missing"), [(["a", "b"], "pass", 0), (["a", None], "fail", 1)]
)
def test_a_check_that_nothing_is_missing(values, verdict, missing):
    found = none_missing(pd.Series(values), name="every unit has a class", why="It would be left out.")
    assert (found.name, found.verdict, found.why) == (
        "every unit has a class", verdict, "It would be left out."
    )  # fmt: skip
    assert (found.observed, found.expected) == (f"{missing} without", "none without")
