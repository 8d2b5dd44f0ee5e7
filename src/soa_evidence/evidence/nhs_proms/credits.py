"""Licence, attribution and sources that the packages made from NHS Digital's packs have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from soa_evidence.evidence.nhs_proms.packs import PackFile

__all__ = ["LICENCE", "sources"]

LICENCE = {
    "name": "OGL-UK-3.0",
    "title": "Open Government Licence v3.0",
    "path": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
    "soa:attribution": "Copyright © NHS Digital. Re-used under the Open Government Licence.",
    "soa:basis": (
        "NHS Digital's website terms put its publications under the licence; the files themselves only say "
        "whose copyright they are."
    ),
}
_PUBLISHER = "NHS Digital (Health and Social Care Information Centre), now part of NHS England"
_PACKS = {
    "2016/17": "https://files.digital.nhs.uk/6C/A1D581/CSV%20Data%20Pack%202016-17%20Finalised.zip",
    "2017/18": "https://files.digital.nhs.uk/70/5176AA/CSV%20Data%20Pack%20Final%201718.zip",
    "2018/19": "https://files.digital.nhs.uk/52/A8FF7F/PROMs%20CSV%20Data%20Pack%20Finalised%202018-19.zip",
}


def sources(files: Iterable[tuple[str, PackFile]]) -> list[dict[str, Any]]:
    """Return one source a financial year, with name and SHA-256 of each CSV used.

    Parameters
    ----------
    files
        Pairs of financial year and file.
    """
    used: dict[str, list[PackFile]] = {}
    for year, file in files:
        used.setdefault(year, []).append(file)
    entries = []
    for year, group in sorted(used.items()):
        entry: dict[str, Any] = {
            "title": (
                "Patient Reported Outcome Measures in England, hip and knee replacement, CSV data pack "
                f"{year}"
            ),
            "soa:publisher": _PUBLISHER,
        }
        if year in _PACKS:
            entry["path"] = _PACKS[year]
        else:
            entry["path"] = (
                "https://digital.nhs.uk/data-and-information/publications/statistical/patient-reported-outcome-measures-proms"
            )
        ordered = sorted(group, key=lambda f: (f.name, f.hash))
        entry["soa:files"] = [{"name": file.name, "hash": file.hash} for file in ordered]
        entries.append(entry)
    return entries
