"""Certainty of evidence derived: where it starts by design, every step down with its reason, where it ends.

Levels: high, moderate, low, very low (GRADE: Guyatt et al. 2011, J Clin Epidemiol 64:401). Trials start high,
observational studies low. A step is *judged* (by a person, with a reason) or *computed* here:

- risk of bias: one step when studies with at least half the weight are at serious risk, or when with those of
  which nothing can be said they are; two when studies with half the weight are critical. The low start of
  observational studies already counts that patients were not allocated at random;
- inconsistency: one step when I² is at least 50 %, two when besides at least one study lies wholly on either
  side of no effect; none for a single study, whose difference from others cannot be seen;
- imprecision: two steps when the interval reaches beyond the margin that matters on both sides of no effect,
  one when it holds no effect otherwise, or when there are fewer than 300 events (the usual rule of thumb);

and, only where nothing was taken off, one step up for a judged large effect or dose-response.

When not to use it: as a measure of how large or welcome an effect is.

Checked against: arithmetic in tests/unit; the published rules above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check
from soa_evidence.synthesis.studies import require_choice, require_columns

__all__ = ["DOMAINS", "LEVELS", "Certainty", "fit"]

LEVELS = ("very low", "low", "moderate", "high")
STARTS = {"trials": "high", "observational": "low"}
DOMAINS = ("risk of bias", "inconsistency", "indirectness", "imprecision", "publication bias")
UPWARD = ("large effect", "dose-response", "plausible confounding")
COMPUTED = ("risk of bias", "inconsistency", "imprecision")
BAD, UNKNOWN = ("serious", "high"), ("no information", "some concerns")
HALF = 0.5
HIGH_I2 = 50.0
ENOUGH_EVENTS = 300


@dataclass(frozen=True, eq=False, kw_only=True)
class Certainty:
    """Certainty of the evidence on one question.

    Attributes
    ----------
    level : str
        One of `LEVELS`.
    start : str
        Where it began.
    steps : DataFrame
        domain, steps, how (judged or computed), reason.
    checks : tuple of Check
    """

    level: str
    start: str
    steps: pd.DataFrame
    checks: tuple[Check, ...]

    @property
    def symbol(self) -> str:
        """Four circles, as many filled as the level says."""
        filled = LEVELS.index(self.level) + 1
        return "⊕" * filled + "◯" * (4 - filled)

    @property
    def reasons(self) -> str:
        """The steps that were taken, in one line; the start where none was."""
        taken: list[Any] = list(self.steps[self.steps["steps"] != 0].itertuples())
        parts = [
            f"{row.domain} {'−' if row.steps < 0 else '+'}{abs(row.steps)}: {row.reason}" for row in taken
        ]
        return "; ".join([f"starts {self.start}", *parts])


def fit(
    steps: pd.DataFrame,
    *,
    start: str,
    bias: Mapping[str, str] | None = None,
    weights: Mapping[str, float] | None = None,
    i2_percent: float | None = None,
    studies: pd.DataFrame | None = None,
    interval: tuple[float, float] | None = None,
    margin: float | None = None,
    events: float | None = None,
) -> Certainty:
    """Derive the certainty of one body of evidence.

    Parameters
    ----------
    steps : columns domain, steps, how, reason
        One row a domain; ``how`` is ``"judged"`` (with steps and a reason) or ``"computed"`` (without steps).
    start
        ``"trials"`` or ``"observational"``.
    bias, weights
        Overall judgement and share of the weight, by study; for a computed risk of bias.
    i2_percent, studies
        I² in per cent and the studies (lower, upper on a scale where 0 is no effect); for inconsistency.
    interval, margin, events
        Interval and margin that matters, on the same scale, and events in all where counted; for imprecision.

    Raises
    ------
    InputError
        On an unknown start, domain or way, a repeated or missing domain, a step without a reason or out of
        range, a computed domain whose numbers were not given, or steps up beside steps down.
    """
    require_choice(start, tuple(STARTS), "start")
    require_columns(steps, ["domain", "steps", "how", "reason"])
    rows = _read(steps)
    found = []
    for row in rows:
        if row["how"] == "computed":
            if row["domain"] == "risk of bias":
                taken, why = _bias(bias, weights)
            elif row["domain"] == "inconsistency":
                taken, why = _inconsistency(i2_percent, studies)
            else:
                taken, why = _imprecision(interval, margin, events)
            row = {**row, "steps": taken, "reason": why}
        found.append(row)
    table = pd.DataFrame(found)
    table["steps"] = table["steps"].astype(int)
    down, up = int(table["steps"].clip(upper=0).sum()), int(table["steps"].clip(lower=0).sum())
    if up and down:
        raise InputError(
            f"Steps up ({up:+d}) stand beside steps down ({down:+d}); certainty is raised only where "
            "nothing was "
            "taken off."
        )
    begin = LEVELS.index(STARTS[start])
    level = LEVELS[max(0, min(len(LEVELS) - 1, begin + down + up))]
    return Certainty(level=level, start=STARTS[start], steps=table, checks=(_check(table, level),))


def _read(steps: pd.DataFrame) -> list[dict[str, Any]]:
    known = (*DOMAINS, *UPWARD)
    rows: list[dict[str, Any]] = []
    for given in steps[["domain", "steps", "how", "reason"]].to_dict("records"):
        row = {str(column): value for column, value in given.items()}
        domain = str(row["domain"])
        if domain not in known:
            raise InputError(
                f"There is no domain {domain!r} of certainty.{nearest(domain, known)} "
                f"Expected: {', '.join(known)}."
            )
        if domain in [r["domain"] for r in rows]:
            raise InputError(f"Domain '{domain}' is there twice; each takes its step once.")
        require_choice(str(row["how"]), ("judged", "computed"), f"Domain '{domain}': how")
        if row["how"] == "computed" and domain not in COMPUTED:
            raise InputError(
                f"Domain '{domain}' cannot be computed, only {', '.join(COMPUTED)}; judge it, with a reason."
            )
        if row["how"] == "judged":
            row["steps"] = _step(row["steps"], domain)
            if pd.isna(row["reason"]) or not str(row["reason"]).strip():
                raise InputError(f"Domain '{domain}' is judged without a reason; say why.")
        rows.append(row)
    missing = [domain for domain in DOMAINS if domain not in [r["domain"] for r in rows]]
    if missing:
        raise InputError(f"Domain '{missing[0]}' is missing; judge every domain, also those without a step.")
    return rows


def _step(value: object, domain: str) -> int:
    number = pd.to_numeric(pd.Series([value]), errors="coerce").iloc[0]
    low, high = (0, 2) if domain in UPWARD else (-2, 0)
    if pd.isna(number) or number != round(number) or not low <= number <= high:
        raise InputError(
            f"Domain '{domain}' has steps {value!r}; expected a whole number from {low} to {high}."
        )
    return int(number)


def _bias(bias: Mapping[str, str] | None, weights: Mapping[str, float] | None) -> tuple[int, str]:
    if not bias:
        raise InputError("Risk of bias is computed, but no judgements were given; pass bias= by study.")
    share = dict.fromkeys(bias, 1 / len(bias)) if weights is None else dict(weights)
    lost = [study for study in bias if study not in share]
    if lost:
        raise InputError(f"Study '{lost[0]}' is judged but has no weight; give weights for the same studies.")
    total = sum(share[study] for study in bias)

    def part(*levels: str) -> float:
        return sum(share[study] for study, level in bias.items() if level in levels) / total

    critical, bad, unknown = part("critical"), part("critical", *BAD), part(*UNKNOWN)
    tiny = 1e-9  # weights that add up to half but for rounding
    if critical >= HALF - tiny:
        return -2, f"studies with {critical:.0%} of the weight are at critical risk of bias"
    if bad >= HALF - tiny:
        return -1, f"studies with {bad:.0%} of the weight are at serious risk of bias"
    if bad + unknown >= HALF - tiny:
        return -1, (
            f"of studies with {unknown:.0%} of the weight too little was read to call them sound"
            + (f", and {bad:.0%} are at serious risk of bias" if bad else "")
        )
    return 0, "studies with most of the weight are at low or moderate risk of bias"


def _inconsistency(i2_percent: float | None, studies: pd.DataFrame | None) -> tuple[int, str]:
    if studies is None:
        raise InputError(
            "Inconsistency is computed, but no studies were given; pass studies= and i2_percent=."
        )
    if len(studies) < 2:
        return 0, "one study: differences between studies cannot be seen"
    if i2_percent is None or not math.isfinite(i2_percent):
        raise InputError(f"Inconsistency is computed from I², which is {i2_percent}; expected 0 to 100.")
    opposed = bool((studies["lower"] > 0).any() and (studies["upper"] < 0).any())
    said = f"I² is {i2_percent:.0f}%"
    if i2_percent < HIGH_I2:
        return 0, said
    if opposed:
        return -2, f"{said}, and studies lie wholly on either side of no effect"
    return -1, f"{said}, though no studies lie wholly on opposite sides"


def _imprecision(
    interval: tuple[float, float] | None, margin: float | None, events: float | None
) -> tuple[int, str]:
    if interval is None or margin is None:
        raise InputError("Imprecision is computed, but interval= or margin= was not given.")
    lower, upper = interval
    if not (math.isfinite(lower) and math.isfinite(upper) and lower <= upper and margin > 0):
        raise InputError(
            f"Imprecision was given the interval {lower:g} to {upper:g} and margin {margin:g}; expected "
            "finite "
            "limits in order and a margin above 0."
        )
    if lower < -margin and upper > margin:
        return -2, "the interval holds both a benefit and a harm that would matter"
    if lower <= 0 <= upper:
        return -1, "the interval holds no effect"
    if events is not None and events < ENOUGH_EVENTS:
        return -1, f"{events:.0f} events in all, fewer than {ENOUGH_EVENTS}"
    return 0, "the interval leaves out no effect"


def _check(table: pd.DataFrame, level: str) -> Check:
    judged = int((table["how"] == "judged").sum())
    return Check(
        name="certainty of evidence derived",
        verdict="pass",
        observed=f"{level}; {judged} domains judged with a reason, {len(table) - judged} computed",
        expected="every domain",
        why="a level without its reasons cannot be argued with",
    )
