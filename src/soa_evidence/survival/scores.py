"""How good were the predictions? Brier score, time-dependent AUC, and concordance, censoring allowed for.

A prediction p_i(t) is the risk of the event by t, made without these people. With D_i(t) = 1 for the event by
t, and W_i(t) = 1 / G(T-) for an event at T up to t, 1 / G(t) for those followed beyond t, 0 for the rest:

    Brier(t) = sum of w W (D - p)² / sum of w                     0 is perfect; always saying 1/2 gives 1/4
    scaled   = 1 - Brier / Brier of the same share for everyone   above 0 is better than knowing nothing
    AUC(t)   = share of pairs, one with the event by t and one without, in which the first had the higher
               risk; equal risks count half; pairs weighted by the product of w W
    Harrell  = the same share over all pairs of which one had the event while the other was observed
    Uno      = the same with pairs weighted by 1 / G(T-)², which frees it of the pattern of censoring;
               of events up to the last of the times

G is the Kaplan–Meier chance of not being censored (`censoring`). The integrated score is the area under
Brier(t) over the times given, by trapezoids, per unit of time. With competing causes D is the event of
`cause` by t; whoever had another event by t is without it, in the Brier score and in the AUC (as in
riskRegression). Concordance is then left out: no one agrees what it should be.

Standard errors are from the influence of each row, what it does to G included, so scores of several models on
the same people come with their covariance: `difference` compares two models.

When not to use it: on the people whose data made the predictions, where every model looks better than it is.
Where censoring goes with the risk; the weights then mislead.

Sources: Graf et al (1999), Stat Med 18:2529; Gerds & Schumacher (2006), Biometrical J 48:1029; Uno et al
(2007), JASA 102:527, and (2011), Stat Med 30:1105; Blanche et al (2013), Stat Med 32:5381; Harrell et al
(1982), JAMA 247:2543.

Checked against: R riskRegression::Score, survival::concordance and plain loops in tests/reference/scores;
derivatives in the weights in tests/unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.survival import columns
from soa_evidence.survival.records import Records, prepare
from soa_evidence.survival.scored import Scored

__all__ = ["NOBODY", "ScoresResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "survival.scores"
#: The model that gives everyone the same risk, that of all people together.
NOBODY = "same risk for all"
FEW = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoresResult:
    """Scores of the predictions of one or more models on the same people.

    Attributes
    ----------
    brier : Estimates
        Labelled ``"model at time"``, `NOBODY` among the models.
    scaled_brier, auc : Estimates
        Labelled ``"model at time"``.
    integrated_brier : Estimates or None
        By model; None for a single time.
    concordance : Estimates or None
        Labelled ``"model, Harrell"`` and ``"model, Uno"``, of the predictions for the last time; None with
        competing causes.
    times : tuple of float
    models : tuple of str
    rows, events : int
    checks : tuple of Check
    """

    brier: Estimates
    scaled_brier: Estimates
    auc: Estimates
    integrated_brier: Estimates | None
    concordance: Estimates | None
    times: tuple[float, ...]
    models: tuple[str, ...]
    rows: int
    events: int
    checks: tuple[Check, ...]

    def difference(self, score: str, one: str, other: str) -> Estimates:
        """Return score of model `one` less that of `other`, at each time (or for each concordance).

        Parameters
        ----------
        score
            ``"brier"``, ``"scaled_brier"``, ``"auc"``, ``"integrated_brier"`` or ``"concordance"``.
        """
        known = ("brier", "scaled_brier", "auc", "integrated_brier", "concordance")
        if score not in known:
            raise InputError(
                f"score is {score!r}.{nearest(score, known)} Expected one of: {', '.join(known)}."
            )
        estimates = getattr(self, score)
        if estimates is None:
            raise InputError(f"There is no {score} in this result, so models cannot be compared on it.")
        if one == other:
            raise InputError(f"Both models are {one!r}; name two.")
        suffixes = [label.removeprefix(one) for label in estimates.labels if _is_of(label, one)]
        for name in (one, other):
            if not any(_is_of(label, name) for label in estimates.labels):
                options = [*self.models, NOBODY]
                raise InputError(
                    f"There is no {score} of model {name!r}.{nearest(name, options)} "
                    f"Models: {', '.join(options)}."
                )
        contrast = np.zeros((len(suffixes), len(estimates)))
        for row, suffix in enumerate(suffixes):
            contrast[row, estimates.position(one + suffix)] = 1
            contrast[row, estimates.position(other + suffix)] = -1
        return Estimates(
            estimand=f"difference in {estimates.estimand}",
            labels=tuple(f"{one} less {other}{suffix}" for suffix in suffixes),
            unit=estimates.unit,
            method=METHOD,
            mean=contrast @ np.asarray(estimates.mean),
            covariance=contrast @ np.asarray(estimates.covariance) @ contrast.T,
            interval="confidence",
            checks=self.checks,
        )

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Return all scores in one tidy table."""
        parts = [self.brier, self.scaled_brier, self.auc, self.integrated_brier, self.concordance]
        return pd.concat([part.table(level) for part in parts if part is not None], ignore_index=True)

    def __repr__(self) -> str:
        head = f"Scores of {', '.join(self.models)}: {self.events} events in {self.rows} rows"
        return f"{head}\n{self.table().drop(columns=['level', 'interval']).to_string(index=False)}"

    def _repr_html_(self) -> str:
        table = self.table().to_html(index=False, float_format="{:.4g}".format)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>Scores of predictions</strong></p>{table}{checks}"


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    predictions: Mapping[str, str | Sequence[str]],
    times: float | Sequence[float],
    cause: int | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    causes: Mapping[int, str] | None = None,
) -> ScoresResult:
    """Score predicted risks against what happened.

    Parameters
    ----------
    frame
        One row a person, with the predicted risks as columns.
    time, event
        End of observation; 0 censored, 1 the event. With `cause`: 0 censored, 1, 2, … the causes.
    predictions
        Model to columns, one for each of `times`: risk of the event (of `cause`) by that time, 0 to 1.
    times
        Times at which risks were predicted, increasing.
    cause
        The cause predicted, where others compete.
    cluster
        Column that says which rows are not independent.
    weights
        Frequencies: whole numbers, each row standing for that many people.

    Raises
    ------
    InputError
        See `records.prepare`; also on columns that do not match `times`, risks outside 0 to 1 or falling with
        time, times out of order, beyond follow-up, or with no one on one side.
    """
    at = _times(times)
    named = _columns(predictions, len(at))
    needed = [name for names in named.values() for name in names]
    columns.require(frame, [time, event])
    columns.require(frame, sorted(set(needed)))
    records = prepare(
        frame, time=time, event=event, weights=weights, competing=cause is not None, causes=causes
    )
    code = 1 if cause is None else _code(records, event, cause, causes)
    risks = {model: _risks(frame, model, names) for model, names in named.items()}
    clusters = None if cluster is None else columns.clusters(frame, cluster)
    scored = Scored.of(records, code, at, time)
    return _result(scored, records, risks, clusters, competing=cause is not None)


