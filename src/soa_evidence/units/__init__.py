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
    gaussian,
    indirect_standardisation,
    operations,
    ordinal,
    profile,
    sensitivity,
    spc,
    specification_curve,
    spread,
    volume,
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
    "gaussian",
    "indirect_standardisation",
    "margins",
    "operations",
    "ordinal",
    "profile",
    "sensitivity",
    "spc",
    "specification_curve",
    "spread",
    "volume",
]
