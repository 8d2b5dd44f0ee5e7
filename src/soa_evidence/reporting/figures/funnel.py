"""Hospitals by volume and result, with the limits that chance alone would draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["funnel"]

_HEIGHT = 400


def funnel(
    units: pd.DataFrame,
    limits: pd.DataFrame,
    *,
    reference: float,
    volume_text: str,
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    reference_label: str = "average",
    highlight: Sequence[str] = (),
    synthetic: bool = False,
) -> Figure:
    """Draw units by volume and estimate within control limits.

    Parameters
    ----------
    units : columns label, group, volume, estimate
        One row a hospital; `volume` above 0.
    limits : columns volume, lower, upper and optionally level
        The limits by volume; with `level` (text, e.g. "95%") one pair of lines for each level.
    reference, reference_label
        The named centre line.
    volume_text, unit_text
        Units of the two axes.
    highlight
        Labels of hospitals to name beside their mark.
    """
    data = require_columns(units, ("label", "group", "volume", "estimate"), figure=id, what="units")
    lines = require_columns(limits, ("volume", "lower", "upper"), figure=id, what="limits")
    lines["level"] = lines["level"].map(safe.clean) if "level" in lines else "limits"
    named = [safe.clean(name) for name in highlight]
    for name in named:
        if name not in set(data["label"]):
            raise InputError(f"Figure '{id}': no unit is called {name!r}.{nearest(name, data['label'])}")

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, lines, named, reference, reference_label, volume_text, unit_text)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, lines, named, reference, reference_label, volume_text, unit_text),
        frame=data[["label", "group", "volume", "estimate"]],
        height=lambda _: _HEIGHT,
        synthetic=synthetic,
    )


def _draw(
    canvas: Any,
    size: style.Size,
    data: pd.DataFrame,
    lines: pd.DataFrame,
    named: Sequence[str],
    reference: float,
    reference_label: str,
    volume_text: str,
    unit_text: str,
) -> None:
    width = size.width
    style.legend(canvas, data["group"], top=22)
    axes = canvas.add_axes((46 / width, 56 / _HEIGHT, 1 - 60 / width, 1 - 108 / _HEIGHT))
    style.axis(axes, left=True)
    style.axis(axes, label=volume_text)
    style.above(axes, unit_text, size, gap=6)
    axes.axhline(reference, color=style.INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
    most = float(data["volume"].max()) * 1.04
    axes.set_xlim(0, most)
    axes.locator_params(axis="x", nbins=4 if size.narrow else 7)
    style.thousands(axes.xaxis)
    paper = {"facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.8, "pad": 1}
    edge = {"ha": "right", "fontsize": style.SMALL, "zorder": 6, "bbox": paper}
    axes.text(most, reference, reference_label, va="bottom", **edge)
    for at, (level, line) in enumerate(lines.groupby("level", sort=False)):
        shown = line[line["volume"] <= most].sort_values("volume")
        dash = "solid" if at == 0 else (0, (1, 2))
        for side in ("lower", "upper"):
            axes.plot(
                shown["volume"], shown[side], color=style.MUTED, linewidth=1.2, linestyle=dash, zorder=2
            )
        # one name above the upper limit and the next beneath the lower: side by side they would touch
        side, va = ("upper", "bottom") if at % 2 == 0 else ("lower", "top")
        axes.text(most, float(shown[side].iloc[-1]), str(level), va=va, color=style.MUTED, **edge)
    low, high = float(data["estimate"].min()), float(data["estimate"].max())
    room = 0.08 * (high - low or 1)
    axes.set_ylim(low - room, high + room)
    for group, members in data.groupby("group", sort=True):
        _points(axes, members, style.mark_of(group), 5 if size.narrow else 6)
    for row in rows_of(data[data["label"].isin(named)]):
        _name(axes, row, most, size)


def _points(axes: Any, members: pd.DataFrame, mark: style.Mark, wide: float) -> None:
    axes.plot(
        members["volume"],
        members["estimate"],
        linestyle="none",
        marker=mark.shape,
        markersize=wide - (1 if mark.shape == "D" else 0),
        markerfacecolor=mark.face,
        markeredgecolor=mark.hue,
        markeredgewidth=1.2,
        alpha=0.75,
        zorder=4,
    )


def _name(axes: Any, row: Any, most: float, size: style.Size) -> None:
    style.dot(axes, row.volume, row.estimate, style.mark_of(row.group))
    right = row.volume < 0.6 * most
    axes.annotate(
        safe.shorten(row.label, 18 if size.narrow else 40),
        (row.volume, row.estimate),
        xytext=(9 if right else -9, 8),
        textcoords="offset points",
        ha="left" if right else "right",
        fontsize=style.SMALL,
        fontweight="bold",
        zorder=8,
        bbox={"facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )


def _describe(
    data: pd.DataFrame,
    lines: pd.DataFrame,
    named: Sequence[str],
    reference: float,
    reference_label: str,
    volume_text: str,
    unit_text: str,
) -> str:
    places = formats.significant_decimals(float(data["estimate"].abs().max()))
    low, high = (formats.fixed(f(data["estimate"]), places) for f in (min, max))
    text = (
        f"{len(data):,} hospitals by {volume_text} ({data['volume'].min():,.0f} to "
        f"{data['volume'].max():,.0f}) and {unit_text} ({low} to {high}); "
        f"{reference_label} is {formats.fixed(reference, places)}. "
        f"Limits: {', '.join(dict.fromkeys(lines['level']))}."
    )
    for row in rows_of(data[data["label"].isin(named)]):
        text += f" {row.label}: {formats.fixed(row.estimate, places)} at a volume of {row.volume:,.0f}."
    return text
