"""Posterior draws of `survival.hierarchical`, chains laid end to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soa_evidence.survival.hierarchical_cells import Cells
from soa_evidence.survival.hierarchical_layout import Block

__all__ = ["Draws", "draws_of"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Draws:
    """Draws (S) of everything in the model, row i being one state of the world throughout.

    Attributes
    ----------
    level : array of shape (S, J)
        Units' log hazards of revision a year, for the average case mix, averaged over time.
    class_level, class_spread : arrays of shape (S, G)
    log_time : array of shape (S, G, B)
        Log hazard in each band over the level.
    departure : array of shape (S, G, periods)
        A class's departure in each period, log hazard; 0 with one period.
    case_mix, death_case_mix : arrays of shape (S, K)
    log_death : array of shape (S, G, B)
        Log hazard of death for the average case mix; minus infinity without deaths.
    log_prior, log_likelihood : arrays of shape (S,)
    chains : int
    """

    level: FloatArray
    class_level: FloatArray
    class_spread: FloatArray
    log_time: FloatArray
    departure: FloatArray
    case_mix: FloatArray
    death_case_mix: FloatArray
    log_death: FloatArray
    log_prior: FloatArray
    log_likelihood: FloatArray
    chains: int

    def __len__(self) -> int:
        return len(self.level)


def draws_of(tree: Any, cells: Cells, revision: Block, death: Block | None) -> Draws:
    """Take the draws out of the sampler's data tree."""
    posterior = tree["posterior"].dataset

    def flat(name: str) -> FloatArray:
        values = posterior[name].to_numpy()
        return np.asarray(values.reshape(-1, *values.shape[2:]), dtype=float)

    phi = flat("revision")
    S, G, B = len(phi), len(cells.groups), len(cells.breaks) - 1
    departure = phi[:, revision.time][:, revision.steps :].reshape(S, G, -1)
    if death is None:
        death_case_mix, log_death = np.zeros((S, len(cells.terms))), np.full((S, G, B), -np.inf)
    else:
        phi2 = flat("death")
        death_case_mix = phi2[:, death.case_mix]
        log_death = phi2[:, death.classes][:, :, None] + death.time_effect(phi2)
    return Draws(
        level=flat("level"),
        class_level=phi[:, revision.classes],
        class_spread=np.exp(flat("class_log_spread")),
        log_time=revision.time_effect(phi),
        departure=departure if revision.departures else np.zeros((S, G, 1)),
        case_mix=phi[:, revision.case_mix],
        death_case_mix=death_case_mix,
        log_death=log_death,
        log_prior=flat("log_prior"),
        log_likelihood=flat("log_likelihood"),
        chains=posterior.sizes["chain"],
    )
