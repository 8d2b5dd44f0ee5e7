"""Priors of `synthesis.bayes`: the mean over studies and the spread between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.priors.normal import Normal, named, prior_table

__all__ = ["LOG_T_DOF", "SYNTHESIS_PRIORS", "Spread", "SynthesisPriors", "synthesis"]

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
        return prior_table(rows)


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
    return named(SYNTHESIS_PRIORS, name, "synthesis.bayes")
