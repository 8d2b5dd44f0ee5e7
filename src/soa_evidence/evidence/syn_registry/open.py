"""syn-registry opened as an extract: rows made at load, never kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from soa_evidence.evidence.load import load as load_package
from soa_evidence.evidence.registry.extract import NOTHING_EXCLUDED, Registry
from soa_evidence.evidence.registry.rows import day_text
from soa_evidence.evidence.syn_registry.estimands import Truth
from soa_evidence.evidence.syn_registry.generate import generate
from soa_evidence.evidence.syn_registry.parameters import NAME, of_scenario
from soa_evidence.results import Check

__all__ = ["open_synthetic"]


def open_synthetic(*, size: int, seed: int, scenario: str, folder: str | Path | None = None) -> Registry:
    """Generate a synthetic registry and return it as an extract with its truth.

    Raises
    ------
    InputError
        On a wrong size, seed or scenario.
    """
    parameters = of_scenario(scenario, folder=folder)
    package = load_package(NAME, folder)
    made = generate(parameters, size=size, seed=seed, keep_people=False)
    return Registry(
        name=package.name,
        title=f"{package.title}: scenario {scenario}, {size:,} primaries, seed {seed}",
        kind=package.kind,
        licence=package.licence,
        sources=package.sources,
        hash=package.hash,
        smallest_count=package.smallest_count,
        caveats=package.caveats,
        rows=size,
        excluded=NOTHING_EXCLUDED,
        extract_day=day_text(int(made.rows.follow_up_end.max())),
        checks=(_synthetic_check(scenario, size, seed),),
        truth=Truth.of(parameters, seed),
        kept=made.rows,
        row_numbers=np.arange(1, size + 1, dtype=np.int64),
    )


def _synthetic_check(scenario: str, size: int, seed: int) -> Check:
    return Check(
        name="origin of the registry",
        verdict="pass",
        observed=f"synthetic, scenario {scenario}, {size:,} primaries, seed {seed}",
        expected="said wherever it is shown",
        why="made-up rows show whether methods work, and nothing about any hospital",
    )
