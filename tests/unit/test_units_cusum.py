import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.units import cusum, run_length

NAMES = {"unit": "unit", "order": "n", "event": "y", "expected": "p"}


def toy(n=60, units=3, seed=1, odds=1.0, risk=0.2):
    rng = np.random.default_rng(seed)
    p = np.clip(risk * rng.uniform(0.5, 1.5, n * units), 0, 0.9)
    q = odds * p / (1 - p + odds * p)
    return pd.DataFrame(
        {
            "unit": np.repeat([f"u{j}" for j in range(units)], n),
            "n": np.tile(np.arange(n), units),
            "y": (rng.random(n * units) < q).astype(int),
            "p": p,
        }
    )


def run(frame, **given):
    choice = {} if "in_control_run_length" in given else {"threshold": 1.0}
    return cusum.fit(frame, **{**NAMES, **choice, **given})


def test_weights_by_hand():
    event, without = run_length.weights(np.array([0.1]), 2.0)
    assert event[0] == pytest.approx(np.log(2 / 1.1), rel=1e-12)
    assert without[0] == pytest.approx(np.log(1 / 1.1), rel=1e-12)


def test_the_path_and_its_signals_by_hand():
    # risk 0.1, A = 2: an event adds 0.5978, none takes 0.0953; threshold 1
    frame = pd.DataFrame({"unit": "a", "n": range(6), "y": [0, 1, 1, 0, 1, 1], "p": 0.1})
    result = run(frame)
    up, down = np.log(2 / 1.1), np.log(1.1)
    np.testing.assert_allclose(result.path("a")["statistic"], [0, up, 2 * up, 0, up, 2 * up], rtol=1e-12)
    assert result.signals["procedure"].tolist() == [3, 6]
    assert result.signals["number"].tolist() == [1, 2]
    through = run(frame, restart=False)
    np.testing.assert_allclose(
        through.path("a")["statistic"],
        [0, up, 2 * up, 2 * up - down, 3 * up - down, 4 * up - down],
        rtol=1e-12,
    )
    assert through.signals["procedure"].tolist() == [3]


def test_run_length_where_one_event_signals_is_one_over_the_risk():
    mix = run_length.mix_of(np.array([0.05, 0.05]))
    assert run_length.average(mix, alternative=2, threshold=0.5) == pytest.approx(20, rel=1e-9)
    worse = run_length.average(mix, alternative=2, threshold=0.5, true_odds_ratio=2)
    assert worse == pytest.approx(1.05 / 0.1, rel=1e-9)


@pytest.mark.parametrize("states", [2, 20, 400])
def test_run_length_of_a_walk_of_two_steps(states):
    p = np.sqrt(2) - 1  # an event then weighs as much as none takes away
    mix = run_length.mix_of(np.array([p]))
    length = run_length.average(mix, alternative=2, threshold=np.log(2), states=states)
    assert length == pytest.approx((1 + p) / p**2, rel=1e-9)


def test_many_risks_are_grouped_without_changing_their_mean():
    risks = np.random.default_rng(1).uniform(0.01, 0.3, 9000)
    mix = run_length.mix_of(risks)
    assert len(mix.risk) <= run_length.KEPT
    assert mix.share.sum() == pytest.approx(1)
    assert (mix.risk * mix.share).sum() == pytest.approx(risks.mean(), rel=1e-12)


def test_the_threshold_is_designed_for_the_run_length():
    result = run(toy(), in_control_run_length=400)
    assert result.in_control_run_length == pytest.approx(400, rel=0.01)
    assert 1 < result.out_of_control_run_length < 200
    assert result.checks[0].verdict == "pass"
    again = run(toy(), threshold=result.threshold)
    assert again.in_control_run_length == result.in_control_run_length
    assert again.signals.equals(result.signals)


def test_false_alarms_come_as_often_as_stated():
    frame = toy(n=4000, units=20, seed=4)
    result = run(frame, in_control_run_length=200)
    expected = result.units["false_alarms"].sum()
    assert abs(len(result.signals) - expected) < 4 * np.sqrt(expected)


def test_false_alarms_per_decade_are_those_of_the_unit_s_volume():
    frame = toy()
    given = run(frame, per_year=50)
    np.testing.assert_allclose(
        given.units["false_alarms_per_decade"], 500 / given.units["in_control_run_length"], rtol=1e-12
    )
    assert run(frame).units["false_alarms_per_decade"].isna().all()
    dated = run(frame.assign(n=pd.Timestamp("2015-01-01") + pd.to_timedelta(frame["n"] * 10, "D")))
    np.testing.assert_allclose(dated.units["per_year"], 36.525)
    short = run(frame.assign(n=pd.Timestamp("2015-01-01")))
    assert short.units["per_year"].isna().all()


