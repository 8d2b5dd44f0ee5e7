"""A joint registry extract: the contract it keeps, its check, and its rows ready for analysis.

>>> from soa_evidence import evidence
>>> registry = evidence.registry.load("syn-registry", size=20_000)   # doctest: +SKIP
>>> hips = registry.frame("hip")                                      # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.evidence.registry.contract import COLUMNS
    from soa_evidence.evidence.registry.extract import Registry
    from soa_evidence.evidence.registry.load import load
    from soa_evidence.evidence.registry.report import RegistryReport, check
    from soa_evidence.evidence.registry.truth_table import against_truth

__all__ = ["COLUMNS", "Registry", "RegistryReport", "against_truth", "check", "load"]

lazy.on_use(__name__)
