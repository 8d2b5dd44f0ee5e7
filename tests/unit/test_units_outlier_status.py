import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.errors import InputError
from soa_evidence.units import outlier_status
from soa_evidence.units.outlier_status import RULES, WHY

COLUMNS = {"unit": "unit", "value": "value", "size": "n", "shrunken": "mean", "shrunken_error": "sd"}
SCALE = {"reference": 20.0, "spread": 8.0, "centre": 20.0, "tau": 1.0}


def hospitals(values, sizes, *, centre=20.0, tau=1.0, spread=8.0):
    value, n = np.asarray(values, float), np.asarray(sizes, float)
    s2 = spread**2 / n
    w = tau**2 / (tau**2 + s2)
    return pd.DataFrame(
        {"unit": [f"u{k}" for k in range(len(value))], "value": value, "n": n,
         "mean": w * value + (1 - w) * centre, "sd": np.sqrt(w * s2)}
    )  # fmt: skip


def fit(frame, **more):
    return outlier_status.fit(frame, **{**COLUMNS, **SCALE, **more})


def quiet(count=60, seed=3, sizes=100):
    """Units that differ by chance and by a standard deviation of one."""
    rng = np.random.default_rng(seed)
    n = np.full(count, sizes)
    return 20 + rng.normal(0, 1, count) + rng.normal(0, 8 / np.sqrt(n)), n


def with_three(extra, sizes):
    values, n = quiet()
    return hospitals([*values, *extra], [*n, *sizes])


def test_each_rule_is_its_formula():
    found = fit(with_three([23.0, 21.0, 24.0], [64, 1600, 16]))
    last = found.units.tail(3)
    assert last["z"].tolist() == pytest.approx([3.0, 5.0, 2.0])
    assert last["share_real"].tolist() == pytest.approx([0.5, 1600 / 1664, 16 / 80])
    assert last[RULES[0]].tolist() == ["above 95%", "above 99.8%", "above 95%"]
    # 3 √(1/2) = 2.1; 5 √(25/26) = 4.9; 2 √(1/5) = 0.9
    assert last[RULES[2]].tolist() == ["above 95%", "above 99.8%", "within"]
    tau = found.widened.dispersion.tau
    wide = np.abs(found.units["value"] - 20) / np.sqrt(64 / found.units["records"] + tau**2)
    assert ((wide > 1.959963984540054) == (found.units[RULES[1]] != "within")).all()


def test_many_records_lose_the_flag_to_the_spread_and_few_to_shrinkage():
    found = fit(with_three([21.0, 24.2], [1600, 16]))
    large, small = found.units.iloc[-2], found.units.iloc[-1]
    assert found.widened.dispersion.tau > 1 / 1.96  # so that a distance of one is usual
    assert (large["change_widened"], large["why_widened"]) == ("lost", WHY[0])
    assert np.isnan(large["records_needed_widened"])
    assert large["change_hierarchical"] == "same"
    assert (small["change_hierarchical"], small["why_hierarchical"]) == ("lost", WHY[1])
    rules = found.rules.set_index("rule")
    assert rules.loc[RULES[2], "lost"] == rules.loc[RULES[2], list(WHY)].sum() > 0
    assert rules.loc[RULES[0], "if_alike"] == pytest.approx(62 * 0.05)


@pytest.mark.parametrize("centre", [20.0, 19.6, 20.7])
def test_with_the_records_needed_the_flag_is_back_and_with_one_fewer_it_is_not(centre):
    values, sizes = [*quiet()[0], 24.2, 15.9, 22.4], [*quiet()[1], 16, 20, 50]
    found = fit(hospitals(values, sizes, centre=centre), centre=centre).units
    sought = found[(found["change_hierarchical"] == "lost") & (found["why_hierarchical"] != WHY[2])]
    assert len(sought) >= 2
    for row in sought.itertuples():
        needed = row.records_needed_hierarchical
        for records, back in ((needed, True), (needed - 1, False)):
            if records <= row.records:
                continue
            sizes_then = np.array(sizes, float)
            sizes_then[row.Index] = records
            then = fit(hospitals(values, sizes_then, centre=centre), centre=centre).units.loc[row.Index]
            assert (then[RULES[2]] != "within") is back


def test_widened_limits_have_the_flag_back_with_the_records_needed():
    found = fit(with_three([24.65], [12]))
    row, tau = found.units.iloc[-1], found.widened.dispersion.tau
    assert (row["change_widened"], row["why_widened"]) == ("lost", WHY[1])
    needed = row["records_needed_widened"]
    reach = 1.959963984540054 * np.sqrt(64 / np.array([needed, needed - 1]) + tau**2)
    assert reach[0] < 4.65 < reach[1]


def test_a_flag_lost_because_the_average_unit_lies_elsewhere_is_told_so():
    # 3 √(1/2) = 2.1 alone; the centre one below draws it to 1.5 - 0.5 = 1.0 of an error of 0.7
    frame = hospitals([*(quiet()[0] - 1), 23.0], [*quiet()[1], 64], centre=19.0)
    found = fit(frame, centre=19.0).units.iloc[-1]
    assert (found["change_hierarchical"], found["why_hierarchical"]) == ("lost", WHY[2])


