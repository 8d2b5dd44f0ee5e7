"""Priors of `units.gaussian`, in standard deviations of the outcome between patients."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from soa_evidence.priors.normal import Normal, named, prior_table
from soa_evidence.priors.of_levels import LevelPriors

__all__ = ["GAUSSIAN_PRIORS", "GaussianPriors", "gaussian"]


@dataclass(frozen=True, kw_only=True)
class GaussianPriors:
    """Priors of `units.gaussian`, all in units of `scale`, the outcome's standard deviation between patients.

    Parameters
    ----------
    name
        The name by which a report cites the set.
    levels
        Classes' levels and the spreads between their units.
    case_mix
        Difference of a case-mix level from the commonest level of the same factor.
    log_residual
        Natural log of the standard deviation between patients of the same case mix at a typical unit.
    log_residual_spread
        Natural log of how far units differ in that standard deviation, as a share of it.
    """

    name: str
    levels: LevelPriors
    case_mix: Normal
    log_residual: Normal
    log_residual_spread: Normal
    because: str

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        twice = 2 * self.levels.class_sd
        return prior_table(
            [
                *self.levels.rows(
                    "SD", f"classes seldom differ by over {twice:g} standard deviations of patients"
                ),
                self.case_mix.row("case-mix level, SD"),
                self.log_residual.row("spread between like patients, log SD"),
                self.log_residual_spread.row("how far units differ in it, log share"),
            ]
        )


_LOG_0_1 = math.log(0.1)
_RESIDUAL = Normal(
    mean=-0.1,
    sd=0.5,
    because="case mix explains some of what patients differ by, seldom half of their standard deviation",
)
_DEFAULT = GaussianPriors(
    name="default",
    levels=LevelPriors(
        common=Normal(
            mean=0.0, sd=5.0, because="a mean is seldom more than ten standard deviations from nought"
        ),
        class_sd=0.3,
        log_spread=Normal(
            mean=_LOG_0_1,
            sd=0.7,
            because="units of one kind usually differ by 0.025 to 0.4 standard deviations of patients: for a "
            "joint score whose standard deviation is 9 points, by a quarter of a point to 4 points",
        ),
        class_log_spread_sd=0.5,
    ),
    case_mix=Normal(
        mean=0.0,
        sd=1.5,
        because="a gain depends much on the score it starts from: by one to two standard deviations",
    ),
    log_residual=_RESIDUAL,
    log_residual_spread=Normal(
        mean=_LOG_0_1, sd=0.7, because="units' patients differ among themselves by 2.5 to 40 % more or less"
    ),
    because="weakly informative: rules out absurd values, leaves the answer to the data",
)

_DIFFUSE = GaussianPriors(
    name="diffuse",
    levels=LevelPriors(
        common=Normal(mean=0.0, sd=10.0, because="twice the default, for comparison"),
        class_sd=1.0,
        log_spread=Normal(mean=_LOG_0_1, sd=1.5, because="about twice the default, for comparison"),
        class_log_spread_sd=1.0,
    ),
    case_mix=Normal(mean=0.0, sd=4.0, because="more than twice the default, for comparison"),
    log_residual=Normal(mean=-0.1, sd=1.0, because="twice the default, for comparison"),
    log_residual_spread=Normal(mean=_LOG_0_1, sd=1.0, because="wider than the default, for comparison"),
    because="lets classes and units differ far more than is usual, to see whether the default restrains them",
)

_SCEPTICAL = GaussianPriors(
    name="sceptical",
    levels=LevelPriors(
        common=_DEFAULT.levels.common,
        class_sd=0.06,
        log_spread=_DEFAULT.levels.log_spread,
        class_log_spread_sd=_DEFAULT.levels.class_log_spread_sd,
    ),
    case_mix=_DEFAULT.case_mix,
    log_residual=_RESIDUAL,
    log_residual_spread=_DEFAULT.log_residual_spread,
    because="believes beforehand that classes hardly differ: a difference that survives it is in the data",
)

GAUSSIAN_PRIORS = {priors.name: priors for priors in (_DEFAULT, _DIFFUSE, _SCEPTICAL)}


def gaussian(name: str = "default") -> GaussianPriors:
    """Return the named set of priors for `units.gaussian`: default, diffuse or sceptical."""
    return named(GAUSSIAN_PRIORS, name, "units.gaussian")
