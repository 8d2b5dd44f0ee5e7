"""Cholesky factors of moderate matrices on one thread, of large ones by LAPACK.

A frailty model factorises a matrix of the size of its units at every step. Below a few hundred units the
linear algebra library's threads cost far more than they gain, on a busy machine a hundred times as much as
the work itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Factor", "factorise", "subtract_outer"]

FloatArray = NDArray[np.float64]
SMALL = 500  # size up to which compiled loops on one thread do the work


@dataclass(frozen=True, eq=False, kw_only=True)
class Factor:
    """The upper triangle U of A = U'U."""

    upper: FloatArray

    @property
    def log_determinant(self) -> float:
        """Log of the determinant of A."""
        return 2 * float(np.log(np.diag(self.upper)).sum())

    def solve(self, right: FloatArray) -> FloatArray:
        """Return the solution x of A x = right, for a vector or the columns of a matrix."""
        if len(self.upper) <= SMALL:
            from soa_evidence.survival.frailty_kernels import solve_upper

            columns = np.array(right.reshape(len(right), -1), dtype=float, order="C")
            solve_upper(self.upper, columns)
            return columns.reshape(right.shape)
        from scipy.linalg import cho_solve

        return np.asarray(cho_solve((self.upper, False), right))


def factorise(A: FloatArray) -> Factor | None:
    """Return the factor of a symmetric matrix, from its upper triangle; None if not positive definite."""
    if not np.isfinite(np.diag(A)).all():
        return None
    if len(A) <= SMALL:
        from soa_evidence.survival.frailty_kernels import upper_factor

        upper = A.copy()
        return Factor(upper=upper) if upper_factor(upper) else None
    from scipy.linalg import LinAlgError, cholesky

    try:
        return Factor(upper=cholesky(A, lower=False))
    except (LinAlgError, ValueError):
        return None


def subtract_outer(information: FloatArray, vectors: FloatArray) -> None:
    """Take vectors' vectors from the upper triangle of `information`."""
    if len(information) <= SMALL:
        from soa_evidence.survival.frailty_kernels import subtract_outer_products

        subtract_outer_products(information, vectors)
    else:
        information -= np.triu(vectors.T @ vectors)
