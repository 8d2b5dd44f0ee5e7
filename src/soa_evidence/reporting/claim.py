"""A claim weighed: its lines of evidence counted, the strongest of each side, and how certain one may be.

Every claim is put through the same steps. `evidence_lines` puts each line for, against or neither.
`Claim.answer` is a phrase chosen by the counts alone. Certainty is how many of seven questions, asked alike
of every claim, are answered well (`LEVELS`): design, directness, agreement, precision, independence, checks
and signs of bias. Two things cap it whatever the rest: where chance decided nowhere who was treated where, it
is low at most, as in GRADE; where no line compares what the claim speaks of, it is the lowest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import claim_shown, formats, safe
from soa_evidence.reporting.entry import Number
from soa_evidence.reporting.evidence_lines import SIDES, Line, Side, described
from soa_evidence.reporting.numbers import number
from soa_evidence.reporting.sentences import Sentence, given, require_no_digits, sentence
from soa_evidence.reporting.single_results import SINGLE, SingleResults
from soa_evidence.results import Basis, Check

__all__ = ["FIRM", "LEVELS", "QUESTIONS", "Asked", "Claim", "claim"]

METHOD = "reporting.claim"
#: Certainty by the number of the seven questions answered well, best first.
LEVELS: tuple[tuple[int, str], ...] = ((7, "high"), (5, "moderate"), (3, "low"), (0, "very low"))
#: Without a comparison in which chance decided, as if no more than this many were answered well.
OBSERVED = 4
#: The share of specifications that must reach a line's conclusion for it to be called firm.
FIRM = 0.75
QUESTIONS = {
    "design": "Does any line come from a comparison in which chance decided who was treated where?",
    "directness": "Do at least half of the lines compare what the claim speaks of?",
    "agreement": "Do lines take a side, and all the same one?",
    "precision": "Can fewer than half of the lines not tell?",
    "independence": "Do the lines that take a side rest on at least two sources that share no evidence?",
    "checks": "Do fewer than half of the lines rest on a check that warned?",
    "bias": "Were signs of bias looked for, and none found?",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One of the seven questions, whether it is answered well, and what was seen."""

    name: str
    well: bool
    seen: str

    @property
    def question(self) -> str:
        """The question in full."""
        return QUESTIONS[self.name]


