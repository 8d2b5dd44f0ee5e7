"""Restricted mean: the average time without the event up to a horizon, which needs no proportional hazards.

    mean(tau) = area under S from 0 to tau
    variance  = sum over event times u up to tau of (area under S from u to tau)² d(u) / (n(u) (n(u) - d(u)))

Groups are compared by the difference of their means, and by the ratio, its log with delta-method variance.

When not to use it: beyond the time to which every group is followed; the horizon is refused there.

Sources: Irwin (1949), J Hyg 47:188; Royston & Parmar (2013), BMC Med Res Methodol 13:152.

Checked against: R survival:::survmean (print.survfit with rmean) in tests/reference/survival.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates
from soa_evidence.survival import influence
from soa_evidence.survival.records import Records
from soa_evidence.survival.tallies import Tally

__all__ = ["RestrictedMeanResult", "of"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class RestrictedMeanResult:
    """Restricted means of all groups.

    Attributes
    ----------
    mean : Estimates
        Per group, in the unit of time.
    tau : float
    checks : tuple of Check
    """

    mean: Estimates
    tau: float
    checks: tuple[Check, ...]

    def difference(self, reference: str) -> Estimates:
        """Every other group's mean less the reference's, in the unit of time."""
        at, others = self._against(reference)
        contrast = np.eye(len(self.mean))[others]
        contrast[:, at] = -1.0
        return self._contrast(f"difference in restricted mean against {reference}", contrast, others)

    def log_ratio(self, reference: str) -> Estimates:
        """Log of every other group's mean over the reference's; show with ``transform="exp"``."""
        at, others = self._against(reference)
        values = self._values()
        if (values <= 0).any():
            empty = self.mean.labels[int(np.argmin(values))]
            raise InputError(
                f"The restricted mean of '{empty}' is 0: all its events come at time 0, and no ratio exists."
            )
        contrast = np.eye(len(self.mean))[others]
        contrast[:, at] = -1.0
        return self._contrast(
            f"log ratio of restricted means against {reference}", contrast, others, log=True
        )

    def _values(self) -> FloatArray:
        return np.asarray(self.mean.mean)

    def _against(self, reference: str) -> tuple[int, list[int]]:
        if reference not in self.mean.labels:
            raise InputError(
                f"There is no group '{reference}'.{nearest(reference, self.mean.labels)} "
                f"Groups: {', '.join(self.mean.labels[:8])}."
            )
        if len(self.mean) < 2:
            raise InputError("There is one group only, so nothing to compare it with; give by=.")
        at = self.mean.position(reference)
        return at, [k for k in range(len(self.mean)) if k != at]

    def _contrast(self, what: str, contrast: FloatArray, others: list[int], log: bool = False) -> Estimates:
        values, covariance = self._values(), np.asarray(self.mean.covariance)
        if log:
            covariance = covariance / np.outer(values, values)
            values = np.log(values)
        return Estimates(
            estimand=f"{what}, to {self.tau:g}",
            labels=tuple(self.mean.labels[k] for k in others),
            unit="log ratio" if log else self.mean.unit,
            method=self.mean.method,
            mean=contrast @ values,
            covariance=contrast @ covariance @ contrast.T,
            interval="confidence",
            checks=self.checks,
        )


def of(
    tallies: tuple[Tally, ...],
    records: Records,
    tau: float,
    *,
    checks: tuple[Check, ...],
    method: str,
    unit: str = "unit of time",
) -> RestrictedMeanResult:
    """Return the restricted means to `tau` of groups already counted."""
    if not (np.isfinite(tau) and tau > 0):
        raise InputError(f"tau is {tau}; expected a time above 0.")
    for counted in tallies:
        # After the last event of a group of which no one is left, survival is known to be 0.
        if tau > counted.time[-1] and not counted.exhausted[-1]:
            raise InputError(
                f"tau is {tau:g}, but group '{counted.label}' is followed to {counted.time[-1]:g} only; "
                f"choose a horizon of at most {min(t.time[-1] for t in tallies):g}."
            )
    robust = records.weight is not None and records.weights_are == "robust"
    means, variances = [], []
    for at, counted in enumerate(tallies):
        mean, remaining = _areas(counted, tau)
        means.append(mean)
        if robust:
            variances.append(influence.mean_variance(records, at, counted, remaining))
        else:
            variances.append(float(np.sum(remaining**2 * influence.greenwood_steps(counted))))
    return RestrictedMeanResult(
        mean=Estimates(
            estimand=f"restricted mean time without the event, to {tau:g}",
            labels=tuple(counted.label for counted in tallies),
            unit=unit,
            method=method,
            mean=np.array(means),
            covariance=np.diag(variances),
            interval="confidence",
            checks=checks,
        ),
        tau=tau,
        checks=checks,
    )


def _areas(counted: Tally, tau: float) -> tuple[float, FloatArray]:
    """Area under survival from 0 to `tau`, and from each time to `tau` (0 beyond it)."""
    time = np.minimum(counted.time, tau)
    pieces = np.diff(np.concatenate([time, [tau]])) * counted.survival()
    remaining = np.cumsum(pieces[::-1])[::-1]
    return float(time[0] + remaining[0]), np.where(counted.time <= tau, remaining, 0.0)
