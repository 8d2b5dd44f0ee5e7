"""Leaving a waiting list by cause, in bands of time: product limit with multinomial errors.

In band b, n_b are at risk (half of those censored in it are not counted), d_jb leave by cause j:

    h_jb = d_jb / n_b,  S_b = prod (1 - h_1b - h_2b),  F_j(b) = sum S_(b-1) h_jb

Errors: the delta method from Cov(h_b) = (diag(h_b) - h_b h_b') / n_b, bands independent; for S that is
Greenwood's formula. Limits on the log(-log) scale; exact binomial where nobody or everybody has left.

When not to use it: by itself; `pathways.waiting_times` and `pathways.waiting_flow` call it.

Source: Aalen and Johansen (1978), Scandinavian Journal of Statistics 5:141; Chiang (1968), chapter 11.

Checked against: R's survival::survfit (tests/reference/waiting).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soa_evidence.results import Check, Curve

__all__ = ["Bands", "curves", "percentiles"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Bands:
    """People at risk and leaving, by band: ends (weeks), at_risk (m,), left (m, causes)."""

    ends: FloatArray
    at_risk: FloatArray
    left: FloatArray

    @property
    def hazards(self) -> FloatArray:
        """Share leaving by cause in each band, shape (m, causes)."""
        return np.asarray(self.left / np.maximum(self.at_risk, 1e-300)[:, None])


def curves(
    bands: Bands, causes: Sequence[str], label: str, method: str, checks: tuple[Check, ...]
) -> tuple[Curve, ...]:
    """Return still waiting (survival) and the cumulative incidence of each cause."""
    h = bands.hazards
    stay = np.clip(1 - h.sum(axis=1), 0, 1)
    survival = np.cumprod(stay)
    before = np.concatenate([[1.0], survival[:-1]])
    shared = {
        "label": label, "time_unit": "weeks", "method": method, "time": bands.ends, "at_risk": bands.at_risk,
        "level": 0.95, "interval": "confidence", "checks": checks,
    }  # fmt: skip
    made = []
    for cause, name in enumerate([None, *causes]):
        if name is None:
            value = survival
            own = np.zeros_like(h)
        else:
            value = np.cumsum(before * h[:, cause - 1])
            own = np.zeros_like(h)
            own[:, cause - 1] = before
        variance = _variance(value, own, h, stay, bands.at_risk, survival if name is None else None)
        error = np.sqrt(variance)
        lower, upper = _limits(np.clip(value, 0, 1), error, bands.at_risk[0])
        made.append(
            Curve(
                estimand="survival" if name is None else "cumulative incidence", cause=name,
                estimate=np.clip(value, 0, 1), lower=lower, upper=upper, std_error=error,
                events=bands.left.sum(axis=1) if name is None else bands.left[:, cause - 1],
                **shared,  # type: ignore[arg-type]
            )
        )  # fmt: skip
    return tuple(made)


def _variance(
    value: FloatArray,
    own: FloatArray,
    h: FloatArray,
    stay: FloatArray,
    n: FloatArray,
    survival: FloatArray | None,
) -> FloatArray:
    m = len(value)
    later = np.arange(m)[:, None] >= np.arange(m)[None, :]  # row: time asked, column: band
    gain = value[:, None] if survival is not None else value[:, None] - value[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.where(stay[None, :] > 0, gain / stay[None, :], 0.0)
    total = np.zeros(m)
    slope = np.where(later[:, :, None], own[None, :, :] - loss[:, :, None], 0.0)
    share = 1 / np.maximum(n, 1e-300)
    first = (slope**2 * h[None, :, :]).sum(axis=2)
    second = (slope * h[None, :, :]).sum(axis=2) ** 2
    total = ((first - second) * share[None, :]).sum(axis=1)
    return np.asarray(np.maximum(total, 0.0))


def _limits(value: FloatArray, error: FloatArray, n: float) -> tuple[FloatArray, FloatArray]:
    inside = (value > 0) & (value < 1)
    safe = np.where(inside, value, 0.5)
    reach = 1.959963984540054 * error / (safe * np.abs(np.log(safe)))
    lower, upper = safe ** np.exp(reach), safe ** np.exp(-reach)
    most = 1 - 0.025 ** (1 / max(n, 1.0))  # of a share of which none was seen
    lower = np.where(inside, lower, np.where(value <= 0, 0.0, 1 - most))
    upper = np.where(inside, upper, np.where(value <= 0, most, 1.0))
    return lower, upper


def percentiles(
    bands: Bands, cause: int, shares: Sequence[float], draws: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return weeks by which each share has left by `cause`, shape (draws, shares), and how often it was.

    Within a band leaving is even. Where a share is not reached the end of the last band stands.
    """
    h = bands.hazards
    n = np.maximum(np.round(bands.at_risk), 1).astype(int)
    each = np.column_stack([h, np.clip(1 - h.sum(axis=1), 0, 1)])
    each /= each.sum(axis=1, keepdims=True)
    again = np.stack([rng.multinomial(k, p, draws) / k for k, p in zip(n, each, strict=True)], axis=1)
    survival = np.cumprod(again[:, :, -1], axis=1)
    before = np.hstack([np.ones((draws, 1)), survival[:, :-1]])
    reached = np.cumsum(before * again[:, :, cause], axis=1)
    starts = np.concatenate([[0.0], bands.ends[:-1]])
    weeks, how_often = np.empty((draws, len(shares))), np.empty(len(shares))
    rows = np.arange(draws)
    for at, share in enumerate(shares):
        met = reached >= share - 1e-12
        band = np.where(met.any(axis=1), met.argmax(axis=1), len(bands.ends) - 1)
        low = np.where(band > 0, reached[rows, band - 1], 0.0)
        step = reached[rows, band] - low
        part = np.where(step > 0, np.clip((share - low) / np.where(step > 0, step, 1), 0, 1), 1.0)
        inside = starts[band] + part * (bands.ends[band] - starts[band])
        weeks[:, at] = np.where(met.any(axis=1), inside, bands.ends[-1])
        how_often[at] = met.any(axis=1).mean()
    return weeks, how_often
