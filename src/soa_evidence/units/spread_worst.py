"""Whether the worst units improved by more than regression to the mean predicts.

Units low in the first year are low partly by chance and partly for reasons that pass, so they come nearer the
middle by themselves. What that alone would do is predicted, unit by unit, from the first year's figure under
a spread that never changed::

    standing in the last year | first year's y ~ Normal(b (y - mean), spread^2 + sampling variance - b^2 V)
    b = spread^2 c(T - 1) / V,    V = spread^2 + sampling variance of the first year

and the observed change of a group is set against draws of that prediction. Units of the highest fifth are the
control: a true narrowing shows at both ends, an improvement of the worst at one.

When not to use it: by itself; `units.spread` calls it. Units not seen in both years are left out.

Source: Davis (1976), American Journal of Epidemiology 104:493, for regression to the mean.

Checked against: simulation with a constant spread (tests/calibration/units_spread.py).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.units import spread_likelihood
from soa_evidence.units.spread_frame import Panel
from soa_evidence.units.spread_posterior import Weighted

__all__ = ["GROUPS", "beyond"]

FloatArray = NDArray[np.float64]
GROUPS = ("lowest fifth", "middle", "highest fifth")


def beyond(
    panel: Panel, constant: Weighted, *, higher_is_better: bool, seed: int
) -> tuple[pd.DataFrame, FloatArray, FloatArray]:
    """Return one row a group, and draws of the observed change and of it less the predicted; shapes (S, 3).

    Columns: group, units, first, last (standing against the average unit), change, predicted, lower, upper.
    """
    both = panel.seen[:, 0] & panel.seen[:, -1]
    y, v = panel.value[both], panel.variance[both]
    order = np.argsort(y[:, 0] if higher_is_better else -y[:, 0], kind="stable")
    fifth = max(1, round(len(order) / 5))
    members = (order[:fifth], order[fifth:-fifth], order[-fifth:])
    rng = np.random.default_rng(seed)
    average = spread_likelihood.means(panel, constant.log_spread, constant.kept, constant.carried, rng)
    tau2 = np.exp(2 * constant.log_spread[:, :1])
    lag = (constant.kept * constant.carried ** (len(panel.years) - 1))[:, None]
    before, after = y[None, :, 0] - average[:, :1], y[None, :, -1] - average[:, -1:]
    whole = tau2 + v[None, :, 0]
    shrunk = tau2 * lag / whole
    rest = tau2 + v[None, :, -1] - shrunk**2 * whole
    replicated = shrunk * before + np.sqrt(rest) * rng.standard_normal(before.shape)
    rows, changes, draws = [], [], []
    for name, at in zip(GROUPS, members, strict=True):
        predicted = (replicated - before)[:, at].mean(axis=1)
        seen = (after - before)[:, at].mean(axis=1)
        lower, upper = np.quantile(predicted, [0.025, 0.975])
        rows.append(
            (
                name,
                len(at),
                before[:, at].mean(),
                after[:, at].mean(),
                seen.mean(),
                predicted.mean(),
                lower,
                upper,
            )
        )
        changes.append(seen)
        draws.append(seen - predicted)
    columns = ["group", "units", "first", "last", "change", "predicted", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns), np.column_stack(changes), np.column_stack(draws)
