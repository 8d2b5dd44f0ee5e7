"""Rows of syn-registry from parameters, seed and size: the same in, the same out, byte for byte.

People are drawn in blocks, each from a seed of its own, and a size of n takes the first n rows of the
endless list: a smaller registry is the beginning of a larger one. Scenarios share their draws: what differs
between them is what the scenario changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.evidence.registry.analysis import DAYS_PER_YEAR
from soa_evidence.evidence.registry.rows import NO_DATE, Rows, code_of
from soa_evidence.evidence.syn_registry import hazards
from soa_evidence.evidence.syn_registry.layout import Layout, lay_out
from soa_evidence.evidence.syn_registry.parameters import CLASSES, Parameters
from soa_evidence.evidence.syn_registry.people import People, draw

__all__ = ["LARGEST", "Generated", "generate", "layout_of"]

#: People drawn at a time.
BLOCK = 4096
LARGEST = 20_000_000
_REASON_CODES = ("infection", "fracture", "dislocation", "loosening")
_OTHER_CODES = ("malalignment", "implant failure", "pain", "other")


@dataclass(frozen=True, eq=False, kw_only=True)
class Generated:
    """A synthetic extract, and what no extract holds.

    Attributes
    ----------
    rows : Rows
    people : People
        Exact age, complete case mix, hidden severity and places, row by row; without rows where not kept.
    layout : Layout
    """

    rows: Rows
    people: People
    layout: Layout


def layout_of(parameters: Parameters, seed: int) -> Layout:
    """Return the units and surgeons that belong to a seed."""
    return lay_out(parameters, np.random.default_rng(np.random.SeedSequence([_seed(seed), 0])))


def generate(parameters: Parameters, *, size: int, seed: int, keep_people: bool = True) -> Generated:
    """Make a synthetic extract.

    Parameters
    ----------
    size
        Number of rows (primaries), 1 to 20 million.
    seed
        A whole number of at least 0.
    keep_people
        Whether to keep what no extract holds; without it large registries take less memory.

    Raises
    ------
    InputError
        On a size or seed that is not that.
    """
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size <= LARGEST:
        raise InputError(f"size is {size!r}; expected a whole number of rows from 1 to {LARGEST:,}.")
    layout = layout_of(parameters, seed)
    made, count, block = [], 0, 0
    while count < size:
        rng = np.random.default_rng(np.random.SeedSequence([seed, 1, block]))
        rows, people = _block(parameters, layout, rng, first_person=block * BLOCK)
        if count + len(rows) > size:
            rows, people = rows.take(slice(0, size - count)), people.take(np.arange(size - count))
        made.append((rows, people if keep_people else people.take(slice(0, 0))))
        count, block = count + len(rows), block + 1
    return Generated(
        rows=_joined([rows for rows, _ in made]),
        people=People(**{name: np.concatenate([getattr(p, name) for _, p in made]) for name in vars(people)}),
        layout=layout,
    )


def _seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed is {seed!r}; expected a whole number of at least 0.")
    return int(seed)


def _joined(parts: list[Rows]) -> Rows:
    whole: dict[str, Any] = {
        name: value if isinstance(value, tuple) else np.concatenate([getattr(part, name) for part in parts])
        for name, value in vars(parts[0]).items()
    }
    return Rows(**whole)


def _block(
    p: Parameters, layout: Layout, rng: np.random.Generator, *, first_person: int
) -> tuple[Rows, People]:
    first = draw(p, layout, rng, BLOCK)
    entry, lived = _calendar(p, rng), hazards.death(p, first).time(rng.standard_exponential(BLOCK))
    gap = p["second_joint.least_years"] + p["second_joint.mean_years"] * rng.standard_exponential(BLOCK)
    u = rng.random((4, BLOCK))
    second = _second_side(p, layout, first, gap, u)
    again = u[0] < p["second_joint.share"]
    again &= (gap < lived) & (entry + gap < p["calendar.entry_years"])
    # Both sides of a person stand together, in the order of their dates.
    order = np.argsort(np.concatenate([np.arange(BLOCK), np.flatnonzero(again)]), kind="stable")
    source = np.concatenate([np.arange(BLOCK), np.flatnonzero(again)])[order]
    later = np.concatenate([np.zeros(BLOCK, bool), np.ones(again.sum(), bool)])[order]
    people = People(
        **{
            name: np.where(later, getattr(second, name)[source], getattr(first, name)[source])
            for name in vars(first)
        }
    )
    begun = np.where(later, gap[source], 0.0)
    return _rows(p, layout, rng, people, first_person + source, entry[source], begun, lived[source]), people


def _calendar(p: Parameters, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return times of the first primary in years from the first day, growing exponentially."""
    u, growth, years = rng.random(BLOCK), p["calendar.growth"], p["calendar.entry_years"]
    return u * years if growth == 0 else np.log1p(u * np.expm1(growth * years)) / growth


