"""Units and surgeons of syn-registry, with their true effects: drawn once from the seed, whatever the size.

On the log hazard ratio, every reason alike:

    unit effect    b_u ~ Normal(0, spread of its class)            log hazard ratio, every reason
    surgeon effect w_s ~ Normal(0, spread) + slope × (log2 volume, centred within the unit by volume)
    volumes        log-normal within class (units) and within unit (surgeons)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.evidence.syn_registry.parameters import CLASSES, Parameters

__all__ = ["Layout", "lay_out"]

FloatArray = NDArray[np.float64]
_LETTERS = {"specialist": "S", "general_large": "L", "general_small": "M", "independent": "I"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Layout:
    """Where people may be operated on, and by whom.

    Attributes
    ----------
    units : tuple of str
    unit_class : int array of shape (units,)
        Position in `CLASSES`; units of a class stand together.
    unit_share : array of shape (units,)
        Share of its class's patients; sums to 1 in each class.
    unit_effect : array of shape (units,)
        True log hazard ratio against the average unit of its class.
    surgeons : tuple of str
    surgeon_unit : int array of shape (surgeons,)
    surgeon_share : array of shape (surgeons,)
        Share of the unit's patients; sums to 1 in each unit.
    surgeon_effect : array of shape (surgeons,)
        True log hazard ratio against the average surgeon of the unit.
    """

    units: tuple[str, ...]
    unit_class: NDArray[np.int64]
    unit_share: FloatArray
    unit_effect: FloatArray
    surgeons: tuple[str, ...]
    surgeon_unit: NDArray[np.int64]
    surgeon_share: FloatArray
    surgeon_effect: FloatArray

    def pick_unit(self, unit_class: NDArray[np.int64], u: FloatArray) -> NDArray[np.int64]:
        """Return a unit for each class, by share, from uniform numbers `u`."""
        return _pick(self.unit_share, self.unit_class, unit_class, u)

    def pick_surgeon(self, unit: NDArray[np.int64], u: FloatArray) -> NDArray[np.int64]:
        """Return a surgeon for each unit, by share, from uniform numbers `u`."""
        return _pick(self.surgeon_share, self.surgeon_unit, unit, u)


def lay_out(parameters: Parameters, rng: np.random.Generator) -> Layout:
    """Draw units and surgeons."""
    names = list(CLASSES)
    counts = parameters.row("units.count.*", names).astype(int)
    unit_class = np.repeat(np.arange(len(names)), counts)
    # Standard normals first and scaled after, so that scenarios share their draws.
    size = np.exp(parameters["units.size_spread"] * rng.standard_normal(len(unit_class)))
    effect = parameters.row("spread.unit.*", names)[unit_class] * rng.standard_normal(len(unit_class))
    staff = np.maximum(rng.poisson(parameters["surgeons.per_unit"], len(unit_class)), 2)
    surgeon_unit = np.repeat(np.arange(len(unit_class)), staff)
    volume = parameters["surgeons.size_spread"] * rng.standard_normal(len(surgeon_unit))
    own = parameters["spread.surgeon"] * rng.standard_normal(len(surgeon_unit))
    share = _shares(np.exp(volume), surgeon_unit)
    doublings = volume / np.log(2)
    average = np.bincount(surgeon_unit, weights=share * doublings)
    slope = parameters["surgeon.volume"] * (doublings - average[surgeon_unit])
    numbers = np.concatenate([np.arange(1, count + 1) for count in counts])
    units = tuple(f"{_LETTERS[names[c]]}{n:02d}" for c, n in zip(unit_class, numbers, strict=True))
    first = np.searchsorted(surgeon_unit, surgeon_unit)
    surgeons = tuple(
        f"{units[u]}-{k - at + 1:02d}" for k, (u, at) in enumerate(zip(surgeon_unit, first, strict=True))
    )
    return Layout(
        units=units,
        unit_class=unit_class,
        unit_share=_shares(size, unit_class),
        unit_effect=effect,
        surgeons=surgeons,
        surgeon_unit=surgeon_unit,
        surgeon_share=share,
        surgeon_effect=own + slope,
    )


def _shares(weight: FloatArray, group: NDArray[np.int64]) -> FloatArray:
    return weight / np.bincount(group, weights=weight)[group]


def _pick(
    share: FloatArray, group: NDArray[np.int64], wanted: NDArray[np.int64], u: FloatArray
) -> NDArray[np.int64]:
    """Choose within `wanted` groups: members of a group stand together, shares sum to 1 in each."""
    # Cumulated over all groups, group g covers g to g + 1.
    edges = np.cumsum(share)
    last = np.searchsorted(group, wanted, side="right") - 1
    return np.minimum(np.searchsorted(edges, wanted + u, side="right"), last)
