r"""Rare events pooled from the counts themselves: no normal approximation, no continuity correction.

True effects :math:`\theta_i \sim N(\mu, \tau^2)`: log odds ratios, log rate ratios, or log odds of one group.

=======================  =================================================================================
model                    likelihood of study i
=======================  =================================================================================
conditional              OR: Fisher's non-central hypergeometric, both margins fixed; IRR: binomial given the
                         events of both arms. The baseline cancels. Default.
conditional_approximate  OR: binomial given the events, offset log(n1/n2); fine while events are rare
fixed_baseline           binomial or Poisson arms, one free baseline a study, the effect as +-theta/2
random_baseline          the same, baselines normal around a mean of their own
=======================  =================================================================================

PLO (log odds of one group, events of n) has the one model of binomial counts.

Zero rule: nothing is added to any count. A study with no events in one arm counts as it is. One with no
events (or nothing but events) in both arms has a flat likelihood of its effect: it adds nothing, except with
random_baseline, where it says something about baselines and so stays in.

Maximum likelihood; integrals by adaptive Gauss-Hermite quadrature.

When not to use it: with fewer than about five studies that have events (tau is a guess; `synthesis.bayes`
with a stated prior); with fixed_baseline and many small studies, where free baselines bias tau.

Sources: Stijnen, Hamza & Özdemir 2010, Stat Med 29:3046; Jackson et al. 2018, Stat Med 37:1059.

Checked against: metafor 3.8-1's rma.glmm and lme4's glmer (tests/reference/synthesis_models).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis import effect_sizes
from soa_evidence.synthesis.exact_likelihood import Arms, Conditional, binomial, hypergeometric
from soa_evidence.synthesis.maximum import Maximum, maximise, maximum_check
from soa_evidence.synthesis.studies import FloatArray, require_choice, require_level

__all__ = ["MODELS", "ExactResult", "fit"]

METHOD = "synthesis.exact"
MODELS = ("conditional", "conditional_approximate", "fixed_baseline", "random_baseline")
MEASURES = {"OR": "log odds ratio", "IRR": "log rate ratio", "PLO": "log odds"}
FEW_STUDIES = 5
POINTS = 21
_NO_SPREAD = 1e-4
_TOO_FAR = 15.0  # a pooled log ratio beyond it is on its way to infinity

Columns = dict[str, FloatArray]


@dataclass(frozen=True, eq=False, kw_only=True)
class ExactResult:
    """Counts pooled by their own likelihood.

    Attributes
    ----------
    pooled : Estimates
    new_study : Estimates
        True effect in a new study, normal.
    tau2 : float
    tests : DataFrame
        test, statistic, dof, p_value: no effect (Wald), no differences between studies (likelihood ratio;
        half the chi-square tail, as tau2 cannot be negative).
    log_likelihood : float
        Without the constants of the counts.
    studies : DataFrame
        label, informative: whether the study says anything about the effect.
    measure, model : str
    checks : tuple of Check
    """

    pooled: Estimates
    new_study: Estimates
    tau2: float
    tests: pd.DataFrame
    log_likelihood: float
    studies: pd.DataFrame
    measure: str
    model: str
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        parts = [self.pooled.table(), self.new_study.table(), self.tests, checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    measure: str = "OR",
    model: str = "conditional",
    label: str = "label",
    points: int | None = None,
    common: bool = False,
    level: float = 0.95,
    **columns: str,
) -> ExactResult:
    """Pool counts of events, one row a study.

    Parameters
    ----------
    measure
        ``"OR"`` (events_1, n_1, events_2, n_2), ``"IRR"`` (events_1, time_1, events_2, time_2) or ``"PLO"``
        (events, n).
    model
        See the module; PLO takes ``"conditional"`` only.
    points
        Nodes of the quadrature in each direction, 1 (Laplace) to 101; by default 21, and 9 for the two
        directions of random_baseline.
    common
        Whether all studies have one true effect (tau2 = 0).
    columns
        Which column plays which part, where it is not of that name.

    Raises
    ------
    InputError
        As `effect_sizes.fit` for counts; on a model that the measure does not have; fewer than two studies
        that say anything; or counts whose ratio is infinite because one arm never has an event.
    """
    require_choice(measure, tuple(MEASURES), "measure")
    require_choice(model, MODELS, "model")
    require_level(level)
    points = (9 if model == "random_baseline" else POINTS) if points is None else points
    if not 1 <= points <= 101:
        raise InputError(f"points is {points}; expected 1 (Laplace) to 101.")
    if (measure == "PLO" and model != "conditional") or (measure == "IRR" and model.endswith("approximate")):
        raise InputError(f"Measure {measure!r} has no model {model!r}; use 'conditional'.")
    labels, data = effect_sizes.read_counts(frame, label=label, measure=measure, columns=columns)
    informative = _informative(data, measure)
    used = informative | np.full(len(labels), model == "random_baseline")
    _require_answer(data, informative, measure)
    kept = {name: values[used] for name, values in data.items()}
    found, nuisance = _maximise(kept, measure, model, points, common=common)
    tau = 0.0 if common or len(found.point) == 1 + nuisance else abs(float(found.point[1]))
    mean, variance = float(found.point[0]), float(found.covariance()[0, 0])
    if abs(mean) > _TOO_FAR and measure != "PLO":
        raise InputError(
            f"The pooled {MEASURES[measure]} runs off to {mean:.0f}: these counts do not bound it."
        )
    plain, _ = _maximise(kept, measure, model, points, common=True)
    checks = _checks(int(informative.sum()), len(labels), found)

    def carrier(what: str, name: str, spread: float) -> Estimates:
        return Estimates(
            estimand=what,
            labels=(name,),
            unit=MEASURES[measure],
            method=f"{METHOD} ({model}, {points} points)",
            mean=np.array([mean]),
            covariance=np.array([[spread]]),
            interval="confidence",
            checks=checks,
        )

    return ExactResult(
        pooled=carrier(MEASURES[measure], "pooled", variance),
        new_study=carrier(
            f"{MEASURES[measure]}, true effect in a new study (normal)", "new study", variance + tau**2
        ),
        tau2=tau**2,
        tests=_tests(mean, variance, found.value, plain.value, common=common),
        log_likelihood=float(found.value),
        studies=pd.DataFrame({"label": labels, "informative": informative}),
        measure=measure,
        model=model,
        checks=checks,
    )


def _informative(data: Columns, measure: str) -> NDArray[np.bool_]:
    if measure == "PLO":
        return np.ones(len(data["events"]), dtype=bool)
    total = data["events_1"] + data["events_2"]
    if measure == "IRR":
        return np.asarray(total > 0)
    return np.asarray((total > 0) & (total < data["n_1"] + data["n_2"]))


def _require_answer(data: Columns, informative: NDArray[np.bool_], measure: str) -> None:
    if int(informative.sum()) < 2:
        raise InputError(
            f"{int(informative.sum())} studies have events that say anything; expected at least 2. Show each "
            "study as it is."
        )
    if measure == "PLO":
        events, rest = data["events"].sum(), (data["n"] - data["events"]).sum()
    elif measure == "IRR":
        events, rest = data["events_1"].sum(), data["events_2"].sum()
    else:
        part = {name: values[informative] for name, values in data.items()}
        events = min(part["events_1"].sum(), (part["n_2"] - part["events_2"]).sum())
        rest = min(part["events_2"].sum(), (part["n_1"] - part["events_1"]).sum())
    if events == 0 or rest == 0:
        raise InputError(
            f"One arm of all studies together has no events, or nothing but events: the {MEASURES[measure]} "
            f"is "
            "infinite. A difference (RD, IRD), or synthesis.bayes with a stated prior, may have an answer."
        )


def _maximise(data: Columns, measure: str, model: str, points: int, *, common: bool) -> tuple[Maximum, int]:
    """Return the maximum over mu, tau (unless common or 0), then the baselines' mean and log spread."""
    total, nuisance = _likelihood(data, measure, model, points)
    centre, extra = _start(data, measure), _baseline(data, measure) if nuisance else np.empty(0)
    wide = np.array([0.3, 0.3, 0.3, 0.3])[: 2 + nuisance]

    def with_tau(at: FloatArray) -> float:
        return total(float(at[0]), float(at[1]), at[2:])

    def without(at: FloatArray) -> float:
        return total(float(at[0]), 0.0, at[1:])

    if not common:
        starts = [np.concatenate([[centre, tau], extra]) for tau in (0.2, 0.8)]
        found = maximise(with_tau, starts, wide)
        if abs(found.point[1]) > _NO_SPREAD and found.certified:
            return found, nuisance
    plain = maximise(without, [np.concatenate([[centre], extra])], np.delete(wide, 1))
    if not common and found.value > plain.value + 1e-6:
        return found, nuisance
    return plain, nuisance


