"""One unit in words: every number bound, no place without its span, and little known said as such."""

import pandas as pd
import pytest
from test_units_profile_outcomes import fit, rows

from soa_evidence import reporting
from soa_evidence.errors import InputError
from soa_evidence.reporting import unit_words
from soa_evidence.results import Check

SHARED = {"population": "patients of A", "evidence": ["pack"]}
NAMES = {"group": "NHS general, large", "rank_lower": 2, "rank_upper": 3}


def told(frame=None, **given):
    found = fit(rows(**NAMES) if frame is None else frame, **given)
    return found, unit_words.numbers(found, name="A & <b>Sons</b>", **SHARED)


@pytest.mark.parametrize(
    ("place", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"),
     (101, "101st"), (111, "111th"), (272, "272nd"), (1003, "1,003rd")],
)  # fmt: skip
def test_a_place_in_an_order(place, text):
    assert unit_words.ordinal(place) == text


@pytest.mark.parametrize("place", [0, -1, 1.5])
def test_no_such_place(place):
    with pytest.raises(InputError, match="expected a whole number from 1 up"):
        unit_words.ordinal(place)


def test_a_rank_is_a_span():
    assert unit_words.rank_spans(rows(**NAMES))[0] == "2nd to 3rd of 4"


def test_the_claim_tells_the_absolute_first_and_the_span_of_ranks():
    found, ledger = told()
    said = unit_words.claim(found, ledger, measured_in="per 1,000 patients")
    assert said.text.startswith(
        "Readmission after a, given the nation's case mix: 60 (50 to 70) per 1,000 patients here, against 45 "
    )
    assert said.text.endswith(
        "in its class (NHS general, large); its rank lies between 2nd and 3rd of 4 units."
    )
    assert set(said.numbers) <= set(ledger)
    assert "18.0 (16.0 to 19.0) points here" in unit_words.claim(found, ledger, measured_in="points").text


def test_numbers_carry_the_checks_of_their_fit_and_what_they_are():
    found = fit(rows(**NAMES))
    check = Check(name="R-hat", verdict="pass", observed="1", expected="1", why="w")
    ledger = unit_words.numbers(found, name="A", checks={"Gain after a": [check]}, **SHARED)
    assert next(c.name for c in ledger["unit.gain-after-a"].checks) == "R-hat"
    assert "R-hat" not in [c.name for c in ledger["unit.readmission-after-a"].checks]
    assert ledger["unit.gain-after-a"].method == "units.gaussian"
    assert ledger["class.gain-after-a"].label == "NHS general, large"
    assert ledger["unit.readmission-after-a"].population == "Readmission after a: patients of A"


def test_each_side_is_listed_beside_what_chance_would_do():
    found, ledger = told()
    better = unit_words.apart(found, "better", ledger, **SHARED).text
    assert better.startswith(
        "The whole interval lies on the better side of the national average in 1 of 2 outcomes;"
    )
    assert "Gain after a: 18.0 (16.0 to 19.0) against 15.0 points, from 40 answers." in better
    assert "Readmission" not in better
    assert (
        "Readmission after a: 60 (50 to 70) against"
        in unit_words.apart(found, "worse", ledger, **SHARED).text
    )
    assert (
        "Of so many intervals about 0.1 miss the truth by chance" in unit_words.summary(found, **SHARED).text
    )


def test_the_best_of_several_is_told_with_luck():
    said = unit_words.luck_of_the_best(told()[0], **SHARED).text
    assert said.startswith("In 2 of 2 outcomes the best")
    assert "partly by luck" in said


def test_a_unit_of_which_nothing_is_known_still_gets_sentences():
    found, ledger = told(of="Z")
    assert len(ledger) == 0
    said = [
        unit_words.claim(found, ledger, measured_in="per 1,000 patients"),
        unit_words.claim(found, ledger, measured_in="points"),
        unit_words.summary(found, **SHARED),
        unit_words.apart(found, "worse", ledger, **SHARED),
        unit_words.luck_of_the_best(found, **SHARED),
    ]
    assert all(one.text.startswith(("No ", "no ")) for one in said)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (0.6, "60% of its eligible operations"),
        (0.3, "weigh more here than elsewhere"),
        (None, "is not published"),
    ],
)
def test_participation_is_told_with_its_consequence(own, expected):
    def share(value):
        return reporting.number(
            value, id="c", estimand="probability", unit="probability", method="m", **SHARED
        )

    said = unit_words.covered(None if own is None else share(own), share(0.5)).text
    assert expected in said


def test_the_strip_shows_known_levels_in_per_cent():
    mix = pd.DataFrame(
        {
            "factor": ["sex", "sex"],
            "level": ["female", "male"],
            "share": [0.6, 0.4],
            "lower": 0.3,
            "upper": 0.7,
            "nation": 0.5,
        }
    )
    strip = unit_words.case_mix_strip(mix, group="NHS general, large")
    assert strip[["label", "estimate", "nation", "group"]].to_numpy().tolist() == [
        ["Women", 60.0, 50.0, "NHS general, large"]
    ]


def test_names_of_outcomes_are_short_and_stay_apart():
    long = [
        "Readmission after a first hip replacement",
        "Readmission after a first knee replacement",
        "Readmission after revision of a hip replacement",
        "Gain in the joint score after revision of a knee replacement",
        "Something else",
    ]
    assert unit_words.short_names(long) == [
        "Readmission, first hip",
        "Readmission, first knee",
        "Readmission, hip revision",
        "Gain, knee revision",
        "Something else",
    ]
