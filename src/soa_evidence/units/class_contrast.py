"""Two classes of unit compared on a yes/no outcome by estimators that need no sampling.

Four, of the difference in risk between the first class (specialist) and the second (comparator); r_c,x is
the fitted risk of case-mix pattern x in class c by logistic regression:

    g_computation   Σ w_x (r_1x - r_2x), w the share of x among all patients; the model's standard error.
                    *These units*: patients are the sample.
    clustered       the same number; the standard error from each unit's influence, and a t interval.
                    *Units as a kind*: units are the sample.
    mantel_haenszel Σ (a n0 - c n1)/N / Σ n1 n0/N over patterns, Sato's variance. *These units*.
    unit_means      each unit's excess over what its patients would have had at the comparator's risks,
                    regressed on class with random unit effects (DerSimonian and Laird, Knapp and Hartung).
                    *Units as a kind*.

For `clustered`, unit j of class c has influence psi_j (inverse information times its score) and leverage h_j,
its share of the class's information. The variance is Σ psi_j² / (1 - h_j), and the degrees of freedom are
those of the class with fewer, 1 / Σ h_j² - 1, so that three specialist units make a wide interval. (With
Satterthwaite's, which are more, 11 % of simulated countries without a difference claim one.)

When not to use it: as the headline of a report; `units.binomial` borrows strength and speaks of single units.
`clustered` and `unit_means` take fitted case-mix terms as they are; with three units no interval for units as
a kind is exact.

Sources: Robins (1986), Mathematical Modelling 7:1393; Bell & McCaffrey (2002), Survey Methodology 28:169, for
leverage; Sato (1989), Biometrics 45:1323; Knapp & Hartung (2003), Stat Med 22:2693;
Hayes & Moulton (2009), Cluster Randomised Trials, chapter 10, for residuals by unit.

Checked against: R's glm with the delta method, metafor's rma.mh and rma, in tests/reference/unit_sensitivity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from soa_evidence.units.logistic import Logistic, solve

__all__ = [
    "ESTIMATORS",
    "KIND",
    "Contrast",
    "Estimator",
    "Tables",
    "contrasts",
    "influences",
    "log_odds_ratio",
]

FloatArray = NDArray[np.float64]
Estimator = Literal["g_computation", "clustered", "mantel_haenszel", "unit_means"]
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
#: Which of the two estimands an estimator speaks of.
KIND: dict[str, str] = {
    "g_computation": "these units",
    "mantel_haenszel": "these units",
    "clustered": "units as a kind",
    "unit_means": "units as a kind",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Tables:
    """Counts by unit and case-mix pattern, and the class of every unit.

    Attributes
    ----------
    design : array of shape (P, K)
    events, trials : arrays of shape (J, P)
    role : array of shape (J,)
        0 the first class, 1 the comparator, 2 and above further classes that only inform the case mix.
    """

    design: FloatArray
    events: FloatArray
    trials: FloatArray
    role: NDArray[np.int64]

    def by_class(self) -> tuple[FloatArray, FloatArray]:
        """Events and trials by class, shape (G, P)."""
        member = (self.role == np.arange(self.role.max() + 1)[:, None]).astype(float)
        return member @ self.events, member @ self.trials

    def problem(self) -> str:
        """Why the classes cannot be compared, or ''."""
        for at, name in ((0, "the first class"), (1, "the comparator")):
            of_class = self.role == at
            events, trials = self.events[of_class].sum(), self.trials[of_class].sum()
            if trials == 0:
                return f"{name} has no patients"
            if events in (0, trials):
                return f"{name} has {'no events' if events == 0 else 'events only'}"
        return ""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A difference in risk (first class less comparator) with its standard error and degrees of freedom."""

    estimate: float
    std_error: float
    dof: float


def contrasts(
    tables: Tables, estimators: tuple[str, ...], *, start: Logistic | None = None
) -> tuple[dict[str, Contrast | str], Logistic]:
    """Return each estimator's contrast, or why there is none, and the logistic model behind them.

    `tables` must have no `problem()`.
    """
    events, trials = tables.by_class()
    model = solve(tables.design, events, trials, start=start)
    found: dict[str, Contrast | str] = {}
    if {"g_computation", "clustered"} & set(estimators):
        estimate, gradient = _standardised(tables.design, trials, model)
        if "g_computation" in estimators:
            error = float(np.sqrt(gradient @ model.inverse @ gradient))
            found["g_computation"] = Contrast(estimate=estimate, std_error=error, dof=np.inf)
        if "clustered" in estimators:
            found["clustered"] = _clustered(tables, model, estimate, gradient)
    if "mantel_haenszel" in estimators:
        found["mantel_haenszel"] = _mantel_haenszel(events[:2], trials[:2])
    if "unit_means" in estimators:
        found["unit_means"] = _unit_means(tables, model)
    if not model.converged:
        for name in set(found) - {"mantel_haenszel"}:
            found[name] = "the logistic model did not converge"
    return found, model


