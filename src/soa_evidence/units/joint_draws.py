"""Several outcomes of the same units put side by side, and the posterior draws of their joint model.

What outcomes share at patient level - a patient with a wound problem is likelier to be readmitted - makes
chance run together too: it would pass for a correlation between units if it were taken for none. It can be
estimated without single patients. The residual totals r_a, r_b of a cell (unit and case-mix stratum),
patients being independent, have covariance n cov_ab, so over all cells c::

    rho_ab = sum_c r_ca r_cb / sqrt(sum_c r_ca^2  sum_c r_cb^2)

is the correlation of two sums over the same patients, and thus of the chance in a unit's two estimates. Their
sampling covariance is then rho_ab / sqrt(I_a I_b).

When not to use it: by itself; `units.joint` calls it.

Checked against: simulation with a known correlation, and the twin by quadrature (tests/unit).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.priors import JointPriors
from soa_evidence.results import Check, Verdict
from soa_evidence.sampling import ESS_PER_CHAIN, R_HAT_FAIL, R_HAT_LIMIT, Settings
from soa_evidence.units.summaries import Events, Summary

__all__ = ["JointDraws", "Layers", "add_case_mix", "draw", "layers"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FEWEST_TAKEN = 0.1  # share of proposals a unit must take, or its likelihood is far from any normal
LARGEST_CHANCE = 0.95  # beyond it two outcomes are all but one and the same question


@dataclass(frozen=True, eq=False, kw_only=True)
class Layers:
    """Outcomes laid over one another by unit.

    Attributes
    ----------
    units, groups : tuple of str
        All units with data on any outcome, and their classes, sorted.
    group_of_unit : array of shape (J,)
    level, information, seen, patients : arrays of shape (J, k)
        Of `Summary`; information 0 where a unit has no data on an outcome.
    chance : array of shape (k, k)
        Correlation of the outcomes' sampling errors within a unit.
    precision : array of shape (J, k, k)
        Inverse of the sampling covariance.
    exact : array of shape (k,)
        Whether the likelihood is binomial rather than normal.
    starts, bin_patients, bin_score : arrays
        Bins of unit j and outcome o are those from ``starts[j k + o]`` to ``starts[j k + o + 1]``.
    lean : tuple of arrays (J, K)
    places : tuple of arrays
        Position in `units` of every unit of each summary.
    summaries : tuple of Summary
    """

    units: tuple[str, ...]
    groups: tuple[str, ...]
    group_of_unit: IntArray
    level: FloatArray
    information: FloatArray
    seen: FloatArray
    patients: FloatArray
    chance: FloatArray
    precision: FloatArray
    exact: NDArray[np.bool_]
    starts: IntArray
    bin_patients: FloatArray
    bin_score: FloatArray
    places: tuple[IntArray, ...]
    summaries: tuple[Summary, ...]


def layers(tallied: pd.DataFrame, summaries: Sequence[Summary]) -> Layers:
    """Lay summaries over one another; `tallied` is the frame they were made from, in its order."""
    units = tuple(sorted(set().union(*(s.cells.units for s in summaries))))
    groups = tuple(sorted(set().union(*(s.cells.groups for s in summaries))))
    class_of = {
        name: s.cells.groups[g]
        for s in summaries
        for name, g in zip(s.cells.units, s.cells.group_of_unit, strict=True)
    }
    position = {name: at for at, name in enumerate(units)}
    places = tuple(np.array([position[name] for name in s.cells.units]) for s in summaries)
    shape = (len(units), len(summaries))
    level, information, seen, patients = (np.zeros(shape) for _ in range(4))
    residual = np.zeros((len(tallied), len(summaries)))
    for o, (s, at) in enumerate(zip(summaries, places, strict=True)):
        level[at, o], information[at, o], seen[at, o] = s.level, s.information, s.seen
        patients[at, o] = s.patients
        count = s.outcome.trials if isinstance(s.outcome, Events) else s.outcome.patients
        residual[tallied[count].to_numpy() > 0, o] = s.residual
    chance = _chance(residual)
    bins = [[_bins(s, at, j) for s, at in zip(summaries, places, strict=True)] for j in range(len(units))]
    counts = np.array([len(one[0]) for row in bins for one in row])
    return Layers(
        units=units,
        groups=groups,
        group_of_unit=np.array([groups.index(class_of[name]) for name in units]),
        level=level,
        information=information,
        seen=seen,
        patients=patients,
        chance=chance,
        precision=_precision(information, chance),
        exact=np.array([isinstance(s.outcome, Events) for s in summaries]),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        bin_patients=np.concatenate([one[0] for row in bins for one in row]),
        bin_score=np.concatenate([one[1] for row in bins for one in row]),
        places=places,
        summaries=tuple(summaries),
    )


def _bins(summary: Summary, at: IntArray, j: int) -> tuple[FloatArray, FloatArray]:
    own = np.flatnonzero(at == j)
    if summary.curve is None or not len(own):
        return np.zeros(0), np.zeros(0)
    low, high = np.searchsorted(summary.bin_unit, [own[0], own[0] + 1])
    return summary.bin_patients[low:high], summary.bin_score[low:high]


def _chance(residual: FloatArray) -> FloatArray:
    product = residual.T @ residual
    size = np.sqrt(np.diag(product))
    size = np.where(size > 0, size, 1.0)
    found = product / np.outer(size, size)
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)


def _precision(information: FloatArray, chance: FloatArray) -> FloatArray:
    many, k = information.shape
    # outcomes all but identical leave no inverse; a shade towards independence always does
    near = chance * (1 - 1e-6) + 1e-6 * np.eye(k)
    precision = np.zeros((many, k, k))
    for pattern in np.unique(information > 0, axis=0):
        at, seen = np.flatnonzero(((information > 0) == pattern).all(axis=1)), np.flatnonzero(pattern)
        if len(seen):
            inverse = np.linalg.inv(near[np.ix_(seen, seen)])
            root = np.sqrt(information[np.ix_(at, seen)])
            precision[np.ix_(at, seen, seen)] = inverse * root[:, :, None] * root[:, None, :]
    return precision


@dataclass(frozen=True, eq=False, kw_only=True)
class JointDraws:
    """Posterior draws, chains laid end to end.

    Attributes
    ----------
    level : array of shape (S, J, k)
    class_level : array of shape (S, G, k)
    covariance : array of shape (S, k, k)
        Sigma, of a usual class.
    relative : array of shape (S, G, k)
        A class's spread over the usual one.
    chains : int
    checks : tuple of Check
    case_mix : tuple of arrays of shape (S, K)
        Coefficients of each outcome's case mix less their mode, with which the levels go; empty where there
        is no case mix.
    """

    level: FloatArray
    class_level: FloatArray
    covariance: FloatArray
    relative: FloatArray
    chains: int
    checks: tuple[Check, ...]
    case_mix: tuple[FloatArray, ...] = ()

    @property
    def spread(self) -> FloatArray:
        """Standard deviation between units of each class; shape (S, G, k)."""
        usual = np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))
        return np.asarray(self.relative * usual[:, None, :])

    def of_units(self, group: IntArray) -> FloatArray:
        """Root mean square over units of their class's spread; `group` is their class, shape (S, k)."""
        return np.asarray(np.sqrt(np.square(self.spread[:, group]).mean(axis=1)))

    @property
    def correlation(self) -> FloatArray:
        """Correlation of the outcomes between units; shape (S, k, k)."""
        usual = np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))
        return np.asarray(self.covariance / (usual[:, :, None] * usual[:, None, :]))


