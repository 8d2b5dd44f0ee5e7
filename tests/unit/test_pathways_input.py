"""What the methods of use by place refuse, and what they say."""

import math

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.pathways import completion, expected_use, intervention_rates
from soa_evidence.priors import RatePriors, rates

PLACES = pd.DataFrame(
    {
        "unit": list("abcdef"),
        "observed": [3, 5, 8, 2, 6, 4],
        "expected": [4.0, 5.0, 6.0, 3.0, 5.0, 5.0],
        "score": [1.0, 2, 3, 4, 5, 6],
    }
)
PEOPLE = pd.DataFrame({"unit": ["a", "b"], "age": ["old", "old"], "people": [10, 20]})
AGES = pd.DataFrame({"age": ["old"], "completed": [3]})
TOTALS = pd.DataFrame({"unit": ["a", "b"], "completed": [1, 2]})


@pytest.mark.parametrize(
    ("changes", "more", "says"),
    [
        (
            {"observed": [1.5, 5, 8, 2, 6, 4]},
            {},
            r"Column 'observed', row 1 is 1\.5; expected a whole number",
        ),
        (
            {"observed": [-1, 5, 8, 2, 6, 4]},
            {},
            "Column 'observed', row 1 is .*-1.*; expected a number 0 or more",
        ),
        ({"observed": [0] * 6}, {}, "Column 'observed' is 0 everywhere"),
        (
            {"expected": [0, 5, 8, 2, 6, 4]},
            {},
            "Column 'expected', row 1 is .*0.*; expected a number above 0",
        ),
        ({"expected": [1, math.nan, 8, 2, 6, 4]}, {}, "Column 'expected', row 2 is .*nan"),
        ({"unit": list("aacdef")}, {}, "'a' is there twice; expected one row a place"),
        ({"unit": ["a", None, *"cdef"]}, {}, "Column 'unit', row 2 is empty"),
        ({"score": [2.0] * 6}, {"covariates": ["score"]}, "Covariate 'score' is 2 everywhere; leave it out"),
        ({"score": ["x"] * 6}, {"covariates": ["score"]}, "Column 'score', row 1 is 'x'; expected a number"),
        ({}, {"covariates": ["scor"]}, r"The table of places has no column 'scor'\. Did you mean 'score'"),
        ({}, {"benchmark": "peer"}, r"benchmark is 'peer'\. Did you mean 'peers'"),
        ({}, {"benchmark": "peers"}, "This benchmark needs peers="),
        ({}, {"benchmark": "peers", "peers": {"z": []}}, "peers= speaks of 'z', which is not in the data"),
        ({}, {"benchmark": "peers", "peers": {"a": ["b", "b"]}}, "No place has 5 peers in the data"),
        ({}, {"unit_cost_gbp": 0}, "unit_cost_gbp is 0; expected £ above 0"),
        ({}, {"counted_share": 1.2}, "counted_share is 1.2; expected a share above 0 and at most 1"),
        ({}, {"completion_log_sd": -0.1}, "completion_log_sd is -0.1"),
        ({}, {"draws": 10}, "draws is 10; expected a whole number of at least 100"),
        ({}, {"draws": True}, "draws is True"),
        ({}, {"priors": "defalt"}, r"no set of priors 'defalt' .*Did you mean 'default'"),
    ],
)
def test_places_that_cannot_be_compared_are_refused(changes, more, says):
    with pytest.raises(InputError, match=says):
        intervention_rates.fit(PLACES.assign(**changes), **{"seed": 1, "draws": 100, **more})


def test_too_few_places_and_no_frame():
    with pytest.raises(InputError, match="There are 4 places; their spread needs at least 5"):
        intervention_rates.fit(PLACES.head(4), seed=1)
    with pytest.raises(InputError, match="For the places, a dict was given; expected a DataFrame"):
        intervention_rates.fit({}, seed=1)
    with pytest.raises(InputError, match="There are no rows in the places"):
        intervention_rates.fit(PLACES.head(0), seed=1)


@pytest.mark.parametrize(
    ("people", "ages", "totals", "says"),
    [
        (PEOPLE.assign(people=-1), AGES, TOTALS, "Column 'people', row 1 is .*-1"),
        (PEOPLE, AGES.assign(completed=2.5), TOTALS, r"Column 'completed', row 1 is 2\.5; expected a whole"),
        (
            PEOPLE,
            AGES.assign(age="odl"),
            TOTALS,
            r"3 events in stratum 'odl' and no people\. Did you mean 'old'",
        ),
        (PEOPLE, pd.concat([AGES, AGES]), TOTALS, "ages= has stratum 'old' more than once"),
        (PEOPLE, AGES, pd.concat([TOTALS, TOTALS]), "totals= has 'a' more than once"),
        (PEOPLE, AGES, TOTALS.assign(unit=["a", "z"]), "'z' has a count and no people"),
        (PEOPLE, AGES.assign(completed=0), TOTALS, "There is no event at all"),
        (PEOPLE, AGES, TOTALS.assign(completed=0), "There is no event at all"),
        (PEOPLE.drop(columns="people"), AGES, TOTALS, "The table of people has no column 'people'"),
    ],
)
def test_people_and_counts_that_cannot_be_are_refused(people, ages, totals, says):
    with pytest.raises(InputError, match=says):
        expected_use.fit(people, ages, totals, unit="unit", stratum="age")


def test_no_stratum():
    with pytest.raises(InputError, match="stratum names no column"):
        expected_use.fit(PEOPLE, AGES, TOTALS, unit="unit", stratum=[])


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ({"unit": list("aab"), "n": [50] * 3, "a": [20] * 3}, "'a' is there twice"),
        ({"unit": list("abc"), "n": [5] * 3, "a": [2] * 3}, "0 hospitals have 30 operations and an answer"),
        (
            {"unit": list("abc"), "n": [50] * 3, "a": [20] * 3},
            "differs between hospitals by no more than chance",
        ),
        (
            {"unit": list("abc"), "n": [50.5] * 3, "a": [20] * 3},
            "Column 'n', row 1 is 50.5; expected a whole number",
        ),
    ],
)
def test_hospitals_that_cannot_be_are_refused(frame, says):
    with pytest.raises(InputError, match=says):
        completion.fit(pd.DataFrame(frame), unit="unit", operations="n", answers="a")


def test_priors_are_told_and_checked():
    assert rates().table()["parameter"].tolist() == [
        "log of the average ratio",
        "coefficient of variation between places",
        "log ratio for one standard deviation of a covariate",
    ]
    with pytest.raises(InputError, match="spread_scale is 0; expected a scale above 0"):
        RatePriors(name="x", log_level=rates().log_level, spread_scale=0, slope=rates().slope, because="x")
    assert np.isfinite(rates("tight").spread_scale)