def _second_side(
    p: Parameters, layout: Layout, first: People, gap: NDArray[np.float64], u: NDArray[np.float64]
) -> People:
    """Return everyone as they are at the other side's replacement: older, perhaps at another unit."""
    unit = np.where(u[1] < p["second_joint.same_unit"], first.unit, layout.pick_unit(first.unit_class, u[2]))
    return first.replace(
        age=first.age + gap, side=1 - first.side, unit=unit, surgeon=layout.pick_surgeon(unit, u[3])
    )


def _rows(
    p: Parameters,
    layout: Layout,
    rng: np.random.Generator,
    people: People,
    person: NDArray[np.int64],
    entry: NDArray[np.float64],
    begun: NDArray[np.float64],
    lived: NDArray[np.float64],
) -> Rows:
    """Let time run and write down what a registry would."""
    n = len(people)
    revision, reason = hazards.revision_times(
        p, layout, people, rng.standard_exponential((n, len(hazards.REASONS)))
    )
    again = hazards.rerevision_times(p, layout, people, reason == 0, rng.standard_exponential(n))
    u = rng.random((4, n))
    last = int(p["calendar.first_day"] + p["calendar.follow_years"] * DAYS_PER_YEAR)
    start = np.floor(p["calendar.first_day"] + entry * DAYS_PER_YEAR)
    primary = start + np.floor(begun * DAYS_PER_YEAR)
    left = lived - begun
    death = np.maximum(start + np.floor(lived * DAYS_PER_YEAR), primary)
    first_day = np.minimum(primary + np.floor(np.minimum(revision, 1e4) * DAYS_PER_YEAR), 1e8)
    second_day = np.minimum(first_day + np.floor(np.minimum(again, 1e4) * DAYS_PER_YEAR), 1e8)
    revised = (revision < left) & (first_day <= last)
    twice = revised & (revision + again < left) & (second_day <= last)
    dead = death <= last
    first_day, second_day = np.minimum(first_day, death), np.minimum(second_day, death)

    def day(values: NDArray[np.float64], there: NDArray[np.bool_]) -> NDArray[np.int32]:
        return np.where(there, values, NO_DATE).astype(np.int32)

    everyone = np.ones(n, bool)
    bmi = np.where(u[0] < p["missing.bmi"], np.nan, np.round(people.bmi, 1))
    deprivation = np.where(u[1] < p["missing.deprivation"], -1, people.deprivation)
    return Rows(
        person=person.astype(np.int32),
        side=people.side.astype(np.int8),
        joint=people.joint.astype(np.int8),
        procedure=people.procedure.astype(np.int8),
        unit=people.unit.astype(np.int32),
        unit_class=people.unit_class.astype(np.int32),
        surgeon=people.surgeon.astype(np.int32),
        primary_date=day(primary, everyone),
        age=np.floor(people.age).astype(np.float32),
        sex=people.sex.astype(np.int8),
        asa=people.asa.astype(np.int8),
        bmi=bmi.astype(np.float32),
        deprivation=deprivation.astype(np.int8),
        fixation=people.fixation.astype(np.int8),
        bearing=people.bearing.astype(np.int8),
        revision_date=day(first_day, revised),
        revision_reasons=np.where(revised, _recorded(p, reason, u[2], u[3]), 0).astype(np.int32),
        second_revision_date=day(second_day, twice),
        death_date=day(death, dead),
        follow_up_end=day(np.where(dead, death, last), everyone),
        units=layout.units,
        classes=tuple(CLASSES.values()),
        surgeons=layout.surgeons,
    )


def _recorded(
    p: Parameters, reason: NDArray[np.int64], u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the reasons as a registry records them: the true one, at times with pain beside it."""
    other = len(_REASON_CODES)
    codes = np.array([code_of("revision_reasons", name) for name in (*_REASON_CODES, *_OTHER_CODES)])
    which = np.where(reason < other, reason, other + (v * len(_OTHER_CODES)).astype(np.int64))
    bits = 1 << codes[which]
    pain = 1 << code_of("revision_reasons", "pain")
    return np.where(u < p["reasons.second_share"], bits | pain, bits)
