"""Cause-specific hazards: a Cox model of every cause at once, and the incidence they imply together.

    hazard of cause k (t | x) = h0_k(t) exp(x'b_k),      the other causes' events leaving the risk set
    S(t | x)   = exp(-sum over k of H_k(t | x))
    F_k(t | x) = sum over u up to t of  S(u- | x) × (1 - exp(-dH)) dH_k / dH        dH over all causes

The steps of F are those of a process whose hazards are spread evenly over each step, so the causes and
survival add up to exactly 1. exp(b_k) is the ratio of rates of cause k among those with no event yet; the
share who ever have it depends on all causes, which is why F is predicted from all of them.

Coefficients carry the model's standard error, or the robust one by `cluster` or for weights that are not
frequencies. Limits of F are from the influence of each row (or cluster) on every coefficient and baseline.

When not to use it: to say in one number how a covariate changes the share who have the event: no coefficient
here says that; compare predictions, or see `fine_gray`. For predictions where covariates change with time.

Sources: Prentice et al (1978), Biometrics 34:541; Andersen, Borgan, Gill & Keiding (1993), section VII.2;
Putter, Fiocco & Geskus (2007), Stat Med 26:2389.

Checked against: R survival::survfit of a multi-state coxph in tests/reference/fine_gray; derivatives in the
weights by refitting in tests/unit; coverage in tests/calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Curve, Estimates, checks_frame
from soa_evidence.survival import columns, cox, influence_rows
from soa_evidence.survival.cox import CoxResult, CoxTies
from soa_evidence.survival.cox_rows import Design, SortedRows, sort_rows
from soa_evidence.survival.cox_sweep import score_residuals, times_matrix
from soa_evidence.survival.records import Records, WeightsAre, choice, prepare, prepare_level

__all__ = ["CauseSpecificResult", "fit"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
METHOD = "survival.cause_specific"


@dataclass(frozen=True, eq=False, kw_only=True)
class CauseSpecificResult:
    """Cox models of all causes.

    Attributes
    ----------
    models : mapping of cause to CoxResult
        Each with its residuals, tests and checks.
    log_hazard_ratio : Estimates
        All coefficients, labelled ``"cause, term"``. The causes are independent in the model's covariance,
        not in the robust one.
    rows : int
    level : float
    checks : tuple of Check
    records, clusters, time_unit
        What predictions are made from.
    """

    models: Mapping[str, CoxResult]
    log_hazard_ratio: Estimates
    rows: int
    level: float
    checks: tuple[Check, ...]
    records: Records
    clusters: IntArray | None
    time_unit: str

    @property
    def causes(self) -> tuple[str, ...]:
        """Names of the causes."""
        return tuple(self.models)

    def of(self, cause: str) -> CoxResult:
        """Return the model of one cause."""
        if cause not in self.models:
            raise InputError(
                f"There is no cause {cause!r}.{nearest(cause, self.causes)} Causes: {', '.join(self.causes)}."
            )
        return self.models[cause]

    def cumulative_incidence(
        self, profiles: pd.DataFrame, *, level: float | None = None, interval: bool = True
    ) -> dict[tuple[str, str], Curve]:
        """Return the predicted incidence by (profile, cause), with the stratum in the first where there are.

        Limits are symmetric on log(-log(1 - F)); `interval=False` leaves them out (NaN) and is quicker.
        """
        from soa_evidence.survival import cause_specific_prediction

        level = prepare_level(self.level if level is None else level)
        return cause_specific_prediction.curves(self, profiles, level=level, interval=interval)

    def __repr__(self) -> str:
        events = ", ".join(f"{cause}: {model.events}" for cause, model in self.models.items())
        return f"Cause-specific Cox models of {self.rows} rows ({events})\n{self.log_hazard_ratio!r}"

    def _repr_html_(self) -> str:
        table = self.log_hazard_ratio.table(transform="exp").to_html(index=False)
        title = "<p><strong>Cause-specific hazard ratios</strong></p>"
        return f"{title}{table}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    covariates: Sequence[str],
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    entry: str | None = None,
    weights: str | None = None,
    weights_are: WeightsAre = "frequency",
    ties: CoxTies = "efron",
    causes: Mapping[int, str] | None = None,
    reference: Mapping[str, str] | None = None,
    level: float = 0.95,
    time_unit: str = "years",
) -> CauseSpecificResult:
    """Fit a Cox model of every cause.

    Parameters
    ----------
    frame, covariates, strata, cluster, entry, weights, weights_are, ties, reference
        As in `cox.fit`; the same covariates act on every cause, each with coefficients of its own.
    time, event
        End of observation; 0 censored, 1, 2, … the cause that ended it.
    causes
        Names of the codes, e.g. ``{1: "revision", 2: "death"}``.

    Raises
    ------
    InputError
        See `cox.fit`, naming the cause; also on a named cause without events.
    """
    choice("ties", ties, get_args(CoxTies))
    level = prepare_level(level)
    covariates = columns.covariates_of(covariates)
    columns.require(frame, [time, event, *covariates])
    records = prepare(
        frame,
        time=time,
        event=event,
        entry=entry,
        weights=weights,
        weights_are=weights_are,
        strata=strata,
        competing=True,
        causes=causes,
    )
    counts = np.bincount(records.cause, minlength=len(records.causes) + 1)[1:]
    if not counts.sum():
        raise InputError(f"Column '{event}' has no event in any row, so no hazard can be compared.")
    if not counts.all():
        without = records.causes[int(np.argmin(counts))]
        raise InputError(f"Column '{event}' has no row with '{without}'; leave that cause out of causes=.")
    design = Design.of(frame, covariates, reference or {})
    clusters = cox.clusters_of(frame, cluster, records)
    # Sorted once, in groups by the times of any event: every cause has its own events in the same groups.
    shared = sort_rows(records, design.encode(frame), design.terms)
    models = {}
    for k, name in enumerate(records.causes):
        try:
            models[name] = cox.of_rows(
                replace(records, cause=(records.cause == k + 1).astype(np.int64), causes=(name,)),
                design,
                _with_events(shared, records, k + 1),
                clusters,
                ties,
            )
        except InputError as error:
            raise InputError(f"For {name}: {error}") from None
    return _result(records, models, clusters, level, time_unit)


def _with_events(shared: SortedRows, records: Records, code: int) -> SortedRows:
    """Return the rows with the events of one cause only."""
    died = records.cause[shared.order] == code
    place = np.flatnonzero(died)
    m = len(shared.stratum)
    weight = shared.weight[place]
    return replace(
        shared,
        died=died,
        deaths=np.bincount(shared.group[place], minlength=m),
        event_weight=np.bincount(shared.group[place], weights=weight, minlength=m),
        observed=weight @ shared.Z[place],
    )


def _result(
    records: Records, models: dict[str, CoxResult], clusters: IntArray | None, level: float, time_unit: str
) -> CauseSpecificResult:
    first = next(iter(models.values()))
    p = len(first.coefficients)
    if clusters is None:
        covariance = np.zeros((p * len(models), p * len(models)))
        for k, model in enumerate(models.values()):
            covariance[k * p : (k + 1) * p, k * p : (k + 1) * p] = model.covariance
    else:
        moved = dfbeta(models) / np.tile(first.sorted_rows.scale, len(models))
        mine = clusters[first.sorted_rows.order]
        weighted = influence_rows.multiplier(records, first.sorted_rows, clusters)[:, None] * moved
        summed = np.column_stack([np.bincount(mine, weights=column) for column in weighted.T])
        covariance = summed.T @ summed
    checks = tuple(
        replace(check, name=f"{name}: {check.name}")
        for name, model in models.items()
        for check in model.checks
    )
    return CauseSpecificResult(
        models=MappingProxyType(models),
        log_hazard_ratio=Estimates(
            estimand="log hazard ratio",
            labels=tuple(f"{name}, {term}" for name, model in models.items() for term in model.design.terms),
            unit="log hazard ratio",
            method=METHOD,
            mean=np.concatenate([model.coefficients for model in models.values()]),
            covariance=(covariance + covariance.T) / 2,
            interval="confidence",
            checks=checks,
        ),
        rows=len(records),
        level=level,
        checks=checks,
        records=records,
        clusters=clusters,
        time_unit=time_unit,
    )


def dfbeta(models: Mapping[str, CoxResult]) -> FloatArray:
    """Return what each row does to all standardised coefficients per unit of weight, in sorted order."""
    found = []
    for model in models.values():
        rows = model.sorted_rows
        inverse = model.model_covariance * np.outer(rows.scale, rows.scale)
        found.append(times_matrix(score_residuals(rows, model.sweep())[0], inverse))
    return np.hstack(found)
