"""Build orthopaedic-tariff: prices of hip and knee HRGs by year, and what has been reported of the top-up.

Prices come from the two tables of prices; they are checked against each other, and an HRG whose combined
price
is doubtful is left out. What has been reported comes from the list of published figures or was read by us;
the
coding table ``evidence/_tariff/reported.csv`` says which, and its figures must stand in the list.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence import orthopaedic_hrgs as hrgs
from soa_evidence.evidence import tables
from soa_evidence.evidence.write import Written, count, number, package, resource, text

__all__ = ["CODING", "NAME", "build"]

NAME = "orthopaedic-tariff"
#: Folder of the coding table, inside the folder of evidence packages.
CODING = "_tariff"
TWO_YEARS, ONE_YEAR = (
    "ntps_2017_19_chapter_H.csv",
    "nhsps_2025_26_hip_knee_elective_prices_secondary_copy.csv",
)
FIGURES = "published_figures.csv"
YEARS = ("2017/18", "2018/19", "2025/26")
ADMISSIONS = ("elective", "non-elective")
SOURCES = ("workbook, by way of a third party's database", "third party's hand copy of the workbook")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def build(
    prices: str | Path, figures: str | Path, out_folder: str | Path, *, coding: str | Path | None = None
) -> Written:
    """Build the package.

    Parameters
    ----------
    prices
        Folder of the two tables of prices.
    figures
        The list of published figures, or its folder.
    out_folder
        Folder of evidence packages, such as ``evidence``.
    coding
        Folder of our coding table; ``<out_folder>/_tariff`` when not given.

    Returns
    -------
    Written
        The same files always give the same bytes.

    Raises
    ------
    EvidenceError
        On a missing file, column or HRG, a price that is no number above 0, prices that the two tables give
        differently, or a coded figure that the list does not hold.
    """
    out = Path(out_folder)
    two, first = tables.read_list(
        prices, TWO_YEARS,
        ("hrg", "hrg_name", "elective_combined_2017_18", "elective_combined_2018_19", "nonelective_2017_18",
         "nonelective_2018_19", "elective_trim_days_2018_19", "nonelective_trim_days_2017_18",
         "long_stay_per_day_2017_18", "combined_suspect"),
    )  # fmt: skip
    one, second = tables.read_list(
        prices, ONE_YEAR, ("hrg", "elective_price_2025_26", "elective_combined_2017_18")
    )
    listed, third = tables.read_list(figures, FIGURES, ("id", "estimate", "outcome", "support_quote"))
    coded, _ = tables.read_list(Path(coding) if coding else out / CODING, "reported.csv", tuple(_REPORTED))
    two, one = two[two["hrg"].map(hrgs.known)], one[one["hrg"].map(hrgs.known)]
    _require_agreement(two, one)
    frames = {
        "prices": _prices(two, one),
        "hrgs": hrgs.table({r["hrg"]: r["hrg_name"] for r in two.to_dict("records")}),
        "reported": _reported(coded, listed),
    }
    return package(out, _descriptor([first, second, third]), frames)


def positive(value: str, place: str) -> float:
    """Return a number above 0; anything else is an error naming its place."""
    try:
        read = float(value)
    except ValueError:
        read = float("nan")
    if not 0 < read < float("inf"):
        raise EvidenceError(f"{place}: '{value}' is not a number above 0.")
    return read


def _require_agreement(two: pd.DataFrame, one: pd.DataFrame) -> None:
    """Refuse a later table whose repeated price of 2017/18 is not that of the earlier one."""
    known = two.set_index("hrg")["elective_combined_2017_18"]
    for row in one.to_dict("records"):
        if row["hrg"] not in known.index:
            raise EvidenceError(
                f"{ONE_YEAR}: HRG {row['hrg']} is not in {TWO_YEARS}.{nearest(row['hrg'], known.index)}"
            )
        ours, theirs = (
            positive(v, f"HRG {row['hrg']}") for v in (known[row["hrg"]], row["elective_combined_2017_18"])
        )
        if ours != theirs:
            raise EvidenceError(
                f"HRG {row['hrg']}, 2017/18: {TWO_YEARS} gives £{ours:g}, {ONE_YEAR} £{theirs:g}. One was "
                "copied wrong; look it up."
            )


def _prices(two: pd.DataFrame, one: pd.DataFrame) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for row in two.to_dict("records"):
        hrg, place = row["hrg"], f"{TWO_YEARS}, HRG {row['hrg']}"
        for year, ending in zip(YEARS, ("2017_18", "2018_19"), strict=False):
            for admission, price, trim in (
                ("elective", f"elective_combined_{ending}", "elective_trim_days_2018_19"),
                ("non-elective", f"nonelective_{ending}", "nonelective_trim_days_2017_18"),
            ):
                if not row[price] or (admission == "elective" and row["combined_suspect"] != "False"):
                    continue
                rows.append(
                    {
                        "hrg": hrg,
                        "year": year,
                        "admission": admission,
                        "base_price_gbp": positive(row[price], f"{place}, {price}"),
                        "trim_point_days": positive(row[trim], f"{place}, {trim}"),
                        "trim_point_of": "2018/19" if admission == "elective" else "2017/18",
                        "long_stay_per_day_gbp": positive(row["long_stay_per_day_2017_18"], place),
                        "read_from": SOURCES[0],
                    }
                )
    for row in one.to_dict("records"):
        latest = positive(row["elective_price_2025_26"], f"{ONE_YEAR}, HRG {row['hrg']}")
        rows.append(
            {
                "hrg": row["hrg"],
                "year": YEARS[2],
                "admission": "elective",
                "base_price_gbp": latest,
                "trim_point_days": None,
                "trim_point_of": None,
                "long_stay_per_day_gbp": None,
                "read_from": SOURCES[1],
            }
        )
    return pd.DataFrame(rows)


_REPORTED = {
    "fact_id": "Row",
    "number_from": "Where the number was taken from",
    "subject": "Subject",
    "period": "Period",
    "what": "What is reported",
    "low": "Lower",
    "high": "Higher",
    "unit": "Unit",
    "reported_by": "Reported by",
    "citation": "Citation",
    "link": "Link",
    "note": "Note",
}


def _reported(coded: pd.DataFrame, listed: pd.DataFrame) -> pd.DataFrame:
    facts = listed.set_index("id")
    for row in coded.to_dict("records"):
        place = f"reported.csv, {row['fact_id']}"
        if row["number_from"] not in (FIGURES, "read by us"):
            raise EvidenceError(
                f"{place}: number_from is {row['number_from']!r}; expected {FIGURES} or 'read by us'."
            )
        numbers = [float(v) for v in (row["low"], row["high"]) if _NUMBER.fullmatch(v)]
        if len(numbers) != 2 or numbers[0] > numbers[1]:
            raise EvidenceError(
                f"{place}: low '{row['low']}' and high '{row['high']}' are not two numbers in order."
            )
        if row["number_from"] != FIGURES:
            continue
        if row["fact_id"] not in facts.index:
            raise EvidenceError(
                f"{place}: {FIGURES} holds no such figure.{nearest(row['fact_id'], facts.index)}"
            )
        printed = {
            float(v) for v in _NUMBER.findall(str(facts.loc[row["fact_id"], "estimate"]).replace("-", " "))
        }
        if not set(numbers) <= printed:
            raise EvidenceError(
                f"{place}: {row['low']} and {row['high']} are not the figures of {FIGURES} "
                f"('{facts.loc[row['fact_id'], 'estimate']}')."
            )
    frame = coded.where(coded != "", None)
    return frame.assign(low=coded["low"].astype(float), high=coded["high"].astype(float))


def _descriptor(files: list[dict[str, str]]) -> dict[str, Any]:
    said = [
        text(name, title, f"{title}, in our words", required=name != "note", unique=name == "fact_id")
        for name, title in _REPORTED.items()
        if name not in ("low", "high")
    ]
    values = [
        number(name, _REPORTED[name], "As reported; both alike where one figure is", unit="see unit")
        for name in ("low", "high")
    ]
    return {
        "profile": "data-package",
        "name": NAME,
        "title": "National prices of hip and knee operations by HRG, England, 2017/18, 2018/19 and 2025/26",
        "description": (
            "Base prices, trim points and long-stay payments of the HRGs of hip and knee replacement, simple "
            "and complex; and what has been reported of the specialist orthopaedic top-up and of cost "
            "against "
            "tariff, each with its citation."
        ),
        "version": "1.0.0",
        "soa:kind": "published",
        "soa:smallestCount": 1,
        "soa:caveats": [
            "Prices were read in third parties' copies of the official workbooks, not in the workbooks.",
            "Prices are before the market forces factor, which raises income by a share that differs by "
            "trust.",
            "Whether prices hold the best-practice payment is not stated in the copies.",
            "No rate of the specialist top-up later than 2011/12 was found.",
            "Elective trim points are those of 2018/19, other trim points and long-stay payments of 2017/18.",
            "A price pays for a whole spell; a unit cost may be of one consultant episode of it.",
        ],
        "licenses": [
            {
                "name": "OGL-UK-3.0",
                "title": "Open Government Licence v3.0",
                "path": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
                "soa:attribution": "Contains public sector information licensed under the Open Government "
                                   "Licence v3.0.",
                "soa:basis": "Prices are NHS Improvement's and NHS England's; reported figures are facts, "
                             "cited.",
            }
        ],
        "sources": [
            {
                "title": "2017/18 and 2018/19 National tariff payment system, annex A (prices)",
                "soa:publisher": "NHS Improvement and NHS England",
                "path": "https://github.com/CharlesHHPerera/SQl_project",
                "soa:files": files[:1],
            },
            {
                "title": "NHS payment scheme 2025/26, annex A (prices), hip and knee",
                "soa:publisher": "NHS England",
                "path": "https://www.england.nhs.uk/publication/2025-26-nhs-payment-scheme/",
                "soa:files": files[1:2],
            },
            {
                "title": "Published figures on the top-up and on cost against tariff, cited one by one in "
                         "reported",
                "soa:files": files[2:],
            },
        ],
        "resources": [
            resource("prices", "Prices", fields=_price_fields(), key=["hrg", "year", "admission"],
            format="csv",
                     foreign=[{"fields": ["hrg"], "reference": {"resource": "hrgs", "fields": ["hrg"]}}]),
            resource("hrgs", "HRGs", fields=hrgs.fields(), key=["hrg"], format="csv"),
            resource("reported", "Reported by others", fields=said[:5] + values + said[5:], key=["fact_id"],
                     format="csv"),
        ],
    }  # fmt: skip


def _price_fields() -> list[dict[str, Any]]:
    return [
        text("hrg", "HRG", "Code of the healthcare resource group"),
        text("year", "Financial year", "April to March", levels=YEARS),
        text("admission", "Admission", "Planned or not", levels=ADMISSIONS),
        number("base_price_gbp", "Base price", "For the spell, before any adjustment", unit="GBP", minimum=0),
        count("trim_point_days", "Trim point", "Days paid for by the base "
                                               "price", unit="days", required=False),
        text("trim_point_of", "Trim point of", "Year the trim point was published for", required=False),
        number("long_stay_per_day_gbp", "Long-stay payment", "For each day beyond the trim point, 2017/18",
               unit="GBP per day", required=False, minimum=0),
        text("read_from", "Read from", "Where the price was read", levels=SOURCES),
    ]  # fmt: skip
