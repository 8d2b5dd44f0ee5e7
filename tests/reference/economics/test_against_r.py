"""The same as R, and as the pages that print a worked example? Values, call and versions in expected.json."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.economics import cohort, decision, information, parameters
from tests.unit import economics_toys as toys

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
#: Both sides add up the same closed forms; only rounding differs.
EXACT = 1e-10
#: Two different smoothers of the same 4,000 draws; the unit is their Monte Carlo error.
SMOOTHERS = 2.0


def test_the_textbook_to_its_printed_digits():
    out = cohort.run(toys.textbook_model(), toys.textbook_inputs().values())
    table = out.table().set_index("strategy")
    assert [round(x, 5) for x in table["qalys"]] == [14.65283, 14.69734]
    assert [round(x, 4) for x in table["costs"]] == [512.4327, 610.3112]
    found = decision.frontier(table["costs"], table["qalys"], list(table.index))
    assert round(found["icer"].iloc[1], 3) == 2198.977


@pytest.mark.parametrize(("ours", "theirs"), [("standard", "standard"), ("NP1", "np1")])
def test_matrices_in_r_give_the_same(ours, theirs):
    out = cohort.run(toys.textbook_model(), toys.textbook_inputs().values())
    row, at = EXPECTED["base"][theirs], out.position(ours)
    assert out.costs[0, at] == pytest.approx(row["cost"], rel=EXACT)
    assert out.qalys[0, at] == pytest.approx(row["qaly"], rel=EXACT)
    assert 1 - out.trace[-1, -1, at] == pytest.approx(row["alive"], rel=1e-8)


@pytest.fixture(scope="module")
def outcomes():
    values = toys.textbook_inputs().values()
    drawn = pd.read_csv(HERE / "draws.csv")
    return cohort.run(toys.textbook_model(), values | {c: drawn[c].to_numpy() for c in drawn})


def test_two_hundred_draws_at_once_are_two_hundred_loops_in_r(outcomes):
    for at, name in enumerate(("standard", "np1")):
        np.testing.assert_allclose(outcomes.costs[:, at], EXPECTED["draws"][f"cost_{name}"], rtol=EXACT)
        np.testing.assert_allclose(outcomes.qalys[:, at], EXPECTED["draws"][f"qaly_{name}"], rtol=EXACT)


@pytest.mark.parametrize("row", EXPECTED["decide"], ids=lambda row: str(row["threshold"]))
def test_acceptability_and_value_of_certainty(outcomes, row):
    found = decision.analyse(outcomes, threshold=row["threshold"] or 1, thresholds=[row["threshold"]])
    at = found.acceptability.query("threshold == @row['threshold'] and strategy == 'NP1'")
    assert at["probability"].iloc[0] == pytest.approx(row["accept"], abs=1e-12)
    assert found.evpi_at(row["threshold"]) == pytest.approx(row["evpi"], rel=1e-8, abs=1e-9)
    if row["threshold"]:
        assert found.net_benefit.draws.mean() == pytest.approx(row["inb"], rel=1e-8)


def test_partial_information_is_that_of_additive_models_in_r():
    toy = pd.read_csv(HERE / "voi.csv")
    gain = np.column_stack([np.zeros(len(toy)), toy["d"]])
    x = {"x": toy[["x"]].to_numpy(), "y": toy[["y"]].to_numpy(), "xy": toy[["x", "y"]].to_numpy()}
    found = information._information(x, gain, 1.0, 3, (toys_check(),), "value")
    table = found.table().set_index("label")
    error = (table["upper"] - table["lower"]) / 3.92
    for name, theirs in EXPECTED["voi"].items():
        assert abs(table.loc[name, "estimate"] - theirs) < SMOOTHERS * error[name], name


def toys_check():
    from soa_evidence.results import Check

    return Check(name="a", verdict="pass", observed="1", expected="1", why="a test")


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (parameters.beta("a", events=4, of=100, unit="probability", **toys.SAID), "beta"),
        (parameters.gamma("a", mean=5294, std_error=1487, **toys.POUNDS), "gamma"),
        (parameters.log_normal("a", estimate=0.8, log_error=0.1, unit="ratio", **toys.SAID), "lnorm"),
        (parameters.beta("a", mean=0.85, std_error=0.03, unit="utility", **toys.SAID), "beta_mean"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_limits_are_those_of_r(made, name):
    low, _, high = EXPECTED["quantiles"][name]
    assert [made.lower[0], made.upper[0]] == pytest.approx([low, high], rel=1e-8)


def test_a_published_frontier_with_a_dominated_strategy():
    """HIV screening, the example of dampack's vignette: five strategies, costs and QALYs as printed there."""
    names = ["status quo", "one time", "5yr", "3yr", "annual"]
    costs = [26000, 27000, 28020, 28440, 29440]
    qalys = np.array([277.25, 277.57, 277.78, 277.83, 277.76]) / 12
    found = decision.frontier(costs, qalys, names).set_index("strategy")
    assert found.loc["annual", "status"] == "dominated"
    # printed, in thousands of dollars a QALY: 37.5, 58.3, 100.8
    assert [round(found.loc[n, "icer"] / 1000, 1) for n in names[1:4]] == [37.5, 58.3, 100.8]
    assert np.isnan(found.loc["annual", "icer"])


def test_a_published_frontier_of_bowel_cancer_screening():
    """The non-dominated options of a published table (Aust NZ Health Policy 2005;2:10, table 7)."""
    names = ["existing practice", "FOBT2", "DCBE5", "DCBE3", "FOBT1+DCBE5", "FOBT1+DCBE3"]
    costs = [0, 140_117_791, 248_112_291, 304_301_903, 370_181_240, 422_777_702]
    years = [0, 3551, 6023, 6720, 7076, 7299]
    found = decision.frontier(costs, years, names)
    assert set(found["status"]) == {"on the frontier"}
    # the printed ratios come from effects before they were rounded: agreement to 1 in 500
    printed = [39_459, 43_687, 80_616, 185_054, 235_859]
    np.testing.assert_allclose(found["icer"].iloc[1:], printed, rtol=2e-3)
