"""programme-facts: what commissioners and programmes said of themselves, figure by figure, and of what kind.

The numbers come from the list of facts; what each means, in our words, from a coding table beside the
packages. A fact that is not coded stops the build: nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence import tables
from soa_evidence.evidence.write import Written, count, number, package, resource, text

__all__ = ["NAME", "build"]

NAME = "programme-facts"
CODING = Path("_programmes") / "facts.csv"
KINDS = ("reported", "forecast", "described")
COMPARATOR = "b"  # a coded id that ends so is the comparator of the fact without it
_LISTED = ("id", "value", "comparator_value", "source")
_WORDS = ("quantity", "programme", "area", "period", "what", "kind")
_CODED = ("fact_id", *_WORDS, "unit", "decimals_of_source", "note")


def build(facts: str | Path, out_folder: str | Path, *, coding: str | Path | None = None) -> Written:
    """Build programme-facts from the list of facts.

    Parameters
    ----------
    facts
        CSV with id, value, comparator_value, source.
    out_folder
        Folder of evidence packages.
    coding
        Our coding table; ``<out_folder>/_programmes/facts.csv`` when not given.

    Raises
    ------
    EvidenceError
        On a missing file or column, a fact that no code speaks of, a code whose fact does not exist, a number
        that is none, or an unknown kind.
    """
    out = Path(out_folder)
    listed, file = tables.read_list(facts, Path(facts).name, _LISTED)
    coded, _ = tables.read_list(coding or out / CODING, CODING.name, _CODED)
    # The list writes "same" for the source of the row above.
    listed["source"] = listed["source"].where(listed["source"] != "same").ffill()
    listed = listed.set_index("id")
    _require_both(listed, coded)
    rows = [_row({str(key): code[key] for key in code}, listed) for code in coded.to_dict("records")]
    frame = pd.DataFrame(rows).sort_values("fact_id", ignore_index=True)
    frame["decimals_of_source"] = frame["decimals_of_source"].astype("Int64")
    return package(out, _descriptor(file), {"facts": frame})


def _require_both(listed: pd.DataFrame, coded: pd.DataFrame) -> None:
    spoken = {_listed_id(code, listed) for code in coded["fact_id"]}
    for fact in listed.index:
        if fact not in spoken:
            raise EvidenceError(f"Fact {fact} is listed but not coded; add a row to facts.csv.")
    for code in coded["fact_id"]:
        if _listed_id(code, listed) not in listed.index:
            raise EvidenceError(f"Code {code} speaks of no listed fact.{nearest(code, listed.index)}")


def _listed_id(code: str, listed: pd.DataFrame) -> str:
    return code if code in listed.index else code.removesuffix(COMPARATOR)


def _row(code: Mapping[str, Any], listed: pd.DataFrame) -> dict[str, Any]:
    fact = code["fact_id"]
    if code["kind"] not in KINDS:
        raise EvidenceError(f"Code {fact} is of kind '{code['kind']}'; expected {', '.join(KINDS)}.")
    source = listed.loc[_listed_id(fact, listed)]
    said = str(source["value" if fact in listed.index else "comparator_value"])
    measured = code["kind"] != "described"
    try:
        value = float(said) if measured else None
    except ValueError:
        raise EvidenceError(f"Fact {fact} has the value '{said}'; expected a number.") from None
    return {
        "fact_id": fact,
        **{key: code[key] for key in _WORDS},
        "value": value,
        "unit": code["unit"] or None,
        "decimals_of_source": int(code["decimals_of_source"]) if measured else None,
        "note": code["note"] or None,
        "source": source["source"],
    }


def _descriptor(file: Mapping[str, str]) -> dict[str, Any]:
    return {
        "profile": "data-package",
        "name": NAME,
        "title": "What orthopaedic programmes and their commissioners reported of themselves, 2008 to 2017",
        "description": (
            "One row a figure or description, with its kind: reported, forecast, or described without "
            "a number."
        ),
        "version": "1.0.0",
        "soa:kind": "published",
        "soa:smallestCount": 1,
        "soa:caveats": [
            "All of it is what programmes said of themselves; none was measured or checked by others.",
            "Counting rules, comparators and dates are mostly not stated.",
            "Figures are rounded; decimals_of_source says how far.",
        ],
        "licenses": [
            {
                "name": "MIT",
                "title": "MIT (our coding and words); the figures are facts",
                "path": "https://opensource.org/license/mit",
            }
        ],
        "sources": [
            {
                "title": "Case studies, presentations and statements, named row by row",
                "soa:publisher": "The programmes and commissioners themselves",
                "soa:files": [dict(file)],
            }
        ],
        "resources": [
            resource("facts", "Figures and descriptions", fields=_fields(), key=["fact_id"], format="csv")
        ],
    }


def _fields() -> list[dict[str, Any]]:
    return [
        text("fact_id", "Fact", "Its number in the list; a trailing b is the comparator", unique=True),
        text("quantity", "Quantity", "Short name, for code", pattern="[a-z_]+"),
        text("programme", "Programme", "Which programme"),
        text("area", "Area", "Where"),
        text("period", "Period", "When, as far as it is said"),
        text("what", "What", "What the figure or description is, in our words"),
        text("kind", "Kind", "Reported, forecast, or described without a number", levels=KINDS),
        number("value", "Value", "As printed", unit="as in column unit", required=False),
        text("unit", "Unit", "Unit of the value", required=False),
        count(
            "decimals_of_source",
            "Rounded to",
            "Decimals the figure is given to; -3 is thousands",
            unit="decimals",
            required=False,
            minimum=-9,
        ),
        text("note", "Note", "What is not said", required=False),
        text("source", "Source", "Where it was printed"),
    ]
