"""Priors of `units.poisson`, on the log scale of seen over expected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from soa_evidence.priors.normal import LOG_0_2, Normal, named, prior_table
from soa_evidence.priors.of_levels import LevelPriors

__all__ = ["POISSON_PRIORS", "PoissonPriors", "poisson"]


@dataclass(frozen=True, kw_only=True)
class PoissonPriors:
    """Priors of `units.poisson`, all on the log scale of the ratio of events to expected events.

    Parameters
    ----------
    name
        The name by which a report cites the set.
    levels
        Classes' levels and the spreads between their units.
    log_period_spread
        Natural log of the standard deviation by which a unit's ratio differs, as a share of it, from one
        period to another.
    """

    name: str
    levels: LevelPriors
    log_period_spread: Normal
    because: str

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        within = f"{self.levels.class_sd:g} of the common level in log ratio"
        return prior_table(
            [
                *self.levels.rows("log ratio", f"two in three classes lie within {within}"),
                self.log_period_spread.row("spread of a unit between periods, log share"),
            ]
        )


_DEFAULT = PoissonPriors(
    name="default",
    levels=LevelPriors(
        common=Normal(
            mean=0.0, sd=1.0, because="expected counts are seldom wrong everywhere by more than a factor of 7"
        ),
        class_sd=0.5,
        log_spread=Normal(
            mean=LOG_0_2,
            sd=0.7,
            because="units of one kind usually differ by a standard deviation of 0.05 to 0.8 in log ratio: "
            "at 0.2 a unit one standard deviation above the middle has 22 % more events",
        ),
        class_log_spread_sd=0.5,
    ),
    log_period_spread=Normal(
        mean=LOG_0_2, sd=0.7, because="a unit's own rate usually moves by 5 to 80 % from period to period"
    ),
    because="weakly informative: rules out absurd values, leaves the answer to the data",
)

_DIFFUSE = PoissonPriors(
    name="diffuse",
    levels=LevelPriors(
        common=Normal(mean=0.0, sd=2.0, because="twice the default, for comparison"),
        class_sd=1.5,
        log_spread=Normal(mean=LOG_0_2, sd=1.5, because="about twice the default, for comparison"),
        class_log_spread_sd=1.0,
    ),
    log_period_spread=Normal(mean=LOG_0_2, sd=1.5, because="about twice the default, for comparison"),
    because="lets classes and units differ far more than is usual, to see whether the default restrains them",
)

_SCEPTICAL = replace(
    _DEFAULT,
    name="sceptical",
    levels=replace(_DEFAULT.levels, class_sd=0.1),
    because="believes beforehand that classes hardly differ: a difference that survives it is in the data",
)

POISSON_PRIORS = {priors.name: priors for priors in (_DEFAULT, _DIFFUSE, _SCEPTICAL)}


def poisson(name: str = "default") -> PoissonPriors:
    """Return the named set of priors for `units.poisson`: default, diffuse or sceptical."""
    return named(POISSON_PRIORS, name, "units.poisson")
