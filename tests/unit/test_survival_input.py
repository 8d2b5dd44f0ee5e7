"""What a person gets wrong, and what they are told: the column, the row, the value and what to do."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.survival import (
    cox,
    cumulative_incidence,
    gray,
    kaplan_meier,
    logrank,
    nelson_aalen,
    rates,
)

BASIC = {"time": "years", "event": "revised"}


def hips(**changes):
    frame = pd.DataFrame(
        {
            "years": [1.0, 2.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0],
            "revised": [1, 0, 1, 1, 0, 1, 0, 1],
            "entered": [0.0, 0.5, 0.0, 1.0, 0.0, 2.0, 0.0, 1.0],
            "unit": ["a", "b", "a", "b", "a", "b", "a", "b"],
            "weight": [1, 2, 1, 1, 3, 1, 1, 1],
            "age": [60.0, 71.0, 65.0, 80.0, 55.0, 62.0, 77.0, 69.0],
        }
    )
    return frame.assign(**changes)


def with_value(column, row, value):
    frame = hips()
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame.infer_objects()


BAD_ROWS = [
    (hips().rename(columns={"years": "yeers"}), {}, r"no column 'years'\. Did you mean 'yeers'"),
    (hips(), {"by": "years"}, "Column 'years' is named for two purposes"),
    (hips().iloc[:0], {}, "The frame has no rows"),
    (hips().to_dict(), {}, "Expected a pandas DataFrame, one row a person; got dict"),
    (pd.concat([hips(), hips()[["years"]]], axis=1), {}, "has 2 columns called 'years'"),
    (hips(years=[str(y) for y in hips()["years"]]), {}, "'years' holds object values; expected a time"),
    (hips(years=pd.Timestamp("2020-01-01")), {}, r"'years' holds datetime64.* values; expected a time"),
    (hips(years=True), {}, "'years' holds bool values; expected a time"),
    (with_value("years", 3, np.nan), {}, "'years', row 3: nan; expected a time; complete it"),
    (with_value("years", 3, np.inf), {}, "'years', row 3: inf; expected a time, and infinity is none"),
    (with_value("years", 4, -1.0), {}, "'years', row 4: -1.0; a time from the start .* negative"),
    (with_value("revised", 2, np.nan), {}, "'revised', row 2: nan; expected 0 for censored"),
    (with_value("revised", 2, 2), {}, "'revised', row 2: 2; expected 0 for censored or 1 for the event"),
    (hips(revised=hips()["revised"] + 1), {}, r"row 0: 2; .* or 1 for the event \(5 such rows\)"),
    (hips(revised="yes"), {}, "'revised' holds object values; expected 0 for censored"),
    (
        with_value("entered", 1, 2.0),
        {"entry": "entered"},
        r"Row 1: enters at 2 \('entered'\) and leaves at 2",
    ),
    (with_value("entered", 1, -1.0), {"entry": "entered"}, "'entered', row 1: -1.0; a time of entry cannot"),
    (with_value("entered", 1, np.nan), {"entry": "entered"}, "'entered', row 1: nan; expected a time"),
    (
        with_value("entered", 1, 2.0 - 1e-14),
        {"entry": "entered"},
        "row 1: 1.99.*; the same time as 'years' but for rounding",
    ),
    (with_value("weight", 1, 0), {"weights": "weight"}, "'weight', row 1: 0; a weight must be above 0"),
    (with_value("weight", 1, 1.5), {"weights": "weight"}, "row 1: 1.5; a frequency must be a whole number"),
    (with_value("weight", 1, np.nan), {"weights": "weight"}, "'weight', row 1: nan; expected a weight"),
    (with_value("unit", 5, None), {"by": "unit"}, "'unit', row 5: missing .* Name it as a level of its own"),
    (hips(unit=pd.Series(["1", 1] * 4, dtype=object)), {"by": "unit"}, "read the same as text"),
    (hips(), {"interval": "loglog"}, "interval is 'loglog'. Did you mean 'log-log'"),
    (hips(), {"level": 95}, "level is 95; expected a number above 0 and below 1"),
    (hips(), {"weights": "weight", "weights_are": "robusst"}, "Did you mean 'robust'"),
]


@pytest.mark.parametrize(("frame", "arguments", "message"), BAD_ROWS)
def test_bad_rows_and_choices(frame, arguments, message):
    with pytest.raises(InputError, match=message):
        kaplan_meier.fit(frame, **BASIC, **arguments)


def test_times_beyond_follow_up():
    found = kaplan_meier.fit(hips(), **BASIC, by="unit")
    with pytest.raises(InputError, match=r"'a' is known from 0 to 7 years; 7.5 lies outside"):
        found.at([1, 7.5])
    with pytest.raises(InputError, match=r"tau is 7.5, but group 'a' is followed to 7 only; .* at most 7"):
        found.restricted_mean(7.5)
    with pytest.raises(InputError, match="tau is -1; expected a time above 0"):
        found.restricted_mean(-1)
    with pytest.raises(InputError, match="quantile 50 was asked for; expected a share"):
        found.quantiles([50])
    with pytest.raises(InputError, match=r"times holds -1.0; expected times of 0 or later"):
        found.numbers_at_risk([-1])
    with pytest.raises(InputError, match=r"There is no group 'A'. Did you mean 'a'"):
        found.restricted_mean(5).difference("A")
    with pytest.raises(InputError, match="There is one group only, so nothing to compare"):
        kaplan_meier.fit(hips(), **BASIC).restricted_mean(5).log_ratio("all")


def test_nelson_aalen_choices():
    with pytest.raises(InputError, match=r"ties is 'nelsen'. Did you mean 'nelson'"):
        nelson_aalen.fit(hips(), **BASIC, ties="nelsen")


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (hips(unit="a"), {}, r"one group only \(a\); expected at least two"),
        (hips(), {"family": "log-rank"}, "family is 'log-rank'. Did you mean 'logrank'"),
        (hips(), {"p": -1}, "p is -1 and q is 0.0; the powers .* are 0 or more"),
        (hips(), {"trend": {"a": 1}}, "trend= has no score for group 'b'"),
        (hips(), {"trend": {"a": 1, "b": 2, "c": 3}}, "trend= scores 'c', which is no group"),
        (hips(), {"trend": {"a": 1, "b": 1}}, "finite scores that are not all the same"),
        (hips(revised=0), {}, "no time at which two groups are at risk together"),
    ],
)
def test_logrank_input(frame, arguments, message):
    with pytest.raises(InputError, match=message):
        logrank.fit(frame, **BASIC, by="unit", **arguments)


CAUSES = [1, 0, 2, 1, 0, 2, 0, 3]


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (hips(revised=[1.5, *CAUSES[1:]]), {}, "row 0: 1.5; expected 0 for censored, or a cause"),
        (hips(revised=[-1, *CAUSES[1:]]), {}, "row 0: -1; expected 0 for censored, or a cause"),
        (hips(revised=[20150101, *CAUSES[1:]]), {}, "row 0: 20150101; expected a cause from 1 to 1000"),
        (hips(revised=CAUSES), {"causes": {1: "wear", 2: "death"}}, "row 7: cause 3 has no name in causes="),
        (hips(revised=CAUSES), {"causes": {0: "none", 1: "a", 2: "b", 3: "c"}}, "names the code 0; 0 means"),
        (hips(revised=CAUSES), {"causes": {1: "a", 2: "a", 3: "c"}}, "two codes one name"),
        (hips(revised=CAUSES), {"interval": "arcsin"}, "Did you mean 'arcsine'"),
    ],
)
def test_cumulative_incidence_input(frame, arguments, message):
    with pytest.raises(InputError, match=message):
        cumulative_incidence.fit(frame, **BASIC, **arguments)


def test_names_of_causes_and_groups():
    names = {1: "loosening", 2: "infection", 3: "death"}
    found = cumulative_incidence.fit(hips(revised=CAUSES), **BASIC, by="unit", causes=names)
    with pytest.raises(InputError, match=r"There is no cause 'losening'. Did you mean 'loosening'"):
        found.net("losening")
    with pytest.raises(InputError, match="There is no group 'c'"):
        found.stacked("c")
    with pytest.raises(InputError, match="There is no cause 4 in 'revised'; it has 1, 2, 3"):
        gray.fit(hips(revised=CAUSES), **BASIC, by="unit", cause=4)
    with pytest.raises(InputError, match=r"There is no cause 'deth'. Did you mean 'death'"):
        gray.fit(hips(revised=CAUSES), **BASIC, by="unit", cause="deth", causes=names)
    with pytest.raises(InputError, match="one group only"):
        gray.fit(hips(revised=CAUSES, unit="a"), **BASIC, by="unit")


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (with_value("years", 1, -2.0), {}, "row 1: -2.0; time under observation cannot be negative"),
        (with_value("revised", 1, 0.5), {}, "row 1: 0.5; expected a whole number of events"),
        (hips(years=0), {}, "Group 'a' has no time under observation"),
        (hips(), {"per": 0}, "per is 0; expected a number of years above 0"),
    ],
)
def test_rates_input(frame, arguments, message):
    with pytest.raises(InputError, match=message):
        rates.fit(frame, years="years", events="revised", by="unit", **arguments)


def test_rate_ratio_input():
    none = hips(revised=[1, 0, 1, 0, 0, 0, 0, 0])
    found = rates.fit(none, years="years", events="revised", by="unit")
    with pytest.raises(InputError, match="Group 'b' has no events, so a log rate ratio"):
        found.log_ratio("a")
    with pytest.raises(InputError, match="There is no group 'd'"):
        found.ratio("d")
    with pytest.raises(InputError, match=r"interval is 'Exact'. Did you mean 'exact'"):
        found.ratio("a", interval="Exact")


def many(seed=1, n=200):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "years": rng.integers(1, 30, n).astype(float),
            "revised": rng.integers(0, 2, n),
            "age": rng.normal(70, 8, n).round(),
            "sex": rng.choice(["female", "male"], n),
            "unit": rng.choice(["a", "b", "c"], n),
        }
    )


def rows_where(frame, mask, **values):
    frame = frame.copy()
    for column, value in values.items():
        frame.loc[mask(frame), column] = value
    return frame


BAD_MODELS = [
    (many(), {"covariates": []}, "covariates is empty"),
    (many(), {"covariates": ["agee"]}, "no column 'agee'. Did you mean 'age'"),
    (many(), {"covariates": ["age", "age"]}, "'age' is named for two purposes"),
    (many(), {"ties": "effron"}, "ties is 'effron'. Did you mean 'efron'"),
    (many().assign(revised=0), {}, "'revised' has no event in any row"),
    (rows_where(many(), lambda f: f.index == 4, age=np.nan), {}, "'age', row 4: nan; expected a number"),
    (rows_where(many(), lambda f: f.index == 4, sex=None), {"covariates": ["sex"]}, "'sex', row 4: missing"),
    (many().assign(age=70.0), {}, "'age' is 70 in every row"),
    (many().assign(sex="male"), {"covariates": ["sex"]}, r"'sex' has one level only \(male\)"),
    (many().assign(age=pd.Timestamp("1950-01-01")), {}, "'age' holds dates; give it as a number with a unit"),
    (
        many().assign(months=many()["age"] * 12 + 3),
        {"covariates": ["age", "months"]},
        "determine one another: 'age', 'months'. Leave one out",
    ),
    (
        many().assign(age=many()["unit"].map({"a": 1.0, "b": 2.0, "c": 3.0})),
        {"strata": "unit"},
        "'age' does not vary among those at risk at any event",
    ),
    (
        rows_where(many(), lambda f: f["unit"] == "c", revised=0),
        {"covariates": ["age", "unit"], "reference": {"unit": "a"}},
        "no events among rows that have it: 'unit: c v a'",
    ),
    (
        rows_where(many(), lambda f: f["sex"] == "male", revised=0),
        {"covariates": ["age", "sex"], "reference": {"sex": "male"}},
        "There are no events among rows that do not: 'sex: female v male'",
    ),
    (
        many().assign(age=-many()["years"], revised=1),
        {},
        "has no maximum: 'age' separates",
    ),
    (many(), {"reference": {"sexx": "male"}}, "reference= names 'sexx', no covariate"),
    (many(), {"covariates": ["sex"], "reference": {"sex": "men"}}, "no such level.*Levels: female, male"),
    (many(), {"reference": {"age": "70"}}, "'age' is a number and has no reference level"),
    (many().assign(one=1), {"cluster": "one"}, "puts all rows in one cluster"),
    (many(), {"cluster": "surgeon"}, "no column 'surgeon'"),
]


@pytest.mark.parametrize(("frame", "arguments", "message"), BAD_MODELS)
def test_cox_input(frame, arguments, message):
    with pytest.raises(InputError, match=message):
        cox.fit(frame, **BASIC, **{"covariates": ["age"], **arguments})


def test_cox_profiles_and_transforms():
    found = cox.fit(many(), **BASIC, covariates=["age", "unit"])
    with pytest.raises(InputError, match="'unit', row 1: d; not a level the model knows: "):
        found.survival(pd.DataFrame({"age": [70, 70], "unit": ["a", "d"]}))
    with pytest.raises(InputError, match="no column 'unit'"):
        found.survival(pd.DataFrame({"age": [70]}))
    with pytest.raises(InputError, match="index of profiles repeats a label"):
        found.survival(pd.DataFrame({"age": [70, 71], "unit": ["a", "a"]}, index=["x", "x"]))
    with pytest.raises(InputError, match=r"transform is 'KM'. Did you mean 'km'"):
        found.proportional_hazards("KM")


def test_separation_with_late_entry_and_ties_is_found_too():
    frame = many().assign(entered=0.0, bad=0.0)
    # Whoever has the event has the largest value among those at risk then, in no simple column.
    frame["bad"] = np.where(frame["revised"] == 1, 100 - frame["years"], -frame["years"])
    with pytest.raises(InputError, match="has no maximum: 'bad' separates"):
        cox.fit(frame, **BASIC, covariates=["bad"], entry="entered")
