"""Counts and volumes by unit and year, checked and laid out for `units.volume`.

When not to use it: by itself; `units.volume` calls it.

Checked against: every message in tests/unit/test_units_volume.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.units.cells import Cells, prepare

__all__ = ["VolumeCells", "read"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FEWEST_UNITS = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class VolumeCells:
    """Cells of unit-year and case-mix pattern, with the volumes of every unit-year.

    Attributes
    ----------
    cells : Cells
        Its "units" are unit-years, R of them.
    units, years : tuple of str
        J units and T years.
    unit, year : arrays of shape (R,)
        Position of each unit-year's unit and year.
    volume : array of shape (R,)
        Operations of the unit-year.
    mean_log2 : array of shape (J,)
        The unit's mean of log2 volume over its years: what lasts, and is compared between units.
    within : array of shape (R,)
        log2 volume of the year less the unit's mean: what changes, compared within a unit.
    """

    cells: Cells
    units: tuple[str, ...]
    years: tuple[str, ...]
    unit: IntArray
    year: IntArray
    volume: FloatArray
    mean_log2: FloatArray
    within: FloatArray

    @property
    def volume_of_unit(self) -> FloatArray:
        """Operations a year of each unit, averaged over its years; shape (J,)."""
        return np.bincount(self.unit, self.volume) / np.bincount(self.unit)


def read(
    frame: pd.DataFrame,
    *,
    events: str,
    trials: str,
    unit: str,
    year: str,
    volume: str,
    case_mix: Sequence[str],
) -> VolumeCells:
    """Check the frame and lay it out.

    Raises
    ------
    InputError
        As `cells.prepare`; and on a volume that is missing, not a number, or not above 0, two volumes for one
        unit-year, volumes that do not differ between units, or too few units.
    """
    for column in (unit, year, volume):
        if column not in frame.columns:
            raise InputError(f"The frame has no column '{column}'.{nearest(column, frame.columns)}")
    if frame.empty:
        raise InputError("The frame of counts is empty; expected at least one row with trials.")
    for column in (unit, year):
        missing = frame[column].isna().to_numpy()
        if missing.any():
            raise InputError(f"Column '{column}', row {int(np.argmax(missing))}: missing; name it.")
    done = pd.to_numeric(frame[volume], errors="coerce").to_numpy(float)
    bad = ~(np.isfinite(done) & (done > 0))
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(
            f"Column '{volume}', row {at}: {frame[volume].iloc[at]!r}; expected operations above 0. "
            "Leave out units whose volume is not known, and say how many."
        )
    if "\x1f" in "".join(frame[unit].astype(str).unique()):
        raise InputError(f"Column '{unit}' holds a control character; expected names or codes.")
    key = frame[unit].astype(str) + "\x1f" + frame[year].astype(str)
    two = pd.Series(done).groupby(key.to_numpy()).nunique()
    if (two > 1).any():
        name = str(two.index[int(np.argmax(two > 1))]).replace("\x1f", " in ")
        raise InputError(f"Unit {name} has more than one '{volume}'; expected one for a unit and year.")
    framed = frame.assign(_unit_year=key, _one="all")
    cells = prepare(framed, events=events, trials=trials, unit="_unit_year", group="_one", case_mix=case_mix)
    parts = pd.DataFrame([name.split("\x1f") for name in cells.units], columns=["unit", "year"])
    units, unit_at = np.unique(parts["unit"].to_numpy(str), return_inverse=True)
    years, year_at = np.unique(parts["year"].to_numpy(str), return_inverse=True)
    if len(units) < FEWEST_UNITS:
        raise InputError(f"{len(units)} units have trials; a relation to volume needs {FEWEST_UNITS}.")
    by_key = pd.Series(done, index=key.to_numpy()).groupby(level=0).first()
    volumes = by_key.reindex(cells.units).to_numpy(float)
    logs = np.log2(volumes)
    mean = np.bincount(unit_at, logs) / np.bincount(unit_at)
    if np.ptp(mean) < 1e-6:
        raise InputError(f"All units have the same '{volume}'; there is nothing to relate outcomes to.")
    return VolumeCells(
        cells=cells,
        units=tuple(map(str, units)),
        years=tuple(map(str, years)),
        unit=unit_at.astype(np.int64),
        year=year_at.astype(np.int64),
        volume=volumes,
        mean_log2=mean,
        within=logs - mean[unit_at],
    )
