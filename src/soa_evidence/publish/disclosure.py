"""The gate before publication: what a report must show, and what it must not.

Each rule is a function from what the notebook showed to the reasons against publishing it. A reason is
written like a failed check (name, verdict, observed, expected, why), so that one page and one record tell
of both.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soa_evidence.publish.bundles import Bundles, Item
from soa_evidence.publish.own_data import OWN_NAME

__all__ = ["RULES", "Shown", "reason", "refusals", "smallest_counts"]

NUMBER_FIELDS = (
    "id", "estimand", "label", "estimate", "lower", "upper", "level", "interval", "unit", "population",
    "method", "evidence", "checks",
)  # fmt: skip
#: Without these a number says nothing; the others may be absent from a number that stands alone.
ALWAYS = ("id", "estimand", "estimate", "unit", "population", "method", "evidence")
UNCERTAINTY = ("lower", "upper", "level", "interval")
#: Units of what is counted, where a small count may point at a person.
PEOPLE = re.compile(
    r"\b(count|records?|patients?|people|persons?|operations?|events?|deaths?|procedures?|primaries|revisions?"
    r"|joints?|hips?|knees?|implants?)\b"
)
#: Columns of a figure's numbers that count people; figures name no units.
COUNTED = (
    "at_risk", "events", "trials", "size", "n", "count", "records", "patients", "procedures", "primaries",
    "revisions", "deaths", "operations", "rows",
)  # fmt: skip
#: Ids become file names and link targets.
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: The evidence package alone knows what may point at a person.
NO_LIMIT = 0.0


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a notebook showed, and what it had declared beforehand."""

    bundles: Bundles
    evidence: tuple[str, ...]
    after: tuple[str, ...] = ()
    smallest: Mapping[str, float] = field(default_factory=dict)


def reason(name: str, *, observed: str, expected: str, why: str) -> Item:
    """Return a reason against publication, in the shape of a failed check."""
    return {"name": name, "verdict": "fail", "observed": observed, "expected": expected, "why": why}


def refusals(shown: Shown) -> list[Item]:
    """Return every reason against publishing; an empty list opens the gate."""
    return [found for rule in RULES for found in rule(shown)]


def smallest_counts(folder: Path, names: tuple[str, ...]) -> dict[str, float]:
    """Return, by package, the smallest count it lets be shown: ``soa:smallestCount``, or a cautious one."""
    from soa_evidence.evidence.load import CAUTIOUS_SMALLEST_COUNT  # late: it loads pandas

    limits: dict[str, float] = {}
    for name in names:
        if name == OWN_NAME:
            limits[name] = float(CAUTIOUS_SMALLEST_COUNT)
            continue
        descriptor = json.loads((folder / name / "datapackage.json").read_text(encoding="utf-8"))
        limits[name] = float(descriptor.get("soa:smallestCount", CAUTIOUS_SMALLEST_COUNT))
    return limits


def _failed_checks(shown: Shown) -> Iterator[Item]:
    yield from shown.bundles.failed
    named = {check["name"] for check in shown.bundles.failed}
    for number in shown.bundles.numbers:
        for check in number.get("checks") or ():
            if check.get("verdict") == "fail" and check["name"] not in named:
                named.add(check["name"])
                yield reason(
                    check["name"],
                    observed=f"failed for number '{number.get('id')}'",
                    expected="pass or warn",
                    why="A number is published only when every check it rests on held.",
                )


def _says_enough(shown: Shown) -> Iterator[Item]:
    present = {
        "numbers": (shown.bundles.numbers, "A report without numbers answers nothing."),
        "checks": (shown.bundles.checks, "A reader must see how the numbers were checked."),
        "headline sentence": (shown.bundles.headlines, "A report gives its answer in a sentence, first."),
        "evidence used": (shown.bundles.packages, "A reader must see what the numbers rest on."),
    }
    for what, (items, why) in present.items():
        if not items:
            yield reason(f"The report shows {what}", observed="none", expected="at least one", why=why)


def _numbers_are_whole(shown: Shown) -> Iterator[Item]:
    for number in shown.bundles.numbers:
        needed = (
            ALWAYS
            + (() if _stands_alone(number) else UNCERTAINTY)
            + (() if _is_count(number) else ("checks",))
        )
        lacking = [name for name in needed if number.get(name) in (None, "", [], ())]
        if lacking:
            yield reason(
                f"Number '{number.get('id')}' is complete",
                observed=f"without {', '.join(lacking)}",
                expected="every field given",
                why="No number leaves without its uncertainty, its evidence and its checks.",
            )


