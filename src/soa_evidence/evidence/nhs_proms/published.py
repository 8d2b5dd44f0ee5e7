"""nhs-proms-published: NHS Digital's own case-mix adjusted gains and outlier status, the whole series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.nhs_proms.credits import LICENCE, sources
from soa_evidence.evidence.nhs_proms.packs import PackFile, read_columns, year_of
from soa_evidence.evidence.nhs_proms.participation import figures
from soa_evidence.evidence.write import count, number, resource, text

__all__ = ["KEY", "NAME", "make"]

NAME = "nhs-proms-published"
KEY = ("organisation_code", "year", "joint", "procedure", "measure")
_OPERATIONS = {
    "Total Hip Replacement": ("hip", "all"),
    "Hip Replacement Primary": ("hip", "primary"),
    "Hip Replacement Revision": ("hip", "revision"),
    "Total Knee Replacement": ("knee", "all"),
    "Knee Replacement Primary": ("knee", "primary"),
    "Knee Replacement Revision": ("knee", "revision"),
}
_MEASURES = {
    "Oxford Hip Score": "Oxford score",
    "Oxford Knee Score": "Oxford score",
    "EQ-5D Index": "EQ-5D index",
    "EQ VAS": "EQ VAS",
}
_OUTLIERS = {
    "Positive outlier (99.8%)": "positive, 99.8 %",
    "Positive outlier (95%)": "positive, 95 %",
    "Not an outlier": "not an outlier",
    "Negative outlier (95%)": "negative, 95 %",
    "Negative outlier (99.8%)": "negative, 99.8 %",
    "Insufficient records": "insufficient records",
    "No procedures": "no procedures",
}
_SCORES = {
    "modelled_records": "modelled_records",
    "pre_mean": "average_pre_op_q_score",
    "post_mean": "average_post_op_q_score",
    "gain_mean": "health_gain",
    "improved": "improved",
    "unchanged": "same",
    "worsened": "worse",
    "adjusted_post_mean": "adjusted_post_op_q_score",
    "adjusted_gain": "adjusted_average_health_gain",
    "standard_deviation": "standard_deviation",
}
_STATES = ("adjusted", "unadjusted only", "suppressed", "no modelled records")
_HIDDEN = ("*", "-")


def make(
    series: Sequence[PackFile], scores: Sequence[PackFile]
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return descriptor and tables of the package.

    Parameters
    ----------
    series
        Time series files, each holding years back to 2011/12. All are joined: a later file leaves out
        organisations without a record in its last year, so the earlier ones keep those that closed.
    scores
        Provider and commissioner score files of one year each; commissioners' rows are left out.

    Raises
    ------
    EvidenceError
        When two files disagree about a published gain or outlier status, or a code is unknown.
    """
    joined, releases = _join([_read_series(file) for file in series], [file.name for file in series])
    by_year: dict[str, PackFile] = {}
    for file in scores:
        year = year_of(file)
        if year in by_year:
            raise EvidenceError(f"{by_year[year].name} and {file.name} are both scores of {year}; give one.")
        by_year[year] = file
    table = pd.concat([_read_scores(file, year) for year, file in sorted(by_year.items())], ignore_index=True)
    credits = sources([*zip(releases, series, strict=True), *by_year.items()])
    return _descriptor(joined, table, credits), {"series": joined, "scores": table}


def _recode(file: PackFile, column: pd.Series[str], codes: dict[str, Any]) -> pd.Series[Any]:
    wrong = np.flatnonzero(~column.isin(list(codes)))
    if len(wrong):
        raise EvidenceError(
            f"{file.name}, row {wrong[0] + 1}, column '{column.name}': {column.iloc[wrong[0]]!r}; expected "
            f"one of: {', '.join(codes)}."
        )
    return column.map(codes)


def _keyed(file: PackFile, raw: pd.DataFrame, code: str, name: str) -> pd.DataFrame:
    operation = _recode(file, raw["procedure"], _OPERATIONS)
    return pd.DataFrame(
        {
            "organisation_code": raw[code],
            "organisation_name": raw[name],
            "joint": operation.str[0],
            "procedure": operation.str[1],
            "measure": _recode(file, raw["measure"], _MEASURES),
        }
    )


