"""Laws of the case-mix methods: cells are patients counted, and names, order and scale do not matter."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.units import adjusted_gain, agreement, case_mix, g_computation, prediction_accuracy

SAME = 1e-7  # both sides stop where the deviance no longer moves
EXACT = 1e-9
QUICK = settings(max_examples=12, deadline=None)
seeds = st.integers(0, 10_000)


def patients(seed, n=240):
    rng = np.random.default_rng(seed)
    sex, band = rng.integers(0, 2, n), rng.integers(0, 4, n)
    unit = rng.integers(0, 6, n)
    y = rng.random(n) < 1 / (1 + np.exp(1 - 0.6 * sex - 0.3 * band))
    return pd.DataFrame(
        {
            "unit": np.array(list("pqrstu"))[unit],
            "sex": np.array(["man", "woman"])[sex],
            "age": 50.0 + 10 * band,
            "y": y.astype(int),
            "score": np.round(30 + 3 * sex - band + rng.normal(scale=4, size=n), 1),
        }
    )


def counted(frame):
    keys = ["unit", "sex", "age"]
    frame = frame.assign(n=1, squares=frame["score"] ** 2)
    return frame.groupby(keys)[["n", "y", "score", "squares"]].sum().reset_index()


def fit(frame, kind, size=None, **more):
    outcome = "y" if kind == "events" else "score"
    squares = "squares" if size and kind == "value" else None
    given_ = {"covariates": ["sex", "age"], "splines": {"age": 3}, "unit": "unit", "covariance": "unit"}
    return case_mix.fit(frame, outcome=outcome, kind=kind, size=size, squares=squares, **{**given_, **more})


def same_tables(left, right, close=SAME):
    for a, b in ((left.coefficients.table(), right.coefficients.table()), (left.units, right.units)):
        keys = [name for name in a.columns if a[name].dtype == object]
        assert a[keys].equals(b[keys])
        rest = [name for name in a.columns if name not in keys]
        assert a[rest].to_numpy(float) == pytest.approx(b[rest].to_numpy(float), rel=close, abs=1e-8)


@QUICK
@given(seeds, st.sampled_from(["events", "value"]))
def test_cells_give_what_their_patients_give(seed, kind):
    frame = patients(seed)
    cells = counted(frame)
    left, right = fit(frame, kind), fit(cells, kind, size="n")
    same_tables(left, right)
    assert left.explained == pytest.approx(right.explained, rel=1e-6, abs=1e-9)
    assert [c.verdict for c in left.checks] == [c.verdict for c in right.checks]


@QUICK
@given(seeds, st.sampled_from(["events", "value"]))
def test_the_order_of_rows_does_not_matter(seed, kind):
    frame = patients(seed)
    mixed = frame.sample(frac=1, random_state=seed)
    same_tables(fit(frame, kind), fit(mixed, kind))


@QUICK
@given(seeds)
def test_names_of_units_do_not_matter(seed):
    frame = patients(seed)
    renamed = frame.assign(unit=frame["unit"].map(dict(zip("pqrstu", "zyxwvs", strict=True))))
    left, right = fit(frame, "events").units, fit(renamed, "events").units
    assert sorted(left["excess"]) == pytest.approx(sorted(right["excess"]), rel=SAME, abs=1e-10)


@QUICK
@given(seeds, st.floats(0.001, 1000), st.floats(-500, 500))
def test_the_scale_of_a_covariate_does_not_matter(seed, scale, shift):
    frame = patients(seed)
    left, right = fit(frame, "events"), fit(frame.assign(age=frame["age"] * scale + shift), "events")
    assert left.fitted == pytest.approx(right.fitted, rel=1e-5)


@QUICK
@given(seeds, st.floats(0.01, 100))
def test_values_scale(seed, scale):
    frame = patients(seed)
    left, right = fit(frame, "value"), fit(frame.assign(score=frame["score"] * scale), "value")
    assert left.units["excess"].to_numpy() * scale == pytest.approx(
        right.units["excess"].to_numpy(), rel=1e-6, abs=1e-8
    )
    assert left.explained == pytest.approx(right.explained, rel=1e-6, abs=1e-9)


@QUICK
@given(seeds, st.sampled_from(["events", "value"]))
def test_expected_totals_are_the_observed(seed, kind):
    units = fit(patients(seed), kind).units
    assert units["expected"].sum() == pytest.approx(units["observed"].sum(), rel=1e-7)


@QUICK
@given(seeds)
def test_without_covariates_g_computation_is_the_crude_mean(seed):
    frame = patients(seed)
    found = g_computation.fit(frame, outcome="y", kind="events", group="sex", reference="man", covariates=[])
    crude = frame.groupby("sex")["y"].mean()
    means = found.mean.table().set_index("label")["estimate"]
    assert means.to_numpy() == pytest.approx(crude.loc[means.index].to_numpy(), rel=1e-7)


@QUICK
@given(seeds)
def test_accuracy_of_cells_is_that_of_patients(seed):
    frame = patients(seed)
    cells = counted(frame)
    frame = frame.assign(p=fit(frame, "events").fitted)
    cells = cells.merge(frame[["unit", "sex", "age", "p"]].drop_duplicates(["unit", "sex", "age"]))
    left = prediction_accuracy.fit(frame, outcome="y", expected="p", kind="events")
    right = prediction_accuracy.fit(cells, outcome="y", expected="p", kind="events", size="n")
    shown = ["estimate", "std_error"]
    assert left.summary[shown].to_numpy() == pytest.approx(
        right.summary[shown].to_numpy(), rel=SAME, abs=1e-7, nan_ok=True
    )
    assert left.groups.to_numpy(float) == pytest.approx(right.groups.to_numpy(float), rel=SAME)


@QUICK
@given(seeds)
def test_the_c_statistic_is_the_share_of_pairs_in_order(seed):
    """The fast count beside the slow one, over all pairs."""
    rng = np.random.default_rng(seed)
    p, y = np.round(rng.uniform(0.05, 0.95, 40), 1), rng.integers(0, 2, 40)
    y[:2], p[:2] = [0, 1], [0.1, 0.9]
    frame = pd.DataFrame({"y": y, "p": p})
    pairs = [(a > b) + 0.5 * (a == b) for a in p[y == 1] for b in p[y == 0]]
    found = prediction_accuracy.fit(frame, outcome="y", expected="p", kind="events")
    assert found.summary.set_index("measure").loc["c statistic", "estimate"] == pytest.approx(
        np.mean(pairs), rel=EXACT
    )


@QUICK
@given(seeds)
def test_steps_add_up_to_the_difference(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(30, 4)), columns=list("abcd"))
    told = agreement.explain(frame, path=list("abcd"), causes=["one", "two", "three"], above=0.5)
    steps = told[["one", "two", "three"]].sum(axis=1).to_numpy()
    assert steps == pytest.approx(told["difference"].to_numpy(), rel=EXACT)
    assert (told["difference"].abs() > 0.5).all()
    assert len(told) == int((frame["d"] - frame["a"]).abs().gt(0.5).sum())


@QUICK
@given(seeds)
def test_figures_exchanged_change_the_sign_only(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=40), "u": rng.integers(0, 8, 40).astype(str)})
    frame["y"] = frame["x"] + rng.normal(scale=0.3, size=40)
    left = agreement.fit(frame, ours="x", theirs="y", unit="u")
    right = agreement.fit(frame, ours="y", theirs="x", unit="u")
    assert left.bias.mean[0] == pytest.approx(-right.bias.mean[0])
    assert left.limits.mean.tolist() == pytest.approx((-right.limits.mean[::-1]).tolist())
    assert left.concordance.mean[0] == pytest.approx(right.concordance.mean[0])


@QUICK
@given(seeds, st.floats(-20, 20))
def test_a_model_wrong_by_a_constant_adjusts_alike(seed, constant):
    rng = np.random.default_rng(seed)
    n = rng.integers(30, 90, 12)
    frame = pd.DataFrame({"u": list("abcdefghijkl"), "n": n, "o": n * rng.normal(40, 2, 12), "b": n * 18.0})
    frame["e"] = n * rng.normal(39, 1, 12)
    given_ = {"unit": "u", "size": "n", "observed": "o", "before": "b"}
    left = adjusted_gain.fit(frame, expected="e", **given_).units["adjusted_gain"]
    right = adjusted_gain.fit(frame.assign(e=frame["e"] + constant * n), expected="e", **given_).units[
        "adjusted_gain"
    ]
    assert left.to_numpy() == pytest.approx(right.to_numpy(), rel=EXACT)
    mean = (left * n).sum() / n.sum()
    assert mean == pytest.approx((frame["o"] - frame["b"]).sum() / n.sum())
