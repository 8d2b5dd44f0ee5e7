"""Figures, one file a kind, all in one house style."""

from soa_evidence.reporting.figures.beside import beside
from soa_evidence.reporting.figures.caterpillar import caterpillar
from soa_evidence.reporting.figures.class_comparison import class_comparison
from soa_evidence.reporting.figures.figure import Figure
from soa_evidence.reporting.figures.forest import forest
from soa_evidence.reporting.figures.funnel import funnel
from soa_evidence.reporting.figures.predictive_check import predictive_check
from soa_evidence.reporting.figures.prisma_flow import prisma_flow
from soa_evidence.reporting.figures.probability_curve import probability_curve
from soa_evidence.reporting.figures.risk_of_bias import risk_of_bias
from soa_evidence.reporting.figures.spread_parts import spread_parts
from soa_evidence.reporting.figures.stacked_incidence import stacked_incidence
from soa_evidence.reporting.figures.study_forest import study_forest
from soa_evidence.reporting.figures.survival_curves import survival_curves
from soa_evidence.reporting.figures.survivorship import survivorship

__all__ = [
    "Figure",
    "beside",
    "caterpillar",
    "class_comparison",
    "forest",
    "funnel",
    "predictive_check",
    "prisma_flow",
    "probability_curve",
    "risk_of_bias",
    "spread_parts",
    "stacked_incidence",
    "study_forest",
    "survival_curves",
    "survivorship",
]
