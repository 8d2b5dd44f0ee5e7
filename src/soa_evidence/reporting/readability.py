"""How old a reader must be for a sentence, as a rough measure that can be tested.

The grade of Flesch and Kincaid (1975), 0.39 words a sentence + 11.8 syllables a word - 15.59, plus five, is
the age at which a pupil of that grade can read the text. Figures count as one syllable each: a reader sees
them, and does not spell them out. The measure knows nothing of meaning; it only finds sentences that have
grown too long.
"""

from __future__ import annotations

import re

from soa_evidence.errors import InputError

__all__ = ["reading_age", "syllables"]

_SENTENCE = re.compile(r"[.!?:;](?:\s|$)")
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['\u2019-][A-Za-z]+)*|\d[\d,.]*")
_VOWELS = re.compile(r"[aeiouy\u00e0-\u00f6\u00f8-\u00fc]+")


def reading_age(text: str) -> float:
    """Return the age in years at which a pupil can read `text`.

    Parts of a sentence divided by a colon or semicolon count as sentences.

    Raises
    ------
    InputError
        When the text holds no word.
    """
    words = _WORD.findall(text)
    if not words:
        raise InputError("reading_age() was given a text without a word; expected a sentence.")
    parts = [part for part in _SENTENCE.split(text) if _WORD.search(part)]
    spoken = sum(syllables(word) for word in words)
    return 0.39 * len(words) / len(parts) + 11.8 * spoken / len(words) - 15.59 + 5


def syllables(word: str) -> int:
    """Return the number of syllables of an English word, by its groups of vowels; 1 for a figure."""
    plain = word.lower()
    count = len(_VOWELS.findall(plain))
    if plain.endswith("e") and not plain.endswith(("le", "ee")) and count > 1:
        count -= 1
    if re.search(r"[^td]ed$", plain) and count > 1:
        count -= 1
    return max(1, count)
