import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from units_toys import prepared

from soa_evidence.results.predictive import predictive_check
from soa_evidence.units.predictive import replicate

DRAWS = 300


def units(risk, *, patients=400, seed=0, age=("old", "young"), effect=0.0):
    """One class pair of units with the given risks on average; `effect` is the log odds of the old."""
    rng = np.random.default_rng(seed)
    rows = []
    for j, p in enumerate(risk):
        for level in age:
            q = expit(logit(p) + effect * (0.5 if level == "old" else -0.5))
            row = (f"u{j:02d}", "XY"[j % 2], level, rng.binomial(patients // 2, q), patients // 2)
            rows.append(row)
    return prepared(pd.DataFrame(rows, columns=["unit", "group", "age", "events", "n"]), case_mix=["age"])


def replicated(cells, *, level, spread, case_mix=0.0, seed=1):
    size = (DRAWS, len(cells.groups))
    jitter = 0.02 * np.random.default_rng(2).standard_normal(size)
    return replicate(
        cells,
        np.full((DRAWS, len(cells.terms)), case_mix),
        level + jitter,
        np.full(size, spread),
        seed=seed,
    )


def usual_risks(spread, many=40):
    return expit(-2.0 + spread * np.random.default_rng(3).standard_normal(many))


def test_a_model_that_made_the_data_passes():
    table = replicated(units(usual_risks(0.3)), level=-2.0, spread=0.3)
    assert predictive_check(table).verdict == "pass"
    assert predictive_check(table).observed.startswith("smallest probability")
    assert (table["probability"] > 0.01).all()


def test_a_model_with_too_little_spread_is_warned_of():
    found = predictive_check(replicated(units(usual_risks(0.6)), level=-2.0, spread=0.02))
    assert found.verdict == "warn"
    assert "standard deviation of units' crude rates" in found.observed


def test_a_model_with_too_much_spread_is_warned_of():
    found = predictive_check(replicated(units(usual_risks(0.0)), level=-2.0, spread=1.0))
    assert found.verdict == "warn"
    assert "standard deviation of units' crude rates" in found.observed


def test_a_single_outlying_unit_is_warned_of():
    risk = usual_risks(0.1)
    risk[5] = 0.5
    found = predictive_check(replicated(units(risk), level=-2.0, spread=0.1))
    assert found.verdict == "warn"
    assert "largest excess of a unit" in found.observed


def test_case_mix_that_is_wrong_is_warned_of():
    cells = units(usual_risks(0.2), effect=2.0)
    toward_old = 1.0 if cells.terms[0].startswith("age: old") else -1.0
    assert (
        predictive_check(replicated(cells, level=-2.0, spread=0.2, case_mix=2 * toward_old)).verdict == "pass"
    )
    found = predictive_check(replicated(cells, level=-2.0, spread=0.2, case_mix=-2 * toward_old))
    assert found.verdict == "warn"
    assert "tenth of patients" in found.observed


def test_units_without_any_event_are_counted():
    risk = np.r_[np.full(20, 0.3), np.full(20, 1e-9)]
    table = replicated(units(risk, patients=60), level=-2.0, spread=0.2).set_index("statistic")
    assert table.loc["units with no event", "observed"] == 20
    assert table.loc["units with no event", "probability"] < 0.01


def test_no_event_anywhere_is_no_trouble():
    table = replicated(units(np.full(6, 1e-12)), level=-9.0, spread=0.2)
    assert np.isfinite(table.drop(columns="statistic").to_numpy(float)).all()
    assert predictive_check(table).verdict == "pass"


def test_the_same_seed_gives_the_same_replicates():
    cells = units(usual_risks(0.3))
    first, again = (replicated(cells, level=-2.0, spread=0.3) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(replicated(cells, level=-2.0, spread=0.3, seed=2))


def test_the_table_says_what_was_seen_and_what_the_model_makes():
    table = replicated(units(usual_risks(0.3)), level=-2.0, spread=0.3)
    assert len(table) == 6
    assert (table["replicated_lower"] <= table["replicated_median"]).all()
    assert (table["replicated_median"] <= table["replicated_upper"]).all()
    assert table["probability"].between(0, 1).all()


@pytest.mark.parametrize("group", ["lowest", "highest"])
def test_the_tenths_are_tenths_of_patients(group):
    cells = units(np.full(10, 0.2), patients=1000)
    table = replicated(cells, level=logit(0.2), spread=0.01).set_index("statistic")
    # A tenth of 10,000 patients at a risk of 0.2 holds about 200 events; four binomial standard errors.
    row = table.loc[f"events in the tenth of patients at {group} predicted risk"]
    assert row["replicated_median"] == pytest.approx(200, abs=20)


def test_replicates_vary_between_units_as_much_as_the_model_says():
    cells = units(usual_risks(0.3, many=200), patients=20_000)
    table = replicated(cells, level=-2.0, spread=0.3).set_index("statistic")
    expected = expit(-2.0 + 0.3 * np.random.default_rng(5).standard_normal(100_000)).std()
    row = table.loc["standard deviation of units' crude rates"]
    # Over 200 units a standard deviation is known to about 6 %; its median over replicates far better.
    assert row["replicated_median"] == pytest.approx(expected, rel=0.04)
