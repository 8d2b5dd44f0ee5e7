"""A deterministic twin of `survival.hierarchical` for two classes and two bands: quadrature, no sampling.

Without case mix and with one period, the parameters are: the step d between the bands, each class's level and
log spread, the units' levels, and for death each class's level and its own step. Given d and a class's
(level, log spread), its units are independent, so the class's likelihood is a product of one-dimensional
integrals over units' levels (Gauss-Hermite around each integrand's peak). Class level, log spread and d go on
grids; the hyper-parameters that classes share are normal and integrate out in closed form; the smoothing of d
integrates out on a grid of its own. Deaths factorise from revisions and are treated alike, without units.

Plain numpy and independent of the package on purpose: nothing here is shared with what it checks.
"""

from dataclasses import dataclass

import numpy as np

NODES = 30
GRID = (61, 41, 41)  # points for a class's level, its log spread, and the step


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Events (J,), person-years (J, 2), units' classes (J,), edges (3,), totals by band, deaths (2, 2)."""

    events: np.ndarray
    person_years: np.ndarray
    own: np.ndarray
    breaks: np.ndarray
    events_by_band: np.ndarray
    deaths: np.ndarray


def shape(step, breaks):
    """Log hazard of the two bands, its mean over the years being 0; (..., 2)."""
    width = np.diff(breaks)
    share = width[1] / width.sum()
    return np.stack([-share * step, (1 - share) * step], axis=-1)


def log_prior_step(step, breaks):
    """Log density of the step with the log smoothing, N(log 0.5, 0.7), integrated out."""
    middle = (breaks[1:] + breaks[:-1]) / 2
    gap = np.sqrt(np.log(middle[1] / middle[0]))
    s = np.linspace(-6, 6, 401)
    sd = np.exp(np.log(0.5) + 0.7 * s) * gap
    density = np.exp(-0.5 * (step[:, None] / sd) ** 2) / sd * np.exp(-0.5 * s**2)
    return np.log(density.sum(axis=1))


def pair(first, second, mean, shared_sd, own_sd):
    """Joint density of two classes' parameters around a shared, unknown centre; matrix (len, len)."""
    variance, shared = shared_sd**2 + own_sd**2, shared_sd**2
    a, b = (first - mean)[:, None], (second - mean)[None, :]
    determinant = variance**2 - shared**2
    return np.exp(-0.5 * (variance * (a**2 + b**2) - 2 * shared * a * b) / determinant)


def unit_integrals(events, exposure, level, spread):
    """Log of the integral over u of N(u; level, spread) exp(events u - exposure e^u), and E[u], E[u^2].

    `level` and `spread` are grids that broadcast; returns three arrays of their shape.
    """
    u = np.broadcast_to(level, np.broadcast(level, spread).shape).astype(float).copy()
    for _ in range(60):
        gradient = events - exposure * np.exp(u) - (u - level) / spread**2
        curvature = exposure * np.exp(u) + 1 / spread**2
        u += np.clip(gradient / curvature, -1, 1)
    sd = 1 / np.sqrt(exposure * np.exp(u) + 1 / spread**2)
    nodes, weights = np.polynomial.hermite.hermgauss(NODES)
    at = u[..., None] + np.sqrt(2) * sd[..., None] * nodes
    log = (
        events * at
        - exposure * np.exp(at)
        - 0.5 * ((at - level[..., None]) / spread[..., None]) ** 2
        + nodes**2
        + np.log(weights)
    )
    top = log.max(axis=-1)
    share = np.exp(log - top[..., None])
    total = share.sum(axis=-1)
    moment = (share * at).sum(axis=-1) / total, (share * at**2).sum(axis=-1) / total
    return top + np.log(total) + np.log(sd / spread), *moment


def grid(centre, reach, points):
    return np.linspace(centre - reach, centre + reach, points)