def _numbers_are_finite(shown: Shown) -> Iterator[Item]:
    for number in shown.bundles.numbers:
        values = {name: number.get(name) for name in ("estimate", "lower", "upper", "level")}
        odd = {name: value for name, value in values.items() if value is not None and not _finite(value)}
        if odd:
            told = ", ".join(f"{name} = {value}" for name, value in odd.items())
            yield reason(
                f"Number '{number.get('id')}' is finite",
                observed=told,
                expected="finite numbers",
                why="Not-a-number and infinity mean that a calculation broke down.",
            )
        elif not odd and None not in values.values() and values["lower"] > values["upper"]:  # type: ignore[operator]
            yield reason(
                f"The interval of '{number.get('id')}' is in order",
                observed=f"{values['lower']} to {values['upper']}",
                expected="lower at most upper",
                why="Limits the wrong way round mean that a calculation broke down.",
            )


def _numbers_are_unique(shown: Shown) -> Iterator[Item]:
    seen: dict[str, Item] = {}
    for number in shown.bundles.numbers:
        name = str(number.get("id"))
        if name in seen:
            differing = [key for key in number if number[key] != seen[name].get(key)]
            yield reason(
                f"Number '{name}' has one value",
                observed=f"shown twice with different {', '.join(differing)}",
                expected="one id, one number",
                why="A reader who follows a number must arrive at one place.",
            )
        seen[name] = number


def _evidence_is_declared(shown: Shown) -> Iterator[Item]:
    for number in shown.bundles.numbers:
        foreign = [name for name in number.get("evidence") or () if name not in shown.evidence]
        if foreign:
            yield reason(
                f"Number '{number.get('id')}' rests on declared evidence",
                observed=f"names {', '.join(map(str, foreign))}",
                expected=f"among {', '.join(shown.evidence)}",
                why="What the catalogue does not declare would not trigger a rebuild when it changes.",
            )


def _rows_are_named(shown: Shown) -> Iterator[Item]:
    known = {str(one["id"]): one for one in shown.bundles.basis}
    for number in shown.bundles.numbers:
        rows = [known[id] for id in number.get("basis") or () if id in known]
        held = {str(one["holder"]) for one in rows if one["of"] == "package" and one["rows"]}
        lacking = [
            name for name in number.get("evidence") or () if name in shown.evidence and name not in held
        ]
        if lacking:
            yield reason(
                f"Number '{number.get('id')}' names the rows it rests on",
                observed=f"no row of {', '.join(lacking)}",
                expected="evidence= given rows, as package.select(...) chooses them",
                why="A reader must be able to find the rows of evidence behind every number.",
            )


def _rows_hold_enough(shown: Shown) -> Iterator[Item]:
    for one in shown.bundles.basis:
        limit = shown.smallest.get(str(one["holder"]), NO_LIMIT)
        for held in one["counted"]:
            if PEOPLE.match(str(held["unit"])) and _small(held["total"], limit):
                yield _too_small(f"the rows of '{one['holder']}', '{held['column']}'", held["total"], limit)


def _origins_are_declared(shown: Shown) -> Iterator[Item]:
    for number in shown.bundles.numbers:
        origin = (number.get("origin") or {}).get("report")
        if origin is not None and origin not in shown.after:
            yield reason(
                f"Number '{number.get('id')}' comes from a declared report",
                observed=str(origin),
                expected=f"among {', '.join(shown.after) or 'none'}",
                why="What the catalogue does not declare would not trigger a rebuild when it changes.",
            )


def _evidence_is_shown(shown: Shown) -> Iterator[Item]:
    packages = [package.get("name") for package in shown.bundles.packages]
    for name in shown.evidence if packages else ():
        if name not in packages:
            yield reason(
                f"Evidence '{name}' is shown",
                observed="declared in the catalogue, not shown",
                expected="shown with reporting.evidence_used(...)",
                why="Its licence asks for credit, and a reader must see every source.",
            )


def _sentences_use_numbers(shown: Shown) -> Iterator[Item]:
    known = {number.get("id") for number in shown.bundles.numbers}
    for sentence in shown.bundles.sentences:
        lost = [name for name in sentence.get("numbers", ()) if name not in known]
        if lost:
            yield reason(
                "Every number in a sentence is published",
                observed=f"{', '.join(map(str, lost))} in “{str(sentence.get('text', ''))[:60]}…”",
                expected="shown as a number in the notebook",
                why="A reader must be able to follow each number of a sentence to its record.",
            )


