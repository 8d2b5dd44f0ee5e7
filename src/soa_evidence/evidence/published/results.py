"""published-results: one row a result, coded so that above 1 (or 0) always means the same thing."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.published.coding import Coding
from soa_evidence.evidence.published.figures import number, pair

__all__ = ["DIRECTION", "KINDS", "frame"]

#: What every coded effect means, in one sentence.
DIRECTION = "above 1 (a difference: above 0) means worse where care is less concentrated"
NO_DIRECTION = "not coded"
KINDS = (
    "counts", "difference_interval", "difference_only", "events_and_percent", "means", "means_sd",
    "percent_difference", "percentages", "prepost", "ratio_interval", "ratio_only", "reduction_interval",
    "reduction_only", "risk_interval", "single", "words",
)  # fmt: skip
#: Pages that tell of a paper without being it; figures read there are to be checked again.
SECONDARY = (
    "covidnewscast.com", "healio.com", "news-medical.net", "paperexplained.cn",
    "prolianceorthopedic", "researcher.life", "tomesphere.com",
)  # fmt: skip
_SD = re.compile(r"\bSD ([\d.]+) v ([\d.]+)")
EMPTY: dict[str, Any] = dict.fromkeys(
    ("effect", "effect_lower", "effect_upper", "events_less", "n_less", "events_more", "n_more",
     "mean_less", "sd_less", "mean_more", "sd_more")
) | {"counts_from": None}  # fmt: skip


def read_at_level(read_at: str) -> str:
    """Return how far a figure was read: 'abstract', or 'secondary' when its first page only tells of it."""
    host = urlsplit(read_at.split(" ; ")[0].strip()).netloc
    return "secondary" if any(name in host for name in SECONDARY) else "abstract"


def frame(figures: pd.DataFrame, coding: Coding) -> pd.DataFrame:
    """Return the register of results: printed figures, and the same turned to one direction.

    Raises
    ------
    EvidenceError
        When a figure does not hold the numbers that its coded kind promises.
    """
    labels = coding.studies.set_index("study_id")["label"]
    joints: dict[str, set[str]] = {}
    studies = {}
    for coded in coding.results.to_dict("records"):
        study = coding.study_of(figures.loc[coded["result_id"], "study"])
        studies[coded["result_id"]] = study
        joints.setdefault(study, set()).add(coded["joint"])
    rows = []
    for coded in coding.results.to_dict("records"):
        printed = {str(k): str(v) for k, v in figures.loc[coded["result_id"]].items()}
        study = studies[coded["result_id"]]
        several = len(joints[study]) > 1
        label = f"{labels[study]}, {coded['joint']}" if several else str(labels[study])
        rows.append(_row({str(k): str(v) for k, v in coded.items()}, printed, study, label))
    return pd.DataFrame(rows)


def _row(coded: dict[str, str], printed: dict[str, str], study: str, label: str) -> dict[str, Any]:
    where = f"Figure {coded['result_id']}"
    directed = coded["exposed_is"] in ("less", "more")
    bad = coded["inconsistency"]
    why_not = coded["not_poolable"] or ("inconsistent in its source" if bad else "")
    level = number(coded["level"], f"{where}, level")
    return {
        "result_id": coded["result_id"],
        "study_id": study,
        "label": label,
        "topic": coded["topic"],
        "contrast": coded["contrast"],
        "outcome": coded["outcome"],
        "joint": coded["joint"],
        "compared": _compared(printed),
        "outcome_as_extracted": printed["outcome"],
        "follow_up": coded["follow_up_group"] or None,
        "follow_up_as_extracted": printed["follow_up"] or None,
        "kind": coded["kind"],
        "measure": coded["measure"],
        "measure_printed": printed["effect_measure"],
        "estimate_printed": printed["estimate"] or None,
        "lower_printed": number(printed["ci_low"], f"{where}, lower limit"),
        "upper_printed": number(printed["ci_high"], f"{where}, upper limit"),
        "level": (0.95 if level is None else level) if printed["ci_low"] else None,
        "p_printed": printed["p_value"] or None,
        "exposed_is": coded["exposed_is"],
        "direction": DIRECTION if directed else NO_DIRECTION,
        **(_numbers(coded, printed, where) if directed else EMPTY),
        "main_contrast": coded["main_contrast"] == "yes",
        "poolable": not why_not,
        "not_poolable_because": why_not or None,
        "inconsistent": bool(bad),
        "inconsistency": bad or None,
        "caution": coded["caution"] or None,
        "reading_in_words": coded["reading"] or None,
        "read_at_level": read_at_level(printed["read_at"]),
        "verified": printed["verified"] == "yes",
        "note": coded["note"] or None,
    }


def _compared(printed: dict[str, str]) -> str:
    against = printed["comparator"].strip()
    first = printed["exposure"].strip() or "as described"
    return f"{first} v {against}" if against not in ("", "-") else first


def _numbers(coded: dict[str, str], printed: dict[str, str], where: str) -> dict[str, Any]:
    """Return effect, counts or means with the less concentrated arm first."""
    kind, less_first = coded["kind"], coded["exposed_is"] == "less"
    found = dict(EMPTY)
    if printed["n_exposed"] and printed["n_comparator"]:
        arms = [{"n": number(printed[f"n_{arm}"], where)} for arm in ("exposed", "comparator")]
        found |= _arms(less_first, *arms)
    if kind in ("ratio_interval", "ratio_only", "difference_interval", "reduction_interval"):
        found |= _effect(coded, printed, where, turn=not less_first)
    elif kind in ("counts", "events_and_percent"):
        found |= _counts(kind, printed, where, less_first)
    elif kind == "percentages" and printed["n_exposed"]:
        found |= _from_percentages(printed, where, less_first)
    elif kind in ("means", "means_sd"):
        found |= _means(kind, printed, where, less_first)
    return found


def _needed(text: str, what: str, where: str) -> float:
    value = number(text, f"{where}, {what}")
    if value is None:
        raise EvidenceError(f"{where}: its coded kind needs {what}, which is empty in the list of figures.")
    return value


def _effect(coded: dict[str, str], printed: dict[str, str], where: str, *, turn: bool) -> dict[str, Any]:
    values = [_needed(printed["estimate"], "estimate", where)]
    if coded["kind"] != "ratio_only":
        values += [_needed(printed[key], key, where) for key in ("ci_low", "ci_high")]
    if coded["kind"] == "reduction_interval":  # a reduction of 43 % is a ratio of 0.57
        values = [1 - value / 100 for value in values]
        values[1:] = sorted(values[1:])
    if turn:
        ratio = not coded["kind"].startswith("difference")
        values = [1 / value if ratio else -value for value in values]
        values[1:] = sorted(values[1:])
    return dict(zip(("effect", "effect_lower", "effect_upper"), values, strict=False))


def _arms(less_first: bool, exposed: dict[str, Any], comparator: dict[str, Any]) -> dict[str, Any]:
    less, more = (exposed, comparator) if less_first else (comparator, exposed)
    named = {f"{name}_less": value for name, value in less.items()}
    return named | {f"{name}_more": value for name, value in more.items()}


def _counts(kind: str, printed: dict[str, str], where: str, less_first: bool) -> dict[str, Any]:
    events = [
        _needed(printed[f"events_{arm}"], f"events ({arm})", where) for arm in ("exposed", "comparator")
    ]
    if kind == "counts":
        n = [_needed(printed[f"n_{arm}"], f"patients ({arm})", where) for arm in ("exposed", "comparator")]
        said = "printed"
    else:
        shares = pair(printed["estimate"], where)
        n = [float(round(x / (share / 100))) for x, share in zip(events, shares, strict=True)]
        said = "patients worked back from events and percentages"
    arms = [{"events": x, "n": size} for x, size in zip(events, n, strict=True)]
    return _arms(less_first, *arms) | {"counts_from": said}


def _from_percentages(printed: dict[str, str], where: str, less_first: bool) -> dict[str, Any]:
    shares = pair(printed["estimate"], where)
    n = [_needed(printed[f"n_{arm}"], f"patients ({arm})", where) for arm in ("exposed", "comparator")]
    arms = [
        {"events": float(round(share / 100 * size)), "n": size} for share, size in zip(shares, n, strict=True)
    ]
    return _arms(less_first, *arms) | {"counts_from": "events worked back from percentages"}


def _means(kind: str, printed: dict[str, str], where: str, less_first: bool) -> dict[str, Any]:
    means = pair(printed["estimate"], where)
    arms = [{"mean": mean, "n": number(printed[f"n_{arm}"], where)}
            for mean, arm in zip(means, ("exposed", "comparator"), strict=True)]  # fmt: skip
    if kind == "means_sd":
        found = _SD.search(printed["outcome"])
        if not found:
            raise EvidenceError(f"{where}: its outcome does not say 'SD … v …', which its coded kind needs.")
        for arm, sd in zip(arms, found.groups(), strict=True):
            arm["sd"] = float(sd)
    return _arms(less_first, *arms)
