"""Numbers fit to be published: each with its estimand, interval, population, method, evidence and checks.

`numbers` turns `Estimates` into the entries of the ledger; `number` makes one entry from a value that a
result gave without an interval of its own (a posterior probability, a count). A sentence may only use these.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import formats, safe, words
from soa_evidence.results import Check, Estimates, FloatArray, combine_verdicts

__all__ = ["Number", "Numbers", "number", "numbers"]

EstimandKind = Literal["these units", "units as a kind"]
_ID = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_TOKENS = (
    "abs", "between", "both", "chance", "fewer", "interval", "lower", "percent", "plain", "probability",
    "signed", "unit", "upper", "value",
)  # fmt: skip


class _UnknownNumberError(InputError, KeyError):
    """No number has that id; also a KeyError, so that a mapping's `get` and `in` work."""

    __str__ = Exception.__str__


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
    decimals
        Decimals shown; chosen from the interval's width when None.
    estimand_kind
        ``"these units"`` (the named hospitals as they are) or ``"units as a kind"`` (what to expect of
        another of the class); None where the difference does not arise.
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
    lower: float | None = None
    upper: float | None = None
    level: float | None = None
    interval: str | None = None
    decimals: int | None = None
    estimand_kind: EstimandKind | None = None

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
            ``signed``       with a plus sign where it is positive
            ``abs``          without its sign
            ``fewer``        "4 fewer", "2 more"; the limits too
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
        shown = self._shown(asked, places)
        return f"{shown} {self.unit}" if "unit" in asked else shown

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
            return f"{size} {'fewer' if value < 0 else 'more'}" if size.strip("0.") else "no difference"
        return formats.fixed(abs(value) if "abs" in asked else value, decimals, signed="signed" in asked)

    def __format__(self, spec: str) -> str:
        return self.text(spec)

    def __or__(self, other: Number | Numbers) -> Numbers:
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
            "estimand_kind": self.estimand_kind,
            "shown": self.text("both" if self.lower is not None else ""),
        }

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        return Numbers.of(self).bundle()


