"""syn-registry: a joint registry that never was, whose truth is known.

>>> from soa_evidence import evidence
>>> registry = evidence.registry.load("syn-registry", size=20_000)   # doctest: +SKIP
>>> registry.truth.standardised("hip")                               # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.evidence.syn_registry.build import build
    from soa_evidence.evidence.syn_registry.estimands import Truth
    from soa_evidence.evidence.syn_registry.generate import generate
    from soa_evidence.evidence.syn_registry.parameters import (
        CLASSES,
        NAME,
        REFERENCE,
        SCENARIOS,
        Parameters,
        of_scenario,
    )

__all__ = [
    "CLASSES",
    "NAME",
    "REFERENCE",
    "SCENARIOS",
    "Parameters",
    "Truth",
    "build",
    "generate",
    "of_scenario",
]

lazy.on_use(__name__)
