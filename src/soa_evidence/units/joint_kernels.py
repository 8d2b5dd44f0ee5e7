# ruff: noqa: NPY002 - numba compiles the legacy functions only; every chain sets its own seed first
"""Compiled Gibbs sweeps of `units.joint`: one chain.

Notation of `units.joint`: J units, k outcomes, G classes; level t_j ~ Normal(m_g, D_g Sigma D_g) with D_g the
diagonal of class g's relative spreads. A sweep draws, in turn:

1. each unit's k levels: proposed from the normal that its data's quadratic and its class give together, and
   accepted by the exact binomial likelihood over that quadratic (an independence step);
2. the classes' means, and what is common to them: normal;
3. Sigma: inverse Wishart, with the auxiliaries of Huang and Wand (2013);
4. relative spreads: random walk on their log, one outcome at a time and two together;
5. spreads, how each outcome follows the others (shears of Sigma) and means once more with the units'
   standardised places held still, so that a small spread cannot hold the chain up (interweaving, Yu and Meng
   2011, JCGS 20:531).

When not to use it: by itself; `units.joint_draws` calls it.

Checked against: a twin by quadrature, tests/unit/test_units_joint.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["chain"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NU = 2.0  # of the Huang-Wand prior: half-t on 2 degrees of freedom, correlations flat one by one


@njit(cache=True, nogil=True)
def _skew(j: int, o: int, t: float, data: Any) -> float:
    """Exact log likelihood of unit j on outcome o less its quadratic, at level t."""
    y, info, _, seen, exact, starts, bin_n, bin_e, _ = data
    if not exact[o] or info[j, o] <= 0:
        return 0.0
    total = seen[j, o] * t + 0.5 * info[j, o] * (t - y[j, o]) ** 2
    at = j * y.shape[1] + o
    for b in range(starts[at], starts[at + 1]):
        eta = t + bin_e[b]
        total -= bin_n[b] * (max(eta, 0.0) + math.log1p(math.exp(-abs(eta))))
    return total  # type: ignore[no-any-return]  # numba sees a float


@njit(cache=True, nogil=True)
def _wishart(df: float, lower: FloatArray) -> FloatArray:
    """Draw W ~ Wishart(df, lower lower') by Bartlett."""
    k = lower.shape[0]
    a = np.zeros((k, k))
    for i in range(k):
        a[i, i] = math.sqrt(np.random.chisquare(df - i))
        for b in range(i):
            a[i, b] = np.random.standard_normal()
    root = lower @ a
    return root @ root.T


@njit(cache=True, nogil=True)
def _normal(precision: FloatArray, linear: FloatArray, lower: FloatArray, found: FloatArray) -> None:
    """Draw into `found` from the normal with this precision and precision times mean; `lower` is scratch."""
    k = len(linear)
    for a in range(k):  # by hand: a call of LAPACK costs more than these few products
        for b in range(a + 1):
            rest = precision[a, b]
            for c in range(b):
                rest -= lower[a, c] * lower[b, c]
            lower[a, b] = math.sqrt(rest) if a == b else rest / lower[b, b]
    for a in range(k):
        rest = linear[a]
        for c in range(a):
            rest -= lower[a, c] * found[c]
        found[a] = rest / lower[a, a]
    for a in range(k):
        found[a] += np.random.standard_normal()
    for a in range(k - 1, -1, -1):
        for c in range(a + 1, k):
            found[a] -= lower[c, a] * found[c]
        found[a] /= lower[a, a]


@njit(cache=True, nogil=True)
def _units(level: FloatArray, skew: FloatArray, mean: FloatArray, inverse: FloatArray, ratio: FloatArray,
           group: IntArray, data: Any, accepted: FloatArray) -> None:  # fmt: skip
    y, precision, pull = data[0], data[2], data[8]
    k = y.shape[1]
    prior = np.empty((mean.shape[0], k, k))
    drawn = np.zeros((mean.shape[0], k))
    for g in range(mean.shape[0]):
        for a in range(k):
            for b in range(k):
                prior[g, a, b] = inverse[a, b] / (ratio[g, a] * ratio[g, b])
                drawn[g, a] += prior[g, a, b] * mean[g, b]
    q, lower, linear, proposal, found = (
        np.empty((k, k)),
        np.empty((k, k)),
        np.empty(k),
        np.empty(k),
        np.empty(k),
    )
    for j in range(y.shape[0]):
        g = group[j]
        for a in range(k):
            linear[a] = pull[j, a] + drawn[g, a]
            for b in range(a + 1):
                q[a, b] = precision[j, a, b] + prior[g, a, b]
        _normal(q, linear, lower, proposal)
        gain = 0.0
        for o in range(k):
            found[o] = _skew(j, o, proposal[o], data)
            gain += found[o] - skew[j, o]
        if math.log(np.random.random()) < gain:
            level[j] = proposal
            skew[j] = found
            accepted[j] += 1


@njit(cache=True, nogil=True)
def _means(level: FloatArray, mean: FloatArray, common: FloatArray, inverse: FloatArray, ratio: FloatArray,
           group: IntArray, class_sd: float, middle: float, wide: float) -> None:  # fmt: skip
    many, k = mean.shape
    for g in range(many):
        q = np.empty((k, k))
        for a in range(k):
            for b in range(k):
                q[a, b] = inverse[a, b] / (ratio[g, a] * ratio[g, b])
        total, count = np.zeros(k), 0
        for j in range(level.shape[0]):
            if group[j] == g:
                total += level[j]
                count += 1
        q_all, linear = count * q + np.eye(k) / class_sd**2, q @ total + common / class_sd**2
        _normal(q_all, linear, q, mean[g])
    for o in range(k):
        weight = many / class_sd**2 + 1 / wide**2
        at = (mean[:, o].sum() / class_sd**2 + middle / wide**2) / weight
        common[o] = at + np.random.standard_normal() / math.sqrt(weight)


@njit(cache=True, nogil=True)
def _scatter(level: FloatArray, mean: FloatArray, group: IntArray) -> FloatArray:
    """Return the sums of squares and products of the units about their class, by class; shape (G, k, k)."""
    many, k = mean.shape
    found = np.zeros((many, k, k))
    for j in range(level.shape[0]):
        apart = level[j] - mean[group[j]]
        for a in range(k):
            for b in range(k):
                found[group[j], a, b] += apart[a] * apart[b]
    return found


@njit(cache=True, nogil=True)
def _of_ratios(
    scatter: FloatArray, inverse: FloatArray, log_ratio: FloatArray, size: int, sd: float
) -> float:
    """Log density of one class's relative spreads, the units held still."""
    found, k = 0.0, len(log_ratio)
    for a in range(k):
        found -= size * log_ratio[a] + 0.5 * log_ratio[a] ** 2 / sd**2
        for b in range(a + 1):
            of_pair = scatter[a, b] * inverse[a, b] * math.exp(-log_ratio[a] - log_ratio[b])
            found -= of_pair if b < a else 0.5 * of_pair
    return found


@njit(cache=True, nogil=True)
def _ratios(scatter: FloatArray, inverse: FloatArray, ratio: FloatArray, size: IntArray, sd: float) -> None:
    """Random walks on the log of each class's relative spreads, the units held still.

    One outcome at a time, and then with a second one: outcomes that hang together widen together.
    """
    many, k = ratio.shape
    for g in range(many):
        old = np.log(ratio[g])
        at = _of_ratios(scatter[g], inverse, old, size[g], sd)
        for o in range(k if k == 1 else 2 * k):
            new = old.copy()
            by = 1.7 / math.sqrt(2 * size[g] + 1 / sd**2) * np.random.standard_normal()
            new[o % k] += by
            if o >= k:
                new[(o + np.random.randint(1, k)) % k] += by
            then = _of_ratios(scatter[g], inverse, new, size[g], sd)
            if math.log(np.random.random()) < then - at:
                old, at = new, then
        ratio[g] = np.exp(old)


@njit(cache=True, nogil=True)
def _trade(inverse: FloatArray, auxiliary: FloatArray, ratio: FloatArray, o: int, sd: float) -> None:
    """Move outcome o's usual spread one way and all classes' relative spreads the other."""
    k, many = inverse.shape[0], ratio.shape[0]
    step = 1.5 * sd / math.sqrt(many) * np.random.standard_normal()
    gain = -(NU + 2 * k) * step + (k + 1) * step
    gain -= NU / auxiliary[o] * inverse[o, o] * (math.exp(-2 * step) - 1)
    for g in range(many):
        gain -= 0.5 * (step**2 - 2 * step * math.log(ratio[g, o])) / sd**2
    if math.log(np.random.random()) < gain:
        inverse[o, :] /= math.exp(step)
        inverse[:, o] /= math.exp(step)
        ratio[:, o] /= math.exp(step)


@njit(cache=True, nogil=True)
def _gain(
    level: FloatArray, skew: FloatArray, o: int, step: FloatArray, own: IntArray, data: Any, found: FloatArray
) -> float:
    """Change of the log likelihood when levels of outcome o of the units `own` move by `step`.

    New skews go into `found`; both are by unit, and what they hold of other units is left alone.
    """
    y, info, precision = data[0], data[1], data[2]
    gain = 0.0
    for j in own:
        found[j] = skew[j, o]
        if info[j, o] > 0:
            slope = 0.0
            for a in range(level.shape[1]):
                slope += precision[j, o, a] * (level[j, a] - y[j, a])
            found[j] = _skew(j, o, level[j, o] + step[j], data)
            gain += found[j] - skew[j, o] - step[j] * slope - 0.5 * precision[j, o, o] * step[j] ** 2
    return gain


@njit(cache=True, nogil=True)
def _move(
    level: FloatArray, skew: FloatArray, o: int, step: FloatArray, own: IntArray, found: FloatArray
) -> None:
    for j in own:
        level[j, o] += step[j]
        skew[j, o] = found[j]


@njit(cache=True, nogil=True)
def _shift(level: FloatArray, skew: FloatArray, mean: FloatArray, common: FloatArray, o: int, g: int,
           own: IntArray, class_sd: float, data: Any, found: FloatArray) -> None:  # fmt: skip
    """Move a class's mean and its units together, by what the quadratics ask for."""
    y, info, precision = data[0], data[1], data[2]
    weight, slope = 1 / class_sd**2, (common[o] - mean[g, o]) / class_sd**2
    for j in own:
        if info[j, o] > 0:
            weight += precision[j, o, o]
            for a in range(level.shape[1]):
                slope -= precision[j, o, a] * (level[j, a] - y[j, a])
    by = slope / weight + np.random.standard_normal() / math.sqrt(weight)
    # the quadratics and the prior are what it was drawn from, so only the skews are left to judge
    gain = 0.0
    for j in own:
        found[j] = _skew(j, o, level[j, o] + by, data)
        gain += found[j] - skew[j, o]
    if math.log(np.random.random()) < gain:
        mean[g, o] += by
        for j in own:
            level[j, o] += by
            skew[j, o] = found[j]


@njit(cache=True, nogil=True)
def _shear(level: FloatArray, skew: FloatArray, mean: FloatArray, inverse: FloatArray, ratio: FloatArray,
           o: int, auxiliary: FloatArray, order: IntArray, group: IntArray, data: Any, step: FloatArray,
           found: FloatArray) -> None:  # fmt: skip
    """Draw anew how outcome o follows all others over units, what is its own of every unit held still.

    A shear of Sigma adds to each unit's place on o a sum of its places on the others. Quadratics and prior
    make its coefficients normal, so they are drawn from that and judged by the skews alone.
    """
    y, precision = data[0], data[2]
    k = y.shape[1]
    place, q, linear = np.zeros(k), np.zeros((k, k)), np.zeros(k)
    for a in range(k):
        if a != o:
            q[a, a] = 2 * NU / auxiliary[a] * inverse[o, o]
            linear[a] = 2 * NU / auxiliary[a] * inverse[o, a]
    q[o, o] = 1.0
    for j in order:
        g, slope = group[j], 0.0
        for a in range(k):
            slope += precision[j, o, a] * (level[j, a] - y[j, a])
            place[a] = 0.0 if a == o else ratio[g, o] / ratio[g, a] * (level[j, a] - mean[g, a])
        for a in range(k):
            linear[a] -= slope * place[a]
            for b in range(a + 1):
                q[a, b] += precision[j, o, o] * place[a] * place[b]
    add = np.empty(k)
    _normal(q, linear, np.empty((k, k)), add)
    add[o] = 0.0
    gain = 0.0
    for j in order:
        g, step[j] = group[j], 0.0
        for a in range(k):
            step[j] += add[a] * ratio[g, o] / ratio[g, a] * (level[j, a] - mean[g, a])
        found[j] = _skew(j, o, level[j, o] + step[j], data)
        gain += found[j] - skew[j, o]
    if math.log(np.random.random()) < gain:
        _move(level, skew, o, step, order, found)
        before = inverse[o].copy()
        for a in range(k):
            for b in range(k):
                inverse[a, b] += add[a] * add[b] * before[o] - add[a] * before[b] - add[b] * before[a]


@njit(cache=True, nogil=True)
def _adapted(width: float, yes: bool, sweep: int) -> float:
    """Adapt a random walk's width, towards four steps taken in ten."""
    wider = width * math.exp(((1.0 if yes else 0.0) - 0.4) / math.sqrt(1.0 + 0.2 * sweep))
    return min(max(wider, 1e-3), 3.0)


@njit(cache=True, nogil=True)
def chain(data: Any, group: IntArray, n_groups: int, prior: FloatArray, tune: int, draws: int, thin: int,
          seed: int) -> Any:  # fmt: skip
    """Run one chain.

    Parameters
    ----------
    data
        level, information (J, k), precision (J, k, k), seen (J, k), exact (k,), starts (J k + 1,), bins'
        patients and scores, precision times level (J, k).
    group
        Class of each unit.
    prior
        Mean and sd of the common level, class sd, spread scale, sd of a class's log relative spread.

    Returns
    -------
    levels (draws, J, k), means (draws, G, k), covariance (draws, k, k), relative spreads (draws, G, k), and
    the share of proposals that each unit took (J,).
    """
    np.random.seed(seed)
    y, info = data[0], data[1]
    many, k = y.shape
    middle, wide, class_sd, scale, ratio_sd = prior[0], prior[1], prior[2], prior[3], prior[4]
    # units in the order of their classes: a class's are those from its first to the next one's
    order, size = np.argsort(group), np.bincount(group, minlength=n_groups)
    first = np.cumsum(size) - size
    common = np.zeros(k)
    for o in range(k):
        common[o] = (info[:, o] * y[:, o]).sum() / max(info[:, o].sum(), 1e-12)
    mean = np.empty((n_groups, k))
    for g in range(n_groups):
        mean[g] = common + 0.1 * np.random.standard_normal(k)
    inverse = np.eye(k) / (0.2 * math.exp(0.4 * np.random.standard_normal())) ** 2
    ratio = np.ones((n_groups, k))
    level = np.empty((many, k))
    for j in range(many):
        level[j] = mean[group[j]] + 0.1 * np.random.standard_normal(k)
    skew, found = np.zeros((many, k)), np.zeros(many)
    for j in range(many):
        for o in range(k):
            skew[j, o] = _skew(j, o, level[j, o], data)
    accepted = np.zeros(many)
    walk, step = np.full((n_groups + 1, k), 0.2), np.zeros(many)
    out_level = np.empty((draws, many, k))
    out_mean = np.empty((draws, n_groups, k))
    out_cov = np.empty((draws, k, k))
    out_ratio = np.empty((draws, n_groups, k))
    auxiliary = np.full(k, 1.0)
    for sweep in range(tune + draws * thin):
        if sweep == tune:
            accepted[:] = 0
        _units(level, skew, mean, inverse, ratio, group, data, accepted)
        _means(level, mean, common, inverse, ratio, group, class_sd, middle, wide)
        scatter = _scatter(level, mean, group)
        total = np.zeros((k, k))
        for a in range(k):
            for b in range(k):
                for g in range(n_groups):
                    total[a, b] += scatter[g, a, b] / (ratio[g, a] * ratio[g, b])
            auxiliary[a] = (NU * inverse[a, a] + 1 / scale**2) / np.random.standard_gamma((NU + k) / 2)
            auxiliary[a] = max(auxiliary[a], 1e-12)
            total[a, a] += 2 * NU / auxiliary[a]
        lower = np.linalg.cholesky(np.linalg.inv(total))
        inverse = _wishart(NU + k - 1 + many, lower)
        if ratio_sd > 0:
            _ratios(scatter, inverse, ratio, size, ratio_sd)
        for o in range(k):
            if ratio_sd > 0:
                _trade(inverse, auxiliary, ratio, o, ratio_sd)
            # classes' own spreads and means take turns with the shears
            for g in range(-1, n_groups if ratio_sd > 0 and sweep % 2 == 0 else 0):
                by = walk[g + 1, o] * np.random.standard_normal()
                longer = math.exp(by) - 1
                own = order if g < 0 else order[first[g] : first[g] + size[g]]
                for j in own:
                    step[j] = longer * (level[j, o] - mean[group[j], o])
                gain = _gain(level, skew, o, step, own, data, found)
                if g < 0:
                    # inverse Wishart at the stretched Sigma, and the Jacobian on the log scale
                    gain += -(NU + 2 * k) * by + (k + 1) * by
                    gain -= NU / auxiliary[o] * inverse[o, o] * (math.exp(-2 * by) - 1)
                else:
                    old = math.log(ratio[g, o])
                    gain -= 0.5 * ((old + by) ** 2 - old**2) / ratio_sd**2
                yes = math.log(np.random.random()) < gain
                if yes:
                    _move(level, skew, o, step, own, found)
                    if g < 0:
                        inverse[o, :] /= math.exp(by)
                        inverse[:, o] /= math.exp(by)
                    else:
                        ratio[g, o] *= math.exp(by)
                if sweep < tune:
                    walk[g + 1, o] = _adapted(walk[g + 1, o], yes, sweep)
            if k > 1 and sweep % 2 == 1:
                _shear(level, skew, mean, inverse, ratio, o, auxiliary, order, group, data, step, found)
            for g in range(n_groups if sweep % 2 == 0 else 0):
                own = order[first[g] : first[g] + size[g]]
                _shift(level, skew, mean, common, o, g, own, class_sd, data, found)
        if sweep >= tune and (sweep - tune) % thin == 0:
            at = (sweep - tune) // thin
            out_level[at], out_mean[at], out_ratio[at] = level, mean, ratio
            out_cov[at] = np.linalg.inv(inverse)
    return out_level, out_mean, out_cov, out_ratio, accepted / (draws * thin)
