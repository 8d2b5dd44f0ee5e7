r"""What more evidence is worth: perfect information on some inputs (EVPPI), and one study's results (EVSI).

With :math:`\phi` the inputs of interest and d the incremental net benefits,
:math:`\mathrm{EVPPI} = E_\phi \max\{0, E[d \mid \phi]\} - \max\{0, E\,d\}`. The inner expectation is a
regression
of d on the draws of :math:`\phi` (Strong, Oakley and Brennan, Medical Decision Making 2014;34:311-326):
natural
cubic splines in each input, and products of the inputs' ranks two by two. EVSI is the same with the
study's summary in place of :math:`\phi`: for every draw of the truth one result of the study is simulated
(Strong and others 2015;35:570-583).

A part that comes out above the whole by Monte Carlo error is given as the whole, and a check says by how
much.
The interval is Monte Carlo error: it comes from joint draws of the regression's coefficients.

When not to use it: for many inputs at once (above six) with few draws, where the regression follows noise and
EVPPI comes out too high; on a study whose design is not what is simulated.

Checked against: closed forms for a normal net benefit; nested simulation; mgcv::gam
(tests/reference/economics).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from soa_evidence.economics.psa import PSA
from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates

__all__ = ["Information", "evppi", "evsi", "registry_study"]

FloatArray = NDArray[np.float64]
METHOD = "economics.information"
_KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)
_MOST = 6
_DRAWS_PER_TERM = 20
_REDRAWN = 200


@dataclass(frozen=True, eq=False, kw_only=True)
class Information:
    """Value of information per patient, by group of inputs or study.

    Attributes
    ----------
    value : Estimates
        GBP per patient, in order of size; the interval is Monte Carlo error.
    evpi : float
        Of all inputs together: the most that any of them can be worth.
    threshold : float
    checks : tuple of Check
    """

    value: Estimates
    evpi: float
    threshold: float
    checks: tuple[Check, ...]

    def table(self) -> pd.DataFrame:
        """Return one row a group: label, estimate, lower, upper, share_of_evpi."""
        table = self.value.table()[["label", "estimate", "lower", "upper"]]
        return table.assign(share_of_evpi=table["estimate"] / self.evpi if self.evpi > 0 else 0.0)

    def population(self, *, patients_per_year: float, years: float, discount: float) -> pd.DataFrame:
        """Return the table for all patients to whom the decision applies, discounted at each year's end."""
        for name, number in (("patients_per_year", patients_per_year), ("years", years)):
            if not (np.isfinite(number) and number > 0):
                raise InputError(f"{name} is {number}; expected a number above 0.")
        t = np.arange(1, int(np.ceil(years)) + 1)
        whole = np.minimum(1.0, years - t + 1)
        people = patients_per_year * float((whole / (1 + discount) ** t).sum())
        table = self.table()
        table[["estimate", "lower", "upper"]] *= people
        return table.assign(patients=people)


def evppi(psa: PSA, groups: Mapping[str, Sequence[str]], *, threshold: float, seed: int) -> Information:
    """Return what perfect information on each group of inputs is worth, per patient.

    Parameters
    ----------
    groups
        Label of each group, and the inputs in it (at most 6).
    seed
        Of the draws for Monte Carlo error.

    Raises
    ------
    InputError
        On an unknown input, an empty group, one of more than 6, or too few draws.
    """
    if not groups:
        raise InputError("evppi() was given no group of inputs; name at least one.")
    gain = psa.outcomes.net_benefit(threshold)
    made: dict[str, FloatArray] = {}
    for label, names in groups.items():
        if not 1 <= len(names) <= _MOST:
            raise InputError(f"Group '{label}' has {len(names)} inputs; expected 1 to {_MOST}.")
        for name in names:
            if name not in psa.drawn:
                raise InputError(
                    f"Group '{label}' names '{name}', which is no input.{nearest(name, psa.drawn)}"
                )
        made[label] = np.column_stack([psa.drawn[name] for name in names])
    return _information(
        made, gain, threshold, seed, psa.checks, "expected value of partial perfect information"
    )


