"""The terms of the glossary, explained on a page where they first stand.

A term becomes a button that opens its explanation, without a script. Only running text is touched: nothing
inside a link, a heading, a table, a figure or code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from soa_evidence.reporting import safe

__all__ = ["Words", "terms"]

_ENTRY = re.compile(r"^\*\*(.+?)\*\* – (.+)$", re.MULTILINE)
_TAG = re.compile(r"(<[^>]+>)")
#: Where running text stands; elsewhere nothing is touched.
_BLOCK = re.compile(r"(<(?:p|li)>.*?</(?:p|li)>)", re.DOTALL)
_NAME = re.compile(r"</?([a-zA-Z0-9]+)")
#: Text inside these is left as it is.
LEFT = frozenset(
    ("a", "button", "caption", "code", "figure", "h1", "h2", "h3", "h4", "pre", "summary", "svg", "table")
)
_VOID = frozenset(("br", "hr", "img", "input", "meta", "link"))


def terms(file: Path | None) -> dict[str, str]:
    """Return each term of a glossary file with its explanation as plain text; none without a file."""
    if file is None or not file.is_file():
        return {}
    return dict(_read(file.read_text(encoding="utf-8")))


@cache
def _read(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((term, re.sub(r"[`*]|\[(.+?)\]\(.+?\)", r"\1", said)) for term, said in _ENTRY.findall(text))


@dataclass
class Words:
    """The terms, and those met so far on one page (term to the id of its explanation)."""

    terms: dict[str, str]
    used: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # the longest first, so that "credible interval" is not taken for "interval"
        names = sorted(
            (t for t in self.terms if re.fullmatch(r"[A-Za-z][\w -]{3,}", t)), key=len, reverse=True
        )
        self._by_name = {name.lower(): name for name in names}
        listed = "|".join(re.escape(name) for name in names)
        self._pattern = re.compile(rf"(?<![\w-])({listed})(?![\w-])", re.IGNORECASE) if names else None

    def explained(self, html: str) -> str:
        """Return `html` in which the first mention of each term opens its explanation."""
        if self._pattern is None:
            return html
        # beside another link a button would be too near to be hit, so paragraphs with links are left alone
        blocks = _BLOCK.split(html)
        return "".join(
            self._in_block(block) if _BLOCK.fullmatch(block) and "<a " not in block else block
            for block in blocks
        )

    def _in_block(self, html: str) -> str:
        if self._pattern is None:
            return html
        depth, pieces = 0, []
        for piece in _TAG.split(html):
            if not piece.startswith("<"):
                pieces.append(piece if depth else self._pattern.sub(self._first, piece))
                continue
            pieces.append(piece)
            name = _NAME.match(piece)
            tag = name[1].lower() if name else ""
            if tag in LEFT and tag not in _VOID and not piece.endswith("/>"):
                depth += -1 if piece.startswith("</") else 1
        return "".join(pieces)

    def _first(self, found: re.Match[str]) -> str:
        term = self._by_name[found[0].lower()]
        if term in self.used:
            return found[0]
        self.used[term] = f"term-{safe.slug(term)}"
        return f'<button type="button" class="term" popovertarget="{self.used[term]}">{found[0]}</button>'
