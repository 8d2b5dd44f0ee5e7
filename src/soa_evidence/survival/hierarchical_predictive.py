"""Posterior predictive checks: could the fitted model have made these data.

Replicates are *mixed*: every unit's level is drawn anew from its class, so that the class distribution
itself is on trial and a unit's own data are not used twice. Time at risk is taken as it was.

Sources: Gelman, Meng and Stern (1996), Statistica Sinica 6:733; Marshall and Spiegelhalter (2007), Bayesian
Analysis 2:409, for mixed replication.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.results.predictive import REPLICATES, compared
from soa_evidence.survival.hierarchical_cells import Cells
from soa_evidence.survival.hierarchical_draws import Draws

__all__ = ["replicate"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TENTHS = 10


def replicate(cells: Cells, draws: Draws, *, seed: int) -> pd.DataFrame:
    """Compare statistics of the data with the same statistics of data made by the fitted model.

    Returns
    -------
    DataFrame
        statistic, observed, replicated_lower, replicated_median, replicated_upper (central 95 %),
        probability (two-sided posterior predictive).
    """
    rng = np.random.default_rng(seed)
    chosen = np.linspace(0, len(draws) - 1, min(REPLICATES, len(draws))).astype(int)
    own = cells.group_of_unit
    of_class = cells.by_group(cells.person_years)
    # What the statistics compare with is fixed, so that data and replicates are judged alike.
    usual_kinds = np.exp(draws.case_mix.mean(axis=0) @ cells.design.T)
    usual = _expected(cells, draws.class_level.mean(axis=0)[own], draws.log_time.mean(axis=0), usual_kinds)
    judged = _Judged(cells, usual, _tenths(usual_kinds, of_class.sum(axis=(0, 1))))
    death_tenth = _tenths(
        np.exp(draws.death_case_mix.mean(axis=0) @ cells.design.T), of_class.sum(axis=(0, 1))
    )
    with_deaths = bool(cells.deaths.any())
    observed = judged.statistics(cells.revisions, judged.by_tenth(cells.revisions_by_pattern)) | (
        _of_deaths(cells.deaths, _by(death_tenth, cells.deaths_by_pattern)) if with_deaths else {}
    )
    rows = []
    for s in chosen:
        level = draws.class_level[s][own] + draws.class_spread[s][own] * rng.standard_normal(len(own))
        kinds = np.exp(draws.case_mix[s] @ cells.design.T)
        rate = np.exp(level[:, None] + draws.log_time[s][own])
        expected = np.stack(
            [rate * (cells.person_years @ (kinds * (judged.tenth == k))) for k in range(TENTHS)], axis=2
        )
        made = rng.poisson(expected).astype(float)
        row = judged.statistics(made.sum(axis=2), made.sum(axis=(0, 1)))
        if with_deaths:
            row |= _replicated_deaths(draws, cells, of_class, death_tenth, s, rng)
        rows.append(row)
    return compared(observed, pd.DataFrame(rows))


class _Judged:
    """Statistics of revisions, compared with what is usual."""

    def __init__(self, cells: Cells, usual: FloatArray, tenth: IntArray) -> None:
        self.cells, self.usual, self.tenth = cells, usual, tenth
        self.time = cells.person_years.sum(axis=(1, 2))
        self.by_band = cells.by_group(usual)

    def by_tenth(self, by_pattern: FloatArray) -> FloatArray:
        return _by(self.tenth, by_pattern)

    def statistics(self, revisions: FloatArray, by_tenth: FloatArray) -> dict[str, float]:
        """Statistics of revisions (J, B) and of their totals by tenth of predicted hazard (10,)."""
        events, expected = revisions.sum(axis=1), self.usual.sum(axis=1)
        ratio = (events + 0.5) / (expected + 0.5)
        residual = (events - expected) / np.sqrt(np.maximum(expected, 0.5))
        by_class = self.cells.by_group(revisions)
        # A class's share of its revisions in the first half of all, by expectation: does its ratio drift?
        early = np.cumsum(self.by_band.sum(axis=0)) <= 0.5 * self.by_band.sum()
        early[0] = True
        share = (by_class[:, early].sum(axis=1) + 0.5) / (by_class.sum(axis=1) + 1.0)
        usual_share = self.by_band[:, early].sum(axis=1) / self.by_band.sum(axis=1)
        drift = share - usual_share
        found = {
            "standard deviation of units' revisions over expectation": float(
                np.sqrt(np.cov(ratio, aweights=self.time + 1e-9))
            ),
            "largest excess of a unit over its expectation, standard errors": float(residual.max()),
            "largest shortfall of a unit, standard errors": float(residual.min()),
            "units with no revision": float((events == 0).sum()),
            "revisions in the tenth of time at risk at lowest predicted hazard": float(by_tenth[0]),
            "revisions in the tenth of time at risk at highest predicted hazard": float(by_tenth[-1]),
        }
        if revisions.shape[1] > 1:
            found["revisions in the first band"] = float(revisions[:, 0].sum())
            found["revisions in the last band"] = float(revisions[:, -1].sum())
            found["largest early surplus of a class's revisions, share"] = float(drift.max())
        return found


def _expected(cells: Cells, level: FloatArray, log_time: FloatArray, kinds: FloatArray) -> FloatArray:
    """Return expected revisions (J, B) at unit levels (J,)."""
    rate = np.exp(level[:, None] + log_time[cells.group_of_unit])
    return np.asarray(rate * (cells.person_years @ kinds))


def _replicated_deaths(
    draws: Draws, cells: Cells, of_class: FloatArray, tenth: IntArray, s: int, rng: np.random.Generator
) -> dict[str, float]:
    kinds = np.exp(draws.death_case_mix[s] @ cells.design.T)
    rate = np.exp(draws.log_death[s])
    expected = np.stack([rate * (of_class @ (kinds * (tenth == k))) for k in range(TENTHS)], axis=2)
    made = rng.poisson(expected).astype(float)
    return _of_deaths(made.sum(axis=2), made.sum(axis=(0, 1)))


def _of_deaths(deaths: FloatArray, by_tenth: FloatArray) -> dict[str, float]:
    """Statistics of deaths (G, B) and of their totals by tenth of predicted hazard (10,)."""
    found = {
        "deaths in the tenth of time at risk at lowest predicted hazard": float(by_tenth[0]),
        "deaths in the tenth of time at risk at highest predicted hazard": float(by_tenth[-1]),
    }
    if deaths.shape[1] > 1:
        found["deaths in the first band"] = float(deaths[:, 0].sum())
        found["deaths in the last band"] = float(deaths[:, -1].sum())
    return found


def _tenths(hazard: FloatArray, time: FloatArray) -> IntArray:
    order = np.argsort(hazard, kind="stable")
    # By the middle of each pattern's share, so that one pattern alone stands in the middle.
    share = (np.cumsum(time[order]) - time[order] / 2) / time.sum()
    tenth = np.empty(len(hazard), dtype=np.int64)
    tenth[order] = np.minimum((share * TENTHS).astype(np.int64), TENTHS - 1)
    return tenth


def _by(tenth: IntArray, by_pattern: FloatArray) -> FloatArray:
    return np.bincount(tenth, weights=by_pattern, minlength=TENTHS)
