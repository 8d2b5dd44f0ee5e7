"""Worked examples of BCEA, voi, hesim, dampack and HERC: our answers to the digits that their pages print.

Draws come from R's own random numbers (make.R); costs and effects that a page prints are typed here.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.economics import decision, information
from soa_evidence.economics.outcomes import Outcomes
from soa_evidence.results import Check

HERE = Path(__file__).parent
AGAIN = json.loads((HERE / "expected.json").read_text())["again"]
CHECKS = (Check(name="a", verdict="pass", observed="1", expected="1", why="a test"),)
#: What was printed has seven digits; draws are kept to ten.
PRINTED = 1e-6
#: Another smoother of the same draws; in Monte Carlo errors of ours.
SMOOTHERS = 2.0


def outcomes(cost, effect, names):
    cost, effect = np.asarray(cost, float), np.asarray(effect, float)
    none = np.zeros_like(cost)
    return Outcomes(
        strategies=tuple(names),
        costs=cost,
        qalys=effect,
        life_years=none,
        first_revisions=none,
        revisions=none,
        trace=np.zeros((1, 7, len(names))),
        counting="end",
        checks=CHECKS,
    )


# voi: an overview, https://chjackson.github.io/voi/articles/voi.html (version 1.0, 26 August 2023)


@pytest.fixture(scope="module")
def normal():
    return pd.read_csv(HERE / "voi_normal.csv.gz")


@pytest.fixture(scope="module")
def two(normal):
    none = np.zeros(len(normal))
    return outcomes(
        np.column_stack([none, normal["cost"]]),
        np.column_stack([none, normal["effect"]]),
        ["treatment 1", "treatment 2"],
    )


@pytest.mark.parametrize(("k", "evpi"), [(1, 0.4759885), (2, 0.4028003), (3, 0.4174207)], ids=["1", "2", "3"])
def test_perfect_information_as_voi_prints_it(two, k, evpi):
    found = decision.analyse(two, threshold=k, thresholds=[k])
    assert found.evpi_at(k) == pytest.approx(evpi, rel=PRINTED)
    assert found.evpi_at(k) == pytest.approx(AGAIN["evpi"][k - 1], rel=1e-8)


@pytest.mark.parametrize(
    ("k", "effect"), [(1, 0.08210074), (2, 0.17052564), (3, 0.25895085)], ids=["1", "2", "3"]
)
def test_partial_information_as_voi_prints_it(normal, two, k, effect):
    both = normal[["effect", "cost"]].to_numpy()
    made = {"effect": both[:, [0]], "cost": both[:, [1]], "both": both}
    gain = two.net_benefit(k)
    table = information._information(made, gain, float(k), 3, CHECKS, "value").table().set_index("label")
    error = (table["upper"] - table["lower"]) / 3.92
    assert abs(table.loc["effect", "estimate"] - effect) < SMOOTHERS * error["effect"]
    assert abs(table.loc["effect", "estimate"] - AGAIN["evppi_effect"][k - 1]) < SMOOTHERS * error["effect"]
    # knowing all is knowing for certain: printed 0.47598851, 0.40280031, 0.41742073
    assert table.loc["both", "estimate"] == pytest.approx(AGAIN["evpi"][k - 1], rel=1e-8)
    if k == 1:
        assert abs(table.loc["cost", "estimate"] - 0.39029827) < SMOOTHERS * error["cost"]


@pytest.mark.parametrize(
    ("size", "printed"), [(10, 0.07440250), (100, 0.08106261), (1000, 0.08189925)], ids=["10", "100", "1000"]
)
def test_sample_information_lies_where_voi_has_it_and_at_its_closed_form(normal, two, size, printed):
    """The page's study draws cannot be had, so both are met within the error of ours."""
    truth = normal["effect"].to_numpy()
    seen = truth + np.random.default_rng(size).standard_normal(len(truth)) / np.sqrt(size)
    gain = two.net_benefit(1)
    table = information._information({"study": seen[:, None]}, gain, 1.0, 3, CHECKS, "value").table()
    value, error = table["estimate"][0], (table["upper"][0] - table["lower"][0]) / 3.92
    from scipy import stats

    s = np.sqrt(size / (size + 1))  # standard deviation of what the study will make the mean
    exact = s * stats.norm.pdf(1 / s) + stats.norm.cdf(1 / s) - 1
    assert abs(value - exact) < SMOOTHERS * error
    assert abs(value - printed) < SMOOTHERS * error


# BCEA: the vaccine example, https://n8thangreen.github.io/BCEA/reference/bcea.html; the package's 1,000 draws


@pytest.fixture(scope="module")
def vaccine():
    """Draws cut to seven decimals of a QALY and three of a pound, so half a unit is put back."""
    kept = pd.read_csv(HERE / "bcea_vaccine.csv")
    names = ["status_quo", "vaccination"]
    return outcomes(
        (kept[[f"cost_{n}" for n in names]] + 0.5) / 1e3,
        -(kept[[f"effect_{n}" for n in names]] + 0.5) / 1e7,
        names,
    )


def test_the_vaccine_as_bcea_prints_it(vaccine):
    found = decision.analyse(vaccine, threshold=25_000, thresholds=range(0, 50_001, 100))
    assert vaccine.net_benefit(25_000).mean(axis=0).round(3).tolist() == [-36.054, -34.826]
    assert round(found.net_benefit.draws.mean(), 4) == 1.2284
    assert round(found.frontier["icer"].iloc[1]) == 20098
    at = found.acceptability.query("threshold == 25_000").set_index("strategy")
    assert at["probability"].round(3).to_dict() == {"status_quo": 0.471, "vaccination": 0.529}
    # printed 2.4145; cutting the draws moves each net benefit by up to 0.0025, their mean far less
    assert found.evpi_at(25_000) == pytest.approx(2.4145, abs=1.5e-4)
    best = found.acceptability.query("on_frontier").set_index("threshold")["strategy"]
    assert best[20_000] == "status_quo"
    assert best[20_100] == "vaccination"  # "choose Status Quo for k < 20100 and Vaccination for k >= 20100"


