"""One published study in numbers, a sentence and a picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import pandas as pd

from soa_evidence.reporting import figures, records
from soa_evidence.reporting.findings import SIDES
from soa_evidence.reporting.numbers import Numbers, number
from soa_evidence.reporting.sentences import Sentence, given, sentence
from soa_evidence.reporting.tables import Table, table

__all__ = ["claim", "numbers", "picture"]


class Profile(Protocol):
    """What is shown of a study; `synthesis.evidence_profile.Profile` has it."""

    @property
    def study(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def results(self) -> pd.DataFrame: ...
    @property
    def checks(self) -> Any: ...


def _with_interval(profile: Profile) -> pd.DataFrame:
    return profile.results[profile.results["estimate"].notna()]


def numbers(profile: Profile, *, evidence: Iterable[Any]) -> Numbers:
    """Return one ledger entry a result with an interval, ``effect.<row>``."""
    made, used = Numbers(), list(evidence)
    for row in _with_interval(profile).to_dict("records"):
        made = made | number(
            row["estimate"],
            id=f"effect.{str(row['result_id']).lower()}",
            estimand=f"{row['outcome']}, less against more concentrated care",
            label=f"{row['result_id']}: {row['compared']}",
            unit="difference" if row["measure"] == "MD" else f"ratio ({row['measure']})",
            population=f"{profile.label}, row {row['result_id']} of published-results",
            evidence=records.among(used, result_id=[row["result_id"]]),
            method=f"as printed ({row['measure_printed']}), turned to one direction",
            checks=profile.checks,
            lower=row["lower"],
            upper=row["upper"],
            level=0.95,
            interval="confidence",
        )
    return made


def claim(profile: Profile, ledger: Numbers) -> Sentence:
    """Say what the study's first main result shows, or its words where it gives no interval."""
    shown = _with_interval(profile)
    shown = shown[shown["main_contrast"]]
    label = given(profile.label, why="name of the study, with its year")
    if shown.empty:
        first = profile.results.iloc[0]
        told = given(str(first["note"]), why="what the page says, in our words")
        return sentence("{label} gives no effect with an interval. {told}.", label=label, told=told)
    row = shown.iloc[0]
    readings = {
        "for": "better where care is more concentrated",
        "against": "worse where care is more concentrated",
        "neither": "no difference shown",
    }
    return sentence(
        "{label} compares {compared}. For {outcome}, the {measure} of less against more concentrated care is "
        "{effect:both}: taken at face value, {reading}.",
        label=label,
        compared=given(row["compared"], why="the groups as the paper names them"),
        outcome=given(row["outcome"], why="the outcome as coded"),
        effect=ledger[f"effect.{str(row['result_id']).lower()}"],
        measure={
            "OR": "odds ratio",
            "HR": "hazard ratio",
            "SHR": "subhazard ratio",
            "RR": "risk ratio",
            "MD": "difference",
        }[row["measure"]],
        reading=readings[row["reading"]],
    )


def picture(profile: Profile) -> figures.Figure | Table:
    """Draw the results that share a scale, ratios first; a table where none has an interval."""
    shown = _with_interval(profile)
    if shown.empty:
        return table(
            profile.results[["result_id", "outcome", "compared", "estimate_printed", "note"]],
            id="results",
            title=f"{profile.label}: what it says, without intervals",
            labels={"result_id": "Row", "estimate_printed": "As printed"},
        )
    difference = shown["measure"] == "MD"
    ratio = not bool(difference.all())
    drawn = shown[~difference] if ratio else shown
    first = drawn["compared"].str.split(" v ").str[0]
    several = bool((drawn["outcome"] != drawn["outcome"].iloc[0]).any())
    named = drawn["outcome"] + ": " + first if several else first
    drawn = drawn.assign(label=named)
    return figures.study_forest(
        drawn[["label", "estimate", "lower", "upper", "result_id", "compared"]],
        unit_text="ratio, less against more concentrated care" if ratio else "difference, less minus more",
        id="results",
        title="Every result of the study that has an interval",
        subtitle=f"{profile.label}; 95% intervals, not pooled: results of one study share patients",
        ratio=ratio,
        sides=SIDES,
    )
