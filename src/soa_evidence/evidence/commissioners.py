"""Build commissioner-joint-replacement: people and completed questionnaires, by commissioner.

The record files by commissioner hold one row for each patient who filled in both questionnaires and was
linked to
a hospital record; they are counted here and never leave this process. Ages of the questionnaires are by tens
(50
to 59), ages of registered people by other tens (45 to 54): a band of people is split in half between the two
bands that it reaches into, and everyone from 75 up is among the 70s and over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence import tables
from soa_evidence.evidence.commissioners_areas import area_of
from soa_evidence.evidence.commissioners_fields import AGES, NAME, SEXES, YEARS, descriptor
from soa_evidence.evidence.nhs_proms import packs
from soa_evidence.evidence.write import Written, package

__all__ = ["NAME", "build"]

POPULATION, MERGERS = "ccg_population_interpolated_2016_2019.csv", "ccg_mergers_2016_to_2019_hand_typed.csv"
NAMES, IMD = "CCG19_names_codes_England.csv", "imd2019_ccg_april2021_registered_weighted.csv"
PEERS = "similar10_ccgs_april2021_computed.csv"
#: The national hub commissions for no place, so it has no registered people.
NO_PLACE = frozenset({"13Q"})
#: Commissioners whose interpolated population is doubtful: boundary changes, and lists that moved.
DOUBTFUL = frozenset({"01H", "01K", "02R", "02W", "04L", "08C"})
#: Merged by April 2021 into a commissioner for which peers are known.
MERGED_LATER = {"05N": "M2L0M", "05X": "M2L0M"}
_OLDER = ("70 to 79", "80 to 89", "90 to 120")
_AGE_OF = {
    **dict.fromkeys(("0 to 9", "10 to 19", "20 to 29", "30 to 39", "40 to 49"), AGES[0]),
    "50 to 59": AGES[1],
    "60 to 69": AGES[2],
    **dict.fromkeys(_OLDER, AGES[3]),
}
#: Share of each band of registered people in each of our bands.
_SPLIT: dict[str, dict[str, float]] = {
    **{band: {AGES[0]: 1.0} for band in ("0-4", "5-14", "15-24", "25-34", "35-44")},
    "45-54": {AGES[0]: 0.5, AGES[1]: 0.5},
    "55-64": {AGES[1]: 0.5, AGES[2]: 0.5},
    "65-74": {AGES[2]: 0.5, AGES[3]: 0.5},
    "75+": {AGES[3]: 1.0},
}
_COLUMNS = ("provider_code", "procedure", "revision_flag", "year", "age_band", "gender")


def build(
    packs_of: Sequence[str | Path],
    populations: str | Path,
    names: str | Path,
    deprivation: str | Path,
    peers: str | Path,
    out_folder: str | Path,
) -> Written:
    """Build the package.

    Parameters
    ----------
    packs_of
        NHS Digital's PROMs packs, or folders or single files of them.
    populations, names, deprivation, peers
        Folders (or files) of registered people, of commissioners' names, of deprivation and of peers.
    out_folder
        Folder of evidence packages, such as ``evidence``.

    Returns
    -------
    Written
        The same files always give the same bytes.

    Raises
    ------
    EvidenceError
        On a missing file or column, an unknown code, age, sex or year, a commissioner without people, or one
        in no area of England.
    """
    files = packs.commissioner_files(packs_of)
    place = Path(populations)
    if not place.is_dir():
        raise EvidenceError(
            f"There is no folder {str(populations)!r}; expected {POPULATION} and {MERGERS} in it."
        )
    people, first = tables.read_list(place, POPULATION, ("year", "ccg", "sex", "age_band", "patients_est"))
    merged, second = tables.read_list(place, MERGERS, ("old_ccg", "new_ccg_apr2019"))
    named, third = tables.read_list(names, NAMES, ("CCG19CDH", "CCG19NM"))
    imd, fourth = tables.read_list(deprivation, IMD, ("CCGcode", "IMDscore"))
    near, fifth = tables.read_list(peers, PEERS, ("ccg", "rank", "similar_ccg"))
    codes = {row["CCG19CDH"]: row["CCG19NM"] for row in named.to_dict("records")}
    moved = {row["old_ccg"]: row["new_ccg_apr2019"] for row in merged.to_dict("records")}
    records = pd.concat([_records(file, moved, codes) for file in files], ignore_index=True)
    frames = {
        "counts": _counts(records),
        "ages": _ages(records),
        "population": _population(people, codes),
        "commissioners": _commissioners(codes, imd, near, moved),
        "peers": near[["ccg", "rank", "similar_ccg"]]
        .rename(columns={"ccg": "commissioner_2021", "similar_ccg": "peer_2021"})
        .assign(rank=near["rank"].astype(int)),
    }
    _require_people(frames)
    used = [{"name": file.name, "hash": file.hash} for file in files]
    return package(Path(out_folder), descriptor(used, [first, second, third, fourth, fifth]), frames)


def _records(file: packs.PackFile, moved: dict[str, str], codes: dict[str, str]) -> pd.DataFrame:
    raw = packs.read_columns(file, _COLUMNS)
    raw = raw[(raw["revision_flag"] == "0") & ~raw["provider_code"].isin(NO_PLACE)]
    code = raw["provider_code"].replace(moved)
    joint = raw["procedure"].str.split().str[0].str.lower()
    year = raw["year"].str.replace(r"^(\d{4})\D(?:20)?(\d\d)$", r"\1/\2", regex=True)
    band = raw["age_band"].map({**_AGE_OF, "*": ""})
    sex = raw["gender"].map({"1": "male", "2": "female", "*": ""})
    _require_known(file.name, "commissioner", code, codes)
    _require_known(file.name, "joint", joint, ("hip", "knee"))
    _require_known(file.name, "year", year, YEARS)
    for name, found, said in (("age_band", band, raw["age_band"]), ("gender", sex, raw["gender"])):
        if found.isna().any():
            raise EvidenceError(f"{file.name}: {name} is {said[found.isna()].iloc[0]!r}, which is not known.")
    known = (band != "") & (sex != "")
    return pd.DataFrame(
        {"commissioner": code, "year": year, "joint": joint, "sex": sex, "age_band": band, "known": known}
    )


def _require_known(file: str, what: str, found: pd.Series[Any], known: Any) -> None:
    odd = found[~found.isin(list(known))]
    if len(odd):
        raise EvidenceError(
            f"{file}: {what} is {odd.iloc[0]!r}, which is not known.{nearest(odd.iloc[0], known)}"
        )


def _counts(records: pd.DataFrame) -> pd.DataFrame:
    grouped = records.groupby(["commissioner", "year", "joint"])["known"]
    return grouped.agg(completed="size", age_known="sum").reset_index()


def _ages(records: pd.DataFrame) -> pd.DataFrame:
    known = records[records["known"]]
    return known.groupby(["year", "joint", "sex", "age_band"]).size().rename("completed").reset_index()


def _population(people: pd.DataFrame, codes: dict[str, str]) -> pd.DataFrame:
    _require_known(POPULATION, "ccg", people["ccg"], codes)
    _require_known(POPULATION, "age_band", people["age_band"], _SPLIT)
    _require_known(POPULATION, "sex", people["sex"], SEXES)
    _require_known(POPULATION, "year", people["year"], YEARS)
    number = tables.numbers(people["patients_est"])
    if (bad := ~(number >= 0)).any():
        raise EvidenceError(
            f"{POPULATION}, row {bad.to_numpy().argmax() + 1}: patients_est is "
            f"'{people['patients_est'][bad].iloc[0]}'; expected a number of people."
        )
    parts = [
        people.assign(age_band=ours, people=number * share).loc[people["age_band"] == theirs]
        for theirs, shares in _SPLIT.items()
        for ours, share in shares.items()
    ]
    by = ["ccg", "year", "sex", "age_band"]
    total = pd.concat(parts).groupby(by)["people"].sum().round(1).reset_index()
    return total.rename(columns={"ccg": "commissioner"})


def _commissioners(
    codes: dict[str, str], imd: pd.DataFrame, near: pd.DataFrame, moved: dict[str, str]
) -> pd.DataFrame:
    score, later = dict(zip(imd["CCGcode"], imd["IMDscore"], strict=True)), set(near["ccg"])
    rows = []
    for code, name in codes.items():
        area, region = area_of(code, moved)
        as_of_2021 = MERGED_LATER.get(code, code if code in later else None)
        rows.append(
            {
                "commissioner": code,
                "name": name.removeprefix("NHS ").removesuffix(" CCG"),
                "area": area,
                "region": region,
                "commissioner_2021": as_of_2021,
                "deprivation": float(score[code]) if code in score else None,
                "population_doubtful": code in DOUBTFUL,
            }
        )
    return pd.DataFrame(rows)


def _require_people(frames: dict[str, pd.DataFrame]) -> None:
    have = set(frames["population"][["commissioner", "year"]].itertuples(index=False, name=None))
    for row in frames["counts"].to_dict("records"):
        if (row["commissioner"], row["year"]) not in have:
            raise EvidenceError(
                f"{POPULATION} gives no people for commissioner {row['commissioner']} in {row['year']}."
            )
