"""Estimates with intervals in an order (years, volumes), for one or more series side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["interval_series"]

_HEIGHT = 400
_MARKS = (style.SPECIALIST, style.GENERAL, style.INDEPENDENT, style.OTHER)


def interval_series(
    frame: pd.DataFrame,
    *,
    axis_text: str,
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    reference: float | None = None,
    reference_label: str = "no difference",
    zero: bool = False,
    synthetic: bool = False,
) -> Figure:
    """Draw series of intervals over places in the order given.

    Parameters
    ----------
    frame : columns label, group, estimate, lower, upper
        `label` names the place along the axis, `group` the series; at most four series.
    axis_text, unit_text
        What the places are, and the unit of the values.
    reference, reference_label
        A horizontal line to judge by.
    zero
        Whether the axis must reach 0.
    """
    data = require_columns(frame, ("label", "group", "estimate", "lower", "upper"), figure=id, what="series")
    places, groups = list(dict.fromkeys(data["label"])), list(dict.fromkeys(data["group"]))
    if len(groups) > len(_MARKS):
        raise InputError(f"Figure '{id}': {len(groups)} series; at most {len(_MARKS)} can be told apart.")
    if data.duplicated(["label", "group"]).any():
        twice = data[data.duplicated(["label", "group"])].iloc[0]
        raise InputError(f"Figure '{id}': {twice['group']!r} has two values at {twice['label']!r}.")

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, places, groups, axis_text, unit_text, reference, reference_label, zero)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, groups, axis_text, unit_text),
        frame=data[["label", "group", "estimate", "lower", "upper"]],
        height=lambda _: _HEIGHT,
        synthetic=synthetic,
    )


def _draw(
    canvas: Any,
    size: style.Size,
    data: pd.DataFrame,
    places: list[str],
    groups: list[str],
    axis_text: str,
    unit_text: str,
    reference: float | None,
    reference_label: str,
    zero: bool,
) -> None:
    width = size.width
    named = unit_text if reference is None else f"{unit_text} (dashed: {reference_label})"
    key = _legend_lines(groups, width)
    top = 20 + 17 * len(style.wrapped(named, size.letters + 3, most=3)) + 22 * len(key)
    axes = canvas.add_axes((54 / width, 60 / _HEIGHT, 1 - 70 / width, 1 - (60 + top) / _HEIGHT))
    style.axis(axes, left=True)
    style.axis(axes, label=axis_text)
    style.above(axes, named, size)
    axes.set_xlim(-0.5, len(places) - 0.5)
    every = 2 if size.narrow and len(places) > 5 else 1
    axes.set_xticks(range(0, len(places), every), [safe.shorten(p, 10) for p in places[::every]])
    for at, group in enumerate(groups):
        mark = _MARKS[at]
        away = 0.0 if len(groups) == 1 else 0.36 * (at / (len(groups) - 1) - 0.5)
        for row in rows_of(data[data["group"] == group]):
            x = places.index(row.label) + away
            axes.plot(
                [x, x], [row.lower, row.upper], color=mark.hue, linewidth=3, solid_capstyle="round", zorder=4
            )
            style.dot(axes, x, row.estimate, mark, scale=0.75)
    if reference is not None:
        axes.axhline(reference, color=style.INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
    if zero:
        axes.set_ylim(bottom=0)
    _legend(canvas, width, key)


def _legend_lines(groups: list[str], width: float) -> list[list[tuple[style.Mark, str]]]:
    """Return the marks and names of the series in the lines that they take; none for a single series."""
    lines: list[list[tuple[style.Mark, str]]] = []
    room = 0.0
    for mark, group in zip(_MARKS, groups, strict=False):
        shown = safe.shorten(group, int((width - 40) / 7.6))
        needed = 32 + 7.6 * len(shown)
        if room < needed:
            lines.append([])
            room = width
        lines[-1].append((mark, shown))
        room -= needed
    return lines if len(groups) > 1 else []


def _legend(canvas: Any, width: float, lines: list[list[tuple[style.Mark, str]]]) -> None:
    if not lines:
        return
    tall = 22 * len(lines)
    axes = canvas.add_axes((0, 1 - tall / _HEIGHT, 1, tall / _HEIGHT))
    axes.set(xlim=(0, width), ylim=(len(lines), 0), xticks=[], yticks=[])
    axes.set_axis_off()
    for down, line in enumerate(lines):
        at = 14.0
        for mark, shown in line:
            style.dot(axes, at, down + 0.5, mark, scale=0.75)
            axes.text(at + 11, down + 0.5, shown, fontsize=style.SMALL, va="center", color=style.MUTED)
            at += 32 + 7.6 * len(shown)


def _describe(data: pd.DataFrame, groups: list[str], axis_text: str, unit_text: str) -> str:
    places = formats.decimals_for(0.0, float((data["upper"] - data["lower"]).median()))
    parts = []
    for group in groups:
        listed = "; ".join(
            f"{row.label}: {formats.fixed(row.estimate, places)} ({formats.fixed(row.lower, places)} to "
            f"{formats.fixed(row.upper, places)})"
            for row in rows_of(data[data["group"] == group])
        )
        parts.append(f"{group}: {listed}")
    return f"By {axis_text}, in {unit_text}. {'. '.join(parts)}."
