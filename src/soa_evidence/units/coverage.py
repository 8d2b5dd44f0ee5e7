"""Coverage: of the operations done, what share do the answers cover, class by class.

Patients who answer differ from those who do not. When classes differ in coverage, a difference between them
may be about who answered. This counts; it does not correct.

When not to use it: as a response rate of one questionnaire. It joins all losses, from never being asked to
never replying.

Source: Wilson (1927), JASA 22:209, for the standard error at the score interval's centre.

Checked against: arithmetic in tests/unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, require_columns
from soa_evidence.results import Check, Estimates

__all__ = ["CoverageResult", "fit"]

METHOD = "units.coverage"
LARGEST_GAP = 0.10  # a difference in coverage between classes beyond this is shown as a warning
LARGEST_UNKNOWN = 0.10  # share of answers from units whose operations are not published


@dataclass(frozen=True, eq=False, kw_only=True)
class CoverageResult:
    """Coverage per class.

    Attributes
    ----------
    share : Estimates
        Answers per eligible operation, per class.
    table : DataFrame
        group, units, operations, answers, share.
    checks : tuple of Check
    """

    share: Estimates
    table: pd.DataFrame
    checks: tuple[Check, ...]


def fit(frame: pd.DataFrame, *, operations: str, answers: str, unit: str, group: str) -> CoverageResult:
    """Count operations and answers per class.

    Parameters
    ----------
    frame
        One row per unit (and year); `operations` may be missing where the source hides small numbers, and
        such rows are counted in a check and otherwise left out.

    Raises
    ------
    InputError
        On a missing column, a count that is not a number or is negative, a missing unit or class, or no row
        with known operations.
    """
    kinds = pd.api.types
    require_columns(frame.columns, (operations, answers, unit, group))
    for column in (operations, answers):
        if not (kinds.is_integer_dtype(frame[column]) or kinds.is_float_dtype(frame[column])):
            raise InputError(f"Column '{column}' holds {frame[column].dtype} values; expected counts.")
    for column in (unit, group):
        if frame[column].isna().any():
            raise InputError(f"Column '{column}', row {int(np.argmax(frame[column].isna()))}: missing.")
    done, answered = frame[operations].astype(float), frame[answers].astype(float)
    if (done < 0).any() or (answered < 0).any():
        raise InputError(f"'{operations}' or '{answers}' holds a negative count.")
    if answered.isna().any():
        raise InputError(
            f"'{answers}' is missing in row {int(np.argmax(answered.isna()))}; give 0 where none."
        )
    known = done.notna() & (done > 0)
    if not known.any():
        raise InputError(f"'{operations}' is known in no row, so there is nothing to cover.")
    table = (
        frame.assign(_done=done, _answered=answered)[known]
        .groupby(group)
        .agg(units=(unit, "nunique"), operations=("_done", "sum"), answers=("_answered", "sum"))
        .reset_index()
        .rename(columns={group: "group"})
    )
    table["share"] = table["answers"] / table["operations"]
    checks = _checks(table, unknown=float(answered[~known].sum() / max(answered.sum(), 1.0)))
    # Never zero, also when all or none answered: one answer more and one fewer on either side.
    near = (table["answers"] + 2) / (table["operations"] + 4)
    variance = (near.clip(upper=1) * (1 - near.clip(upper=1)) / (table["operations"] + 4)).to_numpy()
    share = Estimates(
        estimand="share of eligible operations with a valid answer",
        labels=tuple(table["group"]),
        unit="probability",
        method=METHOD,
        mean=table["share"].to_numpy(),
        covariance=np.diag(variance),
        interval="confidence",
        checks=checks,
    )
    return CoverageResult(share=share, table=table, checks=checks)


def _checks(table: pd.DataFrame, *, unknown: float) -> tuple[Check, ...]:
    ordered = table.sort_values("share")
    lowest, highest = ordered.iloc[0], ordered.iloc[-1]
    gap = float(highest["share"] - lowest["share"])
    return (
        Check(
            name="coverage by answers, largest gap between classes",
            verdict="pass" if gap <= LARGEST_GAP else "warn",
            observed=f"{gap:.0%} ({lowest['group']} {lowest['share']:.0%}, "
            f"{highest['group']} {highest['share']:.0%})",
            expected=f"at most {LARGEST_GAP:.0%}",
            why="where classes differ in who answered, a difference in outcome may be about who answered",
        ),
        Check(
            name="answers from units whose operations are not published",
            verdict="pass" if unknown <= LARGEST_UNKNOWN else "warn",
            observed=f"{unknown:.1%}",
            expected=f"at most {LARGEST_UNKNOWN:.0%}",
            why="small numbers are hidden at the source, so their coverage is unknown",
        ),
    )
