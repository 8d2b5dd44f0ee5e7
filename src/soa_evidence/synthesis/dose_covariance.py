r"""Covariance of ratios that share one reference group: Greenland & Longnecker's, or one that is assumed.

Ratios of every exposure level against the same reference level share its chance. From the adjusted log ratios
:math:`L_j`, the total of cases and the size of each level, counts are found that would give those ratios:

- case-control: :math:`A_j = n_j\,\mathrm{expit}(L_j + \mathrm{logit}(A_0/n_0))`
- rate or risk ratio: :math:`A_j = n_j e^{L_j} A_0 / n_0`

with :math:`\sum A_j` the cases seen. Their chance variances :math:`s_j = s_0 + t_j` share the part of the
reference,
:math:`s_0` (1/A + 1/B for case-control, 1/A for rates, 1/A - 1/n for risks), which gives the correlation
:math:`s_0/\sqrt{s_i s_j}`; the published variances are kept.

Source: Greenland & Longnecker 1992, Am J Epidemiol 135:1301; Orsini, Bellocco & Greenland 2006, Stata J 6:40.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize
from scipy.special import expit, logit

from soa_evidence.errors import InputError
from soa_evidence.synthesis.studies import FloatArray

__all__ = ["DESIGNS", "assumed", "greenland_longnecker"]

#: Designs, and what the size of a level is.
DESIGNS = {
    "case_control": "cases and controls",
    "rate": "time at risk",
    "risk": "people at the start",
}


def greenland_longnecker(
    log_ratio: FloatArray,
    variance: FloatArray,
    cases: FloatArray,
    size: FloatArray,
    design: str,
    label: str,
) -> FloatArray:
    """Return the covariance (J, J) of the log ratios of J levels against the first of J + 1.

    Parameters
    ----------
    log_ratio, variance : arrays of shape (J,)
    cases, size : arrays of shape (J + 1,)
        The reference level first.

    Raises
    ------
    InputError
        Where no counts give these ratios.
    """
    full = np.concatenate([[0.0], log_ratio])
    total = float(cases.sum())
    if design == "case_control":
        if total >= size.sum():
            raise InputError(f"Study {label!r} has no controls: its sizes add up to its cases.")

        def gap(base: float) -> float:
            return float((size * expit(full + base)).sum()) - total

        start = float(logit(total / size.sum()))
        reach = 5.0 + float(np.abs(full).max())
        base = float(optimize.brentq(gap, start - reach, start + reach, xtol=1e-14, rtol=1e-14))
        found = size * expit(full + base)
        chance = 1 / found + 1 / (size - found)
    else:
        found = size * np.exp(full)
        found = found * total / found.sum()
        chance = 1 / found if design == "rate" else 1 / found - 1 / size
        if (chance <= 0).any():
            raise InputError(
                f"Study {label!r}: counts that give its ratios would exceed the people of a level; is the "
                f"design "
                "'rate', or are the sizes in another unit?"
            )
    own = chance[0] + chance[1:]
    correlation = chance[0] / np.sqrt(np.outer(own, own))
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation * np.sqrt(np.outer(variance, variance)))


def assumed(variance: FloatArray, correlation: float) -> FloatArray:
    """Return the covariance with one correlation between all levels."""
    error = np.sqrt(variance)
    shared = np.full((len(error), len(error)), correlation)
    np.fill_diagonal(shared, 1.0)
    return np.asarray(shared * np.outer(error, error))
