"""Hospitals and units compared: hierarchical models by class of unit, adjusted for case mix.

Importing this package loads neither PyMC nor a sampler; that happens inside `fit`.
"""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.units import (
        adjusted_gain,
        agreement,
        area_gradient,
        binomial,
        case_mix,
        classes,
        coverage,
        cusum,
        direct_standardisation,
        every_unit,
        false_discovery,
        funnel,
        g_computation,
        gaussian,
        indirect_standardisation,
        joint,
        operations,
        ordinal,
        outlier_status,
        poisson,
        prediction_accuracy,
        profile,
        profile_outcomes,
        profile_trend,
        sensitivity,
        spc,
        specification_curve,
        spread,
        variation,
        volume,
    )
    from soa_evidence.units.contrasts import margins

__all__ = [
    "adjusted_gain",
    "agreement",
    "area_gradient",
    "binomial",
    "case_mix",
    "classes",
    "coverage",
    "cusum",
    "direct_standardisation",
    "every_unit",
    "false_discovery",
    "funnel",
    "g_computation",
    "gaussian",
    "indirect_standardisation",
    "joint",
    "margins",
    "operations",
    "ordinal",
    "outlier_status",
    "poisson",
    "prediction_accuracy",
    "profile",
    "profile_outcomes",
    "profile_trend",
    "sensitivity",
    "spc",
    "specification_curve",
    "spread",
    "variation",
    "volume",
]

lazy.on_use(__name__)
