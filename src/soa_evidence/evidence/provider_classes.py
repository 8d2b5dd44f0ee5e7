"""Classes of providers as a list gives them: read, checked, and put into our words."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest

__all__ = ["CLASSES", "GRADES", "NO_SITE", "SITES", "SPECIALIST_SITES", "read", "readable"]

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
GRADES = {
    "A": "official organisation type in the national estates return (ERIC) of 2016/17",
    "B": "organisation type in the Sustainable Development Unit's summary of 2017/18 (trust formed in 2017)",
    "C": (
        "rule: five characters not starting with R are an independent-sector site; no official list was "
        "consulted"
    ),
    "D": "rule: by name, code of an unusual form; low confidence",
}
_WHOLE, _INSIDE, _CENTRE = "the whole provider", "specialist hospital inside", "orthopaedic centre inside"
_NAMED, NO_SITE = "named or known as specialist", "none known"
SITES = (_WHOLE, _INSIDE, _CENTRE, _NAMED, NO_SITE)
#: What lies behind a code. The estates return (ERIC) gives the type of each site of an NHS trust.
SPECIALIST_SITES = {
    "RAN": (
        _WHOLE,
        "Royal National Orthopaedic Hospital, Stanmore; typed as a specialist hospital in ERIC 2016/17",
    ),
    "RL1": (_WHOLE, "Robert Jones and Agnes Hunt, Oswestry; typed as a specialist hospital in ERIC 2016/17"),
    "RRJ": (_WHOLE, "Royal Orthopaedic Hospital, Birmingham; typed as a specialist hospital in ERIC 2016/17"),
    "RRF": (
        _INSIDE,
        "Wrightington Hospital, typed as a specialist hospital in ERIC 2016/17; its patients cannot be "
        "told from those of the Wigan and Leigh hospitals",
    ),
    "RTH": (
        _INSIDE,
        "Nuffield Orthopaedic Centre, Oxford, typed as a specialist hospital in ERIC 2016/17; its patients "
        "cannot be told from those of the John Radcliffe and Horton hospitals",
    ),
    "RR8": (
        _CENTRE,
        "Chapel Allerton Hospital, Leeds, has an orthopaedic centre, but ERIC types the site as mixed "
        "service; its patients cannot be told from those of the other Leeds hospitals",
    ),
    "RXH": (
        _CENTRE,
        "Sussex Orthopaedic Centre, typed as a general acute site in ERIC 2016/17; its patients cannot be "
        "told from those of the Brighton and Haywards Heath hospitals",
    ),
    "RVR": (
        _CENTRE,
        "South West London Elective Orthopaedic Centre at Epsom, shared by several trusts and no site of "
        "its own in ERIC; its patients appear under Epsom and St Helier (Croydon and Kingston, partners, "
        "have no records of their own)",
    ),
    "NQM01": (
        _NAMED,
        "calls itself an orthopaedic and spine specialist hospital; independent sector, by name only",
    ),
    "NXM01": (
        _NAMED,
        "the Horder Centre is generally known as a musculoskeletal specialist; independent sector, not "
        "checked against any list",
    ),
}
_NEEDED = ("provider_code", "provider_name", "class", "evidence_grade", "noa_vanguard_founding_partner")
_ACRONYMS = {"NHS", "BMI", "UK", "KIMS"}
_SMALL_WORDS = {"and", "of", "upon"}


def read(path: Path) -> pd.DataFrame:
    """Read the list: provider_code, provider_name, class, evidence_grade, noa_vanguard_founding_partner.

    Raises
    ------
    EvidenceError
        On a missing file or column, an unknown class or grade, or a repeated code, with row and value.
    """
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
                f"{path.name}, row {at} ({code}): unknown class {kind!r}.{nearest(kind, CLASSES)} Expected "
                f"one of: {', '.join(CLASSES)}."
            )
        if grade not in GRADES:
            raise EvidenceError(
                f"{path.name}, row {at} ({code}): unknown grade {grade!r}; expected A, B, C or D."
            )
    repeated = frame["provider_code"][frame["provider_code"].duplicated()]
    if len(repeated):
        raise EvidenceError(f"{path.name} lists {repeated.iloc[0]!r} twice; give each provider one class.")
    return frame


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
