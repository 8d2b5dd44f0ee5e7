"""The carrier of a figure: drawing, words for those who cannot see it, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.sentences import Sentence, require_no_digits
from soa_evidence.reporting.tables import html_table

__all__ = ["Figure", "make", "require_columns", "rows_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Figure(bundles.Shown):
    """One figure: the finding as its title, the statistical title beneath, and the data behind it."""

    id: str
    title: str
    title_html: str
    title_numbers: tuple[dict[str, Any], ...]
    title_rows: tuple[dict[str, Any], ...]
    title_given: tuple[dict[str, Any], ...]
    subtitle: str
    description: str
    svg: str
    svg_narrow: str
    frame: pd.DataFrame
    synthetic: bool
    counts: tuple[float, ...] = ()

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        wide = self._described(self.svg, "wide")
        narrow = self._described(self.svg_narrow, "narrow")
        count = f"{len(self.frame):,} row{'' if len(self.frame) == 1 else 's'}"
        table = html_table(self.frame, self.subtitle or self.title)
        behind = (
            f'<details class="behind"><summary>Numbers behind this figure ({count})</summary>'
            f"{bundles.region(table, f'Numbers behind: {self.title}')}"
            f"<p>{bundles.download_link(self.frame, self.id)}</p></details>"
        )
        html = (
            f'<figure class="figure" id="figure-{self.id}">'
            f'<figcaption><span class="finding">{self.title_html}</span>'
            f'<span class="statistical">{safe.escape(self.subtitle)}</span></figcaption>'
            f'<div class="wide">{wide}</div>'
            f'<div class="narrow" style="display:none">{narrow}</div></figure>{behind}'
        )
        return bundles.bundle(
            text=f"{self.title}\n{self.subtitle}\n{self.description}",
            html=html,
            payload={
                "kind": "figure",
                "id": self.id,
                "title": self.title,
                "subtitle": self.subtitle,
                "description": self.description,
                "svg": wide,
                "csv": safe.csv_text(self.frame),
                "synthetic": self.synthetic,
                "counts": list(self.counts),
                "ledger": list(self.title_numbers),
                "basis": list(self.title_rows),
                "given": list(self.title_given),
            },
        )

    def _described(self, svg: str, size: str) -> str:
        """Return the SVG with role, title and description; ids differ between the two sizes."""
        name = f"{self.id}-{size}"
        opened = svg.replace(
            "<svg ",
            f'<svg role="img" focusable="false" aria-labelledby="{name}-title {name}-desc" ',
            1,
        )
        head, rest = opened.split(">", 1)
        return (
            f'{head}><title id="{name}-title">{safe.escape(self.title)}</title>'
            f'<desc id="{name}-desc">{safe.escape(self.description)}</desc>{rest}'
        )


def make(
    draw: style.Draw,
    *,
    id: str,
    title: str | Sentence,
    subtitle: str,
    description: str,
    frame: pd.DataFrame,
    height: Callable[[style.Size], float],
    synthetic: bool,
    counts: Sequence[float] = (),
) -> Figure:
    """Draw a figure in both sizes and return it with its words and numbers.

    `counts` are the counts of people written in the drawing: the gate holds them to the smallest allowed.
    """
    if safe.slug(id) != id:
        raise InputError(
            f"A figure is called {id!r}; expected lower-case letters, digits and '-', "
            f"such as '{safe.slug(id)}'."
        )
    if isinstance(title, Sentence):
        text, html, told = title.text, title.html, title.payload("text")
    else:
        require_no_digits(title, f"The title of figure '{id}'")
        text, html, told = safe.clean(title), safe.escape(title), {}
    described = ("Synthetic data, not real patients. " if synthetic else "") + safe.clean(description)
    drawn = style.render(draw, id=id, height=height, synthetic=synthetic)
    return Figure(
        id=id,
        title=text,
        title_html=html,
        title_numbers=tuple(told.get("ledger", ())),
        title_rows=tuple(told.get("basis", ())),
        title_given=tuple(told.get("given", ())),
        subtitle=("Synthetic data. " if synthetic else "") + _sentence_case(subtitle),
        description=described,
        svg=drawn["wide"],
        svg_narrow=drawn["narrow"],
        frame=frame.reset_index(drop=True),
        synthetic=synthetic,
        counts=tuple(float(value) for value in counts),
    )


def _sentence_case(text: str) -> str:
    """Return the statistical title with a capital to begin with."""
    shown = safe.clean(text)
    return shown[:1].upper() + shown[1:]


def require_columns(frame: pd.DataFrame, columns: tuple[str, ...], *, figure: str, what: str) -> pd.DataFrame:
    """Return a copy of `frame` after checking that it has rows and `columns`, the numeric ones finite."""
    for column in columns:
        if column not in frame.columns:
            raise InputError(
                f"Figure '{figure}': the frame of {what} has no column {column!r}."
                f"{nearest(column, frame.columns)} Expected: {', '.join(columns)}."
            )
    if frame.empty:
        raise InputError(f"Figure '{figure}': the frame of {what} has no rows.")
    checked = frame.reset_index(drop=True).copy()
    for column in columns:
        if column in ("label", "group", "statistic"):
            checked[column] = checked[column].map(safe.clean)
            continue
        values = pd.to_numeric(checked[column], errors="coerce").astype(float)
        bad = ~values.map(lambda v: v == v and abs(v) != float("inf"))
        if bad.any():
            at = int(bad.to_numpy().argmax())
            raise InputError(
                f"Figure '{figure}': {what}, row {at + 1}, column {column!r} is "
                f"'{checked[column].iloc[at]}'; expected a finite number."
            )
        checked[column] = values
    return checked


def rows_of(frame: pd.DataFrame) -> list[Any]:
    """Return the rows as named tuples."""
    return list(frame.itertuples(index=False))
