"""Pointwise confidence limits of a probability: the same standard error on different scales.

With z the normal quantile and se the standard error of the estimate p, the limits are symmetric on the scale

- plain: p;
- log: log p;
- log-log: log(-log p), never below 0 or above 1, and closest to nominal coverage in small samples;
- complementary log-log: log(-log(1 - p)), the log-log of what remains;
- logit: log(p / (1 - p));
- arcsine: asin(sqrt p).

Limits are cut at 0 and 1. Where p is 0 or 1 the scales that are infinite there give no limits (NaN), which is
what is known: nothing has happened yet, or no one is left.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["IncidenceInterval", "SurvivalInterval", "limits"]

FloatArray = NDArray[np.float64]
SurvivalInterval = Literal["log-log", "log", "plain", "logit", "arcsine"]
IncidenceInterval = Literal["log-log", "complementary log-log", "log", "plain", "logit", "arcsine"]


def limits(p: FloatArray, se: FloatArray, level: float, kind: str) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper limits of probabilities `p` with standard errors `se`."""
    from scipy.special import expit, ndtri

    z = float(ndtri((1 + level) / 2))
    with np.errstate(all="ignore"):
        if kind == "plain":
            low, high = p - z * se, p + z * se
        elif kind == "log":
            width = z * se / p
            low, high = p * np.exp(-width), p * np.exp(width)
        elif kind == "log-log":
            width = z * se / (p * np.log(p))
            low, high = p ** np.exp(-width), p ** np.exp(width)
        elif kind == "complementary log-log":
            width = z * se / ((1 - p) * np.log1p(-p))
            low, high = 1 - (1 - p) ** np.exp(width), 1 - (1 - p) ** np.exp(-width)
        elif kind == "logit":
            centre, width = np.log(p) - np.log1p(-p), z * se / (p * (1 - p))
            low, high = expit(centre - width), expit(centre + width)
        else:
            centre, width = np.arcsin(np.sqrt(p)), z * se / (2 * np.sqrt(p * (1 - p)))
            low = np.sin(np.maximum(centre - width, 0.0)) ** 2
            high = np.sin(np.minimum(centre + width, np.pi / 2)) ** 2
    unknown = ~(np.isfinite(low) & np.isfinite(high))
    low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
    low[unknown], high[unknown] = np.nan, np.nan
    # Rounding may put a limit of a vanishing interval on the wrong side of its estimate.
    return np.minimum(low, p), np.maximum(high, p)
