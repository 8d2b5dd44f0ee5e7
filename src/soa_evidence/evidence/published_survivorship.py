"""Build published-survivorship: how long joint replacements last, as papers and registries print it.

Numbers come from the list of published figures (topic 3) and from the benchmarks. What each number is of, how
far it was read and whether it may be pooled comes from our coding tables in
``evidence/_published_survivorship``, which also hold figures that we read ourselves. A figure without a code,
or a code without a figure, stops the build, and so does a figure that stands in both lists with two values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence import published_survivorship_fields as fields
from soa_evidence.evidence import tables
from soa_evidence.evidence.write import Written, package

__all__ = ["CODING", "NAME", "build"]

NAME = fields.NAME
#: Folder of the coding tables, inside the folder of evidence packages.
CODING = "_published_survivorship"
FIGURES, BENCHMARKS, READ = "published_figures.csv", "benchmarks.csv", "read by us"
TOPIC = "3"
_FIGURE_COLUMNS = (
    "id", "topic", "follow_up", "n_exposed", "events_exposed", "estimate", "ci_low", "ci_high", "doi_or_url",
    "support_quote", "verified",
)  # fmt: skip
_BENCHMARK_COLUMNS = ("source", "procedure", "years", "estimate", "ci95_low", "ci95_high", "n")
_CODES = {
    "survivorship": ("fact_id", "number_from", "paper_id", "poolable", "inconsistent", "verified"),
    "papers": ("paper_id", "label", "citation", "citation_note", "doi", "link", "year"),
    "other_facts": ("fact_id", "paper_id", "what", "period", "note"),
}
_PAIR = re.compile(r"([\d.]+) vs ([\d.]+)")
_HOSPITAL = re.compile(r"([\d.]+) \(([\d.]+)\); O/E [\d.]+")
_RATED = re.compile(r"\b(AVERAGE|WORSE|BETTER)\b")


@dataclass(frozen=True, eq=False, kw_only=True)
class _Sources:
    """The two lists and our coding tables; every cell as text."""

    figures: pd.DataFrame
    benchmarks: pd.DataFrame
    coding: dict[str, pd.DataFrame]
    files: tuple[dict[str, str], ...]


def build(
    figures: str | Path, benchmarks: str | Path, out_folder: str | Path, *, coding: str | Path | None = None
) -> Written:
    """Build the package.

    Parameters
    ----------
    figures
        The list of published figures, or its folder.
    benchmarks
        The table of benchmarks, or its folder.
    out_folder
        Folder of evidence packages, such as ``evidence``.
    coding
        Folder of our coding tables; ``<out_folder>/_published_survivorship`` when not given.

    Returns
    -------
    Written
        The same files always give the same bytes.

    Raises
    ------
    EvidenceError
        On a missing file or column, a figure of topic 3 that no code speaks of, a code whose figure does not
        exist, a number that is none, or a figure that the two lists give differently.
    """
    out = Path(out_folder)
    sources = _read(Path(figures), Path(benchmarks), Path(coding) if coding else out / CODING)
    _require_all_coded(sources)
    frames = {
        "papers": _papers(sources),
        "survivorship": _survivorship(sources),
        "mortality": _mortality(sources),
        "hospitals": _hospitals(sources),
        "counts": _counts(sources),
    }
    return package(out, fields.descriptor(sources.files), frames)


def _read(figures: Path, benchmarks: Path, coding: Path) -> _Sources:
    listed, first = tables.read_list(figures, FIGURES, _FIGURE_COLUMNS)
    marks, second = tables.read_list(benchmarks, BENCHMARKS, _BENCHMARK_COLUMNS)
    marks.index = pd.Index([f"B{at + 1:02d}" for at in range(len(marks))])
    codes = {name: tables.read_list(coding, f"{name}.csv", needed)[0] for name, needed in _CODES.items()}
    own = listed[listed["topic"] == TOPIC]
    return _Sources(
        figures=own.set_index("id", drop=False), benchmarks=marks, coding=codes, files=(first, second)
    )


def _require_all_coded(sources: _Sources) -> None:
    coded = set(sources.coding["survivorship"]["fact_id"]) | set(sources.coding["other_facts"]["fact_id"])
    for fact in sources.figures.index:
        if fact not in coded and not _is_hospital(fact):
            raise EvidenceError(
                f"{FIGURES}, figure {fact}: no coding table speaks of it. Add a row to survivorship.csv or "
                "other_facts.csv; a figure is not left out in silence."
            )
    papers = set(sources.coding["papers"]["paper_id"])
    for table in ("survivorship", "other_facts"):
        for row in _records(sources.coding[table]):
            if row["paper_id"] not in papers:
                raise EvidenceError(
                    f"{table}.csv, row {row['fact_id']}: paper '{row['paper_id']}' is not in papers.csv."
                    f"{nearest(row['paper_id'], papers)}"
                )


def _is_hospital(fact: str) -> bool:
    return fact.startswith(f"T{TOPIC}-F")


def _papers(sources: _Sources) -> pd.DataFrame:
    frame = sources.coding["papers"].where(sources.coding["papers"] != "", None)
    frame["year"] = [_number(text, f"papers.csv, {paper}") for text, paper in zip(
        sources.coding["papers"]["year"], frame["paper_id"], strict=True)]  # fmt: skip
    return frame[list(_CODES["papers"])]


def _survivorship(sources: _Sources) -> pd.DataFrame:
    papers = sources.coding["papers"].set_index("paper_id")
    rows = []
    for code in _records(sources.coding["survivorship"]):
        row: dict[str, Any] = {name: value or None for name, value in code.items()}
        row |= _numbers(code, sources)
        for name in ("period_start", "period_end", "estimate_unit", "limit_unit"):
            row[name] = _number(code[name], f"survivorship.csv, {code['fact_id']}, {name}")
        for name in ("poolable", "inconsistent", "verified"):
            row[name] = _flag(code[name], f"survivorship.csv, {code['fact_id']}, {name}")
        row["citation"] = papers.loc[code["paper_id"], "citation"]
        row["doi"] = papers.loc[code["paper_id"], "doi"] or None
        rows.append(row)
    frame = pd.DataFrame(rows)
    _require_reasons(frame)
    return frame[[field["name"] for field in fields.survivorship()]]


def _numbers(code: dict[str, str], sources: _Sources) -> dict[str, float | None]:
    fact, place = code["fact_id"], f"survivorship.csv, {code['fact_id']}"
    names = ("follow_up_years", "estimate_percent", "lower_percent", "upper_percent", "joints")
    given: tuple[str, ...]
    match code["number_from"]:
        case "published_figures.csv":
            found = _row(sources.figures, fact, FIGURES)
            years = found["follow_up"].removesuffix(" y")
            given = (years, found["estimate"], found["ci_low"], found["ci_high"], found["n_exposed"])
        case "benchmarks.csv":
            found = _row(sources.benchmarks, fact, BENCHMARKS)
            given = tuple(found[n] for n in ("years", "estimate", "ci95_low", "ci95_high", "n"))
        case "read by us":
            given = tuple(code[name] for name in names)
        case other:
            raise EvidenceError(
                f"{place}: number_from is {other!r}; expected {FIGURES}, {BENCHMARKS} or '{READ}'."
            )
    numbers = {name: _number(text, f"{place}, {name}") for name, text in zip(names, given, strict=True)}
    _require_agreement(numbers, sources.benchmarks, fact)
    return numbers


def _require_agreement(numbers: dict[str, float | None], benchmarks: pd.DataFrame, fact: str) -> None:
    """Both lists were typed from the same pages: a figure that stands in both must be the same."""
    key = (numbers["follow_up_years"], numbers["lower_percent"], numbers["upper_percent"])
    if None in key:
        return
    for name, mark in benchmarks.iterrows():
        other = tuple(_number(mark[c], f"{BENCHMARKS}, {name}") for c in ("years", "ci95_low", "ci95_high"))
        if other == key and _number(mark["estimate"], f"{BENCHMARKS}, {name}") != numbers["estimate_percent"]:
            raise EvidenceError(
                f"{fact} is {numbers['estimate_percent']} %, {BENCHMARKS} row {name} {mark['estimate']} % "
                "with the same limits and time: one was typed wrong. Look it up."
            )


def _require_reasons(frame: pd.DataFrame) -> None:
    for row in frame.to_dict("records"):
        if row["poolable"] == bool(row["not_poolable_because"]):
            raise EvidenceError(
                f"survivorship.csv, {row['fact_id']}: poolable is {row['poolable']}, the reason against it "
                f"{row['not_poolable_because']!r}; a row that is not pooled says why, and no other does."
            )
        if row["inconsistent"] and (row["poolable"] or not row["inconsistency"]):
            raise EvidenceError(
                f"survivorship.csv, {row['fact_id']}: its figures contradict each other, so it may not be "
                "pooled and must say how."
            )


def _other(sources: _Sources) -> pd.DataFrame:
    return sources.coding["other_facts"].set_index("fact_id", drop=False)


def _mortality(sources: _Sources) -> pd.DataFrame:
    rows = []
    for fact, code in _other(sources).iterrows():
        found = _row(sources.figures, str(fact), FIGURES)
        if not found["follow_up"].endswith(" d"):
            continue
        days = _number(found["follow_up"].removesuffix(" d"), f"{fact}, follow_up")
        shared = {
            "paper_id": code["paper_id"],
            "what": code["what"],
            "days": days,
            "note": code["note"] or None,
        }
        n = _number(found["n_exposed"], f"{fact}, n_exposed")
        deaths = _number(found["events_exposed"], f"{fact}, events_exposed")
        pair = _PAIR.fullmatch(found["estimate"])
        if pair:
            for part, period, text in zip("ab", code["period"].split(" v "), pair.groups(), strict=True):
                rows.append({**shared, "fact_id": f"{fact}{part}", "period": period, "percent": float(text)})
            continue
        percent = _number(found["estimate"], f"{fact}, estimate")
        if percent is None and deaths is not None and n:
            percent = round(100 * deaths / n, 4)
        limits = {f"{side}_percent": _number(found[f"ci_{end}"], f"{fact}, ci_{end}")
                  for side, end in (("lower", "low"), ("upper", "high"))}  # fmt: skip
        period = code["period"] or None
        counts = {"operations": n, "deaths": deaths}
        rows.append({**shared, **limits, **counts, "fact_id": fact, "period": period, "percent": percent})
    frame = pd.DataFrame(rows)
    return frame[[field["name"] for field in fields.mortality()]]


def _hospitals(sources: _Sources) -> pd.DataFrame:
    rows = []
    for fact, found in sources.figures.iterrows():
        if not _is_hospital(str(fact)):
            continue
        shares, rated = _HOSPITAL.fullmatch(found["estimate"]), _RATED.search(found["support_quote"])
        if shares is None or rated is None:
            raise EvidenceError(
                f"{FIGURES}, figure {fact}: '{found['estimate']}' is not 'observed (expected); O/E ratio' "
                "with a rating; expected a row of the hospital table."
            )
        rows.append(
            {
                "fact_id": fact,
                "paper_id": "cjrr-2015",
                "hospital": int(str(fact).removeprefix(f"T{TOPIC}-F")),
                "operations": _number(found["n_exposed"], f"{fact}, n_exposed"),
                "complications": _number(found["events_exposed"], f"{fact}, events_exposed"),
                "observed_percent": float(shares[1]),
                "expected_percent": float(shares[2]),
                "rated": rated[1].lower(),
            }
        )
    frame = pd.DataFrame(rows)
    whole = ["operations", "complications"]
    frame[whole] = frame[whole].astype("int64")
    return frame[[field["name"] for field in fields.hospitals()]]


def _counts(sources: _Sources) -> pd.DataFrame:
    rows = []
    for fact, code in _other(sources).iterrows():
        found = _row(sources.figures, str(fact), FIGURES)
        if found["follow_up"].endswith(" d"):
            continue
        parts = [re.match(r"\s*([\d.]+)\s*(.*)", part) for part in found["estimate"].split(";")]
        for at, part in enumerate(parts):
            if part is None:
                raise EvidenceError(f"{FIGURES}, figure {fact}: '{found['estimate']}' holds no count.")
            group = part[2].strip() or {"T3-24": ("five years", "ten years")}.get(str(fact), ("all",) * 9)[at]
            rows.append(
                {
                    "fact_id": f"{fact}{'abcdefgh'[at]}" if len(parts) > 1 else fact,
                    "paper_id": code["paper_id"],
                    "what": code["what"],
                    "group": {"THR": "hip", "KR": "knee"}.get(group, group),
                    "period": code["period"] or None,
                    "count": int(float(part[1])),
                    "note": code["note"] or None,
                }
            )
    frame = pd.DataFrame(rows)
    return frame[[field["name"] for field in fields.counts()]]


def _records(frame: pd.DataFrame) -> list[dict[str, str]]:
    return [{str(key): str(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _row(frame: pd.DataFrame, fact: str, name: str) -> dict[str, str]:
    if fact not in frame.index:
        raise EvidenceError(f"{name} holds no figure '{fact}'.{nearest(fact, frame.index)}")
    return {str(key): str(value) for key, value in frame.loc[fact].to_dict().items()}


def _number(text: str, place: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise EvidenceError(f"{place}: '{text}' is not a number.") from None


def _flag(text: str, place: str) -> bool:
    if text not in ("yes", "no"):
        raise EvidenceError(f"{place}: '{text}'; expected yes or no.")
    return text == "yes"
