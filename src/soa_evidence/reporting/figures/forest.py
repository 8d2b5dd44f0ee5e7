"""Estimates with intervals under one another against a reference: studies, classes, analyses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["forest", "log_axis"]

_ROW = 62
#: Equal steps for a narrow axis, and steps within a factor of ten for others: the finest that fits is taken.
_EQUAL = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
_FAMILIES = (
    (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    (1, 1.5, 2, 3, 4, 6, 8),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1, 3),
    (1,),
)
_NARROW = 2.5  # highest over lowest value of a narrow axis
_APART = 44  # pixels that two labels need


def forest(
    rows: pd.DataFrame,
    *,
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    reference: float = 0.0,
    reference_label: str = "no difference",
    log: bool = False,
    sides: tuple[str, str] | None = None,
    decimals: int | None = None,
    synthetic: bool = False,
) -> Figure:
    """Draw one interval a row.

    Parameters
    ----------
    rows : columns label, estimate, lower, upper and optionally group
        Drawn in this order; `group` decides hue and mark.
    reference, reference_label
        The named line: 0 for differences, 1 for ratios.
    log
        Whether the axis is logarithmic, for ratios; all values must then be above 0.
    sides
        What lies to the left and to the right of the reference, e.g. ``("fewer", "more")``.
    """
    data = require_columns(rows, ("label", "estimate", "lower", "upper"), figure=id, what="rows")
    if log and (min(float(data["lower"].min()), reference) <= 0):
        raise InputError(f"Figure '{id}': a logarithmic axis needs values and a reference above 0.")
    if "group" not in data:
        data["group"] = "other"
    width = float((data["upper"] - data["lower"]).median())
    places = formats.decimals_for(0.0, width) if decimals is None else decimals

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, places, unit_text, reference, reference_label, log, sides)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, places, unit_text, reference, reference_label),
        frame=data[["label", "group", "estimate", "lower", "upper"]],
        height=lambda size: (
            80 + (22 if sides else 0) + (_ROW + style.head_room(_heads(data, places), size)) * len(data)
        ),
        synthetic=synthetic,
    )


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
    reference: float,
    reference_label: str,
    log: bool,
    sides: tuple[str, str] | None,
) -> None:
    height = canvas.get_figheight() * 72
    below = 78 if sides else 56
    axes = canvas.add_axes((0.012, below / height, 0.976, 1 - (below + 24) / height))
    if log:
        log_axis(axes, data, reference, size)
    else:
        style.margins(axes, [*data["lower"], *data["upper"], reference])
        axes.locator_params(axis="x", nbins=5 if size.narrow else 8)
        style.thousands(axes.xaxis)
    axes.set_ylim(len(data) - 0.45, -0.72)
    axes.set_yticks([])
    style.axis(axes, label=unit_text)
    style.reference_line(axes, reference, reference_label)
    if sides:
        style.sides(axes, sides)
    for at, row in enumerate(rows_of(data)):
        mark = style.mark_of(row.group)
        style.bar(axes, row.lower, row.upper, at, mark.hue)
        style.dot(axes, row.estimate, at, mark)
        style.row_head(axes, at - 0.46, row.label, _value(row, places), size)


def log_axis(axes: Any, data: pd.DataFrame, reference: float, size: style.Size) -> None:
    """Give `axes` a logarithmic scale that holds the intervals of `data` and the reference."""
    from matplotlib.ticker import NullLocator

    low = min(float(data["lower"].min()), reference)
    high = max(float(data["upper"].max()), reference)
    room = (high / low) ** 0.05
    axes.set_xscale("log")
    axes.set_xlim(low / room, high * room)
    held = _steps(low / room, high * room, reference, wide=0.976 * size.width)
    axes.set_xticks(held, [f"{step:g}" for step in held])
    axes.xaxis.set_minor_locator(NullLocator())


def _steps(low: float, high: float, reference: float, *, wide: float) -> list[float]:
    """Return round values of a logarithmic axis, as many as stand a label apart, and the reference."""
    tried = [[k * step for k in range(1, int(high / step) + 1)] for step in _EQUAL if high / low < _NARROW]
    tried += [[m * 10.0**k for k in range(-6, 7) for m in family] for family in _FAMILIES]
    for steps in tried:
        found = sorted({round(step, 10) for step in steps if low <= step <= high} | {reference})
        apart = [wide * np.log(b / a) / np.log(high / low) for a, b in pairwise(found)]
        if len(found) > 1 and min(apart) >= _APART:
            return found
    return [reference]


def _describe(data: pd.DataFrame, places: int, unit_text: str, reference: float, reference_label: str) -> str:
    listed = ". ".join(f"{row.label}: {_value(row, places)}" for row in rows_of(data.head(30)))
    above, below = int((data["lower"] > reference).sum()), int((data["upper"] < reference).sum())
    more = f" and {len(data) - 30} more" if len(data) > 30 else ""
    return (
        f"{len(data)} estimates with intervals, in {unit_text}. {listed}{more}. Of these, {below} lie wholly "
        f"below {reference_label}, {above} wholly above, and {len(data) - above - below} reach across it."
    )
