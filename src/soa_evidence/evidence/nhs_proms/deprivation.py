"""nhs-proms-deprivation: what NHS Digital's predictions hold beyond the public records, by area and provider.

The models are fitted elsewhere (evidence never fits); this module reads areas' deprivation and says what the
tables hold. Areas and providers come from two files of the same patients that their publisher keeps apart:
each table is made from its own file, and no row of one is ever matched with a row of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.commissioners import IMD, MERGED_LATER, MERGERS, NO_PLACE
from soa_evidence.evidence.nhs_proms.case_mix import OUTCOMES
from soa_evidence.evidence.nhs_proms.credits import LICENCE
from soa_evidence.evidence.tables import numbers, read_list
from soa_evidence.evidence.write import count, number, resource, text

__all__ = ["AREA_KEY", "FEWEST", "NAME", "PROVIDER_KEY", "Places", "descriptor", "read_places"]

NAME = "nhs-proms-deprivation"
#: An area or provider with fewer records of an outcome in a year is left out of its table.
FEWEST = 6
AREA_KEY = ("commissioner", "year", "joint", "outcome")
PROVIDER_KEY = ("provider_code", "year", "joint", "outcome")


class Places:
    """Deprivation of the commissioners of April 2021, and which earlier ones became them.

    Attributes
    ----------
    areas : DataFrame
        commissioner, name, deprivation.
    moved : dict
        Earlier code to the code whose area it became part of.
    files : list of dict
        Name and hash of the two files read.
    """

    def __init__(self, areas: pd.DataFrame, moved: dict[str, str], files: list[dict[str, str]]) -> None:
        self.areas, self.moved, self.files = areas, moved, files

    def of(self, codes: pd.Series[str]) -> pd.Series[Any]:
        """Return the commissioner of April 2021 of each code; missing where it is not known or no place."""
        today = codes.replace(self.moved).replace(MERGED_LATER)
        return today.where(today.isin(self.areas["commissioner"]) & ~codes.isin(NO_PLACE))


def read_places(populations: str | Path, deprivation: str | Path) -> Places:
    """Read mergers of commissioners (in the folder of populations) and their deprivation.

    Raises
    ------
    EvidenceError
        On a missing file or column, a score that is no number from 0 to 100, or a code twice.
    """
    merged, first = read_list(populations, MERGERS, ("old_ccg", "new_ccg_apr2019"))
    imd, second = read_list(deprivation, IMD, ("CCGcode", "name", "IMDscore"))
    score = numbers(imd["IMDscore"])
    wrong = ~score.between(0, 100)
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        raise EvidenceError(
            f"{IMD}, row {at + 1}: IMDscore is '{imd['IMDscore'].iloc[at]}'; expected a number from 0 to 100."
        )
    if imd["CCGcode"].duplicated().any():
        twice = imd.loc[imd["CCGcode"].duplicated(), "CCGcode"].iloc[0]
        raise EvidenceError(f"{IMD} holds the commissioner '{twice}' twice; expected one row each.")
    names = imd["name"].str.removeprefix("NHS ").str.removesuffix(" CCG")
    areas = pd.DataFrame({"commissioner": imd["CCGcode"], "name": names, "deprivation": score.round(3)})
    moved = dict(zip(merged["old_ccg"], merged["new_ccg_apr2019"], strict=True))
    return Places(areas.sort_values("commissioner", ignore_index=True), moved, [first, second])


def descriptor(
    years: Sequence[str],
    providers: list[dict[str, Any]],
    commissioners: list[dict[str, str]],
    places: list[dict[str, str]],
) -> dict[str, Any]:
    """Return the package's descriptor; sources are those of the two kinds of record file and of places."""
    return {
        "profile": "data-package",
        "name": NAME,
        "title": (
            "NHS PROMs, first hip and knee replacements in England: what NHS Digital's predictions hold "
            "beyond the public records, and areas' deprivation"
        ),
        "description": (
            "By commissioner's area, and apart from it by provider: NHS Digital's predicted scores and what "
            "a model of the public fields foresees of them; for areas also outcomes observed and expected, "
            "and the deprivation of the area. Totals only: no row is about one patient."
        ),
        "version": "1.0.0",
        "soa:kind": "derived",
        "soa:smallestCount": 1,
        "soa:caveats": [
            "Areas are those of April 2021 whose patients of 2016/17 to 2018/19 can be told; commissioners "
            "merged in between are left out.",
            "Deprivation is the area's average over registered people, not the patients' own.",
            "Two files of the same patients, by area and by provider, were each read for their own table; "
            "no row of one was matched with the other.",
            f"An area or provider with fewer than {FEWEST} records of an outcome in a year is left out.",
            "Only patients who returned both questionnaires and were linked to a hospital record.",
        ],
        "licenses": [LICENCE],
        "sources": [
            *providers,
            {
                "title": "Patient Reported Outcome Measures in England, CSV data packs, by commissioner",
                "soa:publisher": "NHS Digital",
                "path": "https://digital.nhs.uk/data-and-information/publications/statistical/patient-reported-outcome-measures-proms",
                "soa:files": commissioners,
            },
            {
                "title": "Mergers of clinical commissioning groups 2016 to 2019, typed by hand",
                "soa:publisher": "Office for National Statistics",
                "path": "https://geoportal.statistics.gov.uk",
                "soa:files": places[:1],
            },
            {
                "title": "Index of multiple deprivation 2019 of commissioners, April 2021",
                "soa:publisher": (
                    "NHS England, from the Ministry of Housing, Communities and Local Government"
                ),
                "path": "https://github.com/nhsengland/NHSE-Methods-10-Similar-CCGs",
                "soa:files": places[1:],
            },
        ],
        "resources": [
            resource(
                "areas", "Areas and their deprivation", fields=_places(), key=("commissioner",), format="csv"
            ),
            resource(
                "outcomes",
                "Outcomes and predictions by area",
                fields=[_code(), *_what(years), *_observed(), *_official()],
                key=AREA_KEY,
                foreign=[
                    {
                        "fields": ["commissioner"],
                        "reference": {"resource": "areas", "fields": ["commissioner"]},
                    }
                ],
            ),
            resource(
                "providers",
                "Predictions by provider",
                fields=[
                    text("provider_code", "Provider", "As in nhs-units", pattern="[A-Z][A-Z0-9]{2,4}"),
                    *_what(years),
                    *_official(required=True),
                ],
                key=PROVIDER_KEY,
            ),
        ],
    }


