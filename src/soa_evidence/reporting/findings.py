"""Findings as a reader meets them: a sentence a question, a summary of findings, both sides of the case."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import figures, formats, records, words
from soa_evidence.reporting.numbers import Numbers, number
from soa_evidence.reporting.numbers import numbers as numbers_of
from soa_evidence.reporting.sentences import Given, Sentence, given, sentence
from soa_evidence.reporting.tables import Table, table

__all__ = ["certainty", "claim", "forest", "ledger", "numbers", "summary"]

#: Sides of every forest, in the one direction of coded effects.
SIDES = ("worse", "better where care is concentrated")


class Body(Protocol):
    """What is shown of the evidence on one question; `synthesis.evidence_review.Body` has it."""

    @property
    def asked(self) -> Mapping[str, Any]: ...
    @property
    def evidence(self) -> Any: ...
    @property
    def side_by_side(self) -> Any: ...
    @property
    def answer(self) -> Any: ...
    @property
    def absolute(self) -> Any: ...
    @property
    def certainty(self) -> Any: ...
    @property
    def pooled(self) -> bool: ...
    def words(self, name: str) -> str: ...
    def forest(self) -> pd.DataFrame: ...
    def ways(self) -> pd.DataFrame: ...


def numbers(bodies: Mapping[str, Body], *, population: str, evidence: Iterable[Any]) -> Numbers:
    """Return the ledger of every answer: effect, absolute, chance, studies, each ``<kind>.<question>``.

    The population of each number names the rows of the register that it was made from.
    """
    made, used = Numbers(), list(evidence)
    for name, body in bodies.items():
        answer = body.answer
        if answer is None:
            continue
        rows = ", ".join(answer.studies["result_id"])
        of_these = {"result_id": answer.studies["result_id"], "study_id": answer.studies["study_id"]}
        shared: dict[str, Any] = {
            "population": f"{population}, rows {rows}",
            "evidence": records.among(used, **of_these, question_id=[name]),
        }
        transform: Literal["exp"] | None = "exp" if body.evidence.ratio else None
        made = made | numbers_of(
            answer.estimate, id=f"effect.{name}", transform=transform, unit=body.words("unit"), **shared
        )
        if answer.new_study is not None:
            made = made | numbers_of(
                answer.new_study, id=f"new.{name}", transform=transform, unit=body.words("unit"), **shared
            )
        if body.absolute is not None:
            made = made | numbers_of(body.absolute, id=f"absolute.{name}", **shared)
        chance = answer.above_none()
        if chance is not None:
            made = made | number(
                chance,
                id=f"chance.{name}",
                estimand=f"probability that the average favours {body.words('more_words')}",
                label=body.words("outcome_words"),
                unit="probability",
                like=answer.estimate,
                **shared,
            )
        made = made | number(
            answer.studies["study_id"].nunique(),
            id=f"studies.{name}",
            estimand="studies behind the answer",
            label=body.words("question"),
            unit="studies",
            like=answer.estimate,
            **shared,
        )
    return made


def _found(body: Body, ledger: Mapping[str, Any], name: str, margin: float) -> words.Verdict:
    effect = ledger[f"effect.{name}.pooled"]
    low, high = effect.lower, effect.upper
    if body.evidence.ratio:
        low, high, margin = math.log(low), math.log(high), math.log(margin)
    return words.difference(
        low, high, margin=margin, better="higher", subject=f"patients of {body.words('more_words')}"
    )


def _asked(body: Body, name: str) -> Given:
    return given(body.words(name), why="words of the question, asked beforehand")


def claim(body: Body, ledger: Mapping[str, Any], *, name: str, margin: float) -> Sentence:
    """Say what the studies of one question show: absolute first, then relative, what may be said, certainty.

    Parameters
    ----------
    ledger
        From `numbers`.
    name
        The question's id.
    margin
        The smallest effect that would matter: a ratio above 1, or a difference above 0.
    """
    values: dict[str, object] = {
        "less": _asked(body, "less_words"),
        "more": _asked(body, "more_words"),
        "effect": ledger[f"effect.{name}.pooled"],
        "found": _found(body, ledger, name, margin),
        "level": body.certainty.level,
        "n": ledger[f"studies.{name}"],
        "noun": "study" if ledger[f"studies.{name}"].estimate == 1 else "studies",
    }
    if not body.evidence.ratio:
        told = "Patients of {less} stayed {effect:both} days longer than patients of {more}"
    elif f"absolute.{name}.pooled" in ledger:
        values |= {"absolute": ledger[f"absolute.{name}.pooled"], "what": _asked(body, "outcome_words")}
        values |= {"unit": body.words("unit")}
        told = (
            "per 1,000 patients, there were about {absolute:fewer} {what} in {less} than in {more}; the data "
            "are consistent with {absolute:fewer between} ({unit} {effect:both})"
        )
    else:
        values |= {"what": _asked(body, "outcome_words")}
        told = (
            "the odds of {what} in {less} were {effect:both} times those in {more}"
            if body.words("unit") == "odds ratio"
            else "{what} were {effect:both} times as frequent in {less} as in {more}"
        )
    if f"chance.{name}" in ledger:
        values["chance"] = ledger[f"chance.{name}"]
        told += ". Taken at face value, {found}; {chance:chance} the average favours {more} at all"
    else:
        told += ". Taken at face value, {found}"
    told += ". It rests on {n} {noun}; certainty is {level}."
    if body.words("caveat"):
        values["caveat"] = _asked(body, "caveat")
        told += " Bear in mind: {caveat}."
    return sentence(told, **values)


def forest(
    body: Body, ledger: Mapping[str, Any], *, name: str, margin: float, studies: pd.DataFrame
) -> figures.Figure:
    """Draw the studies of one question, what they give together where pooled, and where each is from.

    Parameters
    ----------
    studies : columns study_id, citation, doi
        Joined to the numbers behind the figure, so that each leads to its paper and row.
    """
    drawn = body.forest().merge(
        studies[["study_id", "citation", "doi"]], on="study_id", validate="many_to_one"
    )
    question = body.words("question")
    title: str | Sentence = question
    if body.answer is not None:
        title = sentence(
            "{question} {found}",
            question=_asked(body, "question"),
            found=_sentence_start(_found(body, ledger, name, margin).phrase),
        )
    together = body.ways() if body.pooled else None
    kept = None if together is None else _drawn(together)
    alone = "squares: studies, not pooled" if kept is None else (
        "squares: studies by their weight in REML; diamonds: averages; brackets: a new study"
    )  # fmt: skip
    unit = body.words("unit")
    return figures.study_forest(
        drawn,
        kept,
        unit_text=f"{unit}, less against more concentrated care" if body.evidence.ratio else f"{unit} longer",
        id=name,
        title=title,
        subtitle=f"{body.words('less_words')} against {body.words('more_words')}, 95% intervals; {alone}",
        ratio=bool(body.evidence.ratio),
        sides=SIDES,
    )


def _drawn(ways: pd.DataFrame) -> pd.DataFrame:
    """Leave to the table what would only crowd the picture: the common effect, and the narrower of two t."""
    crowd = ways["way"].str.contains("common effect")
    if ways["way"].str.contains("k − 2", regex=False).any():
        crowd |= ways["way"].str.contains("k − 1", regex=False)
    return ways[~crowd]


def _sentence_start(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def summary(bodies: Mapping[str, Body], *, id: str, title: str) -> Table:
    """Return the summary of findings: one row a question, effects and certainty."""
    if not bodies:
        raise InputError(f"Table '{id}': there is no question to summarise.")
    rows = []
    for body in bodies.values():
        answer, certainty = body.answer, body.certainty
        taken = body.evidence.included if answer is not None else body.side_by_side.included
        people = taken["n"].astype(float) if len(taken) else pd.Series(dtype=float)
        known = len(people) and people.notna().all()
        rows.append(
            {
                "question": body.words("question"),
                "certainty": f"{certainty.symbol} {certainty.level}",
                "studies": str(taken["study_id"].nunique()),
                "patients": formats.fixed(float(people.sum()), 0) if known else "not all printed",
                "relative": _relative(body),
                "absolute": _absolute(body),
            }
        )
    return table(
        pd.DataFrame(rows),
        id=id,
        title=title,
        labels={
            "question": "Question",
            "certainty": "Certainty",
            "studies": "Studies",
            "patients": "Patients",
            "relative": "Effect, less against more concentrated care",
            "absolute": "Per 1,000 patients, less against more",
        },
    )


def certainty(bodies: Mapping[str, Body], *, id: str, title: str) -> Table:
    """Return every step of certainty with its reason: where it starts, what was taken off, where it ends."""
    rows = []
    for body in bodies.values():
        derived, question = body.certainty, body.words("question")
        rows.append((question, "start, by design", "–", f"{derived.start}: {body.words('start')} studies"))
        for row in derived.steps.itertuples():
            step = "0" if row.steps == 0 else f"{'−' if row.steps < 0 else '+'}{abs(row.steps)}"
            rows.append(("", row.domain, step, f"{row.reason} ({row.how})"))
        rows.append(("", "certainty", derived.symbol, derived.level))
    return table(
        pd.DataFrame(rows, columns=["question", "domain", "step", "reason"]),
        id=id,
        title=title,
        labels={"question": "Question", "domain": "Domain", "step": "Step", "reason": "Why"},
        fold=False,
    )


def _relative(body: Body) -> str:
    if body.answer is None:
        return f"not pooled: {body.words('not_pooled_because')}"
    shown = body.answer.estimate.table(transform="exp" if body.evidence.ratio else None).iloc[0]
    places = formats.decimals_for(shown["lower"], shown["upper"])
    limits = formats.span(formats.fixed(shown["lower"], places), formats.fixed(shown["upper"], places))
    figure = f"{formats.fixed(shown['estimate'], places)} ({limits})"
    return (
        f"{body.words('unit')} {figure}" if body.evidence.ratio else f"{figure} {body.words('unit')} longer"
    )


def _absolute(body: Body) -> str:
    if body.answer is None or not body.evidence.ratio:
        return "–"
    if body.absolute is None:
        return "no risk to start from was read"
    shown = body.absolute.table().iloc[0]
    places = formats.decimals_for(shown["lower"], shown["upper"])
    low, high = (_more(shown[name], places) for name in ("lower", "upper"))
    risk = formats.fixed(float(body.asked["baseline_per_1000"]), 1)
    size = f"{_more(shown['estimate'], places)} ({low} to {high})"
    return f"{size}, at a risk of {risk} [{body.words('baseline_result')}]"


def _more(value: float, places: int) -> str:
    return f"{formats.fixed(abs(value), places)} {'fewer' if value < 0 else 'more'}"


def ledger(readings: pd.DataFrame, *, id: str, title: str) -> Table:
    """Set evidence for and evidence against side by side, by outcome.

    Parameters
    ----------
    readings
        From `evidence_sets.readings`: one row a result. Main contrasts that read for, against or neither are
        shown.
    """
    needed = ("reading", "outcome", "label", "effect", "estimate", "lower", "upper", "result_id", "note",
              "main_contrast")  # fmt: skip
    for column in needed:
        if column not in readings.columns:
            raise InputError(f"Table '{id}' has no column {column!r}.{nearest(column, readings.columns)}")
    sides = ("for", "against", "neither")
    used = readings[readings["reading"].isin(sides) & readings["main_contrast"]]
    if used.empty:
        raise InputError(f"Table '{id}': no result reads for, against or neither.")
    rows = []
    for outcome in dict.fromkeys(used["outcome"]):
        own = used[used["outcome"] == outcome]
        cells = {side: _entries(own[own["reading"] == side]) for side in sides}
        rows.append({"outcome": _sentence_start(str(outcome)), **cells})
    return table(
        pd.DataFrame(rows),
        id=id,
        title=title,
        labels={
            "outcome": "Outcome",
            "for": "For: better where care is more concentrated",
            "against": "Against: worse there",
            "neither": "Neither: no difference shown",
        },
        fold=False,
    )


def _entries(own: pd.DataFrame) -> str:
    parts = []
    for row in own.to_dict("records"):
        if pd.isna(row["estimate"]) and pd.notna(row["effect"]):
            figure = f"{formats.fixed(row['effect'], 2)}, without interval"
        elif pd.isna(row["estimate"]):
            told = str(row["note"])
            figure = f"{told[:1].lower()}{told[1:]}"
        else:
            places = formats.decimals_for(row["lower"], row["upper"])
            low, high = formats.fixed(row["lower"], places), formats.fixed(row["upper"], places)
            figure = f"{formats.fixed(row['estimate'], places)} ({formats.span(low, high)})"
        parts.append(f"{row['label']}: {figure} [{row['result_id']}]")
    return "; ".join(parts) if parts else "–"
