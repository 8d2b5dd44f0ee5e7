"""The committed calibration of `survival.hierarchical`: there, complete, and within simulation error."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.calibration import hierarchical_run, hierarchical_study, study, table
from tests.calibration import hierarchical_simulate as simulate

HERE = Path(__file__).parent
HYPER = {"common", "typical log spread", "log smoothing", "log period spread"}
QUANTITIES = {"spread", "unit risk", "class level", "case mix", "case mix, death"} | {
    f"{what}, {kind}"
    for kind in ("these units", "units as a kind")
    for what in (
        "months",
        *(f"{w} at {h:g}" for w in ("difference", "net risk", "crude incidence") for h in (1, 5)),
    )
}

#: Simulation errors that an honest table stays within.
SIMULATION_ERRORS = 3.5
#: Smallest p value of some fifty tests of uniform ranks, which hang together within a replicate.
SMALLEST_P = 0.0005
#: Under a fixed truth a posterior interval promises nothing exactly: priors pull towards one another.
FIXED_TRUTH_SLACK = 0.03


@pytest.fixture(scope="module")
def committed():
    return pd.read_csv(HERE / "hierarchical_calibration.csv", keep_default_na=False, na_values=[""])


def rows(committed, measure, study_name=None):
    chosen = committed[committed["measure"] == measure]
    return chosen if study_name is None else chosen[chosen["study"] == study_name]


def test_table_is_complete(committed):
    record = json.loads((HERE / "hierarchical_run.json").read_text())
    assert record["replicates"] == hierarchical_run.REPLICATES
    assert record["seed"] == hierarchical_run.SEED
    assert {"minutes", "versions", "date", "settings"} <= set(record)
    assert record["refused"] <= 0.01 * sum(record["replicates"].values())
    assert set(rows(committed, "coverage", "priors")["quantity"]) == QUANTITIES | HYPER
    assert set(rows(committed, "ranks uniform")["quantity"]) == QUANTITIES | HYPER
    assert len(rows(committed, "false claims of better")) == 4
    ran = committed.groupby("study")["replicates"].first()
    assert (ran >= 0.99 * pd.Series(record["replicates"])[ran.index]).all()


def test_ranks_are_uniform(committed):
    uniform = rows(committed, "ranks uniform")
    assert (uniform["p_value"] > SMALLEST_P).all(), uniform.sort_values("p_value").head()
    # Together they are not too small either: half of them should lie above a half.
    assert (uniform["p_value"] > 0.5).mean() > 0.2


def test_committed_ranks_give_the_committed_p_values(committed):
    ranks = pd.read_csv(HERE / "hierarchical_ranks.csv", index_col="seed")
    p_values = (
        rows(committed, "ranks uniform").fillna({"label": ""}).set_index(["quantity", "label"])["p_value"]
    )
    for what, rank in ranks.items():
        quantity, label = what.split(" | ")
        counts = np.bincount(rank * table.BINS // (study.KEPT + 1), minlength=table.BINS)
        assert stats.chisquare(counts).pvalue == pytest.approx(p_values[quantity, label], rel=1e-4), what


def test_intervals_cover_what_they_say_over_the_prior(committed):
    part = rows(committed, "coverage", "priors")
    gap = (part["observed"] - part["nominal"]).abs()
    assert (gap <= SIMULATION_ERRORS * part["simulation_error"]).all(), part


def test_intervals_do_not_cover_much_less_under_a_fixed_truth(committed):
    part = rows(committed, "coverage", "no difference")
    short = part["nominal"] - part["observed"]
    assert (short <= FIXED_TRUTH_SLACK + SIMULATION_ERRORS * part["simulation_error"]).all(), part


def test_false_claims_are_no_more_than_promised(committed):
    part = rows(committed, "false claims of better")
    assert (part["observed"] <= part["nominal"] + SIMULATION_ERRORS * part["simulation_error"]).all(), part


def test_the_simulator_makes_what_it_says():
    frame = simulate.layout().assign(end=5.0)
    truth = simulate.fixed(frame, hierarchical_study.NO_DIFFERENCE, np.random.default_rng(1))
    true = simulate.quantities(frame, truth)
    made = [simulate.observed(frame, truth, np.random.default_rng(k)) for k in range(40)]
    revised = np.array([(one["event"] == 1).mean() for one in made])
    size = frame["kind"].value_counts(normalize=True)
    # Ages differ a little between units, so that the crude share is near the standardised one, not it.
    expected = sum(true["crude incidence at 5, these units"][kind] * size[kind] for kind in size.index)
    error = np.sqrt(expected * (1 - expected) / (len(frame) * len(made)))
    assert revised.mean() == pytest.approx(expected, abs=4 * error + 0.002)
    kind = true["difference at 5, units as a kind"]
    assert max(abs(value) for value in kind.values()) < 1e-9
    early = np.mean([((one["event"] == 1) & (one["years"] <= 0.5)).mean() for one in made])
    late = np.mean([((one["event"] == 1) & (one["years"] > 3)).mean() for one in made])
    assert early / 0.5 > late / 2


def test_truths_from_the_priors_have_the_priors_moments():
    frame, rng = simulate.layout(), np.random.default_rng(2)
    truths = [simulate.from_priors(frame, rng) for _ in range(400)]
    common = np.array([t.common for t in truths])
    prior = simulate.PRIORS.common_level
    assert common.mean() == pytest.approx(prior.mean, abs=4 * prior.sd / 20)
    assert common.std() == pytest.approx(prior.sd, rel=0.15)
    around = np.array([t.class_level - t.common for t in truths])
    assert around.std() == pytest.approx(simulate.PRIORS.class_level.sd, rel=0.1)
    shapes = np.array([t.log_time[0] - t.log_time[1] for t in truths])
    assert np.isfinite(shapes).all()