def draw(laid: Layers, priors: JointPriors, *, settings: Settings, seed: int, thin: int = 5) -> JointDraws:
    """Draw from the posterior by Gibbs sweeps, the case mix at its mode.

    The mode's uncertainty is added afterwards: each draw moves all levels by what a draw of the case-mix
    coefficients about their mode would move them, to first order.
    """
    from soa_evidence.units.joint_kernels import chain

    data = (
        laid.level, laid.information, laid.precision, laid.seen, laid.exact, laid.starts, laid.bin_patients,
        laid.bin_score, np.einsum("jab,jb->ja", laid.precision, laid.level),
    )  # fmt: skip
    prior = np.array(
        [
            priors.common.mean,
            priors.common.sd,
            priors.class_sd,
            priors.spread_scale,
            priors.class_log_spread_sd,
        ]
    )
    seeds = np.random.SeedSequence(seed).generate_state(settings.chains + 1)

    def run(one: int) -> Any:
        return chain(
            data, laid.group_of_unit, len(laid.groups), prior, settings.tune, settings.draws, thin, one
        )

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, [int(one) for one in seeds[:-1]]))
    level, mean, covariance, ratio = (np.concatenate([one[at] for one in found]) for at in range(4))
    taken = np.mean([one[4] for one in found], axis=0)
    checks = _checks(laid, settings.chains, mean, covariance, ratio, level, taken)
    case_mix = add_case_mix(laid, level, mean, np.random.default_rng(int(seeds[-1])))
    return JointDraws(
        level=level,
        class_level=mean,
        covariance=covariance,
        relative=ratio,
        chains=settings.chains,
        checks=checks,
        case_mix=case_mix,
    )


