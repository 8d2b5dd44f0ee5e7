"""Priors of `pathways.intervention_rates`."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.priors.normal import Normal, named, prior_table

__all__ = ["RATE_PRIORS", "RatePriors", "rates"]


@dataclass(frozen=True, kw_only=True)
class RatePriors:
    """Priors of `pathways.intervention_rates`.

    Parameters
    ----------
    name
        The name by which a report cites the set.
    log_level
        Log of the average ratio of observed to expected.
    spread_scale
        Scale of the half-normal prior of the coefficient of variation of true ratios between places.
    slope
        Change of the log ratio for one standard deviation of a covariate.
    because
        Why.
    """

    name: str
    log_level: Normal
    spread_scale: float
    slope: Normal
    because: str

    def __post_init__(self) -> None:
        if not self.spread_scale > 0:
            raise InputError(f"spread_scale is {self.spread_scale}; expected a scale above 0.")

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        rows = [
            self.log_level.row("log of the average ratio"),
            ("coefficient of variation between places", f"half-Normal({self.spread_scale:g})", self.because),
            self.slope.row("log ratio for one standard deviation of a covariate"),
        ]
        return prior_table(rows)


_LEVEL = Normal(
    mean=0.0, sd=1.0, because="the expected count is scaled to the observed, so the average is near 1"
)
_SLOPE = Normal(
    mean=0.0, sd=0.5, because="a standard deviation of deprivation seldom changes use by more than 2.7-fold"
)
_DEFAULT = RatePriors(
    name="default", log_level=_LEVEL, spread_scale=0.5, slope=_SLOPE,
    because="use of common operations differs between places by a tenth to a half",
)  # fmt: skip
_TIGHT = RatePriors(
    name="tight", log_level=_LEVEL, spread_scale=0.1, slope=_SLOPE,
    because="believes beforehand that places hardly differ: what survives it is in the data",
)  # fmt: skip
_DIFFUSE = RatePriors(
    name="diffuse",
    log_level=_LEVEL,
    spread_scale=2.0,
    slope=_SLOPE,
    because="four times the default, for comparison",
)
RATE_PRIORS = {priors.name: priors for priors in (_DEFAULT, _TIGHT, _DIFFUSE)}


def rates(name: str = "default") -> RatePriors:
    """Return the named set of priors for `pathways.intervention_rates`: default, tight or diffuse."""
    return named(RATE_PRIORS, name, "pathways.intervention_rates")
