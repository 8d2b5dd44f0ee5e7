"""Every prior of the toolkit, named, with its reason and its source.

A different prior is a different name here; a model takes a whole named set and never a loose number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest

__all__ = [
    "BINOMIAL_PRIORS",
    "HIERARCHICAL_PRIORS",
    "SYNTHESIS_PRIORS",
    "BinomialPriors",
    "HierarchicalPriors",
    "Normal",
    "Spread",
    "SynthesisPriors",
    "binomial",
    "hierarchical",
    "synthesis",
]


@dataclass(frozen=True, kw_only=True)
class Normal:
    """A normal prior: mean, standard deviation, and why they are what they are."""

    mean: float
    sd: float
    because: str

    def __post_init__(self) -> None:
        if not self.sd > 0:
            raise InputError(f"A normal prior needs a standard deviation above 0, not {self.sd}.")


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

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        level, spread, case_mix = self.common_log_odds, self.common_log_spread, self.case_mix_log_odds
        rows = [
            ("common level, log odds", f"Normal({level.mean:g}, {level.sd:g})", level.because),
            (
                "level of a class, log odds",
                f"Normal(common level, {self.class_log_odds_sd:g})",
                f"{self.class_log_odds_sd:g} in log odds is a factor of "
                f"{math.exp(self.class_log_odds_sd):.2g} in odds",
            ),
            (
                "typical spread between units, log SD",
                f"Normal({spread.mean:.3g}, {spread.sd:g})",
                spread.because,
            ),
            (
                "spread of a class, log SD",
                f"Normal(typical, {self.class_log_spread_sd:g})",
                "classes share what a typical spread is; each may be tighter or wider",
            ),
            (
                "case-mix level, log odds ratio",
                f"Normal({case_mix.mean:g}, {case_mix.sd:g})",
                case_mix.because,
            ),
        ]
        return pd.DataFrame(rows, columns=["parameter", "distribution", "because"])


def _named[Priors](known: dict[str, Priors], name: str, method: str) -> Priors:
    if name not in known:
        raise InputError(
            f"There is no set of priors {name!r} for {method}.{nearest(name, known)} "
            f"Expected one of: {', '.join(known)}."
        )
    return known[name]


_LOG_0_2 = -1.6094379124341003

_DEFAULT = BinomialPriors(
    name="default",
    common_log_odds=Normal(
        mean=0.0, sd=2.5, because="any risk from under 1 % to over 99 % is plausible beforehand"
    ),
    class_log_odds_sd=0.5,
    common_log_spread=Normal(
        mean=_LOG_0_2,
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
    common_log_spread=Normal(mean=_LOG_0_2, sd=1.5, because="about twice the default, for comparison"),
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
    return _named(BINOMIAL_PRIORS, name, "units.binomial")


# ---- synthesis.bayes: the mean over studies and the spread between them ------------------------------------

SpreadFamily = Literal[
    "half-normal",
    "half-Cauchy",
    "uniform",
    "normal above 0",
    "log-normal of the square",
    "log-t of the square",
]
LOG_T_DOF = 5  # Rhodes et al. 2015 fitted Student's t with 5 degrees of freedom to log tau²


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A prior of the standard deviation tau of true effects between studies.

    Parameters
    ----------
    family
        ``"half-normal"`` or ``"half-Cauchy"`` with `scale`; ``"uniform"`` from 0 to `scale`;
        ``"normal above 0"`` with mean `location` and standard deviation `scale` before it is cut off at 0;
        ``"log-normal of the square"``: log tau² is normal with mean `location` and SD `scale`;
        ``"log-t of the square"``: the same with Student's t, 5 degrees of freedom.
    because
        Why, and from where.
    """

    family: SpreadFamily
    scale: float
    because: str
    location: float = 0.0

    def __post_init__(self) -> None:
        known = get_args(SpreadFamily)
        if self.family not in known:
            raise InputError(
                f"A prior of the spread has family {self.family!r}.{nearest(self.family, known)} "
                f"Expected one of: {', '.join(known)}."
            )
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"A prior of the spread needs a scale above 0, not {self.scale}.")

    @property
    def upper(self) -> float:
        """Largest value of tau that the prior allows."""
        return self.scale if self.family == "uniform" else math.inf

    def log_density(self, tau: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log density at `tau` above 0, without its constant."""
        if self.family == "half-Cauchy":
            return np.asarray(-np.log1p((tau / self.scale) ** 2))
        if self.family == "uniform":
            return np.where(tau <= self.scale, 0.0, -np.inf)
        if self.family == "log-normal of the square":
            return np.asarray(-0.5 * ((2 * np.log(tau) - self.location) / self.scale) ** 2 - np.log(tau))
        if self.family == "log-t of the square":
            z = (2 * np.log(tau) - self.location) / self.scale
            return np.asarray(-0.5 * (LOG_T_DOF + 1) * np.log1p(z**2 / LOG_T_DOF) - np.log(tau))
        centre = self.location if self.family == "normal above 0" else 0.0
        return np.asarray(-0.5 * ((tau - centre) / self.scale) ** 2)

    @property
    def log_constant(self) -> float:
        """What `log_density` lacks: with it the density integrates to 1, as marginal likelihoods need."""
        log_scale, normal = math.log(self.scale), 0.5 * math.log(2 * math.pi)
        if self.family == "half-normal":
            return math.log(2) - normal - log_scale
        if self.family == "half-Cauchy":
            return math.log(2 / math.pi) - log_scale
        if self.family == "uniform":
            return -log_scale
        if self.family == "normal above 0":
            inside = 0.5 * math.erfc(-self.location / self.scale / math.sqrt(2))
            return -normal - log_scale - math.log(inside)
        if self.family == "log-normal of the square":
            return math.log(2) - normal - log_scale
        half = LOG_T_DOF / 2
        student = math.lgamma(half + 0.5) - math.lgamma(half) - 0.5 * math.log(LOG_T_DOF * math.pi)
        return math.log(2) + student - log_scale

    def __str__(self) -> str:
        if self.family == "uniform":
            return f"Uniform(0, {self.scale:g})"
        if self.family in ("half-normal", "half-Cauchy"):
            return f"{self.family[0].upper()}{self.family[1:]}({self.scale:g})"
        if self.family == "normal above 0":
            return f"Normal({self.location:g}, {self.scale:g}) above 0"
        kind = "Normal" if self.family == "log-normal of the square" else f"t{LOG_T_DOF}"
        return f"log tau² ~ {kind}({self.location:g}, {self.scale:g})"


@dataclass(frozen=True, kw_only=True)
class SynthesisPriors:
    """Priors of `synthesis.bayes`, on the scale of the studies (for the named sets: log ratios).

    Parameters
    ----------
    name
        The name by which a report cites the set.
    effect
        Prior of the mean effect; None for flat.
    spread
        Prior of the standard deviation of true effects between studies.
    """

    name: str
    effect: Normal | None
    spread: Spread
    because: str

    def table(self) -> pd.DataFrame:
        """Return one row a prior: parameter, distribution, because."""
        effect = (
            ("flat", "the studies alone speak about the mean")
            if self.effect is None
            else (f"Normal({self.effect.mean:g}, {self.effect.sd:g})", self.effect.because)
        )
        rows = [
            ("mean effect", *effect),
            ("spread between studies, tau", str(self.spread), self.spread.because),
        ]
        return pd.DataFrame(rows, columns=["parameter", "distribution", "because"])


_HALF_NORMAL = Spread(
    family="half-normal",
    scale=0.5,
    because="on log ratios: mostly below 1, where true ratios of studies already differ 50-fold end to end; "
    "Röver et al. 2021, Res Synth Methods 12:448",
)


def _turner(name: str, what: str, location: float, scale: float) -> SynthesisPriors:
    return SynthesisPriors(
        name=name,
        effect=None,
        spread=Spread(
            family="log-normal of the square",
            location=location,
            scale=scale,
            because=f"what Cochrane meta-analyses of log odds ratios showed: {what}; Turner et al. 2015, "
            "Stat Med 34:984, table IV",
        ),
        because="lets thousands of earlier meta-analyses say how far studies usually differ",
    )


def _rhodes(name: str, what: str, location: float, scale: float) -> SynthesisPriors:
    return SynthesisPriors(
        name=name,
        effect=None,
        spread=Spread(
            family="log-t of the square",
            location=location,
            scale=scale,
            because=f"what Cochrane meta-analyses of standardised mean differences showed: {what}; Rhodes "
            f"et al. "
            "2015, J Clin Epidemiol 68:52, table 3, as given in the R package bayesmeta",
        ),
        because="lets thousands of earlier meta-analyses say how far studies usually differ; for "
        "standardised "
        "mean differences only",
    )


_NON_DRUG = "non-pharmacological interventions compared,"
_SYNTHESIS = (
    SynthesisPriors(
        name="default",
        effect=None,
        spread=_HALF_NORMAL,
        because="weakly informative about the spread, silent about the mean",
    ),
    SynthesisPriors(
        name="half_normal_1",
        effect=None,
        spread=Spread(family="half-normal", scale=1.0, because="twice the default, for comparison"),
        because="lets studies differ more than is usual",
    ),
    SynthesisPriors(
        name="half_cauchy_0_5",
        effect=None,
        spread=Spread(
            family="half-Cauchy", scale=0.5, because="the default's scale with a heavy tail, for comparison"
        ),
        because="lets studies differ very much, should they say so",
    ),
    SynthesisPriors(
        name="uniform_2",
        effect=None,
        spread=Spread(family="uniform", scale=2.0, because="every spread up to 2 is as good as any other"),
        because="common in older analyses; favours large spreads when studies are few",
    ),
    SynthesisPriors(
        name="sceptical",
        effect=Normal(
            mean=0.0, sd=0.354, because="95 % sure beforehand that the ratio lies between a half and two"
        ),
        spread=_HALF_NORMAL,
        because="believes beforehand in no more than moderate effects: one that survives it is in the data",
    ),
    SynthesisPriors(
        name="stay_days",
        effect=None,
        spread=Spread(
            family="half-normal",
            scale=0.5,
            because="on days in hospital after a planned joint replacement, where whole stays are one to six "
            "days: true differences of studies mostly within one day of each other",
        ),
        because="the default's shape on the scale of days",
    ),
    _turner("turner_general", "all settings", -2.56, 1.74),
    _turner("turner_mortality", f"{_NON_DRUG} death from any cause", -3.50, 1.26),
    _turner("turner_surgical", f"{_NON_DRUG} success or failure of surgery or a device", -1.69, 1.68),
    _turner("turner_adverse_events", f"{_NON_DRUG} adverse events", -1.43, 1.45),
    _turner("turner_infection", f"{_NON_DRUG} infection or new disease", -2.05, 1.45),
    _turner("turner_resource_use", f"{_NON_DRUG} resource use, hospital stay, process", -1.90, 1.68),
    _rhodes("rhodes_general", "all settings", -3.44, 2.59),
    _rhodes("rhodes_functioning", f"{_NON_DRUG} physical health, pain, quality of life", -3.02, 2.27),
    _rhodes("rhodes_resource_use", f"{_NON_DRUG} resource use, hospital stay, process", -2.41, 2.57),
)

SYNTHESIS_PRIORS = {priors.name: priors for priors in _SYNTHESIS}


def synthesis(name: str = "default") -> SynthesisPriors:
    """Return the named set of priors for `synthesis.bayes`."""
    return _named(SYNTHESIS_PRIORS, name, "synthesis.bayes")


# ---- survival.hierarchical: units by class, revision and death, hazards a year -----------------------------


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
        rows = [(what, f"Normal({p.mean:.3g}, {p.sd:g})", p.because) for what, p in priors.items()]
        return pd.DataFrame(rows, columns=["parameter", "distribution", "because"])


_UP_TO_ONE = "from under 1 in 10,000 to over 1 a year is plausible beforehand"
_HIERARCHICAL = HierarchicalPriors(
    name="default",
    common_level=Normal(mean=math.log(0.01), sd=2.5, because=_UP_TO_ONE),
    class_level=Normal(mean=0.0, sd=0.5, because="0.5 in log hazard is a factor of 1.6 in hazard"),
    typical_log_spread=Normal(
        mean=_LOG_0_2,
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
    return _named(HIERARCHICAL_PRIORS, name, "survival.hierarchical")
