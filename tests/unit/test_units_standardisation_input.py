"""Every way in which what is given for standardisation can be wrong, and what is said."""

import re

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.units import direct_standardisation, indirect_standardisation

ROWS = pd.DataFrame(
    {
        "hospital": ["a", "a", "b", "b"],
        "age": ["old", "young", "old", "young"],
        "deaths": [6, 2, 10, 20],
        "patients": [100, 200, 100, 1000],
        "nation": [5, 95, 5, 95],
    }
)
CELLS = {"unit": "hospital", "stratum": "age", "events": "deaths", "size": "patients"}
AGES = ["old", "young"]


def changed(column, row, value):
    frame = ROWS.astype({column: object})
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "more", "message"),
    [
        (ROWS, {"events": "death"}, "The frame has no column 'death'. Did you mean 'deaths'?"),
        (ROWS, {"unit": "hospitl"}, "The frame has no column 'hospitl'. Did you mean 'hospital'?"),
        (ROWS, {"stratum": []}, "stratum names no column; give at least one, such as the age band."),
        (ROWS, {"size": "deaths"}, "events and size are both 'deaths'; expected two columns."),
        (ROWS.iloc[:0], {}, "The frame has no rows; expected one for each unit and stratum."),
        ([1], {}, "Expected a pandas frame; got a list."),
        (changed("hospital", 1, None), {}, "Column 'hospital', row 1: no unit is named"),
        (changed("age", 2, None), {}, "Column 'age', row 2: no stratum is named; leave the row out"),
        (changed("deaths", 0, "six"), {}, "Column 'deaths', row 0: 'six'; expected a finite number."),
        (changed("patients", 0, np.inf), {}, "Column 'patients', row 0: inf; expected a finite number."),
        (changed("deaths", 3, -1), {}, "Column 'deaths', row 3: -1; expected a whole number of events"),
        (changed("deaths", 3, 1.5), {}, "Column 'deaths', row 3: 1.5; expected a whole number of events"),
        (changed("patients", 3, -5), {}, "Column 'patients', row 3: -5; expected 0 or more."),
        (changed("patients", 0, 0), {}, "Column 'deaths', row 0: 6; events where 'patients' is 0."),
        (
            changed("deaths", 0, 101), {"kind": "proportion"},
            "Column 'deaths', row 0: 101; more events than the row has patients.",
        ),
        (
            changed("patients", 0, 100.5), {"kind": "proportion"},
            "Column 'patients', row 0: 100.5; expected a whole number of patients.",
        ),
        (
            ROWS.assign(patients=0, deaths=0), {},
            "Column 'patients' is 0 in every row, so there is nothing to standardise.",
        ),
        (
            ROWS.assign(x=["p · q", "p", "r", "s"], y=["t", "q · t", "u", "v"]), {"stratum": ["x", "y"]},
            "Columns x, y hold ' · ', so that two names are written alike.",
        ),
        (ROWS, {"kind": "rates"}, "kind='rates'. Did you mean 'rate'? Expected one of: proportion, rate."),
        (ROWS, {"level": 95}, "level is 95; expected a number above 0 and below 1, such as 0.95."),
    ],
)  # fmt: skip
def test_what_both_refuse(frame, more, message):
    for method in (direct_standardisation, indirect_standardisation):
        with pytest.raises(InputError, match=re.escape(message)):
            method.fit(frame, **{**CELLS, "kind": "rate", **more})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"interval": "gamma"},
            "interval='gamma'. Expected one of: fay_feuer, tiwari, dobson, byar, normal.",
        ),
        ({"per": 0}, "per is 0; expected a number above 0, such as 1000."),
        ({"per": 100, "kind": "proportion"}, "per is 100; a proportion is per patient, so leave per= out."),
        ({"least_covered": 0}, "least_covered is 0; expected a share above 0, at most 1."),
        ({"standard": 3}, "standard= is a int; expected a column's name or a frame."),
        ({"standard": "nations"}, "The frame has no column 'nations'. Did you mean 'nation'?"),
        (
            {"standard": "patients"},
            "Column 'patients' has several values in stratum 'young' (200 to 1000); expected one number",
        ),
        (
            {"standard": pd.DataFrame({"ages": AGES, "n": 1})},
            "standard= has no column 'age'. Did you mean 'ages'?",
        ),
        (
            {"standard": pd.DataFrame({"age": AGES, "n": 1, "m": 2})},
            "standard= has 2 columns beside age; expected one, the numbers.",
        ),
        (
            {"standard": pd.DataFrame({"age": ["old", "old"], "n": 1})},
            "standard= has stratum 'old' more than once.",
        ),
        (
            {"standard": pd.DataFrame({"age": AGES, "n": [1, -1]})},
            "Column 'n', row 1: -1; expected 0 or more.",
        ),
        (
            {"standard": pd.DataFrame({"age": AGES, "n": 0})},
            "The standard is 0 in every stratum; expected a population.",
        ),
        (
            {"standard": pd.DataFrame({"age": ["old"], "n": [1]})},
            "The standard lacks stratum 'young', which the data have; give 0 to leave it out.",
        ),
        (
            {"standard": pd.DataFrame({"age": [*AGES, "oldest"], "n": [1, 1, 8]})},
            "No unit has patients in strata that hold 90% of the standard; the nearest is 'a' with 20%.",
        ),
    ],
)
def test_what_direct_standardisation_refuses(more, message):
    with pytest.raises(InputError, match=re.escape(message)):
        direct_standardisation.fit(ROWS, **{**CELLS, "kind": "rate", **more})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"interval": "dobson"}, "interval='dobson'. Expected one of: exact, byar."),
        (
            {"expected": "nation"},
            "expected= says what is expected; leave out stratum=, size= and reference=.",
        ),
        ({"size": None}, "Give expected=, or both stratum= and size= to work it out from."),
        (
            {"expected": "deaths", "stratum": None, "size": None},
            "events and expected are both 'deaths'; expected two columns.",
        ),
        (
            {"reference": pd.DataFrame({"age": ["old"], "rate": [0.1]})},
            "The reference has no rate for stratum 'young', which the data have.",
        ),
        (
            {"reference": "nation", "kind": "proportion"},
            "The reference is 5 in stratum 'old'; a proportion is at most 1.",
        ),
        (
            {"reference": pd.DataFrame({"age": AGES, "rate": [0.0, 0.0]})},
            "Unit 'a' has 8 events where none is expected.",
        ),
    ],
)
def test_what_indirect_standardisation_refuses(more, message):
    with pytest.raises(InputError, match=re.escape(message)):
        indirect_standardisation.fit(ROWS, **{**CELLS, **more})


def test_no_events_at_all_have_no_ratio():
    with pytest.raises(InputError, match="No unit has any events expected, so there is no ratio"):
        indirect_standardisation.fit(ROWS.assign(deaths=0), **CELLS)


def test_a_negative_expected_count_is_refused():
    frame = pd.DataFrame({"hospital": ["a"], "deaths": [1], "model": [-0.5]})
    with pytest.raises(InputError, match=re.escape("Column 'model', row 0: -0.5; expected 0 or more.")):
        indirect_standardisation.fit(frame, unit="hospital", events="deaths", expected="model")
