"""From draws to what readers ask: classes at each horizon, their differences, and how probable they are.

Two estimands are kept apart. *These units*: the named units as they are, each weighted by its patients.
*Units as a kind*: the population of units from which the named ones are taken as a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.results import Check, Curve, Estimates, power_scaling
from soa_evidence.results.comparison import probability_of
from soa_evidence.results.ranking import rank_table
from soa_evidence.survival.hierarchical_cells import Cells
from soa_evidence.survival.hierarchical_curves import Curves, What
from soa_evidence.survival.hierarchical_draws import Draws
from soa_evidence.survival.hierarchical_result import AtHorizon, ClassComparison, Kind, Question

__all__ = [
    "METHOD",
    "Averages",
    "Maker",
    "averages",
    "class_table",
    "compare",
    "sensitivity",
    "unit_table",
    "units_at",
]

FloatArray = NDArray[np.float64]
METHOD = "survival.hierarchical"
LEVEL = 0.95
_QUADRATURE = 11
_MONTHS = 12.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Maker:
    """Makes `Estimates` of draws, all with the same method and checks."""

    checks: tuple[Check, ...]

    def __call__(self, estimand: str, labels: tuple[str, ...], unit: str, draws: FloatArray) -> Estimates:
        """Return `Estimates` of draws (S, labels)."""
        return Estimates(
            estimand=estimand, labels=labels, unit=unit, method=METHOD, draws=draws, interval="credible",
            checks=self.checks,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Averages:
    """Draws of standardised probabilities averaged over the units of each class and of the reference.

    Attributes
    ----------
    labels : tuple of str
        The classes (L), then the reference where it joins several of them.
    net, crude, dead : arrays of shape (S, L, T)
        At every time of the grid: see `hierarchical_kernels.standardise`.
    lost, free : arrays of shape (S, L)
        Years to the longest horizon lost to revision, net; and spent alive and unrevised.
    hazard : array of shape (S, L, periods)
        Average hazard multiplier.
    """

    kind: Kind
    labels: tuple[str, ...]
    reference: str
    grid: FloatArray
    net: FloatArray
    crude: FloatArray
    dead: FloatArray
    lost: FloatArray
    free: FloatArray
    hazard: FloatArray

    @property
    def compared(self) -> tuple[str, ...]:
        """The labels set against the reference: all others."""
        return tuple(label for label in self.labels if label != self.reference)

    def against(self, by_label: FloatArray) -> FloatArray:
        """Differences (S, compared, ...) of values (S, L, ...) from the reference's."""
        base = self.labels.index(self.reference)
        others = [k for k in range(len(self.labels)) if k != base]
        return np.asarray(by_label[:, others] - by_label[:, [base]])

    def difference(self, values: FloatArray, years: float) -> FloatArray:
        """Differences per 1,000 patients (S, compared) of probabilities (S, L, T) at `years`."""
        return 1000 * self.against(self.at(values, years))

    def at(self, values: FloatArray, years: float) -> FloatArray:
        """Values (S, L) at one time of the grid."""
        return values[:, :, _place(self.grid, years)]


def averages(kind: Kind, cells: Cells, draws: Draws, curves: Curves, question: Question) -> Averages:
    """Average over each class's own units by patients, or over the population of such units."""
    groups, reference, name = cells.groups, question.reference, question.reference_label
    nodes, quadrature = np.polynomial.hermite_e.hermegauss(_QUADRATURE)
    level, weight = [], []
    for g in range(len(groups)):
        own = cells.group_of_unit == g
        if kind == "these units":
            level.append(draws.level[:, own])
            weight.append(cells.patients[own] / cells.patients[own].sum())
        else:
            level.append(draws.class_level[:, [g]] + draws.class_spread[:, [g]] * nodes)
            weight.append(quadrature / quadrature.sum())
    labels, mixing = tuple(name if g == reference[0] else g for g in groups), np.eye(len(groups))
    if len(reference) > 1:
        # The reference's classes mix by patients for these units, by number of units for the kind.
        size = cells.by_group(cells.patients if kind == "these units" else np.ones(len(cells.units)))
        mixture = np.where(np.isin(groups, reference), size, 0.0)
        labels, mixing = (*groups, name), np.vstack([mixing, mixture / mixture.sum()])

    def over(what: What) -> FloatArray:
        by_class = [curves.average(what, level[g], g, weight[g]) for g in range(len(groups))]
        return np.asarray(np.einsum("lg,sgt->slt", mixing, np.stack(by_class, axis=1)))

    multiplier = np.stack([np.exp(x) @ w for x, w in zip(level, weight, strict=True)], axis=1)
    hazard = multiplier[:, :, None] * np.exp(draws.departure)
    return Averages(
        kind=kind,
        labels=labels,
        reference=name,
        grid=cells.grid,
        net=over("net"),
        crude=over("crude"),
        dead=over("dead"),
        lost=over("lost")[:, :, 0],
        free=over("free")[:, :, 0],
        hazard=np.einsum("lg,sgp->slp", mixing, hazard),
    )


