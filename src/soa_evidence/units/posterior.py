"""Posterior draws of `units.binomial`, by the engine that serves: independent draws, else the sampler.

`direct` (the default) draws independently and checks itself; where its check fails, or it cannot be set up,
NUTS samples the PyMC model instead and a check says so. Either way the draws handed on are of the exact
posterior: weights are applied by resampling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.priors import HasLevels
from soa_evidence.results import Check
from soa_evidence.sampling import Settings, convergence_checks, sample
from soa_evidence.units import direct
from soa_evidence.units.cells import Cells
from soa_evidence.units.collapse import Collapsed, accuracy_check, log_weights, resample
from soa_evidence.units.direct_classes import TermDensity
from soa_evidence.units.laplace import Laplace

__all__ = ["Engine", "draw_tree", "draws_of", "refusal", "require_engine", "sampled_draws"]

FloatArray = NDArray[np.float64]
Engine = Literal["direct", "sampler"]
PARAMETERS = ("common", "typical_log_spread", "class_level", "class_log_spread", "level", "case_mix")
DIMS = {"class_level": ["class"], "class_log_spread": ["class"], "level": ["unit"], "case_mix": ["term"]}


def draws_of(
    cells: Cells,
    priors: HasLevels,
    near: Laplace,
    collapsed: Collapsed,
    density: TermDensity,
    *,
    model: Callable[[], Any],
    engine: Engine,
    settings: Settings,
    seed: int,
) -> tuple[Any, tuple[Check, ...]]:
    """Return an ArviZ data tree of draws from the exact posterior, and the checks they rest on.

    Parameters
    ----------
    density
        Of the terms that all units share.
    model
        Makes the PyMC model, should the sampler be needed.
    engine
        ``"direct"``, or ``"sampler"`` to use NUTS in any case.
    settings
        Chains × draws; independent draws are laid out in as many chains, for tools that expect them.
    """
    refused: tuple[Check, ...] = ()
    if engine == "direct":
        found = direct.draw(
            cells, priors, near, collapsed, density, draws=settings.chains * settings.draws, seed=seed
        )
        if found is not None and found.check.verdict == "pass":
            rows = resample(found.log_weight, chains=settings.chains, seed=seed)
            kept = {name: getattr(found, name)[rows] for name in PARAMETERS}
            return draw_tree(kept, cells, settings.chains), (found.check,)
        refused = (refusal(None if found is None else found.check),)
    sampled = sample(model(), seed=seed, settings=settings)
    flat = sampled_draws(sampled, PARAMETERS)
    weights = log_weights(cells, collapsed, flat["case_mix"], flat["level"])
    rows = resample(weights, chains=settings.chains, seed=seed)
    tree = draw_tree({name: values[rows] for name, values in flat.items()}, cells, settings.chains)
    tree["sample_stats"] = sampled["sample_stats"]
    checks = (*refused, *convergence_checks(sampled), accuracy_check(weights, cells, collapsed))
    return tree, checks


def require_engine(engine: str) -> None:
    """Refuse an engine that is not one of `Engine`."""
    if engine not in get_args(Engine):
        raise InputError(f"engine={engine!r}: expected 'direct' or 'sampler'.")


def sampled_draws(tree: Any, parameters: Sequence[str]) -> dict[str, FloatArray]:
    """Return the sampler's draws by name, chains laid end to end; `case_mix` has no columns if not drawn."""
    posterior = tree["posterior"].dataset
    many = posterior.sizes["chain"] * posterior.sizes["draw"]
    flat = {
        name: posterior[name].to_numpy().reshape(many, *posterior[name].shape[2:])
        for name in parameters
        if name in posterior
    }
    flat.setdefault("case_mix", np.zeros((many, 0)))
    return flat


class _Named(Protocol):
    @property
    def units(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def terms(self) -> tuple[str, ...]: ...


def draw_tree(draws: dict[str, FloatArray], named: _Named, chains: int) -> Any:
    """Lay draws out in chains as an ArviZ data tree, their columns named by unit, class and term."""
    import arviz as az

    kept = {name: values for name, values in draws.items() if values.ndim == 1 or values.shape[1]}
    return az.from_dict(
        {"posterior": {name: values.reshape(chains, -1, *values.shape[1:]) for name, values in kept.items()}},
        coords={"unit": list(named.units), "class": list(named.groups), "term": list(named.terms)},
        dims={name: DIMS[name] for name in kept if name in DIMS},
    )


def refusal(check: Check | None) -> Check:
    """Say why independent draws were not used: the check that failed (None: not set up)."""
    return Check(
        name="independent draws",
        verdict="pass",
        observed="not used: "
        + ("they could not be set up" if check is None else f"not sound ({check.observed})")
        + "; the sampler's draws stand instead",
        expected="either engine, as long as its own checks pass",
        why="independent draws are faster; where they are not sound the sampler takes their place",
    )
