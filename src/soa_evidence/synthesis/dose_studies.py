"""Studies that report a ratio for each level of exposure, checked and given their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.synthesis import dose_covariance
from soa_evidence.synthesis.studies import FloatArray, require_choice, require_columns

__all__ = ["DoseStudy", "read_doses"]


@dataclass(frozen=True, eq=False, kw_only=True)
class DoseStudy:
    """One study: its reference dose, and dose, log ratio (J,) and covariance (J, J) of its other levels."""

    label: str
    reference: float
    dose: FloatArray
    estimate: FloatArray
    covariance: FloatArray
    source: str


def read_doses(
    frame: pd.DataFrame,
    *,
    study: str,
    dose: str,
    estimate: str,
    std_error: str,
    counts: tuple[str | None, str | None, str | None] | None,
    correlation: float | None,
) -> list[DoseStudy]:
    """Check a frame, one row a level, with columns of counts (cases, size, design) or an assumed correlation.

    Raises
    ------
    InputError
        On missing columns or values, a study without exactly one reference row (log ratio and error 0), a
        level without an error, levels of one dose, counts that are negative or do not vary within their
        rules, or a correlation outside 0 to 1.
    """
    needed = [study, dose, estimate, std_error]
    if counts is not None:
        if any(name is None for name in counts):
            raise InputError("Name the columns cases, size and design, or give an assumed correlation.")
        needed += [str(name) for name in counts]
    elif correlation is None or not 0 <= correlation < 1:
        raise InputError(f"correlation is {correlation}; expected a number from 0 up to, not including, 1.")
    require_columns(frame, needed)
    if frame.empty:
        raise InputError("The frame of levels is empty; expected at least one study.")
    for name in needed:
        if frame[name].isna().any():
            at = int(np.argmax(frame[name].isna().to_numpy()))
            raise InputError(f"Column '{name}', row {at}: missing; every level needs it.")
    return [
        _study(str(label), part, dose, estimate, std_error, counts, correlation)
        for label, part in frame.groupby(study, sort=False)
    ]


def _study(
    label: str,
    part: pd.DataFrame,
    dose: str,
    estimate: str,
    std_error: str,
    counts: tuple[str | None, str | None, str | None] | None,
    correlation: float | None,
) -> DoseStudy:
    doses, y, error = (_numbers(part, name, label) for name in (dose, estimate, std_error))
    reference = (error == 0) & (y == 0)
    if int(reference.sum()) != 1:
        raise InputError(
            f"Study {label!r} has {int(reference.sum())} reference levels; expected one row whose log ratio "
            f"and "
            "standard error are 0."
        )
    if (error[~reference] <= 0).any():
        raise InputError(
            f"Study {label!r}: a level other than the reference has a standard error of 0 or less."
        )
    if np.ptp(doses) == 0:
        raise InputError(f"Study {label!r}: all levels have the dose {doses[0]:g}; a trend needs two doses.")
    order = np.concatenate([np.flatnonzero(reference), np.flatnonzero(~reference)])
    values, variance = y[order][1:], error[order][1:] ** 2
    if counts is None:
        covariance = dose_covariance.assumed(variance, float(correlation or 0.0))
        source = f"assumed correlation {correlation:g}"
    else:
        cases, size = (_numbers(part, str(name), label)[order] for name in counts[:2])
        designs = sorted(set(part[str(counts[2])].astype(str)))
        if len(designs) != 1:
            raise InputError(
                f"Study {label!r} has {len(designs)} designs ({', '.join(designs)}); expected one."
            )
        require_choice(designs[0], tuple(dose_covariance.DESIGNS), f"design of study {label!r}")
        if (cases < 0).any() or cases.sum() <= 0 or (size <= 0).any():
            raise InputError(
                f"Study {label!r}: cases are not negative, some are above 0, and sizes are above 0."
            )
        covariance = dose_covariance.greenland_longnecker(values, variance, cases, size, designs[0], label)
        source = f"counts ({designs[0]})"
    return DoseStudy(
        label=label,
        reference=float(doses[order][0]),
        dose=doses[order][1:],
        estimate=values,
        covariance=covariance,
        source=source,
    )


def _numbers(part: pd.DataFrame, column: str, label: str) -> FloatArray:
    if not pd.api.types.is_numeric_dtype(part[column]):
        raise InputError(f"Column '{column}' holds {part[column].dtype} values; expected numbers.")
    values = part[column].to_numpy(dtype=float)
    if not np.isfinite(values).all():
        raise InputError(
            f"Study {label!r}, column '{column}': a value that is not finite; expected a number."
        )
    return values
