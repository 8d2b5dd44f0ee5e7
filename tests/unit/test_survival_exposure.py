"""Events and person-time by band and pattern: counted by hand, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.survival import exposure

BASIC = {"time": "years", "event": "revised", "breaks": [1, 3]}


def hips(**changes):
    frame = pd.DataFrame(
        {
            "years": [0.5, 1.0, 1.0, 3.0, 4.0, 7.0],
            "revised": [1, 1, 0, 1, 0, 1],
            "cause": [1, 2, 0, 1, 0, 2],
            "entered": [0.0, 0.25, 0.0, 1.0, 2.0, 3.5],
            "unit": ["b", "a", "a", "b", "b", "b"],
            "sex": pd.Categorical(["f", "f", "f", "m", "m", "m"], categories=["m", "f", "unknown"]),
            "weight": [1.0, 2.0, 1.0, 0.5, 1.0, 3.0],
        }
    )
    return frame.assign(**changes)


def test_an_event_on_a_break_belongs_to_the_band_that_ends_there():
    cells = exposure.collapse(hips(), **BASIC)
    assert cells["band"].tolist() == [0, 1, 2]
    assert cells["start"].tolist() == [0, 1, 3]
    assert cells["stop"].tolist() == [1, 3, np.inf]
    assert cells["events"].tolist() == [2, 1, 1]
    assert cells["person_time"].tolist() == [0.5 + 1 + 1 + 1 + 1 + 1, 2 + 2 + 2, 1 + 4]
    assert cells["rows"].tolist() == [6, 3, 2]


def test_several_causes_each_have_a_column():
    cells = exposure.collapse(
        hips(),
        **(BASIC | {"event": "cause"}),
        competing=True,
        causes={1: "loose", 2: "infected", 3: "broken"},
    )
    assert cells["events_loose"].tolist() == [1, 1, 0]
    assert cells["events_infected"].tolist() == [1, 0, 1]
    assert cells["events_broken"].tolist() == [0, 0, 0]


def test_late_entry_takes_away_the_time_before_it():
    cells = exposure.collapse(hips(), **BASIC, entry="entered")
    assert cells["person_time"].tolist() == [0.5 + 0.75 + 1, 2 + 1, 1 + 3.5]
    # Entered at 1, on the break, is not under observation in the band that ends there.
    assert cells["rows"].tolist() == [3, 2, 2]


def test_weights_are_added_up():
    cells = exposure.collapse(hips(), **BASIC, weights="weight")
    assert cells["events"].tolist() == [1 + 2, 0.5, 3]
    assert cells["person_time"].tolist() == [0.5 + 2 + 1 + 0.5 + 1 + 3, 2 * (0.5 + 1 + 3), 1 + 3 * 4]


def test_patterns_keep_their_values_and_only_cells_with_anyone_are_there():
    cells = exposure.collapse(hips(), **BASIC, by=["unit", "sex"])
    assert cells[["unit", "sex", "band"]].to_numpy().tolist() == [
        ["a", "f", 0],
        ["b", "m", 0], ["b", "m", 1], ["b", "m", 2],
        ["b", "f", 0],
    ]  # fmt: skip
    assert cells["sex"].dtype == hips()["sex"].dtype
    assert cells["person_time"].sum() == hips()["years"].sum()


def test_numbers_stay_numbers():
    assert exposure.collapse(hips(), **BASIC, by="entered")["entered"].tolist()[-2:] == [3.5, 3.5]


def test_no_breaks_is_one_band_and_time_zero_adds_no_time():
    cells = exposure.collapse(hips(years=[0.0, 1, 1, 3, 4, 7]), time="years", event="revised", breaks=[])
    assert cells[["events", "person_time", "rows"]].to_numpy().tolist() == [[4, 16, 6]]
    assert exposure.band_names(exposure.band_edges([])) == ("all follow-up",)


def test_one_row_and_true_false_events():
    cells = exposure.collapse(hips(revised=hips()["revised"] == 1).iloc[[5]], **BASIC)
    assert cells["events"].tolist() == [0, 0, 1]
    assert cells["person_time"].tolist() == [1, 2, 4]


def test_bands_have_names():
    assert exposure.band_names(exposure.band_edges([0.5, 1, 10])) == (
        "0 to 0.5", "0.5 to 1", "1 to 10", "10 and over",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "changes", "message"),
    [
        (hips(), {"breaks": [3, 1]}, "breaks must increase: 1 comes after 3"),
        (hips(), {"breaks": [1, 1]}, "breaks must increase: 1 comes after 1"),
        (hips(), {"breaks": [0, 1]}, "breaks holds 0; expected times above 0"),
        (hips(), {"breaks": [1, np.inf]}, "not a finite time; the last band is open by itself"),
        (hips(), {"breaks": "yearly"}, "breaks is 'yearly'; expected increasing times"),
        (hips(), {"breaks": 5}, "breaks is 5; expected increasing times"),
        (hips(band=1), {"by": "band"}, "Column 'band' of by= has the name of a column made here"),
        (hips(events_x=1), {"by": "events_x"}, "Column 'events_x' of by="),
        (hips(), {"by": "unti"}, "no column 'unti'.* Did you mean 'unit'"),
        (hips(unit=[None, *"abcde"]), {"by": "unit"}, "Column 'unit', row 0: missing"),
        (hips(years=[-1.0, 1, 1, 3, 4, 7]), {}, "Column 'years', row 0: -1.0; a time from the start"),
        (hips(entered=[0.0, 1, 0, 1, 2, 3]), {"entry": "entered"}, "Row 1: enters at 1 .* and leaves at 1"),
        (hips(), {"event": "cause"}, "Column 'cause', row 1: 2; expected 0 for censored or 1"),
        (hips(), {"event": "cause", "competing": True, "causes": {1: "x"}}, "cause 2 has no name in causes="),
        (hips(weight=0), {"weights": "weight"}, "'weight', row 0: 0; a weight must be above 0"),
        (hips().iloc[:0], {}, "The frame has no rows"),
    ],
)
def test_bad_input_is_refused(frame, changes, message):
    with pytest.raises(InputError, match=message):
        exposure.collapse(frame, **(BASIC | changes))


def test_too_many_cells_are_refused():
    many = pd.DataFrame({"years": np.arange(2000.0) + 1, "revised": 1, "id": np.arange(2000)})
    with pytest.raises(InputError, match="2,000 patterns and breaks= 10000 bands"):
        exposure.collapse(many, time="years", event="revised", breaks=np.arange(1, 10000), by="id")
