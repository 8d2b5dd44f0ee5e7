"""Bad input to the comparison of units: each kind is refused by name, before any model is built."""

import numpy as np
import pandas as pd
import pytest
from units_toys import CASE_MIX, COLUMNS, counts

from soa_evidence import sampling
from soa_evidence.errors import CheckFailedError, InputError
from soa_evidence.results import combine_verdicts, require_passed
from soa_evidence.sampling import Settings
from soa_evidence.units import binomial

GOOD = counts()
GENERAL = ["general large", "general small"]


def fit(frame=GOOD, **changes):
    given = {
        "engine": "sampler",
        **COLUMNS,
        "case_mix": CASE_MIX,
        "reference": GENERAL,
        "reference_label": "NHS general",
        "seed": 1,
    }
    return binomial.fit(frame, **{**given, **changes})


def row(column, value, at=3):
    """The good frame with one value changed, whatever the type of the column."""
    frame = GOOD.astype({column: object})
    frame.loc[at, column] = value
    return frame if isinstance(value, str) else frame.infer_objects()


@pytest.fixture(autouse=True)
def _no_sampler(request, monkeypatch):
    """A refusal that comes only after a model was built comes too late."""
    if "sampled" in request.fixturenames:
        return

    def refuse(*args, **more):
        raise AssertionError("the model was built")

    monkeypatch.setattr(binomial, "build", refuse)
    monkeypatch.setattr(sampling, "sample", refuse)


def test_the_good_frame_gets_as_far_as_the_model():
    with pytest.raises(AssertionError, match="the model was built"):
        fit()


BAD_FRAMES = {
    "missing column": (
        GOOD.rename(columns={"events": "event"}),
        r"no column 'events'. Did you mean 'event'\?",
    ),
    "missing case-mix column": (
        GOOD.drop(columns="sex"),
        r"no column 'sex'.* It has: unit, group, age, events",
    ),
    "column twice": (pd.concat([GOOD, GOOD[["n"]]], axis=1), "more than one column 'n'"),
    "empty frame": (GOOD.iloc[:0], "The frame of counts is empty; expected at least one row"),
    "negative events": (row("events", -1), "Column 'events', row 3: -1; a count cannot be negative"),
    "negative trials": (row("n", -5), "Column 'n', row 3: -5; a count cannot be negative"),
    "events above trials": (
        GOOD.assign(events=GOOD["n"] + 1),
        r"Row 0: \d+ events in 'events' out of \d+ trials in 'n'; .* Are the two columns exchanged\?",
    ),
    "events not a number": (row("events", np.nan), "Column 'events', row 3: nan; expected a count"),
    "trials infinite": (row("n", np.inf), "Column 'n', row 3: inf; expected a count"),
    "many not numbers": (
        GOOD.assign(n=np.nan),
        r"Column 'n', row 0: nan; expected a count.*\(78 such rows\)",
    ),
    "nullable missing": (
        GOOD.assign(events=GOOD["events"].astype("Int64").where(GOOD.index != 5)),
        "Column 'events', row 5: <NA>; expected a count",
    ),
    "fractional count": (row("events", 0.5), "Column 'events', row 3: 0.5; a count must be a whole number"),
    "text count": (row("n", "many"), "Column 'n' holds object values; expected whole-number counts"),
    "counts as text": (GOOD.astype({"n": str}), "Column 'n' holds object values; expected whole-number"),
    "boolean count": (GOOD.assign(events=True), "Column 'events' holds bool values; expected whole-number"),
    "complex count": (GOOD.assign(events=1j), "Column 'events' holds complex128 values"),
    "dates as counts": (GOOD.assign(n=pd.Timestamp("2020-01-01")), "Column 'n' holds datetime64.* values"),
    "no trials anywhere": (GOOD.assign(n=0, events=0), "Column 'n' is 0 in every row: there are no trials"),
    "missing unit": (row("unit", None), "Column 'unit', row 3: missing. Name it as a level of its own"),
    "missing class": (row("group", None), "Column 'group', row 3: missing"),
    "missing case-mix level": (row("age", None), "Column 'age', row 3: missing. .* such as 'unknown'"),
    "unit in two classes": (
        row("group", "independent", at=0),
        "Unit 'specialist 0' is in more than one group of 'group': 'independent', 'specialist'. A unit",
    ),
    "one class only": (
        GOOD.assign(group="specialist"),
        "Only one class of unit is present: specialist. A comparison needs at least two",
    ),
}


