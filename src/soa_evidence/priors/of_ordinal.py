"""Priors of `units.ordinal`."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from soa_evidence.priors.normal import Normal, named, prior_table
from soa_evidence.priors.of_binomial import BINOMIAL_PRIORS
from soa_evidence.priors.of_levels import LevelPriors

__all__ = ["ORDINAL_PRIORS", "OrdinalPriors", "ordinal"]


@dataclass(frozen=True, kw_only=True)
class OrdinalPriors:
    """Priors of `units.ordinal`, on the log-odds scale.

    Parameters
    ----------
    name
        The name by which a report cites the set.
    levels
        Classes' levels and the spreads between their units, of the log odds of an answer at or above the cut.
    case_mix
        Log odds ratio of a case-mix level against the commonest level of the same factor.
    log_gap
        Natural log of the distance between neighbouring thresholds.
    """

    name: str
    levels: LevelPriors
    case_mix: Normal
    log_gap: Normal
    because: str

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        binary = BINOMIAL_PRIORS[self.name].table()
        gap = prior_table([self.log_gap.row("distance between neighbouring thresholds, log")])
        return pd.concat([binary, gap], ignore_index=True)


def _of(name: str, gap_sd: float) -> OrdinalPriors:
    """Those of a yes/no outcome, because each threshold makes one; with a prior of distances beside."""
    shared = BINOMIAL_PRIORS[name]
    return OrdinalPriors(
        name=name,
        levels=shared.levels,
        case_mix=shared.case_mix_log_odds,
        log_gap=Normal(
            mean=0.2, sd=gap_sd, because="answers spread over all levels lie about 1.2 in log odds apart"
        ),
        because=shared.because,
    )


ORDINAL_PRIORS = {
    name: _of(name, sd) for name, sd in (("default", 0.8), ("diffuse", 1.5), ("sceptical", 0.8))
}


def ordinal(name: str = "default") -> OrdinalPriors:
    """Return the named set of priors for `units.ordinal`: default, diffuse or sceptical."""
    return named(ORDINAL_PRIORS, name, "units.ordinal")
