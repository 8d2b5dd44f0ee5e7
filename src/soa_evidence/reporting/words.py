"""From numbers to words, by one scale used everywhere.

Probabilities use the UK government's probability yardstick (Professional Head of Intelligence Assessment),
which leaves gaps between its bands:

    remote chance 0-5 % · highly unlikely 10-20 % · unlikely 25-35 % · realistic possibility 40-50 % ·
    likely 55-75 % · highly likely 80-90 % · almost certain 95-100 %

Our rule closes each gap towards even chances: a probability in a gap takes the more cautious of the two
words. So nothing is called almost certain below 95 %, and nothing a remote chance above 5 %.

Differences keep two findings apart that are often confused. An interval that is wide says *we cannot tell*;
one that is narrow and near nothing says *any difference is small*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from soa_evidence.errors import InputError
from soa_evidence.reporting.formats import percent

if TYPE_CHECKING:
    from soa_evidence.reporting.entry import Number

__all__ = ["YARDSTICK", "Phrase", "Verdict", "difference", "probability", "probability_word"]

#: Upper end of each band once the gaps are closed, and its word. An end belongs to the band nearer to even
#: chances, except the two ends that the yardstick itself gives to the outermost bands (5 and 95 %).
YARDSTICK: tuple[tuple[float, str], ...] = (
    (0.05, "remote chance"),
    (0.20, "highly unlikely"),
    (0.35, "unlikely"),
    (0.55, "realistic possibility"),
    (0.80, "likely"),
    (0.95, "highly likely"),
    (1.0, "almost certain"),
)


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """A probability in words with its figure, e.g. "highly likely (82%)".

    `clause` is the same as the opening of a sentence, with the grammar the word needs: "there is a remote
    chance (3%) that". `number_id` is the ledger entry it speaks of, None when it was made from a bare value.
    """

    word: str
    text: str
    clause: str
    number_id: str | None = None

    def __str__(self) -> str:
        return self.text


def probability_word(p: float) -> str:
    """Return the yardstick's word for probability `p`."""
    if not (isinstance(p, int | float) and 0 <= p <= 1):
        raise InputError(f"A probability of {p!r} was given to words; expected a number from 0 to 1.")
    # The yardstick's own ends: 5 % is a remote chance, so below even chances an end belongs to the band
    # beneath it; 95 % is almost certain, so above them it belongs to the band over it.
    for upper, word in YARDSTICK[:-1]:
        if p < upper or (p == upper and upper < 0.5):
            return word
    return YARDSTICK[-1][1]


def probability(p: float | Number) -> Phrase:
    """Return a probability in the words of the yardstick, always with its figure.

    Parameters
    ----------
    p
        A probability from 0 to 1, or a `Number` holding one; only the latter may stand in a sentence,
        because a sentence's figures must be traceable.
    """
    value = float(p) if isinstance(p, int | float) else p.estimate
    word = probability_word(value)
    figure = percent(value)
    noun = word in ("remote chance", "realistic possibility")
    text = f"a {word} ({figure})" if noun else f"{word} ({figure})"
    clause = f"there is {text} that" if noun else f"it is {text} that"
    return Phrase(word=word, text=text, clause=clause, number_id=None if isinstance(p, int | float) else p.id)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an interval allows to be said about a difference: a `code` and a `phrase` (a whole clause).

    Codes: ``better_clearly``, ``better``, ``small``, ``not_worse``, ``unclear``, ``not_better``, ``worse``,
    ``worse_clearly``.
    """

    code: Literal[
        "better_clearly", "better", "small", "not_worse", "unclear", "not_better", "worse", "worse_clearly"
    ]
    phrase: str

    def __str__(self) -> str:
        return self.phrase


def difference(
    lower: float,
    upper: float,
    *,
    margin: float,
    better: Literal["lower", "higher"] = "lower",
    subject: str = "they",
) -> Verdict:
    """Say what an interval for a difference (subject minus comparator, nothing = 0) allows to be said.

    Parameters
    ----------
    lower, upper
        Limits of the interval.
    margin
        The smallest difference that would matter, above 0, in the same unit.
    better
        Whether a lower or a higher value is the better outcome.
    subject
        Who is compared, for the sentence, e.g. ``"specialist hospitals"``.

    Returns
    -------
    Verdict
        * wholly within the margin: ``small``, also when it excludes 0;
        * beyond 0 on one side: ``better`` or ``worse``, with ``_clearly`` when wholly beyond the margin;
        * across 0 and reaching beyond the margin on the good side only: ``not_worse`` (we cannot tell, but a
          harm that matters is excluded); on the bad side only: ``not_better``;
        * beyond the margin on both sides: ``unclear``: we cannot tell.
    """
    if not (math.isfinite(lower) and math.isfinite(upper) and lower <= upper):
        raise InputError(
            f"words.difference got the interval {lower} to {upper}; expected finite limits in order."
        )
    if not (math.isfinite(margin) and margin > 0):
        raise InputError(
            f"words.difference got margin {margin}; expected the smallest difference that matters, above 0."
        )
    if better not in ("lower", "higher"):
        raise InputError(f"words.difference got better={better!r}; expected 'lower' or 'higher'.")
    # turned so that positive is good
    worst, best = (-upper, -lower) if better == "lower" else (lower, upper)
    if -margin < worst and best < margin:
        return Verdict(code="small", phrase="any difference is small")
    if worst >= margin:
        return Verdict(code="better_clearly", phrase=f"{subject} do better, by an amount that matters")
    if worst > 0:
        return Verdict(code="better", phrase=f"{subject} do better, though perhaps by too little to matter")
    if best <= -margin:
        return Verdict(code="worse_clearly", phrase=f"{subject} do worse, by an amount that matters")
    if best < 0:
        return Verdict(code="worse", phrase=f"{subject} do worse, though perhaps by too little to matter")
    if worst > -margin:
        return Verdict(
            code="not_worse",
            phrase=f"it is not established that {subject} do better, "
            f"but worse by an amount that matters is ruled out",
        )
    if best < margin:
        return Verdict(
            code="not_better",
            phrase=f"it is not established that {subject} do worse, "
            f"but better by an amount that matters is ruled out",
        )
    return Verdict(code="unclear", phrase=f"we cannot tell whether {subject} do better or worse")
