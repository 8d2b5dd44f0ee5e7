"""Case-mix models: what they say by arithmetic, what their checks notice, and what data they survive."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.units import case_mix, g_computation, prediction_accuracy

#: Two sexes and two units: 10 of 100 men and 40 of 100 women have the event in unit a.
CELLS = pd.DataFrame(
    {
        "unit": ["a", "a", "b", "b"],
        "sex": ["man", "woman", "man", "woman"],
        "events": [10, 40, 20, 25],
        "n": [100, 100, 50, 50],
    }
)
CLOSE = 1e-9


def fit(frame=CELLS, **more):
    given = {"outcome": "events", "size": "n", "kind": "events", "covariates": ["sex"], "unit": "unit"}
    return case_mix.fit(frame, **{**given, **more})


def verdicts(result):
    return {check.name: check.verdict for check in result.checks}


def test_one_factor_gives_the_risks_of_its_levels():
    found = fit()
    men, women = 30 / 150, 65 / 150
    assert found.fitted == pytest.approx([men, women, men, women], rel=CLOSE)
    odds = np.log(women / (1 - women)) - np.log(men / (1 - men))
    row = found.coefficients.table().set_index("label")["estimate"]
    assert abs(row.drop("intercept").iloc[0]) == pytest.approx(odds, rel=1e-7)


def test_units_beside_what_is_expected():
    found = fit().units.set_index("unit")
    expected = 100 * 30 / 150 + 100 * 65 / 150
    assert found.loc["a", "expected"] == pytest.approx(expected, rel=CLOSE)
    assert found.loc["a", "excess"] == pytest.approx((50 - expected) / 200, rel=1e-7)
    assert found.loc["a", "adjusted"] == pytest.approx(95 / 300 * 50 / expected, rel=CLOSE)
    assert found["observed"].sum() == pytest.approx(found["expected"].sum())


def test_values_by_arithmetic():
    frame = pd.DataFrame(
        {"y": [1.0, 3.0, 6.0, 8.0], "sex": ["man", "man", "woman", "woman"], "unit": list("abab")}
    )
    found = case_mix.fit(frame, outcome="y", kind="value", covariates=["sex"], unit="unit")
    assert found.fitted == pytest.approx([2, 2, 7, 7])
    assert found.residual_sd == pytest.approx(np.sqrt(4 / 2))
    assert found.explained == pytest.approx(1 - 4 / 29)
    assert found.units["adjusted"].to_numpy() == pytest.approx([4.5 - 1, 4.5 + 1])


def test_what_is_expected_of_others():
    found = fit()
    others = pd.DataFrame({"sex": ["woman", "man"]})
    assert found.expected(others) == pytest.approx([65 / 150, 30 / 150], rel=CLOSE)


def test_separation_fails_and_names_the_level():
    frame = CELLS.assign(events=[0, 40, 0, 25])
    found = fit(frame)
    assert verdicts(found)["separation"] == "fail"
    (check,) = (c for c in found.checks if c.name == "separation")
    assert check.observed == "no patient with sex 'man' has the event"


def test_rare_levels_and_collinear_covariates_are_told():
    frame = pd.concat([CELLS, pd.DataFrame({"unit": ["a"], "sex": ["unknown"], "events": [1], "n": [4]})])
    assert verdicts(fit(frame))["rarest level"] == "warn"
    rng = np.random.default_rng(1)
    x = rng.normal(size=400)
    near = pd.DataFrame({"x": x, "z": x + rng.normal(scale=0.05, size=400), "y": rng.normal(size=400)})
    found = case_mix.fit(near, outcome="y", kind="value", covariates=["x", "z"])
    assert verdicts(found)["collinearity, largest inflation of a covariate's variance"] == "warn"


def test_a_level_that_others_determine_is_left_out_and_told():
    frame = CELLS.assign(again=CELLS["sex"])
    found = fit(frame, covariates=["sex", "again"])
    assert found.coefficients.labels == fit().coefficients.labels
    assert found.fitted == pytest.approx(fit().fitted, rel=CLOSE)
    assert found.expected(frame) == pytest.approx(found.fitted, rel=CLOSE)
    assert verdicts(found)["levels that others already determine"] == "warn"


def test_too_many_coefficients_expect_too_much():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(60, 12)), columns=[f"x{k}" for k in range(12)])
    frame["y"] = rng.integers(0, 2, 60)
    found = case_mix.fit(frame, outcome="y", kind="events", covariates=[f"x{k}" for k in range(12)])
    assert verdicts(found)["calibration slope to expect in new patients"] == "warn"


def test_few_units_are_told():
    assert verdicts(fit(covariance="unit"))["units behind the covariance"] == "warn"


def test_sums_of_squares_may_be_rounded():
    frame = pd.DataFrame(
        {"y": [0.62, 0.5, 1.1], "n": [1, 1, 2], "ss": [0.384, 0.25, 0.65], "sex": ["man", "woman", "man"]}
    )
    found = case_mix.fit(frame, outcome="y", kind="value", size="n", squares="ss", covariates=["sex"])
    assert found.fitted == pytest.approx([1.72 / 3, 0.5, 1.72 / 3])


def test_huge_and_tiny_values_are_survived():
    frame = pd.DataFrame({"y": [1e12, 3e12, 6e12, 8e12, 1e12], "x": [1e9, 2e9, 3e9, 4e9, 5e9]})
    large = case_mix.fit(frame, outcome="y", kind="value", covariates=["x"])
    small = case_mix.fit(frame / 1e18, outcome="y", kind="value", covariates=["x"])
    assert large.fitted / 1e18 == pytest.approx(small.fitted, rel=1e-9)


def test_a_model_shows_itself():
    assert "Logistic case-mix model of 300 patients" in repr(fit())
    assert "separation" in fit()._repr_html_()


def test_the_truth_is_found_again():
    """Simulated patients with known log odds ratios, units that differ: limits by unit hold them."""
    rng = np.random.default_rng(3)
    units, patients = 60, 120
    held = np.zeros(2)
    for _ in range(60):
        u = np.repeat(np.arange(units), patients)
        x = rng.normal(size=len(u)) + rng.normal(scale=0.5, size=units)[u]
        sex = rng.integers(0, 2, len(u))
        risk = 1 / (1 + np.exp(2 - 0.5 * x - 0.4 * sex - rng.normal(scale=0.2, size=units)[u]))
        frame = pd.DataFrame(
            {"u": u.astype(str), "x": x, "sex": np.where(sex, "b", "a"), "y": rng.random(len(u)) < risk}
        )
        found = case_mix.fit(
            frame.astype({"y": int}),
            outcome="y",
            kind="events",
            covariates=["x", "sex"],
            unit="u",
            covariance="unit",
        )
        rows = found.coefficients.table().set_index("label")
        other = next(name for name in rows.index if name.startswith("sex"))
        sign = 1 if other == "sex: b v a" else -1
        for k, (name, truth) in enumerate((("x", 0.5), (other, 0.4 * sign))):
            held[k] += rows.loc[name, "lower"] <= truth <= rows.loc[name, "upper"]
    assert (held >= 52).all()  # 57 expected; 51 or fewer has a probability below 1 %


def test_g_computation_by_arithmetic():
    found = g_computation.fit(
        CELLS, outcome="events", size="n", kind="events", group="unit", reference="a", covariates=["sex"]
    )
    model = found.model
    for name in ("a", "b"):
        each = model.expected(pd.DataFrame({"unit": [name] * 2, "sex": ["man", "woman"]}))
        risk = found.mean.table().set_index("label").loc[name, "estimate"]
        assert risk == pytest.approx((each * [150, 150]).sum() / 300, rel=CLOSE)
    row = found.difference.table().iloc[0]
    means = found.mean.table().set_index("label")["estimate"]
    assert row["estimate"] == pytest.approx(means["b"] - means["a"], rel=1e-7)
    assert "Population: all" in found._repr_html_()


def test_the_delta_method_beside_a_bootstrap_of_units():
    rng = np.random.default_rng(4)
    units = 40
    u = np.repeat(np.arange(units), 50)
    group = np.where(np.arange(units) % 2, "new", "old")[u]
    x = rng.normal(size=len(u))
    lift = rng.normal(scale=0.5, size=units)[u]
    y = (rng.random(len(u)) < 1 / (1 + np.exp(1 - 0.7 * x - 0.3 * (group == "new") - lift))).astype(int)
    frame = pd.DataFrame({"u": u.astype(str), "group": group, "x": x, "y": y})
    given = {"outcome": "y", "kind": "events", "group": "group", "reference": "old", "covariates": ["x"]}
    by_delta = g_computation.fit(frame, unit="u", **given).difference.table()["std_error"].iloc[0]
    rows = [frame.index[frame["u"] == str(k)] for k in range(units)]
    drawn = []
    for _ in range(150):
        sample = frame.loc[np.concatenate([rows[k] for k in rng.integers(0, units, units)])]
        drawn.append(g_computation.fit(sample, **given).difference.table()["estimate"].iloc[0])
    assert by_delta == pytest.approx(np.std(drawn), rel=0.25)  # a bootstrap of 150 has an error of 6 %


def test_patients_that_a_class_never_has_are_told():
    frame = CELLS.assign(sex=["man", "woman", "man", "other"])
    frame = pd.concat([frame, frame.assign(unit="b", sex=["man", "other", "man", "other"])])
    found = g_computation.fit(
        frame, outcome="events", size="n", kind="events", group="unit", reference="a", covariates=["sex"]
    )
    assert found.checks[-1].verdict == "warn"


def test_accuracy_by_arithmetic():
    frame = pd.DataFrame({"y": [0, 0, 1, 1], "p": [0.1, 0.4, 0.35, 0.8]})
    found = prediction_accuracy.fit(frame, outcome="y", expected="p", kind="events", groups=2)
    rows = found.summary.set_index("measure")["estimate"]
    assert rows["c statistic"] == pytest.approx(3 / 4)
    assert rows["Brier score"] == pytest.approx((0.01 + 0.16 + 0.65**2 + 0.04) / 4)
    assert found.groups["patients"].tolist() == [2, 2]
    assert found.groups["expected"].tolist() == pytest.approx([0.225, 0.6])
    assert found.groups["observed"].tolist() == pytest.approx([0.5, 0.5])
    assert "Accuracy of expected events" in repr(found)


def test_a_model_that_expects_too_much_is_told():
    rng = np.random.default_rng(5)
    x = rng.normal(size=4000)
    frame = pd.DataFrame(
        {"y": (rng.random(4000) < 1 / (1 + np.exp(-x))).astype(int), "p": 1 / (1 + np.exp(-2 * x))}
    )
    found = prediction_accuracy.fit(frame, outcome="y", expected="p", kind="events")
    assert found.summary.set_index("measure").loc["slope", "estimate"] == pytest.approx(0.5, abs=0.05)
    assert {c.name: c.verdict for c in found.checks}["calibration slope"] == "warn"
    assert "calibration slope" in found._repr_html_()
