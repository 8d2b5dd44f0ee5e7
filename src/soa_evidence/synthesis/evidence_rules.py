"""Which published results may answer a question together: what each can say, and why one is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError

__all__ = [
    "NOT_CODED", "RATIOS", "Row", "has", "own_measure", "require_one_direction", "require_one_measure",
    "why_not", "without_overlap",
]  # fmt: skip

RATIOS = ("OR", "RR", "HR", "SHR", "IRR")
NOT_CODED = "not coded"
#: One result of the register, by column.
Row = Mapping[str, Any]


def has(row: Row, *columns: str) -> bool:
    """Say whether a row has something in every one of `columns`."""
    return all(pd.notna(row[column]) for column in columns)


def own_measure(row: Row) -> str | None:
    """Return on which measure a row has an estimate with a standard error; None for none."""
    interval = has(row, "effect", "effect_lower", "effect_upper")
    if interval and row["measure"] in RATIOS:
        return "RATIO"
    if interval and row["measure"] == "MD":
        return "MD"
    if has(row, "events_less", "n_less", "events_more", "n_more") and row["measure"] in ("OR", "RR"):
        return str(row["measure"])
    if has(row, "mean_less", "sd_less", "n_less", "mean_more", "sd_more", "n_more"):
        return "MD"
    return None


def why_not(row: Row, measure: str, follow_up: str | None, pool: bool) -> str:
    """Return why a row cannot answer a question on `measure`; empty where it can."""
    own = own_measure(row)
    fits = {
        "OR": row["measure"] == "OR" and own in ("OR", "RATIO"),
        "RR": row["measure"] == "RR" and own in ("RR", "RATIO"),
        "MD": own == "MD",
        "RATIO": own in ("RATIO", "OR", "RR"),
    }
    reasons = (
        (row["inconsistent"], f"inconsistent in its source: {row['inconsistency']}"),
        (not row["poolable"], str(row["not_poolable_because"])),
        (row["direction"] == NOT_CODED, "its direction is not known"),
        (not row["primary_study"], "pools studies of the register"),
        (
            follow_up is not None and row["follow_up"] != follow_up,
            f"follow-up {row['follow_up'] if has(row, 'follow_up') else 'not stated'}, not {follow_up}",
        ),
        (own is None, "no standard error can be had"),
        (not fits[measure], f"gives no {measure}"),
        (pool and not row["main_contrast"], "another band of a study that is in with its main contrast"),
    )
    return next((why for broken, why in reasons if broken), "")


def without_overlap(
    rows: list[Row],
) -> tuple[list[Row], list[tuple[Row, str]]]:
    """Keep the latest of results that may hold the same patients."""
    kept: list[Row] = []
    left = []
    order = sorted(rows, key=lambda r: (-_year(r["period_end"], 0.0), str(r["result_id"])))
    for row in order:
        shared = next((other for other in kept if _overlap(row, other)), None)
        if shared is None:
            kept.append(row)
        else:
            left.append((row, f"may hold the same patients as {shared['label']} ({row['registry']})"))
    return sorted(kept, key=lambda r: str(r["result_id"])), left


def _year(value: Any, unknown: float) -> float:
    return unknown if pd.isna(value) else float(value)


def _overlap(one: Row, other: Row) -> bool:
    if one["registry"] != other["registry"]:
        return False
    mine = set(str(one["joint"]).split(" and "))
    if not mine & set(str(other["joint"]).split(" and ")):
        return False
    early, late = float("-inf"), float("inf")
    return _year(one["period_start"], early) <= _year(other["period_end"], late) and _year(
        other["period_start"], early
    ) <= _year(one["period_end"], late)


def require_one_measure(rows: list[Row], measure: str, alike: Sequence[str]) -> None:
    """Refuse to pool measures that differ, unless they are declared alike."""
    found = {str(row["measure"]): row for row in rows}
    if measure == "MD" or len(found) < 2 or set(found) <= set(alike):
        return
    told = ", ".join(f"{name} in {row['label']}" for name, row in found.items())
    raise InputError(
        f"Mixed measures: {told}. Pool one of them, or declare them alike with a reason (alike, "
        "alike_because)."
    )


def require_one_direction(rows: list[Row]) -> None:
    """Refuse rows whose effects are coded in opposite directions."""
    found = {str(row["direction"]): row for row in rows}
    if len(found) > 1:
        (one, first), (two, second), *_ = found.items()
        raise InputError(
            f"Mixed directions: {first['label']} is coded '{one}', {second['label']} '{two}'. "
            "Turn one of them round."
        )
