"""nhs-proms-participation: how many operations the questionnaires cover, by organisation and year."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.nhs_proms.credits import LICENCE, sources
from soa_evidence.evidence.nhs_proms.packs import PackFile, read_columns, year_of
from soa_evidence.evidence.tables import numbers
from soa_evidence.evidence.write import count, number, resource, text

__all__ = ["KEY", "NAME", "make"]

NAME = "nhs-proms-participation"
KEY = ("organisation_code", "year", "joint", "procedure")
#: The file's groups of columns, in simplified spelling, as joint and procedure.
_GROUPS = {
    "all_procedures": ("hip and knee", "all"),
    "hip_replacement": ("hip", "all"),
    "primary_hip_replacement": ("hip", "primary"),
    "revision_hip_replacement": ("hip", "revision"),
    "knee_replacement": ("knee", "all"),
    "primary_knee_replacement": ("knee", "primary"),
    "revision_knee_replacement": ("knee", "revision"),
}
_COUNTS = {
    "eligible_operations": "total_hes_procedures",
    "pre_op_questionnaires": "total_pre_op_qs",
    "linked": "total_linked",
    "post_op_sent": "total_q2s_sent_to_date",
    "post_op_returned": "total_q2s_returned_to_date",
}
_RATES = {
    "participation_rate": "participation_rate",
    "linkage_rate": "linkage_rate",
    "issue_rate": "issue_rate",
    "response_rate": "response_rate",
}
_MEASURES = _COUNTS | _RATES


def make(files: Sequence[PackFile]) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return descriptor and table of the package, from participation files of one year each.

    Raises
    ------
    EvidenceError
        When a year is not told by a file's name or is given twice, or a value is neither number nor '*'.
    """
    years: dict[str, PackFile] = {}
    for file in files:
        year = year_of(file)
        if year in years:
            raise EvidenceError(
                f"{years[year].name} and {file.name} are both participation in {year}; give one."
            )
        years[year] = file
    frames = [_tidy(file, year) for year, file in sorted(years.items())]
    return _descriptor(tuple(sorted(years)), sources(years.items())), {"participation": pd.concat(frames)}


def _tidy(file: PackFile, year: str) -> pd.DataFrame:
    columns = [f"{group}_{measure}" for group in _GROUPS for measure in _MEASURES.values()]
    raw = read_columns(file, ["organisation_code", "organisation_name", *columns])
    parts = []
    for group, (joint, procedure) in _GROUPS.items():
        part = raw[["organisation_code", "organisation_name"]].assign(
            year=year, joint=joint, procedure=procedure
        )
        for name, measure in _MEASURES.items():
            part[name] = figures(file, raw[f"{group}_{measure}"])
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def figures(file: PackFile, column: pd.Series[str], hidden: Sequence[str] = ("*",)) -> pd.Series[float]:
    """Turn published figures into numbers; marks of suppression, `hidden`, become NaN."""
    values = numbers(column)
    wrong = np.flatnonzero(values.isna() & ~column.isin(hidden))
    if len(wrong):
        raise EvidenceError(
            f"{file.name}, row {wrong[0] + 1}, column '{column.name}': {column.iloc[wrong[0]]!r} is neither "
            f"a number nor a mark of suppression ({', '.join(hidden)})."
        )
    return values


def _descriptor(years: tuple[str, ...], credits: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "profile": "data-package",
        "name": NAME,
        "title": f"NHS PROMs, hip and knee replacement in England, {years[0]} to {years[-1]}: participation",
        "description": (
            "Operations eligible for PROMs, questionnaires before surgery, their linkage to hospital "
            "records, and questionnaires sent and returned after surgery, by organisation and year, with "
            "England's totals. Figures as NHS Digital published them, laid out one operation a row."
        ),
        "version": "1.0.0",
        "soa:kind": "published",
        "soa:smallestCount": 1,
        "soa:caveats": list(_CAVEATS),
        "licenses": [LICENCE],
        "sources": credits,
        "resources": [
            resource(
                "participation",
                "Participation, linkage and response by organisation, year and operation",
                fields=_fields(years),
                key=KEY,
            )
        ],
    }


_CAVEATS = (
    "A questionnaire before surgery is known to be for a primary or a revision only once linked, so for "
    "these rows pre_op_questionnaires equals linked and participation_rate is participation times linkage: "
    "compare providers on procedure 'all'.",
    "Rates above 1 occur: operations count where they were done, questionnaires where they were handed out.",
    "Figures of 1 to 5 are suppressed, and others so that they cannot be worked out; suppression is heavy "
    "in the primary and revision rows, and missing there means suppressed. Providers do not add up to "
    "England.",
    "Organisations include some that report no record in nhs-proms-units.",
)


def _fields(years: tuple[str, ...]) -> list[dict[str, Any]]:
    fields = [
        text("organisation_code", "Organisation", "Provider's code, or 'England' for the national total"),
        text("organisation_name", "Name", "Name as published that year"),
        text("year", "Financial year", "April to March", levels=years),
        text("joint", "Joint", "Joint replaced", levels=("hip and knee", "hip", "knee")),
        text(
            "procedure",
            "Operation",
            "Primary, revision, or all; see the note on linkage",
            levels=("all", "primary", "revision"),
        ),
    ]
    hidden = "missing where suppressed"
    counts = {
        "eligible_operations": (
            "Eligible operations",
            "Operations in Hospital Episode Statistics",
            "operations",
        ),
        "pre_op_questionnaires": (
            "Questionnaires before surgery",
            "Returned before surgery",
            "questionnaires",
        ),
        "linked": ("Linked", "Questionnaires linked to an eligible operation", "questionnaires"),
        "post_op_sent": ("Sent after surgery", "Questionnaires sent after surgery", "questionnaires"),
        "post_op_returned": (
            "Returned after surgery",
            "Questionnaires returned after surgery",
            "questionnaires",
        ),
    }
    rates = {
        "participation_rate": ("Participation", "pre_op_questionnaires over eligible_operations"),
        "linkage_rate": ("Linkage", "linked over pre_op_questionnaires"),
        "issue_rate": ("Issue", "post_op_sent over pre_op_questionnaires"),
        "response_rate": ("Response", "post_op_returned over post_op_sent"),
    }
    fields += [
        count(name, title, f"{says}; {hidden}", unit=unit, required=False)
        for name, (title, says, unit) in counts.items()
    ]
    fields += [
        number(
            name,
            f"{title} rate",
            f"As published: {says}; {hidden}",
            unit="proportion",
            required=False,
            minimum=0,
        )
        for name, (title, says) in rates.items()
    ]
    return fields