def revision(counts):
    """Posterior moments: name -> (mean, sd): class levels, log spreads, the step, the units' levels."""
    rate = (counts.events.sum() + 0.5) / counts.person_years.sum()
    crude = (counts.events_by_band + 0.5) / counts.person_years.sum(axis=0)
    steps = grid(np.log(crude[1] / crude[0]), 1.8, GRID[2])
    of = [counts.own == g for g in (0, 1)]
    centre = [np.log((counts.events[o].sum() + 1) / (counts.person_years[o].sum() + 1 / rate)) for o in of]
    levels = [grid(c, 2.6, GRID[0]) for c in centre]
    spreads = np.linspace(np.log(0.2) - 3.4, np.log(0.2) + 3.4, GRID[1])
    log_like = [np.zeros((GRID[2], GRID[0], GRID[1])) for _ in (0, 1)]
    units = []
    for j, (events, years) in enumerate(zip(counts.events, counts.person_years, strict=True)):
        g = counts.own[j]
        level, spread = np.meshgrid(levels[g], np.exp(spreads), indexing="ij")
        parts = [
            unit_integrals(events, years @ np.exp(shape(d, counts.breaks)), level, spread) for d in steps
        ]
        log_like[g] += np.stack([p[0] for p in parts])
        units.append((np.stack([p[1] for p in parts]), np.stack([p[2] for p in parts])))
    log_step = log_prior_step(steps, counts.breaks) + shape(steps, counts.breaks) @ counts.events_by_band
    like = [np.exp(x - x.max()) for x in log_like]
    # p(d, (m0, s0), (m1, s1)) = step(d) like0 like1 pair(m0, m1) pair(s0, s1)
    means = pair(levels[0], levels[1], np.log(0.01), 2.5, 0.5)
    logs = pair(spreads, spreads, np.log(0.2), 0.7, 0.5)
    other0 = np.einsum("mn,dnt,st->dms", means, like[1], logs)
    other1 = np.einsum("nm,dns,st->dmt", means, like[0], logs)
    weight = np.exp(log_step - log_step.max())[:, None, None]
    joint = [weight * like[0] * other0, weight * like[1] * other1]
    joint = [x / x.sum() for x in joint]
    found = {"step": moments(steps, joint[0].sum(axis=(1, 2)))}
    for g in (0, 1):
        found[f"class level {g}"] = moments(levels[g], joint[g].sum(axis=(0, 2)))
        found[f"log spread {g}"] = moments(spreads, joint[g].sum(axis=(0, 1)))
    for j, (first, second) in enumerate(units):
        mean = (joint[counts.own[j]] * first).sum()
        found[f"level {j}"] = (mean, np.sqrt((joint[counts.own[j]] * second).sum() - mean**2))
    edges = [joint[g].sum(axis=axes)[[0, -1]].max() / joint[g].sum(axis=axes).max()
             for g in (0, 1) for axes in ((1, 2), (0, 2), (0, 1))]  # fmt: skip
    return found, max(edges)


def death(counts):
    """Posterior moments of each class's level of death and of the step, as in `revision`."""
    years = np.stack([counts.person_years[counts.own == g].sum(axis=0) for g in (0, 1)])
    crude = (counts.deaths.sum(axis=0) + 0.5) / years.sum(axis=0)
    steps = grid(np.log(crude[1] / crude[0]), 1.8, 201)
    levels = [grid(np.log((counts.deaths[g].sum() + 0.5) / years[g].sum()), 2.2, 201) for g in (0, 1)]
    bands = shape(steps, counts.breaks)
    like = []
    for g in (0, 1):
        expected = np.exp(bands) @ years[g]
        log = counts.deaths[g].sum() * levels[g] - expected[:, None] * np.exp(levels[g])
        like.append(np.exp(log - log.max()))
    log_step = log_prior_step(steps, counts.breaks) + bands @ counts.deaths.sum(axis=0)
    means = pair(levels[0], levels[1], np.log(0.02), 2.5, 0.5)
    weight = np.exp(log_step - log_step.max())
    joint = np.einsum("d,dm,dn,mn->dmn", weight, like[0], like[1], means)
    joint /= joint.sum()
    return {
        "death step": moments(steps, joint.sum(axis=(1, 2))),
        "death level 0": moments(levels[0], joint.sum(axis=(0, 2))),
        "death level 1": moments(levels[1], joint.sum(axis=(0, 1))),
    }


def moments(points, weight):
    weight = weight / weight.sum()
    mean = points @ weight
    return mean, np.sqrt(points**2 @ weight - mean**2)
