"""American releases to packages: what is kept, who is specialist, what stops the build."""

from pathlib import Path

import pytest

from soa_evidence import __main__ as command
from soa_evidence import evidence
from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.load import open_folder
from soa_evidence.evidence.us_hospitals import classes, medicare, new_york

ROOT = Path(__file__).resolve().parents[2]
NY_HEAD = (
    "Facility ID,Hospital Name,Indicator Name,Year,Infections Observed,Infections Predicted,Denominator\n"
)
NY = [
    "0,All Hospitals,SSI Hip,2016,12.0,,900.0",
    "1447,Hospital for Special Surgery,SSI Hip,2016,2.0,4.5,500.0",
    "9,Ordinary Hospital,SSI Hip,2016,9.0,7.25,380.0",
    "11,Small Hospital,SSI Hip,2016,,,",
    "9,Ordinary Hospital,SSI Colon,2016,5.0,5.0,50.0",
]
US_HEAD = (
    "release,facility_id,facility_name,state,n_discharges,n_readmissions,too_few_to_report,"
    "excess_readmission_ratio,predicted_rate_pct,expected_rate_pct,start_date,end_date\n"
)
US = [
    "FY2020,000001,ORTHOPAEDIC HOSPITAL,NY,900,20,False,0.8,3.2,4.0,07/01/2015,06/30/2018",
    "FY2020,000002,COUNTY SURGICAL HOSPITAL,TX,,,True,1.1,4.4,4.0,07/01/2015,06/30/2018",
    "FY2020,000003,COUNTY HOSPITAL,TX,,,False,,,,07/01/2015,06/30/2018",
    "FY2025,000001,ORTHO HOSPITAL,NY,700,15,False,0.9,3.6,4.0,07/01/2020,06/30/2023",
    "FY2019,000001,ORTHO HOSPITAL,NY,700,15,False,0.9,3.6,4.0,07/01/2014,06/30/2017",
]


def write(folder, name, head, rows):
    path = folder / name
    path.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def new_york_of(tmp_path, rows=NY, head=NY_HEAD):
    new_york.build(write(tmp_path, "ny.csv", head, rows), tmp_path / "out")
    return open_folder(tmp_path / "out" / new_york.NAME, foreign=False)


def medicare_of(tmp_path, rows=US, head=US_HEAD):
    medicare.build(write(tmp_path, "us.csv", head, rows), tmp_path / "out")
    return open_folder(tmp_path / "out" / medicare.NAME, foreign=False).table()


def test_a_hospital_and_year_is_kept_where_the_state_gives_counts(tmp_path):
    package = new_york_of(tmp_path)
    table = package.table("hospital_years")
    assert table["facility_id"].tolist() == ["1447", "9"]
    assert table["unit_class"].tolist() == ["specialist orthopaedic", "general"]
    assert table["infections"].tolist() == [2, 9]
    assert table["expected_infections"].tolist() == [4.5, 7.25]
    assert package.table("state").to_dict("records") == [{"year": 2016, "infections": 12, "procedures": 900}]


def test_periods_and_counts_of_medicare_are_kept_and_other_releases_left(tmp_path):
    table = medicare_of(tmp_path)
    assert table[["release", "facility_id"]].to_numpy().tolist() == [
        ["FY2020", "000001"],
        ["FY2020", "000002"],
        ["FY2025", "000001"],
    ]
    assert table["readmissions"].tolist()[0] == 20
    assert table["readmissions"].isna().tolist() == [False, True, False]
    assert table["period_end"].tolist() == ["2018-06-30", "2018-06-30", "2023-06-30"]


@pytest.mark.parametrize(
    ("number", "names", "expected"),
    [
        ("000001", ["THE ORTHOPEDIC SPECIALTY HOSPITAL"], classes.SPECIALIST),
        ("000001", ["SPINE & JOINT HOSPITAL"], classes.SPECIALIST),
        ("000001", ["ORTHONEBRASKA HOSPITAL", "OTHER"], classes.SPECIALIST),
        ("000001", ["HOSPITAL FOR SPECIAL SURGERY"], classes.SPECIALIST),
        ("000001", ["LINCOLN SURGICAL HOSPITAL"], classes.SURGICAL),
        ("000001", ["NORTHORTHWICK GENERAL"], classes.GENERAL),
        ("360058", ["MERCER COUNTY JOINT TOWNSHIP"], classes.GENERAL),
        ("230071", ["STRAITH HOSPITAL FOR SPECIAL SURGERY"], classes.SURGICAL),
    ],
)
def test_a_name_makes_the_class_unless_it_misleads(number, names, expected):
    assert classes.of_names(number, names)[0] == expected


