"""trust-catchments and independent-orthopaedics: whose patients a hospital trust draws, and who treats them.

The first adds official catchment populations of elective admissions up to the age bands of our counts; the
second adds months of published analyses up to years: who does NHS-funded orthopaedic work, by joint, by
deprivation of where patients live, and after what wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence import tables
from soa_evidence.evidence.write import Written, count, package, resource, text

__all__ = ["build_catchments", "build_independent"]

CATCHMENTS = "trust_catchment_population_2017.csv"
BY_JOINT, BY_FIFTH, BY_WAIT = "SU_3-1-1-1.csv", "SU_4-1-3.csv", "SU_5-1.csv"
BANDS = ("under 50", "50 to 59", "60 to 69", "70 and over")
SECTORS = ("independent", "NHS")
_BAND_OF = {
    **dict.fromkeys(("0-9", "10-19", "20-29", "30-39", "40-44", "45-49"), BANDS[0]),
    **dict.fromkeys(("50-54", "55-59"), BANDS[1]),
    "60-69": BANDS[2],
    **dict.fromkeys(("70-79", "80+"), BANDS[3]),
}
_SECTOR_OF = {"Independent Sector": SECTORS[0], "NHS": SECTORS[1]}
_KINDS = ("Trust Catchment - All Admissions", "Trust Catchment - Elective", "Trust Catchment - Emergency")
_WHOLE_YEARS = range(2018, 2022)  # April 2018 to March 2022: the first and last year have months missing
OGL = {
    "name": "OGL-UK-3.0",
    "title": "Open Government Licence v3.0",
    "path": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
}
MIT = {"name": "MIT", "title": "MIT", "path": "https://opensource.org/license/mit"}


def build_catchments(catchments: str | Path, out_folder: str | Path) -> Written:
    """Build trust-catchments from the long table of catchment populations, or the folder that holds it.

    Raises
    ------
    EvidenceError
        On a missing file or column, an unknown kind or age, or people that are no number.
    """
    needed = ("trust_code", "trust_name", "type", "population", "age_band_corrected")
    raw, file = tables.read_list(catchments, CATCHMENTS, needed)
    _known(raw["type"], _KINDS, CATCHMENTS)
    _known(raw["age_band_corrected"], _BAND_OF, CATCHMENTS)
    planned = raw[raw["type"] == _KINDS[1]]
    made = (
        planned.assign(
            age_band=planned["age_band_corrected"].map(_BAND_OF),
            people=_whole(planned["population"], CATCHMENTS),
        )
        .groupby(["trust_code", "trust_name", "age_band"])["people"]
        .sum()
        .reset_index()
    )
    return package(Path(out_folder), _catchments(file), {"catchments": made})


def build_independent(folder: str | Path, out_folder: str | Path) -> Written:
    """Build independent-orthopaedics from the folder of the analysis's tables.

    Raises
    ------
    EvidenceError
        On a missing file or column, an unknown sector, a month twice or missing within the years, or a number
        that is none.
    """
    joints, one = tables.read_list(
        folder, BY_JOINT, ("der_activity_month", "type", "procedure_desc_short", "n_spells_IP")
    )
    fifths, two = tables.read_list(
        folder, BY_FIFTH, ("der_activity_month", "var_1", "name", "sector", "value")
    )
    waits, three = tables.read_list(folder, BY_WAIT, ("year", "var_1", "name", "sector", "value"))
    joints = joints.assign(joint=joints["procedure_desc_short"].str.lower(), sector=joints["type"])
    fifths = fifths[fifths["name"] == "Inpatient admissions"].assign(fifth=fifths["var_1"])
    waits = waits[waits["name"] == "Inpatient admissions"]
    frames = {
        "by_joint": _years(joints, "joint", "n_spells_IP", BY_JOINT),
        "by_deprivation": _years(fifths, "fifth", "value", BY_FIFTH).astype({"fifth": int}),
        "waits": pd.DataFrame(
            {
                "year": waits["year"].astype(int),
                "days_from": waits["var_1"].str.split("-").str[0].astype(int),
                "sector": _sector(waits["sector"], BY_WAIT),
                "admissions": _whole(waits["value"], BY_WAIT),
            }
        ),
    }
    return package(Path(out_folder), _independent([one, two, three]), frames)


def _years(frame: pd.DataFrame, by: str, value: str, file: str) -> pd.DataFrame:
    month = pd.to_datetime(frame["der_activity_month"], errors="coerce")
    if month.isna().any():
        odd = frame["der_activity_month"][month.isna()].iloc[0]
        raise EvidenceError(f"{file}: '{odd}' is no month.")
    first = month.dt.year - (month.dt.month < 4)
    made = frame.assign(
        sector=_sector(frame["sector"], file), first=first, month=month, admissions=_whole(frame[value], file)
    )
    made = made[made["first"].isin(_WHOLE_YEARS)]
    if made.duplicated(["month", by, "sector"]).any():
        raise EvidenceError(f"{file} has a month of one {by} and sector twice.")
    held = made.groupby(["first", by, "sector"])["month"].nunique()
    if held.empty or (held != 12).any():
        raise EvidenceError(
            f"{file}: a year of {by} does not have twelve months of each sector; expected whole years."
        )
    year = made["first"].map(lambda y: f"{y}/{(y + 1) % 100:02d}")
    return made.assign(year=year).groupby(["year", by, "sector"])["admissions"].sum().reset_index()


def _known(found: pd.Series[str], known: Any, file: str) -> None:
    odd = found[~found.isin(list(known))]
    if len(odd):
        raise EvidenceError(
            f"{file}: '{odd.iloc[0]}' is not known.{nearest(odd.iloc[0], known)} "
            f"Expected: {', '.join(known)}."
        )


def _sector(found: pd.Series[str], file: str) -> pd.Series[str]:
    _known(found, _SECTOR_OF, file)
    return found.map(_SECTOR_OF)


def _whole(found: pd.Series[str], file: str) -> pd.Series[int]:
    values = pd.to_numeric(found, errors="coerce")
    if (bad := ~(values >= 0)).any():
        raise EvidenceError(f"{file}: '{found[bad].iloc[0]}'; expected a number of people or admissions.")
    return values.round().astype("int64")


def _common(name: str, title: str, description: str, licence: Mapping[str, str]) -> dict[str, Any]:
    return {
        "profile": "data-package",
        "name": name,
        "title": title,
        "description": description,
        "version": "1.0.0",
        "soa:kind": "derived",
        "soa:smallestCount": 1,
        "licenses": [dict(licence)],
    }


def _catchments(file: Mapping[str, str]) -> dict[str, Any]:
    fields = [
        text("trust_code", "Trust", "Code of the NHS trust"),
        text("trust_name", "Name", "Of the trust, as published"),
        text("age_band", "Age", "Bands of our counts of replacements", levels=BANDS),
        count("people", "People", "In the catchment of elective admissions", unit="people"),
    ]
    return {
        **_common(
            "trust-catchments",
            "Catchment populations of NHS trusts for elective admissions, England, 2017",
            "People by age in the catchment of each trust's elective admissions, all specialties, "
            "added up to four bands.",
            OGL,
        ),
        "soa:caveats": [
            "The catchment is of all elective admissions: an orthopaedic hospital has a small one, for few "
            "people go there for anything else, and does the joints of many more.",
            "People treated in the independent sector are in some trust's catchment all the same.",
            "Two labels of age were wrong in the copy and are put right (40 to 44 and 50 to 54).",
        ],
        "sources": [
            {
                "title": "NHS trust catchment populations, 2019 worksheet, year 2017",
                "soa:publisher": "Public Health England",
                "soa:via": "github.com/wyuill/covid-19_SEIR_Imperial_model, commit e87d44c (no licence of "
                "its own seen; the figures are the publisher's)",
                "soa:files": [dict(file)],
            }
        ],
        "resources": [
            resource(
                "catchments",
                "Elective catchments",
                fields=fields,
                key=["trust_code", "age_band"],
                format="csv",
            )
        ],
    }


def _independent(files: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    year = text("year", "Financial year", "April to March", pattern=r"\d{4}/\d\d")
    sector = text("sector", "Sector", "Of the hospital", levels=SECTORS)
    admitted = count("admissions", "Admissions", "NHS-funded orthopaedic inpatients", unit="admissions")
    return {
        **_common(
            "independent-orthopaedics",
            "Who does NHS-funded orthopaedic work in England: NHS or independent sector, 2018 to 2022",
            "NHS-funded orthopaedic admissions by sector: by joint and by deprivation of where patients "
            "live, added up to financial years; and by length of wait in calendar years.",
            MIT,
        ),
        "soa:caveats": [
            "Hip and knee are all orthopaedic procedures of the joint, not replacement alone.",
            "Deprivation is of the area where patients live, in fifths of England's areas.",
            "Sums of admissions: no age, sex or illness, so a share is no comparison of outcomes.",
            "Covid-19 is in 2019/20 (its end), 2020/21 and 2021/22.",
        ],
        "sources": [
            {
                "title": "Elective waiting times: NHS-funded orthopaedic care and the independent sector",
                "soa:publisher": "The Strategy Unit and the Health Foundation, from hospital records",
                "soa:via": "github.com/HFAnalyticsLab/Elective-waiting-times-pipeline, commit dc82444 (MIT)",
                "soa:files": [dict(file) for file in files],
            }
        ],
        "resources": [
            resource(
                "by_joint",
                "By joint",
                fields=[
                    year,
                    text("joint", "Joint", "Operated on, by the file's name of it"),
                    sector,
                    admitted,
                ],
                key=["year", "joint", "sector"],
                format="csv",
            ),
            resource(
                "by_deprivation",
                "By deprivation of where patients live",
                fields=[
                    year,
                    count("fifth", "Fifth", "Of areas; 1 is the most deprived", unit="fifth", minimum=1),
                    sector,
                    admitted,
                ],
                key=["year", "fifth", "sector"],
                format="csv",
            ),
            resource(
                "waits",
                "By length of wait",
                fields=[
                    count("year", "Year", "Calendar year", unit="year"),
                    count("days_from", "Days from", "Waited at least; bands of fifty days", unit="days"),
                    sector,
                    admitted,
                ],
                key=["year", "days_from", "sector"],
                format="csv",
            ),
        ],
    }
