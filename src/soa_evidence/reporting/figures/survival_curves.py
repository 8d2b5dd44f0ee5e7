"""How many are still free of the event, or have had it, as time goes on; with the numbers still at risk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import curve_lines, style
from soa_evidence.reporting.figures.figure import Figure, make, rows_of
from soa_evidence.reporting.sentences import Sentence
from soa_evidence.results import Curve

__all__ = ["survival_curves"]

_PLOT = 330
_ROW = 21
#: Width of a digit in the table of numbers at risk, and the least room between two of its columns.
_DIGIT, _BETWEEN = 8.0, 10.0
_RISK_HEAD = 30


def survival_curves(
    curves: Sequence[Curve],
    *,
    id: str,
    title: str | Sentence,
    subtitle: str,
    at_risk: pd.DataFrame | None = None,
    horizon: float | None = None,
    smooth: bool = False,
    synthetic: bool = False,
) -> Figure:
    """Draw one line a group with its pointwise limits, and the numbers at risk beneath.

    Parameters
    ----------
    curves
        One a group, all of one estimand and one unit of time. Probabilities are shown as percentages.
    at_risk : index label, one column a time; optional
        Numbers still under observation, as a survival result's `numbers_at_risk(times)` gives them.
    horizon
        Last time drawn; the longest curve's when not given.
    smooth
        Join the points (a fitted curve) rather than draw steps (an observed one).

    Raises
    ------
    InputError
        When curves are of different estimands or times, repeat a label, or the table of numbers at risk does
        not name the same groups.
    """
    lines = curve_lines.prepare(curves, figure=id, horizon=horizon, smooth=smooth)
    table = _risk_table(at_risk, lines, id)

    def height(size: style.Size) -> float:
        return _PLOT + (_RISK_HEAD + _ROW * (2 if size.narrow else 1) * len(table) if len(table) else 0)

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, lines, table)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(lines),
        frame=curve_lines.readings(lines),
        height=height,
        synthetic=synthetic,
        counts=table.to_numpy(dtype=float).ravel().tolist(),
    )


def _risk_table(at_risk: pd.DataFrame | None, lines: curve_lines.Lines, figure: str) -> pd.DataFrame:
    if at_risk is None:
        return pd.DataFrame()
    table = at_risk.copy()
    table.index = [safe.clean(name) for name in table.index]
    missing = [line.label for line in lines.lines if line.label not in table.index]
    if missing:
        raise InputError(
            f"Figure '{figure}': the numbers at risk have no row {missing[0]!r}; expected one for each curve."
        )
    times = [t for t in table.columns if 0 <= float(t) <= lines.horizon]
    if not times:
        raise InputError(
            f"Figure '{figure}': no column of the numbers at risk lies between 0 and {lines.horizon:g} "
            f"{lines.time_unit}; expected times as columns."
        )
    return table.loc[[line.label for line in lines.lines], times]


def _draw(canvas: Any, size: style.Size, lines: curve_lines.Lines, table: pd.DataFrame) -> None:
    height, width = canvas.get_figheight() * 72, size.width
    right = 106 if size.narrow else 184
    left = 50
    axes = canvas.add_axes(
        (left / width, 1 - (_PLOT - 52) / height, 1 - (left + right) / width, (_PLOT - 84) / height)
    )
    curve_lines.frame_axes(axes, lines, size)
    for line, dash in zip(lines.lines, curve_lines.dashes(lines), strict=True):
        curve_lines.draw(axes, line, dash, smooth=lines.smooth)
    curve_lines.label_ends(axes, lines, size)
    if len(table):
        _draw_risk(canvas, axes, lines, size, table)


def _draw_risk(
    canvas: Any, above: Any, lines: curve_lines.Lines, size: style.Size, table: pd.DataFrame
) -> None:
    """Write numbers at risk under the times they belong to; on a phone each group's name has its own line."""
    height = canvas.get_figheight() * 72
    box = above.get_position()
    deep = height - _PLOT - 6
    axes = canvas.add_axes((box.x0, 4 / height, box.width, deep / height))
    axes.set(xlim=above.get_xlim(), ylim=(deep, 0), xticks=[], yticks=[])
    across = axes.get_yaxis_transform()  # shares of the width, and the table's own lines downwards
    axes.text(0, 12, "Still at risk", fontsize=style.SMALL, color=style.MUTED, va="center", transform=across)
    longest = max(len(formats.fixed(float(value), 0)) for value in table.to_numpy().ravel())
    wide = longest * _DIGIT + _BETWEEN
    times = spaced(list(table.columns), lines.horizon * wide / (box.width * size.width))
    text = {"fontsize": style.TINY if size.narrow else style.SMALL, "va": "center"}
    for at, line in enumerate(lines.lines):
        y = _RISK_HEAD + _ROW * (2 if size.narrow else 1) * at
        place, name = ((0, y), line.label) if size.narrow else ((1, y), safe.shorten(line.label, 22))
        shift = (0, 0) if size.narrow else (28, 0)
        axes.annotate(
            safe.shorten(name, 40),
            place,
            xycoords=across,
            xytext=shift,
            textcoords="offset points",
            color=line.mark.hue,
            **text,
        )
        for time in times:
            count = formats.fixed(float(table.loc[[line.label], time].iloc[0]), 0)
            axes.text(float(time), y + (_ROW - 3 if size.narrow else 0), count, ha="center", **text)


def spaced(times: Sequence[Any], gap: float) -> list[Any]:
    """Return the times at least `gap` apart, the first and the last among them where both fit."""
    kept = [times[0]]
    for time in times[1:]:
        if float(time) - float(kept[-1]) >= gap:
            kept.append(time)
    if kept[-1] != times[-1] and len(kept) > 1:
        kept[-1] = times[-1]
    return kept


def _describe(lines: curve_lines.Lines) -> str:
    last = curve_lines.readings(lines).groupby("label", sort=False).tail(1)
    parts = [
        f"{row.label} at {row.time:g} {lines.time_unit}: {_shown(row.estimate, lines)}"
        + (f" ({_shown(row.lower, lines)} to {_shown(row.upper, lines)})" if np.isfinite(row.lower) else "")
        for row in rows_of(last)
    ]
    return f"{lines.estimand[:1].upper()}{lines.estimand[1:]} over time. " + "; ".join(parts) + "."


def _shown(value: float, lines: curve_lines.Lines) -> str:
    return formats.percent(value, 1) if lines.is_probability else formats.fixed(value, 2)
