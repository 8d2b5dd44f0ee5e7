"""A review laid out as frames: what was taken, every way of pooling, the flow, the papers behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.results import Check
from soa_evidence.synthesis.evidence_review import Body
from soa_evidence.synthesis.prisma import Flow
from soa_evidence.synthesis.studies import require_columns

__all__ = ["checks", "choices", "cited", "flow_steps", "priors", "selection", "ways"]

#: Boxes of the flow, down the page: the main ones, and at each side what leaves there.
MAIN = ("identified", "examined", "in the register", "in the register, may be pooled", "in a pooled result")
LEAVES = {
    "examined": "left out of the register",
    "in the register": "in the register, kept out of pooling",
    "in the register, may be pooled": "shown by itself",
}


def selection(bodies: Mapping[str, Body]) -> pd.DataFrame:
    """Return question, taken, left_out: rows of the register in words."""
    rows = []
    for body in bodies.values():
        used = body.evidence if body.answer is not None else body.side_by_side
        taken = [f"{r.label} [{r.result_id}]" for r in used.included.itertuples()]
        left = [
            f"{reason}: " + ", ".join(f"{r.label} [{r.result_id}]" for r in own.itertuples())
            for reason, own in used.excluded.groupby("reason", sort=False)
        ]
        how = "" if body.answer is not None or not taken else " (shown, not pooled)"
        rows.append(
            {
                "question": body.words("question"),
                "taken": ("; ".join(taken) or "none") + how,
                "left_out": "; ".join(left) or "none",
            }
        )
    return pd.DataFrame(rows)


def checks(bodies: Mapping[str, Body]) -> list[Check]:
    """Return the checks of every answer, each naming its question."""
    return [
        Check(
            name=f"{check.name} ({name})",
            verdict=check.verdict,
            observed=check.observed,
            expected=check.expected,
            why=check.why,
        )
        for name, body in bodies.items()
        if body.answer is not None
        for check in body.answer.checks
    ]


def ways(bodies: Mapping[str, Body]) -> pd.DataFrame:
    """Return question, way, estimate, lower, upper over all answers."""
    parts = [body.ways().assign(question=body.words("question")) for body in bodies.values() if body.answer]
    if not parts:
        raise InputError("No question has an answer; there is nothing to set side by side.")
    return pd.concat(parts, ignore_index=True)[["question", "way", "estimate", "lower", "upper"]]


def choices(bodies: Mapping[str, Body]) -> pd.DataFrame:
    """Return every estimator with every interval, as a reader sees them; one row where nothing is pooled."""
    parts = []
    for body in bodies.values():
        if body.answer is None or body.answer.choice is None:
            continue
        table = body.answer.choice.table.copy()
        if body.evidence.ratio:
            columns = ["estimate", "lower", "upper"]
            table[columns] = np.exp(np.clip(table[columns], -300, 300))
        parts.append(table.assign(question=body.words("question")))
    if not parts:
        return pd.DataFrame(
            {"question": ["All"], "method": ["no question has two results to pool"], "interval": [""],
             "tau": [np.nan], "estimate": [np.nan], "lower": [np.nan], "upper": [np.nan], "excludes": [""]}
        )  # fmt: skip
    kept = ["question", "method", "interval", "tau", "estimate", "lower", "upper", "excludes"]
    return pd.concat(parts, ignore_index=True)[kept]


def priors(bodies: Mapping[str, Body]) -> pd.DataFrame:
    """Return question, parameter, distribution, because: the priors behind every Bayesian average."""
    parts = [
        body.answer.posterior.priors.table().assign(question=body.words("question"))
        for body in bodies.values()
        if body.answer is not None and body.answer.posterior is not None
    ]
    if not parts:
        return pd.DataFrame(
            [("All", "none", "–", "no question has two results to pool")],
            columns=["question", "parameter", "distribution", "because"],
        )
    return pd.concat(parts, ignore_index=True)[["question", "parameter", "distribution", "because"]]


def flow_steps(flow: Flow) -> pd.DataFrame:
    """Return the flow as it is drawn: box, count, role (main or out), details (reasons and numbers)."""
    rows: list[dict[str, Any]] = []
    for box in MAIN:
        # what a main box was identified from stands inside it; its other parts are boxes of their own
        inside = flow.parts(box) if box == "identified" else flow.parts(box).iloc[:0]
        rows.append(_step(box, flow, "main", inside))
        if box in LEAVES:
            rows.append(_step(LEAVES[box], flow, "out", flow.parts(LEAVES[box])))
    return pd.DataFrame(rows)


def _step(box: str, flow: Flow, role: str, parts: pd.DataFrame) -> dict[str, Any]:
    details = [(str(name), int(number)) for name, number in zip(parts["box"], parts["count"], strict=True)]
    return {"box": box, "count": flow.count(box), "role": role, "details": details}


def cited(results: pd.DataFrame, studies: pd.DataFrame) -> pd.DataFrame:
    """Return the papers behind results: label, citation, doi, link, read_at_level, rows."""
    require_columns(results, ["study_id", "result_id"])
    require_columns(studies, ["study_id", "label", "citation", "doi", "link", "read_at_level"])
    rows = results.groupby("study_id")["result_id"].agg(lambda ids: ", ".join(sorted(ids)))
    unknown = sorted(set(rows.index) - set(studies["study_id"]))
    if unknown:
        raise InputError(
            f"Study '{unknown[0]}' has results and no row among the studies, so nothing to cite."
        )
    own = studies[studies["study_id"].isin(rows.index)].sort_values("label")
    kept = own[["label", "citation", "doi", "link", "read_at_level"]]
    return kept.assign(rows=own["study_id"].map(rows)).reset_index(drop=True)
