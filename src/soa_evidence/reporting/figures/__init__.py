"""Figures, one file a kind, all in one house style."""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.reporting.figures.acceptability import acceptability
    from soa_evidence.reporting.figures.agreement import agreement
    from soa_evidence.reporting.figures.beside import beside
    from soa_evidence.reporting.figures.calibration import calibration
    from soa_evidence.reporting.figures.caterpillar import caterpillar
    from soa_evidence.reporting.figures.ce_plane import ce_plane
    from soa_evidence.reporting.figures.claim_lines import claim_lines
    from soa_evidence.reporting.figures.class_comparison import class_comparison
    from soa_evidence.reporting.figures.figure import Figure
    from soa_evidence.reporting.figures.forest import forest
    from soa_evidence.reporting.figures.funnel import funnel
    from soa_evidence.reporting.figures.interval_series import interval_series
    from soa_evidence.reporting.figures.place_strips import place_strips
    from soa_evidence.reporting.figures.predictive_check import predictive_check
    from soa_evidence.reporting.figures.prisma_flow import prisma_flow
    from soa_evidence.reporting.figures.probability_bars import probability_bars
    from soa_evidence.reporting.figures.probability_curve import probability_curve
    from soa_evidence.reporting.figures.risk_of_bias import risk_of_bias
    from soa_evidence.reporting.figures.specification_curve import specification_curve
    from soa_evidence.reporting.figures.spread_panels import spread_panels
    from soa_evidence.reporting.figures.spread_parts import spread_parts
    from soa_evidence.reporting.figures.stacked_incidence import stacked_incidence
    from soa_evidence.reporting.figures.study_forest import study_forest
    from soa_evidence.reporting.figures.survival_curves import survival_curves
    from soa_evidence.reporting.figures.survivorship import survivorship
    from soa_evidence.reporting.figures.tipping_point import tipping_point
    from soa_evidence.reporting.figures.tornado import tornado
    from soa_evidence.reporting.figures.volume_curve import volume_curve

__all__ = [
    "Figure",
    "acceptability",
    "agreement",
    "beside",
    "calibration",
    "caterpillar",
    "ce_plane",
    "claim_lines",
    "class_comparison",
    "forest",
    "funnel",
    "interval_series",
    "place_strips",
    "predictive_check",
    "prisma_flow",
    "probability_bars",
    "probability_curve",
    "risk_of_bias",
    "specification_curve",
    "spread_panels",
    "spread_parts",
    "stacked_incidence",
    "study_forest",
    "survival_curves",
    "survivorship",
    "tipping_point",
    "tornado",
    "volume_curve",
]

lazy.on_use(__name__)
