"""The maximum of the partial likelihood by Newton's method, and the cases in which there is none.

Columns are standardised, so sizes of steps and of information can be judged. Before the first step a column
without variation among those at risk, and columns that determine one another, are refused by name. Where the
likelihood rises for ever (every event at an extreme of a covariate), Newton's steps stay long while the gain
vanishes: that is reported, not returned as a large coefficient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival.cox_rows import SortedRows
from soa_evidence.survival.cox_sweep import derivatives, sweep

__all__ = ["Maximum", "maximise"]

FloatArray = NDArray[np.float64]
MOST_STEPS = 60
# Steps are taken while one would gain more than this share of the likelihood: to about 1e-8 standard errors.
GAIN = 1e-20
DETERMINED = 1e-10  # smallest eigenvalue of the correlation of the scores below which columns are collinear
VANISHED = 1e-7  # share of the information at 0 left in some direction, below which there is no maximum
FLAT = 1e-10  # information an event, in squared standard deviations, below which a column does not vary


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum:
    """The maximum, on the scale of the standardised columns.

    Attributes
    ----------
    beta : array of shape (p,)
    covariance : array of shape (p, p)
        Inverse information.
    likelihood, likelihood_at_zero
    score_statistic
        Score test at 0.
    steps : int
    last_gain
        Half the Newton decrement at the maximum: how much likelihood could still be gained.
    smallest_eigenvalue
        Of the correlation matrix of the scores at 0: 1 for unrelated columns, 0 for collinear ones.
    """

    beta: FloatArray
    covariance: FloatArray
    likelihood: float
    likelihood_at_zero: float
    score_statistic: float
    steps: int
    last_gain: float
    smallest_eigenvalue: float


def maximise(rows: SortedRows, terms: tuple[str, ...], *, efron: bool) -> Maximum:
    """Return the maximum of the partial likelihood.

    Raises
    ------
    InputError
        On events all at one value of an indicator, columns without variation among those at risk, collinear
        columns, or a likelihood without a maximum.
    """
    _refuse_no_events(rows, terms)
    beta = np.zeros(rows.Z.shape[1])
    started = _evaluate(rows, beta, efron)
    if started is None:
        raise InputError("The weights add up to more than a number can hold; make them smaller.")
    likelihood, gradient, information = started
    at_zero, information_at_zero = likelihood, information
    smallest = _refuse_collinear(information, terms, float(rows.weight[rows.died].sum()))
    step = np.linalg.solve(information, gradient)
    score_statistic = float(gradient @ step)
    taken = 0
    while taken < MOST_STEPS:
        gain = float(gradient @ step) / 2
        if gain <= GAIN * max(1.0, abs(likelihood)):
            break
        length = 1.0
        while True:
            tried = _evaluate(rows, beta + length * step, efron)
            if tried is not None and tried[0] >= likelihood - 1e-12 * abs(likelihood):
                break
            length /= 2
            if length < 1e-6:
                _refuse_no_maximum(information, information_at_zero, terms, beta)
                raise InputError(
                    "The partial likelihood cannot be raised further, yet is not at its maximum."
                )
        beta = beta + length * step
        likelihood, gradient, information = tried
        taken += 1
        _refuse_no_maximum(information, information_at_zero, terms, beta)
        step = np.linalg.solve(information, gradient)
    return Maximum(
        beta=beta,
        covariance=np.linalg.inv(information),
        likelihood=float(likelihood),
        likelihood_at_zero=float(at_zero),
        score_statistic=score_statistic,
        steps=taken,
        last_gain=abs(float(gradient @ step)) / 2,
        smallest_eigenvalue=smallest,
    )


def _evaluate(rows: SortedRows, beta: FloatArray, efron: bool) -> tuple[float, FloatArray, FloatArray] | None:
    found = sweep(rows, beta, efron=efron)
    return None if found is None else (found.likelihood, *derivatives(rows, found))


def _refuse_no_events(rows: SortedRows, terms: tuple[str, ...]) -> None:
    """Refuse an indicator with no events on one side: its coefficient is infinite."""
    Z = rows.Z[rows.died]
    for j, term in enumerate(terms):
        low, high = Z[:, j].min(), Z[:, j].max()
        if low != high:
            continue
        values = rows.Z[:, j]
        two = np.where(values < (values.min() + values.max()) / 2, values.min(), values.max())
        if np.array_equal(two, values):
            side = "among rows that have it" if low == values.min() else "among rows that do not"
            raise InputError(
                f"There are no events {side}: '{term}'. Its coefficient would be infinite; merge the level "
                "with another, or leave those rows out and say so."
            )


def _refuse_collinear(information: FloatArray, terms: tuple[str, ...], events: float) -> float:
    spread = np.diag(information)
    if (spread <= FLAT * events).any():
        flat = terms[int(np.argmin(spread))]
        raise InputError(
            f"Covariate '{flat}' does not vary among those at risk at any event (within strata), so it can "
            "explain nothing; leave it out."
        )
    correlation = information / np.sqrt(np.outer(spread, spread))
    values, vectors = np.linalg.eigh(correlation)
    if values[0] < DETERMINED:
        involved = [term for term, share in zip(terms, np.abs(vectors[:, 0]), strict=True) if share > 0.01]
        raise InputError(
            f"Covariates determine one another: {', '.join(repr(term) for term in involved)}. Leave one out; "
            "their separate coefficients do not exist."
        )
    return float(values[0])


def _refuse_no_maximum(
    information: FloatArray, at_zero: FloatArray, terms: tuple[str, ...], beta: FloatArray
) -> None:
    """Refuse when some direction has lost nearly all of the information it had at 0."""
    half = np.linalg.cholesky(at_zero)
    relative = np.linalg.solve(half, np.linalg.solve(half, information).T)
    values, vectors = np.linalg.eigh((relative + relative.T) / 2)
    if values[0] >= VANISHED and np.isfinite(values).all():
        return
    direction = np.linalg.solve(half.T, vectors[:, 0])
    share = np.abs(direction) / np.abs(direction).max()
    involved = [term for term, part in zip(terms, share, strict=True) if part > 0.2]
    raise InputError(
        f"The likelihood has no maximum: {', '.join(repr(term) for term in involved)} separates those with "
        f"the event from all others at risk, so a coefficient would be infinite (it had reached "
        f"{float(np.abs(beta).max()):.1f} standard deviations). Merge levels, or leave it out."
    )
