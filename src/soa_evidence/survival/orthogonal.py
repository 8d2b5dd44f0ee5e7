"""Columns of a design made orthogonal, so that steps and information can be judged, and put back afterwards.

X = W R with W'W / n = identity over the rows (weighted where asked), so coefficients on W are in standard
deviations whatever the units of X, and b on X is R⁻¹ times b on W. A column that the others determine shows
as a zero on the diagonal of R: it is refused by name, since separate coefficients do not exist.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError

__all__ = ["back", "orthogonalise", "refuse_no_events"]

FloatArray = NDArray[np.float64]
#: Share of a column's own size left after the others are taken out, below which they determine it.
DETERMINED = 1e-9


def orthogonalise(
    X: FloatArray, terms: Sequence[str], weight: FloatArray | None = None, *, constants: int = 1
) -> FloatArray:
    """Return R, shape (p, p), such that X R⁻¹ has orthogonal columns of mean square 1.

    The first `constants` columns make up the constant, and are not named when others are determined by them.

    Raises
    ------
    InputError
        On a column that is constant, or that others determine.
    """
    rows = X if weight is None else X * np.sqrt(weight / weight.sum() * len(X))[:, None]
    size = np.sqrt(np.mean(rows**2, axis=0))
    size[size == 0] = 1.0
    R = np.linalg.qr(rows / size, mode="r") / np.sqrt(len(X))
    # Rounding of a column that is large beside its spread (a calendar year) is not collinearity.
    lost = np.abs(np.diag(R)) < DETERMINED
    if lost.any() or len(X) < X.shape[1]:
        _refuse(X / size, R, terms, int(np.argmax(lost)) if lost.any() else len(X), constants)
    return np.asarray(R * size)


def _refuse(X: FloatArray, R: FloatArray, terms: Sequence[str], at: int, constants: int) -> None:
    if at >= len(R) or at >= len(X):
        raise InputError(
            f"There are {len(X)} rows for {X.shape[1]} coefficients; expected more rows than that."
        )
    if np.ptp(X[:, at]) <= DETERMINED * max(float(np.abs(X[:, at]).max()), 1e-300):
        raise InputError(
            f"Covariate '{terms[at]}' is the same in every row, so it explains nothing; leave it out."
        )
    shares, *_ = np.linalg.lstsq(X[:, :at], X[:, at], rcond=None)
    involved = [terms[j] for j in range(at) if abs(shares[j]) > 1e-6 and j >= constants] + [terms[at]]
    raise InputError(
        f"Covariates determine one another: {', '.join(repr(term) for term in involved)}. Leave one out; "
        "their separate coefficients do not exist."
    )


def back(R: FloatArray, values: FloatArray) -> FloatArray:
    """Return R⁻¹ times `values`: coefficients on the columns as they were given."""
    return np.asarray(np.linalg.solve(R, values))


def refuse_no_events(X: FloatArray, terms: Sequence[str], happened: NDArray[np.bool_]) -> None:
    """Refuse an indicator with no events on one side: its coefficient is infinite.

    Parameters
    ----------
    X : array of shape (n, p)
    happened : array of shape (n,)
        Rows with the event.
    """
    for j, term in enumerate(terms):
        column = X[:, j]
        low, high = column.min(), column.max()
        had = column[happened]
        if low == high or had.min() != had.max() or not ((column == low) | (column == high)).all():
            continue
        side = "among rows that have it" if had[0] == low else "among rows that do not"
        raise InputError(
            f"There are no events {side}: '{term}'. Its coefficient would be infinite; merge the level with "
            "another, or leave those rows out and say so."
        )
