"""Every message of the case-mix methods."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.units import adjusted_gain, agreement, case_mix, g_computation, prediction_accuracy

FRAME = pd.DataFrame(
    {
        "unit": ["a", "a", "b", "b"],
        "sex": ["man", "woman", "man", "woman"],
        "age": [60.0, 70.0, 65.0, 80.0],
        "events": [1, 4, 2, 5],
        "n": [10, 10, 10, 10],
        "y": [1.0, 2.0, 3.0, 5.0],
    }
)


def change(**columns):
    return FRAME.assign(**columns)


def fit(frame=FRAME, **more):
    given = {"outcome": "events", "size": "n", "kind": "events", "covariates": ["sex"], "unit": "unit"}
    return case_mix.fit(frame, **{**given, **more})


@pytest.mark.parametrize(
    ("frame", "more", "says"),
    [
        ("no frame", {}, "Expected a pandas frame; got a str"),
        (FRAME.iloc[:0], {}, "The frame has no rows"),
        (FRAME, {"kind": "event"}, "kind is 'event'. Did you mean 'events'"),
        (FRAME, {"covariance": "units"}, "covariance is 'units'. Did you mean 'unit'"),
        (FRAME, {"covariance": "unit", "unit": None}, "covariance='unit' needs unit="),
        (FRAME, {"level": 1.0}, "level is 1.0; expected a number above 0 and below 1"),
        (FRAME, {"covariates": ["sexx"]}, "no column 'sexx'. Did you mean 'sex'"),
        (FRAME, {"covariates": ["sex", "sex"]}, "Covariate 'sex' is named twice"),
        (FRAME, {"splines": {"age": 4}}, "splines= names 'age', which is no covariate"),
        (FRAME, {"splines": {"sex": 4}}, "splines= names 'sex', which holds"),
        (FRAME, {"covariates": ["age"], "splines": {"age": 2}}, "expected 3 to 7 knots"),
        (
            change(age=[60, 60, 60, 70]),
            {"covariates": ["age"], "splines": {"age": 3}},
            "too few values for 3 knots",
        ),
        (change(age=5.0), {"covariates": ["age"]}, "Covariate 'age' is 5 for everyone"),
        (change(sex="man"), {}, "Covariate 'sex' is 'man' for everyone"),
        (change(sex=["man", None, "man", "woman"]), {}, "Column 'sex', row 1: missing"),
        (
            change(age=[60, np.nan, 1, 2]),
            {"covariates": ["age"]},
            "Column 'age', row 1: nan; expected a finite",
        ),
        (change(events=[1, 11, 2, 5]), {}, "Column 'events', row 1: 11; more events than patients"),
        (change(events=[1, 1.5, 2, 5]), {}, "Column 'events', row 1: 1.5; expected a whole number of events"),
        (change(events=[1, 2, 0, 1]), {"size": None}, "row 1: 2; expected 0 or 1, one row a patient"),
        (change(n=[10, -1, 10, 10]), {}, "Column 'n', row 1: -1; expected a whole number of patients"),
        (change(n=0, events=0), {}, "Column 'n' is 0 in every row"),
        (FRAME, {"squares": "y"}, "squares= is for kind='value'"),
        (FRAME, {"kind": "value", "outcome": "y"}, "Row 0 holds 10 patients, and squares= is not given"),
        (
            change(ss=[0.0, 1, 9, 20]),
            {"kind": "value", "outcome": "y", "squares": "ss"},
            "Column 'ss', row 0: 0.0; less than any such sum allows",
        ),
        (change(events=0), {}, "No patient has the event"),
        (change(events=10), {}, "Every patient has the event"),
        (change(n=1, events=[0, 1, 0, 1]), {"covariates": ["sex", "age", "y"]}, "4 patients cannot tell 4"),
        (change(unit="a"), {"covariance": "unit"}, "needs at least two units; there is one"),
        (pd.concat([FRAME, FRAME[["sex"]]], axis=1), {}, "more than one column 'sex'"),
    ],
)
def test_what_a_model_refuses(frame, more, says):
    with pytest.raises(InputError) as raised:
        fit(frame, **more)
    assert says in str(raised.value)


def test_the_row_named_is_the_row_given():
    frame = change(n=[0, 10, 10, 10], events=[0, 4, 2, 5], sex=[None, "man", None, "woman"])
    with pytest.raises(InputError, match="Column 'sex', row 2: missing"):
        fit(frame)


def test_others_must_have_levels_that_the_model_knows():
    with pytest.raises(
        InputError, match=r"Column 'sex', row 1: the model has no level 'womn'\. Did you mean 'woman'"
    ):
        fit().expected(pd.DataFrame({"sex": ["man", "womn"]}))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"covariates": ["unit", "sex"]}, "group= is 'unit', which is a covariate too"),
        ({"group": "age"}, "Column 'age' holds numbers; expected names of classes"),
        ({"reference": "c"}, "reference= is 'c'. Column 'unit' has: a, b"),
        ({"population": "c"}, "population= is 'c'"),
        ({"group": "unitt"}, "no column 'unitt'. Did you mean 'unit'"),
    ],
)
def test_what_g_computation_refuses(more, says):
    given = {
        "outcome": "events",
        "size": "n",
        "kind": "events",
        "group": "unit",
        "reference": "a",
        "covariates": ["sex"],
    }
    with pytest.raises(InputError) as raised:
        g_computation.fit(FRAME, **{**given, **more})
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("frame", "more", "says"),
    [
        (change(p=[0.1, 0.2, 1.0, 0.4]), {}, "Column 'p', row 2: 1.0; expected a risk above 0 and below 1"),
        (change(p=0.3), {}, "Column 'p' is 0.3 for everyone"),
        (change(p=[0.1, 0.2, 0.3, 0.4]), {"groups": 1}, "groups is 1; expected 2 to 100"),
        (change(p=[0.1, 0.2, 0.3, 0.4]), {"level": 0}, "level is 0"),
        (change(p=[0.1, 0.2, 0.3, 0.4], events=0), {}, "Everyone has the event, or nobody"),
        (
            change(p=[1.0, 2, 3, 4], y=1.0),
            {"kind": "value", "outcome": "y", "size": None},
            "Everyone has the same value",
        ),
    ],
)
def test_what_accuracy_refuses(frame, more, says):
    given = {"outcome": "events", "size": "n", "kind": "events", "expected": "p"}
    with pytest.raises(InputError) as raised:
        prediction_accuracy.fit(frame, **{**given, **more})
    assert says in str(raised.value)


PAIRS = pd.DataFrame({"ours": [1.0, 2, 3, 4, 5], "theirs": [1.1, 2.3, 2.9, 4.2, 4.9], "unit": list("abcde")})


@pytest.mark.parametrize(
    ("frame", "more", "says"),
    [
        (PAIRS, {"theirs": "ours"}, "ours and theirs are both 'ours'"),
        (PAIRS, {"level": 2}, "level is 2"),
        (PAIRS.iloc[:2], {}, "2 pairs were given"),
        (PAIRS.assign(ours=1.0), {}, "Column 'ours' is 1 in every row"),
        (PAIRS.assign(ours=[1, np.nan, 3, 4, 5]), {}, "Column 'ours', row 1: nan"),
        (PAIRS.assign(unit=list("aabbc")), {"unit": "unit"}, "There are 3 units"),
    ],
)
def test_what_agreement_refuses(frame, more, says):
    with pytest.raises(InputError) as raised:
        agreement.fit(frame, **{"ours": "ours", "theirs": "theirs", **more})
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"causes": ["one", "two"]}, "2 figures on the path have 1 steps between them; 2 causes were given"),
        ({"above": -1}, "above is -1; expected a size, 0 or more"),
        ({"path": ["theirs", "our"]}, "no column 'our'. Did you mean 'ours'"),
    ],
)
def test_what_an_explanation_refuses(more, says):
    with pytest.raises(InputError) as raised:
        agreement.explain(PAIRS, **{"path": ["theirs", "ours"], "causes": ["one"], "above": 0, **more})
    assert says in str(raised.value)


def test_a_comparison_needs_results():
    with pytest.raises(InputError, match="given no results"):
        agreement.compare({})


TOTALS = pd.DataFrame(
    {"unit": ["a", "b"], "n": [40, 60], "o": [1600.0, 2400], "e": [1500.0, 2500], "b": [800.0, 1200]}
)


@pytest.mark.parametrize(
    ("frame", "more", "says"),
    [
        (TOTALS, {"level": 1}, "level is 1"),
        (TOTALS, {"within": ["unit"]}, "which is one of within too"),
        (TOTALS.assign(n=[40.5, 60]), {}, "Column 'n', row 0: 40.5; expected a whole number"),
        (TOTALS.assign(o=[np.nan, 1]), {}, "Column 'o', row 0: nan"),
        (TOTALS.iloc[:1], {}, "1 unit has patients"),
        (
            TOTALS.assign(ss=[-1.0, 4]),
            {"residual_squares": "ss"},
            "Column 'ss', row 0: -1.0; expected 0 or more",
        ),
    ],
)
def test_what_an_adjustment_refuses(frame, more, says):
    given = {"unit": "unit", "size": "n", "observed": "o", "expected": "e", "before": "b"}
    with pytest.raises(InputError) as raised:
        adjusted_gain.fit(frame, **{**given, **more})
    assert says in str(raised.value)


def test_what_flags_refuse():
    with pytest.raises(InputError, match="no column 'std_error'"):
        adjusted_gain.flags(pd.DataFrame({"estimate": [1.0]}))
    with pytest.raises(InputError, match="expected shares"):
        adjusted_gain.flags(pd.DataFrame({"estimate": [1.0], "std_error": [1.0]}), levels=[95])
