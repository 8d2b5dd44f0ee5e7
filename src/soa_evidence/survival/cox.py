"""Cox regression: hazard ratios, the baseline hazard left free.

    hazard(t | x) = h0(t) exp(x'b), one h0 a stratum
    log partial likelihood = sum over events of  w x'b - w log( sum over those at risk of w exp(x'b) )

Tied events: Efron's approximation (default) or Breslow's. A row is at risk after `entry` up to and including
`time`, so delayed entry and covariates that change with time (several rows a person) are the same thing. The
standard error is the model's (inverse information); with `cluster`, or with weights that are not frequencies,
the robust one, V D'D V with D the score residuals summed by cluster, without small-sample correction.

Covariates: numbers as they are; text and categories as indicators against a reference level, by default the
commonest. exp(b) is the ratio of hazards for one unit more, or for the level against the reference.

When not to use it: to compare units when death competes and the question is how many are ever revised (see
`cumulative_incidence`); when the ratio changes with time, which `proportional_hazards` tests; with few events
for each covariate.

Sources: Cox (1972), JRSS B 34:187; Efron (1977), JASA 72:557; Lin & Wei (1989), JASA 84:1074; Therneau &
Grambsch (2000), Modeling Survival Data.

Checked against: R survival::coxph in tests/reference/survival; a plain slow twin in tests/properties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Curve, Estimates, checks_frame
from soa_evidence.survival import columns, cox_checks
from soa_evidence.survival.cox_newton import Maximum, maximise
from soa_evidence.survival.cox_rows import Design, SortedRows, sort_rows
from soa_evidence.survival.cox_sweep import Sweep, score_residuals, second_moments, sweep
from soa_evidence.survival.records import Records, WeightsAre, choice, prepare

if TYPE_CHECKING:
    from soa_evidence.survival.cox_proportional import ProportionalResult
    from soa_evidence.survival.cox_residuals import Residuals

__all__ = ["CoxResult", "CoxTies", "clusters_of", "fit", "of_rows"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
METHOD = "survival.cox"
CoxTies = Literal["efron", "breslow"]


@dataclass(frozen=True, eq=False, kw_only=True)
class CoxResult:
    """A fitted Cox model.

    Attributes
    ----------
    log_hazard_ratio : Estimates
        With the robust covariance where asked for, otherwise the model's; ``.table(transform="exp")`` gives
        hazard ratios.
    model_covariance, robust_covariance : arrays of shape (p, p)
        The robust one is None where not asked for.
    log_likelihood, log_likelihood_at_zero : float
    tests : DataFrame
        test (likelihood ratio, Wald, score), statistic, degrees_of_freedom, p_value; of all coefficients 0.
    rows, events : int
    checks : tuple of Check
    records, design, sorted_rows, clusters, ties
        What residuals, prediction and tests are made from.
    """

    log_hazard_ratio: Estimates
    model_covariance: FloatArray
    robust_covariance: FloatArray | None
    log_likelihood: float
    log_likelihood_at_zero: float
    tests: pd.DataFrame
    rows: int
    events: int
    checks: tuple[Check, ...]
    records: Records
    design: Design
    sorted_rows: SortedRows
    clusters: IntArray | None
    ties: CoxTies

    @property
    def coefficients(self) -> FloatArray:
        """Log hazard ratios, shape (p,)."""
        return np.asarray(self.log_hazard_ratio.mean)

    @property
    def covariance(self) -> FloatArray:
        """Covariance in force, shape (p, p)."""
        return np.asarray(self.log_hazard_ratio.covariance)

    def sweep(self, scale: FloatArray | None = None) -> Sweep:
        """Return the sweep over risk sets at the fitted coefficients."""
        beta = self.coefficients * self.sorted_rows.scale
        swept = sweep(self.sorted_rows, beta, efron=self.ties == "efron", scale=scale)
        if swept is None:
            raise InputError("The partial likelihood overflows at its maximum; rescale the covariates.")
        return swept

    def residuals(self) -> Residuals:
        """Return martingale, deviance, score and dfbeta residuals, in the order of the rows given."""
        from soa_evidence.survival import cox_residuals

        return cox_residuals.of(self)

    def proportional_hazards(self, transform: str = "km") -> ProportionalResult:
        """Test whether hazard ratios change with time; `transform` is km, identity, log or rank."""
        from soa_evidence.survival import cox_proportional

        return cox_proportional.of(self, transform)

    def survival(self, profiles: pd.DataFrame, *, level: float = 0.95) -> dict[str, Curve]:
        """Return predicted survival for each row of `profiles` (and each stratum), log-log limits."""
        from soa_evidence.survival import cox_prediction

        return cox_prediction.curves(self, profiles, level=level, estimand="survival")

    def cumulative_hazard(
        self, profiles: pd.DataFrame | None = None, *, level: float = 0.95
    ) -> dict[str, Curve]:
        """Return predicted cumulative hazard; without profiles, at the mean of every column of the design."""
        from soa_evidence.survival import cox_prediction

        return cox_prediction.curves(self, profiles, level=level, estimand="cumulative hazard")

    def concordance(self) -> Estimates:
        """Return Harrell's concordance: how often the one with the higher linear predictor fails first."""
        from soa_evidence.survival import concordance

        return concordance.of_cox(self)

    def __repr__(self) -> str:
        return f"Cox model, {self.events} events in {self.rows} rows, {self.ties}\n{self.log_hazard_ratio!r}"

    def _repr_html_(self) -> str:
        table = self.log_hazard_ratio.table(transform="exp").to_html(index=False)
        return f"<p><strong>Hazard ratios</strong></p>{table}{checks_frame(self.checks).to_html(index=False)}"


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
    reference: Mapping[str, str] | None = None,
) -> CoxResult:
    """Fit a Cox model.

    Parameters
    ----------
    frame, time, event, entry, weights, weights_are
        As in `kaplan_meier.fit`; several rows a person where covariates change with time.
    covariates
        Columns: numbers, or text and categories taken as indicators.
    strata
        Columns whose values each have a baseline hazard of their own.
    cluster
        Column that says which rows are not independent (person, unit); gives the robust standard error.
    ties
        ``"efron"`` or ``"breslow"``.
    reference
        Reference level of a covariate; the commonest where not given.

    Raises
    ------
    InputError
        See `records.prepare`; also without covariates or events, on covariates with gaps, without variation
        or collinear, on a level without events, and where the likelihood has no maximum.
    """
    choice("ties", ties, get_args(CoxTies))
    covariates = columns.as_list(covariates)
    if not covariates:
        raise InputError("covariates is empty; expected at least one column (for none: kaplan_meier).")
    columns.require(frame, [time, event, *covariates])
    records = prepare(
        frame,
        time=time,
        event=event,
        entry=entry,
        weights=weights,
        weights_are=weights_are,
        strata=strata,
    )
    if not (records.cause > 0).any():
        raise InputError(f"Column '{event}' has no event in any row, so no hazard can be compared.")
    design = Design.of(frame, covariates, reference or {})
    rows = sort_rows(records, design.encode(frame), design.terms)
    return of_rows(records, design, rows, clusters_of(frame, cluster, records), ties)


