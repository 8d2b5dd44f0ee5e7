"""The model of units.poisson by brute force: a grid over every parameter, two classes, one row a unit."""

import numpy as np
from scipy import stats

Z = np.linspace(-8, 8, 401)
MIDDLE = np.linspace(-2.6, 2.6, 61)
LOG_SPREAD = np.linspace(-5.5, 1.2, 41)


def class_likelihood(seen, expected, least=0):
    """Product over units of the likelihood with the level integrated out, at (MIDDLE, LOG_SPREAD)."""
    density = stats.norm.pdf(Z) * (Z[1] - Z[0])
    rate = np.exp(MIDDLE[:, None, None] + np.exp(LOG_SPREAD)[None, :, None] * Z)
    total = np.zeros((len(MIDDLE), len(LOG_SPREAD)))
    for y, e in zip(seen, expected, strict=True):
        total += np.log(stats.poisson.pmf(y, e * rate) @ density + 1e-300)
        if least:
            total -= np.log(stats.poisson.sf(least - 1, e * rate) @ density + 1e-300)
    return np.exp(total - total.max())


def posterior(one, two, levels):
    """Means and SDs of both classes' levels, their difference and log spreads; and P(first below second)."""

    def prior(grid, mean, sd, apart):
        pairs = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
        return stats.multivariate_normal.pdf(pairs, [mean] * 2, sd**2 + apart**2 * np.eye(2))

    of_level = prior(MIDDLE, levels.common.mean, levels.common.sd, levels.class_sd)
    of_spread = prior(LOG_SPREAD, levels.log_spread.mean, levels.log_spread.sd, levels.class_log_spread_sd)
    level = of_level * np.einsum("ab,bd,cd->ac", one, of_spread, two)
    spread = of_spread * np.einsum("ab,ac,cd->bd", one, of_level, two)
    level, spread = level / level.sum(), spread / spread.sum()
    a, b = np.meshgrid(MIDDLE, MIDDLE, indexing="ij")
    s, t = np.meshgrid(LOG_SPREAD, LOG_SPREAD, indexing="ij")
    moments = {}
    for name, values, weight in (
        ("level one", a, level), ("level two", b, level), ("difference", a - b, level),
        ("log spread one", s, spread), ("log spread two", t, spread),
    ):  # fmt: skip
        mean = (weight * values).sum()
        moments[name] = (mean, np.sqrt((weight * (values - mean) ** 2).sum()))
    below = level[a < b].sum() + 0.5 * level[a == b].sum()
    return moments, below
