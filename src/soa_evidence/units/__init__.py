"""Hospitals and units compared: hierarchical models by class of unit, adjusted for case mix.

Importing this package loads neither PyMC nor a sampler; that happens inside `fit`.
"""

from soa_evidence.units import (
    binomial,
    classes,
    coverage,
    cusum,
    direct_standardisation,
    false_discovery,
    funnel,
    indirect_standardisation,
    joint,
    profile,
    spc,
    variation,
)
from soa_evidence.units.contrasts import margins

__all__ = [
    "binomial",
    "classes",
    "coverage",
    "cusum",
    "direct_standardisation",
    "false_discovery",
    "funnel",
    "indirect_standardisation",
    "joint",
    "margins",
    "profile",
    "spc",
    "variation",
]
