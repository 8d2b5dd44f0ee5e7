"""Log density of the priors of `units.binomial` at every draw, for prior sensitivity by power-scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.priors import BinomialPriors

__all__ = ["log_prior"]

FloatArray = NDArray[np.float64]


def log_prior(posterior: Any, priors: BinomialPriors) -> FloatArray:
    """Log density of the priors (not of the units' levels) at every draw; shape (chain, draw)."""
    common, spread = posterior["common"].to_numpy(), posterior["typical_log_spread"].to_numpy()
    total = stats.norm.logpdf(common, priors.common_log_odds.mean, priors.common_log_odds.sd)
    total = total + stats.norm.logpdf(spread, priors.common_log_spread.mean, priors.common_log_spread.sd)
    centre = posterior["class_level"].to_numpy() - common[..., None]
    total = total + stats.norm.logpdf(centre, 0, priors.class_log_odds_sd).sum(axis=-1)
    wide = posterior["class_log_spread"].to_numpy() - spread[..., None]
    total = total + stats.norm.logpdf(wide, 0, priors.class_log_spread_sd).sum(axis=-1)
    if "case_mix" in posterior:
        terms, prior = posterior["case_mix"].to_numpy(), priors.case_mix_log_odds
        total = total + stats.norm.logpdf(terms, prior.mean, prior.sd).sum(axis=-1)
    return np.asarray(total)
