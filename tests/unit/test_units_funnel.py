import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.errors import InputError
from soa_evidence.units import false_discovery, funnel
from soa_evidence.units.funnel_limits import predictive_limits

UNITS = pd.DataFrame(
    {"hospital": list("abcdef"), "events": [5, 12, 30, 3, 0, 60], "patients": [100, 200, 400, 50, 40, 500],
     "kind": ["x", "y"] * 3}
)  # fmt: skip
PROPORTION = {"unit": "hospital", "kind": "proportion", "events": "events", "size": "patients"}


def fit(frame=UNITS, **more):
    return funnel.fit(frame, **{**PROPORTION, **more})


def test_the_reference_is_the_average_of_all_and_limits_are_the_plain_formula():
    found = fit(limits="normal", levels=[0.95]).units.set_index("unit")
    average = 110 / 1290
    assert found.loc["c", "reference"] == pytest.approx(average)
    reach = 1.959963984540054 * np.sqrt(average * (1 - average) / 400)
    assert found.loc["c", "upper_95"] == pytest.approx(average + reach)
    wide = 1.959963984540054 * np.sqrt(average * (1 - average) / 50)
    assert found.loc["d", "lower_95"] == pytest.approx(max(0, average - wide))


def test_flags_name_the_widest_limits_crossed_and_chance_is_stated_beside():
    found = fit()
    flags = found.units.set_index("unit")["flag"]
    assert flags["f"] == "above 95%"
    assert (flags.drop("f") == "within").all()
    assert found.expected_flags[0.95] == pytest.approx(0.3)
    assert "0.3 by chance alone" in found.checks[1].expected
    assert list(found.flagged(0.95)["unit"]) == ["f"]
    assert "1 outside 95% (0.3 by chance)" in repr(found)
    assert "Funnel of 6 units" in found._repr_html_()


def test_widened_limits_hold_at_least_what_limits_by_chance_hold():
    rng = np.random.default_rng(4)
    n = rng.integers(50, 2000, 120)
    risk = 1 / (1 + np.exp(2.5 - 0.4 * rng.standard_normal(120)))
    frame = pd.DataFrame({"hospital": range(120), "events": rng.binomial(n, risk), "patients": n})
    by_chance, wide, wider = (fit(frame, overdispersion=o) for o in ("none", "multiplicative", "additive"))
    assert len(by_chance.flagged(0.998)) > 5 * 120 * 0.002
    assert by_chance.checks[0].verdict == "warn"
    assert wide.dispersion.phi == wider.dispersion.phi > 2
    assert len(wide.flagged(0.95)) < len(by_chance.flagged(0.95))
    assert len(wider.flagged(0.95)) < 0.15 * 120
    assert wider.dispersion.tau == pytest.approx(0.4 * np.sqrt(0.076 * 0.924) / 2, rel=0.35)  # delta method
    table = funnel.compare({"chance": by_chance, wide.name: wide, wider.name: wider})
    assert table["changes"].sum() >= len(by_chance.flagged(0.95)) - len(wide.flagged(0.95))


def test_by_chance_alone_dispersion_is_what_it_says_and_flags_are_nominal():
    rng = np.random.default_rng(11)
    n = rng.integers(200, 3000, 4000)
    frame = pd.DataFrame({"hospital": range(4000), "events": rng.binomial(n, 0.1), "patients": n})
    for outer in ("keep", "winsorise", "truncate"):
        d = fit(frame, outer=outer, reference=0.1).dispersion
        assert d.phi == pytest.approx(d.phi_by_chance, abs=0.05)
    flagged = len(fit(frame, reference=0.1).flagged(0.95)) / 4000
    assert flagged == pytest.approx(0.05, abs=0.012)


def test_a_mean_is_judged_by_its_spread_over_the_root_of_its_records():
    frame = pd.DataFrame({"u": ["a", "b"], "gain": [21.0, 19.0], "n": [100, 400], "sd": [8.0, 8.0]})
    found = funnel.fit(
        frame, unit="u", kind="mean", value="gain", size="n", reference=20.0, spread="sd"
    ).units
    assert list(found["z"]) == pytest.approx([1.25, -2.5])
    assert list(found["flag"]) == ["within", "below 95%"]


def test_the_curve_of_limits_passes_through_the_units_own():
    found = fit()
    drawn = found.curve(sizes=list(found.units["size"])).query("level == '95%'")
    own = found.units.sort_values("size")
    assert drawn["upper"].to_numpy() == pytest.approx(own["upper_95"].to_numpy())
    assert len(found.curve()) > 100
    each = pd.DataFrame({"u": ["a", "b"], "v": [1.0, 2.0], "n": [9, 9], "r": [1.0, 2.0]})
    own_references = funnel.fit(each, unit="u", kind="mean", value="v", size="n", reference="r", spread=1.0)
    with pytest.raises(InputError, match="no one funnel to draw"):
        own_references.curve()


