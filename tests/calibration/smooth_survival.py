"""How often do the limits of smooth survival models hold the truth? Simulated follow-up with a known law.

Run: ``python -m tests.calibration.smooth_survival``; writes smooth_survival_coverage.csv beside it (minutes).
Each replicate is 400 people followed for 0.5 to 6 years, a third or so of them entering late. Three truths: a
generalised gamma with a covariate on its location, also seen only at yearly visits; a Weibull hazard with a
hazard ratio, fitted by a spline; and a hazard of three bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import gammaincc, gammaincinv

from soa_evidence.survival import parametric, piecewise_exponential, royston_parmar

REPLICATIONS = 500
PEOPLE = 400
LEVEL = 0.95
SEED = 90210
MU, SLOPE, SIGMA, Q = 1.0, 0.4, 0.8, 0.5
WEIBULL_SHAPE, WEIBULL_RATE, LOG_RATIO = 1.4, 0.2, 0.5
BREAKS, RATES, BAND_RATIO = (1.0, 3.0), (0.1, 0.25, 0.15), 0.4
PROFILE = pd.DataFrame({"x": [0.5]}, index=["p"])
TAU = 5.0

Hit = tuple[str, str, bool]


def gamma_survival(time: np.ndarray) -> np.ndarray:
    z = (np.log(time) - MU - SLOPE * 0.5) / SIGMA
    return gammaincc(Q**-2, Q**-2 * np.exp(Q * z))


def gamma_quantile(p: float) -> float:
    return float(np.exp(MU + SLOPE * 0.5 + SIGMA * np.log(gammaincinv(Q**-2, p) * Q**2) / Q))


def observed(rng: np.random.Generator, time: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    """Follow to 0.5 to 6 years; late entrants who have left before they enter are never seen."""
    end = rng.uniform(0.5, 6, len(time))
    entry = np.where(rng.random(len(time)) < 0.3, rng.uniform(0, 1, len(time)), 0.0)
    frame = pd.DataFrame(
        {"t": np.minimum(time, end), "d": (time <= end).astype(int), "entry": entry, **columns}
    )
    return frame[frame["t"] > frame["entry"]]


def inside(row: pd.Series | object, truth: float) -> bool:
    return bool(row.lower <= truth <= row.upper)


def generalised_gamma(rng: np.random.Generator) -> Iterator[Hit]:
    x = rng.normal(size=PEOPLE)
    time = np.exp(MU + SLOPE * x + SIGMA * np.log(rng.gamma(Q**-2, size=PEOPLE) * Q**2) / Q)
    frame = observed(rng, time, x=x)
    found = parametric.fit(
        frame, distribution="generalised gamma", time="t", event="d", entry="entry", covariates="x"
    )
    truths = {"mu": MU, "mu: x": SLOPE, "sigma": np.log(SIGMA), "Q": Q}
    for row in found.coefficients.table(LEVEL).itertuples():
        yield "generalised gamma", row.label, inside(row, truths[row.label])
    curve = found.survival(PROFILE, [2.0, 5.0], LEVEL)["p"].table()
    for row, truth in zip(curve.itertuples(), gamma_survival(np.array([2.0, 5.0])), strict=True):
        yield "generalised gamma", f"survival at {row.time:g}", inside(row, truth)
    grid = np.linspace(1e-9, TAU, 4001)
    area = np.trapezoid(gamma_survival(grid), grid)
    mean = found.model.restricted_mean(PROFILE, TAU).table(LEVEL).iloc[0]
    yield "generalised gamma", f"restricted mean to {TAU:g}", inside(mean, area)
    quantile = found.model.quantiles(PROFILE, [0.3], LEVEL).iloc[0]
    yield "generalised gamma", "time by which 30 % had it", inside(quantile, gamma_quantile(0.3))
    up = np.ceil(time)
    visits = pd.DataFrame({"low": np.minimum(up - 1, 5.0), "high": np.where(time > 5, np.inf, up), "x": x})
    known = parametric.fit(
        visits, distribution="generalised gamma", lower="low", upper="high", covariates="x"
    )
    for row in known.coefficients.table(LEVEL).itertuples():
        yield "generalised gamma, yearly visits", row.label, inside(row, truths[row.label])


def spline(rng: np.random.Generator) -> Iterator[Hit]:
    x = rng.normal(size=PEOPLE)
    hazard = WEIBULL_RATE * np.exp(LOG_RATIO * x)
    frame = observed(rng, (rng.exponential(size=PEOPLE) / hazard) ** (1 / WEIBULL_SHAPE), x=x)
    found = royston_parmar.fit(frame, time="t", event="d", entry="entry", covariates="x", df=3)
    yield "spline", "log hazard ratio", inside(found.effects.table(LEVEL).iloc[0], LOG_RATIO)
    truth = np.exp(-WEIBULL_RATE * np.exp(LOG_RATIO * 0.5) * 2.0**WEIBULL_SHAPE)
    yield "spline", "survival at 2", inside(found.survival(PROFILE, [2.0], LEVEL)["p"].table().iloc[0], truth)


def pieces(rng: np.random.Generator) -> Iterator[Hit]:
    case = rng.random(PEOPLE) < 0.5
    waited = rng.exponential(size=PEOPLE) / np.exp(BAND_RATIO * case)
    a, b = RATES[0] * BREAKS[0], RATES[0] * BREAKS[0] + RATES[1] * (BREAKS[1] - BREAKS[0])
    time = np.where(
        waited < a,
        waited / RATES[0],
        np.where(waited < b, BREAKS[0] + (waited - a) / RATES[1], BREAKS[1] + (waited - b) / RATES[2]),
    )
    frame = observed(rng, time, z=np.where(case, "yes", "no"))
    found = piecewise_exponential.fit(
        frame, time="t", event="d", entry="entry", breaks=BREAKS, covariates="z", reference={"z": "no"}
    )
    yield "piecewise", "log hazard ratio", inside(found.effects.table(LEVEL).iloc[0], BAND_RATIO)
    for kind in ("profile", "wald"):
        table = found.hazards(pd.DataFrame({"z": ["no"]}), interval=kind, level=LEVEL)
        for k, row in enumerate(table.itertuples()):
            yield "piecewise", f"hazard of band {k + 1}, {kind}", inside(row, RATES[k])
    gap = found.standardised("z").difference("no", time=3.0).table(LEVEL).iloc[0]
    yield (
        "piecewise",
        "difference in standardised survival",
        inside(gap, np.exp(-b * np.exp(BAND_RATIO)) - np.exp(-b)),
    )


def study(replications: int, seed: int) -> pd.DataFrame:
    """Return how often each interval held the truth."""
    hits: dict[tuple[str, str], list[bool]] = {}
    for rng in np.random.default_rng(seed).spawn(replications):
        for part in (generalised_gamma, spline, pieces):
            for model, quantity, hit in part(rng):
                hits.setdefault((model, quantity), []).append(hit)
    error = round(float(np.sqrt(LEVEL * (1 - LEVEL) / replications)), 4)
    return pd.DataFrame(
        [
            {
                "model": model,
                "quantity": quantity,
                "coverage": round(float(np.mean(values)), 4),
                "monte_carlo_error": error,
                "replications": len(values),
            }
            for (model, quantity), values in hits.items()
        ]
    )


if __name__ == "__main__":
    study(REPLICATIONS, SEED).to_csv(Path(__file__).parent / "smooth_survival_coverage.csv", index=False)
