"""The standard generalised gamma law of z with shape Q (Prentice), with derivatives.

With g = 1 / Q² and x = Qz, exp(x) / Q² is gamma distributed with shape g:

    log density  = -½ log 2π - r(Q) - z² (exp(x) - 1 - x) / x²
    survival     = upper incomplete gamma ratio (g, g exp(x)) for Q > 0, the lower one for Q < 0

r(Q) is the remainder of Stirling's series of log Gamma(g); in this form all is smooth through Q = 0, where
the law is normal. Q = 1 is the extreme-value law (Weibull), Q = sigma the gamma.

Every derivative is closed but those of log survival by Q alone, which no closed form has. They are taken by
central differences of order six in Q, to about 1e-11; the likelihood itself is not touched by them, so they
bear on the way to the maximum and, in the eleventh digit, on where it is found.

Sources: Prentice (1974), Biometrika 61:539; Cox et al (2007), Stat Med 26:4352.

Checked against: quadrature of the density and mpmath in tests/unit; R pgamma in tests/reference/parametric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ShapedLaw", "log_density", "log_survival"]

FloatArray = NDArray[np.float64]
SMALL_Q = 1e-3  # nearer to 0 the incomplete gamma function loses digits, and values are interpolated in Q
NEAR = 0.02  # step of the differences in Q, in the middle of the law
#: Coefficients of order six at ±1, ±2, ±3 steps: first derivative, second derivative, and its centre.
FIRST = (3 / 4, -3 / 20, 1 / 60)
SECOND = (3 / 2, -3 / 20, 1 / 90)
CENTRE = -49 / 18
BETWEEN = (56 / 70, -28 / 70, 8 / 70, -1 / 70)  # the value in the middle from those at ±1, … ±4 steps
#: Bernoulli's numbers B(2k) / (2k (2k - 1)) of Stirling's series.
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
LARGE_G = 10.0
TERMS = 22  # of the exponential series for |x| < 1: the last is below 1e-21


@dataclass(frozen=True, eq=False, kw_only=True)
class ShapedLaw:
    """A function of z and Q: value and derivatives by z, zz, Q, QQ and zQ, each of shape (n,)."""

    value: FloatArray
    z: FloatArray
    zz: FloatArray
    q: FloatArray
    qq: FloatArray
    zq: FloatArray


def log_survival(z: FloatArray, q: FloatArray) -> ShapedLaw:
    """Return log survival at `z` with shapes `q`, both of shape (n,)."""
    density = log_density(z, q)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        value, by_q, by_qq = _log_survival(z, q)
        mills = np.exp(density.value - value)
        return ShapedLaw(
            value=value,
            z=-mills,
            zz=-mills * (density.z + mills),
            q=by_q,
            qq=by_qq,
            zq=-mills * (density.q - by_q),
        )


def log_density(z: FloatArray, q: FloatArray) -> ShapedLaw:
    """Return log density at `z` with shapes `q`, both of shape (n,)."""
    remainder, by_q, by_qq = _stirling_remainder(q)
    with np.errstate(over="ignore", invalid="ignore"):
        x = q * z
        r1, r1_slope, r2, r2_slope, r2_bend = _exponential_parts(x)
        return ShapedLaw(
            value=-0.5 * np.log(2 * np.pi) - remainder - z**2 * r2,
            z=-z * r1,
            zz=-np.exp(x),
            q=-by_q - z**3 * r2_slope,
            qq=-by_qq - z**4 * r2_bend,
            zq=-(z**2) * r1_slope,
        )


def _exponential_parts(x: FloatArray) -> tuple[FloatArray, ...]:
    """Return (e^x - 1) / x with its slope, and (e^x - 1 - x) / x² with its slope and bend."""
    inner = np.clip(x, -1.0, 1.0)
    r1, r1_slope, r2, r2_slope, r2_bend = (np.zeros_like(x) for _ in range(5))
    factorial, power = 1.0, [np.zeros_like(x), np.zeros_like(x), np.ones_like(x)]  # x^(k-2), x^(k-1), x^k
    for k in range(TERMS):
        factorial *= k + 1  # (k + 1)!
        r1 += power[2] / factorial
        r1_slope += k * power[1] / factorial
        r2 += power[2] / (factorial * (k + 2))
        r2_slope += k * power[1] / (factorial * (k + 2))
        r2_bend += k * (k - 1) * power[0] / (factorial * (k + 2))
        power = [power[1], power[2], power[2] * inner]
    far = np.abs(x) > 1
    if far.any():
        y, e = x[far], np.expm1(x[far])
        r1[far], r1_slope[far] = e / y, (e + 1) / y - e / y**2
        second = (e - y) / y**2
        slope = e / y**2 - 2 * second / y
        bend = (e + 1) / y**2 - 2 * e / y**3 - 2 * slope / y + 2 * second / y**2
        r2[far], r2_slope[far], r2_bend[far] = second, slope, bend
    return r1, r1_slope, r2, r2_slope, r2_bend


def _stirling_remainder(q: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log Gamma(g) - (g - ½) log g + g - ½ log 2π at g = 1 / Q², with two derivatives by Q."""
    from scipy.special import digamma, gammaln, polygamma

    value, slope, bend = np.zeros_like(q), np.zeros_like(q), np.zeros_like(q)
    for k, coefficient in enumerate(STIRLING):
        n = 4 * k + 2
        value += coefficient * q**n
        slope += coefficient * n * q ** (n - 1)
        bend += coefficient * n * (n - 1) * q ** (n - 2)
    wide = q**2 * LARGE_G > 1
    if wide.any():
        p = q[wide]
        g = p**-2
        by_g = digamma(g) - np.log(g) + 0.5 / g
        by_gg = polygamma(1, g) - 1 / g - 0.5 / g**2
        value[wide] = gammaln(g) - (g - 0.5) * np.log(g) + g - 0.5 * np.log(2 * np.pi)
        slope[wide] = by_g * -2 * p**-3
        bend[wide] = by_gg * 4 * p**-6 + by_g * 6 * p**-4
    return value, slope, bend


