"""Priors of `units.joint` and `units.variation`, which put every outcome on the scale of log odds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from soa_evidence.priors.normal import Normal, named, prior_table

__all__ = ["JOINT_PRIORS", "JointPriors", "joint"]


@dataclass(frozen=True, kw_only=True)
class JointPriors:
    """Priors of `units.joint`, on the log-odds scale for every outcome.

    Parameters
    ----------
    name
        The name by which a report cites the set.
    common : Normal
        Level around which the classes lie, of each outcome.
    class_sd
        Standard deviation of the classes' levels around the common one.
    spread_scale
        Scale of the half-t distribution, with 2 degrees of freedom, of the standard deviation between units.
        With it goes a prior for correlations that is flat for each (Huang and Wand 2013).
    class_log_spread_sd
        Standard deviation, over classes, of the log of a class's spread against the usual one; 0 gives all
        classes one spread.
    """

    name: str
    common: Normal
    class_sd: float
    spread_scale: float
    class_log_spread_sd: float
    because: str

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        rows = [
            self.common.row("common level"),
            (
                "level of a class",
                f"Normal(common level, {self.class_sd:g})",
                f"{self.class_sd:g} in log odds is a factor of {math.exp(self.class_sd):.2g} in odds",
            ),
            (
                "standard deviation between units",
                f"half-t(2, {self.spread_scale:g})",
                f"half of it lies below {0.8165 * self.spread_scale:.2g}; a far larger spread is "
                f"not ruled out",
            ),
            ("correlation between outcomes, unit level", "uniform from -1 to 1", "nothing is presumed of it"),
            (
                "spread of a class against the usual, log",
                f"Normal(0, {self.class_log_spread_sd:g})",
                "classes share what a typical spread is; each may be tighter or wider",
            ),
        ]
        return prior_table(rows)


_ANY = "any risk from under 1 % to over 99 % is plausible beforehand"
_DEFAULT = JointPriors(
    name="default",
    common=Normal(mean=0.0, sd=2.5, because=_ANY),
    class_sd=0.5,
    spread_scale=0.25,
    class_log_spread_sd=0.5,
    because="weakly informative, and as in units.binomial: absurd values out, the rest to the data",
)
_DIFFUSE = JointPriors(
    name="diffuse",
    common=Normal(mean=0.0, sd=5.0, because="twice the default, for comparison"),
    class_sd=1.5,
    spread_scale=1.0,
    class_log_spread_sd=1.0,
    because="lets classes and units differ far more than is usual, to see whether the default restrains them",
)
_SCEPTICAL = JointPriors(
    name="sceptical",
    common=_DEFAULT.common,
    class_sd=0.1,
    spread_scale=_DEFAULT.spread_scale,
    class_log_spread_sd=_DEFAULT.class_log_spread_sd,
    because="believes beforehand that classes hardly differ: a difference that survives it is in the data",
)
_ONE_SPREAD = JointPriors(
    name="one_spread",
    common=_DEFAULT.common,
    class_sd=_DEFAULT.class_sd,
    spread_scale=_DEFAULT.spread_scale,
    class_log_spread_sd=0.0,
    because="as the default, but units of every class are equally spread, as usual mixed models assume",
)

JOINT_PRIORS = {priors.name: priors for priors in (_DEFAULT, _DIFFUSE, _SCEPTICAL, _ONE_SPREAD)}


def joint(name: str = "default") -> JointPriors:
    """Return the named set of priors for `units.joint`: default, diffuse, sceptical or one_spread."""
    return named(JOINT_PRIORS, name, "units.joint")
