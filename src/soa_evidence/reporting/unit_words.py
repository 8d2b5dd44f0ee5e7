"""One unit's outcomes in numbers and sentences: never a position without its interval, nothing without luck.

A sentence here also works for a unit of which little is known; it then says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.numbers import Number, Numbers, number
from soa_evidence.reporting.sentences import Given, Sentence, given, sentence
from soa_evidence.results import Basis, Check

__all__ = [
    "apart", "case_mix_strip", "claim", "covered", "luck_of_the_best", "numbers", "ordinal", "rank_spans",
    "short_names", "summary",
]  # fmt: skip

#: Names of a row's values in the ledger, and their columns.
_VALUES = {
    "unit": ("estimate", "lower", "upper"),
    "class": ("class_estimate", "class_lower", "class_upper"),
    "nation": ("nation", "nation_lower", "nation_upper"),
}
#: Levels of case mix that a reader takes in at a glance, and how they are called.
_LEVELS = {
    ("joint", "knee"): "Knee rather than hip",
    ("procedure", "revision"): "Revision of an earlier replacement",
    ("age_band", "under 50"): "Aged under fifty",
    ("age_band", "80 and over"): "Aged eighty and over",
    ("sex", "female"): "Women",
    ("comorbidities", "0"): "No other condition ticked",
    ("comorbidities", "3"): "Three other conditions",
    ("comorbidities", "4 or more"): "Four or more other conditions",
    ("oxford_pre_band", "0 to 9"): "Worst joint scores before the operation (up to nine)",
    ("oxford_pre_band", "30 to 48"): "Best joint scores before the operation (thirty and over)",
}
_RANKS = ("rank_lower", "rank_upper", "ranked")


class Outcomes(Protocol):
    """What is told of a unit; `units.profile_outcomes.ProfileOutcomesResult` has it."""

    @property
    def table(self) -> pd.DataFrame: ...
    @property
    def absent(self) -> tuple[str, ...]: ...
    @property
    def best_alike(self) -> pd.DataFrame: ...
    @property
    def better(self) -> pd.DataFrame: ...
    @property
    def worse(self) -> pd.DataFrame: ...
    @property
    def by_chance(self) -> float: ...
    @property
    def checks(self) -> tuple[Check, ...]: ...
    def main(self, measured_in: str) -> pd.DataFrame: ...


def ordinal(place: int) -> str:
    """Return a whole number from 1 up as a place in an order: "1st", "12th", "103rd"."""
    if place < 1 or place != int(place):
        raise InputError(f"A place of {place!r} was given; expected a whole number from 1 up.")
    return formats.ordinal(int(place))


def rank_spans(rows: pd.DataFrame) -> list[str]:
    """Return for each row between which places its rank lies, "41st to 190th of 272"; best is 1st."""
    return [
        f"{ordinal(int(row['rank_lower']))} to {ordinal(int(row['rank_upper']))} of {int(row['ranked']):,}"
        for row in rows.to_dict("records")
    ]


def case_mix_strip(mix: pd.DataFrame, *, group: str) -> pd.DataFrame:
    """Return the levels of case mix worth a glance, named, in per cent, for `figures.beside`.

    Parameters
    ----------
    mix : columns factor, level, share, lower, upper, nation
        As `units.profile` tables it.
    group
        Class of the unit, which decides its mark.
    """
    at = mix.set_index(["factor", "level"])
    rows = at.loc[[key for key in _LEVELS if key in at.index]]
    shown = (rows[["share", "lower", "upper", "nation"]] * 100).rename(columns={"share": "estimate"})
    return shown.assign(label=[_LEVELS[key] for key in rows.index], group=group).reset_index(drop=True)


def short_names(outcomes: Iterable[str]) -> list[str]:
    """Return names of outcomes short enough to stay whole on a phone: "Readmission, first hip"."""
    short = []
    for told in outcomes:
        what, _, operation = told.partition(" after ")
        joint = next((joint for joint in ("hip", "knee") if f" {joint} " in f" {operation} "), "")
        kind = f"{joint} revision" if "revision" in operation else f"first {joint}"
        short.append(f"{what.removesuffix(' in the joint score')}, {kind}" if joint else told)
    return short


def numbers(
    result: Outcomes,
    *,
    name: str,
    population: str,
    evidence: Iterable[Any],
    checks: Mapping[str, Iterable[Check]] | None = None,
    rows: Mapping[str, Iterable[Basis]] | None = None,
) -> Numbers:
    """Return the ledger of a unit: ``unit.``, ``class.``, ``nation.`` and rank numbers of every outcome.

    Parameters
    ----------
    name
        The unit's name, the label of its own numbers.
    population
        Whom the numbers speak of; the outcome's name is put before it.
    checks
        By outcome, the checks of the fit that its numbers come from; the result's own are added.
    rows
        By outcome, the rows of the report and of the evidence that its numbers come from.
    """
    made, used = Numbers(), list(evidence)
    for row in result.table.to_dict("records"):
        told, slug = str(row["outcome"]), safe.slug(row["outcome"])
        points = str(row["measured_in"]) == "points"
        shared: dict[str, Any] = {
            "population": f"{told}: {population}",
            "evidence": [*used, *(rows or {}).get(told, ())],
            "method": "units.gaussian" if points else "units.binomial",
            "checks": (*(checks or {}).get(told, ()), *result.checks),
        }
        places = formats.decimals_for(row["lower"], row["upper"])  # the unit's, so that all three read alike
        labels = {"unit": name, "class": str(row["group"]), "nation": "all units"}
        for kind, (estimate, lower, upper) in _VALUES.items():
            made = made | number(
                row[estimate], lower=row[lower], upper=row[upper], level=0.95, interval="credible",
                id=f"{kind}.{slug}", estimand=f"standardised {'mean gain' if points else 'risk'}",
                label=labels[kind], unit=str(row["measured_in"]), decimals=places,
                estimand_kind="these units", **shared,
            )  # fmt: skip
        made = made | number(
            row["patients"], id=f"answers.{slug}", estimand="patients with an answer", label=name,
            unit="patients", **shared,
        )  # fmt: skip
        for column in _RANKS:
            made = made | number(
                row[column], id=f"{column.replace('_', '-')}.{slug}", label=name,
                estimand="units ranked" if column == "ranked" else "limit of the rank, the best being first",
                unit="units" if column == "ranked" else "rank", **shared,
            )  # fmt: skip
    return made


def claim(result: Outcomes, ledger: Numbers, *, measured_in: str) -> Sentence:
    """Tell the main outcome so measured: the unit's value, the nation's, its class's, and its ranks.

    It is the first outcome, in the order given, of the operation that most patients answered for.
    """
    rows = result.main(measured_in)
    if rows.empty:
        return sentence(
            "no answers of patients of this unit allow an outcome measured {what} to be told.",
            what=_words("in points" if measured_in == "points" else measured_in),
        )
    row = rows.iloc[0]
    slug = safe.slug(row["outcome"])
    told = str(row["outcome"])
    what = told[:1].lower() + told[1:]
    where: dict[str, Any] = {
        "own": ledger[f"unit.{slug}"], "nation": ledger[f"nation.{slug}"], "peers": ledger[f"class.{slug}"],
        "low": ledger[f"rank-lower.{slug}"], "high": ledger[f"rank-upper.{slug}"],
        "ranked": ledger[f"ranked.{slug}"], "what": what, "group": str(row["group"]),
    }  # fmt: skip
    opening = (
        "{what}, given the nation's case mix: {own:both} points here, "
        if measured_in == "points"
        else "{what}, given the nation's case mix: {own:both} per 1,000 patients here, "
    )
    return sentence(
        opening + "against {nation} in the nation and {peers} in its class ({group}); its rank lies between "
        "{low:place} and {high:place} of {ranked} units.",
        **where,
    )


def _words(text: str) -> str | Given:
    return given(text, why="what the outcome is measured in") if any(c.isdigit() for c in text) else text


def summary(result: Outcomes, *, population: str, evidence: Iterable[Any]) -> Sentence:
    """Say in how many outcomes the interval leaves out the national average, on each side, beside chance."""
    if result.table.empty:
        return sentence("no outcome of this unit can be compared with the nation.")
    count = _Counts(result, population, evidence)
    return sentence(
        "of {total} outcomes, this unit is clearly better than the national average in {better} and clearly "
        "worse in {worse}: its whole interval lies on that side. Of so many intervals about {luck} miss the "
        "truth by chance; in the other outcomes these answers cannot tell.",
        total=count.all, better=count.of("better"), worse=count.of("worse"), luck=count.luck(),
    )  # fmt: skip


def apart(
    result: Outcomes,
    which: Literal["better", "worse"],
    ledger: Numbers,
    *,
    population: str,
    evidence: Iterable[Any],
) -> Sentence:
    """List the outcomes whose interval leaves out the national average on one side, beside chance."""
    if result.table.empty:
        return sentence("no outcome of this unit can be compared with the nation.")
    count = _Counts(result, population, evidence)
    said = sentence(
        "the whole interval lies on the {which} side of the national average in {n} of {total} outcomes; of "
        "so many intervals about {luck} miss the truth by chance.",
        n=count.of(which), total=count.all, which=which, luck=count.luck(),
    )  # fmt: skip
    for row in (result.better if which == "better" else result.worse).to_dict("records"):
        slug, told = safe.slug(row["outcome"]), str(row["outcome"])
        said = sentence(
            "{said} {what}: {own:both} against {nation} {unit}, from {n} answers.",
            said=said, what=told, n=ledger[f"answers.{slug}"], own=ledger[f"unit.{slug}"],
            nation=ledger[f"nation.{slug}"], unit=_words(str(row["measured_in"])),
        )  # fmt: skip
    return said


class _Counts:
    """Counts of outcomes apart from the nation, as numbers of one ledger."""

    def __init__(self, result: Outcomes, population: str, evidence: Iterable[Any]) -> None:
        self._result = result
        self._shared: dict[str, Any] = {
            "unit": "outcomes", "population": population, "evidence": list(evidence),
            "method": "units.profile_outcomes", "checks": result.checks,
        }  # fmt: skip

    @property
    def all(self) -> Number:
        rows = self._result.table
        return number(len(rows), id="apart.all", estimand="outcomes compared", label="all", **self._shared)

    def of(self, which: Literal["better", "worse"]) -> Number:
        rows = self._result.better if which == "better" else self._result.worse
        told = "outcomes apart from the nation"
        return number(len(rows), id=f"apart.{which}", estimand=told, label=which, **self._shared)

    def luck(self) -> Given:
        shown = formats.fixed(self._result.by_chance, 1)
        return given(shown, why="one in twenty of the outcomes compared, rounded")


def luck_of_the_best(result: Outcomes, *, population: str, evidence: Iterable[Any]) -> Sentence:
    """Say in how many outcomes one of the units alike has the better estimate, and that luck has a part."""
    rows = result.best_alike
    if rows.empty:
        return sentence("no unit with similar patients has an answer in the same outcomes.")
    shared: dict[str, Any] = {
        "unit": "outcomes", "population": population, "evidence": list(evidence),
        "method": "units.profile_outcomes", "checks": result.checks,
    }  # fmt: skip
    ahead = number(
        int(rows["ahead"].sum()), id="alike.ahead", estimand="outcomes in which a unit alike does better",
        label="ahead", **shared,
    )  # fmt: skip
    total = number(
        len(rows), id="alike.all", estimand="outcomes compared with units alike", label="all", **shared
    )
    return sentence(
        "in {ahead} of {total} outcomes the best of the units with the most similar patients has a better "
        "estimate than this unit. Whoever is best of several is so partly by luck: the estimates are drawn "
        "towards the average to allow for it, and another unit may be best next year.",
        ahead=ahead, total=total,
    )  # fmt: skip


def covered(own: Number | None, nation: Number) -> Sentence:
    """Say how many of those operated on answered, here and in the nation, and what follows."""
    if own is None:
        return sentence(
            "how many of its operations led to an answer is not published for this unit ({nation:percent} in "
            "the nation), so how far the answers speak for its patients cannot be told.",
            nation=nation,
        )
    follows = (
        "those who did not answer are fewer here than elsewhere, but may still differ"
        if own.estimate >= nation.estimate
        else "those who did not answer weigh more here than elsewhere: if they fared worse, these figures "
        "flatter this unit more than others"
    )
    return sentence(
        "answers are there for {own:percent} of its eligible operations, against {nation:percent} in the "
        "nation; {follows}.",
        own=own, nation=nation, follows=follows,
    )  # fmt: skip
