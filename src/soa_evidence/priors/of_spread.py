"""Priors of `units.spread`."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from soa_evidence.priors.normal import Normal, named, prior_table

__all__ = ["SPREAD_PRIORS", "SpreadPriors", "spread"]


@dataclass(frozen=True, kw_only=True)
class SpreadPriors:
    """Priors of `units.spread`; the spread is told in standard deviations of one record, so of any scale.

    Parameters
    ----------
    name
        The name by which a report cites the set.
    log_spread
        Natural log of the between-unit standard deviation over that of one record.
    slope
        Change of the log spread in a year, each side of a turning point.
    year
        Departure of one year's log spread from the common one, where every year has its own.
    kept, carried
        Log odds of the share of a unit's standing that is lasting, and of how much of that is carried over
        from one year to the next.
    """

    name: str
    log_spread: Normal
    slope: Normal
    year: Normal
    kept: Normal
    carried: Normal
    because: str

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        named_rows = [
            ("log of spread between units over the SD of one record", self.log_spread),
            ("change of log spread in a year", self.slope),
            ("one year's own departure in log spread", self.year),
            ("lasting share of a unit's standing, log odds", self.kept),
            ("carried over from year to year, log odds", self.carried),
        ]
        return prior_table(prior.row(label) for label, prior in named_rows)


_DEFAULT = SpreadPriors(
    name="default",
    log_spread=Normal(
        mean=-2.0,
        sd=1.0,
        because="units' true means usually differ by a fiftieth to one record's standard deviation",
    ),
    slope=Normal(mean=0.0, sd=0.1, because="a spread seldom changes by more than a fifth in one year"),
    year=Normal(mean=0.0, sd=0.2, because="one year seldom departs by more than two fifths"),
    kept=Normal(mean=1.5, sd=1.5, because="most of a unit's standing lasts, but nothing is ruled out"),
    carried=Normal(mean=2.0, sd=1.5, because="units change slowly, but nothing is ruled out"),
    because="weakly informative: no absurd spread or pace; no direction of change is preferred",
)

_DIFFUSE = SpreadPriors(
    name="diffuse",
    log_spread=Normal(mean=-2.0, sd=2.0, because="twice the default, for comparison"),
    slope=Normal(mean=0.0, sd=0.2, because="twice the default, for comparison"),
    year=Normal(mean=0.0, sd=0.4, because="twice the default, for comparison"),
    kept=Normal(mean=1.0, sd=2.0, because="wider than the default, for comparison"),
    carried=Normal(mean=1.0, sd=2.0, because="wider than the default, for comparison"),
    because="wider, to see whether the default restrains the answer",
)

SPREAD_PRIORS = {priors.name: priors for priors in (_DEFAULT, _DIFFUSE)}


def spread(name: str = "default") -> SpreadPriors:
    """Return the named set of priors for `units.spread`: default or diffuse."""
    return named(SPREAD_PRIORS, name, "units.spread")
