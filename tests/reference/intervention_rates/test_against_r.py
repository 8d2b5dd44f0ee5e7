import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.pathways import expected_use, intervention_rates
from soa_evidence.pathways.rates_posterior import log_likelihood
from soa_evidence.units import indirect_standardisation

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())
DRAWS = 8000
#: Level and slopes are normal given the spread: an approximation with 56 places, beside Monte Carlo error.
NORMAL = 0.005


@pytest.fixture(scope="module")
def districts():
    return pd.DataFrame(
        {
            "unit": [f"district {at:02d}" for at in range(56)],
            "observed": EXPECTED["observed"],
            "expected": EXPECTED["expected"],
            "aff": EXPECTED["aff"],
        }
    )


def test_likelihood_at_the_maximum():
    best = EXPECTED["maximum"]
    observed, expected = np.array(EXPECTED["observed"], float), np.array(EXPECTED["expected"])
    found = log_likelihood(observed, expected * np.exp(best["level"]), best["theta"] ** -0.5)
    assert found == pytest.approx(best["log_likelihood"], rel=1e-9)


def test_posterior_is_that_of_quadrature(districts):
    found = intervention_rates.fit(districts, draws=DRAWS, seed=1)
    theirs = EXPECTED["posterior"]
    ratio = found.ratio.table()
    error = 4 * ratio["std_error"] / np.sqrt(DRAWS) + NORMAL * np.array(theirs["ratio"])
    assert (np.abs(ratio["estimate"] - theirs["ratio"]) < error).all()
    cv = found.level.of("coefficient of variation")
    assert cv.mean() == pytest.approx(
        theirs["spread"], abs=4 * cv.std() / np.sqrt(DRAWS) + NORMAL * theirs["spread"]
    )
    assert cv.std() == pytest.approx(theirs["spread_sd"], rel=0.05)


def test_slope_is_near_the_maximum(districts):
    found = intervention_rates.fit(districts, covariates=["aff"], draws=DRAWS, seed=1)
    theirs = EXPECTED["with_covariate"]
    # R's scale() divides by the standard deviation with n - 1, ours with n
    slope = found.slopes.table()["estimate"].iloc[0] * np.sqrt(56 / 55)
    prior = 0.5**2 / (0.5**2 + theirs["se"][1] ** 2)  # a normal prior draws the maximum in by this share
    assert slope == pytest.approx(prior * theirs["slope"], abs=0.15 * theirs["se"][1])
    assert found.slopes.table()["std_error"].iloc[0] == pytest.approx(theirs["se"][1], rel=0.15)


def test_expected_counts():
    case = EXPECTED["standardised"]
    people = pd.DataFrame(
        [(f"p{i}", f"s{j}", n) for i, row in enumerate(case["people"]) for j, n in enumerate(row)],
        columns=["place", "age", "people"],
    )
    ages = pd.DataFrame({"age": ["s0", "s1", "s2"], "completed": case["ages"]})
    totals = pd.DataFrame({"place": ["p0", "p1", "p2"], "completed": case["totals"]})
    found = expected_use.fit(people, ages, totals, unit="place", stratum="age")
    assert found.table["expected"].tolist() == pytest.approx(case["expected"], rel=1e-12)
    # the same as units.indirect_standardisation given these rates
    rates = found.rates.rename(columns={"stratum": "age"}).assign(rate=found.rates["rate_per_100000"] / 1e5)
    events = people.assign(events=[15, 0, 0, 12, 0, 0, 21, 0, 0])
    other = indirect_standardisation.fit(
        events, unit="place", events="events", stratum="age", size="people", reference=rates[["age", "rate"]]
    )
    assert found.table["ratio"].tolist() == pytest.approx(other.table["ratio"].tolist(), rel=1e-12)
