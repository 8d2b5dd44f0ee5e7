"""published-search: every figure that was looked at, what became of it, and the counts that must add up.

What was truly done: figures were written down from stored excerpts of web pages, found by meaning. No
bibliographic database was searched, nobody screened twice, and no protocol was registered. The log says so
and counts what there is: figures and the sources they came from.
"""

from __future__ import annotations

import pandas as pd

from soa_evidence.evidence.published.coding import Coding

__all__ = ["EXAMINED", "IDENTIFIED", "REGISTER", "STAGES", "flow", "log"]

IDENTIFIED, EXAMINED, REGISTER = "identified", "examined", "in the register"
#: What became of a figure.
STAGES = (
    "left out of the register",
    "in the register, kept out of pooling",
    "in the register, may be pooled",
)


def log(figures: pd.DataFrame, coding: Coding, results: pd.DataFrame) -> pd.DataFrame:
    """Return one row a figure: id, source, topic, stage, reason, remark."""
    register = results.set_index("result_id")
    remarks = coding.remarks.set_index("figure_id")["remark"]
    rows = []
    for figure in figures.to_dict("records"):
        name = figure["id"]
        if name in register.index:
            row = register.loc[name]
            stage = STAGES[2] if row["poolable"] else STAGES[1]
            reason = _reason(row) if not row["poolable"] else None
            study, remark = row["study_id"], row["inconsistency"] or row["caution"]
        else:
            reason, remark = coding.left_out_of(name, figure["topic"])
            stage, study = STAGES[0], None
        rows.append(
            {
                "figure_id": name,
                "source": figure["study"],
                "study_id": study,
                "topic_of_collection": figure["topic"],
                "stage": stage,
                "reason": reason,
                "remark": remarks.get(name, remark) or None,
            }
        )
    return pd.DataFrame(rows)


def _reason(row: pd.Series) -> str:
    """Group the reasons for keeping a result out of pooling into a few that can be counted."""
    why = str(row["not_poolable_because"])
    groups = {
        "inconsistent in its source": bool(row["inconsistent"]),
        "about owners of hospitals, not specialism": row["topic"] == "ownership",
        "a review that pools studies of this register": why.startswith("pools studies"),
        "cost, or a programme's own claim": row["topic"] == "cost",
        "a finding in words": row["kind"] == "words",
        "one group only, nothing compared": why.startswith("describes one group"),
        "direction not known": "reference is not clear" in why,
    }
    return next((name for name, holds in groups.items() if holds), "no standard error can be had")


def flow(entries: pd.DataFrame) -> pd.DataFrame:
    """Return the declared counts as a tree: box, part_of, same_as, figures, sources.

    The figures of a box are the sum of its parts; a box that is the same as another repeats its number.
    Sources are those the figures of a box came from; one source may stand in several boxes.
    """
    rows: list[tuple[str, str | None, str | None, pd.DataFrame]] = []
    nothing, reasons = entries.iloc[:0], entries["reason"]
    rows += [
        (IDENTIFIED, None, None, entries),
        ("database records", IDENTIFIED, None, nothing),
        ("figures from stored page excerpts", IDENTIFIED, None, entries),
        (EXAMINED, None, IDENTIFIED, entries),
        ("duplicates removed", EXAMINED, None, nothing),
        (STAGES[0], EXAMINED, None, entries[entries["stage"] == STAGES[0]]),
        (REGISTER, EXAMINED, None, entries[entries["stage"] != STAGES[0]]),
        (STAGES[1], REGISTER, None, entries[entries["stage"] == STAGES[1]]),
        (STAGES[2], REGISTER, None, entries[entries["stage"] == STAGES[2]]),
    ]
    for stage in STAGES[:2]:
        part = entries["stage"] == stage
        rows += [
            (str(reason), stage, None, entries[part & (reasons == reason)])
            for reason in sorted(reasons[part].unique())
        ]
    return pd.DataFrame(
        [(box, of, same, len(part), part["source"].nunique()) for box, of, same, part in rows],
        columns=["box", "part_of", "same_as", "figures", "sources"],
    )