def compare(
    average: Averages, cells: Cells, question: Question, *, period_names: tuple[str, ...], chains: int,
    checks: tuple[Check, ...],
) -> ClassComparison:  # fmt: skip
    """Return everything that is asked of the classes on one estimand."""
    make, labels, kind = Maker(checks=checks), average.labels, average.kind
    longest, against = question.horizons[-1], f"difference against {average.reference}"
    months = _MONTHS * (longest - average.lost)
    to = f"up to {longest:g} years, {kind}"
    ratio = average.against(np.log(average.hazard))
    return ClassComparison(
        kind=kind,
        horizons=tuple(_at_horizon(y, average, question, chains, make) for y in question.horizons),
        months=make(f"months free of revision, net of death, {to}", labels, "months", months),
        months_difference=make(
            f"months free of revision, net of death, {against}, {to}", average.compared, "months",
            average.against(months),
        ),
        months_alive=make(
            f"months alive and free of revision, {to}", labels, "months", _MONTHS * average.free
        ),
        log_hazard_ratio=make(
            f"log hazard ratio of revision against {average.reference}, {kind}",
            tuple(f"{label}, {name}" for label in average.compared for name in period_names),
            "log hazard ratio", ratio.reshape(len(ratio), -1),
        ),
        revision_free_curves=_curves("survival", None, cells, 1 - average.net, labels, make),
        incidence_curves=_curves("cumulative incidence", 0, cells, average.crude, labels, make),
        death_curves=_curves("cumulative incidence", 1, cells, average.dead, labels, make),
    )  # fmt: skip


def _at_horizon(years: float, average: Averages, question: Question, chains: int, make: Maker) -> AtHorizon:
    kind, compared, labels = average.kind, average.compared, average.labels
    by, than = f"by {years:g} years", f"difference against {average.reference}"
    difference = average.difference(average.net, years)

    def better(margin: float) -> Estimates:
        found = [probability_of(column < -margin, chains=chains) for column in difference.T]
        more = f" by more than {margin:g} per 1,000" if margin else ""
        return Estimates(
            estimand=f"probability of fewer revisions {by} than {average.reference}{more}, "
            f"net of death, {kind}",
            labels=compared, unit="probability", method=METHOD, interval="Monte Carlo",
            mean=np.array([likely for likely, _ in found]),
            covariance=np.diag([error**2 for _, error in found]), checks=make.checks,
        )  # fmt: skip

    def probability(what: str, draws: FloatArray) -> Estimates:
        return make(f"{what} {by}, {kind}", labels, "probability", draws)

    crude = average.difference(average.crude, years)
    return AtHorizon(
        years=years,
        revision_free=make(
            f"probability of no revision {by}, net of death, {kind}", labels, "probability",
            1 - average.at(average.net, years),
        ),
        difference=make(
            f"revisions {by}, net of death, {than}, {kind}", compared, "per 1,000 patients", difference
        ),
        probability_better=better(0.0),
        probability_better_by_margin=better(question.margin_per_1000),
        cumulative_incidence=probability(
            "cumulative incidence of revision", average.at(average.crude, years)
        ),
        crude_difference=make(
            f"cumulative incidence of revision {by}, {than}, {kind}", compared, "per 1,000 patients", crude
        ),
        death=probability("cumulative incidence of death without revision", average.at(average.dead, years)),
    )  # fmt: skip


