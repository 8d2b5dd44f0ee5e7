"""Sums of a measured outcome by unit: the checked, compact form that `units.gaussian` works on.

With a linear mean and a normal outcome, each unit's patients enter only through how many they are, their
totals and cross products with case mix, and their sum of squares. Nothing else of a record is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.units.cells import (
    design_matrix,
    require_columns,
    require_counts,
    require_one_group,
    require_present,
)

__all__ = ["Sums", "prepare"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RELATIVE = 1e-9  # what a sum of squares may fall short by because numbers in a computer are rounded


@dataclass(frozen=True, eq=False, kw_only=True)
class Sums:
    """What units' data say, in units of `scale`.

    Attributes
    ----------
    units, groups, terms : tuples of str
        Names of the J units, G classes and K case-mix terms.
    group_of_unit : array of shape (J,)
    count : array of shape (J,)
        Patients with the outcome.
    mean : array of shape (J,)
        Mean outcome, not adjusted, in units of `scale`.
    case_mix_mean : array of shape (J, K)
        Mean of each term; 0 for the reference population, which is all patients.
    within_outcome : array of shape (J,)
        Sum of squares of the outcome about the unit's mean.
    within_cross : array of shape (J, K)
        Sum of products of outcome and terms, both about the unit's means.
    within_case_mix : array of shape (J, K, K)
        The same of terms with terms.
    scale
        Standard deviation of the outcome between all patients, or what the caller gave.
    """

    units: tuple[str, ...]
    groups: tuple[str, ...]
    terms: tuple[str, ...]
    group_of_unit: IntArray
    count: FloatArray
    mean: FloatArray
    case_mix_mean: FloatArray
    within_outcome: FloatArray
    within_cross: FloatArray
    within_case_mix: FloatArray
    scale: float

    def units_of(self, groups: Sequence[str]) -> NDArray[np.bool_]:
        """Return a mask over units: those whose class is among `groups`."""
        return np.isin(self.group_of_unit, [self.groups.index(group) for group in groups])

    def residual_squares(self, case_mix: FloatArray) -> FloatArray:
        """Within-unit sum of squares left after case mix: terms (S, K) to (S, J)."""
        if not self.terms:
            return np.broadcast_to(self.within_outcome, (len(case_mix), len(self.units))).copy()
        pairs = np.einsum("sk,sl->skl", case_mix, case_mix).reshape(len(case_mix), -1)
        left = self.within_outcome - 2 * case_mix @ self.within_cross.T
        left = left + pairs @ self.within_case_mix.reshape(len(self.units), -1).T
        return np.asarray(np.maximum(left, 0.0))

    def adjusted(self, case_mix: FloatArray) -> FloatArray:
        """Units' means less what their case mix explains: terms (S, K) to (S, J)."""
        return np.asarray(self.mean - case_mix @ self.case_mix_mean.T)


