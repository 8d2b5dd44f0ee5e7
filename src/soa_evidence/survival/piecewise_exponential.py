"""Piecewise exponential survival: a hazard that is constant within bands of follow-up, by Poisson likelihood.

    h(t | x) = exp( a_k + x'b + sum over interactions of x_j c_jk )      for t in band k

    log likelihood = sum over cells of  d log h - T h,      d events in T person-time

exp(a_k) is the hazard of band k at covariates of 0 or the reference, exp(b) a hazard ratio; with an
interaction it holds in the first band, and exp(c) says by what factor it differs in another.

Rows are first collapsed to cells of band and pattern of covariates (`exposure.collapse`), which loses
nothing: the estimates are those of the rows, and a million rows take little longer than the counting. The
log likelihood is that of the times, so AIC may be compared with `parametric` and `royston_parmar` on the
same rows. The covariance is the inverse information; with `cluster`, or with weights that are not
frequencies, the robust one.

When not to use it: with a continuous covariate and many rows (nothing collapses; band it); with bands so wide
that the hazard changes within them, or so narrow that they hold no event; beyond the last break, where the
last hazard goes on for ever.

Sources: Holford (1980), Biometrics 36:299; Laird & Olivier (1981), JASA 76:231; Friedman (1982), Ann Stat
10:101.

Checked against: R glm(poisson) with offset on survival::survSplit data in tests/reference/parametric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Curve, Estimates, checks_frame
from soa_evidence.survival import columns, exposure, observations
from soa_evidence.survival.cox_rows import Design
from soa_evidence.survival.likelihood_checks import checks_of, robust_covariance
from soa_evidence.survival.newton import Maximum, maximise
from soa_evidence.survival.observations import Observations
from soa_evidence.survival.orthogonal import orthogonalise, refuse_no_events
from soa_evidence.survival.poisson_cells import (
    BandDesign,
    CellLikelihood,
    evaluator,
    exact_limits,
    profile_limits,
)
from soa_evidence.survival.records import WeightsAre, choice, prepare_level
from soa_evidence.survival.smooth_model import SmoothModel, distinct
from soa_evidence.survival.standardised_survival import Standardised

__all__ = ["PiecewiseResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "survival.piecewise_exponential"
HazardInterval = Literal["profile", "wald", "exact"]
FEW_EVENTS = 5  # in a band


@dataclass(frozen=True, eq=False, kw_only=True)
class PiecewiseResult:
    """A fitted piecewise exponential model.

    Attributes
    ----------
    coefficients : Estimates
        Log hazards by band, named ``"band 0 to 1"``, …, then log hazard ratios by term.
    effects : Estimates or None
        Log hazard ratios alone; ``.table(transform="exp")`` gives the ratios.
    bands : DataFrame
        band, start, stop, events, person_time: all rows together.
    cells : DataFrame
        What the likelihood was computed from; see `exposure.collapse`.
    model_covariance, robust_covariance : arrays of shape (p, p)
        The robust one is None where not asked for.
    log_likelihood, aic, bic : float
        Of the times; BIC with the number of events.
    rows : int
    events, last_time : float
    checks : tuple of Check
    model : SmoothModel
        What predictions are made from.
    design, likelihood
        What hazards with profile limits are made from.
    """

    coefficients: Estimates
    effects: Estimates | None
    bands: pd.DataFrame
    cells: pd.DataFrame
    model_covariance: FloatArray
    robust_covariance: FloatArray | None
    log_likelihood: float
    aic: float
    bic: float
    rows: int
    events: float
    last_time: float
    checks: tuple[Check, ...]
    model: SmoothModel
    design: BandDesign
    likelihood: CellLikelihood

    def hazards(
        self,
        profile: pd.DataFrame | None = None,
        *,
        interval: HazardInterval = "profile",
        level: float | None = None,
    ) -> pd.DataFrame:
        """Return the hazard of every band, at one profile (a frame of one row).

        Parameters
        ----------
        profile
            Covariates; not needed for a model without any.
        interval
            ``"profile"``: the values that the likelihood ratio test does not reject; ``"wald"``: symmetric on
            the log, with the covariance in force; ``"exact"``: Garwood's for a model without covariates.

        Returns
        -------
        DataFrame
            As `Estimates.table` (std_error of the log hazard), with start, stop, events and person_time of
            the band over all rows.

        Raises
        ------
        InputError
            On exact limits with covariates, and on limits that are not Wald's with a robust covariance.
        """
        choice("interval", interval, get_args(HazardInterval))
        level = prepare_level(self.model.level if level is None else level)
        names = self.model.labels(profile)
        if len(names) != 1:
            raise InputError(f"profile has {len(names)} rows; expected one.")
        if interval == "exact" and self.model.covariates:
            raise InputError("Exact limits are for a model without covariates; ask for 'profile' or 'wald'.")
        if interval != "wald" and self.robust_covariance is not None:
            raise InputError(
                f"{interval.capitalize()} limits rest on the likelihood, which clusters or such weights make "
                "untrue; ask for 'wald', which uses the robust covariance."
            )
        contrast = self.design.hazards_of(self.model.rows(profile))
        log = contrast @ np.asarray(self.coefficients.mean)
        variance = contrast @ self.model.covariance @ contrast.T
        error = np.sqrt(np.diag(variance))
        if interval == "wald":
            from scipy.special import ndtri

            width = float(ndtri((1 + level) / 2)) * error
            lower, upper = np.exp(log - width), np.exp(log + width)
        elif interval == "exact":
            lower, upper = exact_limits(self.bands["events"], self.bands["person_time"], level)
        else:
            lower, upper = profile_limits(
                self.likelihood, np.asarray(self.coefficients.mean), contrast, error, level
            )
        table = pd.DataFrame(
            {
                "estimand": f"hazard ({interval} limits)",
                "label": [f"{names[0]}, {band}" for band in self.design.band_names],
                "estimate": np.exp(log),
                "std_error": error,
                "lower": lower,
                "upper": upper,
                "level": level,
                "interval": "confidence",
            }
        )
        return table.join(self.bands[["start", "stop", "events", "person_time"]])

    def survival(
        self,
        profiles: pd.DataFrame | None = None,
        times: Sequence[float] | None = None,
        level: float | None = None,
    ) -> dict[str, Curve]:
        """Return survival for each row of `profiles`; the rest is on `model` (hazard, quantiles, …)."""
        return self.model.survival(profiles, times, level)

    def standardised(self, by: str, values: Sequence[object] | None = None) -> Standardised:
        """Return the groups of the covariate `by` at the case mix of the data (g-computation)."""
        return self.model.standardised(by, values)

    def __repr__(self) -> str:
        return (
            f"Piecewise exponential model, {len(self.bands)} bands, {self.events:g} events in "
            f"{self.rows} rows ({len(self.cells)} cells), AIC {self.aic:.2f}\n{self.coefficients!r}"
        )

    def _repr_html_(self) -> str:
        shown = self.coefficients if self.effects is None else self.effects
        table = shown.table(transform="exp").to_html(index=False)
        return f"<p><strong>Exponentials of {shown.estimand}s</strong></p>{table}" + checks_frame(
            self.checks
        ).to_html(index=False)


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    breaks: Sequence[float],
    covariates: str | Sequence[str] = (),
    interactions: str | Sequence[str] = (),
    entry: str | None = None,
    weights: str | None = None,
    weights_are: WeightsAre = "frequency",
    cluster: str | None = None,
    reference: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> PiecewiseResult:
    """Fit a piecewise exponential model.

    Parameters
    ----------
    frame, time, event, entry, weights, weights_are
        As in `kaplan_meier.fit`.
    breaks
        Times at which the hazard may change; see `exposure.collapse`.
    covariates
        Columns: numbers as they are, text and categories as indicators.
    interactions
        Covariates whose hazard ratio differs between bands.
    cluster
        Column that says which rows are not independent; gives the robust covariance.
    reference
        Reference level of a covariate; the commonest where not given.
    level
        Coverage of predictions where none is asked for.

    Raises
    ------
    InputError
        On rows that are not what is expected; no events; a band, or a level (in a band, with an interaction),
        without events; covariates that determine one another; a likelihood without a maximum.
    """
    prepare_level(level)
    covariates, interactions = columns.as_list(covariates), columns.as_list(interactions)
    rows = observations.prepare(
        frame,
        time=time,
        event=event,
        lower=None,
        upper=None,
        entry=entry,
        weights=weights,
        weights_are=weights_are,
        cluster=cluster,
    )
    columns.require(frame, [*covariates, time, event])
    for name in interactions:
        if name not in covariates:
            raise InputError(f"interactions= names '{name}', no covariate.{nearest(name, covariates)}")
    design = BandDesign(
        design=Design.of(frame, covariates, reference or {}),
        edges=exposure.band_edges(breaks),
        interactions=tuple(interactions),
    )
    by = list(covariates)
    if rows.cluster is not None:
        frame = frame.assign(**{CLUSTER: rows.cluster})
        by.append(CLUSTER)
    cells = exposure.collapse(
        frame, time=time, event=event, breaks=breaks, by=by, entry=entry, weights=weights
    )
    return _result(frame, rows, cells, design, level)


CLUSTER = "cluster of the robust covariance"


def _result(
    frame: pd.DataFrame, rows: Observations, cells: pd.DataFrame, design: BandDesign, level: float
) -> PiecewiseResult:
    bands = _bands(cells, design)
    found, likelihood, back = _search(cells, design)
    robust = None
    if rows.cluster is not None:
        scores = likelihood.scores(back @ found.at)
        robust = robust_covariance(scores, cells[CLUSTER].to_numpy(), back @ found.covariance @ back.T)
    beta, covariance = back @ found.at, back @ found.covariance @ back.T
    in_force = covariance if robust is None else robust
    in_force = (in_force + in_force.T) / 2
    checks = (*checks_of(found, rows.events, len(beta), rows.cluster), _fewest(bands, design))
    coefficients = Estimates(
        estimand="log hazard, or log hazard ratio",
        labels=design.names,
        unit="log hazard, or log hazard ratio",
        method=METHOD,
        mean=beta,
        covariance=in_force,
        interval="confidence",
        checks=checks,
    )
    patterns, pattern_weight = distinct(frame, design.design.covariates, rows.weight)
    return PiecewiseResult(
        coefficients=coefficients,
        effects=_effects(coefficients, design),
        bands=bands,
        cells=cells.drop(columns=CLUSTER, errors="ignore"),
        model_covariance=covariance,
        robust_covariance=robust,
        log_likelihood=found.log_likelihood,
        aic=2 * len(beta) - 2 * found.log_likelihood,
        bic=len(beta) * float(np.log(rows.events)) - 2 * found.log_likelihood,
        rows=len(rows),
        events=rows.events,
        last_time=rows.last,
        checks=checks,
        design=design,
        likelihood=likelihood,
        model=SmoothModel(
            method=METHOD,
            covariance=in_force,
            covariates=design.design.covariates,
            evaluate=evaluator(design, beta),
            patterns=patterns,
            pattern_weight=pattern_weight,
            at_risk=rows.at_risk,
            events_up_to=rows.events_up_to,
            last_time=rows.last,
            kinks=tuple(float(b) for b in design.edges[1:-1]),
            level=level,
            checks=checks,
        ),
    )


def _bands(cells: pd.DataFrame, design: BandDesign) -> pd.DataFrame:
    """Return events and person-time of each band, refusing one without events: its log hazard is infinite."""
    size = len(design.edges) - 1
    band = cells["band"].to_numpy()
    events, person_time = (
        np.bincount(band, weights=cells[name], minlength=size) for name in ("events", "person_time")
    )
    empty = np.flatnonzero(events == 0)
    if len(empty):
        raise InputError(
            f"There are no events in the band {design.band_names[empty[0]]} ({person_time[empty[0]]:g} of "
            f"person-time{f'; {len(empty)} such bands' if len(empty) > 1 else ''}), so its log hazard would "
            "be infinite. Join it to a neighbour by leaving a break out."
        )
    return pd.DataFrame(
        {
            "band": list(design.band_names),
            "start": design.edges[:-1],
            "stop": design.edges[1:],
            "events": events,
            "person_time": person_time,
        }
    )


def _search(cells: pd.DataFrame, design: BandDesign) -> tuple[Maximum, CellLikelihood, FloatArray]:
    """Return the maximum on orthogonal columns, the likelihood on those given, and the way back."""
    X = design.columns(design.design.encode(cells), cells["band"].to_numpy())
    events, person_time = cells["events"].to_numpy(float), cells["person_time"].to_numpy(float)
    size = len(design.band_names)
    refuse_no_events(X[:, size:], design.names[size:], events > 0)
    weight = np.maximum(person_time, 1e-12 * person_time.max())
    R = orthogonalise(X, design.names, weight, constants=size)
    inverse = np.linalg.inv(R)
    rate = float(np.log(events.sum() / person_time.sum()))
    start = np.zeros(X.shape[1])
    start[:size] = rate
    likelihood = CellLikelihood(X=X, events=events, person_time=person_time)
    turned = CellLikelihood(X=X @ inverse, events=events, person_time=person_time)
    scale = np.sqrt(np.average(X**2, axis=0, weights=person_time))
    found = maximise(turned.evaluate, R @ start, design.names, lambda step: (inverse @ step) * scale)
    return found, likelihood, inverse


def _effects(coefficients: Estimates, design: BandDesign) -> Estimates | None:
    terms = design.names[len(design.band_names) :]
    if not terms:
        return None
    chosen = coefficients.select(terms)
    return Estimates(
        estimand="log hazard ratio",
        labels=terms,
        unit="log hazard ratio",
        method=METHOD,
        mean=chosen.mean,
        covariance=chosen.covariance,
        interval="confidence",
        checks=coefficients.checks,
    )


def _fewest(bands: pd.DataFrame, design: BandDesign) -> Check:
    at = int(np.argmin(bands["events"]))
    fewest = float(bands["events"].iloc[at])
    return Check(
        name="events in the band with fewest",
        verdict="pass" if fewest >= FEW_EVENTS else "warn",
        observed=f"{fewest:g} ({design.band_names[at]})",
        expected=f"at least {FEW_EVENTS}",
        why="a hazard from a handful of events is uncertain, and its Wald limits are not to be trusted",
    )