# hesim: cost-effectiveness analysis, https://hesim-dev.github.io/hesim/articles/cea.html

HESIM = {
    ("g1", "s2"): ((2.05, 0.44, 3.68), (60579, 45170, 80640), (41980, -38916, 122227), 29534),
    ("g1", "s3"): ((0.51, -0.75, 1.72), (60750, 44408, 79245), (-35460, -100074, 32748), 120106),
    ("g2", "s2"): ((2.47, 0.83, 4.06), (60689, 44088, 80040), (62588, -23058, 143866), 24615),
    ("g2", "s3"): ((3.00, 1.74, 4.19), (60726, 44978, 82943), (89198, 25693, 151890), 20252),
}


@pytest.fixture(scope="module")
def groups():
    drawn = pd.read_csv(HERE / "hesim.csv.gz")
    names = ["s1", "s2", "s3"]
    return {
        g: outcomes(drawn[[f"cost_{s}_{g}" for s in names]], drawn[[f"qaly_{s}_{g}" for s in names]], names)
        for g in ("g1", "g2")
    }


@pytest.mark.parametrize(("group", "strategy"), HESIM, ids=["-".join(key) for key in HESIM])
def test_increments_net_benefit_and_icer_as_hesim_prints_them(groups, group, strategy):
    effect, cost, benefit, icer = HESIM[group, strategy]
    found = decision.analyse(groups[group], threshold=50_000)
    label = f"{strategy} minus s1"
    for ours, printed, digits in (
        (found.extra_effect, effect, 2),
        (found.extra_cost, cost, 0),
        (found.net_benefit, benefit, 0),
    ):
        row = ours.table().set_index("label").loc[label, ["estimate", "lower", "upper"]]
        assert [round(x, digits) for x in row] == list(printed)
    extra = [
        e.table().set_index("label").loc[label, "estimate"] for e in (found.extra_cost, found.extra_effect)
    ]
    assert round(extra[0] / extra[1]) == icer


def test_certainty_of_ten_draws_as_hesim_prints_it():
    """Ten net benefits as the page prints them; the third strategy is the choice, certainty worth 10,440."""
    benefit = np.array(
        [
            [405726, 412252, 484698],
            [400762, 505159, 484223],
            [400002, 494164, 509141],
            [401576, 469362, 486300],
            [406327, 321313, 475207],
            [405765, 472386, 494958],
            [417981, 490431, 478320],
            [397519, 479065, 425354],
            [404348, 428433, 410789],
            [399232, 459246, 460238],
        ]
    )
    found = decision.analyse(outcomes(-benefit, 0 * benefit, ["1", "2", "3"]), threshold=1, thresholds=[1])
    assert found.best == "3"
    assert found.evpi_at(1) == pytest.approx(10440.18, abs=1)  # the page subtracts before it rounds
    share = found.acceptability.query("threshold == 1").set_index("strategy")["probability"]
    assert share.round(9).to_dict() == {"1": 0.0, "2": 0.4, "3": 0.6}


# HERC of the US Veterans' Administration, "Cost-effectiveness analysis", as dampack's tests quote it


def test_the_frontier_of_herc():
    names = ["E", "D", "C", "B", "A", "UC"]
    costs, effects = [55_000, 35_000, 25_000, 10_000, 12_000, 5_000], [5, 4, 3, 2, 1.5, 1]
    found = decision.frontier(costs, effects, names).set_index("strategy")
    assert found.loc[["B", "D", "E"], "icer"].tolist() == [5_000, 12_500, 20_000]
    assert found.loc["C", "status"] == "extendedly dominated"
    assert found.loc["A", "status"] == "dominated"
    assert found.loc[["UC", "B", "D", "E"], "status"].unique().tolist() == ["on the frontier"]


# dampack, its table of strategies against C. difficile (vignettes/cdiff_icers.csv, commit 8aae73f)


def test_the_frontier_of_eleven_treatments_as_dampack_prints_it():
    rows = [
        ("s3", 57336.0059896538, 12.9399639202408, None, "on the frontier"),
        ("s27", 57541.2526373815, 13.0140640696275, 2769.85470915263, "on the frontier"),
        ("s33", 57642.2587507842, 13.0389116321918, 4065.03105249231, "on the frontier"),
        ("s31", 57934.0743411241, 13.0966257932217, 5056.2216470406, "on the frontier"),
        ("s43", 58072.1137208494, 13.11285766912, 8504.2160616553, "on the frontier"),
        ("s44", 58665.7823044647, 13.1283328397025, 38362.6519947134, "on the frontier"),
        ("s39", 57814.6470919581, 13.0462790163185, None, "extendedly dominated"),
        ("s4", 57887.481549326, 12.9970657153765, None, "dominated"),
        ("s13", 58018.6252420203, 13.0650412387992, None, "dominated"),
        ("s37", 58081.7947984323, 13.1029711156978, None, "dominated"),
        ("s20", 58634.2026441398, 13.1100568867995, None, "dominated"),
    ]
    names, costs, effects, icers, status = zip(*rows, strict=True)
    found = decision.frontier(costs, effects, names).set_index("strategy").loc[list(names)]
    assert found["status"].tolist() == list(status)
    np.testing.assert_allclose(found["icer"], np.array(icers, float), rtol=1e-8)
