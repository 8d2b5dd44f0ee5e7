"""Every prior of the toolkit, named, with its reason and its source.

A different prior is a different name here; a model takes a whole named set and never a loose number.
"""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.priors.normal import Normal
    from soa_evidence.priors.of_binomial import BINOMIAL_PRIORS, BinomialPriors, binomial
    from soa_evidence.priors.of_gaussian import GAUSSIAN_PRIORS, GaussianPriors, gaussian
    from soa_evidence.priors.of_hierarchical import HIERARCHICAL_PRIORS, HierarchicalPriors, hierarchical
    from soa_evidence.priors.of_joint import JOINT_PRIORS, JointPriors, joint
    from soa_evidence.priors.of_levels import HasLevels, LevelPriors
    from soa_evidence.priors.of_ordinal import ORDINAL_PRIORS, OrdinalPriors, ordinal
    from soa_evidence.priors.of_pathways import RATE_PRIORS, RatePriors, rates
    from soa_evidence.priors.of_poisson import POISSON_PRIORS, PoissonPriors, poisson
    from soa_evidence.priors.of_spread import SPREAD_PRIORS, SpreadPriors, spread
    from soa_evidence.priors.of_synthesis import (
        LOG_T_DOF,
        SYNTHESIS_PRIORS,
        Spread,
        SynthesisPriors,
        synthesis,
    )
    from soa_evidence.priors.of_volume import VOLUME_PRIORS, VolumePriors, volume

__all__ = [
    "BINOMIAL_PRIORS",
    "GAUSSIAN_PRIORS",
    "HIERARCHICAL_PRIORS",
    "JOINT_PRIORS",
    "LOG_T_DOF",
    "ORDINAL_PRIORS",
    "POISSON_PRIORS",
    "RATE_PRIORS",
    "SPREAD_PRIORS",
    "SYNTHESIS_PRIORS",
    "VOLUME_PRIORS",
    "BinomialPriors",
    "GaussianPriors",
    "HasLevels",
    "HierarchicalPriors",
    "JointPriors",
    "LevelPriors",
    "Normal",
    "OrdinalPriors",
    "PoissonPriors",
    "RatePriors",
    "Spread",
    "SpreadPriors",
    "SynthesisPriors",
    "VolumePriors",
    "binomial",
    "gaussian",
    "hierarchical",
    "joint",
    "ordinal",
    "poisson",
    "rates",
    "spread",
    "synthesis",
    "volume",
]

lazy.on_use(__name__)
