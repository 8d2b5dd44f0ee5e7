"""How far national unit costs move between two collections, beyond growth that all share.

    log(later / earlier) = common growth + family + HRG
    family ~ N(0, 2 s_family²)    HRG ~ N(0, 2 s_hrg²)

A unit cost is an average of what hospitals say: how they share wards, theatres and overheads between HRGs
changes,
and with few patients chance does. What both collections show of one HRG differs by two such errors, hence
the 2.
True changes in relative cost are counted as error too, so the errors are if anything too large.

When not to use it: with fewer than two families or two HRGs in each; when one collection copied the other's
shares.

Source: restricted likelihood of a one-way layout, Searle, Casella & McCulloch (1992), Variance Components,
ch. 3.

Checked against: lme4's lmer (REML), in tests/reference/tariff.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from soa_evidence.errors import InputError

__all__ = ["Movement", "between_collections"]

FloatArray = NDArray[np.float64]
#: Ratio of the two variances beyond which the likelihood is flat.
_LARGEST_RATIO = 1e6
#: Costs that err by more than this say nothing.
LARGEST_SD = 1.0


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Errors of one collection, on the log scale.

    Parameters
    ----------
    family_sd, hrg_sd
        Standard deviations of the error that HRGs of one family share, and of each HRG's own.
    growth
        Common growth of log unit cost between the collections.
    families, hrgs
        How many they were judged from.
    """

    family_sd: float
    hrg_sd: float
    growth: float
    families: int
    hrgs: int

    def __post_init__(self) -> None:
        for name, value in (("family_sd", self.family_sd), ("hrg_sd", self.hrg_sd)):
            if not (np.isfinite(value) and 0 <= value <= LARGEST_SD):
                raise InputError(
                    f"{name} is {value}; expected a standard deviation of log cost from 0 to {LARGEST_SD:g}."
                )
        if not 2 <= self.families <= self.hrgs:
            raise InputError(
                f"{self.families} families of {self.hrgs} HRGs were given; expected at least two families, "
                f"and "
                "no more than HRGs."
            )

    @property
    def dof(self) -> float:
        """Degrees of freedom: families less one, or HRGs less one where families do not differ."""
        return float(self.families - 1 if self.family_sd > 0 else self.hrgs - 1)

    def covariance(self, family: ArrayLike) -> FloatArray:
        """Return the covariance of log unit costs of HRGs of these families, shape (k, k)."""
        named = np.asarray(family, dtype=object)
        same = named[:, None] == named[None, :]
        return np.asarray(self.family_sd**2 * same + self.hrg_sd**2 * np.eye(len(named)), dtype=float)


def between_collections(earlier: ArrayLike, later: ArrayLike, family: ArrayLike) -> Movement:
    """Estimate the movement by restricted maximum likelihood.

    Parameters
    ----------
    earlier, later : shape (k,)
        Unit costs of the same HRGs in two collections, £, above 0.
    family : shape (k,)
        Name of each HRG's family.

    Raises
    ------
    InputError
        On arrays of different length, costs that are not above 0, fewer than two families, or no family with
        two HRGs.
    """
    first, second, named = np.asarray(earlier, float), np.asarray(later, float), np.asarray(family, object)
    if not len(first) == len(second) == len(named):
        raise InputError(
            f"{len(first)} earlier costs, {len(second)} later ones and {len(named)} families were given; "
            f"expected "
            "as many of each."
        )
    if not (np.isfinite(first) & np.isfinite(second) & (first > 0) & (second > 0)).all():
        raise InputError("A unit cost is missing or not above 0, so its movement cannot be judged.")
    known, at = np.unique(named.astype(str), return_inverse=True)
    size = np.bincount(at).astype(float)
    if len(known) < 2 or size.max(initial=0) < 2:
        raise InputError(
            f"Movement between collections was asked of {len(first)} HRGs in {len(known)} families; "
            f"expected at "
            "least two families, one with two HRGs. Give hrg_sd= and family_sd= instead."
        )
    moved = np.log(second / first)
    mean = np.bincount(at, moved) / size
    within = float(((moved - mean[at]) ** 2).sum())

    def parts(ratio: float) -> tuple[float, float, FloatArray]:
        weight = size / (1 + ratio * size)
        centre = float(weight @ mean / weight.sum())
        return within + float(weight @ (mean - centre) ** 2), centre, weight

    def deviance(log_ratio: float) -> float:
        ratio = np.exp(log_ratio)
        square, _, weight = parts(ratio)
        return float(
            (len(moved) - 1) * np.log(max(square, 1e-300))
            + np.log1p(ratio * size).sum()
            + np.log(weight.sum())
        )

    grid = np.linspace(np.log(1e-6), np.log(_LARGEST_RATIO), 121)
    best = grid[int(np.argmin([deviance(g) for g in grid]))]
    found = optimize.minimize_scalar(deviance, bounds=(best - 0.5, best + 0.5), method="bounded",
                                     options={"xatol": 1e-10})  # fmt: skip
    ratio = float(np.exp(found.x)) if found.fun < deviance(-40.0) - 1e-9 else 0.0
    square, centre, _ = parts(ratio)
    variance = square / (len(moved) - 1)
    return Movement(
        family_sd=float(np.sqrt(ratio * variance / 2)),
        hrg_sd=float(np.sqrt(variance / 2)),
        growth=centre,
        families=len(known),
        hrgs=len(moved),
    )
