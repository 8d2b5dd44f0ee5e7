"""The maximum of a smooth log likelihood by Newton's method with exact second derivatives, certified.

Where the likelihood is not concave the step follows the eigenvalues' absolute values, which climbs from any
start; steps that do not climb are halved. At the end the gradient is so small that what could still be
gained, half the Newton decrement, is stated. Where the likelihood rises for ever, steps stay long while the
gain vanishes: that is an error that names the coefficients, never a large number.

Parameters are expected on a scale on which 1 is a large change (see `orthogonal`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check

__all__ = ["Derivatives", "Maximum", "maximise", "maximum_check"]

FloatArray = NDArray[np.float64]
#: Value, gradient and second derivatives; None where the likelihood is not finite.
Derivatives = tuple[float, FloatArray, FloatArray] | None
MOST_STEPS = 200
GAIN = 1e-20  # share of the likelihood that a step must still gain: about 1e-8 standard errors
CONVERGED = 1e-9  # likelihood that may be left to gain
FLAT = 1e-4  # gain below which Newton's steps should shrink fast: near a maximum they do, quadratically
STAYED = 3  # steps in a row that did not halve with little gained, or that crawled: a coefficient runs away
CRAWL = 1e-3  # so small a share of a step climbs only where the likelihood ends in a wall
FAR = 100.0
ROUNDING = 1e-8  # share of the likelihood that differences of nearly equal survivals may lose
LONGEST = 3.0  # a step is shortened to this: beyond it the quadratic says nothing


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum:
    """A maximum.

    Attributes
    ----------
    at : array of shape (p,)
    covariance : array of shape (p, p)
        Inverse of the observed information.
    log_likelihood : float
    last_gain : float
        How much log likelihood a further Newton step would gain.
    steps : int
    """

    at: FloatArray
    covariance: FloatArray
    log_likelihood: float
    last_gain: float
    steps: int


def maximise(
    evaluate: Callable[[FloatArray], Derivatives],
    start: FloatArray,
    names: Sequence[str],
    shown: Callable[[FloatArray], FloatArray] = np.asarray,
) -> Maximum:
    """Climb from `start` to the maximum.

    Parameters
    ----------
    evaluate
        Log likelihood, gradient and second derivatives.
    start : array of shape (p,)
    names
        What each parameter is called, for errors; `shown` turns a step into its share of each name.

    Raises
    ------
    InputError
        Where there is no maximum, naming the parameters that run away.
    """
    at = np.asarray(start, dtype=float)
    here = evaluate(at)
    if here is None:
        raise InputError("The likelihood is not finite where the search starts; are all times in one unit?")
    steps, stayed, crawled, last_gain, last_size = 0, 0, 0, np.inf, np.inf
    while True:
        value, gradient, hessian = here
        step, gain, concave = _step(gradient, hessian)
        size = float(np.abs(step).max())
        if concave and _settled(gain, last_gain, value):
            break
        found = _climb(evaluate, at, step, value, gain if concave else np.inf) if steps < MOST_STEPS else None
        if found is None and concave and gain <= CONVERGED:
            break  # rounding of the likelihood hides what is left to gain
        stayed = stayed + 1 if gain < FLAT and size > last_size / 2 else 0
        if found is None or stayed >= STAYED or float(np.abs(at).max()) > FAR:
            raise _no_maximum(shown(step), at, names)
        length, here = found
        crawled = crawled + 1 if length < CRAWL else 0
        if crawled >= STAYED:
            raise _no_maximum(shown(step), at, names)
        at, last_gain, last_size = at + length * step, gain, size
        steps += 1
    return Maximum(
        at=at, covariance=np.linalg.inv(-hessian), log_likelihood=value, last_gain=gain, steps=steps
    )


def _settled(gain: float, last: float, value: float) -> bool:
    return gain <= GAIN * max(1.0, abs(value)) or (gain < CONVERGED * 1e-3 and gain >= last)


def _step(gradient: FloatArray, hessian: FloatArray) -> tuple[FloatArray, float, bool]:
    """Return the step, what it is expected to gain, and whether the likelihood is concave here."""
    values, vectors = np.linalg.eigh(-(hessian + hessian.T) / 2)
    floor = 1e-12 * max(float(np.abs(values).max()), 1e-300)
    along = vectors.T @ gradient
    curved = np.maximum(np.abs(values), floor)
    step = vectors @ (along / curved)
    longest = float(np.abs(step).max(initial=0.0))
    gain = float(np.sum(along**2 / curved)) / 2
    if longest > LONGEST:
        step = step * (LONGEST / longest)
    return step, gain, bool((values > floor).all())


def _climb(
    evaluate: Callable[[FloatArray], Derivatives],
    at: FloatArray,
    step: FloatArray,
    value: float,
    gain: float,
) -> tuple[float, tuple[float, FloatArray, FloatArray]] | None:
    """Halve the step until it climbs; None where none does.

    Next to the maximum what is left to gain may be below the rounding of the likelihood: a full step is then
    also good when less is left to gain after it, at no loss beyond that rounding.
    """
    length = 1.0
    while length > 1e-6:
        tried = evaluate(at + length * step)
        if tried is not None and tried[0] >= value - 1e-13 * abs(value):
            return length, tried
        if tried is not None and length == 1.0 and gain < FLAT and tried[0] >= value - ROUNDING * abs(value):
            _, left, concave = _step(tried[1], tried[2])
            if concave and left < gain:
                return length, tried
        length /= 2
    return None


def _no_maximum(step: FloatArray, at: FloatArray, names: Sequence[str]) -> InputError:
    share = np.abs(step) / max(float(np.abs(step).max()), 1e-300)
    involved = [name for name, part in zip(names, share, strict=True) if part > 0.2]
    return InputError(
        f"The likelihood has no maximum: it still rises as {', '.join(repr(name) for name in involved)} runs "
        f"away (reached {float(np.abs(at).max()):.1f}). The data do not determine it: fit fewer parameters "
        "or covariates, merge levels, or choose a simpler distribution."
    )


def maximum_check(found: Maximum) -> Check:
    """Certify that the maximum was reached."""
    return Check(
        name="likelihood still to be gained at the maximum",
        verdict="pass" if found.last_gain <= CONVERGED else "fail",
        observed=f"{found.last_gain:.1e} after {found.steps} steps",
        expected=f"at most {CONVERGED:g}",
        why="coefficients short of the maximum are not the model's",
    )
