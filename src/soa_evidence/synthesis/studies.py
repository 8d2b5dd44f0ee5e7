"""Study results as checked arrays: one meta-analysis or thousands of them, side by side.

Every estimator of this package works on a `Batch`, a stack of meta-analyses padded to one length, so that the
fast way over thousands and the way over one are the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence import errors
from soa_evidence.errors import InputError, nearest

__all__ = ["Batch", "Studies", "read", "read_many", "require_choice", "require_columns", "require_level"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch:
    """M meta-analyses of at most K studies each.

    Attributes
    ----------
    estimate, variance : arrays of shape (M, K)
        Estimates and their sampling variances; 0 and 1 where there is no study.
    present : array of shape (M, K)
        Where there is a study.
    """

    estimate: FloatArray
    variance: FloatArray
    present: BoolArray

    @property
    def size(self) -> FloatArray:
        """Number of studies of each meta-analysis, shape (M,)."""
        return self.present.sum(axis=1).astype(float)

    def weights(self, tau2: FloatArray) -> FloatArray:
        """Return inverse total variances given the variance between studies `tau2` (M,); 0 for no study."""
        return self.present / (self.variance + tau2[:, None])

    def mean(self, weights: FloatArray) -> FloatArray:
        """Return the weighted mean of each meta-analysis, shape (M,)."""
        return np.asarray((weights * self.estimate).sum(axis=1) / weights.sum(axis=1))

    def spread(self, weights: FloatArray) -> FloatArray:
        """Return the weighted sum of squares around the weighted mean, shape (M,)."""
        away = self.estimate - self.mean(weights)[:, None]
        return np.asarray((weights * away**2).sum(axis=1))

    def take(self, rows: NDArray[np.int64] | BoolArray) -> Batch:
        """Return the same for some of the meta-analyses."""
        return Batch(estimate=self.estimate[rows], variance=self.variance[rows], present=self.present[rows])


@dataclass(frozen=True, eq=False, kw_only=True)
class Studies:
    """One meta-analysis: labels, estimates and sampling variances, each of length k."""

    labels: tuple[str, ...]
    estimate: FloatArray
    variance: FloatArray

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self) -> Batch:
        """Return the studies as a stack of one."""
        return self.subsets(np.ones((1, len(self)), dtype=bool))

    def subsets(self, keep: BoolArray) -> Batch:
        """Return a stack of meta-analyses of subsets of the studies; `keep` has shape (M, k)."""
        return Batch(
            estimate=np.where(keep, self.estimate, 0.0),
            variance=np.where(keep, self.variance, 1.0),
            present=keep,
        )


def read(frame: pd.DataFrame, *, estimate: str, std_error: str, label: str) -> Studies:
    """Check a frame of study results, one row a study.

    Raises
    ------
    InputError
        On a missing column, an empty frame, a value that is not a finite number, a standard error that is
        not above 0, or a label that is missing or repeated.
    """
    require_columns(frame, [label, estimate, std_error])
    if frame.empty:
        raise InputError("The frame of studies is empty; expected at least one row.")
    names = _names(frame, label)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"Column '{label}' holds {repeated[0]!r} more than once. Two results of one study are not "
            "independent: keep one, or label them apart if their patients are different."
        )
    values, errors = _numbers(frame, estimate, names), _numbers(frame, std_error, names)
    _require_positive(errors, std_error, names)
    return Studies(labels=tuple(names), estimate=values, variance=errors**2)


def read_many(
    frame: pd.DataFrame, *, analysis: str, estimate: str, std_error: str
) -> tuple[pd.Index[str], Batch]:
    """Check a long frame of many meta-analyses and pad them into one `Batch`.

    Returns
    -------
    names of the meta-analyses in order of first appearance, and their studies

    Raises
    ------
    InputError
        As `read`, and on a missing name of a meta-analysis.
    """
    require_columns(frame, [analysis, estimate, std_error])
    if frame.empty:
        raise InputError("The frame of studies is empty; expected at least one row.")
    where = _names(frame, analysis)
    values, errors = _numbers(frame, estimate, where), _numbers(frame, std_error, where)
    _require_positive(errors, std_error, where)
    at, names = pd.factorize(np.asarray(where, dtype=object))
    order = np.argsort(at, kind="stable")
    sizes = np.bincount(at)
    column = np.empty(len(at), dtype=np.int64)
    column[order] = np.arange(len(at)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shape = (len(names), int(sizes.max()))
    stacked, variance, present = np.zeros(shape), np.ones(shape), np.zeros(shape, dtype=bool)
    stacked[at, column], variance[at, column], present[at, column] = values, errors**2, True
    return pd.Index(names, name=analysis), Batch(estimate=stacked, variance=variance, present=present)


def require_columns(frame: pd.DataFrame, needed: Sequence[str]) -> None:
    """Refuse a name that is not a column, or that serves two purposes."""
    errors.require_columns(frame.columns, needed)
    repeated = sorted({name for name in needed if list(needed).count(name) > 1})
    if repeated:
        raise InputError(
            f"Column '{repeated[0]}' is named for two purposes; each purpose needs its own column."
        )


def require_choice(value: str, choices: Sequence[str], what: str) -> None:
    """Refuse a choice that does not exist, naming the nearest."""
    if value not in choices:
        raise InputError(
            f"{what} is {value!r}.{nearest(value, choices)} Expected one of: {', '.join(choices)}."
        )


def require_level(level: float) -> None:
    """Refuse a coverage that is not a fraction."""
    if not 0 < level < 1:
        hint = " Give 95 % as 0.95." if 1 < level < 100 else ""
        raise InputError(f"level is {level}; expected a number above 0 and below 1, such as 0.95.{hint}")


def _names(frame: pd.DataFrame, column: str) -> list[str]:
    missing = frame[column].isna().to_numpy()
    if missing.any():
        raise InputError(
            f"Column '{column}', row {int(np.argmax(missing))}: missing; every row needs its name."
        )
    return [str(name) for name in frame[column]]


def _numbers(frame: pd.DataFrame, column: str, names: list[str]) -> FloatArray:
    values = frame[column]
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        raise InputError(f"Column '{column}' holds {values.dtype} values; expected numbers.")
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    broken = ~np.isfinite(numbers)
    if broken.any():
        at = int(np.argmax(broken))
        more = f" ({int(broken.sum())} such rows)" if broken.sum() > 1 else ""
        raise InputError(
            f"Column '{column}', row {at} ({names[at]}): {values.iloc[at]}; expected a finite number. "
            f"Leave the study out on purpose, and say so{more}."
        )
    return numbers


def _require_positive(errors: FloatArray, column: str, names: list[str]) -> None:
    broken = errors <= 0
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(
            f"Column '{column}', row {at} ({names[at]}): {errors[at]:g}; a standard error is above 0. "
            "Is it a variance, a log or a limit by mistake?"
        )
