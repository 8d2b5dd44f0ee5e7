"""Small made-up units with volumes, for tests of units.volume and its calibration."""

import numpy as np
import pandas as pd
from scipy.special import expit


def world(
    seed,
    *,
    units=40,
    years=3,
    between=-0.1,
    within=0.0,
    unit_sd=0.2,
    year_sd=0.1,
    level=-2.0,
    size=5.0,
    strata=1,
):
    """Return made-up counts; log odds move by `between` and `within` for a doubling of volume."""
    rng = np.random.default_rng(seed)
    middle = rng.normal(size, 1.2, units)
    logs = middle[:, None] + rng.normal(0, 0.35, (units, years))
    volume = np.maximum(1, np.round(2**logs))
    v = np.log2(volume)
    m = v.mean(axis=1, keepdims=True)
    eta = level + between * (m - m.mean()) + within * (v - m)
    eta = eta + rng.normal(0, unit_sd, (units, 1)) + rng.normal(0, year_sd, (units, years))
    rows = []
    for j in range(units):
        for t in range(years):
            n = rng.multinomial(max(1, int(volume[j, t] * 0.6)), np.ones(strata) / strata)
            for k in range(strata):
                p = expit(eta[j, t] + 0.5 * (k - (strata - 1) / 2))
                rows.append((f"u{j:03d}", 2016 + t, "abc"[k], volume[j, t], n[k], rng.binomial(n[k], p)))
    return pd.DataFrame(rows, columns=["unit", "year", "stratum", "volume", "n", "y"])


COLUMNS = {"events": "y", "trials": "n", "unit": "unit", "year": "year", "volume": "volume"}
