"""What the published records say of the rows behind their numbers is found again in the evidence."""

import json
from functools import cache
from pathlib import Path

import pytest

from soa_evidence import evidence

ROOT = Path(__file__).resolve().parents[2]
RUNS = [
    path
    for path in sorted((ROOT / "reports").glob("*/run.json"))
    if "basis" in json.loads(path.read_text(encoding="utf-8"))
]


@cache
def table(holder, name):
    return evidence.load(holder, ROOT / "evidence").table(name)


@cache
def rows(holder, name, where):
    """Rows found with pandas alone."""
    whole = table(holder, name)
    return whole.query(where, engine="python") if where else whole


def problems(run, numbers):
    """Say what of a record does not hold."""
    told = {one["id"]: one for one in run["basis"]}
    found = [
        f"number {number['id']} names rows that are not told: {id}"
        for number in numbers
        for id in number["basis"]
        if id not in told
    ]
    found += [f"number {number['id']} names no rows" for number in numbers if not number["basis"]]
    for one in told.values():
        if one["of"] != "package" or not one["file"]:
            continue
        if not (ROOT / "evidence" / one["holder"] / one["file"]).is_file():
            found.append(f"{one['id']}: there is no {one['file']}")
        here = rows(one["holder"], one["table"], one["where"])
        if (len(here), len(table(one["holder"], one["table"]))) != (one["rows"], one["total"]):
            found.append(f"{one['id']}: {len(here)} rows, not {one['rows']}")
        for held in one["counted"]:
            column = here[held["column"]]
            total = column.sum() if column.dtype.kind in "iuf" else column.nunique()
            if total != pytest.approx(held["total"]):
                found.append(f"{one['id']}: {held['column']} is {total}, not {held['total']}")
    return found


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.parent.name)
def test_rows_are_found_again(path):
    run = json.loads(path.read_text(encoding="utf-8"))
    numbers = json.loads(path.with_name("numbers.json").read_text(encoding="utf-8"))
    assert problems(run, numbers) == []


def test_what_does_not_hold_is_seen():
    chosen = evidence.load("nhs-units", ROOT / "evidence").select(
        unit_class="specialist orthopaedic", counted="records"
    )
    right = chosen.basis.record()
    number = {"id": "n", "basis": [right["id"]]}
    assert problems({"basis": [right]}, [number]) == []
    wrong = right | {"rows": right["rows"] + 1}
    counted = right | {"counted": [right["counted"][0] | {"total": 1.0}]}
    for record, told in (
        (wrong, "rows, not"),
        (counted, "records is"),
        (right | {"file": "x"}, "there is no x"),
    ):
        (found,) = problems({"basis": [record]}, [number])
        assert told in found
    assert problems({"basis": []}, [number]) == [f"number n names rows that are not told: {right['id']}"]
    assert problems({"basis": []}, [{"id": "n", "basis": []}]) == ["number n names no rows"]
