"""A deterministic twin of `units.binomial` without case mix: the same posterior by quadrature, no sampling.

Given a class's level mu and log spread s, its units are independent, so the likelihood of the class is a
product of one-dimensional integrals, each done by adaptive Gauss-Hermite quadrature. What is left, (mu, s) of
every class, goes on a grid. The hyper-parameters that classes share (common level, typical log spread) are
normal and integrate out in closed form: over classes, mu and s are each multivariate normal beforehand. For
two classes the posterior is then a contraction of two grids with two small matrices.

Plain numpy and independent of the package on purpose: nothing here is shared with what it checks.
"""

from dataclasses import dataclass

import numpy as np

NODES = 40  # of the quadrature over a unit's level
GRID = (141, 81)  # points for mu and log spread
REACH = 1e-10  # grid points less likely than this, relative to the top, are left out


@dataclass(frozen=True, kw_only=True)
class HyperPriors:
    """Normal hyper-priors: common ~ N(mean, sd), class level ~ N(common, class_sd); likewise log spread."""

    common_mean: float
    common_sd: float
    class_sd: float
    typical_mean: float
    typical_sd: float
    class_log_spread_sd: float

    def level(self, first, second=None):
        return _pair_density(first, second, self.common_mean, self.common_sd, self.class_sd)

    def log_spread(self, first, second=None):
        return _pair_density(first, second, self.typical_mean, self.typical_sd, self.class_log_spread_sd)


def hyper_priors(named):
    """Read the numbers, and nothing else, off a named set of the package's priors."""
    return HyperPriors(
        common_mean=named.common_log_odds.mean,
        common_sd=named.common_log_odds.sd,
        class_sd=named.class_log_odds_sd,
        typical_mean=named.common_log_spread.mean,
        typical_sd=named.common_log_spread.sd,
        class_log_spread_sd=named.class_log_spread_sd,
    )


@dataclass(frozen=True, kw_only=True)
class BugsPriors:
    """mu ~ N(0, variance 1e6), precision 1/spread^2 ~ Gamma(0.001, 0.001); for one class only."""

    def level(self, first, second=None):
        assert second is None
        return np.exp(-0.5 * first**2 / 1e6)

    def log_spread(self, first, second=None):
        # Density of the log spread: that of the precision times |d precision / d log spread| = 2 precision.
        assert second is None
        precision = np.exp(-2 * first)
        return np.exp(0.001 * np.log(precision) - 0.001 * precision)


def _pair_density(first, second, mean, shared_sd, own_sd):
    """Density of one class's parameter, or the matrix of joint densities of two classes' parameters."""
    variance, shared = shared_sd**2 + own_sd**2, shared_sd**2
    a = first - mean
    if second is None:
        return np.exp(-0.5 * a**2 / variance)
    a, b = a[:, None], (second - mean)[None, :]
    determinant = variance**2 - shared**2
    return np.exp(-0.5 * (variance * (a**2 + b**2) - 2 * shared * a * b) / determinant)


@dataclass(frozen=True, kw_only=True)
class ClassGrid:
    """One class on its grid: likelihood (M, T) and, per unit, conditional moments of the risk (J, M, T)."""

    mu: np.ndarray
    log_spread: np.ndarray
    log_likelihood: np.ndarray
    risk: np.ndarray
    risk_square: np.ndarray

    @property
    def likelihood(self):
        return np.exp(self.log_likelihood - self.log_likelihood.max())


