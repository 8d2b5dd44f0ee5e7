"""Hospitals and units compared: hierarchical models by class of unit, adjusted for case mix.

Importing this package loads neither PyMC nor a sampler; that happens inside `fit`.
"""

from soa_evidence.units import (
    adjusted_gain,
    agreement,
    binomial,
    case_mix,
    classes,
    coverage,
    cusum,
    direct_standardisation,
    false_discovery,
    funnel,
    g_computation,
    gaussian,
    indirect_standardisation,
    operations,
    ordinal,
    prediction_accuracy,
    profile,
    sensitivity,
    spc,
    specification_curve,
    spread,
    volume,
)
from soa_evidence.units.contrasts import margins

__all__ = [
    "adjusted_gain",
    "agreement",
    "binomial",
    "case_mix",
    "classes",
    "coverage",
    "cusum",
    "direct_standardisation",
    "false_discovery",
    "funnel",
    "g_computation",
    "gaussian",
    "indirect_standardisation",
    "margins",
    "operations",
    "ordinal",
    "prediction_accuracy",
    "profile",
    "sensitivity",
    "spc",
    "specification_curve",
    "spread",
    "volume",
]
