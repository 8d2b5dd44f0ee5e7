"""A file that cannot be read is refused in words, without repeating what its rows hold."""

import datetime
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from registry_toys import HEADER, rows, write

from soa_evidence.errors import EvidenceError, InputError
from soa_evidence.evidence import registry, syn_registry
from soa_evidence.evidence.syn_registry import export


def refused(path):
    with pytest.raises(EvidenceError) as caught:
        registry.check(path)
    return str(caught.value)


def text(tmp_path, content, name="x.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def good(tmp_path):
    return write(tmp_path / "good.csv", rows())


def test_no_file_a_folder_another_kind_an_empty_one(tmp_path):
    assert refused(tmp_path / "no.csv") == "There is no file 'no.csv' in its folder; check the path."
    assert "is a folder; expected one CSV or Parquet file" in refused(tmp_path)
    assert "ends in '.xlsx'; expected a file ending in .csv or .parquet" in refused(
        text(tmp_path, "x", "x.xlsx")
    )
    assert "is empty (0 bytes)" in refused(text(tmp_path, ""))


def test_a_header_alone(tmp_path):
    assert "has a header and no rows" in refused(text(tmp_path, ",".join(HEADER) + "\n"))


def test_a_missing_column_is_named_with_the_nearest(tmp_path):
    header = ["gender" if name == "sex" else name for name in HEADER]
    told = refused(write(tmp_path / "x.csv", rows(), header))
    assert "lacks a column that every extract needs: 'sex'" in told
    near = ["primary date" if name == "primary_date" else name for name in HEADER]
    assert "'primary_date' Did you mean 'primary date'?" in refused(write(tmp_path / "x.csv", rows(), near))


def test_a_column_twice(tmp_path):
    content = good(tmp_path).read_text().replace("asa,bmi", "asa,asa", 1)
    assert "has the column 'asa' twice; keep one" in refused(text(tmp_path, content))


@pytest.mark.parametrize(("mark", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_columns_parted_otherwise(tmp_path, mark, word):
    content = good(tmp_path).read_text().replace(",", mark)
    assert f"are parted by {word}; expected commas" in refused(text(tmp_path, content))


def test_a_row_too_long_is_numbered_and_not_shown(tmp_path):
    lines = good(tmp_path).read_text().splitlines()
    lines[3] += ",Jane Roe"
    told = refused(text(tmp_path, "\n".join(lines) + "\n"))
    assert "Row 3 of 'x.csv' has 21 values, but the header has 20." in told
    assert "Jane" not in told


def test_text_that_is_not_utf8(tmp_path):
    content = good(tmp_path).read_text().replace("p4", "p\u00e9").encode("latin-1")
    assert refused(text(tmp_path, content)) == "'x.csv' is not UTF-8 text; save it as UTF-8."
    header = ("\u00e9," + ",".join(HEADER) + "\n").encode("latin-1")
    assert "is not UTF-8 text" in refused(text(tmp_path, header))


def test_parquet_that_is_none_and_one_cut_off(tmp_path):
    assert "cannot be read as Parquet" in refused(text(tmp_path, "a,b\n1,2\n", "x.parquet"))
    path = tmp_path / "y.parquet"
    pd.DataFrame(rows()).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "cannot be read as Parquet" in refused(path)


def test_a_column_of_lists(tmp_path):
    table = pa.Table.from_pylist([row | {"revision_reasons": ["pain"]} for row in rows()])
    pq.write_table(table, tmp_path / "x.parquet")
    assert "The column 'revision_reasons' is stored as list" in refused(tmp_path / "x.parquet")


def test_parquet_types_all_read_the_same(tmp_path):
    plain = registry.load(good(tmp_path)).frame()
    frame = pd.DataFrame(rows()).replace("", None)
    for name in ("primary_date", "revision_date", "second_revision_date", "death_date", "follow_up_end"):
        frame[name] = pd.to_datetime(frame[name])
    frame["asa"] = frame["asa"].astype(float)  # as pandas keeps whole numbers with gaps
    frame["age"], frame["bmi"] = frame["age"].astype(np.int64), frame["bmi"].astype(float)
    frame["unit"] = frame["unit"].astype("category")
    frame.to_parquet(tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(registry.load(tmp_path / "x.parquet").frame(), plain)


def test_a_time_of_day_is_no_day(tmp_path):
    frame = pd.DataFrame(rows())
    frame["primary_date"] = pd.to_datetime(frame["primary_date"])
    frame.loc[0, "primary_date"] += pd.Timedelta(hours=9)
    frame.to_parquet(tmp_path / "x.parquet")
    (finding,) = registry.check(tmp_path / "x.parquet").findings
    assert (finding.says, finding.first(1)) == ("primary_date is not a date written YYYY-MM-DD", [1])


def test_dates_of_python_and_a_byte_order_mark_and_capitals(tmp_path):
    plain = registry.load(good(tmp_path)).frame()
    frame = pd.DataFrame(rows())
    frame["primary_date"] = [datetime.date.fromisoformat(day) for day in frame["primary_date"]]
    frame.to_parquet(tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(registry.load(tmp_path / "x.parquet").frame(), plain)
    content = (
        good(tmp_path).read_text().replace("female", "F").replace("hip,", "HIP,").replace(",male", ", M ")
    )
    marked = text(tmp_path, b"\xef\xbb\xbf" + content.replace("Person", "person").encode())
    pd.testing.assert_frame_equal(registry.load(marked).frame(), plain)


def test_columns_that_are_not_read_are_named(tmp_path):
    content = [row | {"nhs_number": "943 476 5919"} for row in rows()]
    report = registry.check(write(tmp_path / "x.csv", content, [*HEADER, "nhs_number"]))
    assert report.unused == ("nhs_number",)
    assert "943" not in report.text()


def test_optional_columns_may_be_left_out(tmp_path):
    header = [name for name in HEADER if name not in ("asa", "surgeon", "bearing")]
    loaded = registry.load(write(tmp_path / "x.csv", rows(), header))
    assert set(loaded.frame()["asa"]) == {"not recorded"}
    report = registry.check(tmp_path / "x.csv")
    assert report.absent == ("surgeon", "asa", "bearing")


WITHOUT_CLASS = [name for name in HEADER if name != "unit_class"]


def units(path, content="unit,unit_class\nA,general\nB,specialist\n"):
    path.write_text(content)
    return path


def test_classes_come_from_a_table_given_or_lying_beside(tmp_path):
    plain = registry.load(good(tmp_path)).frame()
    path = write(tmp_path / "x.csv", rows(), WITHOUT_CLASS)
    with pytest.raises(EvidenceError, match=r"does not say of what class its units are.*'x.units.csv'"):
        registry.load(path)
    given = registry.load(path, units=units(tmp_path / "kinds.csv"))
    pd.testing.assert_frame_equal(given.frame(), plain)
    units(tmp_path / "x.units.csv")
    found = registry.load(path)
    pd.testing.assert_frame_equal(found.frame(), plain)
    assert "with units sha256:" in found.hash


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("unit,kind\nA,general\n", "has no column 'unit_class'"),
        ("unit,unit_class\nA,\n", "row 1: unit or unit_class is empty"),
        ("unit,unit_class\nA,general\nA,specialist\n", "row 2: a unit is there already"),
        ("", "has no column 'unit'"),
    ],
)
def test_a_bad_table_of_units(tmp_path, content, message):
    path = write(tmp_path / "x.csv", rows(), WITHOUT_CLASS)
    with pytest.raises(EvidenceError, match=message):
        registry.check(path, units=units(tmp_path / "u.csv", content))


def test_a_unit_that_the_table_lacks_is_a_finding(tmp_path):
    path = write(tmp_path / "x.csv", rows(), WITHOUT_CLASS)
    report = registry.check(path, units=units(tmp_path / "u.csv", "unit,unit_class\nA,general\n"))
    (finding,) = report.findings
    assert (finding.says, finding.first(9)) == ("unit is not in the table of units", [4, 5, 6])


@pytest.mark.slow
def test_a_large_extract_needs_little_memory(tmp_path):
    """Three hundred thousand rows: what is kept is some 70 bytes a row, what is read at a time a few MB."""
    path = tmp_path / "x.parquet"
    export.write(
        syn_registry.generate(syn_registry.of_scenario(), size=300_000, seed=1, keep_people=False).rows, path
    )
    code = (
        "import resource, sys, pyarrow.parquet\n"
        "from soa_evidence.evidence import registry\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak(); registry.load(sys.argv[1]); print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 300


def test_a_name_that_is_no_registry(tmp_path):
    with pytest.raises(
        InputError, match=r"There is no registry 'syn-registri'. Did you mean 'syn-registry'\?"
    ):
        registry.load("syn-registri")
    with pytest.raises(InputError, match="on_impossible is 'drop'; expected 'error' or 'exclude'"):
        registry.load(good(tmp_path), on_impossible="drop")
