"""A programme's own figure beside a national one: what the two can and cannot mean together.

Three reckonings, each under readings that the report leaves open:

    per unit      figure / number of units it may stand for
    ratio         figure / (what the national average becomes if it is one of `counts` units)
    chance        P(the best of k places alike shows at least r times the average) = 1 - F(r)^k,
                  F a gamma law with mean 1 and the stated coefficient of variation
    selection     units chosen as the a most extreme of b, by a measure of reliability h: expected return
                  towards the mean (1 - h) m standard deviations, m the mean of the a largest of b normal
                  deviates
    share         elements that "improve" when nothing changed: 1 - Phi(c), c the least change that is called
                  an improvement, in standard deviations of chance

When not to use it: to estimate an effect. It shows which conclusions the figures leave open.

Checked against: R's pgamma and published normal order statistics (tests/reference/programmes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["ContrastResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.reported_contrast"
FEWEST_DRAWS = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class ContrastResult:
    """What the reported figures leave open.

    Attributes
    ----------
    per_unit : Estimates
        The figure for one unit, by what it may stand for.
    ratio : Estimates
        The figure over the national one, by what the national one may stand for.
    best_of : DataFrame
        variation, probability: chance that the best of `places` alike looks as good.
    returns : Estimates
        Standard deviations that the chosen come back by themselves.
    improving : DataFrame
        least_change, share: of elements that improve when nothing changed.
    checks : tuple of Check
    """

    per_unit: Estimates
    ratio: Estimates
    best_of: pd.DataFrame
    returns: Estimates
    improving: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{self.per_unit!r}\n{self.ratio!r}"

    def _repr_html_(self) -> str:
        shown = self.ratio.table().to_html(index=False, float_format="{:.3g}".format)
        return f"{shown}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    *,
    figure: tuple[float, float],
    national: float,
    stands_for: Mapping[str, float],
    national_stands_for: Mapping[str, float],
    chosen: tuple[int, int],
    reliability: tuple[float, float],
    seed: int,
    rounded_to: float = 10.0,
    places: int = 10,
    variations: Sequence[float] = (0.25, 0.5, 0.75, 1.0, 1.5),
    least_changes: Sequence[float] = (0.0, 0.5, 1.0),
    draws: int = 4000,
) -> ContrastResult:
    """Work out what the figures leave open.

    Parameters
    ----------
    figure
        Reported range, such as 250 to 280.
    national
        The national average named beside it.
    stands_for
        Readings: name, and number of units the figure stands for.
    national_stands_for
        Readings: name, and how many of what the national average counts make up the programme's area.
    chosen
        How many were chosen, and of how many.
    reliability
        Range of the share of the variance of the measure they were chosen by that lasts.
    seed
        Recorded seed.
    rounded_to
        Unit the figures are rounded to.
    places
        Places that could have been told of.
    variations
        Coefficients of variation between places alike.
    least_changes
        Least changes called an improvement, in standard deviations of chance.
    draws
        How many.

    Raises
    ------
    InputError
        On figures out of order or not above 0, no reading, a number of units not above 0, choices that are no
        choice, reliability outside 0 to 1, or too few draws.
    """
    from scipy import stats

    low, high = figure
    if not 0 < low <= high < np.inf:
        raise InputError(f"figure={figure!r}: expected a range above 0, in order.")
    if not (np.isfinite(national) and national > rounded_to / 2):
        raise InputError(
            f"national={national!r}: expected a figure above half its rounding ({rounded_to:g})."
        )
    for name, readings in (("stands_for", stands_for), ("national_stands_for", national_stands_for)):
        if not readings or any(not (np.isfinite(v) and v > 0) for v in readings.values()):
            raise InputError(f"{name}={dict(readings)!r}: expected names with numbers of units above 0.")
    a, b = chosen
    if not 0 < a < b:
        raise InputError(f"chosen={chosen!r}: expected how many were chosen, of how many more.")
    if not 0 <= reliability[0] <= reliability[1] <= 1:
        raise InputError(f"reliability={reliability!r}: expected a range in order, within 0 to 1.")
    if not (isinstance(draws, int) and draws >= FEWEST_DRAWS):
        raise InputError(f"draws={draws!r}: expected a whole number of at least {FEWEST_DRAWS}.")
    if not (places >= 1 and all(v > 0 for v in variations)):
        raise InputError(f"places={places!r}, variations={tuple(variations)!r}: expected all above 0.")
    rng = np.random.default_rng(seed)
    total = rng.uniform(low - rounded_to / 2, high + rounded_to / 2, draws)
    average = rng.uniform(national - rounded_to / 2, national + rounded_to / 2, draws)
    per_unit = np.column_stack([total / n for n in stands_for.values()])
    ratio = np.column_stack([total / (average * n) for n in national_stands_for.values()])
    lasts = rng.uniform(*reliability, draws)
    middle = (low + high) / 2 / national
    agree = (ratio.min(axis=0) > 1).all() or (ratio.max(axis=0) < 1).all()
    checks = (
        Check(
            name="do all readings of the national figure agree on who did better?",
            verdict="pass" if agree else "warn",
            observed="yes" if agree else "no",
            expected="yes",
            why="a comparison says little while nobody says what the other figure counts",
        ),
        Check(
            name="counterfactual",
            verdict="warn",
            observed="none reported",
            expected="what would have happened without the programme",
            why="without it, no figure can be called an effect",
        ),
    )
    shared = {"method": METHOD, "interval": "Monte Carlo", "checks": checks}
    return ContrastResult(
        per_unit=Estimates(
            estimand="reported figure for one unit", labels=tuple(stands_for), unit="a unit", draws=per_unit,
            **shared,  # type: ignore[arg-type]
        ),
        ratio=Estimates(
            estimand="reported figure over the national one", labels=tuple(national_stands_for), unit="ratio",
            draws=ratio, **shared,  # type: ignore[arg-type]
        ),
        best_of=pd.DataFrame(
            {
                "variation": list(variations),
                "probability": [
                    float(-np.expm1(places * stats.gamma.logcdf(middle, 1 / v**2, scale=v**2)))
                    for v in variations
                ],
            }
        ),
        returns=Estimates(
            estimand="return towards the mean without any programme", labels=(f"{a} of {b} chosen",),
            unit="standard deviations", draws=((1 - lasts) * _largest(a, b))[:, None],
            **shared,  # type: ignore[arg-type]
        ),
        improving=pd.DataFrame(
            {
                "least_change": list(least_changes),
                "share": stats.norm.sf(np.asarray(least_changes, dtype=float)),
            }
        ),
        checks=checks,
    )  # fmt: skip


def _largest(a: int, b: int) -> float:
    """Mean of the `a` largest of `b` standard normal deviates, by quadrature over each order statistic."""
    from scipy import integrate, stats

    def mean(rank: int) -> float:
        law = stats.beta(b - rank + 1, rank)
        return float(
            integrate.quad(
                lambda z: z * float(law.pdf(stats.norm.cdf(z))) * float(stats.norm.pdf(z)),
                -9,
                9,
                epsabs=1e-12,
            )[0]
        )

    return float(np.mean([mean(rank) for rank in range(1, a + 1)]))
