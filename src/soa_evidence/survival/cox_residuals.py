"""Residuals of a Cox model: martingale, deviance, score and dfbeta.

    martingale M_i = events observed - hazard run;   deviance = sign(M) sqrt(-2 (M + d log(d - M)))
    score      U_i = integral of (x_i - mean x at risk) dM_i, one column a covariate; weighted, they sum to 0
    dfbeta         = w_i U_i V: about how far the coefficients move when the row is left out

Checked against: R residuals.coxph in tests/reference/survival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.survival.cox_sweep import score_residuals

if TYPE_CHECKING:
    from soa_evidence.survival.cox import CoxResult

__all__ = ["Residuals", "of"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Residuals:
    """Residuals in the order of the rows given, none of them weighted but dfbeta.

    Attributes
    ----------
    martingale, deviance : arrays of shape (n,)
    score, dfbeta : DataFrames, one column a coefficient
    """

    martingale: FloatArray
    deviance: FloatArray
    score: pd.DataFrame
    dfbeta: pd.DataFrame


def of(result: CoxResult) -> Residuals:
    """Return the residuals of a fitted model."""
    rows = result.sorted_rows
    residual, run = score_residuals(rows, result.sweep())
    score, dfbeta = np.empty_like(residual), np.empty_like(residual)
    martingale = np.empty(len(run))
    died = np.empty(len(run))
    score[rows.order] = residual * rows.scale
    dfbeta[rows.order] = rows.weight[:, None] * residual * rows.scale
    martingale[rows.order] = rows.died - run
    died[rows.order] = rows.died
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = martingale + np.where(died > 0, np.log(died - martingale), 0.0)
    names = list(result.design.terms)
    return Residuals(
        martingale=martingale,
        deviance=np.sign(martingale) * np.sqrt(np.maximum(-2 * inner, 0.0)),
        score=pd.DataFrame(score, columns=names),
        dfbeta=pd.DataFrame(dfbeta @ result.model_covariance, columns=names),
    )
