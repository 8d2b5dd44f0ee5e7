"""nhs-units: what kind of hospital each provider code stands for, how sure that is, and what the code hides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence.load import DESCRIPTOR, open_folder
from soa_evidence.evidence.nhs_proms.credits import LICENCE
from soa_evidence.evidence.write import Written, count, flag, package, resource, text

__all__ = ["CLASSES", "NAME", "build"]

NAME = "nhs-units"
#: The source's classes, and ours.
CLASSES = {
    "specialist orthopaedic": "specialist orthopaedic",
    "large acute": "NHS general, large",
    "medium acute": "NHS general, medium",
    "small acute": "NHS general, small",
    "acute teaching": "NHS general, teaching",
    "acute multi-service": "NHS general, multi-service",
    "independent sector": "independent sector",
}
_GRADES = {
    "A": "official organisation type in the national estates return (ERIC) of 2016/17",
    "B": "organisation type in the Sustainable Development Unit's summary of 2017/18 (trust formed in 2017)",
    "C": "rule: five characters not starting with R are an independent-sector site; no official list was consulted",
    "D": "rule: by name, code of an unusual form; low confidence",
}
_WHOLE, _INSIDE, _CENTRE = "the whole provider", "specialist hospital inside", "orthopaedic centre inside"
_NAMED, _NONE = "named or known as specialist", "none known"
_SITES = (_WHOLE, _INSIDE, _CENTRE, _NAMED, _NONE)
#: What lies behind a code. The estates return (ERIC) gives the type of each site of an NHS trust.
_SPECIALIST_SITES = {
    "RAN": (
        _WHOLE,
        "Royal National Orthopaedic Hospital, Stanmore; typed as a specialist hospital in ERIC 2016/17",
    ),
    "RL1": (_WHOLE, "Robert Jones and Agnes Hunt, Oswestry; typed as a specialist hospital in ERIC 2016/17"),
    "RRJ": (_WHOLE, "Royal Orthopaedic Hospital, Birmingham; typed as a specialist hospital in ERIC 2016/17"),
    "RRF": (
        _INSIDE,
        "Wrightington Hospital, typed as a specialist hospital in ERIC 2016/17; its patients cannot be told from "
        "those of the Wigan and Leigh hospitals",
    ),
    "RTH": (
        _INSIDE,
        "Nuffield Orthopaedic Centre, Oxford, typed as a specialist hospital in ERIC 2016/17; its patients cannot be "
        "told from those of the John Radcliffe and Horton hospitals",
    ),
    "RR8": (
        _CENTRE,
        "Chapel Allerton Hospital, Leeds, has an orthopaedic centre, but ERIC types the site as mixed service; its "
        "patients cannot be told from those of the other Leeds hospitals",
    ),
    "RXH": (
        _CENTRE,
        "Sussex Orthopaedic Centre, typed as a general acute site in ERIC 2016/17; its patients cannot be told from "
        "those of the Brighton and Haywards Heath hospitals",
    ),
    "RVR": (
        _CENTRE,
        "South West London Elective Orthopaedic Centre at Epsom, shared by several trusts and no site of its own in "
        "ERIC; its patients appear under Epsom and St Helier (Croydon and Kingston, partners, have no records of "
        "their own)",
    ),
    "NQM01": (
        _NAMED,
        "calls itself an orthopaedic and spine specialist hospital; independent sector, by name only",
    ),
    "NXM01": (
        _NAMED,
        "the Horder Centre is generally known as a musculoskeletal specialist; independent sector, not checked "
        "against any list",
    ),
}
_COUNTS = {
    "records_hip_primary": ("hip", "primary"),
    "records_hip_revision": ("hip", "revision"),
    "records_knee_primary": ("knee", "primary"),
    "records_knee_revision": ("knee", "revision"),
}
_NEEDED = ("provider_code", "provider_name", "class", "evidence_grade", "noa_vanguard_founding_partner")
_ACRONYMS = {"NHS", "BMI", "UK", "KIMS"}
_SMALL_WORDS = {"and", "of", "upon"}


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
    frame = _read(Path(classes))
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
            f"{Path(classes).name} gives no class for {len(left_out)} provider(s) of nhs-proms-units, among them "
            f"{', '.join(left_out[:5])}; add a row for each."
        )
    years = cells.fields()["year"]["constraints"]["enum"]
    sources = [*_SOURCES, *cells.sources]
    return package(out, _descriptor(years, sources), {"units": _units(frame, table)})


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise EvidenceError(f"There is no file {str(path)!r}; expected the CSV of provider classes.")
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    for column in _NEEDED:
        if column not in frame:
            raise EvidenceError(f"{path.name} lacks the column '{column}'.{nearest(column, frame.columns)}")
    grades = frame["evidence_grade"].str[:1]
    for at, (code, kind, grade) in enumerate(
        zip(frame["provider_code"], frame["class"], grades, strict=True), 1
    ):
        if kind not in CLASSES:
            raise EvidenceError(
                f"{path.name}, row {at} ({code}): unknown class {kind!r}.{nearest(kind, CLASSES)} "
                f"Expected one of: {', '.join(CLASSES)}."
            )
        if grade not in _GRADES:
            raise EvidenceError(
                f"{path.name}, row {at} ({code}): unknown grade {grade!r}; expected A, B, C or D."
            )
    repeated = frame["provider_code"][frame["provider_code"].duplicated()]
    if len(repeated):
        raise EvidenceError(f"{path.name} lists {repeated.iloc[0]!r} twice; give each provider one class.")
    return frame


def _units(frame: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    code = frame["provider_code"]
    grade = frame["evidence_grade"].str[:1]
    sites = code.map(lambda c: _SPECIALIST_SITES.get(c, (_NONE, None)))
    units = pd.DataFrame(
        {
            "provider_code": code,
            "provider_name": frame["provider_name"].map(readable),
            "unit_class": frame["class"].map(CLASSES),
            "evidence_grade": grade,
            "evidence": grade.map(_GRADES),
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


def readable(name: str) -> str:
    """Put a name from capitals into ordinary writing: 'ST HUGH'S HOSPITAL' becomes 'St Hugh's Hospital'."""

    def word(match: re.Match[str]) -> str:
        found = match.group()
        if found in _ACRONYMS:
            return found
        if (
            match.start()
            and found.lower() in _SMALL_WORDS
            and name[: match.start()].rstrip()[-1:] not in "-(,"
        ):
            return found.lower()
        return found[0] + found[1:].lower()

    return re.sub(r"[A-Z']+", word, name)


_SOURCES: list[dict[str, Any]] = [
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


def _descriptor(years: list[str], sources: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "profile": "data-package",
        "name": NAME,
        "title": f"Hospitals replacing hips and knees for the NHS in England, {years[0]} to {years[-1]}: what kind each is",
        "description": (
            "One row a provider code in nhs-proms-units: name, class, how well the class is evidenced, whether a "
            "specialist orthopaedic hospital stands behind the code, and records by operation. Our classification "
            "from official organisation types; it is not an official list."
        ),
        "version": "1.0.0",
        "soa:kind": "derived",
        "soa:smallestCount": 1,
        "soa:caveats": [
            "Only three trusts are wholly specialist orthopaedic.",
            "Wrightington (RRF) and the Nuffield Orthopaedic Centre (RTH) are hidden in general trusts' codes and "
            "count as general here.",
            "Independent-sector class rests on the form of the code for all but two sites, and on the name for those.",
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
    meanings = "; ".join(f"{grade}: {meaning}" for grade, meaning in _GRADES.items())
    span = f"Records in nhs-proms-units, {years[0]} to {years[-1]}"
    parts = [
        count(
            name,
            f"Records, {joint} {procedure}",
            f"{span}, {joint} {procedure} operations",
            **{"soa:atMost": "records"},
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
        text("evidence_grade", "Grade of evidence for the class", meanings, levels=list(_GRADES)),
        text("evidence", "Evidence for the class", "What the grade means", levels=list(_GRADES.values())),
        text(
            "specialist_orthopaedic_site",
            "Specialist orthopaedic site",
            "Whether a specialist orthopaedic hospital or centre stands behind the code; 'none known' is not proof "
            "of none",
            levels=_SITES,
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
        count("records", "Records", span, **{"soa:sumOf": list(_COUNTS)}),
        *parts,
        count(
            "years_with_records",
            "Years with records",
            f"Financial years of {len(years)} with any record",
            unit="years",
        ),
    ]
