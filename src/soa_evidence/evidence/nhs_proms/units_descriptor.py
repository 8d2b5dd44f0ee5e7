"""What the table of nhs-proms-units holds: every column in words, with unit, rules and meaning."""

from __future__ import annotations

from typing import Any

from soa_evidence.evidence.nhs_proms import records
from soa_evidence.evidence.nhs_proms.credits import LICENCE
from soa_evidence.evidence.nhs_proms.units import DECIMALS, EVENT_UP_TO, GRADES, KEY, PER_UNIT
from soa_evidence.evidence.write import count, number, resource, text

__all__ = ["NAME", "descriptor"]

NAME = "nhs-proms-units"

_ASKED = "asked by post about six months after the operation; the patient's own report"
#: Label for sentences ("patients reported …"), and what exactly the patient was asked, in our words.
_MEANING = {
    "wound": ("wound problems", "Had problems with the wound since the operation"),
    "bleeding": ("bleeding problems", "Had bleeding since the operation"),
    "urine": ("urinary problems", "Had trouble passing urine since the operation"),
    "allergy": ("an allergy or drug reaction", "Had an allergy or reaction to a drug since the operation"),
    "readmission": (
        "being readmitted to hospital",
        "Was readmitted to hospital, for any reason, since the operation",
    ),
    "further_surgery": (
        "further surgery on the joint",
        "Had another operation on the same area since the operation; any operation, so not the same as a "
        "revision",
    ),
    "satisfaction": (
        "results that were good or better",
        "Rates the results as excellent, very good or good (rather than fair or poor)",
    ),
    "success": (
        "problems better than before the operation",
        "Says the problems are much or a little better (rather than the same or worse)",
    ),
}
#: Title and unit of the scores.
_SCORES = {
    "oxford": ("Oxford hip or knee score", "points (0 worst to 48 best)"),
    "eq5d": ("EQ-5D-3L index", "index (-0.594 worst to 1 full health)"),
}


