"""Open a registry for analysis: the synthetic one by name, a researcher's own by path."""

from __future__ import annotations

from pathlib import Path

from soa_evidence.errors import InputError
from soa_evidence.evidence.registry.extract import Registry

__all__ = ["DEFAULT_SEED", "DEFAULT_SIZE", "load"]

DEFAULT_SIZE = 200_000
DEFAULT_SEED = 20_261


def load(
    source: str,
    *,
    size: int = DEFAULT_SIZE,
    seed: int = DEFAULT_SEED,
    scenario: str = "default",
    folder: str | Path | None = None,
) -> Registry:
    """Open a registry."""
    from soa_evidence.evidence.syn_registry.open import open_synthetic

    if source != "syn-registry":
        raise InputError(f"There is no registry {source!r}; expected 'syn-registry'.")
    return open_synthetic(size=size, seed=seed, scenario=scenario, folder=folder)
