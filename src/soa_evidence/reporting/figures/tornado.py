"""How far the answer moves when one input at a time goes to its limits, widest first."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["tornado"]

_ROW, _TOP, _BOTTOM = 50, 30, 58
#: The three kinds of number are told apart by hue and by a word, never by hue alone.
_HUES = {
    "measured": style.INDEPENDENT.hue,
    "reported by others": style.GENERAL.hue,
    "assumed": style.SPECIALIST.hue,
}


def tornado(
    frame: pd.DataFrame,
    *,
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    decimals: int = 0,
    most: int = 10,
    synthetic: bool = False,
) -> Figure:
    """Draw one bar an input, from the answer at its lower limit to that at its upper.

    Parameters
    ----------
    frame : columns label, kind, at_low, at_high, centre
        ``label`` names the input in words.
    unit_text
        What the axis shows.
    most
        Bars drawn; the table beside keeps all.
    """
    data = require_columns(frame, ("label", "at_low", "at_high", "centre"), figure=id, what="inputs")
    if "kind" not in data or not set(data["kind"]) <= set(_HUES):
        raise InputError(f"Figure '{id}': every input needs a kind; expected one of: {', '.join(_HUES)}.")
    data = data.reindex((data["at_high"] - data["at_low"]).abs().sort_values(ascending=False).index)
    data = data.reset_index(drop=True)
    shown = data.head(most)

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, shown, unit_text, decimals)

    said = "; ".join(
        f"{row.label} ({row.kind}): "
        f"{formats.span(formats.fixed(row.at_low, decimals), formats.fixed(row.at_high, decimals))}"
        for row in rows_of(shown)
    )
    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=f"{unit_text}, with each input at its lower and its upper limit. {said}.",
        frame=data,
        height=lambda size: _height(shown, decimals, size),
        synthetic=synthetic,
    )


def _head(row: Any, decimals: int) -> tuple[str, str]:
    """Return a bar's name and its ends, the lower first as they lie on the axis."""
    ends = (formats.fixed(value, decimals) for value in sorted((row.at_low, row.at_high)))
    return f"{safe.clean(row.label)} · {row.kind}", formats.span(*ends)


def _height(shown: pd.DataFrame, decimals: int, size: style.Size) -> float:
    heads = [_head(row, decimals) for row in rows_of(shown)]
    return _TOP + (_ROW + style.head_room(heads, size)) * len(shown) + _BOTTOM


def _draw(canvas: Any, size: style.Size, shown: pd.DataFrame, unit_text: str, decimals: int) -> None:
    height = _height(shown, decimals, size)
    axes = canvas.add_axes((0.02, _BOTTOM / height, 0.96, 1 - (_BOTTOM + _TOP) / height))
    style.margins(axes, [*shown["at_low"], *shown["at_high"], *shown["centre"], 0.0])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks([])
    style.axis(axes, label=f"{unit_text} (solid line: every input at its centre)")
    axes.locator_params(axis="x", nbins=4 if size.narrow else 7)
    style.thousands(axes.xaxis)
    for at, row in enumerate(rows_of(shown)):
        style.row_head(axes, at - 0.25, *_head(row, decimals), size)
        axes.plot([row.at_low, row.at_high], [at + 0.18] * 2, color=_HUES[row.kind], linewidth=9, zorder=3,
                  solid_capstyle="butt")  # fmt: skip
    axes.axvline(float(shown["centre"].iloc[0]), color=style.INK, linewidth=1.2, zorder=2)
    style.reference_line(axes, 0.0, "costs as much as it is worth")
