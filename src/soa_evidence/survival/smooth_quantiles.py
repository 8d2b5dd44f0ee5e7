"""Times by which a share has had the event, in a smooth model, with limits on log time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import TABLE_COLUMNS

if TYPE_CHECKING:
    from soa_evidence.survival.smooth_model import SmoothModel

__all__ = ["of"]

FloatArray = NDArray[np.float64]
DOUBLINGS = 200  # of the last observed time, before a share is said never to be reached
STEPS = 200  # halvings of log time; the interval is then below rounding


def of(model: SmoothModel, profiles: pd.DataFrame | None, p: Sequence[float], level: float) -> pd.DataFrame:
    """Return the table described at `SmoothModel.quantiles`."""
    from scipy.special import ndtri

    shares = [float(share) for share in p]
    if not shares or any(not 0 < share < 1 for share in shares):
        raise InputError(f"p is {list(p)}; expected shares above 0 and below 1, such as [0.25, 0.5].")
    z, rows = float(ndtri((1 + level) / 2)), []
    labels = model.labels(profiles)
    frame = pd.DataFrame(index=[0]) if profiles is None else profiles
    for i, label in enumerate(labels):
        for share in shares:
            time = _time(model, frame.iloc[[i]], float(np.log1p(-share)))
            error = np.nan
            if np.isfinite(time):
                found = model.evaluate(frame.iloc[[i]], np.array([time]))
                slope = found.survival_slope[0, 0] / (np.exp(found.log_hazard[0, 0]) * time)
                error = float(np.sqrt(slope @ model.covariance @ slope))
            limits = time * np.exp(np.array([-z, z]) * error) if np.isfinite(time) else [np.nan, np.nan]
            rows.append((f"time by which {share:.0%} have had the event", label, time, error, *limits, share))
    table = pd.DataFrame(rows, columns=[*TABLE_COLUMNS[:6], "p"])
    table = table.assign(level=level, interval="confidence", beyond_data=table["estimate"] > model.last_time)
    return table[[*TABLE_COLUMNS, "p", "beyond_data"]]


def _time(model: SmoothModel, profile: pd.DataFrame, target: float) -> float:
    """Bisect log time until log survival is `target`."""

    def survives(time: float) -> float:
        return float(model.evaluate(profile, np.array([time])).log_survival[0, 0])

    low = high = model.last_time
    for _ in range(DOUBLINGS):
        if survives(high) <= target:
            break
        high *= 2
    else:
        return np.inf
    for _ in range(DOUBLINGS):
        if survives(low) > target:
            break
        low /= 2
    else:
        return low
    for _ in range(STEPS):
        middle = float(np.sqrt(low * high))
        if middle in (low, high):
            break
        low, high = (middle, high) if survives(middle) > target else (low, middle)
    return float(np.sqrt(low * high))
