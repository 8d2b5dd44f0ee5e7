"""One published number, and the ways to write it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import formats, records, safe, words
from soa_evidence.results import Basis, Check, combine_verdicts

if TYPE_CHECKING:
    from soa_evidence.reporting.numbers import Numbers

__all__ = ["EstimandKind", "Number", "Origin"]

EstimandKind = Literal["these units", "units as a kind"]
_ID = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*")
#: Units of a scale, which are less; points, patients and days are fewer.
_MEASURED = re.compile(r"\bindex\b|\bQALY\b", re.IGNORECASE)
_TOKENS = (
    "abs", "between", "both", "chance", "fewer", "interval", "lower", "percent", "place", "plain",
    "probability", "signed", "unit", "upper", "value",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a number taken from another report was first published: the report, and its id there."""

    report: str
    number: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Number(bundles.Shown):
    """One published number. Write it in a sentence with the specs listed at `show`.

    Parameters
    ----------
    id
        Its name in the ledger, e.g. ``"risk.specialist-orthopaedic"``.
    estimand, label
        What is estimated, and for whom.
    estimate, lower, upper
        On the scale shown; the limits are None for a value without an interval of its own.
    level, interval
        Coverage of the interval, and ``"credible"`` or ``"confidence"``.
    unit, population, method, evidence, checks
        What it is measured in, whom it speaks of, and what it rests on.
    basis
        Which rows of that evidence stand behind it; without them it may not be published.
    decimals
        Decimals shown; chosen from the interval's width when None.
    estimand_kind
        ``"these units"`` (the named hospitals as they are) or ``"units as a kind"`` (what to expect of
        another of the class); None where the difference does not arise.
    origin
        The report it was taken from, and its id there; None for a number of the report's own.
    """

    id: str
    estimand: str
    label: str
    estimate: float
    unit: str
    population: str
    method: str
    evidence: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    basis: tuple[Basis, ...] = ()
    lower: float | None = None
    upper: float | None = None
    level: float | None = None
    interval: str | None = None
    decimals: int | None = None
    estimand_kind: EstimandKind | None = None
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise InputError(
                f"A number is called {self.id!r}; expected lower-case letters, digits, '-' and '.', such as "
                f"'{safe.slug(self.id)}'."
            )
        if not math.isfinite(self.estimate):
            raise InputError(f"Number '{self.id}' is {self.estimate}; only finite numbers can be published.")
        if (self.lower is None) != (self.upper is None):
            raise InputError(f"Number '{self.id}' has one limit of an interval; give both or none.")
        if not self.population.strip():
            raise InputError(f"Number '{self.id}' names no population; say whom it speaks of.")
        if self.estimand_kind not in (None, "these units", "units as a kind"):
            raise InputError(
                f"Number '{self.id}' has estimand_kind {self.estimand_kind!r}; "
                "expected 'these units' or 'units as a kind'."
            )

    @property
    def places(self) -> int:
        """Decimals shown, from the interval's width unless they were given."""
        if self.decimals is not None:
            return self.decimals
        if self.lower is None or self.upper is None:
            return formats.significant_decimals(self.estimate)
        return formats.decimals_for(self.lower, self.upper)

    @property
    def verdict(self) -> str:
        """The worst verdict among its checks."""
        return combine_verdicts(self.checks)

    def _limits(self) -> tuple[float, float]:
        if self.lower is None or self.upper is None:
            raise InputError(f"Number '{self.id}' has no interval; show it without 'interval' or 'both'.")
        return self.lower, self.upper

    def text(self, spec: str = "") -> str:
        """Return the number as words and figures.

        Parameters
        ----------
        spec
            Words separated by spaces:

            ===============  ==================================================================
            (nothing)        the estimate: "−4" (a probability as "71%")
            ``interval``     "−9 to 2"; with ``between``: "between −9 and 2"
            ``both``         "−4 (−9 to 2)"
            ``lower``        the lower limit alone; ``upper`` the upper
            ``percent``      as a percentage
            ``place``        a whole number as a place in an order: "41st"
            ``signed``       with a plus sign where it is positive
            ``abs``          without its sign
            ``fewer``        "4 fewer", "2 more"; the limits too ("0.02 less" of an index)
            ``probability``  "highly likely (82%)"; ``chance``: "it is highly likely (82%) that"
            ``unit``         followed by the unit
            ``.1``           one decimal (any digit)
            ``plain``        not linked to the ledger
            ===============  ==================================================================
        """
        asked = set(spec.split())
        places = next((int(token[1:]) for token in asked if re.fullmatch(r"\.\d", token)), None)
        unknown = {token for token in asked if token not in _TOKENS and not re.fullmatch(r"\.\d", token)}
        if unknown:
            odd = sorted(unknown)[0]
            raise InputError(
                f"Number '{self.id}' cannot be shown as {odd!r}.{nearest(odd, _TOKENS)} "
                f"Known: {', '.join(_TOKENS)}, and .0 to .9."
            )
        if asked & {"probability", "chance"}:
            phrase = words.probability(self)
            return phrase.clause if "chance" in asked else phrase.text
        if "place" in asked:
            return self._place()
        shown = self._shown(asked, places)
        return f"{shown} {self.unit}" if "unit" in asked else shown

    def _place(self) -> str:
        if self.estimate < 1 or not float(self.estimate).is_integer():
            raise InputError(
                f"Number '{self.id}' is {self.estimate:g}, which is no place in an order; expected a whole "
                "number from 1 up."
            )
        return formats.ordinal(int(self.estimate))

    def _shown(self, asked: set[str], places: int | None) -> str:
        if "lower" in asked or "upper" in asked:
            limit = self._limits()[0 if "lower" in asked else 1]
            return self._one(limit, asked, places)
        estimate = self._one(self.estimate, asked, places)
        if not asked & {"interval", "both", "between"}:
            return estimate
        low, high = self._limits()
        if "abs" in asked:
            if low < 0 < high:
                raise InputError(
                    f"Number '{self.id}' runs from {low:.4g} to {high:.4g}: without signs its interval would "
                    "mislead. Use 'fewer', or show the signs."
                )
            low, high = sorted((abs(low), abs(high)))
        limits = formats.span(
            self._one(low, asked, places), self._one(high, asked, places), between="between" in asked
        )
        return f"{estimate} ({limits})" if "both" in asked else limits

    def _one(self, value: float, asked: set[str], places: int | None) -> str:
        if "percent" in asked or self.unit == "probability":
            default = max(0, self.places - 2) if self.lower is not None else 0
            return formats.percent(value, default if places is None else places)
        decimals = self.places if places is None else places
        if "fewer" in asked:
            size = formats.fixed(abs(value), decimals)
            # what is not counted, such as an index, is less rather than fewer
            less = "less" if _MEASURED.search(self.unit) else "fewer"
            return f"{size} {less if value < 0 else 'more'}" if size.strip("0.") else "no difference"
        return formats.fixed(abs(value) if "abs" in asked else value, decimals, signed="signed" in asked)

    def __format__(self, spec: str) -> str:
        return self.text(spec)

    def __or__(self, other: Number | Numbers) -> Numbers:
        from soa_evidence.reporting.numbers import Numbers  # a ledger holds entries, so it is above this file

        return Numbers.of(self) | other

    def record(self) -> dict[str, Any]:
        """Return the ledger entry, as it stands in numbers.json."""
        return {
            "id": self.id,
            "estimand": self.estimand,
            "label": self.label,
            "estimate": self.estimate,
            "lower": self.lower,
            "upper": self.upper,
            "level": self.level,
            "interval": self.interval,
            "unit": self.unit,
            "population": self.population,
            "method": self.method,
            "evidence": list(self.evidence),
            "checks": [{"name": check.name, "verdict": check.verdict} for check in self.checks],
            "basis": [one.id for one in self.basis],
            "estimand_kind": self.estimand_kind,
            "decimals": self.decimals,
            "origin": None
            if self.origin is None
            else {"report": self.origin.report, "number": self.origin.number},
            "shown": self.text("both" if self.lower is not None else ""),
        }

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        return records.bundle([self])
