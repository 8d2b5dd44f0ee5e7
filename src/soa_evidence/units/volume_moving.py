"""What the fitted relation would imply if operations moved from units of low volume to the rest.

Two readings, kept apart. *Between units*: patients of the small units would have the risk of units of the
receiving ones' volume; it compares different hospitals with different patients, and only were those alike
in all else would it be an effect. *Within a unit*: the small unit's own risk, changed as its risk has changed
from year to year when its volume did, carried on to the receiving units' volume. The second holds each
unit against itself, and is the only one of the two with a claim to cause; it also goes far beyond the changes
that were seen.

Risks are for the case mix of all patients, with units' and years' own effects averaged over.

When not to use it: by itself; `units.volume` calls it.

Checked against: arithmetic with known coefficients (tests/unit/test_units_volume.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from soa_evidence.units.volume_frame import VolumeCells
from soa_evidence.units.volume_posterior import Drawn
from soa_evidence.units.volume_shapes import between

__all__ = ["Moved", "Risk", "moved", "risk_of", "table"]

FloatArray = NDArray[np.float64]

GROUPS_OF_RISK = 12  # patterns of like risk taken together when risks are averaged
GRID = 60


@dataclass(frozen=True, eq=False, kw_only=True)
class Risk:
    """Standardised risk of every draw as a function of a unit's level.

    Attributes
    ----------
    level : array of shape (S,)
        The shape's level, without volume.
    terms : array of shape (S, columns)
        The between-unit coefficients.
    case_mix : array of shape (S, B)
        Log odds of groups of patterns of like risk.
    share : array of shape (B,)
    nodes, mass : arrays of shape (S, 3), (3,)
        Effects of units and years, averaged over.
    """

    level: FloatArray
    terms: FloatArray
    case_mix: FloatArray
    share: FloatArray
    nodes: FloatArray
    mass: FloatArray

    def at(self, away: FloatArray) -> FloatArray:
        """Return risks (S, n) at `away` (S, n) log odds from the level."""
        total = np.zeros_like(away)
        for b, share in enumerate(self.share):
            base = (self.level + self.case_mix[:, b])[:, None] + away
            for k, mass in enumerate(self.mass):
                total += share * mass * expit(base + self.nodes[:, k][:, None])
        return total


def risk_of(data: VolumeCells, drawn: Drawn) -> Risk:
    """Return the standardised risk of `drawn`."""
    cells = data.cells
    score = cells.design @ drawn.case_mix.mean(axis=0)
    order = np.argsort(score, kind="stable")
    reached = np.cumsum(cells.reference_weights[order])
    groups = np.zeros(len(score), dtype=int)
    groups[order] = np.minimum((reached - 1e-12) * GROUPS_OF_RISK, GROUPS_OF_RISK - 1).astype(int)
    share = np.bincount(groups, cells.reference_weights, GROUPS_OF_RISK)
    kept = share > 0
    design = np.column_stack(
        [
            np.bincount(groups, cells.reference_weights * column, GROUPS_OF_RISK)[kept] / share[kept]
            for column in cells.design.T
        ]
        or [np.zeros((int(kept.sum()), 0))]
    )
    nodes, mass = np.polynomial.hermite_e.hermegauss(3)
    sd = np.sqrt(np.exp(2 * drawn.log_sd).sum(axis=1))
    return Risk(
        level=drawn.own[:, 0],
        terms=drawn.own[:, drawn.shape.between],
        case_mix=drawn.case_mix @ design.T,
        share=share[kept],
        nodes=sd[:, None] * nodes,
        mass=mass / mass.sum(),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Moved:
    """Draws of what moving would imply, for one cut.

    Attributes
    ----------
    per_1000 : array of shape (S, 2)
        Further events per 1,000 operations moved: between units, within a unit.
    per_year : array of shape (S, 2)
        The same for all operations below the cut in a year.
    counts : dict
        cut, units_below, units_above, operations_below, operations_above, receiving_volume, doublings.
    """

    per_1000: FloatArray
    per_year: FloatArray
    counts: dict[str, float]


def moved(data: VolumeCells, drawn: Drawn, risk: Risk, within: FloatArray, cut: float) -> Moved:
    """Return what moving operations from units below `cut` a year to the others would imply.

    Parameters
    ----------
    within : array of shape (S,)
        Draws of the within-unit effect of a doubling.
    """
    volume = data.volume_of_unit
    low = volume < cut
    shape = drawn.shape
    grid = np.linspace(data.mean_log2.min(), data.mean_log2.max(), GRID)
    # Between grid points risks are read straight; a jump would not allow that, but drawn shapes have none.
    curve = risk.at(risk.terms @ between(data, shape.form, shape.threshold, grid).T)
    weight = _reading(grid, data.mean_log2)
    weigh_low, weigh_high = volume * low / volume[low].sum(), volume * ~low / volume[~low].sum()
    sending, receiving = curve @ (weight.T @ weigh_low), curve @ (weight.T @ weigh_high)
    towards = float(weigh_high @ data.mean_log2)
    steps = towards - data.mean_log2[low]
    at_unit = risk.terms @ between(data, shape.form, shape.threshold, data.mean_log2[low]).T
    changed = risk.at(at_unit + within[:, None] * steps) @ weigh_low[low]
    draws = np.column_stack([receiving - sending, changed - sending])
    operations = float(volume[low].sum())
    counts = {
        "cut": float(cut),
        "units_below": float(low.sum()),
        "units_above": float((~low).sum()),
        "operations_below": operations,
        "operations_above": float(volume[~low].sum()),
        "receiving_volume": float(2**towards),
        "doublings": float(weigh_low[low] @ steps),
    }
    return Moved(per_1000=1000 * draws, per_year=operations * draws, counts=counts)


def table(cuts: list[Moved]) -> pd.DataFrame:
    """Return one row a cut and reading, with estimates and 95 % limits."""
    rows = []
    for one in cuts:
        for at, reading in enumerate(("between units", "within a unit")):
            row: dict[str, object] = {**one.counts, "reading": reading}
            for name, draws in (("per_1000", one.per_1000[:, at]), ("per_year", one.per_year[:, at])):
                lower, upper = np.quantile(draws, [0.025, 0.975])
                row |= {name: draws.mean(), f"{name}_lower": lower, f"{name}_upper": upper}
            rows.append(row)
    return pd.DataFrame(rows)


def _reading(grid: FloatArray, at: FloatArray) -> FloatArray:
    """Weights (n, grid) that read a curve on the grid straight at each of `at`."""
    step = grid[1] - grid[0]
    place = np.clip((at - grid[0]) / step, 0, len(grid) - 1 - 1e-9)
    first = place.astype(int)
    found = np.zeros((len(at), len(grid)))
    rows = np.arange(len(at))
    found[rows, first], found[rows, first + 1] = 1 - (place - first), place - first
    return found
