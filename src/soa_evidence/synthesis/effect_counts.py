r"""Effects from counts: two risks, two rates, or one proportion, with their zero-cell rules.

With events a, c of n1, n2, and b = n1 - a, d = n2 - c:

- OR: log(ad/bc), variance 1/a + 1/b + 1/c + 1/d
- RR: log of the ratio of risks, variance 1/a - 1/n1 + 1/c - 1/n2
- RD: difference of risks, variance p1(1 - p1)/n1 + p2(1 - p2)/n2
- PETO: (a - E)/V with the hypergeometric mean and variance given the margins, variance 1/V
- AS: difference of arcsine square roots, variance 1/(4 n1) + 1/(4 n2)
- CLOGLOG: difference of log(-log(1 - p)): the log hazard ratio if hazards are proportional, from the risks
  up to one time; variance of each arm p/((1 - p) n log(1 - p)²)
- IRR, IRD: log ratio (variance 1/x1 + 1/x2) and difference (x1/t1² + x2/t2²) of rates
- PR, PLO, PFT: a proportion, its log odds, its Freeman-Tukey double arcsine (variance 1/(4n + 2))

PETO, AS and PFT need no correction for zeros and are given none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from soa_evidence.synthesis.studies import FloatArray

__all__ = ["EFFECTS", "corrected", "zero_cells"]

Columns = dict[str, FloatArray]
Effect = tuple[FloatArray, FloatArray]


def cells(data: Columns) -> list[FloatArray]:
    """Return the counts that a zero-cell rule looks at and adds to."""
    if "time_1" in data:
        return [data["events_1"], data["events_2"]]
    if "n" in data:
        return [data["events"], data["n"] - data["events"]]
    return [
        data["events_1"],
        data["n_1"] - data["events_1"],
        data["events_2"],
        data["n_2"] - data["events_2"],
    ]


def zero_cells(data: Columns) -> NDArray[np.bool_]:
    """Return which studies have a cell of 0."""
    return np.asarray(np.min(cells(data), axis=0) == 0)


def corrected(data: Columns, where: NDArray[np.bool_], add: float) -> Columns:
    """Add `add` to every cell of the studies `where`."""
    more = add * where
    new = dict(data)
    for name in ("events", "events_1", "events_2"):
        if name in new:
            new[name] = new[name] + more
    for name in ("n", "n_1", "n_2"):
        if name in new:
            new[name] = new[name] + 2 * more
    return new


def _odds_ratio(data: Columns) -> Effect:
    a, b, c, d = cells(data)
    return np.log(a / b) - np.log(c / d), 1 / a + 1 / b + 1 / c + 1 / d


def _risk_ratio(data: Columns) -> Effect:
    a, c, n1, n2 = data["events_1"], data["events_2"], data["n_1"], data["n_2"]
    return np.log(a / n1) - np.log(c / n2), 1 / a - 1 / n1 + 1 / c - 1 / n2


def _risk_difference(data: Columns) -> Effect:
    p1, p2 = data["events_1"] / data["n_1"], data["events_2"] / data["n_2"]
    return p1 - p2, p1 * (1 - p1) / data["n_1"] + p2 * (1 - p2) / data["n_2"]


def _peto(data: Columns) -> Effect:
    observed_less_expected, variance = hypergeometric(data)
    return observed_less_expected / variance, 1 / variance


def hypergeometric(data: Columns) -> Effect:
    """Return observed minus expected events of the first arm, and their variance, given the margins."""
    n1, n2 = data["n_1"], data["n_2"]
    total, events = n1 + n2, data["events_1"] + data["events_2"]
    expected = events * n1 / total
    variance = events * (total - events) * (n1 / total) * (n2 / total) / (total - 1)
    return data["events_1"] - expected, variance


def _arcsine(data: Columns) -> Effect:
    p1, p2 = data["events_1"] / data["n_1"], data["events_2"] / data["n_2"]
    return np.arcsin(np.sqrt(p1)) - np.arcsin(np.sqrt(p2)), 1 / (4 * data["n_1"]) + 1 / (4 * data["n_2"])


def _hazard_ratio(data: Columns) -> Effect:
    parts, variance = [], np.zeros(len(data["n_1"]))
    for events, n in (("events_1", "n_1"), ("events_2", "n_2")):
        p = data[events] / data[n]
        hazard = -np.log1p(-p)
        parts.append(np.log(hazard))
        variance = variance + p / ((1 - p) * data[n] * hazard**2)
    return parts[0] - parts[1], variance


def _rate_ratio(data: Columns) -> Effect:
    x1, x2 = data["events_1"], data["events_2"]
    return np.log(x1 / data["time_1"]) - np.log(x2 / data["time_2"]), 1 / x1 + 1 / x2


def _rate_difference(data: Columns) -> Effect:
    x1, x2, t1, t2 = data["events_1"], data["events_2"], data["time_1"], data["time_2"]
    return x1 / t1 - x2 / t2, x1 / t1**2 + x2 / t2**2


def _proportion(data: Columns) -> Effect:
    p = data["events"] / data["n"]
    return p, p * (1 - p) / data["n"]


def _log_odds(data: Columns) -> Effect:
    x, rest = cells(data)
    return np.log(x / rest), 1 / x + 1 / rest


def _freeman_tukey(data: Columns) -> Effect:
    x, n = data["events"], data["n"]
    angles = np.arcsin(np.sqrt(x / (n + 1))) + np.arcsin(np.sqrt((x + 1) / (n + 1)))
    return angles / 2, 1 / (4 * n + 2)


EFFECTS: dict[str, Callable[[Columns], Effect]] = {
    "OR": _odds_ratio,
    "RR": _risk_ratio,
    "RD": _risk_difference,
    "PETO": _peto,
    "AS": _arcsine,
    "CLOGLOG": _hazard_ratio,
    "IRR": _rate_ratio,
    "IRD": _rate_difference,
    "PR": _proportion,
    "PLO": _log_odds,
    "PFT": _freeman_tukey,
}
