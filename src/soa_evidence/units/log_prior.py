"""Log density of the priors of unit comparisons at every draw, for prior sensitivity by power-scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.priors import BinomialPriors, LevelPriors

__all__ = ["log_level_prior", "log_prior"]

FloatArray = NDArray[np.float64]


def log_level_prior(posterior: Any, levels: LevelPriors) -> FloatArray:
    """Log density of the priors of classes' levels and spreads at every draw; shape (chain, draw)."""
    common, spread = posterior["common"].to_numpy(), posterior["typical_log_spread"].to_numpy()
    total = stats.norm.logpdf(common, levels.common.mean, levels.common.sd)
    total = total + stats.norm.logpdf(spread, levels.log_spread.mean, levels.log_spread.sd)
    centre = posterior["class_level"].to_numpy() - common[..., None]
    total = total + stats.norm.logpdf(centre, 0, levels.class_sd).sum(axis=-1)
    wide = posterior["class_log_spread"].to_numpy() - spread[..., None]
    return np.asarray(total + stats.norm.logpdf(wide, 0, levels.class_log_spread_sd).sum(axis=-1))


def log_prior(posterior: Any, priors: BinomialPriors) -> FloatArray:
    """Log density of the priors (not of the units' levels) at every draw; shape (chain, draw)."""
    total = log_level_prior(posterior, priors.levels)
    if "case_mix" in posterior:
        terms, prior = posterior["case_mix"].to_numpy(), priors.case_mix_log_odds
        total = total + stats.norm.logpdf(terms, prior.mean, prior.sd).sum(axis=-1)
    return np.asarray(total)
