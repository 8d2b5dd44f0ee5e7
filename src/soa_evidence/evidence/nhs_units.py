"""nhs-units: what kind of hospital each provider code stands for, how sure that is, what the code hides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.load import DESCRIPTOR, open_folder
from soa_evidence.evidence.nhs_proms.credits import LICENCE
from soa_evidence.evidence.provider_classes import (
    CLASSES,
    GRADES,
    NO_SITE,
    SITES,
    SPECIALIST_SITES,
    read,
    readable,
)
from soa_evidence.evidence.write import Written, count, flag, package, resource, text

__all__ = ["NAME", "build"]

NAME = "nhs-units"
_COUNTS = {
    "records_hip_primary": ("hip", "primary"),
    "records_hip_revision": ("hip", "revision"),
    "records_knee_primary": ("knee", "primary"),
    "records_knee_revision": ("knee", "revision"),
}


def build(classes: str | Path, out_folder: str | Path) -> Written:
    """Build nhs-units from a list of provider classes.

    Parameters
    ----------
    classes
        CSV with provider_code, provider_name, class, evidence_grade, noa_vanguard_founding_partner.
    out_folder
        Folder of evidence packages; nhs-proms-units must be in it, for the volumes.

    Raises
    ------
    EvidenceError
        On a missing column, an unknown class or grade, a repeated code, or a provider of nhs-proms-units that
        the list leaves out.
    """
    frame = read(Path(classes))
    out = Path(out_folder)
    if not (out / "nhs-proms-units" / DESCRIPTOR).is_file():
        raise EvidenceError(
            f"{NAME} takes volumes from nhs-proms-units, which is not in {out}; ingest nhs-proms first."
        )
    cells = open_folder(out / "nhs-proms-units", foreign=False)
    table = cells.table()
    left_out = sorted(set(table["provider_code"]) - set(frame["provider_code"]))
    if left_out:
        raise EvidenceError(
            f"{Path(classes).name} gives no class for {len(left_out)} provider(s) of nhs-proms-units, among "
            f"them {', '.join(left_out[:5])}; add a row for each."
        )
    years = cells.fields()["year"]["constraints"]["enum"]
    sources = [*_SOURCES, *cells.sources]
    return package(out, _descriptor(years, sources), {"units": _units(frame, table)})


def _units(frame: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    code = frame["provider_code"]
    grade = frame["evidence_grade"].str[:1]
    sites = code.map(lambda c: SPECIALIST_SITES.get(c, (NO_SITE, None)))
    units = pd.DataFrame(
        {
            "provider_code": code,
            "provider_name": frame["provider_name"].map(readable),
            "unit_class": frame["class"].map(CLASSES),
            "evidence_grade": grade,
            "evidence": grade.map(GRADES),
            "specialist_orthopaedic_site": sites.str[0],
            "specialist_orthopaedic_site_note": sites.str[1],
            "noa_vanguard_partner": frame["noa_vanguard_founding_partner"] == "yes",
        }
    )
    by_operation = cells.groupby(["provider_code", "joint", "procedure"])["records"].sum()
    units["records"] = code.map(cells.groupby("provider_code")["records"].sum()).fillna(0).astype(int)
    for column, (joint, procedure) in _COUNTS.items():
        wanted = pd.MultiIndex.from_product([code, [joint], [procedure]])
        units[column] = by_operation.reindex(wanted, fill_value=0).to_numpy()
    years = cells[["provider_code", "year"]].drop_duplicates().groupby("provider_code").size()
    units["years_with_records"] = code.map(years).fillna(0).astype(int)
    return units


_SOURCES: list[Mapping[str, Any]] = [
    {
        "title": "Estates Returns Information Collection (ERIC) England, 2016/17: trust and site data",
        "path": "https://digital.nhs.uk/data-and-information/publications/statistical/estates-returns-information-collection",
        "soa:publisher": "NHS Digital (Health and Social Care Information Centre)",
    },
    {
        "title": "Organisation summary 2017/18, used for R0A only",
        "path": "https://www.sduhealth.org.uk",
        "soa:publisher": "Sustainable Development Unit (NHS England and Public Health England)",
    },
    {
        "title": "Founding partners of the National Orthopaedic Alliance vanguard, September 2015",
        "path": "https://www.rnoh.nhs.uk/home/news/15/09/rnoh-selected-partner-acc-vanguard",
        "soa:publisher": "Royal National Orthopaedic Hospital NHS Trust",
    },
]


def _descriptor(years: list[str], sources: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "profile": "data-package",
        "name": NAME,
        "title": (
            f"Hospitals replacing hips and knees for the NHS in England, {years[0]} to {years[-1]}: what "
            "kind each is"
        ),
        "description": (
            "One row a provider code in nhs-proms-units: name, class, how well the class is evidenced, "
            "whether a specialist orthopaedic hospital stands behind the code, and records by operation. "
            "Our classification from official organisation types; it is not an official list."
        ),
        "version": "1.0.0",
        "soa:kind": "derived",
        "soa:smallestCount": 1,
        "soa:caveats": [
            "Only three trusts are wholly specialist orthopaedic.",
            "Wrightington (RRF) and the Nuffield Orthopaedic Centre (RTH) are hidden in general trusts' "
            "codes and count as general here.",
            "Independent-sector class rests on the form of the code for all but two sites, and on the name "
            "for those.",
            "Trusts merge: a code stands for its trust as it was in each year, with the name of the latest.",
        ],
        "licenses": [LICENCE],
        "sources": sources,
        "resources": [
            resource(
                "units",
                "Providers, their class and their volume",
                fields=_fields(years),
                key=["provider_code"],
                format="csv",
            )
        ],
    }


def _fields(years: list[str]) -> list[dict[str, Any]]:
    meanings = "; ".join(f"{grade}: {meaning}" for grade, meaning in GRADES.items())
    span = f"Records in nhs-proms-units, {years[0]} to {years[-1]}"
    parts = [
        count(
            name,
            f"Records, {joint} {procedure}",
            f"{span}, {joint} {procedure} operations",
            at_most="records",
        )
        for name, (joint, procedure) in _COUNTS.items()
    ]
    return [
        text(
            "provider_code",
            "Provider",
            "Code in NHS Digital's release",
            pattern="[A-Z][A-Z0-9]{2,4}",
            unique=True,
        ),
        text("provider_name", "Name", "Name in the release, put into ordinary capitals"),
        text(
            "unit_class",
            "Class",
            "Kind of unit; general trusts by ERIC's size classes",
            levels=list(CLASSES.values()),
        ),
        text("evidence_grade", "Grade of evidence for the class", meanings, levels=list(GRADES)),
        text("evidence", "Evidence for the class", "What the grade means", levels=list(GRADES.values())),
        text(
            "specialist_orthopaedic_site",
            "Specialist orthopaedic site",
            "Whether a specialist orthopaedic hospital or centre stands behind the code; 'none known' is "
            "not proof of none",
            levels=SITES,
        ),
        text(
            "specialist_orthopaedic_site_note",
            "Specialist orthopaedic site: which",
            "Which site, on what ground, and what the code hides",
            required=False,
        ),
        flag(
            "noa_vanguard_partner",
            "National Orthopaedic Alliance vanguard",
            "Founding partner of the vanguard of 2015; the full membership list was not found",
        ),
        count("records", "Records", span, sum_of=list(_COUNTS)),
        *parts,
        count(
            "years_with_records",
            "Years with records",
            f"Financial years of {len(years)} with any record",
            unit="years",
        ),
    ]