def _likelihood(
    data: Columns, measure: str, model: str, points: int
) -> tuple[Callable[[float, float, FloatArray], float], int]:
    if model in ("fixed_baseline", "random_baseline"):
        rates = measure == "IRR"
        second = ("time_1", "time_2") if rates else ("n_1", "n_2")
        arms = Arms(
            events=np.stack([data["events_1"], data["events_2"]]),
            size=np.stack([data[name] for name in second]),
            rates=rates,
            points=points,
        )
        if model == "fixed_baseline":
            return lambda mu, tau, _: float(arms.fixed(mu, tau).sum()), 0
        return lambda mu, tau, b: float(arms.random(b[0], float(np.exp(b[1])), mu, tau).sum()), 2
    if measure == "PLO":
        one = binomial(data["events"], data["n"], np.zeros(len(data["n"])))
    else:
        x, m = data["events_1"], data["events_1"] + data["events_2"]
        if measure == "IRR":
            one = binomial(x, m, np.log(data["time_1"] / data["time_2"]))
        elif model == "conditional":
            one = hypergeometric(x, data["n_1"], data["n_2"], m)
        else:
            one = binomial(x, m, np.log(data["n_1"] / data["n_2"]))
    each = Conditional(likelihood=one, points=points)
    return lambda mu, tau, _: float(each.log_likelihood(mu, tau).sum()), 0


