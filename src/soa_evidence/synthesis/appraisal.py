"""Risk of bias derived: from signalling answers to judgements, by the rules of the tool and by nothing else.

A judgement is never typed. Whoever disagrees changes an answer, and every judgement, table and sentence that
hangs on it changes. A question that what was read does not answer is answered "no information" and stays so.

Tools: ROBINS-I (`robins_i`) for non-randomised studies, RoB 2 (`rob2`) for randomised trials.

When not to use it: to weight studies in a pool (a judgement is no number; see the quality weights of
`bayes`); for studies that compare nothing.

Checked against: every path of the tools' published algorithms and criteria; RoB 2 for every combination of
answers against its tables written a second way (tests/unit/test_appraisal.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, checks_frame
from soa_evidence.synthesis import rob2, robins_i
from soa_evidence.synthesis.bias_tools import ANSWERS, Tool
from soa_evidence.synthesis.studies import require_columns

__all__ = ["TOOLS", "RiskOfBias", "fit"]

TOOLS: dict[str, Tool] = {tool.id: tool for tool in (robins_i.TOOL, rob2.TOOL)}


@dataclass(frozen=True, eq=False, kw_only=True)
class RiskOfBias:
    """Judgements of studies.

    Attributes
    ----------
    domains : DataFrame
        study, tool, domain, name, judgement, decided_by (the answers that decided), because (the reasons
        given with those answers).
    overall : DataFrame
        study, tool, judgement, answered (share of signalling questions that what was read answers).
    checks : tuple of Check
    """

    domains: pd.DataFrame
    overall: pd.DataFrame
    checks: tuple[Check, ...]

    def of(self, study: str) -> str:
        """Return the overall judgement of one study."""
        found = self.overall.set_index("study")["judgement"]
        if study not in found.index:
            raise InputError(
                f"No risk of bias was judged for {study!r}.{nearest(study, found.index)} "
                f"Judged: {', '.join(found.index[:8])}."
            )
        return str(found[study])

    def _repr_html_(self) -> str:
        return "".join(part.to_html(index=False) for part in (self.overall, checks_frame(self.checks)))


def fit(
    answers: pd.DataFrame,
    *,
    study: str = "study_id",
    tool: str = "tool",
    question: str = "question",
    answer: str = "answer",
    reason: str = "reason",
) -> RiskOfBias:
    """Judge every study from its answers, one row a study and question.

    Parameters
    ----------
    study, tool, question, answer, reason
        Columns: the study, ``"ROBINS-I"`` or ``"RoB 2"``, the number of the question, one of `ANSWERS`, why.

    Returns
    -------
    RiskOfBias

    Raises
    ------
    InputError
        On a missing column, no rows, an unknown tool, question or answer, a study with two tools, a question
        answered twice or left without an answer, or an answer without a reason.
    """
    require_columns(answers, [study, tool, question, answer, reason])
    if answers.empty:
        raise InputError("The frame of answers is empty; expected one row a study and signalling question.")
    plain = answers[[study, tool, question, answer, reason]].set_axis(
        ["study", "tool", "question", "answer", "reason"], axis=1
    )
    judged, overall = [], []
    for name, own in plain.groupby("study", sort=False):
        used = _tool(str(name), own)
        given = _answers(str(name), own, used)
        reasons = dict(zip(own["question"].astype(str), own["reason"].astype(str), strict=True))
        verdicts = {}
        for domain in used.domains:
            judgement, decided = domain.judge(given)
            verdicts[domain.id] = judgement
            because = [reasons[q.id] for q in domain.questions if f"{q.id} " in decided]
            judged.append(
                {
                    "study": str(name),
                    "tool": used.id,
                    "domain": domain.id,
                    "name": domain.name,
                    "judgement": judgement,
                    "decided_by": decided,
                    "because": "; ".join(dict.fromkeys(because)),
                }
            )
        asked = [q for q in given if not q.endswith("X")]
        answered = sum(given[q] != "NI" for q in asked) / len(asked)
        overall.append(
            {
                "study": str(name),
                "tool": used.id,
                "judgement": used.overall(verdicts),
                "answered": answered,
            }
        )
    table = pd.DataFrame(overall)
    return RiskOfBias(domains=pd.DataFrame(judged), overall=table, checks=(_check(table),))


def _tool(study: str, own: pd.DataFrame) -> Tool:
    names = list(dict.fromkeys(own["tool"].astype(str)))
    if len(names) > 1:
        raise InputError(
            f"Study '{study}' has answers of {' and '.join(names)}; a study is judged by one tool."
        )
    if names[0] not in TOOLS:
        raise InputError(
            f"Study '{study}': there is no tool {names[0]!r}.{nearest(names[0], TOOLS)} "
            f"Expected one of: {', '.join(TOOLS)}."
        )
    return TOOLS[names[0]]


def _answers(study: str, own: pd.DataFrame, tool: Tool) -> dict[str, str]:
    known = [question.id for domain in tool.domains for question in domain.questions]
    given: dict[str, str] = {}
    for row in own.to_dict("records"):
        number, said = str(row["question"]), str(row["answer"])
        where = f"Study '{study}', question {number}"
        if number not in known:
            raise InputError(
                f"{where}: {tool.id} asks no such question.{nearest(number, known)} "
                f"It asks {', '.join(known[:6])}, …"
            )
        if number in given:
            raise InputError(f"{where} is answered twice ({given[number]} and {said}); keep one answer.")
        if said not in ANSWERS:
            raise InputError(
                f"{where}: the answer is {said!r}.{nearest(said, ANSWERS)} "
                f"Expected one of: {', '.join(ANSWERS)}."
            )
        if pd.isna(row["reason"]) or not str(row["reason"]).strip():
            raise InputError(f"{where} is answered {said} without a reason; say what the answer rests on.")
        given[number] = said
    unanswered = [number for number in known if number not in given]
    if unanswered:
        raise InputError(
            f"Study '{study}': question {unanswered[0]} has no answer ({len(unanswered)} such). "
            "Answer 'NI' where what was read does not say."
        )
    return given


def _check(overall: pd.DataFrame) -> Check:
    share = float(overall["answered"].mean())
    unknown = int((overall["judgement"] == robins_i.NO_INFORMATION).sum())
    return Check(
        name="signalling questions answered from what was read",
        verdict="pass" if share >= 0.8 else "warn",
        observed=f"{share:.0%} on average; {unknown} of {len(overall)} studies without a judgement",
        expected="at least 80%",
        why="a study of which only the abstract was read cannot be called sound, nor unsound",
    )
