"""An executed notebook as the parts of a page: the answer, the picture, the sections, the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from soa_evidence.publish.bundles import MIME
from soa_evidence.reporting import safe

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["Parts", "Section", "split"]

#: Level of the fixed headings in a notebook.
SECTION_LEVEL = 2
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(kw_only=True)
class Section:
    """One section while it is being gathered: its heading as plain text, and its HTML."""

    title: str
    id: str
    pieces: list[str] = field(default_factory=list)

    @property
    def html(self) -> str:
        """All pieces joined."""
        return "\n".join(self.pieces)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a page is made of, as HTML."""

    answer: str
    picture: str
    sections: tuple[Section, ...]
    listing: str


def split(notebook: Any) -> Parts:
    """Return the parts of an executed notebook.

    Output of the cell tagged ``headline`` becomes the answer, that of ``picture`` the first picture; output
    of cells tagged ``analyst`` is folded. Only output that carries our own bundle is shown as HTML; any
    other is shown as plain text, folded. Errors and their tracebacks are never shown.
    """
    sections: list[Section] = []
    lifted: dict[str, list[str]] = {"headline": [], "picture": []}
    listing: list[str] = []
    for number, cell in enumerate(notebook.cells, start=1):
        tags = set(cell.get("metadata", {}).get("tags", []))
        if cell.cell_type == "markdown":
            _read_markdown(cell.source, sections)
        elif cell.cell_type == "code":
            listing.append(_code(number, cell, tags))
            shown = list(_shown(cell, number))
            place = next((tag for tag in lifted if tag in tags), None)
            if place:
                lifted[place] += shown
            elif shown:
                _current(sections).pieces += _folded(shown) if "analyst" in tags else shown
    for section in sections:
        if not section.html.strip():
            section.pieces.append("<p>See the answer and the picture at the top of the page.</p>")
    return Parts(
        answer="\n".join(lifted["headline"]),
        picture="\n".join(lifted["picture"]),
        sections=tuple(sections),
        listing="\n".join(listing),
    )


def _current(sections: list[Section]) -> Section:
    if not sections:
        sections.append(Section(title="About this report", id="about"))
    return sections[-1]


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # HTML stays text; an image would ask the network for it
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def _read_markdown(source: str, sections: list[Section]) -> None:
    """Add a markdown cell to the sections; a second-level heading opens a new one."""
    held: list[Token] = []
    title: int | None = None  # level of the heading being read, when it is not to be shown in place
    for token in _markdown().parse(source):
        level = int(token.tag[1]) if token.type.startswith("heading_") else 0
        if token.type == "heading_open" and level <= SECTION_LEVEL:
            title = level
            _flush(held, sections)
        elif token.type == "heading_close" and level <= SECTION_LEVEL:
            title = None
        elif title is None:
            held.append(token)
        elif title == SECTION_LEVEL:
            # a first-level heading is the notebook's own title; the page has the catalogue's
            sections.append(Section(title=_plain(token), id=_free_id(_plain(token), sections)))
    _flush(held, sections)


def _flush(held: list[Token], sections: list[Section]) -> None:
    if held:
        html = _markdown().renderer.render(held, _markdown().options, {})
        _current(sections).pieces.append(html)
        held.clear()


def _plain(token: Token) -> str:
    return safe.clean("".join(child.content for child in token.children or ()) or token.content)


def _free_id(title: str, sections: list[Section]) -> str:
    taken = {section.id for section in sections} | {"answer", "main", "all-numbers", "for-analysts"}
    wanted = safe.slug(title)
    return next(id for id in (wanted, *(f"{wanted}-{n}" for n in range(2, 99))) if id not in taken)


def _shown(cell: Any, number: int) -> Iterator[str]:
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if MIME in data:
            yield _text(data.get("text/html", ""))
        elif output.output_type == "execute_result" and _text(data.get("text/plain", "")).strip():
            yield _fold(f"Output of cell {number}, as text", f"<pre>{_verbatim(data['text/plain'])}</pre>")


def _folded(shown: list[str]) -> list[str]:
    return [_fold("For analysts", "\n".join(shown))]


def _fold(summary: str, html: str) -> str:
    return f'<details class="analyst"><summary>{safe.escape(summary)}</summary>{html}</details>'


def _code(number: int, cell: Any, tags: set[str]) -> str:
    names = f" ({', '.join(sorted(safe.escape(tag) for tag in tags))})" if tags else ""
    printed = "".join(
        _text(output.get("text", "")) for output in cell.get("outputs", []) if output.output_type == "stream"
    )
    said = f"<p>Printed:</p><pre>{_verbatim(printed)}</pre>" if printed.strip() else ""
    return (
        f'<div class="cell" id="cell-{number}"><h3>Cell {number}{names}</h3>'
        f'<pre tabindex="0"><code>{_verbatim(cell.source)}</code></pre>{said}</div>'
    )


def _verbatim(text: Any) -> str:
    return safe.verbatim(_ANSI.sub("", _text(text)))


def _text(value: Any) -> str:
    return "".join(value) if isinstance(value, list) else str(value)
