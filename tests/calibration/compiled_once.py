"""Many fits of data of one layout for the price of one compilation.

`units.binomial.fit` compiles its model with the data inside, which costs seconds where sampling costs tenths.
Here the model that `binomial.build` makes is compiled once with the data as inputs, and each later fit only
exchanges them. Everything else in `fit` runs as it is. Of the sampler's coordinates those of the case-mix
terms stay at the first data set's: coordinates touch speed, never truth.
"""

from contextlib import contextmanager
from dataclasses import fields, replace
from unittest import mock

import numpy as np

from soa_evidence.units import binomial

FIXED = ("case_mix", "case_mix_covariance")  # of Laplace: needed as numbers while the graph is built


@contextmanager
def compiled_once():
    """Let every `binomial.fit` inside share one compiled model; units, classes and terms must be the same."""
    once = {}

    def build(cells, priors, *, near, collapsed):
        once["data"] = _arrays("near", near) | _arrays("collapsed", collapsed)
        layout = (cells.units, cells.groups, cells.terms, tuple(cells.group_of_unit), priors.name)
        if "compiled" not in once:
            once["layout"] = layout
            once["compiled"] = _compile(cells, priors, near, collapsed)
        if layout != once["layout"]:
            raise ValueError("compiled_once: the data have another layout than the first")
        return once

    def sample(once, *, seed, settings):
        import nutpie

        wanted = [var.name for var in once["compiled"].shared_var_keys]
        exchanged = once["compiled"].with_data(**{name: once["data"][name] for name in wanted})
        return nutpie.sample(
            exchanged, draws=settings.draws, tune=settings.tune, chains=settings.chains, cores=1, seed=seed,
            target_accept=settings.target_accept, progress_bar=False,
        )  # fmt: skip

    with mock.patch.object(binomial, "build", build), mock.patch.object(binomial, "sample", sample):
        yield


_build = binomial.build


def _compile(cells, priors, near, collapsed):
    import nutpie

    near, collapsed = _as_inputs("near", near), _as_inputs("collapsed", collapsed)
    # PyMC finds the inputs of a transform only among those of the random variables: name them there, times 0.
    centre = priors.common_log_odds.mean + 0.0 * (near.unit_level.sum() + near.unit_information.sum())
    priors = replace(priors, common_log_odds=replace(priors.common_log_odds, mean=centre))
    model = _build(cells, priors, near=near, collapsed=collapsed)
    return nutpie.compile_pymc_model(model)


def _arrays(prefix, carrier):
    return {f"{prefix}_{f.name}": np.asarray(getattr(carrier, f.name)) for f in fields(carrier)}


def _as_inputs(prefix, carrier):
    import pytensor

    names = [f.name for f in fields(carrier) if not (prefix == "near" and f.name in FIXED)]
    return replace(
        carrier,
        **{
            name: pytensor.shared(np.asarray(getattr(carrier, name)), name=f"{prefix}_{name}")
            for name in names
        },
    )