def evsi(psa: PSA, studies: Mapping[str, ArrayLike], *, threshold: float, seed: int) -> Information:
    """Return what the results of each study are worth, per patient, before its cost.

    Parameters
    ----------
    studies : mapping of label to array of shape (draws,) or (draws, k)
        One simulated summary of the study for every draw, made from that draw's truth.
    """
    if not studies:
        raise InputError("evsi() was given no study; give the simulated summary of at least one.")
    made = {}
    for label, summary in studies.items():
        x = np.array(summary, dtype=float)
        x = x[:, None] if x.ndim == 1 else x
        if x.ndim != 2 or len(x) != psa.outcomes.draws or not np.isfinite(x).all():
            raise InputError(
                f"Study '{label}' has summaries of shape {x.shape}; expected a finite one for each of "
                f"{psa.outcomes.draws} draws."
            )
        made[label] = x
    gain = psa.outcomes.net_benefit(threshold)
    return _information(made, gain, threshold, seed, psa.checks, "expected value of sample information")


def registry_study(
    psa: PSA,
    *,
    log_hazard_ratio: str,
    patients: int,
    years: float,
    seed: int,
    between_units: float = 0.0,
    units: int = 1,
) -> FloatArray:
    """Simulate the summary of a registry study of two groups, one result for every draw of the truth.

    Each group has `patients` people followed for `years`; revisions are binomial, with the draw's own hazard.
    The summary is the estimated log ratio of cumulative hazards, and the log of that of the reference.

    Parameters
    ----------
    log_hazard_ratio
        The input that the study is about.
    between_units, units
        Standard deviation of true log hazards between units of a kind, and how many units of the kind take
        part: however many patients, the average of few units stays uncertain.

    Returns
    -------
    array of shape (draws, 2)
    """
    if log_hazard_ratio not in psa.drawn:
        raise InputError(f"There is no input '{log_hazard_ratio}'.{nearest(log_hazard_ratio, psa.drawn)}")
    if patients < 1 or not years > 0 or units < 1 or not between_units >= 0:
        raise InputError(
            f"A study of {patients} patients, {years} years, {units} units and spread "
            f"{between_units} cannot be "
            "simulated; expected at least 1 patient and unit, years above 0 and a spread of 0 or more."
        )
    rng = np.random.default_rng([seed, patients, units])
    hazard = psa.model.revision.cumulative(psa.drawn, np.array([float(years)]))[:, 0]
    truth = psa.drawn[log_hazard_ratio] + between_units / np.sqrt(units) * rng.standard_normal(len(hazard))
    counts = [rng.binomial(patients, -np.expm1(-h)) for h in (hazard, hazard * np.exp(truth))]
    # half a revision more keeps a group without any finite; the regression sees the same for every draw
    seen = [np.log(-np.log1p(-(n + 0.5) / (patients + 1.0))) for n in counts]
    return np.column_stack([seen[1] - seen[0], seen[0]])


