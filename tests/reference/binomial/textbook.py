"""The model of `units.binomial` as a textbook writes it: plain, non-centred, every cell, no shortcuts.

Written from the formulas, sharing no code with the package, so that a long run of it can be the judge of the
package's transforms, collapsed cells, resampling and interpolated risks. Benchmarks time it as well.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Data:
    """Cells (C), units (J), classes (G), case-mix columns (K) and distinct patterns (P)."""

    events: np.ndarray
    trials: np.ndarray
    unit: np.ndarray
    pattern: np.ndarray
    patterns: pd.DataFrame
    design: np.ndarray
    share: np.ndarray
    class_of_unit: np.ndarray
    units: tuple
    classes: tuple
    terms: tuple

    @property
    def unit_trials(self):
        return np.bincount(self.unit, weights=self.trials, minlength=len(self.units))


def data(frame, *, events, trials, unit, group, case_mix):
    """Lay out a frame of counts: one cell per unit and pattern, indicators centred on all patients."""
    frame = frame[frame[trials] > 0]
    cells = frame.groupby([unit, group, *case_mix], as_index=False, observed=True)[[events, trials]].sum()
    patterns = cells[case_mix].drop_duplicates().reset_index(drop=True)
    cells = cells.merge(patterns.reset_index(names="pattern"), on=list(case_mix), validate="many_to_one")
    share = cells.groupby("pattern")[trials].sum().sort_index().to_numpy(float)
    share /= share.sum()
    columns = {}
    for factor in case_mix:
        size = cells.groupby(factor)[trials].sum()
        commonest = size.idxmax()
        for level in sorted(set(size.index) - {commonest}):
            columns[f"{factor}: {level} v {commonest}"] = (patterns[factor] == level).to_numpy(float)
    design = np.column_stack([np.empty((len(patterns), 0)), *columns.values()])
    by_unit = cells.drop_duplicates(unit).sort_values(unit)
    units, classes = tuple(by_unit[unit]), tuple(sorted(by_unit[group].unique()))
    return Data(
        events=cells[events].to_numpy(np.int64),
        trials=cells[trials].to_numpy(np.int64),
        unit=cells[unit].map({name: i for i, name in enumerate(units)}).to_numpy(),
        pattern=cells["pattern"].to_numpy(),
        patterns=patterns,
        design=design - share @ design,
        share=share,
        class_of_unit=by_unit[group].map({name: i for i, name in enumerate(classes)}).to_numpy(),
        units=units,
        classes=classes,
        terms=tuple(columns),
    )


def model(d, priors):
    """Return the PyMC model; `priors` is a `soa_evidence.priors.BinomialPriors`, read for its numbers."""
    import pymc as pm

    with pm.Model() as built:
        common = pm.Normal("common", priors.common_log_odds.mean, priors.common_log_odds.sd)
        typical = pm.Normal("typical", priors.common_log_spread.mean, priors.common_log_spread.sd)
        z_level = pm.Normal("z_level", 0, 1, shape=len(d.classes))
        z_spread = pm.Normal("z_spread", 0, 1, shape=len(d.classes))
        class_level = pm.Deterministic("class_level", common + priors.class_log_odds_sd * z_level)
        log_spread = typical + priors.class_log_spread_sd * z_spread
        spread = pm.Deterministic("spread", pm.math.exp(log_spread))
        z_unit = pm.Normal("z_unit", 0, 1, shape=len(d.units))
        level = pm.Deterministic("level", class_level[d.class_of_unit] + spread[d.class_of_unit] * z_unit)
        prior = priors.case_mix_log_odds
        case_mix = pm.Normal("case_mix", prior.mean, prior.sd, shape=len(d.terms))
        eta = pm.math.dot(d.design, case_mix)[d.pattern] + level[d.unit]
        pm.Binomial("events", n=d.trials, logit_p=eta, observed=d.events)
    return built


def sample(built, *, draws, tune, chains, cores, seed, target_accept=0.8):
    """Sample with nutpie; returns an ArviZ data tree."""
    import nutpie

    compiled = nutpie.compile_pymc_model(built)
    return nutpie.sample(
        compiled, draws=draws, tune=tune, chains=chains, cores=cores, seed=seed,
        target_accept=target_accept, progress_bar=False,
    )  # fmt: skip


def expit(x):
    return 1 / (1 + np.exp(-x))


def quantities(d, posterior, *, reference, reference_label):
    """Draws of everything compared, name -> (labels, array (chain, draw, k)); risks by brute force."""
    chains, per_chain = posterior.sizes["chain"], posterior.sizes["draw"]

    def flat(name):
        values = posterior[name].to_numpy()
        return values.reshape(-1, values.shape[-1])

    beta, level, class_level, spread = (flat(n) for n in ("case_mix", "level", "class_level", "spread"))
    at, weight = np.polynomial.hermite_e.hermegauss(41)
    weight = weight / weight.sum()
    unit_risk, kind_risk = np.empty_like(level), np.empty_like(class_level)
    for s in range(len(beta)):
        linear = d.design @ beta[s]
        unit_risk[s] = d.share @ expit(linear[:, None] + level[s])
        population = class_level[s][:, None] + spread[s][:, None] * at
        risk = d.share @ expit(linear[:, None] + population.ravel())
        kind_risk[s] = risk.reshape(population.shape) @ weight
    size = d.unit_trials
    sets = [(name,) for name in d.classes] + ([reference] if len(reference) > 1 else [])
    labels = [name for (name,) in sets[: len(d.classes)]] + ([reference_label] if len(reference) > 1 else [])
    base = labels.index(reference_label)
    others = [k for k in range(len(labels)) if k != base]
    these, kind = [], []
    for names in sets:
        inside = np.isin(np.array(d.classes)[d.class_of_unit], names)
        these.append(unit_risk @ (np.where(inside, size, 0) / size[inside].sum()))
        n_units = np.array([np.sum(d.class_of_unit == g) for g in range(len(d.classes))], float)
        share = np.where(np.isin(d.classes, names), n_units, 0)
        kind.append(kind_risk @ (share / share.sum()))
    these, kind = np.column_stack(these), np.column_stack(kind)
    compared = [labels[k] for k in others]
    out = {
        "risk, these units": (labels, these),
        "risk, units as a kind": (labels, kind),
        "difference, these units": (compared, 1000 * (these - these[:, [base]])[:, others]),
        "difference, units as a kind": (compared, 1000 * (kind - kind[:, [base]])[:, others]),
        "class level": (list(d.classes), class_level),
        "spread": (list(d.classes), spread),
        "case mix": (list(d.terms), beta),
        "unit risk": (list(d.units), unit_risk),
    }
    return {name: (names, v.reshape(chains, per_chain, -1)) for name, (names, v) in out.items()}


def summary(named):
    """Table of quantity, label, mean, sd and their Monte Carlo standard errors, and bulk ESS."""
    import arviz as az

    rows = []
    for quantity, (labels, draws) in named.items():
        for k, label in enumerate(labels):
            x = draws[:, :, k]
            rows.append(
                {
                    "quantity": quantity,
                    "label": label,
                    "mean": float(x.mean()),
                    "sd": float(x.std(ddof=1)),
                    "mcse_mean": float(az.mcse(x, method="mean")),
                    "mcse_sd": float(az.mcse(x, method="sd")),
                    "ess_bulk": float(az.ess(x, method="bulk")),
                }
            )
    return pd.DataFrame(rows)
