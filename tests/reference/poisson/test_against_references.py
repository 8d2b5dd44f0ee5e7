"""units.poisson against R, a grid over every parameter, and NUTS on the whole model; see README.md."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from soa_evidence import units
from soa_evidence.priors import poisson
from soa_evidence.sampling import Settings
from soa_evidence.units.poisson_frame import prepare
from soa_evidence.units.poisson_posterior import log_likelihood
from tests.reference.poisson import plain
from tests.reference.poisson.make_long_run import records

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
CLOSED = 1e-8  # relative: both sides are quadratures of far higher accuracy
CUT_OFF = 1e-4  # the chance of being seen levels off on one side, which Gauss-Hermite nodes meet slowly
OPTIMISER = 1e-5  # R's optimisers stop when the deviance is flat to about this
MONTE_CARLO = 4.5  # standard errors
SETTINGS = Settings(draws=1000, chains=4)
COLUMNS = {"events": "events", "expected": "expected", "trials": "trials", "unit": "unit", "group": "group"}
NEW_YORK = HERE.parents[2] / "evidence" / "ny-hip-infections" / "data" / "hospital_years.csv"
NAMES = {
    "facility_id": "unit", "unit_class": "group", "infections": "events",
    "expected_infections": "expected", "procedures": "trials", "year": "period",
}  # fmt: skip


def new_york(some=None):
    frame = pd.read_csv(NEW_YORK).rename(columns=NAMES)
    return frame if some is None else frame[frame["unit"].isin(some)]


def at(counts, point, *, periods=True, count=41):
    level, log_spread, period = np.array([point[:2]]), np.log([point[2:4]]), np.log([point[4]])
    period = period if periods else np.array([-np.inf])
    return log_likelihood(counts, level, log_spread, period, count=count)[0]


@pytest.mark.parametrize("point", range(3))
@pytest.mark.parametrize("law", ["negative_binomial", "poisson"])
def test_the_likelihood_with_levels_integrated_out_is_that_of_r(law, point):
    counts = prepare(new_york([1, 4, 5, 1446, 1447]), **COLUMNS, period="period", at_least=None)
    found = at(counts, EXPECTED["points"][point], periods=law != "poisson")
    assert found == pytest.approx(EXPECTED[law][point], rel=CLOSED)


@pytest.mark.parametrize("point", range(3))
def test_the_likelihood_of_counts_that_are_cut_off_is_that_of_r(point):
    cut = pd.DataFrame(EXPECTED["cut"]).rename(columns={"y": "events", "e": "expected"})
    cut = cut.assign(unit=list("abcdef"), group=cut["g"].map({1: "general", 2: "special"}), trials=1000)
    counts = prepare(cut, **COLUMNS, period=None, at_least=11)
    found = at(counts, EXPECTED["points"][point], periods=False)
    assert found == pytest.approx(EXPECTED["truncated"][point], rel=CUT_OFF)


def test_the_engines_few_nodes_are_enough():
    counts = prepare(new_york(), **COLUMNS, period="period", at_least=None)
    for point in EXPECTED["points"]:
        assert at(counts, point, count=13) == pytest.approx(at(counts, point), abs=1e-4)


def test_the_maximum_is_that_of_lme4():
    summed = new_york().groupby("unit")[["events", "expected", "trials"]].sum().reset_index()
    counts = prepare(summed.assign(group="all"), **COLUMNS, period=None, at_least=None)

    def lost(p):
        return -log_likelihood(counts, np.array([[p[0]]]), np.array([[p[1]]]), np.array([-np.inf]))[0]

    found = optimize.minimize(lost, [0.1, -1.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
    assert found.x[0] == pytest.approx(EXPECTED["glmer"]["intercept"], abs=OPTIMISER)
    assert np.exp(found.x[1]) == pytest.approx(EXPECTED["glmer"]["spread"], abs=OPTIMISER)


def test_without_a_spread_between_units_rows_are_those_of_glm_nb():
    counts = prepare(new_york().assign(group="all"), **COLUMNS, period="period", at_least=None)
    nb = EXPECTED["glm_nb"]
    middle, period = np.array([[nb["intercept"]]]), np.array([-0.5 * np.log(nb["size"])])
    found = log_likelihood(counts, middle, np.array([[-12.0]]), period)[0]
    assert found == pytest.approx(nb["log_likelihood"], rel=1e-7)  # a spread of e-12 is not quite none


@pytest.mark.parametrize("least", [0, 11])
def test_the_posterior_is_that_of_a_grid_over_every_parameter(least):
    frame = pd.DataFrame(
        {
            "unit": list("abcdefg"), "group": ["one"] * 3 + ["two"] * 4, "trials": 2000,
            "events": [11, 15, 24, 12, 40, 19, 31], "expected": [16.0, 22.0, 21.0, 9.0, 33.0, 25.0, 28.0],
        }
    )  # fmt: skip
    parts = [
        plain.class_likelihood(part["events"], part["expected"], least) for _, part in frame.groupby("group")
    ]
    moments, below = plain.posterior(*parts, poisson().levels)
    result = units.poisson.fit(
        frame, **COLUMNS, reference="two", seed=4, settings=SETTINGS, at_least=least or None
    )
    draws = result.tree["posterior"].dataset
    level = draws["class_level"].to_numpy().reshape(-1, 2)
    spread = draws["class_log_spread"].to_numpy().reshape(-1, 2)
    found = {
        "level one": level[:, 0], "level two": level[:, 1], "difference": level[:, 0] - level[:, 1],
        "log spread one": spread[:, 0], "log spread two": spread[:, 1],
    }  # fmt: skip
    for name, values in found.items():
        mean, sd = moments[name]
        # weighted draws are worth about six in ten of independent ones
        error = sd / np.sqrt(0.6 * len(values))
        assert abs(values.mean() - mean) < MONTE_CARLO * error, name
        assert abs(values.std() - sd) < MONTE_CARLO * 1.5 * error, name
    better = result.as_a_kind.probability_better
    assert abs(better.mean[0] - below) < MONTE_CARLO * np.sqrt(below * (1 - below) / (0.6 * len(level)))


def test_the_posterior_is_that_of_a_long_run_of_the_whole_model():
    run = json.loads((HERE / "long_run.json").read_text())
    result = units.poisson.fit(
        records(), **COLUMNS, period="period", reference="general", seed=4, settings=SETTINGS
    )
    posterior = result.tree["posterior"].dataset
    compared = 0
    for name, mean in run["mean"].items():
        variable, _, place = name.partition("[")
        values = posterior[variable].to_numpy()
        values = values.reshape(-1, *values.shape[2:])
        values = values[:, int(place.rstrip("]"))] if place else values
        error = np.hypot(run["mcse"][name], run["sd"][name] / np.sqrt(0.6 * len(values)))
        assert abs(values.mean() - mean) < MONTE_CARLO * error, name
        assert values.std() == pytest.approx(run["sd"][name], rel=0.2), name  # 200 draws worth
        compared += 1
    assert compared == 17
