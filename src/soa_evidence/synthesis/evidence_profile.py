"""One study of a register, whole: what it is, every figure of it, where they go, and how it was judged.

When not to use it: to settle a question by one study.

Checked against: the register itself (tests/unit).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check
from soa_evidence.synthesis import appraisal, evidence_sets
from soa_evidence.synthesis.bias_tools import ANSWERS

__all__ = ["JOINED", "Profile", "fit", "join"]

#: Columns of the studies that every result carries once joined.
JOINED = ("primary_study", "united_kingdom", "design", "registry", "period_start", "period_end")
_TOLD = {
    "citation": "Citation",
    "citation_note": "Note on the citation",
    "design": "Design",
    "country": "Country",
    "data_source": "Data from",
    "population": "Patients",
    "more_concentrated": "More concentrated care",
    "less_concentrated": "Less concentrated care",
    "contrast": "Contrast",
    "overlap": "May share patients with",
    "read_at_level": "How far read",
    "note": "What to know",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Profile:
    """One study.

    Attributes
    ----------
    study, label : str
    about : DataFrame
        what, told.
    results : DataFrame
        Its rows of the register, with reading, estimate, lower, upper as a reader sees them.
    pooled : tuple of str
        Ids of its results that stand in a pooled figure.
    judgement : str
        Overall risk of bias; "not assessed" for reviews and studies that compare nothing.
    bias, answers : DataFrame
        Domains with their judgement, and signalling answers in words.
    checks : tuple of Check
    """

    study: str
    label: str
    about: pd.DataFrame
    results: pd.DataFrame
    pooled: tuple[str, ...]
    judgement: str
    bias: pd.DataFrame
    answers: pd.DataFrame
    checks: tuple[Check, ...]


def join(results: pd.DataFrame, studies: pd.DataFrame) -> pd.DataFrame:
    """Return the register: results with what their studies say of themselves (`JOINED`).

    Raises
    ------
    InputError
        When a study is there twice, or a result has no study.
    """
    if studies["study_id"].duplicated().any():
        twice = studies.loc[studies["study_id"].duplicated(), "study_id"].iloc[0]
        raise InputError(f"Study '{twice}' is there twice; joining it would repeat its results.")
    unknown = sorted(set(results["study_id"]) - set(studies["study_id"]))
    if unknown:
        raise InputError(
            f"Results name the study {unknown[0]!r}, which is "
            f"unknown.{nearest(unknown[0], studies['study_id'])}"
        )
    return results.merge(studies[["study_id", *JOINED]], on="study_id", validate="many_to_one")


def fit(
    study: str,
    *,
    studies: pd.DataFrame,
    results: pd.DataFrame,
    questions: pd.DataFrame,
    bias_answers: pd.DataFrame,
) -> Profile:
    """Return one study of the register.

    Parameters
    ----------
    study
        Its name, e.g. ``"hagen-2010"``.
    studies, results, questions, bias_answers
        The tables of the packages of published evidence.

    Raises
    ------
    InputError
        On an unknown study (the nearest is named), or as the parts.
    """
    known = list(studies["study_id"])
    if study not in known:
        raise InputError(
            f"There is no study {study!r} in the register.{nearest(study, known)} Known: {', '.join(known)}."
        )
    register = join(results, studies)
    sets = evidence_sets.choose(register, questions)
    used = {name for one in sets.values() if one.pool and len(one) > 1 for name in one.included["result_id"]}
    own = evidence_sets.readings(register)
    own = own[own["study_id"] == study].reset_index(drop=True)
    row: pd.Series[Any] = studies[studies["study_id"] == study].iloc[0]
    given = bias_answers[bias_answers["study_id"] == study]
    bias = appraisal.fit(given) if len(given) else None
    overall = "not assessed" if bias is None else bias.of(study)
    return Profile(
        study=study,
        label=str(row["label"]),
        about=_about(row),
        results=own,
        pooled=tuple(name for name in own["result_id"] if name in used),
        judgement=overall,
        bias=_bias(None if bias is None else bias.domains),
        answers=_answers(given),
        checks=_checks(own, overall, row),
    )


def _about(row: pd.Series[Any]) -> pd.DataFrame:
    told = [(name, row[column]) for column, name in _TOLD.items() if pd.notna(row[column])]
    span = [row["period_start"], row["period_end"]]
    if pd.notna(span[0]):
        told.insert(4, ("Operations of", f"{span[0]:.0f} to {span[1]:.0f}"))
    if pd.notna(row["doi"]):
        told.insert(1, ("DOI", row["doi"]))
    return pd.DataFrame([(name, str(text)) for name, text in told], columns=["what", "told"])


def _bias(judged: pd.DataFrame | None) -> pd.DataFrame:
    kept = ["domain", "name", "judgement", "decided_by", "because"]
    if judged is None:
        return pd.DataFrame([("–", "all domains", "not assessed", "a review, or nothing is compared", "")],
                            columns=kept)  # fmt: skip
    return judged[kept].reset_index(drop=True)


def _answers(given: pd.DataFrame) -> pd.DataFrame:
    if given.empty:
        return pd.DataFrame([("–", "none", "not assessed", "a review, or nothing is compared")],
                            columns=["question", "asked", "answer", "reason"])  # fmt: skip
    texts: Mapping[str, str] = {
        question.id: question.text
        for tool in appraisal.TOOLS.values()
        if tool.id == given["tool"].iloc[0]
        for domain in tool.domains
        for question in domain.questions
    }
    return pd.DataFrame(
        {
            "question": list(given["question"]),
            "asked": [texts[name] for name in given["question"]],
            "answer": [ANSWERS[name] for name in given["answer"]],
            "reason": list(given["reason"]),
        }
    )


def _checks(own: pd.DataFrame, overall: str, row: pd.Series[Any]) -> tuple[Check, ...]:
    flagged = list(own.loc[own["inconsistent"], "result_id"])
    unread = overall in ("no information", "not assessed")
    return (
        Check(
            name="figures of the study agree with each other",
            verdict="warn" if flagged else "pass",
            observed=f"{len(flagged)} of {len(own)} contradict themselves: {', '.join(flagged)}"
            if flagged
            else f"all {len(own)}",
            expected="all",
            why="a figure that contradicts itself in its source is kept, flagged, and never pooled",
        ),
        Check(
            name="enough was read to judge the study",
            verdict="warn" if unread else "pass",
            observed=f"{row['read_at_level']} read; risk of bias: {overall}",
            expected="a judgement",
            why="what was not read can neither speak for nor against a study",
        ),
        Check(
            name="figures verified on the page they were read on",
            verdict="pass" if own["verified"].all() else "fail",
            observed=f"{int(own['verified'].sum())} of {len(own)}",
            expected="all",
            why="a figure that is not on its page is not evidence",
        ),
    )
