"""Lifetime risk: closed forms for constant hazards, and every refusal matched."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.survival import multistate


def people(n=400, seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "years": rng.uniform(0.1, 10, n),
            "event": rng.choice([0, 1, 2], n, p=[0.6, 0.15, 0.25]),
            "age": rng.uniform(50, 80, n),
            "sex": rng.choice(["women", "men"], n),
        }
    )


def table(rate, ages=range(30, 111), sexes=("women", "men")):
    q = 1 - np.exp(-rate)
    return pd.DataFrame([(age, sex, q) for age in ages for sex in sexes], columns=["age", "sex", "qx"])


def risk(frame, **more):
    usual = {"time": "years", "event": "event", "age": "age", "sex": "sex", "until_age": 85, "ages": [60, 70]}
    return multistate.lifetime_risk(frame, **{**usual, **more})


def flat(events, years, n=100):
    """People of one age, all observed `years`, a constant share with the event at the end of each year."""
    rows = []
    for k in range(years):
        rows += [(k + 1.0, 1)] * events
    rows += [(float(years), 0)] * (n - events * years)
    return pd.DataFrame(rows, columns=["years", "event"]).assign(age=60.0, sex="women")


def test_one_year_of_observation_carried_on_is_the_closed_form():
    frame = pd.DataFrame({"years": [1.0] * 100, "event": [1] * 5 + [0] * 95, "age": 60.0, "sex": "women"})
    found = risk(frame, ages=[60], life_table=table(0.03), life_table_source="made up")
    rate = 5 / 100
    expected = rate / (rate + 0.03) * (1 - np.exp(-(rate + 0.03) * 25))
    assert found.risk.mean[0] == pytest.approx(expected)
    within = rate / (rate + 0.03) * (1 - np.exp(-(rate + 0.03)))
    assert found.parts["risk_in_years_observed"][0] == pytest.approx(within)
    assert found.parts["share_assumed"][0] == pytest.approx(1 - within / expected)
    h = 1e-6

    def at(rate):
        return rate / (rate + 0.03) * (1 - np.exp(-(rate + 0.03) * 25))

    slope = (at(rate + h) - at(rate - h)) / (2 * h)
    assert found.risk.covariance[0, 0] == pytest.approx(slope**2 * 5 / 100**2, rel=1e-6)


def test_the_sum_may_stop_with_the_years_observed():
    frame = pd.DataFrame({"years": [1.0] * 100, "event": [1] * 5 + [0] * 95, "age": 60.0, "sex": "women"})
    found = risk(frame, ages=[60], life_table=table(0.03), life_table_source="made up", tail="stop")
    assert found.risk.mean[0] == found.parts["risk_in_years_observed"][0]
    assert "not for life" in found.checks[1].observed


def test_years_at_risk_are_split_by_year_and_the_tail_is_the_last_years_together():
    frame = flat(events=4, years=3)
    found = risk(
        frame, ages=[60], life_table=table(0.0), life_table_source="made up", tail_years=2, until_age=64
    )
    assert found.revisions["events"].tolist() == [4, 4, 4]
    assert found.revisions["years"].tolist() == [100, 96, 92]
    hazard = 4 / 100 + 4 / 96 + 4 / 92 + 8 / (96 + 92)
    assert found.risk.mean[0] == pytest.approx(1 - np.exp(-hazard))


def test_deaths_of_the_data_are_counted_by_age_attained():
    frame = pd.DataFrame(
        {"years": [1.5, 2.0, 0.5], "event": [2, 0, 2], "age": [60.0, 60.5, 61.0], "sex": "men"}
    )
    found = risk(frame, ages=[60], bands=[50, 90], until_age=62)
    deaths = found.deaths.set_index("age")
    assert deaths.loc[60, "years"] == pytest.approx(1 + 0.5)
    assert deaths.loc[61, "years"] == pytest.approx(0.5 + 1 + 0.5)
    assert deaths.loc[61, "events"] == 2
    assert found.death_source == "deaths in the same data"


def test_deaths_of_the_data_add_to_the_error():
    frame = people()
    ours = risk(frame)
    rates = ours.deaths.assign(qx=1 - np.exp(-ours.deaths["rate"]))[["age", "sex", "qx"]]
    known = risk(frame, life_table=rates, life_table_source="the same, taken as known")
    np.testing.assert_allclose(ours.risk.mean, known.risk.mean, rtol=1e-10)
    assert (np.diag(ours.risk.covariance) > np.diag(known.risk.covariance)).all()
    men, women = ours.risk.position("men, 60"), ours.risk.position("women, 60")
    assert ours.risk.covariance[men, women] == 0


def test_it_shows_itself_with_limits_within_0_and_1():
    found = risk(people())
    shown = found.table()
    assert ((shown["lower"] > 0) & (shown["lower"] < shown["estimate"])).all()
    assert ((shown["upper"] < 1) & (shown["upper"] > shown["estimate"])).all()
    assert "death from: deaths in the same data" in repr(found)
    assert "<table" in found._repr_html_()


def test_no_revisions_is_a_risk_of_0():
    frame = people()
    found = risk(frame.assign(event=frame["event"].where(frame["event"] != 1, 0)))
    assert (np.asarray(found.risk.mean) == 0).all()
    assert found.checks[0].verdict == "warn"


@pytest.mark.parametrize(
    ("alter", "more", "message"),
    [
        (lambda d: d, {"life_table": table(0.1)}, "life_table has no source"),
        (lambda d: d, {"life_table_source": "ONS"}, "life_table_source is given without life_table"),
        (
            lambda d: d.assign(sex="woman"),
            {"life_table": table(0.1), "life_table_source": "x"},
            "The life table has no sex 'woman'. Did you mean 'women'",
        ),
        (lambda d: d, {"until_age": 120}, "hazard of death at age .*lower until_age"),
        (lambda d: d, {"ages": [60.5]}, "ages holds 60.5; expected whole ages"),
        (lambda d: d, {"ages": [90]}, "ages holds 90"),
        (lambda d: d, {"ages": []}, r"ages is \[\]"),
        (lambda d: d, {"bands": [60, 50]}, r"bands is \[60, 50\]"),
        (lambda d: d, {"bands": [55, 90]}, "outside every band of bands="),
        (lambda d: d[d["age"] > 66], {}, "No one of sex 'men' aged 55 to under 65 is observed"),
        (lambda d: d, {"tail": "flat"}, "tail is 'flat'"),
        (lambda d: d, {"tail_years": 0}, "tail_years is 0"),
        (lambda d: d.assign(event=3), {}, "'event', row 0: 3; expected 0 censored, 1 revised or 2 died"),
        (lambda d: d.assign(years=-1.0), {}, "'years', row 0: -1.0; years of observation cannot be negative"),
        (lambda d: d.assign(age=140.0), {}, "'age', row 0: 140.0; expected an age from 0 to 130"),
        (
            lambda d: d,
            {"life_table": table(0.1).assign(qx=1.5), "life_table_source": "x"},
            "'qx', row 0: 1.5; expected a probability",
        ),
        (
            lambda d: d,
            {"life_table": table(0.1).assign(age=60), "life_table_source": "x"},
            "this age and sex stand in an earlier row",
        ),
        (
            lambda d: d,
            {"life_table": table(0.1).assign(age=60.5), "life_table_source": "x"},
            "expected a whole age",
        ),
    ],
)
def test_refusals(alter, more, message):
    with pytest.raises(InputError, match=message):
        risk(alter(people()).reset_index(drop=True), **more)