def of_rows(
    records: Records, design: Design, rows: SortedRows, clusters: IntArray | None, ties: CoxTies
) -> CoxResult:
    """Fit the model to sorted rows; `clusters` ask for the robust standard error."""
    found = maximise(rows, design.terms, efron=ties == "efron")
    robust = None if clusters is None else _robust(rows, found, clusters, efron=ties == "efron")
    return _result(records, design, rows, found, robust, clusters, ties)


def clusters_of(frame: pd.DataFrame, cluster: str | None, records: Records) -> IntArray | None:
    """Return the cluster of each row, each row its own for robust weights, or None for the model's error."""
    if cluster is not None:
        return columns.clusters(frame, cluster)
    if records.weight is not None and records.weights_are == "robust":
        return np.arange(len(records), dtype=np.int64)
    return None


def _robust(rows: SortedRows, found: Maximum, clusters: IntArray, *, efron: bool) -> FloatArray:
    swept = sweep(rows, found.beta, efron=efron)
    if swept is None:  # it did not overflow on the way to this maximum
        raise InputError("The partial likelihood overflows at its maximum; rescale the covariates.")
    residual, _ = score_residuals(rows, swept)
    mine = clusters[rows.order]
    summed = np.column_stack(
        [np.bincount(mine, weights=rows.weight * residual[:, j]) for j in range(residual.shape[1])]
    )
    middle = second_moments(summed, np.ones(len(summed)))
    return np.asarray(found.covariance @ middle @ found.covariance)


def _result(
    records: Records,
    design: Design,
    rows: SortedRows,
    found: Maximum,
    robust: FloatArray | None,
    clusters: IntArray | None,
    ties: CoxTies,
) -> CoxResult:
    scales = np.outer(rows.scale, rows.scale)
    model = found.covariance / scales
    robust = None if robust is None else robust / scales
    covariance = model if robust is None else robust
    beta = found.beta / rows.scale
    events = int(rows.died.sum())
    checks = cox_checks.checks(found, events, clusters)
    return CoxResult(
        log_hazard_ratio=Estimates(
            estimand="log hazard ratio",
            labels=design.terms,
            unit="log hazard ratio",
            method=METHOD,
            mean=beta,
            covariance=(covariance + covariance.T) / 2,
            interval="confidence",
            checks=checks,
        ),
        model_covariance=model,
        robust_covariance=robust,
        log_likelihood=found.likelihood,
        log_likelihood_at_zero=found.likelihood_at_zero,
        tests=cox_checks.tests(found, beta, covariance),
        rows=len(records),
        events=events,
        checks=checks,
        records=records,
        design=design,
        sorted_rows=rows,
        clusters=clusters,
        ties=ties,
    )
