r"""Trim and fill: the studies that would make the funnel symmetric, and where the mean would then be.

The k0 studies furthest out on one side are trimmed, the mean is taken of the rest, and k0 is estimated anew
from the ranks of the distances from it until it stays; then every study is pooled together with mirror images
of the trimmed ones. With T the sum of ranks on the heavy side and γ the length of its uninterrupted run:

- L0: :math:`(4T - k(k+1))/(2k - 1)`, R0: :math:`\gamma - 1`, Q0:
  :math:`k - 1/2 - \sqrt{2k^2 - 4T + 1/4}`, rounded, at least 0

When not to use it: as a corrected answer. It is a sensitivity analysis: the filled studies are invented, and
where true effects differ it may invent studies that no bias hid.

Source: Duval & Tweedie 2000, Biometrics 56:455 and JASA 95:89.

Checked against: metafor 3.8-1 (tests/reference/synthesis_models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis import pairwise, regression
from soa_evidence.synthesis.small_study import FEW_STUDIES, require_slope
from soa_evidence.synthesis.studies import FloatArray, Studies, read, require_choice

__all__ = ["TrimFillResult", "fit"]

METHOD = "synthesis.trim_fill"
ESTIMATORS = ("L0", "R0", "Q0")
SIDES = ("left", "right")
_ROUNDS = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class TrimFillResult:
    """A funnel made symmetric.

    Attributes
    ----------
    filled : int
        How many studies were added, on `side`.
    side : str
    pooled, before : Estimates
        The mean with and without the added studies.
    studies : DataFrame
        label, estimate, std_error, added: what was pooled.
    checks : tuple of Check
    """

    filled: int
    side: str
    pooled: Estimates
    before: Estimates
    studies: pd.DataFrame
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        parts = [self.before.table(), self.pooled.table(), checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    estimator: str = "L0",
    side: str | None = None,
    method: str = "REML",
    interval: str = "hartung_knapp_floor",
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
) -> TrimFillResult:
    """Trim and fill the studies of a frame, one row a study.

    Parameters
    ----------
    estimator
        Of the number of missing studies: L0, R0 or Q0.
    side
        Where studies are missing: ``"left"`` (low effects) or ``"right"``; by default the side away from
        which the slope of the effect on its standard error points.
    method, interval
        As in `pairwise`.

    Raises
    ------
    InputError
        As `pairwise.fit` and `small_study.fit`; on an unknown estimator or side.
    """
    require_choice(estimator, ESTIMATORS, "estimator")
    if side is not None:
        require_choice(side, SIDES, "side")
    if method == "GENQ":
        raise InputError("method 'GENQ' has weights of its own for each study, which a mirror image has not.")
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    require_slope(studies)
    chosen = side or _thin_side(studies, method)
    sign = -1.0 if chosen == "right" else 1.0
    order = np.argsort(sign * studies.estimate, kind="stable")
    y, v = sign * studies.estimate[order], studies.variance[order]
    missing, centre, ended = _missing(y, v, estimator, method)
    added = np.arange(len(y)) >= len(y) - missing
    mirrored = 2 * centre - y[added]
    names = np.array(studies.labels)[order]
    whole = pd.DataFrame(
        {
            "label": [*names, *(f"added opposite {name}" for name in names[added])],
            "estimate": sign * np.concatenate([y, mirrored]),
            "std_error": np.sqrt(np.concatenate([v, v[added]])),
            "added": np.repeat([False, True], [len(y), missing]),
        }
    )
    before = pairwise.fit(
        whole[~whole["added"]], method=method, interval=interval, unit=unit, estimand=estimand
    ).pooled
    checks = _checks(len(y), missing, ended)
    after = pairwise.fit(
        whole, method=method, interval=interval, unit=unit, estimand=f"{estimand}, {missing} studies added"
    ).pooled
    return TrimFillResult(
        filled=missing, side=chosen, pooled=after, before=before, studies=whole, checks=checks
    )


def _thin_side(studies: Studies, method: str) -> str:
    error = np.sqrt(studies.variance)
    matrix = np.column_stack([np.ones(len(error)), error])
    slope = regression.fit_line(studies, matrix, method=method, interval="wald").coefficients[1]
    return "right" if slope < 0 else "left"


def _missing(y: FloatArray, v: FloatArray, estimator: str, method: str) -> tuple[int, float, bool]:
    """Return how many studies are missing on the left, the mean of the rest, and whether the search ended."""
    k, missing, centre = len(y), 0, 0.0
    for _ in range(_ROUNDS):
        kept = Studies(labels=("",) * (k - missing), estimate=y[: k - missing], variance=v[: k - missing])
        tau2_method = method if len(kept) > 1 else "common"
        line = regression.fit_line(kept, np.ones((len(kept), 1)), method=tau2_method, interval="wald")
        centre = float(line.coefficients[0])
        away = y - centre
        ranks = np.empty(k)
        ranks[np.argsort(np.abs(away), kind="stable")] = np.arange(1, k + 1)
        new = _estimate(np.sign(away) * ranks, k, estimator)
        if new == missing:
            return missing, centre, True
        missing = min(new, k - 1)
    return missing, centre, False


def _estimate(signed: FloatArray, k: int, estimator: str) -> int:
    heavy = float(signed[signed > 0].sum())
    if estimator == "R0":
        below = -signed[signed < 0]
        found = (k - float(below.max()) - 1) if below.size else float(k - 1)
    elif estimator == "L0":
        found = (4 * heavy - k * (k + 1)) / (2 * k - 1)
    else:
        found = k - 0.5 - float(np.sqrt(max(2 * k**2 - 4 * heavy + 0.25, 0.0)))
    return max(0, round(found))


def _checks(size: int, missing: int, ended: bool) -> tuple[Check, ...]:
    return (
        Check(
            name="studies in the funnel",
            verdict="pass" if size >= FEW_STUDIES else "warn",
            observed=str(size),
            expected=f"at least {FEW_STUDIES}",
            why="the shape of a funnel of fewer studies is mostly chance",
        ),
        Check(
            name="asymmetry is not proof of bias",
            verdict="pass" if missing == 0 else "warn",
            observed=f"{missing} studies added",
            expected="none",
            why="the added studies are invented: the mean with them shows what one kind of bias would do, "
            "no more",
        ),
        Check(
            name="search for the number of missing studies",
            verdict="pass" if ended else "fail",
            observed="ended" if ended else "went round in circles",
            expected="ended",
            why="a number taken half-way depends on where the search stopped",
        ),
    )
