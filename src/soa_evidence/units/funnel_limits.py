"""Control limits: how far a unit of a given size may lie from the reference by chance alone.

`exact`   quantiles of the binomial or Poisson distribution, interpolated between whole counts so that limits
          are smooth in the size (Spiegelhalter 2005, appendix A.1.1): with r the smallest count with
          P(R ≤ r) at least p, the limit is (r - a) / size, a = (P(R ≤ r) - p) / P(R = r).
`normal`  reference ± z × standard deviation at that size.
`wilson`  limits of the score interval (Wilson 1927) as if the reference had been observed, for proportions;
          for rates and ratios Byar's approximation (Breslow & Day 1987, p. 69) in its place.

With a scale (`arcsine`, `sqrt`, `log`) and extra variation, limits are the reference on that scale ± z × the
inflated standard deviation, turned back.

When not to use it: `normal` for rare events or small units, where its lower limit falls below nought.

Sources: Spiegelhalter (2005), Stat Med 24:1185, section 2 and appendix A.1.

Checked against: R's qbinom and qpois with the same interpolation in tests/reference/funnel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError

__all__ = [
    "Kind", "Limits", "Scale", "back", "chance_limits", "forward", "percent", "predictive_limits",
    "scaled_deviation", "standard_deviation",
]  # fmt: skip

FloatArray = NDArray[np.float64]
Kind = Literal["proportion", "rate", "ratio", "mean"]
Limits = Literal["exact", "normal", "wilson"]
Scale = Literal["identity", "arcsine", "sqrt", "log"]


def chance_limits(
    kind: Kind, limits: Limits, reference: FloatArray, size: FloatArray, spread: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper control limits at each size; all arrays of one shape.

    Parameters
    ----------
    reference
        Proportion, rate per unit of size, ratio, or mean.
    size
        Patients, time at risk, expected events, or records behind a mean.
    spread
        Standard deviation of one record, for means only.
    level
        Share of units within the limits when nothing but chance is at work.
    """
    from scipy import stats

    tail = (1 - level) / 2
    if kind == "mean" or limits == "normal":
        deviation = standard_deviation(kind, reference, size, spread)
        z = stats.norm.isf(tail)
        lower, upper = reference - z * deviation, reference + z * deviation
    elif limits == "wilson":
        lower, upper = _wilson(kind, reference, size, float(stats.norm.isf(tail)))
    else:
        lower, upper = (_interpolated(kind, reference, size, p) for p in (tail, 1 - tail))
    if kind == "mean":
        return lower, upper
    top = 1.0 if kind == "proportion" else np.inf
    return np.clip(lower, 0.0, top), np.clip(upper, 0.0, top)


def standard_deviation(kind: Kind, reference: FloatArray, size: FloatArray, spread: FloatArray) -> FloatArray:
    """Return the standard deviation of a unit's value by chance alone, on its own scale."""
    if kind == "mean":
        return np.asarray(spread / np.sqrt(size))
    if kind == "proportion":
        return np.asarray(np.sqrt(reference * (1 - reference) / size))
    return np.asarray(np.sqrt(reference / size))


def forward(scale: Scale, value: FloatArray) -> FloatArray:
    """Put values on the scale on which extra variation is added."""
    if scale == "arcsine":
        return np.asarray(np.arcsin(np.sqrt(value)))
    if scale == "sqrt":
        return np.asarray(np.sqrt(value))
    return np.asarray(np.log(value)) if scale == "log" else np.asarray(value, float)


def back(scale: Scale, value: FloatArray) -> FloatArray:
    """Undo `forward`; what lies beyond the ends of the scale is put at its end."""
    if scale == "arcsine":
        return np.asarray(np.sin(np.clip(value, 0, np.pi / 2)) ** 2)
    if scale == "sqrt":
        return np.asarray(np.clip(value, 0, None) ** 2)
    return np.asarray(np.exp(value)) if scale == "log" else np.asarray(value, float)


def scaled_deviation(
    kind: Kind, scale: Scale, reference: FloatArray, size: FloatArray, spread: FloatArray
) -> FloatArray:
    """Return the standard deviation by chance alone on `scale`, by the delta method."""
    own = standard_deviation(kind, reference, size, spread)
    if scale == "arcsine":
        return np.asarray(0.5 / np.sqrt(size))
    if scale == "sqrt":
        return np.asarray(own / (2 * np.sqrt(reference)))
    return np.asarray(own / reference) if scale == "log" else own


def predictive_limits(
    log_odds: FloatArray,
    spread: FloatArray,
    *,
    sizes: Sequence[int],
    levels: Sequence[float] = (0.95, 0.998),
    seed: int,
) -> pd.DataFrame:
    """Return the limits within which a hierarchical model expects another unit: volume, lower, upper, level.

    For each posterior draw of the level and the between-unit standard deviation (log odds, shape (S,) each) a
    unit is drawn, and its count among `size` patients; the limits are quantiles of those shares.

    Raises
    ------
    InputError
        When draws differ in length or a size is below 1.
    """
    level_draws, spread_draws = np.asarray(log_odds, float), np.asarray(spread, float)
    if level_draws.shape != spread_draws.shape or level_draws.ndim != 1:
        raise InputError(
            f"log_odds has shape {level_draws.shape}, spread {spread_draws.shape}; "
            "expected draws of one length."
        )
    whole = np.asarray(sizes)
    if len(whole) == 0 or (whole < 1).any():
        raise InputError("sizes holds no size, or one below 1; expected numbers of patients.")
    rng = np.random.default_rng(seed)
    repeats = max(1, -(-20_000 // len(level_draws)))
    level_many, spread_many = np.tile(level_draws, repeats), np.tile(spread_draws, repeats)
    risk = 1 / (1 + np.exp(-(level_many + spread_many * rng.standard_normal(len(level_many)))))
    rows = []
    for size in whole.astype(int):
        share = rng.binomial(size, risk) / size
        for level in levels:
            lower, upper = np.quantile(share, [(1 - level) / 2, (1 + level) / 2])
            rows.append((float(size), float(lower), float(upper), percent(level)))
    return pd.DataFrame(rows, columns=["volume", "lower", "upper", "level"])


def percent(level: float) -> str:
    """Return a level as it is written beside a limit: 0.998 as "99.8%"."""
    return f"{100 * level:.10g}%"


def _interpolated(kind: Kind, reference: FloatArray, size: FloatArray, p: float) -> FloatArray:
    from scipy import stats

    law = stats.binom(size, reference) if kind == "proportion" else stats.poisson(reference * size)
    count = law.ppf(p)
    below, here = law.cdf(count), law.pmf(count)
    return np.asarray((count - (below - p) / here) / size)


def _wilson(kind: Kind, reference: FloatArray, size: FloatArray, z: float) -> tuple[FloatArray, FloatArray]:
    if kind == "proportion":
        middle = reference * size + z**2 / 2
        reach = z * np.sqrt(reference * (1 - reference) * size + z**2 / 4)
        return (middle - reach) / (size + z**2), (middle + reach) / (size + z**2)
    events = reference * size
    with np.errstate(divide="ignore", invalid="ignore"):
        low = events * (1 - 1 / (9 * events) - z / (3 * np.sqrt(events))) ** 3
    more = events + 1
    high = more * (1 - 1 / (9 * more) + z / (3 * np.sqrt(more))) ** 3
    return np.nan_to_num(np.clip(low, 0, None)) / size, high / size
