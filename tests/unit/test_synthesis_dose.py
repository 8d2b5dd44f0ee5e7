"""Levels that cannot make a trend are refused; an exact line comes back; assumed covariances are told."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.synthesis import dose_response

LINE = pd.DataFrame(
    {
        "study": ["a"] * 3 + ["b"] * 4,
        "dose": [0.0, 10, 20, 5, 10, 20, 40],
        "cases": [40, 50, 60, 30, 30, 40, 50],
        "size": [400.0, 400, 400, 300, 250, 260, 250],
        "estimate": [0.0, 0.1, 0.2, 0.0, 0.05, 0.15, 0.35],
        "std_error": [0.0, 0.1, 0.1, 0.0, 0.12, 0.1, 0.1],
        "design": "rate",
    }
)


def changed(column, value, row):
    values = list(LINE[column])
    values[row] = value
    return LINE.assign(**{column: values})


BAD = {
    "no reference": (changed("std_error", 0.1, 0), {}, "'a' has 0 reference levels"),
    "two references": (
        LINE.assign(estimate=0.0, std_error=[0, 0, 0.1, 0, 0.1, 0.1, 0.1]),
        {},
        "'a' has 2 reference levels",
    ),
    "an error of nothing": (changed("std_error", 0.0, 1), {}, "a standard error of 0 or less"),
    "one dose": (LINE.assign(dose=5.0), {}, "all levels have the dose 5"),
    "a missing dose": (changed("dose", np.nan, 2), {}, "'dose', row 2: missing"),
    "no such column": (LINE.rename(columns={"cases": "events"}), {}, "no column 'cases'"),
    "half the counts": (LINE, {"cases": None}, "Name the columns cases, size and design"),
    "a correlation of 1": (LINE, {"correlation": 1.0}, "correlation is 1.0"),
    "two designs": (changed("design", "risk", 1), {}, "'a' has 2 designs"),
    "an unknown design": (LINE.assign(design="cohort"), {}, "design of study 'a' is 'cohort'"),
    "negative cases": (changed("cases", -1, 1), {}, "cases are not negative"),
    "no controls": (LINE.assign(design="case_control", size=LINE["cases"]), {}, "has no controls"),
    "more cases than people": (LINE.assign(design="risk", size=30.0), {}, "exceed the people of a level"),
    "no rows": (LINE.iloc[:0], {}, "frame of levels is empty"),
    "text": (LINE.assign(estimate="0.1"), {}, "holds object values"),
    "knots out of order": (LINE, {"knots": (10, 5, 20)}, "three or more rising doses"),
    "two knots": (LINE, {"knots": (5, 20)}, "three or more rising doses"),
    "one study": (LINE.iloc[:3], {}, r"one study \(a\)"),
    "too few levels for two stages": (
        LINE,
        {"knots": (2, 6, 15, 30), "stage": "two", "method": "common"},
        "'a' has 3 levels, too few",
    ),
    "knots beyond the doses": (
        LINE.iloc[:3],
        {"knots": (100, 200, 300), "method": "common"},
        "cannot tell 2 coefficients",
    ),
    "an unknown method": (LINE, {"method": "DL"}, "method is 'DL'"),
    "an unknown stage": (LINE, {"stage": "three"}, "stage is 'three'"),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_refused(kind):
    frame, options, message = BAD[kind]
    with pytest.raises(InputError, match=message):
        dose_response.fit(frame, **options)


@pytest.mark.parametrize("options", [{}, {"correlation": 0.4}, {"stage": "two"}, {"method": "common"}])
def test_an_exact_line_comes_back(options):
    result = dose_response.fit(LINE, **options)
    assert result.coefficients.mean[0] == pytest.approx(0.01, abs=1e-9)
    assert result.tests["statistic"].iloc[-1] == pytest.approx(0.0, abs=1e-9)
    curve = result.curve([5, 15], against=5)
    assert curve["estimate"].to_list() == pytest.approx([0.0, 0.1], abs=1e-9)
    assert curve["std_error"].iloc[0] == 0
    assert "<table" in result._repr_html_()


def test_a_spline_is_a_line_beyond_its_knots():
    dose = np.array([70.0, 80, 90])
    terms = dose_response.spline(dose, (5, 20, 60))
    assert np.diff(terms[:, 0], 2) == pytest.approx(0.0, abs=1e-9)
    assert dose_response.spline(np.array([0.0, 5.0]), (5, 20, 60)).max() == 0


def test_a_spline_through_a_line_does_not_bend():
    result = dose_response.fit(LINE, knots=(2, 10, 30), method="common")
    assert result.coefficients.mean == pytest.approx([0.01, 0.0], abs=1e-9)
    assert result.tests.set_index("test").loc["no departure from a line", "statistic"] == pytest.approx(
        0.0, abs=1e-9
    )


def test_an_assumed_covariance_is_told_and_varied():
    result = dose_response.fit(LINE, correlation=0.4)
    assert [c.verdict for c in result.checks if c.name.startswith("covariance")] == ["warn"]
    table = dose_response.sensitivity(LINE, correlations=(0.0, 0.5), method="common")
    assert table["correlation"].to_list() == [0.0, 0.5]
    assert table["std_error"].iloc[0] != table["std_error"].iloc[1]
    with pytest.raises(InputError, match="given no correlations"):
        dose_response.sensitivity(LINE, correlations=())
