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
_ROW, _LETTER, _DASH_WIDE = 22, 7.6, 46  # of the key that names lines, in pixels
_BESIDE = 2  # levels that find room beside their lines
_WITHIN = "within"
_DASHES: tuple[Any, ...] = ("solid", (0, (1, 2)), (0, (7, 3)))  # level after level


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
    units : columns label, group, volume, estimate and optionally flag
        One row a hospital; `volume` above 0. With `flag`, hospitals whose flag is "within" are drawn small
        and pale, all others in the full hue of their class.
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
    if "flag" in data:
        data["flag"] = data["flag"].map(safe.clean)
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
        frame=data[["label", "group", "volume", "estimate", *(["flag"] if "flag" in data else [])]],
        height=lambda size: _HEIGHT + _ROW * len(_key_rows(lines, size)),
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
    width, rows = size.width, _key_rows(lines, size)
    height = _HEIGHT + _ROW * len(rows)
    style.legend(canvas, data["group"], top=22)
    axes = canvas.add_axes((46 / width, 56 / height, 1 - 60 / width, 1 - (108 + _ROW * len(rows)) / height))
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
        dash = _DASHES[at % len(_DASHES)]
        for side in ("lower", "upper"):
            axes.plot(
                shown["volume"], shown[side], color=style.MUTED, linewidth=1.2, linestyle=dash, zorder=2
            )
        if rows:
            continue  # named in the key
        # one name above the upper limit and the next beneath the lower: side by side they would touch
        side, va = ("upper", "bottom") if at % 2 == 0 else ("lower", "top")
        axes.text(most, float(shown[side].iloc[-1]), str(level), va=va, color=style.MUTED, **edge)
    _key(canvas, rows, height, width)
    low, high = float(data["estimate"].min()), float(data["estimate"].max())
    room = 0.08 * (high - low or 1)
    axes.set_ylim(low - room, high + room)
    stands = data["flag"].ne(_WITHIN) if "flag" in data else pd.Series(True, index=data.index)
    for group, members in data.groupby("group", sort=True):
        mark, wide = style.mark_of(group), 5 if size.narrow else 6
        out = stands[members.index]
        _points(axes, members[out], mark, wide + (1.5 if "flag" in data else 0), strong=True)
        _points(axes, members[~out], mark, wide - 1.5, strong=False)
    for row in rows_of(data[data["label"].isin(named)]):
        _name(axes, row, most, size)


def _key_rows(lines: pd.DataFrame, size: style.Size) -> list[list[tuple[str, Any]]]:
    """Name and dash of each level, in rows that fit; none where few levels are named beside their lines."""
    levels = list(dict.fromkeys(lines["level"]))
    if len(levels) <= _BESIDE:
        return []
    rows: list[list[tuple[str, Any]]] = [[]]
    used = 0.0
    for at, level in enumerate(levels):
        name = safe.shorten(level, 36)
        wide = _DASH_WIDE + _LETTER * len(name)
        if rows[-1] and used + wide > size.width - 8:
            rows.append([])
            used = 0.0
        rows[-1].append((name, _DASHES[at % len(_DASHES)]))
        used += wide
    return rows


def _key(canvas: Any, rows: Sequence[Sequence[tuple[str, Any]]], height: float, width: float) -> None:
    """Name the lines beneath the marks of the classes."""
    for at, row in enumerate(rows):
        axes = canvas.add_axes((0.012, 1 - (44 + _ROW * at) / height, 0.988, _ROW / height))
        axes.set(xlim=(0, 0.988 * width), ylim=(0, 1), xticks=[], yticks=[])
        left = 2.0
        for name, dash in row:
            axes.plot([left, left + 26], [0.5, 0.5], color=style.MUTED, linewidth=1.4, linestyle=dash)
            axes.text(left + 32, 0.5, name, fontsize=style.SMALL, va="center", color=style.MUTED)
            left += _DASH_WIDE + _LETTER * len(name)


def _points(axes: Any, members: pd.DataFrame, mark: style.Mark, wide: float, *, strong: bool) -> None:
    axes.plot(
        members["volume"],
        members["estimate"],
        linestyle="none",
        marker=mark.shape,
        markersize=wide - (1 if mark.shape == "D" else 0),
        markerfacecolor=mark.face,
        markeredgecolor=mark.hue,
        markeredgewidth=1.2,
        alpha=0.75 if strong else 0.3,
        zorder=4 if strong else 3,
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
    if "flag" in data:
        flagged = data[data["flag"].ne(_WITHIN)].groupby(["group", "flag"]).size().reset_index(name="number")
        parts = [f"{row.number} {row.group} {row.flag}" for row in rows_of(flagged)]
        text += f" Flagged: {', '.join(parts) or 'none'}."
    for row in rows_of(data[data["label"].isin(named)]):
        text += f" {row.label}: {formats.fixed(row.estimate, places)} at a volume of {row.volume:,.0f}."
    return text
