"""Numbers fit to be published: each with its estimand, interval, population, method, evidence and checks.

`numbers` turns `Estimates` into the entries of the ledger; `number` makes one entry from a value that a
result gave without an interval of its own (a posterior probability, a count). A sentence may only use these.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import records, safe
from soa_evidence.reporting.entry import EstimandKind, Number
from soa_evidence.results import Basis, Check, Estimates, Transform

__all__ = ["Number", "Numbers", "number", "numbers"]


class _UnknownNumberError(InputError, KeyError):
    """No number has that id; also a KeyError, so that a mapping's `get` and `in` work."""

    __str__ = Exception.__str__


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

    def labelled(self, label: str) -> Number:
        """Return the one number about `label`; none or several are an error."""
        found = [entry for entry in self.entries.values() if entry.label == label]
        if len(found) == 1:
            return found[0]
        labels = sorted({entry.label for entry in self.entries.values()})
        raise _UnknownNumberError(
            f"{len(found)} numbers are labelled {label!r}; expected exactly one.{nearest(label, labels)} "
            f"Known: {', '.join(labels[:8])}{', …' if len(labels) > 8 else ''}."
        )

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
        return records.frame([entry.record() for entry in self.values()], records.rows(self.values()))

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        return records.bundle(self.values())


def _rests_on(evidence: Iterable[Any]) -> tuple[tuple[str, ...], tuple[Basis, ...]]:
    """Return the packages named, each once, and the rows of them that are told."""
    if isinstance(evidence, str):
        raise InputError(f"evidence is the text {evidence!r}; expected a list of packages or their names.")
    names: dict[str, None] = {}
    rows: dict[str, Basis] = {}
    for item in evidence:
        told = (item,) if isinstance(item, Basis) else getattr(item, "basis", ())
        for basis in (told,) if isinstance(told, Basis) else told:
            rows[basis.id] = basis
            if basis.of == "package":
                names[basis.holder] = None
        if not isinstance(item, Basis):
            names[item if isinstance(item, str) else str(item.name)] = None
    return tuple(names), tuple(rows.values())


def numbers(
    estimates: Estimates,
    *,
    id: str,
    population: str,
    evidence: Iterable[Any],
    unit: str | None = None,
    level: float = 0.95,
    transform: Transform | None = None,
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
        What the numbers rest on, at least one: rows chosen by `Package.select`, or a source that knows its
        rows. A package, or its name, without rows is shown while working, but not published.
    unit
        The unit shown; the estimates' own unless they are transformed or scaled, when it must be given.
    level
        Coverage of the interval.
    transform
        Monotone increasing function applied before scaling, or ``"exp"`` for the ratio of a log ratio.
    scale
        Factor above 0 applied when shown, e.g. 1000 for "per 1,000 patients".
    decimals
        Decimals shown; from each interval's width when None.
    estimand_kind
        Which of the two estimands: ``"these units"`` or ``"units as a kind"``.
    """
    names, basis = _rests_on(evidence)
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
            estimand=str(row["estimand"]),
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
            basis=basis,
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
    names, basis = _rests_on(evidence)
    return Number(
        id=id,
        estimand=estimand,
        label=label,
        estimate=float(value),
        unit=unit,
        population=population,
        method=method or (like.method if like is not None else ""),
        evidence=names,
        checks=tuple(checks) or (like.checks if like is not None else ()),
        basis=basis,
        lower=None if lower is None else float(lower),
        upper=None if upper is None else float(upper),
        level=level,
        interval=interval,
        decimals=decimals,
        estimand_kind=estimand_kind,
    )
