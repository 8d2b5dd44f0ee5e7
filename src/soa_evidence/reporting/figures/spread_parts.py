"""What a spread is made of: one bar a row, its parts adding up to the whole."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["spread_parts"]

#: Hues of Okabe and Ito, each with a hatch of its own so that colour is never needed alone.
_FILLS = (("#dde2ea", ""), ("#56b4e9", "////"), ("#0072b2", ""), ("#d55e00", "\\\\\\\\"), ("#009e73", "----"))
_ROW = 50
_PANEL_HEAD = 30


def spread_parts(
    rows: pd.DataFrame,
    *,
    parts: list[str],
    id: str,
    title: str | Sentence,
    subtitle: str,
    axis_text: str = "share of the observed variance between units",
    synthetic: bool = False,
) -> Figure:
    """Draw parts of a whole as stacked bars, one panel a group.

    Parameters
    ----------
    rows : columns label, group and one a part
        Shares; each row's parts add up to 1. Parts below 0 are drawn to the left of 0.
    parts
        The columns of the parts, from the left.
    axis_text
        What the whole is, under the axis.

    Raises
    ------
    InputError
        When a row's parts do not add up to 1, or parts outnumber the patterns.
    """
    data = require_columns(rows, ("label", "group", *parts), figure=id, what="rows")
    if len(parts) > len(_FILLS):
        raise InputError(
            f"Figure '{id}': {len(parts)} parts cannot be told apart; join some, to {len(_FILLS)}."
        )
    total = data[parts].sum(axis=1)
    odd = (total - 1).abs() > 0.005
    if odd.any():
        at = int(odd.to_numpy().argmax())
        raise InputError(
            f"Figure '{id}': the parts of row {at + 1} ({data['label'].iloc[at]!r}) add up to "
            f"{total.iloc[at]:.3f}; expected 1."
        )
    groups = list(dict.fromkeys(data["group"]))

    def height(size: style.Size) -> float:
        legend = 26 * (len(parts) if size.narrow else 1)
        return legend + 52 + _PANEL_HEAD * len(groups) + _ROW * len(data)

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, parts, groups, axis_text)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, parts),
        frame=data[["group", "label", *parts]],
        height=height,
        synthetic=synthetic,
    )


def _draw(
    canvas: Any, size: style.Size, data: pd.DataFrame, parts: list[str], groups: list[str], axis_text: str
) -> None:
    tall = canvas.get_figheight() * 72
    legend = 26 * (len(parts) if size.narrow else 1)
    axes = canvas.add_axes((0.012, 50 / tall, 0.976, 1 - (50 + legend) / tall))
    rows = _ROW * len(data) + _PANEL_HEAD * len(groups)
    least = min(0.0, float(data[parts].clip(upper=0).sum(axis=1).min()))
    axes.set(xlim=(least - 0.005, 1 - least + 0.005), ylim=(rows, 0), yticks=[])
    ticks = [0, 0.5, 1] if size.narrow else [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, [formats.percent(tick, 0) for tick in ticks])
    style.axis(axes, label=axis_text)
    y = 0.0
    for group in groups:
        axes.text(0, y + _PANEL_HEAD / 2 + 4, group, fontsize=style.TEXT, va="center", fontweight="bold")
        y += _PANEL_HEAD
        for row in data[data["group"] == group].to_dict("records"):
            axes.text(0, y + 13, row["label"], fontsize=style.SMALL, va="center", color=style.INK)
            _bar(axes, row, parts, y + 33)
            y += _ROW
    _legend(canvas, size, parts, tall)


def _bar(axes: Any, row: dict[Any, Any], parts: list[str], y: float) -> None:
    right = left = 0.0
    for part, (hue, hatch) in zip(parts, _FILLS, strict=False):
        value = float(row[part])
        start = right if value >= 0 else left + value
        right, left = (right + value, left) if value >= 0 else (right, left + value)
        axes.barh(
            y,
            abs(value),
            left=start,
            height=18,
            color=hue,
            hatch=hatch,
            edgecolor="#ffffff",
            linewidth=0.8,
            zorder=3,
        )
        if value > 0.09:
            dark = hue in ("#0072b2", "#d55e00", "#009e73")
            # a label over a hatch needs a ground of its own
            ground = {"facecolor": hue, "edgecolor": "none", "pad": 1.5} if hatch else None
            axes.text(
                start + value / 2, y, formats.percent(value, 0), ha="center", va="center",
                fontsize=style.SMALL, color="#ffffff" if dark else style.INK, zorder=4, bbox=ground,
            )  # fmt: skip


def _legend(canvas: Any, size: style.Size, parts: list[str], tall: float) -> None:
    lines = len(parts) if size.narrow else 1
    axes = canvas.add_axes((0.012, 1 - 26 * lines / tall, 0.976, 26 * lines / tall))
    axes.set(xlim=(0, size.width * 0.976), ylim=(26 * lines, 0), xticks=[], yticks=[])
    from matplotlib.patches import Rectangle

    x = 0.0
    for at, part in enumerate(parts):
        hue, hatch = _FILLS[at]
        y = 26 * at + 13 if size.narrow else 13
        axes.add_patch(Rectangle((x, y - 7), 22, 14, facecolor=hue, hatch=hatch, edgecolor="#ffffff"))
        axes.text(x + 28, y, part, fontsize=style.SMALL, va="center", color=style.MUTED)
        x += 0.0 if size.narrow else 46 + 7.8 * len(part)


def _describe(data: pd.DataFrame, parts: list[str]) -> str:
    told = []
    for row in rows_of(data):
        values = data.loc[(data["label"] == row.label) & (data["group"] == row.group), parts].iloc[0]
        told.append(
            f"{row.group}, {row.label}: "
            + ", ".join(f"{part} {formats.percent(float(values[part]), 0)}" for part in parts)
        )
    return f"{len(data)} bars of shares that add up to the whole. " + ". ".join(told) + "."
