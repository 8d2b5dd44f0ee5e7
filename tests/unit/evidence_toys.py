"""A small valid evidence package to spoil, and a small PROMs pack to ingest."""

import copy
import io
import json
import shutil
import zipfile
from pathlib import Path

from soa_evidence import evidence

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "evidence" / "_template"


def template():
    return json.loads((TEMPLATE / "datapackage.template.json").read_text(encoding="utf-8"))


def make_package(root, name="toy", *, edit=None, csv=None, seal=True):
    """Write a copy of the template into root/name; `edit` changes its descriptor, `csv` replaces its data."""
    folder = root / name
    (folder / "data").mkdir(parents=True)
    shutil.copy(TEMPLATE / "README.md", folder / "README.md")
    data = folder / "data" / "results.csv"
    data.write_bytes((TEMPLATE / "data" / "results.csv").read_bytes() if csv is None else csv.encode())
    descriptor = copy.deepcopy(template()) | {"name": name}
    (folder / "datapackage.json").write_text(json.dumps(descriptor), encoding="utf-8")
    if seal:
        evidence.seal(folder)
    if edit is not None:
        sealed = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
        edit(sealed)
        (folder / "datapackage.json").write_text(json.dumps(sealed), encoding="utf-8")
    return folder


# ---- a PROMs pack of a few made-up patients -------------------------------------------------------------

TICKS = [
    "Heart Disease",
    "High Bp",
    "Stroke",
    "Circulation",
    "Lung Disease",
    "Diabetes",
    "Kidney Disease",
    "Nervous System",
    "Liver Disease",
    "Cancer",
    "Depression",
    "Arthritis",
]
OUTCOMES = ("Allergy", "Bleeding", "Wound", "Urine", "Further Surgery", "Readmitted")


def patient(joint="Hip", **changes):
    """One record of a Provider file, in the file's own words; changes by column name."""
    score = "OHS" if joint == "Hip" else "OKS"
    eq5d = "EQ5D" if joint == "Hip" else "EQ 5D"
    record = {
        "Provider Code": "AAA",
        "Procedure": f"{joint} Replacement",
        "Revision Flag": "0",
        "Year": "2018/19",
        "Age Band": "60 to 69",
        "Gender": "2",
        **dict.fromkeys(TICKS, "9"),
        "Pre-Op Q EQ5D Index Profile": "21221",
        "Pre-Op Q EQ5D Index": "0.5",
        "Post-Op Q Satisfaction": "1",
        "Post-Op Q Sucess": "1",
        **{f"Post-Op Q {outcome}": "2" for outcome in OUTCOMES},
        "Post-Op Q EQ5D Index": "0.8",
        f"{joint} Replacement {eq5d} Index Post-Op Q Predicted": "0.75",
        "Pre-Op Q EQ VAS": "999",
        f"{joint} Replacement Pre-Op Q Score": "17",
        f"{joint} Replacement Post-Op Q Score": "40",
        f"{joint} Replacement {score} Post-Op Q Predicted": "38.5",
    }
    for name in changes:
        if name not in record:
            raise KeyError(name)
    return record | changes


def to_csv(rows):
    header = list(rows[0])
    return "\n".join([",".join(header), *(",".join(row[name] for name in header) for row in rows)]) + "\n"


GROUPS = (
    "All Procedures",
    "Hip Replacement",
    "Primary Hip Replacement",
    "Revision Hip Replacement",
    "Knee Replacement",
    "Primary Knee Replacement",
    "Revision Knee Replacement",
)
MEASURES = {
    "Total HES Procedures": "100",
    "Total Pre-Op Qs": "80",
    "Participation Rate": "0.8",
    "Total Linked": "60",
    "Linkage rate": "0.75",
    "Total Q2s sent to date": "72",
    "Issue rate": "0.9",
    "Total Q2s returned to date": "54",
    "Response rate": "0.75",
}


def participation(code="AAA", **changes):
    row = {"Organisation Code": code, "Organisation Name": f"Hospital {code}"}
    row |= {f"{group} - {measure}": value for group in GROUPS for measure, value in MEASURES.items()}
    return row | changes


def score(code="AAA", kind="Provider", **changes):
    return {
        "Procedure": "Hip Replacement Primary",
        "Organisation Type": kind,
        "Organisation Code": code,
        "Organsation Name": f"Hospital {code}",
        "Measure": "Oxford Hip Score",
        "Modelled Records": "54",
        "Average Pre-Op Q Score": "17.5",
        "Average Post-Op Q Score": "40",
        "Health Gain": "22.5",
        "Improved": "50",
        "Same": "1",
        "Worse": "3",
        "Adjusted Post-Op Q Score": "40.1",
        "Adjusted Average Health Gain": "22.6",
        "Standard Deviation": "8",
    } | changes


def series(
    code, years, *, records="54", gain="22.600", outlier="Not an outlier", procedure="Hip Replacement Primary"
):
    row = {
        "OrgCode": code,
        "OrgName": f"Hospital {code}",
        "Procedure": procedure,
        "Measure": "Oxford Hip Score",
    }
    row |= {f"Modelled_Records_{year}": records for year in years}
    row |= {f"Adjusted_Health_Gain_{year}": gain for year in years}
    return row | {f"Outlier_{year}": outlier for year in years}


def pack():
    """All files of a one-year pack: name -> text."""
    hips = [
        patient(),
        patient(**{"Post-Op Q Readmitted": "1", "Heart Disease": "1", "Diabetes": "1"}),
        patient(**{"Provider Code": "BBB01", "Age Band": "*", "Gender": "*", "Post-Op Q Wound": "9"}),
        patient(**{"Provider Code": "BBB01", "Revision Flag": "1", "Hip Replacement Pre-Op Q Score": ""}),
    ]
    knees = [patient("Knee"), patient("Knee", **{"Post-Op Q Satisfaction": "4", "Gender": "1"})]
    return {
        "Hip Replacement Provider 1819.csv": to_csv(hips),
        "Hip Replacement CCG 1819.csv": to_csv([patient(**{"Provider Code": "00C"})]),
        "Knee Replacement Provider 1819.csv": to_csv(knees),
        "PartLink Hip and Knee Replacement 1819.csv": to_csv([participation("England"), participation()]),
        "ProvComm Hip and Knee Replacement 1819.csv": to_csv([score(), score("00C", "CCG of GP Practice")]),
        "Time Series 1819.csv": to_csv([series("AAA", (2017, 2018))]),
        "Equality 1819.csv": "Dimension,Value,Total\nEngland,England,6\n",
    }


def write_folder(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def zipped(files):
    """Zip bytes of name -> text or bytes, with the shadow files macOS adds."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            archive.writestr(f"__MACOSX/._{name}", "shadow")
    return buffer.getvalue()


CLASSES = (
    "provider_code,provider_name,class,evidence_grade,noa_vanguard_founding_partner\n"
    "AAA,ST HUGH'S AND BMI HOSPITAL NHS TRUST,large acute,A official ERIC type,\n"
    "BBB01,BMI - THE PARK HOSPITAL,independent sector,C code-format rule,\n"
)
