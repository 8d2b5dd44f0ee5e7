r"""Effects as papers print them: a ratio or difference with an interval or p-value, or O - E with variance.

For each study the first of these that it gives is used, and which one is recorded:

1. limits: standard error = (upper - lower) / (2 z), on the log scale for ratios, with the study's own level
2. p-value (two-sided, not 0 or 1): \|effect\| / z
3. O - E and its variance V (ratios only): log ratio (O - E)/V, standard error 1/√V

A study whose estimate is far from the middle of its own limits is flagged: one of the three is a misprint, or
the interval is of another kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.synthesis.studies import FloatArray

__all__ = ["OPTIONAL", "Converted", "convert"]

OPTIONAL = ("lower", "upper", "level", "p_value", "o_minus_e", "variance", "reverse")
#: Share of the interval's half-width by which an estimate may lie off its middle before it is flagged.
OFF_CENTRE = 0.10


@dataclass(frozen=True, eq=False, kw_only=True)
class Converted:
    """Effects on the analysis scale, arrays of shape (k,); how each was made; whose limits are lopsided."""

    estimate: FloatArray
    variance: FloatArray
    provenance: list[str]
    lopsided: list[str]


def convert(data: dict[str, FloatArray], labels: list[str], *, ratio: bool, level: float) -> Converted:
    """Convert every study; `data` holds the columns given, missing as NaN.

    Raises
    ------
    InputError
        Where a ratio or limit is not above 0, limits are in the wrong order or do not enclose the estimate, a
        p-value or level is outside 0 to 1, or nothing says how precise the study is.
    """
    k = len(labels)
    full = {name: data.get(name, np.full(k, np.nan)) for name in ("effect", *OPTIONAL)}
    rows = [
        _one({name: float(full[name][i]) for name in full}, labels[i], ratio=ratio, level=level)
        for i in range(k)
    ]
    table = pd.DataFrame(rows, columns=["estimate", "variance", "provenance", "off"])
    return Converted(
        estimate=table["estimate"].to_numpy(dtype=float),
        variance=table["variance"].to_numpy(dtype=float),
        provenance=list(table["provenance"]),
        lopsided=[labels[i] for i in range(k) if table["off"].iloc[i] > OFF_CENTRE],
    )


def _one(row: dict[str, float], label: str, *, ratio: bool, level: float) -> tuple[float, float, str, float]:
    level = level if np.isnan(row["level"]) else row["level"]
    if not 0 < level < 1:
        raise InputError(
            f"Study '{label}': level {level:g}; expected a fraction such as 0.95 or 0.99, not a percentage."
        )
    estimate, variance, said, off = _precision(row, label, ratio=ratio, level=level)
    if row["reverse"] == 1:
        return -estimate, variance, f"{said}; direction reversed", off
    return estimate, variance, said, off


def _precision(
    row: dict[str, float], label: str, *, ratio: bool, level: float
) -> tuple[float, float, str, float]:
    if not np.isnan(row["effect"]):
        effect = _scale(row["effect"], label, "effect", ratio=ratio)
        if not (np.isnan(row["lower"]) or np.isnan(row["upper"])):
            error, off = _from_limits(row, effect, label, ratio=ratio, level=level)
            return effect, error**2, f"from the {100 * level:g} % interval", off
        if not np.isnan(row["p_value"]):
            return effect, _from_p(effect, row["p_value"], label) ** 2, "from the two-sided p-value", 0.0
    if ratio and not (np.isnan(row["o_minus_e"]) or np.isnan(row["variance"])):
        if not row["variance"] > 0:
            raise InputError(
                f"Study '{label}': variance of O - E is {row['variance']:g}; it must be above 0."
            )
        return row["o_minus_e"] / row["variance"], 1 / row["variance"], "from O - E and its variance", 0.0
    raise InputError(
        f"Study '{label}': nothing says how precise it is. Expected the effect with both limits or with a "
        f"p-value{', or O - E with its variance' if ratio else ''}; else leave the study out on purpose."
    )


def _scale(value: float, label: str, what: str, *, ratio: bool) -> float:
    if ratio and not value > 0:
        raise InputError(
            f"Study '{label}': {what} {value:g}; a ratio is above 0. Is it a log ratio, or a difference "
            "(measure 'DIFFERENCE')?"
        )
    return float(np.log(value)) if ratio else value


def _from_limits(
    row: dict[str, float], effect: float, label: str, *, ratio: bool, level: float
) -> tuple[float, float]:
    lower = _scale(row["lower"], label, "lower limit", ratio=ratio)
    upper = _scale(row["upper"], label, "upper limit", ratio=ratio)
    if not lower < upper:
        raise InputError(
            f"Study '{label}': lower limit {row['lower']:g} is not below upper limit {row['upper']:g}."
        )
    if not lower <= effect <= upper:
        raise InputError(
            f"Study '{label}': limits {row['lower']:g} to {row['upper']:g} do not enclose the effect "
            f"{row['effect']:g}. One of the three is misread or misprinted."
        )
    half = (upper - lower) / 2
    return half / float(stats.norm.ppf(1 - (1 - level) / 2)), abs(effect - (upper + lower) / 2) / half


def _from_p(effect: float, p_value: float, label: str) -> float:
    if not 0 < p_value < 1:
        raise InputError(
            f"Study '{label}': p-value {p_value:g}; expected above 0 and below 1. A rounded 0 or '<0.001' "
            "cannot be turned into a standard error."
        )
    if effect == 0:
        raise InputError(f"Study '{label}': an effect of exactly none has no standard error in its p-value.")
    return abs(effect) / float(stats.norm.isf(p_value / 2))
