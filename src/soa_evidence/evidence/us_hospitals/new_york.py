"""ny-hip-infections: infections after hip replacement in New York State, a row a hospital and year."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence import tables
from soa_evidence.evidence.us_hospitals.classes import SPECIALIST, of_names
from soa_evidence.evidence.write import Written, count, number, package, resource, text

__all__ = ["NAME", "build"]

NAME = "ny-hip-infections"
STATE = "0"  # the number under which the release gives the whole state
INDICATOR = "SSI Hip"
_NAMES = {
    "Facility ID": "facility_id",
    "Hospital Name": "hospital_name",
    "Indicator Name": "indicator",
    "Year": "year",
    "Infections Observed": "infections",
    "Infections Predicted": "expected_infections",
    "Denominator": "procedures",
}
_KEPT = [
    "facility_id",
    "hospital_name",
    "unit_class",
    "year",
    "infections",
    "expected_infections",
    "procedures",
]


def build(release: str | Path, out_folder: str | Path) -> Written:
    """Build ny-hip-infections from the state's release of hospital-acquired infections.

    Parameters
    ----------
    release
        CSV of the release, whole or only its rows about hips.
    out_folder
        Folder of evidence packages.

    Raises
    ------
    EvidenceError
        On a missing file or column, a number that is none, a hospital-year given twice with counts, more
        infections than procedures, or no row about hips.
    """
    frame, file = tables.read_list(release, Path(release).name, tuple(_NAMES))
    frame = frame.rename(columns=_NAMES)
    frame = frame[frame["indicator"] == INDICATOR].reset_index(drop=True)
    if frame.empty:
        raise EvidenceError(f"{file['name']} has no row with indicator '{INDICATOR}'.")
    for column in ("infections", "expected_infections", "procedures"):
        frame[column] = _numbers(frame, column, file["name"])
    frame["year"] = _numbers(frame, "year", file["name"]).astype(int)
    whole = frame["facility_id"] == STATE
    hospitals = _hospitals(frame[~whole], file["name"])
    state = frame.loc[whole, ["year", "infections", "procedures"]].sort_values("year")
    sources = [{**_SOURCE, "soa:files": [file]}]
    return package(
        Path(out_folder), _descriptor(sources), {"hospital_years": hospitals, "state": state.astype(int)}
    )


def _numbers(frame: pd.DataFrame, column: str, file: str) -> pd.Series:
    values = pd.to_numeric(frame[column].replace("", np.nan), errors="coerce")
    wrong = frame.index[(frame[column] != "") & ~(values >= 0)]
    if len(wrong):
        at = wrong[0]
        raise EvidenceError(
            f"{file}, row {at + 2}: {column} is '{frame.loc[at, column]}'; expected a number from 0, or "
            "nothing."
        )
    return values


def _hospitals(frame: pd.DataFrame, file: str) -> pd.DataFrame:
    # Below 20 procedures the state publishes nothing but the hospital's name.
    counted = frame[frame["procedures"].notna()].copy()
    twice = counted[counted.duplicated(["facility_id", "year"])]
    if len(twice):
        first = twice.iloc[0]
        raise EvidenceError(
            f"{file} gives hospital {first['facility_id']} in {first['year']} twice with counts."
        )
    over = counted[~(counted["infections"] <= counted["procedures"])]
    if len(over):
        first = over.iloc[0]
        raise EvidenceError(
            f"{file}, hospital {first['facility_id']} in {first['year']}: {first['infections']:g} infections "
            f"in {first['procedures']:g} procedures."
        )
    if counted["expected_infections"].isna().any():
        first = counted[counted["expected_infections"].isna()].iloc[0]
        raise EvidenceError(
            f"{file}, hospital {first['facility_id']} in {first['year']} has no expected "
            "number of infections."
        )
    names = counted.groupby("facility_id")["hospital_name"].agg(set)
    classes = {one: _class(str(one), found) for one, found in names.items()}
    latest = counted.sort_values("year").groupby("facility_id")["hospital_name"].last()
    counted["unit_class"] = counted["facility_id"].map(classes)
    counted["hospital_name"] = counted["facility_id"].map(latest)
    counted = counted.astype({"infections": int, "procedures": int})
    return counted.sort_values(["facility_id", "year"])[_KEPT].reset_index(drop=True)


def _class(facility_id: str, names: set[str]) -> str:
    found, _ = of_names(facility_id, names)
    return "specialist orthopaedic" if found == SPECIALIST else "general"


_SOURCE: Mapping[str, Any] = {
    "title": "Hospital-acquired infections: beginning 2008 (release covering 2008 to 2016)",
    "path": "https://health.data.ny.gov",
    "soa:publisher": "New York State Department of Health",
}


def _descriptor(sources: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "profile": "data-package",
        "name": NAME,
        "title": "Surgical site infections after hip replacement, hospitals of New York State, 2008 to 2016",
        "description": (
            "One row a hospital and year with at least 20 hip replacements: infections, the number that the "
            "state's risk model expected, procedures; and the state's totals. The class of a hospital is "
            "ours, from its name."
        ),
        "version": "1.0.0",
        "soa:kind": "derived",
        "soa:smallestCount": 1,
        "soa:caveats": [
            "Two hospitals are specialist orthopaedic, and one of them does far more than the other: what "
            "holds of both together is mostly what holds of the larger.",
            "Hospital-years with fewer than 20 procedures are not published and are missing here.",
            "The expected number comes from the state's model of the same year; its uncertainty is not "
            "given.",
            "Read from a stored copy of the release; the portal's own file was not at hand.",
        ],
        "licenses": [
            {
                "name": "other-open",
                "title": "Open NY terms of use",
                "path": "https://data.ny.gov",
                "soa:basis": "The portal's terms of use; the file itself names no licence.",
            }
        ],
        "sources": sources,
        "resources": [
            resource(
                "hospital_years",
                "Infections by hospital and year",
                fields=_fields(),
                key=["facility_id", "year"],
                format="csv",
            ),
            resource(
                "state",
                "The state's totals, as published",
                fields=[
                    count("year", "Year", "Calendar year", unit="year", minimum=2008),
                    count(
                        "infections",
                        "Infections",
                        "In all hospitals",
                        unit="infections",
                        at_most="procedures",
                    ),
                    count("procedures", "Procedures", "In all hospitals", unit="procedures"),
                ],
                key=["year"],
                format="csv",
            ),
        ],
    }


def _fields() -> list[dict[str, Any]]:
    return [
        text("facility_id", "Hospital number", "The state's number of the hospital", pattern="[0-9]+"),
        text("hospital_name", "Name", "Name in the latest year"),
        text(
            "unit_class",
            "Class",
            "Ours, from the name; the surgical class of the national data does not occur",
            levels=["specialist orthopaedic", "general"],
        ),
        count("year", "Year", "Calendar year of the procedure", unit="year", minimum=2008),
        count(
            "infections",
            "Infections",
            "Surgical site infections after hip replacement",
            unit="infections",
            at_most="procedures",
        ),
        number(
            "expected_infections",
            "Expected infections",
            "What the state's risk model of that year expected of the hospital's patients",
            unit="infections",
            minimum=0,
        ),
        count("procedures", "Procedures", "Hip replacements", unit="procedures", minimum=20),
    ]
