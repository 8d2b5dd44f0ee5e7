r"""Studies of a register that compare several levels of concentration with one reference, and their trend.

Model: one trend a study by `dose_response`, :math:`L_j \sim N(\beta (d_j - d_{ref}), S)` for the log ratios
of its levels. d counts steps down from the most concentrated level (0), because the sources print neither the
mean amount of a level nor the amount of an open one ("252 or more"): it is a **rank**, and
:math:`\exp(\beta)` is the ratio for one step less concentrated, above 1 where that is worse. Events by level
are not printed either, so S keeps the published variances with an assumed correlation. `ASSUMED` is what
levels of as many events as the reference share with each other; every trend is worked out under all of
`CORRELATIONS`.

A study is taken when its results against one reference may be pooled, make at least `LEAST` levels, and those
can be put in order and adjoin (fifths, or bands of a yearly number). Others are left out with a reason.

When not to use it: to pool studies, as a step of one is not a step of another; to say what a hospital gains
by doing more; for the shape between levels.

Source: Greenland & Longnecker 1992, Am J Epidemiol 135:1301, for why levels that share a reference correlate.

Checked against: the weighted least squares written out in R (tests/reference/graded_exposure).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.results import Check
from soa_evidence.synthesis import dose_response, effect_sizes
from soa_evidence.synthesis.dose_response import DoseResponseResult
from soa_evidence.synthesis.evidence_rules import NOT_CODED, RATIOS
from soa_evidence.synthesis.studies import require_columns

__all__ = ["ASSUMED", "CORRELATIONS", "LEAST", "GradedExposure", "Trend", "fit"]

#: Levels, the reference included, from which a trend and a departure from even steps can be told.
LEAST = 4
#: Exactly what two levels share through the reference where all three have as many events.
ASSUMED = 0.5
CORRELATIONS = (0.0, 0.3, 0.5, 0.7)
NEEDED = (
    "result_id", "study_id", "label", "outcome", "joint", "follow_up", "measure", "direction", "compared",
    "effect", "effect_lower", "effect_upper", "level", "poolable", "not_poolable_because", "inconsistent",
    "primary_study",
)  # fmt: skip
_EFFECT = ("effect", "effect_lower", "effect_upper")
_LIMITS = ("estimate", "lower", "upper")
_FIFTHS = {"lowest": 1, "second": 2, "third": 3, "fourth": 4, "highest": 5, "most specialised": 5}
_FIFTH = re.compile(rf"({'|'.join(_FIFTHS)}) fifth\b.*")
_BAND = re.compile(r"(hospital|surgeon)(?: volume)? (?:(<=|>=|<|>)(\d+)|(\d+)-(\d+))/y")


@dataclass(frozen=True, eq=False, kw_only=True)
class Trend:
    """The trend of one study over the ranks of its levels.

    Attributes
    ----------
    study, label, outcome, measure : str
    levels : DataFrame
        level, steps (down from the most concentrated), estimate and std_error (log ratio against the
        reference, 0 in its own row), result_id (missing for the reference); the most concentrated first.
    result : DoseResponseResult
        Under the correlation `ASSUMED`.
    sensitivity : DataFrame
        correlation, estimate, lower, upper (ratio for one step), p_even (chance of so uneven steps if a line
        held).
    """

    study: str
    label: str
    outcome: str
    measure: str
    levels: pd.DataFrame
    result: DoseResponseResult
    sensitivity: pd.DataFrame

    @property
    def assumed(self) -> float:
        """The correlation under which `result` was worked out."""
        return ASSUMED

    @property
    def reference(self) -> str:
        """The level that the others are compared with."""
        return str(self.levels.loc[self.levels["std_error"] == 0, "level"].iloc[0])


@dataclass(frozen=True, eq=False, kw_only=True)
class GradedExposure:
    """Trends of the studies with graded exposure.

    Attributes
    ----------
    trends : tuple of Trend
    slopes : DataFrame
        label, outcome, compared, estimate, lower, upper: slopes over amounts that a source printed itself.
    left_out : DataFrame
        study, label, outcome, rows, reason.
    checks : tuple of Check
    """

    trends: tuple[Trend, ...]
    slopes: pd.DataFrame
    left_out: pd.DataFrame
    checks: tuple[Check, ...]

    def table(self) -> pd.DataFrame:
        """Return study, levels, correlation, estimate, lower, upper, even; left-out studies with the reason.

        One row that says so where no study has several levels.
        """
        rows: list[dict[str, object]] = []
        for one in self.trends:
            named = "; ".join(one.levels["level"])
            for at, line in enumerate(one.sensitivity.to_dict("records")):
                p = float(line["p_even"])
                rows.append(
                    {
                        "study": f"{one.label}, {one.outcome}",
                        "levels": "as above" if at else named,
                        "correlation": f"{line['correlation']:g}",
                        **{name: line[name] for name in _LIMITS},
                        "even": f"p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}",
                    }
                )
        for line in self.slopes.to_dict("records"):
            rows.append(
                _silent(
                    f"{line['label']}, {line['outcome']}", f"its own slope, {line['compared']}, turned round"
                )
                | {name: line[name] for name in _LIMITS}
            )
        for line in self.left_out.to_dict("records"):
            rows.append(_silent(f"{line['label']}, {line['outcome']}", f"no trend: {line['reason']}"))
        if not rows:
            rows.append(_silent("None", "no study here compares several levels with one reference"))
        return pd.DataFrame(rows)


def _silent(study: str, why: str) -> dict[str, object]:
    return {"study": study, "levels": why, "correlation": "–", "estimate": np.nan, "lower": np.nan,
            "upper": np.nan, "even": "–"}  # fmt: skip


def fit(results: pd.DataFrame, *, correlations: Sequence[float] = CORRELATIONS) -> GradedExposure:
    """Find the graded exposures of a register and work out each one's trend.

    Parameters
    ----------
    results
        The register joined with its studies: columns `NEEDED`, one row a result, effects coded so that above
        1 is worse where care is less concentrated. ``compared`` is ``"level v reference"``.
    correlations
        Assumed correlations between the log ratios of one study's levels; `ASSUMED` must be among them.

    Raises
    ------
    InputError
        On missing columns, a result that is there twice, or correlations without `ASSUMED`.
    """
    require_columns(results, NEEDED)
    if results["result_id"].duplicated().any():
        twice = results.loc[results["result_id"].duplicated(), "result_id"].iloc[0]
        raise InputError(f"Result '{twice}' is there twice; a level must stand once in a trend.")
    if ASSUMED not in correlations:
        raise InputError(
            f"correlations is {list(correlations)}, without {ASSUMED:g}, under which the trend is reported; "
            "add it."
        )
    own = results[results["measure"].isin(RATIOS)].copy()
    told = own["compared"].astype(str).str.replace(r" \(n=[\d,]+\)", "", regex=True)
    parts = told.str.split(" v ", n=1)
    own["_level"], own["_reference"] = parts.str[0], parts.str[1]
    ready = own["_level"].str.startswith("per additional") & own[list(_EFFECT)].notna().all(axis=1)
    slopes = own.loc[ready & ~own["inconsistent"].astype(bool), ["label", "outcome", "_level", *_EFFECT]]
    slopes.columns = pd.Index(["label", "outcome", "compared", *_LIMITS])
    own = own[~own["_level"].str.startswith("per additional")]
    keys = ["study_id", "outcome", "joint", "follow_up", "measure", "_reference"]
    trends, left = [], []
    for _, group in own.sort_values("result_id").groupby(keys, sort=False, dropna=False):
        if len(group) < 2 or group["_level"].duplicated().any():
            continue  # one comparison, or the same one in several populations: not an exposure by level
        why = _why_not(group)
        if why:
            first = group.iloc[0]
            rows = ", ".join(group["result_id"])
            left.append((first["study_id"], first["label"], first["outcome"], rows, why))
        else:
            trends.append(_trend(group, correlations))
    left_out = pd.DataFrame(left, columns=["study", "label", "outcome", "rows", "reason"])
    return GradedExposure(
        trends=tuple(trends),
        slopes=slopes.reset_index(drop=True),
        left_out=left_out,
        checks=_checks(trends, left_out),
    )


def _span(level: str) -> tuple[str, float, float] | None:
    """Return of what a level is a band, and from where to where; None where it cannot be ordered."""
    if found := _FIFTH.fullmatch(level):
        rank = float(_FIFTHS[found[1]])
        return "fifth", rank, rank
    if not (found := _BAND.fullmatch(level)):
        return None
    of, sign, bound, low, high = found.groups()
    if sign is None:
        return of, float(low), float(high)
    at = float(bound)
    below = {"<=": at, "<": at - 1}
    return (of, 0.0, below[sign]) if sign in below else (of, at + (sign == ">"), np.inf)


def _why_not(group: pd.DataFrame) -> str:
    for row in group.to_dict("records"):
        if row["inconsistent"] or not row["poolable"]:
            reason = row["not_poolable_because"]
            return str(reason) if pd.notna(reason) else "inconsistent in its source"
        if not row["primary_study"]:
            return "pools studies of the register"
        if row["direction"] == NOT_CODED or any(pd.isna(row[name]) for name in _EFFECT):
            return "its direction is not known, or it has no interval"
    levels = [*group["_level"], group["_reference"].iloc[0]]
    spans = [_span(str(level)) for level in levels]
    unordered = [level for level, span in zip(levels, spans, strict=True) if span is None]
    if unordered:
        return f"'{unordered[0]}' cannot be put in an order with the other levels"
    known = sorted(span for span in spans if span is not None)
    if len({of for of, _, _ in known}) > 1:
        return "its levels are not of one kind"
    for (_, _, end), (_, start, _) in pairwise(known):
        if start != end + 1:
            return "its levels do not adjoin, so that their ranks are not known"
    return "" if len(known) >= LEAST else f"{len(known)} levels; a trend needs at least {LEAST}"


def _trend(group: pd.DataFrame, correlations: Sequence[float]) -> Trend:
    first = group.iloc[0]
    named = group.assign(label=group["_level"])
    numeric = [*_EFFECT, "level"]
    named[numeric] = named[numeric].astype(float)
    effects = effect_sizes.fit(
        named, measure="RATIO", effect="effect", lower="effect_lower", upper="effect_upper"
    ).table
    start = {name: (_span(name) or ("", 0.0, 0.0))[1] for name in [*named["label"], first["_reference"]]}
    order = sorted(start, key=lambda name: -start[name])
    steps = {name: float(at) for at, name in enumerate(order)}
    base = steps[first["_reference"]]
    ids = dict(zip(named["label"], named["result_id"], strict=True))
    # effects are coded less against more: turned round where the level is above its reference
    value = {str(first["_reference"]): (0.0, 0.0)}
    for row in effects.to_dict("records"):
        turned = 1.0 if steps[row["label"]] > base else -1.0
        value[row["label"]] = (turned * float(row["estimate"]), float(row["std_error"]))
    levels = pd.DataFrame(
        [(name, steps[name], *value[name], ids.get(name)) for name in order],
        columns=["level", "steps", "estimate", "std_error", "result_id"],
    )
    asked = {"study": "study", "dose": "steps", "method": "common",
             "estimand": "log ratio for one step less concentrated"}  # fmt: skip
    frame = levels.assign(study=str(first["label"]))
    fits = {float(r): dose_response.fit(frame, correlation=float(r), **asked) for r in correlations}  # type: ignore[arg-type]
    sensitivity = pd.DataFrame(
        [
            (r, *one.coefficients.table(transform="exp").loc[0, ["estimate", "lower", "upper"]],
             one.tests["p_value"].iloc[-1])
            for r, one in fits.items()
        ],
        columns=["correlation", "estimate", "lower", "upper", "p_even"],
    )  # fmt: skip
    return Trend(
        study=str(first["study_id"]),
        label=str(first["label"]),
        outcome=str(first["outcome"]),
        measure=str(first["measure"]),
        levels=levels,
        result=fits[ASSUMED],
        sensitivity=sensitivity,
    )


def _checks(trends: list[Trend], left_out: pd.DataFrame) -> tuple[Check, ...]:
    uneven = [one.label for one in trends if (one.sensitivity["p_even"] < 0.05).any()]
    return (
        Check(
            name="graded exposures with a trend",
            verdict="pass",
            observed=f"{len(trends)} with, {len(left_out)} without and with the reason",
            expected="each is one or the other",
            why="a graded exposure left out in silence could be the one without a trend",
        ),
        Check(
            name="steps of a trend are even",
            verdict="warn" if uneven else "pass",
            observed=f"departure under some assumed correlation: {', '.join(uneven) or 'none'}",
            expected="no departure at the 5 % level",
            why="one ratio a step is an average that no single step need have",
        ),
    )
