"""Hazards by whole years, counted in the data or from a life table, for `multistate.lifetime_risk`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.survival import columns

__all__ = ["at_ages", "by_whole_year", "of_death"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def by_whole_year(
    start: FloatArray, length: FloatArray, happened: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Return events and years at risk in each whole year of a scale entered at `start`."""
    stop = start + length
    # An event on a whole year belongs to the year that it ends.
    last = np.maximum(np.ceil(stop).astype(np.int64) - 1, np.floor(start).astype(np.int64))
    events = np.bincount(last, weights=happened.astype(float), minlength=int(last.max()) + 1)
    at_risk = np.array(
        [np.clip(np.minimum(stop, k + 1) - np.maximum(start, k), 0.0, None).sum() for k in range(len(events))]
    )
    return events, at_risk


def of_death(
    years: FloatArray,
    outcome: FloatArray,
    start: FloatArray,
    code: IntArray,
    sexes: tuple[str, ...],
    life_table: pd.DataFrame | None,
    life_table_source: str | None,
) -> tuple[list[pd.DataFrame], str]:
    """Return a table by age for each sex, and where it is from."""
    if life_table is None:
        if life_table_source is not None:
            raise InputError("life_table_source is given without life_table; give both, or neither.")
        tables = []
        for s, label in enumerate(sexes):
            mine = code == s
            events, at_risk = by_whole_year(start[mine], years[mine], outcome[mine] == 2)
            table = pd.DataFrame(
                {"sex": label, "age": np.arange(len(events)), "events": events, "years": at_risk}
            )
            table = table[table["years"] > 0]
            tables.append(table.assign(rate=table["events"] / table["years"]))
        return tables, "deaths in the same data"
    if not (life_table_source and life_table_source.strip()):
        raise InputError("life_table has no source; say with life_table_source= where it is from.")
    columns.require(life_table, ["age", "sex", "qx"])
    q = columns.numbers(life_table, "qx", "a probability of dying within the year")
    columns.refuse(life_table, "qx", (q < 0) | (q > 1), "expected a probability from 0 to 1")
    ages = columns.numbers(life_table, "age", "a whole age")
    columns.refuse(life_table, "age", ages != np.floor(ages), "expected a whole age")
    known = life_table["sex"].astype(str)
    repeated = pd.DataFrame({"age": ages, "sex": known}).duplicated().to_numpy()
    columns.refuse(life_table, "age", repeated, "this age and sex stand in an earlier row of the life table")
    tables = []
    for label in sexes:
        mine = (known == label).to_numpy()
        if not mine.any():
            raise InputError(
                f"The life table has no sex '{label}'.{nearest(label, known.unique())} It has: "
                f"{', '.join(sorted(known.unique()))}."
            )
        rate = -np.log1p(-np.minimum(q[mine], 1 - 1e-12))
        tables.append(pd.DataFrame({"sex": label, "age": ages[mine].astype(np.int64), "rate": rate}))
    return tables, str(life_table_source)


def at_ages(table: pd.DataFrame, sex: str, age: int, until_age: int) -> FloatArray:
    """Return one sex's hazard of death from `age` to `until_age`; an age that is not known is an error."""
    known = pd.Series(table["rate"].to_numpy(), index=table["age"].to_numpy())
    needed = np.arange(age, until_age)
    missing = [int(value) for value in needed if value not in known.index]
    if missing:
        raise InputError(
            f"The hazard of death at age {missing[0]}, sex '{sex}', is not known; lower until_age "
            f"({until_age}), or give a life_table that reaches it."
        )
    return known.reindex(needed).to_numpy(dtype=float)
