"""Priors of `survival.hierarchical`: units by class, revision and death, hazards a year."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd

from soa_evidence.priors.normal import LOG_0_2, Normal, named, prior_table

__all__ = ["HIERARCHICAL_PRIORS", "HierarchicalPriors", "hierarchical"]


@dataclass(frozen=True, kw_only=True)
class HierarchicalPriors:
    """Priors of `survival.hierarchical`, all on the log scale of hazards a year.

    Parameters
    ----------
    name
        The name by which a report cites the set.
    common_level, death_level
        Log hazard of revision and of death around which the classes lie.
    class_level, death_class
        A class's departure from the common level.
    typical_log_spread, class_log_spread
        Natural log of the between-unit standard deviation that is typical of a class, and a class's departure
        from it.
    log_smoothing
        Natural log of the standard deviation by which a log hazard moves while time grows e-fold.
    log_period_spread
        Natural log of the standard deviation of a class's departure, in one period, from its own level.
    case_mix, death_case_mix
        Log hazard ratio of a case-mix level against the commonest level of the same factor.
    """

    name: str
    common_level: Normal
    class_level: Normal
    typical_log_spread: Normal
    class_log_spread: Normal
    log_smoothing: Normal
    log_period_spread: Normal
    case_mix: Normal
    death_level: Normal
    death_class: Normal
    death_case_mix: Normal
    because: str

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        priors = {
            "common level of revision, log hazard a year": self.common_level,
            "class less common level of revision": self.class_level,
            "typical spread between units, log SD": self.typical_log_spread,
            "spread of a class less typical spread, log SD": self.class_log_spread,
            "step of the log hazard as time grows e-fold, log SD": self.log_smoothing,
            "departure of a class in one period, log SD": self.log_period_spread,
            "case-mix level, log hazard ratio of revision": self.case_mix,
            "common level of death, log hazard a year": self.death_level,
            "class less common level of death": self.death_class,
            "case-mix level, log hazard ratio of death": self.death_case_mix,
        }
        return prior_table(prior.row(what) for what, prior in priors.items())


_UP_TO_ONE = "from under 1 in 10,000 to over 1 a year is plausible beforehand"
_HIERARCHICAL = HierarchicalPriors(
    name="default",
    common_level=Normal(mean=math.log(0.01), sd=2.5, because=_UP_TO_ONE),
    class_level=Normal(mean=0.0, sd=0.5, because="0.5 in log hazard is a factor of 1.6 in hazard"),
    typical_log_spread=Normal(
        mean=LOG_0_2,
        sd=0.7,
        because="units of one kind usually differ by a standard deviation of 0.05 to 0.8 in log hazard",
    ),
    class_log_spread=Normal(
        mean=0.0, sd=0.5, because="classes share what a typical spread is; each may be tighter or wider"
    ),
    log_smoothing=Normal(
        mean=math.log(0.5),
        sd=0.7,
        because="hazards after surgery fall several-fold from months to years and then drift; a standard "
        "deviation of 0.13 to 2 as time grows e-fold covers both",
    ),
    log_period_spread=Normal(
        mean=math.log(0.1),
        sd=0.7,
        because="a class may be 10 %, seldom 50 %, better or worse in one period than it is overall",
    ),
    case_mix=Normal(
        mean=0.0, sd=1.0, because="a single case-mix level seldom multiplies revision by more than about 7"
    ),
    death_level=Normal(mean=math.log(0.02), sd=2.5, because=_UP_TO_ONE),
    death_class=Normal(mean=0.0, sd=0.5, because="0.5 in log hazard is a factor of 1.6 in hazard"),
    death_case_mix=Normal(
        mean=0.0, sd=1.5, because="age and illness may multiply mortality twentyfold between levels"
    ),
    because="weakly informative: rules out absurd values, leaves the answer to the data",
)


def _wider(times: float, **priors: Normal) -> dict[str, Normal]:
    because = f"{times:g} times as wide as the default, for comparison"
    return {name: replace(p, sd=times * p.sd, because=because) for name, p in priors.items()}


_NORMALS = {name: p for name, p in vars(_HIERARCHICAL).items() if isinstance(p, Normal)}
_AROUND_ZERO = ("class_level", "death_class", "case_mix", "death_case_mix")
_HIERARCHICAL_DIFFUSE = replace(
    _HIERARCHICAL,
    name="diffuse",
    **_wider(2.0, **_NORMALS) | _wider(3.0, **{name: _NORMALS[name] for name in _AROUND_ZERO}),
    because="lets classes, units and periods differ far more than usual: does the default restrain them?",
)
_HIERARCHICAL_SCEPTICAL = replace(
    _HIERARCHICAL,
    name="sceptical",
    class_level=Normal(mean=0.0, sd=0.1, because="classes hardly differ: 0.1 is a factor of 1.1 in hazard"),
    log_period_spread=Normal(mean=math.log(0.05), sd=0.7, because="half the default's departures"),
    because="believes beforehand that classes hardly differ: a difference that survives it is in the data",
)

HIERARCHICAL_PRIORS = {p.name: p for p in (_HIERARCHICAL, _HIERARCHICAL_DIFFUSE, _HIERARCHICAL_SCEPTICAL)}


def hierarchical(name: str = "default") -> HierarchicalPriors:
    """Return the named set of priors for `survival.hierarchical`: default, diffuse or sceptical."""
    return named(HIERARCHICAL_PRIORS, name, "survival.hierarchical")
