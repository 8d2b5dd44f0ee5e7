"""Flexible parametric survival (Royston-Parmar): a smooth curve of any shape, with effects that may change.

With x = log t, s a restricted cubic spline and z the covariates,

    g(S(t | z)) = s(x; gamma) + z'b + sum over time-varying z_j of z_j s_j(x; delta_j)

    scale "hazard"   g = log(-log S)     b: log hazard ratio (log ratio of cumulative hazards if time-varying)
    scale "odds"     g = log(1/S - 1)    b: log odds ratio of having had the event
    scale "normal"   g = -probit(S)      b: difference on the probit scale

    hazard           h(t) = d g/dx  /  t  ×  exp(g)                         for scale "hazard"

gamma0 is the constant, gamma1 the coefficient of x, gamma2, … those of the inner knots' functions (see
`spline_basis`); with one degree of freedom the three scales are the Weibull, log-logistic and log-normal.
Knots are at the least and greatest log time of those with the event and at equally spaced centiles between.

Delayed entry divides by S at entry. The likelihood is maximised by Newton's method with exact second
derivatives, and the maximum certified. The covariance is the inverse observed information, or the robust one
with `cluster` or with weights that are not frequencies. The spline is not forced to rise: a check says
whether the fitted hazard is above 0 at every observed time.

When not to use it: beyond the last event, where the curve goes on as a straight line in log time because it
must go on somehow (marked, as all extrapolation); with few events for each degree of freedom; where another
event competes and the question is how many are ever revised.

Sources: Royston & Parmar (2002), Stat Med 21:2175; Royston & Lambert (2011), Flexible Parametric Survival
Analysis Using Stata; Jackson (2016), J Stat Softw 70(8).

Checked against: likelihoods of our own in R maximised by optim, R survreg where they coincide, and figures
published with flexsurv and Stata's stpm, in tests/reference/parametric.
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
from soa_evidence.survival import columns, observations, spline_basis
from soa_evidence.survival.cox_rows import Design
from soa_evidence.survival.likelihood_checks import checks_of, robust_covariance
from soa_evidence.survival.newton import Maximum, maximise
from soa_evidence.survival.observations import Observations
from soa_evidence.survival.orthogonal import orthogonalise, refuse_no_events
from soa_evidence.survival.records import WeightsAre, choice, prepare_level
from soa_evidence.survival.royston_parmar_likelihood import (
    LAW_OF,
    SplineDesign,
    SplineLikelihood,
    evaluator,
    lowest_slope,
)
from soa_evidence.survival.smooth_model import SmoothModel, distinct
from soa_evidence.survival.standardised_survival import Standardised

__all__ = ["RoystonParmarResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "survival.royston_parmar"
Scale = Literal["hazard", "odds", "normal"]
EFFECT = {"hazard": "log hazard ratio", "odds": "log odds ratio", "normal": "difference in probits"}
FEW_EVENTS = 5  # events for each degree of freedom of the spline, below which it is refused


@dataclass(frozen=True, eq=False, kw_only=True)
class RoystonParmarResult:
    """A fitted flexible parametric model.

    Attributes
    ----------
    scale : str
    coefficients : Estimates
        gamma0, gamma1, …, the covariates, and ``"term × log time 1"``, … for those that vary with time.
    effects : Estimates or None
        The covariates alone; of one that varies with time, its value where log time is 0 and the spline 0:
        look at `model.hazard_ratio` instead.
    knots : array of shape (df + 1,)
        In log time.
    time_varying_knots : dict of arrays
    model_covariance, robust_covariance : arrays of shape (p, p)
        The robust one is None where not asked for.
    log_likelihood, aic, bic : float
        Of the times as given; BIC with the number of events.
    rows : int
    events, last_time : float
    checks : tuple of Check
    model : SmoothModel
        What predictions are made from.
    """

    scale: Scale
    coefficients: Estimates
    effects: Estimates | None
    knots: FloatArray
    time_varying_knots: dict[str, FloatArray]
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

    def survival(
        self,
        profiles: pd.DataFrame | None = None,
        times: Sequence[float] | None = None,
        level: float | None = None,
    ) -> dict[str, Curve]:
        """Return survival for each row of `profiles`; the rest is on `model` (hazard, hazard_ratio, …)."""
        return self.model.survival(profiles, times, level)

    def standardised(self, by: str, values: Sequence[object] | None = None) -> Standardised:
        """Return the groups of the covariate `by` at the case mix of the data (g-computation)."""
        return self.model.standardised(by, values)

    def __repr__(self) -> str:
        return (
            f"Royston-Parmar model, {self.scale} scale, {len(self.knots) - 1} degrees of freedom, "
            f"{self.events:g} events in {self.rows} rows, AIC {self.aic:.2f}\n{self.coefficients!r}"
        )

    def _repr_html_(self) -> str:
        shown = self.coefficients if self.effects is None else self.effects
        table = shown.table().to_html(index=False)
        return (
            f"<p><strong>{shown.estimand}</strong></p>{table}{checks_frame(self.checks).to_html(index=False)}"
        )


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    entry: str | None = None,
    weights: str | None = None,
    weights_are: WeightsAre = "frequency",
    covariates: str | Sequence[str] = (),
    scale: Scale = "hazard",
    df: int = 4,
    knots: Sequence[float] | None = None,
    time_varying: Mapping[str, int] | None = None,
    cluster: str | None = None,
    reference: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> RoystonParmarResult:
    """Fit a flexible parametric model.

    Parameters
    ----------
    frame, time, event, entry, weights, weights_are
        As in `kaplan_meier.fit`; times above 0.
    covariates
        Columns: numbers as they are, text and categories as indicators.
    scale
        ``"hazard"``, ``"odds"`` or ``"normal"``.
    df
        Degrees of freedom of the spline: its inner knots plus 1.
    knots
        Instead of `df`: all knots, in the unit of `time`, the first and last being the boundaries.
    time_varying
        Covariates whose effect changes with log time, and the degrees of freedom of the change.
    cluster
        Column that says which rows are not independent; gives the robust covariance.
    reference
        Reference level of a covariate; the commonest where not given.
    level
        Coverage of predictions where none is asked for.

    Raises
    ------
    InputError
        On rows that are not what is expected; time 0; no events; all events at one time; fewer than 5 events
        for each degree of freedom; knots out of order or beyond the events; a level without events;
        covariates that determine one another; and where the likelihood has no maximum.
    """
    choice("scale", scale, get_args(Scale))
    prepare_level(level)
    covariates, varying = columns.as_list(covariates), dict(time_varying or {})
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
    columns.refuse(
        frame,
        time,
        rows.lower <= 0,
        "the spline is one of log time, which time 0 does not have; give the day of the operation half a "
        "day, or leave such rows out and say so",
    )
    for name in varying:
        if name not in covariates:
            raise InputError(f"time_varying= names '{name}', no covariate.{nearest(name, covariates)}")
    chosen = _knots(rows, df, knots, "df")
    design = SplineDesign(
        design=Design.of(frame, covariates, reference or {}),
        knots=chosen,
        varying={name: _knots(rows, d, None, f"time_varying['{name}']") for name, d in varying.items()},
    )
    if int(rows.happened.sum()) < len(design.names):
        raise InputError(
            f"There are {int(rows.happened.sum())} events for {len(design.names)} coefficients; expected "
            "more events than that. Use fewer degrees of freedom or covariates."
        )
    refuse_no_events(
        np.column_stack([*design.design.encode(frame), np.ones(len(frame))]),
        [*design.design.terms, "constant"],
        rows.happened,
    )
    return _result(frame, rows, design, scale, level)


def _knots(rows: Observations, df: int, knots: Sequence[float] | None, what: str) -> FloatArray:
    """Return knots in log time, refusing those that the events cannot carry."""
    had = rows.happened
    log_time = np.log(rows.lower[had])
    distinct_times = len(np.unique(log_time))
    if distinct_times < 2:
        raise InputError(
            f"All events are at one time ({rows.lower[had][0]:g}), so no curve can be fitted through them. "
            "Are the times rounded too far?"
        )
    if knots is None:
        if isinstance(df, bool) or df != int(df) or df < 1:
            raise InputError(f"{what} is {df}; expected a whole number of degrees of freedom, 1 or more.")
        weight = rows.weight[had] if rows.weights_are == "frequency" else np.ones(int(had.sum()))
        found = spline_basis.knots_at_centiles(log_time, int(df), weight)
        advice = f"{what} is {df}"
    else:
        given = np.asarray(list(knots), dtype=float)
        if len(given) < 2 or not np.isfinite(given).all() or (given <= 0).any():
            raise InputError("knots must be at least two finite times above 0, boundaries first and last.")
        if (np.diff(given) <= 0).any():
            raise InputError("knots must increase strictly.")
        if given[-1] <= rows.lower[had].min() or given[0] >= rows.lower[had].max():
            raise InputError(
                f"knots lie from {given[0]:g} to {given[-1]:g}, but events from {rows.lower[had].min():g} to "
                f"{rows.lower[had].max():g}; expected them in the unit of time, not its logarithm."
            )
        found, advice = np.log(given), f"knots gives {len(given) - 1} degrees of freedom"
    if (len(found) - 1) * FEW_EVENTS > int(had.sum()) and len(found) > 2:
        raise InputError(
            f"{advice} for {int(had.sum())} events; expected at least {FEW_EVENTS} events for each degree of "
            "freedom. Use fewer."
        )
    if (np.diff(found) <= 1e-10).any():
        raise InputError(
            f"{advice}, but the events have {distinct_times} distinct times and two knots coincide. Use "
            "fewer degrees of freedom, or give knots= yourself."
        )
    return found


def _result(
    frame: pd.DataFrame, rows: Observations, design: SplineDesign, scale: Scale, level: float
) -> RoystonParmarResult:
    found, likelihood, back = _search(frame, rows, design, scale)
    robust = None
    if rows.cluster is not None:
        robust = (
            back @ robust_covariance(likelihood.scores(found.at), rows.cluster, found.covariance) @ back.T
        )
    beta, covariance = back @ found.at, back @ found.covariance @ back.T
    in_force = covariance if robust is None else robust
    in_force = (in_force + in_force.T) / 2
    checks = (*checks_of(found, rows.events, len(beta), rows.cluster), _positive(likelihood, found.at))
    coefficients = Estimates(
        estimand=f"coefficient of the Royston-Parmar model, {scale} scale",
        labels=design.names,
        unit=EFFECT[scale],
        method=METHOD,
        mean=beta,
        covariance=in_force,
        interval="confidence",
        checks=checks,
    )
    terms = design.design.terms
    effects = coefficients.select(terms) if terms else None
    patterns, pattern_weight = distinct(frame, design.design.covariates, rows.weight)
    knots = {float(np.exp(k)) for ks in (design.knots, *design.varying.values()) for k in ks}
    return RoystonParmarResult(
        scale=scale,
        coefficients=coefficients,
        effects=None
        if effects is None
        else Estimates(
            estimand=EFFECT[scale],
            labels=terms,
            unit=EFFECT[scale],
            method=METHOD,
            mean=effects.mean,
            covariance=effects.covariance,
            interval="confidence",
            checks=checks,
        ),
        knots=design.knots,
        time_varying_knots=dict(design.varying),
        model_covariance=covariance,
        robust_covariance=robust,
        log_likelihood=found.log_likelihood,
        aic=2 * len(beta) - 2 * found.log_likelihood,
        bic=len(beta) * float(np.log(rows.events)) - 2 * found.log_likelihood,
        rows=len(rows),
        events=rows.events,
        last_time=rows.last,
        checks=checks,
        model=SmoothModel(
            method=METHOD,
            covariance=in_force,
            covariates=design.design.covariates,
            evaluate=evaluator(design, beta, scale),
            patterns=patterns,
            pattern_weight=pattern_weight,
            at_risk=rows.at_risk,
            events_up_to=rows.events_up_to,
            last_time=rows.last,
            kinks=tuple(sorted(knots)),
            level=level,
            checks=checks,
        ),
    )


def _search(
    frame: pd.DataFrame, rows: Observations, design: SplineDesign, scale: Scale
) -> tuple[Maximum, SplineLikelihood, FloatArray]:
    """Return the maximum on orthogonal columns, its likelihood, and the matrix that leads back."""
    covariates = design.design.encode(frame)
    X, slope = design.columns(covariates, np.log(rows.lower))
    late = np.flatnonzero(rows.entry > 0)
    before = np.empty((0, X.shape[1]))
    if len(late):
        before, _ = design.columns([column[late] for column in covariates], np.log(rows.entry[late]))
    R = orthogonalise(X, design.names)
    inverse = np.linalg.inv(R)
    likelihood = SplineLikelihood(
        law=LAW_OF[scale],
        rows=rows,
        X=X @ inverse,
        slope=slope @ inverse,
        late=late,
        before=before @ inverse,
    )
    start = R @ _start(rows, design, scale)
    size = np.sqrt(np.mean(X**2, axis=0))
    return (
        maximise(likelihood.evaluate, start, design.names, lambda step: (inverse @ step) * size),
        likelihood,
        inverse,
    )


def _start(rows: Observations, design: SplineDesign, scale: Scale) -> FloatArray:
    """Return the coefficients without covariates and with one degree of freedom, from a flat hazard."""
    x = np.log(rows.lower)
    late = np.flatnonzero(rows.entry > 0)
    one = np.ones(len(rows))
    X = np.column_stack([one, x])
    R = orthogonalise(X, ("gamma0", "gamma1"))
    inverse = np.linalg.inv(R)
    before = np.column_stack([one[late], np.log(rows.entry[late])])
    likelihood = SplineLikelihood(
        law=LAW_OF[scale],
        rows=rows,
        X=X @ inverse,
        slope=np.column_stack([0 * one, one]) @ inverse,
        late=late,
        before=before @ inverse,
    )
    rate = rows.events / float(rows.weight @ (rows.lower - rows.entry))
    found = maximise(likelihood.evaluate, R @ np.array([np.log(rate), 1.0]), ("gamma0", "gamma1"))
    start = np.zeros(len(design.names))
    start[:2] = inverse @ found.at
    return start


def _positive(likelihood: SplineLikelihood, at: FloatArray) -> Check:
    lowest, when = lowest_slope(likelihood, at)
    return Check(
        name="lowest slope of the fitted curve in log time, over all rows",
        verdict="pass" if lowest > 0 else "fail",
        observed=f"{lowest:.3g} at time {when:g}",
        expected="above 0",
        why="where it is not above 0 the hazard is negative and survival rises, which cannot be",
    )
