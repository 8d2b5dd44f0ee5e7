"""The committed calibration table: there, complete, and within simulation error of nominal.

The study itself is `make calibrate`; of the tests here only one samples, two small fits.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.priors import binomial
from tests.calibration import run, simulate, study, table

HERE = Path(__file__).parent
QUANTITIES = {
    "difference, these units",
    "difference, units as a kind",
    "risk, these units",
    "risk, units as a kind",
    "spread",
    "unit risk",
    "class level",
}
FROM_PRIORS_ONLY = {"case mix", "common", "typical log spread"}

# Simulation errors that an honest table stays within: one in about two hundred would stray beyond 3.5 in some
# one of its 10 coverages over the prior.
SIMULATION_ERRORS = 3.5
# Smallest p value of 23 tests of uniform ranks: under uniformity it is below this once in some 90 tables.
SMALLEST_P = 0.0005
# Under a fixed truth a posterior interval promises nothing exactly: priors pull towards one another. What is
# demanded is that it does not cover much less than it says.
FIXED_TRUTH_SLACK = 0.03
MC_ERRORS = 4.0


@pytest.fixture(scope="module")
def committed():
    return pd.read_csv(HERE / "binomial_calibration.csv", keep_default_na=False, na_values=[""])


def rows(committed, measure, study_name=None):
    chosen = committed[committed["measure"] == measure]
    return chosen if study_name is None else chosen[chosen["study"] == study_name]


def test_table_is_complete(committed):
    record = json.loads((HERE / "binomial_run.json").read_text())
    assert record["replicates"] == run.REPLICATES
    assert record["seed"] == run.SEED
    assert {"minutes", "versions", "date", "settings"} <= set(record)
    assert dict(committed.groupby("study")["replicates"].first()) == run.REPLICATES
    for name in run.REPLICATES:
        expected = QUANTITIES | FROM_PRIORS_ONLY if name == "priors" else QUANTITIES
        assert set(rows(committed, "coverage", name)["quantity"]) == expected
    uniform = rows(committed, "ranks uniform")
    assert set(uniform["quantity"]) == QUANTITIES | FROM_PRIORS_ONLY
    assert len(uniform) == 2 * 2 + 3 * 4 + 2 + 3 + 2  # differences, by class, two units, three terms, hyper
    assert len(rows(committed, "false claims of better")) == 2
    assert len(rows(committed, "claims of better")) == 2 + 4
    assert len(rows(committed, "fits with a failed check")) == 3


def test_ranks_are_uniform(committed):
    uniform = rows(committed, "ranks uniform")
    assert (uniform["p_value"] > SMALLEST_P).all(), uniform


def test_committed_ranks_give_the_committed_p_values(committed):
    ranks = pd.read_csv(HERE / "binomial_ranks.csv", index_col="seed")
    p_values = rows(committed, "ranks uniform").fillna({"label": ""})
    p_values = p_values.set_index(["quantity", "label"])["p_value"]
    assert ranks.to_numpy().min() >= 0
    assert ranks.to_numpy().max() <= study.KEPT
    assert len(ranks.columns) == len(p_values) - 2  # the two units' ranks are not kept
    for what, rank in ranks.items():
        quantity, label = what.split(" | ")
        again = table._uniform("priors", quantity, label, rank.reset_index(name="rank"))["p_value"]
        assert again == pytest.approx(p_values[quantity, label], rel=1e-4), what  # the table keeps six digits


def test_intervals_cover_what_they_say_over_the_prior(committed):
    part = rows(committed, "coverage", "priors")
    gap = (part["observed"] - part["nominal"]).abs()
    assert (gap <= SIMULATION_ERRORS * part["simulation_error"]).all(), part


@pytest.mark.parametrize("name", list(study.TRUTHS))
def test_intervals_do_not_cover_much_less_under_fixed_truths(committed, name):
    part = rows(committed, "coverage", name)
    short = part["nominal"] - part["observed"]
    assert (short <= FIXED_TRUTH_SLACK + SIMULATION_ERRORS * part["simulation_error"]).all(), part


def test_false_claims_are_no_more_than_promised(committed):
    part = rows(committed, "false claims of better")
    assert (part["observed"] <= part["nominal"] + SIMULATION_ERRORS * part["simulation_error"]).all(), part


def test_real_differences_are_found(committed):
    found = rows(committed, "claims of better", "specialists better")
    found = found.set_index(["quantity", "label"])["observed"]
    assert found["difference, these units", "specialist"] > 0.5


def test_simulator_makes_what_it_says():
    rng = np.random.default_rng(1)
    d = simulate.laid_out(simulate.layout(case_mix=True), case_mix=True)
    assert len(d.units) == sum(simulate.UNITS.values())
    assert len(d.terms) == 3
    truth = simulate.from_priors(d, binomial("default"), rng)
    frame = simulate.events(d, truth, rng)
    assert (frame["events"] <= frame["trials"]).all()
    assert frame.groupby("unit")["class"].nunique().eq(1).all()
    assert set(frame["age"]) == set(simulate.FACTORS["age"])
    true = simulate.quantities(d, truth)
    assert set(true) == QUANTITIES | FROM_PRIORS_ONLY
    assert all(0 < risk < 1 for risk in true["unit risk"].values())


def test_simulated_counts_have_the_expected_mean():
    rng = np.random.default_rng(2)
    d = simulate.laid_out(simulate.layout(case_mix=False), case_mix=False)
    truth = simulate.fixed(d, study.TRUTHS["no difference"], dict.fromkeys(simulate.UNITS, 1e-9), rng)
    total = np.mean([simulate.events(d, truth, rng)["events"].sum() for _ in range(200)])
    n, p = d.trials.sum(), 1 / (1 + np.exp(2.2))
    assert total == pytest.approx(n * p, abs=4 * np.sqrt(n * p * (1 - p) / 200))
    difference = simulate.quantities(d, truth)["difference, units as a kind"]["specialist"]
    assert difference == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_the_sampler_gives_the_same_posterior_as_independent_draws():
    def means(engine):
        made = pd.DataFrame(study.replicate("no difference", 2, engine=engine))
        return made.set_index(["quantity", "label"])[["mean", "mcse"]]

    direct, sampled = means("direct"), means("sampler")
    error = np.hypot(direct["mcse"], sampled["mcse"])
    assert ((direct["mean"] - sampled["mean"]).abs() < MC_ERRORS * error).all()


def test_comparison_of_draws_with_truth():
    draws = np.linspace(-1.0, 1.0, 490)
    below = study.compare(draws, -2.0)
    assert (below["rank"], below["covered"], below["claim"]) == (0, False, False)
    assert study.compare(draws, 2.0)["rank"] == study.KEPT
    assert study.compare(draws, 0.0)["covered"]
    assert study.compare(draws - 5, 0.0)["claim"]


def test_table_sees_ranks_that_pile_up_and_intervals_too_short():
    # Ranks all in the middle are a posterior too wide; intervals that miss are one too narrow.
    frame = pd.DataFrame(
        {
            "study": "priors",
            "seed": range(100),
            "quantity": "spread",
            "label": "general",
            "truth": 0.2,
            "rank": [20 + k % 10 for k in range(100)],
            "covered": [k % 2 == 0 for k in range(100)],
            "claim": False,
            "failed": "",
        }
    )
    made = table.summarise(frame).set_index("measure")
    assert made.loc["ranks uniform", "p_value"] < SMALLEST_P
    assert made.loc["coverage", "observed"] == pytest.approx(0.5)
