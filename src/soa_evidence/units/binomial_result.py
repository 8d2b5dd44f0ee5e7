"""The result of `units.binomial` and how it is drawn from the posterior: nothing here fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.priors import BinomialPriors
from soa_evidence.results import Check, Estimates, power_scaling
from soa_evidence.results.comparison import reference_classes, require_better, require_margin_per_1000
from soa_evidence.results.ranking import rank_table
from soa_evidence.units.cells import Cells
from soa_evidence.units.collapse import Collapsed
from soa_evidence.units.contrasts import METHOD, Comparison, kind_risks, these_units_risks
from soa_evidence.units.log_prior import log_prior
from soa_evidence.units.standardise import RiskCurve, risk_curve

__all__ = ["BinomialResult", "Draws", "Question", "class_table", "summarise", "unit_table"]

FloatArray = NDArray[np.float64]

_REACH = (
    8.0  # spreads from a class's level that a risk may be asked for; beyond the outermost quadrature point
)


@dataclass(frozen=True, eq=False, kw_only=True)
class BinomialResult:
    """What `units.binomial.fit` found; every member carries its uncertainty and the same checks.

    Attributes
    ----------
    these_units, as_a_kind : Comparison
        Classes compared on each of the two estimands: risk, difference per 1,000, log odds ratio, probability
        of being better at all and by more than `margin_per_1000`.
    spread : Estimates
        Standard deviation between units of a class, log odds.
    new_unit_risk : Estimates
        Standardised risk of one more unit of each class.
    unit_risk : Estimates
        Standardised risk of every unit.
    units : DataFrame
        One row a unit: unit, group, trials, events, crude_risk, estimate, std_error, lower, upper,
        rank_median, rank_lower, rank_upper, rank_expected, rank_loss, probability_best_fifth,
        probability_worst_fifth. Risks are probabilities.
    case_mix : Estimates or None
        Log odds ratio of each case-mix level against its factor's commonest.
    classes : DataFrame
        One row a class: group, units, trials, events, crude_risk.
    predictive : DataFrame
        Posterior predictive checks.
    sensitivity : DataFrame
        Power-scaling sensitivity of every difference.
    priors : BinomialPriors
    question : Question
        What was compared with what, and in which direction.
    checks : tuple of Check
    tree : xarray.DataTree
        The draws, for ArviZ; where the sampler made them, with its statistics.
    """

    these_units: Comparison
    as_a_kind: Comparison
    spread: Estimates
    new_unit_risk: Estimates
    unit_risk: Estimates
    units: pd.DataFrame
    case_mix: Estimates | None
    classes: pd.DataFrame
    predictive: pd.DataFrame
    sensitivity: pd.DataFrame
    priors: BinomialPriors
    question: Question
    checks: tuple[Check, ...]
    tree: Any

    def __repr__(self) -> str:
        return f"units.binomial\n{self.these_units.risk!r}\n{self.these_units.difference!r}"

    def _repr_html_(self) -> str:
        return self.these_units.risk._repr_html_() + self.these_units.difference._repr_html_()


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a comparison asks: the reference, the better direction and the margin that would matter."""

    reference: tuple[str, ...]
    reference_label: str
    better: Literal["lower", "higher"]
    margin_per_1000: float

    @classmethod
    def asked(
        cls,
        groups: Sequence[str],
        *,
        reference: str | Sequence[str],
        reference_label: str | None,
        better: Literal["lower", "higher"],
        margin_per_1000: float,
        margin_of: str = "events per 1,000 patients",
    ) -> Question:
        """Return what is asked of these classes, or refuse it (see `reference_classes`)."""
        classes, label = reference_classes(groups, reference, reference_label)
        require_better(better)
        require_margin_per_1000(margin_per_1000, of=margin_of)
        return cls(reference=classes, reference_label=label, better=better, margin_per_1000=margin_per_1000)


@dataclass(frozen=True, eq=False, kw_only=True)
class Draws:
    """Posterior draws with chains laid end to end: (S, K), (S, J), (S, G), (S, G) and (S,)."""

    case_mix: FloatArray
    level: FloatArray
    class_level: FloatArray
    class_spread: FloatArray
    log_prior: FloatArray
    chains: int

    @classmethod
    def of(cls, tree: Any, cells: Cells, priors: BinomialPriors) -> Draws:
        """Take the draws out of the sampler's data tree."""
        posterior = tree["posterior"].dataset
        flat = {
            name: posterior[name].to_numpy().reshape(-1, posterior[name].shape[-1])
            for name in ("level", "class_level", "class_log_spread")
        }
        terms = posterior["case_mix"].to_numpy().reshape(-1, len(cells.terms)) if cells.terms else None
        return cls(
            case_mix=np.zeros((len(flat["level"]), 0)) if terms is None else terms,
            level=flat["level"],
            class_level=flat["class_level"],
            class_spread=np.exp(flat["class_log_spread"]),
            log_prior=log_prior(posterior, priors).ravel(),
            chains=posterior.sizes["chain"],
        )

    def take(self, rows: NDArray[np.int64]) -> Draws:
        """Return the draws in `rows`, in that order."""
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "chains"}
        return replace(self, **arrays)


