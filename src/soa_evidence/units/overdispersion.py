"""How much more units vary than chance allows, and limits widened for it.

With z_i a unit's distance from the reference in standard deviations by chance alone, on a stated scale, and
the outer tenth at each end drawn in (`winsorise`) or left out (`truncate`) so that outliers do not hide
themselves:

    phi  = sum of z² / I                                       dispersion; 1 when chance alone is at work
    multiplicative:  standard deviations × sqrt(phi), when phi is above 1
    additive:        tau² = (I phi - (I - 1)) / (sum w - sum w² / sum w),  w = 1 / s²,  at least 0;
                     standard deviations sqrt(s² + tau²)

`winsorise` on the square-root scale is the Care Quality Commission's way, `truncate` on the log scale that of
NHS Digital's mortality indicator (SHMI). Truncation makes phi smaller than it is even when chance alone is
at work (to about 0.44 for a tenth at each end): it flags more. Winsorising does so less (to about 0.68).

When not to use it: to explain variation away. Limits that are widened until nobody is outside them answer
another question: who is unusual among units that differ anyway.

Sources: Spiegelhalter (2005), Qual Saf Health Care 14:347; Spiegelhalter et al. (2012), JRSS A 175:1,
section 3; DerSimonian & Laird (1986), Control Clin Trials 7:177.

Checked against: R code of our own for the same formulas in tests/reference/funnel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError

__all__ = ["Dispersion", "Outer", "Overdispersion", "estimate"]

FloatArray = NDArray[np.float64]
Overdispersion = Literal["none", "multiplicative", "additive"]
Outer = Literal["winsorise", "truncate", "keep"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Dispersion:
    """Extra variation between units.

    Attributes
    ----------
    phi : float
        Mean squared standardised distance of the units kept; 1 when chance alone is at work and all are kept.
    phi_by_chance : float
        What `phi` would be on average by chance alone, with as many drawn in or left out (normal distances).
    tau : float
        Between-unit standard deviation on the scale used.
    kept : int
        Units that `phi` rests on.
    """

    phi: float
    phi_by_chance: float
    tau: float
    kept: int


def estimate(z: FloatArray, deviation: FloatArray, *, outer: Outer, share: float) -> Dispersion:
    """Estimate dispersion from standardised distances `z` and chance standard deviations, shape (I,) each.

    Raises
    ------
    InputError
        When `share` is not from 0 to below a half, or fewer than two units would be kept.
    """
    if not 0 <= share < 0.5:
        raise InputError(f"outer_share={share}; expected a share at each end from 0 to below 0.5.")
    low, high = np.quantile(z, [share, 1 - share])
    keep = np.ones(len(z), bool) if outer != "truncate" else (z >= low) & (z <= high)
    used = np.clip(z, low, high) if outer == "winsorise" else z[keep]
    weight = 1 / deviation[keep] ** 2
    kept = int(keep.sum())
    if kept < 2:
        raise InputError(
            f"{kept} unit is left to estimate dispersion from; give more units or a smaller outer_share."
        )
    phi = float(np.mean(used**2))
    spare = float(weight.sum() - (weight**2).sum() / weight.sum())
    tau2 = max(0.0, (kept * phi - (kept - 1)) / spare) if spare > 0 else 0.0
    return Dispersion(phi=phi, phi_by_chance=_by_chance(outer, share), tau=float(np.sqrt(tau2)), kept=kept)


def _by_chance(outer: Outer, share: float) -> float:
    """Mean of z² for a standard normal whose outer `share` at each end is drawn in or left out."""
    from scipy import stats

    if outer == "keep" or share == 0:
        return 1.0
    edge = float(stats.norm.isf(share))
    inside = 1 - 2 * share - 2 * edge * float(stats.norm.pdf(edge))  # integral of z² within the edges
    return inside + 2 * share * edge**2 if outer == "winsorise" else inside / (1 - 2 * share)
