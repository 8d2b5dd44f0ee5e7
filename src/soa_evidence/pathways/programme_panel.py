"""A panel of units by years, with who took part in a programme and since when.

Only units seen in every year that is used are kept; the others are counted, not filled in.

When not to use it: by itself; the methods that ask whether a programme worked call it.

Checked against: every message in tests/unit/test_pathways_programme.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.pathways import rates_frame
from soa_evidence.results import Check

__all__ = ["FEWEST_COMPARED", "Panel", "read", "weights_of"]

FloatArray = NDArray[np.float64]
FEWEST_COMPARED = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """Units by years, complete.

    Attributes
    ----------
    units, years : tuple of str, and tuple of the years' own values in order
    outcome : array (units, years)
    chance : array (units, years)
        Sampling variance of each value where a record's standard deviation was given; without it, 1 over the
        size behind the value, so up to a common factor; 0 where no size was given.
    chance_known : bool
        Whether it is the variance itself.
    treated : bool array (units,)
    before, after : bool array (years,)
    dropped : int
        Units left out because a year is missing.
    """

    units: tuple[str, ...]
    years: tuple[object, ...]
    outcome: FloatArray
    chance: FloatArray
    chance_known: bool
    treated: NDArray[np.bool_]
    before: NDArray[np.bool_]
    after: NDArray[np.bool_]
    dropped: int

    def checks(self) -> tuple[Check, ...]:
        """Return checks of what the panel allows to be said."""
        years, compared = int(self.before.sum()), int((~self.treated).sum())
        return (
            Check(
                name="years before the programme",
                verdict="pass" if years >= 6 else "warn",
                observed=str(years),
                expected="at least 6",
                why="a trend that was there before cannot be seen in a few years",
            ),
            Check(
                name="units that took part",
                verdict="pass" if self.treated.sum() >= 5 else "warn",
                observed=f"{int(self.treated.sum())}, beside {compared} that did not",
                expected="at least 5",
                why="with few, what else happened to them cannot be told from the programme",
            ),
            Check(
                name="units left out because a year is missing",
                verdict="pass" if self.dropped <= len(self.units) / 10 else "warn",
                observed=str(self.dropped),
                expected=f"at most {len(self.units) // 10}",
                why="units that come and go may differ from those that stay",
            ),
        )


def read(
    frame: pd.DataFrame,
    *,
    unit: str,
    year: str,
    value: str,
    treated: Sequence[str],
    start: object,
    leave_out: Sequence[object] = (),
    size: str | None = None,
    record_sd: str | None = None,
) -> Panel:
    """Read and check a panel.

    Raises
    ------
    InputError
        On several starts, a missing column, a value that is no number, a unit twice in a year, an unknown
        unit or year, no year before or after, fewer than three units to compare with, a size that is not
        above 0, or a record's standard deviation that is not above 0 or stands without sizes.
    """
    if record_sd and not size:
        raise InputError(f"record_sd='{record_sd}' without size=: give the records behind each value too.")
    named = [unit, year, value, *([size] if size else []), *([record_sd] if record_sd else [])]
    rates_frame.require_columns(frame, named, "the panel")
    if isinstance(treated, str) or not len(treated):
        raise InputError(f"treated={treated!r}: expected a list of at least one unit that took part.")
    start = _one_start(start)
    names = rates_frame.labels(frame, [unit])
    known = sorted(set(names))
    for name in treated:
        if name not in known:
            raise InputError(f"treated= names {name!r}, which is not in '{unit}'.{nearest(name, known)}")
    if frame[year].isna().any():
        raise InputError(f"Column '{year}', row {int(np.argmax(frame[year].isna())) + 1} is empty.")
    years = sorted(set(frame[year]))
    for given in (start, *leave_out):
        if given not in years:
            raise InputError(
                f"{given} is not among the years of '{year}' ({years[0]} to {years[-1]})."
                f"{nearest(given, years)}"
            )
    long = pd.DataFrame(
        {
            "unit": names,
            "year": frame[year].to_numpy(),
            "value": rates_frame.amounts(frame, value, signed=True),
        }
    )
    long["chance"] = 1 / rates_frame.amounts(frame, size, zero=False) if size else 0.0
    if record_sd:
        long["chance"] *= rates_frame.amounts(frame, record_sd, zero=False) ** 2
    if (twice := long.duplicated(["unit", "year"])).any():
        row = long[twice].iloc[0]
        raise InputError(f"Unit {row['unit']!r} has two rows for {row['year']}; expected one.")
    used = [y for y in years if y not in set(leave_out)]
    wide = long[long["year"].isin(used)].pivot_table(index="unit", columns="year", values="value")
    whole = wide.dropna()
    for name in treated:
        if name not in whole.index:
            raise InputError(f"Unit {name!r} took part but lacks a year; give years in which it is whole.")
    chance = long.pivot_table(index="unit", columns="year", values="chance").loc[whole.index, used]
    before = np.array([y < start for y in used])
    took_part = np.array([name in set(treated) for name in whole.index])
    if not before.any() or before.all():
        raise InputError(f"start={start} leaves no year {'before' if not before.any() else 'after'} it.")
    if (~took_part).sum() < max(FEWEST_COMPARED, took_part.sum() + 1):
        raise InputError(
            f"{int((~took_part).sum())} whole units did not take part; expected at least "
            f"{max(FEWEST_COMPARED, int(took_part.sum()) + 1)}."
        )
    return Panel(
        units=tuple(whole.index),
        years=tuple(used),
        outcome=whole.to_numpy(dtype=float),
        chance=chance.to_numpy(dtype=float),
        chance_known=record_sd is not None,
        treated=took_part,
        before=before,
        after=~before,
        dropped=len(wide) - len(whole) + len(known) - len(wide),
    )


def _one_start(start: object) -> object:
    """Return the start; several are refused, for units that began early would stand in for "before"."""
    if isinstance(start, Mapping):
        starts = list(start.values())
    elif isinstance(start, Sequence | set | frozenset | np.ndarray | pd.Series) and not isinstance(
        start, str
    ):
        starts = list(start)
    else:
        return start
    different = sorted({str(one) for one in starts})
    if len(different) == 1:
        return starts[0]
    told = ", ".join(different) or "none"
    raise InputError(
        f"start= gives {len(different)} starts ({told}); expected one for all that took part. Where units "
        "began at different times, the later ones would be compared with some that had begun already. Fit "
        "each group of one start by itself, with only units in frame= that began then or never, and show "
        "the groups beside each other."
    )


def weights_of(panel: Panel, treated: Sequence[str], weights: Sequence[float] | None) -> FloatArray:
    """Return weights of those that took part, adding to 1, in the order of the panel's units."""
    inside = [name for name, took in zip(panel.units, panel.treated, strict=True) if took]
    if weights is None:
        return np.full(len(inside), 1 / len(inside))
    given = np.asarray(weights, dtype=float)
    if given.shape != (len(treated),) or not (np.isfinite(given).all() and (given > 0).all()):
        raise InputError(f"weights={weights!r}: expected one above 0 for each of {len(treated)} units.")
    by_name = dict(zip(treated, given, strict=True))
    inside_weights = np.array([by_name[name] for name in inside], dtype=float)
    return np.asarray(inside_weights / given.sum())
