"""Priors of `units.volume`."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from soa_evidence.priors.normal import LOG_0_2, Normal, named, prior_table

__all__ = ["VOLUME_PRIORS", "VolumePriors", "volume"]


@dataclass(frozen=True, kw_only=True)
class VolumePriors:
    """Priors of `units.volume`, all on the log-odds scale.

    Parameters
    ----------
    name
        The name by which a report cites the set.
    level
        Log odds of the event at a unit of middling volume.
    doubling
        Log odds ratio when volume doubles; of the between-unit and of the within-unit effect alike.
    bend
        Further terms of a smooth curve, each worth about as much over the middle of the volumes.
    step
        Log odds ratio of units below a threshold against those above it.
    unit_log_spread, year_log_spread
        Natural log of the standard deviation between units, and between years of one unit.
    case_mix_log_odds
        Log odds ratio of a case-mix level, and of a year, against the commonest.
    """

    name: str
    level: Normal
    doubling: Normal
    bend: Normal
    step: Normal
    unit_log_spread: Normal
    year_log_spread: Normal
    case_mix_log_odds: Normal
    because: str

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        listed = [
            ("level, log odds", self.level),
            ("doubling of volume, log odds ratio", self.doubling),
            ("bend of a smooth curve", self.bend),
            ("step at a threshold, log odds ratio", self.step),
            ("spread between units, log SD", self.unit_log_spread),
            ("spread between years of a unit, log SD", self.year_log_spread),
            ("case-mix level, log odds ratio", self.case_mix_log_odds),
        ]
        return prior_table(prior.row(label) for label, prior in listed)


_DEFAULT = VolumePriors(
    name="default",
    level=Normal(mean=0.0, sd=2.5, because="any risk from under 1 % to over 99 % is plausible beforehand"),
    doubling=Normal(
        mean=0.0,
        sd=0.15,
        because="published effects of hospital volume are a tenth or two in odds for each doubling",
    ),
    bend=Normal(mean=0.0, sd=0.15, because="as a doubling: a curve may bend by about as much as it slopes"),
    step=Normal(mean=0.0, sd=0.3, because="a threshold worth two doublings, about a third in odds"),
    unit_log_spread=Normal(
        mean=LOG_0_2, sd=0.7, because="as in units.binomial: units usually differ by 0.05 to 0.8"
    ),
    year_log_spread=Normal(
        mean=LOG_0_2 - 0.693147, sd=0.7, because="half as much between the years of one unit"
    ),
    case_mix_log_odds=Normal(
        mean=0.0, sd=1.0, because="a single case-mix level seldom multiplies the odds by more than about 7"
    ),
    because="weakly informative, and centred on no effect of volume",
)

_DIFFUSE = VolumePriors(
    name="diffuse",
    level=Normal(mean=0.0, sd=5.0, because="twice the default, for comparison"),
    doubling=Normal(mean=0.0, sd=0.45, because="three times the default, for comparison"),
    bend=Normal(mean=0.0, sd=0.45, because="three times the default, for comparison"),
    step=Normal(mean=0.0, sd=0.9, because="three times the default, for comparison"),
    unit_log_spread=Normal(mean=LOG_0_2, sd=1.4, because="twice the default, for comparison"),
    year_log_spread=Normal(mean=LOG_0_2 - 0.693147, sd=1.4, because="twice the default, for comparison"),
    case_mix_log_odds=Normal(mean=0.0, sd=2.5, because="more than twice the default, for comparison"),
    because="lets volume matter far more than has been published; evidence for an effect then weighs less",
)

VOLUME_PRIORS = {priors.name: priors for priors in (_DEFAULT, _DIFFUSE)}


def volume(name: str = "default") -> VolumePriors:
    """Return the named set of priors for `units.volume`: default or diffuse."""
    return named(VOLUME_PRIORS, name, "units.volume")
