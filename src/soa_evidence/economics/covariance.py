"""Whether a matrix can be a covariance, and the factor that draws from it.

When not to use it: by itself; `economics.parameters.normal` asks it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError

__all__ = ["factor", "require_covariance"]

FloatArray = NDArray[np.float64]
_NEGLIGIBLE = 1e-9  # an eigenvalue so much smaller than the largest is rounding of printed figures


def require_covariance(names: Sequence[str], mean: FloatArray, matrix: FloatArray) -> None:
    """Raise InputError, naming the pair at fault, unless `matrix` can be a covariance."""
    shown = ", ".join(names)
    if not (np.isfinite(mean).all() and np.isfinite(matrix).all()):
        raise InputError(f"Normal '{shown}': the mean or covariance holds values that are not finite.")
    largest = max(float(np.abs(matrix).max()), 1e-300)
    gap = np.abs(matrix - matrix.T)
    if gap.max() > 1e-8 * largest:
        i, j = divmod(int(gap.argmax()), len(names))
        raise InputError(
            f"Normal '{shown}': the covariance of '{names[i]}' with '{names[j]}' is "
            f"{matrix[i, j]:g} one way and "
            f"{matrix[j, i]:g} the other; expected one value."
        )
    variance = np.diag(matrix)
    if (variance < 0).any():
        raise InputError(
            f"Normal '{shown}': the variance of '{names[int(variance.argmin())]}' is {variance.min():g}; "
            "expected 0 or more."
        )
    error = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.nan_to_num(np.abs(matrix) / np.outer(error, error), nan=0.0, posinf=np.inf)
    np.fill_diagonal(correlation, 0.0)
    if correlation.max(initial=0.0) > 1 + 1e-6:
        i, j = divmod(int(correlation.argmax()), len(names))
        raise InputError(
            f"Normal '{shown}': the covariance of '{names[i]}' with '{names[j]}', "
            f"{matrix[i, j]:g}, implies a "
            f"correlation of size {correlation[i, j]:.3g}; none is above 1. A decimal point may be misplaced."
        )
    values = np.linalg.eigvalsh(matrix)
    if values.min() < -_NEGLIGIBLE * max(values.max(), 1e-300):
        raise InputError(
            f"Normal '{shown}': the covariance has a negative eigenvalue ({values.min():.3g}): no "
            f"distribution "
            "has it. Compare it with the page it was taken from."
        )


def factor(matrix: FloatArray) -> FloatArray:
    """Return L with L Lᵀ = matrix: Cholesky's, or by eigenvalues where it is singular."""
    try:
        return np.asarray(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrix)
        return np.asarray(vectors * np.sqrt(np.clip(values, 0, None)))
