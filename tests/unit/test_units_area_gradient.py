"""Gradients over areas: arithmetic, hostile data, every message, and a simulated truth found again."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates
from soa_evidence.units import area_gradient
from soa_evidence.units.sensitivity import unmeasured_severity

COLUMNS = {
    "area": "area", "outcome": "outcome", "value": "value", "std_error": "se", "size": "n", "exposure": "x",
}  # fmt: skip
DONE = Check(name="made", verdict="pass", observed="yes", expected="yes", why="a gap needs a check")


def areas(count=40, seed=1, slope=-0.05, other=0.002, noise=0.1):
    rng = np.random.default_rng(seed)
    x, n = rng.gamma(6, 3.5, count), rng.integers(60, 900, count)
    base = {"area": [f"A{k}" for k in range(count)], "x": x, "n": n}
    shown = pd.DataFrame({**base, "outcome": "shown", "se": noise})
    shown["value"] = slope * x + rng.normal(0, noise, count)
    event = pd.DataFrame({**base, "outcome": "event", "se": 0.005})
    event["value"] = other * (x - x.mean()) + rng.normal(0, 0.005, count)
    return pd.concat([shown, event], ignore_index=True)


def gap(mean=0.3, se=0.05):
    return Estimates(
        estimand="gap", labels=("independent",), unit="points", method="given", interval="confidence",
        checks=(DONE,),         mean=np.array([mean]), covariance=np.array([[se**2]]),
    )  # fmt: skip


def test_a_line_without_noise_is_found_exactly():
    frame = areas(noise=0.0).query("outcome == 'shown'").assign(se=0.0)
    result = area_gradient.fit(frame, per=10, **COLUMNS)
    assert result.slope.mean[0] == pytest.approx(-0.5)
    assert result.slope.covariance[0, 0] == pytest.approx(0, abs=1e-20)
    row = result.table.iloc[0]
    assert row["correlation"] == pytest.approx(-1)
    assert row["chance"] == 0
    assert result.implied(gap(), through="shown").mean[0] == pytest.approx(-6.0)


def test_chance_is_taken_out_of_a_correlation():
    frame = areas(count=3000, noise=0.0, seed=3).query("outcome == 'shown'").reset_index(drop=True)
    rng = np.random.default_rng(5)
    frame["se"] = 0.5
    frame["value"] += rng.normal(0, 0.5, len(frame))
    row = area_gradient.fit(frame, **COLUMNS).table.iloc[0]
    assert abs(row["correlation"]) < 0.8
    assert row["without_chance"] == pytest.approx(-1, abs=0.04)


def test_a_simulated_truth_is_found_again():
    """Intervals of the consequence hold the truth about as often as they say."""
    held, times = 0, 200
    for seed in range(times):
        result = area_gradient.fit(areas(seed=seed), **COLUMNS)
        rng = np.random.default_rng(1000 + seed)
        found = result.consequence(gap(mean=rng.normal(0.3, 0.05)), through="shown", outcome="event")
        low, high = found.table().loc[0, ["lower", "upper"]]
        held += low <= 0.3 / -0.05 * 0.002 <= high
    assert 0.90 * times <= held <= 0.99 * times


def test_error_in_exposure_leaves_the_consequence_alone():
    clean = areas(count=2000, noise=0.01)
    rng = np.random.default_rng(9)
    blurred = clean.assign(
        x=clean["x"]
        + clean["area"].map(dict(zip(clean["area"].unique(), rng.normal(0, 5, 2000), strict=True)))
    )
    sharp, dull = (area_gradient.fit(frame, **COLUMNS) for frame in (clean, blurred))
    assert abs(dull.slope.mean[0]) < 0.85 * abs(sharp.slope.mean[0])
    of = {"through": "shown", "outcome": "event"}
    assert dull.consequence(gap(), **of).mean[0] == pytest.approx(
        sharp.consequence(gap(), **of).mean[0], rel=0.05
    )


def test_a_benchmark_is_unrecorded_severity_of_the_same_size():
    """Severity with the benchmark's strength and imbalance moves the risk by the consequence."""
    result = area_gradient.fit(areas(noise=0.01), **COLUMNS)
    moved = result.consequence(gap(), through="shown", outcome="event").mean[0]
    exposure = result.implied(gap(), through="shown").mean[0]
    for apart in (20.0, 30.0):
        cut = result.benchmark("event", risk=0.1, exposure_gap=exposure, apart=apart)
        assert cut.higher_exposed
        assert cut.risk_ratio > 1
        assert cut.imbalance < 0
        factor = unmeasured_severity._factor(cut.risk_ratio, cut.share, cut.imbalance)
        assert 0.1 / factor - 0.1 == pytest.approx(moved, rel=1e-6)