def add_case_mix(
    laid: Layers, level: FloatArray, mean: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, ...]:
    """Move units, and classes by the average of their units, for the case mix's own uncertainty.

    Returns how far each draw's coefficients lie from the mode, one array (S, K) an outcome.
    """
    found = []
    for o, (s, at) in enumerate(zip(laid.summaries, laid.places, strict=True)):
        terms = len(s.case_mix)
        if not terms:
            found.append(np.zeros((len(level), 0)))
            continue
        values, vectors = np.linalg.eigh(s.case_mix_covariance)
        noise = rng.standard_normal((len(level), terms)) * np.sqrt(np.clip(values, 0, None)) @ vectors.T
        found.append(noise)
        move = -noise @ s.lean.T
        level[:, at, o] += move
        for g in range(len(laid.groups)):
            own = laid.group_of_unit[at] == g
            if own.any():
                mean[:, g, o] += move[:, own].mean(axis=1)
    return tuple(found)


def _checks(
    laid: Layers,
    chains: int,
    mean: FloatArray,
    covariance: FloatArray,
    ratio: FloatArray,
    level: FloatArray,
    taken: FloatArray,
) -> tuple[Check, ...]:
    import arviz as az

    k = level.shape[2]
    usual = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    spread = (ratio * usual[:, None, :]).reshape(len(ratio), -1)
    correlation = covariance / (usual[:, :, None] * usual[:, None, :])
    off = np.triu_indices(k, 1)
    # averages of all units stand for the units: one by one they would cost more than the sweeps
    watched = [mean.reshape(len(mean), -1), spread, correlation[:, off[0], off[1]], level.mean(axis=1)]
    named = np.hstack(watched).reshape(chains, -1, sum(one.shape[1] for one in watched))
    r_hat = np.array([float(az.rhat(named[:, :, at])) for at in range(named.shape[2])])
    bulk = np.array([float(az.ess(named[:, :, at], method="bulk")) for at in range(named.shape[2])])
    worst, least = float(np.nanmax(r_hat)), float(np.nanmin(bulk))
    if not np.isfinite(r_hat).all():
        worst = np.inf
    need = ESS_PER_CHAIN * chains
    enough: Verdict = "pass" if least >= need else "fail" if least < need / 4 else "warn"
    lowest = int(np.argmin(taken))
    off_chance = np.abs(laid.chance[np.triu_indices(k, 1)])
    largest = float(off_chance.max(initial=0.0))
    return (
        Check(
            name="R-hat, largest",
            verdict="pass" if worst <= R_HAT_LIMIT else "warn" if worst <= R_HAT_FAIL else "fail",
            observed=f"{worst:.3f}",
            expected=f"at most {R_HAT_LIMIT}",
            why="chains that started apart must agree, or the posterior has not been found",
        ),
        Check(
            name="effective sample size, bulk, smallest",
            verdict=enough,
            observed=f"{least:.0f}",
            expected=f"at least {need}",
            why="too few independent draws make estimates and interval ends noisy",
        ),
        Check(
            name="exact likelihood: share of proposals taken by the unit with fewest",
            verdict="pass" if taken[lowest] >= FEWEST_TAKEN else "warn",
            observed=f"{taken[lowest]:.0%} ({laid.units[lowest]}); all units {taken.mean():.0%}",
            expected=f"at least {FEWEST_TAKEN:.0%}",
            why="a unit's levels are proposed from a normal and corrected to the binomial likelihood exactly",
        ),
        Check(
            name="correlation of two outcomes by chance alone, largest",
            verdict="pass" if largest < LARGEST_CHANCE else "fail",
            observed=f"{largest:.2f}",
            expected=f"below {LARGEST_CHANCE}",
            why="the same patients answer every question; outcomes that are one and the same add nothing",
        ),
    )
