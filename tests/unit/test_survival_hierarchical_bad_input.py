"""Bad data and bad arguments for `survival.hierarchical.fit`: refused in clear words before any sampling."""

import re

import numpy as np
import pytest
from hierarchical_toys import COLUMNS, registry

from soa_evidence.errors import InputError
from soa_evidence.survival import hierarchical

FRAME = registry()
PLAIN = {**COLUMNS, "reference": "general", "seed": 1, "horizons": (1, 3, 5)}


def change(**columns):
    return FRAME.assign(**columns)


def at(column, row, value):
    frame = FRAME.copy()
    frame[column] = frame[column].astype(object if value is None else float)
    frame.loc[row, column] = value
    return frame


TWICE = FRAME.copy()
TWICE.loc[TWICE.index[TWICE["unit"] == "u00"][0], "kind"] = "general"

FRAMES = {
    "no column": (FRAME.drop(columns="years"), "no column 'years'"),
    "misspelt": (FRAME.rename(columns={"unit": "units"}), "no column 'unit'. Did you mean 'units'?"),
    "empty": (FRAME.iloc[:0], "The frame has no rows"),
    "text time": (change(years="long"), "Column 'years' holds"),
    "missing time": (at("years", 3, np.nan), "Column 'years', row 3: nan; expected a time"),
    "negative time": (at("years", 3, -1.0), "Column 'years', row 3: -1.0; a time from the start"),
    "days": (change(years=FRAME["years"] * 365.25), "expected years; divide days by 365.25, months by 12"),
    "a third cause": (at("event", 5, 3), "Column 'event', row 5: cause 3 has no name"),
    "half an event": (at("event", 5, 0.5), "Column 'event', row 5: 0.5; expected 0 for censored"),
    "missing unit": (at("unit", 2, None), "Column 'unit', row 2: missing"),
    "missing class": (at("kind", 2, None), "Column 'kind', row 2: missing"),
    "one class": (change(kind="general"), "Only one class of unit is present: general"),
    "two classes": (
        TWICE,
        "Unit 'u00' of 'unit' is in more than one class of 'kind': 'general', 'specialist'",
    ),
    "all censored": (change(event=0), "Column 'event' has no event 1 (revision) up to 5 years"),
    "deaths only": (change(event=2), "Column 'event' has no event 1 (revision) up to 5 years"),
    "short follow-up": (
        change(years=FRAME["years"].clip(upper=2.5)),
        "Nobody is observed in the band from 3 to 5 years (the last observation ends at 2.5)",
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_bad_frame_is_refused(name):
    frame, message = FRAMES[name]
    with pytest.raises(InputError, match=re.escape(message)):
        hierarchical.fit(frame, **PLAIN)


ARGUMENTS = {
    "reference": (
        {"reference": "genral"},
        "The reference class 'genral' has no units with data. Did you mean",
    ),
    "no reference": ({"reference": []}, "reference is empty"),
    "every class": ({"reference": ["general", "specialist", "independent"]}, "holds every class"),
    "no label": ({"reference": ["general", "independent"]}, "give it a name with reference_label="),
    "priors": ({"priors": "vague"}, "There is no set of priors 'vague' for survival.hierarchical"),
    "seed": ({"seed": -1}, "seed=-1: expected a whole number"),
    "seed that is not whole": ({"seed": 1.5}, "seed=1.5: expected a whole number"),
    "margin": ({"margin_per_1000": -5}, "margin_per_1000=-5: expected revisions per 1,000"),
    "no horizon": ({"horizons": ()}, "horizons=[]: expected years above 0"),
    "horizon 0": ({"horizons": (0, 1)}, "horizons=[0, 1]: expected years above 0 in increasing order"),
    "horizons out of order": ({"horizons": (5, 1)}, "in increasing order"),
    "horizons as text": ({"horizons": ("one",)}, "expected a list of years"),
    "an endless horizon": ({"horizons": (np.inf,)}, "every value must be a finite number of years"),
    "breaks from 1": ({"breaks": (1, 5)}, "expected increasing years that start at 0"),
    "one break": ({"breaks": (0,)}, "expected increasing years that start at 0"),
    "breaks out of order": ({"breaks": (0, 3, 1, 5)}, "expected increasing years that start at 0"),
    "short breaks": ({"breaks": (0, 1, 3)}, "horizons= reaches 5 years but the last break is 3"),
    "breaks beyond follow-up": (
        {"breaks": (0, 1, 5, 8, 9)},
        "Nobody is observed in the band from 8 to 9 years (the last observation ends at",
    ),
    "horizon beyond follow-up": ({"horizons": (1, 10)}, "Nobody is observed in the band from 7 to 10 years"),
    "horizon in a band that ends early": (
        {"horizons": (1, 8), "breaks": (0, 1, 5, 8)},
        "Nobody is under observation at the horizon of 8 years; the last time looked at with anyone at risk",
    ),
    "periods between breaks": ({"periods": (0.7,)}, "a new period begin at 0.7 years, which is no break"),
    "periods out of order": ({"periods": (3, 1)}, "periods=[3, 1]: expected increasing years"),
    "causes": ({"causes": {1: "revision"}}, "expected names for 1 (the event of interest) and 2 (death)"),
    "one column twice": ({"case_mix": ["unit"]}, "Column 'unit' is named for two purposes"),
    "a measurement": ({"case_mix": ["years2"]}, "Case-mix column 'years2' has 600 distinct values"),
    "no case-mix column": ({"case_mix": ["smoker"]}, "no column 'smoker'"),
    "entry": ({"entry": "late"}, "must come before the end"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_bad_argument_is_refused(name):
    arguments, message = ARGUMENTS[name]
    frame = FRAME.assign(years2=FRAME["years"], late=FRAME["years"] + 1)
    with pytest.raises(InputError, match=re.escape(message)):
        hierarchical.fit(frame, **(PLAIN | arguments))


def test_too_many_cells_are_refused(monkeypatch):
    monkeypatch.setattr("soa_evidence.survival.hierarchical_cells.MOST_CELLS", 100)
    with pytest.raises(
        InputError, match="9 units, 6 bands and 4 case-mix patterns make 216 cells; at most 100"
    ):
        hierarchical.fit(FRAME, **PLAIN, case_mix=["age", "sex"])
