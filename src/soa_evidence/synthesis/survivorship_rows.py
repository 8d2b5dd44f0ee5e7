r"""Published survivorship, "95.6 % (95.3 to 95.9) at 10 years", as estimates with variances that add up.

Precision adds up on log survival: Greenwood's variance V of log S grows from time to time, and what is added
is independent of what was there. From limits L, U at level z:

==========  =====================================================  =======================================
interval    half width on its own scale                            V = var(log S)
==========  =====================================================  =======================================
log-log     h = {log(-log L) - log(-log U)} / 2z                   (h log S)^2
log         h = {log U - log L} / 2z                               h^2
logit       h = {logit U - logit L} / 2z                           {h (1 - S)}^2
plain       h = (U - L) / 2z                                       (h / S)^2
==========  =====================================================  =======================================

``auto`` takes the interval on whose scale the published estimates lie nearest the middle of their limits.
Rounding to a unit r adds r^2/12 on the scale of S. Where the estimate is printed more coarsely than its
limits (86 %, 85.7 to 86.9) it is moved towards their middle, within what its rounding leaves open.

When not to use it: for cumulative incidence with competing deaths, whose variance adds up otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.synthesis.studies import require_choice, require_columns, require_level

__all__ = ["INTERVALS", "MEANS", "Rows", "centred", "limits", "read", "unit_of", "variance"]

FloatArray = NDArray[np.float64]
INTERVALS = ("auto", "log-log", "log", "logit", "plain")
MEANS = ("survival", "failure")
_UNITS = (1.0, 0.1, 0.01, 0.001)


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows:
    """Published survivorship, arrays of shape (n,): shares from 0 to 1.

    Attributes
    ----------
    time, survival, lower, upper
        As published, turned into survival and shares.
    used
        The estimate used: as published, or moved towards the middle of finer limits.
    log_variance
        Variance of log survival from sampling, by the published interval.
    rounding
        Standard deviation of survival from rounding.
    interval
        The kind of interval assumed.
    off_centre
        Distance of the published estimate from the middle of its limits, in half widths, on that scale.
    limit_unit, estimate_unit
        Units of the last digit, as shares.
    """

    time: FloatArray
    survival: FloatArray
    lower: FloatArray
    upper: FloatArray
    used: FloatArray
    log_variance: FloatArray
    rounding: FloatArray
    interval: str
    off_centre: FloatArray
    limit_unit: float
    estimate_unit: FloatArray

    def __len__(self) -> int:
        return len(self.time)


def read(
    frame: pd.DataFrame,
    *,
    time: str,
    percent: str,
    lower: str,
    upper: str,
    means: str = "survival",
    interval: str = "auto",
    level: float = 0.95,
    estimate_unit: str | float | None = None,
    limit_unit: float | None = None,
) -> Rows:
    """Check a table of percentages with limits, one row a time.

    Parameters
    ----------
    time, percent, lower, upper
        Columns; percentages from 0 to 100.
    means
        Whether they are of ``"survival"`` or of ``"failure"``, such as cumulative revision.
    interval
        Scale of the published limits, one of `INTERVALS`.
    estimate_unit, limit_unit
        Units of the last printed digit, in percentage points (0.1); the estimate's may be a column. Found
        from the digits when not given.

    Raises
    ------
    InputError
        On a missing column or number, shares for percentages, limits in the wrong order or not around the
        estimate, limits at 0 or 100 % on a scale that cannot hold them, or an unknown choice.
    """
    require_choice(means, MEANS, "means")
    require_choice(interval, INTERVALS, "interval")
    require_level(level)
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Expected published percentages as a pandas DataFrame; got {type(frame).__name__}.")
    require_columns(frame, [time, percent, lower, upper])
    if frame.empty:
        raise InputError("The table of percentages has no rows; expected at least one.")
    t = _number(frame, time)
    _refuse(frame, time, ~(t > 0), "expected a time after the operation, above 0")
    p, low, high = (_number(frame, name) for name in (percent, lower, upper))
    for name, values in ((percent, p), (lower, low), (upper, high)):
        _refuse(frame, name, (values < 0) | (values > 100), "expected a percentage from 0 to 100")
    _refuse(
        frame, percent, (p == 0) | (p == 100),
        "where nobody or everybody fails, no limits say how sure it is; leave the row out on purpose",
    )  # fmt: skip
    if float(np.concatenate([p, high]).max()) <= 1:
        raise InputError(
            f"Column '{percent}' reaches {p.max():g} only; expected percentages. Multiply shares by 100."
        )
    unit = _limit_unit(limit_unit, [low, high])
    units = _estimate_unit(frame, estimate_unit, p)
    half = (unit + units) / 2
    _refuse(frame, lower, low >= high, "the lower limit is not below the upper")
    _refuse(
        frame, percent, (p < low - half - 1e-9) | (p > high + half + 1e-9),
        "the limits do not enclose it; one of the three is misread or misprinted",
    )  # fmt: skip
    if means == "failure":
        p, low, high = 100 - p, 100 - high, 100 - low
    s, below, above = p / 100, low / 100, high / 100
    chosen = _choose(s, below, above) if interval == "auto" else interval
    _require_scale(frame, (lower, upper), below, above, chosen)
    used = centred(s, below, above, chosen, units / 100, unit / 100)
    coarse = np.where(units > unit, unit, units) / 100
    return Rows(
        time=t,
        survival=s,
        lower=below,
        upper=above,
        used=used,
        log_variance=variance(used, below, above, chosen, level),
        rounding=coarse / np.sqrt(12),
        interval=chosen,
        off_centre=_off_centre(s, below, above, chosen),
        limit_unit=unit / 100,
        estimate_unit=units / 100,
    )


def variance(s: FloatArray, lower: FloatArray, upper: FloatArray, interval: str, level: float) -> FloatArray:
    """Return the variance of log survival that the limits imply."""
    half = (_scale(upper, interval) - _scale(lower, interval)) / (2 * stats.norm.ppf(1 - (1 - level) / 2))
    slope = {"log-log": -np.log(s), "log": np.ones_like(s), "logit": 1 - s, "plain": 1 / s}[interval]
    return np.asarray((half * slope) ** 2)


def limits(
    s: FloatArray, log_variance: FloatArray, interval: str, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return limits on the scale of `interval` from the variance of log survival: `variance` undone."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = {"log-log": -np.log(s), "log": np.ones_like(s), "logit": 1 - s, "plain": 1 / s}[interval]
        half = stats.norm.ppf(1 - (1 - level) / 2) * np.sqrt(log_variance) / slope
        at = _scale(s, interval)
        return _back(at - half, interval), _back(at + half, interval)


def centred(
    s: FloatArray, lower: FloatArray, upper: FloatArray, interval: str, unit: FloatArray, limit_unit: float
) -> FloatArray:
    """Return estimates printed more coarsely than their limits, moved towards the limits' middle."""
    middle = _back((_scale(lower, interval) + _scale(upper, interval)) / 2, interval)
    moved = np.clip(middle, s - unit / 2, s + unit / 2)
    return np.where(unit > limit_unit * (1 + 1e-9), moved, s)


