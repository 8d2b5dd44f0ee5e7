"""An extract in memory: one small number a cell, so that three million rows take about 200 MB.

Dates are whole days since 1970-01-01, codes are positions in the contract's list of codes, and a cell that is
empty holds `NO_DATE`, -1 or NaN. Texts are kept once each.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from soa_evidence.evidence.registry.contract import BY_NAME

__all__ = ["CODED", "DATES", "NO_DATE", "Rows", "code_of", "day_number", "day_text"]

NO_DATE = np.iinfo(np.int32).min
DATES = ("primary_date", "revision_date", "second_revision_date", "death_date", "follow_up_end")
CODED = ("side", "joint", "procedure", "sex", "asa", "deprivation", "fixation", "bearing")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows:
    """The rows of an extract, column by column, each an array of shape (n,).

    Attributes
    ----------
    person, unit, unit_class, surgeon
        int32 positions in `units`, `classes` and `surgeons` (persons have no names here); -1 where empty.
    side, joint, procedure, sex, asa, deprivation, fixation, bearing
        int8 positions in the contract's codes; -1 where empty.
    age, bmi
        float32, years and kg/m²; NaN where empty.
    primary_date, revision_date, second_revision_date, death_date, follow_up_end
        int32 days since 1970-01-01; `NO_DATE` where empty.
    revision_reasons
        int32, bit k set where the k-th reason of the contract is given.
    """

    person: NDArray[np.int32]
    side: NDArray[np.int8]
    joint: NDArray[np.int8]
    procedure: NDArray[np.int8]
    unit: NDArray[np.int32]
    unit_class: NDArray[np.int32]
    surgeon: NDArray[np.int32]
    primary_date: NDArray[np.int32]
    age: NDArray[np.float32]
    sex: NDArray[np.int8]
    asa: NDArray[np.int8]
    bmi: NDArray[np.float32]
    deprivation: NDArray[np.int8]
    fixation: NDArray[np.int8]
    bearing: NDArray[np.int8]
    revision_date: NDArray[np.int32]
    revision_reasons: NDArray[np.int32]
    second_revision_date: NDArray[np.int32]
    death_date: NDArray[np.int32]
    follow_up_end: NDArray[np.int32]
    units: tuple[str, ...]
    classes: tuple[str, ...]
    surgeons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.person)

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Rows:
        """Return the rows chosen, in their order; the lists of names stay whole."""
        values = {
            f.name: getattr(self, f.name)[which] if f.name not in _NAMES else getattr(self, f.name)
            for f in fields(self)
        }
        return Rows(**values)

    def replace(self, **changed: object) -> Rows:
        """Return a copy with some columns exchanged."""
        return Rows(**{f.name: changed.get(f.name, getattr(self, f.name)) for f in fields(self)})  # type: ignore[arg-type]


_NAMES = ("units", "classes", "surgeons")


def code_of(column: str, code: str) -> int:
    """Return the position of a code in the contract."""
    return list(BY_NAME[column].codes).index(code)


def day_number(text: str) -> int:
    """Return the day number of a date written YYYY-MM-DD."""
    return (date.fromisoformat(text) - _EPOCH).days


def day_text(number: int) -> str:
    """Return a day number as YYYY-MM-DD."""
    return (_EPOCH + timedelta(days=int(number))).isoformat()
