"""Build the packages of published evidence: studies, results, how they were found, how they were judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from soa_evidence.evidence import tables
from soa_evidence.evidence.published import coding as codings
from soa_evidence.evidence.published import descriptors, figures, results, search, studies
from soa_evidence.evidence.write import Written, package

__all__ = ["CODING", "Summary", "build"]

#: Folder of the coding tables, inside the folder of evidence packages.
CODING = "_published"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What an ingest did: the packages `written`, and how many `figures` were read."""

    written: tuple[Written, ...]
    figures: int

    def __str__(self) -> str:
        lines = [f"Read {self.figures} figures."]
        return "\n".join([*lines, *(f"Built {one}." for one in self.written)])


def build(path: str | Path, out_folder: str | Path, *, coding: str | Path | None = None) -> Summary:
    """Build the four packages of published evidence.

    Parameters
    ----------
    path
        The list of figures (published_figures.csv), or the folder that holds it.
    out_folder
        Folder of evidence packages, such as ``evidence``.
    coding
        Folder of our coding tables; ``<out_folder>/_published`` when not given.

    Returns
    -------
    Summary
        The same files always give the same bytes.

    Raises
    ------
    EvidenceError
        When the list or a coding table lacks something, or one speaks of what the other does not hold.
    """
    out = Path(out_folder)
    source = Path(path) / figures.FILE if Path(path).is_dir() else Path(path)
    listed = figures.read(source)
    coded = codings.read(out / CODING if coding is None else coding, listed)
    register = results.frame(listed, coded)
    entries = search.log(listed, coded, register)
    hash = tables.digest(source)
    frames = {
        descriptors.STUDIES: (descriptors.studies(hash), {"studies": studies.frame(listed, coded)}),
        descriptors.RESULTS: (descriptors.results(hash), {"results": register}),
        descriptors.SEARCH: (descriptors.search(hash), {"log": entries, "flow": search.flow(entries)}),
        descriptors.APPRAISAL: (
            descriptors.appraisal(hash),
            {
                "questions": _questions(coded, register),
                "answers": _typed(coded.bias_answers),
                "certainty": _typed(coded.certainty, numbers=("steps",)),
            },
        ),
    }
    written = tuple(package(out, descriptor, made) for descriptor, made in frames.values())
    return Summary(written=written, figures=len(listed))


def _questions(coded: codings.Coding, register: pd.DataFrame) -> pd.DataFrame:
    """Return the questions in their order, with the risk that a result's own counts give."""
    asked = _typed(coded.questions, flags=("pool",), numbers=("baseline_per_1000",))
    risk = register.set_index("result_id")["events_more"] / register.set_index("result_id")["n_more"] * 1000
    from_counts = asked["baseline_result"].map(risk.astype(float))
    asked["baseline_per_1000"] = asked["baseline_per_1000"].fillna(from_counts)
    return asked.assign(position=range(1, len(asked) + 1))


def _typed(frame: pd.DataFrame, *, flags: Sequence[str] = (), numbers: Sequence[str] = ()) -> pd.DataFrame:
    """Return a coding table with empty cells missing, and flags and numbers as such."""
    typed = frame.where(frame != "", None)
    for name in flags:
        typed[name] = frame[name] == "yes"
    for name in numbers:
        typed[name] = [
            None if text == "" else figures.number(text, f"Column '{name}'") for text in frame[name]
        ]
        typed[name] = typed[name].astype(float)
    return typed
