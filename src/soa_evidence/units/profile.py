"""One unit's patients beside the nation's, and the units whose patients are most like them.

    share       p_l = n_l / n                    of level l among the unit's n patients (limits: Wilson)
    shrunk      q_l = (n_l + m π_l) / (n + m)    π_l the nation's share, m = 50 patients
    unlikeness  of two units = mean over factors of ½ Σ_l |q_l - q'_l|,
                the share of patients who would have to change level for the two to be the same

Shrinking keeps a small unit from being unlike everyone by chance alone.

When not to use it: to adjust anything. It says who is treated, not how they fare; use `units.binomial`.

Sources: Wilson (1927), JASA 22:209; the unlikeness is the total variation distance.

Checked against: arithmetic in tests/unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest, require_columns
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["ProfileResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "units.profile"
PRIOR_PATIENTS = 50.0
FEW_PATIENTS = 30
Z95 = 1.959963984540054


@dataclass(frozen=True, eq=False, kw_only=True)
class ProfileResult:
    """A unit's case mix.

    Attributes
    ----------
    share : Estimates
        Share of the unit's patients at each level, labelled ``"factor: level"``; levels of different factors
        are taken as independent.
    table : DataFrame
        factor, level, patients, share, lower, upper, nation (its share among all patients, this unit's own
        included).
    alike : DataFrame
        unit, patients, unlikeness: the other units, most alike first.
    checks : tuple of Check
    """

    share: Estimates
    table: pd.DataFrame
    alike: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"Case mix of a unit\n{self.table.to_string(index=False, float_format='{:.3f}'.format)}"

    def _repr_html_(self) -> str:
        shown = self.table.to_html(index=False, float_format="{:.3f}".format)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>Case mix of a unit</strong></p>{shown}{checks}"


def fit(
    frame: pd.DataFrame, *, unit: str, of: str, case_mix: Sequence[str], patients: str | None = None
) -> ProfileResult:
    """Describe the case mix of unit `of` beside that of all units.

    Parameters
    ----------
    frame
        One row a patient, or a cell with its number of `patients`.
    unit
        Column naming the unit.
    of
        The unit described.
    case_mix
        Columns of factors; every value is a level, missing ones are the level "missing".
    patients
        Column of patients in the row; without it every row is one.

    Raises
    ------
    InputError
        On a missing column, a unit that is not there, counts that are missing, negative or not numbers, or no
        case-mix factor.
    """
    factors = [case_mix] if isinstance(case_mix, str) else list(case_mix)
    if not factors:
        raise InputError("case_mix= names no factor; give at least one column.")
    require_columns(frame.columns, (unit, *factors, *([] if patients is None else [patients])))
    counts = _counts(frame, patients)
    named = frame[unit].astype(str)
    units = sorted(named[counts > 0].unique())
    if of not in units:
        raise InputError(f"There is no unit {of!r} with patients in '{unit}'.{nearest(of, units)}")
    tables = [_by_unit(named, frame[factor], counts, units) for factor in factors]
    at = units.index(of)
    total = tables[0].sum(axis=1).to_numpy()
    parts = [_beside(factor, table, at) for factor, table in zip(factors, tables, strict=True)]
    table = pd.concat(parts, ignore_index=True)
    checks = (_size(float(total[at])), _recorded(table))
    return ProfileResult(
        share=_share(table, float(total[at]), checks),
        table=table,
        alike=_alike(tables, units, total, at),
        checks=checks,
    )


def _counts(frame: pd.DataFrame, patients: str | None) -> FloatArray:
    if patients is None:
        return np.ones(len(frame))
    column = frame[patients]
    if not pd.api.types.is_numeric_dtype(column):
        raise InputError(f"Column '{patients}' holds {column.dtype} values; expected counts of patients.")
    counts = column.to_numpy(dtype=float, na_value=np.nan)
    bad = ~(np.isfinite(counts) & (counts >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"Column '{patients}', row {row}: {counts[row]:g}; expected a count from 0 up.")
    return counts


def _by_unit(named: pd.Series, levels: pd.Series, counts: FloatArray, units: Sequence[str]) -> pd.DataFrame:
    """Patients by unit (rows, in the order of `units`) and level (columns, sorted)."""
    texts = levels.astype(object).where(levels.notna(), "missing").astype(str)
    tally = pd.crosstab(named.to_numpy(), texts.to_numpy(), values=counts, aggfunc="sum").fillna(0.0)
    return tally.reindex(list(units), fill_value=0.0)


def _beside(factor: str, table: pd.DataFrame, at: int) -> pd.DataFrame:
    own, nation = table.iloc[at].to_numpy(), table.sum(axis=0).to_numpy()
    n = own.sum()
    share = own / n
    middle = (own + Z95**2 / 2) / (n + Z95**2)
    half = Z95 / (n + Z95**2) * np.sqrt(n * share * (1 - share) + Z95**2 / 4)
    return pd.DataFrame(
        {
            "factor": factor,
            "level": table.columns.to_list(),
            "patients": own.astype(int),
            "share": share,
            "lower": np.clip(middle - half, 0, 1),
            "upper": np.clip(middle + half, 0, 1),
            "nation": nation / nation.sum(),
        }
    )


def _share(table: pd.DataFrame, n: float, checks: tuple[Check, ...]) -> Estimates:
    share, factor = table["share"].to_numpy(), table["factor"].to_numpy()
    covariance = np.where(factor[:, None] == factor[None, :], -np.outer(share, share), 0.0) / n
    covariance[np.diag_indices_from(covariance)] = share * (1 - share) / n
    return Estimates(
        estimand="share of the unit's patients",
        labels=tuple(table["factor"] + ": " + table["level"]),
        unit="proportion",
        method=METHOD,
        mean=share,
        covariance=covariance,
        interval="confidence",
        checks=checks,
    )


def _alike(tables: Sequence[pd.DataFrame], units: Sequence[str], total: FloatArray, at: int) -> pd.DataFrame:
    apart = np.zeros(len(units))
    for table in tables:
        counts = table.to_numpy()
        nation = counts.sum(axis=0) / counts.sum()
        shrunk = (counts + PRIOR_PATIENTS * nation) / (counts.sum(axis=1, keepdims=True) + PRIOR_PATIENTS)
        apart += np.abs(shrunk - shrunk[at]).sum(axis=1) / 2
    made = pd.DataFrame(
        {"unit": list(units), "patients": total.astype(int), "unlikeness": apart / len(tables)}
    )
    return made.drop(index=at).sort_values(["unlikeness", "unit"], ignore_index=True)


def _size(patients: float) -> Check:
    return Check(
        name="patients of the unit",
        verdict="pass" if patients >= FEW_PATIENTS else "warn",
        observed=f"{patients:,.0f}",
        expected=f"at least {FEW_PATIENTS}",
        why="shares of a handful of patients say little about whom a unit treats",
    )


def _recorded(table: pd.DataFrame) -> Check:
    unknown = table[table["level"].isin(["missing", "unknown"])]
    most = float(unknown["share"].max()) if len(unknown) else 0.0
    return Check(
        name="case mix not recorded",
        verdict="pass" if most <= 0.2 else "warn",
        observed=f"{most:.0%} at most, of one factor",
        expected="at most 20%",
        why="where many values are missing, shares of the others depend on who had them recorded",
    )
