"""On a narrow canvas nothing touches: columns of numbers at risk keep apart, cut names stay different."""

from itertools import pairwise

import pytest

from soa_evidence.reporting.figures.curve_lines import told_apart
from soa_evidence.reporting.figures.survival_curves import spaced


@pytest.mark.parametrize(
    ("times", "gap", "kept"),
    [
        ([0, 5, 7, 10], 2.4, [0, 5, 10]),
        ([0, 5, 7, 10], 2.0, [0, 5, 7, 10]),
        ([0, 1, 2, 3], 100.0, [0]),
        ([3], 1.0, [3]),
        ([0, 2, 4, 6, 8, 9], 2.0, [0, 2, 4, 6, 9]),
    ],
)
def test_columns_keep_apart_and_the_last_stays(times, gap, kept):
    found = spaced(times, gap)
    assert found == kept
    assert all(b - a >= gap for a, b in pairwise(found))


def test_names_that_would_read_the_same_keep_their_ends():
    names = ["NHS general, larger", "NHS general, smaller", "independent sector"]
    assert told_apart(names, 14) == ["… larger", "… smaller", "independent s…"]
    assert told_apart(names, 24) == names
    long = "x" * 30
    assert all(len(name) <= 14 for name in told_apart([long + "a", long + "b"], 14))
