"""The result of `units.ordinal` and how it is drawn from the posterior: nothing here fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.priors import OrdinalPriors
from soa_evidence.results import Check, Estimates, power_scaling
from soa_evidence.results.predictive import REPLICATES, compared, predictive_check
from soa_evidence.units.binomial_result import Question, class_table, unit_table
from soa_evidence.units.collapse import Collapsed
from soa_evidence.units.contrasts import RISK, Comparison, kind_risks, mix_by_patients, these_units_risks
from soa_evidence.units.direct_classes import TermDensity
from soa_evidence.units.log_prior import log_level_prior
from soa_evidence.units.ordered import Ordered
from soa_evidence.units.standardise import RiskCurve, risk_curve

__all__ = ["OrdinalDraws", "OrdinalResult", "proportional_odds", "summarise"]

FloatArray = NDArray[np.float64]
METHOD = "units.ordinal"
_REACH = 8.0  # spreads from a class's level that a share may be asked for
SHARE = replace(
    RISK,
    method=METHOD,
    value="standardised share at or above the cut",
    difference="difference in the share at or above the cut",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class OrdinalResult:
    """What `units.ordinal.fit` found; every member carries its uncertainty and the same checks.

    Attributes
    ----------
    these_units, as_a_kind : Comparison
        Classes compared on each estimand by the share at or above the cut ("risk"), per 1,000.
    shares : dict of str to Estimates
        For every level, the standardised share of each class that answers it; these units.
    below_cut : Estimates
        Standardised share of each class that answers below the cut; these units.
    log_common_odds_ratio : Estimates
        Classes' levels against the reference's, log odds at any threshold; units as a kind.
    spread : Estimates
        Standard deviation between units of a class, log odds.
    new_unit_share, unit_share : Estimates
        Standardised share at or above the cut of one more unit of each class, and of every unit.
    thresholds : Estimates
        Thresholds between levels, the cut's at 0, log odds.
    units : DataFrame
        As in `BinomialResult`, events being answers at or above the cut.
    case_mix : Estimates or None
        Log odds ratio of each case-mix level against its factor's commonest.
    classes, predictive, sensitivity : DataFrame
    priors : OrdinalPriors
    question : Question
    checks : tuple of Check
    tree : xarray.DataTree
        The draws; terms hold case mix and the free thresholds.
    """

    these_units: Comparison
    as_a_kind: Comparison
    shares: dict[str, Estimates]
    below_cut: Estimates
    log_common_odds_ratio: Estimates
    spread: Estimates
    new_unit_share: Estimates
    unit_share: Estimates
    thresholds: Estimates
    units: pd.DataFrame
    case_mix: Estimates | None
    classes: pd.DataFrame
    predictive: pd.DataFrame
    sensitivity: pd.DataFrame
    priors: OrdinalPriors
    question: Question
    checks: tuple[Check, ...]
    tree: Any

    def distribution(self) -> pd.DataFrame:
        """Share of each class at every level, worst first: group, level, estimate, lower, upper."""
        rows = [
            found.table()[["label", "estimate", "lower", "upper"]].assign(answer=level)
            for level, found in self.shares.items()
        ]
        named = pd.concat(rows, ignore_index=True).rename(columns={"label": "group", "answer": "level"})
        return named[["group", "level", "estimate", "lower", "upper"]]

    def __repr__(self) -> str:
        return f"{METHOD}\n{self.these_units.risk!r}\n{self.these_units.difference!r}"

    def _repr_html_(self) -> str:
        return self.these_units.risk._repr_html_() + self.these_units.difference._repr_html_()


@dataclass(frozen=True, eq=False, kw_only=True)
class OrdinalDraws:
    """Draws: terms (S, K), thresholds (S, L - 1), level (S, J), class_level and class_spread (S, G)."""

    terms: FloatArray
    case_mix: FloatArray
    thresholds: FloatArray
    level: FloatArray
    class_level: FloatArray
    class_spread: FloatArray
    chains: int

    @classmethod
    def of(cls, tree: Any, ordered: Ordered) -> OrdinalDraws:
        """Take the draws out of a data tree."""
        posterior = tree["posterior"].dataset
        flat = {
            name: posterior[name].to_numpy().reshape(-1, posterior[name].shape[-1])
            for name in ("case_mix", "level", "class_level", "class_log_spread")
        }
        return cls(
            terms=flat["case_mix"],
            case_mix=flat["case_mix"][:, : len(ordered.cells.terms)],
            thresholds=ordered.thresholds(flat["case_mix"]),
            level=flat["level"],
            class_level=flat["class_level"],
            class_spread=np.exp(flat["class_log_spread"]),
            chains=posterior.sizes["chain"],
        )


def summarise(
    ordered: Ordered,
    tree: Any,
    question: Question,
    *,
    collapsed: Collapsed,
    density: TermDensity,
    priors: OrdinalPriors,
    checks: tuple[Check, ...],
    seed: int,
) -> OrdinalResult:
    """Turn posterior draws into the result; `seed` draws the new units."""
    cells, draws = ordered.cells, OrdinalDraws.of(tree, ordered)
    predicted = proportional_odds(ordered, draws, seed=seed)
    rng = np.random.default_rng(seed)
    new_level = draws.class_level + draws.class_spread * rng.standard_normal(draws.class_level.shape)
    curve = _curve(ordered, draws, new_level)
    unit_share = curve.risk(draws.level)
    against = (question.reference, question.reference_label)
    these = replace(these_units_risks(cells, unit_share, *against), measure=SHARE)
    kind = replace(kind_risks(cells, curve, draws.class_level, draws.class_spread, *against), measure=SHARE)
    checks = (*checks, predictive_check(predicted))
    scaled = _power_scaling(
        tree,
        draws,
        collapsed,
        density,
        priors,
        {k.estimand_kind: k.difference(checks) for k in (these, kind)},
    )
    checks = (*checks, power_scaling.check(scaled))

    def estimates(estimand: str, labels: tuple[str, ...], unit: str, values: FloatArray) -> Estimates:
        return Estimates(
            estimand=estimand, labels=labels, unit=unit, method=METHOD,
            draws=values, interval="credible", checks=checks,
        )  # fmt: skip

    these_units, as_a_kind = (
        k.compare(question.margin_per_1000, better=question.better, chains=draws.chains, checks=checks)
        for k in (these, kind)
    )
    odds, labels = _common_odds(ordered, draws, question)
    below = [f"below {name}" for name in ordered.levels[1:]]
    terms = "log odds ratio of a case-mix level"
    return OrdinalResult(
        these_units=these_units,
        as_a_kind=as_a_kind,
        shares=_shares(ordered, draws, curve, question, estimates),
        below_cut=estimates(
            "standardised share below the cut, these units",
            these_units.risk.labels,
            "probability",
            1 - np.asarray(these_units.risk.draws),
        ),
        log_common_odds_ratio=estimates(
            f"log common odds ratio against {question.reference_label}, units as a kind",
            labels,
            "log odds ratio",
            odds,
        ),
        spread=estimates(
            "standard deviation between units of a class", cells.groups, "log odds", draws.class_spread
        ),
        new_unit_share=estimates(
            f"{SHARE.value} of one more unit", cells.groups, "probability", curve.risk(new_level)
        ),
        unit_share=estimates(f"{SHARE.value} of a unit", cells.units, "probability", unit_share),
        thresholds=estimates("threshold", tuple(below), "log odds", draws.thresholds),
        units=unit_table(cells, unit_share, question.better),
        case_mix=estimates(terms, cells.terms, "log odds ratio", draws.case_mix) if cells.terms else None,
        classes=class_table(cells),
        predictive=predicted,
        sensitivity=scaled,
        priors=priors,
        question=question,
        checks=checks,
        tree=tree,
    )


def _curve(ordered: Ordered, draws: OrdinalDraws, new_level: FloatArray) -> RiskCurve:
    reach, furthest = _REACH * draws.class_spread, float(np.abs(draws.thresholds).max())
    return risk_curve(
        ordered.cells.design,
        ordered.cells.reference_weights,
        draws.case_mix,
        lowest=float(min(draws.level.min(), new_level.min(), (draws.class_level - reach).min())) - furthest,
        highest=float(max(draws.level.max(), new_level.max(), (draws.class_level + reach).max())) + furthest,
    )


def _shares(
    ordered: Ordered,
    draws: OrdinalDraws,
    curve: RiskCurve,
    question: Question,
    estimates: Callable[[str, tuple[str, ...], str, FloatArray], Estimates],
) -> dict[str, Estimates]:
    """Standardised share at each level, by class: what is above one threshold less above the next."""
    cells = ordered.cells
    size = cells.by_unit(cells.trials)
    above: list[FloatArray] = []
    labels: tuple[str, ...] = ()
    for k in range(len(ordered.levels) - 1):
        mixed = mix_by_patients(
            cells.groups, cells.group_of_unit, size, curve.risk(draws.level - draws.thresholds[:, [k]]),
            question.reference, question.reference_label,
        )  # fmt: skip
        above.append(mixed.draws)
        labels = mixed.labels
    edges = [np.ones_like(above[0]), *above, np.zeros_like(above[0])]
    return {
        name: estimates(f"standardised share answering {name}, these units", labels, "probability", a - b)
        for name, a, b in zip(ordered.levels, edges[:-1], edges[1:], strict=True)
    }


def _common_odds(
    ordered: Ordered, draws: OrdinalDraws, question: Question
) -> tuple[FloatArray, tuple[str, ...]]:
    cells = ordered.cells
    units = np.bincount(cells.group_of_unit, minlength=len(cells.groups)).astype(float)
    share = np.where(np.isin(cells.groups, question.reference), units, 0.0)
    base = draws.class_level @ (share / share.sum())
    joined = len(question.reference) > 1
    compared_with = [g for g, name in enumerate(cells.groups) if joined or name not in question.reference]
    return draws.class_level[:, compared_with] - base[:, None], tuple(cells.groups[g] for g in compared_with)


def _power_scaling(
    tree: Any,
    draws: OrdinalDraws,
    collapsed: Collapsed,
    density: TermDensity,
    priors: OrdinalPriors,
    differences: dict[str, Estimates],
) -> pd.DataFrame:
    shape = (draws.chains, -1)
    quantities = {
        f"difference, {label}, {kind}": estimates.of(label).reshape(shape)
        for kind, estimates in differences.items()
        for label in estimates.labels
    }
    log_prior = log_level_prior(tree["posterior"].dataset, priors.levels)
    apart = (draws.case_mix - priors.case_mix.mean) / priors.case_mix.sd
    log_prior = log_prior - 0.5 * np.square(apart).sum(axis=1).reshape(shape)
    gaps = np.log(np.diff(draws.thresholds, axis=1))
    of_gaps = (-0.5 * ((gaps - priors.log_gap.mean) / priors.log_gap.sd) ** 2 - gaps).sum(axis=1)
    case_mix = -0.5 * np.square(apart).sum(axis=1)
    # What `density` holds beyond the priors is the likelihood's part that thresholds alone decide.
    alone = density.value(draws.terms) - case_mix - of_gaps
    likelihood = collapsed.log_likelihood(draws.terms, draws.level) + alone
    return power_scaling.power_scaling(
        quantities,
        log_prior=log_prior + of_gaps.reshape(shape),
        log_likelihood=likelihood.reshape(shape),
    )


def proportional_odds(ordered: Ordered, draws: OrdinalDraws, *, seed: int) -> pd.DataFrame:
    """Compare each class's share above every threshold, and units' spread, with what the fitted model makes.

    Units keep the levels they were found to have for the classes' shares, so that what is on trial is
    whether one shift serves every threshold; levels are drawn anew from the class for the spread between
    units.
    """
    cells = ordered.cells
    rng = np.random.default_rng(seed)
    total = len(draws.level)
    at = np.linspace(0, total - 1, min(REPLICATES, total)).astype(int)
    patient = np.repeat(np.arange(len(cells.unit)), ordered.answers.sum(axis=1).astype(np.int64))
    unit = cells.unit[patient]
    by_level = [cells.by_unit(column) for column in ordered.answers.T]
    observed = _statistics(ordered, np.column_stack(by_level))
    rows = []
    for draw in at:
        level, drawn = draws.level[draw], draws.class_level[draw][cells.group_of_unit]
        drawn = drawn + draws.class_spread[draw][cells.group_of_unit] * rng.standard_normal(len(drawn))
        # a patient's place on the scale whose thresholds these are; the same chance serves both replicates
        place = (cells.design @ draws.case_mix[draw])[cells.pattern][patient] + rng.logistic(size=len(unit))
        row, mixed = (
            _statistics(ordered, _answers(place + own[unit], draws.thresholds[draw], unit, len(own)))
            for own in (level, drawn)
        )
        rows.append(
            row | {name: value for name, value in mixed.items() if name.startswith("standard deviation")}
        )
    return compared(observed, pd.DataFrame(rows))


def _answers(place: FloatArray, thresholds: FloatArray, unit: NDArray[np.int64], units: int) -> FloatArray:
    """Count answers at each level of each unit; shape (J, L)."""
    many = len(thresholds) + 1
    level = np.searchsorted(thresholds, place)
    return np.bincount(unit * many + level, minlength=units * many).reshape(units, many).astype(float)


def _statistics(ordered: Ordered, by_level: FloatArray) -> dict[str, float]:
    """Return classes' shares at or above every threshold, and the units' spread, from counts (J, L)."""
    cells = ordered.cells
    size = by_level.sum(axis=1)
    cumulative = np.cumsum(by_level[:, ::-1], axis=1)[:, ::-1][:, 1:]
    inside = np.equal.outer(np.arange(len(cells.groups)), cells.group_of_unit)
    share = (inside @ cumulative) / (inside @ size)[:, None]
    found = {
        f"share at or above {name}, {label}": float(share[g, k])
        for k, name in enumerate(ordered.levels[1:])
        for g, label in enumerate(cells.groups)
    }
    found["standard deviation of units' crude shares"] = float(
        np.sqrt(np.cov(cumulative[:, ordered.cut - 1] / size, aweights=size))
    )
    return found
