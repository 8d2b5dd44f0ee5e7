"""Every kind of bad row is named by rule, count and row number, and nothing a row holds is told."""

import json

import pytest
from registry_toys import GOOD, rows, write

from soa_evidence.__main__ import main
from soa_evidence.errors import EvidenceError
from soa_evidence.evidence import registry
from soa_evidence.evidence.registry.findings import REMEDIES


def check(tmp_path, content, **choices):
    return registry.check(write(tmp_path / "x.csv", content), **choices)


def twin(**changed):
    return [*rows(), dict(GOOD[0]) | changed]


#: Rows, and the findings they give: (says, row numbers), each exactly as a researcher reads it.
BAD = {
    "no person": (rows(person_id=""), [("person_id is missing", [1])]),
    "NA as person": (rows(at=3, person_id="NA"), [("person_id is missing", [4])]),
    "no side": (rows(side=""), [("side is missing", [1])]),
    "no joint": (rows(joint=" "), [("joint is missing", [1])]),
    "no unit": (rows(unit=""), [("unit is missing", [1])]),
    "no primary": (rows(primary_date=""), [("primary_date is missing", [1])]),
    "no age": (rows(at=1, age=""), [("age is missing", [2])]),
    "no sex": (rows(sex=""), [("sex is missing", [1])]),
    "no end": (rows(follow_up_end=""), [("follow_up_end is missing", [1])]),
    "side": (rows(side="both"), [("side is none of: left, right", [1])]),
    "joint": (rows(joint="hips"), [("joint is none of: hip, knee, shoulder, elbow, ankle", [1])]),
    "sex": (rows(at=2, sex="1"), [("sex is none of: female, male, not recorded", [3])]),
    "asa": (rows(asa="6"), [("asa is none of: 1, 2, 3, 4, 5", [1])]),
    "deprivation": (rows(deprivation="0"), [("deprivation is none of: 1, 2, 3, 4, 5", [1])]),
    "fixation": (
        rows(fixation="glued"),
        [("fixation is none of: cemented, cementless, hybrid, reverse hybrid", [1])],
    ),
    "bearing": (
        rows(bearing="wood"),
        [
            (
                "bearing is none of: metal on polyethylene, ceramic on polyethylene, ceramic on ceramic, "
                "metal on metal, fixed, mobile, other",
                [1],
            )
        ],
    ),
    "procedure": (
        rows(procedure="half"),
        [("procedure is none of: total, resurfacing, unicompartmental, patellofemoral, other", [1])],
    ),
    "one reason of two": (
        rows(at=3, revision_reasons="pain;bad luck"),
        [
            (
                "revision_reasons holds something that is none of: infection, fracture, dislocation, "
                "loosening, lysis, wear, implant failure, malalignment, soft tissue reaction, progression, "
                "stiffness, pain, other",
                [4],
            )
        ],
    ),
    "procedure of another joint": (
        rows(procedure="unicompartmental"),
        [("procedure is not one of a hip: total, resurfacing, other", [1])],
    ),
    "resurfaced knee": (
        rows(at=1, procedure="resurfacing"),
        [("procedure is not one of a knee: total, unicompartmental, patellofemoral, other", [2])],
    ),
    "no date": (
        rows(primary_date="02/03/2015"),
        [("primary_date is missing", []), ("primary_date is not a date written YYYY-MM-DD", [1])],
    ),
    "31 February": (
        rows(at=2, revision_date="2018-02-31"),
        [
            ("revision_date is not a date written YYYY-MM-DD", [3]),
            ("revision_reasons without revision_date", [3]),
        ],
    ),
    "age in words": (rows(age="seventy"), [("age is not a number", [1])]),
    "infinite age": (rows(age="inf"), [("age is not a number", [1])]),
    "too young": (rows(age="9"), [("age is outside 10 to 110 years", [1])]),
    "too old": (rows(age="111"), [("age is outside 10 to 110 years", [1])]),
    "heavy": (rows(bmi="285"), [("bmi is outside 10 to 80 kg/m²", [1])]),
    "revised before the primary": (
        rows(at=2, revision_date="2016-01-03"),
        [("revision_date is before primary_date", [3])],
    ),
    "revised again before the revision": (
        rows(at=3, second_revision_date="2015-06-30"),
        [("second_revision_date is before revision_date", [4])],
    ),
    "dead before the primary": (
        rows(at=4, death_date="2014-02-02"),
        [("death_date is before primary_date", [5])],
    ),
    "dead before the revision": (
        rows(at=2, death_date="2018-01-03", follow_up_end="2018-01-04"),
        [("death_date is before revision_date", [3])],
    ),
    "dead before the second revision": (
        rows(at=3, death_date="2017-06-30"),
        [("death_date is before second_revision_date", [4])],
    ),
    "ends before the primary": (
        rows(at=5, follow_up_end="2018-10-09"),
        [("follow_up_end is before primary_date", [6])],
    ),
    "ends before the revision": (
        rows(at=2, follow_up_end="2018-01-03"),
        [("follow_up_end is before revision_date", [3])],
    ),
    "ends before the second revision": (
        rows(at=3, follow_up_end="2017-06-30"),
        [("follow_up_end is before second_revision_date", [4])],
    ),
    "ends before death": (
        rows(at=4, follow_up_end="2020-02-02"),
        [("follow_up_end is before death_date", [5])],
    ),
    "before joint replacement": (
        rows(primary_date="1959-12-31"),
        [("primary_date is before 1960-01-01", [1])],
    ),
    "same joint twice": (
        twin(primary_date="2016-03-02"),
        [("the same joint of the same person as another row", [1, 9])],
    ),
    "two sexes": (rows(at=1, sex="male"), [("sex is not the same in all rows of the person", [1, 2])]),
    "dead in one row": (
        rows(at=1, death_date="2024-12-31"),
        [("death_date is not the same in all rows of the person, or missing in some", [1, 2])],
    ),
    "two classes": (
        rows(at=5, unit_class="general"),
        [("unit_class is not the same in all rows of the unit", [4, 5, 6])],
    ),
    "second revision alone": (
        rows(second_revision_date="2020-01-01"),
        [("second_revision_date without revision_date", [1])],
    ),
    "reasons alone": (rows(revision_reasons="pain"), [("revision_reasons without revision_date", [1])]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_named(tmp_path, name):
    content, expected = BAD[name]
    found = {finding.says: finding.first(99) for finding in check(tmp_path, content).findings}
    wanted = {says: numbers for says, numbers in expected if numbers}
    assert found == wanted


def test_there_are_many_kinds():
    assert len(BAD) >= 25


@pytest.mark.parametrize(
    ("column", "at"),
    [  # column, row
        ("primary_date", 7),
        ("revision_date", 2),
        ("second_revision_date", 3),
        ("death_date", 4),
        ("follow_up_end", 7),
    ],
)
def test_a_date_after_the_extract_is_named(tmp_path, column, at):
    content = rows(**{"at": at, column: "2025-01-01"})
    found = check(tmp_path, content, extract_date="2024-12-31").findings
    assert f"{column} is after the extract (2024-12-31)" in {finding.says for finding in found}


def test_a_far_future_is_seen_without_being_told_the_day(tmp_path):
    found = check(tmp_path, rows(follow_up_end="2204-12-31")).findings
    (future,) = [finding for finding in found if finding.kind == "future"]
    assert (future.column, future.first(9)) == ("follow_up_end", [1])


def test_good_rows_pass(tmp_path):
    report = check(tmp_path, rows())
    assert report.in_order
    assert (report.rows, report.usable, report.extract_day) == (8, 8, "2024-12-31")
    assert report.not_recorded["bmi"] == pytest.approx(2 / 8)
    assert report.text().endswith("Every row may be used.")


def test_the_report_tells_rows_and_never_values(tmp_path):
    secret = rows(sex="Jane Roe", person_id="943-476-5919", age="1944-05-06")
    report = check(tmp_path, secret)
    for text in (report.text(), json.dumps(report.record()), repr(report)):
        assert not any(word in text for word in ("Jane", "943", "1944-05-06"))
    assert "sex is none of: female, male, not recorded: 1 row (1)" in report.text()
    assert "1 of 8 rows break a rule" in report.text()


def test_every_finding_says_what_to_do(tmp_path):
    for content, _ in BAD.values():
        for finding in check(tmp_path, content).findings:
            assert finding.record(1)["do"] == REMEDIES[finding.kind]


def test_many_rows_show_the_first_numbers_only(tmp_path):
    content = [dict(GOOD[0]) | {"person_id": f"q{k}", "age": "5"} for k in range(2000)]
    report = check(tmp_path, content)
    (finding,) = report.findings
    assert finding.text(3) == "age is outside 10 to 110 years: 2,000 rows (1, 2, 3, …)"
    assert finding.text(0) == "age is outside 10 to 110 years: 2,000 rows"


def test_the_command_line_prints_the_report_and_its_exit_code(tmp_path, capsys):
    path = write(tmp_path / "x.csv", rows(age="5"))
    assert main(["check-registry", str(path)]) == EvidenceError.exit_code
    told = capsys.readouterr().out
    assert "Out of range: correct the value" in told
    assert "age is outside 10 to 110 years: 1 row (1)" in told
    assert main(["check-registry", str(path), "--json", "--rows", "0"]) == EvidenceError.exit_code
    record = json.loads(capsys.readouterr().out)
    assert (record["rows"], record["usable"], record["in_order"]) == (8, 7, False)
    assert record["findings"][0]["first_rows"] == []
    assert main(["check-registry", str(write(tmp_path / "y.csv", rows()))]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no.csv"], 3, "There is no file 'no.csv' in its folder"),
        (["x.csv", "--rows", "-1"], 2, "--rows is -1; expected 0 or more"),
        (["x.csv", "--extract-date", "soon"], 3, "The date of extraction is 'soon'; expected YYYY-MM-DD"),
        (["x.csv", "--units", "u.csv"], 3, "There is no table of units 'u.csv'"),
    ],
)
def test_a_mistake_on_the_command_line(tmp_path, monkeypatch, capsys, arguments, code, message):
    write(tmp_path / "x.csv", rows())
    monkeypatch.chdir(tmp_path)
    assert main(["check-registry", *arguments]) == code
    assert message in capsys.readouterr().err
