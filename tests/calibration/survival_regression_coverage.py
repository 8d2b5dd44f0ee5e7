"""How often do the intervals hold the truth? Simulated competing risks with known effects and incidences.

Run: ``python -m tests.calibration.survival_regression_coverage``; writes survival_regression_coverage.csv
beside it (minutes). Two truths:

- ``subdistribution`` (Fine & Gray 1999, section 5): F1(t | x) = 1 - (1 - p (1 - exp(-t)))^exp(x'b), the other
  cause exponential given that it comes; Fine-Gray is the right model.
- ``cause-specific``: constant hazards proportional in x; cause-specific models are right.

Censoring is exponential, about a third. Times are continuous, or rounded up to tenths so that events and
censorings tie. Scores are of a fixed prediction, against its score in four million people never censored.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.survival import cause_specific, fine_gray, scores

REPLICATIONS = 1000
SIZE = 300
LEVEL = 0.95
B = np.array([0.5, -0.4])  # Fine-Gray: log subdistribution hazard ratios of x1 (0 or 1) and x2 (normal)
P = 0.5
H1, B1, H2, B2 = 0.3, np.array([0.5, -0.3]), 0.4, np.array([-0.4, 0.3])
TIMES = (0.5, 1.5)
PROFILES = pd.DataFrame({"x1": [0.0, 1.0], "x2": [0.0, 0.5]}, index=["low", "high"])
CENSORING = 0.35
ROUNDED = 10  # to tenths, upwards: an event by one of TIMES stays one


def covariates(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.column_stack([rng.integers(0, 2, n), rng.normal(size=n)]).astype(float)


def subdistribution(rng: np.random.Generator, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ratio = np.exp(X @ B)
    ever = 1 - (1 - P) ** ratio
    u = rng.random(len(X))
    first = u < ever
    with np.errstate(invalid="ignore", divide="ignore"):
        inner = (1 - (1 - np.where(first, u, 0.0)) ** (1 / ratio)) / P
        time = np.where(first, -np.log1p(-inner), rng.exponential(1 / np.exp(X @ -B)))
    return time, np.where(first, 1, 2)


def cause_specific_truth(rng: np.random.Generator, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one, two = H1 * np.exp(X @ B1), H2 * np.exp(X @ B2)
    return rng.exponential(1 / (one + two)), np.where(rng.random(len(X)) < one / (one + two), 1, 2)


def incidence(truth: str, X: np.ndarray, t: float) -> np.ndarray:
    if truth == "subdistribution":
        return 1 - (1 - P * (1 - np.exp(-t))) ** np.exp(X @ B)
    one, two = H1 * np.exp(X @ B1), H2 * np.exp(X @ B2)
    return one / (one + two) * (1 - np.exp(-(one + two) * t))


def simulate(
    truth: str, tied: bool, rng: np.random.Generator, n: int, *, censored: bool = True
) -> pd.DataFrame:
    X = covariates(rng, n)
    time, event = (subdistribution if truth == "subdistribution" else cause_specific_truth)(rng, X)
    end = rng.exponential(1 / CENSORING, n) if censored else np.full(n, np.inf)
    event = np.where(time <= end, event, 0)
    time = np.minimum(time, end)
    if tied:
        time = np.ceil(time * ROUNDED) / ROUNDED
    frame = pd.DataFrame({"time": time, "event": event, "x1": X[:, 0], "x2": X[:, 1]})
    # A prediction that is near the truth and not it.
    for j, t in enumerate(TIMES):
        frame[f"risk{j}"] = incidence(truth, 0.8 * X + 0.1, t)
    return frame


def scores_of(frame: pd.DataFrame) -> scores.ScoresResult:
    return scores.fit(
        frame, time="time", event="event", predictions={"m": ["risk0", "risk1"]}, times=TIMES, cause=1
    )


def true_scores(truth: str, seed: int) -> np.ndarray:
    found = np.zeros(4)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        frame = simulate(truth, False, rng, 1_000_000, censored=False)
        for j, t in enumerate(TIMES):
            happened = ((frame["time"] <= t) & (frame["event"] == 1)).to_numpy()
            risk = frame[f"risk{j}"].to_numpy()
            found[j] += np.mean((happened - risk) ** 2) / 4
            rank = pd.Series(risk).rank().to_numpy()
            d = happened.sum()
            found[2 + j] += (rank[happened].sum() - d * (d + 1) / 2) / (d * (len(risk) - d)) / 4
    return found


def inside(table: pd.DataFrame, truth: np.ndarray) -> np.ndarray:
    return ((table["lower"] <= truth) & (truth <= table["upper"])).to_numpy()


def one(truth: str, frame: pd.DataFrame, expected_scores: np.ndarray) -> dict[str, np.ndarray]:
    """Which intervals of one simulated data set hold the truth."""
    model = {"time": "time", "event": "event", "covariates": ["x1", "x2"]}
    held: dict[str, np.ndarray] = {}
    real = np.array([[incidence(truth, row, t) for t in TIMES] for row in PROFILES.to_numpy()])
    if truth == "subdistribution":
        found = fine_gray.fit(frame, **model)
        held["coefficients"] = inside(found.log_hazard_ratio.table(LEVEL), B)
        curves = list(found.cumulative_incidence(PROFILES).values())
    else:
        both = cause_specific.fit(frame, **model)
        held["coefficients"] = inside(both.log_hazard_ratio.table(LEVEL), np.concatenate([B1, B2]))
        made = both.cumulative_incidence(PROFILES)
        curves = [made[name, "cause 1"] for name in PROFILES.index]
    at = np.array([[c.at(TIMES)[side] for side in ("lower", "upper")] for c in curves], dtype=float)
    held["incidence"] = ((at[:, 0] <= real) & (real <= at[:, 1])).ravel()
    scored = scores_of(frame)
    held["Brier score"] = inside(
        scored.brier.select(["m at 0.5", "m at 1.5"]).table(LEVEL), expected_scores[:2]
    )
    held["AUC"] = inside(scored.auc.table(LEVEL), expected_scores[2:])
    return held


def coverage(
    truth: str, tied: bool, replications: int, seed: int, expected: np.ndarray
) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)
    held = [one(truth, simulate(truth, tied, rng, SIZE), expected) for _ in range(replications)]
    error = np.sqrt(LEVEL * (1 - LEVEL) / replications)
    return [
        {
            "truth": truth,
            "times": "tied" if tied else "continuous",
            "target": target,
            "rows": SIZE,
            "replications": replications,
            "intervals": len(held[0][target]),
            "coverage": round(float(np.mean([each[target] for each in held])), 4),
            "least": round(float(np.mean([each[target] for each in held], axis=0).min()), 4),
            "monte_carlo_error": round(float(error), 4),
        }
        for target in held[0]
    ]


def table(replications: int = REPLICATIONS) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for number, truth in enumerate(("subdistribution", "cause-specific")):
        expected = true_scores(truth, 20261123 + 10 * number)
        for tied in (False, True):
            rows += coverage(truth, tied, replications, 20261122 + 10 * number + tied, expected)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    found = table()
    found.to_csv(
        Path(__file__).with_name("survival_regression_coverage.csv"), index=False, lineterminator="\n"
    )