def _information(
    made: Mapping[str, FloatArray],
    gain: FloatArray,
    threshold: float,
    seed: int,
    checks: tuple[Check, ...],
    what: str,
) -> Information:
    if gain.shape[1] < 2:
        raise InputError("There is one strategy: no decision, so nothing to learn for it.")
    rng = np.random.default_rng(seed)
    top = int(gain.mean(axis=0).argmax())
    d = np.delete(gain - gain[:, [top]], top, axis=1)
    ceiling = float(np.maximum(d.max(axis=1), 0).mean())
    found = {label: _regress(x, d, label, rng) for label, x in made.items()}
    centre = {label: value for label, (value, _) in found.items()}
    order = sorted(centre, key=lambda label: -centre[label])
    spread = np.array([found[label][1] for label in order])
    worst = max(centre.values()) - ceiling
    bounded = Check(
        name="no part is worth more than the whole",
        verdict="pass" if worst <= 3 * spread.max(initial=0.0) + 1e-9 * max(ceiling, 1.0) else "fail",
        observed=f"largest {max(centre.values()):.3g} GBP, all inputs {ceiling:.3g}",
        expected="at most that of all inputs together",
        why="knowing one input cannot be worth more than knowing all",
    )
    precise = Check(
        name="Monte Carlo error of the value of information",
        verdict="pass" if spread.max(initial=0.0) <= max(0.1 * ceiling, 1e-9) else "warn",
        observed=f"at most {spread.max(initial=0.0):.2g} GBP",
        expected="at most a tenth of that of all inputs",
        why="few draws make small values of information look larger than they are",
    )
    value = Estimates(
        estimand=what,
        labels=tuple(order),
        unit="GBP per patient",
        method=METHOD,
        interval="confidence",
        mean=np.array([min(centre[label], ceiling) for label in order]),
        covariance=np.diag(spread**2),
        checks=(*checks, bounded, precise),
    )
    return Information(
        value=value, evpi=ceiling, threshold=float(threshold), checks=(*checks, bounded, precise)
    )


def _regress(x: FloatArray, d: FloatArray, label: str, rng: np.random.Generator) -> tuple[float, float]:
    """Value of knowing x, and its Monte Carlo error; d has the best strategy taken off."""
    design = _design(x[:, x.std(axis=0) > 0])
    n, k = design.shape
    if n < _DRAWS_PER_TERM * k:
        raise InputError(
            f"'{label}' needs a regression on {k} terms; {n} draws are too few, at least "
            f"{_DRAWS_PER_TERM * k} are needed."
        )
    q, _ = linalg.qr(design, mode="economic")
    beta = q.T @ d
    fitted = q @ beta
    value = float(np.maximum(fitted.max(axis=1), 0).mean() - max(float(d.mean(axis=0).max()), 0.0))
    residual = d - fitted
    covariance = residual.T @ residual / (n - k)
    ridge = 1e-12 * np.trace(covariance) + 1e-300
    half = np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))
    some = q[rng.choice(n, min(n, 2000), replace=False)]
    base = some @ beta
    again = [
        np.maximum((base + some @ (rng.standard_normal(beta.shape) @ half.T)).max(axis=1), 0).mean()
        for _ in range(_REDRAWN)
    ]
    outer = np.maximum(fitted.max(axis=1), 0).std(ddof=1) / np.sqrt(n)
    return max(value, 0.0), float(np.hypot(np.std(again, ddof=1), outer))


def _design(x: FloatArray) -> FloatArray:
    """Constant, natural cubic spline of each column, and products of ranks two by two."""
    n = len(x)
    columns = [np.ones((n, 1))]
    ranks = []
    for at in range(x.shape[1]):
        rank = (np.argsort(np.argsort(x[:, at])) + 0.5) / n - 0.5
        ranks.append(rank)
        columns.append(_spline((x[:, at] - x[:, at].mean()) / x[:, at].std()))
    columns += [(ranks[i] * ranks[j])[:, None] for i, j in combinations(range(len(ranks)), 2)]
    stacked = np.hstack(columns)
    # drop what the rest says already: an input with few values, or two inputs that move together
    _, r, pivot = linalg.qr(stacked, mode="economic", pivoting=True)
    size = np.abs(np.diag(r))
    return np.asarray(stacked[:, np.sort(pivot[: int((size > 1e-9 * size[0]).sum())])])


def _spline(x: FloatArray) -> FloatArray:
    knots = np.unique(np.quantile(x, _KNOTS))
    if len(knots) < 3:
        return x[:, None]
    last, near = knots[-1], knots[-2]

    def part(knot: float) -> FloatArray:
        return np.asarray((np.maximum(x - knot, 0) ** 3 - np.maximum(x - last, 0) ** 3) / (last - knot))

    return np.column_stack([x, *(part(k) - part(near) for k in knots[:-2])])
