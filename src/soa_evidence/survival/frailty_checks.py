"""What a frailty model rests on: a maximum that was reached, events, units, and a variance that is not 0."""

from __future__ import annotations

import numpy as np

from soa_evidence.results import Check
from soa_evidence.survival.frailty_likelihood import Penalised, Point

__all__ = ["checks"]

CONVERGED = 1e-9  # likelihood that may still be gained
LEVEL_SLOPE = 1e-5  # slope in log theta at the maximum, in standard errors of log theta
FEW_EVENTS = 10  # events for each coefficient
FEW_UNITS = 10  # units with events


def checks(
    model: Penalised, top: Point | None, curvature: float, limits: tuple[float, float], smallest: float
) -> tuple[Check, ...]:
    """Check the maximum, the variance, and how much there is to learn from."""
    with_events = int((model.deaths > 0).sum())
    found = [_variance(top, limits)]
    if top is not None:
        found += _maximum(top, curvature)
    found.append(
        Check(
            name="units with events",
            verdict="pass" if with_events >= FEW_UNITS else "warn",
            observed=f"{with_events} of {len(model.deaths)}",
            expected=f"at least {FEW_UNITS}",
            why="how much units differ is learnt from units; from a few of them it is hardly known",
        )
    )
    if model.p:
        each = float(model.deaths.sum()) / model.p
        found.append(
            Check(
                name="events for each coefficient",
                verdict="pass" if each >= FEW_EVENTS else "warn",
                observed=f"{each:.1f}",
                expected=f"at least {FEW_EVENTS}",
                why="with few events coefficients are biased away from 0 and their limits too narrow",
            )
        )
        found.append(
            Check(
                name="collinearity: smallest eigenvalue of the scores' correlation",
                verdict="pass" if smallest >= 1e-3 else "warn",
                observed=f"{smallest:.2g}",
                expected="at least 0.001",
                why="covariates that nearly determine one another have coefficients that mean little apart",
            )
        )
    return tuple(found)


def _variance(top: Point | None, limits: tuple[float, float]) -> Check:
    if top is None:
        observed = f"0 (upper limit {limits[1]:.3g})"
    else:
        observed = f"{top.theta:.3g} ({limits[0]:.3g} to {limits[1]:.3g})"
    return Check(
        name="variance of the frailty above 0, with an upper limit",
        verdict="pass" if top is not None and np.isfinite(limits[1]) else "warn",
        observed=observed,
        expected="above 0, with finite limits",
        why="at 0 every unit's frailty is 1 and none has limits: units differ no more than chance would have "
        "it, which does not show that they are alike",
    )


def _maximum(top: Point, curvature: float) -> list[Check]:
    slope = abs(top.slope) / np.sqrt(curvature) if curvature > 0 else np.inf
    return [
        Check(
            name="likelihood still to be gained at the maximum",
            verdict="pass" if top.left <= CONVERGED * max(1.0, abs(top.likelihood)) else "fail",
            observed=f"{top.left:.1e}",
            expected=f"at most {CONVERGED:g} of the log likelihood",
            why="coefficients short of the maximum are not the model's",
        ),
        Check(
            name="slope of the likelihood in the log variance, in standard errors",
            verdict="pass" if slope <= LEVEL_SLOPE else "fail",
            observed=f"{slope:.1e}",
            expected=f"at most {LEVEL_SLOPE:g}",
            why="a search that stops early gives another variance: the slope must be 0 at the maximum",
        ),
    ]
