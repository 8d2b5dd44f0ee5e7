"""How the patients of one unit fare, outcome by outcome, beside its class and the nation.

    apart       the unit's 95 % interval leaves out the nation's value; better or worse by its side of it
    by chance   5 % of the rows: so many 95 % intervals miss what they should hold
    best alike  of the units whose patients are most alike, the one with the best estimate on an outcome,
                among those with at least 30 answers

Estimates come from a hierarchical model, which draws small units towards their class. So a unit with few
answers may be apart because its class is, and the best of ten is less exaggerated than it would be by crude
rates; it is still the best of ten partly by luck.

When not to use it: to rank units, or to say that one unit is better than another. It says where to look.

Checked against: arithmetic in tests/unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, require_columns
from soa_evidence.results import Check
from soa_evidence.units.every_unit import COLUMNS

__all__ = ["FEW_PATIENTS", "OUTSIDE", "ProfileOutcomesResult", "fit"]

#: Share of intervals that leave out the value they are meant to hold.
OUTSIDE = 0.05
FEW_PATIENTS = 30
_COUNTS = ("patients", "ranked")


@dataclass(frozen=True, eq=False, kw_only=True)
class ProfileOutcomesResult:
    """One unit's outcomes.

    Attributes
    ----------
    table : DataFrame
        One row an outcome of which the unit has an answer, in the order given: outcome, the columns of
        `every_unit.COLUMNS`, and `verdict` ("better", "worse" or "within": whether its interval leaves out
        the nation's value, and on which side).
    absent : tuple of str
        Outcomes of which the unit has no answer.
    best_alike : DataFrame
        One row an outcome of the table: outcome, unit, patients, estimate, lower, upper of the best among the
        units alike, `own` (the estimate of the unit itself), `ahead` (whether the other's is better), and
        `among`, how many of the units alike have answers enough. Outcomes where none has are left out.
    by_chance : float
        How many of the intervals are expected to miss the truth.
    checks : tuple of Check
    """

    table: pd.DataFrame
    absent: tuple[str, ...]
    best_alike: pd.DataFrame
    by_chance: float
    checks: tuple[Check, ...]

    @property
    def better(self) -> pd.DataFrame:
        """The rows in which the whole interval lies on the better side of the nation's value."""
        return self.table[self.table["verdict"] == "better"]

    @property
    def worse(self) -> pd.DataFrame:
        """The rows in which the whole interval lies on the worse side of the nation's value."""
        return self.table[self.table["verdict"] == "worse"]

    def main(self, measured_in: str) -> pd.DataFrame:
        """Return the first row so measured of the operation with most patients; empty if there is none."""
        rows = self.table[self.table["measured_in"] == measured_in]
        if rows.empty:
            return rows
        operations = [str(name).partition(" after ")[2] for name in rows["outcome"]]
        most = operations[int(rows["patients"].to_numpy().argmax())]
        return rows.iloc[[operations.index(most)]]

    def __repr__(self) -> str:
        shown = ["outcome", "patients", "estimate", "lower", "upper", "nation", "verdict"]
        return f"Outcomes of a unit\n{self.table[shown].to_string(index=False, float_format='{:.1f}'.format)}"

    def _repr_html_(self) -> str:
        shown = self.table.to_html(index=False, float_format="{:.1f}".format)
        return f"<p><strong>Outcomes of a unit</strong></p>{shown}"


def fit(
    rows: pd.DataFrame, *, of: str, alike: Sequence[str], outcome: str = "outcome"
) -> ProfileOutcomesResult:
    """Take one unit's rows out of every unit's, judge them by the nation's, and find who alike does best.

    Parameters
    ----------
    rows
        Frames of `every_unit.table` under one another, with a column that names the outcome.
    of
        The unit.
    alike
        The units whose patients are most like its own, as `units.profile` finds them.
    outcome
        Column of the outcome's name.

    Raises
    ------
    InputError
        On a missing column, a unit twice in an outcome, a value that is no finite number, an unknown
        direction, or the unit itself among those alike.
    """
    require_columns(rows.columns, (outcome, *COLUMNS))
    if of in alike:
        raise InputError(f"alike= holds {of!r}, the unit itself; give other units.")
    data = rows.rename(columns={outcome: "outcome"}).reset_index(drop=True)
    _check_rows(data)
    outcomes = list(dict.fromkeys(data["outcome"]))
    own = data[(data["unit"] == of) & (data["patients"] > 0)].reset_index(drop=True)
    own = own[["outcome", *COLUMNS]].assign(verdict=_verdicts(own))
    return ProfileOutcomesResult(
        table=own,
        absent=tuple(name for name in outcomes if name not in set(own["outcome"])),
        best_alike=_best(data[data["unit"].isin(list(alike))], own),
        by_chance=OUTSIDE * len(own),
        checks=_checks(own, outcomes),
    )


def _check_rows(data: pd.DataFrame) -> None:
    for column in ("estimate", "lower", "upper", "nation", *_COUNTS):
        values = pd.to_numeric(data[column], errors="coerce").to_numpy(float)
        if not np.isfinite(values).all():
            at = int(np.argmax(~np.isfinite(values)))
            raise InputError(
                f"Column '{column}', row {at}: {data[column].iloc[at]!r}; expected a finite number."
            )
    odd = ~data["better"].isin(["lower", "higher"])
    if odd.any():
        at = int(np.argmax(odd))
        raise InputError(f"Column 'better', row {at}: {data['better'].iloc[at]!r}; expected lower or higher.")
    twice = data.duplicated(["outcome", "unit"])
    if twice.any():
        row = data[twice].iloc[0]
        raise InputError(f"Unit {row['unit']!r} has two rows of {row['outcome']!r}; expected one.")


def _verdicts(own: pd.DataFrame) -> list[str]:
    lower_better = own["better"] == "lower"
    below, above = own["upper"] < own["nation"], own["lower"] > own["nation"]
    better, worse = below.where(lower_better, above), above.where(lower_better, below)
    return list(np.select([better, worse], ["better", "worse"], default="within"))


def _best(others: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    found = []
    for row in own.to_dict("records"):
        rivals = others[(others["outcome"] == row["outcome"]) & (others["patients"] >= FEW_PATIENTS)]
        if rivals.empty:
            continue
        lower = row["better"] == "lower"
        best = rivals.sort_values(["estimate", "unit"], ascending=[lower, True]).iloc[0]
        ahead = best["estimate"] < row["estimate"] if lower else best["estimate"] > row["estimate"]
        told = {name: best[name] for name in ("outcome", "unit", "patients", "estimate", "lower", "upper")}
        extra = {"measured_in": row["measured_in"], "own": row["estimate"], "ahead": bool(ahead)}
        found.append({**told, **extra, "among": len(rivals)})
    columns = [
        "outcome",
        "unit",
        "patients",
        "estimate",
        "lower",
        "upper",
        "measured_in",
        "own",
        "ahead",
        "among",
    ]
    return pd.DataFrame(found, columns=columns)


def _checks(own: pd.DataFrame, outcomes: Sequence[str]) -> tuple[Check, ...]:
    few = own[own["patients"] < FEW_PATIENTS]
    return (
        Check(
            name="outcomes with answers",
            verdict="pass" if len(own) == len(outcomes) else "warn",
            observed=f"{len(own)} of {len(outcomes)}",
            expected="all",
            why="of an operation that a unit does not do, or does not ask about, nothing can be said",
        ),
        Check(
            name="outcomes with few answers",
            verdict="pass" if few.empty else "warn",
            observed=f"{len(few)} with fewer than {FEW_PATIENTS}",
            expected="none",
            why="with few answers the estimate is mostly that of the unit's class",
        ),
    )