def summarise(
    cells: Cells,
    draws: Draws,
    question: Question,
    *,
    collapsed: Collapsed,
    priors: BinomialPriors,
    predictive: pd.DataFrame,
    checks: tuple[Check, ...],
    tree: Any,
    seed: int,
) -> BinomialResult:
    """Turn posterior draws into the result; `seed` draws the new units."""
    rng = np.random.default_rng(seed)
    new_level = draws.class_level + draws.class_spread * rng.standard_normal(draws.class_level.shape)
    curve = _curve(cells, draws, new_level)
    unit_risk = curve.risk(draws.level)
    against = (question.reference, question.reference_label)
    these = these_units_risks(cells, unit_risk, *against)
    kind = kind_risks(cells, curve, draws.class_level, draws.class_spread, *against)
    scaled = _power_scaling(draws, collapsed, {k.estimand_kind: k.difference(checks) for k in (these, kind)})
    checks = (*checks, power_scaling.check(scaled))

    def estimates(estimand: str, labels: tuple[str, ...], unit: str, values: FloatArray) -> Estimates:
        return Estimates(
            estimand=estimand, labels=labels, unit=unit, method=METHOD,
            draws=values, interval="credible", checks=checks,
        )  # fmt: skip

    between = "standard deviation between units of a class"
    one_more = "standardised risk of one more unit"
    level = "log odds ratio of a case-mix level"
    these_units, as_a_kind = (
        k.compare(question.margin_per_1000, better=question.better, chains=draws.chains, checks=checks)
        for k in (these, kind)
    )
    return BinomialResult(
        these_units=these_units,
        as_a_kind=as_a_kind,
        spread=estimates(between, cells.groups, "log odds", draws.class_spread),
        new_unit_risk=estimates(one_more, cells.groups, "probability", curve.risk(new_level)),
        unit_risk=estimates("standardised risk of a unit", cells.units, "probability", unit_risk),
        units=unit_table(cells, unit_risk, question.better),
        case_mix=estimates(level, cells.terms, "log odds ratio", draws.case_mix) if cells.terms else None,
        classes=class_table(cells),
        predictive=predictive,
        sensitivity=scaled,
        priors=priors,
        question=question,
        checks=checks,
        tree=tree,
    )


def _curve(cells: Cells, draws: Draws, new_level: FloatArray) -> RiskCurve:
    reach = _REACH * draws.class_spread
    return risk_curve(
        cells.design,
        cells.reference_weights,
        draws.case_mix,
        lowest=float(min(draws.level.min(), new_level.min(), (draws.class_level - reach).min())),
        highest=float(max(draws.level.max(), new_level.max(), (draws.class_level + reach).max())),
    )


def _power_scaling(draws: Draws, collapsed: Collapsed, differences: dict[str, Estimates]) -> pd.DataFrame:
    shape = (draws.chains, -1)
    quantities = {
        f"difference, {label}, {kind}": estimates.of(label).reshape(shape)
        for kind, estimates in differences.items()
        for label in estimates.labels
    }
    return power_scaling.power_scaling(
        quantities,
        log_prior=draws.log_prior.reshape(shape),
        log_likelihood=collapsed.log_likelihood(draws.case_mix, draws.level).reshape(shape),
    )


def unit_table(cells: Cells, unit_risk: FloatArray, better: Literal["lower", "higher"]) -> pd.DataFrame:
    """Return one row a unit, with its rank interval; columns as in `BinomialResult.units`."""
    seen, size = cells.by_unit(cells.events), cells.by_unit(cells.trials)
    lower, upper = np.quantile(unit_risk, [0.025, 0.975], axis=0)
    table = pd.DataFrame(
        {
            "unit": list(cells.units),
            "group": np.array(cells.groups, dtype=object)[cells.group_of_unit],
            "trials": size.astype(int),
            "events": seen.astype(int),
            "crude_risk": seen / size,
            "estimate": unit_risk.mean(axis=0),
            "std_error": unit_risk.std(axis=0, ddof=1),
            "lower": lower,
            "upper": upper,
        }
    )
    return table.merge(rank_table(unit_risk, cells.units, better=better), on="unit")


def class_table(cells: Cells) -> pd.DataFrame:
    """Return one row a class: group, units, trials, events, crude_risk."""
    n_groups = len(cells.groups)
    group_of_cell = cells.group_of_unit[cells.unit]
    seen = np.bincount(group_of_cell, weights=cells.events, minlength=n_groups)
    size = np.bincount(group_of_cell, weights=cells.trials, minlength=n_groups)
    return pd.DataFrame(
        {
            "group": list(cells.groups),
            "units": np.bincount(cells.group_of_unit, minlength=n_groups),
            "trials": size.astype(int),
            "events": seen.astype(int),
            "crude_risk": seen / size,
        }
    )