@dataclass(frozen=True, eq=False, kw_only=True)
class Claim(bundles.Shown):
    """A claim and all that was weighed about it; make it with `claim`.

    Parameters
    ----------
    id, name, says
        Its id, its name in a few words, and the claim in one sentence.
    lines
        The lines of evidence.
    controls
        Lines on outcomes that the claim should not touch: a difference there is a sign of bias.
    randomised
        Whether chance decided, in any line, who was treated where.
    printed
        Single published results, as `single_results` gives them.
    missing
        What is missing, one thing an item.
    settles, change
        The study that would settle it, and what would change our mind.
    size
        How much is at stake, in people and pounds.
    care
        What a reader of the strongest lines must know beside them: who else does as well, who answered.
    """

    id: str
    name: str
    says: str
    lines: tuple[Line, ...]
    missing: tuple[str, ...]
    settles: str
    change: str
    size: tuple[Sentence, ...] = ()
    care: tuple[Sentence, ...] = ()
    controls: tuple[Line, ...] = ()
    randomised: bool = False
    printed: SingleResults = field(default_factory=SingleResults)

    @cached_property
    def counts(self) -> dict[Side, int]:
        """How many lines lie on each side."""
        return {side: sum(one.side == side for one in self.lines) for side in SIDES}

    @property
    def evidence(self) -> tuple[str, ...]:
        """The names of all packages behind the lines."""
        return tuple(dict.fromkeys(name for one in self.lines for name in one.number.evidence))

    @property
    def basis(self) -> tuple[Basis, ...]:
        """The rows of evidence behind the lines, each choice once."""
        return tuple({basis.id: basis for one in self.lines for basis in one.number.basis}.values())

    @property
    def answer(self) -> str:
        """What the evidence says, in words chosen by the counts alone."""
        told, half = self.counts, len(self.lines) / 2
        if told["for"] and told["against"]:
            said = "The evidence points both ways"
        elif told["for"] or told["against"]:
            verb, other = ("supports", "contradicts") if told["for"] else ("contradicts", "supports")
            most = max(told["for"], told["against"]) >= half
            said = f"{'Most' if most else 'Some'} of the evidence {verb} it and none {other} it"
            opposed = "against" if told["for"] else "for"
            single = bool((self.printed.frame["reading"] == opposed).any())
            said += " (single published results do)" if single else ""
            said += "" if most else ", but most takes no side"
        elif told["small"] > half:
            said = "Any difference is small"
        else:
            said = "We cannot tell"
        return (
            said
            if any(one.direct for one in self.lines)
            else f"{said}; none of it compares what the claim speaks of"
        )

    def strongest(self, side: Side) -> Line | None:
        """Return the line of a side whose nearer limit lies farthest from nothing, direct lines first."""
        own = [one for one in self.lines if one.side == side]
        return max(own, key=lambda one: (one.direct, one.strength), default=None)

    def nearest_to(self, side: Side) -> Line | None:
        """Return, where no line takes `side`, the one whose estimate leans farthest to it (direct first)."""
        sign = 1.0 if side == "for" else -1.0
        leaning = [
            one for one in self.lines if sign * one.estimate > 0 and one.side in ("cannot tell", "small")
        ]
        return max(leaning, key=lambda one: (one.direct, sign * one.estimate), default=None)

    @cached_property
    def sources(self) -> int:
        """How many sources that share no evidence stand behind the lines that take a side."""
        groups: list[set[str]] = []
        for one in self.lines:
            if one.side in ("for", "against"):
                mine = set(one.number.evidence)
                touching = [group for group in groups if group & mine]
                groups = [group for group in groups if not group & mine] + [mine.union(*touching)]
        return len(groups)

    @cached_property
    def asked(self) -> tuple[Asked, ...]:
        """The seven questions and how they are answered."""
        n, told = len(self.lines), self.counts
        direct = sum(one.direct for one in self.lines)
        warned = sum(one.number.verdict == "warn" for one in self.lines)
        sides = bool(told["for"]) + bool(told["against"])
        return (
            Asked(
                name="design",
                well=self.randomised,
                seen="yes" if self.randomised else "no: nobody was allotted by chance",
            ),
            Asked(name="directness", well=2 * direct >= n, seen=f"{direct} of {n} lines"),
            Asked(name="agreement", well=sides == 1, seen=f"{told['for']} for, {told['against']} against"),
            Asked(
                name="precision",
                well=2 * told["cannot tell"] < n,
                seen=f"{told['cannot tell']} of {n} cannot tell",
            ),
            Asked(
                name="independence",
                well=self.sources >= 2,
                seen=f"{self.sources} independent source{'' if self.sources == 1 else 's'}",
            ),
            Asked(name="checks", well=2 * warned < n, seen=f"{warned} of {n} lines"),
            self._bias(),
        )

    def _bias(self) -> Asked:
        moved = [one for one in self.controls if one.strength > 0]
        tried = [one for one in self.lines if one.firm is not None]
        loose = [one for one in tried if (one.firm or 0.0) < FIRM]
        if not self.controls and not tried:
            return Asked(name="bias", well=False, seen="no: nothing that would show it was looked at")
        told = []
        if self.controls:
            told.append(f"{len(moved)} of {len(self.controls)} negative controls differ")
        if tried:
            told.append(
                f"in {len(loose)} of {len(tried)} comparisons fewer than {formats.percent(FIRM)} of the "
                "defensible ways agree with the conclusion"
            )
        return Asked(name="bias", well=not moved and not loose, seen="; ".join(told))

    @property
    def certainty(self) -> str:
        """One of `LEVELS`; low at most if chance decided nothing, the lowest if no line is direct."""
        if not any(one.direct for one in self.lines):
            return LEVELS[-1][1]
        well = sum(one.well for one in self.asked)
        most = well if self.randomised else min(well, OBSERVED)
        return next(word for least, word in LEVELS if most >= least)

    @cached_property
    def numbers(self) -> dict[str, Number]:
        """The counts as numbers of the ledger: all, each side, and how probable one for is by luck alone."""
        shared: dict[str, Any] = {
            "unit": "lines of evidence",
            "method": METHOD,
            "evidence": (*self.evidence, *self.basis),
            "population": f"lines of evidence on the claim: {self.name}",
        }
        made = {"all": number(len(self.lines), id=f"{self.id}.all", estimand="lines weighed", **shared)}
        for side, count in self.counts.items():
            name = safe.slug(side)
            made[name] = number(
                count, id=f"{self.id}.{name}", estimand=f"lines: {SIDES[side].lower()}", **shared
            )
        tails = [(1 - (one.number.level or 0.95)) / 2 for one in self.lines if one.has_interval]
        luck = 1.0
        for tail in tails:
            luck *= 1 - tail
        made["luck"] = number(
            1 - luck,
            id=f"{self.id}.luck",
            estimand="probability of a line for by luck, were nothing different and all independent",
            **(shared | {"unit": "probability"}),
            checks=self.checks,
        )
        return made

    @property
    def checks(self) -> tuple[Check, ...]:
        """What a reader should know of the weighing itself."""
        bare = [one.what for one in self.lines if not one.has_interval]
        return (
            Check(
                name=f"{self.name}: every line has an interval",
                verdict="warn" if bare else "pass",
                observed=f"{len(bare)} without",
                expected="none without",
                why="a number printed without an interval can be put on no side",
            ),
            Check(
                name=f"{self.name}: evidence that compares what the claim speaks of",
                verdict="pass" if any(one.direct for one in self.lines) else "warn",
                observed=f"{sum(one.direct for one in self.lines)} of {len(self.lines)} lines",
                expected="at least one",
                why="indirect evidence may be true and still say nothing of the claim",
            ),
        )

    @property
    def found(self) -> Sentence:
        """What the evidence says, with the counts."""
        n = self.numbers
        return sentence(
            "{answer}. Of {all} lines of evidence: for {pro}, against {con}, cannot tell {ct}, any "
            "difference is small {small}.",
            answer=self.answer, all=n["all"], pro=n["for"], con=n["against"], ct=n["cannot-tell"],
            small=n["small"],
        )  # fmt: skip

    @property
    def by_luck(self) -> Sentence:
        """How easily luck alone would put a line for the claim."""
        return sentence(
            "Were nothing different anywhere and the lines independent, {luck:chance} at least one would "
            "still be for it.",
            luck=self.numbers["luck"],
        )  # fmt: skip

    @property
    def case_for(self) -> Sentence:
        """The strongest evidence for, or the one that leans most that way."""
        return self._side("for")

    @property
    def case_against(self) -> Sentence:
        """The strongest evidence against, or the one that leans most that way."""
        return self._side("against")

    def _side(self, side: Side) -> Sentence:
        best = self.strongest(side)
        if best is not None:
            how = "" if best.direct else " (indirect)"
            small = best.reading.partition(",")[2] if "perhaps" in best.reading else ""
            return sentence("{line}{how}{small}.", line=best.sentence, how=how, small=small and f";{small}")
        near = self.nearest_to(side)
        if near is None:
            return sentence("No line lies on this side, and none leans to it.")
        return sentence(
            "No line lies on this side. The one that leans most to it: {line}{how}; {reading}.",
            line=near.sentence, how="" if near.direct else " (indirect)", reading=near.reading.split(";")[0],
        )  # fmt: skip

    @property
    def printed_counted(self) -> Sentence | None:
        """How many single published results lie on each side; None without any."""
        if self.printed.frame.empty:
            return None
        counted = {}
        for side in SINGLE:
            counted[side] = number(
                int((self.printed.frame["reading"] == side).sum()), id=f"{self.id}.printed-{side}",
                estimand=f"single published results read as {side}", unit="results",
                method="count, as the reports on published studies read them",
                evidence=("published-results", "published-studies", *self.printed.basis),
                population=f"published results on the claim: {self.name}",
            )  # fmt: skip
        return sentence(
            "Single published results: {f} for, {a} against, {n} neither.",
            f=counted["for"], a=counted["against"], n=counted["neither"],
        )  # fmt: skip

    @property
    def printed_said(self) -> Sentence | None:
        """The same, with those against by name."""
        counted = self.printed_counted
        if counted is None:
            return None
        own = self.printed.frame.query("reading == 'against'")["label"]
        names = "; ".join(dict.fromkeys(map(str, own))) or "none"
        return sentence(
            "{counted} Against: {names}.", counted=counted,
            names=given(names, why="names of the studies, from the register of published results"),
        )  # fmt: skip

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        return claim_shown.bundle(self)

    def frame(self) -> pd.DataFrame:
        """Every line, those for first: line, direct, estimate as printed, margin, direction, side, report."""
        order = list(SIDES)
        rows = sorted(self.lines, key=lambda one: (order.index(one.side), -one.estimate))
        return pd.DataFrame(
            [
                {
                    "line": one.what,
                    "direct": "direct" if one.direct else "indirect",
                    "found": f"{described(one)} {one.number.unit}",
                    "supports": f"{one.supports} is for the claim",
                    "margin": one.margin.text,
                    "verdict": one.reading,
                    "report": one.report,
                }
                for one in rows
            ]
        )


