"""Priors of `units.binomial`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from soa_evidence.priors.normal import LOG_0_2, Normal, named, prior_table
from soa_evidence.priors.of_levels import LevelPriors

__all__ = ["BINOMIAL_PRIORS", "BinomialPriors", "binomial"]


@dataclass(frozen=True, kw_only=True)
class BinomialPriors:
    """Priors of `units.binomial`, all on the log-odds scale.

    Parameters
    ----------
    name
        The name by which a report cites the set.
    common_log_odds
        Level around which the classes lie.
    class_log_odds_sd
        Standard deviation of the classes' levels around the common one.
    common_log_spread
        Natural log of the between-unit standard deviation that is typical of a class.
    class_log_spread_sd
        Standard deviation, over classes, of the log spread around the typical one. A class with many units
        learns its own spread; one with three borrows from the rest and stays honestly wide.
    case_mix_log_odds
        Log odds ratio of a case-mix level against the commonest level of the same factor.
    """

    name: str
    common_log_odds: Normal
    class_log_odds_sd: float
    common_log_spread: Normal
    class_log_spread_sd: float
    case_mix_log_odds: Normal
    because: str

    @property
    def levels(self) -> LevelPriors:
        """The priors of levels and spreads, as all comparisons of units name them."""
        return LevelPriors(
            common=self.common_log_odds,
            class_sd=self.class_log_odds_sd,
            log_spread=self.common_log_spread,
            class_log_spread_sd=self.class_log_spread_sd,
        )

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        odds = self.class_log_odds_sd
        return prior_table(
            [
                *self.levels.rows(
                    "log odds", f"{odds:g} in log odds is a factor of {math.exp(odds):.2g} in odds"
                ),
                self.case_mix_log_odds.row("case-mix level, log odds ratio"),
            ]
        )


_DEFAULT = BinomialPriors(
    name="default",
    common_log_odds=Normal(
        mean=0.0, sd=2.5, because="any risk from under 1 % to over 99 % is plausible beforehand"
    ),
    class_log_odds_sd=0.5,
    common_log_spread=Normal(
        mean=LOG_0_2,
        sd=0.7,
        because="units of one kind usually differ by a standard deviation of 0.05 to 0.8 in log odds: at 0.2 "
        "a unit one standard deviation above the middle has 22 % higher odds",
    ),
    class_log_spread_sd=0.5,
    case_mix_log_odds=Normal(
        mean=0.0, sd=1.0, because="a single case-mix level seldom multiplies the odds by more than about 7"
    ),
    because="weakly informative: rules out absurd values, leaves the answer to the data",
)

_DIFFUSE = BinomialPriors(
    name="diffuse",
    common_log_odds=Normal(mean=0.0, sd=5.0, because="twice the default, for comparison"),
    class_log_odds_sd=1.5,
    common_log_spread=Normal(mean=LOG_0_2, sd=1.5, because="about twice the default, for comparison"),
    class_log_spread_sd=1.0,
    case_mix_log_odds=Normal(mean=0.0, sd=2.5, because="more than twice the default, for comparison"),
    because="lets classes and units differ far more than is usual, to see whether the default restrains them",
)

_SCEPTICAL = BinomialPriors(
    name="sceptical",
    common_log_odds=_DEFAULT.common_log_odds,
    class_log_odds_sd=0.1,
    common_log_spread=_DEFAULT.common_log_spread,
    class_log_spread_sd=_DEFAULT.class_log_spread_sd,
    case_mix_log_odds=_DEFAULT.case_mix_log_odds,
    because="believes beforehand that classes hardly differ: a difference that survives it is in the data",
)

BINOMIAL_PRIORS = {priors.name: priors for priors in (_DEFAULT, _DIFFUSE, _SCEPTICAL)}


def binomial(name: str = "default") -> BinomialPriors:
    """Return the named set of priors for `units.binomial`: default, diffuse or sceptical."""
    return named(BINOMIAL_PRIORS, name, "units.binomial")