def _curves(
    estimand: str, cause: int | None, cells: Cells, values: FloatArray, labels: tuple[str, ...], make: Maker
) -> tuple[Curve, ...]:
    tail = (1 - LEVEL) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail], axis=0)
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1)
    found = []
    for k, label in enumerate(labels[: len(cells.groups)]):
        found.append(
            Curve(
                estimand=estimand, label=label, time_unit="years", method=METHOD, time=cells.grid,
                # A skewed posterior's mean may lie outside limits that are nearly one number.
                estimate=mean[k], lower=np.minimum(lower[k], mean[k]), upper=np.maximum(upper[k], mean[k]),
                std_error=error[k], at_risk=cells.at_risk[k],
                events=np.diff(cells.events[cause or 0][k], prepend=0.0), level=LEVEL, interval="credible",
                checks=make.checks, cause=None if cause is None else cells.causes[cause],
            )
        )  # fmt: skip
    return tuple(found)


def _place(grid: FloatArray, years: float) -> int:
    return int(np.abs(grid - years).argmin())


def units_at(
    cells: Cells, draws: Draws, curves: Curves, new_level: FloatArray, question: Question, make: Maker
) -> tuple[MappingProxyType[float, Estimates], MappingProxyType[float, Estimates]]:
    """Return net risks of every unit, and of one more unit of each class, by horizon."""
    units, new = {}, {}
    for years in question.horizons:
        at = [_place(cells.grid, years)]
        risk = np.empty((len(draws), len(cells.units)))
        one_more = np.empty((len(draws), len(cells.groups)))
        for g in range(len(cells.groups)):
            own = cells.group_of_unit == g
            risk[:, own] = curves.at("net", draws.level[:, own], g, at)[:, :, 0]
            one_more[:, g] = curves.at("net", new_level[:, [g]], g, at)[:, 0, 0]
        by = f"by {years:g} years, net of death, at the case mix of all patients"
        units[years] = make(f"probability of revision {by}", cells.units, "probability", risk)
        new[years] = make(
            f"probability of revision at one more unit {by}", cells.groups, "probability", one_more
        )
    return MappingProxyType(units), MappingProxyType(new)


def unit_table(cells: Cells, risks: MappingProxyType[float, Estimates]) -> pd.DataFrame:
    """Return one row a unit and horizon; see `HierarchicalResult.units`."""
    years, events = cells.person_years.sum(axis=(1, 2)), cells.revisions.sum(axis=1)
    known = pd.DataFrame(
        {
            "unit": list(cells.units),
            "group": np.array(cells.groups, dtype=object)[cells.group_of_unit],
            "patients": cells.patients.astype(int),
            "person_years": years,
            "revisions": events.astype(int),
            # A unit of patients who were only just operated on has no time and no rate.
            "crude_rate_per_100py": 100 * events / np.where(years > 0, years, np.nan),
        }
    )
    parts = []
    for horizon, risk in risks.items():
        table = risk.table(LEVEL)[["label", "estimate", "std_error", "lower", "upper"]]
        table = known.merge(table.rename(columns={"label": "unit"}), on="unit").assign(years=horizon)
        ranks = rank_table(np.asarray(risk.draws), cells.units, better="lower")
        parts.append(table.merge(ranks, on="unit"))
    made = pd.concat(parts, ignore_index=True)
    front = [*known.columns, "years"]
    return made[[*front, *[name for name in made.columns if name not in front]]]


def class_table(cells: Cells) -> pd.DataFrame:
    """Return one row a class; see `HierarchicalResult.classes`."""
    years = cells.by_group(cells.person_years).sum(axis=(1, 2))
    revisions = cells.by_group(cells.revisions).sum(axis=1)
    return pd.DataFrame(
        {
            "group": list(cells.groups),
            "units": np.bincount(cells.group_of_unit, minlength=len(cells.groups)),
            "patients": cells.by_group(cells.patients).astype(int),
            "person_years": years,
            "revisions": revisions.astype(int),
            "deaths": cells.deaths.sum(axis=1).astype(int),
            "crude_rate_per_100py": 100 * revisions / np.where(years > 0, years, np.nan),
        }
    )


def sensitivity(draws: Draws, both: tuple[Averages, ...], years: float) -> pd.DataFrame:
    """Return the power-scaling table of the net differences at `years`."""
    shape = (draws.chains, -1)
    quantities = {
        f"difference at {years:g} years, {label}, {average.kind}": column.reshape(shape)
        for average in both
        for label, column in zip(average.compared, average.difference(average.net, years).T, strict=True)
    }
    return power_scaling.power_scaling(
        quantities,
        log_prior=draws.log_prior.reshape(shape),
        log_likelihood=draws.log_likelihood.reshape(shape),
    )
