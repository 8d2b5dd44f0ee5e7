"""Regression of incidence rates: by what factor events per year differ, other things equal.

    events ~ Poisson or negative binomial with mean  mu = years × exp(x'b)
    Poisson            variance mu
    negative binomial  variance mu + alpha mu²      (alpha 0 is Poisson)

exp(b) is the ratio of rates for one unit more of a covariate, or for the level against the reference. With
one categorical covariate the Poisson rates are those of `rates` (its prosthesis-time incidence rates), group
by group. alpha is how much rows differ beyond chance and covariates: the squared coefficient of variation of
their true rates. It has profile-likelihood limits, and the likelihood ratio against Poisson is referred to
the even mixture of 0 and chi² with one degree of freedom. Standard errors are the model's (expected
information); with `cluster`, the robust ones, V D'D V with D the scores summed by cluster, without small-
sample correction.

When not to use it: where the hazard changes with time and groups are followed for different lengths (split
rows by years since the operation and make that a covariate); on rows of single people with 0 or 1 event,
where the Pearson statistic says nothing and negative binomial has nothing to learn alpha from; to rank units
(see `units`).

Sources: McCullagh & Nelder (1989), Generalized Linear Models, chapter 6; Lawless (1987), Can J Stat 15:209;
Self & Liang (1987), JASA 82:605.

Checked against: R glm, MASS::glm.nb and sandwich::vcovCL in tests/reference/rate_regression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.survival import columns, rate_checks
from soa_evidence.survival.cox_rows import Design
from soa_evidence.survival.rate_likelihood import Counts, alpha_limits, maximise
from soa_evidence.survival.records import choice, prepare_level

__all__ = ["Family", "RateRegressionResult", "fit"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
METHOD = "survival.rate_regression"
Family = Literal["poisson", "negative_binomial"]
BASELINE = "baseline"


@dataclass(frozen=True, eq=False, kw_only=True)
class RateRegressionResult:
    """A fitted regression of rates.

    Attributes
    ----------
    log_rate_ratio : Estimates
        ``.table(transform="exp")`` gives rate ratios.
    coefficients : Estimates
        The same, preceded by "baseline": the log rate a year at covariates 0 and reference levels.
    alpha : Estimates or None
        Over-dispersion (negative binomial only), standard error from the curvature of the profile likelihood
        (at 0: that which puts the upper normal limit at the profile's). For limits use `alpha_limits`.
    alpha_limits : tuple of float or None
        Profile-likelihood limits at `level`.
    test : DataFrame or None
        Likelihood ratio of negative binomial against Poisson: statistic, p_value (mixture).
    pearson, degrees_of_freedom
        Pearson's chi² and rows less coefficients; their ratio is the dispersion.
    log_likelihood : float
    events, years, rows
    family, level, checks
    design, frame_columns
        What predictions are made from.
    """

    log_rate_ratio: Estimates
    coefficients: Estimates
    alpha: Estimates | None
    alpha_limits: tuple[float, float] | None
    test: pd.DataFrame | None
    pearson: float
    degrees_of_freedom: int
    log_likelihood: float
    events: float
    years: float
    rows: int
    family: Family
    level: float
    checks: tuple[Check, ...]
    design: Design
    frame_columns: pd.DataFrame

    @property
    def dispersion(self) -> float:
        """Pearson's chi² over its degrees of freedom: about 1 where counts vary as the model says."""
        return self.pearson / self.degrees_of_freedom if self.degrees_of_freedom else np.nan

    def log_rates(self, profiles: pd.DataFrame, *, per: float = 100.0) -> Estimates:
        """Return the log of the rate predicted for each row of `profiles`, labelled by its index.

        ``.table(transform="exp")`` gives events per `per` years.
        """
        _refuse_per(per)
        columns.require(profiles, list(self.design.covariates))
        X = _with_intercept(self.design.encode(profiles), len(profiles))
        covariance = X @ np.asarray(self.coefficients.covariance) @ X.T
        return Estimates(
            estimand="log rate",
            labels=tuple(str(label) for label in profiles.index),
            unit=f"log of events per {per:,g} years",
            method=METHOD,
            mean=X @ np.asarray(self.coefficients.mean) + np.log(per),
            covariance=(covariance + covariance.T) / 2,
            interval="confidence",
            checks=self.checks,
        )

    def standardised(self, by: str, *, per: float = 100.0) -> Estimates:
        """Return the log of the rate there would be if everyone had each level of `by`, all else as it is.

        The average over the rows of the fit, weighted by their years; errors by the delta method, the rows as
        they are. ``.table(transform="exp")`` gives events per `per` years.

        Raises
        ------
        InputError
            Where `by` is not a covariate with levels.
        """
        _refuse_per(per)
        if by not in self.design.levels:
            raise InputError(
                f"'{by}' is not a covariate with levels, so there is nothing to set everyone to; covariates "
                f"with levels: {', '.join(self.design.levels) or 'none'}."
            )
        beta = np.asarray(self.coefficients.mean)
        share = self.frame_columns["years"].to_numpy() / self.years
        covariates = self.frame_columns.drop(columns="years")
        means, slopes = [], []
        for level in self.design.levels[by]:
            X = _with_intercept(self.design.encode(covariates.assign(**{by: level})), self.rows)
            rate = share * np.exp(X @ beta)
            means.append(np.log(rate.sum()) + np.log(per))
            slopes.append(rate @ X / rate.sum())
        J = np.array(slopes)
        covariance = J @ np.asarray(self.coefficients.covariance) @ J.T
        return Estimates(
            estimand="log standardised rate",
            labels=self.design.levels[by],
            unit=f"log of events per {per:,g} years",
            method=METHOD,
            mean=np.array(means),
            covariance=(covariance + covariance.T) / 2,
            interval="confidence",
            checks=self.checks,
        )

    def alpha_table(self) -> pd.DataFrame:
        """Return alpha with its profile-likelihood limits, in the shape of `Estimates.table`."""
        if self.alpha is None or self.alpha_limits is None:
            raise InputError("A Poisson model has no over-dispersion alpha; fit family='negative_binomial'.")
        lower, upper = self.alpha_limits
        return self.alpha.table(self.level).assign(lower=lower, upper=upper)

    def __repr__(self) -> str:
        kind = self.family.replace("_", " ")
        return (
            f"{kind} regression, {self.events:g} events in {self.years:,.6g} years, {self.rows} rows, "
            f"dispersion {self.dispersion:.3g}\n{self.log_rate_ratio!r}"
        )

    def _repr_html_(self) -> str:
        table = self.log_rate_ratio.table(transform="exp").to_html(index=False)
        more = "" if self.alpha is None else self.alpha_table().to_html(index=False)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>Rate ratios</strong></p>{table}{more}{checks}"


def fit(
    frame: pd.DataFrame,
    *,
    events: str,
    years: str,
    covariates: Sequence[str],
    family: Family = "poisson",
    cluster: str | None = None,
    reference: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> RateRegressionResult:
    """Fit a regression of rates.

    Parameters
    ----------
    frame
        One row a person, a unit, or a cell of people alike.
    events
        Events in that time: whole numbers, 0 or more.
    years
        Time under observation, above 0.
    covariates
        Columns: numbers, or text and categories taken as indicators.
    family
        ``"poisson"`` or ``"negative_binomial"``.
    cluster
        Column that says which rows are not independent; gives the robust standard error.
    reference
        Reference level of a covariate; the commonest where not given.
    level
        Coverage of the limits of alpha.

    Raises
    ------
    InputError
        On a missing column or value, no events, a level without events, a row without time, covariates that
        do not vary or that determine one another, and a likelihood without a maximum.
    """
    choice("family", family, get_args(Family))
    prepare_level(level)
    covariates = columns.as_list(covariates)
    if not covariates:
        raise InputError("covariates is empty; expected at least one column (for none: rates).")
    more = [] if cluster is None else [cluster]
    columns.require(frame, [events, years, *covariates, *more])
    y = columns.numbers(frame, events, "a count of events", allow_bool=True)
    columns.refuse(
        frame, events, (y < 0) | (y != np.floor(y)), "expected a whole number of events, 0 or more"
    )
    time = columns.numbers(frame, years, "years of observation")
    columns.refuse(
        frame, years, time <= 0, "time under observation must be above 0: without it there is no rate"
    )
    if y.sum() == 0:
        raise InputError(f"Column '{events}' has no event in any row, so no rates can be compared.")
    design = Design.of(frame, covariates, reference or {})
    encoded = design.encode(frame)
    rate_checks.refuse_levels_without_events(frame, design, encoded, y)
    X, back = rate_checks.standardise(design.terms, encoded)
    counts = Counts(events=y, years=time, X=X)
    clusters = _clusters(frame, cluster)
    return _result(counts, design, frame, family, clusters, back, level)


def _clusters(frame: pd.DataFrame, cluster: str | None) -> IntArray | None:
    if cluster is None:
        return None
    codes, _ = columns.factorise(frame, [cluster])
    if codes.max() == 0:
        raise InputError(f"Column '{cluster}' puts all rows in one cluster; expected at least two.")
    return codes


def _result(
    counts: Counts,
    design: Design,
    frame: pd.DataFrame,
    family: Family,
    clusters: IntArray | None,
    back: FloatArray,
    level: float,
) -> RateRegressionResult:
    from scipy.stats import chi2, norm

    poisson = counts.at(0.0)
    top, curvature = poisson, np.nan
    limits, error, test = None, np.nan, None
    if family == "negative_binomial":
        top, curvature = maximise(counts, poisson)
        limits = alpha_limits(counts, poisson, top, chi2.ppf(level, 1) / 2)
        error = (
            limits[1] / norm.isf((1 - level) / 2) if np.isnan(curvature) else top.alpha / np.sqrt(curvature)
        )
        statistic = max(2 * (top.likelihood - poisson.likelihood), 0.0)
        p_value = float(chi2.sf(statistic, 1)) / 2 if statistic > 0 else 1.0
        test = pd.DataFrame(
            {
                "test": ["likelihood ratio, negative binomial against Poisson"],
                "statistic": [statistic],
                "p_value": [p_value],
            }
        )
    covariance = top.covariance
    if clusters is not None:
        scores = counts.X * ((counts.events - top.mu) / (1 + top.alpha * top.mu))[:, None]
        summed = np.column_stack(
            [np.bincount(clusters, weights=scores[:, j]) for j in range(scores.shape[1])]
        )
        covariance = covariance @ (summed.T @ summed) @ covariance
    covariance = back @ covariance @ back.T
    beta = back @ top.beta
    pearson = float(((counts.events - top.mu) ** 2 / (top.mu * (1 + top.alpha * top.mu))).sum())
    dof = len(counts.events) - len(beta)
    checks = rate_checks.checks(counts, top, pearson, dof, clusters, limits)

    def estimates(
        estimand: str, labels: tuple[str, ...], mean: FloatArray, cov: FloatArray, unit: str
    ) -> Estimates:
        return Estimates(
            estimand=estimand,
            labels=labels,
            unit=unit,
            method=METHOD,
            mean=mean,
            covariance=(cov + cov.T) / 2,
            interval="confidence",
            checks=checks,
        )

    return RateRegressionResult(
        log_rate_ratio=estimates(
            "log rate ratio", design.terms, beta[1:], covariance[1:, 1:], "log rate ratio"
        ),
        coefficients=estimates(
            "coefficients of the log rate a year", (BASELINE, *design.terms), beta, covariance, "log rate"
        ),
        alpha=None
        if limits is None
        else estimates(
            "over-dispersion",
            ("alpha",),
            np.array([top.alpha]),
            np.array([[min(error, 1e150) ** 2]]),
            "alpha",
        ),
        alpha_limits=limits,
        test=test,
        pearson=pearson,
        degrees_of_freedom=dof,
        log_likelihood=top.likelihood,
        events=float(counts.events.sum()),
        years=float(counts.years.sum()),
        rows=len(counts.events),
        family=family,
        level=level,
        checks=checks,
        design=design,
        frame_columns=frame[list(design.covariates)].assign(years=counts.years),
    )


def _refuse_per(per: float) -> None:
    if not (np.isfinite(per) and per > 0):
        raise InputError(f"per is {per}; expected a number of years above 0, such as 100 or 1000.")


def _with_intercept(encoded: list[FloatArray], rows: int) -> FloatArray:
    return np.column_stack([np.ones(rows), *encoded])