def _code() -> dict[str, Any]:
    return text(
        "commissioner", "Commissioner", "Clinical commissioning group, April 2021", pattern="[0-9A-Z]{3,5}"
    )


def _places() -> list[dict[str, Any]]:
    score = "Index of multiple deprivation 2019, averaged over registered people; higher is more deprived"
    code = _code()
    return [
        {**code, "constraints": {**code["constraints"], "unique": True}},
        text("name", "Name", "Without 'NHS' and 'CCG'"),
        number("deprivation", "Deprivation", score, unit="score", minimum=0),
    ]


def _what(years: Sequence[str]) -> list[dict[str, Any]]:
    return [
        text("year", "Financial year", "April to March", levels=years),
        text("joint", "Joint", "Joint replaced, first replacements only", levels=("hip", "knee")),
        text(
            "outcome",
            "Outcome",
            "As in nhs-proms-case-mix; oxford and eq5d are the scores after the operation",
            levels=OUTCOMES,
        ),
    ]


def _observed() -> list[dict[str, Any]]:
    unit = "patients with the event, or points of the score"
    return [
        count("records", "Records", "With an answer, or both scores", minimum=FEWEST),
        number("observed", "Observed", "Sum of events or of scores after the operation", unit=unit),
        number("expected", "Expected", "Sum by our model of the public fields, 4 decimals", unit=unit),
        number(
            "residual_sumsq",
            "Residual sum of squares",
            "Of observed less expected, a patient at a time",
            unit="squared units of the outcome",
            minimum=0,
        ),
    ]


def _official(required: bool = False) -> list[dict[str, Any]]:
    of = "of records with NHS Digital's own prediction" + (
        "" if required else "; missing for yes/no outcomes"
    )
    unit = "points of the score"
    return [
        count("official_records", "Records predicted", f"Number {of}", required=required),
        number("official_prediction", "NHS Digital's prediction", f"Sum {of}", unit=unit, required=required),
        number(
            "official_foreseen",
            "Prediction foreseen",
            f"Sum of what our model of the public fields foresees of NHS Digital's prediction, {of}",
            unit=unit,
            required=required,
        ),
        number(
            "unexplained_sumsq",
            "Unexplained, sum of squares",
            f"Prediction less what is foreseen of it, a patient at a time, {of}",
            unit="squared points of the score",
            required=required,
            minimum=0,
        ),
    ]
