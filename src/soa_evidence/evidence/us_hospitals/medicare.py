"""us-hip-knee-readmissions: readmission after hip or knee replacement under Medicare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence import tables
from soa_evidence.evidence.us_hospitals.classes import CLASSES, EXCEPTIONS, of_names
from soa_evidence.evidence.write import Written, count, flag, number, package, resource, text

__all__ = ["NAME", "build"]

NAME = "us-hip-knee-readmissions"
#: Releases whose three-year periods do not overlap and whose files are as published.
RELEASES = ("FY2020", "FY2025")
FEWEST = 11  # readmissions below which the publisher gives no count
_NUMBERS = {
    "n_discharges": "discharges",
    "n_readmissions": "readmissions",
    "excess_readmission_ratio": "excess_ratio",
    "predicted_rate_pct": "predicted_percent",
    "expected_rate_pct": "expected_percent",
}
_TEXTS = {"facility_id": "facility_id", "facility_name": "hospital_name", "state": "state"}
_OTHERS = ("release", "too_few_to_report", "start_date", "end_date")


def build(release: str | Path, out_folder: str | Path) -> Written:
    """Build us-hip-knee-readmissions from the rows about hips and knees of the programme's releases.

    Parameters
    ----------
    release
        CSV with the programme's columns, several releases below one another.
    out_folder
        Folder of evidence packages.

    Raises
    ------
    EvidenceError
        On a missing file, column or release, a number that is none, a hospital given twice in a release, more
        readmissions than discharges, or a count below the publisher's own limit.
    """
    frame, file = tables.read_list(release, Path(release).name, (*_TEXTS, *_NUMBERS, *_OTHERS))
    for name in RELEASES:
        if not (frame["release"] == name).any():
            raise EvidenceError(f"{file['name']} has no row of release {name}.")
    made = _table(frame[frame["release"].isin(RELEASES)].reset_index(drop=True), file["name"])
    sources = [{**_SOURCE, "soa:files": [file]}]
    return package(Path(out_folder), _descriptor(sources), {"hospitals": made})


def _table(frame: pd.DataFrame, file: str) -> pd.DataFrame:
    made = pd.DataFrame({"release": frame["release"]})
    for source, name in _TEXTS.items():
        made[name] = frame[source]
    for column in ("start_date", "end_date"):
        made[f"period_{column.split('_')[0]}"] = pd.to_datetime(frame[column], format="%m/%d/%Y").dt.strftime(
            "%Y-%m-%d"
        )
    for source, name in _NUMBERS.items():
        values = pd.to_numeric(frame[source].replace("", np.nan), errors="coerce")
        wrong = frame.index[(frame[source] != "") & ~(values >= 0)]
        if len(wrong):
            raise EvidenceError(
                f"{file}, hospital {frame.loc[wrong[0], 'facility_id']}: {source} is "
                f"'{frame.loc[wrong[0], source]}'; expected a number from 0 or nothing."
            )
        made[name] = values
    made["too_few_to_report"] = frame["too_few_to_report"].str.lower() == "true"
    _require_sense(made, file)
    for name in ("discharges", "readmissions"):
        made[name] = made[name].astype("Int64")
    names = made.groupby("facility_id")["hospital_name"].agg(set)
    classes = {one: of_names(str(one), found)[0] for one, found in names.items()}
    made.insert(4, "unit_class", made["facility_id"].map(classes))
    # A hospital without a ratio, a count or a note that there were too few had no patients of this kind.
    made = made[made["excess_ratio"].notna() | made["readmissions"].notna() | made["too_few_to_report"]]
    return made.sort_values(["release", "facility_id"]).reset_index(drop=True)


def _require_sense(made: pd.DataFrame, file: str) -> None:
    twice = made[made.duplicated(["release", "facility_id"])]
    if len(twice):
        first = twice.iloc[0]
        raise EvidenceError(f"{file} gives hospital {first['facility_id']} twice in {first['release']}.")
    over = made[made["readmissions"] > made["discharges"]]
    if len(over):
        first = over.iloc[0]
        raise EvidenceError(
            f"{file}, hospital {first['facility_id']}: {first['readmissions']:g} readmissions of "
            f"{first['discharges']:g} discharges."
        )
    low = made[made["readmissions"] < FEWEST]
    if len(low):
        first = low.iloc[0]
        raise EvidenceError(
            f"{file}, hospital {first['facility_id']}: {first['readmissions']:g} readmissions; the publisher "
            f"gives no count below {FEWEST}. Is this another file?"
        )


_SOURCE: Mapping[str, Any] = {
    "title": "Hospital Readmissions Reduction Program, READM-30-HIP-KNEE-HRRP, fiscal years 2020 and 2025",
    "path": "https://data.cms.gov/provider-data/dataset/9n3s-kdb3",
    "soa:publisher": "Centers for Medicare and Medicaid Services, United States",
}


def _descriptor(sources: list[dict[str, Any]]) -> dict[str, Any]:
    wrong = "; ".join(f"{one}: {name}, {why}" for one, (name, why) in EXCEPTIONS.items())
    return {
        "profile": "data-package",
        "name": NAME,
        "title": "Readmission within 30 days of hip or knee replacement under Medicare, hospitals of the USA",
        "description": (
            "One row a hospital and three-year period (July 2015 to June 2018, July 2020 to June 2023): "
            "discharges and readmissions where the publisher gives them, its predicted and expected rates "
            "and their ratio. The class of a hospital is ours, from its name."
        ),
        "version": "1.0.0",
        "soa:kind": "derived",
        "soa:smallestCount": FEWEST,
        "soa:caveats": [
            f"No count is given below {FEWEST} readmissions, nor the discharges of such a hospital: "
            "hospitals with counts are large, or do badly. They are not missing at random.",
            "The predicted rate, and so the published ratio, is already drawn towards the average; the less "
            "so the larger the hospital.",
            "Patients of traditional Medicare only: mostly 65 and older.",
            f"Specialist by name; where the name misleads: {wrong}.",
            "Read from stored copies of the releases.",
        ],
        "licenses": [
            {
                "name": "other-pd",
                "title": "Work of the United States government",
                "path": "https://www.usa.gov/government-copyright",
                "soa:basis": "Works of federal agencies are not subject to copyright in the United States; "
                "the files name no licence.",
            }
        ],
        "sources": sources,
        "resources": [
            resource("hospitals", "Hospitals by period", fields=_fields(), key=["release", "facility_id"])
        ],
    }


def _fields() -> list[dict[str, Any]]:
    return [
        text("release", "Release", "Fiscal year of the programme", levels=RELEASES),
        text("facility_id", "Hospital number", "The publisher's number", pattern="[0-9]{6}"),
        text("hospital_name", "Name", "Name in the release"),
        text("state", "State", "Postal abbreviation", pattern="[A-Z]{2}"),
        text("unit_class", "Class", "Ours, from the names", levels=CLASSES),
        text(
            "period_start", "Start", "First day of discharges counted", pattern="[0-9]{4}-[0-9]{2}-[0-9]{2}"
        ),
        text("period_end", "End", "Last day of discharges counted", pattern="[0-9]{4}-[0-9]{2}-[0-9]{2}"),
        count("discharges", "Discharges", "Eligible discharges", unit="discharges", required=False),
        count(
            "readmissions",
            "Readmissions",
            "Unplanned, within 30 days",
            unit="readmissions",
            required=False,
            minimum=FEWEST,
            at_most="discharges",
        ),
        number(
            "excess_ratio",
            "Excess readmission ratio",
            "Predicted over expected rate",
            unit="ratio",
            required=False,
            minimum=0,
        ),
        number(
            "predicted_percent",
            "Predicted rate",
            "With the hospital's own effect, drawn towards the average",
            unit="percent",
            required=False,
            minimum=0,
        ),
        number(
            "expected_percent",
            "Expected rate",
            "Of the same patients at an average hospital",
            unit="percent",
            required=False,
            minimum=0,
        ),
        flag("too_few_to_report", "Too few to report", f"Fewer than {FEWEST} readmissions"),
    ]