@pytest.mark.parametrize("kind", list(BAD_FRAMES))
def test_a_bad_frame_is_refused(kind):
    frame, message = BAD_FRAMES[kind]
    with pytest.raises(InputError, match=message):
        fit(frame)


BAD_CHOICES = {
    "one column for two purposes": ({"trials": "events"}, "Column 'events' is named for two purposes"),
    "case mix repeats the class": (
        {"case_mix": ["age", "group"]},
        "Column 'group' is named for two purposes",
    ),
    "case mix twice": ({"case_mix": ["age", "age"]}, "Column 'age' is named for two purposes"),
    "unknown reference": (
        {"reference": "general larg"},
        r"reference class 'general larg' has no units with data. Did you mean 'general large'\? Present: ",
    ),
    "no reference": ({"reference": []}, "reference is empty; name the class or classes"),
    "reference holds all": (
        {"reference": sorted(set(GOOD["group"]))},
        "The reference holds every class, so nothing is left to compare with it",
    ),
    "joined reference without a name": (
        {"reference_label": None},
        "The reference joins 2 classes; give it a name with reference_label=",
    ),
    "label of another class": (
        {"reference_label": "independent"},
        "reference_label 'independent' is also the name of a class; choose another",
    ),
    "label of one of its classes": ({"reference_label": "general small"}, "is also the name of a class"),
    "single reference with the label of another": (
        {"reference": "independent", "reference_label": "specialist"},
        "reference_label 'specialist' is also the name of a class",
    ),
    "direction": ({"better": "smaller"}, "better='smaller': expected 'lower' or 'higher'"),
    "margin negative": ({"margin_per_1000": -1}, "margin_per_1000=-1: expected events per 1,000 patients"),
    "margin too large": ({"margin_per_1000": 1000}, "margin_per_1000=1000: expected"),
    "margin not a number": ({"margin_per_1000": float("nan")}, "margin_per_1000=nan: expected"),
    "margin as text": ({"margin_per_1000": "5"}, "margin_per_1000='5': expected"),
    "seed negative": ({"seed": -1}, "seed=-1: expected a whole number from 0 to 4294967295"),
    "seed too large": ({"seed": 2**32}, "seed=4294967296: expected a whole number"),
    "seed fractional": ({"seed": 1.5}, "seed=1.5: expected a whole number"),
    "seed as text": ({"seed": "1"}, "seed='1': expected a whole number"),
    "seed boolean": ({"seed": True}, "seed=True: expected a whole number"),
    "unknown priors": (
        {"priors": "difuse"},
        r"no set of priors 'difuse' for units.binomial. Did you mean 'diffuse'\? Expected one of: default",
    ),
}


@pytest.mark.parametrize("kind", list(BAD_CHOICES))
def test_a_bad_choice_is_refused(kind):
    changes, message = BAD_CHOICES[kind]
    with pytest.raises(InputError, match=message):
        fit(**changes)


def test_a_reference_whose_units_have_no_trials_is_as_good_as_absent():
    frame = GOOD.copy()
    frame.loc[frame["group"] == "independent", ["events", "n"]] = 0
    with pytest.raises(InputError, match="reference class 'independent' has no units with data"):
        fit(frame, reference="independent", reference_label=None)


def test_a_reference_named_twice_counts_once():
    with pytest.raises(AssertionError, match="the model was built"):
        fit(reference=["independent", "independent"], reference_label=None)


def test_chains_and_draws_too_few_for_diagnostics_are_refused():
    with pytest.raises(InputError, match="1 chain cannot show convergence"):
        fit(settings=Settings(chains=1))
    with pytest.raises(InputError, match="draws=5, tune=5: use at least 10 of each"):
        fit(settings=Settings(draws=5, tune=5))


# A model that has not converged


@pytest.fixture(scope="module")
def sampled():
    settings = Settings(draws=10, tune=10, chains=2)
    return fit(case_mix=[], settings=settings)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Number of tail draws:UserWarning")
def test_a_model_that_has_not_converged_fails_its_checks_and_may_not_be_published(sampled):
    assert combine_verdicts(sampled.checks) == "fail"
    failed = {check.name for check in sampled.checks if check.verdict == "fail"}
    assert "effective sample size, bulk, smallest" in failed
    assert sampled.these_units.risk.checks == sampled.checks
    with pytest.raises(
        CheckFailedError, match=r"readmission may not be published. Failed: .*effective sample"
    ):
        require_passed(sampled.checks, "readmission")
