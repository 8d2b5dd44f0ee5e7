"""Two arms of events by study, checked: what Mantel-Haenszel and Peto work on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from soa_evidence.results import Check
from soa_evidence.synthesis import effect_sizes
from soa_evidence.synthesis.studies import FloatArray

__all__ = ["read", "silent_check"]


def read(
    frame: pd.DataFrame, *, label: str, rates: bool, columns: Mapping[str, str]
) -> tuple[list[str], dict[str, FloatArray]]:
    """Return labels and the four columns of every study; refuse what `effect_sizes` refuses."""
    return effect_sizes.read_counts(frame, label=label, measure="IRR" if rates else "OR", columns=columns)


def silent_check(data: dict[str, FloatArray], *, ratio: bool) -> Check:
    """Say how many studies have no events in either arm."""
    silent = int(np.sum((data["events_1"] == 0) & (data["events_2"] == 0)))
    return Check(
        name="studies without events in either arm",
        verdict="warn" if silent and ratio else "pass",
        observed=f"{silent} of {len(data['events_1'])}",
        expected="none" if ratio else "any number",
        why="such studies add nothing to a ratio, however many patients they had",
    )
