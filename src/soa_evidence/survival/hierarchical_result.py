"""The result of `survival.hierarchical`: what a reader asks of the posterior. Nothing here fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.priors import HierarchicalPriors
from soa_evidence.results import Check, Curve, Estimates, checks_frame, combine_verdicts

__all__ = ["AtHorizon", "ClassComparison", "HierarchicalResult", "Question"]

Kind = Literal["these units", "units as a kind"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a comparison asks: the reference, the horizons in years and the margin that would matter."""

    reference: tuple[str, ...]
    reference_label: str
    horizons: tuple[float, ...]
    margin_per_1000: float


@dataclass(frozen=True, eq=False, kw_only=True)
class AtHorizon:
    """Classes compared at one horizon, on one estimand, all at the case mix of all patients.

    Attributes
    ----------
    years : float
    revision_free : Estimates
        Net: the probability per class of no revision by then, were nobody to die before. Speaks of implants
        and operations.
    difference : Estimates
        Net: revisions by then, per 1,000 patients, over the reference's (negative is fewer).
    probability_better, probability_better_by_margin : Estimates
        Posterior probability that the net difference is below 0, and below minus the margin; the interval is
        Monte Carlo error.
    cumulative_incidence : Estimates
        Crude: the probability of having been revised by then, where death may come first. Speaks of patients
        and of the operations that a service will meet.
    crude_difference : Estimates
        The same, per 1,000 patients, over the reference's.
    death : Estimates
        Crude: the probability of having died by then without revision.
    """

    years: float
    revision_free: Estimates
    difference: Estimates
    probability_better: Estimates
    probability_better_by_margin: Estimates
    cumulative_incidence: Estimates
    crude_difference: Estimates
    death: Estimates


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassComparison:
    """Classes compared on one of the two estimands, which are never mixed.

    Attributes
    ----------
    kind
        ``"these units"`` or ``"units as a kind"``.
    horizons : tuple of AtHorizon
    months : Estimates
        Net: mean months free of revision, per class, up to the longest horizon, were nobody to die.
    months_difference : Estimates
    months_alive : Estimates
        Crude: mean months alive and free of revision up to the longest horizon.
    log_hazard_ratio : Estimates
        By class and period, against the reference, at the same case mix: log of the ratio of the class's
        average hazards.
    revision_free_curves, incidence_curves, death_curves : tuple of Curve
        One a class: net revision-free probability, and crude cumulative incidence of revision and of death.
    """

    kind: Kind
    horizons: tuple[AtHorizon, ...]
    months: Estimates
    months_difference: Estimates
    months_alive: Estimates
    log_hazard_ratio: Estimates
    revision_free_curves: tuple[Curve, ...]
    incidence_curves: tuple[Curve, ...]
    death_curves: tuple[Curve, ...]

    def at(self, years: float) -> AtHorizon:
        """Return the comparison at one of the horizons that were asked for."""
        for found in self.horizons:
            if abs(found.years - years) < 1e-9:
                return found
        known = ", ".join(f"{found.years:g}" for found in self.horizons)
        raise InputError(f"No comparison was made at {years:g} years; horizons= had {known}.")

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Every comparison in one tidy table, with a column `years` in front."""
        parts = []
        for at in self.horizons:
            found = [
                at.revision_free, at.difference, at.probability_better, at.probability_better_by_margin,
                at.cumulative_incidence, at.crude_difference, at.death,
            ]  # fmt: skip
            parts.append(pd.concat([e.table(level) for e in found]).assign(years=at.years))
        longest = self.horizons[-1].years
        months = [self.months, self.months_difference, self.months_alive]
        parts.append(pd.concat([e.table(level) for e in months]).assign(years=longest))
        table = pd.concat(parts, ignore_index=True)
        return table[["years", *[c for c in table.columns if c != "years"]]]


@dataclass(frozen=True, eq=False, kw_only=True)
class HierarchicalResult:
    """What `survival.hierarchical.fit` found; row i of every draw is the same state of the world.

    Attributes
    ----------
    these_units, as_a_kind : ClassComparison
        Classes compared on each of the two estimands.
    spread : Estimates
        Standard deviation between units of a class, log hazard.
    unit_risk : mapping of horizon to Estimates
        Net standardised probability of revision by then, of every unit.
    new_unit_risk : mapping of horizon to Estimates
        The same of one more unit of each class.
    units : DataFrame
        One row a unit and horizon: unit, group, patients, person_years, revisions, crude_rate_per_100py,
        years, estimate, std_error, lower, upper (of `unit_risk`), rank_median, rank_lower, rank_upper,
        rank_expected, rank_loss, probability_best_fifth, probability_worst_fifth.
    case_mix, case_mix_death : Estimates or None
        Log hazard ratio of each case-mix level against its factor's commonest.
    baseline : Estimates
        Log hazard of revision a year in each band, of the average unit of each class, for the average case
        mix.
    classes : DataFrame
        One row a class: group, units, patients, person_years, revisions, deaths, crude_rate_per_100py.
    predictive : DataFrame
        Posterior predictive checks.
    sensitivity : DataFrame
        Power-scaling sensitivity of the differences at the longest horizon.
    priors : HierarchicalPriors
    question : Question
    checks : tuple of Check
    tree : xarray.DataTree
        What the sampler gave, for ArviZ.
    """

    these_units: ClassComparison
    as_a_kind: ClassComparison
    spread: Estimates
    unit_risk: Mapping[float, Estimates]
    new_unit_risk: Mapping[float, Estimates]
    units: pd.DataFrame
    case_mix: Estimates | None
    case_mix_death: Estimates | None
    baseline: Estimates
    classes: pd.DataFrame
    predictive: pd.DataFrame
    sensitivity: pd.DataFrame
    priors: HierarchicalPriors
    question: Question
    checks: tuple[Check, ...]
    tree: Any

    def _shown(self) -> pd.DataFrame:
        parts = [
            pd.concat([at.revision_free.table(), at.difference.table()]).assign(years=at.years)
            for at in self.these_units.horizons
        ]
        return pd.concat(parts)[["years", "estimand", "label", "estimate", "lower", "upper"]]

    def __repr__(self) -> str:
        verdict = combine_verdicts(self.checks)
        return f"survival.hierarchical (checks: {verdict})\n{self._shown().to_string(index=False)}"

    def _repr_html_(self) -> str:
        table = self._shown().to_html(index=False, float_format="{:.4g}".format)
        checks = checks_frame(self.checks).to_html(index=False)
        verdict = combine_verdicts(self.checks)
        return f"<p><strong>survival.hierarchical; checks: {verdict}</strong></p>{table}{checks}"