def test_flags_expected_are_those_that_simulated_units_get():
    rng = np.random.default_rng(11)
    n = rng.integers(20, 600, 20_000)
    values = 20.2 + rng.normal(0, 0.7, n.size) + rng.normal(0, 8 / np.sqrt(n))
    frame = hospitals(values, n, centre=20.2, tau=0.7)
    rules = fit(frame, centre=20.2, tau=0.7).rules.set_index("rule")
    assert rules["flagged"].to_numpy() == pytest.approx(rules["if_usual"].to_numpy(), rel=0.04)
    assert fit(frame, centre=20.2, tau=0.7).usual
    truly = rng.normal(frame["mean"], frame["sd"])  # the truth given what was seen
    up = frame["mean"] > 20
    flagged = np.abs(frame["mean"] - 20) > 1.959964 * frame["sd"]
    wrong = int((flagged & ((truly > 20) != up)).sum())
    assert rules.loc[RULES[2], "if_alike"] == pytest.approx(wrong, rel=0.25)


def test_equal_units_are_flagged_at_the_nominal_rate_by_chance_limits_and_by_no_hierarchical_model():
    rng = np.random.default_rng(5)
    n = rng.integers(30, 400, 8_000)
    found = fit(hospitals(20 + rng.normal(0, 8 / np.sqrt(n)), n, tau=0.01), tau=0.01).rules
    assert found["flagged"].iloc[0] == pytest.approx(400, abs=60)
    assert found["if_alike"].iloc[0] == pytest.approx(400)
    assert found["flagged"].iloc[2] == 0


def test_units_far_out_are_more_than_a_usual_spread_would_flag():
    values, n = quiet(200)
    far = hospitals([*values, *[30.0] * 40], [*n, *[100] * 40])
    assert not fit(far).usual
    assert fit(hospitals(values, n)).usual
    # 60 alike of 100 records: each is flagged where |N(0, √1.64)| > 1.96 · 0.8, with probability 0.2208
    expected = fit(hospitals(*quiet())).rules.iloc[0]
    assert expected["if_usual"] == pytest.approx(60 * 0.22084, rel=1e-3)
    assert expected["if_usual_sd"] == pytest.approx((60 * 0.22084 * 0.77916) ** 0.5, rel=1e-3)


def test_the_curve_has_the_published_limits_and_the_widened_ones():
    curve = fit(with_three([23.0], [64])).curve()
    assert list(dict.fromkeys(curve["level"])) == ["95%", "99.8%", "95% widened"]
    inner = curve[curve["level"] == "95%"].iloc[0]
    assert inner["upper"] - 20 == pytest.approx(1.959963984540054 * 8 / np.sqrt(inner["volume"]))


def test_a_formula_far_from_the_model_is_told():
    frame = with_three([23.0], [64])
    assert fit(frame).checks[-1].verdict == "pass"
    assert fit(frame.assign(mean=30.0)).checks[-1].verdict == "warn"


def test_the_result_shows_itself():
    found = fit(with_three([23.0], [64]), names=("<b>", "b", "c"))
    assert "of 61 flagged" in repr(found)
    assert "<b>:" not in found._repr_html_()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1000))
def test_neither_order_nor_scale_matters(seed, factor):
    frame = with_three([23.0, 15.0], [64, 20])
    plain = fit(frame).units.set_index("unit")
    mixed = frame.sample(frac=1, random_state=seed)
    scaled = mixed.assign(**{name: mixed[name] * factor for name in ("value", "mean", "sd")})
    again = fit(scaled, **{name: value * factor for name, value in SCALE.items()}).units.set_index("unit")
    same = [*RULES, "change_widened", "change_hierarchical", "why_widened", "why_hierarchical"]
    pd.testing.assert_frame_equal(again.loc[plain.index, same], plain[same])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tau": 0.0}, "tau is 0.0; expected a number above 0"),
        ({"tau": float("nan")}, "tau is nan"),
        ({"spread": -1.0}, "spread is -1.0; expected a number above 0"),
        ({"centre": float("inf")}, "centre is inf; expected the average unit's value"),
        ({"names": ("a", "a", "b")}, "expected three different names of rules"),
        ({"shrunken": "men"}, "men"),
        ({"levels": (95,)}, "expected shares above 0 and below 1"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        fit(with_three([23.0], [64]), **change)


def test_a_unit_without_the_models_answer_is_refused():
    frame = with_three([23.0], [64])
    frame.loc[4, "sd"] = 0.0
    with pytest.raises(InputError, match=r"Row 4: 'mean' is .* standard error above 0 for every unit"):
        fit(frame)
    with pytest.raises(InputError, match="Row 7"):
        fit(with_three([23.0], [64]).assign(mean=lambda f: f["mean"].where(f.index != 7)))
