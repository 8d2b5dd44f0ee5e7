"""Rows of an extract made ready for survival methods: times in years, cause, reason, case mix in bands.

    time_years = (first of revision, death, end of follow-up  -  primary) / 365.25
    cause      = 1 where that was the revision (also when death came the same day), 2 death, 0 neither

An event on the day of the operation counts as half a day, so that no time is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.evidence.registry.contract import BY_NAME, REASON_GROUPS
from soa_evidence.evidence.registry.rows import NO_DATE, Rows

__all__ = [
    "CAUSES",
    "DAYS_PER_YEAR",
    "FRAME_COLUMNS",
    "NOT_RECORDED",
    "REASON_CAUSES",
    "frame",
    "leading_reason",
]

DAYS_PER_YEAR = 365.25
SAME_DAY = 0.5
NOT_RECORDED = "not recorded"
#: What ended the time to first revision, by code.
CAUSES: Mapping[int, str] = MappingProxyType({1: "revision", 2: "death"})
#: The same with revision parted by its leading reason; the last code is death.
REASON_CAUSES: Mapping[int, str] = MappingProxyType(
    {**dict(enumerate(REASON_GROUPS, 1)), len(REASON_GROUPS) + 1: "death"}
)
AGE_BANDS = ("under 55", "55 to 64", "65 to 74", "75 to 84", "85 and over")
BMI_BANDS = ("under 25", "25 to 29.9", "30 to 34.9", "35 to 39.9", "40 and over")
_AGE_EDGES, _BMI_EDGES = (55, 65, 75, 85), (25, 30, 35, 40)

#: Every column of the analysis frame: unit, and what it says.
FRAME_COLUMNS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "row": ("number", "Row of the extract, counted from 1 without the header"),
        "person": ("number", "Number of the person within this extract; rows of one person share it"),
        "side": ("", "Side operated on"),
        "joint": ("", "Joint replaced"),
        "procedure": ("", "What was put in"),
        "unit": ("", "Code of the unit"),
        "unit_class": ("", "Kind of unit"),
        "surgeon": ("", "Pseudonym of the surgeon"),
        "primary_year": ("calendar year", "Year of the primary"),
        "age": ("years", "Age at the primary"),
        "age_band": ("", "Age in bands"),
        "sex": ("", "Sex as recorded"),
        "asa": ("", "Physical status; 4 and 5 together"),
        "bmi": ("kg/m²", "Body mass index, missing where not recorded"),
        "bmi_band": ("", "Body mass index in bands"),
        "deprivation": ("", "Deprivation fifth, 1 most deprived"),
        "fixation": ("", "How the implant is held"),
        "bearing": ("", "Surfaces that move on one another"),
        "time_years": ("years", "Primary to first of revision, death, end of follow-up"),
        "cause": ("code", "What ended it: 0 neither, 1 revision, 2 death"),
        "revised": ("0 or 1", "Whether it was the revision"),
        "reason": ("", "Leading reason of the first revision"),
        "reason_cause": ("code", "As `cause`, revision parted by leading reason, death last"),
        "death_years": ("years", "Primary to death or end of follow-up, whatever was revised"),
        "died": ("0 or 1", "Whether death ended that"),
        "rerevision_years": ("years", "First revision to first of re-revision, death, end of follow-up"),
        "rerevision_cause": ("code", "What ended it: 0 neither, 1 re-revision, 2 death"),
    }
)  # fmt: skip


def frame(rows: Rows, *, numbers: NDArray[np.int64], columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the analysis frame of `rows`, whose numbers in the extract are `numbers`.

    Parameters
    ----------
    columns
        Which of `FRAME_COLUMNS` to make, in this order.
    """
    make = _Maker(rows, numbers)
    return pd.DataFrame({name: make(name) for name in columns})


def leading_reason(reasons: NDArray[np.int32]) -> NDArray[np.int8]:
    """Return the position in `REASON_GROUPS` of the group that comes first; 'other' where none is given."""
    codes = list(BY_NAME["revision_reasons"].codes)
    found = np.full(len(reasons), len(REASON_GROUPS) - 1, dtype=np.int8)
    for position, members in reversed(list(enumerate(REASON_GROUPS.values()))):
        mask = sum(1 << codes.index(code) for code in members)
        found[(reasons & mask) != 0] = position
    return found


