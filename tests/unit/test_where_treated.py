"""trust-catchments and independent-orthopaedics: sums by hand, whole years only, every refusal."""

from pathlib import Path

import pandas as pd
import pytest

from soa_evidence import evidence
from soa_evidence.errors import EvidenceError
from soa_evidence.evidence import where_treated

ROOT = Path(__file__).resolve().parents[2]
PACKAGES, RAW = ROOT / "evidence", ROOT.parent / "shared" / "data"
ELECTIVE = "Trust Catchment - Elective"


def catchments(tmp_path, **changes):
    rows = [("0-9", 10), ("40-44", 5), ("50-54", 3), ("55-59", 4), ("60-69", 7), ("70-79", 2), ("80+", 1)]
    frame = pd.DataFrame(
        {
            "trust_code": "R1",
            "trust_name": "One",
            "type": ELECTIVE,
            "population": n,
            "age_band_corrected": age,
        }
        for age, n in rows
    )
    other = frame.assign(type="Trust Catchment - Emergency", population=1000)
    path = tmp_path / where_treated.CATCHMENTS
    pd.concat([frame, other]).assign(**changes).to_csv(path, index=False)
    return where_treated.build_catchments(path, tmp_path)


def test_elective_people_are_added_up_to_our_bands(tmp_path):
    assert catchments(tmp_path).rows == {"catchments": 4}
    made = evidence.load("trust-catchments", tmp_path).table().set_index("age_band")["people"]
    assert made.to_dict() == {"under 50": 15, "50 to 59": 7, "60 to 69": 7, "70 and over": 3}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"age_band_corrected": "40-49"}, "'40-49' is not known"),
        ({"type": "Trust Catchment - Electiv"}, "Did you mean 'Trust Catchment - Elective'"),
        ({"population": "many"}, "'many'; expected a number"),
        ({"population": -1}, "'-1'; expected a number"),
    ],
)
def test_a_catchment_that_cannot_be_is_refused(tmp_path, changes, message):
    with pytest.raises(EvidenceError, match=message):
        catchments(tmp_path, **changes)


MONTHS = [f"{d.year}-{d.month:02d}-01" for d in pd.date_range("2018-02-01", "2022-05-01", freq="MS")]


def sectors(tmp_path, **changes):
    """Write the three tables, each change a function of the table of that name."""
    both = ["Independent Sector", "NHS"]
    joints = pd.DataFrame(
        {"der_activity_month": m, "type": s, "procedure_desc_short": "Hip", "n_spells_IP": 1 + (s == "NHS")}
        for m in MONTHS
        for s in both
    )
    fifths = pd.DataFrame(
        {"der_activity_month": m, "var_1": f, "name": n, "sector": s, "value": 3}
        for m in MONTHS
        for f in (1, 2)
        for n in ("Inpatient admissions", "Outpatient appointments")
        for s in both
    )
    waits = pd.DataFrame(
        {"year": 2018, "var_1": "0-50", "name": "Inpatient admissions", "sector": s, "value": 9} for s in both
    )
    made = {where_treated.BY_JOINT: joints, where_treated.BY_FIFTH: fifths, where_treated.BY_WAIT: waits}
    for file, frame in made.items():
        changes.get(file.split(".")[0].replace("-", "_"), lambda same: same)(frame).to_csv(
            tmp_path / file, index=False
        )
    return where_treated.build_independent(tmp_path, tmp_path / "out")


def test_months_are_added_up_to_whole_financial_years(tmp_path):
    assert sectors(tmp_path).rows == {"by_joint": 8, "by_deprivation": 16, "waits": 2}
    made = evidence.load("independent-orthopaedics", tmp_path / "out")
    joint = made.table("by_joint").set_index(["year", "sector"])["admissions"]
    assert joint["2018/19", "independent"] == 12
    assert joint["2021/22", "NHS"] == 24
    assert "2017/18" not in joint.index.get_level_values(0)  # two months of it only
    assert made.table("by_deprivation")["admissions"].unique().tolist() == [36]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SU_3_1_1_1": lambda f: f[f["der_activity_month"] != "2019-07-01"]}, "does not have twelve months"),
        ({"SU_3_1_1_1": lambda f: pd.concat([f, f.iloc[6:7]])}, "a month of one joint and sector twice"),
        ({"SU_3_1_1_1": lambda f: f.assign(type="Private")}, "'Private' is not known"),
        ({"SU_3_1_1_1": lambda f: f.assign(der_activity_month="June")}, "'June' is no month"),
        ({"SU_4_1_3": lambda f: f.assign(value="x")}, "'x'; expected a number"),
        ({"SU_4_1_3": lambda f: f.drop(columns="var_1")}, "no column 'var_1'"),
        ({"SU_5_1": lambda f: f.assign(sector="nhs")}, "'nhs' is not known"),
    ],
)
def test_tables_that_cannot_be_are_refused(tmp_path, changes, message):
    with pytest.raises(EvidenceError, match=message):
        sectors(tmp_path, **changes)


@pytest.mark.skipif(not (RAW / "trust_catchments").is_dir(), reason="the raw files are not on this machine")
def test_rebuilding_gives_the_committed_bytes(tmp_path):
    where_treated.build_catchments(RAW / "trust_catchments", tmp_path)
    where_treated.build_independent(RAW / "independent_sector_ortho", tmp_path)
    for path in sorted(p for p in tmp_path.rglob("*") if p.is_file()):
        assert path.read_bytes() == (PACKAGES / path.relative_to(tmp_path)).read_bytes(), path.name
