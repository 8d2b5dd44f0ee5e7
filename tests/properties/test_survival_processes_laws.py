"""Laws of frailty, multi-state processes and regression of rates, on data that chance makes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence import survival

QUICK = settings(max_examples=12, deadline=None)
OPTIMISER = 1e-5


def people(seed, n=80):
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, 8, n)
    time = np.ceil(rng.exponential(20 * np.exp(0.4 * rng.standard_normal(8))[unit])) + 1
    return pd.DataFrame(
        {"t": time, "e": rng.random(n) < 0.7, "u": unit.astype(str), "x": rng.standard_normal(n)}
    ).assign(e=lambda f: f["e"].astype(int))


def frailty(frame):
    return survival.frailty.fit(frame, time="t", event="e", unit="u", covariates=["x"])


@given(st.integers(0, 10**6), st.floats(0.01, 100))
@QUICK
def test_frailty_knows_neither_the_order_of_rows_nor_the_unit_of_time(seed, scale):
    frame = people(seed)
    plain = frailty(frame)
    other = frailty(frame.sample(frac=1, random_state=seed).assign(t=lambda f: f["t"] * scale))
    assert other.theta == pytest.approx(plain.theta, rel=1e-3, abs=1e-4)
    assert other.log_hazard_ratio.mean == pytest.approx(plain.log_hazard_ratio.mean, abs=OPTIMISER)


def stays(seed, n=60):
    """Primary, revised, dead: everyone starts in the first."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        first, end = np.ceil(rng.exponential(9)) + 1, float(rng.integers(3, 20))
        if first >= end:
            rows.append((k, 0.0, end, "primary", None))
            continue
        to = "revised" if rng.random() < 0.6 else "dead"
        rows.append((k, 0.0, first, "primary", to))
        if to == "revised":
            last = first + np.ceil(rng.exponential(9))
            rows.append((k, first, min(last, end), "revised", "dead" if last < end else None))
    return pd.DataFrame(rows, columns=["id", "a", "b", "f", "g"])


def occupied(frame, **more):
    found = survival.multistate.fit(
        frame, id="id", entry="a", time="b", from_state="f", to_state="g",
        states=["primary", "revised", "dead"], start="primary", **more,
    )  # fmt: skip
    return found.at([2.0, 5.0, 9.0]).set_index(["time", "state"])["estimate"]


def product_of_matrices(frame, time):
    """Aalen–Johansen as it is written: a plain product of matrices over the times of moves."""
    names = ["primary", "revised", "dead"]
    state = np.array([1.0, 0, 0])
    for t in sorted(frame.loc[frame["g"].notna() & (frame["b"] <= time), "b"].unique()):
        step = np.eye(3)
        for h, source in enumerate(names[:2]):
            there = (frame["f"] == source) & (frame["a"] < t) & (frame["b"] >= t)
            for j, target in enumerate(names):
                moved = (there & (frame["b"] == t) & (frame["g"] == target)).sum()
                if moved:
                    step[h, j] += moved / there.sum()
                    step[h, h] -= moved / there.sum()
        state = state @ step
    return state


@given(st.integers(0, 10**6))
@QUICK
def test_states_are_the_plain_product_sum_to_one_and_know_no_order_of_rows(seed):
    frame = stays(seed)
    found = occupied(frame)
    for time in (2.0, 5.0, 9.0):
        assert found[time].to_numpy() == pytest.approx(product_of_matrices(frame, time), abs=1e-12)
        assert found[time].sum() == pytest.approx(1)
    mixed = occupied(frame.sample(frac=1, random_state=seed))
    assert mixed.to_numpy() == pytest.approx(found.to_numpy(), abs=1e-12)


@given(st.integers(0, 10**6))
@QUICK
def test_people_of_weight_two_are_people_twice(seed):
    frame = stays(seed)
    twice = pd.concat([frame, frame.assign(id=frame["id"] + 1000)])
    weighed = occupied(frame.assign(w=2), weights="w")
    assert weighed.to_numpy() == pytest.approx(occupied(twice).to_numpy(), abs=1e-12)


@given(st.integers(0, 10**6), st.floats(0.01, 100))
@QUICK
def test_rate_ratios_know_neither_order_nor_unit_of_time_nor_how_rows_are_cut(seed, scale):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"d": rng.poisson(3, 24) + 1, "y": rng.uniform(1, 9, 24), "g": np.tile(list("abc"), 8)}
    )

    def ratios(rows):
        return survival.rate_regression.fit(
            rows, events="d", years="y", covariates=["g"], reference={"g": "a"}
        ).log_rate_ratio.mean

    plain = ratios(frame)
    assert ratios(frame[::-1].assign(y=lambda f: f["y"] * scale)) == pytest.approx(plain, abs=1e-8)
    assert ratios(frame.groupby("g", as_index=False)[["d", "y"]].sum()) == pytest.approx(plain, abs=1e-8)
