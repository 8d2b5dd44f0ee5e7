"""Waits, lists and the capacity they take: arithmetic by hand, simulation, bad input."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.pathways import (
    capacity_needed,
    queue_forecast,
    queue_simulation,
    reported_wait,
    waiting_flow,
    waiting_times,
)

WAITS = pd.DataFrame(
    {"weeks": [1, 1, 2, 2, 3, 3, 3, 3], "outcome": ["treated", "removed"] * 2 + ["treated"] * 3 + ["waiting"]}
)


def test_shares_by_hand():
    found = waiting_times.fit(WAITS, weeks="weeks", outcome="outcome", seed=1)
    assert found.treated.estimate == pytest.approx([1 / 8, 1 / 8 + 6 / 8 / 6, 2 / 8 + 4 / 8 * 3 / 4])
    assert found.removed.estimate == pytest.approx([1 / 8, 2 / 8, 2 / 8])
    assert found.waiting.estimate == pytest.approx([6 / 8, 4 / 8, 1 / 8])
    assert found.waiting.std_error[0] == pytest.approx(np.sqrt(6 / 8 * 2 / 8 / 8))
    assert found.checks[-1].verdict == "warn"  # three quarters are never treated
    assert "treated" in repr(found)
    assert "<table" in found._repr_html_()


def test_who_is_lost_within_a_band_counts_for_half():
    frame = pd.DataFrame(
        {"weeks": [0.5, 0.5, 1.0, 1.0], "outcome": ["waiting", "waiting", "treated", "treated"]}
    )
    found = waiting_times.fit(frame, weeks="weeks", outcome="outcome", seed=1)
    assert found.treated.estimate[-1] == pytest.approx(2 / 3)


def test_stock_and_flow_by_hand():
    frame = pd.DataFrame(
        {"count": [0, 0, 1, 1], "band": [0, 1, 0, 1], "waiting": [100, 40, 90, 60], "treated": [30, 25, 0, 0],
         "added": [0, 0, 100, 0]}
    )  # fmt: skip
    put = {"count": "count", "band": "band", "waiting": "waiting", "treated": "treated", "seed": 1}
    found = waiting_flow.fit(frame, **put)
    assert found.treated.estimate == pytest.approx([0.30, 0.30 + 0.60 * 25 / 40])
    assert found.removed.estimate == pytest.approx([0.10, 0.10 + 0.60 * 15 / 40])
    late = waiting_flow.fit(frame, additions="added", **put)
    assert late.removed.estimate[0] == pytest.approx(0.10)  # 100 added, 90 left at the count
    assert late.treated.estimate[1] == pytest.approx(0.90 * 0.30)


def fixed(**more):
    return {
        "waiting": 100, "referrals": 10, "capacity": 10, "weeks": 20, "order": "longest first", "seed": 1,
        "dispersion": 0, "draws": 100, **more,
    }  # fmt: skip


def test_fixed_flows_are_arithmetic():
    same = queue_forecast.fit(**fixed())
    assert same.waiting.table()["estimate"].iloc[0] == 100
    assert same.wait.table()["estimate"].iloc[0] == pytest.approx(10 + 0.5, abs=0.51)  # list over flow
    less = queue_forecast.fit(**fixed(capacity=12, report=[5, 20]))
    assert less.waiting.table()["estimate"].tolist() == pytest.approx([100 - 10, 100 - 40])
    grows = queue_forecast.fit(**fixed(referrals=11))
    assert grows.waiting.table()["estimate"].iloc[0] == pytest.approx(120)
    assert grows.checks[1].verdict == "warn"
    assert same.balance.table()["estimate"].tolist() == pytest.approx([200, 200, 0])
    assert "<table" in same._repr_html_()


def test_capacity_by_week_and_people_by_weeks_waited():
    found = queue_forecast.fit(**fixed(waiting=[5, 0, 20], capacity=[0] * 10 + [30] * 10))
    assert found.weeks["estimate"].iloc[9] == pytest.approx(25 + 100)


def test_at_random_the_list_is_as_long_but_waits_differ():
    first = queue_forecast.fit(**fixed(weeks=60, window=20))
    anyone = queue_forecast.fit(**fixed(weeks=60, window=20, order="random"))
    assert anyone.waiting.table()["estimate"].iloc[0] == first.waiting.table()["estimate"].iloc[0]
    assert anyone.wait.table()["estimate"].iloc[0] == pytest.approx(10 * np.log(2), rel=0.12)
    assert anyone.wait.table()["estimate"].iloc[1] > 20


def test_flows_have_the_mean_and_variance_asked_for():
    chance = np.random.default_rng(1).random((400, 100))
    for dispersion in (1.0, 2.5):
        made = queue_simulation.flows(np.full((400, 100), 20.0), dispersion, chance)
        assert made.mean() == pytest.approx(20, rel=0.01)
        assert made.var() / made.mean() == pytest.approx(dispersion, rel=0.05)


def test_removals_are_the_share_asked_for():
    found = queue_forecast.fit(
        **fixed(waiting=10_000, removal=0.02, referrals=0, capacity=1, weeks=10, window=10)
    )
    assert found.balance.table()["estimate"].iloc[2] == pytest.approx(10_000 * (1 - 0.98**10), rel=0.01)


def test_capacity_needed_by_hand_and_by_the_forecast():
    # 100 wait, 10 join a week: those seen in week 20 have waited 5 weeks when 4 weeks' referrals still wait.
    put = {key: value for key, value in fixed().items() if key != "capacity"}
    found = capacity_needed.fit(capacity_now=10, target_weeks=5.5, share=0.5, window=1, **put)
    least = found.at.table()["estimate"].iloc[0]
    for capacity, met in ((least + 0.1, True), (least - 0.6, False)):
        wait = queue_forecast.fit(**fixed(capacity=capacity, shares=[0.5], window=1)).wait.table()
        assert (wait["estimate"].iloc[0] <= 5.5 + 1e-9) is met or (wait["estimate"].iloc[0] <= 5.5) == met
    assert 12 < least < 14  # about 100 + 190 - 50 people in 20 weeks
    assert [check.verdict for check in found.checks] == ["pass", "warn"]
    assert "<table" in found._repr_html_()


def test_capacity_rises_with_the_certainty_asked_for():
    put = {key: value for key, value in fixed(dispersion=1, rate_error=0.05).items() if key != "capacity"}
    found = capacity_needed.fit(capacity_now=10, target_weeks=5, **put)
    assert (np.diff(found.at.table()["estimate"]) > 0).all()


def test_a_reported_wait_by_hand():
    put = {"per_week": (30, 30), "seed": 1, "rounded_to": 0}
    usual = reported_wait.fit(weeks=10, meaning="usual", **put)
    assert usual.waiting.table()["estimate"].tolist() == pytest.approx([300, 300 / np.log(2)])
    longest = reported_wait.fit(weeks=26, meaning="longest", **put)
    assert longest.longest.table()["estimate"].tolist() == pytest.approx([26, 26])
    mean = longest.waiting.table()["estimate"].iloc[1] / 30
    n = round(30 * mean)
    assert mean * (1 / np.arange(1, n + 1)).sum() == pytest.approx(26, rel=0.01)
    assert longest.checks[0].verdict == "warn"
    assert "<table" in longest._repr_html_()


def test_a_reported_wait_agrees_with_simulation():
    rng = np.random.default_rng(4)
    mean, rate = 5.0, 30.0
    seen = [rng.exponential(mean, rng.poisson(rate * mean)).max() for _ in range(4000)]
    found = reported_wait.fit(
        weeks=mean * np.log(2), meaning="usual", per_week=(rate, rate), seed=1, rounded_to=0
    )
    assert np.mean(seen) == pytest.approx(found.longest.table()["estimate"].iloc[1], rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weeks": "week"}, "no column 'week'.*Did you mean 'weeks'"),
        ({"frame": WAITS.assign(weeks=-1)}, "expected a number 0 or more"),
        ({"frame": WAITS.assign(outcome="treatd")}, "'treatd'; expected treated.*Did you mean 'treated'"),
        ({"band": 0}, "band=0"),
        ({"shares": [1.5]}, "above 0 and below 1"),
        ({"draws": 5}, "at least 100"),
        ({"frame": WAITS.assign(outcome="removed")}, "Nobody was treated"),
    ],
)
def test_bad_waits_are_told(change, message):
    put = {"frame": WAITS, "weeks": "weeks", "outcome": "outcome", "seed": 1, **change}
    with pytest.raises(InputError, match=message):
        waiting_times.fit(put.pop("frame"), **put)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [(0, 0, 10, 1), (0, 1, 5, 1), (1, 0, 9, 0), (1, 1, 12, 0)],
            "Count 0, band 0: more people in the next",
        ),
        ([(0, 0, 10, 8), (0, 1, 5, 1), (1, 0, 9, 0), (1, 1, 5, 0)], "more people treated than left"),
        ([(0, 0, 10, 1), (0, 0, 5, 1)], "band 0 twice"),
        ([(0, 0, 10, 1), (2, 0, 5, 1)], "at least two counts, one apart"),
        ([(0, 0, 10, 1), (1, 1, 5, 1)], "every band from 0 up"),
        ([(0, 0, 10.5, 1), (1, 0, 5, 1)], "expected a whole number"),
        ([(0, 0, 0, 0), (1, 0, 5, 1)], "Nobody waits in band 0"),
    ],
)
def test_bad_counts_are_told(rows, message):
    frame = pd.DataFrame(rows, columns=["count", "band", "waiting", "treated"])
    put = {"count": "count", "band": "band", "waiting": "waiting", "treated": "treated", "seed": 1}
    with pytest.raises(InputError, match=message):
        waiting_flow.fit(frame, **put)
    with pytest.raises(InputError, match="weeks_per_band=0"):
        waiting_flow.fit(frame, weeks_per_band=0, **put)


def test_more_in_the_first_band_than_were_added_is_told():
    rows = [(0, 0, 10, 1, 0), (0, 1, 5, 1, 0), (1, 0, 9, 0, 4), (1, 1, 5, 0, 0)]
    frame = pd.DataFrame(rows, columns=["count", "band", "waiting", "treated", "added"])
    put = {"count": "count", "band": "band", "waiting": "waiting", "treated": "treated", "seed": 1}
    with pytest.raises(InputError, match="At count 1 more people are in band 0"):
        waiting_flow.fit(frame, additions="added", **put)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": "longest"}, "Did you mean 'longest first'"),
        ({"weeks": 0}, "weeks=0"),
        ({"removal": 1.0}, "removal=1.0"),
        ({"dispersion": 0.5}, "dispersion=0.5"),
        ({"rate_error": -0.1}, "rate_error=-0.1"),
        ({"window": 30}, "window=30"),
        ({"draws": 9}, "draws=9"),
        ({"referrals": [1, 2]}, "referrals: expected one number, or 20"),
        ({"capacity": -1}, "capacity: expected one number"),
        ({"capacity": 0}, "nobody would be treated"),
        ({"waiting": 3.5}, "whole numbers of people"),
        ({"waiting": [[1, 2]]}, "people by whole weeks waited"),
        ({"report": [99]}, "weeks from 1 to 20"),
        ({"shares": []}, "above 0 and below 1"),
        ({"waiting": 0, "referrals": 0}, "nobody is treated in the last 4 weeks"),
    ],
)
def test_bad_lists_are_told(change, message):
    with pytest.raises(InputError, match=message):
        queue_forecast.fit(**fixed(**change))


def test_bad_targets_are_told():
    put = {key: value for key, value in fixed().items() if key != "capacity"}
    with pytest.raises(InputError, match="target_weeks=1"):
        capacity_needed.fit(capacity_now=10, target_weeks=1, **put)
    with pytest.raises(InputError, match="probabilities="):
        capacity_needed.fit(capacity_now=10, target_weeks=5, probabilities=[2], **put)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"meaning": "usul"}, "Did you mean 'usual'"),
        ({"weeks": 0.2}, "above half its rounding"),
        ({"per_week": (5, 1)}, "in order"),
        ({"draws": 1}, "at least 100"),
    ],
)
def test_bad_reports_are_told(change, message):
    with pytest.raises(InputError, match=message):
        reported_wait.fit(**{"weeks": 10, "meaning": "usual", "per_week": (20, 40), "seed": 1, **change})
