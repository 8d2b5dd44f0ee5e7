"""ROBINS-I (2016): risk of bias of non-randomised studies, as questions and rules.

Source: Sterne JAC et al. 2016, BMJ 355:i4919, with the judgement criteria of its detailed guidance (the
tables "reaching risk of bias judgements"). The criteria are words; where they ask how much ("slightly",
"substantially", "only minimally"), our rule reads *probably* as slight and a plain answer as substantial, and
says so here:

- an answer that is missing leaves the domain without a judgement ("no information"), unless another answer
  has made it serious already;
- confounding is never low once it is expected; it is serious when an important domain was not controlled for,
  moderate only when all were, were measured well, and nothing after the start was controlled for;
- missing data are moderate where shares or reasons *probably* differ, serious where they do differ.

The criteria for "critical" (a study too problematic to use) have no signalling question of their own. Here
each domain may carry one, ``<number>.X``, answered "no information" unless someone says otherwise.
The domain of deviations is judged for the effect of assignment, which is what a comparison of places asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from soa_evidence.synthesis.bias_tools import Answers, Domain, Question, Tool, no, said, yes

__all__ = ["LOW", "MODERATE", "NO_INFORMATION", "SERIOUS", "TOOL"]

LOW, MODERATE, SERIOUS, CRITICAL, NO_INFORMATION = "low", "moderate", "serious", "critical", "no information"


def _confounding(a: Answers) -> tuple[str, str]:
    if yes(a["1.X"]):
        return CRITICAL, said(a, "1.X")
    if no(a["1.1"]):
        return LOW, said(a, "1.1")
    if not yes(a["1.1"]):
        return NO_INFORMATION, said(a, "1.1")
    varying = yes(a["1.2"]) and yes(a["1.3"])
    controlled, measured = ("1.7", "1.8") if varying else ("1.4", "1.5")
    if no(a[controlled]):
        return SERIOUS, said(a, "1.1", controlled)
    if no(a[measured]):
        return SERIOUS, said(a, controlled, measured)
    if not varying and yes(a["1.6"]):
        return SERIOUS, said(a, "1.6")
    settled = yes(a[controlled]) and yes(a[measured]) and (varying or no(a["1.6"]))
    if settled:
        return MODERATE, said(a, "1.1", controlled, measured)
    return NO_INFORMATION, said(a, "1.1", controlled, measured, *(() if varying else ("1.6",)))


def _selection(a: Answers) -> tuple[str, str]:
    if yes(a["2.X"]):
        return CRITICAL, said(a, "2.X")
    chosen_later = yes(a["2.1"]) and yes(a["2.2"]) and yes(a["2.3"])
    if chosen_later or no(a["2.4"]):
        which = ("2.1", "2.2", "2.3") if chosen_later else ("2.4",)
        if yes(a["2.5"]):
            return MODERATE, said(a, *which, "2.5")
        if no(a["2.5"]):
            return SERIOUS, said(a, *which, "2.5")
        return NO_INFORMATION, said(a, *which, "2.5")
    harmless = no(a["2.1"]) or no(a["2.2"]) or no(a["2.3"])
    if harmless and yes(a["2.4"]):
        return LOW, said(a, "2.1", "2.4")
    return NO_INFORMATION, said(a, "2.1", "2.4")


def _classification(a: Answers) -> tuple[str, str]:
    if yes(a["3.X"]):
        return CRITICAL, said(a, "3.X")
    for question, bad in (("3.1", no(a["3.1"])), ("3.3", yes(a["3.3"]))):
        if bad:
            return SERIOUS, said(a, question)
    if yes(a["3.1"]) and no(a["3.3"]):
        if yes(a["3.2"]):
            return LOW, said(a, "3.1", "3.2", "3.3")
        if no(a["3.2"]):
            return MODERATE, said(a, "3.1", "3.2", "3.3")
    return NO_INFORMATION, said(a, "3.1", "3.2", "3.3")


def _deviations(a: Answers) -> tuple[str, str]:
    if yes(a["4.X"]):
        return CRITICAL, said(a, "4.X")
    if no(a["4.1"]):
        return LOW, said(a, "4.1")
    if yes(a["4.1"]):
        if yes(a["4.2"]):
            return SERIOUS, said(a, "4.1", "4.2")
        if a["4.2"] == "PN":
            return MODERATE, said(a, "4.1", "4.2")
        if a["4.2"] == "N":
            return LOW, said(a, "4.1", "4.2")
    return NO_INFORMATION, said(a, "4.1", "4.2")


def _missing(a: Answers) -> tuple[str, str]:
    if yes(a["5.X"]):
        return CRITICAL, said(a, "5.X")
    if yes(a["5.1"]) and no(a["5.2"]) and no(a["5.3"]):
        return LOW, said(a, "5.1", "5.2", "5.3")
    lost = [q for q, bad in (("5.1", no(a["5.1"])), ("5.2", yes(a["5.2"])), ("5.3", yes(a["5.3"]))) if bad]
    if not lost:
        return NO_INFORMATION, said(a, "5.1", "5.2", "5.3")
    for question in ("5.4", "5.5"):
        if yes(a[question]):
            return LOW, said(a, *lost, question)
    if no(a["5.4"]) and no(a["5.5"]):
        return (MODERATE if a["5.4"] == "PN" else SERIOUS), said(a, *lost, "5.4", "5.5")
    return NO_INFORMATION, said(a, *lost, "5.4", "5.5")


def _measurement(a: Answers) -> tuple[str, str]:
    if yes(a["6.X"]):
        return CRITICAL, said(a, "6.X")
    if no(a["6.3"]):
        return SERIOUS, said(a, "6.3")
    if yes(a["6.4"]):
        return SERIOUS, said(a, "6.4")
    if a["6.1"] == "Y" and yes(a["6.2"]):
        return SERIOUS, said(a, "6.1", "6.2")
    if yes(a["6.3"]) and no(a["6.4"]):
        if no(a["6.1"]) or no(a["6.2"]):
            return LOW, said(a, "6.1", "6.2", "6.3", "6.4")
        if a["6.1"] == "PY" and yes(a["6.2"]):
            return MODERATE, said(a, "6.1", "6.2", "6.3", "6.4")
    return NO_INFORMATION, said(a, "6.1", "6.2", "6.3", "6.4")


def _reporting(a: Answers) -> tuple[str, str]:
    if yes(a["7.X"]):
        return CRITICAL, said(a, "7.X")
    asked = ("7.1", "7.2", "7.3")
    bad = [question for question in asked if yes(a[question])]
    if bad:
        return SERIOUS, said(a, *bad)
    if all(a[question] == "N" for question in asked):
        return LOW, said(a, *asked)
    if all(no(a[question]) for question in asked):
        return MODERATE, said(a, *asked)
    return NO_INFORMATION, said(a, *asked)


def _overall(judged: Mapping[str, str]) -> str:
    found = set(judged.values())
    for level in (CRITICAL, SERIOUS, NO_INFORMATION, MODERATE):
        if level in found:
            return level
    return LOW


def _questions(*pairs: tuple[str, str]) -> tuple[Question, ...]:
    return tuple(Question(id=id, text=text) for id, text in pairs)


def _critical(number: int, text: str) -> tuple[str, str]:
    return (f"{number}.X", f"Criterion for critical: {text}")


TOOL = Tool(
    id="ROBINS-I",
    title="ROBINS-I, risk of bias in non-randomised studies of interventions (2016)",
    source="Sterne et al. 2016, BMJ 355:i4919",
    levels=(LOW, MODERATE, SERIOUS, CRITICAL, NO_INFORMATION),
    domains=(
        Domain(
            id="1",
            name="confounding",
            judge=_confounding,
            questions=_questions(
                ("1.1", "May the effect of the intervention be confounded?"),
                ("1.2", "Was follow-up split by the intervention received?"),
                ("1.3", "Did switches of intervention follow from what foretells the outcome?"),
                ("1.4", "Did a suitable analysis control for every important confounder?"),
                ("1.5", "Were the confounders controlled for measured validly and reliably?"),
                ("1.6", "Was anything controlled for that the intervention may have changed?"),
                ("1.7", "Were confounders that change over time controlled for suitably as well?"),
                ("1.8", "Were those measured validly and reliably?"),
                _critical(1, "confounding cannot be controlled at all, or negative controls show it"),
            ),
        ),
        Domain(
            id="2",
            name="selection of participants",
            judge=_selection,
            questions=_questions(
                ("2.1", "Were participants chosen by what was seen after the intervention began?"),
                ("2.2", "Is what they were chosen by tied to the intervention?"),
                ("2.3", "Is it influenced by the outcome or its causes?"),
                ("2.4", "Do follow-up and intervention begin together for most?"),
                ("2.5", "Was selection corrected for by suitable adjustment?"),
                _critical(2, "selection strongly tied to intervention and outcome, and beyond adjustment"),
            ),
        ),
        Domain(
            id="3",
            name="classification of interventions",
            judge=_classification,
            questions=_questions(
                ("3.1", "Were the groups clearly defined?"),
                ("3.2", "Was what defines them recorded at the start of the intervention?"),
                ("3.3", "Could knowing the outcome, or its risk, have swayed the classification?"),
                _critical(3, "an extreme share was put into the wrong group"),
            ),
        ),
        Domain(
            id="4",
            name="deviations from the intended intervention",
            judge=_deviations,
            questions=_questions(
                ("4.1", "Were there deviations beyond usual practice?"),
                ("4.2", "Were they unequal between groups and likely to sway the outcome?"),
                _critical(4, "large unequal deviations, not dealt with"),
            ),
        ),
        Domain(
            id="5",
            name="missing data",
            judge=_missing,
            questions=_questions(
                ("5.1", "Are outcomes there for all, or nearly all, participants?"),
                ("5.2", "Were participants left out for want of data on the intervention?"),
                ("5.3", "Were participants left out for want of other data?"),
                ("5.4", "Are shares and reasons of what is missing alike in the groups?"),
                ("5.5", "Is it shown that missing data do not change the result?"),
                _critical(5, "critical differences in what is missing, not dealt with"),
            ),
        ),
        Domain(
            id="6",
            name="measurement of the outcome",
            judge=_measurement,
            questions=_questions(
                ("6.1", "Could knowing the intervention sway the measurement?"),
                ("6.2", "Did those who assessed the outcome know the intervention?"),
                ("6.3", "Was the outcome assessed the same way in all groups?"),
                ("6.4", "Were errors of measurement tied to the intervention?"),
                _critical(6, "assessed so differently that groups cannot be compared"),
            ),
        ),
        Domain(
            id="7",
            name="selection of the reported result",
            judge=_reporting,
            questions=_questions(
                ("7.1", "Was the result probably picked from several measurements of the outcome?"),
                ("7.2", "Was it probably picked from several analyses?"),
                ("7.3", "Was it probably picked from several subgroups?"),
                _critical(7, "strong suspicion that results withheld are very different"),
            ),
        ),
    ),
    overall=_overall,
)