@dataclass(frozen=True, eq=False)
class Numbers(bundles.Shown, Mapping[str, Number]):
    """A ledger of numbers by id; ``a | b`` joins two, and it shows itself as a table."""

    entries: Mapping[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", MappingProxyType(dict(self.entries)))

    @classmethod
    def of(cls, *items: Number) -> Numbers:
        """Return a ledger of `items`; two of one id are an error."""
        joined = cls()
        for item in items:
            joined = joined | cls({item.id: item})
        return joined

    def __getitem__(self, id: str) -> Number:
        try:
            return self.entries[id]
        except KeyError:
            raise _UnknownNumberError(
                f"No number is called {id!r}.{nearest(id, self.entries)} "
                f"Known: {', '.join(list(self.entries)[:8])}{', …' if len(self.entries) > 8 else ''}."
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __or__(self, other: Numbers | Number) -> Numbers:
        more = {other.id: other} if isinstance(other, Number) else dict(other.entries)
        for id, entry in more.items():
            if id in self.entries and self.entries[id].record() != entry.record():
                raise InputError(f"Two different numbers are called '{id}'; give one of them another id.")
        return Numbers({**self.entries, **more})

    def frame(self) -> pd.DataFrame:
        """Return the ledger, one row a number; evidence and checks as short text."""
        return records_frame(entry.record() for entry in self.values())

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        records = [entry.record() for entry in self.values()]
        return bundles.bundle(
            text="\n".join(f"{e.estimand}, {e.label}: {e.record()['shown']} {e.unit}" for e in self.values()),
            html=_table(records),
            payload={"kind": "numbers", "numbers": records},
        )


def records_frame(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return ledger entries as a frame of plain cells, for a CSV file."""
    rows = [
        {key: value for key, value in record.items() if key not in ("checks", "evidence")}
        | {
            "evidence": "; ".join(record["evidence"]),
            "checks": "; ".join(f"{check['name']}: {check['verdict']}" for check in record["checks"]),
        }
        for record in records
    ]
    return pd.DataFrame(rows)


def _table(records: list[dict[str, Any]]) -> str:
    """Return one table an estimand, each value linked to its ledger row."""
    html = []
    for estimand, unit in dict.fromkeys((r["estimand"], r["unit"]) for r in records):
        rows = "".join(
            f'<tr><th scope="row">{safe.escape(r["label"] or r["estimand"])}</th>'
            f'<td class="figure"><a class="number" href="#number-{r["id"]}">{safe.escape(r["shown"])}</a>'
            "</td></tr>"
            for r in records
            if (r["estimand"], r["unit"]) == (estimand, unit)
        )
        levels = {r["level"] for r in records if r["estimand"] == estimand and r["level"]}
        head = "Estimate" + (f" ({formats.percent(levels.pop())} interval)" if len(levels) == 1 else "")
        head += "" if unit == "probability" else f", {unit}"
        name = f"{estimand[:1].upper()}{estimand[1:]}"
        html.append(
            bundles.region(
                f"<table><caption>{safe.escape(name)}</caption><thead><tr>"
                f'<th scope="col">For</th><th scope="col" class="figure">{safe.escape(head)}</th>'
                "</tr></thead>"
                f"<tbody>{rows}</tbody></table>",
                name,
            )
        )
    return "".join(html)


def _names(evidence: Iterable[Any]) -> tuple[str, ...]:
    if isinstance(evidence, str):
        raise InputError(f"evidence is the text {evidence!r}; expected a list of packages or their names.")
    return tuple(item if isinstance(item, str) else str(item.name) for item in evidence)


def numbers(
    estimates: Estimates,
    *,
    id: str,
    population: str,
    evidence: Iterable[Any],
    unit: str | None = None,
    level: float = 0.95,
    transform: Callable[[FloatArray], FloatArray] | None = None,
    scale: float = 1.0,
    decimals: int | None = None,
    estimand_kind: EstimandKind | None = None,
) -> Numbers:
    """Return the ledger entries ``<id>.<label>`` of one set of estimates.

    Parameters
    ----------
    estimates
        What a method returned; its method and checks go with every number.
    id
        The name before the dot, e.g. ``"risk"``.
    population
        Whom the numbers speak of, in words.
    evidence
        The packages (or their names) that the numbers rest on; at least one.
    unit
        The unit shown; the estimates' own unless they are transformed or scaled, when it must be given.
    level
        Coverage of the interval.
    transform
        Monotone increasing function applied before scaling, e.g. ``np.exp``.
    scale
        Factor above 0 applied when shown, e.g. 1000 for "per 1,000 patients".
    decimals
        Decimals shown; from each interval's width when None.
    estimand_kind
        Which of the two estimands: ``"these units"`` or ``"units as a kind"``.
    """
    names = _names(evidence)
    if not names:
        raise InputError(f"Numbers '{id}' name no evidence; give the packages they rest on.")
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(f"Numbers '{id}' have scale {scale}; expected a finite number above 0.")
    if unit is None:
        if transform is not None or scale != 1:
            raise InputError(f"Numbers '{id}' are transformed or scaled; give the unit= they are shown in.")
        unit = estimates.unit
    table = estimates.table(level, transform)
    made = [
        Number(
            id=f"{id}.{safe.slug(row['label'])}",
            estimand=estimates.estimand,
            label=str(row["label"]),
            estimate=float(row["estimate"]) * scale,
            lower=float(row["lower"]) * scale,
            upper=float(row["upper"]) * scale,
            level=level,
            interval=estimates.interval,
            unit=unit,
            population=population,
            method=estimates.method,
            evidence=names,
            checks=estimates.checks,
            decimals=decimals,
            estimand_kind=estimand_kind,
        )
        for row in table.to_dict("records")
    ]
    return Numbers.of(*made)


def number(
    value: float,
    *,
    id: str,
    estimand: str,
    unit: str,
    population: str,
    evidence: Iterable[Any],
    label: str = "",
    like: Estimates | None = None,
    method: str | None = None,
    checks: Iterable[Check] = (),
    lower: float | None = None,
    upper: float | None = None,
    level: float | None = None,
    interval: str | None = None,
    decimals: int | None = None,
    estimand_kind: EstimandKind | None = None,
) -> Number:
    """Return one ledger entry for a value such as a posterior probability or a count.

    Parameters
    ----------
    value
        The value, on the scale shown; ``unit="probability"`` is written as a percentage.
    like
        The estimates it was read from: gives the method and the checks.
    method, checks
        To be given when `like` is not; a plain count needs no checks.

    The other parameters are those of `Number`.
    """
    if like is None and method is None:
        raise InputError(
            f"Number '{id}' names no method; give like= (the estimates it was read from) or method=."
        )
    return Number(
        id=id,
        estimand=estimand,
        label=label,
        estimate=float(value),
        unit=unit,
        population=population,
        method=method or (like.method if like is not None else ""),
        evidence=_names(evidence),
        checks=tuple(checks) or (like.checks if like is not None else ()),
        lower=None if lower is None else float(lower),
        upper=None if upper is None else float(upper),
        level=level,
        interval=interval,
        decimals=decimals,
        estimand_kind=estimand_kind,
    )
