"""Shared frailty: Cox regression in which each unit multiplies the hazard by a factor of its own.

    hazard(t | x, unit i) = h0(t) u_i exp(x'b)
    gamma        u_i ~ Gamma, mean 1, variance theta
    log-normal   u_i = exp(w_i), w_i ~ Normal(0, theta)

theta is the variance of the frailty (gamma) or of its log (log-normal); 0 means that units do not differ
beyond chance. exp(b) is the ratio of hazards between two people of the *same* unit (or of units with one
frailty).

Coefficients, frailties and theta are at the maximum of the marginal likelihood (gamma: exact, the frailties
integrated out; log-normal: Laplace's approximation to that integral, at the coefficients that maximise the
penalised likelihood, the criterion of R's coxme). Standard errors include what is not known about theta.
theta has profile-likelihood limits. That units differ at all is tested by the likelihood ratio against the
even mixture of 0 and chi² with one degree of freedom, as theta cannot be below 0.

When not to use it: to compare *classes* of unit with few units each (the units, not the patients, are the
sample: see `units`); where units differ because their patients do and case mix is not in the model; for
thousands of units of one or two rows, where a robust standard error (`cox.fit(cluster=)`) asks less. With
delayed entry the frailties are those of units as observed: selection of frail patients before entry is not
modelled.

Sources: Nielsen et al (1992), Scand J Stat 19:25; Therneau, Grambsch & Pankratz (2003), J Comput Graph Stat
12:156, equations 8-12; Ripatti & Palmgren (2000), Biometrics 56:1016; Self & Liang (1987), JASA 82:605.

Checked against: R survival::coxph with frailty(), and Laplace's criterion built from it, in
tests/reference/frailty; coverage in tests/calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import TABLE_COLUMNS, Check, Estimates, checks_frame
from soa_evidence.survival import columns, frailty_checks
from soa_evidence.survival.cox import CoxTies
from soa_evidence.survival.cox_newton import maximise
from soa_evidence.survival.cox_rows import Design, sort_rows
from soa_evidence.survival.frailty_likelihood import Distribution, Penalised, Point
from soa_evidence.survival.frailty_profile import Profile
from soa_evidence.survival.records import choice, prepare, prepare_level

__all__ = ["FrailtyResult", "fit"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
METHOD = "survival.frailty"
#: Units whose joint covariance still fits memory and patience (log-normal needs it at every variance tried).
MOST_UNITS = {"gamma": 5000, "log_normal": 2000}


@dataclass(frozen=True, eq=False, kw_only=True)
class FrailtyResult:
    """A fitted shared frailty model.

    Attributes
    ----------
    log_hazard_ratio : Estimates
        Within a unit, the uncertainty of theta included; ``.table(transform="exp")`` gives hazard ratios.
    log_hazard_ratio_no_frailty : Estimates
        The same covariates in a Cox model without frailty, for comparison.
    variance : Estimates
        theta, with its standard error from the curvature of the profile likelihood (at 0: that which puts the
        upper normal limit at the profile's). For limits use `variance_table`.
    variance_limits : tuple of float
        Profile-likelihood limits at `level`.
    log_frailty : Estimates or None
        Log frailty of each unit, with the joint covariance that includes coefficients, baseline and theta;
        None where theta is 0 and all frailties are 1.
    counts : DataFrame
        unit, rows, events, expected (events at the unit's covariates and follow-up with a frailty of 1).
    test : DataFrame
        Of no difference between units: statistic, p_value (mixture of 0 and chi² with 1 degree of freedom).
    log_likelihood, log_likelihood_no_frailty : float
        Marginal log likelihood; log partial likelihood without frailty.
    distribution, level, evaluations, checks
    """

    log_hazard_ratio: Estimates
    log_hazard_ratio_no_frailty: Estimates
    variance: Estimates
    variance_limits: tuple[float, float]
    log_frailty: Estimates | None
    counts: pd.DataFrame
    test: pd.DataFrame
    log_likelihood: float
    log_likelihood_no_frailty: float
    distribution: Distribution
    level: float
    evaluations: int
    checks: tuple[Check, ...]

    @property
    def theta(self) -> float:
        """Variance of the frailty."""
        return float(np.asarray(self.variance.mean)[0])

    def variance_table(self) -> pd.DataFrame:
        """Return theta with its profile-likelihood limits, in the shape of `Estimates.table`."""
        lower, upper = self.variance_limits
        return self.variance.table(self.level).assign(lower=lower, upper=upper)

    def units(self, level: float = 0.95) -> pd.DataFrame:
        """Return each unit's frailty: how many times the hazard of the average unit it has.

        Returns
        -------
        DataFrame
            As `Estimates.table` (std_error of the log), and rows, events, expected. Limits: gamma, quantiles
            of the gamma distribution with the frailty as mean and the error of its log; log-normal, normal on
            the log scale. They shrink towards 1 with the estimate. Without limits (NaN) where theta is 0.
        """
        from scipy.stats import gamma, norm

        prepare_level(level)
        tail = (1 - level) / 2
        if self.log_frailty is None:
            frailty = np.ones(len(self.counts))
            error = lower = upper = np.full(len(frailty), np.nan)
        else:
            frailty = np.exp(np.asarray(self.log_frailty.mean))
            error = np.sqrt(np.diag(np.asarray(self.log_frailty.covariance)))
            if self.distribution == "gamma":
                shape = 1 / error**2
                lower, upper = (frailty * gamma.ppf(q, shape) / shape for q in (tail, 1 - tail))
            else:
                z = norm.isf(tail)
                lower, upper = frailty * np.exp(-z * error), frailty * np.exp(z * error)
        table = pd.DataFrame(
            {
                "estimand": "frailty of the unit",
                "label": self.counts["unit"],
                "estimate": frailty,
                "std_error": error,
                "lower": lower,
                "upper": upper,
                "level": level,
                "interval": "confidence",
            },
            columns=TABLE_COLUMNS,
        )
        return table.assign(**{name: self.counts[name] for name in ("rows", "events", "expected")})

    def __repr__(self) -> str:
        lower, upper = self.variance_limits
        kind = self.distribution.replace("_", "-")
        events, units = int(self.counts["events"].sum()), len(self.counts)
        return (
            f"Cox model with {kind} frailty of {units} units, {events} events; variance {self.theta:.3g} "
            f"({lower:.3g} to {upper:.3g}), p = {self.test['p_value'].iloc[0]:.2g} for none\n"
            f"{self.log_hazard_ratio!r}"
        )

    def _repr_html_(self) -> str:
        parts = {
            "Hazard ratios within a unit": self.log_hazard_ratio.table(transform="exp"),
            "Variance of the frailty": self.variance_table(),
            "Checks": checks_frame(self.checks),
        }
        return "".join(
            f"<p><strong>{title}</strong></p>{table.to_html(index=False)}" for title, table in parts.items()
        )


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    unit: str,
    covariates: Sequence[str] = (),
    distribution: Distribution = "gamma",
    entry: str | None = None,
    strata: str | Sequence[str] | None = None,
    ties: CoxTies = "efron",
    reference: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> FrailtyResult:
    """Fit a shared frailty model.

    Parameters
    ----------
    frame, time, event, entry, strata, ties, reference
        As in `cox.fit`.
    unit
        Column whose values share a frailty: hospital, surgeon, person.
    covariates
        Columns: numbers, or text and categories taken as indicators; may be empty.
    distribution
        Of the frailty: ``"gamma"`` or ``"log_normal"``.
    level
        Coverage of the limits of theta.

    Raises
    ------
    InputError
        See `cox.fit`; also with one unit, with each unit in a stratum of its own, with more units than
        `MOST_UNITS`, and where the likelihood rises with theta without end.
    """
    choice("distribution", distribution, get_args(Distribution))
    choice("ties", ties, get_args(CoxTies))
    prepare_level(level)
    covariates = columns.as_list(covariates)
    columns.require(frame, [time, event, unit, *covariates])
    records = prepare(frame, time=time, event=event, entry=entry, strata=strata)
    if not (records.cause > 0).any():
        raise InputError(f"Column '{event}' has no event in any row, so no hazard can be compared.")
    codes, labels = columns.factorise(frame, [unit])
    _refuse_units(unit, codes, records.stratum, len(labels), distribution)
    design = Design.of(frame, covariates, reference or {})
    rows = sort_rows(records, design.encode(frame), design.terms)
    mine = codes[rows.order]
    model = Penalised(
        rows=rows,
        unit=mine,
        deaths=np.bincount(mine, weights=rows.died.astype(float), minlength=len(labels)),
        efron=ties == "efron",
        kind=distribution,
    )
    return _result(model, design.terms, labels, level)


def _refuse_units(unit: str, codes: IntArray, stratum: IntArray, count: int, distribution: str) -> None:
    if count < 2:
        raise InputError(
            f"Column '{unit}' holds one unit only; a frailty needs at least two, to differ between them."
        )
    if count > MOST_UNITS[distribution]:
        raise InputError(
            f"Column '{unit}' holds {count:,} units; {distribution} frailties are given for at most "
            f"{MOST_UNITS[distribution]:,}. For rows that are not independent use cox.fit(cluster='{unit}')."
        )
    pairs = np.unique(stratum * count + codes) // count
    if np.bincount(pairs).max() < 2:
        raise InputError(
            f"Each stratum holds one value of '{unit}' only, so its frailty cannot be told from the "
            "stratum's baseline hazard; leave strata out, or use cox.fit."
        )


def _result(model: Penalised, terms: tuple[str, ...], labels: tuple[str, ...], level: float) -> FrailtyResult:
    from scipy.stats import chi2, norm

    rows = model.rows
    alone, alone_covariance, at_zero, gaps = _without_frailty(model, terms)
    profile = _profile(model, alone, at_zero)
    top = profile.maximum()
    curvature = np.nan if top is None else profile.curvature(top)
    limits = profile.limits(top, curvature, chi2.ppf(level, 1) / 2)
    checks = frailty_checks.checks(model, top, curvature, limits, gaps)
    scale = np.outer(rows.scale, rows.scale)
    if top is None:
        x, covariance = profile.x_zero, np.zeros((0, 0))
        within, frailties = alone_covariance, None
        theta, likelihood = 0.0, at_zero
        error = limits[1] / norm.isf((1 - level) / 2)
    else:
        x, covariance = top.x, _joint_covariance(model, top, curvature)
        within = covariance[: model.p, : model.p]
        theta, likelihood, error = top.theta, top.likelihood, top.theta / np.sqrt(curvature)
        frailties = _estimates(
            "log frailty of the unit", labels, x[model.p :], covariance[model.p :, model.p :], checks
        )
    statistic = max(2 * (likelihood - at_zero), 0.0)
    return FrailtyResult(
        log_hazard_ratio=_estimates(
            "log hazard ratio within a unit", terms, x[: model.p] / rows.scale, within / scale, checks
        ),
        log_hazard_ratio_no_frailty=_estimates(
            "log hazard ratio, no frailty", terms, alone / rows.scale, alone_covariance / scale, checks
        ),
        variance=_estimates(
            "variance of the frailty" if model.kind == "gamma" else "variance of the log frailty",
            ("units",),
            np.array([theta]),
            np.array([[min(error, 1e150) ** 2]]),
            checks,
            "variance",
        ),
        variance_limits=limits,
        log_frailty=frailties,
        counts=_counts(model, x, labels),
        test=pd.DataFrame(
            {
                "test": ["likelihood ratio, variance 0"],
                "statistic": [statistic],
                "p_value": [float(chi2.sf(statistic, 1)) / 2 if statistic > 0 else 1.0],
            }
        ),
        log_likelihood=likelihood,
        log_likelihood_no_frailty=at_zero,
        distribution=model.kind,
        level=level,
        evaluations=profile.evaluations,
        checks=checks,
    )


def _without_frailty(model: Penalised, terms: tuple[str, ...]) -> tuple[FloatArray, FloatArray, float, float]:
    """Coefficients, covariance and likelihood of the Cox model, and its smallest eigenvalue."""
    if not terms:
        swept = model.sweep(np.zeros(len(model.deaths)))
        if swept is None:  # no weights and no covariates: nothing can overflow
            raise InputError("The partial likelihood overflows.")
        return np.zeros(0), np.zeros((0, 0)), swept.likelihood, 1.0
    found = maximise(model.rows, terms, efron=model.efron)
    return found.beta, found.covariance, found.likelihood, found.smallest_eigenvalue


def _profile(model: Penalised, alone: FloatArray, at_zero: float) -> Profile:
    x = np.concatenate([alone, np.zeros(len(model.deaths))])
    swept = model.sweep(x)
    if swept is None:
        raise InputError("The partial likelihood overflows at its maximum; rescale the covariates.")
    excess = model.gradient(swept)[model.p :]
    chance = float(model.deaths.sum())
    if model.kind == "log_normal":
        chance = float(np.trace(model.information(swept)[model.p :, model.p :]))
    slope = (float(excess @ excess) - chance) / 2
    expected = model.deaths - excess
    first = float(np.clip(2 * slope / (expected @ expected), 1e-4, 2.0))  # as the method of moments has it
    return Profile(model=model, at_zero=at_zero, x_zero=x, slope_at_zero=slope, first=first)


def _joint_covariance(model: Penalised, top: Point, curvature: float) -> FloatArray:
    """Covariance of coefficients and log frailties: at the theta found, and from theta's own error."""
    inverse = model.inverse(top)
    drift = inverse[:, model.p :] @ model.penalty(top.x[model.p :], top.theta)[1]
    return inverse + np.outer(drift, drift) / curvature


def _counts(model: Penalised, x: FloatArray, labels: tuple[str, ...]) -> pd.DataFrame:
    swept = model.sweep(x)
    if swept is None:  # it did not overflow on the way to this maximum
        raise InputError("The partial likelihood overflows at its maximum; rescale the covariates.")
    hazard_run = model.deaths - model.gradient(swept)[model.p :]
    return pd.DataFrame(
        {
            "unit": list(labels),
            "rows": np.bincount(model.unit, minlength=len(labels)),
            "events": model.deaths,
            "expected": hazard_run / np.exp(x[model.p :]),
        }
    )


def _estimates(
    estimand: str,
    labels: tuple[str, ...],
    mean: FloatArray,
    covariance: FloatArray,
    checks: tuple[Check, ...],
    unit: str = "log hazard ratio",
) -> Estimates:
    return Estimates(
        estimand=estimand,
        labels=labels,
        unit=unit,
        method=METHOD,
        mean=mean,
        covariance=(covariance + covariance.T) / 2,
        interval="confidence",
        checks=checks,
    )
