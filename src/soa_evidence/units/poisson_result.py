"""The result of `units.poisson` and how it is drawn from the posterior: nothing here fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.priors import PoissonPriors
from soa_evidence.results import Check, Estimates, power_scaling
from soa_evidence.results.ranking import rank_table
from soa_evidence.units.binomial_result import Question
from soa_evidence.units.contrasts import ClassRisks, Measure, mix_by_patients, mix_by_units
from soa_evidence.units.log_prior import log_level_prior
from soa_evidence.units.poisson_frame import Counts
from soa_evidence.units.poisson_posterior import Posterior

__all__ = ["PoissonResult", "RateComparison", "class_table", "draw_tree", "summarise"]

FloatArray = NDArray[np.float64]
METHOD = "units.poisson"

RATE = Measure(
    method=METHOD,
    value="rate at the average expected rate",
    unit="per 1,000 procedures",
    difference="rate difference",
    difference_unit="per 1,000 procedures",
    factor=1.0,
    by_more_than=" per 1,000",
    log_ratio="log rate ratio",
    scale=np.log,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class RateComparison:
    """Classes of unit compared on one estimand.

    Attributes
    ----------
    log_ratio : Estimates
        Log of events over expected events, per class.
    rate : Estimates
        Per class: events per 1,000 procedures were its procedures those of the average expected rate.
    difference : Estimates
        Of these rates, against the reference.
    log_rate_ratio : Estimates
        Against the reference.
    probability_better, probability_better_by_margin : Estimates
        Posterior probability of being better than the reference at all, and by more than the margin; the
        interval is Monte Carlo error.
    """

    log_ratio: Estimates
    rate: Estimates
    difference: Estimates
    log_rate_ratio: Estimates
    probability_better: Estimates
    probability_better_by_margin: Estimates


@dataclass(frozen=True, eq=False, kw_only=True)
class PoissonResult:
    """What `units.poisson.fit` found; every member carries its uncertainty and the same checks.

    Attributes
    ----------
    these_units, as_a_kind : RateComparison
        Classes compared on each of the two estimands.
    spread : Estimates
        Standard deviation between units of a class, log ratio.
    period_spread : Estimates or None
        Standard deviation, as a share, by which a unit's ratio moves from period to period.
    new_unit_rate : Estimates
        Rate of one more unit of each class, per 1,000 procedures; its centre is the median.
    unit_rate : Estimates
        Rate of every unit, per 1,000 procedures at the average expected rate.
    units : DataFrame
        One row a unit: unit, group, trials, events, expected, crude_ratio, estimate, std_error, lower, upper
        (rates per 1,000), ratio, ratio_lower, ratio_upper, rank_median, rank_lower, rank_upper,
        probability_best_fifth, probability_worst_fifth.
    classes : DataFrame
        One row a class: group, units, trials, events, expected, crude_ratio.
    average_per_1000 : float
        Expected events per 1,000 procedures, all units together.
    predictive, sensitivity : DataFrame
        Posterior predictive checks; power-scaling sensitivity of every difference.
    priors : PoissonPriors
    question : Question
    checks : tuple of Check
    tree : xarray.DataTree
        The draws, for ArviZ.
    """

    these_units: RateComparison
    as_a_kind: RateComparison
    spread: Estimates
    period_spread: Estimates | None
    new_unit_rate: Estimates
    unit_rate: Estimates
    units: pd.DataFrame
    classes: pd.DataFrame
    average_per_1000: float
    predictive: pd.DataFrame
    sensitivity: pd.DataFrame
    priors: PoissonPriors
    question: Question
    checks: tuple[Check, ...]
    tree: Any

    def __repr__(self) -> str:
        return f"units.poisson\n{self.these_units.rate!r}\n{self.these_units.difference!r}"

    def _repr_html_(self) -> str:
        return self.these_units.rate._repr_html_() + self.these_units.difference._repr_html_()


def summarise(
    counts: Counts,
    drawn: Posterior,
    question: Question,
    *,
    chains: int,
    priors: PoissonPriors,
    predictive: pd.DataFrame,
    checks: tuple[Check, ...],
    seed: int,
) -> PoissonResult:
    """Turn posterior draws into the result; `seed` draws the new units."""
    rng = np.random.default_rng(seed)
    spread, average = np.exp(drawn.class_log_spread), counts.average_per_1000
    unit_ratio = np.exp(drawn.level)
    new_level = drawn.class_level + spread * rng.standard_normal(spread.shape)
    against = (question.reference, question.reference_label)
    members = (counts.groups, counts.group_of_unit)
    # A class's own ratio is of its events to its expected ones, so units weigh by what was expected of them.
    these = mix_by_patients(
        *members, counts.by_unit(counts.expected), average * unit_ratio, *against, measure=RATE
    )
    kind = mix_by_units(*members, average * np.exp(drawn.class_level), *against, measure=RATE)
    tree = draw_tree(drawn, counts, chains)
    scaled = power_scaling.power_scaling(
        {
            f"difference, {label}, {one.estimand_kind}": one.difference(checks).of(label).reshape(chains, -1)
            for one in (these, kind)
            for label in one.compared
        },
        log_prior=_log_prior(tree, counts, priors),
        log_likelihood=drawn.log_likelihood.reshape(chains, -1),
    )
    checks = (*checks, power_scaling.check(scaled))

    def estimates(
        estimand: str,
        labels: tuple[str, ...],
        unit: str,
        values: FloatArray,
        centre: Literal["mean", "median"] = "mean",
    ) -> Estimates:
        return Estimates(
            estimand=estimand, labels=labels, unit=unit, method=METHOD,
            draws=values, interval="credible", centre=centre, checks=checks,
        )  # fmt: skip

    between, moves = "standard deviation between units of a class", "spread of a unit between periods"
    one_more, per_1000 = "rate of one more unit at the average expected rate", RATE.unit
    return PoissonResult(
        these_units=_compare(these, question, average, chains, checks),
        as_a_kind=_compare(kind, question, average, chains, checks),
        spread=estimates(between, counts.groups, "log ratio", spread),
        period_spread=(
            estimates(moves, ("all classes",), "share", np.exp(drawn.log_period_spread)[:, None])
            if counts.by_period
            else None
        ),
        new_unit_rate=estimates(one_more, counts.groups, per_1000, average * np.exp(new_level), "median"),
        unit_rate=estimates("rate of a unit", counts.units, per_1000, average * unit_ratio),
        units=_unit_table(counts, unit_ratio, question.better),
        classes=class_table(counts),
        average_per_1000=average,
        predictive=predictive,
        sensitivity=scaled,
        priors=priors,
        question=question,
        checks=checks,
        tree=tree,
    )


def _compare(
    classes: ClassRisks, question: Question, average: float, chains: int, checks: tuple[Check, ...]
) -> RateComparison:
    at_all, by_margin = (
        classes.probability_better(margin, better=question.better, chains=chains, checks=checks)
        for margin in (0.0, question.margin_per_1000)
    )
    return RateComparison(
        log_ratio=Estimates(
            estimand=f"log ratio of events to expected events, {classes.estimand_kind}",
            labels=classes.labels,
            unit="log ratio",
            method=METHOD,
            draws=np.log(classes.draws / average),
            interval="credible",
            checks=checks,
        ),
        rate=classes.risk(checks),
        difference=classes.difference(checks),
        log_rate_ratio=classes.log_odds_ratio(checks),
        probability_better=at_all,
        probability_better_by_margin=by_margin,
    )


def draw_tree(drawn: Posterior, counts: Counts, chains: int) -> Any:
    """Lay draws out in chains as an ArviZ data tree."""
    import arviz as az

    names = ["common", "typical_log_spread", "class_level", "class_log_spread", "level"]
    names += ["log_period_spread"] if counts.by_period else []
    values = {name: getattr(drawn, name) for name in names}
    return az.from_dict(
        {"posterior": {name: v.reshape(chains, -1, *v.shape[1:]) for name, v in values.items()}},
        coords={"unit": list(counts.units), "class": list(counts.groups)},
        dims={"class_level": ["class"], "class_log_spread": ["class"], "level": ["unit"]},
    )


def _log_prior(tree: Any, counts: Counts, priors: PoissonPriors) -> FloatArray:
    posterior = tree["posterior"].dataset
    total = log_level_prior(posterior, priors.levels)
    if counts.by_period:
        period = priors.log_period_spread
        total = total - 0.5 * np.square((posterior["log_period_spread"].to_numpy() - period.mean) / period.sd)
    return np.asarray(total)


def _unit_table(counts: Counts, ratio: FloatArray, better: Literal["lower", "higher"]) -> pd.DataFrame:
    seen, due = counts.by_unit(counts.events), counts.by_unit(counts.expected)
    lower, upper = np.quantile(ratio, [0.025, 0.975], axis=0)
    average = counts.average_per_1000
    table = pd.DataFrame(
        {
            "unit": list(counts.units),
            "group": np.array(counts.groups, dtype=object)[counts.group_of_unit],
            "trials": counts.by_unit(counts.trials).astype(int),
            "events": seen.astype(int),
            "expected": due,
            "crude_ratio": seen / due,
            "estimate": average * ratio.mean(axis=0),
            "std_error": average * ratio.std(axis=0, ddof=1),
            "lower": average * lower,
            "upper": average * upper,
            "ratio": ratio.mean(axis=0),
            "ratio_lower": lower,
            "ratio_upper": upper,
        }
    )
    return table.merge(rank_table(ratio, counts.units, better=better), on="unit")


def class_table(counts: Counts) -> pd.DataFrame:
    """Return one row a class: group, units, trials, events, expected, crude_ratio."""
    groups = len(counts.groups)
    group = counts.group_of_unit[counts.unit]
    seen, due, size = (
        np.bincount(group, weights=v, minlength=groups)
        for v in (counts.events, counts.expected, counts.trials)
    )
    return pd.DataFrame(
        {
            "group": list(counts.groups),
            "units": np.bincount(counts.group_of_unit, minlength=groups),
            "trials": size.astype(int),
            "events": seen.astype(int),
            "expected": due,
            "crude_ratio": seen / due,
        }
    )
