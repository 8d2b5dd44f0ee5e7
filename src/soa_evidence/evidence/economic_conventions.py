"""economic-conventions: the index that brings prices to one year, discount rates, the worth of a QALY.

The index was read in several public copies of the manual that prints it. Copies of one manual that differ
stop the build; how many agree is kept beside each figure, and so is each manual, for the newest year of one
is revised by the next. Conventions are facts of others with their citation and how they were read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence import tables
from soa_evidence.evidence.write import Written, count, flag, number, package, resource, text

__all__ = ["NAME", "build"]

NAME = "economic-conventions"
PARTS = ("pay and prices", "pay", "prices")
QUANTITIES = ("discount rate", "worth of a QALY")
_READ = ("read_in", "manual", "part", "year", "change_percent")
_SAID = ("convention", "quantity", "value", "unit", "applies_to", "basis", "citation", "link", "read_as")


def build(folder: str | Path, out_folder: str | Path) -> Written:
    """Build economic-conventions from our coding of the index and of the conventions.

    Parameters
    ----------
    folder
        Holds ``price_index.csv`` (one row a copy, manual, part and year) and ``conventions.csv``.
    out_folder
        Folder of evidence packages.

    Raises
    ------
    EvidenceError
        On a missing file or column, copies of one manual that differ, a year that is missing between others,
        a change or value that is no number, or an unknown part or quantity.
    """
    read, index_file = tables.read_list(Path(folder) / "price_index.csv", "price_index.csv", _READ)
    said, other_file = tables.read_list(Path(folder) / "conventions.csv", "conventions.csv", _SAID)
    frames = {"price_index": _index(read), "conventions": _conventions(said)}
    return package(Path(out_folder), _descriptor([index_file, other_file]), frames)


def _index(read: pd.DataFrame) -> pd.DataFrame:
    read = read.assign(change_percent=_numbers(read["change_percent"], "price_index.csv"))
    odd = sorted(set(read["part"]) - set(PARTS))
    if odd:
        raise EvidenceError(f"price_index.csv has the part '{odd[0]}'; expected {', '.join(PARTS)}.")
    for key, rows in read.groupby(["manual", "part", "year"]):
        if len(set(rows["change_percent"])) > 1:
            told = "; ".join(f"{r.read_in}: {r.change_percent:g}" for r in rows.itertuples())
            raise EvidenceError(f"Copies of the manual of {key[0]} differ for {key[1]}, {key[2]}: {told}.")
    made = (
        read.groupby(["manual", "part", "year"])
        .agg(change_percent=("change_percent", "first"), copies=("read_in", "nunique"))
        .reset_index()
    )
    parts = []
    for (manual, part), rows in made.groupby(["manual", "part"]):
        first = rows["year"].str[:4].astype(int).to_numpy()
        if (np.diff(first) != 1).any():
            raise EvidenceError(f"The manual of {manual} leaves out a year of {part}; the index has no gap.")
        newest = rows["year"].eq(rows["year"].max())
        level = 100 * np.cumprod(1 + rows["change_percent"].to_numpy(float) / 100)
        parts.append(rows.assign(level=level.round(4), provisional=newest))
    columns = ["manual", "part", "year", "change_percent", "level", "copies", "provisional"]
    return pd.concat(parts, ignore_index=True)[columns]


def _conventions(said: pd.DataFrame) -> pd.DataFrame:
    odd = sorted(set(said["quantity"]) - set(QUANTITIES))
    if odd:
        raise EvidenceError(f"conventions.csv has the quantity '{odd[0]}'; expected {', '.join(QUANTITIES)}.")
    value = _numbers(said["value"], "conventions.csv")
    return said.assign(value=value, note=said["note"].where(said["note"] != "", None))


def _numbers(column: pd.Series[str], file: str) -> pd.Series[float]:
    values = pd.to_numeric(column, errors="coerce")
    if values.isna().any():
        raise EvidenceError(f"{file}: '{column[values.isna()].iloc[0]}' is no number.")
    return values


def _descriptor(files: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    return {
        "profile": "data-package",
        "name": NAME,
        "title": "Price index, discount rates and the worth of a QALY, as others set them",
        "description": "Yearly changes of the NHS Cost Inflation Index by manual, and the discount rates "
        "and pounds per QALY that NICE, the Treasury and researchers have used.",
        "version": "1.0.0",
        "soa:kind": "published",
        "soa:smallestCount": 1,
        "soa:caveats": [
            "The index was read in public copies of the manual, not in the manual; copies says how many "
            "agree.",
            "The newest year of each manual is provisional: the change into 2023/24 was revised from 4.31 "
            "to 2.47 per cent.",
            "An index of all that the NHS buys; what operations cost may have risen by more or less.",
            "What a QALY is worth is a convention, not a finding, and has not been raised with prices.",
        ],
        "licenses": [
            {
                "name": "MIT",
                "title": "MIT (our selection and words); the figures are facts, cited one by one. The manual "
                "itself is CC BY-NC-SA 4.0; nothing else of it is repeated here",
                "path": "https://opensource.org/license/mit",
            }
        ],
        "sources": [
            {
                "title": "Jones KC and others. Unit Costs of Health and Social Care 2024 Manual. PSSRU, "
                "University of Kent, and Centre for Health Economics, University of York, 2025",
                "path": "https://doi.org/10.22024/UniKent/01.02.109563",
                "soa:via": "github.com/NICE-Data-and-Analytics/COSTmos, commit af13cf3 (MIT); "
                "github.com/w-hardy/dmdprices; an economic model of peripheral artery disease",
                "soa:files": [dict(file) for file in files],
            },
            {
                "title": "Jones KC and others. Unit Costs of Health and Social Care 2025 Manual, 2026",
                "path": "https://doi.org/10.22024/UniKent/01.02.115569",
                "soa:via": "github.com/w-hardy/dmdprices, commit 25b8426: one copy only",
            },
            {"title": "NICE, HM Treasury and published papers, cited row by row in the table conventions"},
        ],
        "resources": [
            resource(
                "price_index",
                "NHS Cost Inflation Index",
                key=["manual", "part", "year"],
                format="csv",
                fields=[
                    text("manual", "Manual", "Year in the manual's title", levels=("2024", "2025")),
                    text("part", "Part", "What the index is of", levels=PARTS),
                    text("year", "Financial year", "Into which prices changed", pattern=r"\d{4}/\d\d"),
                    number("change_percent", "Change", "From the year before", unit="per cent"),
                    number("level", "Index", "Chained; 2014/15 is one hundred", unit="index", minimum=0),
                    count("copies", "Copies", "Public copies read, all alike", unit="copies", minimum=1),
                    flag("provisional", "Provisional", "Newest year of its manual"),
                ],
            ),
            resource(
                "conventions",
                "Discount rates and the worth of a QALY",
                key=["convention"],
                format="csv",
                fields=[
                    text("convention", "Convention", "Short name, for code", pattern="[a-z_]+", unique=True),
                    text("quantity", "Quantity", "What is set", levels=QUANTITIES),
                    number("value", "Value", "As said", unit="as in column unit", minimum=0),
                    text("unit", "Unit", "Of the value", levels=("% a year", "GBP")),
                    text("applies_to", "Applies to", "Costs or health", levels=("costs", "health")),
                    text("basis", "Basis", "Whose convention, and for what"),
                    text("citation", "Citation", "As far as what was read gave it"),
                    text("link", "Link", "Where it was read"),
                    text("read_as", "Read as", "How near to the source we came"),
                    text("note", "Note", "What limits it", required=False),
                ],
            ),
        ],
    }
