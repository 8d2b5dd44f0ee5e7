"""Studies with their weights under one another, what they give together, and what a new one might show."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.figures.forest import log_axis
from soa_evidence.reporting.sentences import Sentence

__all__ = ["study_forest"]

_ROW = 58
_GAP = 0.35
_STUDY, _POOLED, _NEW = "study", "together", "new study"


def study_forest(
    studies: pd.DataFrame,
    together: pd.DataFrame | None = None,
    *,
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    ratio: bool,
    sides: tuple[str, str],
    reference_label: str = "no difference",
    decimals: int | None = None,
    synthetic: bool = False,
) -> Figure:
    """Draw studies as squares sized by weight, averages as diamonds, prediction intervals as brackets.

    Parameters
    ----------
    studies : columns label, estimate, lower, upper and optionally weight_percent and more to keep
        As a reader sees them (ratios, not their logs), in this order. Other columns (rows, citations) go into
        the table of numbers behind the figure.
    together : columns way, estimate, lower, upper, optional
        Averages and prediction intervals, each named; a way that begins "new study" is drawn as a prediction.
        The axis is set by the studies and the first average; what reaches beyond it ends in an arrow.
    ratio
        Whether the axis is logarithmic with no difference at 1, or plain with no difference at 0.
    sides
        What lies to the left and to the right of no difference.
    """
    data = require_columns(studies, ("label", "estimate", "lower", "upper"), figure=id, what="studies")
    data["what"] = _STUDY
    if "weight_percent" in data and not bool((data["weight_percent"] >= 0).all()):
        raise InputError(f"Figure '{id}': a weight is below 0 or missing; expected per cent of all weight.")
    if together is not None and len(together):
        averages = require_columns(
            together.rename(columns={"way": "label"}), ("label", "estimate", "lower", "upper"),
            figure=id, what="averages",
        )  # fmt: skip
        new = averages["label"].str.startswith("new study")
        averages["what"] = new.map({True: _NEW, False: _POOLED})
        data = pd.concat([data, averages], ignore_index=True)
    if ratio and float(data[["estimate", "lower", "upper"]].min().min()) <= 0:
        raise InputError(f"Figure '{id}': a ratio is above 0; were logs given instead of ratios?")
    reference = 1.0 if ratio else 0.0
    own = data[data["what"] == _STUDY]
    places = formats.decimals_for(0.0, float((own["upper"] - own["lower"]).median()))
    places = places if decimals is None else decimals

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, places, unit_text, reference, reference_label, ratio, sides)

    first = ["label", "what", "estimate", "lower", "upper"]
    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, places, unit_text, sides, reference),
        frame=data[[*first, *(c for c in data.columns if c not in first)]],
        height=lambda size: (
            104
            + (
                _ROW
                + style.head_room(((r.label, _value(r, places, size, ratio)) for r in rows_of(data)), size)
            )
            * (len(data) + (_GAP if len(own) < len(data) else 0))
        ),
        synthetic=synthetic,
    )


def _draw(
    canvas: Any,
    size: style.Size,
    data: pd.DataFrame,
    places: int,
    unit_text: str,
    reference: float,
    reference_label: str,
    ratio: bool,
    sides: tuple[str, str],
) -> None:
    height = canvas.get_figheight() * 72
    axes = canvas.add_axes((0.012, 80 / height, 0.976, 1 - 104 / height))
    own = data["what"] == _STUDY
    # an average on one degree of freedom may reach to nowhere: the studies set the scale
    shown = data[own | (data.index == data.index[~own].min() if (~own).any() else False)]
    if ratio:
        log_axis(axes, shown, reference, size)
    else:
        style.margins(axes, [*shown["lower"], *shown["upper"], reference])
        axes.locator_params(axis="x", nbins=5 if size.narrow else 8)
    last = len(data) - 1 + (_GAP if not own.all() else 0)
    axes.set_ylim(last + 0.55, -0.72)
    axes.set_yticks([])
    style.axis(axes, label=unit_text)
    style.reference_line(axes, reference, reference_label)
    style.sides(axes, sides)
    heaviest = float(data["weight_percent"].max()) if "weight_percent" in data else 0.0
    for at, row in enumerate(rows_of(data)):
        y = at + (_GAP if row.what != _STUDY else 0)
        _interval(axes, row, y)
        if row.what == _STUDY:
            share = (row.weight_percent / heaviest) ** 0.5 if heaviest else 0.7
            axes.plot([row.estimate], [y], marker="s", markersize=5 + 9 * share, color=style.GENERAL.hue,
                      markeredgecolor="#ffffff", linestyle="none", zorder=5)  # fmt: skip
        style.row_head(axes, y - 0.42, row.label, _value(row, places, size, ratio), size)


def _interval(axes: Any, row: Any, y: float) -> None:
    """Draw an interval, cut at the ends of the axis with an arrow."""
    low, high = axes.get_xlim()
    left, right = max(row.lower, low), min(row.upper, high)
    hue = {_STUDY: style.GENERAL.hue, _POOLED: style.INK, _NEW: style.MUTED}[row.what]
    inside = low <= row.estimate <= high
    if row.what == _POOLED and inside:
        x = [left, row.estimate, right, row.estimate, left]
        axes.fill(x, [y, y - 0.16, y, y + 0.16, y], color=hue, zorder=5, linewidth=0)
    elif left < right:
        wide = 3 if row.what == _STUDY else 2
        axes.plot([left, right], [y, y], color=hue, linewidth=wide, zorder=4, solid_capstyle="butt")
    if row.what == _NEW:
        for x in (end for end, cut in ((left, row.lower < low), (right, row.upper > high)) if not cut):
            axes.plot([x, x], [y - 0.1, y + 0.1], color=hue, linewidth=2, zorder=4)
    for cut, x, mark in ((row.lower < low, low, "<"), (row.upper > high, high, ">")):
        if cut:
            axes.plot(
                [x], [y], marker=mark, markersize=9, color=hue, linestyle="none", zorder=6, clip_on=False
            )


def _value(row: Any, places: int, size: style.Size, ratio: bool) -> str:
    low, high = _figure(row.lower, places, ratio), _figure(row.upper, places, ratio)
    text = f"{formats.fixed(row.estimate, places)} ({formats.span(low, high)})"
    weight = getattr(row, "weight_percent", float("nan"))
    if size.narrow or row.what != _STUDY or weight != weight:
        return text
    return f"{text} · {formats.fixed(weight, 0)}%"


def _figure(value: float, places: int, ratio: bool) -> str:
    """Write a limit; one beyond all sense is said to be so, and a ratio is never written as nought."""
    if ratio and 0 < value < 0.5 * 10**-places:
        return f"under {formats.fixed(10**-places, places)}"
    return "over 1,000" if value > 1000 else formats.fixed(value, places)


def _describe(
    data: pd.DataFrame, places: int, unit_text: str, sides: tuple[str, str], reference: float
) -> str:
    ratio = reference == 1
    own, more = data[data["what"] == _STUDY], data[data["what"] != _STUDY]
    parts = []
    for row in rows_of(own.head(30)):
        weight = getattr(row, "weight_percent", float("nan"))
        told = f", weight {weight:.0f}%" if weight == weight else ""
        interval = formats.span(_figure(row.lower, places, ratio), _figure(row.upper, places, ratio))
        parts.append(f"{row.label}: {formats.fixed(row.estimate, places)} ({interval}){told}")
    text = f"{len(own)} results of studies with intervals, in {unit_text}. {'. '.join(parts)}."
    for row in rows_of(more):
        interval = formats.span(_figure(row.lower, places, ratio), _figure(row.upper, places, ratio))
        text += (
            f" {row.label[:1].upper()}{row.label[1:]}: {formats.fixed(row.estimate, places)} ({interval})."
        )
    left, right = int((own["upper"] < reference).sum()), int((own["lower"] > reference).sum())
    return (
        f"{text} Left of {reference:g} means {sides[0]}, right of it {sides[1]}: {left} lie wholly left and "
        f"{right} wholly right."
    )
