"""The models of `units.gaussian` and `units.ordinal` written plainly, sharing no code with the package.

A toy of records, the posterior by quadrature over everything (no case mix), and the textbook PyMC model for
long runs. Numbers of the priors are read off the package's named sets, nothing else.
"""

import numpy as np
import pandas as pd
from scipy import special, stats

LEVELS = ["poor", "fair", "good", "very good"]
UNITS = {"specialist": 3, "general": 7, "independent": 5}


def records(seed=7, *, small=False):
    """One row a patient: unit, class, age, sex, gain, answer, stays (a count) and days (its exposure)."""
    rng = np.random.default_rng(seed)
    rows = []
    for g, (name, many) in enumerate(UNITS.items()):
        for j in range(many):
            level, spread = rng.normal(20 - g, 1.2), 8 * np.exp(rng.normal(0, 0.12))
            answer = rng.normal(0.6 - 0.3 * g, 0.25)
            for _ in range(int(rng.integers(2, 6) if small else rng.integers(15, 90))):
                age = rng.choice(["old", "middle", "young"], p=[0.3, 0.45, 0.25])
                sex = rng.choice(["female", "male"], p=[0.6, 0.4])
                shift = -2.0 * (age == "old") + 1.0 * (sex == "male")
                above = rng.logistic(answer + 0.3 * shift) - np.array([-1.5, 0.0, 1.4])
                gain = round(rng.normal(level + shift, spread))
                rows.append((f"{name} {j}", name, age, sex, gain, LEVELS[int((above > 0).sum())]))
    return pd.DataFrame(rows, columns=["unit", "class", "age", "sex", "gain", "answer"])


def sums(frame, factors=("age", "sex")):
    """Counts, totals and totals of squares of gain by unit and stratum."""
    made = frame.assign(square=frame["gain"] ** 2).groupby(["unit", "class", *factors])
    return made.agg(n=("gain", "size"), total=("gain", "sum"), squares=("square", "sum")).reset_index()


def answers(frame, factors=("age", "sex")):
    """Counts of answers by unit and stratum, a column a level."""
    keys = [frame[k] for k in ("unit", "class", *factors)]
    return pd.crosstab(keys, frame["answer"]).reindex(columns=LEVELS, fill_value=0).reset_index()


def gaussian_by_quadrature(frame, priors, scale, *, size=41, residuals=15):
    """Posterior mean and SD of two classes' levels, their difference and log spreads; no case mix.

    Every integral is a sum over a fixed grid: residual spread and how far units differ in it; each class's
    level and log spread; what is common to both, in closed form by bivariate normal kernels; each unit's
    level.
    """
    levels = priors.levels
    y = frame.assign(y=frame["gain"] / scale)
    classes = sorted(y["class"].unique())
    by_unit = [
        [(len(v), v.mean(), ((v - v.mean()) ** 2).sum()) for _, v in y[y["class"] == c].groupby("unit")["y"]]
        for c in classes
    ]
    middle = y["y"].mean()
    mu = middle + np.linspace(-1.3, 1.3, size)
    tau = np.linspace(np.log(0.1) - 3.2, np.log(0.1) + 3.0, size)
    u = middle + np.linspace(-2.6, 2.6, 521)
    pooled = 0.5 * np.log(y["y"].var())
    s0 = pooled + np.linspace(-0.45, 0.45, residuals)
    differ = np.log(0.1) + 0.7 * np.linspace(-3.2, 3.2, residuals)
    # prior of (level_1, level_2): the common level integrated out
    grid_level = _pair(mu, levels.common.mean, levels.common.sd, levels.class_sd)
    grid_spread = _pair(tau, levels.log_spread.mean, levels.log_spread.sd, levels.class_log_spread_sd)
    inside = stats.norm.pdf(u[None, None, :], mu[:, None, None], np.exp(tau)[None, :, None])
    inside = inside.reshape(size * size, -1) * (u[1] - u[0])
    wanted = ["one", "a", "b", "aa", "bb", "ab", "s", "t", "ss", "tt", "r", "rr", "better"]
    totals = dict.fromkeys(wanted, 0.0)
    top = None
    for r in s0:
        for d in differ:
            nu = 0.5 * np.exp(-2 * d)
            logs = []
            for units in by_unit:
                value = np.zeros(size * size)
                for n, mean, within in units:
                    h = (
                        special.gammaln((nu + n) / 2)
                        - special.gammaln(nu / 2)
                        + 0.5 * nu * np.log(nu)
                        + nu * r
                    )
                    h = h - 0.5 * (nu + n) * np.log(nu * np.exp(2 * r) + within + n * (mean - u) ** 2)
                    value += np.log(inside @ np.exp(h - h.max())) + h.max()
                logs.append(value.reshape(size, size))
            weight = stats.norm.logpdf(r, priors.log_residual.mean, priors.log_residual.sd)
            weight += stats.norm.logpdf(d, priors.log_residual_spread.mean, priors.log_residual_spread.sd)
            peak = logs[0].max() + logs[1].max() + weight
            top = peak if top is None else top
            one, two = (np.exp(x - x.max()) for x in logs)
            scaled = np.exp(peak - top)
            # joint over (a, s) and (b, t): sum of one[a, s] level[a, b] spread[s, t] two[b, t]
            pair = np.einsum("as,ab,st,bt->ab", one, grid_level, grid_spread, two, optimize=True)
            spread = np.einsum("as,ab,st,bt->st", one, grid_level, grid_spread, two, optimize=True)
            mass = pair.sum() * scaled
            totals["one"] += mass
            totals["a"] += scaled * (pair.sum(1) @ mu)
            totals["b"] += scaled * (pair.sum(0) @ mu)
            totals["aa"] += scaled * (pair.sum(1) @ mu**2)
            totals["bb"] += scaled * (pair.sum(0) @ mu**2)
            totals["ab"] += scaled * (mu @ pair @ mu)
            totals["s"] += scaled * (spread.sum(1) @ tau)
            totals["ss"] += scaled * (spread.sum(1) @ tau**2)
            totals["t"] += scaled * (spread.sum(0) @ tau)
            totals["tt"] += scaled * (spread.sum(0) @ tau**2)
            totals["r"] += mass * r
            totals["rr"] += mass * r**2
            half = np.tri(size, k=-1) + 0.5 * np.eye(size)
            totals["better"] += scaled * (pair * half).sum()
    t = {name: value / totals["one"] for name, value in totals.items()}
    apart = t["a"] - t["b"]
    squared = t["aa"] + t["bb"] - 2 * t["ab"]
    return {
        "classes": classes,
        "difference": (apart * scale, np.sqrt(squared - apart**2) * scale),
        "level": (t["a"] * scale, np.sqrt(t["aa"] - t["a"] ** 2) * scale),
        "log_spread": (t["s"] + np.log(scale), np.sqrt(t["ss"] - t["s"] ** 2)),
        "log_residual": (t["r"] + np.log(scale), np.sqrt(t["rr"] - t["r"] ** 2)),
        "better": t["better"],
    }


