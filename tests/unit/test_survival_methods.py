"""Survival by hand: tiny frames, expected values written as arithmetic, and the checks that stop a curve."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from soa_evidence.results import combine_verdicts
from soa_evidence.survival import (
    cox,
    cumulative_incidence,
    kaplan_meier,
    logrank,
    nelson_aalen,
    rates,
)

# Five hips: revised at 1 and 3 (twice), one lost at 3 and one at 4.
FIVE = pd.DataFrame({"years": [1, 3, 3, 3, 4], "revised": [1, 1, 1, 0, 0], "cause": [1, 2, 1, 0, 0]})
BASIC = {"time": "years", "event": "revised"}


def test_kaplan_meier_by_hand():
    curve = kaplan_meier.fit(FIVE, **BASIC).curves["all"]
    assert curve.time.tolist() == [1, 3, 4]
    assert curve.at_risk.tolist() == [5, 4, 1]
    assert curve.estimate == pytest.approx([4 / 5, 4 / 5 * 2 / 4, 4 / 5 * 2 / 4])
    greenwood = 1 / (5 * 4) + 2 / (4 * 2)
    assert curve.std_error[1] == pytest.approx(2 / 5 * np.sqrt(greenwood))


def test_reading_a_curve_counts_those_at_risk_just_before_and_events_so_far():
    found = kaplan_meier.fit(FIVE, **BASIC).at([0, 2, 3, 3.5])
    assert found["estimate"].tolist() == pytest.approx([1, 0.8, 0.4, 0.4])
    assert found["at_risk"].tolist() == [5, 4, 4, 1]
    assert found["events"].tolist() == [0, 1, 3, 3]


def test_quantile_of_a_level_stretch_is_its_middle():
    frame = pd.DataFrame({"years": [1, 2, 3, 4], "revised": [1, 1, 1, 1]})
    found = kaplan_meier.fit(frame, **BASIC).quantiles([0.5, 0.6])
    assert found["time"].tolist() == [2.5, 3]


def test_restricted_mean_by_hand():
    found = kaplan_meier.fit(FIVE, **BASIC).restricted_mean(4)
    assert found.mean.mean[0] == pytest.approx(1 + 2 * 0.8 + 1 * 0.4)
    after_1, after_3 = 2 * 0.8 + 1 * 0.4, 1 * 0.4
    assert found.mean.covariance[0, 0] == pytest.approx(after_1**2 / (5 * 4) + after_3**2 * 2 / (4 * 2))


def test_restricted_means_compared():
    two = pd.concat([FIVE.assign(unit="a"), FIVE.assign(unit="b", years=FIVE["years"] * 2)])
    found = kaplan_meier.fit(two, **BASIC, by="unit").restricted_mean(4)
    a, b = found.mean.mean
    assert found.difference("a").mean[0] == pytest.approx(b - a)
    assert found.log_ratio("a").table(transform="exp")["estimate"][0] == pytest.approx(b / a)
    variance = np.diag(found.mean.covariance)
    assert found.difference("a").covariance[0, 0] == pytest.approx(variance.sum())
    assert found.log_ratio("a").covariance[0, 0] == pytest.approx((variance / np.square([a, b])).sum())


def test_nelson_aalen_by_hand():
    assert nelson_aalen.fit(FIVE, **BASIC).curves["all"].estimate[1] == pytest.approx(1 / 5 + 2 / 4)
    one_by_one = nelson_aalen.fit(FIVE, **BASIC, ties="fleming_harrington").curves["all"]
    assert one_by_one.estimate[1] == pytest.approx(1 / 5 + 1 / 4 + 1 / 3)


def test_cumulative_incidence_by_hand():
    found = cumulative_incidence.fit(FIVE, time="years", event="cause", causes={1: "wear", 2: "infection"})
    assert found.curves["all", "wear"].estimate == pytest.approx([1 / 5, 1 / 5 + 4 / 5 / 4, 0.4])
    assert found.curves["all", "infection"].estimate == pytest.approx([0, 4 / 5 / 4, 0.2])
    assert found.total["all"].estimate == pytest.approx([0.2, 0.6, 0.6])
    net = found.net_and_crude("wear", [3]).iloc[0]
    assert net["crude"] == pytest.approx(0.4)
    assert net["net"] == pytest.approx(1 - 4 / 5 * 3 / 4)
    assert "if nothing else could happen first" in found.net_and_crude("wear", [3]).attrs["questions"]["net"]
    assert found.net("wear")["all"].estimand == "net failure (1 - Kaplan-Meier)"


def test_logrank_by_hand():
    frame = pd.DataFrame({"years": [1, 2, 3, 4], "revised": [1, 1, 0, 0], "unit": ["a", "b", "a", "b"]})
    found = logrank.fit(frame, **BASIC, by="unit")
    expected_a = 2 / 4 + 1 / 3
    variance = 2 / 4 * 2 / 4 + 1 / 3 * 2 / 3
    assert found.table["expected"][0] == pytest.approx(expected_a)
    assert found.statistic == pytest.approx((1 - expected_a) ** 2 / variance)
    assert logrank.test is logrank.fit


def test_rate_by_hand_and_with_no_events():
    frame = pd.DataFrame({"years": [200.0, 50.0], "revised": [4, 0], "unit": ["a", "b"]})
    found = rates.fit(frame, years="years", events="revised", by="unit", per=100)
    table = found.table()
    assert table["estimate"].tolist() == [2.0, 0.0]
    assert table["upper"][1] == pytest.approx(-np.log(0.025) / 50 * 100)
    assert table["lower"][1] == 0
    assert table["std_error"][1] > 0
    assert combine_verdicts(found.checks) == "warn"


def test_cox_with_one_event_of_two_people_has_the_likelihood_of_a_coin():
    frame = pd.DataFrame(
        {
            "years": [1.0, 2.0, 1.5, 2.5],
            "revised": [1, 0, 1, 0],
            "x": [0, 1, 1, 0],
            "pair": ["p", "p", "q", "q"],
        }
    )
    found = cox.fit(frame, **BASIC, covariates=["x"], strata="pair")
    assert found.coefficients[0] == pytest.approx(0, abs=1e-12)
    assert found.log_likelihood == pytest.approx(2 * np.log(1 / 2))
    # Each pair: information p (1 - p) = 1/4.
    assert found.covariance[0, 0] == pytest.approx(1 / (1 / 4 + 1 / 4))


def test_a_risk_set_emptied_before_others_enter_fails_its_check():
    frame = pd.DataFrame({"years": [2.0, 9.0, 9.5], "revised": [1, 1, 0], "entered": [0.0, 3.0, 4.0]})
    found = kaplan_meier.fit(frame, **BASIC, entry="entered")
    assert found.curves["all"].estimate.tolist() == [0, 0, 0]
    (check,) = [c for c in found.checks if c.name.startswith("risk set emptied")]
    assert check.verdict == "fail"
    assert check.observed == "all at 2"


def test_times_apart_by_rounding_alone_are_tied():
    frame = FIVE.assign(years=[0.1, 0.1 + 0.2, 0.3, 0.3, 0.4])
    found = kaplan_meier.fit(frame, **BASIC)
    assert found.curves["all"].events.tolist() == [1, 2, 0]
    assert any(c.name.startswith("times joined") for c in found.checks)


def test_an_event_on_the_day_of_surgery_counts():
    frame = FIVE.assign(years=[0, 3, 3, 3, 4])
    assert kaplan_meier.fit(frame, **BASIC).at([0])["estimate"][0] == pytest.approx(0.8)


def test_many_groups_are_counted_as_few_are():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"years": rng.random(3000), "revised": rng.integers(0, 2, 3000)})
    frame["entered"] = frame["years"] * rng.random(3000)
    frame["unit"] = rng.integers(0, 150, 3000)
    every = kaplan_meier.fit(frame, **BASIC, by="unit", entry="entered")
    for unit in (0, 77, 149):
        alone = kaplan_meier.fit(frame[frame["unit"] == unit], **BASIC, entry="entered").curves["all"]
        np.testing.assert_allclose(every.curves[str(unit)].estimate, alone.estimate, rtol=1e-12)
    by_unit = logrank.fit(frame, **BASIC, by="unit", entry="entered")
    assert by_unit.degrees_of_freedom == 149


def test_importing_survival_loads_neither_numba_nor_a_sampler_nor_a_plotter():
    heavy = "('numba', 'pymc', 'matplotlib')"
    code = f"import sys, soa_evidence.survival; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_results_show_themselves():
    found = kaplan_meier.fit(FIVE, **BASIC)
    assert "3 events in 5 rows" in repr(found)
    assert "events in the group with fewest" in found._repr_html_()
    assert "chi²" in repr(logrank.fit(pd.concat([FIVE.assign(u=1), FIVE.assign(u=2)]), **BASIC, by="u"))
