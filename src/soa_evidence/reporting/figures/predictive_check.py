"""Data replicated from the fitted model beside the data seen."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["predictive_check"]

_ROW = 62


def predictive_check(
    frame: pd.DataFrame,
    *,
    id: str,
    title: str | Sentence,
    subtitle: str,
    level_text: str = "95% of replicated data",
    synthetic: bool = False,
) -> Figure:
    """Draw each statistic of the data on the scale of what the model replicates.

    Parameters
    ----------
    frame : columns statistic, observed, lower, median, upper
        One row a statistic: its value in the data, and the limits and median in data replicated from the
        model. Each row has its own scale, stretched so that all limits fall on the edges of one band.
    level_text
        What the band holds.
    """
    data = require_columns(
        frame, ("statistic", "observed", "lower", "median", "upper"), figure=id, what="statistics"
    )
    if (data["lower"] > data["upper"]).any():
        raise InputError(f"Figure '{id}': a lower limit of replicated data is above its upper limit.")
    half = (data["upper"] - data["lower"]) / 2
    # a statistic that never varies has no scale of its own; equal is the middle, anything else is outside
    half = half.where(half > 0, 1.0)
    middle = (data["upper"] + data["lower"]) / 2
    data["observed_at"] = (data["observed"] - middle) / half
    data["median_at"] = (data["median"] - middle) / half

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, level_text)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, level_text),
        frame=data[["statistic", "observed", "lower", "median", "upper"]],
        height=lambda size: (
            42 + (_ROW + style.head_room(((r.statistic, _value(r)) for r in rows_of(data)), size)) * len(data)
        ),
        synthetic=synthetic,
    )


def _outside(row: Any) -> bool:
    return bool(row.observed < row.lower or row.observed > row.upper)


def _value(row: Any) -> str:
    places = formats.decimals_for(row.lower, row.upper)
    return f"{formats.fixed(row.observed, places)}{' – outside' if _outside(row) else ''}"


def _draw(canvas: Any, size: style.Size, data: pd.DataFrame, level_text: str) -> None:
    height = canvas.get_figheight() * 72
    axes = canvas.add_axes((0.012, 12 / height, 0.976, 1 - 38 / height))
    reach = max(1.6, float(data["observed_at"].abs().clip(upper=3.0).max()) * 1.15)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(len(data) - 0.55, -0.72)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.axvspan(-1, 1, color=style.BAND, zorder=0)
    axes.text(
        0,
        1.0,
        level_text,
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=style.SMALL,
        color=style.MUTED,
    )
    for at, row in enumerate(rows_of(data)):
        axes.plot([-1, 1], [at, at], color="#9aa5b8", linewidth=3, zorder=2, solid_capstyle="butt")
        axes.plot([row.median_at] * 2, [at - 0.1, at + 0.1], color=style.MUTED, linewidth=2, zorder=3)
        outside = _outside(row)
        axes.plot(
            [max(-3.0, min(3.0, row.observed_at))],
            [at],
            marker="X" if outside else "o",
            markersize=11,
            markerfacecolor="#b00020" if outside else style.INK,
            markeredgecolor="#ffffff",
            markeredgewidth=1.2,
            zorder=5,
        )
        _heads(axes, at, row, size)


def _heads(axes: Any, at: int, row: Any, size: style.Size) -> None:
    places = formats.decimals_for(row.lower, row.upper)
    low, high = formats.fixed(row.lower, places), formats.fixed(row.upper, places)
    style.row_head(axes, at - 0.46, row.statistic, _value(row), size)
    for x, text in ((-1, low), (1, high)):
        axes.text(
            x, at + 0.27, text, fontsize=style.TINY, color=style.MUTED, va="center", ha="center", zorder=4
        )


def _describe(data: pd.DataFrame, level_text: str) -> str:
    listed = []
    for row in rows_of(data):
        places = formats.decimals_for(row.lower, row.upper)
        low, high = formats.fixed(row.lower, places), formats.fixed(row.upper, places)
        listed.append(f"{row.statistic}: observed {_value(row)}, replicated {low} to {high}")
    inside = sum(not _outside(row) for row in rows_of(data))
    return (
        f"{len(data)} statistics of the data beside {level_text}; {inside} lie inside. {'. '.join(listed)}."
    )
