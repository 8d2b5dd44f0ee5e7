"""Small made-up units' means over years, for tests of units.spread and its calibration."""

import numpy as np
import pandas as pd


def world(
    seed, *, units=80, years=6, spreads=None, kept=0.95, carried=0.93, records=150, sd=8.0, missing=0.0
):
    """Return made-up means; `spreads` are the standard deviations between units, one a year."""
    rng = np.random.default_rng(seed)
    spreads = np.ones(years) if spreads is None else np.asarray(spreads, dtype=float)
    years = len(spreads)
    lag = np.abs(np.subtract.outer(np.arange(years), np.arange(years)))
    c = np.where(lag == 0, 1.0, kept * carried**lag)
    standing = rng.standard_normal((units, years)) @ np.linalg.cholesky(c).T * spreads
    n = np.maximum(30, rng.poisson(records * np.exp(rng.normal(0, 0.5, (units, 1))), (units, years)))
    y = 20 + 0.3 * np.arange(years) + standing + rng.standard_normal((units, years)) * sd / np.sqrt(n)
    seen = rng.random((units, years)) >= missing
    j, t = np.nonzero(seen)
    names = [f"u{k:03d}" for k in j]
    return pd.DataFrame({"unit": names, "year": 2011 + t, "mean": y[j, t], "n": n[j, t], "sd": sd})


COLUMNS = {"value": "mean", "size": "n", "record_sd": "sd", "unit": "unit", "year": "year"}