def test_predictive_limits_are_binomial_where_units_do_not_vary_and_wider_where_they_do():
    level, none = np.full(500, np.log(0.1 / 0.9)), np.zeros(500)
    still = predictive_limits(level, none, sizes=[1000], levels=[0.95], seed=1).iloc[0]
    assert (still["lower"], still["upper"]) == pytest.approx((0.082, 0.119), abs=0.0015)
    wide = predictive_limits(level, none + 0.5, sizes=[1000], levels=[0.95], seed=1).iloc[0]
    assert wide["upper"] > 0.2
    again = predictive_limits(level, none + 0.5, sizes=[1000], levels=[0.95], seed=1).iloc[0]
    assert wide.equals(again)


@pytest.mark.parametrize("kind", ["proportion", "ratio", "rate"])
@pytest.mark.parametrize("limits", ["exact", "normal", "wilson"])
def test_hostile_units_give_finite_limits(kind, limits):
    frame = pd.DataFrame(
        {"u": ["<script>", "=cmd", "tiny", "huge", "none"], "d": [0, 1, 1, 10**6, 0],
         "n": [1, 1, 2, 10**7, 3]}
    )  # fmt: skip
    for extra in ("none", "multiplicative", "additive"):
        found = funnel.fit(
            frame, unit="u", kind=kind, events="d", size="n", limits=limits, overdispersion=extra
        ).units
        assert np.isfinite(found.filter(regex="lower|upper|z|p_value").to_numpy(float)).all()
        assert (found["lower_95"] <= found["upper_95"]).all()


@given(st.permutations(range(6)), st.sampled_from(["none", "multiplicative", "additive"]))
@settings(max_examples=30, deadline=None)
def test_the_order_of_rows_does_not_matter(order, extra):
    plain = fit(overdispersion=extra).units.set_index("unit")
    mixed = fit(UNITS.iloc[list(order)], overdispersion=extra).units.set_index("unit").loc[plain.index]
    pd.testing.assert_frame_equal(plain, mixed)


