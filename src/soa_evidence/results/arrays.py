"""What the carriers' numbers are: read-only arrays of floats, and the kinds of interval around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soa_evidence.errors import InputError

__all__ = ["FloatArray", "Interval", "Transform", "read_only"]

#: "Monte Carlo" is the error of a computed probability, from the finite number of draws alone.
Interval = Literal["confidence", "credible", "Monte Carlo"]
FloatArray = NDArray[np.float64]
Transform = Callable[[FloatArray], FloatArray] | Literal["exp"]


def read_only(values: ArrayLike | None, name: str, ndim: int) -> FloatArray:
    """Return a read-only copy of `values` as floats; `name` and `ndim` are for the error message."""
    array = np.array([] if values is None else values, dtype=float, copy=True)
    if array.ndim != ndim:
        raise InputError(f"{name} has {array.ndim} dimensions (shape {array.shape}); expected {ndim}.")
    array.setflags(write=False)
    return array
