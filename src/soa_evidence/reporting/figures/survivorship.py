"""Published survivorship over time: every study's points, the average, and where one more study would lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import curve_lines, style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence
from soa_evidence.results import Curve

__all__ = ["survivorship"]

_HEIGHT = 430
_NEW = "#a6196b"  # a hue of no class, dark enough on white
_SHAPES = ("o", "s", "D", "^", "v", "P", "X", "<", ">")
_ROOM = 0.02  # of survival, above and below the points


def survivorship(
    points: pd.DataFrame,
    average: Curve,
    another: Curve,
    *,
    id: str,
    title: str | Sentence,
    subtitle: str,
    new_result: dict[str, float] | None = None,
    synthetic: bool = False,
) -> Figure:
    """Draw published percentages by study, over the average's interval and that of one more study.

    Parameters
    ----------
    points : columns label, time, estimate, lower, upper
        Survival as shares from 0 to 1; rows of one label are joined.
    average, another
        Pooled curves of one source: the average, and the true survival of one more study.
    new_result
        time, estimate, lower, upper of a result to be placed, as shares.

    Raises
    ------
    InputError
        On a missing column or value, a share outside 0 to 1, or a curve that is not of survival.
    """
    columns = ("label", "time", "estimate", "lower", "upper")
    data = require_columns(points, columns, figure=id, what="published points")
    placed = None
    if new_result is not None:
        placed = require_columns(pd.DataFrame([{"label": "new result", **new_result}]), columns, figure=id,
                                 what="new result")  # fmt: skip
    every = data if placed is None else pd.concat([data, placed], ignore_index=True)
    shares = every[["estimate", "lower", "upper"]]
    if not ((shares >= 0) & (shares <= 1)).all().all():
        raise InputError(f"Figure '{id}': survival lies outside 0 to 1; give shares, not percentages.")
    for curve in (average, another):
        if curve.estimand != "survival":
            raise InputError(f"Figure '{id}': curve {curve.label!r} shows {curve.estimand}, not survival.")

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, average, another, placed)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(every, average, another),
        frame=pd.concat([every[list(columns)], _read(average), _read(another)], ignore_index=True),
        height=lambda size: _HEIGHT + (60 if size.narrow else 0),
        synthetic=synthetic,
    )


def _read(curve: Curve) -> pd.DataFrame:
    at = np.unique(np.linspace(0, len(curve.time) - 1, 7).round().astype(int))
    table = curve.table().iloc[at]
    return table[["label", "time", "estimate", "lower", "upper"]]


def _draw(
    canvas: Any,
    size: style.Size,
    data: pd.DataFrame,
    average: Curve,
    another: Curve,
    placed: pd.DataFrame | None,
) -> None:
    height, width = canvas.get_figheight() * 72, size.width
    right = 118 if size.narrow else 190
    axes = canvas.add_axes((50 / width, 92 / height, 1 - (50 + right) / width, 1 - 120 / height))
    every = data if placed is None else pd.concat([data, placed], ignore_index=True)
    times = [*every["time"], *average.time]
    pad = 0.06 * (max(times) - min(times)) or 1.0
    axes.set_xlim(min(times) - pad, max(times) + pad)
    # the bands may reach far below; they are cut where the points and the average end
    low = max(0.0, min(float(every["lower"].min()), float(average.estimate.min())) - _ROOM)
    axes.set_ylim(low, min(1.0, float(every["upper"].max()) + _ROOM))
    style.axis(axes, left=True)
    curve_lines.style_percent(axes)
    axes.locator_params(axis="x", nbins=4 if size.narrow else 8, integer=True)
    axes.set_xlabel(f"{average.time_unit} after the operation", fontsize=style.SMALL, labelpad=5)
    cut = f" (axis starts at {formats.percent(low)})" if low > 0 else ""
    axes.text(0, 1.03, f"not revised{cut}", transform=axes.transAxes, fontsize=style.SMALL, color=style.MUTED)
    _bands(axes, average, another)
    _points(axes, data)
    if placed is not None:
        _new_result(axes, placed)
    _names(axes, every, size)
    _legend(canvas, size, height)


def _bands(axes: Any, average: Curve, another: Curve) -> None:
    for curve, shade in ((another, "#e9edf3"), (average, "#c3cddc")):
        axes.fill_between(curve.time, curve.lower, curve.upper, color=shade, linewidth=0, zorder=1)
        if len(curve.time) == 1:
            axes.plot(
                [curve.time[0]] * 2, [curve.lower[0], curve.upper[0]], color=shade, linewidth=14, zorder=1
            )
    axes.plot(average.time, average.estimate, color=style.INK, linewidth=2.2, zorder=3)


def _points(axes: Any, data: pd.DataFrame) -> None:
    for at, (_, mine) in enumerate(data.groupby("label", sort=False)):
        mine = mine.sort_values("time")
        axes.plot(mine["time"], mine["estimate"], color=style.MUTED, linewidth=1.1, zorder=4,
                  linestyle=(0, (4, 2)))  # fmt: skip
        for row in rows_of(mine):
            axes.plot([row.time] * 2, [row.lower, row.upper], color=style.INK, linewidth=2, zorder=5)
        axes.plot(
            mine["time"],
            mine["estimate"],
            marker=_SHAPES[at % len(_SHAPES)],
            markersize=8,
            linestyle="none",
            markerfacecolor="#ffffff",
            markeredgecolor=style.INK,
            markeredgewidth=1.8,
            zorder=6,
        )


def _new_result(axes: Any, placed: pd.DataFrame) -> None:
    row = rows_of(placed)[0]
    axes.plot([row.time] * 2, [row.lower, row.upper], color=_NEW, linewidth=3.4, zorder=7)
    axes.plot([row.time], [row.estimate], marker="*", markersize=16, color=_NEW, zorder=8)


def _names(axes: Any, every: pd.DataFrame, size: style.Size) -> None:
    """Name each study beside its last point, moved apart where points are close."""
    ends = every.sort_values("time", kind="stable").groupby("label", sort=False).tail(1)
    low, high = axes.get_ylim()
    tall = axes.get_position().height * axes.figure.get_figheight() * 72
    rows = rows_of(ends)
    places = curve_lines.apart([row.estimate for row in rows], 19 * (high - low) / tall, highest=high)
    left, last = axes.get_xlim()
    beside = last + 0.03 * (last - left)
    for row, place in zip(rows, places, strict=True):
        hue = _NEW if row.label == "new result" else style.INK
        axes.plot([row.time, beside], [row.estimate, place], color=hue, linewidth=0.7, alpha=0.6,
                  clip_on=False, zorder=2)  # fmt: skip
        axes.text(
            beside,
            place,
            safe.shorten(row.label, 17 if size.narrow else 26),
            fontsize=style.TINY if size.narrow else style.SMALL,
            color=hue,
            va="center",
            fontweight="bold" if hue == _NEW else "normal",
        )


def _legend(canvas: Any, size: style.Size, height: float) -> None:
    axes = canvas.add_axes((0.0, 0.0, 1.0, 46 / height))
    axes.set(xlim=(0, size.width), ylim=(0, 46), xticks=[], yticks=[])
    at = 50.0
    for shade, text, y in (("#c3cddc", "average, with its interval", 33), ("#e9edf3", "one more study", 12)):
        axes.fill_between([at, at + 26], y - 7, y + 7, color=shade, linewidth=0)
        axes.text(at + 34, y, text, fontsize=style.SMALL, va="center", color=style.MUTED)
    axes.plot([at, at + 26], [33, 33], color=style.INK, linewidth=2.2)


def _describe(every: pd.DataFrame, average: Curve, another: Curve) -> str:
    listed = ". ".join(
        f"{row.label} at {row.time:g} {average.time_unit}: {formats.percent(row.estimate, 1)} "
        f"({formats.percent(row.lower, 1)} to {formats.percent(row.upper, 1)})"
        for row in rows_of(every.head(30))
    )
    pooled = "; ".join(
        f"{curve.label} at {curve.time[k]:g}: {formats.percent(curve.estimate[k], 1)} "
        f"({formats.percent(curve.lower[k], 1)} to {formats.percent(curve.upper[k], 1)})"
        for curve in (average, another)
        for k in (0, len(curve.time) - 1)
    )
    return f"Share not revised over time. {listed}. Pooled: {pooled}."
