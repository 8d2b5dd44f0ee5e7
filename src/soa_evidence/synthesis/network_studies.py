"""Studies of a network of treatments: contrasts checked, multi-arm trials given their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.synthesis.studies import FloatArray, require_columns

__all__ = ["Network", "Trial", "pairs", "read_network"]

_CLOSED = 1e-6  # of the largest standard error: how far a multi-arm trial's contrasts may fail to add up


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """One study: its arms, and the contrasts of all others with the first, with their covariance.

    Attributes
    ----------
    label : str
    arms : tuple of str
        In alphabetical order; a set of arms is a design.
    estimate : array of shape (arms - 1,)
    covariance : array of shape (arms - 1, arms - 1)
    """

    label: str
    arms: tuple[str, ...]
    estimate: FloatArray
    covariance: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """All trials, stacked: y (n,), V (n, n), which trial each row is of, and the treatments in order."""

    trials: tuple[Trial, ...]
    treatments: tuple[str, ...]
    estimate: FloatArray
    covariance: FloatArray
    trial_of: FloatArray

    @property
    def between(self) -> FloatArray:
        """Covariance of true effects per tau2: 1, and 1/2 for two contrasts of one trial."""
        same = self.trial_of[:, None] == self.trial_of[None, :]
        return np.asarray(0.5 * (same.astype(float) + np.eye(len(self.estimate))))

    def rows(self) -> list[tuple[Trial, str, str]]:
        """Trial, first arm and other arm of every row."""
        return [(trial, trial.arms[0], arm) for trial in self.trials for arm in trial.arms[1:]]

    def design(self, reference: str) -> FloatArray:
        """Return the consistency design: a column for every treatment but the reference."""
        others = [t for t in self.treatments if t != reference]
        matrix = np.zeros((len(self.estimate), len(others)))
        for i, (_, first, other) in enumerate(self.rows()):
            for arm, sign in ((other, 1.0), (first, -1.0)):
                if arm != reference:
                    matrix[i, others.index(arm)] += sign
        return matrix


def pairs(frame: pd.DataFrame, *, study: str, treatment: str, estimate: str, std_error: str) -> pd.DataFrame:
    """Turn one row an arm into one row a pair of arms of the same study.

    Returns
    -------
    DataFrame
        study, treatment_1, treatment_2, estimate (of the first against the second), std_error.

    Raises
    ------
    InputError
        On a missing column or a study with one arm.
    """
    require_columns(frame, [study, treatment, estimate, std_error])
    rows = []
    for name, part in frame.groupby(study, sort=False):
        if len(part) < 2:
            raise InputError(f"Study {str(name)!r} has one arm; a contrast needs two.")
        arms = part[[treatment, estimate, std_error]].to_numpy()
        for i in range(len(arms)):
            for j in range(i + 1, len(arms)):
                error = float(np.hypot(arms[i, 2], arms[j, 2]))
                rows.append((name, arms[i, 0], arms[j, 0], arms[i, 1] - arms[j, 1], error))
    columns = ["study", "treatment_1", "treatment_2", "estimate", "std_error"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"estimate": float, "std_error": float})


def read_network(
    frame: pd.DataFrame, *, study: str, treatment_1: str, treatment_2: str, estimate: str, std_error: str
) -> Network:
    """Check a frame of contrasts, one row a pair of arms, all pairs of a multi-arm study.

    Raises
    ------
    InputError
        On missing columns or values, a treatment against itself, a pair twice or missing within a multi-arm
        study, contrasts of one study that do not add up, standard errors no arms can have, or a network in
        separate parts.
    """
    needed = [study, treatment_1, treatment_2, estimate, std_error]
    require_columns(frame, needed)
    if frame.empty:
        raise InputError("The frame of contrasts is empty; expected at least one row.")
    for name in needed:
        if frame[name].isna().any():
            at = int(np.argmax(frame[name].isna().to_numpy()))
            raise InputError(f"Column '{name}', row {at}: missing; every contrast needs it.")
    values, errors = (_numbers(frame, name) for name in (estimate, std_error))
    if (errors <= 0).any():
        at = int(np.argmax(errors <= 0))
        raise InputError(f"Column '{std_error}', row {at}: {errors[at]:g}; a standard error is above 0.")
    named = pd.DataFrame(
        {
            "study": frame[study].astype(str).to_numpy(),
            "first": frame[treatment_1].astype(str).to_numpy(),
            "second": frame[treatment_2].astype(str).to_numpy(),
            "y": values,
            "v": errors**2,
        }
    )
    trials = tuple(_trial(str(name), part) for name, part in named.groupby("study", sort=False))
    treatments = tuple(sorted(set(named["first"]) | set(named["second"])))
    _require_connected(trials, treatments)
    sizes = [len(trial.estimate) for trial in trials]
    covariance = np.zeros((sum(sizes), sum(sizes)))
    start = 0
    for trial, size in zip(trials, sizes, strict=True):
        covariance[start : start + size, start : start + size] = trial.covariance
        start += size
    return Network(
        trials=trials,
        treatments=treatments,
        estimate=np.concatenate([trial.estimate for trial in trials]),
        covariance=covariance,
        trial_of=np.repeat(np.arange(float(len(trials))), sizes),
    )


def _trial(label: str, part: pd.DataFrame) -> Trial:
    arms = tuple(sorted(set(part["first"]) | set(part["second"])))
    known: dict[tuple[str, str], tuple[float, float]] = {}
    names = [(str(first), str(second)) for first, second in zip(part["first"], part["second"], strict=True)]
    numbers = part[["y", "v"]].to_numpy(dtype=float)
    for (first, second), (y, v) in zip(names, numbers, strict=True):
        if first == second:
            raise InputError(f"Study {label!r} compares {first!r} with itself.")
        sign = 1.0 if first < second else -1.0
        key = (min(first, second), max(first, second))
        if key in known:
            raise InputError(
                f"Study {label!r} gives {key[0]!r} against {key[1]!r} twice; give each pair once."
            )
        known[key] = (sign * float(y), float(v))
    missing = [(a, b) for i, a in enumerate(arms) for b in arms[i + 1 :] if (a, b) not in known]
    if missing:
        a, b = missing[0]
        raise InputError(
            f"Study {label!r} has {len(arms)} arms but no contrast of {a!r} with {b!r}; a multi-arm study "
            f"needs "
            "all its pairs, so that the variance of each arm can be told. pairs() makes them from arms."
        )
    base = arms[0]
    # Contrasts are stored as first less second in alphabetical order: of the others against the base, minus.
    estimate = np.array([-known[base, arm][0] for arm in arms[1:]])
    variance = np.array([known[base, arm][1] for arm in arms[1:]])
    covariance = np.diag(variance)
    for i in range(1, len(arms)):
        for j in range(i + 1, len(arms)):
            value, v = known[arms[i], arms[j]]
            gap = abs((estimate[i - 1] - estimate[j - 1]) - value)
            if gap > _CLOSED * max(1.0, float(np.sqrt(variance.max())), abs(value)):
                raise InputError(
                    f"Study {label!r}: the contrasts of {base!r}, {arms[i]!r} and {arms[j]!r} do not add up "
                    f"(by {gap:.3g}); round less, or give arms to pairs()."
                )
            covariance[i - 1, j - 1] = covariance[j - 1, i - 1] = (variance[i - 1] + variance[j - 1] - v) / 2
    if np.linalg.eigvalsh(covariance).min() <= 0:
        raise InputError(
            f"Study {label!r}: no variances of its arms give these standard errors; are they of one model?"
        )
    return Trial(label=label, arms=arms, estimate=estimate, covariance=covariance)


def _require_connected(trials: tuple[Trial, ...], treatments: tuple[str, ...]) -> None:
    reached, edge = {treatments[0]}, {treatments[0]}
    while edge:
        edge = {arm for trial in trials if edge & set(trial.arms) for arm in trial.arms} - reached
        reached |= edge
    if len(reached) < len(treatments):
        apart = sorted(set(treatments) - reached)
        raise InputError(
            f"The network is in separate parts: no chain of studies joins {', '.join(sorted(reached)[:4])} "
            f"with "
            f"{', '.join(apart[:4])}. Analyse each part by itself."
        )


def _numbers(frame: pd.DataFrame, column: str) -> FloatArray:
    if not pd.api.types.is_numeric_dtype(frame[column]):
        raise InputError(f"Column '{column}' holds {frame[column].dtype} values; expected numbers.")
    values = frame[column].to_numpy(dtype=float)
    if not np.isfinite(values).all():
        at = int(np.argmax(~np.isfinite(values)))
        raise InputError(f"Column '{column}', row {at}: {values[at]}; expected a finite number.")
    return values
