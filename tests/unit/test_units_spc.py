import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.units import spc, spc_rules

NAMES = {"unit": "unit", "order": "n", "value": "x"}


def toy(values=None, units=1):
    x = np.asarray(values if values is not None else np.random.default_rng(2).normal(size=24), float)
    return pd.DataFrame(
        {
            "unit": np.repeat([f"u{j}" for j in range(units)], len(x)),
            "n": np.tile(np.arange(len(x)), units),
            "x": np.tile(x, units),
        }
    )


def run(frame, **given):
    return spc.fit(frame, **{**NAMES, "charts": 200, **given})


def test_limits_by_hand():
    result = run(toy([10, 12, 11, 15, 12]))  # moving ranges 2, 1, 4, 3
    row = result.units.iloc[0]
    assert row["mean"] == pytest.approx(12)
    assert row["mean_range"] == pytest.approx(2.5)
    assert row["lower"] == pytest.approx(12 - 6.65)
    assert row["upper"] == pytest.approx(12 + 6.65)
    assert row["range_limit"] == pytest.approx(8.17)
    assert result.points["moving_range"].tolist()[1:] == [2, 1, 4, 3]


STEADY = [-1, 1] * 6  # mean 0, mean range 2: limits at 5.32, two thirds at 3.547, ranges at 6.536


@pytest.mark.parametrize(
    ("added", "rule", "marked"),
    [
        ([6], "beyond limits", [12]),
        ([-5.4], "beyond limits", [12]),
        ([5.3], "beyond limits", []),
        ([4, -4], "range", [13]),
        ([4, -2.5], "range", []),
        ([0.5] * 8, "run of 8", [18, 19]),  # the last of the steady points is on that side too
        ([0] + [0.5] * 8, "run of 8", [20]),
        ([0] + [0.5] * 7, "run of 8", []),
        ([-2, -1, 0, 1, 2, 3], "trend of 6", [17]),
        ([-2, -1, 0, 1, 2], "trend of 6", []),
        ([-2, -1, 0, 0, 1, 2, 3], "trend of 6", []),
        ([4, 0, 4], "two of three", [14]),
        ([4, 0, 0, 4], "two of three", []),
        ([4, 0, -4], "two of three", []),
        ([-4, -4], "two of three", [13]),
    ],
)
def test_a_rule_marks_the_points_it_should(added, rule, marked):
    result = run(toy(STEADY + list(added)), baseline=12)
    assert np.flatnonzero(result.points[rule]).tolist() == marked
    for at in marked:
        assert rule in result.points["rules"][at]


def test_false_alarms_are_simulated_and_known_limits_stated():
    result = run(toy())
    assert set(result.false_alarms["rule"]) == {*spc_rules.RULES, "any rule"}
    known = result.known_limits.set_index("rule")["per_point"]
    assert known["run of 8"] == 1 / 128
    assert known["trend of 6"] == pytest.approx(1 / 360)
    assert known["beyond limits"] == pytest.approx(0.0026866, abs=1e-6)
    assert run(toy()).false_alarms.equals(result.false_alarms)
    assert not run(toy(), seed=7).false_alarms.equals(result.false_alarms)


def test_a_trend_is_as_likely_as_its_closed_form_on_any_chart():
    # orderings of six values do not know where the limits lie
    table = spc_rules.simulate(6, 6, charts=20_000, seed=1).set_index("rule").loc["trend of 6"]
    assert abs(table["per_chart"] - 2 / 720) < 4 * table["per_chart_error"]


def test_constant_and_huge_values():
    flat = run(toy([3.0] * 20))
    assert flat.units["marked"][0] == 0
    assert flat.checks[2].verdict == "warn"
    assert run(toy([3.0] * 19 + [4.0]), baseline=12).points["beyond limits"].tolist()[-1]
    assert np.isfinite(run(toy(np.arange(15) * 1e150)).units["upper"][0])


def test_checks_see_what_is_wrong():
    assert [c.verdict for c in run(toy()).checks] == ["pass"] * 4
    assert run(toy([1, 2, 3])).checks[0].verdict == "warn"
    walk = np.cumsum(np.random.default_rng(1).normal(size=100))
    assert run(toy(walk)).checks[1].verdict == "warn"


def test_a_result_shows_itself():
    result = run(toy(units=2))
    assert "2 units" in repr(result)
    assert "<table" in result._repr_html_()


def spoilt(column, value, row=4):
    frame = toy()
    frame[column] = frame[column].astype(object if isinstance(value, str) else float)
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "given", "message"),
    [
        (toy(), {"value": "xx"}, "no column 'xx'"),
        (toy().iloc[:0], {}, "no rows"),
        (spoilt("x", np.nan), {}, "'x', row 4: nan; expected a finite number. Leave out"),
        (spoilt("x", "many"), {}, "'x', row 4: 'many'; expected a finite number"),
        (spoilt("n", np.inf), {}, "'n', row 4: missing"),
        (spoilt("n", 3), {}, "Unit 'u0' has more than one value at 3"),
        (toy().assign(n="March"), {}, "no sure order"),
        (toy().assign(unit=None), {}, "'unit', row 0: no unit is named"),
        (toy([1, 2]), {}, "Unit 'u0' has 2 points; limits need 3"),
        (toy(), {"baseline": 30}, "Unit 'u0' has 24 points; limits need 30"),
        (toy(), {"baseline": 2}, "baseline=2; expected a whole number of points, at least 3"),
        (toy(), {"baseline": 4.5}, "baseline=4.5; expected a whole number"),
        (toy(), {"charts": 10}, "charts=10; expected a whole number, at least 100"),
    ],
)
def test_bad_input_is_told(frame, given, message):
    with pytest.raises(InputError, match=message):
        run(frame, **given)