def _log_survival(z: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log survival and its first two derivatives by Q."""
    h = NEAR * np.minimum(1.0, 3 / (1 + np.abs(z)))  # far out, log survival changes faster with Q
    centre = _value(z, q)
    first, second = np.zeros_like(z), CENTRE * centre
    for k in range(len(FIRST)):
        above, below = _value(z, q + (k + 1) * h), _value(z, q - (k + 1) * h)
        first += FIRST[k] * (above - below)
        second += SECOND[k] * (above + below)
    return centre, first / h, second / h**2


def _value(z: FloatArray, q: FloatArray) -> FloatArray:
    """Return log survival; next to Q = 0 from the values at ±1, … ±4 steps, in which it is smooth."""
    near = np.abs(q) < SMALL_Q
    if not near.any():
        return _incomplete_gamma(z, q)
    found = np.empty_like(z)
    found[~near] = _incomplete_gamma(z[~near], q[~near])
    x, p = z[near], q[near]
    h = NEAR * np.minimum(1.0, 3 / (1 + np.abs(x)))
    found[near] = 0.0
    for k, share in enumerate(BETWEEN):
        found[near] += share * _incomplete_gamma(x, p + (k + 1) * h)
        found[near] += share * _incomplete_gamma(x, p - (k + 1) * h)
    return found


def _incomplete_gamma(z: FloatArray, q: FloatArray) -> FloatArray:
    from scipy.special import gammainc, gammaincc

    g = q**-2.0
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        u = g * np.exp(q * z)
        # Each side of the middle of the gamma law has one tail that is small and keeps its digits.
        low = u < g
        tail = np.empty_like(u)
        tail[low], tail[~low] = gammainc(g[low], u[low]), gammaincc(g[~low], u[~low])
        return np.asarray(np.where(low == (q < 0), np.log(tail), np.log1p(-tail)))
