"""Build orthopaedic-unit-costs: what hip and knee HRGs cost on average in England, in two collections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence import orthopaedic_hrgs as hrgs
from soa_evidence.evidence import tables
from soa_evidence.evidence.orthopaedic_tariff import positive
from soa_evidence.evidence.write import Written, count, number, package, resource, text

__all__ = ["NAME", "build"]

NAME = "orthopaedic-unit-costs"
REFERENCE = "nhs_reference_costs_2010_2016_latest_per_hrg_type.csv"
COLLECTION = "ncc_2024_25_chapter_H.csv"
#: Our names of how patients came, by the files' own.
_OLD = {
    "Elective": "elective inpatient",
    "Day_case": "day case",
    "Non_Elective_LS": "non-elective, long stay",
    "Non_Elective_SS": "non-elective, short stay",
}
_NEW = {
    "Elective Inpatients": "elective inpatient",
    "Daycase": "day case",
    "Non-Elective Inpatient - Long Stay": "non-elective, long stay",
    "Non-Elective Inpatient - Short Stay": "non-elective, short stay",
}
ADMISSIONS = tuple(_OLD.values())
_ROUNDING = 1e-6
_JOINTS = "HN(12|22|80|81)[A-F]"  # planned replacement of hip or knee, first or again, by their names
_PLANNED = ("Elective Inpatients", "Daycase")
_WORK = ("hip and knee replacement", "other orthopaedic")


def build(reference: str | Path, collection: str | Path, out_folder: str | Path) -> Written:
    """Build the package from the table of reference costs and that of the cost collection, or their folders.

    Raises
    ------
    EvidenceError
        On a missing file or column, an unknown kind of admission, a cost that is no number above 0, an HRG
        whose total is not its activity times its unit cost, or no HRG of ours at all.
    """
    old, first = tables.read_list(
        reference, REFERENCE, ("sushrg", "description", "cost", "type", "Year", "Excess_unit_cost")
    )
    new, second = tables.read_list(
        collection,
        COLLECTION,
        ("department_code", "currency_code", "currency_desc", "activity", "unit_cost", "cost"),
    )
    chapter = new
    old, new = old[old["sushrg"].map(hrgs.known)], new[new["currency_code"].map(hrgs.known)]
    if old.empty or new.empty:
        raise EvidenceError(
            f"{REFERENCE if old.empty else COLLECTION} holds no HRG of hip or knee replacement."
        )
    frames = {
        "reference_costs": _reference(old),
        "cost_collection": _collection(new),
        "planned": _planned(chapter),
    }
    return package(Path(out_folder), _descriptor(first, second), frames)


def _reference(old: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in old.to_dict("records"):
        if row["type"] == "DCRA":  # regular attenders: a handful, and none of them a replacement
            continue
        if row["type"] not in _OLD:
            raise EvidenceError(
                f"{REFERENCE}, HRG {row['sushrg']}: type is '{row['type']}'.{nearest(row['type'], _OLD)}"
            )
        place, year = f"{REFERENCE}, HRG {row['sushrg']}, {row['type']}", int(row["Year"])
        excess = float(row["Excess_unit_cost"] or "nan")
        rows.append(
            {
                "hrg": row["sushrg"],
                "admission": _OLD[row["type"]],
                "year": f"{year}/{(year + 1) % 100:02d}",
                "unit_cost_gbp": positive(row["cost"], place),
                "excess_day_gbp": excess if excess > 0 else None,
            }
        )
    return pd.DataFrame(rows)


def _collection(new: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in new.to_dict("records"):
        if row["department_code"] not in _NEW or row["activity"] in ("", "NA"):
            continue
        place = f"{COLLECTION}, HRG {row['currency_code']}, {row['department_code']}"
        activity, unit, total = (positive(row[n], f"{place}, {n}") for n in ("activity", "unit_cost", "cost"))
        if abs(activity * unit - total) > _ROUNDING * total:
            raise EvidenceError(f"{place}: {activity:g} times £{unit:g} is not the total of £{total:g}.")
        rows.append(
            {
                "hrg": row["currency_code"],
                "admission": _NEW[row["department_code"]],
                "year": "2024/25",
                "activity": int(activity),
                "unit_cost_gbp": unit,
            }
        )
    return pd.DataFrame(rows)


def _planned(new: pd.DataFrame) -> pd.DataFrame:
    """Sum planned orthopaedic work: hip and knee replacement, and all else of the chapter."""
    held = new[new["department_code"].isin(_PLANNED) & ~new["activity"].isin(["", "NA"])]
    work = np.where(held["currency_code"].str.fullmatch(_JOINTS), *_WORK)
    known = {
        name: [positive(one, f"{COLLECTION}, {name}") for one in held[name]] for name in ("activity", "cost")
    }
    sums = pd.DataFrame({"work": work, **known}).groupby("work")[["activity", "cost"]].sum()
    made = sums.round().astype("int64").reset_index()
    return made.rename(columns={"cost": "cost_gbp"}).assign(year="2024/25")


def _descriptor(first: dict[str, str], second: dict[str, str]) -> dict[str, Any]:
    key = [
        text("hrg", "HRG", "Code of the healthcare resource group, described in orthopaedic-tariff"),
        text("admission", "Admission", "How patients came", levels=ADMISSIONS),
        text("year", "Financial year", "April to March", pattern=r"\d{4}/\d{2}"),
    ]
    unit = number("unit_cost_gbp", "Unit cost", "National average of one episode", unit="GBP", minimum=0)
    return {
        "profile": "data-package",
        "name": NAME,
        "title": "What hip and knee operations cost in England by HRG, to 2016/17 and in 2024/25",
        "description": (
            "National average unit costs by HRG and kind of admission: reference costs (the latest of "
            "2010/11 to "
            "2016/17 in which the HRG had one) and the National Cost Collection 2024/25 with its activity."
        ),
        "version": "1.0.0",
        "soa:kind": "published",
        "soa:smallestCount": 1,
        "soa:caveats": [
            "National averages only: what one hospital spends is not public.",
            "Neither file says how costs spread between hospitals or patients, or how many hospitals sent "
            "them.",
            "Costs to 2016/17 leave out days beyond the trim point; costs of 2024/25 hold them.",
            "Rows without activity (small numbers, suppressed by the publisher) are left out.",
            "How hospitals share costs between HRGs is their judgement: a unit cost is not a measurement.",
        ],
        "licenses": [
            {
                "name": "OGL-UK-3.0",
                "title": "Open Government Licence v3.0",
                "path": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
                "soa:attribution": "Contains public sector information licensed under the Open Government "
                                   "Licence v3.0.",
            }
        ],
        "sources": [
            {
                "title": "NHS reference costs 2010/11 to 2016/17, as held in the R package hesr",
                "soa:publisher": "Department of Health; NHS Improvement",
                "path": "https://github.com/STAPM/hesr",
                "soa:files": [first],
            },
            {
                "title": "National Cost Collection 2024/25, national schedule, as held in the R package "
                         "COSTmos",
                "soa:publisher": "NHS England",
                "path": "https://www.england.nhs.uk/costing-in-the-nhs/national-cost-collection/",
                "soa:files": [second],
            },
        ],
        "resources": [
            resource("reference_costs", "Reference costs",
                     fields=[*key, unit, number("excess_day_gbp", "Excess bed day", "Beyond the trim point",
                                                unit="GBP per day", required=False, minimum=0)],
                     key=["hrg", "admission"], format="csv"),
            resource("cost_collection", "National Cost Collection",
                     fields=[*key, count("activity", "Activity", "Finished consultant "
                                                                 "episodes", unit="episodes"),
                             unit],
                     key=["hrg", "admission"], format="csv"),
            resource("planned", "Planned orthopaedic work as a whole, inpatients and day cases",
                     fields=[text("work", "Work", "By the names of the HRGs of chapter H", levels=_WORK),
                             key[2],
                             count("activity", "Activity", "Finished consultant episodes", unit="episodes"),
                             count("cost_gbp", "Cost", "Total, England", unit="GBP")],
                     key=["work"], format="csv"),
        ],
    }  # fmt: skip
