"""Sentences whose every figure is bound to something.

A template holds words and named placeholders. A digit typed into it is refused: a finding belongs to a
`Number`, which links to its ledger entry; a year or the name of an instrument is declared with `given`.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import formats, records, safe
from soa_evidence.reporting.entry import Number
from soa_evidence.reporting.words import Phrase, Verdict

__all__ = ["Given", "Headline", "Sentence", "given", "headline", "rebuilt", "require_no_digits", "sentence"]

# The scale of a rate is not a finding; it may be typed.
_SCALE = re.compile(r"\bper 1(0|00|,000|0,000|00,000)\b")
# What comes after it begins a sentence of its own.
_END = re.compile(r"[.?!] $")


@dataclass(frozen=True, kw_only=True)
class Given:
    """A figure that is no result (a year, an instrument's name), and why it may stand in a sentence."""

    text: str
    why: str

    @property
    def id(self) -> str:
        """A short name by which a page lists it."""
        return hashlib.sha256(f"{self.text}|{self.why}".encode()).hexdigest()[:8]

    @property
    def marked(self) -> bool:
        """Whether it holds a figure, which readers must not take for a result; plain names are left alone."""
        return any(character.isdigit() for character in self.text)


def given(value: object, *, why: str) -> Given:
    """Declare a figure that is not a result, e.g. ``given("2016/17", why="first year of the data")``."""
    if not why.strip():
        raise InputError(f"given({value!r}) has no reason; say in why= what this figure is.")
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else safe.clean(value)
    return Given(text=formats.true_minus(text), why=why)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    text: str
    number: Number | None = None
    link: str | None = None
    given: Given | None = None

    @property
    def html(self) -> str:
        shown = safe.escape(self.text) if self.text.strip() else self.text
        # cleaning trims: keep the spaces that join this piece to its neighbours
        if self.text.strip():
            shown = " " * (self.text[0] == " ") + shown + " " * (self.text[-1] == " ")
        if self.link:
            return f'<a class="number" href="#number-{self.link}">{shown}</a>'
        if self.given is not None and self.given.marked:
            why = safe.escape(f"Declared, no result: {self.given.why}")
            return f'<a class="given" href="#given-{self.given.id}" title="{why}">{shown}</a>'
        return shown


@dataclass(frozen=True, eq=False, kw_only=True)
class Sentence(bundles.Shown):
    """A finished sentence: `text`, `html`, and the numbers it speaks of."""

    pieces: tuple[_Piece, ...]

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def html(self) -> str:
        """The sentence as HTML, everything escaped, numbers linked to the ledger."""
        return "".join(piece.html for piece in self.pieces)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The ids of the numbers used, in order, once each."""
        return tuple(dict.fromkeys(piece.link for piece in self.pieces if piece.link))

    @property
    def parts(self) -> list[dict[str, str | None]]:
        """The sentence piece by piece: its text, the number it links to, and why a given figure stands.

        `declared` is the id by which the page lists a figure that is marked as given.
        """
        return [
            {
                "text": one.text,
                "number": one.link or (one.number.id if one.number else None),
                "given": one.given.why if one.given else None,
                "declared": one.given.id if one.given and one.given.marked else None,
            }
            for one in self.pieces
        ]

    def payload(self, role: str) -> dict[str, Any]:
        """Return what the publisher collects; `ledger` holds its numbers, `basis` their rows."""
        used = {piece.number.id: piece.number for piece in self.pieces if piece.number is not None}
        declared = {piece.given.id: piece.given for piece in self.pieces if piece.given is not None}
        return {
            "kind": "sentence",
            "role": role,
            "html": self.html,
            "text": self.text,
            "parts": self.parts,
            "numbers": list(self.numbers),
            "ledger": [number.record() for number in used.values()],
            "basis": records.rows(used.values()),
            "given": [{"id": id, "text": one.text, "why": one.why} for id, one in declared.items()],
        }

    def __str__(self) -> str:
        return self.text

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        return bundles.bundle(text=self.text, html=f"<p>{self.html}</p>", payload=self.payload("text"))


@dataclass(frozen=True, eq=False, kw_only=True)
class Headline(bundles.Shown):
    """The answer of a report: its sentences, the first of which stands alone on the index."""

    sentences: tuple[Sentence, ...]

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        joined: list[_Piece] = []
        for at, one in enumerate(self.sentences):
            joined += ([_Piece(text=" ")] if at else []) + list(one.pieces)
        payload = Sentence(pieces=tuple(joined)).payload("headline")
        payload["sentences"] = [
            {"text": one.text, "html": one.html, "parts": one.parts} for one in self.sentences
        ]
        return bundles.bundle(
            text="\n".join(one.text for one in self.sentences),
            html="".join(f'<p class="headline">{one.html}</p>' for one in self.sentences),
            payload=payload,
        )


def require_no_digits(text: str, place: str) -> None:
    """Raise InputError if `text` holds a digit that is not the scale of a rate."""
    bare = _SCALE.sub("", text)
    found = next((at for at, c in enumerate(bare) if c.isdigit()), None)
    if found is not None:
        near = bare[max(0, found - 15) : found + 15].strip()
        raise InputError(
            f"{place} holds a figure typed by hand, near '{near}'. Bind it to a result "
            "(numbers(...), number(...)), or declare it with given('…', why='…') and use a placeholder."
        )


def _pieces_of(name: str, value: object, spec: str) -> tuple[_Piece, ...]:
    match value:
        case Number():
            link = None if "plain" in spec.split() else value.id
            return (_Piece(text=value.text(spec), number=value, link=link),)
        case Given():
            return (_Piece(text=value.text, given=value),)
        case Phrase(number_id=None):
            raise InputError(
                f"{{{name}}} is a probability in words ('{value}') made from a bare value; make it from a "
                "Number, so that readers can trace it: words.probability(number(p, …))."
            )
        case Phrase():
            return (_Piece(text=value.clause if spec == "clause" else value.text, link=value.number_id),)
        case Verdict():
            return (_Piece(text=value.phrase),)
        case Sentence():
            return value.pieces
        case str():
            require_no_digits(value, f"The text given for {{{name}}}")
            return (_Piece(text=value),)
        case _:
            raise InputError(
                f"{{{name}}} is {value!r} ({type(value).__name__}). A sentence takes Numbers, words, text "
                "without figures, and what given(…, why=…) declares."
            )


def sentence(template: str, **values: object) -> Sentence:
    """Fill `template` with `values`; refuse any figure that is bound to nothing.

    Parameters
    ----------
    template
        Words and named placeholders, ``{name}`` or ``{name:spec}``; see `Number.text` for the specs. The
        only figures that may be typed are scales such as "per 1,000".
    **values
        One for each placeholder: `Number`, `given(...)`, `words` verdicts and phrases, text without figures.

    Raises
    ------
    InputError
        On a digit in the template or in a text, an unknown or unused name, or a bare number.
    """
    pieces: list[_Piece] = []
    used: set[str] = set()
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as problem:
        raise InputError(f"The sentence '{template}' cannot be read: {problem}.") from None
    for literal, name, spec, _ in parts:
        require_no_digits(literal, "The sentence")
        if literal:
            pieces.append(_Piece(text=literal))
        if name is None:
            continue
        if not name.isidentifier():
            raise InputError(
                f"The placeholder '{{{name}}}' is not a plain name; write {{name}} or {{name:spec}}."
            )
        if name not in values:
            raise InputError(f"The sentence uses {{{name}}}, which was not given.{nearest(name, values)}")
        used.add(name)
        pieces += _after_currency(pieces, _pieces_of(name, values[name], spec or ""))
    unused = sorted(set(values) - used)
    if unused:
        raise InputError(f"'{unused[0]}' was given to a sentence that does not use it: '{template}'.")
    return Sentence(pieces=_capitalised(pieces))


def _after_currency(before: list[_Piece], these: tuple[_Piece, ...]) -> tuple[_Piece, ...]:
    """Return pieces with the currency sign that stands before them set after their sign: −£5, not £−5."""
    if not (before and these and before[-1].text.endswith(formats.CURRENCIES)):
        return these
    first = these[0]
    shown = formats.currency(before[-1].text[-1], first.text)
    if shown[0] in formats.CURRENCIES:
        return these
    before[-1] = replace(before[-1], text=before[-1].text[:-1])
    return (replace(first, text=shown), *these[1:])


def _capitalised(pieces: Iterable[_Piece]) -> tuple[_Piece, ...]:
    """Begin the first piece, and each that follows a full stop, with a capital."""
    said: list[_Piece] = []
    for piece in [piece for piece in pieces if piece.text] or [_Piece(text="")]:
        begins = not said or _END.search(said[-1].text)
        said.append(replace(piece, text=piece.text[:1].upper() + piece.text[1:]) if begins else piece)
    return tuple(said)


def rebuilt(parts: Iterable[Mapping[str, str | None]], numbers: Mapping[str, Number]) -> Sentence:
    """Return a sentence made again from its `parts`, its links led to `numbers` (by the id in the parts).

    A text piece that holds a figure is refused unless the parts say why the figure stands.
    """
    pieces = []
    for part in parts:
        text, id, why = str(part["text"]), part.get("number"), part.get("given")
        if id is not None:
            pieces.append(_Piece(text=text, number=numbers[id], link=numbers[id].id))
        elif why is not None:
            pieces.append(_Piece(text=text, given=Given(text=text, why=why)))
        else:
            require_no_digits(text, "A sentence taken from another report")
            pieces.append(_Piece(text=text))
    return Sentence(pieces=tuple(pieces))


def headline(*sentences: Sentence) -> Headline:
    """Return the answer of the report; show it in the cell tagged ``headline``."""
    if not sentences:
        raise InputError("headline() was given no sentence; the answer needs at least one.")
    wrong = next((one for one in sentences if not isinstance(one, Sentence)), None)
    if wrong is not None:
        raise InputError(f"headline() was given {wrong!r}; expected sentences made with sentence(…).")
    return Headline(sentences=tuple(sentences))
