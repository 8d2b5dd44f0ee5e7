"""Whether a programme worked: arithmetic by hand, placebos, bad input."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.pathways import (
    difference_in_differences,
    interrupted_series,
    placebo,
    regression_to_mean,
    reported_contrast,
    synthetic_control,
)


def panel(units=8, years=6, lift=0.0, seed=1, start=4):
    rng = np.random.default_rng(seed)
    level = rng.normal(20, 1, units)
    rows = [
        (
            f"u{i}",
            2010 + t,
            level[i] + 0.1 * t + rng.normal(0, 0.3) + lift * (i < 1 and t >= start),
            50 + 10 * i,
        )
        for i in range(units)
        for t in range(years)
    ]
    return pd.DataFrame(rows, columns=["unit", "year", "value", "n"])


PUT = {
    "unit": "unit",
    "year": "year",
    "value": "value",
    "treated": ["u0"],
    "start": 2014,
    "seed": 1,
    "placebos": 99,
}
CLEAN = pd.DataFrame(
    [
        (u, y, {"a": 10, "b": 4, "c": 7, "d": 1}[u] + (y - 2000) + 3 * (u == "a" and y >= 2002))
        for u in "abcd"
        for y in range(2000, 2004)
    ],
    columns=["unit", "year", "value"],
)


def test_an_effect_without_noise_is_got_back_by_every_method():
    put = {**PUT, "treated": ["a"], "start": 2002}
    change = difference_in_differences.fit(CLEAN, **put)
    assert change.effect.table()["estimate"].iloc[0] == pytest.approx(3)
    assert change.by_year.table()["estimate"].tolist() == pytest.approx([0, 3, 3])
    assert change.placebo_years["effect"].tolist() == pytest.approx([0])
    assert change.p_value == 1 / 4  # three units to stand in for one
    apart = synthetic_control.fit(CLEAN, shift=True, **put)
    assert apart.effect.table()["estimate"].iloc[0] == pytest.approx(3)
    assert apart.misfit == pytest.approx(0, abs=1e-9)


def test_a_known_step_and_turn_are_got_back():
    t = np.arange(1, 21)
    y = 5 + 0.5 * t + 2 * (t >= 11) + 0.3 * (t - 11) * (t >= 11)
    found = interrupted_series.fit(pd.DataFrame({"t": t, "y": y}), time="t", value="y", start=11)
    assert np.asarray(found.terms.mean) == pytest.approx([5, 0.5, 2, 0.3])
    assert found.effect.table()["estimate"].iloc[0] == pytest.approx(2 + 0.3 * 4.5)
    assert found.fitted["without"].iloc[-1] == pytest.approx(5 + 0.5 * 20)


def test_placebo_starts_lie_before_the_start_and_p_is_their_rank():
    rng = np.random.default_rng(3)
    t = np.arange(30)
    frame = pd.DataFrame({"t": t, "y": rng.normal(0, 1, 30) + 8 * (t >= 20)})
    found = interrupted_series.fit(frame, time="t", value="y", start=20, turn=False)
    assert found.placebo_starts["start"].max() < 20
    assert found.p_value == 1 / (1 + len(found.placebo_starts))
    short = interrupted_series.fit(frame.iloc[14:], time="t", value="y", start=20, turn=False)
    assert short.p_value is None


def test_placebo_effects_are_the_plain_difference_of_every_group():
    rng = np.random.default_rng(5)
    w = rng.normal(0, 1, 7)
    drawn = placebo.groups(7, 2, 200, seed=1)
    assert {tuple(g) for g in drawn} == set(combinations(range(7), 2))
    got = placebo.effects(w, np.zeros(7), np.zeros(2), np.array([0.5, 0.5]), drawn)
    grown = np.sqrt(7 / 6)
    want = [grown * (w[list(g)].mean() - np.delete(w, g).mean()) for g in drawn]
    assert got == pytest.approx(want)


def test_noisier_units_are_scaled_to_those_they_stand_for():
    rng = np.random.default_rng(6)
    q = np.repeat([0.01, 0.09], 300)
    own, wanted = placebo.scales(rng.normal(0, np.sqrt(q)), q, np.array([0.09]))
    assert own[-1] / own[0] == pytest.approx(3, rel=0.35)
    assert wanted[0] == pytest.approx(own[-1])
    flat, _ = placebo.scales(rng.normal(0, 1, 600) * np.repeat([2.0, 1.0], 300), q, q[:1])
    assert np.ptp(flat) == 0  # more chance in larger units is taken for noise
    none, _ = placebo.scales(np.zeros(5), np.arange(1, 6.0), np.ones(1))
    assert (none == 1).all()


def test_where_chance_is_known_only_what_lies_beyond_it_is_estimated():
    q = np.array([0.04, 0.04, 0.36, 0.36])
    # Squares that average the sampling variance and 0.25 more, in small and large units alike.
    square = np.array([0.29 - 0.1, 0.29 + 0.1, 0.61 - 0.1, 0.61 + 0.1])
    own, wanted = placebo.scales(np.sqrt(square), q, np.array([0.75]), True)
    assert own**2 == pytest.approx(q + 0.25)
    assert wanted**2 == pytest.approx([1.0])
    # Less scatter than chance alone gives: nothing lies beyond it.
    quiet, small = placebo.scales(np.array([0.1, -0.1, 0.1, -0.1]), q, np.array([0.09]), True)
    assert [*quiet**2, *small**2] == pytest.approx([*q, 0.09])


def test_a_known_record_scales_placebo_groups_by_their_own_sampling_error():
    frame = panel(lift=2).assign(sd=3.0)
    found = difference_in_differences.fit(frame, size="n", record_sd="sd", **PUT)
    assert found.panel.chance_known
    assert found.panel.chance[0, 0] == pytest.approx(3.0**2 / 50)
    w = found.panel.outcome @ np.array([-1 / 4] * 4 + [1 / 2] * 2)
    q = np.array([9 / (50 + 10 * i) * (4 / 16 + 2 / 4) for i in range(8)])
    centred = (w[1:] - w[1:].mean()) * np.sqrt(7 / 6)
    own, wanted = placebo.scales(centred, q[1:], q[:1], True)
    want = centred * wanted / own + centred / 6
    assert np.sort(found.placebo_groups) == pytest.approx(np.sort(want))
    told = synthetic_control.fit(frame, size="n", record_sd="sd", **PUT)
    assert told.effect.table()["estimate"].iloc[0] == pytest.approx(
        synthetic_control.fit(frame, **PUT).effect.table()["estimate"].iloc[0]
    )


def test_small_units_stray_more_where_the_error_after_is_known():
    rng = np.random.default_rng(8)
    x = rng.normal(0, 1, 41)
    frame = pd.DataFrame(
        {"u": [f"u{i}" for i in range(41)], "x": x, "y": 0.5 * x + rng.normal(0, 0.3, 41), "e": 0.1}
    )
    put = {"unit": "u", "before": "x", "after": "y", "treated": ["u40"], "seed": 1, "error_before": "e"}

    def width(error):
        found = regression_to_mean.fit(frame.assign(f=[0.1] * 40 + [error]), error_after="f", **put)
        row = found.change.table().set_index("label").loc["beyond it"]
        return row["upper"] - row["lower"]

    # Residuals have a variance of 0.3^2 or so, of which 0.1^2 is chance: 0.9 is sqrt(0.08 + 0.81).
    assert width(0.9) / width(0.1) == pytest.approx(np.sqrt(0.89 / 0.09), rel=0.25)


def test_p_counts_ties_and_itself():
    assert placebo.p_value(1.0, np.array([1.0, -1.0, 0.5])) == 3 / 4
    assert placebo.p_value(0.0, np.zeros(9)) == 1


def test_regression_to_the_mean_takes_off_what_chance_explains():
    x = np.linspace(-2, 2, 21)
    frame = pd.DataFrame({"u": [f"u{i}" for i in range(22)], "x": [*x, -3.0], "y": [*(0.5 * x), -1.5]})
    put = {"unit": "u", "before": "x", "after": "y", "treated": ["u21"], "seed": 1, "draws": 200}
    parts = regression_to_mean.fit(frame, **put).change.table().set_index("label")["estimate"]
    assert parts["as observed"] == pytest.approx(1.5, abs=0.05)
    assert parts["by regression to the mean"] == pytest.approx(1.5, abs=0.05)
    assert parts["beyond it"] == pytest.approx(0, abs=1e-6)
    # A unit measured worse than the others is expected to come back further: slope C / (T + e^2).
    worse = frame.assign(e=[0.1] * 21 + [2.0])
    found = regression_to_mean.fit(worse, error_before="e", **put)
    c, t = np.cov(x, 0.5 * x)[0, 1], np.var(x, ddof=1) - 0.01
    assert found.units["expected"].iloc[0] == pytest.approx(c / (t + 4) * -3)


def test_reported_figures_are_divided_both_ways():
    found = reported_contrast.fit(
        figure=(250, 280), national=50, stands_for={"two": 2, "seventeen": 17},
        national_stands_for={"region": 1, "trust": 17}, chosen=(2, 17), reliability=(0, 0), seed=1,
        rounded_to=0,
    )  # fmt: skip
    per = found.per_unit.table().set_index("label")["estimate"]
    assert per["two"] / per["seventeen"] == pytest.approx(17 / 2)
    assert found.ratio.table()["estimate"].tolist() == pytest.approx([5.3, 5.3 / 17], rel=0.01)
    assert found.improving["share"].iloc[0] == 0.5
    assert found.checks[0].verdict == "warn"


def test_results_show_themselves():
    frame = panel(lift=2)
    change = difference_in_differences.fit(frame, size="n", **PUT)
    for result in (change, synthetic_control.fit(frame, **PUT)):
        assert "placebo groups" in repr(result)
        assert "<table" in result._repr_html_()
    assert change.p_value == 1 / 8


@pytest.mark.parametrize("method", [difference_in_differences, synthetic_control])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "units"}, "no column 'units'.*Did you mean 'unit'"),
        ({"value": "name"}, "row 1 is 'x'; expected a number"),
        ({"treated": "u0"}, "expected a list"),
        ({"treated": []}, "expected a list of at least one"),
        ({"treated": ["u99"]}, "'u99', which is not in 'unit'"),
        ({"start": 2040}, "2040 is not among the years"),
        ({"start": {"a": 2013, "b": 2014}}, r"2 starts \(2013, 2014\)"),
        ({"start": [2013, 2014]}, "compared with some that had begun"),
        ({"start": pd.Series([2013, 2014, 2014])}, "began then or never"),
        ({"start": []}, r"0 starts \(none\)"),
        ({"start": 2010}, "leaves no year before"),
        ({"leave_out": [2014, 2015]}, "leaves no year after"),
        ({"leave_out": [1999]}, "1999 is not among the years"),
        ({"size": "zero"}, "expected a number above 0"),
        ({"size": "n", "record_sd": "zero"}, "expected a number above 0"),
        ({"size": "n", "record_sd": "sds"}, "no column 'sds'"),
        ({"record_sd": "n"}, "record_sd='n' without size="),
        ({"weights": [0.5, 0.5]}, "expected one above 0 for each of 1"),
        ({"weights": [-1.0]}, "expected one above 0"),
        ({"placebos": 5}, "at least 99"),
        ({"treated": ["u0", "u1", "u2", "u3", "u4"]}, "3 whole units did not take part; expected at least 6"),
    ],
)
def test_bad_input_is_told(method, change, message):
    frame = panel().assign(name="x", zero=0)
    with pytest.raises(InputError, match=message):
        method.fit(frame, **{**PUT, **change})


def test_bad_panels_are_told():
    frame = panel()
    with pytest.raises(InputError, match="two rows for 2010"):
        difference_in_differences.fit(pd.concat([frame, frame.iloc[:1]]), **PUT)
    with pytest.raises(InputError, match="'u0' took part but lacks a year"):
        difference_in_differences.fit(frame.iloc[1:], **PUT)
    with pytest.raises(InputError, match="no rows"):
        difference_in_differences.fit(frame.iloc[:0], **PUT)
    with pytest.raises(InputError, match="row 1 is empty"):
        difference_in_differences.fit(frame.assign(year=[np.nan, *frame["year"][1:]]), **PUT)
    with pytest.raises(InputError, match=r"ridge=-1: expected"):
        synthetic_control.fit(frame, ridge=-1, **PUT)
    dropped = difference_in_differences.fit(frame.iloc[:-1], **PUT)
    assert dropped.panel.dropped == 1


@pytest.mark.parametrize("value", [0.0, 1e12])
def test_hostile_values_do_no_harm(value):
    frame = panel().assign(value=value)
    change = difference_in_differences.fit(frame, size="n", **PUT)
    assert change.effect.table()["estimate"].iloc[0] == 0
    assert change.p_value == 1
    assert synthetic_control.fit(frame, **PUT).effect.table()["estimate"].iloc[0] == pytest.approx(
        0, abs=1e-3
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": 99}, "start=99 is not in 't'"),
        ({"start": 1}, "1 times before"),
        ({"lags": 40}, "lags=40"),
        ({"value": "v"}, "no column 'v'"),
    ],
)
def test_bad_series_are_told(change, message):
    frame = pd.DataFrame({"t": range(12), "y": np.arange(12.0)})
    with pytest.raises(InputError, match=message):
        interrupted_series.fit(frame, **{"time": "t", "value": "y", "start": 6, **change})
    with pytest.raises(InputError, match="Time 3 has two rows"):
        interrupted_series.fit(pd.concat([frame, frame.iloc[3:4]]), time="t", value="y", start=6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"treated": "u0"}, "expected a list"),
        ({"treated": ["u77"]}, "not in 'u'"),
        ({"draws": 3}, "at least 100"),
        ({"before": "same"}, "or all alike before"),
        ({"error_before": "minus"}, "expected a number 0 or more"),
    ],
)
def test_bad_levels_are_told(change, message):
    frame = pd.DataFrame(
        {"u": [f"u{i}" for i in range(9)], "x": range(9), "y": range(9), "same": 1, "minus": -1}
    )
    put = {"unit": "u", "before": "x", "after": "y", "treated": ["u0"], "seed": 1}
    with pytest.raises(InputError, match=message):
        regression_to_mean.fit(frame, **{**put, **change})
    with pytest.raises(InputError, match="'u0' has two rows"):
        regression_to_mean.fit(pd.concat([frame, frame.iloc[:1]]), **put)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"figure": (280, 250)}, "in order"),
        ({"national": 4}, "above half its rounding"),
        ({"stands_for": {}}, "stands_for="),
        ({"national_stands_for": {"x": 0}}, "above 0"),
        ({"chosen": (3, 3)}, "of how many more"),
        ({"reliability": (0.2, 1.2)}, "within 0 to 1"),
        ({"draws": 10}, "at least 100"),
        ({"places": 0}, "expected all above 0"),
    ],
)
def test_bad_figures_are_told(change, message):
    put = {
        "figure": (250, 280), "national": 50, "stands_for": {"a": 1}, "national_stands_for": {"b": 1},
        "chosen": (2, 17), "reliability": (0.2, 0.8), "seed": 1,
    }  # fmt: skip
    with pytest.raises(InputError, match=message):
        reported_contrast.fit(**{**put, **change})


def test_one_start_may_be_given_unit_by_unit():
    frame = panel(lift=1.0)
    alone = difference_in_differences.fit(frame, **PUT)
    each = difference_in_differences.fit(
        frame, **{**PUT, "start": dict.fromkeys(PUT["treated"], PUT["start"])}
    )
    assert each.effect.table().equals(alone.effect.table())
