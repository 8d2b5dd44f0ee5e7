"""The list of figures read in published papers, as it was written down: checked, nothing changed."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.tables import read_list

__all__ = ["COLUMNS", "FILE", "number", "pair", "read"]

FILE = "published_figures.csv"
COLUMNS = (
    "id", "topic", "study", "year", "country", "population", "exposure", "comparator", "outcome", "follow_up",
    "n_exposed", "events_exposed", "n_comparator", "events_comparator", "effect_measure", "estimate",
    "ci_low", "ci_high", "p_value", "citation", "doi_or_url", "read_at", "support_quote", "verified",
)  # fmt: skip
TOPICS = ("1", "2", "3", "4", "5")
_PAIR = re.compile(r"\s*(-?[\d.]+)%?\s*(?:vs|v)\s*(-?[\d.]+)%?\s*")


def read(path: str | Path) -> pd.DataFrame:
    """Read the list, from the file or the folder that holds it; every cell as text, empty ones as ''.

    Raises
    ------
    EvidenceError
        When there is no such file, a column is missing, an id repeats, a topic is unknown, or a figure has no
        citation or was not verified against the page it was read on.
    """
    frame, listed = read_list(path, FILE, COLUMNS)
    file = listed["name"]
    if frame.empty:
        raise EvidenceError(f"{file} holds no figures; expected one a row.")
    for broken, said in (
        (frame["id"].duplicated(), "this id is there already; every figure has its own"),
        (~frame["topic"].isin(TOPICS), f"its topic is not one of {', '.join(TOPICS)}"),
        (frame["citation"].str.strip() == "", "it cites nothing; say which paper it is from"),
        (frame["verified"] != "yes", "it was not verified on its page; verify it or leave it out"),
    ):
        if broken.any():
            raise EvidenceError(f"{file}, figure {frame.loc[broken, 'id'].iloc[0]}: {said}.")
    return frame[list(COLUMNS)].set_index("id", drop=False)


def number(text: str, where: str) -> float | None:
    """Return a cell as a number, None when it is empty; anything else is an EvidenceError naming `where`."""
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise EvidenceError(f"{where}: {text!r} is not a number.") from None


def pair(text: str, where: str) -> tuple[float, float]:
    """Return the two numbers of "1.9 vs 1.3"; anything else is an EvidenceError naming `where`."""
    found = _PAIR.fullmatch(text)
    if not found:
        raise EvidenceError(f"{where}: {text!r} is not two numbers such as '1.9 vs 1.3'.")
    return float(found.group(1)), float(found.group(2))