def unit_of(values: FloatArray) -> float:
    """Return the unit of the last digit that the values are printed with, in their own unit."""
    known = values[np.isfinite(values)]
    for unit in _UNITS:
        if np.allclose(known / unit, np.round(known / unit), atol=1e-6):
            return unit
    return _UNITS[-1]


def _scale(s: FloatArray, interval: str) -> FloatArray:
    """Return survival on the scale of an interval, rising with survival."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if interval == "log-log":
            return np.asarray(-np.log(-np.log(s)))
        if interval == "log":
            return np.asarray(np.log(s))
        return np.asarray(np.log(s / (1 - s)) if interval == "logit" else s)


def _back(value: FloatArray, interval: str) -> FloatArray:
    if interval == "log-log":
        return np.asarray(np.exp(-np.exp(-value)))
    if interval == "log":
        return np.asarray(np.exp(value))
    return np.asarray(1 / (1 + np.exp(-value)) if interval == "logit" else value)


def _off_centre(s: FloatArray, lower: FloatArray, upper: FloatArray, interval: str) -> FloatArray:
    low, at, high = (_scale(v, interval) for v in (lower, s, upper))
    return np.asarray(np.abs(at - (low + high) / 2) / ((high - low) / 2))


def _choose(s: FloatArray, lower: FloatArray, upper: FloatArray) -> str:
    """Return the scale on which estimates lie nearest the middle; log-log where several do as well."""
    best, least = "plain", np.inf
    for interval in INTERVALS[1:]:
        if not np.isfinite(np.concatenate([_scale(v, interval) for v in (lower, s, upper)])).all():
            continue
        off = float(_off_centre(s, lower, upper, interval).sum())
        if off < least - 1e-9:
            best, least = interval, off
    return best


def _require_scale(
    frame: pd.DataFrame, names: tuple[str, str], lower: FloatArray, upper: FloatArray, interval: str
) -> None:
    for name, values in zip(names, (lower, upper), strict=True):
        _refuse(
            frame, name, ~np.isfinite(_scale(values, interval)),
            f"no {interval} interval reaches 0 or 100 %; say 'plain', if that is what it is",
        )  # fmt: skip


def _number(frame: pd.DataFrame, name: str) -> FloatArray:
    values = frame[name]
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        raise InputError(f"Column '{name}' holds {values.dtype} values; expected numbers.")
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    _refuse(
        frame, name, ~np.isfinite(numbers),
        "expected a number. A percentage without limits cannot say how sure it is: leave it out on purpose",
    )  # fmt: skip
    return numbers


def _refuse(frame: pd.DataFrame, name: str, broken: NDArray[np.bool_], rule: str) -> None:
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(f"Column '{name}', row {at}: {frame[name].iloc[at]}; {rule}.")


def _limit_unit(given: float | None, limits: list[FloatArray]) -> float:
    if given is None:
        return unit_of(np.concatenate(limits))
    if not given > 0:
        raise InputError(f"limit_unit is {given}; expected the unit of the last printed digit, such as 0.1.")
    return float(given)


def _estimate_unit(frame: pd.DataFrame, given: str | float | None, p: FloatArray) -> FloatArray:
    if given is None:
        return np.full(len(p), unit_of(p))
    if isinstance(given, str):
        require_columns(frame, [given])
        units = _number(frame, given)
        _refuse(frame, given, ~(units > 0), "expected the unit of the last printed digit, such as 0.1")
        return units
    if not given > 0:
        raise InputError(
            f"estimate_unit is {given}; expected the unit of the last printed digit, such as 0.1."
        )
    return np.full(len(p), float(given))