def _pair(at, mean, sd, own):
    """Density of two values each normal (own) about a common one that is normal (mean, sd), on a grid."""
    covariance = np.array([[sd**2 + own**2, sd**2], [sd**2, sd**2 + own**2]])
    both = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1)
    return stats.multivariate_normal([mean, mean], covariance).pdf(both)


def design(frame, factors=("age", "sex")):
    """Indicators against each factor's commonest level, centred on all patients."""
    columns = []
    for factor in factors:
        share = frame[factor].value_counts()
        commonest = sorted(share[share == share.max()].index)[0]
        columns += [(frame[factor] == x).to_numpy(float) for x in sorted(set(share.index) - {commonest})]
    x = np.column_stack(columns)
    return x - x.mean(axis=0)


def gaussian_model(frame, priors, scale):
    """The textbook PyMC model on records, every unit's variance a parameter, non-centred."""
    import pymc as pm

    levels = priors.levels
    units, unit = np.unique(frame["unit"], return_inverse=True)
    classes, group = np.unique(
        frame.drop_duplicates("unit").set_index("unit").loc[units, "class"], return_inverse=True
    )
    x = design(frame)
    with pm.Model() as model:
        common = pm.Normal("common", levels.common.mean, levels.common.sd)
        typical = pm.Normal("typical", levels.log_spread.mean, levels.log_spread.sd)
        class_level = pm.Deterministic(
            "class_level", common + levels.class_sd * pm.Normal("z", shape=len(classes))
        )
        log_spread = pm.Deterministic(
            "class_log_spread", typical + levels.class_log_spread_sd * pm.Normal("w", shape=len(classes))
        )
        level = pm.Deterministic(
            "level", class_level[group] + pm.math.exp(log_spread)[group] * pm.Normal("e", shape=len(units))
        )
        beta = pm.Normal("case_mix", priors.case_mix.mean, priors.case_mix.sd, shape=x.shape[1])
        residual = pm.Normal("log_residual", priors.log_residual.mean, priors.log_residual.sd)
        differ = pm.Normal(
            "log_residual_spread", priors.log_residual_spread.mean, priors.log_residual_spread.sd
        )
        nu = 0.5 * pm.math.exp(-2 * differ)
        precision = pm.Gamma("precision", nu / 2, 0.5 * nu * pm.math.exp(2 * residual), shape=len(units))
        pm.Normal(
            "y",
            level[unit] + pm.math.dot(x, beta),
            tau=precision[unit],
            observed=frame["gain"].to_numpy() / scale,
        )
    return model


def ordinal_model(frame, priors, cut=2):
    """The textbook PyMC model on records; threshold `cut - 1` is 0."""
    import pymc as pm
    import pytensor.tensor as pt

    levels = priors.levels
    units, unit = np.unique(frame["unit"], return_inverse=True)
    classes, group = np.unique(
        frame.drop_duplicates("unit").set_index("unit").loc[units, "class"], return_inverse=True
    )
    x = design(frame)
    y = frame["answer"].map({name: k for k, name in enumerate(LEVELS)}).to_numpy()
    with pm.Model() as model:
        common = pm.Normal("common", levels.common.mean, levels.common.sd)
        typical = pm.Normal("typical", levels.log_spread.mean, levels.log_spread.sd)
        class_level = pm.Deterministic(
            "class_level", common + levels.class_sd * pm.Normal("z", shape=len(classes))
        )
        log_spread = pm.Deterministic(
            "class_log_spread", typical + levels.class_log_spread_sd * pm.Normal("w", shape=len(classes))
        )
        level = pm.Deterministic(
            "level", class_level[group] + pm.math.exp(log_spread)[group] * pm.Normal("e", shape=len(units))
        )
        beta = pm.Normal("case_mix", priors.case_mix.mean, priors.case_mix.sd, shape=x.shape[1])
        gap = pm.LogNormal("gap", priors.log_gap.mean, priors.log_gap.sd, shape=len(LEVELS) - 2)
        edges = pt.concatenate([[0.0], pt.cumsum(gap)])
        thresholds = pm.Deterministic("thresholds", edges - edges[cut - 1])
        pm.OrderedLogistic("y", eta=level[unit] + pm.math.dot(x, beta), cutpoints=thresholds, observed=y)
    return model
