"""Several results of `units.variation` in one table: nothing here fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.results import Check, combine_verdicts
from soa_evidence.units.summaries import Events

if TYPE_CHECKING:
    from soa_evidence.units.variation import VariationResult

__all__ = ["flags", "mostly_chance", "table", "worst_checks"]

HALF = 0.5


def table(
    results: Mapping[str, VariationResult], *, what: Literal["means", "shares", "worst", "signal"] = "means"
) -> pd.DataFrame:
    """Lay results under one another.

    Parameters
    ----------
    results
        By name, "operation: outcome"; what stands before the colon becomes the column operation.
    what
        ``"means"``: one row a result, a column a part. ``"shares"`` and ``"worst"``: one row a part or way,
        with its interval. ``"signal"``: median odds ratio with its interval, reliability, patients
        needed, and the observed spread beside that by chance.

    Raises
    ------
    InputError
        When there is no result, or `what` is unknown.
    """
    rows = {"means": _means, "shares": _shares, "worst": _worst, "signal": _signal}
    if what not in rows:
        raise InputError(f"what={what!r}: expected one of {', '.join(rows)}.")
    if not results:
        raise InputError("results is empty; give at least one result of units.variation.fit.")
    found = []
    for name, result in results.items():
        operation, _, outcome = name.rpartition(": ")
        found += [{"operation": operation, "outcome": outcome} | row for row in rows[what](result)]
    return pd.DataFrame(found)


def flags(results: Mapping[str, VariationResult]) -> pd.DataFrame:
    """Every unit on every outcome beside what its case mix makes one expect, for `units.false_discovery`.

    Parameters
    ----------
    results
        By name, "operation: outcome".

    Returns
    -------
    DataFrame
        operation, outcome, then of `VariationResult.units`: unit, group, patients, crude, expected (per 1,000
        patients for events), side, p_value.

    Raises
    ------
    InputError
        When there is no result.
    """
    if not results:
        raise InputError("results is empty; give at least one result of units.variation.fit.")
    found = []
    for name, result in results.items():
        operation, _, outcome = name.rpartition(": ")
        own = result.units[["unit", "group", "patients", "crude", "expected", "side", "p_value"]].copy()
        if isinstance(result.outcome, Events):
            own[["crude", "expected"]] *= 1000
        own.insert(0, "outcome", outcome)
        own.insert(0, "operation", operation)
        found.append(own)
    return pd.concat(found, ignore_index=True)


def mostly_chance(results: Mapping[str, VariationResult]) -> int:
    """Count results in which chance is, on average, at least half of the observed variance."""
    return sum(bool(result.shares.of("chance").mean() >= HALF) for result in results.values())


def worst_checks(results: Mapping[str, VariationResult]) -> tuple[Check, ...]:
    """One check a name: the worst verdict among all results, where it was, and how many are not passed."""
    rank = ("pass", "warn", "fail")
    found: dict[str, list[tuple[str, Check]]] = {}
    for name, result in results.items():
        for check in result.checks:
            found.setdefault(check.name, []).append((name, check))
    joined = []
    for same in found.values():
        where, worst = max(same, key=lambda one: rank.index(one[1].verdict))
        short = sum(check.verdict != "pass" for _, check in same)
        told = "all pass" if not short else f"{short} of {len(same)} fall short"
        verdict = combine_verdicts(check for _, check in same)
        joined.append(replace(worst, verdict=verdict, observed=f"{worst.observed} ({where}); {told}"))
    return tuple(joined)


def _means(result: VariationResult) -> list[dict[str, Any]]:
    return [dict(zip(result.shares.labels, result.shares.draws.mean(axis=0), strict=True))]  # type: ignore[union-attr]


def _shares(result: VariationResult) -> list[dict[str, Any]]:
    rows = result.shares.table().to_dict("records")
    return [{"part": row["label"], **{k: row[k] for k in ("estimate", "lower", "upper")}} for row in rows]


def _worst(result: VariationResult) -> list[dict[str, Any]]:
    rows = result.worst_fifth.table().to_dict("records")
    return [
        {
            "way": row["label"],
            **{k: row[k] for k in ("estimate", "lower", "upper")},
            "per_1000": 1000 * row["estimate"] / result.worst_patients,
        }
        for row in rows[:2]
    ] + [
        {
            "way": rows[2]["label"],
            **{k: rows[2][k] for k in ("estimate", "lower", "upper")},
            "per_1000": np.nan,
        }
    ]


def _signal(result: VariationResult) -> list[dict[str, Any]]:
    ratio = result.median_odds_ratio.table(transform="exp").iloc[0]
    scale = 1000.0 if isinstance(result.outcome, Events) else 1.0
    return [
        {
            "estimate": ratio["estimate"],
            "lower": ratio["lower"],
            "upper": ratio["upper"],
            "reliability": float(result.reliability.of("median unit").mean()),
            # the median: a spread near nought needs patients without end, and a mean would be all about those
            "patients_needed": float(np.exp(np.median(result.patients_needed.draws))),  # type: ignore[arg-type]
            "median_patients": float(result.units["patients"].median()),
            "observed_sd": scale * result.observed_sd,
            "chance_sd": scale * result.expected_by_chance_sd,
        }
    ]