def _times(times: float | Sequence[float]) -> FloatArray:
    at = np.atleast_1d(np.asarray(times, dtype=float))
    if at.ndim != 1 or not len(at) or not np.isfinite(at).all() or (at <= 0).any():
        raise InputError(f"times is {times!r}; expected one or more times above 0.")
    if (np.diff(at) <= 0).any():
        raise InputError(f"times is {times!r}; expected increasing times.")
    return at


def _columns(predictions: Mapping[str, str | Sequence[str]], count: int) -> dict[str, list[str]]:
    if not isinstance(predictions, Mapping) or not predictions:
        raise InputError(
            "predictions must name the columns of each model, such as {'cox': ['risk_1y', 'risk_5y']}."
        )
    named = {str(model): columns.as_list(names) for model, names in predictions.items()}
    for model, names in named.items():
        if len(names) != count:
            raise InputError(
                f"Model '{model}' has {len(names)} columns of predictions and there are {count} times; "
                "expected one column for each time."
            )
        if model == NOBODY:
            raise InputError(f"'{NOBODY}' is scored anyway; give your model another name.")
    return named


def _code(records: Records, event: str, cause: int, causes: Mapping[int, str] | None) -> int:
    name = (causes or {}).get(cause, f"cause {cause}")
    if name not in records.causes:
        raise InputError(
            f"Column '{event}' has no row with {name!r}.{nearest(name, records.causes)} "
            f"It has: {', '.join(records.causes)}."
        )
    return records.causes.index(name) + 1