def _ids_are_safe(shown: Shown) -> Iterator[Item]:
    made = (*shown.bundles.numbers, *shown.bundles.figures, *shown.bundles.tables)
    for item in made:
        if not SAFE_ID.fullmatch(str(item.get("id", ""))):
            yield reason(
                "Ids can be file names and links",
                observed=repr(item.get("id")),
                expected="letters, digits, dot, hyphen or underscore",
                why="Figures, tables and numbers are addressed by their id.",
            )


def _counts_are_large_enough(shown: Shown) -> Iterator[Item]:
    for number in shown.bundles.numbers:
        limit = max(
            (shown.smallest.get(name, NO_LIMIT) for name in number.get("evidence") or ()), default=NO_LIMIT
        )
        if (
            _is_count(number)
            and PEOPLE.search(str(number.get("unit")))
            and _small(number.get("estimate"), limit)
        ):
            yield _too_small(f"number '{number['id']}'", number["estimate"], limit)
    limit = max(shown.smallest.values(), default=NO_LIMIT)
    for table in shown.bundles.tables:
        units = table.get("units") or {}
        # "patients" is a count; "per 1,000 patients" is not. Without a unit, the name has to tell.
        counts = [name for name, unit in units.items() if PEOPLE.match(unit)]
        counts += [name for name in COUNTED if name not in units]
        for row in csv.DictReader(io.StringIO(table.get("csv", ""))) if limit else ():
            for name in counts:
                if _small(row.get(name), limit):
                    yield _too_small(f"table '{table['id']}', column '{name}'", row[name], limit)


def _derived_counts_are_large_enough(shown: Shown) -> Iterator[Item]:
    """Hold the frames published for other reports to the same limit; draws and moments count nobody."""
    limit = max(shown.smallest.values(), default=NO_LIMIT)
    for result in shown.bundles.derived if limit else ():
        from soa_evidence.reporting import derived_result  # late: they load pandas
        from soa_evidence.results import Estimates

        frame = derived_result.read(base64.b64decode(result["parquet"]))
        if isinstance(frame, Estimates):
            continue
        units = result.get("units") or {}
        counts = [name for name, unit in units.items() if PEOPLE.match(unit)]
        counts += [name for name in COUNTED if name not in units and name in frame.columns]
        for name in counts:
            small = [value for value in frame[name] if _small(value, limit)]
            if small:
                yield _too_small(f"derived result '{result['id']}', column '{name}'", small[0], limit)


def _figures_count_enough(shown: Shown) -> Iterator[Item]:
    limit = max(shown.smallest.values(), default=NO_LIMIT)
    for figure in shown.bundles.figures if limit else ():
        written = [("numbers written in it", value) for value in figure.get("counts", ())]
        rows = csv.DictReader(io.StringIO(figure.get("csv", "")))
        held = [(f"column '{name}'", row[name]) for row in rows for name in COUNTED if name in row]
        for where, value in (*written, *held):
            if _small(value, limit):
                yield _too_small(f"figure '{figure['id']}', {where}", value, limit)
                break


def _stands_alone(number: Item) -> bool:
    """Say whether a number needs no interval: a plain count, or a probability, itself uncertainty."""
    estimate = number.get("estimate")
    probability = "probability" in str(number.get("estimand", "")).lower()
    return _is_count(number) or (probability and _finite(estimate) and 0 <= float(estimate or 0) <= 1)


def _is_count(number: Item) -> bool:
    """Say whether a number is a plain count: whole, at least nought, and without an interval."""
    estimate = number.get("estimate")
    whole = _finite(estimate) and float(estimate or 0).is_integer() and float(estimate or 0) >= 0
    return whole and number.get("lower") is None and number.get("upper") is None


def _small(value: object, limit: float) -> bool:
    """Say whether a count is above nought and below the limit."""
    try:
        return 0 < float(value) < limit  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _too_small(where: str, value: object, limit: float) -> Item:
    return reason(
        f"No small count is disclosed in {where}",
        observed=str(value),
        expected=f"0 or at least {limit:g}",
        why="A small count may point at a person; the evidence package sets the limit.",
    )


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


#: The rules in the order a reader is told of them; add one here and every report obeys it.
RULES: tuple[Callable[[Shown], Iterator[Item]], ...] = (
    _failed_checks,
    _says_enough,
    _numbers_are_whole,
    _numbers_are_finite,
    _numbers_are_unique,
    _evidence_is_declared,
    _rows_are_named,
    _origins_are_declared,
    _evidence_is_shown,
    _sentences_use_numbers,
    _ids_are_safe,
    _counts_are_large_enough,
    _rows_hold_enough,
    _derived_counts_are_large_enough,
    _figures_count_enough,
)
