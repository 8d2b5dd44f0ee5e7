"""Fit simulated data and set the posterior beside the truth: ranks, coverage, claims."""

import arviz as az
import numpy as np

from soa_evidence import units
from soa_evidence.priors import binomial
from soa_evidence.sampling import Settings
from tests.calibration import simulate

SETTINGS = Settings(draws=500, chains=2)
LEVEL = 0.95
KEPT = 49  # nearly independent draws for a rank, so that ranks run from 0 to 49
TRUTHS = {
    "no difference": {"specialist": -2.2, "general": -2.2, "independent": -2.2},
    "specialists better": {"specialist": -2.6, "general": -2.2, "independent": -2.4},
}
SPREAD = {"specialist": 0.2, "general": 0.2, "independent": 0.2}


def replicate(truth_name, seed, *, engine="direct"):
    """Make one data set, fit it, and compare; `truth_name` is 'priors' or one of `TRUTHS`.

    Returns
    -------
    list of dict
        quantity, label, truth, posterior mean and its Monte Carlo error (mcse), rank (0..KEPT), covered,
        claim (interval wholly on the better side), study, seed, and the names of failed checks.
    """
    rng = np.random.default_rng(seed)
    from_priors = truth_name == "priors"
    d = simulate.laid_out(simulate.layout(case_mix=from_priors), case_mix=from_priors)
    if from_priors:
        truth = simulate.from_priors(d, binomial("default"), rng)
    else:
        truth = simulate.fixed(d, TRUTHS[truth_name], SPREAD, rng)
    frame = simulate.events(d, truth, rng)
    result = units.binomial.fit(
        frame, events="events", trials="trials", unit="unit", group="class", reference=simulate.REFERENCE,
        case_mix=list(simulate.FACTORS) if from_priors else [], seed=seed, settings=SETTINGS,
        engine=engine,
    )  # fmt: skip
    failed = "; ".join(c.name for c in result.checks if c.verdict == "fail")
    true = simulate.quantities(d, truth)
    rows = []
    for quantity, draws in posterior(result).items():
        for label, values in draws.items():
            rows.append(compare(values, true[quantity][label]) | {"quantity": quantity, "label": label})
    return [row | {"study": truth_name, "seed": seed, "failed": failed} for row in rows]


def posterior(result):
    """Draws by quantity and label, named as in `simulate.quantities`."""
    tree = result.tree["posterior"]
    level = tree["class_level"].to_numpy().reshape(-1, len(result.spread.labels))
    estimates = {
        "difference, these units": result.these_units.difference,
        "difference, units as a kind": result.as_a_kind.difference,
        "risk, these units": result.these_units.risk,
        "risk, units as a kind": result.as_a_kind.risk,
        "spread": result.spread,
        "unit risk": result.unit_risk,
    }
    if result.case_mix is not None:
        estimates["case mix"] = result.case_mix
    out = {name: {label: e.of(label) for label in e.labels} for name, e in estimates.items()}
    out["class level"] = dict(zip(result.spread.labels, level.T, strict=True))
    out["common"] = {"": tree["common"].to_numpy().ravel()}
    out["typical log spread"] = {"": tree["typical_log_spread"].to_numpy().ravel()}
    return out


def compare(draws, truth):
    """Rank, coverage and claim of one quantity's draws against its true value."""
    thinned = draws[np.linspace(0, len(draws) - 1, KEPT).astype(int)]
    lower, upper = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {
        "truth": float(truth),
        "mean": float(draws.mean()),
        "mcse": float(az.mcse(draws.reshape(SETTINGS.chains, -1))),
        "rank": int((thinned < truth).sum()),
        "covered": bool(lower <= truth <= upper),
        "claim": bool(upper < 0),
    }
