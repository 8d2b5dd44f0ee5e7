"""Opening a package: what is handed out, and every way in which one is refused."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from evidence_toys import make_package

from soa_evidence import evidence
from soa_evidence.errors import EvidenceError
from soa_evidence.evidence import tables

HEADER = "unit,group,events,patients,mean_stay_days\n"


def fields(descriptor):
    return descriptor["resources"][0]["schema"]["fields"]


def refused(root, match, name="toy"):
    with pytest.raises(EvidenceError, match=match):
        evidence.load(name, root)


def test_a_valid_package_gives_typed_tables_and_what_it_is(tmp_path):
    folder = make_package(tmp_path)
    package = evidence.load("toy", tmp_path)
    table = package.table()
    assert table["unit"].tolist() == ["AAA", "AAA", "BBB"]
    assert [str(kind) for kind in table.dtypes] == ["object", "object", "int64", "int64", "float64"]
    assert table["mean_stay_days"].isna().tolist() == [False, True, False]
    assert (package.name, package.kind, package.licence) == (
        "toy",
        "published",
        "Open Government Licence v3.0",
    )
    assert (package.smallest_count, package.resources, package.folder) == (10, ("results",), folder)
    assert package.hash == tables.digest(folder / "datapackage.json")
    assert package.fields()["events"]["soa:outcome"]["better"] == "lower"
    assert package.sources[0]["title"] == "Who published what, and when"
    assert "3 rows" in repr(package)


def test_a_table_is_a_fresh_copy_each_time(tmp_path):
    make_package(tmp_path)
    package = evidence.load("toy", tmp_path)
    mine = package.table()
    mine.loc[0, "events"] = 999
    assert package.table().loc[0, "events"] == 12


def test_an_unknown_table_is_refused_with_the_nearest(tmp_path):
    make_package(tmp_path)
    with pytest.raises(EvidenceError, match=r"no table 'result'\. Did you mean 'results'\?"):
        evidence.load("toy", tmp_path).table("result")


def test_the_smallest_count_is_ten_where_a_package_is_silent(tmp_path):
    make_package(tmp_path, edit=lambda d: d.pop("soa:smallestCount"))
    assert evidence.load("toy", tmp_path).smallest_count == 10


def test_a_synthetic_package_is_accepted_with_its_name_and_truth(tmp_path):
    make_package(
        tmp_path, "syn-toy", edit=lambda d: d.update({"soa:kind": "synthetic", "soa:truth": {"risk": 0.05}})
    )
    assert evidence.load("syn-toy", tmp_path).kind == "synthetic"


def test_packages_are_found_from_a_folder_below_the_repository(tmp_path, monkeypatch):
    make_package(tmp_path / "evidence")
    (tmp_path / "analyses").mkdir()
    monkeypatch.chdir(tmp_path / "analyses")
    assert evidence.names() == ("toy",)
    assert evidence.load("toy").name == "toy"
    assert evidence.load("toy", tmp_path).name == "toy"  # the repository may be named instead of its evidence


def test_folders_starting_with_an_underscore_are_not_packages(tmp_path):
    make_package(tmp_path)
    (tmp_path / "_drafts").mkdir()
    assert evidence.names(tmp_path) == ("toy",)
    assert evidence.check(folder=tmp_path) == []


def test_a_missing_package_is_refused_with_the_nearest(tmp_path):
    make_package(tmp_path)
    refused(tmp_path, r"no evidence package 'toi' in .*Did you mean 'toy'\? Known: toy", "toi")
    refused(tmp_path, "no evidence package ''", "")
    refused(tmp_path / "nowhere", "no folder '.*nowhere'; expected one that holds evidence packages")


def test_a_broken_or_odd_descriptor_is_refused(tmp_path):
    folder = make_package(tmp_path)
    for text, match in (
        ('{"name": "toy",', "not valid JSON: .* at line 1, column"),
        ("[]", "not a JSON object"),
    ):
        (folder / "datapackage.json").write_text(text)
        refused(tmp_path, match)
    (folder / "datapackage.json").write_bytes(b"\xff\xfe\x00")
    refused(tmp_path, "not UTF-8")


def set_field(at, **values):
    return lambda d: fields(d)[at].update(values)


DESCRIPTOR_FAULTS = [
    (lambda d: d.pop("licenses"), "the package does not give 'licenses'"),
    (lambda d: d.update(licenses=[{"title": "OGL"}]), r"licenses\[0\] gives neither 'name' nor 'path'"),
    (lambda d: d.update(licenses="OGL"), "'licenses' is not a list of objects"),
    (lambda d: d.update(sources=[]), "the package does not give 'sources'"),
    (lambda d: d["sources"][0].pop("title"), r"sources\[0\] does not give 'title'"),
    (lambda d: d.pop("title"), "the package does not give 'title'"),
    (lambda d: d.update(name="other"), "named 'other' but lies in the folder 'toy'"),
    (lambda d: d.update(name="My Toy"), "not made of small letters"),
    (lambda d: d.pop("soa:kind"), "does not give 'soa:kind'; expected one of: published, derived, synthetic"),
    (lambda d: d.update({"soa:kind": "publishd"}), "'soa:kind' is 'publishd'.*Did you mean 'published'"),
    (lambda d: d.update({"soa:kind": "synthetic"}), "must start with 'syn-', as in 'syn-toy'"),
    (lambda d: d.update({"soa:kind": "synthetic"}), "must carry 'soa:truth'"),
    (
        lambda d: d.update({"soa:smallestCount": 0}),
        "'soa:smallestCount' is 0; expected a whole number of at least 1",
    ),
    (lambda d: d.update(resources=[]), "the package does not give 'resources'"),
    (lambda d: d["resources"].append(d["resources"][0]), "resource 'results' is there twice"),
    (lambda d: d["resources"][0].update(path="../secret.csv"), "'../secret.csv' leaves the package"),
    (lambda d: d["resources"][0].update(path="https://x.org/a.csv"), "leaves the package"),
    (lambda d: d["resources"][0].update(format="xlsx"), "format is 'xlsx'; expected one of: csv, parquet"),
    (
        lambda d: d["resources"][0].update(hash="md5:123"),
        "'md5:123' is not 'sha256:' and 64 hexadecimal digits",
    ),
    (lambda d: d["resources"][0]["schema"].update(fields=[]), "not a list of at least one field"),
    (lambda d: fields(d).append(fields(d)[0]), "the field 'unit' is declared twice"),
    (lambda d: fields(d)[3].pop("unit"), "field 'patients' is a number without a unit"),
    (set_field(0, type="text"), "type is 'text'; expected one of: string, integer, number, boolean"),
    (set_field(0, constraints={"minimun": 1}), "unknown constraint 'minimun'. Did you mean 'minimum'"),
    (set_field(0, constraints={"minimum": 1}), "'minimum' is for numbers, but the type is 'string'"),
    (
        set_field(2, **{"soa:atMost": "patient"}),
        "'soa:atMost' names the unknown field 'patient'. Did you mean 'patients'",
    ),
    (set_field(2, **{"soa:sumOf": ["group"]}), "'soa:sumOf' names 'group', which is no number"),
    (
        lambda d: d["resources"][0]["schema"].update(primaryKey=["units"]),
        "primaryKey names the unknown field 'units'",
    ),
    (
        lambda d: d["resources"][0]["schema"].update(
            foreignKeys=[{"fields": ["unit"], "reference": {"resource": "hospitals", "fields": ["code"]}}]
        ),
        "a foreign key points to the unknown resource 'hospitals'",
    ),
]


@pytest.mark.parametrize(
    ("edit", "match"), DESCRIPTOR_FAULTS, ids=[match[:40] for _, match in DESCRIPTOR_FAULTS]
)
def test_a_descriptor_that_falls_short_is_refused(tmp_path, edit, match):
    make_package(tmp_path, edit=edit)
    refused(tmp_path, match)


def test_syn_names_are_for_synthetic_packages(tmp_path):
    make_package(tmp_path, "syn-toy")
    refused(
        tmp_path, "names starting 'syn-' are for synthetic packages, but 'soa:kind' is 'published'", "syn-toy"
    )


DATA_FAULTS = {
    HEADER.strip() + ",extra\nAAA,primary,1,2,3,4\n": "column 'extra', which the descriptor does not declare",
    HEADER.replace("events", "event")
    + "AAA,primary,1,2,3\n": "lacks the column 'events' .*Did you mean 'event'",
    HEADER + "AAA,primary,1,2,3\nAAA,revision,x,2,3\n": r"row 2, field 'events': 'x' is not an integer\.",
    HEADER + "AAA,primary,1.5,2,3\n": "row 1, field 'events': '1.5' is not an integer",
    HEADER + "AAA,primary,1,2,inf\n": "row 1, field 'mean_stay_days': 'inf' is not a number",
    HEADER
    + "AAA,primary,-1,2,3\n": r"row 1 \(unit AAA, group primary\), field 'events': -1 is below the minimum 0",
    HEADER + "AAA,primary,1,0,3\n": "field 'patients': 0 is below the minimum 1",
    HEADER + "AAA,primry,1,2,3\n": "field 'group': 'primry' is not one of: primary, revision",
    HEADER + "AAA,primary,,2,3\n": "row 1 .*field 'events': is missing, but the field is required",
    HEADER + ",primary,1,2,3\n": "row 1 .*field 'unit': is missing, but the field is required",
    HEADER + "aaa,primary,1,2,3\n": r"field 'unit': 'aaa' does not match \[A-Z\]\[A-Z0-9\]\{2,4\}",
    HEADER
    + "AAA,primary,3,2,3\nAAA,revision,9,8,1\n": r"field 'events': 3 is above 'patients' \(2\)\. 2 rows",
    HEADER
    + "AAA,primary,1,2,3\nAAA,primary,1,2,3\n": r"row 2 .* the primary key \(unit, group\) is there already",
    HEADER: "holds no rows; expected at least one",
    "": "is empty",
}


@pytest.mark.parametrize("csv", DATA_FAULTS, ids=[match[:40] for match in DATA_FAULTS.values()])
def test_data_that_break_their_schema_are_refused_by_row_and_field(tmp_path, csv):
    make_package(tmp_path, csv=csv)
    refused(tmp_path, DATA_FAULTS[csv])


def test_a_sum_that_does_not_add_up_is_refused(tmp_path):
    make_package(
        tmp_path,
        edit=set_field(3, **{"soa:sumOf": ["events", "mean_stay_days"]}),
        csv=HEADER + "AAA,primary,2,5,3\nBBB,primary,2,6,3\n",
    )
    refused(
        tmp_path,
        r"row 2 \(unit BBB, group primary\), field 'patients': 6 is not the sum of events, mean_stay_days",
    )


def test_unique_and_maximum_are_enforced(tmp_path):
    make_package(tmp_path, edit=set_field(0, constraints={"unique": True}))
    refused(tmp_path, "row 2 .*field 'unit': 'AAA' is there already; values are unique")
    make_package(tmp_path, "other", edit=set_field(3, constraints={"maximum": 300}))
    refused(tmp_path, "field 'patients': 410 is above the maximum 300", "other")


def test_a_file_changed_after_sealing_is_refused_until_sealed_again(tmp_path):
    folder = make_package(tmp_path)
    path = folder / "data" / "results.csv"
    path.write_text(path.read_text().replace("240", "241"))
    refused(tmp_path, "data/results.csv: the file is not the one that was sealed")
    before = evidence.seal(folder)
    assert evidence.load("toy", tmp_path).table().loc[0, "patients"] == 241
    assert evidence.seal(folder) == before
    path.unlink()
    refused(tmp_path, "data/results.csv: the file is missing")
    with pytest.raises(EvidenceError, match=r"data/results.csv is missing, so it cannot be sealed"):
        evidence.seal(folder)


def test_a_wrong_size_is_refused(tmp_path):
    make_package(tmp_path, edit=lambda d: d["resources"][0].update(bytes=7))
    refused(tmp_path, "bytes, but the descriptor says 7")


def test_all_problems_are_listed_not_only_the_first(tmp_path):
    make_package(tmp_path, csv=HEADER + "aaa,primry,3,2,3\n")
    with pytest.raises(EvidenceError) as caught:
        evidence.load("toy", tmp_path)
    assert "3 problems" in str(caught.value)
    assert len(re.findall("^  - ", str(caught.value), flags=re.MULTILINE)) == 3


def to_hospitals(unit_field="code"):
    return lambda d: d["resources"][0]["schema"].update(
        foreignKeys=[
            {
                "fields": ["unit"],
                "reference": {"package": "hospitals", "resource": "results", "fields": [unit_field]},
            }
        ]
    )


def test_a_key_into_another_package_must_be_found_there(tmp_path):
    make_package(tmp_path, edit=to_hospitals("unit"))
    refused(tmp_path, "foreign key points to the package 'hospitals', which is not in")
    make_package(tmp_path, "hospitals", csv=HEADER + "AAA,primary,1,2,3\n")
    refused(
        tmp_path,
        r"row 3 \(unit BBB, group primary\), field 'unit': 'BBB' is unknown to hospitals: results \(unit\)",
    )
    make_package(tmp_path, "third", edit=to_hospitals("code"))
    refused(tmp_path, r"foreign key points to hospitals: results.code, which does not exist", "third")


def test_check_names_every_package_with_its_problem(tmp_path):
    make_package(tmp_path)
    make_package(tmp_path, "bad", edit=lambda d: d.pop("licenses"))
    (tmp_path / "empty").mkdir()
    (make_package(tmp_path, "mute") / "README.md").unlink()
    found = evidence.check(folder=tmp_path)
    assert [line.split(":")[0] for line in found] == ["bad", "empty", "mute"]
    assert "there is no datapackage.json" in found[1]
    assert "there is no README.md" in found[2]
    assert evidence.check("toy", folder=tmp_path) == []
    assert evidence.check("to", folder=tmp_path) == ["to: there is no datapackage.json. Did you mean 'toy'?"]


def as_parquet(folder, frame):
    frame.to_parquet(folder / "data" / "results.parquet")
    descriptor = json.loads((folder / "datapackage.json").read_text())
    descriptor["resources"][0].update(path="data/results.parquet", format="parquet")
    (folder / "datapackage.json").write_text(json.dumps(descriptor))
    evidence.seal(folder)


def test_parquet_is_read_by_the_same_rules(tmp_path):
    folder = make_package(tmp_path)
    table = evidence.load("toy", tmp_path).table()
    as_parquet(folder, table)
    pd.testing.assert_frame_equal(evidence.load("toy", tmp_path).table(), table)
    as_parquet(folder, table.assign(events=table["events"].astype(str)))
    refused(tmp_path, "field 'events' is stored as (large_)?string, but the descriptor declares integer")
    (folder / "data" / "results.parquet").write_bytes(b"not parquet at all")
    evidence.seal(folder)
    refused(tmp_path, "cannot be read as parquet")
    (folder / "data" / "results.parquet").write_bytes(b"")
    evidence.seal(folder)
    refused(tmp_path, r"is empty \(0 bytes\)")


def test_importing_evidence_is_light():
    code = "import sys, soa_evidence.evidence; print({'pymc', 'matplotlib', 'nutpie'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