def test_every_exception_gives_a_reason():
    assert all(name in classes.CLASSES and len(why) > 20 for name, why in classes.EXCEPTIONS.values())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (NY[:1], "no row with indicator"),
        ([*NY, "9,Ordinary Hospital,SSI Hip,2016,1,1,40"], "hospital 9 in 2016 twice"),
        ([*NY, "12,Odd,SSI Hip,2016,60,1,40"], "60 infections in 40 procedures"),
        ([*NY, "12,Odd,SSI Hip,2016,1,,40"], "no expected number"),
        ([*NY, "12,Odd,SSI Hip,2016,one,1,40"], "row 6: infections is 'one'"),
        ([*NY, "12,Odd,SSI Hip,2016,-1,1,40"], "infections is '-1'"),
    ],
)
def test_a_bad_release_of_new_york_stops_the_build(tmp_path, rows, message):
    if "no row" in message:
        rows = [row.replace("SSI Hip", "SSI Colon") for row in rows]
    with pytest.raises(EvidenceError, match=message):
        new_york_of(tmp_path, rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (US[:3], "no row of release FY2025"),
        ([*US, US[0]], "hospital 000001 twice in FY2020"),
        ([*US, US[0].replace("000001", "000009").replace(",900,20,", ",15,20,")], "20 readmissions of 15"),
        ([*US, US[0].replace("000001", "000009").replace(",900,20,", ",90,4,")], "no count below 11"),
        ([*US, US[0].replace("000001", "000009").replace("0.8", "low")], "excess_readmission_ratio is 'low'"),
    ],
)
def test_a_bad_release_of_medicare_stops_the_build(tmp_path, rows, message):
    with pytest.raises(EvidenceError, match=message):
        medicare_of(tmp_path, rows)


def test_a_missing_column_is_named_with_the_nearest(tmp_path):
    with pytest.raises(EvidenceError, match=r"no column 'Denominator'.*Denominators"):
        new_york_of(tmp_path, head=NY_HEAD.replace("Denominator", "Denominators"))
    with pytest.raises(EvidenceError, match="no column 'state'"):
        medicare_of(tmp_path, head=US_HEAD.replace(",state,", ",stat,"))


@pytest.mark.parametrize("build", [new_york.build, medicare.build])
def test_a_missing_file_is_named(tmp_path, build):
    with pytest.raises(EvidenceError, match=r"no file absent\.csv"):
        build(tmp_path / "absent.csv", tmp_path)


def test_the_command_builds_both(tmp_path, capsys):
    ny, us = write(tmp_path, "ny.csv", NY_HEAD, NY), write(tmp_path, "us.csv", US_HEAD, US)
    assert command.main(["ingest", "us-hospitals", str(ny), str(us), "--out", str(tmp_path / "out")]) == 0
    assert "ny-hip-infections" in capsys.readouterr().out
    assert command.main(["ingest", "us-hospitals", str(ny)]) != 0
    assert "in this order" in capsys.readouterr().err


def test_the_hospitals_of_the_committed_package_add_up_to_nearly_the_state():
    package = evidence.load(new_york.NAME, ROOT / "evidence")
    hospitals = package.table("hospital_years").groupby("year")[["infections", "procedures"]].sum()
    state = package.table("state").set_index("year")
    assert (hospitals <= state).all(axis=None)
    assert (hospitals["procedures"] / state["procedures"]).min() > 0.97


def test_the_committed_package_holds_the_known_specialist_hospitals():
    table = evidence.load(medicare.NAME, ROOT / "evidence").table()
    special = table[table["unit_class"] == classes.SPECIALIST]
    assert {"330270", "370222", "450804", "050769"} <= set(special["facility_id"])
    assert not set(classes.EXCEPTIONS) & set(special["facility_id"])
