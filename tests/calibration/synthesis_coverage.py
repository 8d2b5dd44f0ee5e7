"""How often do the intervals hold the truth? Simulated meta-analyses with known mean and spread.

Run: ``python -m tests.calibration.synthesis_coverage``; writes synthesis_coverage.csv beside it (minutes).
Sampling variances are those of Brockwell & Gordon (2001): a quarter of a chi-square with 1 degree of freedom,
kept between 0.009 and 0.6, drawn anew for every study. Each row gives the Monte Carlo error of a coverage of
0.95.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.priors import synthesis
from soa_evidence.synthesis import bayes, many
from soa_evidence.synthesis.pooling import INTERVALS, PREDICTIONS

REPLICATIONS = 5000
BAYES_REPLICATIONS = 500
SIZES = (3, 5, 10, 20)
SPREADS = (0.0, 0.07, 0.25)  # tau2; about none, half and three quarters of the total variance
METHODS = ("DL", "REML", "PM", "SJ")
TRUTH = 0.3
LEVEL = 0.95


def variances(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    values = 0.25 * rng.chisquare(1, shape)
    outside = (values < 0.009) | (values > 0.6)
    while outside.any():
        values[outside] = 0.25 * rng.chisquare(1, outside.sum())
        outside = (values < 0.009) | (values > 0.6)
    return values


def simulate(k: int, tau2: float, seed: int, replications: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a long frame of studies, and the true effect in one more study of each replication."""
    rng = np.random.default_rng(seed)
    variance = variances(rng, (replications, k))
    estimate = rng.normal(TRUTH, np.sqrt(variance + tau2))
    frame = pd.DataFrame(
        {
            "analysis": np.repeat(np.arange(replications), k),
            "estimate": estimate.ravel(),
            "std_error": np.sqrt(variance).ravel(),
        }
    )
    return frame, rng.normal(TRUTH, np.sqrt(tau2), replications)


def rows_of(k: int, tau2: float, seed: int) -> list[dict[str, object]]:
    frame, new = simulate(k, tau2, seed, REPLICATIONS)
    rows: list[dict[str, object]] = []

    def add(method: str, target: str, interval: str, inside: np.ndarray, width: np.ndarray) -> None:
        share = float(np.mean(inside))
        rows.append(
            {
                "studies": k,
                "tau2": tau2,
                "method": method,
                "target": target,
                "interval": interval,
                "coverage": round(share, 4),
                "monte_carlo_error": round(float(np.sqrt(LEVEL * (1 - LEVEL) / len(inside))), 4),
                "median_width": round(float(np.median(width)), 4),
                "replications": len(inside),
            }
        )

    def between(table: pd.DataFrame, low: str, high: str, truth: object) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = table[low].to_numpy(), table[high].to_numpy()
        return (lower <= truth) & (truth <= upper), upper - lower

    for method in METHODS:
        for interval in INTERVALS:
            table = many.fit(frame, analysis="analysis", method=method, interval=interval).table
            add(method, "mean", interval, *between(table, "lower", "upper", TRUTH))
        for kind in PREDICTIONS if tau2 > 0 else ():
            table = many.fit(frame, analysis="analysis", method=method, prediction=kind).table
            inside = between(table, "prediction_lower", "prediction_upper", new)
            add(method, "new study", f"hartung_knapp_floor, {kind}", *inside)
    add("any", "tau2", "q_profile", *between(table, "tau2_lower", "tau2_upper", tau2))
    common = many.fit(frame, analysis="analysis", method="common").table
    add("common", "mean", "wald", *between(common, "lower", "upper", TRUTH))
    return rows


def bayes_rows(k: int, seed: int) -> list[dict[str, object]]:
    """Return coverage of posteriors when mean and spread are drawn from their priors: nominal, if correct."""
    chosen, rng = synthesis("sceptical"), np.random.default_rng(seed)
    assert chosen.effect is not None
    hits = {"mean": [], "tau": [], "new study": []}
    for _ in range(BAYES_REPLICATIONS):
        tau = abs(rng.normal(0, chosen.spread.scale))
        mean = rng.normal(chosen.effect.mean, chosen.effect.sd)
        variance = variances(rng, (1, k))[0]
        frame = pd.DataFrame(
            {
                "label": [str(i) for i in range(k)],
                "estimate": rng.normal(mean, np.sqrt(variance + tau**2)),
                "std_error": np.sqrt(variance),
            }
        )
        table = bayes.fit(frame, priors=chosen).summary.set_index("quantity")
        truths = {
            "pooled": ("mean", mean),
            "spread": ("tau", tau),
            "new study": ("new study", rng.normal(mean, tau)),
        }
        for quantity, (name, truth) in truths.items():
            hits[name].append(table.loc[quantity, "lower"] <= truth <= table.loc[quantity, "upper"])
    error = round(float(np.sqrt(LEVEL * (1 - LEVEL) / BAYES_REPLICATIONS)), 4)
    return [
        {
            "studies": k,
            "method": "bayes, drawn from its prior",
            "target": name,
            "interval": "credible (sceptical)",
            "coverage": round(float(np.mean(inside)), 4),
            "monte_carlo_error": error,
            "replications": BAYES_REPLICATIONS,
        }
        for name, inside in hits.items()
    ]


def main() -> None:
    rows = []
    for i, k in enumerate(SIZES):
        for j, tau2 in enumerate(SPREADS):
            rows += rows_of(k, tau2, seed=100 + 10 * i + j)
        if k in (3, 10):
            rows += bayes_rows(k, seed=200 + i)
    pd.DataFrame(rows).to_csv(Path(__file__).with_suffix(".csv"), index=False)


if __name__ == "__main__":
    main()
