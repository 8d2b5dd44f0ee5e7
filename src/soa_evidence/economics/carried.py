"""Parameters that carry what another method found, with that method's own uncertainty.

`estimates` takes the joint draws of an `Estimates`, or its covariance; `curve` reads a survival curve at some
times, as logarithms of the cumulative hazard. Nothing is estimated again. One thing is changed, and told
in the
source: the exponential of a t distribution has no mean, so moments with degrees of freedom are drawn from the
normal distribution with the same 95 % limits.

When not to use it: on a cumulative incidence, which has deaths in it already (refused).

Checked against: the moments and draws of what was given (tests/unit/test_economics_inputs.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from soa_evidence.economics.parameters import Kind, Parameter, beta, normal
from soa_evidence.errors import InputError
from soa_evidence.results import Curve, Estimates

__all__ = ["curve", "estimates", "log_ratio", "yearly_probability"]

_LIMIT = 1.959963984540054  # of a normal, 95 %


def estimates(
    names: str | Sequence[str],
    found: Estimates,
    *,
    source: str,
    kind: Kind,
    labels: Sequence[str] | None = None,
    unit: str | None = None,
    negate: bool = False,
    price_year: str | None = None,
) -> Parameter:
    """Return parameters that carry another method's uncertainty: its joint draws, or its covariance.

    Parameters
    ----------
    names
        One for each of `labels` (all labels of the estimates by default), in that order.
    negate
        Change the sign, for a method that reports minus the logarithm of a cumulative hazard.
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    chosen = found if labels is None else found.select(labels)
    if len(names) != len(chosen):
        raise InputError(
            f"{len(names)} name(s) were given for {len(chosen)} label(s) of '{found.estimand}': "
            f"{', '.join(chosen.labels)}. Give as many names, or choose with labels=."
        )
    chosen, told = _with_a_mean(chosen, source)
    sign = -1.0 if negate else 1.0
    table = chosen.table(0.95)
    ends = np.sort(sign * table[["lower", "upper"]].to_numpy(), axis=1)
    return Parameter(
        names=names,
        distribution="estimates",
        centre=sign * table["estimate"].to_numpy(),
        lower=ends[:, 0],
        upper=ends[:, 1],
        settings={"sign": np.array(sign)},
        unit=unit or chosen.unit,
        source=told,
        kind=kind,
        price_year=price_year,
        estimates=chosen,
    )


def _with_a_mean(found: Estimates, source: str) -> tuple[Estimates, str]:
    """Return estimates whose exponential has a mean: a t becomes the normal with the same 95 % limits."""
    if found.dof is None or found.covariance is None:
        return found, source
    from scipy import stats

    wider = float(stats.t.ppf(0.975, found.dof)) / _LIMIT
    told = f"{source} (t with {found.dof:g} degrees of freedom, drawn as a normal of the same 95 % limits)"
    return replace(found, covariance=np.array(found.covariance) * wider**2, dof=None), told


def curve(
    names: Sequence[str], found: Curve, times: Sequence[float], *, source: str, kind: Kind
) -> Parameter:
    """Return logarithms of the cumulative hazard at `times`, read from a survival curve.

    A curve holds limits at each time but not how its errors at different times hang together. All times move
    together here, which neither narrows nor widens any single one.

    Raises
    ------
    InputError
        On a cumulative incidence: deaths are in it already, and the model would take them off twice.
    """
    if found.estimand not in ("survival", "net failure (1 - Kaplan-Meier)", "cumulative hazard"):
        raise InputError(
            f"A {found.estimand} cannot drive the decision model; expected survival, net failure "
            f"or cumulative "
            "hazard, in which the dead count as censored. The model takes deaths from the life table itself."
        )
    if len(names) != len(times):
        raise InputError(f"{len(names)} names were given for {len(times)} times; expected one each.")
    row = found.at(list(times))
    value, error = row["estimate"].to_numpy(float), row["std_error"].to_numpy(float)
    if found.estimand == "cumulative hazard":
        hazard, slope = value, np.ones_like(value)
    else:
        survival = value if found.estimand == "survival" else 1 - value
        if not ((survival > 0) & (survival < 1)).all():
            at = int(np.argmax(~((survival > 0) & (survival < 1))))
            raise InputError(
                f"Curve '{found.label}' says {survival[at]:g} survive to {times[at]:g} {found.time_unit}; a "
                "hazard can be read only where some, but not all, have failed."
            )
        hazard, slope = -np.log(survival), 1 / survival
    if not (hazard > 0).all() or not np.isfinite(error).all():
        raise InputError(
            f"Curve '{found.label}' has no event, or no standard error, by {times[int(np.argmin(hazard))]:g} "
            f"{found.time_unit}; choose later times."
        )
    spread = error * slope / hazard
    half = _LIMIT * spread
    at_log = np.log(hazard)
    return Parameter(
        names=tuple(names),
        distribution="normal",
        centre=at_log,
        lower=at_log - half,
        upper=at_log + half,
        settings={
            "mean": at_log,
            "covariance": np.outer(spread, spread),
            "factor": np.column_stack([spread, np.zeros((len(spread), len(spread) - 1))]),
        },
        unit="log cumulative hazard",
        source=source,
        kind=kind,
    )


def yearly_probability(
    name: str, *, share: float, lower: float, upper: float, years: float, source: str, kind: Kind
) -> Parameter:
    """Return the yearly probability behind a published share who had the event within `years`.

    The hazard is taken to be constant; the beta's error is that of the limits (95 %), turned the same way.
    """
    if not 0 < lower < share < upper < 1:
        raise InputError(
            f"'{name}': a share of {share:g} with limits {lower:g} to {upper:g}; expected 0 < lower "
            "< share < upper < 1."
        )
    if not years > 0:
        raise InputError(f"'{name}': {years:g} years; expected a time above 0.")
    centre, low, high = (float(-np.expm1(np.log1p(-p) / years)) for p in (share, lower, upper))
    return beta(
        name, mean=centre, std_error=(high - low) / (2 * _LIMIT), unit="probability", source=source, kind=kind
    )


def log_ratio(
    name: str,
    *,
    ratio: float,
    lower: float,
    upper: float,
    source: str,
    kind: Kind,
    unit: str = "log hazard ratio",
) -> Parameter:
    """Return the logarithm of a ratio printed, or assumed, with its 95 % limits, as a normal."""
    if not 0 < lower < ratio < upper:
        raise InputError(
            f"'{name}': a ratio of {ratio:g} with limits {lower:g} to {upper:g}; expected 0 < "
            f"lower < ratio < upper."
        )
    error = float(np.log(upper / lower) / (2 * _LIMIT))
    return normal(name, mean=[np.log(ratio)], std_error=error, unit=unit, source=source, kind=kind)
