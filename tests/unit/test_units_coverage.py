import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.units import coverage

FRAME = pd.DataFrame(
    {
        "unit": ["a", "a", "b", "c", "d"],
        "group": ["X", "X", "X", "Y", "Y"],
        "operations": [100, 50, 50, 40, np.nan],
        "answers": [60, 30, 30, 20, 10],
    }
)
NAMES = {"operations": "operations", "answers": "answers", "unit": "unit", "group": "group"}


def test_coverage_by_hand():
    found = coverage.fit(FRAME, **NAMES)
    assert found.table.to_dict("list") == {
        "group": ["X", "Y"],
        "units": [2, 1],
        "operations": [200, 40],
        "answers": [120, 20],
        "share": [120 / 200, 20 / 40],
    }
    assert found.share.labels == ("X", "Y")
    assert found.share.mean.tolist() == [0.6, 0.5]
    near = (120 + 2) / (200 + 4)
    assert found.share.covariance[0, 0] == pytest.approx(near * (1 - near) / 204, rel=1e-12)
    assert found.share.covariance[0, 1] == 0
    assert found.share.checks == found.checks


def test_the_gap_between_classes_and_the_answers_without_operations_are_checked():
    gap, unknown = coverage.fit(FRAME, **NAMES).checks
    assert (gap.verdict, gap.observed) == ("pass", "10% (Y 50%, X 60%)")
    assert (unknown.verdict, unknown.observed) == ("pass", "6.7%")  # 10 of 150 answers
    wide = FRAME.assign(answers=[70, 35, 30, 20, 100])
    gap, unknown = coverage.fit(wide, **NAMES).checks
    assert gap.verdict == unknown.verdict == "warn"


def test_an_operation_count_of_none_is_as_unknown_as_a_missing_one():
    for nothing in (0, np.nan):
        frame = FRAME.assign(operations=[100, 50, 50, 40, nothing])
        assert coverage.fit(frame, **NAMES).checks[1].observed == "6.7%"


@pytest.mark.parametrize("answers", [[0, 0, 0, 0, 0], [100, 50, 50, 40, 0]])
def test_none_or_all_answering_still_has_an_error(answers):
    found = coverage.fit(FRAME.assign(answers=answers), **NAMES)
    assert (np.diag(found.share.covariance) > 0).all()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.drop(columns="answers"), "no column 'answers'"),
        (
            FRAME.rename(columns={"operations": "operation"}),
            r"no column 'operations'. Did you mean 'operation'\?",
        ),
        (FRAME.assign(operations=-1), "'operations' or 'answers' holds a negative count"),
        (FRAME.assign(answers=-1), "'operations' or 'answers' holds a negative count"),
        (FRAME.assign(answers=[1, np.nan, 1, 1, 1]), "'answers' is missing in row 1; give 0 where none"),
        (FRAME.assign(operations=np.nan), "'operations' is known in no row, so there is nothing to cover"),
        (FRAME.iloc[:0], "'operations' is known in no row"),
        (FRAME.assign(answers="many"), "Column 'answers' holds object values; expected counts"),
        (FRAME.assign(answers=True), "Column 'answers' holds bool values; expected counts"),
        (FRAME.assign(group=["X", None, "X", "Y", "Y"]), "Column 'group', row 1: missing"),
        (FRAME.assign(unit=["a", "a", "b", None, "c"]), "Column 'unit', row 3: missing"),
    ],
)
def test_what_cannot_be_counted_is_refused(frame, message):
    with pytest.raises(InputError, match=message):
        coverage.fit(frame, **NAMES)
