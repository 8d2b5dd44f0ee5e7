"""What a tool for risk of bias is: domains of signalling questions, a rule from answers to a judgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["ANSWERS", "Answers", "Domain", "Question", "Tool", "no", "said", "yes"]

#: Answers to signalling questions, in the words of both tools.
ANSWERS = {
    "Y": "yes",
    "PY": "probably yes",
    "PN": "probably no",
    "N": "no",
    "NI": "no information",
    "NA": "not applicable",
}
Answers = Mapping[str, str]
#: From the answers of one domain to its judgement, and the answers that decided it in words.
Rule = Callable[[Answers], tuple[str, str]]


def yes(answer: str) -> bool:
    """Whether an answer is yes or probably yes."""
    return answer in ("Y", "PY")


def no(answer: str) -> bool:
    """Whether an answer is no or probably no."""
    return answer in ("N", "PN")


def said(answers: Answers, *questions: str) -> str:
    """Return "1.4 no, 1.6 no information": the answers that decided."""
    return ", ".join(f"{question} {ANSWERS[answers[question]]}" for question in questions)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A signalling question, in our words."""

    id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A way in which a study may be biased, its questions, and the rule that judges it."""

    id: str
    name: str
    questions: tuple[Question, ...]
    judge: Rule


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool: domains, and how their judgements make the overall one; `levels` from best to worst."""

    id: str
    title: str
    source: str
    levels: tuple[str, ...]
    domains: tuple[Domain, ...]
    overall: Callable[[Mapping[str, str]], str]