@given(st.integers(1, 400), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_exact_limits_lie_within_one_event_of_the_quantiles(n, q):
    from scipy import stats

    frame = pd.DataFrame({"hospital": ["a", "b"], "events": [0, n], "patients": [n, n]})
    found = fit(frame, reference=q, levels=[0.95]).units.iloc[0]
    low, high = stats.binom(n, q).ppf([0.025, 0.975])
    assert max(0, low - 1) <= found["lower_95"] * n + 1e-9
    assert found["lower_95"] * n <= low + 1e-9
    assert high - 1 <= found["upper_95"] * n + 1e-9
    assert found["upper_95"] * n <= high + 1e-9


@pytest.mark.parametrize(
    ("frame", "more", "message"),
    [
        (UNITS, {"kind": "proportoin"}, "kind='proportoin'.*proportion"),
        (UNITS, {"limits": "wald"}, "limits='wald'.*Expected one of: exact"),
        (UNITS, {"overdispersion": "yes"}, "overdispersion='yes'"),
        (UNITS, {"outer": "drop"}, "outer='drop'"),
        (UNITS, {"scale": "cube"}, "scale='cube'"),
        (UNITS, {"levels": [1.0]}, "expected shares above 0 and below 1"),
        (UNITS, {"levels": []}, "expected shares above 0 and below 1"),
        (UNITS, {"unit": "hopsital"}, "no column 'hopsital'. Did you mean 'hospital'"),
        (UNITS, {"events": None}, "kind='proportion' needs events= and takes no value="),
        (UNITS, {"value": "events"}, "takes no value="),
        (UNITS.head(1), {}, "1 row; a funnel needs at least two units"),
        (UNITS.assign(hospital="a"), {}, "Unit 'a' has more than one row"),
        (UNITS.assign(hospital=[None, *"bcdef"]), {}, "row 0: no unit is named"),
        (UNITS.assign(patients=[0, 1, 1, 1, 1, 1]), {}, "row 0: 0; expected a size above 0"),
        (UNITS.assign(events=[-1, 0, 0, 0, 0, 0]), {}, "row 0: -1; expected a whole number of events"),
        (UNITS.assign(events=[0.5, 0, 0, 0, 0, 0]), {}, "row 0: 0.5; expected a whole number of events"),
        (UNITS.assign(events=[101, 0, 0, 0, 0, 0]), {}, "101 events among 100 patients"),
        (UNITS.assign(patients=100.5), {}, "100.5; expected a whole number of patients"),
        (UNITS.assign(events=["?", 0, 0, 0, 0, 0]), {}, "row 0: '\\?'; expected a finite number"),
        (UNITS.assign(events=0), {}, "No unit has an event"),
        (UNITS, {"reference": 1.2}, "reference is 1.2; for a proportion it must be above 0 and below 1"),
        (UNITS, {"reference": "nation"}, "reference='nation' is no column"),
        (UNITS, {"kind": "ratio", "reference": 0}, "reference is 0; for a ratio it must be above 0"),
        (UNITS, {"spread": 1.0}, "spread= is the standard deviation of a record, for means"),
        (UNITS, {"kind": "mean", "events": None, "value": "events"}, "kind='mean' needs spread="),
        (
            UNITS,
            {"kind": "mean", "events": None, "value": "events", "spread": 0.0},
            "a standard deviation must be above 0",
        ),
        (
            UNITS,
            {"kind": "mean", "events": None, "value": "events", "spread": 1.0, "limits": "wilson"},
            "means have normal limits",
        ),
        (
            UNITS,
            {"kind": "mean", "events": None, "value": "events", "spread": 1.0, "scale": "sqrt"},
            "use 'identity' for means",
        ),
        (UNITS, {"scale": "log"}, "Unit 'e' has a value of 0, which has no logarithm"),
        (UNITS, {"kind": "rate", "scale": "arcsine"}, "scale='arcsine' is for proportions"),
        (UNITS, {"outer_share": 0.5}, "outer_share=0.5; expected a share"),
        (UNITS.head(2), {"outer": "truncate", "outer_share": 0.4}, "left to estimate dispersion from"),
    ],
)
def test_what_cannot_be_drawn_says_why(frame, more, message):
    with pytest.raises(InputError, match=message):
        fit(frame, **more)


def test_comparing_and_asking_for_what_is_not_there():
    one = fit()
    with pytest.raises(InputError, match="at least two"):
        funnel.compare({"a": one})
    with pytest.raises(InputError, match="'b' is of other units"):
        funnel.compare({"a": one, "b": fit(UNITS.head(5))})
    with pytest.raises(InputError, match=r"level=0.9 was not asked for; levels: 0.95, 0.998"):
        one.flagged(0.9)
    with pytest.raises(InputError, match="expected draws of one length"):
        predictive_limits(np.zeros(3), np.zeros(4), sizes=[10], seed=1)
    with pytest.raises(InputError, match="or one below 1"):
        predictive_limits(np.zeros(3), np.zeros(3), sizes=[0], seed=1)


def test_false_discovery_flags_fewer_than_five_in_a_hundred_when_nothing_is_there():
    rng = np.random.default_rng(7)
    null = pd.DataFrame({"p_value": rng.random(5000)})
    assert false_discovery.fit(null).flagged <= 2
    some = pd.DataFrame({"p_value": np.concatenate([rng.random(900), rng.random(100) * 1e-5])})
    found = false_discovery.fit(some, rate=0.1)
    assert 95 <= found.flagged <= 125
    assert found.expected_false == pytest.approx(0.1 * found.flagged)
    assert false_discovery.fit(some, method="benjamini_yekutieli").flagged <= found.flagged


@pytest.mark.parametrize(
    ("frame", "more", "message"),
    [
        ({"p": [0.1]}, {}, "no column 'p_value'"),
        ({"p_value": []}, {}, "no rows"),
        ({"p_value": [0.1, 1.2]}, {}, "row 1: 1.2; expected a p value from 0 to 1"),
        ({"p_value": [0.1]}, {"rate": 5}, "rate=5; expected a false discovery rate"),
        ({"p_value": [0.1]}, {"method": "bh"}, "method='bh'"),
    ],
)
def test_false_discovery_refuses_by_name(frame, more, message):
    with pytest.raises(InputError, match=message):
        false_discovery.fit(pd.DataFrame(frame), **more)


def test_flags_are_counted_by_outcome_beside_what_chance_would_give():
    frame = pd.DataFrame(
        {
            "outcome": ["a"] * 40 + ["b"] * 20,
            "side": ["worse", "better"] * 30,
            "p_value": [1e-6, 1e-5, 0.01, *([0.04] * 2), *([0.5] * 35), *([0.03] * 2), *([0.9] * 18)],
        }
    )
    found = false_discovery.fit(frame, rate=0.05)
    # sorted p: 1e-6, 1e-5, 0.01, 0.03, ...; of 60 the k-th is flagged up to 0.05 k / 60: 0.0025 for the third
    assert (found.flagged, found.outside, found.by_chance) == (2, 7, pytest.approx(3.0))
    counted = found.counted(["outcome"], split="side")
    assert counted.to_dict("list") == {
        "outcome": ["a", "b"], "looked_at": [40, 20], "outside": [5, 2],
        "by_chance": pytest.approx([2.0, 1.0]),
        "flagged": [2, 0], "flagged_better": [1, 0], "flagged_worse": [1, 0],
    }  # fmt: skip
    assert "flagged_worse" not in found.counted(["outcome"])
    with pytest.raises(InputError, match="colour"):
        found.counted(["colour"])
    with pytest.raises(InputError, match="sid"):
        found.counted(["outcome"], split="sid")
