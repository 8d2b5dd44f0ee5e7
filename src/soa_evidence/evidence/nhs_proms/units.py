"""nhs-proms-units: record files counted by provider, year, operation and case-mix stratum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.evidence.nhs_proms import records
from soa_evidence.evidence.nhs_proms.credits import LICENCE
from soa_evidence.evidence.write import count, number, resource, text

__all__ = ["KEY", "NAME", "cells", "descriptor"]

NAME = "nhs-proms-units"
KEY = ("provider_code", "year", "joint", "procedure", "age_band", "sex", "comorbidities", "oxford_pre_band")

#: Answers counted as the event, of the codes 1 (best) to 5.
_EVENT_UP_TO = {"satisfaction": 3, "success": 2}
_GRADES = {"satisfaction": records.SATISFACTION, "success": records.SUCCESS}
_ASKED = "asked by post about six months after the operation; the patient's own report"
#: Label for sentences ("risk of being …", "was …"), and what exactly the patient was asked, in our words.
_MEANING = {
    "wound": ("wound problems", "Had problems with the wound since the operation"),
    "bleeding": ("bleeding problems", "Had bleeding since the operation"),
    "urine": ("urinary problems", "Had trouble passing urine since the operation"),
    "allergy": ("allergy or drug reaction", "Had an allergy or reaction to a drug since the operation"),
    "readmission": (
        "readmitted to hospital within about six months",
        "Was readmitted to hospital, for any reason, since the operation",
    ),
    "further_surgery": (
        "further surgery on the joint within about six months",
        "Had another operation on the same area since the operation; any operation, so not the same as a revision",
    ),
    "satisfaction": (
        "results of the operation rated good or better",
        "Rates the results as excellent, very good or good (rather than fair or poor)",
    ),
    "success": (
        "problems better than before the operation",
        "Says the problems are much or a little better (rather than the same or worse)",
    ),
}
#: Scores: title, unit, and the whole units that one point of the file's precision makes (EQ-5D has 3 decimals).
_SCORES = {
    "oxford": ("Oxford hip or knee score", "points (0 worst to 48 best)", 1),
    "eq5d": ("EQ-5D-3L index", "index (-0.594 worst to 1 full health)", 1000),
}
#: Decimals kept of sums that are not whole: enough that a provider's mean is out by less than 0.001 point, or
#: 0.0001 of the index, and few enough to keep the package small. EQ-5D sums are exact at 3.
_KEPT = {"oxford": {"sum": 2, "sumsq": 1}, "eq5d": {"sum": 3, "sumsq": 3}}
_MICRO = 1_000_000


def cells(tidy: pd.DataFrame) -> pd.DataFrame:
    """Count records and outcomes, and sum scores, in every stratum that has a record.

    Sums are made of whole numbers (EQ-5D in thousandths, predictions in millionths) and only then divided, so
    the order of the records cannot change a digit.

    Parameters
    ----------
    tidy
        One row a record, as `records.read` returns it.

    Returns
    -------
    DataFrame
        One row a stratum with the columns of the descriptor.
    """
    parts: dict[str, Any] = {"records": np.ones(len(tidy), dtype=np.int64)}
    for name in records.OUTCOMES:
        parts[f"{name}_events"] = (tidy[name] == 1).to_numpy(np.int64)
        parts[f"{name}_valid"] = tidy[name].notna().to_numpy(np.int64)
    for name, grades in _GRADES.items():
        parts[f"{name}_events"] = (tidy[name] <= _EVENT_UP_TO[name]).to_numpy(np.int64)
        parts[f"{name}_valid"] = tidy[name].notna().to_numpy(np.int64)
        for code, grade in enumerate(grades, start=1):
            parts[f"{name}_{grade}"] = (tidy[name] == code).to_numpy(np.int64)
    for score, (_, _, per_point) in _SCORES.items():
        parts |= _score_parts(tidy, score, per_point)
    keyed = pd.DataFrame({**{name: tidy[name] for name in KEY}, **parts})
    summed = keyed.groupby(list(KEY), sort=False, observed=True).sum().reset_index()
    return _to_units(summed)


def _score_parts(tidy: pd.DataFrame, score: str, per_point: int) -> dict[str, Any]:
    pre, post = (np.rint(tidy[f"{score}_{when}"].to_numpy() * per_point) for when in ("pre", "post"))
    pair = np.isfinite(pre) & np.isfinite(post)
    gain = np.where(pair, post - pre, 0).astype(np.int64)
    post_paired = np.where(pair, post, 0).astype(np.int64)
    with_prediction = pair & tidy[f"{score}_predicted"].notna().to_numpy()
    excess = (tidy[f"{score}_post"] - tidy[f"{score}_predicted"]).to_numpy() * _MICRO
    excess = np.rint(np.where(with_prediction, excess, 0)).astype(np.int64)
    return {
        f"{score}_pairs": pair.astype(np.int64),
        f"{score}_post_sum": post_paired,
        f"{score}_post_sumsq": post_paired**2,
        f"{score}_gain_sum": gain,
        f"{score}_gain_sumsq": gain**2,
        f"{score}_predicted": with_prediction.astype(np.int64),
        f"{score}_excess_sum": excess,
        f"{score}_excess_sumsq": excess**2,
    }


def _to_units(summed: pd.DataFrame) -> pd.DataFrame:
    """Divide whole sums into the units of the score, rounded as `_KEPT` says."""
    for score, (_, _, per_point) in _SCORES.items():
        for value, scale in (("post", per_point), ("gain", per_point), ("excess", _MICRO)):
            if scale > 1:
                for kind, whole in (("sum", scale), ("sumsq", scale**2)):
                    column, kept = f"{score}_{value}_{kind}", _KEPT[score][kind]
                    # rounded while whole, so that the quotient is the float nearest to the decimal number
                    step = whole // 10**kept
                    summed[column] = (summed[column] + step // 2) // step / 10**kept
    return summed


def descriptor(years: tuple[str, ...], credits: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the package's descriptor for these financial years and sources."""
    return {
        "profile": "data-package",
        "name": NAME,
        "title": f"NHS PROMs, hip and knee replacement in England, {years[0]} to {years[-1]}: counts by provider",
        "description": (
            "Patient-reported outcomes about six months after hip and knee replacement, counted by provider, year, "
            "joint, primary or revision, age band, sex, number of conditions ticked and Oxford score before "
            "surgery. Made by soa_evidence from NHS Digital's public record files (provider files only)."
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
    "Only patients who returned both questionnaires and were linked to a hospital record are counted: roughly half "
    "of all operations, and the share differs by provider (see nhs-proms-participation).",
    "Outcomes are patients' own reports about six months after surgery; no dates are published, so nothing here is "
    "time to event.",
    "Further surgery is any other operation on the area, not revision of the joint.",
    "Age band and sex are hidden together in about 7 % of records, those in small groups of a provider: mostly the "
    "youngest and oldest and the smaller providers, so 'unknown' is not a random sample.",
    "A condition not ticked may be absent or unanswered; nothing ticked at all (12 % of records) can be either.",
    "Provider codes are trusts: a specialist orthopaedic hospital inside a larger trust cannot be told apart.",
)


def _fields(years: tuple[str, ...]) -> list[dict[str, Any]]:
    fields = [*_key_fields(years), count("records", "Records", "Records in the stratum", minimum=1)]
    for name in records.OUTCOMES:
        fields += _outcome_fields(name, better="lower")
    for name, grades in _GRADES.items():
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
            "How many of the 12 long-term conditions asked about were ticked, arthritis among them; '0' cannot be "
            "told from a page left unanswered",
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
    outcome: Mapping[str, Any] = {"name": name, "label": label, "better": better, "valid": f"{name}_valid"}
    levels = [f"{name}_{grade}" for grade in grades]
    event: dict[str, Any] = {"soa:atMost": f"{name}_valid", "soa:outcome": outcome}
    total: dict[str, Any] = {"soa:atMost": "records"}
    if levels:
        event["soa:sumOf"] = levels[: _EVENT_UP_TO[name]]
        total["soa:sumOf"] = levels
    title = label[0].upper() + label[1:]
    return [
        count(f"{name}_events", title, f"{asked} ({_ASKED})", **event),
        count(f"{name}_valid", f"{title}: answered", "Records with an answer to this question", **total),
        *(
            count(
                level,
                f"{name.capitalize()}: {grade.replace('_', ' ')}",
                f"Records that answered {grade.replace('_', ' ')!r}",
            )
            for level, grade in zip(levels, grades, strict=True)
        ),
    ]


def _score_fields(score: str) -> list[dict[str, Any]]:
    title, unit, per_point = _SCORES[score]
    pairs, predicted = f"{score}_pairs", f"{score}_predicted"
    make = count if per_point == 1 else number
    rounded = "; rounded to {sum} decimals (squares to {sumsq})".format(**_KEPT[score])
    note = rounded if make is number else ""
    return [
        count(
            pairs,
            f"{title}: pairs",
            "Records with the score both before and after surgery",
            **{"soa:atMost": "records"},
        ),
        *_sums(make, f"{score}_post", f"{title} after surgery", unit, f"over {pairs}{note}"),
        *_sums(make, f"{score}_gain", f"{title}, gain (after minus before)", unit, f"over {pairs}{note}"),
        count(
            predicted,
            f"{title}: predicted",
            "Records with both scores and NHS Digital's own case-mix prediction of the later one",
            **{"soa:atMost": pairs},
        ),
        *_sums(number, f"{score}_excess", f"{title} minus prediction", unit, f"over {predicted}{rounded}"),
    ]


def _sums(make: Any, name: str, title: str, unit: str, over: str) -> list[dict[str, Any]]:
    signed = {"minimum": None} if make is count else {}
    return [
        make(f"{name}_sum", f"{title}: sum", f"Sum {over}", unit=unit, **signed),
        make(
            f"{name}_sumsq",
            f"{title}: sum of squares",
            f"Sum of squares {over}",
            unit=f"squared {unit}",
            minimum=0,
        ),
    ]
