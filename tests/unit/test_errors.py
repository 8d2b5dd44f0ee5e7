import pytest

from soa_evidence import errors
from soa_evidence.errors import InputError, SoaEvidenceError, nearest, require_columns, require_seed


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
    has = r"It has: events, trials, 3\.$"
    with pytest.raises(
        InputError, match=rf"^The frame has no column 'evnts'\. Did you mean 'events'\? {has}"
    ):
        require_columns(columns, ["trials", "evnts", "nothing"])
    with pytest.raises(InputError, match=rf"^The table of bands has no column 'x'\. {has}"):
        require_columns(columns, ["x"], what="The table of bands")


def test_only_the_first_columns_of_a_wide_table_are_listed():
    with pytest.raises(InputError, match=r"It has: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …\.$"):
        require_columns(range(40), ["x"])
    with pytest.raises(InputError, match=r"It has: no columns\.$"):
        require_columns([], ["x"])


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_a_seed_is_any_whole_number_that_generators_take(seed):
    require_seed(seed)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", True, None])
def test_anything_else_is_no_seed(seed):
    with pytest.raises(InputError, match=rf"^seed={seed!r}: expected a whole number from 0 to 4294967295\.$"):
        require_seed(seed)
