"""How probability is spread over possibilities, beside what was believed before the data."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["probability_bars"]

_ROW = 54


def probability_bars(
    frame: pd.DataFrame,
    *,
    id: str,
    title: str | Sentence,
    subtitle: str,
    synthetic: bool = False,
) -> Figure:
    """Draw one bar a possibility; a tick marks its probability before the data.

    Parameters
    ----------
    frame : columns label, probability and optionally prior
        In the order drawn; probabilities from 0 to 1.
    """
    columns = ("label", "probability", "prior") if "prior" in frame else ("label", "probability")
    data = require_columns(frame, columns, figure=id, what="possibilities")
    for column in columns[1:]:
        if not data[column].between(0, 1).all():
            raise InputError(f"Figure '{id}': a {column} lies outside 0 to 1.")

    def height(size: style.Size) -> float:
        heads = [(row.label, formats.percent(row.probability)) for row in rows_of(data)]
        return 70.0 + (_ROW + style.head_room(heads, size)) * len(data)

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, height(size))

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data),
        frame=data[list(columns)],
        height=height,
        synthetic=synthetic,
    )


def _draw(canvas: Any, size: style.Size, data: pd.DataFrame, height: float) -> None:
    width = size.width
    axes = canvas.add_axes((16 / width, 52 / height, 1 - 32 / width, 1 - 66 / height))
    axes.set_xlim(0, 1)
    axes.set_ylim(len(data) - 0.4, -0.7)
    axes.set_yticks([])
    text = "probability" + (" (dashed: before the data)" if "prior" in data else "")
    style.axis(axes, label=text)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    for at, row in enumerate(rows_of(data)):
        style.row_head(axes, at - 0.3, safe.clean(row.label), formats.percent(row.probability), size)
        axes.barh(at + 0.15, row.probability, height=0.3, color=style.SPECIALIST.hue, zorder=4)
        if "prior" in data:
            look = {"color": style.INK, "linewidth": 2, "linestyle": (0, (2, 1)), "zorder": 5}
            axes.plot([row.prior, row.prior], [at - 0.05, at + 0.35], **look)


def _describe(data: pd.DataFrame) -> str:
    before = "prior" in data
    listed = "; ".join(
        f"{row.label}: {formats.percent(row.probability)}"
        + (f" (before the data {formats.percent(row.prior)})" if before else "")
        for row in rows_of(data)
    )
    return f"Probabilities: {listed}."
