import pytest

from soa_evidence import errors
from soa_evidence.errors import InputError, SoaEvidenceError, nearest, require_columns


def test_every_error_is_one_family_with_an_exit_code_of_its_own():
    classes = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert all(issubclass(cls, SoaEvidenceError) for cls in classes)
    codes = [cls.exit_code for cls in classes]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("evnts", " Did you mean 'events'?"),
        ("EVENTS", " Did you mean 'events'?"),
        ("unti", " Did you mean 'unit'?"),
        ("banana", ""),
        ("", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_the_nearest_name_is_offered_only_when_it_is_near(typed, expected):
    assert nearest(typed, ["events", "trials", "unit"]) == expected


def test_the_nearest_name_keeps_its_own_spelling_whatever_its_type():
    assert nearest("nhs general", ["NHS general", 3, None]) == " Did you mean 'NHS general'?"
    assert nearest("anything", []) == ""


def test_a_column_that_is_not_there_is_told_with_the_nearest_that_is():
    columns = ["events", "trials", 3]
    require_columns(columns, ["trials", "events", 3])
    require_columns((name for name in columns), ["trials", "events"])  # read once, looked at twice
    with pytest.raises(InputError, match=r"^The frame has no column 'evnts'\. Did you mean 'events'\?$"):
        require_columns(columns, ["trials", "evnts", "nothing"])
    with pytest.raises(InputError, match=r"^The table of bands has no column 'x'\.$"):
        require_columns(columns, ["x"], what="The table of bands")
