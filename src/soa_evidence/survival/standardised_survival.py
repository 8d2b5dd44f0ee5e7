"""Survival standardised to the case mix of the data: everyone, once in each group (g-computation).

    S_g(t) = average over the people in the data of S(t | their covariates, group set to g)

with the average weighted by their weights, and its variance by the delta method through the average. Groups
are then compared at one and the same case mix, on the scale of probabilities and of time.

When not to use it: where some kinds of people are hardly ever treated in one group: the model then speaks for
people it has not seen. The case mix is that of the rows as they are; with delayed entry it is that of those
who were observed.

Sources: Makuch (1982), J Chronic Dis 35:437; Syriopoulou, Rutherford & Lambert (2022), Stat Med 41:3298.

Checked against: plain averages of predictions in tests/unit; R in tests/reference/parametric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Curve, Estimates
from soa_evidence.survival.smooth_model import SmoothModel, quadrature

__all__ = ["Standardised", "of"]

FloatArray = NDArray[np.float64]
MOST_VALUES = 20  # distinct values of a covariate beyond which it is no group


@dataclass(frozen=True, eq=False, kw_only=True)
class Standardised:
    """Groups at one case mix.

    Attributes
    ----------
    model : SmoothModel
    by : str
        The covariate whose values are the groups.
    values, groups : list, tuple of str
    """

    model: SmoothModel
    by: str
    values: list[object]
    groups: tuple[str, ...]

    def curves(self, times: Sequence[float] | None = None, level: float | None = None) -> dict[str, Curve]:
        """Return standardised survival of each group, log-log limits."""
        time = self.model.times(times)
        made = {}
        for value, group in zip(self.values, self.groups, strict=True):
            survival, slope = self._average(value, time)
            made[group] = self.model.curve_of_survival(group, time, survival, slope, level)
        return made

    def at(self, time: float) -> Estimates:
        """Return standardised survival at one time, with the joint covariance of all groups."""
        when = self.model.times([time])
        survival, slope = self._every(when, np.ones(1))
        return self.model.estimates(
            f"standardised survival at {time:g}",
            self.groups,
            survival,
            slope,
            unit="probability",
            horizon=float(time),
        )

    def restricted_mean(self, tau: float) -> Estimates:
        """Return the standardised mean time without the event up to `tau`, jointly for all groups."""
        area, slope = self._every(*quadrature(tau, self.model.kinks))
        return self.model.estimates(
            f"standardised restricted mean time without the event, to {tau:g}",
            self.groups,
            area,
            slope,
            unit=self.model.time_unit,
            horizon=tau,
        )

    def difference(self, reference: str, *, time: float | None = None, tau: float | None = None) -> Estimates:
        """Return each other group less the reference: survival at `time`, or restricted means to `tau`."""
        if (time is None) == (tau is None):
            raise InputError("Give either time= for survivals or tau= for restricted means.")
        found = self.at(float(time)) if time is not None else self.restricted_mean(float(tau or 0))
        if len(self.groups) < 2:
            raise InputError("There is one group only, so nothing to compare it with.")
        base = found.position(reference)
        others = [k for k in range(len(self.groups)) if k != base]
        contrast = np.eye(len(self.groups))[others]
        contrast[:, base] = -1.0
        return Estimates(
            estimand=f"difference in {found.estimand} against {reference}",
            labels=tuple(self.groups[k] for k in others),
            unit=found.unit,
            method=found.method,
            mean=contrast @ np.asarray(found.mean),
            covariance=contrast @ np.asarray(found.covariance) @ contrast.T,
            interval="confidence",
            checks=found.checks,
        )

    def _every(self, time: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sum over times, weighted, for every group: shapes (G,) and (G, p)."""
        found = [self._average(value, time) for value in self.values]
        return np.array([s @ weight for s, _ in found]), np.array([weight @ slope for _, slope in found])

    def _average(self, value: Any, time: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Average survival of all with the group set to `value`: shapes (T,) and (T, p)."""
        frame = self.model.patterns.copy()
        frame[self.by] = value
        return self.model.average(frame, self.model.pattern_weight / self.model.pattern_weight.sum(), time)


def of(model: SmoothModel, by: str, values: Sequence[object] | None = None) -> Standardised:
    """Return the groups of `model` at the case mix of its data.

    Parameters
    ----------
    by
        A covariate of the model. Its values in the data are the groups, or `values` where given.

    Raises
    ------
    InputError
        Where `by` is no covariate, or has too many values to be groups.
    """
    if by not in model.covariates:
        raise InputError(
            f"'{by}' is not a covariate of the model.{nearest(by, model.covariates)} "
            f"Covariates: {', '.join(model.covariates) or 'none'}."
        )
    if values is None:
        values = list(pd.unique(model.patterns[by].sort_values()))
        if len(values) > MOST_VALUES:
            raise InputError(
                f"Covariate '{by}' has {len(values)} values; give values= with those to compare."
            )
    return Standardised(model=model, by=by, values=list(values), groups=tuple(str(v) for v in values))