def claim(
    id: str,
    *,
    name: str,
    says: str,
    lines: Iterable[Line],
    missing: Iterable[str],
    settles: str,
    change: str,
    size: Iterable[Sentence] = (),
    care: Iterable[Sentence] = (),
    controls: Iterable[Line] = (),
    randomised: bool = False,
    printed: SingleResults | None = None,
) -> Claim:
    """Return a claim weighed; see `Claim` for the parameters.

    Raises
    ------
    InputError
        When there is no line, a number is given twice, nothing is said to be missing, a text is empty, or a
        text holds a figure.
    """
    listed = tuple(lines)
    if safe.slug(id) != id:
        raise InputError(
            f"A claim is called {id!r}; expected lower-case letters, digits and '-', "
            f"such as '{safe.slug(id)}'."
        )
    if not listed:
        raise InputError(f"Claim '{id}' has no line of evidence; a claim is weighed by at least one.")
    ids = [one.number.id for one in listed]
    twice = next((one for one in ids if ids.count(one) > 1), None)
    if twice is not None:
        raise InputError(f"Claim '{id}' weighs number '{twice}' twice; keep one.")
    lacking = tuple(missing)
    if not lacking:
        raise InputError(f"Claim '{id}' says of nothing that it is missing; expected at least one thing.")
    texts = {
        "name": name,
        "says": says,
        "settles": settles,
        "change": change,
        **{f"missing, {m[:20]}": m for m in lacking},
    }
    for what, text in texts.items():
        if not text.strip():
            raise InputError(f"Claim '{id}' has an empty text ({what}); say it in a sentence.")
        require_no_digits(text, f"Claim '{id}', {what},")
    return Claim(
        id=id,
        name=safe.clean(name),
        says=safe.clean(says),
        lines=listed,
        missing=tuple(map(safe.clean, lacking)),
        settles=safe.clean(settles),
        change=safe.clean(change),
        size=tuple(size),
        care=tuple(care),
        controls=tuple(controls),
        randomised=randomised,
        **({} if printed is None else {"printed": printed}),
    )
