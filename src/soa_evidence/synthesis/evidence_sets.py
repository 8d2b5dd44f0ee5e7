"""Which results of a register answer one question, which do not, and why; no pooling that is not honest.

From a register of results (one row a result, one direction for all coded effects) `fit` takes those about an
outcome, operations and contrasts, and puts each on the scale of analysis by `effect_sizes`. A result is left
out, with its reason, when it is flagged as inconsistent, has no direction or no standard error, pools other
studies of the register, has another follow-up, is a further band of a study that is in already, or may hold
the same patients (same registry, same operations, overlapping or unknown years). Results of different
measures are refused together unless they are declared alike, with a reason; results of two directions always.

With ``pool=False`` the same results are put on their scales to be shown side by side: bands and registries
may then repeat and measures differ, and nothing should be pooled.

When not to use it: to find a set that gives an answer. The question is stated first; the set follows.

Checked against: the sets and figures worked out by hand from the same papers (tests/reference/published).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy import stats

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check
from soa_evidence.synthesis import effect_sizes
from soa_evidence.synthesis.evidence_rules import (
    NOT_CODED,
    Row,
    has,
    own_measure,
    require_one_direction,
    require_one_measure,
    why_not,
    without_overlap,
)
from soa_evidence.synthesis.studies import require_choice, require_columns

__all__ = ["NEEDED", "EvidenceSet", "choose", "fit", "readings", "scales"]

#: Columns of the register, one row a result; what they mean is in the package published-results.
NEEDED = (
    "result_id", "study_id", "label", "compared", "outcome", "joint", "contrast", "follow_up", "measure",
    "direction", "effect", "effect_lower", "effect_upper", "level", "events_less", "n_less", "events_more",
    "n_more", "mean_less", "sd_less", "mean_more", "sd_more", "main_contrast", "poolable",
    "not_poolable_because", "inconsistent", "inconsistency", "primary_study", "registry", "period_start",
    "period_end",
)  # fmt: skip
MEASURES = ("OR", "RR", "MD", "RATIO")
USUAL_LEVEL = 0.95


@dataclass(frozen=True, eq=False, kw_only=True)
class EvidenceSet:
    """The results that answer one question.

    Attributes
    ----------
    included : DataFrame
        label, estimate, std_error (on the scale of analysis: log ratios or differences), measure, provenance,
        result_id, study_id, compared, registry, events (in all, where counted) and n.
    excluded : DataFrame
        result_id, study_id, label, compared, reason: looked at for this question and left out.
    ratio : bool
        Whether estimates are logs of ratios.
    pool : bool
        Whether the set was made to be pooled.
    checks : tuple of Check
    """

    included: pd.DataFrame
    excluded: pd.DataFrame
    ratio: bool
    pool: bool
    checks: tuple[Check, ...]

    def __len__(self) -> int:
        return len(self.included)


def fit(
    results: pd.DataFrame,
    *,
    outcome: str,
    joints: Sequence[str],
    contrasts: Sequence[str],
    measure: str,
    follow_up: str | None = None,
    alike: Sequence[str] = (),
    alike_because: str = "",
    pool: bool = True,
) -> EvidenceSet:
    """Take the results that answer one question.

    Parameters
    ----------
    results
        The register joined with its studies: columns `NEEDED`.
    outcome, joints, contrasts
        What the question is about, in the register's words.
    measure
        ``"OR"`` or ``"RR"`` (printed so, or from counts), ``"MD"`` (means, or a printed difference), or
        ``"RATIO"`` (any printed ratio, and risk ratios from counts).
    follow_up
        Only results with this follow-up, when given.
    alike, alike_because
        Measures that may be pooled together, and why.
    pool
        False to show results side by side only.

    Raises
    ------
    InputError
        On missing columns, repeated rows, names the register does not hold, an unknown measure, measures that
        are mixed or declared alike without a reason, or two directions.
    """
    require_columns(results, NEEDED)
    require_choice(measure, MEASURES, "measure")
    _require_names(results, outcome, joints, contrasts)
    if results["result_id"].duplicated().any():
        twice = results.loc[results["result_id"].duplicated(), "result_id"].iloc[0]
        raise InputError(f"Result '{twice}' is there twice; joining the studies must not repeat results.")
    if alike and not alike_because.strip():
        raise InputError(f"Measures {', '.join(alike)} are declared alike without a reason (alike_because).")
    about = (
        (results["outcome"] == outcome) & results["joint"].isin(joints) & results["contrast"].isin(contrasts)
    )
    kept: list[Row] = []
    left: list[tuple[Row, str]] = []
    for row in _records(results[about]):
        why = why_not(row, measure, follow_up, pool)
        if why:
            left.append((row, why))
        else:
            kept.append(row)
    if pool:
        kept, more = without_overlap(kept)
        left += more
        require_one_measure(kept, measure, alike)
    require_one_direction(kept)
    return EvidenceSet(
        included=_effects(kept, measure),
        excluded=pd.DataFrame(
            [(r["result_id"], r["study_id"], r["label"], r["compared"], why) for r, why in left],
            columns=["result_id", "study_id", "label", "compared", "reason"],
        ).sort_values("result_id", ignore_index=True),
        ratio=measure != "MD",
        pool=pool,
        checks=_checks(kept, left, alike, alike_because, measure),
    )


def choose(results: pd.DataFrame, questions: pd.DataFrame) -> dict[str, EvidenceSet]:
    """Return one set a question, by its id, from a frame with the choices of `fit` as text.

    Parameters
    ----------
    questions : columns question_id, outcome, joints, contrasts, measure, alike, alike_because, follow_up and
        pool. Lists are parted by semicolons.
    """
    needed = ("question_id", "outcome", "joints", "contrasts", "measure", "alike", "alike_because",
              "follow_up", "pool")  # fmt: skip
    require_columns(questions, needed)
    return {
        str(row["question_id"]): fit(
            results,
            outcome=str(row["outcome"]),
            joints=_listed(row["joints"]),
            contrasts=_listed(row["contrasts"]),
            measure=str(row["measure"]),
            follow_up=None if pd.isna(row["follow_up"]) else str(row["follow_up"]),
            alike=_listed(row["alike"]),
            alike_because="" if pd.isna(row["alike_because"]) else str(row["alike_because"]),
            pool=bool(row["pool"]),
        )
        for row in _records(questions)
    }


def readings(results: pd.DataFrame) -> pd.DataFrame:
    """Return the register with what each result says: columns reading and shown are added.

    ``reading`` is ``"for"`` (better where care is more concentrated) or ``"against"`` where the interval of
    the effect leaves out no effect, else ``"neither"``; flagged and undirected results are ``"not used"``;
    results without an interval take their coded reading. ``lower``, ``estimate``, ``upper`` are the effect
    as a reader sees it.
    """
    require_columns(results, [*NEEDED, "reading_in_words"])
    frame = results.reset_index(drop=True).copy()
    shown, said = [], []
    for row in _records(frame):
        # a flagged figure is neither read nor drawn
        values = None if row["inconsistent"] else _seen(row)
        reading = "not used"
        if values is not None:
            none = 0.0 if row["measure"] == "MD" else 1.0
            reading = "for" if values[1] > none else "against" if values[2] < none else "neither"
        elif has(row, "reading_in_words") and not row["inconsistent"]:
            reading = str(row["reading_in_words"])
        shown.append((math.nan,) * 3 if values is None else values)
        said.append(reading)
    frame[["estimate", "lower", "upper"]] = shown
    return frame.assign(reading=said)


def _seen(row: Row) -> tuple[float, float, float] | None:
    """Return effect and 95 % limits as a reader sees them: those printed, where 95 % was printed."""
    kind = own_measure(row)
    if kind is None or row["direction"] == NOT_CODED:
        return None
    printed = has(row, "effect", "effect_lower", "effect_upper")
    if printed and math.isclose(float(row["level"]), USUAL_LEVEL):
        return float(row["effect"]), float(row["effect_lower"]), float(row["effect_upper"])
    one = _effects([dict(row)], kind).iloc[0]
    reach = float(stats.norm.ppf(0.5 + USUAL_LEVEL / 2)) * one["std_error"]
    middle, low, high = scales(
        [one["estimate"], one["estimate"] - reach, one["estimate"] + reach], kind != "MD"
    )
    return middle, low, high


def scales(values: Sequence[float], ratio: bool) -> list[float]:
    """Return values of the scale of analysis as a reader sees them: ratios instead of their logs."""
    return [math.exp(value) if ratio else float(value) for value in values]


def _listed(text: Any) -> list[str]:
    return [] if pd.isna(text) else [part.strip() for part in str(text).split(";") if part.strip()]


def _require_names(
    results: pd.DataFrame, outcome: str, joints: Sequence[str], contrasts: Sequence[str]
) -> None:
    for column, names in (("outcome", [outcome]), ("joint", joints), ("contrast", contrasts)):
        known = sorted(set(results[column].dropna()))
        if not names:
            raise InputError(f"No {column} was named; expected at least one of: {', '.join(known)}.")
        for name in names:
            if name not in known:
                raise InputError(
                    f"The register has no {column} {name!r}.{nearest(name, known)} It has: "
                    f"{', '.join(known)}."
                )


def _records(frame: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _effects(rows: list[Row], measure: str) -> pd.DataFrame:
    """Put every row on the scale of analysis, the less concentrated arm first."""
    columns = ["label", "estimate", "std_error", "measure", "provenance", "result_id", "study_id", "compared",
               "registry", "events", "n"]  # fmt: skip
    if not rows:
        return pd.DataFrame(columns=columns)
    frame = pd.DataFrame(rows)
    numeric = [c for c in NEEDED if c.startswith(("effect", "events", "n_", "mean", "sd")) or c == "level"]
    frame[numeric] = frame[numeric].astype(float)
    repeated = frame["label"].duplicated(keep=False)
    band = frame["compared"].str.split(" v ").str[0]
    frame["label"] = frame["label"].where(~repeated, frame["label"] + ": " + band)
    printed = frame[["effect", "effect_lower", "effect_upper"]].notna().all(axis=1)
    arms: dict[str, Any] = {"n_1": "n_less", "n_2": "n_more"}
    risks = {"events_1": "events_less", "events_2": "events_more", **arms}
    means = {"mean_1": "mean_less", "sd_1": "sd_less", "mean_2": "mean_more", "sd_2": "sd_more", **arms}
    limits: dict[str, Any] = {"effect": "effect", "lower": "effect_lower", "upper": "effect_upper"}
    parts = []
    if printed.any():
        kind = "DIFFERENCE" if measure == "MD" else "RATIO"
        parts.append(effect_sizes.fit(frame[printed], measure=kind, **limits).table)
    for kind in dict.fromkeys(frame.loc[~printed, "measure"]):
        own = frame[~printed & (frame["measure"] == kind)]
        parts.append(effect_sizes.fit(own, measure=kind, **(means if kind == "MD" else risks)).table)
    table = pd.concat(parts, ignore_index=True)
    kept = frame.assign(
        events=frame["events_less"] + frame["events_more"], n=frame["n_less"] + frame["n_more"]
    )[["label", "measure", "result_id", "study_id", "compared", "registry", "events", "n"]]
    merged = kept.merge(table.drop(columns="measure"), on="label", validate="one_to_one")
    return merged[columns]


def _checks(
    kept: list[Row],
    left: list[tuple[Row, str]],
    alike: Sequence[str],
    alike_because: str,
    measure: str,
) -> tuple[Check, ...]:
    measures = sorted({str(row["measure"]) for row in kept})
    mixed = len(measures) > 1 and measure != "MD"
    cautious = [str(row["label"]) for row in kept if pd.notna(row.get("caution"))]
    return (
        Check(
            name="results of the register used for the question",
            verdict="pass",
            observed=f"{len(kept)} used, {len(left)} left out with a reason",
            expected="every result about it is one or the other",
            why="a result left out in silence could be the one that disagrees",
        ),
        Check(
            name="one measure for all",
            verdict="warn" if mixed else "pass",
            observed=", ".join(measures) or "none",
            expected="one" + (f"; taken as alike because {alike_because}" if alike else ""),
            why="ratios of different kinds are close only where events are rare",
        ),
        Check(
            name="results with a caution",
            verdict="warn" if cautious else "pass",
            observed=f"{len(cautious)} of {len(kept)}",
            expected="none",
            why="what to bear in mind is in the table of results",
        ),
    )
