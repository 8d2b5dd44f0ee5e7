"""Independent draws for one yes/no outcome under the priors of `units.joint`, without a Markov chain.

With one outcome the model of `units.joint` is, at the case mix's mode,

    data_j ~ binomial in bins    level_j ~ Normal(m_g, (D_g s)^2)
    m_g ~ Normal(common, .)      s ~ half-t(2, scale)      log D_g ~ Normal(0, .)

Units know of each other only through their class, and classes only through `common` and s. So, as in
`units.direct`: what is common from a grid, each class from its own, over which its units are integrated out,
then each unit from its own density. The grids take log s for normal; the half-t comes in with the weights, by
which draws are resampled so that they come from the exact posterior.

When not to use it: by itself; `units.variation` calls it, and turns to the sweeps of `units.joint_draws`
where its check fails, for scores, and where all classes have one spread.

Source: as `units.direct`.

Checked against: the sweeps of `units.joint_draws`, which share no step with it (tests/unit).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from soa_evidence.priors import JointPriors, LevelPriors, Normal
from soa_evidence.results import Check
from soa_evidence.units.direct_classes import Hyper, draw_hyper, log_prior, place_class, place_common
from soa_evidence.units.direct_classes import weight_check as soundness
from soa_evidence.units.direct_grids import ClassGrid, Grid
from soa_evidence.units.joint_draws import JointDraws, Layers, add_case_mix
from soa_evidence.units.weights import resample

__all__ = ["draw"]

FloatArray = NDArray[np.float64]
UNSURE = 0.6  # of a class's log spread before its grid is fitted to it
CHAINS = 1  # independent draws need no more
WIDE = (
    1.5  # of the normal that stands for the log of a half-t while draws are made; both its tails are longer
)


def draw(laid: Layers, priors: JointPriors, *, draws: int, seed: int) -> tuple[JointDraws | None, Check]:
    """Draw from the posterior of one outcome; None where draws are not sound, and the check either way.

    Parameters
    ----------
    laid
        One outcome, of events.
    priors
        With classes whose spreads differ.
    draws
        How many, all independent.
    """
    from soa_evidence.units.direct_kernels import class_grid, unit_levels

    levels = LevelPriors(
        common=priors.common,
        class_sd=priors.class_sd,
        log_spread=Normal(mean=math.log(priors.spread_scale), sd=WIDE, because="stands for a half-t"),
        class_log_spread_sd=priors.class_log_spread_sd,
    )
    level, information, seen = laid.level[:, 0], laid.information[:, 0], laid.seen[:, 0]
    odds, none = np.exp(laid.bin_score), np.zeros((len(laid.bin_score), 0))
    likelihood = (laid.starts, odds, laid.bin_patients, seen, level, information, none)
    classes = []
    for g in range(len(laid.groups)):
        units = np.flatnonzero(laid.group_of_unit == g)

        def integral(grid: Grid, units: NDArray[np.int64] = units) -> FloatArray:
            at, log_spread = grid.points()
            return np.asarray(class_grid(at, np.exp(log_spread), units, *likelihood, False)[0])

        weight = information[units]
        grid = place_class(
            integral,
            centre=float(weight @ level[units] / weight.sum()),
            spread=priors.spread_scale,
            information=weight,
            levels=levels,
            spread_sd=UNSURE,
        )
        if grid is None:
            return None, _none(f"no grid could be placed for class '{laid.groups[g]}'")
        points = len(grid.level) * len(grid.log_spread)
        flat = {"gradient": np.zeros((points, 0)), "curvature": np.zeros((points, 0, 0))}
        classes.append(ClassGrid(grid=grid, value=integral(grid), **flat))
    outer = place_common(
        classes,
        levels,
        float(np.mean([one.grid.level.mean() for one in classes])),
        math.log(priors.spread_scale),
    )
    if outer is None:
        return None, _none("no grid could be placed for what is common to classes")
    rng = np.random.default_rng(seed)
    hyper, log_q = draw_hyper(classes, outer, levels, np.zeros((draws, 0)), rng)
    unit, log_units = unit_levels(
        np.broadcast_to(odds, (draws, len(odds))), laid.starts, laid.bin_patients, seen, laid.group_of_unit,
        hyper.class_level, np.exp(hyper.class_log_spread), level, information,
        rng.random((draws, len(laid.units))),
    )  # fmt: skip
    target = _log_likelihood(laid, unit) + log_prior(hyper, unit, laid.group_of_unit, levels)
    target += _half_t(hyper.typical_log_spread, priors.spread_scale) - _stand_in(hyper, levels)
    weight = target - (log_q + log_units)
    check = soundness(weight)
    if check.verdict != "pass":
        return None, check
    kept = resample(weight, draws, rng)
    spread = np.exp(hyper.typical_log_spread[kept])
    found = JointDraws(
        level=unit[kept][:, :, None],
        class_level=hyper.class_level[kept][:, :, None],
        covariance=np.square(spread)[:, None, None],
        relative=(np.exp(hyper.class_log_spread[kept]) / spread[:, None])[:, :, None],
        chains=CHAINS,
        checks=(check,),
    )
    return replace(found, case_mix=add_case_mix(laid, found.level, found.class_level, rng)), check


def _log_likelihood(laid: Layers, unit: FloatArray) -> FloatArray:
    """Exact log likelihood of units' levels (S, J) over their bins."""
    of_bin = np.repeat(np.arange(len(laid.units)), np.diff(laid.starts))
    eta = unit[:, of_bin] + laid.bin_score
    softplus = np.maximum(eta, 0) + np.log1p(np.exp(-np.abs(eta)))
    return np.asarray(unit @ laid.seen[:, 0] - softplus @ laid.bin_patients)


def _half_t(log_spread: FloatArray, scale: float) -> FloatArray:
    """Log density of log s, s half-t on 2 degrees of freedom, up to a constant."""
    return np.asarray(log_spread - 1.5 * np.log1p(np.exp(2 * log_spread) / (2 * scale**2)))


def _stand_in(hyper: Hyper, levels: LevelPriors) -> FloatArray:
    prior = levels.log_spread
    return np.asarray(-0.5 * ((hyper.typical_log_spread - prior.mean) / prior.sd) ** 2)


def _none(why: str) -> Check:
    """Return a check that says why nothing was drawn."""
    return replace(soundness(np.zeros(1)), verdict="fail", observed=why)
