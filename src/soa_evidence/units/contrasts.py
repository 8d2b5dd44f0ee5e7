"""From draws of units' risks to what readers ask: classes, their differences, and how probable they are.

Two estimands are kept apart. *These units*: the named units as they are, each weighted by its patients; the
uncertainty is about their true risks, not about which units exist. *Units as a kind*: the population of units
from which the named ones are taken as a sample; with three units in a class this is honestly wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from soa_evidence.results import Check, Estimates
from soa_evidence.results.comparison import probability_of
from soa_evidence.units.cells import Cells
from soa_evidence.units.standardise import RiskCurve

__all__ = [
    "RISK",
    "ClassRisks",
    "Comparison",
    "Measure",
    "kind_risks",
    "margins",
    "mix_by_patients",
    "mix_by_units",
    "these_units_risks",
]

FloatArray = NDArray[np.float64]
METHOD = "units.binomial"
_QUADRATURE = 15


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is compared and how it is named: a risk, a mean or a rate.

    Attributes
    ----------
    method
        The method that made the draws.
    value, unit
        Name and unit of a class's standardised value.
    difference, difference_unit, factor
        Name and unit of a difference, and what it is multiplied by.
    by_more_than
        Words after a margin, such as `` per 1,000``.
    log_ratio, scale
        Name of a log ratio, and the function whose difference it is.
    """

    method: str
    value: str
    unit: str
    difference: str
    difference_unit: str
    factor: float
    by_more_than: str
    log_ratio: str = ""
    scale: Callable[[FloatArray], FloatArray] = logit


