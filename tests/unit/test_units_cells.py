import numpy as np
import pandas as pd
import pytest
from units_toys import COLUMNS, counts

from soa_evidence.units.cells import prepare

EXACT = 1e-12  # sums and shares of a few small counts

FRAME = pd.DataFrame(
    {
        "unit": ["b", "a", "a", "b", "c", "a"],
        "group": ["Y", "X", "X", "Y", "X", "X"],
        "age": ["old", "old", "young", "young", "old", "old"],
        "events": [1, 2, 0, 3, 1, 1],
        "n": [10, 20, 5, 30, 0 + 5, 10],
    }
)


def made(frame=FRAME, case_mix=("age",)):
    return prepare(frame, **COLUMNS, case_mix=case_mix)


def test_rows_of_one_unit_and_pattern_are_added_up():
    cells = made()
    assert cells.units == ("a", "b", "c")
    assert cells.groups == ("X", "Y")
    assert cells.group_of_unit.tolist() == [0, 1, 0]
    table = pd.DataFrame(
        {
            "unit": np.array(cells.units)[cells.unit],
            "age": cells.patterns["age"].to_numpy()[cells.pattern],
            "events": cells.events,
            "n": cells.trials,
        }
    )
    assert table.to_numpy().tolist() == [
        ["a", "old", 2 + 1, 20 + 10],
        ["a", "young", 0, 5],
        ["b", "old", 1, 10],
        ["b", "young", 3, 30],
        ["c", "old", 1, 5],
    ]


def test_case_mix_is_against_the_commonest_level_and_centred_on_all_patients():
    cells = made()
    old, young = 30 + 10 + 5, 5 + 30
    assert cells.terms == ("age: young v old",)
    assert cells.reference_weights == pytest.approx([old / 80, young / 80], abs=EXACT)
    assert cells.design[:, 0] == pytest.approx([-young / 80, 1 - young / 80], abs=EXACT)
    assert cells.reference_weights @ cells.design == pytest.approx([0], abs=EXACT)


def test_sums_by_unit_and_units_of_a_class():
    cells = made()
    assert cells.by_unit(cells.events).tolist() == [3, 4, 1]
    assert cells.by_unit(cells.trials).tolist() == [35, 40, 5]
    assert cells.units_of(["X"]).tolist() == [True, False, True]
    assert cells.units_of(["X", "Y"]).all()


def test_rows_without_trials_are_left_out_and_nothing_else():
    empty = pd.DataFrame(
        {"unit": ["a", "z"], "group": ["X", "Z"], "age": ["old", "new"], "events": [0, 0], "n": [0, 0]}
    )
    cells = made(pd.concat([FRAME, empty]))
    assert cells.units == ("a", "b", "c")
    assert cells.groups == ("X", "Y")
    assert "new" not in set(cells.patterns["age"])
    assert cells.trials.sum() == FRAME["n"].sum()
    assert cells.events.sum() == FRAME["events"].sum()


def test_without_case_mix_there_is_one_pattern_and_no_term():
    cells = made(case_mix=())
    assert cells.design.shape == (1, 0)
    assert cells.terms == ()
    assert cells.reference_weights.tolist() == [1.0]
    assert cells.trials.tolist() == [35, 40, 5]


def test_a_factor_with_one_level_adds_a_column_to_the_patterns_but_no_term():
    cells = made(FRAME.assign(sex="female"), case_mix=["age", "sex"])
    assert cells.terms == ("age: young v old",)
    assert cells.patterns.shape == (2, 2)


def test_two_factors_make_main_effects_only():
    cells = prepare(counts(), **COLUMNS, case_mix=["age", "sex"])
    assert len(cells.patterns) == 3 * 2
    assert len(cells.terms) == 2 + 1
    assert np.linalg.matrix_rank(cells.design) == 3


def test_a_single_factor_may_be_given_by_its_name_alone():
    assert made(case_mix="age").terms == made().terms


@pytest.mark.parametrize(
    "change",
    [
        {"n": FRAME["n"].astype("Int64"), "events": FRAME["events"].astype("Int64")},
        {"n": FRAME["n"].astype(float), "events": FRAME["events"].astype("uint8")},
        {"unit": FRAME["unit"].astype("category"), "age": FRAME["age"].astype("category")},
        {"unit": FRAME["unit"].astype("string"), "group": FRAME["group"].astype("category")},
    ],
)
def test_the_type_of_column_does_not_matter(change):
    cells, plain = made(FRAME.assign(**change)), made()
    assert cells.units == plain.units
    assert cells.groups == plain.groups
    assert cells.terms == plain.terms
    np.testing.assert_array_equal(cells.trials, plain.trials)
    np.testing.assert_array_equal(cells.events, plain.events)


def test_unused_categories_are_not_units():
    cells = made(FRAME.assign(unit=pd.Categorical(FRAME["unit"], categories=["a", "b", "c", "never"])))
    assert cells.units == ("a", "b", "c")


def test_numbers_may_be_names():
    cells = made(FRAME.assign(unit=[2, 10, 10, 2, 3, 10], age=[70, 70, 60, 60, 70, 70]))
    assert cells.units == ("10", "2", "3")
    assert cells.terms == ("age: 60 v 70",)


def test_the_index_of_the_frame_does_not_matter_and_the_frame_is_left_as_it_was():
    frame = FRAME.set_index(pd.Index([7] * len(FRAME)))
    before = frame.copy()
    assert made(frame).by_unit(made(frame).trials).tolist() == [35, 40, 5]
    pd.testing.assert_frame_equal(frame, before)
