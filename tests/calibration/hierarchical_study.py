"""Fit simulated registries with `survival.hierarchical` and set the posterior beside the truth."""

from contextlib import contextmanager
from dataclasses import fields
from unittest import mock

import numpy as np

from soa_evidence import priors
from soa_evidence.survival import hierarchical
from soa_evidence.survival.hierarchical_model import Data
from tests.calibration import hierarchical_simulate as simulate
from tests.calibration import study

#: Levels of general, independent and specialist units where all are alike; log hazards a year.
NO_DIFFERENCE = (-3.6, -3.6, -3.6)


def replicate(study_name, seed):
    """Make one registry, fit it, and compare; `study_name` is 'priors' or 'no difference'.

    Returns
    -------
    list of dict
        As `study.replicate`.
    """
    rng = np.random.default_rng(seed)
    frame = simulate.layout()
    truth = (
        simulate.from_priors(frame, rng)
        if study_name == "priors"
        else simulate.fixed(frame, NO_DIFFERENCE, rng)
    )
    data = simulate.observed(frame, truth, rng)
    name = simulate.PRIORS.name if study_name == "priors" else "default"
    known = {simulate.PRIORS.name: simulate.PRIORS}
    with mock.patch.dict(priors.HIERARCHICAL_PRIORS, known):
        result = hierarchical.fit(
            data, time="years", event="event", unit="unit", group="kind", reference=simulate.REFERENCE,
            case_mix=["age"], breaks=simulate.BREAKS, periods=simulate.PERIODS, horizons=simulate.HORIZONS,
            priors=name, seed=seed, settings=study.SETTINGS,
        )  # fmt: skip
    failed = "; ".join(c.name for c in result.checks if c.verdict == "fail")
    true = simulate.quantities(frame, truth)
    rows = []
    for quantity, draws in posterior(result).items():
        for label, values in draws.items():
            truth_here = true[quantity][label]
            if np.isfinite(truth_here):  # a fixed truth has no hyper-parameters
                rows.append(study.compare(values, truth_here) | {"quantity": quantity, "label": label})
    return [row | {"study": study_name, "seed": seed, "failed": failed} for row in rows]


def posterior(result):
    """Draws by quantity and label, named as in `hierarchical_simulate.quantities`."""
    tree = result.tree["posterior"].dataset
    groups = result.spread.labels
    estimates = {"spread": result.spread, "unit risk": result.unit_risk[simulate.HORIZONS[-1]]}
    out = {}
    for comparison in (result.these_units, result.as_a_kind):
        kind = comparison.kind
        for at in comparison.horizons:
            estimates[f"difference at {at.years:g}, {kind}"] = at.difference
            estimates[f"crude incidence at {at.years:g}, {kind}"] = at.cumulative_incidence
            free = at.revision_free
            out[f"net risk at {at.years:g}, {kind}"] = {label: 1 - free.of(label) for label in free.labels}
        estimates[f"months, {kind}"] = comparison.months
    out |= {name: {label: e.of(label) for label in e.labels} for name, e in estimates.items()}
    for name, e in (("case mix", result.case_mix), ("case mix, death", result.case_mix_death)):
        out[name] = {label.split(": ")[1].split(" v ")[0]: e.of(label) for label in e.labels}
    phi = tree["revision"].to_numpy()
    phi = phi.reshape(-1, phi.shape[-1])
    out["class level"] = {group: phi[:, 1 + g] for g, group in enumerate(groups)}
    out["common"] = {"": phi[:, 0]}
    for name, variable in (
        ("typical log spread", "typical_log_spread"),
        ("log smoothing", "log_smoothing"),
        ("log period spread", "log_period_spread"),
    ):
        out[name] = {"": tree[variable].to_numpy().ravel()}
    return out


@contextmanager
def compiled_once():
    """Let every `hierarchical.fit` inside share one compiled model; units and bands must be the same."""
    once = {}
    plain = hierarchical.build

    def build(cells, data, revision, death, chosen):
        layout = (cells.units, cells.terms, tuple(cells.breaks), chosen.name, death is None)
        once["data"] = {f.name: np.asarray(getattr(data, f.name)) for f in fields(Data)}
        if "compiled" not in once:
            import nutpie
            import pytensor

            inputs = Data(**{k: pytensor.shared(v, name=f"data_{k}") for k, v in once["data"].items()})
            once["compiled"] = nutpie.compile_pymc_model(plain(cells, inputs, revision, death, chosen))
            once["layout"] = layout
        if layout != once["layout"]:
            raise ValueError("compiled_once: the data have another layout than the first")
        return once

    def sample(once, *, seed, settings):
        import nutpie

        wanted = [var.name for var in once["compiled"].shared_var_keys]
        exchanged = once["compiled"].with_data(**{w: once["data"][w.removeprefix("data_")] for w in wanted})
        return nutpie.sample(
            exchanged, draws=settings.draws, tune=settings.tune, chains=settings.chains, cores=1, seed=seed,
            target_accept=settings.target_accept, progress_bar=False,
        )  # fmt: skip

    with mock.patch.object(hierarchical, "build", build), mock.patch.object(hierarchical, "sample", sample):
        yield