class _Maker:
    """Makes one column at a time; what several columns need is worked out once."""

    def __init__(self, rows: Rows, numbers: NDArray[np.int64]) -> None:
        self.rows, self.numbers = rows, numbers
        self._first: tuple[NDArray[np.float64], NDArray[np.int8]] | None = None
        self._second: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def __call__(self, name: str) -> Any:
        rows = self.rows
        match name:
            case "row":
                return self.numbers
            case "person":
                return rows.person
            case "unit" | "surgeon" | "unit_class":
                names = {"unit": rows.units, "surgeon": rows.surgeons, "unit_class": rows.classes}[name]
                return _named(getattr(rows, name), names)
            case "side" | "joint" | "procedure" | "sex" | "deprivation" | "fixation" | "bearing":
                return _named(getattr(rows, name), tuple(BY_NAME[name].codes))
            case "asa":
                return _named(np.minimum(rows.asa, 3), ("1", "2", "3", "4 or 5"))
            case "age":
                return rows.age.astype(np.float64)
            case "bmi":
                return rows.bmi.astype(np.float64)
            case "age_band":
                return _named(np.searchsorted(_AGE_EDGES, rows.age, side="right"), AGE_BANDS)
            case "bmi_band":
                bands = np.searchsorted(_BMI_EDGES, rows.bmi, side="right")
                return _named(np.where(np.isnan(rows.bmi), -1, bands), BMI_BANDS)
            case "primary_year":
                return rows.primary_date.astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
            case "time_years":
                return self.first[0]
            case "cause":
                return self.first[1]
            case "revised":
                return (self.first[1] == 1).astype(np.int8)
            case "reason":
                revised = self.first[1] == 1
                return _named(
                    np.where(revised, leading_reason(rows.revision_reasons), -1),
                    tuple(REASON_GROUPS),
                    empty="not revised",
                )
            case "reason_cause":
                cause = self.first[1]
                by_reason = np.where(cause == 1, leading_reason(rows.revision_reasons) + 1, 0)
                return np.where(cause == 2, len(REASON_CAUSES), by_reason).astype(np.int8)
            case "death_years":
                return _years(np.where(self.dead, rows.death_date, rows.follow_up_end) - rows.primary_date)
            case "died":
                return self.dead.astype(np.int8)
            case "rerevision_years":
                return self.second[0]
            case _:
                return self.second[1]

    @property
    def dead(self) -> NDArray[np.bool_]:
        return np.asarray(self.rows.death_date != NO_DATE)

    @property
    def first(self) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        if self._first is None:
            rows, revised = self.rows, self.rows.revision_date != NO_DATE
            end = np.where(self.dead, rows.death_date, rows.follow_up_end)
            end = np.where(revised, rows.revision_date, end)
            cause = np.where(revised, 1, np.where(self.dead, 2, 0)).astype(np.int8)
            self._first = _years(end - rows.primary_date), cause
        return self._first

    @property
    def second(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self._second is None:
            rows, revised = self.rows, self.rows.revision_date != NO_DATE
            again = rows.second_revision_date != NO_DATE
            end = np.where(self.dead, rows.death_date, rows.follow_up_end)
            end = np.where(again, rows.second_revision_date, end)
            cause = np.where(again, 1.0, np.where(self.dead, 2.0, 0.0))
            years = _years(end.astype(np.int64) - rows.revision_date)
            self._second = np.where(revised, years, np.nan), np.where(revised, cause, np.nan)
        return self._second


def _years(days: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(days, SAME_DAY) / DAYS_PER_YEAR)


def _named(codes: NDArray[Any], names: tuple[str, ...], empty: str = NOT_RECORDED) -> Any:
    """Return codes as a category; a level for the empty ones only where there are any."""
    gaps = bool((codes < 0).any())
    levels = [*names, empty] if gaps else list(names)
    filled = np.where(codes < 0, len(names), codes) if gaps else codes
    return pd.Categorical.from_codes(filled, categories=pd.Index(levels))
