"""pathways.redesign and saving_forecast: arithmetic, what the readings mean, every error."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.errors import InputError
from soa_evidence.pathways import break_even, redesign, redesign_options, saving_forecast

AS_REPORTED = {
    "activity_change_percent": -20,
    "conversion_before_percent": 51,
    "conversion_after_percent": 78,
    "seed": 1,
}


def exact(**given):
    return redesign.fit(**{**AS_REPORTED, "rounded_to": 0, "draws": 100, **given})


def value(estimates, label):
    return float(estimates.of(label).mean())


def test_activity_that_means_patients_seen_gives_more_operations():
    found = exact()
    assert value(found.seen, "patients seen by a surgeon") == pytest.approx(-20)
    assert value(found.operations, "patients seen by a surgeon") == pytest.approx(100 * (0.8 * 78 / 51 - 1))


def test_activity_that_means_operations_nearly_halves_patients_seen():
    found = exact()
    assert value(found.operations, "operations") == pytest.approx(-20)
    assert value(found.seen, "operations") == pytest.approx(100 * (0.8 * 51 / 78 - 1))


def test_a_patient_seen_who_counts_like_an_operation_is_arithmetic():
    seen = 0.8 * (1 + 0.51) / (1 + 0.78)
    found = exact()
    label = "a patient seen counts like an operation"
    assert value(found.seen, label) == pytest.approx(100 * (seen - 1))
    assert value(found.operations, label) == pytest.approx(100 * (seen * 0.78 / 0.51 - 1))
    assert value(found.operations_per_100, f"after, if activity means {label}") == pytest.approx(78 * seen)
    assert value(found.operations_per_100, "before") == pytest.approx(51)


def test_the_share_passed_on_times_referrals_is_patients_seen():
    passed = exact().passed_on.query("reading == 'patients seen by a surgeon'").set_index("referral_change")
    assert passed.loc[-20, "estimate"] == pytest.approx(1)
    assert passed.loc[0, "estimate"] == pytest.approx(0.8)
    assert passed.loc[-50, "estimate"] == pytest.approx(1.6)


def test_by_weight_runs_from_operations_to_patients_seen():
    table = exact().by_weight
    assert table["operations"].iloc[0] == pytest.approx(-20)
    assert table["seen"].iloc[-1] == pytest.approx(-20)
    assert table["operations"].is_monotonic_increasing


def test_rounding_widens_and_its_limits_are_those_of_the_digits():
    found = redesign.fit(**AS_REPORTED, draws=4000)
    draws = found.operations.of("patients seen by a surgeon")
    assert draws.min() >= 100 * (0.795 * 77.5 / 51.5 - 1)
    assert draws.max() <= 100 * (0.805 * 78.5 / 50.5 - 1)
    assert draws.std() > 0


def test_readings_that_disagree_are_a_warning_and_one_reading_is_not():
    name = "do all readings of activity agree on whether operations rose?"
    assert {c.name: c.verdict for c in exact().checks}[name] == "warn"
    alone = exact(readings={"patients seen": np.inf})
    assert {c.name: c.verdict for c in alone.checks}[name] == "pass"


def test_no_change_of_conversion_moves_all_alike():
    found = exact(conversion_after_percent=51)
    assert found.seen.draws == pytest.approx(np.full((100, 4), -20.0))
    assert {c.name: c.verdict for c in found.checks}["conversion moved"] == "warn"


@settings(max_examples=50, deadline=None)
@given(
    change=st.floats(-90, 200),
    before=st.floats(1, 100),
    after=st.floats(1, 100),
    weight=st.floats(0, 1e6),
)
def test_activity_is_got_back_from_what_it_implies(change, before, after, weight):
    found = exact(
        activity_change_percent=change,
        conversion_before_percent=before,
        conversion_after_percent=after,
        readings={"k": weight},
    )
    seen = 1 + value(found.seen, "k") / 100
    b, a = before / 100, after / 100
    assert seen * (weight + a) / (weight + b) == pytest.approx(1 + change / 100, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activity_change_percent": -100}, "above -100"),
        ({"activity_change_percent": float("nan")}, "above -100"),
        ({"conversion_before_percent": 0}, "conversion_before_percent=0"),
        ({"conversion_after_percent": 178}, "conversion_after_percent=178"),
        ({"rounded_to": -1}, "rounded_to=-1"),
        ({"readings": {}}, "readings= is empty"),
        ({"readings": {"odd": -1}}, "'odd' has weight -1"),
        ({"referral_changes_percent": [-100]}, "holds -100"),
        ({"draws": 10}, "draws=10"),
    ],
)
def test_a_bad_pathway_is_named(change, message):
    with pytest.raises(InputError, match=message):
        redesign.fit(**{**AS_REPORTED, **change})


AREAS = pd.DataFrame({"area": ["N", "S"], "saved": [600.0, 300.0], "forecast": [1200.0, 900.0]})


def forecast(frame=AREAS, **given):
    columns = {"area": "area", "saved_gbp": "saved", "forecast_gbp": "forecast"}
    return saving_forecast.fit(
        frame, **columns, **{"months": (6, 6), "seed": 1, "rounded_to_gbp": 0, "draws": 200, **given}
    )


def test_a_steady_rate_is_carried_on():
    found = forecast()
    assert found.steady.table()["estimate"].tolist() == pytest.approx([1200, 600])
    assert found.full_year.table()["estimate"].tolist() == pytest.approx([1200, 600])
    assert found.faster.table()["estimate"].tolist() == pytest.approx([1, 2])
    assert found.table["months_if_steady"].tolist() == pytest.approx([6, 4])


def test_growth_raises_only_what_is_left_of_the_year():
    assert forecast(growth=(0.5, 0.5)).full_year.table()["estimate"].tolist() == pytest.approx([1500, 750])


def test_the_probability_is_the_share_of_draws_and_never_nought():
    found = forecast(months=(4, 8), draws=4000)
    north = found.probability.table().set_index("label")["estimate"]
    assert north["N"] == pytest.approx(0.5, abs=0.03)  # reached when at most 6 of 4 to 8 months have passed
    assert 0 < north["S"] < 0.01
    assert found.checks[1].verdict == "warn"
    assert "S" in found.checks[1].observed


def test_each_area_may_have_its_own_months():
    found = forecast(months=[(6, 6), (4, 4)])
    assert found.steady.table()["estimate"].tolist() == pytest.approx([1200, 900])
    assert found.checks[1].verdict == "pass"


def test_both_results_show_themselves():
    for found in (exact(), forecast()):
        assert "<table" in found._repr_html_()
        assert "\n" in repr(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": AREAS.drop(columns="saved")}, "no column 'saved'"),
        ({"frame": AREAS.iloc[:0]}, "no rows"),
        ({"frame": AREAS.assign(area="N")}, "names an area twice"),
        ({"frame": AREAS.assign(saved=[1, 0])}, "row 1: '0'"),
        ({"frame": AREAS.assign(forecast=["much", "more"])}, "row 0: 'much'"),
        ({"months": (0, 6)}, "above 0 and below 12"),
        ({"months": (8, 6)}, "in order"),
        ({"months": (6, 12)}, "below 12"),
        ({"months": [(6, 6)] * 3}, "3 ranges for 2 areas"),
        ({"months": "six"}, "expected a range"),
        ({"growth": (-1, 0)}, "above -1"),
        ({"growth": (1, 0)}, "in order"),
        ({"rounded_to_gbp": -5}, "rounded_to_gbp=-5"),
        ({"draws": 1.5}, "draws=1.5"),
    ],
)
def test_a_bad_forecast_is_named(change, message):
    with pytest.raises(InputError, match=message):
        forecast(**change)


LEVERS = pd.DataFrame(
    {"lever": ["a", "b"], "low": [100.0, 500.0], "high": [100.0, 1000.0], "n": [60.0, np.nan]}
)


def needed(frame=LEVERS, **given):
    columns = {"lever": "lever", "saves_low_gbp": "low", "saves_high_gbp": "high"}
    return break_even.fit(frame, **columns, **{"target_gbp": 5000.0, "seed": 1, "draws": 400, **given})


def test_units_needed_are_target_and_cost_over_what_one_saves():
    found = needed(running_cost_gbp=(1000, 1000), available="n")
    assert found.needed.of("a") == pytest.approx(np.full(400, 60.0))
    assert found.needed.of("b").min() >= 6
    assert found.needed.of("b").max() <= 12
    assert found.share.labels == ("a",)
    assert found.share.of("a") == pytest.approx(np.full(400, 100.0))
    assert all(check.verdict == "pass" for check in found.checks)
    assert "60" in repr(found)
    assert "<table" in found._repr_html_()


def test_a_lever_that_is_too_short_is_a_warning():
    assert needed(target_gbp=50_000, available="n").checks[1].verdict == "warn"
    assert needed().share is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": LEVERS.drop(columns="low")}, "no column 'low'"),
        ({"frame": LEVERS.iloc[:0]}, "holds 0 levers"),
        ({"frame": LEVERS.assign(lever="a")}, "each once"),
        ({"frame": LEVERS.assign(low=0.0)}, "Lever 'a' saves 0"),
        ({"frame": LEVERS.assign(high=1.0)}, "in order"),
        ({"target_gbp": 0}, "target_gbp=0"),
        ({"running_cost_gbp": (5, 1)}, "in order"),
        ({"draws": 3}, "draws=3"),
    ],
)
def test_a_bad_lever_is_named(change, message):
    with pytest.raises(InputError, match=message):
        needed(**change)


KNOWN = {
    "target_gbp": 1_000_000,
    "operations": (1000, 1000),
    "price_gbp": (5000, 5000),
    "conversion_percent": (50, 50),
    "attendances": (3, 3),
    "attendance_gbp": (100, 100),
    "avoided_conversion": (0.5, 0.5),
    "other_care_gbp": (500, 500),
    "seed": 1,
}
REFERRALS, INTEGRATOR, ONE = redesign_options.OPTIONS


def options(**given):
    return redesign_options.fit(**{**KNOWN, "draws": 100, **given})


def test_what_each_option_needs_is_arithmetic():
    found = options()
    spent = 1000 * 5000 + 2000 * 3 * 100
    assert value(found.needed, REFERRALS) == pytest.approx(100 * 1e6 / (2000 * (300 + 0.5 * 0.5 * 5000)))
    assert value(found.needed, INTEGRATOR) == pytest.approx(100 * 1e6 / (1000 * 4500))
    assert value(found.needed, ONE) == pytest.approx(100 * 1e6 / spent)
    assert value(found.units, INTEGRATOR) == pytest.approx(1e6 / 4500)
    assert value(found.units, ONE) == pytest.approx(1e6)
    assert [value(found.base, name) for name in redesign_options.OPTIONS] == pytest.approx(
        [2000, 1000, spent]
    )


def test_running_an_option_costs_a_share_of_all_spending():
    found = options(running_percent={INTEGRATOR: (10, 10)})
    spent = 1000 * 5000 + 2000 * 3 * 100
    assert value(found.needed, INTEGRATOR) == pytest.approx(100 * (1e6 + 0.1 * spent) / (1000 * 4500))
    assert value(found.needed, ONE) == pytest.approx(value(options().needed, ONE))


def test_a_sum_beyond_everything_is_told():
    found = options(target_gbp=50_000_000)
    assert (found.needed.draws > 100).all()
    assert (found.reachable.mean < 0.01).all()
    check = found.checks[1]
    assert check.verdict == "warn"
    assert all(name in check.observed for name in redesign_options.OPTIONS)
    assert options().checks[1].verdict == "pass"
    assert (options().reachable.mean > 0.99).all()


def test_options_show_themselves():
    table = options().table()
    assert table["moves"].tolist() == list(redesign_options.OPTIONS.values())
    assert "Fall needed to save £1,000,000" in repr(options())
    assert "<table" in options()._repr_html_()


@settings(max_examples=40, deadline=None)
@given(
    operations=st.floats(1, 1e6),
    price=st.floats(600, 1e5),
    conversion=st.floats(1, 100),
    ratio=st.floats(0, 1),
    fee=st.floats(0, 50),
)
def test_the_saving_is_got_back_from_what_was_needed(operations, price, conversion, ratio, fee):
    found = options(
        operations=(operations, operations),
        price_gbp=(price, price),
        conversion_percent=(conversion, conversion),
        avoided_conversion=(ratio, ratio),
        running_percent=dict.fromkeys(redesign_options.OPTIONS, (fee, fee)),
    )
    seen = operations / (conversion / 100)
    spent = operations * price + seen * 300
    worth = {
        REFERRALS: seen * (300 + ratio * conversion / 100 * price),
        INTEGRATOR: operations * (price - 500),
        ONE: spent,
    }
    for name, one in worth.items():
        saved = value(found.needed, name) / 100 * one - fee / 100 * spent
        assert saved == pytest.approx(1e6, rel=1e-6, abs=1e-9 * spent)


def test_a_wider_range_widens_what_is_needed_and_more_draws_do_not():
    narrow, wide = options(draws=4000), options(operations=(500, 1500), draws=4000)
    assert narrow.needed.draws.std(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    assert (wide.needed.draws.std(axis=0) > 1).all()
    np.testing.assert_array_equal(wide.needed.draws, options(operations=(500, 1500), draws=4000).needed.draws)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_gbp": 0}, "target_gbp=0"),
        ({"operations": (0, 10)}, "operations=.*above 0"),
        ({"operations": (10, 5)}, "in order"),
        ({"operations": 10}, "expected a range"),
        ({"price_gbp": (-1, 10)}, "price_gbp="),
        ({"price_gbp": (float("nan"), 10)}, "price_gbp="),
        ({"conversion_percent": (50, 120)}, "at most 100"),
        ({"attendances": (0, 3)}, "attendances="),
        ({"attendance_gbp": ("a", "b")}, "attendance_gbp="),
        ({"avoided_conversion": (0, 3)}, "more often than always"),
        ({"avoided_conversion": (-1, 1)}, "from 0"),
        ({"other_care_gbp": (0, 5000)}, "nothing would be saved"),
        ({"running_percent": {"an integrater": (1, 2)}}, "names 'an integrater'"),
        ({"running_percent": {ONE: (2, 1)}}, "running_percent of 'one provider"),
        ({"draws": 10}, "draws=10"),
    ],
)
def test_a_bad_option_is_named(change, message):
    with pytest.raises(InputError, match=message):
        redesign_options.fit(**{**KNOWN, **change})
