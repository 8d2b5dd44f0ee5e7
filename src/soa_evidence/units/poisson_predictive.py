"""Posterior predictive checks of `units.poisson`: units' levels drawn anew from their class.

Where counts are cut off, replicates are cut off alike: a level and a count are drawn given that the count is
large enough to be published.

Source: Marshall and Spiegelhalter (2007), Bayesian Analysis 2:409, for mixed replication.

Checked against: unit tests of its statistics (tests/unit/test_units_poisson.py).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from soa_evidence.results.predictive import compared
from soa_evidence.units.poisson_frame import Counts
from soa_evidence.units.poisson_posterior import Posterior

__all__ = ["cut_off", "replicate"]

FloatArray = NDArray[np.float64]

REPLICATES = 200
PLACES = 41  # at which a level may lie, given that the count was large enough
REACH = 5.0  # spreads from the class's level


def replicate(counts: Counts, drawn: Posterior, *, seed: int) -> pd.DataFrame:
    """Compare statistics of the data with replicates'; columns as `predictive.replicate` gives."""
    rng = np.random.default_rng(seed)
    at = np.linspace(0, len(drawn.level) - 1, min(REPLICATES, len(drawn.level))).astype(int)
    group, unit = counts.group_of_unit, counts.unit
    usual = counts.expected * np.exp(drawn.class_level.mean(axis=0)[group])[unit]
    rows = []
    for s in at:
        mu, sigma = drawn.class_level[s][group], np.exp(drawn.class_log_spread[s][group])
        if counts.least:
            events = cut_off(counts.expected, mu, sigma, counts.least, rng)
        else:
            level = mu + sigma * rng.standard_normal(len(group))
            rate = counts.expected * np.exp(level[unit])
            if counts.by_period:
                size = np.exp(-2 * drawn.log_period_spread[s])
                rate = rate * rng.gamma(size, 1 / size, len(rate))
            events = rng.poisson(rate).astype(float)
        rows.append(_statistics(counts, events, usual))
    return compared(_statistics(counts, counts.events, usual), pd.DataFrame(rows))


def cut_off(
    expected: FloatArray, mu: FloatArray, sigma: FloatArray, least: int, rng: np.random.Generator
) -> FloatArray:
    """Draw Poisson counts of at least `least`, one a unit, its level drawn from Normal(mu, sigma)."""
    z = np.linspace(-REACH, REACH, PLACES)
    mean = expected[:, None] * np.exp(mu[:, None] + sigma[:, None] * z)
    mass = np.exp(-0.5 * z**2) * np.maximum(special.gammainc(least, mean), 1e-300)
    reached = np.cumsum(mass, axis=1)
    place = (reached < rng.random((len(mu), 1)) * reached[:, -1:]).sum(axis=1).clip(max=PLACES - 1)
    rate = mean[np.arange(len(mu)), place]
    # Of the upper tail beyond the cut, a place at random.
    tail = rng.random(len(mu)) * stats.poisson.sf(least - 1, rate)
    return np.asarray(np.maximum(stats.poisson.isf(tail, rate), least), dtype=float)


def _statistics(counts: Counts, events: FloatArray, usual: FloatArray) -> dict[str, float]:
    seen, due = counts.by_unit(events), counts.by_unit(usual)
    ratio = (seen + 0.5) / (due + 0.5)
    residual = (seen - due) / np.sqrt(np.maximum(due, 0.5))
    found = {
        "standard deviation of units' crude ratios": float(np.sqrt(np.cov(ratio, aweights=due))),
        "largest excess of a unit over its expectation, standard errors": float(residual.max()),
        "largest shortfall of a unit, standard errors": float(residual.min()),
    }
    if counts.by_period:
        own = usual * (seen / due)[counts.unit]
        found["variation of a unit's counts between periods, over chance"] = float(
            (np.square(events - own) / np.maximum(own, 0.5)).sum() / max(1, len(events) - len(seen))
        )
    if counts.least:
        found["units within two of the smallest count published"] = float((events < counts.least + 2).sum())
    else:
        found["rows with no event"] = float((events == 0).sum())
    return found
