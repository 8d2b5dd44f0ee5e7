"""Shapes that the relation between volume and outcome may take, as columns of a design.

Every shape has the level, the years, and the within-unit term; they differ in how units of different volume
compare: not at all; straight in log2 volume; a smooth curve; a step at a threshold; or a slope that ends at a
threshold, beyond which more volume adds nothing (a critical mass).

When not to use it: by itself; `units.volume` calls it.

Checked against: arithmetic in tests/unit/test_units_volume.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soa_evidence.priors import VolumePriors
from soa_evidence.units.volume_frame import VolumeCells

__all__ = ["Form", "Shape", "between", "candidates", "shape_of"]

FloatArray = NDArray[np.float64]
Form = Literal["none", "linear", "spline", "step", "plateau"]

THRESHOLDS = 9  # places looked at, evenly in log volume between the first and last tenth of units


@dataclass(frozen=True, eq=False, kw_only=True)
class Shape:
    """One shape: its design by unit-year, and priors of its coefficients.

    Attributes
    ----------
    form, threshold
        Its kind, and its threshold in operations a year (not a number where it has none).
    design : array of shape (R, G)
        Columns: level, years (centred), between-unit terms, within-unit change of log2 volume (last).
    prior_mean, prior_sd : arrays of shape (G,)
    between : slice
        Which columns compare units.
    """

    form: Form
    threshold: float
    design: FloatArray
    prior_mean: FloatArray
    prior_sd: FloatArray
    between: slice


def between(data: VolumeCells, form: Form, threshold: float, log2_volume: FloatArray) -> FloatArray:
    """Return the between-unit columns at `log2_volume` (n,); shape (n, columns)."""
    x = np.asarray(log2_volume, dtype=float)
    middle = float(data.mean_log2.mean())
    match form:
        case "none":
            return np.zeros((len(x), 0))
        case "linear":
            return (x - middle)[:, None]
        case "step":
            return np.asarray((x < np.log2(threshold)).astype(float)[:, None])
        case "plateau":
            return np.asarray(np.minimum(x - np.log2(threshold), 0.0)[:, None])
        case "spline":
            return _spline(data.mean_log2, x)


def shape_of(data: VolumeCells, priors: VolumePriors, form: Form, threshold: float = float("nan")) -> Shape:
    """Return the shape's design and priors."""
    columns = between(data, form, threshold, data.mean_log2)[data.unit]
    share = data.cells.by_unit(data.cells.trials)
    years = (data.year[:, None] == np.arange(1, len(data.years))).astype(float)
    years = years - np.average(years, axis=0, weights=share)
    term = {"linear": [priors.doubling], "plateau": [priors.doubling], "step": [priors.step], "none": []}.get(
        form, [priors.doubling, priors.bend, priors.bend]
    )
    listed = [priors.level, *[priors.case_mix_log_odds] * years.shape[1], *term, priors.doubling]
    return Shape(
        form=form,
        threshold=threshold,
        design=np.hstack([np.ones((len(share), 1)), years, columns, data.within[:, None]]),
        prior_mean=np.array([p.mean for p in listed]),
        prior_sd=np.array([p.sd for p in listed]),
        between=slice(1 + years.shape[1], 1 + years.shape[1] + columns.shape[1]),
    )


def candidates(data: VolumeCells, priors: VolumePriors) -> list[Shape]:
    """Return the shapes compared: none, linear, and step and plateau at each threshold looked at."""
    low, high = np.quantile(data.mean_log2, [0.1, 0.9])
    # Where many units share the least volume, a threshold must lie above it, or it divides nothing.
    ordered = np.sort(data.mean_log2)
    above = ordered[ordered > ordered[int(0.05 * len(ordered))] + 1e-9]
    low = max(low, above[0]) if len(above) else low
    high = max(high, low + 1e-6)
    places = 2 ** np.linspace(low, high, THRESHOLDS)
    return [
        shape_of(data, priors, "none"),
        shape_of(data, priors, "linear"),
        *(shape_of(data, priors, "step", float(at)) for at in places),
        *(shape_of(data, priors, "plateau", float(at)) for at in places),
    ]


def _spline(units: FloatArray, x: FloatArray) -> FloatArray:
    """Natural cubic spline with four knots: a straight part, and two bends apart from it."""
    knots = np.quantile(units, [0.05, 0.35, 0.65, 0.95])
    raw, own = _natural(x, knots), _natural(units, knots)
    straight = np.column_stack([np.ones(len(units)), units])
    found = [x - units.mean()]
    basis, at = straight, np.column_stack([np.ones(len(x)), x])
    for k in range(own.shape[1]):
        fitted = np.linalg.lstsq(basis, own[:, k], rcond=None)[0]
        rest = own[:, k] - basis @ fitted
        size = rest.std() or 1.0
        # Of the same spread over units as the straight part, so that one prior fits both.
        scale = units.std() / size
        bend = (raw[:, k] - at @ fitted) * scale
        found.append(bend)
        basis, at = np.column_stack([basis, rest * scale]), np.column_stack([at, bend])
    return np.column_stack(found)


def _natural(x: FloatArray, knots: FloatArray) -> FloatArray:
    def cubed(k: int) -> FloatArray:
        last = knots[-1]
        top = np.maximum(x - knots[k], 0) ** 3 - np.maximum(x - last, 0) ** 3
        return np.asarray(top / max(last - knots[k], 1e-9))

    return np.column_stack([cubed(k) - cubed(len(knots) - 2) for k in range(len(knots) - 2)])
