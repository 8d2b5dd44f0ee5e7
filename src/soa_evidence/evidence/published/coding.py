"""How we read the figures: our coding tables, checked against each other and against the list of figures.

The tables are CSV files that people edit (evidence/_published): what each study is, how each figure is coded,
what was left out and why, the questions asked, the answers on risk of bias and the steps of certainty.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence.tables import read_list

__all__ = ["Coding", "read"]

TABLES: dict[str, tuple[str, ...]] = {
    "studies": (
        "study_id", "label", "source_study", "design", "primary", "data_source", "registry", "period_start",
        "period_end", "operations", "population", "more_concentrated", "less_concentrated", "contrast",
        "overlap", "link", "note",
    ),
    "results": (
        "result_id", "topic", "contrast", "outcome", "joint", "kind", "exposed_is", "measure", "level",
        "follow_up_group", "main_contrast", "reading", "inconsistency", "caution", "not_poolable", "note",
    ),
    "left_out": ("figures", "reason", "remark"),
    "remarks": ("figure_id", "remark"),
    "questions": (
        "question_id", "topic", "question", "outcome", "outcome_words", "joints", "contrasts", "measure",
        "alike", "alike_because", "follow_up", "pool", "not_pooled_because", "start", "less_words",
        "more_words", "unit", "baseline_per_1000", "baseline_result", "caveat",
    ),
    "bias_answers": ("study_id", "tool", "domain", "question", "answer", "reason"),
    "certainty": ("question_id", "domain", "steps", "how", "reason"),
}  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Coding:
    """The coding tables as frames of text: see `TABLES` for their columns."""

    studies: pd.DataFrame
    results: pd.DataFrame
    left_out: pd.DataFrame
    remarks: pd.DataFrame
    questions: pd.DataFrame
    bias_answers: pd.DataFrame
    certainty: pd.DataFrame

    def study_of(self, source_study: str) -> str:
        """Return the id of the study that a figure's list calls `source_study`."""
        for row in self.studies.itertuples():
            if source_study in str(row.source_study).split("|"):
                return str(row.study_id)
        known = [name for names in self.studies["source_study"] for name in names.split("|")]
        raise EvidenceError(
            f"studies.csv describes no study called {source_study!r}.{nearest(source_study, known)} Add a "
            "row."
        )

    def left_out_of(self, figure_id: str, topic: str) -> tuple[str, str]:
        """Return why a figure is not in the register, and our remark on its kind."""
        for wanted in (figure_id, f"topic {topic}"):
            found = self.left_out[self.left_out["figures"] == wanted]
            if len(found):
                return str(found["reason"].iloc[0]), str(found["remark"].iloc[0])
        raise EvidenceError(
            f"Figure {figure_id} (topic {topic}) is neither coded in results.csv nor named in left_out.csv. "
            "Code it, or say why it is left out."
        )


def read(folder: str | Path, figures: pd.DataFrame) -> Coding:
    """Read every coding table and check that they speak of figures, studies and questions that exist.

    Raises
    ------
    EvidenceError
        On a missing table or column, a repeated id, or a name that nothing answers to.
    """
    place = Path(folder)
    tables = {name: _table(place / f"{name}.csv", columns) for name, columns in TABLES.items()}
    coding = Coding(**tables)
    keys = {"studies": "study_id", "results": "result_id", "questions": "question_id", "remarks": "figure_id"}
    for name, key in keys.items():
        repeated = tables[name].loc[tables[name][key].duplicated(), key]
        if len(repeated):
            raise EvidenceError(f"{name}.csv: '{repeated.iloc[0]}' is there twice in column '{key}'.")
    _known(coding.results["result_id"], figures["id"], "results.csv, column 'result_id'")
    _known(coding.remarks["figure_id"], figures["id"], "remarks.csv, column 'figure_id'")
    _known(coding.bias_answers["study_id"], coding.studies["study_id"], "bias_answers.csv, 'study_id'")
    _known(coding.certainty["question_id"], coding.questions["question_id"], "certainty.csv, 'question_id'")
    baseline = coding.questions.loc[coding.questions["baseline_result"] != "", "baseline_result"]
    _known(baseline, coding.results["result_id"], "questions.csv, column 'baseline_result'")
    _words(coding)
    return coding


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    frame, _ = read_list(path, path.name, columns)
    return frame[list(columns)]


def _known(names: pd.Series, among: pd.Series, where: str) -> None:
    strangers = names[~names.isin(among)]
    if len(strangers):
        raise EvidenceError(f"{where}: {strangers.iloc[0]!r} is unknown.{nearest(strangers.iloc[0], among)}")


def _words(coding: Coding) -> None:
    """Refuse a result that is kept out of pooling without a reason, or coded against its own kind."""
    precise = {"ratio_interval", "counts", "events_and_percent", "means_sd", "difference_interval",
               "reduction_interval"}  # fmt: skip
    for row in coding.results.to_dict("records"):
        where = f"results.csv, {row['result_id']}"
        counted = row["kind"] == "percentages" and row["measure"] == "RR"
        may_pool = row["kind"] in precise or counted
        if not may_pool and not row["not_poolable"]:
            raise EvidenceError(
                f"{where}: kind '{row['kind']}' has no standard error; say in not_poolable why it is kept "
                "out."
            )
        if row["exposed_is"] == "neither" and not (row["not_poolable"] or row["inconsistency"]):
            raise EvidenceError(
                f"{where}: exposed_is 'neither' gives the effect no direction; say in not_poolable why."
            )
        if not may_pool and row["exposed_is"] != "neither" and not row["reading"]:
            raise EvidenceError(
                f"{where}: nothing but words; say in reading whether it speaks for or against."
            )
