"""Placebos: the same reckoning for groups of units, and years, to which nothing happened.

For a contrast W_i of each unit, the effect on the treated is sum_k w_k W_k minus the mean of the others. A
placebo in place is the same for as many units drawn from those that took no part. Units differ in how much
chance is in them: where sizes n are known, Var(W_i) = A + B q_i with q_i the contrast's own sum of 1/n, so a
drawn unit's W is scaled to the standard deviation of the one it stands for. Where a record's standard
deviation s is known too, q_i is the contrast's sampling variance itself, the sum of s^2/n, B is 1, and only
A, how units vary beyond chance, is estimated, by moments weighted with (A + q)^-2. Few units tell B badly,
and units that took part and are smaller than all others show it: give s. The p value is the place of the
effect:

    p = (1 + number of placebos at least as large) / (1 + number of placebos).

When not to use it: by itself; `pathways.difference_in_differences` and `pathways.synthetic_control` call it.

Source: Ferman and Pinto (2019), Review of Economics and Statistics 101:452, for the scaling; Phipson and
Smyth (2010), SAGMB 9:39, for the p value.

Checked against: enumeration in tests/unit; worlds without an effect in tests/calibration/programmes.py.
"""

from __future__ import annotations

from itertools import combinations, permutations
from math import comb, perm

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates

__all__ = ["FEWEST", "effects", "groups", "p_value", "place", "require_count", "scales", "told"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
FEWEST = 99
STEPS = 20


def require_count(placebos: int) -> None:
    """Refuse a number of placebos too small to say anything."""
    if not (isinstance(placebos, int) and placebos >= FEWEST):
        raise InputError(f"placebos={placebos!r}: expected a whole number of at least {FEWEST}.")


def groups(among: int, size: int, count: int, *, seed: int, ordered: bool = False) -> IntArray:
    """Return groups of `size` of `among` units, shape (g, size): all when no more than `count`, or a sample.

    `ordered` counts the same units in another order as another group, where each stands for a certain one.
    """
    possible = perm(among, size) if ordered else comb(among, size)
    if possible <= count:
        every = permutations(range(among), size) if ordered else combinations(range(among), size)
        return np.array(list(every), dtype=np.int64)
    rng = np.random.default_rng(seed)
    return np.argsort(rng.random((count, among)), axis=1)[:, :size].astype(np.int64)


def scales(
    contrast: FloatArray, chance: FloatArray, judged: FloatArray, known: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Return standard deviations of the contrasts of the others, and of the treated, up to a common factor.

    Parameters
    ----------
    contrast, chance : arrays (m,)
        Centred contrasts of units that took no part, and each one's q (sum of 1/n); all 0 when unknown.
    judged : array (k,)
        q of those that took part.
    known
        Whether q is the sampling variance itself.
    """
    if known:
        a = _beyond_chance(contrast**2, chance)
        return np.sqrt(a + chance), np.sqrt(a + judged)
    if not (chance > 0).any() or np.ptp(np.concatenate([chance, judged])) == 0:
        return np.ones_like(contrast), np.ones_like(judged)
    square = contrast**2
    design = np.column_stack([np.ones_like(chance), chance])
    a, b = np.linalg.lstsq(design, square, rcond=None)[0]
    if b < 0:  # more chance in larger units is noise: all alike
        a, b = square.mean(), 0.0
    elif a < 0:
        a, b = 0.0, (square * chance).sum() / (chance**2).sum()
    if a + b == 0:
        return np.ones_like(contrast), np.ones_like(judged)
    return np.sqrt(a + b * chance), np.sqrt(a + b * judged)


def _beyond_chance(square: FloatArray, chance: FloatArray) -> float:
    """Return the variance of contrasts beyond their sampling variances, 0 or more."""
    a = max(float((square - chance).mean()), 0.0)
    for _ in range(STEPS):  # small units tell little of it
        weight = (a + chance) ** -2
        a = max(float(weight @ (square - chance) / weight.sum()), 0.0)
    return a


def effects(
    contrast: FloatArray,
    chance: FloatArray,
    judged: FloatArray,
    weight: FloatArray,
    drawn: IntArray,
    known: bool = False,
) -> FloatArray:
    """Return the placebo effect of each drawn group, shape (groups,)."""
    m, k = len(contrast), drawn.shape[1]
    centred = (contrast - contrast.mean()) * np.sqrt(m / (m - 1))
    own, wanted = scales(centred, chance, judged, known)
    placed = centred[drawn] * (wanted / own[drawn])
    rest = -centred[drawn].sum(axis=1) / (m - k)
    return np.asarray(placed @ weight - rest)


def p_value(effect: float, placebos: FloatArray) -> float:
    """Return where |effect| stands among |placebos|, ties counted against it."""
    slack = 1e-12 * max(abs(effect), 1e-300)
    return float((1 + (np.abs(placebos) >= abs(effect) - slack).sum()) / (1 + len(placebos)))


def told(p: float, count: int) -> Check:
    """Return the check that tells the place of the effect among `count` groups, whatever it is."""
    return Check(
        name="placebo in place",
        verdict="pass",
        observed=f"p = {p:.3f} among {count} groups",
        expected="told, whatever it is",
        why="the place of the effect among groups outside the programme is its p value",
    )


def place(p: float, count: int, method: str, checks: tuple[Check, ...]) -> Estimates:
    """Return the p value as estimates, with the error that comes of having drawn `count` groups."""
    return Estimates(
        estimand="share of groups outside the programme with an effect as large",
        labels=("placebo groups",),
        unit="probability",
        method=method,
        mean=np.array([p]),
        covariance=np.array([[p * (1 - p) / (count + 1)]]),
        interval="Monte Carlo",
        checks=checks,
    )
