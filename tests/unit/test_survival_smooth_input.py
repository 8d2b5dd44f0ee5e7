"""What a person gets wrong with parametric, spline and piecewise models, and what they are told."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.survival import parametric, piecewise_exponential, royston_parmar

KNOWN = {"time": "years", "event": "revised"}
WITHIN = {"lower": "low", "upper": "high"}


def hips(**changes):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "years": rng.weibull(1.2, 60) * 5 + 0.1,
            "revised": [1, 1, 0] * 20,
            "age": rng.normal(70, 8, 60),
            "kind": ["general", "specialist", "other"] * 20,
            "low": [1.0, 2.0, 0.0] * 20,
            "high": [2.0, np.inf, 3.0] * 20,
            "entered": 0.05,
        }
    )
    frame.loc[2::6, "revised"] = 1
    return frame.assign(**changes)


def at(row, column, value):
    frame = hips()
    frame.loc[row, column] = value
    return frame


def weibull(frame, **more):
    return parametric.fit(frame, **({"distribution": "weibull"} | more))


NO_EVENTS = hips(revised=np.where(hips()["kind"] == "other", 0, hips()["revised"]))
TIED = hips(years=5.0, revised=1)
FIT = {
    "weibull": lambda f, **k: weibull(f, **KNOWN, **k),
    "spline": lambda f, **k: royston_parmar.fit(f, **KNOWN, **k),
    "pieces": lambda f, **k: piecewise_exponential.fit(f, **({"breaks": [2]} | KNOWN | k)),
}

BAD = [
    ("weibull", hips(), {"distribution": "weibul"}, r"distribution is 'weibul'. Did you mean 'weibull'"),
    ("weibull", hips(), {"level": 95}, "level is 95; expected a number above 0 and below 1"),
    ("weibull", hips(), {"lower": "low"}, "Give either time= and event=, or lower= and upper="),
    ("weibull", hips(revised=0), {}, "Column 'revised' has no event in any row"),
    ("weibull", at(3, "years", 0.0), {}, r"'years', row 3: 0.0; the weibull is a law of log time"),
    ("weibull", at(3, "years", -1.0), {}, "'years', row 3: -1.0; a time from the start .* negative"),
    ("weibull", TIED, {}, r"All events are at one time \(5\) and no one is observed beyond it"),
    (
        "weibull",
        NO_EVENTS,
        {"covariates": "kind"},
        "no events among rows that have it: 'kind: other v general'",
    ),
    (
        "weibull",
        NO_EVENTS,
        {"ancillary": {"shape": "kind"}},
        "no events among rows that have it: 'kind: other",
    ),
    ("weibull", hips(), {"covariates": "agee"}, "no column 'agee'.* Did you mean 'age'"),
    ("weibull", hips(), {"covariates": "years"}, "Column 'years' is named for two purposes"),
    ("weibull", hips(), {"ancillary": {"scale": "age"}}, "names 'scale', the location of the weibull"),
    ("weibull", hips(), {"ancillary": {"shap": "age"}}, "no parameter of the weibull. Did you mean 'shape'"),
    ("weibull", hips(), {"reference": {"knd": "other"}}, "reference= names 'knd', no covariate"),
    (
        "weibull",
        hips(),
        {"covariates": "kind", "reference": {"kind": "othr"}},
        "gives 'othr' for 'kind', .* Did you mean 'other'",
    ),
    (
        "weibull",
        hips(twice=2 * hips()["age"] - 7),
        {"covariates": ["age", "twice"]},
        "Covariates determine one another: 'scale: age', 'scale: twice'",
    ),
    ("weibull", hips(same=3.0), {"covariates": "same"}, "'scale: same' is the same in every row"),
    (
        "weibull",
        hips().head(4),
        {"covariates": ["age", "low", "entered"]},
        r"There are 4 events for 5 parameters \(shape, scale",
    ),
    ("weibull", at(1, "entered", 99.0), {"entry": "entered"}, "Row 1: enters at 99 .* and leaves at"),
    ("weibull", hips(one=1), {"cluster": "one"}, "'one' puts all rows in one cluster; expected at least two"),
    ("spline", at(3, "years", 0.0), {}, "'years', row 3: 0.0; the spline is one of log time"),
    ("spline", hips(), {"scale": "hazards"}, "scale is 'hazards'. Did you mean 'hazard'"),
    ("spline", hips(), {"df": 0}, "df is 0; expected a whole number of degrees of freedom"),
    ("spline", hips(), {"df": 2.5}, "df is 2.5; expected a whole number"),
    ("spline", hips(), {"df": 12}, "df is 12 for 50 events; expected at least 5 events for each degree"),
    ("spline", hips(revised=0), {}, "Column 'revised' has no event in any row"),
    ("spline", TIED, {"df": 1}, r"All events are at one time \(5\), so no curve can be fitted"),
    (
        "spline",
        hips(years=[1.0, 2.0, 3.0] * 20, revised=[1, 1, 0] * 20),
        {"df": 3},
        "df is 3, but the events have 2 distinct times and two knots coincide",
    ),
    ("spline", hips(), {"knots": [1.0]}, "knots must be at least two finite times above 0"),
    ("spline", hips(), {"knots": [-1.0, 2.0]}, "knots must be at least two finite times above 0"),
    ("spline", hips(), {"knots": [2.0, 1.0]}, "knots must increase strictly"),
    ("spline", hips(), {"knots": [100.0, 200.0]}, "knots lie from 100 to 200, but events from"),
    ("spline", hips(), {"time_varying": {"age": 2}}, "time_varying= names 'age', no covariate"),
    (
        "spline",
        hips(),
        {"covariates": "age", "time_varying": {"age": 0}},
        r"time_varying\['age'\] is 0; expected a whole number",
    ),
    (
        "spline",
        NO_EVENTS,
        {"covariates": "kind"},
        "no events among rows that have it: 'kind: other v general'",
    ),
    (
        "spline",
        hips(twice=2 * hips()["age"] - 7),
        {"covariates": ["age", "twice"]},
        "Covariates determine one another: 'age', 'twice'",
    ),
    (
        "spline",
        hips(revised=[1, 1, *[0] * 58], years=np.linspace(0.1, 9, 60)),
        {"df": 1, "covariates": "age"},
        "There are 2 events for 3 coefficients",
    ),
    ("pieces", hips(revised=0), {}, "Column 'revised' has no event in any row"),
    ("pieces", hips(), {"breaks": [2, 500]}, r"no events in the band 500 and over \(0 of person-time"),
    ("pieces", hips(), {"breaks": [3, 2]}, "breaks must increase: 2 comes after 3"),
    (
        "pieces",
        NO_EVENTS,
        {"covariates": "kind"},
        "no events among rows that have it: 'kind: other v general'",
    ),
    ("pieces", hips(), {"interactions": "kind"}, "interactions= names 'kind', no covariate"),
    (
        "pieces",
        hips(revised=np.where((hips()["kind"] == "other") & (hips()["years"] > 2), 0, hips()["revised"])),
        {"covariates": "kind", "interactions": "kind"},
        "no events among rows that have it: 'kind: other v general × band 2 and over'",
    ),
    (
        "pieces",
        hips(twice=2 * hips()["age"] - 7),
        {"covariates": ["age", "twice"]},
        "Covariates determine one another: 'age', 'twice'",
    ),
    ("pieces", hips(band=1), {"covariates": "band"}, "'band' of by= has the name of a column made here"),
]


@pytest.mark.parametrize(("model", "frame", "changes", "message"), BAD)
def test_bad_input_is_refused(model, frame, changes, message):
    with pytest.raises(InputError, match=message):
        FIT[model](frame, **changes)


BAD_INTERVALS = [
    (at(0, "low", 2.5), r"Row 0: the lower limit 2.5 \('low'\) is above the upper limit 2 \('high'\)"),
    (at(0, "high", np.nan), "'high', row 0: nan; expected a time, infinite"),
    (at(0, "low", np.nan), "'low', row 0: nan; expected a time, 0 where only"),
    (at(0, "low", -1.0), "'low', row 0: -1.0; a time from the start"),
    (at(2, "high", np.inf), "'high', row 2: inf; between 0 and infinity says nothing"),
    (hips(high=np.inf).iloc[::3], "Column 'high' has no event in any row"),
    (hips(high="never"), "Column 'high' holds object values; expected a time, infinite"),
    (hips(low=0.0, high=np.where(np.arange(60) == 4, 0.0, 3.0)), "row 4: 0.0; the weibull is a law of log"),
]


@pytest.mark.parametrize(("frame", "message"), BAD_INTERVALS)
def test_bad_intervals_are_refused(frame, message):
    with pytest.raises(InputError, match=message):
        weibull(frame, **WITHIN)


def test_entry_after_the_lower_limit_is_refused():
    with pytest.raises(InputError, match=r"Row 0: enters at 1.5 \('entered'\), not before its lower limit 1"):
        weibull(at(0, "entered", 1.5).query("low > 0"), **WITHIN, entry="entered")


def test_a_likelihood_without_a_maximum_names_what_runs_away():
    frame = pd.DataFrame({"years": [5.0] * 20 + [7.0] * 5, "revised": [1] * 20 + [0] * 5})
    with pytest.raises(InputError, match=r"The likelihood has no maximum: it still rises as .*'Q' runs away"):
        parametric.fit(frame, distribution="generalised gamma", **KNOWN)


def test_time_zero_is_possible_where_the_law_has_no_logarithm():
    frame = at(3, "years", 0.0)
    for law in ("exponential", "gompertz"):
        assert parametric.fit(frame, distribution=law, **KNOWN).events == 50


FOUND = weibull(hips(), **KNOWN, covariates=["age", "kind"])
WHO = pd.DataFrame({"age": [70.0], "kind": ["other"]}, index=["x"])
PIECES = piecewise_exponential.fit(hips(), **KNOWN, breaks=[2], covariates=["age", "kind"])
ROBUST = piecewise_exponential.fit(hips(), **KNOWN, breaks=[2], cluster="kind")
BAD_QUESTIONS = [
    (lambda: FOUND.survival(), r"profiles is missing; expected .* \(age, kind\)"),
    (lambda: FOUND.survival(WHO.iloc[:0]), "profiles must be a DataFrame with the covariates"),
    (lambda: FOUND.survival(WHO[["age"]]), "no column 'kind'"),
    (lambda: FOUND.survival(WHO.assign(kind="genral")), "'kind', row 0: genral; not a level the model knows"),
    (lambda: FOUND.survival(pd.concat([WHO, WHO])), "The index of profiles repeats a label"),
    (lambda: FOUND.survival(WHO, [0.0, 1.0]), "times must be finite and above 0"),
    (lambda: FOUND.survival(WHO, []), "times must be finite and above 0, and at least one"),
    (lambda: FOUND.survival(WHO, [2.0, 1.0]), "times must increase strictly"),
    (lambda: FOUND.survival(WHO, [1.0], 1.5), "level is 1.5"),
    (lambda: FOUND.model.predict(WHO, [1.0], "hazards"), "estimand is 'hazards'. Did you mean 'hazard'"),
    (lambda: FOUND.model.quantiles(WHO, [1.0]), r"p is \[1.0\]; expected shares above 0 and below 1"),
    (lambda: FOUND.model.restricted_mean(WHO, 0), "tau is 0; expected a time above 0"),
    (lambda: FOUND.model.hazard_ratio(WHO, "y"), "There is no profile 'y'"),
    (lambda: FOUND.standardised("knd"), "'knd' is not a covariate of the model. Did you mean 'kind'"),
    (lambda: FOUND.standardised("age"), "Covariate 'age' has 60 values; give values="),
    (lambda: FOUND.standardised("kind").difference("general"), "Give either time= .* or tau="),
    (lambda: FOUND.standardised("kind").difference("genral", time=1.0), "Did you mean 'general'"),
    (lambda: FOUND.standardised("age", [70.0]).difference("70.0", time=1.0), "There is one group only"),
    (lambda: PIECES.hazards(WHO, interval="exact"), "Exact limits are for a model without covariates"),
    (lambda: PIECES.hazards(pd.concat([WHO, WHO.rename({"x": "y"})])), "profile has 2 rows; expected one"),
    (lambda: PIECES.hazards(WHO, interval="walt"), "interval is 'walt'. Did you mean 'wald'"),
    (lambda: ROBUST.hazards(), "Profile limits rest on the likelihood"),
    (
        lambda: parametric.compare(hips(), times=[1], ancillary={}, **KNOWN),
        "but for distribution= and ancillary=",
    ),
    (lambda: parametric.compare(hips(), times=[1], distributions=[], **KNOWN), "at least one distribution"),
    (lambda: parametric.compare(hips(revised=0), times=[1], **KNOWN), "has no event in any row"),
]


@pytest.mark.parametrize(("question", "message"), BAD_QUESTIONS)
def test_bad_questions_are_refused(question, message):
    with pytest.raises(InputError, match=message):
        question()
