"""`units.binomial.fit` against the deterministic twin: same data, same priors, no case mix, two classes."""

import arviz as az
import numpy as np
import pandas as pd
import pytest

from soa_evidence import units
from soa_evidence.priors import binomial
from soa_evidence.sampling import Settings
from tests.reference.binomial import twin
from tests.reference.binomial.test_published_surgical import EVENTS, TRIALS

pytestmark = pytest.mark.slow

# Both name the same posterior, so what is left is the sampler's own error: 4 of its standard errors, which
# over the 150 or so comparisons here a correct sampler exceeds about once in a hundred seeds.
MC_ERRORS = 4.0
# Twelve hospitals of Surgical, every other one to a class.
ODD = np.arange(12) % 2 == 0
# Units so small that prior, class and quadrature all matter: no event at all, every event, a single patient.
SMALL_TRIALS = np.array([1, 2, 3, 5, 8, 12, 20, 30, 2, 4, 6, 9, 15, 40])
SMALL_EVENTS = np.array([0, 0, 0, 1, 0, 0, 1, 0, 2, 1, 2, 0, 4, 7])
SMALL_FIRST = np.arange(14) < 8
DATA = {
    "surgical": (EVENTS, TRIALS, ODD),
    "small and zero counts": (SMALL_EVENTS, SMALL_TRIALS, SMALL_FIRST),
}
SETTINGS = Settings(draws=2000, tune=1000, chains=4, target_accept=0.9)


def frame(events, trials, first):
    # Names sort as the twin lays units out: first class's, then second's.
    label = np.where(first, "a", "b")
    unit = [f"{c}{i:02d}" for i, c in enumerate(label)]
    return pd.DataFrame({"events": events, "trials": trials, "unit": unit, "class": label})


def fit(events, trials, first, priors="default"):
    return units.binomial.fit(
        frame(events, trials, first),
        events="events",
        trials="trials",
        unit="unit",
        group="class",
        reference="b",
        seed=20260,
        priors=priors,
        settings=SETTINGS,
    )


@pytest.fixture(scope="module", params=DATA, ids=list(DATA))
def pair(request):
    events, trials, first = DATA[request.param]
    exact = twin.two_classes(
        (events[first], trials[first]),
        (events[~first], trials[~first]),
        twin.hyper_priors(binomial("default")),
    )
    return exact, fit(events, trials, first)


def per_draw(result):
    """Draws behind every quantity of the twin, each (chain, draw, ...)."""
    chains = result.tree["posterior"].sizes["chain"]
    laid_out = {
        "level": result.tree["posterior"]["class_level"].to_numpy().reshape(-1, 2),
        "spread": result.spread.draws,
        "unit risk": result.unit_risk.draws,
        "risk, these units": result.these_units.risk.draws,
        "risk, units as a kind": result.as_a_kind.risk.draws,
        "risk of one more unit": result.new_unit_risk.draws,
        "difference, these units": result.these_units.difference.draws / 1000,
        "difference, units as a kind": result.as_a_kind.difference.draws / 1000,
    }
    return {name: draws.reshape(chains, -1, draws.shape[1]) for name, draws in laid_out.items()}


def test_every_mean_and_sd_agrees(pair):
    exact, result = pair
    sampled = per_draw(result)
    assert set(sampled) == set(exact) - {"probability that the first kind is lower"}
    compared, worst = 0, {}
    for name, draws in sampled.items():
        for moment, summary in enumerate((np.mean, np.std)):
            truth = np.atleast_1d(exact[name][moment])
            for k in range(draws.shape[2]):
                error = float(az.mcse(draws[:, :, k], method=("mean", "sd")[moment]))
                worst[f"{name}, {k}, {('mean', 'sd')[moment]}"] = (summary(draws[:, :, k]) - truth[k]) / error
                compared += 1
    n_units = len(result.units)
    assert compared == 2 * (5 * 2 + n_units + 2)  # five quantities by class, every unit, two differences
    too_far = {name: z for name, z in worst.items() if not abs(z) <= MC_ERRORS}
    assert not too_far, too_far


def test_probability_of_being_better_agrees(pair):
    exact, result = pair
    truth = exact["probability that the first kind is lower"]
    row = result.as_a_kind.probability_better.table().iloc[0]
    assert abs(row["estimate"] - truth) <= MC_ERRORS * row["std_error"]


def test_checks_pass(pair):
    for check in pair[1].checks:
        assert check.verdict != "fail", check


def test_comparison_can_fail():
    # The same data under other priors must be told apart, or agreement above would mean nothing.
    events, trials, first = DATA["surgical"]
    halves = (events[first], trials[first]), (events[~first], trials[~first])
    default, sceptical = (
        twin.two_classes(*halves, twin.hyper_priors(binomial(name)))["difference, units as a kind"][0]
        for name in ("default", "sceptical")
    )
    worth = 4000  # a modest effective sample size
    error = twin.two_classes(*halves, twin.hyper_priors(binomial("default")))["difference, units as a kind"][
        1
    ]
    assert abs(default - sceptical) > MC_ERRORS * error / np.sqrt(worth)
