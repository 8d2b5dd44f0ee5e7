"""A register put to its questions: what answers each, what it says together, how certain that is.

For every question: the results taken and left out (`evidence_sets`), the answer where there is one
(`evidence_answer`), the risk of bias of the studies behind it (`appraisal`) and the certainty (`grade`),
computed steps included. Nothing here is typed: whoever changes a result, a signalling answer or a step
changes what comes out.

When not to use it: to make one verdict of several questions, or a count of studies for and against.

Checked against: its parts, and figures worked out from the same papers (tests/reference/published).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates
from soa_evidence.synthesis import appraisal, evidence_answer, evidence_sets, grade
from soa_evidence.synthesis.evidence_answer import Answer
from soa_evidence.synthesis.evidence_sets import EvidenceSet
from soa_evidence.synthesis.studies import require_columns

__all__ = ["Body", "Review", "fit"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Body:
    """The evidence on one question.

    Attributes
    ----------
    asked : Mapping
        The question's row: question, outcome_words, less_words, more_words, unit and the rest.
    evidence, side_by_side : EvidenceSet
        What may be pooled; and all that can be put on one scale, to be shown.
    answer : Answer or None
        None where nothing is pooled and no single result stands for the question.
    absolute : Estimates or None
        Events more per 1,000 in less concentrated care, where a risk is known to start from.
    bias : Mapping
        Overall judgement by study.
    certainty : Certainty
    """

    asked: Mapping[str, Any]
    evidence: EvidenceSet
    side_by_side: EvidenceSet
    answer: Answer | None
    absolute: Estimates | None
    bias: Mapping[str, str]
    certainty: grade.Certainty

    @property
    def pooled(self) -> bool:
        """Whether at least two results were pooled."""
        return self.answer is not None and len(self.answer) > 1

    def words(self, name: str) -> str:
        """Return a text of the question, '' where it is missing."""
        value = self.asked[name]
        return "" if pd.isna(value) else str(value)

    def forest(self) -> pd.DataFrame:
        """Return what is drawn, as a reader sees it, with weights where pooled, row and study."""
        if self.pooled and self.answer is not None:
            table = self.answer.studies
        else:
            table = self.side_by_side.included.copy()
            reach = 1.959963984540054 * table["std_error"].astype(float)
            table = table.assign(lower=table["estimate"] - reach, upper=table["estimate"] + reach)
        kept = [
            "label",
            "estimate",
            "lower",
            "upper",
            "weight_percent",
            "result_id",
            "study_id",
            "provenance",
        ]
        return self._seen(table)[[name for name in kept if name in table.columns]]

    def ways(self) -> pd.DataFrame:
        """Return every average and prediction interval side by side, as a reader sees them."""
        if self.answer is None:
            return pd.DataFrame(columns=["way", "estimate", "lower", "upper"])
        return self._seen(self.answer.ways)

    def _seen(self, table: pd.DataFrame) -> pd.DataFrame:
        if not self.evidence.ratio:
            return table
        columns = ["estimate", "lower", "upper"]
        seen = np.exp(np.clip(table[columns].astype(float), -300, 300))  # beyond it a ratio has no meaning
        return table.assign(**{name: seen[name] for name in columns})


@dataclass(frozen=True, eq=False, kw_only=True)
class Review:
    """The evidence on every question.

    Attributes
    ----------
    bodies : Mapping
        By question id, in the order of the questions.
    bias : RiskOfBias
    checks : tuple of Check
    """

    bodies: Mapping[str, Body]
    bias: appraisal.RiskOfBias
    checks: tuple[Check, ...]

    @property
    def used(self) -> tuple[str, ...]:
        """Ids of the results in any pooled figure."""
        found = [
            str(name)
            for body in self.bodies.values()
            if body.pooled
            for name in body.evidence.included["result_id"]
        ]
        return tuple(sorted(set(found)))

    def about(self, topic: str) -> dict[str, Body]:
        """Return the bodies of one topic."""
        topics = list(dict.fromkeys(str(body.asked["topic"]) for body in self.bodies.values()))
        if topic not in topics:
            raise InputError(
                f"No question is about {topic!r}.{nearest(topic, topics)} Known: {', '.join(topics)}."
            )
        return {name: body for name, body in self.bodies.items() if body.asked["topic"] == topic}


def fit(
    results: pd.DataFrame,
    *,
    questions: pd.DataFrame,
    bias_answers: pd.DataFrame,
    certainty: pd.DataFrame,
    priors: str = "default",
    priors_of_differences: str = "stay_days",
    ratio_that_matters: float = 1.25,
    difference_that_matters: float = 0.5,
    seed: int = 1,
) -> Review:
    """Put a register to its questions.

    Parameters
    ----------
    results
        The register joined with its studies: see `evidence_sets.NEEDED`.
    questions, bias_answers, certainty
        The tables of the package published-appraisal: see there for their columns.
    priors, priors_of_differences
        Names of priors for ratios, and for differences in days.
    ratio_that_matters, difference_that_matters
        The margins beyond which an effect would matter, for imprecision.

    Raises
    ------
    InputError
        As the parts; on a margin that is none, a question without steps of certainty, or a study in a
        question without answers on its risk of bias.
    """
    if not (math.isfinite(ratio_that_matters) and ratio_that_matters > 1):
        raise InputError(
            f"ratio_that_matters is {ratio_that_matters}; expected a ratio above 1, such as 1.25."
        )
    if not (math.isfinite(difference_that_matters) and difference_that_matters > 0):
        raise InputError(f"difference_that_matters is {difference_that_matters}; expected a number above 0.")
    require_columns(certainty, ["question_id", "domain", "steps", "how", "reason"])
    bias = appraisal.fit(bias_answers)
    pooled = evidence_sets.choose(results, questions)
    shown = evidence_sets.choose(results, questions.assign(pool=False))
    bodies = {}
    for row in questions.sort_values("position").to_dict("records"):
        asked = {str(column): value for column, value in row.items()}
        name = str(asked["question_id"])
        answer = _answer(pooled[name], asked, (priors, priors_of_differences), seed)
        about = pooled[name] if answer is not None else shown[name]
        judged = _judgements(bias, about, name)
        margin = math.log(ratio_that_matters) if pooled[name].ratio else difference_that_matters
        bodies[name] = Body(
            asked=asked,
            evidence=pooled[name],
            side_by_side=shown[name],
            answer=answer,
            absolute=_absolute(answer, asked, seed),
            bias=judged,
            certainty=_certainty(certainty, name, asked, answer, pooled[name], judged, margin),
        )
    return Review(bodies=bodies, bias=bias, checks=_checks(bodies, bias))


def _answer(
    evidence: EvidenceSet, asked: Mapping[str, Any], priors: tuple[str, str], seed: int
) -> Answer | None:
    if not evidence.pool or len(evidence) == 0:
        return None
    scale = {"odds ratio": "log odds ratio", "ratio": "log ratio"}.get(str(asked["unit"]), str(asked["unit"]))
    what = f"{scale} of {asked['outcome_words']}" if evidence.ratio else str(asked["outcome_words"])
    return evidence_answer.fit(
        evidence,
        estimand=f"{what}, {asked['less_words']} against {asked['more_words']}",
        unit=scale,
        priors=priors[0] if evidence.ratio else priors[1],
        seed=seed,
    )


def _absolute(answer: Answer | None, asked: Mapping[str, Any], seed: int) -> Estimates | None:
    risk = asked["baseline_per_1000"]
    if answer is None or not answer.ratio or pd.isna(risk):
        return None
    return evidence_answer.absolute(answer, baseline_per_1000=float(risk), seed=seed)


def _judgements(bias: appraisal.RiskOfBias, evidence: EvidenceSet, question: str) -> dict[str, str]:
    # where no result can be put on a scale, the studies that only speak in words or percentages are judged
    taken = evidence.included if len(evidence) else evidence.excluded
    names = list(dict.fromkeys(taken["study_id"]))
    known = set(bias.overall["study"])
    for name in names:
        if name not in known:
            raise InputError(
                f"Question '{question}' rests on study '{name}', of which no risk of bias was judged."
                f"{nearest(name, known)} Answer its signalling questions, with 'NI' where nothing was read."
            )
    return {str(name): bias.of(str(name)) for name in names}


def _certainty(
    certainty: pd.DataFrame,
    question: str,
    asked: Mapping[str, Any],
    answer: Answer | None,
    evidence: EvidenceSet,
    judged: Mapping[str, str],
    margin: float,
) -> grade.Certainty:
    steps = certainty[certainty["question_id"] == question]
    if steps.empty:
        raise InputError(
            f"Question '{question}' has no steps of certainty; judge every domain, with a reason."
        )
    counted = evidence.included["events"]
    return grade.fit(
        steps,
        start=str(asked["start"]),
        bias=judged,
        weights=None if answer is None else answer.weights(),
        i2_percent=None if answer is None or len(answer) < 2 else answer.classical.quantity("I2_percent"),
        studies=None if answer is None else answer.studies,
        interval=None if answer is None else answer.interval,
        margin=margin,
        events=float(counted.sum()) if len(counted) and counted.notna().all() else None,
    )


def _checks(bodies: Mapping[str, Body], bias: appraisal.RiskOfBias) -> tuple[Check, ...]:
    flagged = [
        f"{result} in {name}"
        for name, body in bodies.items()
        for result in body.evidence.included["result_id"]
        if result in _refused(body)
    ]
    unread = sum("no information" in body.bias.values() for body in bodies.values())
    return (
        *bias.checks,
        Check(
            name="no result both taken and left out",
            verdict="fail" if flagged else "pass",
            observed=", ".join(flagged) or "none",
            expected="none",
            why="a flagged figure in a pool would pass on its contradiction",
        ),
        Check(
            name="questions that rest on studies too little read to judge",
            verdict="warn" if unread else "pass",
            observed=f"{unread} of {len(bodies)}",
            expected="none",
            why="what was not read can neither speak for nor against a study",
        ),
    )


def _refused(body: Body) -> set[str]:
    return set(body.evidence.excluded["result_id"])
