"""Risk by a unit's volume: the fitted curve with its band, over the units themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["volume_curve"]

_HEIGHT = 420
_FEWEST = 2


def volume_curve(
    curve: pd.DataFrame,
    units: pd.DataFrame,
    *,
    volume_text: str,
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    cut: float | None = None,
    cut_label: str = "volume asked about",
    synthetic: bool = False,
) -> Figure:
    """Draw risk against volume on a logarithmic axis.

    Parameters
    ----------
    curve : columns volume, estimate, lower, upper
        The fitted curve.
    units : columns volume, estimate, size
        One row a unit: its own rate, drawn larger where it rests on more patients.
    volume_text, unit_text
        Units of the two axes.
    cut, cut_label
        A volume to mark.
    """
    data = require_columns(curve, ("volume", "estimate", "lower", "upper"), figure=id, what="the curve")
    dots = require_columns(units, ("volume", "estimate", "size"), figure=id, what="units")
    if len(data) < _FEWEST:
        raise InputError(f"Figure '{id}': a curve needs at least two volumes.")
    if min(float(data["volume"].min()), float(dots["volume"].min())) <= 0:
        raise InputError(f"Figure '{id}': a logarithmic axis needs volumes above 0.")
    data = data.sort_values("volume", kind="stable").reset_index(drop=True)

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, dots, volume_text, unit_text, cut, cut_label)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, dots, volume_text, unit_text),
        frame=data[["volume", "estimate", "lower", "upper"]],
        height=lambda _: _HEIGHT,
        synthetic=synthetic,
    )


def _draw(
    canvas: Any,
    size: style.Size,
    data: pd.DataFrame,
    dots: pd.DataFrame,
    volume_text: str,
    unit_text: str,
    cut: float | None,
    cut_label: str,
) -> None:
    width = size.width
    axes = canvas.add_axes((50 / width, 56 / _HEIGHT, 1 - 66 / width, 1 - 116 / _HEIGHT))
    style.axis(axes, left=True)
    style.axis(axes, label=volume_text)
    style.above(axes, unit_text, size, gap=28 if cut is not None else 8)
    axes.set_xscale("log")
    low, high = float(dots["volume"].min()) * 0.9, float(dots["volume"].max()) * 1.1
    axes.set_xlim(low, high)
    ticks = [t for t in (1, 3, 10, 30, 100, 300, 1000, 3000) if low <= t <= high]
    axes.set_xticks(ticks, [f"{t:,}" for t in ticks])
    axes.minorticks_off()
    top = _top(data, dots)
    axes.set_ylim(0, top)
    largest = float(dots["size"].max())
    axes.scatter(
        dots["volume"],
        dots["estimate"],
        s=6 + 60 * dots["size"] / largest,
        facecolors="none",
        edgecolors=style.GENERAL.hue,
        linewidths=0.8,
        alpha=0.6,
        zorder=3,
    )
    axes.fill_between(
        data["volume"],
        data["lower"],
        data["upper"],
        color=style.SPECIALIST.hue,
        alpha=0.22,
        linewidth=0,
        zorder=4,
    )
    axes.plot(data["volume"], data["estimate"], color=style.SPECIALIST.hue, linewidth=3, zorder=5)
    if cut is not None:
        style.reference_line(axes, cut, cut_label)


def _top(data: pd.DataFrame, dots: pd.DataFrame) -> float:
    """Return the highest rate drawn: those of units with a handful of patients would hide the rest."""
    ordered = dots.sort_values("estimate")
    reached = ordered["size"].cumsum() / ordered["size"].sum()
    most = float(ordered["estimate"][reached <= 0.99].max()) if (reached <= 0.99).any() else 0.0
    return max(most, float(data["upper"].max())) * 1.15


def _describe(data: pd.DataFrame, dots: pd.DataFrame, volume_text: str, unit_text: str) -> str:
    shown = rows_of(data.iloc[np.unique(np.linspace(0, len(data) - 1, 5).round().astype(int))])
    places = formats.decimals_for(0.0, float((data["upper"] - data["lower"]).median()))
    listed = "; ".join(
        f"{row.volume:,.0f}: {formats.fixed(row.estimate, places)} ({formats.fixed(row.lower, places)} to "
        f"{formats.fixed(row.upper, places)})"
        for row in shown
    )
    beyond = int((dots["estimate"] > _top(data, dots)).sum())
    return (
        f"Fitted {unit_text} by {volume_text}: {listed}. Behind it {len(dots):,} units, {beyond:,} of them "
        "with a rate above the axis."
    )
