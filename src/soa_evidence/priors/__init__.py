"""Every prior of the toolkit, named, with its reason and its source.

A different prior is a different name here; a model takes a whole named set and never a loose number.
"""

from soa_evidence.priors.normal import Normal
from soa_evidence.priors.of_binomial import BINOMIAL_PRIORS, BinomialPriors, binomial
from soa_evidence.priors.of_hierarchical import HIERARCHICAL_PRIORS, HierarchicalPriors, hierarchical
from soa_evidence.priors.of_joint import JOINT_PRIORS, JointPriors, joint
from soa_evidence.priors.of_pathways import RATE_PRIORS, RatePriors, rates
from soa_evidence.priors.of_synthesis import LOG_T_DOF, SYNTHESIS_PRIORS, Spread, SynthesisPriors, synthesis

__all__ = [
    "BINOMIAL_PRIORS",
    "HIERARCHICAL_PRIORS",
    "JOINT_PRIORS",
    "LOG_T_DOF",
    "RATE_PRIORS",
    "SYNTHESIS_PRIORS",
    "BinomialPriors",
    "HierarchicalPriors",
    "JointPriors",
    "Normal",
    "RatePriors",
    "Spread",
    "SynthesisPriors",
    "binomial",
    "hierarchical",
    "joint",
    "rates",
    "synthesis",
]
