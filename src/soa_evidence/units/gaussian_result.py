"""The result of `units.gaussian` and how it is drawn from the posterior: nothing here fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.priors import GaussianPriors
from soa_evidence.results import Check, Estimates, power_scaling
from soa_evidence.results.ranking import rank_table
from soa_evidence.units import gaussian_direct
from soa_evidence.units.contrasts import ClassRisks, Measure, mix_by_patients, mix_by_units
from soa_evidence.units.log_prior import log_level_prior
from soa_evidence.units.sums import Sums

__all__ = [
    "GaussianResult",
    "MeanComparison",
    "MeanQuestion",
    "class_table",
    "log_prior_of",
    "rescaled",
    "summarise",
]

FloatArray = NDArray[np.float64]
METHOD = "units.gaussian"


@dataclass(frozen=True, kw_only=True)
class MeanQuestion:
    """What a comparison of means asks: the reference, the better direction, the margin that would matter."""

    reference: tuple[str, ...]
    reference_label: str
    better: Literal["lower", "higher"]
    margin: float
    outcome_unit: str


@dataclass(frozen=True, eq=False, kw_only=True)
class MeanComparison:
    """Classes of unit compared on one estimand.

    Attributes
    ----------
    mean : Estimates
        Standardised mean per class, in the outcome's unit.
    difference : Estimates
        Against the reference, in the outcome's unit.
    standardised_difference : Estimates
        The same in standard deviations between patients.
    probability_better, probability_better_by_margin : Estimates
        Posterior probability of being better than the reference at all, and by more than the margin; the
        interval is Monte Carlo error.
    """

    mean: Estimates
    difference: Estimates
    standardised_difference: Estimates
    probability_better: Estimates
    probability_better_by_margin: Estimates


@dataclass(frozen=True, eq=False, kw_only=True)
class GaussianResult:
    """What `units.gaussian.fit` found; every member carries its uncertainty and the same checks.

    Attributes
    ----------
    these_units, as_a_kind : MeanComparison
        Classes compared on each of the two estimands.
    spread : Estimates
        Standard deviation between units of a class, in the outcome's unit.
    new_unit_mean : Estimates
        Standardised mean of one more unit of each class.
    unit_mean : Estimates
        Standardised mean of every unit.
    unit_residual : Estimates
        Standard deviation between patients of the same case mix at every unit.
    units : DataFrame
        One row a unit: unit, group, patients, crude_mean, crude_sd, estimate, std_error, lower, upper,
        rank_median, rank_lower, rank_upper, rank_expected, rank_loss, probability_best_fifth,
        probability_worst_fifth.
    case_mix : Estimates or None
        Difference of each case-mix level from its factor's commonest.
    classes : DataFrame
        One row a class: group, units, patients, crude_mean.
    predictive : DataFrame
        Posterior predictive checks.
    sensitivity : DataFrame
        Power-scaling sensitivity of every difference.
    scale
        Standard deviation of the outcome between patients, in which priors are set.
    priors : GaussianPriors
    question : MeanQuestion
    checks : tuple of Check
    tree : xarray.DataTree
        The draws, in the outcome's unit, for ArviZ.
    """

    these_units: MeanComparison
    as_a_kind: MeanComparison
    spread: Estimates
    new_unit_mean: Estimates
    unit_mean: Estimates
    unit_residual: Estimates
    units: pd.DataFrame
    case_mix: Estimates | None
    classes: pd.DataFrame
    predictive: pd.DataFrame
    sensitivity: pd.DataFrame
    scale: float
    priors: GaussianPriors
    question: MeanQuestion
    checks: tuple[Check, ...]
    tree: Any

    def __repr__(self) -> str:
        return f"{METHOD}\n{self.these_units.mean!r}\n{self.these_units.difference!r}"

    def _repr_html_(self) -> str:
        return self.these_units.mean._repr_html_() + self.these_units.difference._repr_html_()


def rescaled(draws: dict[str, FloatArray], scale: float) -> dict[str, FloatArray]:
    """Turn draws in standard deviations into the outcome's own unit."""
    shift = np.log(scale)
    made = {name: draws[name] * scale for name in ("case_mix", "level", "class_level", "common")}
    made |= {name: draws[name] + shift for name in ("class_log_spread", "typical_log_spread", "log_residual")}
    return made | {"log_residual_spread": draws["log_residual_spread"]}