def test_a_unit_that_changes_is_found_and_others_are_not():
    frame = toy(n=400, units=4, seed=3)
    changed = toy(n=400, units=1, seed=9, odds=4.0).assign(unit="changed")
    result = run(pd.concat([frame, changed]), in_control_run_length=3000)
    counts = result.units.set_index("unit")["signals"]
    assert counts["changed"] >= 2
    assert counts.drop("changed").sum() <= 1
    better = run(toy(n=400, units=1, seed=2, odds=0.2), in_control_run_length=2000, direction="better")
    assert better.units["signals"][0] >= 1


def test_checks_see_what_is_wrong():
    names = [check.name for check in run(toy()).checks]
    verdict = {c.name: c.verdict for c in run(toy(n=300, odds=2.0)).checks}
    assert verdict[names[2]] == "warn"  # calibration
    frame = toy(n=300)
    spells = frame.assign(y=((frame["n"] // 6) % 5 == 0).astype(int))
    assert {c.name: c.verdict for c in run(spells).checks}[names[3]] == "warn"
    assert {c.name: c.verdict for c in run(toy(n=3), in_control_run_length=5000).checks}[names[1]] == "warn"
    day = frame.assign(n=pd.Timestamp("2020-01-01"))
    assert {c.name: c.verdict for c in run(day).checks}[names[4]] == "warn"


@pytest.mark.parametrize("events", [0, 1])
def test_all_or_none_with_the_event(events):
    result = run(toy().assign(y=events))
    assert np.isfinite(result.statistic).all()
    assert (len(result.signals) > 0) == bool(events)


def test_hostile_risks_and_one_row():
    frame = toy().assign(p=lambda f: np.where(f.index % 2, 1e-12, 1 - 1e-12))
    assert np.isfinite(run(frame).statistic).all()
    assert len(run(toy(n=1, units=1)).units) == 1
    rare = run(toy().assign(p=1e-9), threshold=50.0)
    assert np.isinf(rare.in_control_run_length)
    assert rare.checks[0].verdict == "warn"


def test_a_result_shows_itself():
    result = run(toy())
    assert "3 units" in repr(result)
    assert "volume unknown" in repr(result)
    assert "<table" in result._repr_html_()
    assert "unit-decade" in repr(run(toy(), per_year=10))


def spoilt(column, value, row=4):
    frame = toy()
    frame[column] = frame[column].astype(object if isinstance(value, str) else float)
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "given", "message"),
    [
        (toy(), {"event": "yy"}, "no column 'yy'.*Did you mean 'y'"),
        (toy().iloc[:0], {}, "no rows"),
        (spoilt("p", 0.0), {}, "'p', row 4: 0; an expected risk must lie above 0 and below 1"),
        (spoilt("p", 1.0), {}, "'p', row 4: 1; an expected risk"),
        (spoilt("p", np.nan), {}, "'p', row 4: nan; expected a finite number"),
        (spoilt("y", 2), {}, "'y', row 4: 2; expected 0 or 1"),
        (spoilt("y", "dead"), {}, "'y', row 4: 'dead'; expected a finite number"),
        (spoilt("n", np.nan), {}, "'n', row 4: missing; every row needs its place"),
        (toy().assign(n="2020-01-01"), {}, "no sure order; turn them into dates"),
        (spoilt("n", 3), {}, "Unit 'u0' has more than one row at n 3"),
        (toy().assign(unit=None), {}, "'unit', row 0: no unit is named"),
        (toy(), {"odds_ratio": 0.5}, "odds_ratio=0.5; expected above 1.*direction='better'"),
        (toy(), {"threshold": None}, "exactly one of threshold= and in_control_run_length="),
        (toy(), {"threshold": 4.5, "in_control_run_length": 10}, "exactly one of"),
        (toy(), {"threshold": -1.0}, "threshold=-1; expected a finite number above 0"),
        (toy(), {"in_control_run_length": 0.5}, "in_control_run_length=0.5; expected procedures"),
        (toy(), {"direction": "wrse"}, "direction='wrse'. Did you mean 'worse'"),
        (toy(), {"per_year": 0}, "per_year is 0; expected above 0"),
        (toy(), {"per_year": "n"}, "'n': unit 'u0' has both 0 and 59; expected one number a unit"),
    ],
)
def test_bad_input_is_told(frame, given, message):
    with pytest.raises(InputError, match=message):
        run(frame, **given)


def test_a_run_length_out_of_reach_is_told(monkeypatch):
    monkeypatch.setattr(run_length, "HIGHEST", 2.0)
    with pytest.raises(InputError, match="is reached by no threshold up to 2; ask for a shorter one"):
        run(toy(), in_control_run_length=100_000)


def test_an_unknown_unit_has_no_path():
    with pytest.raises(InputError, match=r"No unit is called 'unit1'\. Did you mean 'unit0'"):
        run(toy().replace("u0", "unit0")).path("unit1")