def test_a_benchmark_turns_over_where_exposure_lowers_the_risk():
    result = area_gradient.fit(areas(other=-0.002), **COLUMNS)
    cut = result.benchmark("event", risk=0.1, exposure_gap=-6.0, apart=30, exposed=0.4)
    assert not cut.higher_exposed
    assert cut.imbalance == pytest.approx(0.2)
    assert cut.share == pytest.approx(0.6)
    assert cut.risk_ratio > 1


def test_order_names_and_scale_do_not_matter():
    frame = areas()
    one = area_gradient.fit(frame, **COLUMNS)
    shuffled = frame.sample(frac=1, random_state=2)
    two = area_gradient.fit(shuffled.assign(n=shuffled["n"] * 3, area="Z" + shuffled["area"]), **COLUMNS)
    at = [two.slope.position(name) for name in one.slope.labels]
    np.testing.assert_allclose(two.slope.mean[at], one.slope.mean, rtol=1e-10)
    np.testing.assert_allclose(two.slope.covariance[np.ix_(at, at)], one.slope.covariance, rtol=1e-8)


def test_results_show_themselves_and_warn_of_few_areas():
    result = area_gradient.fit(areas(count=8), **COLUMNS)
    assert "shown" in repr(result)
    assert "<table" in result._repr_html_()
    assert result.checks[0].verdict == "warn"
    lone = areas()
    lone.loc[lone["area"] == "A0", ["x", "n"]] = 400.0, 9000
    lone.loc[0, "value"] += 30
    assert area_gradient.fit(lone, **COLUMNS).checks[1].verdict == "warn"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f.assign(n=f["n"].where(f.index != 3, 0)),
            "Column 'n', row 3: 0; expected patients, above 0",
        ),
        (lambda f: f.assign(se=-1.0), "Column 'se', row 0: -1.0; expected 0 or more"),
        (lambda f: f.assign(value=f["value"].where(f.index != 2)), "Column 'value', row 2"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "row 80: A0; which has the same 'outcome' twice"),
        (
            lambda f: f.assign(x=f["x"].where(f.index != 41, 1.0)),
            "row 41: 1.0; another exposure than the same area",
        ),
        (lambda f: f[f["area"].isin(["A1", "A2", "A3", "A4"])], "'shown' has 4 areas; expected at least 5"),
        (lambda f: f.assign(x=20.0), "'shown': 'x' is the same in every area; expected it to vary"),
        (lambda f: f.assign(value=0.0), "'shown': 'value' is the same in every area"),
        (lambda f: f.drop(columns="x"), "'x'"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        area_gradient.fit(change(areas()), **COLUMNS)


def test_questions_that_cannot_be_answered_are_refused():
    result = area_gradient.fit(areas(), **COLUMNS)
    with pytest.raises(InputError, match="per=0; expected a number above 0"):
        area_gradient.fit(areas(), per=0, **COLUMNS)
    with pytest.raises(InputError, match=r"There is no outcome 'evnt'\. Did you mean 'event'\?"):
        result.consequence(gap(), through="shown", outcome="evnt")
    flat = area_gradient.fit(areas(slope=0.0), **COLUMNS)
    with pytest.raises(InputError, match="The slope of 'shown' may be 0"):
        flat.implied(gap(), through="shown")
    drawn = Estimates(
        estimand="gap", labels=("a",), unit="p", method="given", interval="credible", checks=(DONE,),
        draws=np.zeros((5, 1)),
    )  # fmt: skip
    with pytest.raises(InputError, match="'gap' holds draws; expected a mean"):
        result.implied(drawn, through="shown")
    of = {"risk": 0.1, "exposure_gap": -6.0, "apart": 30.0}
    for change, message in (
        ({"risk": 1.0}, "risk=1.0; expected a number above 0 and below 1"),
        ({"exposed": 0.0}, "exposed=0.0; expected"),
        ({"apart": 0.0}, "apart=0.0; expected a number above 0"),
        ({"apart": 3000.0}, "Along the slope of 'event' a risk of 0.1 becomes"),
        ({"apart": 10.0}, "Parts 10 apart cannot make a gap of -6"),
    ):
        with pytest.raises(InputError, match=message):
            result.benchmark("event", **{**of, **change})