def summarise(
    sums: Sums,
    draws: dict[str, FloatArray],
    question: MeanQuestion,
    *,
    chains: int,
    priors: GaussianPriors,
    predictive: pd.DataFrame,
    checks: tuple[Check, ...],
    tree: Any,
    log_prior: FloatArray,
    seed: int,
) -> GaussianResult:
    """Turn posterior draws, in standard deviations, into the result; `seed` draws new units and spreads."""
    rng = np.random.default_rng(seed)
    scale, unit = sums.scale, question.outcome_unit
    spread = np.exp(draws["class_log_spread"])
    new = draws["class_level"] + spread * rng.standard_normal(spread.shape)
    measure = Measure(
        method=METHOD,
        value="standardised mean",
        unit=unit,
        difference="difference in means",
        difference_unit=unit,
        factor=1.0,
        by_more_than=f" {unit}",
    )
    named = sums.groups, sums.group_of_unit
    against = question.reference, question.reference_label
    these = mix_by_patients(*named, sums.count, draws["level"] * scale, *against, measure=measure)
    kind = mix_by_units(*named, draws["class_level"] * scale, *against, measure=measure)
    scaled = _power_scaling(
        sums, draws, chains, log_prior, {k.estimand_kind: k.difference(checks) for k in (these, kind)}
    )
    checks = (*checks, power_scaling.check(scaled))

    def estimates(estimand: str, labels: tuple[str, ...], values: FloatArray) -> Estimates:
        return Estimates(
            estimand=estimand, labels=labels, unit=unit, method=METHOD,
            draws=values * scale, interval="credible", checks=checks,
        )  # fmt: skip

    these_units, as_a_kind = (_compare(k, question, sums.scale, chains, checks) for k in (these, kind))
    like = "standard deviation between patients of the same case mix at a unit"
    return GaussianResult(
        these_units=these_units,
        as_a_kind=as_a_kind,
        spread=estimates("standard deviation between units of a class", sums.groups, spread),
        new_unit_mean=estimates("standardised mean of one more unit", sums.groups, new),
        unit_mean=estimates("standardised mean of a unit", sums.units, draws["level"]),
        unit_residual=estimates(like, sums.units, _unit_residual(sums, draws, rng)),
        units=_unit_table(sums, draws["level"] * scale, question.better),
        case_mix=estimates("difference of a case-mix level", sums.terms, draws["case_mix"])
        if sums.terms
        else None,
        classes=class_table(sums),
        predictive=predictive,
        sensitivity=scaled,
        scale=scale,
        priors=priors,
        question=question,
        checks=checks,
        tree=tree,
    )


def _compare(
    values: ClassRisks, question: MeanQuestion, scale: float, chains: int, checks: tuple[Check, ...]
) -> MeanComparison:
    at_all, by_margin = (
        values.probability_better(margin, better=question.better, chains=chains, checks=checks)
        for margin in (0.0, question.margin)
    )
    difference = values.difference(checks)
    in_spreads = Estimates(
        estimand=f"{difference.estimand}, in standard deviations between patients",
        labels=difference.labels,
        unit="standard deviations",
        method=METHOD,
        draws=np.column_stack([difference.of(label) for label in difference.labels]) / scale,
        interval="credible",
        checks=checks,
    )
    return MeanComparison(
        mean=values.risk(checks),
        difference=difference,
        standardised_difference=in_spreads,
        probability_better=at_all,
        probability_better_by_margin=by_margin,
    )


def _unit_residual(sums: Sums, draws: dict[str, FloatArray], rng: np.random.Generator) -> FloatArray:
    """Draw every unit's residual spread from its inverse chi-square, given all else."""
    prior = gaussian_direct.dof_of(draws["log_residual_spread"])[:, None]
    left = prior * np.exp(2 * draws["log_residual"])[:, None] + sums.residual_squares(draws["case_mix"])
    left = left + sums.count * np.square(sums.adjusted(draws["case_mix"]) - draws["level"])
    return np.asarray(np.sqrt(left / rng.chisquare(prior + sums.count)))


def _power_scaling(
    sums: Sums,
    draws: dict[str, FloatArray],
    chains: int,
    log_prior: FloatArray,
    differences: dict[str, Estimates],
) -> pd.DataFrame:
    shape = (chains, -1)
    likelihood = gaussian_direct.log_likelihood(
        sums, draws["case_mix"], draws["level"], draws["log_residual"], draws["log_residual_spread"]
    )
    quantities = {
        f"difference, {label}, {kind}": estimates.of(label).reshape(shape)
        for kind, estimates in differences.items()
        for label in estimates.labels
    }
    return power_scaling.power_scaling(
        quantities, log_prior=log_prior.reshape(shape), log_likelihood=likelihood.reshape(shape)
    )


def log_prior_of(tree: Any, priors: GaussianPriors) -> FloatArray:
    """Log density of the priors (not of units' levels) at draws in standard deviations; shape (S,)."""
    posterior = tree["posterior"].dataset
    total = log_level_prior(posterior, priors.levels)
    residual, differ = (posterior[n].to_numpy() for n in ("log_residual", "log_residual_spread"))
    total = total + gaussian_direct.log_residual_prior(residual, differ, priors)
    if "case_mix" in posterior:
        apart = (posterior["case_mix"].to_numpy() - priors.case_mix.mean) / priors.case_mix.sd
        total = total - 0.5 * np.square(apart).sum(axis=-1)
    return np.asarray(total).ravel()


def _unit_table(sums: Sums, unit_mean: FloatArray, better: Literal["lower", "higher"]) -> pd.DataFrame:
    lower, upper = np.quantile(unit_mean, [0.025, 0.975], axis=0)
    spare = np.maximum(sums.count - 1, 1)
    table = pd.DataFrame(
        {
            "unit": list(sums.units),
            "group": np.array(sums.groups, dtype=object)[sums.group_of_unit],
            "patients": sums.count.astype(int),
            "crude_mean": sums.mean * sums.scale,
            "crude_sd": np.where(sums.count > 1, np.sqrt(sums.within_outcome / spare) * sums.scale, np.nan),
            "estimate": unit_mean.mean(axis=0),
            "std_error": unit_mean.std(axis=0, ddof=1),
            "lower": lower,
            "upper": upper,
        }
    )
    return table.merge(rank_table(unit_mean, sums.units, better=better), on="unit")


def class_table(sums: Sums) -> pd.DataFrame:
    """Return one row a class: group, units, patients, crude_mean."""
    group, count = sums.group_of_unit, len(sums.groups)
    patients = np.bincount(group, weights=sums.count, minlength=count)
    total = np.bincount(group, weights=sums.count * sums.mean, minlength=count)
    return pd.DataFrame(
        {
            "group": list(sums.groups),
            "units": np.bincount(group, minlength=count),
            "patients": patients.astype(int),
            "crude_mean": total / patients * sums.scale,
        }
    )
