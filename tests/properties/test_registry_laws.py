"""Laws of the reader: neither the order of rows nor where a batch ends changes what is found."""

import csv
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.evidence import registry, syn_registry
from soa_evidence.evidence.registry import source
from soa_evidence.evidence.registry.contract import COLUMNS
from soa_evidence.evidence.syn_registry import export

EXAMPLES = settings(max_examples=15, deadline=None)
SPOILT = ("", "NA", "nonsense", "1900-01-01", "2999-12-31", "-1", "200", "hip", "knee", "left;right")
ROWS = 60


def rows(seed):
    """A synthetic extract as text."""
    made = syn_registry.generate(syn_registry.of_scenario(), size=ROWS, seed=seed, keep_people=False).rows
    with tempfile.TemporaryDirectory() as folder:
        export.write(made, Path(folder) / "x.csv")
        with (Path(folder) / "x.csv").open(newline="") as file:
            return list(csv.DictReader(file))


def check(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, [column.name for column in COLUMNS])
            writer.writeheader()
            writer.writerows(content)
        return registry.check(path, extract_date="2025-04-01")


def found(report):
    return {finding.says: finding.rows for finding in report.findings}


def spoil(content, data, many):
    for _ in range(many):
        at = data.draw(st.integers(0, ROWS - 1))
        column = data.draw(st.sampled_from([c.name for c in COLUMNS]))
        content[at][column] = data.draw(st.sampled_from(SPOILT))
    return content


@EXAMPLES
@given(st.integers(0, 10**6), st.randoms(use_true_random=False), st.data())
def test_row_order_only_moves_the_numbers(seed, random, data):
    content = spoil(rows(seed), data, 5)
    order = list(range(ROWS))
    random.shuffle(order)
    plain, moved = found(check(content)), found(check([content[k] for k in order]))
    assert set(plain) == set(moved)
    for says, numbers in plain.items():
        np.testing.assert_array_equal(np.sort(np.array(order)[moved[says]]), numbers)


@EXAMPLES
@given(st.integers(0, 10**6), st.integers(300, 3000), st.data())
def test_where_a_batch_ends_does_not_matter(seed, block, data):
    content = spoil(rows(seed), data, 5)
    plain = found(check(content))
    kept, source._BYTES_A_BLOCK = source._BYTES_A_BLOCK, block
    try:
        cut = found(check(content))
    finally:
        source._BYTES_A_BLOCK = kept
    assert set(plain) == set(cut)
    for says, numbers in plain.items():
        np.testing.assert_array_equal(cut[says], numbers)


@EXAMPLES
@given(
    st.integers(0, 10**6), st.integers(0, ROWS - 1), st.sampled_from([c.name for c in COLUMNS if c.required])
)
def test_a_lost_required_value_is_found_where_it_was(seed, at, column):
    content = rows(seed)
    content[at][column] = ""
    assert found(check(content))[f"{column} is missing"].tolist() == [at]


@EXAMPLES
@given(st.integers(0, 10**6), st.data())
def test_what_is_left_after_exclusion_breaks_no_rule(seed, data):
    content = spoil(rows(seed), data, 4)
    report = check(content)
    broken = {int(row) for finding in report.findings for row in finding.rows}
    assert report.usable == ROWS - len(broken)
    left = [row for at, row in enumerate(content) if at not in broken]
    assert not left or check(left).in_order