def prepare(
    frame: pd.DataFrame,
    *,
    count: str,
    total: str,
    squares: str,
    unit: str,
    group: str,
    case_mix: Sequence[str],
    scale: float | None,
) -> Sums:
    """Check a frame of counts, sums and sums of squares and return it as `Sums`.

    Raises
    ------
    InputError
        On a missing column, an empty frame, a bad count, a sum that is not a finite number, a sum without
        patients, a sum of squares smaller than its sum allows, a missing unit, class or case-mix level, a
        unit in two classes, no patients, or an outcome that is the same for all.
    """
    case_mix = [case_mix] if isinstance(case_mix, str) else list(case_mix)
    require_columns(frame, [count, total, squares, unit, group, *case_mix])
    if frame.empty:
        raise InputError("The frame of sums is empty; expected at least one row with patients.")
    require_counts(frame, count)
    for column in (total, squares):
        _require_numbers(frame, column)
    for column in [unit, group, *case_mix]:
        require_present(frame, column)
    require_one_group(frame, unit, group)
    many, sums, sq = (frame[c].to_numpy(float) for c in (count, total, squares))
    _require_possible(many, sums, sq, count, total, squares)
    kept = many > 0
    if not kept.any():
        raise InputError(f"Column '{count}' is 0 in every row: there are no patients to compare.")
    text = frame.loc[kept, [unit, group, *case_mix]].astype(str)
    many, sums, sq = many[kept], sums[kept], sq[kept]
    spread = float(np.sqrt(max(sq.sum() / many.sum() - (sums.sum() / many.sum()) ** 2, 0.0)))
    if scale is None:
        if not spread > 1e-9 * abs(sums.sum() / many.sum()):
            raise InputError(
                f"Every patient has the same value of '{total}' by its sums; nothing is there to be compared."
            )
        scale = spread
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(
            f"scale={scale!r}: expected a standard deviation above 0, in the outcome's own unit."
        )

    units, unit_at = np.unique(text[unit].to_numpy(str), return_inverse=True)
    group_by_unit = text.drop_duplicates(unit).set_index(unit)[group].reindex(units).to_numpy(str)
    groups, group_of_unit = np.unique(group_by_unit, return_inverse=True)
    covariates, terms = _covariates(text, case_mix, many)

    def by_unit(values: FloatArray) -> FloatArray:
        return np.bincount(unit_at, weights=values, minlength=len(units))

    sums, sq = sums / scale, sq / scale**2
    size = by_unit(many)
    mean = by_unit(sums) / size
    k = covariates.shape[1]
    case_mean = np.column_stack(
        [by_unit(many * x) / size for x in covariates.T] or [np.empty((len(units), 0))]
    )
    cross = np.column_stack(
        [by_unit((sums - many * mean[unit_at]) * x) for x in covariates.T] or [np.empty((len(units), 0))]
    )
    within = np.zeros((len(units), k, k))
    centred = covariates - case_mean[unit_at]
    for a in range(k):
        for b in range(a + 1):
            within[:, a, b] = within[:, b, a] = by_unit(many * centred[:, a] * centred[:, b])
    return Sums(
        units=tuple(map(str, units)),
        groups=tuple(map(str, groups)),
        terms=terms,
        group_of_unit=group_of_unit.astype(np.int64),
        count=size,
        mean=mean,
        case_mix_mean=case_mean,
        within_outcome=np.maximum(by_unit(sq) - size * mean**2, 0.0),
        within_cross=cross,
        within_case_mix=within,
        scale=float(scale),
    )


def _covariates(
    text: pd.DataFrame, case_mix: list[str], many: FloatArray
) -> tuple[FloatArray, tuple[str, ...]]:
    if not case_mix:
        return np.zeros((len(text), 0)), ()
    codes = text.groupby(case_mix, observed=True, sort=True).ngroup().to_numpy()
    patterns = text[case_mix].drop_duplicates().sort_values(case_mix).reset_index(drop=True)
    weights = np.bincount(codes, weights=many, minlength=len(patterns))
    design, terms = design_matrix(patterns, weights / weights.sum())
    return design[codes], terms


def _require_numbers(frame: pd.DataFrame, column: str) -> None:
    values = frame[column]
    kinds = pd.api.types
    if not (kinds.is_integer_dtype(values) or kinds.is_float_dtype(values)):
        raise InputError(f"Column '{column}' holds {values.dtype} values; expected sums as numbers.")
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(numbers).all():
        at = int(np.argmax(~np.isfinite(numbers)))
        raise InputError(
            f"Column '{column}', row {at}: {values.iloc[at]}; expected a finite sum. Give 0 where no "
            "patient has the outcome."
        )


def _require_possible(
    many: FloatArray, sums: FloatArray, squares: FloatArray, count: str, total: str, squared: str
) -> None:
    without = (many == 0) & ((sums != 0) | (squares != 0))
    if without.any():
        at = int(np.argmax(without))
        raise InputError(
            f"Row {at}: '{count}' is 0 but '{total}' is {sums[at]:g} and '{squared}' {squares[at]:g}; a sum "
            "over no patients is 0."
        )
    least = np.divide(sums**2, many, out=np.zeros_like(sums), where=many > 0)
    # Published sums may be rounded: half a unit of the last decimal is not a contradiction.
    slack = np.divide(2 * np.abs(sums), many, out=np.zeros_like(sums), where=many > 0) * _half_unit(sums)
    short = squares < least - slack - _half_unit(squares) - RELATIVE * least
    if short.any():
        at = int(np.argmax(short))
        raise InputError(
            f"Row {at}: '{squared}' is {squares[at]:g}, less than {least[at]:g}, the least that a "
            f"'{total}' of {sums[at]:g} over {many[at]:g} patients allows. Are the columns exchanged, or the "
            "squares of other values?"
        )


def _half_unit(values: FloatArray) -> float:
    """Half a unit of the last decimal that values were rounded to, up to nine; 0 for whole numbers."""
    for decimals in range(10):
        if np.array_equal(values, np.round(values, decimals)):
            return 0.5 * 10.0**-decimals if decimals else 0.0
    return 0.0
