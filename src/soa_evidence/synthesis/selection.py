r"""Selection models: what if a study's chance of being published depended on its p-value.

The density of a published effect is :math:`w(p)\,\phi(y; \mu, v_i + \tau^2)/A_i` with p its p-value and
:math:`A_i = \int w(p(y))\,\phi(y; \mu, v_i + \tau^2)\,dy`, the chance of publication averaged over what study
i might have found. The weight w is 1 for the smallest p-values:

- step: :math:`\delta_j` between cut points :math:`a_{j-1} < p \le a_j`, and 1 below the first
- half_normal: :math:`\exp(-\delta p^2)`; negative_exponential: :math:`\exp(-\delta p)`

:math:`\mu` and :math:`\tau` are those of all studies done; :math:`\delta` below 1 (step) or above 0 says that
studies with larger p-values were less often published. Maximum likelihood; the likelihood ratio test compares
with no selection.

When not to use it: as a corrected answer (no data say what was not published); with few studies (a check);
where small studies differ for other reasons; where no study has a p-value between two cut points.

Sources: Hedges 1992, Stat Sci 7:246; Vevea & Hedges 1995, Psychometrika 60:419; Preston, Ashby & Smyth 2004
for the smooth weights.

Checked against: metafor 3.8-1's selmodel (tests/reference/synthesis_models).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtr, ndtri

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis import heterogeneity
from soa_evidence.synthesis.maximum import Maximum, hessian, maximise, maximum_check
from soa_evidence.synthesis.small_study import FEW_STUDIES
from soa_evidence.synthesis.studies import FloatArray, Studies, read, require_choice, require_level

__all__ = ["SelectionResult", "fit"]

METHOD = "synthesis.selection"
WEIGHTS = ("step", "half_normal", "negative_exponential")
DIRECTIONS = ("greater", "less", "two_sided")
FEW_IN_STEP = 4  # Vevea & Woods 2005: fewer leave a weight unknown
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(400)
_REACH = 9.0  # standard deviations: beyond lies less than 1e-18
_NO_SELECTION = 1e-6
_NO_SPREAD = 1e-4  # of a typical standard error: tau is then as good as 0


@dataclass(frozen=True, eq=False, kw_only=True)
class SelectionResult:
    """A meta-analysis under selection by p-value.

    Attributes
    ----------
    pooled : Estimates
        The mean of all studies done, published or not.
    unselected : Estimates
        The mean by the same maximum likelihood, with nothing selected.
    selection : DataFrame
        parameter, studies (in that step), estimate, std_error, lower, upper, level.
    tau2 : float
    test : DataFrame
        One row: test, statistic, dof, p_value: of no selection (likelihood ratio).
    log_likelihood : float
    checks : tuple of Check
    """

    pooled: Estimates
    unselected: Estimates
    selection: pd.DataFrame
    tau2: float
    test: pd.DataFrame
    log_likelihood: float
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        parts = [self.unselected.table(), self.pooled.table(), self.selection, self.test]
        parts.append(checks_frame(self.checks))
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    weight: str = "step",
    steps: Sequence[float] = (0.025,),
    direction: str = "greater",
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    random: bool = True,
    level: float = 0.95,
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
) -> SelectionResult:
    """Fit a selection model to the studies of a frame, one row a study.

    Parameters
    ----------
    weight
        ``"step"``, ``"half_normal"`` or ``"negative_exponential"``.
    steps
        Cut points of p for ``"step"``, above 0 and below 1, rising.
    direction
        Which results are favoured: p-values of a ``"greater"``, a ``"less"``, or a ``"two_sided"``
        alternative to no effect.
    random
        Whether true effects differ (tau2 estimated) or not (tau2 = 0).

    Raises
    ------
    InputError
        As `studies.read`; on an unknown choice, cut points out of order, a step without studies, or no more
        studies than parameters.
    """
    require_choice(weight, WEIGHTS, "weight")
    require_choice(direction, DIRECTIONS, "direction")
    require_level(level)
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    sign = -1.0 if direction == "less" else 1.0
    y, error = sign * studies.estimate, np.sqrt(studies.variance)
    two = direction == "two_sided"
    p = 2 * ndtr(-np.abs(y / error)) if two else ndtr(-y / error)
    cuts = _cuts(steps) if weight == "step" else np.empty(0)
    step_of = np.searchsorted(cuts, p, side="left").astype(np.int64)  # p equal to a cut point lies below it
    inside = np.bincount(step_of, minlength=len(cuts) + 1).astype(np.int64)
    size = max(len(cuts), 1)
    _require_size(studies, inside, cuts, weight, size + 1 + int(random))
    likelihood = (
        _step_likelihood(y, error, cuts, step_of, two)
        if weight == "step"
        else _smooth(y, error, p, two, power=2 if weight == "half_normal" else 1)
    )
    scale_tau = float(np.sqrt(studies.variance.mean()))
    best, free_tau = _search(likelihood, studies, sign, size, weight, scale_tau, random=random)
    plain = _unselected(studies, random=random)
    mean, tau, delta = best.point[0], abs(best.point[1]) if free_tau else 0.0, np.exp(best.point[-size:])
    if weight != "step" and delta[0] < _NO_SELECTION:  # where the parameter ends: level in log delta
        covariance = np.diag([plain[1], np.nan])
        mean, tau, delta = sign * plain[0], float(np.sqrt(plain[3])), np.zeros(1)
        checks = _checks(len(studies), inside, weight)
    else:
        covariance = _covariance(likelihood, best, size, scale_tau, free_tau=free_tau)
        checks = (*_checks(len(studies), inside, weight), maximum_check(best))
    ratio = max(2 * (best.value - plain[2]), 0.0)
    return SelectionResult(
        pooled=_estimates(f"{estimand} of all studies done", unit, sign * mean, covariance[0, 0], checks),
        unselected=_estimates(f"{estimand}, nothing selected", unit, plain[0], plain[1], checks),
        selection=_selection(cuts, inside, delta, covariance[-size:, -size:], weight, level),
        tau2=float(tau**2),
        test=pd.DataFrame(
            [("no selection (likelihood ratio)", ratio, size, float(stats.chi2.sf(ratio, size)))],
            columns=["test", "statistic", "dof", "p_value"],
        ),
        log_likelihood=float(best.value),
        checks=checks,
    )


Likelihood = Callable[[float, float, FloatArray], float]


def _cuts(steps: Sequence[float]) -> FloatArray:
    cuts = np.asarray(list(steps), dtype=float)
    if cuts.size == 0 or not ((cuts > 0) & (cuts < 1)).all() or (np.diff(cuts) <= 0).any():
        raise InputError(
            f"steps is {list(steps)}; expected rising cut points of the p-value above 0 and below 1, such as "
            "(0.025, 0.5)."
        )
    return cuts


def _require_size(
    studies: Studies, inside: NDArray[np.int64], cuts: FloatArray, weight: str, parameters: int
) -> None:
    edges = [0.0, *cuts, 1.0]
    if weight == "step" and (inside == 0).any():
        at = int(np.argmax(inside == 0))
        raise InputError(
            f"No study has a p-value between {edges[at]:g} and {edges[at + 1]:g}; the weight of that step "
            f"cannot "
            "be told. Join it with its neighbour by leaving out a cut point."
        )
    if len(studies) <= parameters:
        raise InputError(
            f"There are {len(studies)} studies for {parameters} parameters; expected at least "
            f"{parameters + 1}."
        )


def _normal(y: FloatArray, mean: float, variance: FloatArray) -> float:
    return float(-0.5 * (np.log(2 * np.pi * variance) + (y - mean) ** 2 / variance).sum())


def _step_likelihood(
    y: FloatArray, error: FloatArray, cuts: FloatArray, step_of: NDArray[np.int64], two: bool
) -> Likelihood:
    edges = -ndtri(cuts / 2 if two else cuts)  # p below a cut point: y/error beyond this, falling

    def value(mean: float, tau: float, log_delta: FloatArray) -> float:
        variance = error**2 + tau**2
        root = np.sqrt(variance)
        beyond = ndtr(-((edges[:, None] * error - mean) / root))
        if two:
            beyond = beyond + ndtr((-edges[:, None] * error - mean) / root)
        share = np.diff(np.vstack([np.zeros(len(y)), beyond, np.ones(len(y))]), axis=0)
        weights = np.exp(np.concatenate([[0.0], log_delta]))
        chance = weights @ share
        if not (chance > 0).all():
            return -np.inf
        own = np.concatenate([[0.0], log_delta])[step_of]
        return _normal(y, mean, variance) + float(own.sum() - np.log(chance).sum())

    return value


def _smooth(y: FloatArray, error: FloatArray, p: FloatArray, two: bool, *, power: int) -> Likelihood:
    z = _REACH * _NODES
    mass = _REACH * _NODE_WEIGHTS * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)

    def value(mean: float, tau: float, log_delta: FloatArray) -> float:
        delta = float(np.exp(log_delta[0]))
        variance = error**2 + tau**2
        at = (mean + np.sqrt(variance)[:, None] * z) / error[:, None]
        chance_of = 2 * ndtr(-np.abs(at)) if two else ndtr(-at)
        chance = np.exp(-delta * chance_of**power) @ mass
        return _normal(y, mean, variance) - delta * float((p**power).sum()) - float(np.log(chance).sum())

    return value


def _search(
    likelihood: Likelihood,
    studies: Studies,
    sign: float,
    size: int,
    weight: str,
    scale_tau: float,
    *,
    random: bool,
) -> tuple[Maximum, bool]:
    """Climb from several spreads and strengths of selection; tau is left out where it ends at 0."""
    crude = float(heterogeneity.estimate(studies.batch(), "HE").value[0]) if len(studies) > 1 else 0.0
    w = 1 / (studies.variance + crude)
    mean = sign * float((w * studies.estimate).sum() / w.sum())
    spreads = (np.sqrt(crude) + 0.3 * scale_tau, 0.3 * scale_tau) if random else (0.0,)
    strengths = (-0.1, -1.5) if weight == "step" else (0.0, 1.5)
    unit = np.array([scale_tau])

    def with_tau(at: FloatArray) -> float:
        return likelihood(float(at[0]), float(at[1]), at[2:])

    def without(at: FloatArray) -> float:
        return likelihood(float(at[0]), 0.0, at[1:])

    if random:
        starts = [np.array([mean, tau, *[s] * size]) for tau in spreads for s in strengths]
        found = maximise(with_tau, starts, np.concatenate([unit, unit, np.ones(size)]))
        # The likelihood is even in tau: at 0 it is level, and a point near 0 means 0.
        if abs(found.point[1]) > _NO_SPREAD * scale_tau and found.certified:
            return found, True
    starts = [np.array([mean, *[s] * size]) for s in strengths]
    plain = maximise(without, starts, np.concatenate([unit, np.ones(size)]))
    if random and found.value > plain.value + 1e-6:
        return found, True
    return plain, False


def _unselected(studies: Studies, *, random: bool) -> tuple[float, float, float, float]:
    """Mean, its variance, the log-likelihood and tau2 by maximum likelihood without selection."""
    batch = studies.batch()
    tau2 = heterogeneity.estimate(batch, "ML").value if random else np.zeros(1)
    w = batch.weights(tau2)
    mean, total = float(batch.mean(w)[0]), studies.variance + tau2[0]
    return mean, float(1 / w.sum()), _normal(studies.estimate, mean, total), float(tau2[0])


def _covariance(
    likelihood: Likelihood, best: Maximum, size: int, scale_tau: float, *, free_tau: bool
) -> FloatArray:
    """Covariance of mean, tau2 and the weights as they are, not as they were searched."""
    delta = np.exp(best.point[-size:])
    tau2 = [best.point[1] ** 2] if free_tau else []

    def log_l(at: FloatArray) -> float:
        if (at[1:] <= 0).any():
            return -np.inf
        tau = float(np.sqrt(at[1])) if free_tau else 0.0
        return likelihood(float(at[0]), tau, np.log(at[-size:]))

    at = np.array([best.point[0], *tau2, *delta])
    # Differences stay within a tenth of a parameter that must remain above 0.
    scale = np.array([scale_tau, *(min(t, scale_tau**2) for t in tau2), *delta])
    curvature = hessian(log_l, at, scale)
    try:
        inverse = np.linalg.inv(-curvature)
    except np.linalg.LinAlgError:
        inverse = np.full(curvature.shape, np.nan)
    if not np.isfinite(inverse).all() or inverse[0, 0] <= 0:
        raise InputError(
            "These studies leave the selection model no unique answer: its likelihood is flat in some "
            "direction. "
            "Use fewer cut points, or random=False."
        )
    return inverse


def _estimates(
    estimand: str, unit: str, mean: float, variance: float, checks: tuple[Check, ...]
) -> Estimates:
    return Estimates(
        estimand=estimand,
        labels=("pooled",),
        unit=unit,
        method=METHOD,
        mean=np.array([mean]),
        covariance=np.array([[variance]]),
        interval="confidence",
        checks=checks,
    )


def _selection(
    cuts: FloatArray,
    inside: NDArray[np.int64],
    delta: FloatArray,
    covariance: FloatArray,
    weight: str,
    level: float,
) -> pd.DataFrame:
    error = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    reach = stats.norm.ppf(1 - (1 - level) / 2) * error
    if weight == "step":
        edges = [*cuts, 1.0]
        names = [
            f"relative chance, {low:g} < p <= {high:g}" for low, high in zip(cuts, edges[1:], strict=True)
        ]
        counts = list(inside[1:])
        first = [(f"relative chance, p <= {cuts[0]:g}", inside[0], 1.0, 0.0, 1.0, 1.0, level)]
    else:
        names, counts, first = [f"strength of selection ({weight})"], [int(inside.sum())], []
    rows = [
        (name, count, d, e, max(d - r, 0.0), d + r, level)
        for name, count, d, e, r in zip(names, counts, delta, error, reach, strict=True)
    ]
    columns = ["parameter", "studies", "estimate", "std_error", "lower", "upper", "level"]
    return pd.DataFrame([*first, *rows], columns=columns)


def _checks(size: int, inside: NDArray[np.int64], weight: str) -> tuple[Check, ...]:
    least = int(inside.min())
    few = weight == "step" and least < FEW_IN_STEP
    return (
        Check(
            name="studies in the funnel",
            verdict="pass" if size >= FEW_STUDIES else "warn",
            observed=str(size),
            expected=f"at least {FEW_STUDIES}",
            why="few studies cannot tell selection from chance",
        ),
        Check(
            name="studies in the smallest step",
            verdict="warn" if few else "pass",
            observed=str(least),
            expected=f"at least {FEW_IN_STEP}",
            why="the weight of a step with few studies is hardly known",
        ),
        Check(
            name="asymmetry is not proof of bias",
            verdict="warn",
            observed="a model of what was not published",
            expected="a register of all studies done",
            why="no published data say what remained unpublished: read the mean as a what-if",
        ),
    )