def expit(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def class_grid(events, trials, mu, log_spread, nodes=NODES):
    """Integrate every unit's level out at every point of the grid."""
    mu, log_spread = np.asarray(mu, float), np.asarray(log_spread, float)
    at, weight = np.polynomial.hermite_e.hermegauss(nodes)
    total, risks, squares = np.zeros((len(mu), len(log_spread))), [], []
    for y, n in zip(events, trials, strict=True):
        m, spread = mu[:, None], np.exp(log_spread)[None, :]
        mode, scale = _mode_and_scale(y, n, m, spread)
        z = mode[..., None] + scale[..., None] * at
        level = m[..., None] + spread[..., None] * z
        log_f = y * level - n * np.logaddexp(0, level) - 0.5 * z**2 + 0.5 * at**2
        top = log_f.max(axis=-1, keepdims=True)
        f = weight * np.exp(log_f - top)
        mass = f.sum(axis=-1)
        p = expit(level)
        total += np.log(mass * scale) + top[..., 0]
        risks.append((f * p).sum(axis=-1) / mass)
        squares.append((f * p**2).sum(axis=-1) / mass)
    return ClassGrid(
        mu=mu,
        log_spread=log_spread,
        log_likelihood=total,
        risk=np.array(risks),
        risk_square=np.array(squares),
    )


def _mode_and_scale(y, n, mu, spread):
    """Mode and curvature scale of z, where level = mu + spread z: a damped Newton search, log-concave."""
    z = np.zeros(np.broadcast(mu, spread).shape)
    for _ in range(200):
        p = expit(mu + spread * z)
        gradient = spread * (y - n * p) - z
        curvature = 1 + spread**2 * n * p * (1 - p)
        # At most one and a half units of log odds at a time: there Newton cannot run away.
        step = np.clip(gradient / curvature, -1.5 / spread, 1.5 / spread)
        z = z + step
        if np.abs(step * spread).max() < 1e-9:
            break
    p = expit(mu + spread * z)
    return z, 1 / np.sqrt(1 + spread**2 * n * p * (1 - p))


def fitted_grid(events, trials, priors, size=GRID, nodes=NODES):
    """Lay the grid where the class's posterior has its mass, and fill it."""
    rate = (np.sum(events) + 0.5) / (np.sum(trials) + 1)
    centre = np.log(rate / (1 - rate))
    mu, log_spread = np.linspace(centre - 12, centre + 12, 121), np.linspace(-9, 4, 66)
    coarse = class_grid(events, trials, mu, log_spread, nodes=20)
    mass = coarse.likelihood * priors.level(mu)[:, None] * priors.log_spread(log_spread)[None, :]
    kept = mass > REACH * mass.max()
    mu, log_spread = mu[kept.any(axis=1)], log_spread[kept.any(axis=0)]
    return class_grid(
        events,
        trials,
        np.linspace(mu[0], mu[-1], size[0]),
        np.linspace(log_spread[0], log_spread[-1], size[1]),
        nodes,
    )


def kind_moments(grid, nodes=60):
    """Mean of the risk, and of its square, over the population of units at every grid point."""
    at, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()
    level = grid.mu[:, None, None] + np.exp(grid.log_spread)[None, :, None] * at
    return expit(level) @ weight, expit(level) ** 2 @ weight


def one_class(events, trials, priors, **grid_options):
    """Posterior of one class: dict of name -> (mean, sd), each a number or an array over units."""
    grid = fitted_grid(events, trials, priors, **grid_options)
    mass = grid.likelihood * priors.level(grid.mu)[:, None] * priors.log_spread(grid.log_spread)[None, :]
    mass = mass / mass.sum()

    def moments(mean, square):
        first = (mean * mass).sum(axis=(-2, -1))
        return first, np.sqrt((square * mass).sum(axis=(-2, -1)) - first**2)

    mu, spread = grid.mu[:, None], np.exp(grid.log_spread)[None, :]
    middle = expit(mu)
    return {
        "level": moments(mu, mu**2),
        "spread": moments(spread, spread**2),
        "risk at the class level": moments(middle, middle**2),
        "unit risk": moments(grid.risk, grid.risk_square),
    }


def two_classes(first, second, priors, **grid_options):
    """Posterior of two classes, each (events, trials).

    Returns
    -------
    dict of name -> (mean, sd)
        Arrays over the two classes, or over units (first class's, then second's), or numbers for the
        differences (first less second, probability scale); and "probability that the first kind is lower".
    """
    grids = [fitted_grid(*data, priors, **grid_options) for data in (first, second)]
    one, two = grids
    levels, spreads = priors.level(one.mu, two.mu), priors.log_spread(one.log_spread, two.log_spread)
    a, b = one.likelihood, two.likelihood
    total = (a * (levels @ b @ spreads.T)).sum()

    def expect(f, h):
        """Mean of f(first class) h(second class) over the joint posterior."""
        return ((a * f) * (levels @ (b * h) @ spreads.T)).sum() / total

    ones = [np.ones_like(a), np.ones_like(b)]

    def own(which, f):
        return expect(f, ones[1]) if which == 0 else expect(ones[0], f)

    def both(values):
        """Mean and sd per class of values [(mean, square) of the first, of the second]."""
        pairs = []
        for which, (mean, square) in enumerate(values):
            centre = own(which, mean)
            pairs.append((centre, np.sqrt(own(which, square) - centre**2)))
        return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])

    def difference(values):
        (x, xx), (y, yy) = values
        mean = own(0, x) - own(1, y)
        return mean, np.sqrt(own(0, xx) + own(1, yy) - 2 * expect(x, y) - mean**2)

    mu = [np.broadcast_to(g.mu[:, None], g.log_likelihood.shape) for g in grids]
    spread = [np.broadcast_to(np.exp(g.log_spread)[None, :], g.log_likelihood.shape) for g in grids]
    population = [kind_moments(g) for g in grids]
    kind = [(mean, mean**2) for mean, _ in population]
    these = [_weighted_units(g, n) for g, (_, n) in zip(grids, (first, second), strict=True)]
    units = [
        (own(k, g.risk[j]), own(k, g.risk_square[j])) for k, g in enumerate(grids) for j in range(len(g.risk))
    ]
    unit_mean = np.array([u[0] for u in units])
    return {
        "level": both([(m, m**2) for m in mu]),
        "spread": both([(s, s**2) for s in spread]),
        "unit risk": (unit_mean, np.sqrt(np.array([u[1] for u in units]) - unit_mean**2)),
        "risk, these units": both(these),
        "risk, units as a kind": both(kind),
        "risk of one more unit": both(population),
        "difference, these units": difference(these),
        "difference, units as a kind": difference(kind),
        "probability that the first kind is lower": _probability_lower(
            a, b, levels, spreads, kind[0][0], kind[1][0], total
        ),
    }


