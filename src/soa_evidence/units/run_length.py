"""Run lengths of a risk-adjusted CUSUM: procedures until it signals, for a mix of expected risks.

A patient of expected risk p has the event with odds R p / (1 - p), where R = 1 in control. The statistic adds
a weight w (event) = log(A) - log(1 - p + A p) or w (no event) = -log(1 - p + A p), where A is the odds ratio
the chart is built to find, never falls below 0, and signals at h or above.

Markov chain (Brook and Evans): states at 0, d, 2d, … with d = h / states. A jump that ends between two states
is shared between them so that its mean is kept. With F the chances of jumps between states and L_i the
average run length from state i, L = 1 + F L. But for the column of state 0, F depends on j - i alone, so that
the system is solved as a Toeplitz one. Where all weights are multiples of d, the chain is exact.

When not to use it: for patients whose risks come in a known order (the mix is drawn at random here), or where
outcomes of following patients depend on each other.

Sources: Brook and Evans (1972), Biometrika 59:539, for the chain; Steiner, Cook, Farewell and Treasure
(2000), Biostatistics 1:441, for the weights and a chain over a mix of risks.

Checked against: closed forms, our own R code and simulation, in tests/reference/monitoring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError

__all__ = ["Mix", "average", "design", "mix_of", "simulate", "weights"]

FloatArray = NDArray[np.float64]

STATES = 1000
KEPT = 2000  # more different risks than this are put into so many groups of like risk
LARGEST = 1e9  # procedures; beyond it the chain's numbers lose their digits
HIGHEST = 60.0  # no threshold above this is searched
STEPS = 200_000_000  # procedures simulated at most


@dataclass(frozen=True, eq=False, kw_only=True)
class Mix:
    """Expected risks and their shares.

    Attributes
    ----------
    risk, share : arrays of shape (m,)
        Risks above 0 and below 1, increasing; shares add to 1.
    """

    risk: FloatArray
    share: FloatArray


def mix_of(risks: FloatArray) -> Mix:
    """Return the mix of `risks`; more than 2,000 different ones are averaged in groups of like risk."""
    values, repeats = np.unique(risks, return_counts=True)
    counts = repeats.astype(float)
    if len(values) > KEPT:
        group = np.minimum((np.cumsum(repeats) - 1) * KEPT // len(risks), KEPT - 1)
        weight = np.bincount(group, counts, KEPT)
        total = np.bincount(group, counts * values, KEPT)
        values, counts = total[weight > 0] / weight[weight > 0], weight[weight > 0]
    return Mix(risk=values, share=counts / counts.sum())


def weights(risk: FloatArray, alternative: float) -> tuple[FloatArray, FloatArray]:
    """Return the weights of an event and of no event at `risk` (Steiner et al. 2000).

    Parameters
    ----------
    risk : array of shape (n,)
    alternative
        Odds ratio the chart is built to find; above 1 for worse, below 1 for better.
    """
    without = -np.log1p((alternative - 1) * risk)
    return np.log(alternative) + without, without


def average(
    mix: Mix, *, alternative: float, threshold: float, true_odds_ratio: float = 1.0, states: int = STATES
) -> float:
    """Return the average run length from 0.

    The chain's error falls as one over its states, so that two chains, one of twice as many, give the limit.

    Parameters
    ----------
    true_odds_ratio
        1 in control; `alternative` where care is as bad (or good) as the chart is built to find.
    states
        Of the coarser chain.

    Returns
    -------
    float
        Procedures; infinite above 1e9, where the chain's numbers lose their digits.
    """
    coarse, fine = (_chain(mix, alternative, threshold, true_odds_ratio, n) for n in (states, 2 * states))
    length = 2 * fine - coarse if np.isfinite(coarse) and np.isfinite(fine) else np.inf
    return float(length) if length < LARGEST else float(np.inf)


def _chain(mix: Mix, alternative: float, threshold: float, true_odds_ratio: float, states: int) -> float:
    """Average run length of one chain."""
    from scipy.linalg import solve_toeplitz

    up, down = _jumps(mix, alternative, threshold / states, true_odds_ratio, states)
    # F from i to j >= 1, by j - i; from i to 0 is what remains below.
    column = np.concatenate([[1 - up[0]], -down[1 : states - 1]])
    row = np.concatenate([[1 - up[0]], -up[1 : states - 1]])
    # `tail[i]`: chance of falling i states or more
    tail = np.cumsum(down[::-1])[::-1]
    to_zero = tail[1:states]
    solved = solve_toeplitz((column, row), np.column_stack([np.ones(states - 1), to_zero]))
    ones, zeros = solved[:, 0], solved[:, 1]
    ahead = up[1:states]
    stay = up[0] + tail[1]
    # L_0 = 1 + stay L_0 + sum of ahead (ones + zeros L_0); the chance of ever leaving for good is 1 - …
    leave = 1 - stay - float(ahead @ zeros)
    length = (1 + float(ahead @ ones)) / leave if leave > 0 else np.inf
    return float(length) if length > 0 else float(np.inf)


def _jumps(
    mix: Mix, alternative: float, width: float, true_odds_ratio: float, states: int
) -> tuple[FloatArray, FloatArray]:
    """Chances of rising by 0, 1, … states and of falling by 0, 1, …; the outermost hold all beyond."""
    event, without = weights(mix.risk, alternative)
    happens = true_odds_ratio * mix.risk / (1 + (true_odds_ratio - 1) * mix.risk)
    jump = np.concatenate([event, without]) / width
    chance = np.concatenate([mix.share * happens, mix.share * (1 - happens)])
    nearest = np.round(jump)
    jump = np.where(np.abs(jump - nearest) < 1e-9 * np.maximum(1, np.abs(jump)), nearest, jump)
    below = np.floor(jump)
    part = jump - below
    at = np.concatenate([below, below + 1])
    of = np.concatenate([chance * (1 - part), chance * part])
    size = states + 1
    place = np.clip(at, -states, states).astype(np.int64)
    up = np.bincount(place[place >= 0], of[place >= 0], size)
    down = np.bincount(-place[place < 0], of[place < 0], size)
    return up, down


def design(mix: Mix, *, alternative: float, in_control_run_length: float, states: int = STATES) -> float:
    """Return the lowest threshold with at least the in-control run length asked for.

    Raises
    ------
    InputError
        When no threshold up to 60 gives so long a run.
    """
    low, high = 0.0, 1.0
    while average(mix, alternative=alternative, threshold=high, states=states) < in_control_run_length:
        low, high = high, 1.5 * high
        if high > HIGHEST:
            raise InputError(
                f"in_control_run_length={in_control_run_length:g} is reached by no threshold up to "
                f"{HIGHEST:g}; ask for a shorter one."
            )
    while high - low > 1e-6 * high:
        middle = 0.5 * (low + high)
        if average(mix, alternative=alternative, threshold=middle, states=states) < in_control_run_length:
            low = middle
        else:
            high = middle
    return high


def simulate(
    mix: Mix, *, alternative: float, threshold: float, true_odds_ratio: float = 1.0, runs: int, seed: int
) -> tuple[float, float]:
    """Return the average run length of `runs` simulated charts and its Monte Carlo standard error.

    Returns
    -------
    tuple of float
        Both are NaN where the runs would take more than 2e8 procedures.
    """
    from soa_evidence.units.cusum_kernels import run_lengths

    event, without = weights(mix.risk, alternative)
    happens = true_odds_ratio * mix.risk / (1 + (true_odds_ratio - 1) * mix.risk)
    lengths = run_lengths(
        np.random.default_rng(seed), np.cumsum(mix.share), happens, event, without, threshold, runs, STEPS
    )
    if (lengths < 0).any():
        return float("nan"), float("nan")
    return float(lengths.mean()), float(lengths.std(ddof=1) / np.sqrt(runs))
