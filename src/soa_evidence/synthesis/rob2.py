"""RoB 2 (2019): risk of bias of randomised trials, as questions and the tool's own algorithms.

Source: Sterne JAC et al. 2019, BMJ 366:l4898, and the algorithms of its detailed guidance (22 August 2019),
for parallel-group trials and the effect of assignment. The tool lets an assessor call a trial high overall
for several "some concerns" together; that is a judgement, not an algorithm, and is not made here.
"""

from __future__ import annotations

from collections.abc import Mapping

from soa_evidence.synthesis.bias_tools import Answers, Domain, Question, Tool, no, said, yes

__all__ = ["HIGH", "LOW", "SOME", "TOOL"]

LOW, SOME, HIGH = "low", "some concerns", "high"


def _randomisation(a: Answers) -> tuple[str, str]:
    if no(a["1.2"]):
        return HIGH, said(a, "1.2")
    if not yes(a["1.2"]):
        return (HIGH if yes(a["1.3"]) else SOME), said(a, "1.2", "1.3")
    if no(a["1.1"]):
        return SOME, said(a, "1.1", "1.2")
    return (SOME if yes(a["1.3"]) else LOW), said(a, "1.1", "1.2", "1.3")


def _trial_context(a: Answers) -> tuple[str, str]:
    if no(a["2.1"]) and no(a["2.2"]):
        return LOW, said(a, "2.1", "2.2")
    if no(a["2.3"]):
        return LOW, said(a, "2.3")
    if not yes(a["2.3"]):
        return SOME, said(a, "2.3")
    if no(a["2.4"]):
        return SOME, said(a, "2.3", "2.4")
    return (SOME if yes(a["2.5"]) else HIGH), said(a, "2.3", "2.4", "2.5")


def _deviations(a: Answers) -> tuple[str, str]:
    first, why = _trial_context(a)
    if yes(a["2.6"]):
        second, also = LOW, said(a, "2.6")
    else:
        second, also = (SOME if no(a["2.7"]) else HIGH), said(a, "2.6", "2.7")
    worst = max((first, second), key=TOOL_LEVELS.index)
    return worst, f"{why}; {also}"


def _missing(a: Answers) -> tuple[str, str]:
    for question, good in (("3.1", yes(a["3.1"])), ("3.2", yes(a["3.2"])), ("3.3", no(a["3.3"]))):
        if good:
            return LOW, said(a, question)
    return (SOME if no(a["3.4"]) else HIGH), said(a, "3.1", "3.3", "3.4")


def _measurement(a: Answers) -> tuple[str, str]:
    for question in ("4.1", "4.2"):
        if yes(a[question]):
            return HIGH, said(a, question)
    # not knowing whether groups were measured alike keeps the best judgement out of reach
    best = LOW if no(a["4.2"]) else SOME
    for question in ("4.3", "4.4"):
        if no(a[question]):
            return best, said(a, "4.2", question)
    return (SOME if no(a["4.5"]) else HIGH), said(a, "4.3", "4.4", "4.5")


def _reporting(a: Answers) -> tuple[str, str]:
    for question in ("5.2", "5.3"):
        if yes(a[question]):
            return HIGH, said(a, question)
    settled = no(a["5.2"]) and no(a["5.3"]) and yes(a["5.1"])
    return (LOW if settled else SOME), said(a, "5.1", "5.2", "5.3")


TOOL_LEVELS = (LOW, SOME, HIGH)


def _overall(judged: Mapping[str, str]) -> str:
    return max(judged.values(), key=TOOL_LEVELS.index)


def _questions(*pairs: tuple[str, str]) -> tuple[Question, ...]:
    return tuple(Question(id=id, text=text) for id, text in pairs)


TOOL = Tool(
    id="RoB 2",
    title="RoB 2, risk of bias in randomised trials (2019)",
    source="Sterne et al. 2019, BMJ 366:l4898",
    levels=TOOL_LEVELS,
    domains=(
        Domain(
            id="1",
            name="randomisation",
            judge=_randomisation,
            questions=_questions(
                ("1.1", "Was the sequence of allocation random?"),
                ("1.2", "Was it concealed until participants had been enrolled and assigned?"),
                ("1.3", "Do differences at the start suggest that randomisation went wrong?"),
            ),
        ),
        Domain(
            id="2",
            name="deviations from the intended interventions",
            judge=_deviations,
            questions=_questions(
                ("2.1", "Did participants know their intervention?"),
                ("2.2", "Did carers and those who delivered it know?"),
                ("2.3", "Were there deviations because there was a trial?"),
                ("2.4", "Were they likely to have swayed the outcome?"),
                ("2.5", "Were they alike in the groups?"),
                ("2.6", "Was the effect of assignment analysed suitably?"),
                ("2.7", "If not, could that have changed the result much?"),
            ),
        ),
        Domain(
            id="3",
            name="missing outcome data",
            judge=_missing,
            questions=_questions(
                ("3.1", "Are outcomes there for all, or nearly all, randomised?"),
                ("3.2", "Is it shown that missing data did not bias the result?"),
                ("3.3", "Could what is missing depend on its own value?"),
                ("3.4", "Is it likely that it did?"),
            ),
        ),
        Domain(
            id="4",
            name="measurement of the outcome",
            judge=_measurement,
            questions=_questions(
                ("4.1", "Was the way of measuring unsuitable?"),
                ("4.2", "Could it have differed between the groups?"),
                ("4.3", "Did assessors know the intervention?"),
                ("4.4", "Could knowing it have swayed them?"),
                ("4.5", "Is it likely that it did?"),
            ),
        ),
        Domain(
            id="5",
            name="selection of the reported result",
            judge=_reporting,
            questions=_questions(
                ("5.1", "Does the analysis follow a plan made before the data were seen?"),
                ("5.2", "Was the result probably picked from several measurements?"),
                ("5.3", "Was it probably picked from several analyses?"),
            ),
        ),
    ),
    overall=_overall,
)