def _weighted_units(grid, trials):
    """Conditional mean, and mean square, of the class's risk with units weighted by their patients."""
    share = np.asarray(trials, float) / np.sum(trials)
    mean = np.tensordot(share, grid.risk, axes=1)
    variance = np.tensordot(share**2, grid.risk_square - grid.risk**2, axes=1)
    return mean, variance + mean**2


def _probability_lower(a, b, levels, spreads, x, y, total):
    mass = 0.0
    for i in range(len(a)):
        joint = a[i, :, None, None] * levels[i, None, :, None] * spreads[:, None, :] * b[None]
        mass += joint[x[i, :, None, None] < y[None]].sum()
    return mass / total


def rank_cumulative(events, trials, priors, size=(41, 41), levels=401):
    """P(rank <= r) of every unit of one class, r = 1..J; rank 1 is the lowest risk. Shape (J, J).

    Given the class's parameters the units are independent, so the number that lie below a unit at level t is
    a sum of independent indicators with probabilities F_k(t); its distribution is built up unit by unit.
    """
    grid = fitted_grid(events, trials, priors, size=size)
    mass = grid.likelihood * priors.level(grid.mu)[:, None] * priors.log_spread(grid.log_spread)[None, :]
    mass = mass / mass.sum()
    i, t = np.nonzero(mass > 1e-6 * mass.max())
    mu, spread, weight = grid.mu[i], np.exp(grid.log_spread)[t], mass[i, t] / mass[i, t].sum()
    y, n = np.asarray(events, float), np.asarray(trials, float)
    n_units = len(y)
    z = np.linspace(-8, 8, levels)
    answer = np.zeros((n_units, n_units))
    for m, s, w in zip(mu, spread, weight, strict=True):
        level = m + s * z
        log_f = y[:, None] * level - n[:, None] * np.logaddexp(0, level) - 0.5 * z**2
        density = np.exp(log_f - log_f.max(axis=1, keepdims=True))
        density /= density.sum(axis=1, keepdims=True)
        below = np.cumsum(density, axis=1) - 0.5 * density  # the middle of a step is on neither side
        for unit in range(n_units):
            count = np.zeros((n_units, levels))
            count[0] = density[unit]
            for other in range(n_units):
                if other != unit:
                    moved = count[:-1] * below[other]
                    count *= 1 - below[other]
                    count[1:] += moved
            answer[unit] += w * count.sum(axis=1)
    return np.cumsum(answer, axis=1)
