"""Adjusted gain: what a unit's patients gained, had they been expected to gain what all patients do.

With O, E and B a unit's totals of scores after the operation, of those expected by a case-mix model, and of
scores before it, over n patients; and bars for means over all units of the same release (say one year, joint
and operation):

    adjusted gain = (Ō - B̄) + [(O - E) / n - (Ō - Ē)],   standard error = s / √n,

s the standard deviation of a patient's score about the expected. The model is set right in the large in every
release, so that an old model, or one for all years, makes no difference to a release's mean. This is how NHS
Digital's published adjusted gains come from its patients' predictions (docs/decisions.md, "What NHS Digital's
case-mix model seems to be").

When not to use it: to compare releases by units alone (the mean of the release is in it); with a model that
was fitted to few patients, whose own error the standard error leaves out (`units.case_mix` has it).

Checked against: NHS Digital's own adjusted gains, from its own predictions, in tests/reference/adjusted_gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, require_columns
from soa_evidence.results import Check, checks_frame
from soa_evidence.units import case_mix_design as made

__all__ = ["AdjustedGainResult", "beside", "fit", "flags", "step_error"]

FEWEST = 30  # patients, from which on NHS Digital publishes an adjusted figure


@dataclass(frozen=True, eq=False, kw_only=True)
class AdjustedGainResult:
    """Adjusted gains of units.

    Attributes
    ----------
    units : DataFrame
        unit, the columns of `within`, patients, gain, expected_gain, adjusted_gain, and, where residual sums
        of squares are given, std_error, lower and upper.
    releases : DataFrame
        The columns of `within`, units, patients, gain (of all patients), excess (of all patients over the
        expected, which the adjusted gains leave out), and spread (s).
    level : float
    checks : tuple of Check
    """

    units: pd.DataFrame
    releases: pd.DataFrame
    level: float
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        shown = self.units.to_string(index=False, max_rows=20, float_format="{:.4g}".format)
        return f"Adjusted gain of {len(self.units):,} units\n{shown}"

    def _repr_html_(self) -> str:
        shown = self.units.to_html(index=False, float_format="{:.4g}".format, max_rows=20)
        return f"<p><strong>Adjusted gain</strong></p>{shown}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    frame: pd.DataFrame,
    *,
    unit: str,
    size: str,
    observed: str,
    expected: str,
    before: str,
    residual_squares: str | None = None,
    within: Sequence[str] = (),
    level: float = 0.95,
) -> AdjustedGainResult:
    """Adjust the gain of every unit.

    Parameters
    ----------
    frame
        One row a unit and release, or several, which are added up; rows without patients are left out.
    unit, size, observed, expected, before
        Columns of the unit's name and of totals over its patients.
    residual_squares
        Column of the sum of squares of score less expected; with it there are standard errors.
    within
        Columns that tell releases apart.
    level
        Of limits.

    Raises
    ------
    InputError
        Naming column and row: missing columns or numbers, patients that cannot be, fewer than two units.
    """
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a number above 0 and below 1, such as 0.95.")
    keys = [within] if isinstance(within, str) else list(within)
    if unit in keys:
        raise InputError(f"unit is '{unit}', which is one of within too; units must differ within a release.")
    frame = made.numbered(frame)
    for key in (unit, *keys):
        made.coded(frame, key)
    n = made.numbers(frame, size)
    made.refuse(frame, size, (n < 0) | (n != np.round(n)), "expected a whole number of patients, 0 or more")
    columns = [observed, expected, before, *([residual_squares] if residual_squares else [])]
    summed = pd.DataFrame({key: frame[key].astype(str) for key in (*keys, unit)} | {"patients": n})
    for name, column in zip(("o", "e", "b", "ss"), columns, strict=False):
        summed[name] = made.numbers(frame, column, needed=n > 0)
    if residual_squares:
        made.refuse(frame, residual_squares, summed["ss"].to_numpy() < 0, "expected 0 or more")
    summed = summed[summed["patients"] > 0].groupby([*keys, unit], sort=True).sum().reset_index()
    if len(summed) < 2:
        raise InputError(f"{len(summed)} unit has patients; adjusted gains compare at least two.")
    totals = [name for name in ("patients", "o", "e", "b", "ss") if name in summed]
    whole = summed.groupby(keys, sort=True) if keys else summed.groupby(np.zeros(len(summed)))
    of = whole[totals].transform("sum")
    size_of, p = of["patients"], summed["patients"]
    mean_gain = (of["o"] - of["b"]) / size_of
    centre = (of["o"] - of["e"]) / size_of
    table = summed[[unit, *keys]].rename(columns={unit: "unit"})
    table["patients"] = p.astype(np.int64)
    table["gain"] = (summed["o"] - summed["b"]) / p
    table["expected_gain"] = (summed["e"] - summed["b"]) / p + centre
    table["adjusted_gain"] = mean_gain + (summed["o"] - summed["e"]) / p - centre
    spread = pd.Series(np.nan, index=summed.index)
    if residual_squares:
        from scipy import stats

        spread = ((of["ss"] / size_of - centre**2).clip(lower=0)) ** 0.5
        table["std_error"] = spread / p**0.5
        reach = stats.norm.isf((1 - level) / 2) * table["std_error"]
        table["lower"], table["upper"] = table["adjusted_gain"] - reach, table["adjusted_gain"] + reach
    releases = summed[keys].assign(
        units=whole["patients"].transform("size"), patients=size_of.astype(np.int64), gain=mean_gain,
        excess=centre, spread=spread,
    )  # fmt: skip
    return AdjustedGainResult(
        units=table,
        releases=releases.drop_duplicates().reset_index(drop=True),
        level=level,
        checks=_checks(table, releases),
    )


def _checks(table: pd.DataFrame, releases: pd.DataFrame) -> tuple[Check, ...]:
    few = int((table["patients"] < FEWEST).sum())
    share = float((table["patients"] / releases["patients"]).max())
    return (
        Check(
            name=f"units with fewer than {FEWEST} patients",
            verdict="warn" if few else "pass",
            observed=f"{few:,} of {len(table):,}",
            expected="none",
            why="their adjusted gain is mostly chance; NHS Digital publishes none",
        ),
        Check(
            name="patients of a release that are one unit's own, largest share",
            verdict="warn" if share > 0.25 else "pass",
            observed=f"{share:.0%}",
            expected="at most 25%",
            why="a unit that makes up the mean it is compared with looks nearer to it than it is",
        ),
    )


def beside(
    published: pd.DataFrame,
    gains: Mapping[str, AdjustedGainResult],
    *,
    within: Sequence[str],
    unit: str = "unit",
) -> pd.DataFrame:
    """Lay adjusted gains beside published figures of the same units and releases.

    Parameters
    ----------
    published
        One row a unit and release.
    gains
        Results by the name of the column that each becomes.
    within, unit
        Columns of `published` that name the release, as in `fit`, and the unit.

    Returns
    -------
    DataFrame
        The published rows, in their order, with a column a result; missing where it lacks the unit.

    Raises
    ------
    InputError
        When a column is missing, one would be written over, or a unit is published twice in a release.
    """
    keys = [unit, *within]
    require_columns(published.columns, keys, what="The table of published figures")
    if taken := sorted(set(gains) & set(published.columns)):
        raise InputError(
            f"The table of published figures has a column '{taken[0]}' already; give the gains another name."
        )
    twice = published[published.duplicated(keys)]
    if len(twice):
        raise InputError(
            f"'{twice.iloc[0][unit]}' is published twice in one release; expected one row a unit and release."
        )
    wanted = pd.MultiIndex.from_frame(published[keys].astype(str))  # as text, which `fit` makes of them
    joined = published.copy()
    for name, result in gains.items():
        held = pd.MultiIndex.from_frame(result.units[["unit", *within]])
        joined[name] = result.units["adjusted_gain"].set_axis(held).reindex(wanted).to_numpy()
    return joined


def step_error(frame: pd.DataFrame, *, size: str, before: str, after: str, squares: str) -> pd.Series[float]:
    """Return how far chance alone moves a unit's mean when one prediction is put in another's place.

    With d a patient's second prediction less the first: sqrt(mean d² - (mean d)²) / sqrt(n).

    Parameters
    ----------
    frame
        One row a unit and release.
    size, before, after, squares
        Columns of patients, of both predictions' totals over them, and of the sum of d².

    Raises
    ------
    InputError
        When a column is missing.
    """
    require_columns(frame.columns, (size, before, after, squares))
    step = (frame[after] - frame[before]) / frame[size]
    return (frame[squares] / frame[size] - step**2) ** 0.5 / frame[size] ** 0.5


def flags(
    estimates: pd.DataFrame, *, reference: float = 0.0, levels: Sequence[float] = (0.95, 0.998)
) -> pd.Series[str]:
    """Flag units whose limits leave out a reference, in the words of `units.funnel`.

    Parameters
    ----------
    estimates
        Columns estimate and std_error, such as `Estimates.table()` gives; normal limits.
    reference, levels
        As in `units.funnel.fit`.

    Raises
    ------
    InputError
        When a column is missing, or a level is no share.
    """
    from scipy import stats

    require_columns(estimates.columns, ("estimate", "std_error"), what="The table of estimates")
    if not all(0 < level < 1 for level in levels):
        raise InputError(
            f"levels={list(levels)}; expected shares above 0 and below 1, such as 0.95 and 0.998."
        )
    z = ((estimates["estimate"] - reference) / estimates["std_error"]).to_numpy(float)
    out = np.full(len(z), "within", dtype=object)
    for level in sorted(levels):
        reach = stats.norm.isf((1 - level) / 2)
        out = np.where(z > reach, f"above {100 * level:.10g}%", out)
        out = np.where(z < -reach, f"below {100 * level:.10g}%", out)
    return pd.Series(out, index=estimates.index, name="flag")
