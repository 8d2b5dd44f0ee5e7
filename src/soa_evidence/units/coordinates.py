"""Well-scaled coordinates for the sampler: exact changes of variable, so they touch speed and never truth.

A unit's level given its class has prior N(mu, sigma^2) and, nearly, likelihood N(level; l, 1/I) from its own
data. Their product is normal with precision q = I + 1/sigma^2 and mean m = (I l + mu/sigma^2) / q. The
sampler sees z = (level - m) sqrt(q): close to standard normal whatever mu and sigma are, for large units and
small. That is the centred form where data abound and the non-centred form where they do not, per unit and
smoothly.

Source: Papaspiliopoulos, Roberts and Sköld (2007), Statistical Science 22:59, on partially centred forms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soa_evidence.priors import LevelPriors

__all__ = ["by_information", "unit_levels", "whitened"]

FloatArray = NDArray[np.float64]


def unit_levels(priors: LevelPriors, group_of_unit: NDArray[np.int64], transform: Any) -> Any:
    """Units' levels about their class's, inside a PyMC model with dimensions `unit` and `class`.

    Adds common, typical_log_spread, class_level, class_log_spread and level, in this order.

    Parameters
    ----------
    group_of_unit : array of shape (J,)
        Each unit's class.
    transform
        Of units' levels, such as `by_information`.
    """
    import pymc as pm
    import pytensor.tensor as pt

    common = pm.Normal("common", priors.common.mean, priors.common.sd)
    typical = pm.Normal("typical_log_spread", priors.log_spread.mean, priors.log_spread.sd)
    class_level = pm.Normal("class_level", common, priors.class_sd, dims="class")
    log_spread = pm.Normal("class_log_spread", typical, priors.class_log_spread_sd, dims="class")
    return pm.Normal(
        "level",
        class_level[group_of_unit],
        pt.exp(log_spread)[group_of_unit],
        dims="unit",
        default_transform=transform,
    )


def by_information(unit_level: FloatArray, unit_information: FloatArray) -> Any:
    """PyMC transform of ``Normal(mu, sigma)`` unit levels by what each unit's own data say.

    Parameters
    ----------
    unit_level, unit_information : arrays of shape (J,)
        See `laplace.Laplace`.
    """
    import pytensor.tensor as pt
    from pymc.logprob.transforms import Transform

    class ByInformation(Transform):  # type: ignore[misc]
        name = "by_information"
        ndim_supp = 0

        @staticmethod
        def _centre_and_scale(mu: Any, sigma: Any) -> tuple[Any, Any]:
            prior_precision = sigma**-2
            precision = unit_information + prior_precision
            return (unit_information * unit_level + prior_precision * mu) / precision, precision**-0.5

        def forward(self, value: Any, *inputs: Any) -> Any:
            centre, scale = self._centre_and_scale(*inputs[-2:])
            return (value - centre) / scale

        def backward(self, value: Any, *inputs: Any) -> Any:
            centre, scale = self._centre_and_scale(*inputs[-2:])
            return centre + scale * value

        def log_jac_det(self, value: Any, *inputs: Any) -> Any:  # noqa: ARG002 - PyMC's signature
            return pt.log(self._centre_and_scale(*inputs[-2:])[1])

    return ByInformation()


def whitened(mean: FloatArray, covariance: FloatArray) -> Any:
    """PyMC transform of a vector whose posterior is near ``MvNormal(mean, covariance)`` to independence."""
    import pytensor.tensor as pt
    from pymc.logprob.transforms import Transform

    lower = np.linalg.cholesky(covariance)
    inverse = np.linalg.inv(lower)
    log_determinant = float(np.log(np.diag(lower)).sum())

    class Whitened(Transform):  # type: ignore[misc]
        name = "whitened"
        ndim_supp = 1

        def forward(self, value: Any, *inputs: Any) -> Any:  # noqa: ARG002 - PyMC's signature
            return pt.matmul(inverse, value - mean)

        def backward(self, value: Any, *inputs: Any) -> Any:  # noqa: ARG002 - PyMC's signature
            return mean + pt.matmul(lower, value)

        def log_jac_det(self, value: Any, *inputs: Any) -> Any:  # noqa: ARG002 - PyMC's signature
            return pt.as_tensor_variable(log_determinant)

    return Whitened()
