"""Rebuilt individual data: arithmetic by hand, what is done where figures contradict, every refusal."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates
from soa_evidence.survival import kaplan_meier
from soa_evidence.synthesis import reconstruct, reconstruct_steps

EXACT = 1e-12

# Ten people: an event at 1 (9/10 left), one censored between 1 and 2, an event at 2 (of 8: 7/8), 7 after.
POINTS = pd.DataFrame({"t": [1.0, 2.0], "s": [0.9, 0.9 * 7 / 8]})
AT_RISK = pd.DataFrame({"time": [0.0, 2.0], "number": [10, 8]})
OPTIONS = {"time": "t", "survival": "s", "at_risk": AT_RISK, "seed": 1, "replicates": 3}


def rebuilt(points=POINTS, **changes):
    return reconstruct.fit(points, **{**OPTIONS, **changes})


def verdicts(result):
    return {check.name: check.verdict for check in result.checks}


def test_ten_people_come_back_one_by_one():
    people = rebuilt().people()
    assert len(people) == 10
    assert people.loc[people["event"] == 1, "time"].tolist() == [1.0, 2.0]
    early = people[(people["event"] == 0) & (people["time"] < 2)]
    assert len(early) == 1  # 10 at risk, one event, 8 at risk: one was censored
    assert 1 <= early["time"].iloc[0] < 2
    assert (people["time"] == 2.0).sum() == 1 + 7  # the event, and those still there when the curve ends


def test_the_rebuilt_curve_is_that_of_kaplan_meier_on_the_same_people():
    result = rebuilt()
    km = kaplan_meier.fit(result.people(), time="time", event="event").curves["all"]
    at = result.curve.time
    assert np.allclose(result.curve.estimate, km.at(list(at))["estimate"], rtol=EXACT)
    plain = rebuilt(point_error=0.0, axis_error=0.0, tilt=0.0)
    assert np.allclose(plain.curve.std_error, km.at(list(at))["std_error"], rtol=1e-9)


def test_reading_errors_widen_the_limits_of_the_curve():
    sure, unsure = (
        rebuilt(point_error=0.0, axis_error=0.0, tilt=0.0),
        rebuilt(point_error=0.05, replicates=20),
    )
    assert (unsure.curve.std_error >= sure.curve.std_error).all()
    assert unsure.curve.std_error[-1] > sure.curve.std_error[-1] * 1.01


def test_the_same_seed_gives_the_same_replicates_and_another_gives_others():
    pd.testing.assert_frame_equal(rebuilt().rows, rebuilt().rows)
    assert not rebuilt(point_error=0.05).rows.equals(rebuilt(point_error=0.05, seed=2).rows)


def test_a_rise_is_averaged_not_cut_off():
    assert reconstruct_steps.isotonic(np.array([0.9, 0.7, 0.8, 0.5])).tolist() == [0.9, 0.75, 0.75, 0.5]
    noisy = pd.DataFrame({"t": [1.0, 1.5, 2.0], "s": [0.88, 0.92, 0.9 * 7 / 8]})
    result = rebuilt(noisy, point_error=0.01)
    assert result.published["published"].tolist()[:2] == [0.9, 0.9]
    assert verdicts(result)["published points that rise"] == "pass"
    assert verdicts(rebuilt(noisy, point_error=0.001))["published points that rise"] == "warn"


def test_a_curve_that_ends_early_is_level_and_says_so():
    at_risk = pd.DataFrame({"time": [0.0, 2.0, 5.0], "number": [10, 8, 3]})
    result = rebuilt(at_risk=at_risk)
    assert result.at_risk["reconstructed"].tolist() == [10, 8, 3]
    assert verdicts(result)["curve that ends before the last number at risk"] == "warn"
    assert result.people()["time"].max() == 5.0
    assert (result.people()["event"] == 1).sum() == 2


def test_nobody_left_at_the_last_time_ends_the_study_there():
    at_risk = pd.DataFrame({"time": [0.0, 2.0, 5.0, 6.0], "number": [10, 8, 0, 0]})
    points = pd.DataFrame({"t": [1.0, 2.0, 4.0, 7.0], "s": [0.9, 0.7875, 0.6, 0.6]})
    result = rebuilt(points, at_risk=at_risk)
    assert result.at_risk["reconstructed"].tolist() == [10, 8, 0]
    assert verdicts(result)["points after nobody was at risk"] == "warn"
    assert "people whose censoring is assumed, not known" not in verdicts(result)
    assert result.people()["time"].max() < 5


def test_without_a_later_number_or_total_the_guess_is_said_to_be_one():
    points = pd.DataFrame({"t": [1.0, 2.0, 3.0], "s": [0.9, 0.7875, 0.6]})
    assert verdicts(rebuilt(points))["people whose censoring is assumed, not known"] == "warn"
    total = rebuilt(points, total_events=4)
    assert "people whose censoring is assumed, not known" not in verdicts(total)
    assert total.replicates["events"].iloc[0] == 4
    assert verdicts(total)["total of events"] == "pass"


def test_the_total_of_events_decides_how_many_were_censored_late():
    # 100 people, one curve, no later number at risk: fewer events mean more censored
    points = pd.DataFrame({"t": [1.0, 2.0, 3.0, 4.0], "s": [0.9, 0.8, 0.7, 0.6]})
    at_risk = pd.DataFrame({"time": [0.0], "number": [100]})
    many, few = (
        rebuilt(points, at_risk=at_risk, total_events=total, point_error=0.001) for total in (38, 25)
    )
    assert many.replicates["events"].iloc[0] == 38
    assert few.replicates["events"].iloc[0] == 25
    assert np.abs(few.published["difference"]).max() < 0.02
    assert verdicts(rebuilt(points, at_risk=at_risk, total_events=90))["total of events"] == "warn"


def test_more_events_than_people_who_leave_is_seen():
    at_risk = pd.DataFrame({"time": [0.0, 1.5], "number": [100, 99]})
    points = pd.DataFrame({"t": [1.0, 2.0], "s": [0.8, 0.7]})
    result = rebuilt(points, at_risk=at_risk)
    assert verdicts(result)["published numbers at risk"] == "warn"
    assert result.at_risk["reconstructed"].tolist() == [100, 99]
    assert verdicts(result)["rebuilt curve against the published one, largest difference"] == "fail"


def test_points_on_a_grid_put_events_halfway():
    steps_, grid = rebuilt(), rebuilt(points_are="grid")
    assert grid.people().query("event == 1")["time"].tolist() == [0.5, 2.0]  # not before its interval's start
    assert steps_.people().query("event == 1")["time"].tolist() == [1.0, 2.0]


def test_top_and_foot_of_a_step_are_one_point():
    both = pd.DataFrame({"t": [0.0, 1.0, 1.0, 2.0, 2.0], "s": [1.0, 1.0, 0.9, 0.9, 0.7875]})
    pd.testing.assert_frame_equal(rebuilt(both).rows, rebuilt().rows)


def test_a_curve_may_reach_nought():
    points = pd.DataFrame({"t": [1.0, 2.0, 3.0], "s": [0.5, 0.25, 0.0]})
    result = rebuilt(points, at_risk=pd.DataFrame({"time": [0.0], "number": [4]}), total_events=4)
    assert result.people()["time"].tolist() == [1.0, 1.0, 2.0, 3.0]
    assert np.isnan(result.curve.upper[-1])


def test_everyone_may_have_the_event_at_once():
    at_risk = pd.DataFrame({"time": [0.0, 2.0], "number": [50, 0]})
    result = rebuilt(pd.DataFrame({"t": [1.0], "s": [0.0]}), at_risk=at_risk, point_error=0.0, axis_error=0.0)
    assert result.replicates["events"].tolist() == [50] * 4


def test_a_total_that_the_curve_contradicts_loses_and_makes_nobody():
    at_risk = pd.DataFrame({"time": [0.0], "number": [50]})
    for total in (1, 49):
        result = rebuilt(at_risk=at_risk, total_events=total)
        assert (result.replicates["people"] == 50).all()
    with pytest.raises(InputError, match=r"less than one event"):
        rebuilt(at_risk=at_risk, total_events=0)


def test_huge_numbers_stay_exact():
    times = np.linspace(1, 20, 100)
    points = pd.DataFrame({"t": times, "s": np.exp(-0.01 * times)})
    at_risk = pd.DataFrame({"time": [0, 5, 10, 15], "number": [2_000_000, 1_500_000, 900_000, 10]})
    result = rebuilt(points, at_risk=at_risk)
    assert result.at_risk["reconstructed"].tolist() == [2_000_000, 1_500_000, 900_000, 10]
    assert len(result.rows) < 2_000  # people of one moment are counted, not listed
    before_the_few = result.published[result.published["time"] < 15]
    fewest = 10_000  # still there just before 15; the curve is right to half a person
    assert np.abs(before_the_few["difference"]).max() < 0.5 / fewest


def test_covariance_of_two_times_is_that_of_the_earlier():
    result = rebuilt(point_error=0.0, axis_error=0.0, tilt=0.0)
    survival, covariance = result.covariance([1.0, 2.0])
    variance = 1 / (10 * 9)  # Greenwood after one event of ten
    assert covariance[0, 1] == pytest.approx(survival[0] * survival[1] * variance, rel=1e-9)
    with pytest.raises(InputError, match=r"reaches from 0 to 2 years; 3 lies outside"):
        result.covariance([3.0])


def test_a_result_shows_itself():
    result = rebuilt(label="Ames 1999")
    assert repr(result).startswith("Reconstruction of Ames 1999: 10 people, 2 events, 3 replicates")
    assert "published curve" not in result._repr_html_()
    with pytest.raises(InputError, match=r"There is no replicate 9; expected .* 0 .* to 3"):
        result.counted(9)


def estimate(value, variance, label="A", **changes):
    check = Check(name="c", verdict="pass", observed="", expected="", why="")
    given = {"estimand": "log hazard ratio", "labels": (label,), "unit": "log", "method": "m"}
    given |= {"interval": "confidence", "checks": (check,)}
    given |= {"mean": np.array([value]), "covariance": np.array([[variance]])}
    return Estimates(**{**given, **changes})


def test_rubin_by_hand():
    found = reconstruct.combine([estimate(1.0, 0.04), estimate(1.2, 0.06), estimate(1.4, 0.05)])
    within, between = 0.05, 0.04
    assert found.mean[0] == pytest.approx(1.2)
    assert found.covariance[0, 0] == pytest.approx(within + (1 + 1 / 3) * between)
    assert found.dof == pytest.approx(2 * (1 + within / ((1 + 1 / 3) * between)) ** 2)
    assert found.checks[-1].verdict == "warn"  # more than half of the variance is reading
    assert reconstruct.combine([estimate(1.0, 0.04)] * 3).dof is None
    draws = np.random.default_rng(1).normal(1.0, 0.2, (500, 1))
    from_draws = estimate(0, 0, mean=None, covariance=None, draws=draws)
    assert reconstruct.combine([from_draws] * 2).covariance[0, 0] == pytest.approx(draws.var(ddof=1))


def test_unlike_estimates_do_not_combine():
    with pytest.raises(InputError, match=r"given 1 estimate\(s\).*at least two"):
        reconstruct.combine([estimate(1, 1)])
    with pytest.raises(InputError, match=r"Estimate 1 is of .* for B .* combine like with like"):
        reconstruct.combine([estimate(1, 1), estimate(1, 1, "B")])


BAD_CURVES = [
    ({"points": [1, 2]}, r"digitised points as a pandas DataFrame; got list"),
    ({"points": POINTS.iloc[:0]}, r"no rows of digitised points"),
    ({"survival": "S"}, r"no column 'S'.*Did you mean 's'"),
    ({"points": POINTS.assign(s=["a", "b"])}, r"Column 's' holds object values"),
    ({"points": POINTS.assign(s=[0.9, np.nan])}, r"Column 's', row 1: nan; expected survival"),
    ({"points": POINTS.assign(s=[90.0, 78.0])}, r"Column 's', row 0: 90;.*percentages\? Divide them by 100"),
    ({"points": POINTS.assign(s=[0.9, -0.4])}, r"Column 's', row 1: -0\.4; expected survival from 0 to 1\."),
    ({"points": POINTS.assign(t=[-1.0, 2.0])}, r"Column 't', row 0: -1; times are counted from 0"),
    ({"points": POINTS.assign(s=1.0)}, r"never falls below 1"),
    ({"points": POINTS.assign(s=0.999)}, r"falls by less than one event"),
    ({"at_risk": AT_RISK.assign(time=[1.0, 2.0])}, r"begin at 1; expected a first row at time 0"),
    ({"at_risk": AT_RISK.assign(time=[0.0, 0.0])}, r"Column 'time', row 1: 0 does not come after 0"),
    ({"at_risk": AT_RISK.assign(number=[8, 10])}, r"row 1: 10 at risk after 8\. Numbers at risk do not rise"),
    ({"at_risk": AT_RISK.assign(number=[10.5, 8])}, r"row 0: 10\.5; expected a whole number of people"),
    ({"at_risk": AT_RISK.assign(number=[0, 0])}, r"nobody is at risk at time 0"),
    ({"at_risk": AT_RISK.rename(columns={"number": "n_risk"})}, r"no column 'number'"),
    ({"total_events": 11}, r"total_events is 11; .* 0 to the 10 at risk"),
    ({"point_error": -0.1}, r"point_error is -0\.1; expected a standard deviation"),
    ({"point_error": 0.5}, r"point_error is 0\.5: a fifth of the whole axis"),
    ({"time_error": np.nan}, r"time_error is nan"),
    ({"replicates": 1}, r"replicates is 1; expected at least 2"),
    ({"seed": -1}, r"seed=-1: expected a whole number from 0 to"),
    ({"level": 95}, r"level is 95.*Give 95 % as 0\.95"),
    ({"points_are": "step"}, r"points_are is 'step'\. Did you mean 'steps'"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_CURVES, ids=[m[:30] for _, m in BAD_CURVES])
def test_bad_curves_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        rebuilt(**changes)