def descriptor(years: tuple[str, ...], credits: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the package's descriptor for these financial years and sources."""
    return {
        "profile": "data-package",
        "name": NAME,
        "title": (
            f"NHS PROMs, hip and knee replacement in England, {years[0]} to {years[-1]}: counts by provider"
        ),
        "description": (
            "Patient-reported outcomes about six months after hip and knee replacement, counted by "
            "provider, year, joint, primary or revision, age band, sex, number of conditions ticked and "
            "Oxford score before surgery. Made by soa_evidence from NHS Digital's public record files "
            "(provider files only)."
        ),
        "version": "1.0.0",
        "soa:kind": "derived",
        "soa:smallestCount": 1,
        "soa:caveats": list(_CAVEATS),
        "licenses": [LICENCE],
        "sources": credits,
        "resources": [
            resource(
                "cells",
                "Counts and sums by provider, year, operation and case-mix stratum",
                fields=_fields(years),
                key=KEY,
                foreign=[
                    {
                        "fields": ["provider_code"],
                        "reference": {
                            "package": "nhs-units",
                            "resource": "units",
                            "fields": ["provider_code"],
                        },
                    }
                ],
            )
        ],
    }


_CAVEATS = (
    "Only patients who returned both questionnaires and were linked to a hospital record are counted: far "
    "from all operations, and the share differs by provider (see nhs-proms-participation).",
    "Outcomes are patients' own reports about six months after surgery; no dates are published, so nothing "
    "here is time to event.",
    "Further surgery is any other operation on the area, not revision of the joint.",
    "Age band and sex are hidden together wherever a provider has few such patients: 'unknown' is mostly "
    "the youngest, the oldest and the patients of small providers, so it is no random sample and is much "
    "commoner in the independent sector than at specialist trusts.",
    "A condition not ticked may be absent or unanswered; nothing ticked at all can be either.",
    "Codes of NHS providers are trusts: a specialist orthopaedic hospital inside a larger trust cannot be "
    "told apart, and mergers change what a code stands for.",
)


def _fields(years: tuple[str, ...]) -> list[dict[str, Any]]:
    fields = [*_key_fields(years), count("records", "Records", "Records in the stratum", minimum=1)]
    for name in records.OUTCOMES:
        fields += _outcome_fields(name, better="lower")
    for name, grades in GRADES.items():
        fields += _outcome_fields(name, better="higher", grades=grades)
    for score in _SCORES:
        fields += _score_fields(score)
    return fields


def _key_fields(years: tuple[str, ...]) -> list[dict[str, Any]]:
    unknown = "; 'unknown' is a level of its own"
    return [
        text(
            "provider_code",
            "Provider",
            "NHS trust (3 characters, R…) or independent-sector site (5 characters), as the release codes it",
            pattern="[A-Z][A-Z0-9]{2,4}",
        ),
        text("year", "Financial year", "April to March, in which the operation was done", levels=years),
        text("joint", "Joint", "Joint replaced", levels=("hip", "knee")),
        text(
            "procedure",
            "Operation",
            "Whether the operation was itself a revision",
            levels=("primary", "revision"),
        ),
        text(
            "age_band",
            "Age",
            f"Age at operation, years; the release's bands under 50 and from 80 are joined{unknown} (hidden)",
            levels=records.AGE_BANDS,
        ),
        text("sex", "Sex", f"Sex{unknown} (hidden together with age)", levels=records.SEXES),
        text(
            "comorbidities",
            "Conditions ticked",
            "How many of the 12 long-term conditions asked about were ticked, arthritis among them; '0' "
            "cannot be told from a page left unanswered",
            levels=records.COMORBIDITIES,
        ),
        text(
            "oxford_pre_band",
            "Oxford score before surgery",
            f"Oxford hip or knee score before surgery, points of 48 (48 best){unknown} (score incomplete)",
            levels=records.OXFORD_BANDS,
        ),
    ]


def _outcome_fields(name: str, *, better: str, grades: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    label, asked = _MEANING[name]
    title = label[0].upper() + label[1:]
    valid = f"{name}_valid"
    levels = [f"{name}_{grade}" for grade in grades]
    return [
        count(
            f"{name}_events",
            title,
            f"{asked} ({_ASKED})",
            at_most=valid,
            sum_of=levels[: EVENT_UP_TO.get(name, 0)],
            outcome={"name": name, "label": label, "better": better, "valid": valid},
        ),
        count(valid, f"{title}: answered", "Records with an answer", at_most="records", sum_of=levels),
        *(
            count(level, f"{name.capitalize()}: {says}", f"Records that answered '{says}'")
            for level, says in zip(levels, [grade.replace("_", " ") for grade in grades], strict=True)
        ),
    ]


def _score_fields(score: str) -> list[dict[str, Any]]:
    title, unit = _SCORES[score]
    pairs, predicted = f"{score}_pairs", f"{score}_predicted"
    whole = PER_UNIT[score] == 1
    rounded = "; rounded to {sum} decimals (squares to {sumsq})".format(**DECIMALS[score])
    over = f"over {pairs}" + ("" if whole else rounded)
    return [
        count(pairs, f"{title}: pairs", "Records with the score before and after surgery", at_most="records"),
        *_sums(f"{score}_post", f"{title} after surgery", unit, over, whole=whole),
        *_sums(f"{score}_gain", f"{title}, gain (after minus before)", unit, over, whole=whole),
        count(
            predicted,
            f"{title}: predicted",
            "Records with both scores and NHS Digital's own case-mix prediction of the later one",
            at_most=pairs,
        ),
        *_sums(
            f"{score}_excess", f"{title} minus prediction", unit, f"over {predicted}{rounded}", whole=False
        ),
    ]


def _sums(name: str, title: str, unit: str, over: str, *, whole: bool) -> list[dict[str, Any]]:
    make = count if whole else number
    squares = f"{title}: sum of squares"
    return [
        make(f"{name}_sum", f"{title}: sum", f"Sum {over}", unit=unit, minimum=None),
        make(f"{name}_sumsq", squares, f"Sum of squares {over}", unit=f"squared {unit}", minimum=0),
    ]
