"""Classes of hospitals side by side with their intervals, every hospital a faint dot behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.reporting import formats
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["class_comparison"]

_ROW = 92  # pixels a class


def class_comparison(
    classes: pd.DataFrame,
    units: pd.DataFrame | None = None,
    *,
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    reference: float | None = None,
    reference_label: str = "average",
    decimals: int | None = None,
    synthetic: bool = False,
) -> Figure:
    """Draw classes with intervals, and the units of each as faint dots.

    Parameters
    ----------
    classes : columns label, group, estimate, lower, upper
        One row a class, drawn in this order; `group` decides hue and mark.
    units : columns label, group, estimate and optionally size
        One row a hospital; `group` must be the `label` or the `group` of a class. `size` (for example the
        number of patients) sets the area of the dot.
    unit_text
        Unit of the axis, e.g. ``"readmissions per 1,000 patients"``.
    reference, reference_label
        A named line, e.g. the average of all.
    """
    rows = require_columns(
        classes, ("label", "group", "estimate", "lower", "upper"), figure=id, what="classes"
    )
    dots = (
        require_columns(units, ("label", "group", "estimate"), figure=id, what="units")
        if units is not None
        else pd.DataFrame({"label": [], "group": [], "estimate": []})
    )
    places = _places(rows) if decimals is None else decimals

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, rows, dots, places, unit_text, reference, reference_label)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(rows, dots, places, unit_text, reference, reference_label),
        frame=_behind(rows, dots),
        height=lambda size: 80 + (_ROW + style.head_room(_heads(rows, places), size)) * len(rows),
        synthetic=synthetic,
    )


def _places(rows: pd.DataFrame) -> int:
    return formats.decimals_for(0.0, float((rows["upper"] - rows["lower"]).median()))


def _of_class(dots: pd.DataFrame, row: Any) -> pd.DataFrame:
    return dots[dots["group"].isin([row.label, row.group])]


def _draw(
    canvas: Any,
    size: style.Size,
    rows: pd.DataFrame,
    dots: pd.DataFrame,
    places: int,
    unit_text: str,
    reference: float | None,
    reference_label: str,
) -> None:
    height = canvas.get_figheight() * 72
    axes = canvas.add_axes((0.012, 56 / height, 0.976, 1 - 80 / height))
    line = [] if reference is None else [reference]
    style.margins(axes, [*rows["lower"], *rows["upper"], *dots["estimate"], *line])
    axes.set_ylim(len(rows) - 0.48, -0.62)
    axes.set_yticks([])
    style.axis(axes, label=unit_text)
    axes.locator_params(axis="x", nbins=5 if size.narrow else 8)
    if reference is not None:
        style.reference_line(axes, reference, reference_label)
    largest = float(dots["size"].max()) if "size" in dots else 0.0
    for at, row in enumerate(rows_of(rows)):
        mark = style.mark_of(row.group)
        _cloud(axes, _of_class(dots, row), at, mark, largest)
        style.bar(axes, row.lower, row.upper, at, mark.hue)
        style.dot(axes, row.estimate, at, mark)
        style.row_head(axes, at - 0.32, row.label, _value(row, places), size)


def _value(row: Any, places: int) -> str:
    return formats.with_limits(row.estimate, row.lower, row.upper, places)


def _heads(data: pd.DataFrame, places: int) -> list[tuple[str, str]]:
    return [(row.label, _value(row, places)) for row in rows_of(data)]


def _cloud(axes: Any, members: pd.DataFrame, at: int, mark: style.Mark, largest: float) -> None:
    """Scatter the hospitals of a class beneath its interval, in a pattern that is the same every time."""
    if members.empty:
        return
    ordered = members.sort_values("estimate", kind="stable").reset_index(drop=True)
    golden = 0.6180339887498949  # successive multiples fill the strip evenly without a random number
    ordered["y"] = at + 0.16 + (np.arange(1, len(ordered) + 1) * golden) % 1 * 0.26
    if "size" in ordered:
        share = ordered["size"].astype(float) / max(largest, 1e-12)
        # a few sizes only: each costs the page one shape, each dot then a few bytes
        ordered["mark"] = 3.0 + 2.0 * np.ceil(4 * np.sqrt(share.clip(0, 1))).clip(1, 4)
    else:
        ordered["mark"] = 6.0
    for wide, dots in ordered.groupby("mark"):
        axes.plot(
            dots["estimate"],
            dots["y"],
            linestyle="none",
            marker="o",
            markersize=wide,
            markerfacecolor=mark.hue,
            markeredgewidth=0,
            alpha=0.38,
            zorder=2,
        )


def _describe(
    rows: pd.DataFrame,
    dots: pd.DataFrame,
    places: int,
    unit_text: str,
    reference: float | None,
    reference_label: str,
) -> str:
    parts = [
        f"{row.label}: {_value(row, places)}"
        + (f", {len(members):,} hospitals behind it" if len(members := _of_class(dots, row)) else "")
        for row in rows_of(rows)
    ]
    lowest = rows["label"].iloc[int(rows["estimate"].argmin())]
    highest = rows["label"].iloc[int(rows["estimate"].argmax())]
    text = f"Estimate and interval of {len(rows)} classes, in {unit_text}. {'. '.join(parts)}. "
    text += f"Lowest: {lowest}; highest: {highest}."
    if len(dots):
        low, high = (formats.fixed(f(dots["estimate"]), places) for f in (min, max))
        text += f" The {len(dots):,} hospitals range from {low} to {high}."
    if reference is not None:
        text += f" The reference line, {reference_label}, is at {formats.fixed(reference, places)}."
    return text


def _behind(rows: pd.DataFrame, dots: pd.DataFrame) -> pd.DataFrame:
    columns = ["label", "group", "estimate", "lower", "upper"]
    classes = rows[columns].assign(what="class")
    single = dots.reindex(columns=[*columns, *(["size"] if "size" in dots else [])]).assign(what="hospital")
    return classes if dots.empty else pd.concat([classes, single], ignore_index=True)