def _start(data: Columns, measure: str) -> float:
    if measure == "PLO":
        x, rest = data["events"].sum() + 0.5, (data["n"] - data["events"]).sum() + 0.5
        return float(np.log(x / rest))
    second = ("time_1", "time_2") if measure == "IRR" else ("n_1", "n_2")
    rate = [
        (data[x].sum() + 0.5) / data[n].sum() for x, n in zip(("events_1", "events_2"), second, strict=True)
    ]
    return float(np.log(rate[0] / rate[1]))


def _baseline(data: Columns, measure: str) -> FloatArray:
    rates = measure == "IRR"
    first, second = ("time_1", "time_2") if rates else ("n_1", "n_2")
    rate = (data["events_1"].sum() + data["events_2"].sum()) / (data[first].sum() + data[second].sum())
    return np.array([np.log(rate) if rates else np.log(rate / (1 - rate)), np.log(0.7)])


def _tests(mean: float, variance: float, value: float, plain: float, *, common: bool) -> pd.DataFrame:
    z = mean / np.sqrt(variance)
    rows = [("the pooled effect is 0", z, np.inf, float(2 * stats.norm.sf(abs(z))))]
    if not common:
        ratio = max(2 * (value - plain), 0.0)
        p = 0.5 * float(stats.chi2.sf(ratio, 1)) if ratio > 0 else 1.0
        rows.append(("no differences between studies (likelihood ratio)", ratio, 1.0, p))
    return pd.DataFrame(rows, columns=["test", "statistic", "dof", "p_value"])


def _checks(informative: int, studies: int, found: Maximum) -> tuple[Check, ...]:
    return (
        Check(
            name="studies that say anything about the effect",
            verdict="pass" if informative >= FEW_STUDIES else "warn",
            observed=f"{informative} of {studies}",
            expected=f"at least {FEW_STUDIES}",
            why="with few such studies the spread between them is a guess; studies without events in both "
            "arms "
            "add nothing",
        ),
        maximum_check(found),
    )