def _risks(frame: pd.DataFrame, model: str, names: Sequence[str]) -> FloatArray:
    found = np.column_stack([columns.numbers(frame, name, "a risk from 0 to 1") for name in names])
    for j, name in enumerate(names):
        outside = (found[:, j] < 0) | (found[:, j] > 1)
        columns.refuse(frame, name, outside, "a predicted risk lies from 0 to 1")
    falls = (np.diff(found, axis=1) < -1e-12).any(axis=1)
    if falls.any():
        raise InputError(
            f"Model '{model}', row {int(np.argmax(falls))}: the risk of the event falls with time "
            f"({int(falls.sum())} such rows); are the columns risks, not survival, and in order of times?"
        )
    return found


def _result(
    scored: Scored,
    records: Records,
    risks: Mapping[str, FloatArray],
    clusters: NDArray[np.int64] | None,
    *,
    competing: bool,
) -> ScoresResult:
    T = len(scored.times)
    everyone = {**risks, NOBODY: np.tile(scored.share, (len(records), 1))}
    brier = {model: scored.brier(risk) for model, risk in everyone.items()}
    auc = {model: scored.auc(risk) for model, risk in risks.items()}
    checks = _checks(scored, brier, risks)
    at = [f"{t:g}" for t in scored.times]

    def estimates(estimand: str, found: list[tuple[str, float, FloatArray]]) -> Estimates:
        influence = np.column_stack([each for *_, each in found])
        return Estimates(
            estimand=estimand,
            labels=tuple(label for label, *_ in found),
            unit="score",
            method=METHOD,
            mean=np.array([value for _, value, _ in found]),
            covariance=scored.covariance(influence, clusters),
            interval="confidence",
            checks=checks,
        )

    null, null_influence = brier[NOBODY]
    scaled = {}
    for model in risks:
        value, influence = brier[model]
        scaled[model] = 1 - value / null, (null_influence * value / null - influence) / null

    def by_time(of: Mapping[str, tuple[FloatArray, FloatArray]]) -> list[tuple[str, float, FloatArray]]:
        return [
            (f"{model} at {at[j]}", float(values[j]), influence[:, j])
            for model, (values, influence) in of.items()
            for j in range(T)
        ]

    integrated = None
    if T > 1:
        share = scored.area_weights()
        integrated = estimates(
            "integrated Brier score",
            [(model, float(v @ share), influence @ share) for model, (v, influence) in brier.items()],
        )
    concordance = None
    if not competing:
        found = []
        for model, risk in risks.items():
            for kind in ("Harrell", "Uno"):
                agreed, moved = scored.concordance(risk[:, -1], uno=kind == "Uno")
                found.append((f"{model}, {kind}", agreed, moved))
        concordance = estimates("concordance", found)
    return ScoresResult(
        brier=estimates("Brier score", by_time(brier)),
        scaled_brier=estimates("scaled Brier score", by_time(scaled)),
        auc=estimates("AUC", by_time(auc)),
        integrated_brier=integrated,
        concordance=concordance,
        times=tuple(float(t) for t in scored.times),
        models=tuple(risks),
        rows=len(records),
        events=int((records.cause == scored.code).sum()),
        checks=checks,
    )


def _is_of(label: str, model: str) -> bool:
    return label == model or label.startswith((f"{model} at ", f"{model}, "))


def _checks(
    scored: Scored, brier: Mapping[str, tuple[FloatArray, FloatArray]], risks: Mapping[str, FloatArray]
) -> tuple[Check, ...]:
    least = float(scored.smallest_chance())
    few = int(scored.cases.min())
    null = brier[NOBODY][0]
    worse = [model for model in risks if (brier[model][0] > null).any()]
    return (
        Check(
            name="events by the first time",
            verdict="pass" if few >= FEW else "warn",
            observed=str(few),
            expected=f"at least {FEW}",
            why="with few events scores are uncertain beyond what their limits say",
        ),
        Check(
            name="smallest chance of being observed among the weighted",
            verdict="pass" if least >= 0.05 else "warn",
            observed=f"{least:.2g}",
            expected="at least 0.05",
            why="where few are followed so long a single person weighs for many",
        ),
        Check(
            name="better than the same risk for all",
            verdict="warn" if worse else "pass",
            observed=", ".join(worse) + " not at every time" if worse else "at every time",
            expected="a smaller Brier score",
            why="a model that does worse than the average risk is miscalibrated, however well it ranks",
        ),
    )
