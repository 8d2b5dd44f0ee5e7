r"""Effects from means and standard deviations of two arms.

- MD: m1 - m2, variance sd1²/n1 + sd2²/n2
- SMD: (m1 - m2) over the pooled standard deviation, times Hedges' exact correction
  :math:`J = \Gamma(m/2) / (\sqrt{m/2}\,\Gamma((m-1)/2))` with m = n1 + n2 - 2; variance
  1/n1 + 1/n2 + g²/(2(n1 + n2))
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import gammaln

from soa_evidence.synthesis.studies import FloatArray

__all__ = ["EFFECTS"]

Columns = dict[str, FloatArray]


def _mean_difference(data: Columns) -> tuple[FloatArray, FloatArray]:
    variance = data["sd_1"] ** 2 / data["n_1"] + data["sd_2"] ** 2 / data["n_2"]
    return data["mean_1"] - data["mean_2"], variance


def _standardised(data: Columns) -> tuple[FloatArray, FloatArray]:
    n1, n2 = data["n_1"], data["n_2"]
    m = n1 + n2 - 2
    pooled = np.sqrt(((n1 - 1) * data["sd_1"] ** 2 + (n2 - 1) * data["sd_2"] ** 2) / m)
    correction = np.exp(gammaln(m / 2) - np.log(np.sqrt(m / 2)) - gammaln((m - 1) / 2))
    g = correction * (data["mean_1"] - data["mean_2"]) / pooled
    return g, 1 / n1 + 1 / n2 + g**2 / (2 * (n1 + n2))


EFFECTS: dict[str, Callable[[Columns], tuple[FloatArray, FloatArray]]] = {
    "MD": _mean_difference,
    "SMD": _standardised,
}