def _read_series(file: PackFile) -> pd.DataFrame:
    raw = read_columns(file)
    starts = sorted(column[-4:] for column in raw.columns if column.startswith("outlier_"))
    base = _keyed(file, raw, "orgcode", "orgname")
    parts = []
    for start in starts:
        part = base.assign(year=f"{start}/{(int(start) + 1) % 100:02d}")
        part["modelled_records"] = figures(file, raw[f"modelled_records_{start}"], _HIDDEN)
        part["adjusted_gain"] = figures(file, raw[f"adjusted_health_gain_{start}"], _HIDDEN)
        part["outlier"] = _recode(file, raw[f"outlier_{start}"], _OUTLIERS)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _join(frames: list[pd.DataFrame], names: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Join the series, later releases before earlier; gains and status must not differ between them."""
    releases = [frame["year"].max() for frame in frames]
    every = pd.concat(
        [frame.assign(release=release) for frame, release in zip(frames, releases, strict=True)]
    )
    every = every.sort_values("release", ascending=False, kind="stable")
    firsts = every.groupby(list(KEY), sort=False)
    for column in ("adjusted_gain", "outlier"):
        differs = firsts[column].transform("nunique", dropna=False) > 1
        if differs.any():
            row = every[differs].iloc[0]
            raise EvidenceError(
                f"The time series files {', '.join(names)} disagree on {column} of "
                f"{row['organisation_code']}, {row['joint']} {row['procedure']}, {row['measure']}, "
                f"{row['year']}; use finalised releases only."
            )
    counts = firsts["modelled_records"]
    every["modelled_records_change"] = counts.transform("first") - counts.transform("last")
    latest = every.drop_duplicates(list(KEY))
    # a name changes with time; one name an organisation, the latest, keeps the table joinable and small
    return latest.assign(
        organisation_name=latest.groupby("organisation_code")["organisation_name"].transform("first")
    ), releases


def _read_scores(file: PackFile, year: str) -> pd.DataFrame:
    raw = read_columns(file)
    raw = raw[raw["organisation_type"].isin(["Provider", "England"])].reset_index(drop=True)
    out = _keyed(file, raw, "organisation_code", "organisation_name").assign(year=year)
    for name, column in _SCORES.items():
        out[name] = figures(file, raw[column], _HIDDEN)
    none, hidden = raw["modelled_records"] == "-", raw["modelled_records"] == "*"
    adjusted = out["adjusted_gain"].notna()
    out["state"] = np.select([none, hidden, adjusted], [_STATES[3], _STATES[2], _STATES[0]], _STATES[1])
    return out


def _descriptor(series: pd.DataFrame, scores: pd.DataFrame, credits: list[dict[str, Any]]) -> dict[str, Any]:
    years, score_years = sorted(set(series["year"])), sorted(set(scores["year"]))
    return {
        "profile": "data-package",
        "name": NAME,
        "title": (
            f"NHS PROMs, hip and knee replacement in England, {years[0]} to {years[-1]}: NHS Digital's "
            "results"
        ),
        "description": (
            "NHS Digital's own case-mix adjusted health gains by provider and year, with its outlier "
            "status, for Oxford score, EQ-5D index and EQ VAS. Figures as published; the releases' series "
            "are joined so that providers that closed are kept."
        ),
        "version": "1.0.0",
        "soa:kind": "published",
        "soa:smallestCount": 1,
        "soa:caveats": list(_CAVEATS),
        "licenses": [LICENCE],
        "sources": credits,
        "resources": [
            resource(
                "series", "Adjusted gain and outlier status by year", fields=_series_fields(years), key=KEY
            ),
            resource(
                "scores", "Scores, gains and their spread by year", fields=_score_fields(score_years), key=KEY
            ),
        ],
    }


_CAVEATS = (
    "Adjusted gains are given from 30 modelled records upwards only.",
    "In 2011/12 hips and knees were modelled without telling primary from revision: only 'all' rows have "
    "figures.",
    "Adjusted gain is for those who returned both questionnaires.",
    "For 'all' operations, counts of modelled records before the latest year differ by a few between "
    "releases; the latest release is kept and the change stated. Gains and outlier status do not differ.",
    "About 5 % of providers are expected outside 95 % limits by chance alone, for each measure and "
    "operation.",
)


def _key_fields(years: Sequence[str]) -> list[dict[str, Any]]:
    return [
        text("organisation_code", "Organisation", "Provider's code, or 'England'"),
        text("organisation_name", "Name", "Name in the latest release that has the organisation"),
        text("year", "Financial year", "April to March", levels=years),
        text("joint", "Joint", "Joint replaced", levels=("hip", "knee")),
        text("procedure", "Operation", "Primary, revision, or all", levels=("all", "primary", "revision")),
        text(
            "measure",
            "Measure",
            "Oxford score 0 to 48, EQ-5D index -0.594 to 1, EQ VAS 0 to 100; more is better in each",
            levels=("Oxford score", "EQ-5D index", "EQ VAS"),
        ),
    ]


def _series_fields(years: Sequence[str]) -> list[dict[str, Any]]:
    return [
        *_key_fields(years),
        count(
            "modelled_records",
            "Modelled records",
            "Records in NHS Digital's model; missing: suppressed",
            required=False,
        ),
        count(
            "modelled_records_change",
            "Change between releases",
            "Modelled records in the latest release minus those in the first that has the row",
            required=False,
            minimum=None,
        ),
        number(
            "adjusted_gain",
            "Adjusted gain",
            "Case-mix adjusted average gain, 3 decimals",
            unit="points of the measure",
            required=False,
        ),
        text(
            "outlier",
            "Outlier status",
            "NHS Digital's flag against the England average",
            levels=list(_OUTLIERS.values()),
        ),
        text("release", "Release", "Financial year of the release the row is taken from", levels=years),
    ]


def _score_fields(years: Sequence[str]) -> list[dict[str, Any]]:
    def points(name: str, title: str, says: str, minimum: float | None = None) -> dict[str, Any]:
        return number(name, title, says, unit="points of the measure", required=False, minimum=minimum)

    def part(name: str, title: str, says: str) -> dict[str, Any]:
        return count(name, title, says, required=False, at_most="modelled_records")

    return [
        *_key_fields(years),
        count("modelled_records", "Modelled records", "Records in NHS Digital's model", required=False),
        points("pre_mean", "Mean before surgery", "Average score before surgery"),
        points("post_mean", "Mean after surgery", "Average score after surgery"),
        points("gain_mean", "Mean gain", "Average of after minus before, not adjusted"),
        part("improved", "Improved", "Records with a better score after surgery"),
        part("unchanged", "Unchanged", "Records with the same score"),
        part("worsened", "Worsened", "Records with a worse score"),
        points("adjusted_post_mean", "Adjusted mean after surgery", "Case-mix adjusted average"),
        points("adjusted_gain", "Adjusted gain", "Case-mix adjusted average gain"),
        points("standard_deviation", "Standard deviation", "Published with the adjusted gain", 0),
        text(
            "state",
            "State",
            "Why figures are missing: fewer than 30 modelled records (unadjusted only), or suppressed",
            levels=_STATES,
        ),
    ]
