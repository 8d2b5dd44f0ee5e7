"""One unit in several things, each row beside the marks of others: its class, the nation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["beside"]

_ROW, _TIGHT = 62, 46
_KEY = 30


def beside(
    rows: pd.DataFrame,
    *,
    unit_text: str,
    own: str,
    others: dict[str, str],
    id: str,
    title: str | Sentence,
    subtitle: str,
    decimals: int | None = None,
    synthetic: bool = False,
) -> Figure:
    """Draw one interval a row, with the values of others as marks in the same row.

    Parameters
    ----------
    rows : columns label, estimate, lower, upper, group, and one a mark
        Drawn in this order; `group` decides the unit's hue and mark. A mark may be missing in a row.
    own
        Name of the unit, for the key and the description.
    others
        Column of each mark and its name, at most two: the first is drawn as an upright line, the second as
        an open triangle.
    """
    if not 1 <= len(others) <= 2:
        raise InputError(f"Figure '{id}' was given {len(others)} kinds of marks; it draws one or two.")
    data = require_columns(rows, ("label", "group", "estimate", "lower", "upper"), figure=id, what="rows")
    for column in others:
        if column not in rows.columns:
            raise InputError(f"Figure '{id}': rows have no column '{column}'.")
        data[column] = rows[column].to_numpy(dtype=float)
    width = float((data["upper"] - data["lower"]).median())
    places = formats.decimals_for(0.0, width) if decimals is None else decimals

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, places, unit_text, own, others)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, places, unit_text, own, others),
        frame=data[["label", "group", "estimate", "lower", "upper", *others]],
        height=lambda size: (
            84 + _KEY + (_row(data) + style.head_room(_heads(data, places), size)) * len(data)
        ),
        synthetic=synthetic,
    )


def _row(data: pd.DataFrame) -> int:
    return _TIGHT if len(data) > 12 else _ROW


def _value(row: Any, places: int) -> str:
    return formats.with_limits(row.estimate, row.lower, row.upper, places)


def _heads(data: pd.DataFrame, places: int) -> list[tuple[str, str]]:
    return [(row.label, _value(row, places)) for row in rows_of(data)]


def _draw(
    canvas: Any,
    size: style.Size,
    data: pd.DataFrame,
    places: int,
    unit_text: str,
    own: str,
    others: dict[str, str],
) -> None:
    height = canvas.get_figheight() * 72
    axes = canvas.add_axes((0.012, 56 / height, 0.976, 1 - (56 + 24 + _KEY) / height))
    held = data[["lower", "upper", *others]].to_numpy().ravel()
    style.margins(axes, held[np.isfinite(held)])
    axes.locator_params(axis="x", nbins=5 if size.narrow else 8)
    axes.set_ylim(len(data) - 0.45, -0.72)
    axes.set_yticks([])
    style.axis(axes, label=unit_text)
    for at, row in enumerate(rows_of(data)):
        mark = style.mark_of(row.group)
        style.bar(axes, row.lower, row.upper, at, mark.hue)
        for kind, column in enumerate(others):
            _mark(axes, getattr(row, column), at, kind)
        style.dot(axes, row.estimate, at, mark)
        style.row_head(axes, at - 0.46, row.label, _value(row, places), size)
    _key(canvas, size, style.mark_of(data["group"].iloc[0]), own, others)


def _mark(axes: Any, x: float, y: float, kind: int) -> None:
    if np.isfinite(x) and kind == 0:
        axes.plot([x, x], [y - 0.24, y + 0.24], color=style.INK, linewidth=2.4, zorder=6)
    elif np.isfinite(x):
        axes.plot(
            [x], [y + 0.2], marker="^", markersize=9, markerfacecolor="#ffffff", markeredgecolor=style.INK,
            markeredgewidth=1.6, linestyle="none", zorder=6,
        )  # fmt: skip


def _key(canvas: Any, size: style.Size, mark: style.Mark, own: str, others: dict[str, str]) -> None:
    """Name the marks in one line above the picture."""
    height, width = canvas.get_figheight() * 72, size.width
    axes = canvas.add_axes((0.012, 1 - 26 / height, 0.988, 24 / height))
    axes.set(xlim=(0, width), ylim=(0, 1), xticks=[], yticks=[])
    names = [own, *others.values()]
    each = 24 if size.narrow else 40
    at = 8.0
    for kind, name in enumerate(names, start=-1):
        if kind < 0:
            style.dot(axes, at, 0.5, mark, scale=0.8)
        elif kind == 0:
            axes.plot([at, at], [0.15, 0.85], color=style.INK, linewidth=2.4)
        else:
            axes.plot(
                [at], [0.5], marker="^", markersize=9, markerfacecolor="#ffffff",
                markeredgecolor=style.INK, markeredgewidth=1.6, linestyle="none",
            )  # fmt: skip
        shown = safe.shorten(name, each)
        axes.text(at + 11, 0.5, shown, fontsize=style.SMALL, va="center", color=style.MUTED)
        at += 30 + 7.4 * len(shown)


def _describe(data: pd.DataFrame, places: int, unit_text: str, own: str, others: dict[str, str]) -> str:
    told = []
    for row in rows_of(data.head(30)):
        marks = ", ".join(
            f"{name} {formats.fixed(getattr(row, column), places)}"
            for column, name in others.items()
            if np.isfinite(getattr(row, column))
        )
        told.append(
            f"{row.label}: {_value(row, places)}; {marks}" if marks else f"{row.label}: {_value(row, places)}"
        )
    first, name = next(iter(others.items()))
    known = data[data[first].notna()]
    above, below = int((known["lower"] > known[first]).sum()), int((known["upper"] < known[first]).sum())
    across = len(known) - above - below
    return (
        f"{own} in {len(data)} rows, with intervals, in {unit_text}. {'. '.join(told)}. "
        f"Of these, {below} lie wholly below {name}, {above} wholly above, and {across} reach across it."
    )
