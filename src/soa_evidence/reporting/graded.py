"""A study's trend over levels of concentration as a reader meets it, and what it cannot show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import figures, records, safe
from soa_evidence.reporting.entry import Number
from soa_evidence.reporting.numbers import Numbers, number
from soa_evidence.reporting.numbers import numbers as numbers_of
from soa_evidence.reporting.sentences import Sentence, given, sentence

__all__ = ["claim", "limits", "numbers", "picture"]

_UNITS = {"OR": "odds ratio", "HR": "hazard ratio", "RR": "risk ratio", "IRR": "rate ratio",
          "SHR": "subdistribution hazard ratio"}  # fmt: skip
_TIMES = {"odds ratio": "odds", "hazard ratio": "hazard", "risk ratio": "risk"}


class Trend(Protocol):
    """One study's trend; `synthesis.graded_exposure.Trend` has it."""

    @property
    def study(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def measure(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def levels(self) -> pd.DataFrame: ...
    @property
    def assumed(self) -> float: ...
    @property
    def result(self) -> Any: ...
    @property
    def sensitivity(self) -> pd.DataFrame: ...


def _name(trend: Trend) -> str:
    return safe.slug(f"{trend.study} {trend.outcome}")


def numbers(trend: Trend, *, evidence: Iterable[Any]) -> Numbers:
    """Return the ledger of one trend: ``trend.<study>.dose``, and ``least``, ``most`` over correlations."""
    used = list(evidence)
    rows = ", ".join(trend.levels["result_id"].dropna())
    unit = _UNITS.get(trend.measure, "ratio")
    shared: dict[str, Any] = {
        "population": f"patients of {trend.label}, rows {rows}",
        "evidence": records.among(used, result_id=trend.levels["result_id"].dropna(), study_id=[trend.study]),
        "unit": f"{unit} a step",
        "decimals": 3,
    }
    estimate, name = trend.result.coefficients, _name(trend)
    made = numbers_of(estimate, id=f"trend.{name}", transform="exp", **shared)
    ends: tuple[tuple[Literal["least", "most"], int], ...] = (
        ("least", int(np.argmin(trend.sensitivity["lower"]))),
        ("most", int(np.argmax(trend.sensitivity["upper"]))),
    )
    for end, at in ends:
        row = trend.sensitivity.iloc[at]
        made = made | number(
            row["estimate"],
            id=f"trend.{name}.{end}",
            estimand=f"ratio for one step less concentrated, correlation assumed {row['correlation']:g}",
            like=estimate,
            lower=row["lower"],
            upper=row["upper"],
            level=0.95,
            interval="confidence",
            **shared,
        )
    return made


def claim(trend: Trend, *, evidence: Iterable[Any]) -> Sentence:
    """Say the ratio for one step, how much the assumed correlation matters, and whether steps are even."""
    ledger, name = numbers(trend, evidence=evidence), f"trend.{_name(trend)}"
    least, most = ledger[f"{name}.least"], ledger[f"{name}.most"]
    uneven = trend.sensitivity["p_even"] < 0.05
    even = (
        "The steps are not even, whatever is assumed: one ratio a step is an average"
        if uneven.all()
        else "Whether the steps are even hangs on what is assumed"
        if uneven.any()
        else "The levels do not tell against even steps, nor do they show them"
    )
    low, high = (trend.sensitivity["correlation"].agg(end) for end in ("min", "max"))
    return sentence(
        "{label}: over {levels} levels, each level less concentrated goes with {step:both} times the "
        "{times} of {outcome}, if levels correlate by {assumed}. With correlations from {low} to {high} "
        "the limits run from {least:lower} to {most:upper}, so {found}. {even}.",
        label=given(trend.label, why="name of a study"),
        levels=given(len(trend.levels), why="levels that the study printed, its reference included"),
        outcome=trend.outcome,
        step=ledger[f"{name}.dose"],
        times=_TIMES.get(_UNITS.get(trend.measure, ""), "rate"),
        assumed=given(
            f"{trend.assumed:g}", why="correlation assumed where levels and reference have equal events"
        ),
        low=given(f"{low:g}", why="least correlation assumed"),
        high=given(f"{high:g}", why="largest correlation assumed"),
        least=least,
        most=most,
        found=_found(least, most),
        even=even,
    )


def _found(least: Number, most: Number) -> str:
    if least.lower is None or most.upper is None:
        raise InputError(f"Number '{least.id}' has no interval; a trend needs its limits.")
    if least.lower > 1:
        return "its direction does not hang on that"
    if most.upper < 1:
        return "its direction, better where care is less concentrated, does not hang on that"
    return "no trend at all is within them"


def limits(trends: Sequence[Trend]) -> Sentence:
    """Say what trends over ranks do and do not show; or that no study here has several levels."""
    if not trends:
        return sentence(
            "No study on this page compares several levels of concentration with one reference in a form "
            "that gives a trend, so whether more of it goes with more benefit cannot be told here."
        )
    return sentence(
        "A trend over ranks shows that outcomes differ in order along the levels of one study. It does not "
        "show how much an added operation, or an added share of orthopaedic work, would do: levels are "
        "unequally wide, and their amounts were not printed. Steps of different studies are not the same "
        "step and are not pooled. Nor does it show cause: patients and hospitals may differ in order along "
        "the levels too."
    )


def picture(trend: Trend, *, evidence: Iterable[Any]) -> figures.Figure:
    """Draw the levels against their reference, and beneath them the ratio for one step by what is assumed."""
    ledger, name = numbers(trend, evidence=evidence), f"trend.{_name(trend)}"
    found = _found(ledger[f"{name}.least"], ledger[f"{name}.most"])
    own = trend.levels[trend.levels["std_error"] > 0]
    base = trend.levels.loc[trend.levels["std_error"] == 0, "steps"].iloc[0]
    # one direction throughout, as on the whole page: the less concentrated of two against the other
    value = own["estimate"].where(own["steps"] > base, -own["estimate"])
    reach = 1.959963984540054 * own["std_error"]
    level = pd.DataFrame(
        {
            "label": [f"{text[:1].upper()}{text[1:]}" for text in own["level"].map(_signs)],
            "estimate": np.exp(value),
            "lower": np.exp(value - reach),
            "upper": np.exp(value + reach),
            "group": "other",
        }
    )
    step = trend.sensitivity.assign(
        label=[f"Step, correlation {r:g}" for r in trend.sensitivity["correlation"]],
        group="other",
    )[list(level.columns)]
    unit = _UNITS.get(trend.measure, "ratio")
    return figures.forest(
        pd.concat([level, step], ignore_index=True),
        unit_text=unit,
        id=f"graded-{_name(trend)}",
        title=sentence(
            "{label}: a trend of {outcome} over ranks; {found}",
            label=given(trend.label, why="name of a study"),
            outcome=trend.outcome,
            found=found.replace("that", "the assumed correlation").replace("them", "its limits"),
        ),
        subtitle=f"Each level and the reference ({_signs(trend.reference)}), the less concentrated of the "
        "two against the other; then one rank less, by assumed correlation. Limits as the trend takes them, "
        "95%",
        reference=1.0,
        log=True,
        decimals=2,
    )


def _signs(level: str) -> str:
    return level.replace("<=", "≤").replace(">=", "≥")
