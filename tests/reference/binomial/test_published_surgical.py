"""The quadrature twin against the published OpenBUGS results for 'Surgical'.

This anchors the twin to the outside world; `test_against_twin.py` then anchors `units.binomial` to the twin.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from soa_evidence.priors import binomial
from tests.reference.binomial import twin

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text())
TRIALS, EVENTS = (np.array(PUBLISHED["data"][name]) for name in ("trials", "events"))
TWIN_NAMES = {"mu": "level", "sigma": "spread", "pop_mean": "risk at the class level", "p": "unit risk"}

# Published means are Monte Carlo means: the exact value lies within 4 of their Monte Carlo errors, save once
# in some 16,000 comparisons. A sample SD's own error is at most the mean's for shapes near normal (it is the
# mean's / sqrt 2 there), so the same allowance serves for it.
MC_ERRORS = 4.0
# Half a unit in the fourth significant digit, as printed.
ROUNDING = 5e-4
# Independent draws that 20,000 of BUGS's are worth at least: (sd / MC error)^2 of run 1's worst p, twice.
RUN_2_WORTH = 5000
# The quadrature against itself with twice the nodes and twice the grid; twin and published differ by 1e-4.
QUADRATURE = 1e-7


@pytest.fixture(scope="module")
def exact():
    return twin.one_class(EVENTS, TRIALS, twin.BugsPriors())


def mc_error(run, name):
    if name in run["mc_error"]:
        return np.array(run["mc_error"][name])
    # Run 2 is as long twice over, so its errors are those of run 1 over sqrt 2.
    first = PUBLISHED["runs"][0]
    return np.array(first["mc_error"][name]) * np.sqrt(first["samples"] / run["samples"])


@pytest.mark.parametrize("run", PUBLISHED["runs"], ids=["run 1", "run 2"])
@pytest.mark.parametrize("name", TWIN_NAMES)
@pytest.mark.parametrize("moment", ["mean", "sd"])
def test_twin_reproduces_openbugs(exact, run, name, moment):
    published = np.array(run[moment][name])
    allowed = MC_ERRORS * mc_error(run, name) + ROUNDING * np.abs(published)
    gap = np.abs(exact[TWIN_NAMES[name]][("mean", "sd").index(moment)] - published)
    assert (gap <= allowed).all(), f"{gap} beyond {allowed}"


def test_comparison_can_fail(exact):
    # The spread's prior matters with twelve hospitals: under the toolkit's own prior the published spread is
    # missed, so agreement above is not for want of power.
    other = twin.hyper_priors(binomial("default"))
    spread = twin.one_class(EVENTS, TRIALS, other)["spread"][0]
    run = PUBLISHED["runs"][1]
    assert abs(spread - run["mean"]["sigma"]) > MC_ERRORS * run["mc_error"]["sigma"]


def test_rank_intervals_reproduce_openbugs():
    cumulative = twin.rank_cumulative(EVENTS, TRIALS, twin.BugsPriors())
    for quantile, ranks in PUBLISHED["runs"][1]["rank"].items():
        level = float(quantile)
        slack = MC_ERRORS * np.sqrt(level * (1 - level) / RUN_2_WORTH)
        for hospital, rank in enumerate(ranks):
            at = cumulative[hospital, rank - 1]
            before = cumulative[hospital, rank - 2] if rank > 1 else 0.0
            # A published quantile is right when the distribution passes the level at that rank.
            assert before - slack <= level <= at + slack, (hospital + 1, quantile, rank, before, at)


def test_quadrature_has_converged(exact):
    finer = twin.one_class(EVENTS, TRIALS, twin.BugsPriors(), size=(281, 161), nodes=80)
    for name, (mean, sd) in exact.items():
        np.testing.assert_allclose(mean, finer[name][0], atol=QUADRATURE, err_msg=name)
        np.testing.assert_allclose(sd, finer[name][1], atol=QUADRATURE, err_msg=name)


def test_every_published_quantity_is_there():
    assert len(TRIALS) == len(EVENTS) == 12
    assert [run["samples"] for run in PUBLISHED["runs"]] == [10_000, 20_000]
    for run in PUBLISHED["runs"]:
        for moment in ("mean", "sd"):
            assert set(run[moment]) == set(TWIN_NAMES)
            assert len(run[moment]["p"]) == 12
    assert len(PUBLISHED["runs"][0]["mc_error"]["p"]) == 12
    assert {q: len(r) for q, r in PUBLISHED["runs"][1]["rank"].items()} == {
        "0.025": 12,
        "0.5": 12,
        "0.975": 12,
    }
    assert PUBLISHED["source"]["where"]
