"""How a tipping point is said: what would have to be supposed for a finding to turn, in whole numbers.

A supposition is not an estimate and has no interval, so it is told in whole numbers, rounded to the side that
turns the finding sooner.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from soa_evidence.errors import InputError
from soa_evidence.reporting.numbers import number
from soa_evidence.reporting.sentences import Sentence, sentence
from soa_evidence.results import Check

__all__ = ["odds_needed", "patients_needed"]


def patients_needed(
    imbalance: float,
    *,
    consequence: str,
    id: str,
    population: str,
    evidence: Iterable[Any],
    method: str,
    checks: Iterable[Check] = (),
) -> Sentence:
    """Say how unequal unrecorded severity would have to be.

    Parameters
    ----------
    imbalance
        Share of the specialist units' patients who are severe less the comparator's; NaN where none would do.
    consequence
        What it would be enough for, such as ``"the difference to vanish"``.
    id, population, evidence, method, checks
        Of the number in the ledger.
    """
    if math.isnan(imbalance):
        return sentence("no number of such patients would be enough for {what}", what=consequence)
    if not -1 <= imbalance <= 1:
        raise InputError(f"imbalance is {imbalance}; expected a difference of two shares, from -1 to 1.")
    side = "more" if imbalance > 0 else "fewer"
    whole = math.floor(100 * abs(imbalance) + 1e-9)
    if whole == 0:
        return sentence(
            "less than one such patient in a hundred {side} at the specialist units would be enough "
            "for {what}",
            side=side, what=consequence,
        )  # fmt: skip
    n = number(
        whole, id=id,
        estimand=f"patients severe in an unrecorded way, {side} in a hundred, for {consequence}",
        unit="patients in a hundred", population=population, evidence=evidence, method=method, checks=checks,
    )  # fmt: skip
    return sentence(
        "about {n} {side} such {patients} in a hundred at the specialist units would be enough for {what}",
        n=n, side=side, what=consequence, patients="patient" if whole == 1 else "patients",
    )  # fmt: skip


def odds_needed(
    ratio: float,
    *,
    consequence: str,
    where: str,
    id: str,
    population: str,
    evidence: Iterable[Any],
    method: str,
    checks: Iterable[Check] = (),
) -> Sentence:
    """Say by how much the odds of patients who did not answer would have to differ.

    Parameters
    ----------
    ratio
        Their odds of the event, times those of patients who answered; NaN where none would do.
    consequence
        What it would be enough for.
    where
        At which units they differ, such as ``"at the specialist units alone"``.
    id, population, evidence, method, checks
        Of the number in the ledger.
    """
    if math.isnan(ratio):
        return sentence(
            "no plausible odds of patients who did not answer, {where}, would be enough for {what}",
            where=where, what=consequence,
        )  # fmt: skip
    if not ratio > 0:
        raise InputError(f"ratio is {ratio}; expected a ratio of odds above 0.")
    side, share = ("higher", ratio - 1) if ratio >= 1 else ("lower", 1 - ratio)
    whole = math.floor(100 * share + 1e-9)
    if whole == 0:
        return sentence(
            "odds less than one per cent {side} among patients who did not answer, {where}, would be "
            "enough for {what}",
            side=side, where=where, what=consequence,
        )  # fmt: skip
    n = number(
        whole, id=id, estimand=f"odds of patients who did not answer, {side} by, {where}, for {consequence}",
        unit="per cent", population=population, evidence=evidence, method=method, checks=checks,
    )  # fmt: skip
    return sentence(
        "odds {n} per cent {side} among patients who did not answer, {where}, would be enough for {what}",
        n=n, side=side, where=where, what=consequence,
    )  # fmt: skip