def _standardised(design: FloatArray, trials: FloatArray, model: Logistic) -> tuple[float, FloatArray]:
    """Standardised difference in risk, and its gradient in intercepts and terms."""
    share = trials.sum(axis=0) / trials.sum()
    slope = share * model.risk[:2] * (1 - model.risk[:2])
    gradient = np.zeros(len(model.inverse))
    gradient[0], gradient[1] = slope[0].sum(), -slope[1].sum()
    gradient[len(trials) :] = (slope[0] - slope[1]) @ design
    return float(share @ (model.risk[0] - model.risk[1])), gradient


def log_odds_ratio(model: Logistic) -> tuple[float, FloatArray]:
    """Conditional log odds ratio of the first class against the comparator, and its gradient."""
    gradient = np.zeros(len(model.inverse))
    gradient[0], gradient[1] = 1.0, -1.0
    return float(model.intercept[0] - model.intercept[1]), gradient


def influences(tables: Tables, model: Logistic, gradient: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Each unit's influence on what has this gradient, and share of its class's information; shape (J,)."""
    risk = model.risk[tables.role]
    residual = tables.events - tables.trials * risk
    classes = len(model.intercept)
    direction = model.inverse @ gradient
    influence = residual.sum(axis=1) * direction[tables.role] + residual @ (
        tables.design @ direction[classes:]
    )
    weight = (tables.trials * risk * (1 - risk)).sum(axis=1)
    total = np.bincount(tables.role, weights=weight, minlength=classes)
    return influence, weight / np.maximum(total[tables.role], 1e-300)


def clustered_variance(
    influence: FloatArray, share: FloatArray, role: NDArray[np.int64]
) -> tuple[float, float] | str:
    """Variance and degrees of freedom from units' influences, or why there is none."""
    parts, dofs = [], []
    for at, name in ((0, "the first class"), (1, "the comparator")):
        of_class = (role == at) & (share > 0)
        if of_class.sum() < 2:
            return f"{name} has one unit, so that units cannot be its sample"
        h = np.minimum(share[of_class], 1 - 1e-9)
        parts.append(float((influence[of_class] ** 2 / (1 - h)).sum()))
        dofs.append(max(1 / float((h**2).sum()) - 1, 1e-3))
    others = float((influence[role > 1] ** 2).sum())
    variance = sum(parts) + others
    if variance <= 0:
        return "units do not vary at all"
    return variance, min(dofs)


def _clustered(tables: Tables, model: Logistic, estimate: float, gradient: FloatArray) -> Contrast | str:
    influence, share = influences(tables, model, gradient)
    found = clustered_variance(influence, share, tables.role)
    if isinstance(found, str):
        return found
    return Contrast(estimate=estimate, std_error=float(np.sqrt(found[0])), dof=found[1])


def _mantel_haenszel(events: FloatArray, trials: FloatArray) -> Contrast | str:
    both = (trials > 0).all(axis=0)
    (a, c), (n1, n0) = events[:, both], trials[:, both]
    n = n1 + n0
    weight = float((n1 * n0 / n).sum())
    if weight == 0:
        return "no case-mix pattern has patients in both classes"
    estimate = float(((a * n0 - c * n1) / n).sum()) / weight
    p = float(((n1**2 * c - n0**2 * a + n1 * n0 * (n0 - n1) / 2) / n**2).sum())
    q = float(((a * (n0 - c) + c * (n1 - a)) / (2 * n)).sum())
    variance = (estimate * p + q) / weight**2
    if variance <= 0:
        return "no case-mix pattern shared by both classes has an event"
    return Contrast(estimate=estimate, std_error=float(np.sqrt(variance)), dof=np.inf)


def _unit_means(tables: Tables, model: Logistic) -> Contrast | str:
    size = tables.trials.sum(axis=1)
    kept = (tables.role < 2) & (size > 0)
    role, size, base = tables.role[kept], size[kept], model.risk[1]
    excess = (tables.events[kept].sum(axis=1) - tables.trials[kept] @ base) / size
    own = model.risk[role]
    variance = (tables.trials[kept] * own * (1 - own)).sum(axis=1) / size**2
    many = len(role) - 2
    if many < 1 or (role == 0).sum() == 0 or (role == 1).sum() == 0:
        return "fewer than three units"
    group = np.array([role == 0, role == 1], dtype=float)

    def means(weight: FloatArray) -> tuple[FloatArray, FloatArray]:
        total = group @ weight
        return np.asarray(group @ (weight * excess) / total), total

    weight = 1 / variance
    mean, total = means(weight)
    heterogeneity = float((weight * (excess - mean @ group) ** 2).sum())
    trace = float((total - (group @ weight**2) / total).sum())
    between = max(0.0, (heterogeneity - many) / trace) if trace > 0 else 0.0
    weight = 1 / (variance + between)
    mean, total = means(weight)
    scale = float((weight * (excess - mean @ group) ** 2).sum()) / many
    if scale <= 0:
        return "units do not vary at all"
    error = float(np.sqrt(scale * (1 / total).sum()))
    return Contrast(estimate=float(mean[0] - mean[1]), std_error=error, dof=float(many))
