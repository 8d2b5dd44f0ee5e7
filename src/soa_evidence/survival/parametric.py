"""Parametric survival: times follow a named distribution, so the curve goes on after the data.

    exponential        h(t) = rate
    weibull            h(t) = (shape / scale) (t / scale)^(shape - 1)
    gompertz           h(t) = rate exp(shape t)
    log-logistic       h(t) = (shape / scale) (t / scale)^(shape - 1) / (1 + (t / scale)^shape)
    log-normal         log t ~ normal(meanlog, sdlog);  h(t) = f(t) / S(t)
    generalised gamma  log t = mu + sigma W, W of Prentice's law with shape Q;  h(t) = f(t) / S(t)

`covariates` act on the location: the log of `rate` (a coefficient is then a log hazard ratio), the log of
`scale`, or `meanlog` and `mu` (then the log of a ratio of times: 0.1 is 10 % longer until the event).
`ancillary` puts covariates on the other parameters, through their link: log for shape (identity for
Gompertz), sdlog and sigma; identity for Q.

Times may be exact, right-, left- or interval-censored, and entered late (see `observations`). The likelihood
is maximised by Newton's method with exact second derivatives and the maximum certified by a check. The
covariance is the inverse observed information; with `cluster`, or weights that are not frequencies, the
robust one, V U'U V with U the scores summed by cluster, without small-sample correction.

When not to use it: to describe what was seen (Kaplan-Meier needs no assumption); where another event
competes and the question is how many are ever revised; to extrapolate from one distribution alone: `compare`
shows what the others say.

Sources: Kalbfleisch & Prentice (2002), The Statistical Analysis of Failure Time Data, ch. 2-3; Cox et al
(2007), Stat Med 26:4352; Jackson (2016), J Stat Softw 70(8); NICE DSU TSD 14 (2013).

Checked against: R survival::survreg, R likelihoods maximised by optim, and figures published with flexsurv,
in tests/reference/parametric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Curve, Estimates, checks_frame
from soa_evidence.survival import observations, parametric_design, parametric_fit
from soa_evidence.survival.likelihood_checks import checks_of
from soa_evidence.survival.observations import Observations
from soa_evidence.survival.parametric_design import ParameterDesigns
from soa_evidence.survival.parametric_fit import Fitted
from soa_evidence.survival.parametric_laws import DISTRIBUTIONS, Distribution
from soa_evidence.survival.records import WeightsAre, choice, prepare_level
from soa_evidence.survival.smooth_model import Evaluated, Evaluator, SmoothModel, distinct
from soa_evidence.survival.standardised_survival import Standardised

if TYPE_CHECKING:
    from soa_evidence.survival.parametric_compare import Comparison

__all__ = ["ParametricResult", "compare", "evaluator", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "survival.parametric"


@dataclass(frozen=True, eq=False, kw_only=True)
class ParametricResult:
    """A fitted distribution.

    Attributes
    ----------
    distribution : str
    coefficients : Estimates
        On the scale of the link: one for each parameter (at covariates of 0 or the reference), named as the
        parameter, and one for each covariate on it, named ``"parameter: term"``.
    effects : Estimates or None
        The coefficients of `covariates` alone, as log hazard ratios or log time ratios (see `estimand`);
        ``.table(transform="exp")`` gives the ratios.
    meaning : DataFrame
        parameter, link, meaning.
    model_covariance, robust_covariance : arrays of shape (p, p)
        The robust one is None where not asked for.
    log_likelihood, log_likelihood_without_covariates : float
        Of the times as given (not of their logarithms).
    aic, bic : float
        -2 log likelihood + 2 p, and + p log(events): the number of events, not of rows (Volinsky & Raftery
        2000, Biometrics 56:256).
    rows : int
    events : float
    last_time : float
        Beyond it everything predicted is extrapolation, and marked as such.
    checks : tuple of Check
    model : SmoothModel
        What predictions are made from.
    """

    distribution: str
    coefficients: Estimates
    effects: Estimates | None
    meaning: pd.DataFrame
    model_covariance: FloatArray
    robust_covariance: FloatArray | None
    log_likelihood: float
    log_likelihood_without_covariates: float
    aic: float
    bic: float
    rows: int
    events: float
    last_time: float
    checks: tuple[Check, ...]
    model: SmoothModel

    def parameters(self, level: float | None = None) -> pd.DataFrame:
        """Return the parameters themselves (at covariates of 0 or the reference), limits on the link's scale.

        Returns
        -------
        DataFrame
            As `Estimates.table` (std_error on the link's scale), with `link` and `meaning`.
        """
        table = self.coefficients.select(list(self.meaning["parameter"])).table(level or self.model.level)
        log = (self.meaning["link"] == "log").to_numpy()
        for column in ("estimate", "lower", "upper"):
            table[column] = np.where(log, np.exp(np.where(log, table[column], 0.0)), table[column])
        return table.assign(
            estimand="parameter", link=list(self.meaning["link"]), meaning=list(self.meaning["meaning"])
        )

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
            f"{self.distribution} distribution, {self.events:g} events in {self.rows} rows, "
            f"log likelihood {self.log_likelihood:.4f}, AIC {self.aic:.2f}\n{self.coefficients!r}"
        )

    def _repr_html_(self) -> str:
        shown = [self.parameters().to_html(index=False)]
        if self.effects is not None:
            shown.append(self.effects.table(transform="exp").to_html(index=False))
        title = f"<p><strong>{self.distribution}</strong>, AIC {self.aic:.2f}</p>"
        return title + "".join(shown) + checks_frame(self.checks).to_html(index=False)


def fit(
    frame: pd.DataFrame,
    *,
    distribution: str,
    time: str | None = None,
    event: str | None = None,
    lower: str | None = None,
    upper: str | None = None,
    entry: str | None = None,
    weights: str | None = None,
    weights_are: WeightsAre = "frequency",
    covariates: str | Sequence[str] = (),
    ancillary: Mapping[str, str | Sequence[str]] | None = None,
    cluster: str | None = None,
    reference: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> ParametricResult:
    """Fit one distribution.

    Parameters
    ----------
    frame
        One row a person.
    distribution
        ``"exponential"``, ``"weibull"``, ``"gompertz"``, ``"log-normal"``, ``"log-logistic"`` or
        ``"generalised gamma"``.
    time, event, entry, weights, weights_are
        As in `kaplan_meier.fit`.
    lower, upper
        Instead of `time` and `event`, where the event is only known to lie after `lower` and up to `upper`:
        equal for an exact time, `upper` infinite where it had not happened by `lower`, `lower` 0 where it is
        only known to have happened by `upper`.
    covariates
        Columns that act on the location: numbers as they are, text and categories as indicators.
    ancillary
        Columns that act on other parameters, e.g. ``{"shape": ["fixation"]}``.
    cluster
        Column that says which rows are not independent; gives the robust covariance.
    reference
        Reference level of a covariate; the commonest where not given.
    level
        Coverage of predictions where none is asked for.

    Raises
    ------
    InputError
        On rows that are not what is expected, naming column and row; time 0 with a law of log time; no
        events, fewer events than parameters, all events at one time; a level without events; covariates that
        determine one another; and where the likelihood has no maximum, naming what runs away.
    """
    choice("distribution", distribution, list(DISTRIBUTIONS))
    prepare_level(level)
    law = DISTRIBUTIONS[distribution]
    rows = observations.prepare(
        frame,
        time=time,
        event=event,
        lower=lower,
        upper=upper,
        entry=entry,
        weights=weights,
        weights_are=weights_are,
        cluster=cluster,
    )
    used = {name for name in (time, event, lower, upper, entry, weights) if name is not None}
    designs = parametric_design.of(frame, law, covariates, ancillary or {}, reference or {}, used)
    if law.needs_positive:
        parametric_design.refuse_time_zero(frame, rows, time or upper or "", distribution)
    if distribution != "exponential":
        parametric_design.refuse_tied(rows, distribution)
    fitted = parametric_fit.search(law, rows, designs, designs.encode(frame))
    return _result(frame, law, rows, designs, fitted, level)


def _result(
    frame: pd.DataFrame,
    law: Distribution,
    rows: Observations,
    designs: ParameterDesigns,
    fitted: Fitted,
    level: float,
) -> ParametricResult:
    beta = fitted.beta
    checks = checks_of(fitted.found, rows.events, len(beta), rows.cluster)
    in_force = fitted.covariance if fitted.robust is None else fitted.robust
    in_force = (in_force + in_force.T) / 2
    patterns, pattern_weight = distinct(frame, designs.covariates, rows.weight)
    coefficients = Estimates(
        estimand=f"coefficient of the {law.name} distribution",
        labels=tuple(chain.from_iterable(designs.names)),
        unit="scale of the link",
        method=METHOD,
        mean=beta,
        covariance=in_force,
        interval="confidence",
        checks=checks,
    )
    return ParametricResult(
        distribution=law.name,
        coefficients=coefficients,
        effects=_effects(law, designs, coefficients),
        meaning=pd.DataFrame(
            [(p.name, p.link, p.meaning) for p in law.parameters], columns=["parameter", "link", "meaning"]
        ),
        model_covariance=fitted.covariance,
        robust_covariance=fitted.robust,
        log_likelihood=fitted.log_likelihood,
        log_likelihood_without_covariates=fitted.log_likelihood_without_covariates,
        aic=2 * len(beta) - 2 * fitted.log_likelihood,
        bic=len(beta) * float(np.log(rows.events)) - 2 * fitted.log_likelihood,
        rows=len(rows),
        events=rows.events,
        last_time=rows.last,
        checks=checks,
        model=SmoothModel(
            method=METHOD,
            covariance=in_force,
            covariates=designs.covariates,
            evaluate=evaluator(law, designs, beta),
            patterns=patterns,
            pattern_weight=pattern_weight,
            at_risk=rows.at_risk,
            events_up_to=rows.events_up_to,
            last_time=rows.last,
            kinks=(),
            level=level,
            checks=checks,
        ),
    )


def _effects(law: Distribution, designs: ParameterDesigns, coefficients: Estimates) -> Estimates | None:
    at = law.names.index(law.location)
    labels = designs.names[at][1:]
    if not labels:
        return None
    chosen = coefficients.select(labels)
    return Estimates(
        estimand=f"log {law.effect}",
        labels=tuple(designs.designs[at].terms),
        unit=f"log {law.effect}",
        method=METHOD,
        mean=chosen.mean,
        covariance=chosen.covariance,
        interval="confidence",
        checks=coefficients.checks,
    )


def evaluator(law: Distribution, designs: ParameterDesigns, beta: FloatArray) -> Evaluator:
    """Return the function that gives log survival and log hazard of any profile at any time."""
    splits = np.cumsum([len(terms) for terms in designs.names])[:-1]

    def evaluate(profiles: pd.DataFrame, times: FloatArray) -> Evaluated:
        X = designs.encode(profiles)
        m, T = len(profiles), len(times)
        eta = np.array([x @ b for x, b in zip(X, np.split(beta, splits), strict=True)])
        t, spread = np.tile(times, m), np.repeat(eta, T, axis=1)
        survival = law.jets(t, spread, "survival")
        hazard = law.jets(t, spread, "density").minus(survival)

        def slope(gradient: FloatArray) -> FloatArray:
            return np.concatenate(
                [g.reshape(m, T)[:, :, None] * x[:, None, :] for g, x in zip(gradient, X, strict=True)],
                axis=2,
            )

        return Evaluated(
            log_survival=survival.value.reshape(m, T),
            log_hazard=hazard.value.reshape(m, T),
            survival_slope=slope(survival.gradient),
            hazard_slope=slope(hazard.gradient),
        )

    return evaluate


def compare(
    frame: pd.DataFrame,
    *,
    times: Sequence[float],
    distributions: Sequence[str] = tuple(DISTRIBUTIONS),
    **arguments: object,
) -> Comparison:
    """Fit several distributions to the same rows, and show what each says at `times`.

    Parameters
    ----------
    times
        Times at which survival, averaged over the people in the data, is shown; also beyond the data.
    distributions
        Those to fit; all six where not given.
    **arguments
        The other arguments of `fit`. `ancillary` is not among them: distributions differ in their parameters.

    Returns
    -------
    Comparison
        Whose `table()` has a row for each distribution: fit by AIC and BIC, and survival at each time.
    """
    from soa_evidence.survival import parametric_compare

    if "ancillary" in arguments or "distribution" in arguments:
        raise InputError("compare() takes the arguments of fit() but for distribution= and ancillary=.")
    return parametric_compare.of(frame, times, distributions, arguments)