RISK = Measure(
    method=METHOD,
    value="standardised risk",
    unit="probability",
    difference="risk difference",
    difference_unit="per 1,000 patients",
    factor=1000.0,
    by_more_than=" per 1,000",
    log_ratio="log odds ratio",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Classes of unit compared on one estimand.

    Attributes
    ----------
    risk : Estimates
        Standardised risk per class, probability.
    difference : Estimates
        Against the reference, per 1,000 patients.
    log_odds_ratio : Estimates
        Against the reference; of the standardised risks, so a marginal odds ratio.
    probability_better, probability_better_by_margin : Estimates
        Posterior probability of being better than the reference at all, and by more than the margin; the
        interval is Monte Carlo error.
    """

    risk: Estimates
    difference: Estimates
    log_odds_ratio: Estimates
    probability_better: Estimates
    probability_better_by_margin: Estimates


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassRisks:
    """Draws of standardised risk for every class and for the reference, on one estimand.

    Attributes
    ----------
    labels : tuple of str
        The classes, then the reference where it is a mixture of several classes.
    draws : array of shape (S, len(labels))
    reference : str
    estimand_kind
        ``"these units"`` or ``"units as a kind"``.
    measure
        What the draws are of; risks unless said otherwise.
    """

    labels: tuple[str, ...]
    draws: FloatArray
    reference: str
    estimand_kind: Literal["these units", "units as a kind"]
    measure: Measure = RISK

    @property
    def compared(self) -> tuple[str, ...]:
        """The labels set against the reference: all others."""
        return tuple(label for label in self.labels if label != self.reference)

    def _column(self, label: str) -> FloatArray:
        return self.draws[:, [self.labels.index(label)]]

    def compare(
        self,
        margin_per_1000: float,
        *,
        better: Literal["lower", "higher"],
        chains: int,
        checks: tuple[Check, ...],
    ) -> Comparison:
        """Return everything that is asked of these risks."""
        at_all, by_margin = (
            self.probability_better(margin, better=better, chains=chains, checks=checks)
            for margin in (0.0, margin_per_1000)
        )
        return Comparison(
            risk=self.risk(checks),
            difference=self.difference(checks),
            log_odds_ratio=self.log_odds_ratio(checks),
            probability_better=at_all,
            probability_better_by_margin=by_margin,
        )

    def risk(self, checks: tuple[Check, ...]) -> Estimates:
        """Standardised risk (or mean, or rate) per class."""
        return self._estimates(self.measure.value, self.labels, self.measure.unit, self.draws, checks)

    def difference(self, checks: tuple[Check, ...]) -> Estimates:
        """Difference against the reference: of risks, per 1,000 patients."""
        draws = np.hstack([self._column(c) - self._column(self.reference) for c in self.compared])
        return self._estimates(
            f"{self.measure.difference} against {self.reference}",
            self.compared,
            self.measure.difference_unit,
            draws * self.measure.factor,
            checks,
        )

    def log_odds_ratio(self, checks: tuple[Check, ...]) -> Estimates:
        """Log of the ratio of odds of the standardised risks (a marginal odds ratio)."""
        odds = self.measure.scale(self.draws)
        base = odds[:, self.labels.index(self.reference)]
        draws = np.column_stack([odds[:, self.labels.index(c)] - base for c in self.compared])
        return self._estimates(
            f"{self.measure.log_ratio} against {self.reference}",
            self.compared,
            self.measure.log_ratio,
            draws,
            checks,
        )

    def probability_better(
        self,
        margin_per_1000: float,
        *,
        better: Literal["lower", "higher"],
        chains: int,
        checks: tuple[Check, ...],
    ) -> Estimates:
        """Posterior probability that a class is better than the reference by more than a margin.

        Its interval is Monte Carlo error only: how far the number itself is from the exact posterior
        probability because the number of draws is finite.
        """
        means, errors = [], []
        for label in self.compared:
            gain = (self._column(self.reference) - self._column(label))[:, 0] * self.measure.factor
            gain = gain if better == "lower" else -gain
            likely, error = probability_of(gain > margin_per_1000, chains=chains)
            means.append(likely)
            errors.append(error)
        threshold = (
            "" if margin_per_1000 == 0 else f" by more than {margin_per_1000:g}{self.measure.by_more_than}"
        )
        return Estimates(
            estimand=f"probability of being better than {self.reference}{threshold}, {self.estimand_kind}",
            labels=self.compared,
            unit="probability",
            method=self.measure.method,
            mean=np.array(means),
            covariance=np.diag(np.square(errors)),
            interval="Monte Carlo",
            checks=checks,
        )

    def _estimates(
        self, what: str, labels: tuple[str, ...], unit: str, draws: FloatArray, checks: tuple[Check, ...]
    ) -> Estimates:
        return Estimates(
            estimand=f"{what}, {self.estimand_kind}",
            labels=labels,
            unit=unit,
            method=self.measure.method,
            draws=draws,
            interval="credible",
            checks=checks,
        )


def mix_by_patients(
    groups: tuple[str, ...],
    group_of_unit: NDArray[np.int64],
    size: FloatArray,
    unit_value: FloatArray,
    reference: Sequence[str],
    reference_label: str,
    *,
    measure: Measure = RISK,
) -> ClassRisks:
    """Values of the named units of each class, weighted by `size`, their patients.

    Parameters
    ----------
    size : array of shape (J,)
    unit_value : array of shape (S, J)
    reference
        Classes that together are the reference.
    """
    columns = []
    for named in _sets(groups, reference):
        inside = np.isin(group_of_unit, [groups.index(group) for group in named])
        weight = np.where(inside, size, 0.0)
        columns.append(unit_value @ (weight / weight.sum()))
    return ClassRisks(
        labels=_labels(groups, reference, reference_label),
        draws=np.column_stack(columns),
        reference=reference_label,
        estimand_kind="these units",
        measure=measure,
    )


def mix_by_units(
    groups: tuple[str, ...],
    group_of_unit: NDArray[np.int64],
    class_mean: FloatArray,
    reference: Sequence[str],
    reference_label: str,
    *,
    measure: Measure = RISK,
) -> ClassRisks:
    """Means over each class's population of units, (S, G); the reference mixes its classes by their units."""
    n_units = np.bincount(group_of_unit, minlength=len(groups)).astype(float)
    columns = []
    for named in _sets(groups, reference):
        share = np.where(np.isin(groups, named), n_units, 0.0)
        columns.append(class_mean @ (share / share.sum()))
    return ClassRisks(
        labels=_labels(groups, reference, reference_label),
        draws=np.column_stack(columns),
        reference=reference_label,
        estimand_kind="units as a kind",
        measure=measure,
    )


def these_units_risks(
    cells: Cells, unit_risk: FloatArray, reference: Sequence[str], reference_label: str
) -> ClassRisks:
    """Risks of the named units of each class, weighted by their patients (trials).

    Parameters
    ----------
    unit_risk : array of shape (S, J)
    reference
        Classes that together are the reference.
    """
    size = cells.by_unit(cells.trials)
    return mix_by_patients(cells.groups, cells.group_of_unit, size, unit_risk, reference, reference_label)


def kind_risks(
    cells: Cells,
    curve: RiskCurve,
    class_level: FloatArray,
    class_spread: FloatArray,
    reference: Sequence[str],
    reference_label: str,
) -> ClassRisks:
    """Mean risk of the population of units of each class; the reference mixes its classes by number of units.

    Parameters
    ----------
    class_level, class_spread : arrays of shape (S, G)
        Draws of mean and standard deviation of the units' levels in each class.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(_QUADRATURE)
    weights = weights / weights.sum()
    mean_risk = np.zeros_like(class_level)
    for node, weight in zip(nodes, weights, strict=True):
        mean_risk += weight * curve.risk(class_level + class_spread * node)
    return mix_by_units(cells.groups, cells.group_of_unit, mean_risk, reference, reference_label)


def margins(
    difference: Estimates, label: str, *, better: Literal["lower", "higher"], step: float = 1.0
) -> pd.DataFrame:
    """Return the probability that `label` is better than the reference by more than each margin.

    Parameters
    ----------
    difference
        Differences with draws, such as of risks per 1,000 patients or of means.
    step
        The largest margin is a whole number of these, in the difference's unit.

    Returns
    -------
    DataFrame
        margin (in the difference's unit, from 0 to where hardly any probability is left), probability.
    """
    gain = -difference.of(label) if better == "lower" else difference.of(label)
    furthest = step * max(1.0, float(np.ceil(np.quantile(gain, 0.995) / step)))
    grid = np.linspace(0.0, furthest, 61)
    return pd.DataFrame({"margin": grid, "probability": [(gain > margin).mean() for margin in grid]})


def _sets(groups: tuple[str, ...], reference: Sequence[str]) -> list[Sequence[str]]:
    single: list[Sequence[str]] = [(group,) for group in groups]
    return single if len(reference) == 1 else [*single, reference]


def _labels(groups: tuple[str, ...], reference: Sequence[str], reference_label: str) -> tuple[str, ...]:
    if len(reference) == 1:
        return tuple(reference_label if group == reference[0] else group for group in groups)
    return (*groups, reference_label)
