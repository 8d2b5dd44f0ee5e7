"""Lines of evidence, and the one rule by which each is for a claim, against it, or neither.

A line is a published `Number` and the direction in which it would support a claim. Its interval is turned so
that positive is for the claim, and measured in margins: the smallest amount that matters, which depends on
the number's unit alone (`MARGINS`). Then, the same for every claim (`words.difference`):

* the whole interval within one margin of nothing: *small*;
* else the whole interval on the claim's side of nothing: *for*; on the other side: *against*;
* else, and for a number printed without an interval: *cannot tell*.

A claim can choose neither margin nor rule. Turned round, *for* becomes *against*, and nothing else changes.
Numbers made from synthetic data are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import formats, safe, words
from soa_evidence.reporting.entry import Number
from soa_evidence.reporting.published_report import PublishedReport
from soa_evidence.reporting.sentences import Given, Sentence, given, sentence

__all__ = ["MARGINS", "SIDES", "Line", "Margin", "Side", "line", "lines"]

Side = Literal["for", "against", "small", "cannot tell"]
#: The sides in the order they are counted, with the words that head them.
SIDES: dict[Side, str] = {
    "for": "For",
    "against": "Against",
    "cannot tell": "Cannot tell",
    "small": "Any difference is small",
}
_SIDE_OF: dict[str, Side] = {
    "better_clearly": "for",
    "better": "for",
    "small": "small",
    "not_worse": "cannot tell",
    "unclear": "cannot tell",
    "not_better": "cannot tell",
    "worse": "against",
    "worse_clearly": "against",
}
_READING = {
    "better_clearly": "for, by an amount that matters",
    "better": "for, perhaps by too little to matter",
    "small": "any difference is small",
    "not_worse": "cannot tell; the contrary, by an amount that matters, is ruled out",
    "unclear": "cannot tell",
    "not_better": "cannot tell; support by an amount that matters is ruled out",
    "worse": "against, perhaps by too little to matter",
    "worse_clearly": "against, by an amount that matters",
}
_NO_INTERVAL = "cannot tell: printed without an interval"


@dataclass(frozen=True, kw_only=True)
class Margin:
    """The smallest amount that matters for numbers of a unit; of a ratio, the factor away from one."""

    size: float
    ratio: bool
    why: str

    @property
    def text(self) -> str:
        """The margin in words."""
        return f"a factor of {self.size:.3g}" if self.ratio else f"{self.size:.3g}"


_RATIO = Margin(
    size=1.25, ratio=True, why="a quarter more or a fifth less, as the reports on published studies"
)
#: The margin of each unit, the same for every claim; most are those of the reports behind the numbers.
MARGINS: dict[str, Margin] = {
    "per 1,000 patients": Margin(size=5.0, ratio=False, why="the margin of the reports on hospitals"),
    "per 1,000 procedures": Margin(size=5.0, ratio=False, why="as of patients"),
    "points": Margin(size=1.0, ratio=False, why="the margin of the reports on gain in the joint score"),
    "units of the score": Margin(size=1.0, ratio=False, why="as of points"),
    "of the index": Margin(size=0.02, ratio=False, why="the margin of the reports on gain in general health"),
    "per 1,000 operations": Margin(size=5.0, ratio=False, why="the margin of the reports on volume"),
    "odds ratio": _RATIO,
    "hazard ratio": _RATIO,
    "risk ratio": _RATIO,
    "ratio": _RATIO,
    "days": Margin(size=0.5, ratio=False, why="the margin of the reports on published studies"),
    "log odds": Margin(size=math.log(1.25), ratio=False, why="the same as of a ratio, on its logarithm"),
    "% of the price": Margin(size=5.0, ratio=False, why="a twentieth of the price"),
    "% change": Margin(size=5.0, ratio=False, why="a twentieth"),
    "standard deviations": Margin(size=0.1, ratio=False, why="half of what is often called a small effect"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """One line of evidence about a claim.

    Parameters
    ----------
    number
        The published number.
    what
        What it is about, in a few words.
    supports
        Whether a lower or a higher value supports the claim.
    direct
        Whether it compares what the claim speaks of.
    agreeing, specifications
        Of how many defensible ways to make the comparison how many reach the same conclusion, where its
        report counted them; both None otherwise.
    """

    number: Number
    what: str
    supports: Literal["lower", "higher"]
    direct: bool
    agreeing: Number | None = None
    specifications: Number | None = None

    @property
    def margin(self) -> Margin:
        """The margin of its unit."""
        return MARGINS[self.number.unit]

    @property
    def has_interval(self) -> bool:
        """Whether it was published with an interval."""
        return self.number.lower is not None

    def in_margins(self, value: float) -> float:
        """Return `value` as a distance from nothing in margins, positive for the claim."""
        margin = self.margin
        away = math.log(value) / math.log(margin.size) if margin.ratio else value / margin.size
        return -away if self.supports == "lower" else away

    @property
    def interval(self) -> tuple[float, float]:
        """The limits in margins, the worse for the claim first; the estimate twice where none was printed."""
        if self.number.lower is None or self.number.upper is None:
            return (self.estimate, self.estimate)
        ends = self.in_margins(self.number.lower), self.in_margins(self.number.upper)
        return min(ends), max(ends)

    @property
    def estimate(self) -> float:
        """The estimate in margins, positive for the claim."""
        return self.in_margins(self.number.estimate)

    @property
    def code(self) -> str:
        """What `words.difference` makes of the interval; ``"no interval"`` without one."""
        if not self.has_interval:
            return "no interval"
        worst, best = self.interval
        return words.difference(worst, best, margin=1.0, better="higher").code

    @property
    def side(self) -> Side:
        """Where the rule puts it."""
        return _SIDE_OF.get(self.code, "cannot tell")

    @property
    def reading(self) -> str:
        """The side, told more finely."""
        return _READING.get(self.code, _NO_INTERVAL)

    @property
    def strength(self) -> float:
        """How far the limit nearer to nothing lies from it, in margins; 0 when the interval holds nothing."""
        worst, best = self.interval
        return max(worst, 0.0) + max(-best, 0.0) if self.has_interval else 0.0

    @property
    def firm(self) -> float | None:
        """Share of the specifications that reach the same conclusion; None where they were not counted."""
        if self.agreeing is None or self.specifications is None or not self.specifications.estimate:
            return None
        return self.agreeing.estimate / self.specifications.estimate

    @property
    def report(self) -> str:
        """The report it was published in."""
        return self.number.origin.report if self.number.origin else ""

    @property
    def sentence(self) -> Sentence:
        """The line in words, its figures bound."""
        if not self.has_interval:
            return sentence(
                "{what}: {n} {unit}, without interval",
                what=_text(self.what),
                n=self.number,
                unit=_text(self.number.unit),
            )
        per = self.number.unit.startswith("per ")
        if self.margin.ratio:
            return sentence(
                "{what}: {unit} {n:both}", what=_text(self.what), n=self.number, unit=self.number.unit
            )
        form = "{n:fewer both}" if per else "{n:signed both}"
        if self.number.unit.startswith("%"):
            return sentence(
                f"{{what}}: {form}{{unit}}",
                what=_text(self.what),
                n=self.number,
                unit=_text(self.number.unit),
            )
        return sentence(
            f"{{what}}: {form} {{unit}}", what=_text(self.what), n=self.number, unit=_text(self.number.unit)
        )


def line(
    number: Number,
    *,
    supports: Literal["lower", "higher"],
    direct: bool,
    what: str = "",
    agreeing: Number | None = None,
    specifications: Number | None = None,
) -> Line:
    """Return one line of evidence; see `Line` for the parameters.

    Raises
    ------
    InputError
        When the number rests on synthetic data, its unit has no margin, a ratio is not above nought, or
        `supports` is neither "lower" nor "higher".
    """
    if supports not in ("lower", "higher"):
        raise InputError(f"Line '{number.id}' has supports={supports!r}; expected 'lower' or 'higher'.")
    made_up = [name for name in number.evidence if name.startswith("syn-")]
    if made_up:
        raise InputError(
            f"Line '{number.id}' rests on synthetic data ({', '.join(made_up)}), which is no evidence for or "
            "against anything. Name its report among those set aside."
        )
    if number.unit not in MARGINS:
        raise InputError(
            f"Line '{number.id}' is in {number.unit!r}, for which no margin is set."
            f"{nearest(number.unit, MARGINS)} Units with a margin: {', '.join(MARGINS)}."
        )
    lowest = number.estimate if number.lower is None else min(number.lower, number.estimate)
    if MARGINS[number.unit].ratio and lowest <= 0:
        raise InputError(f"Line '{number.id}' is a ratio of {lowest:g}; expected a ratio above 0.")
    told = what or f"{number.estimand}: {number.label}".rstrip(": ")
    return Line(
        number=number,
        what=safe.clean(told),
        supports=supports,
        direct=direct,
        agreeing=agreeing,
        specifications=specifications,
    )


def lines(
    reports: Iterable[PublishedReport],
    *,
    take: str,
    supports: Literal["lower", "higher"],
    direct: bool,
    what: str = "",
    fields: tuple[str, ...] = (),
    names: Mapping[str, str] | None = None,
) -> tuple[Line, ...]:
    """Return the lines that some reports give, the same numbers from each.

    Parameters
    ----------
    reports
        What `from_report` returned.
    take
        A number's id in each report; ending in a dot, all numbers whose ids begin so: whoever weighs one
        answer of a report weighs all of that kind.
    supports, direct
        As in `Line`.
    what
        What is measured, when the report's title does not say it; ending in a colon, `fields` follow it.
    fields
        Which fields of each number to add to the title, among "estimand", "label" and "population".
    names
        Plain words for what `fields` hold, where that is a code or a term of the report; with it, each needs
        its words, so that a number new in the report is not weighed under a name that nobody chose.

    Raises
    ------
    InputError
        When a report has no such number, one of its fields has no plain words in `names`, or as `line`.
    """
    listed = list(reports)
    if not listed:
        raise InputError(f"lines(take={take!r}) was given no report; give what from_report(...) returned.")
    made = []
    for report in listed:
        ids = [id for id in report.records if id.startswith(take)] if take.endswith(".") else [take]
        if not ids:
            raise InputError(
                f"Report '{report.id}' publishes no number whose id begins with '{take}'."
                f"{nearest(take, report.records)}"
            )
        counted = {"specifications.same_conclusion", "specifications.specifications"} <= set(report.records)
        agreeing = report.number("specifications.same_conclusion") if counted else None
        ways = report.number("specifications.specifications") if counted else None
        for id in ids:
            number = report.number(id)
            more = [_plain(str(getattr(number, name)), names, report=report.id) for name in fields]
            head = what or report.title
            told = f"{head} {', '.join(more)}" if head.endswith(":") else ", ".join([head, *more])
            made.append(
                line(
                    number,
                    supports=supports,
                    direct=direct,
                    what=told,
                    agreeing=agreeing,
                    specifications=ways,
                )
            )
    return tuple(made)


def _plain(text: str, names: Mapping[str, str] | None, *, report: str) -> str:
    """Return the plain words for a field; itself where no words are given at all."""
    if names is None:
        return text
    if text not in names:
        raise InputError(
            f"Report '{report}' weighs '{text}', for which names= has no plain words."
            f"{nearest(text, names)} Add them."
        )
    return names[text]


def _text(text: str) -> str | Given:
    """Return words fit for a sentence; a name that holds a digit is declared."""
    bare = text.replace("per 1,000", "")
    return given(text, why="what the line is about") if any(c.isdigit() for c in bare) else safe.clean(text)


def described(one: Line) -> str:
    """Return the line's interval as plain text, for a table's cell."""
    n = one.number
    if n.lower is None or n.upper is None:
        return formats.fixed(n.estimate, n.places)
    return n.text("both")
